"""Reading elements out of arrays, in order or out of it.

What is read is scattered back: gradients of elements that were read twice are added.
"""

from __future__ import annotations

import operator
from types import EllipsisType
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from ..kin import brought_to, foreign, kin
from ..primitive import composite, define
from .shape import along, array, together


def _scatter(g: Any, index: Any, shape: tuple[int, ...], unique: bool = False) -> Any:
    """An array of zeros to which `g` is added at `index`; what is indexed twice is added twice."""
    out = np.zeros_like(g, shape=shape)
    if unique and isinstance(out, np.ndarray):
        out[index] = g
    elif foreign(out) is not None and _may_repeat(index):
        out = _scatter_elsewhere(out, index, g)
    else:
        _add_at(out, index, g)
    return out


def _add_at(out: Any, index: Any, g: Any) -> None:
    if not _may_repeat(index):
        if not isinstance(out, np.ndarray):
            index, g = _without_new_axes(index, g, out)
        out[index] += g
    elif isinstance(index, np.ndarray) and index.ndim == 1 and out.ndim > 1 and g.size > 256:
        # np.add.at is 2 to 5 times as fast in a flat array (1,000 to 100,000 numbers in rows of 16 and 64).
        width = g[0].size
        positions = (index % len(out))[:, None] * width + np.arange(width)
        np.add.at(out.reshape(-1), positions.reshape(-1), g.reshape(-1))
    else:
        np.add.at(out, index, g)


def _scatter_elsewhere(out: Any, index: Any, g: Any) -> Any:
    """`_scatter` into zeros of another library, whose `np.add.at` takes one array of positions and no tuples."""
    shape = out.shape
    try:
        if isinstance(index, (tuple, list)):
            places = kin(out, np.arange, out.size).reshape(shape)[index]
            out, index, g = out.reshape(-1), places.reshape(-1), g.reshape(-1)
        np.add.at(out, brought_to(out, index), g)
    except (TypeError, NotImplementedError) as error:
        raise TypeError(
            f"getitem: elements that were read by their positions have no gradient in {type(out).__module__}'s "
            f"{type(out).__name__}, because np.add.at, which adds up what was read twice, does not work on it; read "
            "slices, or multiply by a matrix of zeros and ones"
        ) from error
    return out.reshape(shape)


def _without_new_axes(index: Any, g: Any, out: Any) -> tuple[Any, Any]:
    """The same assignment without None in the index, which Dask does not understand there."""
    parts = index if isinstance(index, tuple) else (index,)
    kept = tuple([part for part in parts if part is not None])
    return (index, g) if len(kept) == len(parts) else (kept, np.reshape(g, out[kept].shape))


_BASIC = (int, np.integer, slice, EllipsisType, type(None))


def _may_repeat(index: Any) -> bool:
    parts = index if isinstance(index, tuple) else (index,)
    return any(not isinstance(part, _BASIC) and array(part).dtype.kind != "b" for part in parts)


scatter = define(_scatter, lambda g, ans, x, index, shape, unique=False: g[index], name="scatter")
define(
    operator.getitem,
    lambda g, ans, x, index: scatter(g, index, x.shape),
    add_to=lambda out, g, ans, x, index: _add_at(out, index, g),  # x[i] in a loop would fill as many arrays with zeros
)


# By positions


def _within(indices: Any, length: int, mode: str) -> Any:
    """Positions as integers, also where NumPy takes booleans for 0 and 1 and [] for integers."""
    indices = array(indices).astype(np.intp)
    return indices if mode == "raise" else indices % length if mode == "wrap" else np.clip(indices, 0, length - 1)


def _taken(x: Any, indices: Any, axis: int | None = None, mode: str = "raise") -> Any:
    if foreign(x) is None:
        return np.take(x, indices, axis, mode=mode)  # type: ignore[call-overload]
    return np.take(x, brought_to(x, _within(indices, x.size if axis is None else x.shape[axis], mode)), axis)


def _take(g: Any, ans: Any, x: Any, indices: Any, axis: int | None = None, mode: str = "raise") -> Any:
    length = x.size if axis is None else x.shape[axis]
    indices = _within(indices, length, mode)
    if axis is None:
        return np.reshape(scatter(g, indices, (length,)), x.shape)
    return scatter(g, along(axis, x.ndim, indices) if axis % x.ndim else indices, x.shape)


define(np.take, _take, forward=_taken)


def _grid(shape: tuple[int, ...], indices: Any, axis: int) -> tuple[Any, ...]:
    """The index that is `indices` on `axis` and its own position on the others."""
    grid = list(np.ogrid[tuple([slice(n) for n in shape])])
    grid[axis] = indices
    return tuple(grid)


@composite(np.take_along_axis)
def _take_along_axis(arr: Any, indices: Any, axis: int | None = -1) -> Any:
    if axis is None:
        arr, axis = np.ravel(arr), 0
    indices = array(indices)
    if indices.dtype.kind not in "iu":
        raise IndexError(f"take_along_axis: indices must be integers, got {indices.dtype}")
    if indices.ndim != arr.ndim:
        raise ValueError(
            f"take_along_axis: indices and array need as many dimensions, got {indices.ndim} and {arr.ndim}"
        )
    return arr[_grid(arr.shape, indices, normalize_axis_index(axis, arr.ndim))]


