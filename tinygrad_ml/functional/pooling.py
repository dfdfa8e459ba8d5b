"""Pooling: the maximum, or the mean, of each window of an image.

The elements that all windows have at one place are a strided view, so that few passes over whole arrays do it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from ..kin import brought_to
from ..primitive import Primitive, define
from ..record import raw
from .activations import _floating
from .windows import Padding, Sizes, Windows, sizes, windows


def _views(x: Any, at: Windows, fill: float) -> list[Any]:
    """For each place in a window, the elements that the windows have there."""
    if at.padded != x.shape[2:]:
        padded = np.full_like(x, fill, shape=x.shape[:2] + at.padded)  # in x's order of axes in memory
        padded[:, :, *at.interior] = x
        x = padded
    return [x[:, :, *place] for place in at.places]


def _max_pool(x: Any, at: Windows) -> tuple[Any, Any]:
    """The maxima, also as the cache of the rule."""
    first, *others = _views(x, at, -np.inf)
    if not others:
        top = first.copy()
        return top, top
    top = np.maximum(first, others[0])
    for view in others[1:]:
        top = np.maximum(top, view, out=top) if type(top) is np.ndarray else np.maximum(top, view)
    return top, top


def _winners(x: Any, top: Any, at: Windows) -> Iterator[Any]:
    """For each place in a window, in which windows the maximum is there first."""
    free = None
    for view in _views(x, at, -np.inf)[:-1]:
        hit = view == top
        if free is None:
            free = ~hit
        else:
            hit &= free
            free ^= hit
        yield hit
    # At the last place where it was nowhere else, which is so for NaN too.
    yield np.ones_like(top, bool) if free is None else free


def _to_winners(g: Any, hits: Iterable[Any], at: Windows) -> Any:
    total = _room(g, at)
    part = None
    for place, hit in zip(at.places, hits, strict=True):
        if type(g) is not np.ndarray:
            total[:, :, *place] += g * hit
        elif at.disjoint:
            np.multiply(g, hit, out=total[:, :, *place])
        else:
            part = np.multiply(g, hit, out=part)
            total[:, :, *place] += part
    return total[:, :, *at.interior]


def _max_pool_cached(g: Any, top: Any, x: Any, at: Windows) -> Any:
    return _to_winners(_in_order_of(g, top), _winners(x, top, at), at)


def _of_winners(x: Any, hits: tuple[Any, ...], at: Windows) -> Any:
    return functools.reduce(np.add, [v * hit for v, hit in zip(_views(x, at, 0.0), hits, strict=True)])


def _in_order_of(g: Any, like: Any) -> Any:
    """`g` with its axes in the order in memory that `like` has them in."""
    if type(g) is not np.ndarray:
        return g
    ordered = np.empty_like(like, dtype=g.dtype)
    if ordered.strides == g.strides:
        return g
    ordered[...] = g
    return ordered


def _room(g: Any, at: Windows) -> Any:
    """Where sums over the windows will be written, or zeros where some elements are in no window."""
    return (np.empty_like if at.complete and type(g) is np.ndarray else np.zeros_like)(g, shape=g.shape[:2] + at.padded)


def _window_sum(x: Any, at: Windows) -> Any:
    return functools.reduce(np.add, _views(x, at, 0.0))


def _window_spread(g: Any, at: Windows) -> Any:
    total = _room(g, at)
    for place in at.places:
        if at.disjoint:
            total[:, :, *place] = g
        else:
            total[:, :, *place] += g
    return total[:, :, *at.interior]


# Where the maxima are does not change when they move a little: the rules of both are linear.
_maxima_to_input: Primitive = define(
    lambda g, hits, at: _to_winners(_in_order_of(g, hits[0]), hits, at),
    lambda h, ans, g, hits, at: _maxima_selected(h, hits, at),
    name="max_pool_to_input",
)
_maxima_selected: Primitive = define(
    _of_winners, lambda h, ans, x, hits, at: _maxima_to_input(h, hits, at), name="max_pool_selected"
)
_maxima_of_windows = define(
    _max_pool,
    lambda g, ans, x, at: _maxima_to_input(g, tuple(_winners(raw(x), raw(ans), at)), at),
    cached_rules=(_max_pool_cached,),
    name="max_pool",
)
_sum_of_windows: Primitive = define(_window_sum, lambda g, ans, x, at: _spread_over_windows(g, at), name="window_sum")
_spread_over_windows: Primitive = define(
    _window_spread, lambda h, ans, g, at: _sum_of_windows(h, at), name="window_spread"
)


def max_pool2d(
    input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False
) -> Any:
    """The largest element of each window; its gradient goes to the first one where several are equal.

    Parameters
    ----------
    input : array of shape (n_samples, n_channels, height, width) or (n_channels, height, width)
    kernel_size : int or tuple of two
    stride : int or tuple of two, default=kernel_size
    padding : int or tuple of two
        At most half of the window; what is added is never the largest.
    dilation : int or tuple of two
    ceil_mode : bool, default=False
        Whether windows may reach beyond the end.

    Raises
    ------
    ValueError
        Where shapes do not match, or options are out of range.

    Examples
    --------
    >>> import numpy as np
    >>> max_pool2d(np.array([[[1.0, 2.0, 3.0, 0.0], [5.0, 4.0, 0.0, 0.0]]]), 2)
    array([[[5., 3.]]])
    """
    return pool_maximum(
        "max_pool2d", input, *pool_sizes("max_pool2d", kernel_size, stride, padding, dilation), ceil_mode
    )


def avg_pool2d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    """The mean of each window.

    Parameters
    ----------
    input : array of shape (n_samples, n_channels, height, width) or (n_channels, height, width)
    kernel_size : int or tuple of two
    stride : int or tuple of two, default=kernel_size
    padding : int or tuple of two
        At most half of the window.
    ceil_mode : bool, default=False
        Whether windows may reach beyond the end.
    count_include_pad : bool, default=True
        Whether zeros of the padding count among the elements.
    divisor_override : int, optional
        Divide the sum by this instead.

    Raises
    ------
    ValueError
        Where shapes do not match, or options are out of range.

    Examples
    --------
    >>> import numpy as np
    >>> avg_pool2d(np.array([[[1.0, 2.0, 3.0, 0.0], [5.0, 4.0, 0.0, 0.0]]]), 2)
    array([[[3.  , 0.75]]])
    """
    kernel, stride, padding, _ = pool_sizes("avg_pool2d", kernel_size, stride, padding)
    return pool_mean("avg_pool2d", input, kernel, stride, padding, ceil_mode, count_include_pad, divisor_override)


def pool_sizes(
    name: str, kernel_size: Any, stride: Any, padding: Any, dilation: Any = 1
) -> tuple[Sizes, Sizes, Sizes, Sizes]:
    """The options of a pooling over two axes as tuples.

    Raises
    ------
    ValueError
        Where they are out of range.
    """
    kernel = sizes(name, "kernel_size", kernel_size, 2)
    stride = kernel if stride is None else sizes(name, "stride", stride, 2)
    padding, dilation = sizes(name, "padding", padding, 2, least=0), sizes(name, "dilation", dilation, 2)
    if any(2 * n > apart * (size - 1) + 1 for n, size, apart in zip(padding, kernel, dilation, strict=True)):
        raise ValueError(
            f"{name}: padding={padding} must be at most half of the window, kernel_size={kernel} with "
            f"dilation={dilation}, so that no window holds nothing else"
        )
    return kernel, stride, padding, dilation


def pool_maximum(
    name: str, x: Any, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, ceil_mode: bool
) -> Any:
    """What `max_pool2d` does, with options as `pool_sizes` answers them."""
    x, single = _as_batch(name, x)
    at = windows(name, x.shape[2:], kernel, stride, _both_sides(padding), dilation, ceil_mode)
    out = _maxima_of_windows(x, at)
    return out[0] if single else out


def pool_mean(
    name: str,
    x: Any,
    kernel: Sizes,
    stride: Sizes,
    padding: Sizes,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor: int | None,
) -> Any:
    """What `avg_pool2d` does, with options as `pool_sizes` answers them."""
    if divisor == 0:
        raise ValueError(f"{name}: divisor_override must not be 0; None divides by the number of elements")
    x, single = _as_batch(name, x)
    lengths = x.shape[2:]
    at = windows(name, lengths, kernel, stride, _both_sides(padding), (1, 1), ceil_mode)
    share: Any = 1 / (divisor or math.prod(kernel))
    if divisor is None and at.padded != lengths:
        counts = _counts(lengths, at.output, kernel, stride, padding, count_include_pad)
        share = brought_to(x, 1 / counts.astype(x.dtype))
    out = _sum_of_windows(x, at) * share
    return out[0] if single else out


@functools.lru_cache(maxsize=64)
def _counts(
    lengths: Sizes, output: Sizes, kernel: Sizes, stride: Sizes, padding: Sizes, count_include_pad: bool
) -> Any:
    """How many elements count in each window: none beyond the padding, and no padding either if that is said."""
    along = []
    for length, n, size, step, added in zip(lengths, output, kernel, stride, padding, strict=True):
        low, high = (-added, length + added) if count_include_pad else (0, length)
        start = np.arange(n) * step - added
        along.append(np.minimum(start + size, high) - np.maximum(start, low))
    return np.multiply.outer(*along)


def _both_sides(padding: Sizes) -> Padding:
    return tuple([(n, n) for n in padding])


def _as_batch(name: str, x: Any) -> tuple[Any, bool]:
    """The input with an axis of samples, and whether it had none."""
    x = _floating(x)
    if x.ndim not in (3, 4):
        raise ValueError(
            f"{name}: the input has shape {x.shape}, and must have 4 axes (samples, channels, height, width), or 3 for "
            "one sample; reshape it"
        )
    return (x[None], True) if x.ndim == 3 else (x, False)
