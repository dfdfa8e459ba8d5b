"""Functions that move elements and change no value."""

from __future__ import annotations

import numpy as np

from ..primitive import define

define(np.reshape, lambda g, ans, x, shape=None, order="C", copy=None: np.reshape(g, x.shape, order=order))
define(np.swapaxes, lambda g, ans, x, axis1, axis2: np.swapaxes(g, axis1, axis2))


def _transpose(g, ans, x, axes=None):  # type: ignore[no-untyped-def]
    return np.transpose(g, None if axes is None else np.argsort([axis % x.ndim for axis in axes]))


define(np.transpose, _transpose)
define(np.expand_dims, lambda g, ans, x, axis: np.reshape(g, x.shape))
define(np.broadcast_to, lambda g, ans, x, shape, subok=False: g, broadcasts=True)
define(np.astype, lambda g, ans, x, dtype, copy=True, device=None: g)
