"""Reductions along axes, and running ones."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..kin import brought_to, kin
from ..primitive import composite, define

Axis = Any


def as_axes(axis: Axis, ndim: int) -> tuple[int, ...]:
    """An axis, several, or None for all, as a tuple."""
    return tuple(range(ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)


def restore(g: Any, shape: tuple[int, ...], axis: Axis, keepdims: bool) -> Any:
    """`g`, the result or the gradient of a reduction, with the reduced axes back as axes of length 1."""
    if keepdims or not shape:
        return g
    kept = list(shape)
    for k in as_axes(axis, len(shape)):
        kept[k] = 1
    return g.reshape(kept)


def merged_last(x: Any, axis: Axis) -> tuple[Any, tuple[int, ...], list[int]]:
    """`x` with the axes that are reduced last and merged into one; the shape before they are merged, and the order of
    x's axes in that."""
    axes = [k % x.ndim for k in as_axes(axis, x.ndim)]
    order = [k for k in range(x.ndim) if k not in axes] + axes
    moved = np.transpose(x, order)
    kept = moved.shape[: x.ndim - len(axes)]
    return moved.reshape(*kept, count(x.shape, axis)), moved.shape, order


def apart_again(flat: Any, shape: tuple[int, ...], order: list[int]) -> Any:
    """What `merged_last` did, undone."""
    return np.transpose(flat.reshape(shape), np.argsort(order).tolist())


def spread(g: Any, shape: tuple[int, ...], axis: Axis, keepdims: bool, where: Any = True) -> Any:
    """`g`, the gradient of a reduction, stretched to the shape before it, and 0 where an element does not count."""
    stretched = np.broadcast_to(restore(g, shape, axis, keepdims), shape)
    return stretched if where is True else np.where(where, stretched, 0)


def count(shape: tuple[int, ...], axis: Axis, where: Any = True, dtype: Any = None) -> Any:
    """How many elements are reduced to one: a number, or with a mask an array of `dtype` that broadcasts."""
    if where is True:
        return math.prod([shape[k] for k in as_axes(axis, len(shape))])
    return np.sum(np.broadcast_to(where, shape), axis=axis, keepdims=True, dtype=dtype)


def _prod_rule(
    g: Any, ans: Any, x: Any, axis: Axis = None, dtype: Any = None, out: Any = None, keepdims: bool = False
) -> Any:
    """The product of all others is that of those before times that of those behind, also where some are 0."""
    flat, shape, order = merged_last(x, axis)
    ones = np.ones_like(flat[..., :1])
    before = np.cumprod(np.concatenate([ones, flat[..., :-1]], axis=-1), axis=-1)
    behind = np.cumprod(np.concatenate([ones, flat[..., :0:-1]], axis=-1), axis=-1)[..., ::-1]
    return restore(g, x.shape, axis, keepdims) * apart_again(before * behind, shape, order)


def _extremum_rule(g: Any, ans: Any, x: Any, axis: Axis = None, out: Any = None, keepdims: bool = False) -> Any:
    """Equal shares for all that reach the extremum."""
    reaches = x == restore(ans, x.shape, axis, keepdims)
    share = restore(g, x.shape, axis, keepdims) / np.sum(reaches, axis=axis, keepdims=True, dtype=g.dtype)
    return np.where(reaches, share, 0)


def _deviation(x: Any, axis: Axis) -> Any:
    deviation = x - np.mean(x, axis=axis, keepdims=True)
    return np.conjugate(deviation) if x.dtype.kind == "c" else deviation


def _var_rule(
    g: Any, ans: Any, x: Any, axis: Axis = None, dtype: Any = None, out: Any = None, ddof: float = 0,
    keepdims: bool = False, correction: float | None = None,
) -> Any:  # fmt: skip
    freedom = count(x.shape, axis) - (ddof if correction is None else correction)
    return restore(g, x.shape, axis, keepdims) * 2 * _deviation(x, axis) / freedom


def _std_rule(
    g: Any, ans: Any, x: Any, axis: Axis = None, dtype: Any = None, out: Any = None, ddof: float = 0,
    keepdims: bool = False, correction: float | None = None,
) -> Any:  # fmt: skip
    freedom = count(x.shape, axis) - (ddof if correction is None else correction)
    slope = g / (freedom * np.where(ans == 0, 1, ans))  # at 0, like a norm: the subgradient of least norm
    return restore(slope, x.shape, axis, keepdims) * _deviation(x, axis)


