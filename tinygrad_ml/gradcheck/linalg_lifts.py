"""Factorisations of matrices for the complex step.

NumPy's conjugate where they transpose, so that they are not analytic. Here every one is what its defining equations say
with transposes alone. Where these have no closed form, one step of Newton's method is taken from the real
solution: with a step as tiny as that of the complex step, its error is far below rounding.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..rules.decompositions import _factors, _reduced
from ..rules.linalg import _least_squares, _pseudo_inverse, cofactors
from .lifts import Lift, Unavailable

#: So many numbers at once, 128 MB.
_LARGEST = 2**24


def _swap(x: Any) -> Any:
    return np.swapaxes(x, -1, -2)


def _symmetric(a: Any, upper: bool) -> Any:
    """The symmetric matrix of which `a` holds one triangle."""
    a = _swap(a) if upper else a
    return np.tril(a) + _swap(np.tril(a, -1))


def _cholesky(a: Any, *, upper: bool = False) -> Any:
    """Column by column, from ``L L^T = A``."""
    a = _symmetric(a, upper)
    factor = np.zeros_like(a)
    for j in range(a.shape[-1]):
        row = factor[..., j, :j]
        column = a[..., j:, j] - np.sum(factor[..., j:, :j] * row[..., None, :], axis=-1)
        factor[..., j:, j] = column / np.sqrt(column[..., :1])
    return _swap(factor) if upper else factor


def _qr(a: Any) -> tuple[Any, Any]:
    """Householder's reflections ``1 - 2 v v^T / v^T v``, with the signs that NumPy's answer has."""
    m, n = a.shape[-2:]
    k = min(m, n)
    r, reflections = a, []
    for j in range(k):
        x = r[..., j:, j]
        length = np.sqrt(np.sum(x * x, axis=-1, keepdims=True))
        first = x[..., :1] + np.where(np.real(x[..., :1]) < 0, -1, 1) * length
        v = np.concatenate([np.zeros((*a.shape[:-2], j)), first, x[..., 1:]], axis=-1)
        reflections.append(v)
        r = _reflect(v, r)
    q = np.broadcast_to(np.eye(m, k), (*a.shape[:-2], m, k))
    for v in reversed(reflections):
        q = _reflect(v, q)
    r = np.triu(r[..., :k, :])
    ours, numpys = (np.diagonal(x, axis1=-2, axis2=-1) for x in (np.real(r), np.linalg.qr(np.real(a))[1]))
    signs = np.where(ours * numpys < 0, -1, 1)
    return q * signs[..., None, :], r * signs[..., :, None]


def _reflect(v: Any, x: Any) -> Any:
    projected = np.sum(v[..., :, None] * x, axis=-2, keepdims=True)
    return x - 2 / np.sum(v * v, axis=-1)[..., None, None] * v[..., :, None] * projected


def _bordered(pairs: tuple[int, ...], size: int) -> Any:
    """A matrix of zeros for each pair, for Newton's method on all of them at once."""
    if math.prod(pairs) * size * size > _LARGEST:
        raise Unavailable(f"a complex step through {pairs[-1]} values and their vectors would take too much memory")
    return np.zeros((*pairs, size, size))


def _eigenpairs(a: Any, values: Any, vectors: Any) -> tuple[Any, Any]:
    """One Newton step on ``A v = w v, v^T v = 1`` from a real eigenvalue and its vector, for every pair."""
    n = a.shape[-1]
    v = _swap(vectors)
    jacobian = _bordered(values.shape, n + 1)
    jacobian[..., :n, :n] = np.real(a)[..., None, :, :] - values[..., None, None] * np.eye(n)
    jacobian[..., :n, n] = -v
    jacobian[..., n, :n] = v
    residual = np.zeros((*values.shape, n + 1))
    residual[..., :n] = np.matmul(v, _swap(np.imag(a)))
    step = np.linalg.solve(jacobian, -residual[..., None])[..., 0]
    return values + 1j * step[..., n], vectors + 1j * _swap(step[..., :n])


