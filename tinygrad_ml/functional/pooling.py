"""Pooling: the maximum, or the mean, of each window of an image.

The elements that all windows have at one place are a strided view, so that few passes over whole arrays do it.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ..primitive import define
from ..record import raw
from .activations import _floating
from .windows import Sizes, Windows, sizes, windows

#: kernel, stride, padding, dilation and whether to round up, as `windows` takes them.
Options = Any


def _laid(lengths: Sizes, options: Options) -> Windows:
    return windows("pooling", lengths, *options)


def _views(x: Any, options: Options, fill: float) -> list[Any]:
    """For each place in a window, the elements that the windows have there."""
    at = _laid(x.shape[2:], options)
    if at.padded != x.shape[2:]:
        padded = np.full_like(x, fill, shape=x.shape[:2] + at.padded)  # in x's order of axes in memory
        padded[:, :, *at.interior] = x
        x = padded
    return [x[:, :, *place] for place in at.places]


def _spread(parts: list[Any], like: Any, lengths: Sizes, options: Options) -> Any:
    """The adjoint of `_views`: an array in which the parts are summed at their places."""
    at = _laid(lengths, options)
    new = np.empty_like if at.complete else np.zeros_like
    total = new(like, dtype=parts[0].dtype, shape=like.shape[:2] + at.padded)
    for place, part in zip(at.places, parts, strict=True):
        if at.disjoint:
            total[:, :, *place] = part
        else:
            total[:, :, *place] += part
    return total[:, :, *at.interior]


def _max_pool(x: Any, options: Options) -> Any:
    first, *others = _views(x, options, -np.inf)
    if not others:
        return first.copy()
    top = np.maximum(first, others[0])
    for view in others[1:]:
        np.maximum(top, view, out=top)
    return top


def _winners(x: Any, top: Any, options: Options) -> tuple[Any, ...]:
    """For each place in a window, in which windows the maximum is there first."""
    hits = []
    free: Any = None
    for view in _views(x, options, -np.inf):
        hit = view == top
        if free is None:
            free = ~hit
        else:
            hit &= free
            free ^= hit
        hits.append(hit)
    return tuple(hits)


def _to_winners(g: Any, hits: tuple[Any, ...], lengths: Sizes, options: Options) -> Any:
    g = _in_order_of(g, hits[0])
    return _spread([g * hit for hit in hits], g, lengths, options)


def _in_order_of(g: Any, like: Any) -> Any:
    """`g` with its axes in the order in memory that `like` has them in."""
    if g.strides == like.strides:
        return g
    ordered = np.empty_like(like, dtype=g.dtype)
    ordered[...] = g
    return ordered


def _of_winners(x: Any, hits: tuple[Any, ...], options: Options) -> Any:
    return functools.reduce(np.add, [v * hit for v, hit in zip(_views(x, options, 0.0), hits, strict=True)])


_pooled_to_winners = define(
    _to_winners,
    lambda h, ans, g, hits, lengths, options: _pooled_of_winners(h, hits, options),
    name="max_pool_to_input",
)
_pooled_of_winners = define(
    _of_winners,
    lambda h, ans, x, hits, options: _pooled_to_winners(h, hits, x.shape[2:], options),
    name="max_pool_selected",
)
_maximum_of_windows = define(
    _max_pool,
    lambda g, ans, x, options: _pooled_to_winners(g, _winners(raw(x), raw(ans), options), x.shape[2:], options),
    name="max_pool",
)


def _window_sum(x: Any, options: Options) -> Any:
    return functools.reduce(np.add, _views(x, options, 0.0))


def _window_spread(g: Any, lengths: Sizes, options: Options) -> Any:
    return _spread([g] * len(_laid(lengths, options).places), g, lengths, options)


_sum_of_windows = define(
    _window_sum,
    lambda g, ans, x, options: _spread_over_windows(g, x.shape[2:], options),
    name="window_sum",
)
_spread_over_windows = define(
    _window_spread,
    lambda h, ans, g, lengths, options: _sum_of_windows(h, options),
    name="window_spread",
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


def pool_sizes(name: str, kernel_size: Any, stride: Any, padding: Any, dilation: Any = 1) -> tuple[Sizes, ...]:
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
    x, single, options = _prepared(name, x, kernel, stride, padding, dilation, ceil_mode)
    out = _maximum_of_windows(x, options)
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
    x, single, options = _prepared(name, x, kernel, stride, padding, (1, 1), ceil_mode)
    if divisor is None:
        lengths = x.shape[2:]
        share = _shares(lengths, options, count_include_pad).astype(x.dtype, copy=False)
    else:
        share = 1 / divisor
    out = _sum_of_windows(x, options) * share
    return out[0] if single else out


@functools.lru_cache(maxsize=64)
def _shares(lengths: Sizes, options: Options, count_include_pad: bool) -> Any:
    """One by the number of elements that count in each window."""
    kernel, stride, padding, _, _ = options
    counts = []
    for length, size, step, (added, _), windows_along in zip(
        lengths, kernel, stride, padding, _laid(lengths, options).output, strict=True
    ):
        low, high = (-added, length + added) if count_include_pad else (0, length)
        start = np.arange(windows_along) * step - added
        counts.append(np.minimum(start + size, high) - np.maximum(start, low))
    return 1 / np.multiply.outer(*counts)


def _prepared(
    name: str, x: Any, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, ceil_mode: bool
) -> tuple[Any, bool, Options]:
    """The input as a batch, whether it was none, and the options as `windows` takes them."""
    x = _floating(x)
    if x.ndim not in (3, 4):
        raise ValueError(
            f"{name}: the input has shape {x.shape}, and must have 4 axes (samples, channels, height, width), or 3 for "
            "one sample; reshape it"
        )
    options = kernel, stride, tuple([(n, n) for n in padding]), dilation, ceil_mode
    single = x.ndim == 3
    windows(name, x.shape[-2:], *options)
    return x[None] if single else x, single, options