define(
    np.sum,
    lambda g, ans, x, axis=None, dtype=None, out=None, keepdims=False, initial=0, where=True: spread(
        g, x.shape, axis, keepdims, where
    ),
)
define(
    np.mean,
    lambda g, ans, x, axis=None, dtype=None, out=None, keepdims=False, where=True: spread(
        restore(g, x.shape, axis, keepdims) / count(x.shape, axis, where, g.dtype), x.shape, axis, True, where
    ),
)
define(
    np.nansum,
    lambda g, ans, x, axis=None, dtype=None, out=None, keepdims=False: spread(g, x.shape, axis, keepdims, ~np.isnan(x)),
)
define(
    np.nanmean,
    lambda g, ans, x, axis=None, dtype=None, out=None, keepdims=False: spread(
        restore(g, x.shape, axis, keepdims) / count(x.shape, axis, ~np.isnan(x), g.dtype),
        x.shape,
        axis,
        True,
        ~np.isnan(x),
    ),
)
define(np.prod, _prod_rule)
define(np.var, _var_rule)
define(np.std, _std_rule)
for _extremum in (np.max, np.min, np.amax, np.amin, np.nanmax, np.nanmin):
    define(_extremum, _extremum_rule)


@composite(np.nanprod)
def _nanprod(a: Any, axis: Axis = None, **options: Any) -> Any:
    return np.prod(np.where(np.isnan(a), 1, a), axis=axis, **options)


@composite(np.nancumsum)
def _nancumsum(a: Any, axis: Axis = None, **options: Any) -> Any:
    return np.cumsum(np.where(np.isnan(a), 0, a), axis=axis, **options)


@composite(np.nancumprod)
def _nancumprod(a: Any, axis: Axis = None, **options: Any) -> Any:
    return np.cumprod(np.where(np.isnan(a), 1, a), axis=axis, **options)


@composite(np.nanvar)
def _nanvar(a: Any, axis: Axis = None, dtype: Any = None, out: Any = None, ddof: float = 0, **options: Any) -> Any:
    counts = ~np.isnan(a)
    deviation = np.where(counts, a - np.nanmean(a, axis=axis, keepdims=True), 0)
    freedom = np.sum(counts, axis=axis, dtype=deviation.dtype, **options) - ddof
    return np.sum(np.square(deviation), axis=axis, **options) / freedom


@composite(np.nanstd)
def _nanstd(a: Any, axis: Axis = None, dtype: Any = None, out: Any = None, ddof: float = 0, **options: Any) -> Any:
    return np.sqrt(np.nanvar(a, axis=axis, ddof=ddof, **options))


@composite(np.ptp)
def _ptp(a: Any, axis: Axis = None, out: Any = None, keepdims: bool = False) -> Any:
    keepdims = False if keepdims is np._NoValue else keepdims
    return np.max(a, axis=axis, keepdims=keepdims) - np.min(a, axis=axis, keepdims=keepdims)


@composite(np.average)
def _average(a: Any, axis: Axis = None, weights: Any = None, returned: bool = False, *, keepdims: Any = False) -> Any:
    keepdims = False if keepdims is np._NoValue else keepdims
    if weights is None:
        mean = np.mean(a, axis=axis, keepdims=keepdims)
        return (mean, np.ones_like(mean) * (a.size / max(mean.size, 1))) if returned else mean
    shape = np.shape(a)
    if np.shape(weights) != shape:
        axes = [k % len(shape) for k in as_axes(axis, len(shape))]
        if axis is None or np.shape(weights) != tuple([shape[k] for k in axes]):
            raise ValueError(
                f"average: weights have shape {np.shape(weights)}; give them the shape {shape} of the array, or "
                "that of the axes that are averaged"
            )
        order = np.argsort(axes).tolist()
        weights = np.transpose(weights, order)
        weights = np.reshape(weights, [n if k in axes else 1 for k, n in enumerate(shape)])
    weights = np.broadcast_to(weights, shape)
    total = np.sum(weights, axis=axis, keepdims=keepdims)
    mean = np.sum(a * weights, axis=axis, keepdims=keepdims) / total
    return (mean, total) if returned else mean