def _eigh(a: Any, UPLO: Any = "L") -> tuple[Any, Any]:
    return _eigenpairs(_symmetric(a, UPLO.upper() == "U"), *np.linalg.eigh(np.real(a), UPLO))


def _eig(a: Any) -> tuple[Any, Any]:
    values, vectors = np.linalg.eig(np.real(a))
    if values.dtype.kind == "c":
        raise Unavailable("eig: the eigenvalues are complex")
    return _eigenpairs(a, values, vectors)


def _svd(a: Any, full_matrices: bool) -> tuple[Any, Any, Any]:
    """One Newton step on ``A v = s u, A^T u = s v, u^T u + v^T v = 2`` from every real triple.

    Singular vectors beyond the shorter side of A are not determined, and stay.
    """
    m, n = a.shape[-2:]
    u, s, vt = np.linalg.svd(np.real(a), full_matrices=full_matrices)
    k = s.shape[-1]
    left, right = _swap(u)[..., :k, :], vt[..., :k, :]
    jacobian = _bordered(s.shape, m + n + 1)
    jacobian[..., :m, m:-1] = np.real(a)[..., None, :, :]
    jacobian[..., m:-1, :m] = _swap(np.real(a))[..., None, :, :]
    jacobian[..., :-1, :-1] -= s[..., None, None] * np.eye(m + n)
    jacobian[..., :-1, -1] = -np.concatenate([left, right], axis=-1)
    jacobian[..., -1, :-1] = np.concatenate([left, right], axis=-1)
    residual = np.zeros((*s.shape, m + n + 1))
    residual[..., :m] = np.matmul(right, _swap(np.imag(a)))
    residual[..., m:-1] = np.matmul(left, np.imag(a))
    step = np.linalg.solve(jacobian, -residual[..., None])[..., 0]
    u, vt = u.astype(complex), vt.astype(complex)
    u[..., :k].imag += _swap(step[..., :m])
    vt[..., :k, :].imag += step[..., m:-1]
    return u, s + 1j * step[..., -1], vt


def _slogdet(a: Any) -> tuple[Any, Any]:
    """The logarithm's imaginary part is the angle that the determinant turns by."""
    sign, size = np.linalg.slogdet(np.real(a))
    turned = np.linalg.slogdet(a)[0]
    return sign + 0j, size + 1j * np.imag(turned) * sign


def _pinv(a: Any, rcond: Any = None, rtol: Any = None) -> Any:
    """``R^-1 Q^T``, of a matrix of full rank."""
    if not np.all(np.linalg.matrix_rank(np.real(a)) == min(a.shape[-2:])):
        raise Unavailable("pinv: the matrix is not of full rank, and its rank changes nearby")
    tall = a.shape[-2] >= a.shape[-1]
    q, r = _qr(a if tall else _swap(a))
    inverse = np.linalg.solve(r, _swap(q))
    return inverse if tall else _swap(inverse)


def _lstsq(a: Any, b: Any, rcond: Any = None) -> tuple[Any, Any, Any, Any]:
    _, residuals, rank, s = np.linalg.lstsq(np.real(a), np.real(b), rcond)
    x = np.matmul(_pinv(a), b)
    squares = np.square(b - np.matmul(a, x))
    total = np.sum(squares, axis=0).reshape(residuals.shape) if residuals.size else residuals + 0j
    return x, total, rank, _svd(a, False)[1] if np.iscomplexobj(a) else s + 0j


LINALG_LIFTS: dict[Any, Lift] = {
    np.linalg.cholesky: _cholesky,
    _reduced.function: _qr,
    np.linalg.eigh: _eigh,
    np.linalg.eig: _eig,
    _factors.function: _svd,
    np.linalg.slogdet: _slogdet,
    _pseudo_inverse.function: _pinv,
    _least_squares.function: _lstsq,
    cofactors.function: lambda a: np.linalg.det(a)[..., None, None] * _swap(np.linalg.inv(a)),
}
