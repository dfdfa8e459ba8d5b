"""Convolutions of arrays that are not NumPy's: the same sums with slices, which every library has.

The three functions are what those of `convolution` of like names compute, in the usual order of axes.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .windows import Sizes, Windows


def _seen(x: Any, at: Windows, groups: int) -> Any:
    """What each window sees, as an array of shape (samples, groups, channels / groups * places, windows)."""
    samples, channels = x.shape[:2]
    if at.padded != x.shape[2:]:
        padded = np.zeros_like(x, shape=(samples, channels, *at.padded))
        padded[:, :, *at.interior] = x
        x = padded
    places = np.stack([x[:, :, *place] for place in at.places], axis=2)
    return places.reshape(samples, groups, channels // groups * len(at.places), math.prod(at.output))


def _rows(w: Any, groups: int) -> Any:
    """Weights as matrices of shape (groups, outputs / groups, channels / groups * places)."""
    return w.reshape(groups, w.shape[0] // groups, math.prod(w.shape[1:]))


def _grouped(g: Any, groups: int) -> Any:
    """The gradient at the output as an array of shape (samples, groups, outputs / groups, windows)."""
    return g.reshape(g.shape[0], groups, g.shape[1] // groups, math.prod(g.shape[2:]))


def convolution(x: Any, w: Any, b: Any, at: Windows, groups: int) -> Any:
    y = np.matmul(_rows(w, groups), _seen(x, at, groups)).reshape(x.shape[0], w.shape[0], *at.output)
    return y if b is None else y + b.reshape(w.shape[0], *(1,) * len(at.output))


def convolution_to_weight(x: Any, g: Any, shape: Sizes, at: Windows, groups: int) -> Any:
    products = np.matmul(_grouped(g, groups), np.swapaxes(_seen(x, at, groups), -1, -2))
    return np.sum(products, axis=0).reshape(shape)


def convolution_to_input(g: Any, w: Any, shape: Sizes, at: Windows, groups: int) -> Any:
    parts = np.matmul(np.swapaxes(_rows(w, groups), -1, -2), _grouped(g, groups))
    parts = parts.reshape(*shape[:2], len(at.places), *at.output)
    total = np.zeros_like(parts, shape=(*shape[:2], *at.padded))
    for k, place in enumerate(at.places):
        total[:, :, *place] += parts[:, :, k]
    return total[:, :, *at.interior]
