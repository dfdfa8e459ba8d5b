"""Pooling layers."""

from __future__ import annotations

from typing import Any

from ..functional.pooling import pool_maximum, pool_mean, pool_sizes
from .module import Module


class MaxPool2d(Module):
    """The largest element of each window; its gradient goes to the first one where several are equal.

    Parameters
    ----------
    kernel_size : int or tuple of two
    stride : int or tuple of two, default=kernel_size
    padding : int or tuple of two, default=0
        At most half of the kernel; what is added is never the largest.
    dilation : int or tuple of two, default=1
    return_indices : False
    ceil_mode : bool, default=False
        Whether windows may reach beyond the end.

    Examples
    --------
    >>> import numpy as np
    >>> MaxPool2d(2)(np.arange(16.0).reshape(1, 1, 4, 4))
    array([[[[ 5.,  7.],
             [13., 15.]]]])
    """

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        if return_indices:
            raise ValueError("MaxPool2d: return_indices=True is not supported; leave it out")
        self.kernel_size, self.stride, self.padding, self.dilation = pool_sizes(
            "MaxPool2d", kernel_size, stride, padding, dilation
        )
        self.ceil_mode = ceil_mode

    def forward(self, x: Any) -> Any:
        return pool_maximum("MaxPool2d", x, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode)

    def extra_repr(self) -> str:
        return f"kernel {self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(Module):
    """The mean of each window.

    Parameters
    ----------
    kernel_size : int or tuple of two
    stride : int or tuple of two, default=kernel_size
    padding : int or tuple of two, default=0
        At most half of the kernel.
    ceil_mode : bool, default=False
        Whether windows may reach beyond the end.
    count_include_pad : bool, default=True
        Whether zeros of the padding count among the elements.
    divisor_override : int, optional
        Divide the sum by this instead.

    Examples
    --------
    >>> import numpy as np
    >>> AvgPool2d(2)(np.arange(16.0).reshape(1, 1, 4, 4))
    array([[[[ 2.5,  4.5],
             [10.5, 12.5]]]])
    """

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        self.kernel_size, self.stride, self.padding, _ = pool_sizes("AvgPool2d", kernel_size, stride, padding)
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad
        self.divisor_override = divisor_override

    def forward(self, x: Any) -> Any:
        return pool_mean(
            "AvgPool2d",
            x,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )

    def extra_repr(self) -> str:
        return f"kernel {self.kernel_size}, stride={self.stride}, padding={self.padding}"
