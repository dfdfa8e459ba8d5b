"""Functions that are hard on a step size: scales, offsets, saturation, frequencies, cancellation, long sums."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from scipy import special

from .elementary import rosenbrock, rosenbrock_gradient, softmax
from .problem import Array, Problem, normal, uniform

INPUT = functools.partial(Problem, kind="badly scaled input")
OUTPUT = functools.partial(Problem, kind="badly scaled output")
OFFSET = functools.partial(Problem, kind="huge offset")
SATURATED = functools.partial(Problem, kind="saturated")
FREQUENT = functools.partial(Problem, kind="high frequency")
STEEP = functools.partial(Problem, kind="steep")
CANCELLATION = functools.partial(Problem, kind="cancellation")
LONG = functools.partial(Problem, kind="long sum")

#: Where the derivative is below the rounding of f, a checker may say that it cannot tell.
UNSEEN = frozenset({"PASS", "INCONCLUSIVE"})
N = 12
X, Y, POSITIVE = normal(20, N), normal(21, N), uniform(22, 0.5, 2.0, N)
SPREAD = np.logspace(-5, 5, N) * uniform(23, 0.5, 2.0, N)
SIGNS = np.where(np.arange(1_000_000) % 2 == 0, 1.0, -1.0)
TOP, BOTTOM = uniform(24, 20.0, 40.0, N), uniform(25, -40.0, -20.0, N)
LABEL = int(np.argmax(TOP))


def logsumexp(x: Array) -> Array:
    m = np.max(np.real(x))
    return m + np.log(np.sum(np.exp(x - m)))


def sech2(x: Array) -> Array:
    return np.cosh(x) ** -2.0


def sigmoid_gradient(x: Array) -> Array:
    return special.expit(x) * special.expit(-x)


def scaled_rosenbrock(scale: float) -> tuple[Any, Array, Any]:
    """Rosenbrock's function of ``x / scale``, its point and its gradient."""
    return lambda x: rosenbrock(x / scale), scale * X, lambda x: rosenbrock_gradient(x / scale) / scale


def scaled_output(scale: float) -> tuple[Any, Array, Any]:
    """``scale * sum(sin(x) exp(x))``, its point and its gradient."""
    return (
        lambda x: scale * np.sum(np.sin(x) * np.exp(x)),
        X,
        lambda x: scale * (np.sin(x) + np.cos(x)) * np.exp(x),
    )


def variance(x: Array) -> Array:
    return np.mean((x - np.mean(x)) ** 2)


def variance_gradient(x: Array) -> Array:
    return 2.0 * (x - np.mean(x)) / x.size


def versine_gradient(x: Array) -> Array:
    """(1 - cos x) / x^2 = 1/2 - x^2/24 + x^4/720 - ..., so that nothing cancels."""
    return -x / 12.0 + x**3 / 180.0


def expm1_gradient(x: Array) -> Array:
    """(exp(x) - 1) / x = 1 + x/2 + x^2/6 + x^3/24 + x^4/120 + ..."""
    return 0.5 + x / 3.0 + x**2 / 8.0 + x**3 / 30.0 + x**4 / 144.0


