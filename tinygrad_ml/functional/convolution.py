"""Convolutions.

The samples lie next to each other in memory: the axis of samples is the last one inside, and the results are views
with the axes in their usual order. So all copies are of long runs, and a convolution is one matrix product. What works
on results element by element, as activations and pooling do, keeps this order.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..primitive import Primitive, define
from .activations import _floating
from .windows import Padding, Sizes, Windows, sizes, windows

#: The longest rows that are multiplied at once where the results are small: BLAS is slow along longer ones.
_BLOCK = 4096


def _samples_last(x: Any, groups: int) -> Any:
    """An output of shape (samples, channels, ...) as matrices of shape (groups, channels / groups, all others)."""
    channels = x.shape[1]
    return x.transpose(*range(1, x.ndim), 0).reshape(groups, channels // groups, math.prod(x.shape) // channels)


def _columns(x: Any, at: Windows, groups: int, bias: bool = False) -> Any:
    """What each window sees: matrices of shape (groups, channels / groups * places, windows * samples).

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
    places = len(at.places)
    rows = channels // groups * places
    columns = np.empty((groups, rows + bias, *at.output, samples), x.dtype)
    for k, place in enumerate(at.places):
        columns[:, k:rows:places] = source[:, :, *place]
    if bias:
        columns[:, rows] = 1
    return columns.reshape(groups, rows + bias, math.prod(at.output) * samples)


def _convolution(x: Any, w: Any, b: Any, at: Windows, groups: int) -> tuple[Any, Any]:
    """The convolution, and the columns for the gradient of `w`."""
    outputs = w.shape[0]
    weights = w.reshape(groups, outputs // groups, math.prod(w.shape[1:]))
    if b is not None:
        weights = np.concatenate((weights, b.reshape(groups, outputs // groups, 1)), axis=2)
    columns = _columns(x, at, groups, b is not None)
    y = np.matmul(weights, columns).reshape(outputs, *at.output, x.shape[0])
    return y.transpose(-1, *range(y.ndim - 1)), columns


def _to_weight(x: Any, g: Any, shape: Sizes, at: Windows, groups: int) -> Any:
    return _product_with_columns(g, _columns(x, at, groups), shape, groups)


def _product_with_columns(g: Any, columns: Any, shape: Sizes, groups: int) -> Any:
    """The gradient of weights of `shape`; a row of the columns that is for a bias is left out."""
    g, columns = _samples_last(g, groups), columns[:, : math.prod(shape[1:])]
    length = g.shape[2]
    whole = length - length % _BLOCK
    total = np.matmul(g[:, :, whole:], columns[:, :, whole:].transpose(0, 2, 1))
    if whole:
        g_blocks, blocks = (a[:, :, :whole].reshape(groups, a.shape[1], -1, _BLOCK) for a in (g, columns))
        products = np.matmul(g_blocks.transpose(0, 2, 1, 3), blocks.transpose(0, 2, 3, 1))
        total = total + np.add.reduce(products, axis=1)
    return total.reshape(shape)


def _to_input(g: Any, w: Any, shape: Sizes, at: Windows, groups: int) -> Any:
    samples, channels = shape[:2]
    g = _samples_last(g, groups)
    columns = np.matmul(w.reshape(groups, g.shape[1], math.prod(w.shape[1:])).transpose(0, 2, 1), g)
    columns = columns.reshape(channels, len(at.places), *at.output, samples)
    total = np.zeros((channels, *at.padded, samples), columns.dtype)
    for k, place in enumerate(at.places):
        total[:, *place] += columns[:, k]
    total = total[:, *at.interior]
    return total.transpose(-1, *range(total.ndim - 1))


def _x_rule(g: Any, ans: Any, x: Any, w: Any, b: Any, at: Windows, groups: int) -> Any:
    return _convolution_to_input(g, w, x.shape, at, groups)


def _w_rule(g: Any, ans: Any, x: Any, w: Any, b: Any, at: Windows, groups: int) -> Any:
    return _convolution_to_weight(x, g, w.shape, at, groups)


def _w_cached(g: Any, columns: Any, x: Any, w: Any, b: Any, at: Windows, groups: int) -> Any:
    return _product_with_columns(g, columns, w.shape, groups)


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
