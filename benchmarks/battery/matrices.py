"""Linear algebra: well conditioned, and close to singular."""

from __future__ import annotations

import functools

import numpy as np

from .problem import Array, Problem, normal

MATRIX = functools.partial(Problem, kind="linear algebra")
SINGULAR = functools.partial(Problem, kind="near singular")

N = 5
A, B, W, V = normal(40, N, N), normal(41, N, N), normal(42, N, N), normal(43, N)
LONG = normal(44, N, 8)
SPECTRUM = np.array([-1.0, 0.5, 1.0, 2.0, 3.0])
HILBERT = 1.0 / (np.arange(6)[:, None] + np.arange(6) + 1.0)


def conditioned(seed: int, condition: float) -> Array:
    """A matrix whose singular values fall from 1 to ``1 / condition``."""
    u, _, v = np.linalg.svd(normal(seed, N, N))
    return (u * np.logspace(0.0, -np.log10(condition), N)) @ v


STIFF = conditioned(50, 1e10)


def inverse_gradient(A: Array) -> Array:
    """d<W, A^-1> = -<A^-T W A^-T, dA>."""
    inverse = np.linalg.inv(A).T
    return -inverse @ W @ inverse


def solution(A: Array, b: Array) -> Array:
    return np.sum(np.linalg.solve(A, b) * V[: len(b)])


def solution_gradient(A: Array, b: Array) -> tuple[Array, Array]:
    adjoint = np.linalg.solve(A.T, V[: len(b)])
    return -np.outer(adjoint, np.linalg.solve(A, b)), adjoint


def determinant_gradient(A: Array) -> Array:
    """Jacobi's formula."""
    return np.linalg.det(A) * np.linalg.inv(A).T


def gram_logdet(X: Array) -> Array:
    """log det(X X^T + I) from a Cholesky factor."""
    L = np.linalg.cholesky(X @ X.T + np.eye(len(X)))
    return 2.0 * np.sum(np.log(np.diagonal(L)))


def spectral_sum(A: Array) -> Array:
    return np.linalg.eigvalsh((A + A.T) / 2.0) @ SPECTRUM


def spectral_sum_gradient(A: Array) -> Array:
    _, vectors = np.linalg.eigh((A + A.T) / 2.0)
    return (vectors * SPECTRUM) @ vectors.T


def nuclear_norm_gradient(A: Array) -> Array:
    u, _, v = np.linalg.svd(A, full_matrices=False)
    return u @ v


def inverse_form(A: Array, b: Array) -> Array:
    return b @ np.linalg.solve(A @ A.T + np.eye(N), b)


def inverse_form_gradient(A: Array, b: Array) -> tuple[Array, Array]:
    y = np.linalg.solve(A @ A.T + np.eye(N), b)
    return -2.0 * np.outer(y, y) @ A, 2.0 * y


PROBLEMS = [
    MATRIX("matrix product", lambda A, B: np.sum(W * (A @ B)), (A, B), lambda A, B: (W @ B.T, A.T @ W)),
    MATRIX(
        "einsum",
        lambda A, B: np.einsum("ij,jk,ik->", A, B, W),
        (LONG, LONG.T.copy()),
        lambda A, B: (W @ B.T, A.T @ W),
    ),
    MATRIX("inverse", lambda A: np.sum(W * np.linalg.inv(A)), A, inverse_gradient),
    MATRIX("solve", solution, (A, V + 1.0), solution_gradient),
    MATRIX("determinant", np.linalg.det, A, determinant_gradient),
    MATRIX("trace of a cube", lambda A: np.trace(A @ A @ A), A, lambda A: 3.0 * (A @ A).T),
    MATRIX(
        "log-determinant by Cholesky",
        gram_logdet,
        LONG,
        lambda X: 2.0 * np.linalg.solve(X @ X.T + np.eye(len(X)), X),
    ),
    MATRIX("weighted eigenvalues", spectral_sum, A, spectral_sum_gradient),
    MATRIX("nuclear norm", lambda A: np.sum(np.linalg.svd(A, compute_uv=False)), LONG, nuclear_norm_gradient),
    MATRIX(
        "Frobenius norm",
        lambda A: np.linalg.norm(A),
        A,
        lambda A: A / np.sqrt(np.sum(A * A)),
    ),
    MATRIX("form of an inverse", inverse_form, (A, V), inverse_form_gradient),
    SINGULAR("inverse, condition 1e6", lambda A: np.sum(W * np.linalg.inv(A)), conditioned(45, 1e6), inverse_gradient),
    SINGULAR("solve, condition 1e6", solution, (conditioned(46, 1e6), V + 1.0), solution_gradient),
    SINGULAR("solve, condition 1e8", solution, (conditioned(47, 1e8), V + 1.0), solution_gradient),
    SINGULAR("solve, Hilbert matrix", solution, (HILBERT[:5, :5], np.ones(5)), solution_gradient),
    SINGULAR("determinant, condition 1e10", np.linalg.det, conditioned(48, 1e10), determinant_gradient),
    SINGULAR(
        "log-determinant, condition 1e8",
        lambda A: np.linalg.slogdet(A)[1],
        conditioned(49, 1e8),
        lambda A: np.linalg.inv(A).T,
    ),
    SINGULAR(
        "log of determinant, Hilbert matrix",
        lambda A: np.log(np.linalg.det(A)),
        HILBERT,
        lambda A: np.linalg.inv(A).T,
    ),
    SINGULAR(
        "right-hand side alone, condition 1e10",
        lambda b: np.sum(np.linalg.solve(STIFF, b) ** 2),
        V,
        lambda b: 2.0 * np.linalg.solve(STIFF.T, np.linalg.solve(STIFF, b)),
        # The factorisations of the constant matrix round differently, and by 1e-8 the gradient is not that of f.
        expected=frozenset({"PASS", "INCONCLUSIVE"}),
    ),
]