@composite(np.trace)
def _trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: Any = None) -> Any:
    return np.sum(np.diagonal(a, offset, axis1, axis2), axis=-1)


def _cumsum_rule(g: Any, ans: Any, x: Any, axis: int | None = None, dtype: Any = None, out: Any = None) -> Any:
    if axis is None:
        return np.cumsum(g[::-1])[::-1].reshape(x.shape)
    return np.flip(np.cumsum(np.flip(g, axis), axis), axis)


def _cumprod_rule(g: Any, ans: Any, x: Any, axis: int | None = None, dtype: Any = None, out: Any = None) -> Any:
    """With y_i = x_0 ... x_i the gradient is ``y_(i-1) s_i``, where ``s_i = g_i + x_(i+1) s_(i+1)``.

    The recurrence is run by doubling (Hillis & Steele 1986): it takes no division, so that zeros do no harm.
    """
    flat = x.reshape(-1) if axis is None else np.moveaxis(x, axis, -1)
    s = g if axis is None else np.moveaxis(g, axis, -1)
    zero, one = np.zeros_like(flat[..., :1]), np.ones_like(flat[..., :1])
    factor = np.concatenate([flat[..., 1:], zero], axis=-1)
    step, n = 1, flat.shape[-1]
    while step < n:
        padding = np.zeros_like(flat[..., :step])
        s = s + factor * np.concatenate([s[..., step:], padding], axis=-1)
        factor = factor * np.concatenate([factor[..., step:], padding], axis=-1)
        step *= 2
    y = np.cumprod(flat, axis=-1)
    pulled = s * np.concatenate([one, y[..., :-1]], axis=-1)
    return pulled.reshape(x.shape) if axis is None else np.moveaxis(pulled, -1, axis)


define(np.cumsum, _cumsum_rule)
define(np.cumprod, _cumprod_rule)


def _running(function: Any, start: float) -> Any:
    def running(x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False) -> Any:
        if axis is None:
            if x.ndim != 1:
                raise ValueError(f"{function.__name__}: axis is needed for an array of {x.ndim} dimensions")
            axis = 0
        out = function(x, axis=axis, **({} if dtype is None else {"dtype": dtype}))
        if not include_initial:
            return out
        first = np.full_like(np.take(out, [0], axis=axis), start)
        return np.concatenate([first, out], axis=axis)

    return running


composite(np.cumulative_sum)(_running(np.cumsum, 0))
composite(np.cumulative_prod)(_running(np.cumprod, 1))


def _pull_from_sorted(g: Any, x: Any, q: Any, axis: Axis, method: Any) -> Any:
    """The gradient of quantiles: each is a fixed combination of two elements of the sorted array.

    NumPy's own quantile of 0, 1, 2, ... tells between which two it lies and where, for every method.
    """
    flat, shape, order = merged_last(x, axis)
    n = flat.shape[-1]
    rank = np.argsort(np.argsort(flat, axis=-1), axis=-1)
    places = kin(g, np.arange, n, dtype=float)
    position = np.quantile(places, q if np.ndim(q) == 0 else brought_to(g, q), method=method)[..., None]
    weights = np.maximum(0, 1 - np.abs(places - position)).astype(g.dtype).reshape(-1, n)
    sorted_g = np.tensordot(g.reshape(len(weights), *flat.shape[:-1]), weights, axes=(0, 0))
    return apart_again(np.take_along_axis(sorted_g, rank, axis=-1), shape, order)


define(
    np.quantile,
    lambda g, ans, x, q, axis=None, out=None, overwrite_input=False, method="linear", keepdims=False: _pull_from_sorted(
        g, x, q, axis, method
    ),
)
define(
    np.percentile,
    lambda g, ans, x, q, axis=None, out=None, overwrite_input=False, method="linear", keepdims=False: _pull_from_sorted(
        g, x, np.true_divide(q, 100), axis, method
    ),
)
define(
    np.median,
    lambda g, ans, x, axis=None, out=None, overwrite_input=False, keepdims=False: _pull_from_sorted(
        g, x, 0.5, axis, "linear"
    ),
)
