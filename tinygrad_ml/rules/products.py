"""Products of vectors, matrices and tensors; convolution."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..primitive import define


def swap(x: Any) -> Any:
    """The matrices of a stack, transposed."""
    return np.swapaxes(x, -1, -2)


def _matmul_left(g: Any, ans: Any, x: Any, y: Any) -> Any:
    if y.ndim == 1:
        return g * y if x.ndim == 1 else g[..., None] * y
    if x.ndim == 1:
        return np.matmul(y, g[..., None])[..., 0]
    return np.matmul(g, swap(y))


def _matmul_right(g: Any, ans: Any, x: Any, y: Any) -> Any:
    if x.ndim == 1:
        return g * x if y.ndim == 1 else x[:, None] * g[..., None, :]
    if y.ndim == 1:
        return np.matmul(x.T, g) if x.ndim == 2 else np.matmul(swap(x), g[..., None])[..., 0]
    if y.ndim == 2 and x.ndim > 2:  # one product instead of one a matrix of the stack
        return np.matmul(x.reshape(-1, x.shape[-1]).T, g.reshape(-1, g.shape[-1]))
    return np.matmul(swap(x), g)


define(np.matmul, _matmul_left, _matmul_right)
