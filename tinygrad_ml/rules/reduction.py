"""Reductions along axes, and running ones."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..primitive import define

Axis = Any


def restore(g: Any, shape: tuple[int, ...], axis: Axis, keepdims: bool) -> Any:
    """`g`, the gradient of a reduction, with the reduced axes back as axes of length 1."""
    if keepdims or axis is None and g.ndim == len(shape):
        return g
    kept = list(shape)
    for k in range(len(shape)) if axis is None else axis if isinstance(axis, tuple) else (axis,):
        kept[k] = 1
    return g.reshape(kept)


def spread(g: Any, shape: tuple[int, ...], axis: Axis, keepdims: bool) -> Any:
    """`g`, the gradient of a reduction, stretched to the shape before it."""
    return np.broadcast_to(restore(g, shape, axis, keepdims), shape)


def count(shape: tuple[int, ...], axis: Axis) -> int:
    """How many elements are reduced to one."""
    axes = range(len(shape)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return math.prod([shape[k] for k in axes])


define(np.sum, lambda g, ans, x, axis=None, dtype=None, keepdims=False: spread(g, x.shape, axis, keepdims))
define(
    np.mean,
    lambda g, ans, x, axis=None, dtype=None, keepdims=False: spread(
        g / count(x.shape, axis), x.shape, axis, keepdims
    ),
)
