"""Norms of vectors and matrices, and the condition number."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..primitive import composite, define
from .products import conjugate
from .reduction import merged_last, restore


def _norm_rule(g: Any, ans: Any, x: Any, ord: Any, axis: Any, keepdims: bool) -> Any:
    """``g (|x| / norm)^(ord - 1) conj(x) / |x|``, 0 where x is 0; the infinite orders go to what is largest (smallest)
    in magnitude, in equal parts."""
    g, ans = restore(g, x.shape, axis, keepdims), restore(ans, x.shape, axis, keepdims)
    norm = np.where(ans == 0, 1, ans)
    if ord is None or ord == 2:
        return g * (conjugate(x) / norm)
    size = np.absolute(x)
    direction = np.sign(x) if x.dtype.kind != "c" else conjugate(x) / np.where(size == 0, 1, size)
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
    norm = _length(merged_last(x, axis)[0], ord, -1, False)
    return restore(norm, x.shape, axis, keepdims=False) if keepdims else norm


@composite(np.linalg.cond)
def _cond(x: Any, p: Any = None) -> Any:
    if p is None or p == 2 or p == -2:
        s = np.linalg.svdvals(x)
        return s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    return np.linalg.norm(x, p, (-2, -1)) * np.linalg.norm(np.linalg.inv(x), p, (-2, -1))
