"""NumPy's array methods and operators' functional twins, spelled as NumPy functions.

Every method here is one call of the NumPy function of the same name, so that it is differentiated by
that function's rule.
"""

from __future__ import annotations

from typing import Any

import numpy as np


class ArrayMethods:
    """The methods of `numpy.ndarray`, for any class that speaks NumPy's protocols."""

    __slots__ = ()

    def sum(
        self,
        axis: Any = None,
        dtype: Any = None,
        out: Any = None,
        keepdims: bool = False,
        initial: Any = None,
        where: Any = None,
    ) -> Any:
        return np.sum(self, axis=axis, keepdims=keepdims, **_given(dtype=dtype, out=out, initial=initial, where=where))

    def mean(
        self, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False, *, where: Any = None
    ) -> Any:
        return np.mean(self, axis=axis, keepdims=keepdims, **_given(dtype=dtype, out=out, where=where))

    def prod(self, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Any:
        return np.prod(self, axis=axis, keepdims=keepdims, **_given(dtype=dtype, out=out))

    def var(self, axis: Any = None, dtype: Any = None, out: Any = None, ddof: float = 0, keepdims: bool = False) -> Any:
        return np.var(self, axis=axis, ddof=ddof, keepdims=keepdims, **_given(dtype=dtype, out=out))

    def std(self, axis: Any = None, dtype: Any = None, out: Any = None, ddof: float = 0, keepdims: bool = False) -> Any:
        return np.std(self, axis=axis, ddof=ddof, keepdims=keepdims, **_given(dtype=dtype, out=out))

    def max(self, axis: Any = None, out: Any = None, keepdims: bool = False) -> Any:
        return np.max(self, axis=axis, keepdims=keepdims, **_given(out=out))

    def min(self, axis: Any = None, out: Any = None, keepdims: bool = False) -> Any:
        return np.min(self, axis=axis, keepdims=keepdims, **_given(out=out))

    def cumsum(self, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
        return np.cumsum(self, axis=axis, **_given(dtype=dtype, out=out))

    def cumprod(self, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
        return np.cumprod(self, axis=axis, **_given(dtype=dtype, out=out))

    def trace(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
        return np.trace(self, offset, axis1, axis2)

    def clip(self, min: Any = None, max: Any = None) -> Any:
        return np.clip(self, min, max)

    def conj(self) -> Any:
        return np.conjugate(self)

    conjugate = conj

    def dot(self, b: Any) -> Any:
        return np.dot(self, b)

    def reshape(self, *shape: Any, order: Any = "C") -> Any:
        shape = shape[0] if len(shape) == 1 else shape
        return np.reshape(self, shape) if order == "C" else np.reshape(self, shape, order=order)

    def ravel(self, order: Any = "C") -> Any:
        return np.ravel(self, order=order)

    flatten = ravel

    def transpose(self, *axes: Any) -> Any:
        if not axes or axes == (None,):
            return np.transpose(self)
        return np.transpose(self, axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes)

    def swapaxes(self, axis1: int, axis2: int) -> Any:
        return np.swapaxes(self, axis1, axis2)

    def squeeze(self, axis: Any = None) -> Any:
        return np.squeeze(self, axis=axis)

    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
        return np.diagonal(self, offset, axis1, axis2)

    def repeat(self, repeats: Any, axis: Any = None) -> Any:
        return np.repeat(self, repeats, axis=axis)

    def take(self, indices: Any, axis: Any = None, mode: Any = "raise") -> Any:
        return np.take(self, indices, axis=axis, mode=mode)

    def choose(self, choices: Any, mode: Any = "raise") -> Any:
        return np.choose(self, choices, mode=mode)

    def compress(self, condition: Any, axis: Any = None) -> Any:
        return np.compress(condition, self, axis=axis)

    def argmax(self, axis: Any = None, keepdims: bool = False) -> Any:
        return np.argmax(self, axis=axis, keepdims=keepdims)

    def argmin(self, axis: Any = None, keepdims: bool = False) -> Any:
        return np.argmin(self, axis=axis, keepdims=keepdims)

    def argsort(self, axis: Any = -1, kind: Any = None, stable: Any = None) -> Any:
        return np.argsort(self, axis=axis, kind=kind, stable=stable)

    def argpartition(self, kth: Any, axis: Any = -1) -> Any:
        return np.argpartition(self, kth, axis=axis)

    def searchsorted(self, v: Any, side: Any = "left", sorter: Any = None) -> Any:
        return np.searchsorted(self, v, side=side, sorter=sorter)

    def nonzero(self) -> Any:
        return np.nonzero(self)

    def all(self, axis: Any = None, keepdims: bool = False) -> Any:
        return np.all(self, axis=axis, keepdims=keepdims)

    def any(self, axis: Any = None, keepdims: bool = False) -> Any:
        return np.any(self, axis=axis, keepdims=keepdims)

    def round(self, decimals: int = 0) -> Any:
        return np.round(self, decimals)

    def sort(self, *_: Any, **__: Any) -> Any:
        raise TypeError("sort: a Tensor is not sorted in place; use np.sort(x, axis)")

    def partition(self, *_: Any, **__: Any) -> Any:
        raise TypeError("partition: a Tensor is not partitioned in place; use np.partition(x, kth, axis)")

    def fill(self, *_: Any) -> Any:
        raise TypeError("fill: a Tensor is not written to in place; use np.full_like(x, value)")


def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}
