"""A function with its gradient written by hand, and what a gradient checker should say of the two."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray
PASS = frozenset({"PASS"})


@dataclass(frozen=True)
class Problem:
    """What a gradient checker is given, and the answers that are right.

    Parameters
    ----------
    name : str
        Unique among its kind of problems.
    f : callable
        Plain NumPy, ``f(*arrays)``; returns a scalar.
    x : array or tuple of arrays
        The point; a tuple where `f` takes several arguments.
    gradient : callable
        ``gradient(*arrays)``, by a formula of its own: an array, or a tuple where `x` is one.
    kind : str
        What makes the problem hard.
    expected : set of str, default={"PASS"}
        The verdicts that are right.
    """

    name: str
    f: Callable[..., Any]
    x: Array | tuple[Array, ...]
    gradient: Callable[..., Any]
    kind: str
    expected: frozenset[str] = PASS

    def __str__(self) -> str:
        return self.name

    @property
    def arrays(self) -> tuple[Array, ...]:
        return self.x if isinstance(self.x, tuple) else (self.x,)

    def gradients(self, *arrays: Array) -> tuple[Array, ...]:
        """The gradients at `arrays`, in a tuple also where there is one argument only."""
        found = self.gradient(*arrays)
        return found if isinstance(found, tuple) else (found,)


def normal(seed: int, *shape: int) -> Array:
    """Standard normal numbers."""
    return np.random.default_rng(seed).normal(size=shape)


def uniform(seed: int, low: float, high: float, *shape: int) -> Array:
    """Uniform numbers between `low` and `high`."""
    return np.random.default_rng(seed).uniform(low, high, size=shape)
