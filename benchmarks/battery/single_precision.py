"""Functions of float32 numbers: the forward and the gradient are in single precision."""

from __future__ import annotations

import functools

import numpy as np

from .elementary import rosenbrock, rosenbrock_gradient, softmax
from .problem import Array, Problem, normal, uniform
from .scaling import logsumexp, sech2, variance, variance_gradient

SINGLE = functools.partial(Problem, kind="float32")


def single(x: Array) -> Array:
    return x.astype(np.float32)


X, POSITIVE = single(normal(100, 50)), single(uniform(101, 0.5, 2.0, 50))
DATA, TARGETS = single(normal(102, 40, 6)), single(normal(103, 40))
MATRIX = single(normal(104, 20, 20))
WEIGHTS = single(normal(105, 50))


def network(W: Array, v: Array) -> Array:
    """Mean squared error of one hidden layer with tanh."""
    return np.mean((np.tanh(DATA @ W) @ v - TARGETS) ** 2)


def network_gradient(W: Array, v: Array) -> tuple[Array, Array]:
    hidden = np.tanh(DATA @ W)
    error = 2 * (hidden @ v - TARGETS) / np.float32(len(DATA))
    return DATA.T @ (np.outer(error, v) * (1 - hidden * hidden)), hidden.T @ error


def standardised(x: Array) -> Array:
    centred = x - np.mean(x)
    return np.sum(WEIGHTS * centred / np.sqrt(np.mean(centred * centred)))


def standardised_gradient(x: Array) -> Array:
    centred = x - np.mean(x)
    sigma = np.sqrt(np.mean(centred * centred))
    s = centred / sigma
    return (WEIGHTS - np.mean(WEIGHTS) - s * np.mean(WEIGHTS * s)) / sigma


PROBLEMS = [
    SINGLE("squares, float32", lambda x: np.sum(x * x), X, lambda x: 2 * x),
    SINGLE("tanh, float32", lambda x: np.sum(np.tanh(x)), X, sech2),
    SINGLE("log, float32", lambda x: np.sum(np.log(x)), POSITIVE, lambda x: 1 / x),
    SINGLE("log-sum-exp, float32", logsumexp, X, softmax),
    SINGLE("Rosenbrock, float32", rosenbrock, X, rosenbrock_gradient),
    SINGLE("network, float32", network, (single(normal(106, 6, 5)), single(normal(107, 5))), network_gradient),
    SINGLE("standardised, float32", standardised, X, standardised_gradient),
    SINGLE("variance around 1e3, float32", variance, single(1e3 + normal(108, 50)), variance_gradient),
    SINGLE(
        "quadratic form, float32",
        lambda x: x @ (MATRIX @ x),
        single(normal(109, 20)),
        lambda x: MATRIX @ x + MATRIX.T @ x,
    ),
    SINGLE(
        "mean sine of 1e5, float32",
        lambda x: np.mean(np.sin(x)),
        single(normal(110, 100_000)),
        lambda x: np.cos(x) / np.float32(x.size),
    ),
    SINGLE(
        "input of 1e-5, float32",
        lambda x: np.sum(np.exp(x * np.float32(1e5))),
        X * np.float32(1e-5),
        lambda x: np.exp(x * np.float32(1e5)) * np.float32(1e5),
    ),
    SINGLE(
        "output of 1e6, float32",
        lambda x: np.float32(1e6) * np.sum(np.sin(x)),
        X,
        lambda x: np.float32(1e6) * np.cos(x),
    ),
    SINGLE("1e4 + sum, float32", lambda x: 10_000 + np.sum(np.sin(x)), X, np.cos),
]
