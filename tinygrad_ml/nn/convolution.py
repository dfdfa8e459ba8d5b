"""Convolutional layers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..functional.convolution import convolve, pad_sizes
from ..functional.windows import sizes
from . import init
from .module import Module
from .parameter import Parameter


class _Conv(Module):
    """What the convolutions have in common."""

    _rank: int

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        dtype: Any = np.float64,
        rng: Any = None,
    ) -> None:
        name, rank = type(self).__name__, self._rank
        for argument, value in (("in_channels", in_channels), ("out_channels", out_channels), ("groups", groups)):
            sizes(name, argument, value, 1)
        if in_channels % groups or out_channels % groups:
            raise ValueError(
                f"{name}: groups={groups} must divide in_channels={in_channels} and out_channels={out_channels}"
            )
        if padding_mode != "zeros":
            raise ValueError(
                f"{name}: padding_mode={padding_mode!r} is not supported, only 'zeros'; apply np.pad before the layer"
            )
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = sizes(name, "kernel_size", kernel_size, rank)
        self.stride, self.dilation = sizes(name, "stride", stride, rank), sizes(name, "dilation", dilation, rank)
        self.padding, self.padding_mode = padding, padding_mode
        self._pads = pad_sizes(name, padding, self.kernel_size, self.stride, self.dilation)
        rng = np.random.default_rng(rng)
        bound = 1 / math.sqrt(in_channels // groups * math.prod(self.kernel_size))
        shape = (out_channels, in_channels // groups, *self.kernel_size)
        self.weight = init.uniform(Parameter(np.empty(shape, dtype)), -bound, bound, rng)
        self.bias = init.uniform(Parameter(np.empty(out_channels, dtype)), -bound, bound, rng) if bias else None

    def forward(self, x: Any) -> Any:
        return convolve(
            type(self).__name__, x, self.weight, self.bias, self.stride, self._pads, self.dilation, self.groups
        )

    def extra_repr(self) -> str:
        options = {"stride": (1,) * self._rank, "padding": 0, "dilation": (1,) * self._rank, "groups": 1}
        changed = [f"{name}={getattr(self, name)}" for name, usual in options.items() if getattr(self, name) != usual]
        return ", ".join([f"{self.in_channels} -> {self.out_channels}", f"kernel {self.kernel_size}", *changed])


class Conv1d(_Conv):
    """Weights that slide along sequences.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size : int
    stride : int, default=1
    padding : int, "same" or "valid"
        How many zeros there are before and behind; "same" keeps the length, with stride 1.
    dilation : int, default=1
        The distance of the elements that a window sees.
    groups : int, default=1
        Into how many parts the channels are divided, each with outputs of its own.
    bias : bool, default=True
    padding_mode : "zeros"
    dtype : default=np.float64
    rng : int or numpy.random.Generator, optional
        Draws the weights, as in PyTorch uniform in ``+- 1 / sqrt(in_channels / groups * kernel_size)``.

    Attributes
    ----------
    weight : Parameter of shape (out_channels, in_channels / groups, kernel_size)
    bias : Parameter of shape (out_channels,), or None

    Examples
    --------
    >>> import numpy as np
    >>> layer = Conv1d(3, 8, 5, padding="same", rng=0)
    >>> layer(np.ones((2, 3, 20))).shape
    (2, 8, 20)
    """

    _rank = 1


class Conv2d(_Conv):
    """Weights that slide over images.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size : int or tuple of two
    stride : int or tuple of two, default=1
    padding : int, tuple of two, "same" or "valid"
        How many zeros there are on each side; "same" keeps height and width, with stride 1.
    dilation : int or tuple of two, default=1
        The distance of the elements that a window sees.
    groups : int, default=1
        Into how many parts the channels are divided, each with outputs of its own.
    bias : bool, default=True
    padding_mode : "zeros"
    dtype : default=np.float64
    rng : int or numpy.random.Generator, optional
        Draws the weights, as in PyTorch uniform in ``+- 1 / sqrt(in_channels / groups * kernel elements)``.

    Attributes
    ----------
    weight : Parameter of shape (out_channels, in_channels / groups, kernel_height, kernel_width)
    bias : Parameter of shape (out_channels,), or None

    Examples
    --------
    >>> import numpy as np
    >>> layer = Conv2d(1, 8, 3, stride=2, padding=1, rng=0)
    >>> layer(np.ones((4, 1, 28, 28))).shape
    (4, 8, 14, 14)
    """

    _rank = 2
