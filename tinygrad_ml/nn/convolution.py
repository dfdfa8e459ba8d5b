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

#: What NumPy calls them.
_PADDING_MODES: dict[str, Any] = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


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
        if padding_mode not in _PADDING_MODES:
            known = ", ".join(map(repr, _PADDING_MODES))
            raise ValueError(f"{name}: padding_mode must be one of {known}, got {padding_mode!r}")
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
        name, pads = type(self).__name__, self._pads
        if self.padding_mode != "zeros" and x.ndim > self._rank:
            x, pads = self._padded(x), ((0, 0),) * self._rank
        return convolve(name, x, self.weight, self.bias, self.stride, pads, self.dilation, self.groups)

    def _padded(self, x: Any) -> Any:
        """With elements of its own around it."""
        lengths = x.shape[-self._rank :]
        most = {"reflect": [n - 1 for n in lengths], "circular": lengths, "replicate": [math.inf] * self._rank}
        if any(max(pair) > n for pair, n in zip(self._pads, most[self.padding_mode], strict=True)):
            raise ValueError(
                f"{type(self).__name__}: the input has shape {x.shape}, which has not enough elements for padding="
                f"{self.padding} with padding_mode={self.padding_mode!r}; give less padding or a larger input"
            )
        return np.pad(x, [(0, 0)] * (x.ndim - self._rank) + list(self._pads), mode=_PADDING_MODES[self.padding_mode])

    def extra_repr(self) -> str:
        ones = (1,) * self._rank
        options = {"stride": ones, "padding": 0, "dilation": ones, "groups": 1, "padding_mode": "zeros"}
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
        How much is added before and behind; "same" keeps the length, with stride 1.
    dilation : int, default=1
        The distance of the elements that a window sees.
    groups : int, default=1
        Into how many parts the channels are divided, each with outputs of its own.
    bias : bool, default=True
    padding_mode : {"zeros", "reflect", "replicate", "circular"}
        What is added: zeros, the input mirrored at its first and last elements, these again, or the other end.
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
        How much is added on each side; "same" keeps height and width, with stride 1.
    dilation : int or tuple of two, default=1
        The distance of the elements that a window sees.
    groups : int, default=1
        Into how many parts the channels are divided, each with outputs of its own.
    bias : bool, default=True
    padding_mode : {"zeros", "reflect", "replicate", "circular"}
        What is added: zeros, the input mirrored at its first and last elements, these again, or the other end.
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
