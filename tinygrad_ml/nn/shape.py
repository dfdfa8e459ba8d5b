"""Layers that change nothing but the shape, or nothing."""

from __future__ import annotations

import math
from typing import Any

from .module import Module


class Flatten(Module):
    """Merge the axes from `start_dim` to `end_dim` into one.

    Parameters
    ----------
    start_dim : int, default=1
    end_dim : int, default=-1

    Examples
    --------
    >>> import numpy as np
    >>> Flatten()(np.ones((5, 2, 3, 4))).shape
    (5, 24)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, x: Any) -> Any:
        shape = x.shape or (1,)
        start, end = (k + len(shape) if k < 0 else k for k in (self.start_dim, self.end_dim))
        if not 0 <= start <= end < len(shape):
            raise ValueError(
                f"Flatten: the input has shape {x.shape}, which has no axes from start_dim={self.start_dim} to "
                f"end_dim={self.end_dim}"
            )
        return x.reshape(*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :])

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Identity(Module):
    """Answers its input; arguments are ignored.

    Examples
    --------
    >>> Identity()(5)
    5
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def forward(self, x: Any) -> Any:
        return x
