"""Well-scaled functions of a few elements, from calculus, optimisation and NumPy."""

from __future__ import annotations

import functools

import numpy as np
from scipy import special

from .problem import Array, Problem, normal, uniform

WELL = functools.partial(Problem, kind="well scaled")
POWER = functools.partial(Problem, kind="power")
ZERO = functools.partial(Problem, kind="zero derivative")
UNUSED = functools.partial(Problem, kind="unused")
ORDER = functools.partial(Problem, kind="order")

N = 12
X, Y, POSITIVE = normal(1, N), normal(2, N), uniform(3, 0.5, 2.0, N)
ORDERED = np.random.default_rng(4).permutation(N) * 0.5 + uniform(5, 0.0, 0.1, N)
WEIGHTS = normal(6, N)
MATRIX = normal(7, 5, N)
COEFFICIENTS = normal(8, 7)
FILTER = normal(9, 4)
KNOTS, POINTS = np.arange(float(N)), uniform(10, 0.1, N - 1.1, 30)


def reverse_cumsum(x: Array) -> Array:
    return np.cumsum(x[::-1])[::-1]


def softmax(x: Array) -> Array:
    e = np.exp(x - x.max())
    return e / e.sum()


def entropy(x: Array) -> Array:
    """-sum(p log p), p = softmax(x)."""
    z = x - np.max(x)
    normaliser = np.sum(np.exp(z))
    return np.log(normaliser) - np.sum(np.exp(z) * z) / normaliser


def entropy_gradient(x: Array) -> Array:
    """dH/dx_i = -p_i (log p_i + H)."""
    p = softmax(x)
    return -p * (np.log(p) + entropy(x))


def rosenbrock(x: Array) -> Array:
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def rosenbrock_gradient(x: Array) -> Array:
    g = np.zeros_like(x)
    valley = x[1:] - x[:-1] ** 2
    g[:-1] = -400.0 * x[:-1] * valley - 2.0 * (1.0 - x[:-1])
    g[1:] += 200.0 * valley
    return g


def ackley(x: Array) -> np.float64:
    return -20.0 * np.exp(-0.2 * np.sqrt(np.mean(x * x))) - np.exp(np.mean(np.cos(2 * np.pi * x))) + 20.0 + np.e


def ackley_gradient(x: Array) -> Array:
    rms = np.sqrt(np.mean(x * x))
    bowl = 4.0 * np.exp(-0.2 * rms) * x / (rms * x.size)
    waves = np.exp(np.mean(np.cos(2 * np.pi * x))) * 2 * np.pi * np.sin(2 * np.pi * x) / x.size
    return bowl + waves


def himmelblau(x: Array) -> np.float64:
    return (x[0] ** 2 + x[1] - 11.0) ** 2 + (x[0] + x[1] ** 2 - 7.0) ** 2


def himmelblau_gradient(x: Array) -> Array:
    a, b = x[0] ** 2 + x[1] - 11.0, x[0] + x[1] ** 2 - 7.0
    return np.array([4.0 * x[0] * a + 2.0 * b, 2.0 * a + 4.0 * x[1] * b])


def logistic_map(x: Array, r: Array) -> Array:
    """Ten steps of x <- r x (1 - x)."""
    for _ in range(10):
        x = r * x * (1.0 - x)
    return np.sum(x)


def logistic_map_gradient(x: Array, r: Array) -> tuple[Array, Array]:
    """Forward: both sensitivities along with the state."""
    dx, dr = np.ones_like(x), np.zeros_like(x)
    for _ in range(10):
        slope = r * (1.0 - 2.0 * x)
        dx, dr, x = slope * dx, slope * dr + x * (1.0 - x), r * x * (1.0 - x)
    return dx, dr


def polynomial(x: Array) -> np.float64:
    value = 0.0 * x
    for c in COEFFICIENTS:
        value = value * x + c
    return np.sum(value)


def spectrum(x: Array) -> np.float64:
    """The power of the frequencies, weighted."""
    transform = np.fft.fft(x)
    return np.sum(WEIGHTS * (transform.real**2 + transform.imag**2))


def interpolated(values: Array) -> Array:
    return np.sum(np.interp(POINTS, KNOTS, values) ** 2)


def interpolated_gradient(values: Array) -> Array:
    """Each point gives its two neighbours the weights of a hat function."""
    hats = np.maximum(0.0, 1.0 - np.abs(POINTS[:, None] - KNOTS))
    return 2.0 * hats.T @ (hats @ values)


