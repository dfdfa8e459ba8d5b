"""Dropout."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..kin import brought_to
from .module import Module


class Dropout(Module):
    """In training, set each element to 0 with probability `p` and divide the others by ``1 - p``.

    N. Srivastava et al. (2014). In evaluation it does nothing.

    Parameters
    ----------
    p : float between 0 and 1, default=0.5
    rng : int or numpy.random.Generator, optional
        Decides what is dropped. Layers may share a generator.

    Examples
    --------
    >>> import numpy as np
    >>> layer = Dropout(0.5, rng=0)
    >>> layer(np.ones(6))
    array([2., 2., 2., 0., 0., 0.])
    >>> layer.eval()(np.ones(6))
    array([1., 1., 1., 1., 1., 1.])
    """

    def __init__(self, p: float = 0.5, rng: Any = None) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"Dropout: p is the probability of being dropped, between 0 and 1, got {p}")
        self.p = p
        self._rng = np.random.default_rng(rng)

    def forward(self, x: Any) -> Any:
        if not self.training or self.p == 0:
            return x
        kept = self._rng.random(x.shape, np.float32) >= np.float32(self.p)
        scale = 1 / (1 - self.p) if self.p < 1 else 0.0
        return x * brought_to(x, np.multiply(kept, scale, dtype=x.real.dtype))

    def extra_repr(self) -> str:
        return f"p={self.p}"
