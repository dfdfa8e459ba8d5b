"""Reading elements out of arrays, in order or out of it."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from ..primitive import define


def _scatter(g: Any, index: Any, shape: tuple[int, ...]) -> Any:
    """An array of zeros to which `g` is added at `index`; what is indexed twice is added twice."""
    out = np.zeros_like(g, shape=shape)
    if _may_repeat(index):
        np.add.at(out, index, g)
    else:
        out[index] = g
    return out


def _may_repeat(index: Any) -> bool:
    parts = index if isinstance(index, tuple) else (index,)
    return any(isinstance(part, (list, np.ndarray)) and np.asarray(part).dtype != bool for part in parts)


scatter = define(_scatter, lambda g, ans, x, index, shape: g[index], name="scatter")
define(operator.getitem, lambda g, ans, x, index: scatter(g, index, x.shape))
