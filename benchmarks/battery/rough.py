"""Points at which there is no derivative, or none that differences could see; and the verdicts that are right there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .learning import relu, relu_gradient
from .problem import PASS, Array, Problem, normal

X = normal(120, 6)
WITH_ZERO = np.append(X, 0.0)
SIZES = np.abs(X) + 0.1


def rough(name: str, f: Any, x: Any, gradient: Any, kind: str, *expected: str) -> Problem:
    return Problem(name, f, x, gradient, kind, frozenset(expected))


def beside(x: Array, slope: Callable[[Array], Array]) -> Array:
    """0 where x is, and `slope` elsewhere."""
    nonzero = np.where(x == 0.0, 1.0, x)
    return np.where(x == 0.0, 0.0, slope(nonzero))


def wobble(power: int) -> tuple[Any, Array, Any]:
    """t**power sin(1/t), continued by 0, whose derivative at 0 does not exist for the power 1 and is 0 above."""

    def f(x: Array) -> Array:
        return np.sum(beside(x, lambda t: t**power * np.sin(1.0 / t)))

    def slope(t: Array) -> Array:
        return power * t ** (power - 1) * np.sin(1.0 / t) - t ** (power - 2.0) * np.cos(1.0 / t)

    return f, np.zeros(1), lambda x: beside(x, slope)


def norm_gradient(x: Array) -> Array:
    return x / max(np.sqrt(np.sum(x * x)), 1e-300)


def root_gradient(power: float) -> Callable[[Array], Array]:
    """Of abs(x)**power."""
    return lambda x: beside(x, lambda t: power * np.sign(t) * np.abs(t) ** (power - 1.0))


def through_single(x: Array) -> np.float64:
    """A forward that loses half of its digits on the way."""
    return np.sum((x.astype(np.float32) ** 2).astype(np.float64))


def steps(width: float) -> tuple[Any, Array]:
    """The identity, rounded to multiples of `width`."""
    return lambda x: np.sum(np.round(x / width) * width), X


JUMPS, LOST = "jump", "not finite"

PROBLEMS = [
    rough("abs at 0", lambda x: np.sum(np.abs(x)), WITH_ZERO, np.sign, "kink", "KINK"),
    rough("abs at 0, one element", lambda x: np.abs(x), np.array(0.0), np.sign, "kink", "KINK"),
    rough("relu at 0", relu, WITH_ZERO, relu_gradient, "kink", "KINK"),
    rough(
        "relu at 0, the other side's slope",
        relu,
        WITH_ZERO,
        lambda x: np.where(x >= 0, 2.0 * x + 1.0, 0.0),
        "kink",
        "KINK",
    ),
    rough(
        "maximum at a tie",
        lambda x, y: np.sum(np.maximum(x, y)),
        (X, np.append(X[:1], X[1:] + 1.0)),
        lambda x, y: ((x > y) + 0.5 * (x == y), (y > x) + 0.5 * (x == y)),
        "kink",
        "KINK",
    ),
    rough("2-norm at 0", lambda x: np.sqrt(np.sum(x * x)), np.zeros(4), norm_gradient, "kink", "KINK"),
    rough(
        "kink outside of its slopes",
        lambda x: np.sum(np.abs(x)),
        np.zeros(1),
        lambda x: np.full_like(x, 5.0),
        "kink",
        "KINK",
        "FAIL",
    ),
    rough("relu, 1e-11 away", relu, np.append(X, [1e-11, -1e-11]), relu_gradient, "close kink", "PASS", "KINK"),
    rough("abs, 1e-13 away", lambda x: np.sum(np.abs(x)), np.append(X, 1e-13), np.sign, "close kink", "PASS", "KINK"),
    rough("sqrt(abs) at 0", lambda x: np.sum(np.sqrt(np.abs(x))), np.zeros(1), root_gradient(0.5), "cusp", "CUSP"),
    rough("abs**(2/3) at 0", lambda x: np.sum(np.abs(x) ** (2 / 3)), np.zeros(2), root_gradient(2 / 3), "cusp", "CUSP"),
    rough(
        "abs**(2/3) at 0 beside others",
        lambda x: np.sum(np.abs(x) ** (2 / 3)),
        np.append(SIZES, 0.0),
        root_gradient(2 / 3),
        "cusp",
        "CUSP",
    ),
    rough(
        "cube root at 0", lambda x: np.sum(np.cbrt(x)), np.zeros(1),
        lambda x: beside(x, lambda t: np.cbrt(t) / (3.0 * t)), "cusp", "CUSP", "INCONCLUSIVE",
    ),
    rough("floor at 1", lambda x: np.sum(np.floor(x)), np.ones(1), np.zeros_like, JUMPS, "JUMP"),
    rough("sign at 0", lambda x: np.sum(np.sign(x)), np.zeros(1), np.zeros_like, JUMPS, "JUMP"),
    rough("comparison at its edge", lambda x: np.sum(x * x + (x > 1.0)), np.append(X, 1.0), lambda x: 2.0 * x, JUMPS,
          "JUMP"),
    rough("floor away from its steps", lambda x: np.sum(np.floor(x)), X, np.zeros_like, JUMPS, "PASS"),
    rough("t sin(1/t) at 0", *wobble(1), "oscillation", "INCONCLUSIVE", "CUSP"),
    rough("t**2 sin(1/t) at 0", *wobble(2), "oscillation", "PASS", "INCONCLUSIVE"),
    rough("log of -1", lambda x: np.sum(np.log(x)), np.array([1.0, -1.0]), lambda x: 1.0 / x, LOST, "NONFINITE"),
    rough("1 / 0", lambda x: np.sum(1.0 / x), np.array([1.0, 0.0]), lambda x: -1.0 / x**2, LOST, "NONFINITE"),
    rough("NaN in x", lambda x: np.sum(np.sin(x)), np.array([1.0, np.nan]), np.cos, LOST, "NONFINITE"),
    rough("NaN in the gradient", lambda x: np.sum(x * x), X, lambda x: 2.0 * x * np.nan, LOST, "FAIL"),
    rough(
        "sqrt at its edge", lambda x: np.sum(np.sqrt(x)), np.array([1.0, 0.0]), lambda x: 0.5 / np.sqrt(x),
        "domain edge", "NONFINITE", "CUSP",
    ),
    rough(
        "x**1.5 at its edge", lambda x: np.sum(x**1.5), np.array([1.0, 0.0]), lambda x: 1.5 * np.sqrt(x),
        "domain edge", "NONFINITE", "INCONCLUSIVE",
    ),
    rough(
        "arcsin at its edge", lambda x: np.sum(np.arcsin(x)), np.array([0.5, 1.0]),
        lambda x: 1.0 / np.sqrt(1.0 - x * x), "domain edge", "NONFINITE", "CUSP",
    ),
    rough("steps of 1e-3", *steps(1e-3), np.zeros_like, "staircase", "PASS", "INCONCLUSIVE"),
    rough("steps of 1e-3, straight through", *steps(1e-3), np.ones_like, "staircase", "FAIL", "INCONCLUSIVE"),
    # Too low for stairs and too high for rounding: to the letter the slope is 0, and FAIL is right (1 seed in 50).
    rough("steps of 1e-9, straight through", *steps(1e-9), np.ones_like, "staircase", "PASS", "INCONCLUSIVE", "FAIL"),
    rough("half of the digits", through_single, X, lambda x: 2.0 * x, "staircase", *PASS, "INCONCLUSIVE"),
]  # fmt: skip
