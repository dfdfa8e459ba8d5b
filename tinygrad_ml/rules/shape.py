"""Functions that move elements and change no value.

Most rules undo the move. Where the elements may be stacked, split and joined in any number, the primitive
works on all of them at once, so that the way back is one operation and not one for each piece.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from ..kin import brought_to, foreign, placed
from ..primitive import composite, define


def array(x: Any) -> Any:
    """`x` as an array; what is one already, a Tensor too, stays what it is."""
    return x if hasattr(x, "dtype") else np.asarray(x)


def together(*xs: Any) -> list[Any]:
    """All as arrays: numbers and lists of the same kind as the others, of which one may be another library's."""
    for like in xs:
        if foreign(like) is not None:
            return [placed(like, x) for x in xs]
    return [array(x) for x in xs]


def along(axis: int, ndim: int, index: Any) -> tuple[Any, ...]:
    """The index that is `index` on `axis` and everything on the others."""
    return (slice(None),) * normalize_axis_index(axis, ndim) + (index,)


# Shapes


def _reshape(x: Any, shape: Any, order: str = "C", **copy: Any) -> Any:
    if order == "C":
        return np.reshape(x, shape, **copy)  # foreign arrays know no `order`
    if order != "F":
        raise TypeError(
            f"order={order!r}: depends on how the array lies in memory, which a Tensor does not promise; use 'C' or 'F'"
        )
    return np.reshape(x, shape, order="F", **copy)


define(np.reshape, lambda g, ans, x, shape=None, order="C", copy=None: _reshape(g, x.shape, order), forward=_reshape)
define(
    np.ravel,
    lambda g, ans, x, order="C": _reshape(g, x.shape, order),
    forward=lambda x, order="C": _reshape(x, (-1,), order),
)
define(np.expand_dims, lambda g, ans, x, axis: np.reshape(g, x.shape))
define(np.squeeze, lambda g, ans, x, axis=None: np.reshape(g, x.shape))
define(np.broadcast_to, lambda g, ans, x, shape, subok=False: g, broadcasts=True)


@composite(np.broadcast_arrays)
def _broadcast_arrays(*args: Any, subok: bool = False) -> tuple[Any, ...]:
    shape = np.broadcast_shapes(*[np.shape(x) for x in args])
    return tuple([np.broadcast_to(x, shape) for x in args])


@composite(np.atleast_1d)
def _atleast_1d(*arys: Any) -> Any:
    return _one_or_all([np.reshape(x, np.shape(x) or (1,)) for x in arys])


@composite(np.atleast_2d)
def _atleast_2d(*arys: Any) -> Any:
    return _one_or_all([np.reshape(x, np.shape(x) if np.ndim(x) > 1 else (1, -1)) for x in arys])


@composite(np.atleast_3d)
def _atleast_3d(*arys: Any) -> Any:
    return _one_or_all([np.reshape(x, _shape_3d(np.shape(x))) for x in arys])


