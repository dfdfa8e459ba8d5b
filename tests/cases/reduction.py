"""Reductions."""

import numpy as np

from ..case import case, normal

CASES = [
    case("sum", lambda x: np.sum(x), normal(3, 4), complex=True),
    case("sum axis=(0, 2) keepdims", lambda x: np.sum(x, axis=(0, 2), keepdims=True), normal(2, 3, 4), complex=True),
    case("mean axis=-1", lambda x: np.mean(x, axis=-1), normal(3, 4), complex=True),
]
