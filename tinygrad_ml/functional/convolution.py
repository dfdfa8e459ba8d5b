"""Convolutions.

The samples lie next to each other in memory: the axis of samples is the last one inside, and the results are views
with the axes in their usual order. So all copies are of long runs, and a convolution is one matrix product. What works
on results element by element, as activations and pooling do, keeps this order.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..primitive import Primitive, define
from .activations import _floating
from .windows import Padding, Sizes, Windows, sizes, windows

#: How many elements of columns are made at once: what stays in the cache until it is multiplied.
_BLOCK = 2**16


def _samples_last(x: Any, groups: int) -> Any:
    """An output of shape (samples, channels, ...) as matrices of shape (groups, channels / groups, all others)."""
    channels = x.shape[1]
    return x.transpose(*range(1, x.ndim), 0).reshape(groups, channels // groups, math.prod(x.shape) // channels)


def _blocks(at: Windows, rows: int, samples: int) -> Iterator[tuple[slice, Sizes, list[tuple[slice, ...]]]]:
    """Parts of the output along its first axis: where they are in matrices, their shapes, and the places of windows."""
    height, *others = at.output
    width = math.prod(others) * samples
    at_once = max(1, _BLOCK // max(1, rows * width))
    for top in range(0, height, at_once):
        end = min(top + at_once, height)
        places = [
            (slice(first.start + top * first.step, first.start + (end - 1) * first.step + 1, first.step), *rest)
            for first, *rest in at.places
        ]
        yield slice(top * width, end * width), (end - top, *others, samples), places


def _columns(x: Any, at: Windows, groups: int, bias: bool = False) -> Iterator[tuple[slice, Any]]:
    """What each window sees: matrices of shape (groups, channels / groups * places, windows * samples), in blocks.

    With `bias` they have one more row, of ones.
    """
    samples, channels = x.shape[:2]
    x = x.transpose(*range(1, x.ndim), 0)
    if at.padded == x.shape[1:-1]:
        source = np.ascontiguousarray(x)
    else:
        source = np.zeros((channels, *at.padded, samples), x.dtype)
        source[:, *at.interior] = x
    source = source.reshape(groups, channels // groups, *source.shape[1:])
    rows = channels // groups * len(at.places)
    for part, shape, places in _blocks(at, rows, samples):
        columns = np.empty((groups, rows + bias, *shape), x.dtype)
        for k, place in enumerate(places):
            columns[:, k : rows : len(places)] = source[:, :, *place]
        if bias:
            columns[:, rows] = 1
        yield part, columns.reshape(groups, rows + bias, math.prod(shape))


def _convolution(x: Any, w: Any, b: Any, at: Windows, groups: int) -> tuple[Any, Any]:
    """The convolution, and the columns for the gradient of `w` where they are few."""
    samples, outputs = len(x), len(w)
    weights = w.reshape(groups, outputs // groups, math.prod(w.shape[1:]))
    if b is not None:
        weights = np.concatenate((weights, b.reshape(groups, outputs // groups, 1)), axis=2)
    y = np.empty((*weights.shape[:2], math.prod(at.output) * samples), np.result_type(x, weights))
    columns = None
    for part, columns in _columns(x, at, groups, b is not None):
        np.matmul(weights, columns, out=y[:, :, part])
    y = y.reshape(outputs, *at.output, samples)
    return y.transpose(-1, *range(y.ndim - 1)), columns if part.start == 0 else None


def _to_weight(x: Any, g: Any, shape: Sizes, at: Windows, groups: int) -> Any:
    g = _samples_last(g, groups)
    total: Any = 0
    for part, columns in _columns(x, at, groups):
        total = total + np.matmul(g[:, :, part], columns.transpose(0, 2, 1))
    return total.reshape(shape)


def _to_input(g: Any, w: Any, shape: Sizes, at: Windows, groups: int) -> Any:
    samples, channels = shape[:2]
    g = _samples_last(g, groups)
    weights = w.reshape(groups, g.shape[1], math.prod(w.shape[1:])).transpose(0, 2, 1)
    total = np.zeros((channels, *at.padded, samples), np.result_type(g, weights))
    for part, size, places in _blocks(at, weights.shape[1], samples):
        columns = np.matmul(weights, g[:, :, part]).reshape(channels, len(places), *size)
        for k, place in enumerate(places):
            total[:, *place] += columns[:, k]
    total = total[:, *at.interior]
    return total.transpose(-1, *range(total.ndim - 1))


def _x_rule(g: Any, ans: Any, x: Any, w: Any, b: Any, at: Windows, groups: int) -> Any:
    return _convolution_to_input(g, w, x.shape, at, groups)


def _w_rule(g: Any, ans: Any, x: Any, w: Any, b: Any, at: Windows, groups: int) -> Any:
    return _convolution_to_weight(x, g, w.shape, at, groups)


def _w_cached(g: Any, columns: Any, x: Any, w: Any, b: Any, at: Windows, groups: int) -> Any:
    if columns is None:
        return _to_weight(x, g, w.shape, at, groups)
    product = np.matmul(_samples_last(g, groups), columns.transpose(0, 2, 1))
    return product[:, :, : math.prod(w.shape[1:])].reshape(w.shape)


def _b_rule(g: Any, ans: Any, x: Any, w: Any, b: Any, at: Windows, groups: int) -> Any:
    return np.sum(g, axis=(0, *range(2, g.ndim)))


# The three are linear in both arguments, and the rules of each are the two others.
_convolution_to_input: Primitive = define(
    _to_input,
    lambda h, ans, g, w, shape, at, groups: _convolution_of(h, w, None, at, groups),
    lambda h, ans, g, w, shape, at, groups: _convolution_to_weight(h, g, w.shape, at, groups),
    name="convolution_to_input",
)
_convolution_to_weight: Primitive = define(
    _to_weight,
    lambda h, ans, x, g, shape, at, groups: _convolution_to_input(g, h, x.shape, at, groups),
    lambda h, ans, x, g, shape, at, groups: _convolution_of(x, h, None, at, groups),
    name="convolution_to_weight",
)
_convolution_of: Primitive = define(
    _convolution,
    _x_rule,
    _w_rule,
    _b_rule,
    cached_rules=(_x_rule, _w_cached, _b_rule),
    name="convolution",
)


def convolve(
    name: str, x: Any, w: Any, b: Any, stride: Sizes, padding: Padding, dilation: Sizes, groups: int = 1
) -> Any:
    """What `conv1d` and `conv2d` do, with all options as tuples of one for each axis.

    Raises
    ------
    ValueError
        Where the shapes do not match; the message begins with `name`.
    """
    x = _floating(x)
    if x.ndim == w.ndim - 1:  # a single sample
        return convolve(name, x[None], w, b, stride, padding, dilation, groups)[0]
    outputs, channels = w.shape[0], w.shape[1] * groups
    if x.ndim != w.ndim:
        axes = ", ".join(
            ["samples", "channels", "length"] if w.ndim == 3 else ["samples", "channels", "height", "width"]
        )
        raise ValueError(
            f"{name}: the input has shape {x.shape}, and must have {w.ndim} axes ({axes}), or {w.ndim - 1} for one "
            "sample; reshape it"
        )
    if x.shape[1] != channels:
        raise ValueError(
            f"{name}: the input has shape {x.shape} and {x.shape[1]} channels along axis 1, but a weight of shape "
            f"{w.shape} with groups={groups} takes {channels}"
        )
    if outputs % groups:
        raise ValueError(f"{name}: groups={groups} must divide the {outputs} outputs of a weight of shape {w.shape}")
    if b is not None and b.shape != (outputs,):
        raise ValueError(f"{name}: bias has shape {b.shape}, and must have ({outputs},), one for each output channel")
    at = windows(name, x.shape[2:], w.shape[2:], stride, padding, dilation)
    return _convolution_of(x, w, b, at, groups)


def pad_sizes(name: str, padding: Any, kernel: Sizes, stride: Sizes, dilation: Sizes) -> Padding:
    """How much is added before and behind each axis: ``"same"`` adds the odd element behind, as PyTorch does.

    Raises
    ------
    ValueError
        For other words, negative numbers, and ``"same"`` with strides, where it has no meaning.
    """
    if padding == "valid":
        return ((0, 0),) * len(kernel)
    if padding == "same":
        if any(step != 1 for step in stride):
            raise ValueError(f"{name}: padding='same' needs stride=1, got stride={stride}; give padding as numbers")
        added = [apart * (size - 1) for size, apart in zip(kernel, dilation, strict=True)]
        return tuple([(n // 2, n - n // 2) for n in added])
    if isinstance(padding, str):
        raise ValueError(f"{name}: padding must be 'same', 'valid' or numbers, got {padding!r}")
    return tuple([(n, n) for n in sizes(name, "padding", padding, len(kernel), least=0)])


def _conv(name: str, rank: int, x: Any, w: Any, b: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    w, b = _floating(w), None if b is None else _floating(b)
    if w.ndim != rank + 2:
        raise ValueError(
            f"{name}: weight has shape {w.shape}, and must have {rank + 2} axes: outputs, channels / groups, kernel"
        )
    stride, dilation = sizes(name, "stride", stride, rank), sizes(name, "dilation", dilation, rank)
    sizes(name, "groups", groups, 1)
    return convolve(name, x, w, b, stride, pad_sizes(name, padding, w.shape[2:], stride, dilation), dilation, groups)


def conv1d(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:
    """Slide weights along sequences.

    ``y[n, o, i] = b[o] + sum_ck w[o, c, k] x[n, c, i stride + k dilation - padding]``, with zeros for x outside.

    Parameters
    ----------
    input : array of shape (n_samples, n_channels, length) or (n_channels, length)
    weight : array of shape (n_outputs, n_channels / groups, kernel)
    bias : array of shape (n_outputs,), optional
    stride, dilation, groups : int
    padding : int, "same" or "valid"
        How many zeros there are before and behind the input; "same" keeps its length, with stride 1.

    Raises
    ------
    ValueError
        Where shapes do not match, or options are out of range.

    Examples
    --------
    >>> import numpy as np
    >>> conv1d(np.array([[1.0, 2.0, 4.0, 8.0]]), np.array([[[-1.0, 1.0]]]))
    array([[1., 2., 4.]])
    """
    return _conv("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:
    """Slide weights over images, as `conv1d` does along sequences.

    Parameters
    ----------
    input : array of shape (n_samples, n_channels, height, width) or (n_channels, height, width)
    weight : array of shape (n_outputs, n_channels / groups, kernel_height, kernel_width)
    bias : array of shape (n_outputs,), optional
    stride, dilation : int or tuple of two
    padding : int, tuple of two, "same" or "valid"
    groups : int

    Raises
    ------
    ValueError
        Where shapes do not match, or options are out of range.

    Examples
    --------
    >>> import numpy as np
    >>> conv2d(np.ones((1, 3, 3)), np.ones((1, 1, 2, 2)), stride=(1, 2), padding=(1, 0))
    array([[[2.],
            [4.],
            [4.],
            [2.]]])
    """
    return _conv("conv2d", 2, input, weight, bias, stride, padding, dilation, groups)