def _shape_3d(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (1, *(shape or (1,)), 1) if len(shape) < 2 else (*shape, 1) if len(shape) == 2 else shape


def _one_or_all(arrays: list[Any]) -> Any:
    return arrays[0] if len(arrays) == 1 else tuple(arrays)


@composite(np.meshgrid)
def _meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> tuple[Any, ...]:
    if indexing not in ("xy", "ij"):
        raise ValueError(f"meshgrid: indexing is 'xy' or 'ij', got {indexing!r}")
    grids = [np.reshape(x, (1,) * k + (-1,) + (1,) * (len(xi) - 1 - k)) for k, x in enumerate(xi)]
    if indexing == "xy" and len(xi) > 1:
        grids = [np.swapaxes(grid, 0, 1) for grid in grids]
    return tuple(grids if sparse else np.broadcast_arrays(*grids))


# Orders of axes and elements


def _transpose(g: Any, ans: Any, x: Any, axes: Any = None) -> Any:
    ndim = x.ndim  # a comprehension that read it off x would keep x alive
    return np.transpose(g, None if axes is None else np.argsort([axis % ndim for axis in axes]).tolist())


define(np.transpose, _transpose)
define(np.matrix_transpose, lambda g, ans, x: np.matrix_transpose(g))
define(np.swapaxes, lambda g, ans, x, axis1, axis2: np.swapaxes(g, axis1, axis2))
define(np.moveaxis, lambda g, ans, x, source, destination: np.moveaxis(g, destination, source))
define(np.flip, lambda g, ans, x, axis=None: np.flip(g, axis))
define(np.fliplr, lambda g, ans, x: np.fliplr(g))
define(np.flipud, lambda g, ans, x: np.flipud(g))
define(np.rot90, lambda g, ans, x, k=1, axes=(0, 1): np.rot90(g, -k, axes))
define(np.roll, lambda g, ans, x, shift, axis=None: np.roll(g, np.negative(shift).tolist(), axis))


@composite(np.rollaxis)
def _rollaxis(a: Any, axis: int, start: int = 0) -> Any:
    axis = normalize_axis_index(axis, a.ndim)
    start = normalize_axis_index(start, a.ndim + 1)
    return np.moveaxis(a, axis, start - (axis < start))


# Types

_astype = define(
    lambda x, dtype, copy=True: x.astype(dtype, copy=copy),
    lambda g, ans, x, dtype, copy=True: g,
    name="astype",
)


@composite(np.astype)
def _astype_or_plain(x: Any, dtype: Any, *, copy: bool = True, device: Any = None) -> Any:
    if np.dtype(dtype).kind in "fc":
        return _astype(x, dtype, copy=copy)
    return x.detach().numpy().astype(dtype, copy=copy)  # rounding to integers is flat


define(np.copy, lambda g, ans, x, order="K", subok=False: g)


@composite(np.full_like)
def _full_like(
    a: Any, fill_value: Any, dtype: Any = None, order: Any = "K", subok: bool = True, shape: Any = None,
    *, device: Any = None,
) -> Any:  # fmt: skip
    value = placed(a, fill_value).astype(a.dtype if dtype is None else dtype)
    return np.copy(np.broadcast_to(value, a.shape if shape is None else shape), order=order)


@composite(np.linspace)
def _linspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, retstep: bool = False, dtype: Any = None,
    axis: int = 0, *, device: Any = None,
) -> Any:  # fmt: skip
    steps = num - 1 if endpoint else num
    kind = np.result_type(start, stop, float(num))
    start, stop = np.broadcast_arrays(*together(start, stop))
    fraction = brought_to(start, np.linspace(0, 1, num, endpoint, dtype=kind)).reshape((-1,) + (1,) * start.ndim)
    samples = np.moveaxis(start * (1 - fraction) + stop * fraction, 0, axis)
    if dtype is not None:
        samples = (samples if np.dtype(dtype).kind in "fc" else np.floor(samples)).astype(dtype)
    return (samples, (stop - start) / steps if steps > 0 else np.nan) if retstep else samples


# Joining

_concatenate = define(
    lambda *arrays, axis, ends, **dtype: np.concatenate(arrays, axis, **dtype),
    lambda i, g, ans, *arrays, axis, ends, **dtype: g[along(axis, g.ndim, slice(ends[i], ends[i + 1]))],
    name="concatenate",
    variadic=True,
)
_stack = define(
    lambda *arrays, axis, **dtype: np.stack(arrays, axis, **dtype),
    lambda i, g, ans, *arrays, axis, **dtype: g[along(axis, g.ndim, i)],
    name="stack",
    variadic=True,
)


@composite(np.concatenate)
def _concatenate_list(arrays: Iterable[Any], axis: int | None = 0, out: None = None, **dtype: Any) -> Any:
    arrays = [np.ravel(x) if axis is None else x for x in together(*arrays)]
    axis = normalize_axis_index(axis or 0, arrays[0].ndim)
    ends = tuple(itertools.accumulate([sum(x.shape[axis : axis + 1]) for x in arrays], initial=0))
    return _concatenate(*arrays, axis=axis, ends=ends, **dtype)


@composite(np.stack)
def _stack_list(arrays: Iterable[Any], axis: int = 0, out: None = None, **dtype: Any) -> Any:
    return _stack(*together(*arrays), axis=axis, **dtype)


@composite(np.vstack)
def _vstack(tup: Iterable[Any], **dtype: Any) -> Any:
    return np.concatenate([np.atleast_2d(x) for x in tup], 0, **dtype)


@composite(np.hstack)
def _hstack(tup: Iterable[Any], **dtype: Any) -> Any:
    arrays = [np.atleast_1d(x) for x in tup]
    return np.concatenate(arrays, 0 if arrays[0].ndim == 1 else 1, **dtype)


@composite(np.dstack)
def _dstack(tup: Iterable[Any]) -> Any:
    return np.concatenate([np.atleast_3d(x) for x in tup], 2)


@composite(np.column_stack)
def _column_stack(tup: Iterable[Any]) -> Any:
    return np.concatenate([np.reshape(x, (-1, 1)) if np.ndim(x) < 2 else x for x in tup], 1)


