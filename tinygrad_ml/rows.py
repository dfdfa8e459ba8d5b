"""Many gradients pulled back together: a stack that speaks NumPy's protocols.

`Rows` holds one array for each row of a Jacobian and looks like a single one of them. A rule that is
handed Rows for ``g`` computes all rows in the same NumPy calls. Only functions that rules apply to ``g``
are here; at any other, `NotByRows` sends the caller back to one row at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from .array_methods import ArrayMethods
from .primitive import Primitive
from .rules.indexing import scatter
from .rules.reduction import as_axes


class NotByRows(Exception):
    """An operation that is not known for all rows together."""


class Rows(NDArrayOperatorsMixin, ArrayMethods):  # type: ignore[misc]
    """A stack of arrays, the rows, that looks like one of them.

    Parameters
    ----------
    rows : array of shape (n_rows, ...)
    """

    __slots__ = ("rows",)

    def __init__(self, rows: Any) -> None:
        self.rows = rows

    @property
    def _data(self) -> Any:
        return self.rows

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return self.rows.shape[1:]  # type: ignore[no-any-return]

    @property
    def ndim(self) -> int:  # type: ignore[override]
        return self.rows.ndim - 1  # type: ignore[no-any-return]

    @property
    def size(self) -> int:
        return self.rows.size // max(1, len(self.rows))  # type: ignore[no-any-return]

    @property
    def dtype(self) -> Any:
        return self.rows.dtype

    @property
    def T(self) -> Rows:
        return _transpose(self)

    @property
    def real(self) -> Rows:
        return Rows(self.rows.real)

    @property
    def imag(self) -> Rows:
        return Rows(self.rows.imag)

    def astype(self, dtype: Any, copy: bool = True) -> Rows:
        return Rows(self.rows.astype(dtype, copy=copy))

    def copy(self) -> Rows:
        return Rows(self.rows.copy())

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> Rows:
        return Rows(self.rows[_in_rows(index)])

    def __setitem__(self, index: Any, value: Any) -> None:
        raise NotByRows("x[i] = v")

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise NotByRows("conversion to an array")

    def _number(self) -> Any:
        raise NotByRows("conversion to a number")

    __bool__ = __int__ = __float__ = __complex__ = __index__ = item = tolist = _number

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method != "__call__" or kwargs:
            raise NotByRows(ufunc.__name__)
        if ufunc is np.matmul:
            return _matmul(*inputs)
        if ufunc.signature is not None:
            raise NotByRows(ufunc.__name__)
        return Rows(ufunc(*_aligned(inputs)))

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        by_rows = _BY_ROWS.get(function)
        if by_rows is None:
            raise NotByRows(function.__name__)
        return by_rows(*args, **kwargs)

    @staticmethod
    def _apply(primitive: Primitive, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        by_rows = _BY_ROWS.get(primitive.name)
        if by_rows is None:
            raise NotByRows(primitive.name)
        return by_rows(*args, **kwargs)


def _aligned(arrays: tuple[Any, ...]) -> list[Any]:
    """The rows' arrays with as many axes as it takes to broadcast against the plain ones behind the row axis."""
    ndim = max(a.ndim if isinstance(a, Rows) else np.ndim(a) for a in arrays)
    return [
        a.rows.reshape(len(a.rows), *(1,) * (ndim - a.ndim), *a.shape) if isinstance(a, Rows) else a for a in arrays
    ]


def _in_rows(index: Any) -> tuple[Any, ...]:
    """`index` behind the row axis; integer arrays only alone, because among others they change the order of axes."""
    parts = index if isinstance(index, tuple) else (index,)
    arrays = [
        part for part in parts if hasattr(part, "ndim") and not isinstance(part, np.generic) or isinstance(part, list)
    ]
    if len(arrays) > 1 or arrays and any(isinstance(part, (int, np.integer)) for part in parts):
        raise NotByRows("indexing")
    return (slice(None), *parts)


def _axes(axis: Any, ndim: int) -> tuple[int, ...]:
    """The axes of one row as axes of the stack."""
    return tuple([k + 1 if k >= 0 else k for k in as_axes(axis, ndim)])


