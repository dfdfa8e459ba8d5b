"""Initial values of parameters, as PyTorch documents them, drawn from a generator that is passed in."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .parameter import Parameter

_GAINS = {"linear": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2), "selu": 3 / 4}


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """How many inputs and outputs an element of a weight connects: ``(fan_in, fan_out)``.

    Raises
    ------
    ValueError
        For shapes of fewer than two axes.
    """
    if len(shape) < 2:
        raise ValueError(f"init: a weight of shape {shape} has no fans; it takes two axes and more, outputs first")
    field = math.prod(shape[2:])
    return shape[1] * field, shape[0] * field


def gain(nonlinearity: str, slope: float = 0.01) -> float:
    """By how much to widen the values before an activation: ``sqrt(2)`` for relu, ``5 / 3`` for tanh.

    Raises
    ------
    ValueError
        For a nonlinearity that is not known.
    """
    if nonlinearity == "leaky_relu":
        return math.sqrt(2 / (1 + slope**2))
    if nonlinearity not in _GAINS:
        raise ValueError(f"init.gain: unknown nonlinearity {nonlinearity!r}; known: leaky_relu, {', '.join(_GAINS)}")
    return _GAINS[nonlinearity]


def uniform(parameter: Parameter, low: float = 0.0, high: float = 1.0, rng: Any = None) -> Parameter:
    """Uniform between `low` and `high`."""
    return _filled(parameter, _generator(rng).uniform(low, high, parameter.shape))


def normal(parameter: Parameter, mean: float = 0.0, std: float = 1.0, rng: Any = None) -> Parameter:
    """Normal with `mean` and standard deviation `std`."""
    return _filled(parameter, _generator(rng).normal(mean, std, parameter.shape))


def constant(parameter: Parameter, value: float) -> Parameter:
    """`value` everywhere."""
    return _filled(parameter, value)


def xavier_uniform(parameter: Parameter, gain: float = 1.0, rng: Any = None) -> Parameter:
    """Uniform in ``+- gain sqrt(6 / (fan_in + fan_out))`` (Glorot & Bengio 2010)."""
    bound = gain * math.sqrt(6 / sum(fans(parameter.shape)))
    return uniform(parameter, -bound, bound, rng)


def xavier_normal(parameter: Parameter, gain: float = 1.0, rng: Any = None) -> Parameter:
    """Normal with variance ``gain^2 2 / (fan_in + fan_out)`` (Glorot & Bengio 2010)."""
    return normal(parameter, 0.0, gain * math.sqrt(2 / sum(fans(parameter.shape))), rng)


def kaiming_uniform(
    parameter: Parameter, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", rng: Any = None
) -> Parameter:
    """Uniform in ``+- gain sqrt(3 / fan)`` (He et al. 2015)."""
    bound = gain(nonlinearity, a) * math.sqrt(3 / _fan(parameter, mode))
    return uniform(parameter, -bound, bound, rng)


def kaiming_normal(
    parameter: Parameter, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", rng: Any = None
) -> Parameter:
    """Normal with variance ``gain^2 / fan`` (He et al. 2015)."""
    return normal(parameter, 0.0, gain(nonlinearity, a) / math.sqrt(_fan(parameter, mode)), rng)


def orthogonal(parameter: Parameter, gain: float = 1.0, rng: Any = None) -> Parameter:
    """Orthonormal rows or columns, times `gain` (Saxe et al. 2014)."""
    fans(parameter.shape)
    rows = parameter.shape[0]
    columns = parameter.size // rows
    drawn = _generator(rng).normal(size=(max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(drawn)
    q = q * np.sign(np.diagonal(r))
    return _filled(parameter, gain * (q if rows >= columns else q.T).reshape(parameter.shape))


def _fan(parameter: Parameter, mode: str) -> int:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"init: mode must be 'fan_in' or 'fan_out', got {mode!r}")
    return fans(parameter.shape)[mode == "fan_out"]


def _generator(rng: Any) -> np.random.Generator:
    return np.random.default_rng(rng)


def _filled(parameter: Parameter, values: Any) -> Parameter:
    parameter.data[...] = values
    return parameter