@composite(np.append)
def _append(arr: Any, values: Any, axis: int | None = None) -> Any:
    return np.concatenate([arr, values], axis)


@composite(np.block)
def _block(arrays: Any) -> Any:
    depth, ndim = _depth(arrays), _largest_ndim(arrays)
    return _join_blocks(arrays, depth, max(depth, ndim))


def _depth(arrays: Any) -> int:
    if not isinstance(arrays, list):
        return 0
    depths = {_depth(part) for part in arrays}
    if len(depths) != 1:
        raise ValueError("block: needs lists nested equally deep and not empty")
    return depths.pop() + 1


def _largest_ndim(arrays: Any) -> int:
    return max(map(_largest_ndim, arrays)) if isinstance(arrays, list) else np.ndim(arrays)


def _join_blocks(arrays: Any, depth: int, ndim: int) -> Any:
    if depth == 0:
        return np.reshape(arrays, (1,) * (ndim - np.ndim(arrays)) + np.shape(arrays))
    return np.concatenate([_join_blocks(part, depth - 1, ndim) for part in arrays], axis=-depth)


# Splitting


def _join_pieces(g: Sequence[Any], axis: int, shapes: Sequence[tuple[int, ...]]) -> Any:
    """The pieces of a gradient in one array, with zeros for those that nobody used."""
    some = next(piece for piece in g if piece is not None)
    pieces = [
        np.zeros_like(some, shape=shape) if piece is None else piece for piece, shape in zip(g, shapes, strict=True)
    ]
    return np.concatenate(pieces, axis)


def _shapes(shape: tuple[int, ...], lengths: Sequence[int], axis: int) -> list[tuple[int, ...]]:
    return [(*shape[:axis], length, *shape[axis + 1 :]) for length in lengths]


_split = define(
    lambda x, ends, axis: [x[along(axis, x.ndim, slice(*cut))] for cut in itertools.pairwise(ends)],
    lambda g, ans, x, ends, axis: _join_pieces(g, axis, _shapes(x.shape, np.diff(ends), axis)),
    name="split",
    outputs=True,
)


def _split_by(function: Any, x: Any, indices_or_sections: Any, axis: int) -> list[Any]:
    axis = normalize_axis_index(axis, x.ndim)
    pieces = function(np.arange(x.shape[axis]), indices_or_sections)
    if np.array_equal(np.concatenate(pieces), np.arange(x.shape[axis])):
        ends = tuple(itertools.accumulate(map(len, pieces), initial=0))
        return _split(x, ends, axis)  # type: ignore[no-any-return]
    # Cuts that go back make pieces that overlap.
    return [x[along(axis, x.ndim, slice(piece[0], piece[-1] + 1) if len(piece) else slice(0))] for piece in pieces]


