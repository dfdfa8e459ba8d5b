"""`numpy.linalg` without factorisations and norms, for single matrices and for stacks of them.

Gradients are transposed and not conjugated (``dL = Re(sum(g * dz))``), so that for a holomorphic function the
formula for real matrices serves complex ones as it stands. Formulas are from M. Giles, "Collected matrix derivative
results for forward and reverse mode algorithmic differentiation" (2008), and as said beside the rule.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from ..kin import kin
from ..primitive import PLAIN, composite, define
from .products import conjugate, swap

PLAIN.add(np.linalg.matrix_rank)


def adjoint(x: Any) -> Any:
    return swap(conjugate(x))


def eye_like(x: Any) -> Any:
    """The identity of the size and dtype of the square matrix `x`."""
    return kin(x, np.eye, x.shape[-1], dtype=x.dtype)


def lower_triangle(x: Any) -> Any:
    """What takes, multiplied, the lower triangle of `x` with half of its diagonal."""
    return kin(x, np.tri, x.shape[-1], dtype=x.dtype) - eye_like(x) / 2


def as_hermitian(a: Any) -> Any:
    """The Hermitian matrix of which `a` holds the lower triangle."""
    half = a * lower_triangle(a)
    return half + adjoint(half)


# Inverses and solutions


def _inv(g: Any, ans: Any, a: Any) -> Any:
    """``dY = -Y dA Y``."""
    return -np.matmul(np.matmul(swap(ans), g), swap(ans))


def _pinv_rule(g: Any, ans: Any, a: Any, **tolerance: Any) -> Any:
    """``dP = -P dA P + P P^H dA^H (1 - A P) + (1 - P A) dA^H P^H P`` where the rank is constant.

    G. Golub and V. Pereyra, "The differentiation of pseudo-inverses and nonlinear least squares problems whose
    variables separate" (1973).
    """
    outside, inside = np.matmul(a, ans), np.matmul(ans, a)
    left = np.matmul(np.matmul(eye_like(outside) - outside, swap(g)), np.matmul(ans, adjoint(ans)))
    right = np.matmul(np.matmul(adjoint(ans), ans), np.matmul(swap(g), eye_like(inside) - inside))
    return _inv(g, ans, a) + conjugate(left + right)


def _solve_a(g: Any, ans: Any, a: Any, b: Any) -> Any:
    """``dX = A^-1 (dB - dA X)``."""
    if b.ndim == 1:
        g, ans = g[..., None], ans[..., None]
    return -np.matmul(np.linalg.solve(swap(a), g), swap(ans))


def _solve_b(g: Any, ans: Any, a: Any, b: Any) -> Any:
    return np.linalg.solve(swap(a), g[..., None])[..., 0] if b.ndim == 1 else np.linalg.solve(swap(a), g)


define(np.linalg.inv, _inv)
_pseudo_inverse = define(lambda a, **tolerance: np.linalg.pinv(a, **tolerance), _pinv_rule, name="pinv")
define(np.linalg.solve, _solve_a, _solve_b, broadcasts=True)


@composite(np.linalg.pinv)
def _pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = np._NoValue) -> Any:
    tolerance = {} if rcond is None else {"rcond": rcond}
    if rtol is not np._NoValue:  # not every library knows it
        tolerance["rtol"] = rtol
    return _pseudo_inverse(as_hermitian(a) if hermitian else a, **tolerance)


def _lstsq_parts(g: Any, ans: Any, a: Any, b: Any, rcond: Any) -> tuple[Any, ...]:
    """What both gradients of `lstsq` need, with vectors as matrices of one column.

    The solution is ``X = A^+ B``. Of the residuals ``sum(|R|^2)``, ``R = B - A X``, only the explicit dependence
    counts, since X minimises them.
    """
    x, g_x, g_residuals = ans[0], g[0], g[1]
    if b.ndim == 1:
        x, b, g_x = x[:, None], b[:, None], None if g_x is None else g_x[:, None]
    if rcond is None:
        rcond = np.finfo(x.dtype).eps * max(a.shape)
    inverse = np.linalg.pinv(a, rcond)
    residual = b - np.matmul(a, x)
    to_residual = 0 if g_residuals is None else 2 * conjugate(residual) * g_residuals
    to_b = to_residual if g_x is None else np.matmul(inverse.T, g_x) + to_residual
    return x, inverse, residual, g_x, to_b


def _lstsq_a(g: Any, ans: Any, a: Any, b: Any, rcond: Any = None) -> Any:
    x, inverse, residual, g_x, to_b = _lstsq_parts(g, ans, a, b, rcond)
    out: Any = 0 if isinstance(to_b, int) else -np.matmul(to_b, x.T)
    if g_x is not None:
        left = np.matmul(np.matmul(residual, g_x.T), np.matmul(inverse, adjoint(inverse)))
        right = np.matmul(np.matmul(adjoint(inverse), x), g_x.T - np.matmul(np.matmul(g_x.T, inverse), a))
        out = out + conjugate(left + right)
    if g[3] is not None:
        u, _, vh = np.linalg.svd(a, full_matrices=False)
        out = out + np.matmul(conjugate(u) * g[3], conjugate(vh))
    return out


def _lstsq_b(g: Any, ans: Any, a: Any, b: Any, rcond: Any = None) -> Any:
    to_b = _lstsq_parts(g, ans, a, b, rcond)[-1]
    return np.zeros_like(b) if isinstance(to_b, int) else np.reshape(to_b, b.shape)


_least_squares = define(
    lambda a, b, rcond=None: np.linalg.lstsq(a, b, rcond), _lstsq_a, _lstsq_b, name="lstsq", outputs=True
)


@composite(np.linalg.lstsq)
def _lstsq(a: Any, b: Any, rcond: Any = None) -> Any:
    x, residuals, rank, s = _least_squares(a, b, rcond=rcond)
    return x, residuals, rank.item(), s


@composite(np.linalg.tensorinv)
def _tensorinv(a: Any, ind: int = 2) -> Any:
    if ind <= 0:
        raise ValueError(f"tensorinv: ind must be positive, got {ind}")
    return np.linalg.inv(a.reshape(math.prod(a.shape[ind:]), -1)).reshape(*a.shape[ind:], *a.shape[:ind])


@composite(np.linalg.tensorsolve)
def _tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    if axes is not None:
        moved = [k % np.ndim(a) for k in axes]
        a = np.transpose(a, [k for k in range(np.ndim(a)) if k not in moved] + moved)
    shape = np.shape(a)[np.ndim(b) :]
    return np.linalg.solve(np.reshape(a, (-1, math.prod(shape))), np.reshape(b, -1)).reshape(shape)


@composite(np.linalg.matrix_power)
def _matrix_power(a: Any, n: int) -> Any:
    n = operator.index(n)
    if n == 0:
        return a * 0 + eye_like(a)
    square, power = (np.linalg.inv(a) if n < 0 else a), None
    n = abs(n)
    while True:
        if n % 2:
            power = square if power is None else np.matmul(power, square)
        n //= 2
        if n == 0:
            return power
        square = np.matmul(square, square)


# Determinants


def _cofactors(a: Any) -> Any:
    """``det(A) A^-T``, also where A is singular: ``A = U S V`` has ``det(U V) conj(U) C conj(V)``, and the cofactors
    C of a diagonal matrix are products of all other entries."""
    u, s, vh = np.linalg.svd(a)
    others = np.prod(np.where(kin(s, np.eye, s.shape[-1], dtype=bool), 1, s[..., None, :]), axis=-1)
    return np.matmul(
        np.linalg.det(np.matmul(u, vh))[..., None, None] * conjugate(u) * others[..., None, :], conjugate(vh)
    )


def _from_cofactors(g: Any, ans: Any, a: Any) -> Any:
    """From ``C = det(A) A^-T``; the second derivative of `det` thus needs a regular matrix."""
    inverse = swap(np.linalg.inv(a))
    trace = np.sum(g * inverse, axis=(-2, -1), keepdims=True)
    return trace * ans - np.matmul(np.matmul(ans, swap(g)), inverse)


def _slogdet(g: Any, ans: Any, a: Any) -> Any:
    """``d log det(A) = trace(A^-1 dA)``, of which the real part goes to the logarithm and the rest to the sign."""
    weight: Any = 0 if g[1] is None else g[1]
    if g[0] is not None and a.dtype.kind == "c":
        weight = weight + 1j * np.imag(g[0] * ans[0])
    if isinstance(weight, int):
        return np.zeros_like(a)
    return weight[..., None, None] * swap(np.linalg.inv(a))


cofactors = define(_cofactors, _from_cofactors, name="cofactors")
define(np.linalg.det, lambda g, ans, a: g[..., None, None] * cofactors(a))
define(np.linalg.slogdet, _slogdet, outputs=True)


# What `numpy.linalg` names again, always of the last two axes


@composite(np.linalg.matrix_transpose)
def _matrix_transpose(x: Any, /) -> Any:
    return swap(x)


@composite(np.linalg.trace)
def _trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    trace = np.trace(x, offset, -2, -1)
    return trace if dtype is None else trace.astype(dtype)


@composite(np.linalg.diagonal)
def _diagonals(x: Any, /, *, offset: int = 0) -> Any:
    return np.diagonal(x, offset, -2, -1)


@composite(np.linalg.matmul)
def _matmul(x1: Any, x2: Any, /) -> Any:
    return np.matmul(x1, x2)


@composite(np.linalg.outer)
def _outer(x1: Any, x2: Any, /) -> Any:
    if np.ndim(x1) != 1 or np.ndim(x2) != 1:
        raise ValueError(f"outer: expected vectors, got shapes {np.shape(x1)} and {np.shape(x2)}")
    return np.reshape(x1, (-1, 1)) * x2


@composite(np.linalg.cross)
def _cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    return np.cross(x1, x2, axis=axis)


@composite(np.linalg.tensordot)
def _tensordot(x1: Any, x2: Any, /, *, axes: Any = 2) -> Any:
    return np.tensordot(x1, x2, axes)


@composite(np.linalg.vecdot)
def _vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    return np.sum(np.conjugate(x1) * x2, axis=axis)
