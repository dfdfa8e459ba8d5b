"""Convolutions.

The samples lie next to each other in memory: the axis of samples is the last one inside, and the results are views
with the axes in their usual order. So all copies are of long runs, and a convolution is one matrix product for each
row of the images. What works on results element by element, as activations and pooling do, keeps this order.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ..primitive import Primitive, define
from .activations import _floating
from .windows import Padding, Sizes, Windows, sizes, windows

#: How many elements are copied for the windows of one block; where one is enough, it is kept for the weights' gradient.
_BLOCK = 2**18
#: How many windows in a row, over all samples, are worth a matrix product of their own.
_WIDE = 128


class _Block(NamedTuple):
    """Some windows, by the part of the output along its first axis.

    Attributes
    ----------
    part, seen : slice
        Of the output, and of the padded image.
    copied : tuple of int
        The shape of the copies: (groups, rows of the image, places in a row, windows in a row, samples).
    places : tuple of slice
        For each place along the last axis, where the elements are that all windows have there.
    shape, strides : tuple of int
        The columns as a view of the copies: (groups, rows of windows, rows of a window, places in a row, windows in a
        row * samples), of which those of rows are as many as there are axes less one.
    columns : tuple of int
        That in four axes: (groups, rows of windows, places, windows in a row * samples).
    """

    part: slice
    seen: slice
    copied: Sizes
    places: tuple[slice, ...]
    shape: Sizes
    strides: Sizes
    columns: Sizes


@functools.lru_cache(maxsize=256)
def _blocks(at: Windows, groups: int, channels: int, samples: int, bias: bool, size: int, most: int) -> list[_Block]:
    """Lay out the columns of images with this many channels a group, of elements of `size` bytes."""
    places = channels * at.kernel[-1] + bias
    each = groups * places * at.stride[0] * math.prod(at.output[1:]) * samples
    blocks = []
    for part, seen in at.blocks(most // max(1, each)):
        *rows, in_row = part.stop - part.start, *at.output[1:]
        lengths = seen.stop - seen.start, *at.padded[1:]
        copied = groups, *lengths[:-1], places, in_row, samples
        sizes_behind = [math.prod(copied[k + 1 :]) * size for k in range(len(copied))]
        strides_of_rows = sizes_behind[1:-3]
        blocks.append(
            _Block(
                part,
                seen,
                copied,
                tuple(
                    [
                        slice(k * at.dilation[-1], k * at.dilation[-1] + (in_row - 1) * at.stride[-1] + 1, at.stride[-1])
                        for k in range(at.kernel[-1])
                    ]
                ),
                (groups, *rows, *at.kernel[:-1], places, in_row * samples),
                (
                    sizes_behind[0],
                    *[n * step for n, step in zip(strides_of_rows, at.stride, strict=False)],
                    *[n * apart for n, apart in zip(strides_of_rows, at.dilation, strict=False)],
                    sizes_behind[-3],
                    size,
                ),
                (groups, math.prod(rows), math.prod(at.kernel[:-1]) * places, in_row * samples),
            )
        )
    return blocks


def _samples_last(x: Any, groups: int) -> Any:
    """Images as an array of shape (groups, channels / groups, ..., samples)."""
    channels = x.shape[1]
    x = np.ascontiguousarray(x.transpose(*range(1, x.ndim), 0))
    return x.reshape(groups, channels // groups, *x.shape[1:])


def _columns(x: Any, at: Windows, groups: int, bias: bool = False) -> Iterator[tuple[slice, Any]]:
    """What each window sees, in blocks along the first axis of the output.

    Columns of shape (groups, rows of windows, places, windows in a row * samples). The places are first those along
    all axes but the last, then the channels, then those along the last axis; with `bias` a one follows the channels.
    Only what is seen along the last axis is copied: windows above each other see the same copies, by overlapping
    strides.
    """
    x = _samples_last(x, groups)
    if at.padded != x.shape[2:-1]:
        padded = np.zeros((*x.shape[:2], *at.padded, x.shape[-1]), x.dtype)
        padded[:, :, *at.interior] = x
        x = padded
    width, channels, samples = at.kernel[-1], x.shape[1], x.shape[-1]
    for block in _blocks(at, groups, channels, samples, bias, x.itemsize, _BLOCK):
        seen = x[:, :, block.seen]
        seen = seen.transpose(0, *range(2, x.ndim - 2), 1, -2, -1)
        copies = np.empty(block.copied, x.dtype)
        for k, place in enumerate(block.places):
            copies[..., k : channels * width : width, :, :] = seen[..., place, :]
        if bias:
            copies[..., -1, :, :] = 1
        columns = np.ndarray(block.shape, x.dtype, copies, 0, block.strides).reshape(block.columns)
        _, rows, places, wide = block.columns
        if wide < _WIDE and rows > 1:
            columns = columns.swapaxes(1, 2).reshape(groups, 1, places, rows * wide)
        yield block.part, columns


def _for_columns(y: Any, part: slice, columns: Any) -> Any:
    """What belongs to `columns` of an output whose samples are last, as matrices: one column for each window."""
    y = y[:, :, part]
    groups, rows, _, width = columns.shape
    return y.reshape(groups, y.shape[1], rows, width).swapaxes(1, 2)


def _as_rows(w: Any, b: Any, groups: int) -> Any:
    """Weights as matrices, with their elements in the order of the places of columns."""
    outputs, channels, *rows, width = w.shape
    each, count = outputs // groups, math.prod(rows)
    w = w.reshape(groups, each, channels, count, width).swapaxes(2, 3).reshape(groups, each, count, channels * width)
    if b is not None:
        both = np.zeros((groups, each, count, channels * width + 1), np.result_type(w, b))
        both[..., :-1] = w
        both[..., 0, -1] = b.reshape(groups, each)
        w = both
    return w.reshape(groups, 1, each, count * w.shape[-1])


def _from_rows(matrices: Any, shape: Sizes) -> Any:
    """Weights of this shape from what `_as_rows` makes of them."""
    _, channels, *rows, width = shape
    groups, each, places = matrices.shape
    count = math.prod(rows)
    w = matrices.reshape(groups, each, count, places // count)[..., : channels * width]
    return w.reshape(groups, each, count, channels, width).swapaxes(2, 3).reshape(shape)


def _convolution(x: Any, w: Any, b: Any, at: Windows, groups: int) -> tuple[Any, Any]:
    """The convolution, and the columns for the gradient of `w` where they are few."""
    samples, outputs = len(x), len(w)
    weights = _as_rows(w, b, groups)
    y = np.empty((groups, outputs // groups, *at.output, samples), np.result_type(x, weights))
    columns = None
    for part, columns in _columns(x, at, groups, b is not None):
        np.matmul(weights, columns, out=_for_columns(y, part, columns))
    y = y.reshape(outputs, *at.output, samples)
    return y.transpose(-1, *range(y.ndim - 1)), columns if part.start == 0 else None


def _to_weight(x: Any, g: Any, shape: Sizes, at: Windows, groups: int) -> Any:
    g = _samples_last(g, groups)
    blocks = _columns(x, at, groups)
    return _from_rows(sum([_product(g, part, columns) for part, columns in blocks]), shape)


def _product(g: Any, part: slice, columns: Any) -> Any:
    return np.matmul(_for_columns(g, part, columns), columns.swapaxes(2, 3)).sum(axis=1)


def _to_input(g: Any, w: Any, shape: Sizes, at: Windows, groups: int) -> Any:
    samples, channels = shape[:2]
    kernels = w.reshape(groups, len(w) // groups, *w.shape[1:])
    # Each copies more of the output's channels, or adds up more of the input's.
    around = at.around() if kernels.shape[1] <= 2 * w.shape[1] * math.prod(at.kernel[:-1]) else None
    if around is not None:  # the windows in which an element is are neighbours: a convolution of their gradients
        flipped = np.flip(kernels.swapaxes(1, 2), range(3, kernels.ndim)).reshape(channels, -1, *at.kernel)
        return _convolution(g, flipped, None, around, groups)[0]
    g = _samples_last(g, groups)
    weights = kernels.reshape(*kernels.shape[:2], math.prod(w.shape[1:])).swapaxes(1, 2)
    total = np.zeros((channels, *at.padded, samples), np.result_type(g, weights))
    each = channels * len(at.places) * math.prod(at.output[1:]) * samples
    for part, _ in at.blocks(_BLOCK // max(1, each)):
        block = g[:, :, part]
        columns = np.matmul(weights, block.reshape(*block.shape[:2], math.prod(block.shape[2:])))
        columns = columns.reshape(channels, len(at.places), *block.shape[2:])
        for k, (first, *others) in enumerate(at.places):
            first = slice(first.start + part.start * first.step, first.start + part.stop * first.step, first.step)
            total[:, first, *others] += columns[:, k]
    total = total[:, *at.interior]
    return total.transpose(-1, *range(total.ndim - 1))


def _x_rule(g: Any, ans: Any, x: Any, w: Any, b: Any, at: Windows, groups: int) -> Any:
    return _convolution_to_input(g, w, x.shape, at, groups)


def _w_rule(g: Any, ans: Any, x: Any, w: Any, b: Any, at: Windows, groups: int) -> Any:
    return _convolution_to_weight(x, g, w.shape, at, groups)


def _w_cached(g: Any, columns: Any, x: Any, w: Any, b: Any, at: Windows, groups: int) -> Any:
    if columns is None:
        return _to_weight(x, g, w.shape, at, groups)
    return _from_rows(_product(_samples_last(g, groups), slice(None), columns), w.shape)


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
