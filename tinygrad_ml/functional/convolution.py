"""Convolutions.

The samples lie next to each other in memory: the axis of samples is the last one inside, and the results are views
with the axes in their usual order. So all copies are of long runs, and a convolution is a few matrix products. What
works on results element by element, as activations and pooling do, keeps this order.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..kin import foreign
from ..primitive import Primitive, define
from . import slices
from .activations import _floating
from .columns import columns, outputs_as_matrices, weights_as_rows, weights_of_rows
from .windows import Padding, Sizes, Windows, sizes, windows, windows_around

#: How many elements of the input's gradient are spread at once.
_BLOCK = 2**18


def _samples_last(x: Any, groups: int) -> Any:
    """Images as an array of shape (groups, channels / groups, ..., samples)."""
    channels = x.shape[1]
    x = np.ascontiguousarray(x.transpose(*range(1, x.ndim), 0))
    return x.reshape(groups, channels // groups, *x.shape[1:])


def _samples_first(x: Any) -> Any:
    """The images of `_samples_last`, as a view."""
    x = x.reshape(x.shape[0] * x.shape[1], *x.shape[2:])
    return x.transpose(-1, *range(x.ndim - 1))


def _convolution(x: Any, w: Any, b: Any, at: Windows, groups: int) -> tuple[Any, Any]:
    """The convolution, and the columns for the gradient of `w` where they are few."""
    if foreign(x) is not None:
        return slices.convolution(x, w, b, at, groups), None
    weights = weights_as_rows(w, b, groups)
    y = np.empty((groups, len(w) // groups, *at.output, len(x)), np.result_type(x, weights))
    seen = None
    for part, seen in columns(_samples_last(x, groups), at, groups, b is not None):
        np.matmul(weights, seen, out=outputs_as_matrices(y, part, seen))
    return _samples_first(y), seen if part.start == 0 else None


def _to_weight(x: Any, g: Any, shape: Sizes, at: Windows, groups: int) -> Any:
    if foreign(x) is not None:
        return slices.convolution_to_weight(x, g, shape, at, groups)
    g = _samples_last(g, groups)
    blocks = columns(_samples_last(x, groups), at, groups)
    return weights_of_rows(sum([_product(g, part, seen) for part, seen in blocks]), shape)


def _product(g: Any, part: slice, seen: Any) -> Any:
    return np.matmul(outputs_as_matrices(g, part, seen), seen.swapaxes(2, 3)).sum(axis=1)


def _to_input(g: Any, w: Any, shape: Sizes, at: Windows, groups: int) -> Any:
    if foreign(g) is not None:
        return slices.convolution_to_input(g, w, shape, at, groups)
    kernels = w.reshape(groups, len(w) // groups, *w.shape[1:])
    # The windows in which an element is are neighbours, so that this is a convolution of their gradients. It copies
    # these, and where there are few channels to spread them to, that is more work than to spread them.
    around = windows_around(at) if kernels.shape[1] <= 2 * kernels.shape[2] else None
    if around is None:
        return _spread(g, kernels, shape, at)
    flipped = kernels.swapaxes(1, 2)[..., *[slice(None, None, -1)] * len(at.kernel)]
    return _convolution(g, flipped.reshape(shape[1], *flipped.shape[2:]), None, around, groups)[0]


def _spread(g: Any, kernels: Any, shape: Sizes, at: Windows) -> Any:
    """The gradient of each window, added up where the windows are."""
    groups, outputs, channels = kernels.shape[:3]
    g = _samples_last(g, groups)
    weights = kernels.reshape(groups, outputs, math.prod(kernels.shape[2:])).swapaxes(1, 2)
    total = np.zeros((groups, channels, *at.padded, g.shape[-1]), np.result_type(g, weights))
    each = shape[1] * len(at.places) * math.prod(g.shape[3:])
    for part, _ in at.blocks(_BLOCK // max(1, each)):
        block = g[:, :, part]
        parts = np.matmul(weights, block.reshape(groups, outputs, math.prod(block.shape[2:])))
        parts = parts.reshape(groups, channels, len(at.places), *block.shape[2:])
        for k, (first, *others) in enumerate(at.places):
            first = slice(first.start + part.start * first.step, first.start + part.stop * first.step, first.step)
            total[:, :, first, *others] += parts[:, :, k]
    return _samples_first(total[:, :, *at.interior])


def _x_rule(g: Any, ans: Any, x: Any, w: Any, b: Any, at: Windows, groups: int) -> Any:
    return _convolution_to_input(g, w, x.shape, at, groups)


def _w_rule(g: Any, ans: Any, x: Any, w: Any, b: Any, at: Windows, groups: int) -> Any:
    return _convolution_to_weight(x, g, w.shape, at, groups)


def _w_cached(g: Any, seen: Any, x: Any, w: Any, b: Any, at: Windows, groups: int) -> Any:
    if seen is None:
        return _to_weight(x, g, w.shape, at, groups)
    return weights_of_rows(_product(_samples_last(g, groups), slice(None), seen), w.shape)


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