PROBLEMS = [
    INPUT("sin(x / 1e-5)", lambda x: np.sum(np.sin(1e5 * x)), 1e-5 * X, lambda x: 1e5 * np.cos(1e5 * x)),
    INPUT("squares at 1e5", lambda x: np.sum(x * x), 1e5 * X, lambda x: 2.0 * x),
    INPUT("Rosenbrock at 1e-5", *scaled_rosenbrock(1e-5)),
    INPUT("Rosenbrock at 1e5", *scaled_rosenbrock(1e5)),
    INPUT(
        "arguments of 1e-5 and 1e5",
        lambda x, y: np.sum(np.tanh(x * y)),
        (1e-5 * X, 1e5 * Y),
        lambda x, y: (y * sech2(x * y), x * sech2(x * y)),
    ),
    INPUT("log of 1e-5 .. 1e5", lambda x: np.sum(np.log(x)), SPREAD, lambda x: 1.0 / x),
    INPUT("sqrt of 1e-5 .. 1e5", lambda x: np.sum(np.sqrt(x)), SPREAD, lambda x: 0.5 / np.sqrt(x)),
    INPUT("reciprocal of 1e-5 .. 1e5", lambda x: np.sum(1.0 / x), SPREAD, lambda x: -1.0 / x**2),
    INPUT("squares of 1e-5 .. 1e5", lambda x: np.sum(x * x), SPREAD, lambda x: 2.0 * x),
    INPUT(
        "sin of 1e-5 .. 1e5, each in its own units",
        lambda x: np.sum(np.sin(x / SPREAD)),
        1.3 * SPREAD,
        lambda x: np.cos(x / SPREAD) / SPREAD,
    ),
    INPUT("one of 1e5 among 1e-5", lambda x: np.sum(np.log(x)), np.array([2e-5, 3e-5, 1e5]), lambda x: 1.0 / x),
    INPUT("1e-150", lambda x: np.sum(np.sin(1e150 * x)), 1e-150 * X, lambda x: 1e150 * np.cos(1e150 * x)),
    OUTPUT("output of 1e-6", *scaled_output(1e-6)),
    OUTPUT("output of 1e6", *scaled_output(1e6)),
    OUTPUT("output of 1e-100", *scaled_output(1e-100)),
    OUTPUT("output of 1e100", *scaled_output(1e100)),
    OUTPUT(
        "gradients of 1e-6 and 1e6",
        lambda x, y: 1e6 * np.sum(np.sin(x)) + 1e-6 * np.sum(np.cos(y)),
        (X, Y),
        lambda x, y: (1e6 * np.cos(x), -1e-6 * np.sin(y)),
    ),
    OFFSET("sin(x - 1e6)", lambda x: np.sum(np.sin(x - 1e6)), 1e6 + X, lambda x: np.cos(x - 1e6)),
    OFFSET("(x - 1e6)**2", lambda x: np.sum((x - 1e6) ** 2), 1e6 + X, lambda x: 2.0 * (x - 1e6)),
    OFFSET("cos at 1e6", lambda x: np.sum(np.cos(x)), 1e6 + X, lambda x: -np.sin(x)),
    OFFSET("1e6 + sum", lambda x: 1e6 + np.sum(np.sin(x)), X, np.cos),
    OFFSET("1e10 + sum", lambda x: 1e10 + np.sum(np.sin(x)), X, np.cos),
    OFFSET("variance around 1e6", variance, 1e6 + X, variance_gradient),
    OFFSET("log-sum-exp around 1e6", logsumexp, 1e6 + X, softmax),
    SATURATED("tanh at 20 .. 40", lambda x: np.sum(np.tanh(x)), TOP, sech2, expected=UNSEEN),
    SATURATED("sigmoid at -40 .. -20", lambda x: np.sum(1.0 / (1.0 + np.exp(-x))), BOTTOM, sigmoid_gradient),
    SATURATED(
        "1 - sigmoid at 20 .. 40",
        lambda x: np.sum(1.0 - 1.0 / (1.0 + np.exp(-x))),
        TOP,
        lambda x: -sigmoid_gradient(x),
    ),
    SATURATED(
        "cross entropy at 20 .. 40",
        lambda x: logsumexp(x) - x[LABEL],
        TOP,
        lambda x: softmax(x) - (np.arange(N) == LABEL),
    ),
    SATURATED(
        "cross entropy, sure and right",
        lambda x: logsumexp(x) - x[0],
        np.array([40.0, 0.0, 1.0]),
        lambda x: np.array([-1.0, 1.0, 1.0]) * np.array([softmax(x)[1:].sum(), *softmax(x)[1:]]),
        expected=UNSEEN,
    ),
    SATURATED("exp(-800)", lambda x: np.sum(np.exp(x)), np.array([-800.0, -810.0]), np.exp),
    SATURATED("exp(-700)", lambda x: np.sum(np.exp(x)), np.array([-700.0, -699.0]), np.exp),
    SATURATED(
        "erf at 5 .. 7",
        lambda x: np.sum(special.erf(x)),
        uniform(26, 5.0, 7.0, 4),
        lambda x: 2.0 / np.sqrt(np.pi) * np.exp(-x * x),
        expected=UNSEEN,
    ),
    FREQUENT("sin(1e3 x)", lambda x: np.sum(np.sin(1e3 * x)), X, lambda x: 1e3 * np.cos(1e3 * x)),
    FREQUENT("sin(1e5 x)", lambda x: np.sum(np.sin(1e5 * x)), X, lambda x: 1e5 * np.cos(1e5 * x)),
    FREQUENT("sin(1e5 x), one element", lambda x: np.sin(1e5 * x), np.array(0.3), lambda x: 1e5 * np.cos(1e5 * x)),
    FREQUENT(
        "ripples of 1e-3 on a parabola",
        lambda x: np.sum(x * x + 1e-3 * np.sin(1e3 * x)),
        X,
        lambda x: 2.0 * x + np.cos(1e3 * x),
    ),
    FREQUENT("chirp", lambda x: np.sum(np.sin(50.0 * x**3)), X, lambda x: 150.0 * x**2 * np.cos(50.0 * x**3)),
    STEEP(
        "tanh(1e4 (x - 1))",
        lambda x: np.sum(np.tanh(1e4 * (x - 1.0))),
        1.0 + 1e-4 * X,
        lambda x: 1e4 * sech2(1e4 * (x - 1.0)),
    ),
    STEEP(
        "bell 1e-3 wide",
        lambda x: np.sum(np.exp(-((1e3 * (x - 1.0)) ** 2))),
        1.0 + 1e-3 * X,
        lambda x: -2e6 * (x - 1.0) * np.exp(-((1e3 * (x - 1.0)) ** 2)),
    ),
    STEEP("1 / x**2 at 1e-3", lambda x: np.sum(x**-2.0), np.array([1e-3, 1.0, 2.0]), lambda x: -2.0 * x**-3.0),
    STEEP(
        "pole 1e-4 away",
        lambda x: np.sum(1.0 / (x - 1.0)),
        np.array([1.0001, 1.5, 2.0]),
        lambda x: -1.0 / (x - 1.0) ** 2,
    ),
    STEEP("sqrt at 1e-10 beside 1", lambda x: np.sum(np.sqrt(x)), np.array([1e-10, 1.0]), lambda x: 0.5 / np.sqrt(x)),
    CANCELLATION("log-sum-exp of 1e4", logsumexp, normal(27, 10_000), softmax),
    CANCELLATION("log-sum-exp of 1e4, spread", logsumexp, 30.0 * normal(28, 10_000), softmax),
    CANCELLATION(
        "(1 - cos x) / x**2 at 1e-3",
        lambda x: np.sum((1.0 - np.cos(x)) / x**2),
        1e-3 * POSITIVE,
        versine_gradient,
        expected=UNSEEN,
    ),
    CANCELLATION("(exp(x) - 1) / x at 1e-4", lambda x: np.sum((np.exp(x) - 1.0) / x), 1e-4 * POSITIVE, expm1_gradient),
    CANCELLATION("log(1 + x) at 1e-8", lambda x: np.sum(np.log(1.0 + x)), 1e-8 * POSITIVE, lambda x: 1.0 / (1.0 + x)),
    CANCELLATION(
        "mean of squares - square of mean",
        lambda x: np.mean(x * x) - np.mean(x) ** 2,
        1e3 + X,
        variance_gradient,
    ),
    LONG("mean sine of 1e6", lambda x: np.mean(np.sin(x)), normal(29, 1_000_000), lambda x: np.cos(x) / x.size),
    LONG("squares of 1e6", lambda x: np.sum(x * x), normal(30, 1_000_000), lambda x: 2.0 * x),
    LONG("alternating sum of 1e6", lambda x: SIGNS @ x, normal(31, 1_000_000), lambda x: SIGNS.copy()),
    LONG(
        "10 numbers in a sum of 1e5",
        lambda x: np.sum(np.sin(np.outer(np.linspace(0.0, 1.0, 10_000), x))),
        normal(32, 10),
        lambda x: np.linspace(0.0, 1.0, 10_000) @ np.cos(np.outer(np.linspace(0.0, 1.0, 10_000), x)),
    ),
]
