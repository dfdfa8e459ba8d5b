"""`numpy.linalg`, for single matrices and for stacks of them.

Gradients are transposed and not conjugated (``dL = Re(sum(g * dz))``), so that for a holomorphic function the
formula for real matrices serves complex ones as it stands. Functions that read one triangle of a Hermitian
matrix (`eigh`, `cholesky`) leave their gradient in that triangle: it is the derivative of what NumPy computes.

Formulas are from M. Giles, "Collected matrix derivative results for forward and reverse mode algorithmic
differentiation" (2008); M. Seeger et al., "Auto-differentiating linear algebra" (2017); S. Walter and L. Lehmann,
"Algorithmic differentiation of linear algebra functions" (2010); and as said beside the rule. Singular vectors
and eigenvectors are defined up to a phase: only losses that do not depend on it have a derivative, and only
where the values are distinct. Derivatives of the values alone exist everywhere.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from ..primitive import PLAIN, composite, define
from .products import swap
from .reduction import restore

PLAIN.add(np.linalg.matrix_rank)


def _conj(x: Any) -> Any:
    return np.conjugate(x) if x.dtype.kind == "c" else x


def _adjoint(x: Any) -> Any:
    return swap(_conj(x))


def _eye(x: Any) -> Any:
    """The identity of the size and dtype of the square matrix `x`."""
    return np.eye(x.shape[-1], dtype=x.dtype)


def _lower(x: Any) -> Any:
    """What takes, multiplied, the lower triangle of `x` with half of its diagonal."""
    return np.tri(x.shape[-1], dtype=x.dtype) - _eye(x) / 2


def _fold(g: Any, upper: bool) -> Any:
    """The gradient at one triangle of a Hermitian matrix, from that at the whole: ``g + g^H``, diagonal halved."""
    return (g + _adjoint(g)) * (_lower(g).T if upper else _lower(g))


def _diagonal(values: Any) -> Any:
    """Diagonal matrices of `values`."""
    return values[..., None] * np.eye(values.shape[-1], dtype=values.dtype)


def _right_solve(x: Any, a: Any) -> Any:
    """``x a^-1``."""
    return swap(np.linalg.solve(swap(a), swap(x)))


def _hermitian(a: Any) -> Any:
    """The Hermitian matrix of which `a` holds the lower triangle."""
    half = a * _lower(a)
    return half + _adjoint(half)


def _inverse_gaps(values: Any) -> Any:
    """``F[i, j] = 1 / (values[j] - values[i])``, and 0 on the diagonal."""
    eye = np.eye(values.shape[-1], dtype=values.dtype)
    return (1 - eye) / (values[..., None, :] - values[..., None] + eye)


# Inverses and solutions


def _inv(g: Any, ans: Any, a: Any) -> Any:
    """``dY = -Y dA Y``."""
    return -np.matmul(np.matmul(swap(ans), g), swap(ans))


def _pinv_rule(g: Any, ans: Any, a: Any, rcond: Any, rtol: Any) -> Any:
    """``dP = -P dA P + P P^H dA^H (1 - A P) + (1 - P A) dA^H P^H P`` where the rank is constant.

    G. Golub and V. Pereyra, "The differentiation of pseudo-inverses and nonlinear least squares problems whose
    variables separate" (1973).
    """
    outside, inside = np.matmul(a, ans), np.matmul(ans, a)
    left = np.matmul(np.matmul(_eye(outside) - outside, swap(g)), np.matmul(ans, _adjoint(ans)))
    right = np.matmul(np.matmul(_adjoint(ans), ans), np.matmul(swap(g), _eye(inside) - inside))
    return _inv(g, ans, a) + _conj(left + right)


def _solve_a(g: Any, ans: Any, a: Any, b: Any) -> Any:
    """``dX = A^-1 (dB - dA X)``."""
    if b.ndim == 1:
        g, ans = g[..., None], ans[..., None]
    return -np.matmul(np.linalg.solve(swap(a), g), swap(ans))


def _solve_b(g: Any, ans: Any, a: Any, b: Any) -> Any:
    return np.linalg.solve(swap(a), g[..., None])[..., 0] if b.ndim == 1 else np.linalg.solve(swap(a), g)


define(np.linalg.inv, _inv)
_pseudo_inverse = define(lambda a, rcond, rtol: np.linalg.pinv(a, rcond, rtol=rtol), _pinv_rule, name="pinv")
define(np.linalg.solve, _solve_a, _solve_b, broadcasts=True)


@composite(np.linalg.pinv)
def _pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = np._NoValue) -> Any:
    return _pseudo_inverse(_hermitian(a) if hermitian else a, rcond=rcond, rtol=rtol)


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
    to_residual = 0 if g_residuals is None else 2 * _conj(residual) * g_residuals
    to_b = to_residual if g_x is None else np.matmul(inverse.T, g_x) + to_residual
    return x, inverse, residual, g_x, to_b


def _lstsq_a(g: Any, ans: Any, a: Any, b: Any, rcond: Any = None) -> Any:
    x, inverse, residual, g_x, to_b = _lstsq_parts(g, ans, a, b, rcond)
    out: Any = 0 if isinstance(to_b, int) else -np.matmul(to_b, x.T)
    if g_x is not None:
        left = np.matmul(np.matmul(residual, g_x.T), np.matmul(inverse, _adjoint(inverse)))
        right = np.matmul(np.matmul(_adjoint(inverse), x), g_x.T - np.matmul(np.matmul(g_x.T, inverse), a))
        out = out + _conj(left + right)
    if g[3] is not None:
        u, _, vh = np.linalg.svd(a, full_matrices=False)
        out = out + np.matmul(_conj(u) * g[3], _conj(vh))
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
        return a * 0 + _eye(a)
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
    others = np.prod(np.where(np.eye(s.shape[-1], dtype=bool), 1, s[..., None, :]), axis=-1)
    return np.matmul(np.linalg.det(np.matmul(u, vh))[..., None, None] * _conj(u) * others[..., None, :], _conj(vh))


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


# Factorisations


def _cholesky(g: Any, ans: Any, a: Any, *, upper: bool = False) -> Any:
    """``dL = L low(L^-1 dA L^-H)``, where `low` takes the lower triangle and half of the diagonal.

    I. Murray, "Differentiation of the Cholesky decomposition" (2016), section 3.1.
    """
    if upper:
        g, ans = _adjoint(g), _adjoint(ans)
    inner = np.matmul(swap(ans), g)
    whole = _right_solve(np.linalg.solve(swap(ans), inner * _lower(inner)), _conj(ans))
    return _fold(whole, upper)


define(np.linalg.cholesky, _cholesky)


def _qr_tall(g_q: Any, g_r: Any, q: Any, r: Any) -> Any:
    """``(g_Q + conj(Q) (M + M^H)) R^-T``, M the upper triangle of ``g_R R^T - Q^T g_Q`` with half of its diagonal.

    Walter and Lehmann (2010).
    """
    inner = 0 if g_r is None else np.matmul(g_r, swap(r))
    if g_q is not None:
        inner = inner - np.matmul(swap(q), g_q)
    inner = inner * _lower(inner).T
    out = np.matmul(_conj(q), inner + _adjoint(inner))
    return _right_solve(out if g_q is None else g_q + out, swap(r))


def _qr_reduced(g: Any, ans: Any, a: Any) -> Any:
    """A wide matrix is ``(X, Y)``, X square, with ``Q U = X`` and ``R = (U, Q^H Y)``."""
    (g_q, g_r), (q, r) = g, ans
    m, n = a.shape[-2:]
    if m >= n:
        return _qr_tall(g_q, g_r, q, r)
    to_left, to_right = np.eye(m, n, dtype=a.dtype), np.eye(n - m, n, k=m, dtype=a.dtype)
    if g_r is None:
        return np.matmul(_qr_tall(g_q, None, q, r[..., :m]), to_left)
    to_q = _conj(np.matmul(a[..., m:], swap(g_r[..., m:])))
    left = _qr_tall(to_q if g_q is None else g_q + to_q, g_r[..., :m], q, r[..., :m])
    return np.matmul(left, to_left) + np.matmul(np.matmul(_conj(q), g_r[..., m:]), to_right)


_reduced = define(lambda a: np.linalg.qr(a), _qr_reduced, name="qr", outputs=True)


@composite(np.linalg.qr)
def _qr(a: Any, mode: str = "reduced") -> Any:
    if mode == "reduced" or mode == "complete" and a.shape[-2] <= a.shape[-1]:
        return _reduced(a)
    if mode == "r":
        return _reduced(a)[1]
    raise TypeError(
        f"qr: mode={mode!r} of a matrix of shape {a.shape[-2:]} has no derivative: only the columns of Q that the "
        "matrix determines have one; use mode='reduced' or 'r'"
    )


def _eigh(g: Any, ans: Any, a: Any, UPLO: str = "L") -> Any:
    """``conj(V) (diag(g_w) + F * (V^T g_V)) V^T`` with ``F[i, j] = 1 / (w[j] - w[i])`` (Giles 2008, section 3.1)."""
    (g_w, g_v), (w, v) = g, ans
    out: Any = 0 if g_w is None else np.matmul(_conj(v) * g_w[..., None, :], swap(v))
    if g_v is not None:
        inner = _inverse_gaps(w) * np.matmul(swap(v), g_v)
        out = out + np.matmul(np.matmul(_conj(v), inner), swap(v))
    return _fold(out, UPLO.upper() == "U")


def _eig(g: Any, ans: Any, a: Any) -> Any:
    """``V^-T (diag(g_w) + F * (V^T g_V - V^T conj(V) Re(diag(V^T g_V)))) V^T``.

    The last term keeps the vectors at length 1. Giles (2008), section 3.1; C. Boeddeker et al., "On the computation of
    complex-valued gradients" (2017).
    """
    (g_w, g_v), (w, v) = g, ans
    inner: Any = 0 if g_w is None else _diagonal(g_w)
    if g_v is not None:
        stretch = np.real(np.sum(v * g_v, axis=-2))
        turn = np.matmul(swap(v), g_v) - np.matmul(swap(v), _conj(v)) * stretch[..., None, :]
        inner = inner + _inverse_gaps(w) * turn
    return np.linalg.solve(swap(v), np.matmul(inner, swap(v)))


define(np.linalg.eigh, _eigh, outputs=True)
define(np.linalg.eig, _eig, outputs=True)


@composite(np.linalg.eigvalsh)
def _eigvalsh(a: Any, UPLO: Any = "L") -> Any:
    return np.linalg.eigh(a, UPLO)[0]


@composite(np.linalg.eigvals)
def _eigvals(a: Any) -> Any:
    return np.linalg.eig(a)[0]


def _svd_rule(g: Any, ans: Any, a: Any, full_matrices: bool) -> Any:
    """The derivative of ``A = U S V^H``.

    With ``skew(X) = X - X^H`` and ``F[i, j] = 1 / (s[j]^2 - s[i]^2)``, for real matrices
    ``U ((F * skew(U^T g_U)) S + S (F * skew(V^T g_V)) + g_S) V^T``, and what of g_U and g_V stands perpendicular to U
    and V: ``(1 - U U^T) g_U S^-1 V^T + U S^-1 g_V^T (1 - V V^T)``. J. Townsend, "Differentiating the singular value
    decomposition" (2016); the phases of complex ones after Z.-Q. Wan and S.-X. Zhang, "Automatic differentiation
    for complex valued SVD" (2019).
    """
    g_u, g_s, g_vh = g
    m, n = a.shape[-2:]
    u, s, vh = ans
    if full_matrices and m != n:
        if g_u is not None or g_vh is not None:
            raise TypeError(
                f"svd: full_matrices=True of a matrix of shape {(m, n)} leaves singular vectors free to choose, and "
                "they have no derivative; use full_matrices=False"
            )
        u, s, vh = np.linalg.svd(a, full_matrices=False)
    u, vh = _conj(u), _conj(vh)
    if g_u is None and g_vh is None:
        return np.matmul(u * g_s[..., None, :], vh)
    gaps = _inverse_gaps(s) / (s[..., None, :] + s[..., None])
    inner: Any = 0 if g_s is None else _diagonal(g_s)
    outer: Any = 0
    if g_u is not None:
        turn = np.matmul(_adjoint(u), g_u)
        inner = inner + gaps * (turn - _adjoint(turn)) * s[..., None, :]
        if a.dtype.kind == "c":
            inner = inner + _eye(turn) * (1j * np.imag(turn) / s[..., None, :])
        if m > n:
            outer = np.matmul((g_u - np.matmul(u, turn)) / s[..., None, :], vh)
    if g_vh is not None:
        turn = np.matmul(vh, _adjoint(g_vh))
        inner = inner + s[..., None] * gaps * (turn - _adjoint(turn))
        if n > m:
            rest = g_vh - np.matmul(_adjoint(turn), vh)
            outer = outer + np.matmul(u, rest / s[..., None])
    return np.matmul(np.matmul(u, inner), vh) + outer


_factors = define(
    lambda a, full_matrices: np.linalg.svd(a, full_matrices=full_matrices), _svd_rule, name="svd", outputs=True
)


@composite(np.linalg.svd)
def _svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    a = _hermitian(a) if hermitian else a
    return _factors(a, full_matrices) if compute_uv else _factors(a, False)[1]


@composite(np.linalg.svdvals)
def _svdvals(x: Any) -> Any:
    return _factors(x, False)[1]


# Norms


def _norm_rule(g: Any, ans: Any, x: Any, ord: Any, axis: Any, keepdims: bool) -> Any:
    """``g (|x| / norm)^(ord - 1) conj(x) / |x|``, 0 where x is 0; the infinite orders go to what is largest (smallest)
    in magnitude, in equal parts."""
    g, ans = restore(g, x.shape, axis, keepdims), restore(ans, x.shape, axis, keepdims)
    norm = np.where(ans == 0, 1, ans)
    if ord is None or ord == 2:
        return g * (_conj(x) / norm)
    size = np.absolute(x)
    direction = np.sign(x) if x.dtype.kind != "c" else _conj(x) / np.where(size == 0, 1, size)
    if ord == 1:
        return g * direction
    if math.isinf(ord):
        chosen = size == ans
        return np.where(chosen, g, 0) * direction / np.sum(chosen, axis=axis, dtype=ans.dtype, keepdims=True)
    return g * np.where(size == 0, 0, np.where(size == 0, 1, size) / norm) ** (ord - 1) * direction


#: Norms of vectors, and of any array as if it were one.
_length = define(lambda x, ord, axis, keepdims: np.linalg.norm(x, ord, axis, keepdims), _norm_rule, name="norm")


def _check_order(ord: Any) -> None:
    if ord in ("fro", "nuc"):
        raise ValueError(f"norm: no norm of a vector has ord={ord!r}")
    if ord == 0:
        raise TypeError(
            "norm: ord=0 counts the elements that are not 0, which has no derivative; use np.count_nonzero(x)"
        )


@composite(np.linalg.norm)
def _norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    if ord is None:
        return _length(x, None, axis, keepdims)
    if axis is None:
        axis = tuple(range(x.ndim))
    axes = axis if isinstance(axis, tuple) else (axis,)
    if len(axes) == 1:
        _check_order(ord)
        return _length(x, ord, axes[0], keepdims)
    if len(axes) != 2:
        raise ValueError(f"norm: ord={ord!r} is a norm of vectors or of matrices; give one axis or two, not {axes}")
    if ord == "fro":
        return _length(x, None, axes, keepdims)
    row, column = (axis % x.ndim for axis in axes)
    others = [axis for axis in range(x.ndim) if axis not in (row, column)]
    matrices = x if (row, column) == (x.ndim - 2, x.ndim - 1) else np.transpose(x, [*others, row, column])
    if ord in ("nuc", 2, -2):
        norm = _length(np.linalg.svdvals(matrices), {"nuc": 1, 2: math.inf, -2: -math.inf}[ord], -1, False)
    elif ord in (1, -1):
        norm = _length(_length(matrices, 1, -2, False), ord * math.inf, -1, False)
    elif ord in (math.inf, -math.inf):
        norm = _length(_length(matrices, 1, -1, False), ord, -1, False)
    else:
        raise ValueError(f"norm: ord={ord!r} is none of the norms of a matrix: 'fro', 'nuc', 1, -1, 2, -2, inf, -inf")
    return (
        np.reshape(norm, [1 if axis in (row, column) else x.shape[axis] for axis in range(x.ndim)])
        if keepdims
        else norm
    )


@composite(np.linalg.matrix_norm)
def _matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    return np.linalg.norm(x, ord, (-2, -1), keepdims)


@composite(np.linalg.vector_norm)
def _vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    _check_order(ord)
    axes = [k % x.ndim for k in (range(x.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,))]
    others = [k for k in range(x.ndim) if k not in axes]
    vectors = np.transpose(x, others + axes).reshape(*(x.shape[k] for k in others), -1)
    norm = _length(vectors, ord, -1, False)
    return np.reshape(norm, [1 if k in axes else x.shape[k] for k in range(x.ndim)]) if keepdims else norm


@composite(np.linalg.cond)
def _cond(x: Any, p: Any = None) -> Any:
    if p is None or p == 2 or p == -2:
        s = np.linalg.svdvals(x)
        return s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    return np.linalg.norm(x, p, (-2, -1)) * np.linalg.norm(np.linalg.inv(x), p, (-2, -1))


# What `numpy.linalg` names again, always of the last two axes


@composite(np.linalg.matrix_transpose)
def _matrix_transpose(x: Any, /) -> Any:
    return swap(x)


@composite(np.linalg.trace)
def _trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    trace = np.trace(x, offset, -2, -1)
    return trace if dtype is None else np.astype(trace, dtype)


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
