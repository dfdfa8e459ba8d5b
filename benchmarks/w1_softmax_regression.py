"""W1: softmax regression on digits, one full-batch step: loss, gradient, update."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .harness import Step, Workload, seconds
from .peers import load_jax, load_mygrad, load_torch

RATE = 0.1


class Problem(NamedTuple):
    X: np.ndarray
    y: np.ndarray
    W: np.ndarray
    b: np.ndarray


def digits() -> Problem:
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    return Problem(X[:1347] / 16.0, y[:1347], np.zeros((64, 10)), np.zeros(10))


def small() -> Problem:
    rng = np.random.default_rng(0)
    return Problem(rng.normal(size=(20, 6)), rng.integers(0, 3, 20), np.zeros((6, 3)), np.zeros(3))


def hand(problem: Problem) -> Step:
    X, y, W, b = problem.X, problem.y, problem.W.copy(), problem.b.copy()
    n, rows = len(X), np.arange(len(X))
    P, column = np.empty((n, len(b))), np.empty((n, 1))
    gW, gb, change_W, change_b = np.empty_like(W), np.empty_like(b), np.empty_like(W), np.empty_like(b)

    def step() -> Any:
        np.matmul(X, W, out=P)
        np.add(P, b, out=P)
        np.max(P, axis=1, keepdims=True, out=column)
        np.subtract(P, column, out=P)
        picked = P[rows, y].sum()
        np.exp(P, out=P)
        np.sum(P, axis=1, keepdims=True, out=column)
        np.divide(P, column, out=P)
        np.log(column, out=column)
        loss = (column.sum() - picked) / n
        P[rows, y] -= 1
        np.divide(P, n, out=P)
        np.matmul(X.T, P, out=gW)
        np.sum(P, axis=0, out=gb)
        np.multiply(gW, RATE, out=change_W)
        np.subtract(W, change_W, out=W)
        np.multiply(gb, RATE, out=change_b)
        np.subtract(b, change_b, out=b)
        return loss, gW, gb

    return step


def ours(problem: Problem) -> Step:
    import tinygrad_ml as tg

    X, y = problem.X, problem.y
    W, b = (tg.Tensor(value.copy(), requires_grad=True) for value in (problem.W, problem.b))

    def step() -> Any:
        W.grad = b.grad = None
        loss = tg.functional.cross_entropy(X @ W + b, y)
        loss.backward()
        W.data -= RATE * W.grad
        b.data -= RATE * b.grad
        return loss, W.grad, b.grad

    return step


def pytorch(problem: Problem) -> Step:
    torch = load_torch()
    X, y = torch.tensor(problem.X), torch.tensor(problem.y)
    W, b = (torch.tensor(value, requires_grad=True) for value in (problem.W, problem.b))

    def step() -> Any:
        W.grad = b.grad = None
        loss = torch.nn.functional.cross_entropy(torch.addmm(b, X, W), y)
        loss.backward()
        with torch.no_grad():
            W.sub_(W.grad, alpha=RATE)
            b.sub_(b.grad, alpha=RATE)
        return loss, W.grad, b.grad

    return step


def jax_jit(problem: Problem) -> Step:
    jax = load_jax()
    X, y = jax.numpy.asarray(problem.X), jax.numpy.asarray(problem.y)
    parameters = jax.numpy.asarray(problem.W), jax.numpy.asarray(problem.b)

    def loss_of(parameters: Any, X: Any, y: Any) -> Any:
        W, b = parameters
        log_p = jax.nn.log_softmax(X @ W + b)
        return -jax.numpy.mean(jax.numpy.take_along_axis(log_p, y[:, None], axis=1))

    @jax.jit
    def update(parameters: Any, X: Any, y: Any) -> Any:
        loss, gradients = jax.value_and_grad(loss_of)(parameters, X, y)
        return loss, gradients, jax.tree.map(lambda p, g: p - RATE * g, parameters, gradients)

    def step() -> Any:
        nonlocal parameters
        loss, gradients, parameters = jax.block_until_ready(update(parameters, X, y))
        return loss, *gradients

    return step


def autograd(problem: Problem) -> Step:
    import autograd.numpy as anp
    from autograd import value_and_grad
    from autograd.scipy.special import logsumexp

    X, y, rows = problem.X, problem.y, np.arange(len(problem.y))
    W, b = problem.W.copy(), problem.b.copy()

    @value_and_grad
    def loss_of(parameters: Any) -> Any:
        W, b = parameters
        Z = anp.dot(X, W) + b
        return anp.mean(logsumexp(Z, axis=1) - Z[rows, y])

    def step() -> Any:
        loss, (gW, gb) = loss_of((W, b))
        np.subtract(W, RATE * gW, out=W)
        np.subtract(b, RATE * gb, out=b)
        return loss, gW, gb

    return step


def mygrad(problem: Problem) -> Step:
    mg = load_mygrad()
    from mygrad.nnet.losses import softmax_crossentropy

    X, y = problem.X, problem.y
    W, b = mg.tensor(problem.W.copy()), mg.tensor(problem.b.copy())

    def step() -> Any:
        loss = softmax_crossentropy(mg.matmul(X, W) + b, y)
        loss.backward()
        W.data -= RATE * W.grad
        b.data -= RATE * b.grad
        return loss.data, W.grad, b.grad

    return step


WORKLOADS = [
    Workload(
        title="W1 softmax regression, digits 1347x64, full-batch step",
        mark=0.80,
        contenders={
            "hand": hand, "tinygrad_ml": ours, "PyTorch": pytorch, "JAX jit": jax_jit, "autograd": autograd,
            "MyGrad": mygrad,
        },
        problem=digits,
        small=small,
        measure=seconds,
    )
]  # fmt: skip
