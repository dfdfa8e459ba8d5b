"""Factorisations of matrices, and of stacks of them.

Functions that read one triangle of a Hermitian matrix (`eigh`, `cholesky`) leave their gradient in that triangle:
it is the derivative of what NumPy computes. Singular vectors and eigenvectors are defined up to a phase: only losses
that do not depend on it have a derivative, and only where the values are distinct. Derivatives of the values alone
exist everywhere.

Formulas are from M. Giles, "Collected matrix derivative results for forward and reverse mode algorithmic
differentiation" (2008); M. Seeger et al., "Auto-differentiating linear algebra" (2017); S. Walter and L. Lehmann,
"Algorithmic differentiation of linear algebra functions" (2010); and as said beside the rule.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..kin import kin
from ..primitive import composite, define
from .linalg import adjoint, as_hermitian, eye_like, lower_triangle
from .products import conjugate, swap


def _fold(g: Any, upper: bool) -> Any:
    """The gradient at one triangle of a Hermitian matrix, from that at the whole: ``g + g^H``, diagonal halved."""
    return (g + adjoint(g)) * (lower_triangle(g).T if upper else lower_triangle(g))


def _diagonal(values: Any) -> Any:
    """Diagonal matrices of `values`."""
    return values[..., None] * kin(values, np.eye, values.shape[-1], dtype=values.dtype)


def _right_solve(x: Any, a: Any) -> Any:
    """``x a^-1``."""
    return swap(np.linalg.solve(swap(a), swap(x)))


def _inverse_gaps(values: Any) -> Any:
    """``F[i, j] = 1 / (values[j] - values[i])``, and 0 on the diagonal."""
    eye = kin(values, np.eye, values.shape[-1], dtype=values.dtype)
    return (1 - eye) / (values[..., None, :] - values[..., None] + eye)


def _cholesky(g: Any, ans: Any, a: Any, *, upper: bool = False) -> Any:
    """``dL = L low(L^-1 dA L^-H)``, where `low` takes the lower triangle and half of the diagonal.

    I. Murray, "Differentiation of the Cholesky decomposition" (2016), section 3.1.
    """
    if upper:
        g, ans = adjoint(g), adjoint(ans)
    inner = np.matmul(swap(ans), g)
    whole = _right_solve(np.linalg.solve(swap(ans), inner * lower_triangle(inner)), conjugate(ans))
    return _fold(whole, upper)


define(np.linalg.cholesky, _cholesky)


def _qr_tall(g_q: Any, g_r: Any, q: Any, r: Any) -> Any:
    """``(g_Q + conj(Q) (M + M^H)) R^-T``, M the upper triangle of ``g_R R^T - Q^T g_Q`` with half of its diagonal.

    Walter and Lehmann (2010).
    """
    inner = 0 if g_r is None else np.matmul(g_r, swap(r))
    if g_q is not None:
        inner = inner - np.matmul(swap(q), g_q)
    inner = inner * lower_triangle(inner).T
    out = np.matmul(conjugate(q), inner + adjoint(inner))
    return _right_solve(out if g_q is None else g_q + out, swap(r))


def _qr_reduced(g: Any, ans: Any, a: Any) -> Any:
    """A wide matrix is ``(X, Y)``, X square, with ``Q U = X`` and ``R = (U, Q^H Y)``."""
    (g_q, g_r), (q, r) = g, ans
    m, n = a.shape[-2:]
    if m >= n:
        return _qr_tall(g_q, g_r, q, r)
    to_left, to_right = kin(a, np.eye, m, M=n, dtype=a.dtype), kin(a, np.eye, n - m, M=n, k=m, dtype=a.dtype)
    if g_r is None:
        return np.matmul(_qr_tall(g_q, None, q, r[..., :m]), to_left)
    to_q = conjugate(np.matmul(a[..., m:], swap(g_r[..., m:])))
    left = _qr_tall(to_q if g_q is None else g_q + to_q, g_r[..., :m], q, r[..., :m])
    return np.matmul(left, to_left) + np.matmul(np.matmul(conjugate(q), g_r[..., m:]), to_right)


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
    out: Any = 0 if g_w is None else np.matmul(conjugate(v) * g_w[..., None, :], swap(v))
    if g_v is not None:
        inner = _inverse_gaps(w) * np.matmul(swap(v), g_v)
        out = out + np.matmul(np.matmul(conjugate(v), inner), swap(v))
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
        turn = np.matmul(swap(v), g_v) - np.matmul(swap(v), conjugate(v)) * stretch[..., None, :]
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
    u, vh = conjugate(u), conjugate(vh)
    if g_u is None and g_vh is None:
        return np.matmul(u * g_s[..., None, :], vh)
    gaps = _inverse_gaps(s) / (s[..., None, :] + s[..., None])
    inner: Any = 0 if g_s is None else _diagonal(g_s)
    outer: Any = 0
    if g_u is not None:
        turn = np.matmul(adjoint(u), g_u)
        inner = inner + gaps * (turn - adjoint(turn)) * s[..., None, :]
        if a.dtype.kind == "c":
            inner = inner + eye_like(turn) * (1j * np.imag(turn) / s[..., None, :])
        if m > n:
            outer = np.matmul((g_u - np.matmul(u, turn)) / s[..., None, :], vh)
    if g_vh is not None:
        turn = np.matmul(vh, adjoint(g_vh))
        inner = inner + s[..., None] * gaps * (turn - adjoint(turn))
        if n > m:
            rest = g_vh - np.matmul(adjoint(turn), vh)
            outer = outer + np.matmul(u, rest / s[..., None])
    return np.matmul(np.matmul(u, inner), vh) + outer


_factors = define(
    lambda a, full_matrices: np.linalg.svd(a, full_matrices=full_matrices), _svd_rule, name="svd", outputs=True
)


@composite(np.linalg.svd)
def _svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    a = as_hermitian(a) if hermitian else a
    return _factors(a, full_matrices) if compute_uv else _factors(a, False)[1]


@composite(np.linalg.svdvals)
def _svdvals(x: Any) -> Any:
    return _factors(x, False)[1]
