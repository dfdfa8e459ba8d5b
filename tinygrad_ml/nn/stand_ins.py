"""Plain versions of two layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from .module import Module
from .parameter import Parameter


class Dropout(Module):
    """Zeros at random in training."""

    def __init__(self, p: float = 0.5, rng: Any = None) -> None:
        self.p, self._rng = p, np.random.default_rng(rng)

    def forward(self, x: Any) -> Any:
        if not self.training or self.p == 0:
            return x
        return x * ((self._rng.random(x.shape) >= self.p) / (1 - self.p)).astype(x.dtype)


class LayerNorm(Module):
    """Normalization over the last axis."""

    def __init__(
        self,
        normalized_shape: int,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        dtype: Any = np.float64,
    ) -> None:
        self.eps = eps
        self.weight = Parameter(np.ones(normalized_shape, dtype))
        self.bias = Parameter(np.zeros(normalized_shape, dtype)) if bias else None

    def forward(self, x: Any) -> Any:
        centred = x - np.mean(x, axis=-1, keepdims=True)
        y = centred / np.sqrt(np.mean(centred * centred, axis=-1, keepdims=True) + self.eps) * self.weight
        return y if self.bias is None else y + self.bias