@composite(np.split)
def _split_list(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    return _split_by(np.split, ary, indices_or_sections, axis)


@composite(np.array_split)
def _array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    return _split_by(np.array_split, ary, indices_or_sections, axis)


@composite(np.hsplit)
def _hsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    if ary.ndim == 0:
        raise ValueError("hsplit: needs an array of 1 or more dimensions")
    return np.split(ary, indices_or_sections, 1 if ary.ndim > 1 else 0)


@composite(np.vsplit)
def _vsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    if ary.ndim < 2:
        raise ValueError(f"vsplit: needs an array of 2 or more dimensions, got {ary.ndim}")
    return np.split(ary, indices_or_sections, 0)


@composite(np.dsplit)
def _dsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    if ary.ndim < 3:
        raise ValueError(f"dsplit: needs an array of 3 or more dimensions, got {ary.ndim}")
    return np.split(ary, indices_or_sections, 2)


def _unstack(g: Sequence[Any], ans: Any, x: Any, axis: int = 0) -> Any:
    axis = axis % x.ndim
    pieces = [None if piece is None else np.expand_dims(piece, axis) for piece in g]
    return _join_pieces(pieces, axis, _shapes(x.shape, [1] * len(pieces), axis))


def _unstacked(x: Any, axis: int = 0) -> tuple[Any, ...]:
    if foreign(x) is None:
        return np.unstack(x, axis=axis)
    x = np.moveaxis(x, axis, 0)  # other libraries do not have it
    return tuple([x[k] for k in range(x.shape[0])])


define(np.unstack, _unstack, forward=_unstacked, outputs=True)


# Repeating and padding


def _untile(g: Any, ans: Any, x: Any, reps: Any) -> Any:
    reps = (reps,) if np.ndim(reps) == 0 else tuple(reps)
    ndim = max(x.ndim, len(reps))
    reps = (1,) * (ndim - len(reps)) + reps
    shape = (1,) * (ndim - x.ndim) + x.shape
    copies = np.reshape(g, tuple(itertools.chain(*zip(reps, shape, strict=True))))
    return np.reshape(np.sum(copies, axis=tuple(range(0, 2 * ndim, 2))), x.shape)


define(np.tile, _untile)


def _unrepeat(g: Any, ans: Any, x: Any, repeats: int, axis: int) -> Any:
    if axis == x.ndim - 1 and repeats and foreign(g) is None:
        return np.reshape(np.reshape(g, (-1, repeats)) @ np.ones(repeats, g.dtype), x.shape)  # 10 times np.sum's speed
    return np.sum(np.reshape(g, (*x.shape[: axis + 1], repeats, *x.shape[axis + 1 :])), axis=axis + 1)


_repeat = define(lambda x, repeats, axis: np.repeat(x, repeats, axis), _unrepeat, name="repeat")


@composite(np.repeat)
def _repeat_each(a: Any, repeats: Any, axis: int | None = None) -> Any:
    if axis is None:
        a, axis = np.ravel(a), 0
    axis = normalize_axis_index(axis, a.ndim)
    if np.size(repeats) == 1:
        return _repeat(a, int(np.reshape(repeats, ())), axis)
    return np.take(a, np.repeat(np.arange(a.shape[axis]), repeats), axis)


@composite(np.resize)
def _resize(a: Any, new_shape: Any) -> Any:
    return np.take(a, np.resize(np.arange(a.size), new_shape)) if a.size else np.zeros_like(a, shape=new_shape)


_pad = define(
    lambda x, widths, value: np.pad(x, widths, constant_values=value),
    lambda g, ans, x, widths, value: g[
        tuple([slice(before, before + n) for (before, _), n in zip(widths, x.shape, strict=True)])
    ],
    name="pad",
)
#: Every element of the result is one of the array's.
_COPYING_MODES = ("edge", "reflect", "symmetric", "wrap")


@composite(np.pad)
def _pad_mode(array: Any, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> Any:
    if mode == "constant" and not kwargs.keys() - {"constant_values"}:
        return _pad(array, _widths(pad_width, array.ndim), kwargs.get("constant_values", 0))
    if mode not in _COPYING_MODES or kwargs.get("reflect_type", "even") != "even":
        raise TypeError(
            f"pad: mode={mode!r} {kwargs or ''} has no rule for Tensors; "
            f"modes: constant, {', '.join(_COPYING_MODES)} (with reflect_type='even')"
        )
    return np.take(array, np.pad(np.arange(array.size).reshape(array.shape), pad_width, mode, **kwargs))


def _widths(pad_width: Any, ndim: int) -> tuple[tuple[int, int], ...]:
    """(before, after) for every axis."""
    if isinstance(pad_width, dict):
        given = {normalize_axis_index(axis, ndim): width for axis, width in pad_width.items()}
        pad_width = [np.broadcast_to(given.get(axis, 0), 2) for axis in range(ndim)]
    return tuple([(int(before), int(after)) for before, after in np.broadcast_to(pad_width, (ndim, 2))])


# Leaving out and putting between


@composite(np.delete)
def _delete(arr: Any, obj: Any, axis: int | None = None) -> Any:
    if axis is None:
        arr, axis = np.ravel(arr), 0
    return np.take(arr, np.delete(np.arange(arr.shape[axis]), obj), axis)


@composite(np.insert)
def _insert(arr: Any, obj: Any, values: Any, axis: int | None = None) -> Any:
    if axis is None:
        arr, axis = np.ravel(arr), 0
    arr, values, axis = array(arr), array(values), normalize_axis_index(axis, array(arr).ndim)
    values = np.reshape(values, (1,) * (arr.ndim - values.ndim) + values.shape)
    if np.ndim(obj) == 0 and not isinstance(obj, slice):
        values = np.moveaxis(values, 0, axis)
        count = values.shape[axis]
    else:
        count = np.insert(np.arange(arr.shape[axis]), obj, 0).size - arr.shape[axis]
    shape = (*arr.shape[:axis], count, *arr.shape[axis + 1 :])
    order = np.insert(np.arange(arr.shape[axis]), obj, arr.shape[axis] + np.arange(count))
    joined = np.concatenate([arr, np.broadcast_to(values, shape).astype(arr.dtype)], axis)
    return np.take(joined, order, axis)