def _matmul(a: Any, b: Any) -> Rows:
    if isinstance(a, Rows) and isinstance(b, Rows):
        raise NotByRows("matmul")
    if isinstance(a, Rows):
        if a.ndim == 1 and b.ndim <= 2:
            return Rows(a.rows @ b)
        if a.ndim == 1:
            raise NotByRows("matmul")
        return Rows(np.matmul(_aligned((a, b))[0], b))
    if b.ndim == 1:
        if a.ndim > 2:
            raise NotByRows("matmul")
        return Rows(b.rows @ a.T)
    return Rows(np.matmul(a, _aligned((a, b))[1]))


def _transpose(x: Rows, axes: Any = None) -> Rows:
    axes = range(x.ndim)[::-1] if axes is None else [axis % x.ndim for axis in axes]
    return Rows(np.transpose(x.rows, (0, *(k + 1 for k in axes))))


def _sum(x: Rows, axis: Any = None, keepdims: bool = False) -> Rows:
    return Rows(np.sum(x.rows, axis=_axes(axis, x.ndim), keepdims=keepdims))


def _reshape(x: Rows, shape: Any, order: str = "C") -> Rows:
    if order != "C":
        raise NotByRows("reshape")
    return Rows(x.rows.reshape(len(x.rows), *(shape if isinstance(shape, (tuple, list)) else (shape,))))


def _broadcast_to(x: Rows, shape: tuple[int, ...]) -> Rows:
    stretched = x.rows.reshape(len(x.rows), *(1,) * (len(shape) - x.ndim), *x.shape)
    return Rows(np.broadcast_to(stretched, (len(x.rows), *shape)))


def _along(function: Callable[..., Any]) -> Callable[..., Any]:
    """For functions whose arguments behind the array are axes."""

    def by_rows(x: Rows, *axes: Any, **keywords: Any) -> Rows:
        def behind(axis: Any) -> Any:
            shifted = _axes(axis, x.ndim)
            return shifted[0] if len(shifted) == 1 else shifted

        return Rows(function(x.rows, *map(behind, axes), **{name: behind(axis) for name, axis in keywords.items()}))

    return by_rows


def _concatenate(arrays: Any, axis: int = 0) -> Rows:
    count = next(len(x.rows) for x in arrays if isinstance(x, Rows))
    stacks = [x.rows if isinstance(x, Rows) else np.broadcast_to(x, (count, *np.shape(x))) for x in arrays]
    return Rows(np.concatenate(stacks, _axes(axis, stacks[0].ndim - 1)[0]))


def _solve(a: Any, b: Any) -> Rows:
    if isinstance(a, Rows) or b.ndim < 2:
        raise NotByRows("solve")
    return Rows(np.linalg.solve(a, _aligned((a, b))[1]))


def _zeros_like(x: Rows, shape: tuple[int, ...] | None = None) -> Rows:
    return Rows(np.zeros_like(x.rows, shape=(len(x.rows), *(x.shape if shape is None else shape))))


def _scatter(g: Rows, index: Any, shape: tuple[int, ...], unique: bool = False) -> Rows:
    return Rows(scatter(g.rows, _in_rows(index), (len(g.rows), *shape)))


#: Functions by what rules call, and the package's own primitives by name.
_BY_ROWS: dict[Any, Callable[..., Any]] = {
    np.sum: _sum,
    np.reshape: _reshape,
    np.transpose: _transpose,
    np.broadcast_to: _broadcast_to,
    np.concatenate: _concatenate,
    np.zeros_like: _zeros_like,
    np.linalg.solve: _solve,
    np.swapaxes: _along(np.swapaxes),
    np.moveaxis: _along(np.moveaxis),
    np.flip: lambda x, axis=None: _along(np.flip)(x, axis),
    np.cumsum: lambda x, axis=None: _along(np.cumsum)(x.reshape(-1), 0) if axis is None else _along(np.cumsum)(x, axis),
    np.expand_dims: _along(np.expand_dims),
    np.squeeze: _along(np.squeeze),
    np.where: lambda *arrays: Rows(np.where(*_aligned(arrays))),
    np.real: lambda x: x.real,
    np.imag: lambda x: x.imag,
    "scatter": _scatter,
}