#: Reading in another order needs no adding on the way back.
_permute = define(
    lambda x, order, axis: np.take_along_axis(x, order, axis),
    lambda g, ans, x, order, axis: scatter(g, _grid(x.shape, order, axis), x.shape, unique=True),
    name="permute",
)


@composite(np.sort)
def _sort(a: Any, axis: int | None = -1, kind: Any = None, order: None = None, *, stable: bool | None = None) -> Any:
    if axis is None:
        a, axis = np.ravel(a), 0
    if stable is not None and kind is not None:
        raise ValueError("sort: kind and stable say the same, give one of them")
    options = {"kind": "stable"} if stable else {} if kind is None else {"kind": kind}
    return _permute(a, np.argsort(a, axis=axis, **options), axis)


@composite(np.partition)
def _partition(a: Any, kth: Any, axis: int | None = -1, kind: Any = "introselect", order: None = None) -> Any:
    if axis is None:
        a, axis = np.ravel(a), 0
    options = {} if kind == "introselect" else {"kind": kind}
    return _permute(a, np.argpartition(a, kth, axis=axis, **options), axis)


@composite(np.unique)
def _unique(
    ar: Any, return_index: bool = False, return_inverse: bool = False, return_counts: bool = False,
    axis: int | None = None, **options: bool,
) -> Any:  # fmt: skip
    """Each value is the first of its equals."""
    _, *parts = np.unique(ar.detach().numpy(), True, True, True, axis, **options)
    values = np.take(np.ravel(ar) if axis is None else ar, parts[0], axis or 0)
    wanted = [part for part, want in zip(parts, (return_index, return_inverse, return_counts), strict=True) if want]
    return (values, *wanted) if wanted else values


@composite(np.bincount)
def _bincount(x: Any, /, weights: Any = None, minlength: int = 0) -> Any:
    x = array(x)
    counts = np.bincount(x, minlength=minlength)
    return counts if weights is None else scatter(array(weights).astype(np.float64), x, counts.shape)


# By conditions


@composite(np.compress)
def _compress(condition: Any, a: Any, axis: int | None = None, out: None = None) -> Any:
    if np.ndim(condition) != 1:
        raise ValueError("compress: condition must be a 1-d array")
    return np.take(a, np.flatnonzero(condition), axis)


@composite(np.extract)
def _extract(condition: Any, arr: Any) -> Any:
    return np.take(arr, np.flatnonzero(condition))


@composite(np.select)
def _select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    if len(condlist) != len(choicelist) or not len(condlist):
        raise ValueError(f"select: needs a choice for every condition, got {len(choicelist)} for {len(condlist)}")
    result = default
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        if array(condition).dtype != bool:
            raise TypeError(f"select: conditions are boolean arrays, got {array(condition).dtype}")
        result = np.where(condition, choice, result)
    return result


@composite(np.choose)
def _choose(a: Any, choices: Any, out: None = None, mode: Any = "raise") -> Any:
    index = next((brought_to(choice, a) for choice in choices if foreign(choice) is not None), array(a))
    index = np.choose(index, kin(index, np.arange, len(choices)), mode=mode)
    result = choices[0]
    for k in range(1, len(choices)):
        result = np.where(index == k, choices[k], result)
    return np.broadcast_to(result, np.broadcast_shapes(index.shape, np.shape(result)))


# Diagonals and triangles


def _onto_diagonal(g: Any, shape: tuple[int, ...], offset: int, axis1: int, axis2: int) -> Any:
    """Zeros of `shape` with `g` on the diagonals."""
    others = [n for axis, n in enumerate(shape) if axis not in (axis1 % len(shape), axis2 % len(shape))]
    on_diagonal = kin(g, np.eye, shape[axis1], M=shape[axis2], k=offset, dtype=bool)
    matrices = scatter(g, (..., on_diagonal), (*others, *on_diagonal.shape))
    return np.moveaxis(matrices, (-2, -1), (axis1, axis2))


define(
    np.diagonal,
    lambda g, ans, x, offset=0, axis1=0, axis2=1: _onto_diagonal(g, x.shape, offset, axis1, axis2),
)
define(
    np.diag,
    lambda g, ans, x, k=0: np.diagonal(g, k) if x.ndim == 1 else _onto_diagonal(g, x.shape, k, 0, 1),
)
define(np.tril, lambda g, ans, x, k=0: np.tril(g, k))
define(np.triu, lambda g, ans, x, k=0: np.triu(g, k))


@composite(np.diagflat)
def _diagflat(v: Any, k: int = 0) -> Any:
    return np.diag(np.ravel(v), k)


# Differences


_diff_once = define(
    lambda x, axis: np.diff(x, axis=axis),
    lambda g, ans, x, axis: -np.diff(g, axis=axis, prepend=g.dtype.type(0), append=g.dtype.type(0)),
    name="diff",
)