def quantile_gradient(x: Array) -> Array:
    """The 0.3-quantile lies between two order statistics, at position 0.3 (n - 1)."""
    position = 0.3 * (x.size - 1)
    below = int(position)
    order = np.argsort(x)
    g = np.zeros_like(x)
    g[order[below]], g[order[below + 1]] = below + 1 - position, position - below
    return g


def median_gradient(x: Array) -> Array:
    order = np.argsort(x)
    g = np.zeros_like(x)
    g[order[[x.size // 2 - 1, x.size // 2]]] = 0.5
    return g


def one_hot(index: int, like: Array) -> Array:
    g = np.zeros_like(like)
    g[index] = 1.0
    return g


def two_of_twelve_gradient(x: Array) -> Array:
    return np.exp(x[7]) * (one_hot(1, x) + x[1] * one_hot(7, x))


PROBLEMS = [
    WELL("squares", lambda x: np.sum(x * x), X, lambda x: 2.0 * x),
    WELL("exp", lambda x: np.sum(np.exp(x)), X, np.exp),
    WELL("log", lambda x: np.sum(np.log(x)), POSITIVE, lambda x: 1.0 / x),
    WELL("sin", lambda x: np.sum(np.sin(x)), X, np.cos),
    WELL("tanh", lambda x: np.sum(np.tanh(x)), X, lambda x: np.cosh(x) ** -2.0),
    WELL("sigmoid", lambda x: np.sum(1.0 / (1.0 + np.exp(-x))), X, lambda x: 0.25 / np.cosh(x / 2.0) ** 2),
    WELL("softplus", lambda x: np.sum(np.log1p(np.exp(x))), X, special.expit),
    WELL("sqrt", lambda x: np.sum(np.sqrt(x)), POSITIVE, lambda x: 0.5 / np.sqrt(x)),
    WELL("reciprocal", lambda x: np.sum(1.0 / x), POSITIVE, lambda x: -1.0 / (x * x)),
    WELL("arctan", lambda x: np.sum(np.arctan(x)), X, lambda x: 1.0 / (1.0 + x * x)),
    WELL("one number", lambda x: x * np.sin(x), np.array(0.7), lambda x: np.sin(x) + x * np.cos(x)),
    WELL("three axes", lambda x: np.sum(x**3), normal(11, 2, 3, 4), lambda x: 3.0 * x * x),
    WELL("product", np.prod, POSITIVE, lambda x: np.prod(x) / x),
    WELL("cumprod", lambda x: np.sum(np.cumprod(x)), POSITIVE, lambda x: reverse_cumsum(np.cumprod(x)) / x),
    WELL("cumsum", lambda x: np.sum(np.cumsum(x) ** 2), X, lambda x: 2.0 * reverse_cumsum(np.cumsum(x))),
    WELL("2-norm", lambda x: np.sqrt(np.sum(x * x)), X, lambda x: x / np.sqrt(np.sum(x * x))),
    WELL("4-norm", lambda x: np.sum(x**4) ** 0.25, X, lambda x: x**3 / np.sum(x**4) ** 0.75),
    WELL("dot", lambda x, y: np.sin(x @ y), (X, Y), lambda x, y: (np.cos(x @ y) * y, np.cos(x @ y) * x)),
    WELL("ratio", lambda x, y: np.sum(x / y), (X, POSITIVE), lambda x, y: (1.0 / y, -x / (y * y))),
    WELL(
        "bilinear form",
        lambda a, A, x: a @ (A @ x),
        (normal(12, 5), MATRIX, X),
        lambda a, A, x: (A @ x, np.outer(a, x), A.T @ a),
    ),
    WELL("entropy of softmax", entropy, X, entropy_gradient),
    WELL("Rosenbrock", rosenbrock, X, rosenbrock_gradient),
    WELL(
        "Rastrigin",
        lambda x: 10.0 * x.size + np.sum(x * x - 10.0 * np.cos(2 * np.pi * x)),
        X,
        lambda x: 2.0 * x + 20.0 * np.pi * np.sin(2 * np.pi * x),
    ),
    WELL("Ackley", ackley, X, ackley_gradient),
    WELL("Himmelblau", himmelblau, np.array([1.3, -0.8]), himmelblau_gradient),
    WELL(
        "Styblinski-Tang",
        lambda x: 0.5 * np.sum(x**4 - 16.0 * x**2 + 5.0 * x),
        X,
        lambda x: 2.0 * x**3 - 16.0 * x + 2.5,
    ),
    WELL("logistic map", logistic_map, (uniform(13, 0.1, 0.9, 3), np.full(3, 3.2)), logistic_map_gradient),
    WELL("polynomial", polynomial, X, lambda x: np.polyval(np.polyder(COEFFICIENTS), x)),
    WELL(
        "convolution",
        lambda x: np.sum(np.convolve(x, FILTER) ** 2),
        X,
        lambda x: 2.0 * np.correlate(np.convolve(x, FILTER), FILTER, "valid"),
    ),
    WELL("spectral power", spectrum, X, lambda x: 2.0 * N * np.fft.ifft(WEIGHTS * np.fft.fft(x)).real),
    WELL("interpolation", interpolated, X, interpolated_gradient),
    WELL("log-gamma", lambda x: np.sum(special.gammaln(x)), POSITIVE, special.digamma),
    WELL("erf", lambda x: np.sum(special.erf(x)), X, lambda x: 2.0 / np.sqrt(np.pi) * np.exp(-x * x)),
    WELL(
        "log-erfc",
        lambda x: np.sum(np.log(special.erfc(x))),
        uniform(14, 2.0, 4.0, 5),
        lambda x: -2.0 / np.sqrt(np.pi) / special.erfcx(x),
    ),
    POWER("x**50", lambda x: np.sum(x**50), POSITIVE, lambda x: 50.0 * x**49),
    POWER("x**-20", lambda x: np.sum(x**-20.0), POSITIVE, lambda x: -20.0 * x**-21.0),
    POWER("x**2.5", lambda x: np.sum(x**2.5), POSITIVE, lambda x: 2.5 * x**1.5),
    POWER(
        "x**y",
        lambda x, y: np.sum(x**y),
        (POSITIVE, Y),
        lambda x, y: (y * x ** (y - 1.0), x**y * np.log(x)),
    ),
    ORDER("max", np.max, ORDERED, lambda x: one_hot(int(np.argmax(x)), x)),
    ORDER("sort", lambda x: WEIGHTS @ np.sort(x), ORDERED, lambda x: WEIGHTS[np.argsort(np.argsort(x))]),
    ORDER("median", np.median, ORDERED, median_gradient),
    ORDER("quantile", lambda x: np.quantile(x, 0.3), ORDERED, quantile_gradient),
    ORDER(
        "clip",
        lambda x: np.sum(np.clip(x, 0.3, 3.3) ** 2),
        ORDERED,
        lambda x: np.where((x > 0.3) & (x < 3.3), 2.0 * x, 0.0),
    ),
    ZERO("bottom of a parabola", lambda x: np.sum((x - Y) ** 2), Y, lambda x: 2.0 * (x - Y)),
    ZERO("x**4 at 0", lambda x: np.sum(x**4), np.zeros(3), lambda x: 4.0 * x**3),
    ZERO("x**3 at 0", lambda x: np.sum(x**3), np.zeros(3), lambda x: 3.0 * x**2),
    ZERO("x**2 at 0, one element", lambda x: np.sum(x * x), np.array(0.0), lambda x: 2.0 * x),
    ZERO("cos at 0", lambda x: np.sum(np.cos(x)), np.zeros(3), lambda x: -np.sin(x)),
    ZERO("sin at its top", lambda x: np.sum(np.sin(x)), np.full(3, np.pi / 2), np.cos),
    ZERO("bell at 0", lambda x: np.exp(-np.sum(x * x)), np.zeros(4), lambda x: -2.0 * x * np.exp(-np.sum(x * x))),
    ZERO("sum of softmax", lambda x: np.sum(np.exp(x) / np.sum(np.exp(x))), X, np.zeros_like),
    ZERO("sin**2 + cos**2", lambda x: np.sum(np.sin(x) ** 2 + np.cos(x) ** 2), X, np.zeros_like),
    ZERO("minimum of Rosenbrock", rosenbrock, np.ones(4), rosenbrock_gradient),
    UNUSED("constant", lambda x: np.float64(3.0), X, np.zeros_like),
    UNUSED("constant 0", lambda x: 0.0 * np.sum(x), X, np.zeros_like),
    UNUSED("linear", lambda x: WEIGHTS @ x, X, lambda x: WEIGHTS.copy()),
    UNUSED("two of twelve", lambda x: x[1] * np.exp(x[7]), X, two_of_twelve_gradient),
    UNUSED("second argument", lambda x, y: np.sum(x**2), (X, Y), lambda x, y: (2.0 * x, np.zeros_like(y))),
]
