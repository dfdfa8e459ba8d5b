"""One row of the op table: a function, and where its arguments come from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Sampler = Callable[[np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class Case:
    """A function of arrays that is smooth where its samplers put it.

    Parameters
    ----------
    name : str
        Unique: the function and what is special about the call, as in ``"sum axis=(0, 2) keepdims"``.
    function : callable
        Plain NumPy over the differentiable arrays, all by position; returns an array or a tuple of arrays.
    *samplers : callable
        ``sampler(rng)`` draws one float64 array for each argument.
    order : int, default=2
        Up to which order derivatives are compared with finite differences.
    float32 : bool, default=True
        Whether the function makes sense in single precision.
    complex : bool, default=False
        Whether complex arguments go through the forward.
    broadcasts : bool, default=False
        Whether arguments of other shapes are broadcast against each other.
    elementwise : bool, default=False
        Whether arguments of any shape will do: empty, 0-d, non-contiguous.
    """

    name: str
    function: Callable[..., Any]
    samplers: tuple[Sampler, ...]
    order: int = 2
    float32: bool = True
    complex: bool = False
    broadcasts: bool = False
    elementwise: bool = False

    def __str__(self) -> str:
        return self.name

    def sample(self, rng: np.random.Generator) -> list[np.ndarray]:
        return [sampler(rng) for sampler in self.samplers]


def case(name: str, function: Callable[..., Any], *samplers: Sampler, **options: Any) -> Case:
    return Case(name, function, samplers, **options)


def normal(*shape: int) -> Sampler:
    return lambda rng: rng.normal(size=shape)


def between(low: float, high: float, *shape: int) -> Sampler:
    return lambda rng: rng.uniform(low, high, size=shape)


def positive(*shape: int) -> Sampler:
    return between(0.5, 2.0, *shape)


def nonzero(*shape: int) -> Sampler:
    """Of either sign, at least 0.5 from 0."""
    return lambda rng: rng.uniform(0.5, 2.0, size=shape) * rng.choice([-1.0, 1.0], size=shape)


def distinct(*shape: int) -> Sampler:
    """No two elements closer than 0.5, so that orderings and maxima are smooth."""
    return lambda rng: (rng.permutation(int(np.prod(shape))).reshape(shape) - 0.4) * 0.5 + rng.uniform(0, 0.1)


def spd(*shape: int) -> Sampler:
    """Symmetric positive definite matrices with well separated eigenvalues."""

    def sample(rng: np.random.Generator) -> np.ndarray:
        q, _ = np.linalg.qr(rng.normal(size=shape))
        return np.matmul(q * np.arange(1.0, shape[-1] + 1), np.swapaxes(q, -1, -2))

    return sample


def regular(*shape: int) -> Sampler:
    """Matrices with singular values 1, 2, 3, ..."""

    def sample(rng: np.random.Generator) -> np.ndarray:
        u, _, v = np.linalg.svd(rng.normal(size=shape), full_matrices=False)
        return np.matmul(u * np.arange(1.0, min(shape[-2:]) + 1), v)

    return sample