@composite(np.diff)
def _diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    if n < 0:
        raise ValueError(f"diff: order must be non-negative, got {n}")
    a = array(a)
    parts = [part for part in (prepend, a, append) if part is not None and part is not np._NoValue]
    if n and len(parts) > 1:
        edge = tuple([1 if k == axis % a.ndim else length for k, length in enumerate(a.shape)])
        parts = [np.broadcast_to(part, edge) if np.ndim(part) == 0 else part for part in together(*parts)]
        a = np.concatenate(parts, axis)
    axis = normalize_axis_index(axis, a.ndim)
    for _ in range(min(n, a.shape[axis])):
        a = _diff_once(a, axis)
    return a


@composite(np.ediff1d)
def _ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    differences = np.diff(np.ravel(ary))
    given = [part for part in (to_begin, differences, to_end) if part is not None]
    parts = [np.ravel(part) for part in together(*given)]
    return np.concatenate(parts, dtype=differences.dtype)


@composite(np.gradient)
def _gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    f = array(f)
    along_axes = range(f.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    axes = [normalize_axis_index(k, f.ndim) for k in along_axes]
    spacings = varargs if len(varargs) > 1 else (varargs or (1.0,)) * len(axes)
    if len(spacings) != len(axes):
        raise TypeError(f"gradient: needs one spacing for each of {len(axes)} axes, got {len(spacings)}")
    if edge_order not in (1, 2):
        raise ValueError(f"gradient: edge_order is 1 or 2, got {edge_order}")
    if min([f.shape[k] for k in axes], default=9) < edge_order + 1:
        raise ValueError(f"gradient: needs at least {edge_order + 1} elements along an axis, got shape {f.shape}")
    slopes = tuple([_slopes(f, spacing, k, edge_order) for spacing, k in zip(spacings, axes, strict=True)])
    return slopes[0] if len(slopes) == 1 else slopes


def _slopes(f: Any, spacing: Any, axis: int, edge_order: int) -> Any:
    """Second-order differences inside, and at the ends those of `edge_order`.

    Through three points at distances h and k the parabola has the slopes ``s - (t - s) h / (h + k)`` at the first,
    ``(k s + h t) / (h + k)`` in the middle and ``t + (t - s) k / (h + k)`` at the last, where s and t are
    the slopes of its two chords.
    """
    f = np.moveaxis(f, axis, -1)
    length = f.shape[-1]
    if np.ndim(spacing) > 1 or np.ndim(spacing) == 1 and np.shape(spacing) != (length,):
        raise ValueError(f"gradient: spacing is a number or {length} coordinates, got shape {np.shape(spacing)}")
    steps = np.diff(spacing) if np.ndim(spacing) else spacing * np.ones_like(f, dtype=float, shape=(length - 1,))
    if f.dtype.kind in "fc":
        steps = steps.astype(np.finfo(f.dtype).dtype)
    chords = np.diff(f) / steps
    total = steps[:-1] + steps[1:]
    inside = (steps[1:] * chords[..., :-1] + steps[:-1] * chords[..., 1:]) / total
    first, last = chords[..., :1], chords[..., -1:]
    if edge_order == 2:
        first = first - (chords[..., 1:2] - first) * (steps[:1] / total[:1])
        last = last + (last - chords[..., -2:-1]) * (steps[-1:] / total[-1:])
    return np.moveaxis(np.concatenate([first, inside, last], axis=-1), -1, axis)


@composite(np.trapezoid)
def _trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    y = np.moveaxis(array(y), axis, -1)
    widths = dx if x is None else np.diff(x) if np.ndim(x) == 1 else np.diff(np.moveaxis(array(x), axis, -1))
    return np.sum(widths * (y[..., 1:] + y[..., :-1]), axis=-1) / 2


@composite(np.interp)
def _interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Any:
    x, xp, fp = together(x, xp, fp)
    x, xp = x.astype(np.float64), xp.astype(np.float64)
    fp = fp.astype(np.result_type(fp, np.float64))  # NumPy too interpolates in double precision only
    if xp.ndim != 1 or xp.shape != fp.shape or not xp.size:
        raise ValueError(f"interp: xp and fp are vectors of one length, got shapes {xp.shape} and {fp.shape}")
    if period is not None:
        period = abs(period)
        x, xp, left, right = x % period, xp % period, None, None
        order = np.argsort(xp)
        xp, fp = xp[order], fp[order]
        xp = np.concatenate([xp[-1:] - period, xp, xp[:1] + period])
        fp = np.concatenate([fp[-1:], fp, fp[:1]])
    low = np.clip(np.searchsorted(xp, x, side="right") - 1, 0, max(xp.size - 2, 0))
    high = np.minimum(low + 1, xp.size - 1)
    slope = (fp[high] - fp[low]) / np.where(low == high, 1, xp[high] - xp[low])
    inside = fp[low] + slope * (x - xp[low])
    below = np.where(x < xp[0], fp[0] if left is None else left, inside)
    return np.where(x > xp[-1], fp[-1] if right is None else right, below)


#: Whole turns are added to an element, and they do not depend on it.
define(np.unwrap, lambda g, ans, p, discont=None, axis=-1, period=None: g)
