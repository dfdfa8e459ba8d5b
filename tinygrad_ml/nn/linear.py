"""Layers that are matrix products."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..functional.linear import affine
from ..functional.windows import sizes
from . import init
from .module import Module
from .parameter import Parameter


class Linear(Module):
    """``y = x W^T + b``.

    Parameters
    ----------
    in_features : int or None
        None leaves it to the first input, before which the model has no list of parameters.
    out_features : int
    bias : bool, default=True
    dtype : default=np.float64
    rng : int or numpy.random.Generator, optional
        Draws the weights, as in PyTorch uniform in ``+- 1 / sqrt(in_features)``.

    Attributes
    ----------
    weight : Parameter of shape (out_features, in_features)
    bias : Parameter of shape (out_features,), or None

    Examples
    --------
    >>> import numpy as np
    >>> layer = Linear(3, 2, rng=0)
    >>> layer(np.ones((5, 3))).shape
    (5, 2)
    """

    def __init__(
        self, in_features: int | None, out_features: int, bias: bool = True, dtype: Any = np.float64, rng: Any = None
    ) -> None:
        if in_features is not None:
            sizes("Linear", "in_features", in_features, 1, least=0)
        sizes("Linear", "out_features", out_features, 1, least=0)
        self.in_features, self.out_features = in_features, out_features
        self._dtype, self._rng = np.dtype(dtype), rng
        self.weight: Parameter | None = None
        self.bias: Parameter | None = Parameter(np.zeros(out_features, dtype)) if bias else None
        if in_features is not None:
            self._draw(in_features)

    def _draw(self, in_features: int) -> None:
        rng = np.random.default_rng(self._rng)
        self.in_features = in_features
        bound = 1 / math.sqrt(in_features) if in_features else 0.0
        self.weight = init.uniform(
            Parameter(np.empty((self.out_features, in_features), self._dtype)), -bound, bound, rng
        )
        if self.bias is not None:
            init.uniform(self.bias, -bound, bound, rng)

    @property
    def awaits_input(self) -> bool:  # type: ignore[override]
        return self.weight is None

    def forward(self, x: Any) -> Any:
        shape = getattr(x, "shape", None)
        if shape is None:
            x = np.asarray(x)
            shape = x.shape
        if self.weight is None:
            self._draw(shape[-1])
        if not shape or shape[-1] != self.in_features:
            raise ValueError(
                f"Linear: the input has shape {shape}, and its last axis must be in_features={self.in_features}"
            )
        if self.bias is None:
            return x @ self.weight.T  # type: ignore[union-attr]
        return affine(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"{self.in_features} -> {self.out_features}"
