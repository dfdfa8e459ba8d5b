"""W7: a small convolutional net, one step: convolution 1 -> 8 by 3x3, relu, pooling, linear, loss, update."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np

from .harness import Step, Workload, seconds
from .peers import load_jax, load_mygrad, load_torch

RATE = 0.05
CHANNELS, KERNEL, CLASSES = 8, 3, 10


class Problem(NamedTuple):
    X: np.ndarray
    y: np.ndarray
    W: np.ndarray
    b: np.ndarray
    V: np.ndarray
    c: np.ndarray


def images(samples: int, side: int) -> Problem:
    """Parameters as PyTorch has them: (outputs, inputs, 3, 3) and (classes, features)."""
    rng = np.random.default_rng(0)
    features = CHANNELS * ((side - KERNEL + 1) // 2) ** 2
    return Problem(
        rng.normal(size=(samples, 1, side, side)),
        rng.integers(0, CLASSES, samples),
        rng.uniform(-1 / 3, 1 / 3, (CHANNELS, 1, KERNEL, KERNEL)),
        rng.uniform(-1 / 3, 1 / 3, CHANNELS),
        rng.uniform(-1, 1, (CLASSES, features)) / np.sqrt(features),
        rng.uniform(-1, 1, CLASSES) / np.sqrt(features),
    )


def hand(problem: Problem) -> Step:
    """Channels last: one product for the convolution, the places of a pooling window as strided views."""
    X, y = problem.X[:, 0], problem.y
    n, side = len(X), X.shape[1] - KERNEL + 1
    half = side // 2
    W, b = np.ascontiguousarray(problem.W.reshape(CHANNELS, -1).T), problem.b.copy()
    V = problem.V.reshape(CLASSES, CHANNELS, half, half).transpose(2, 3, 1, 0).reshape(-1, CLASSES)
    V, c, rows = np.ascontiguousarray(V), problem.c.copy(), np.arange(n)
    seen = np.lib.stride_tricks.sliding_window_view(X, (KERNEL, KERNEL), axis=(1, 2))
    columns = np.empty((n, side, side, KERNEL, KERNEL))
    flat = columns.reshape(-1, KERNEL * KERNEL)
    Z, gZ = np.empty((n, side, side, CHANNELS)), np.empty((n, side, side, CHANNELS))
    Z_flat, gZ_flat = Z.reshape(-1, CHANNELS), gZ.reshape(-1, CHANNELS)
    views, g_views = ([a[:, i : 2 * half : 2, j : 2 * half : 2] for i in range(2) for j in range(2)] for a in (Z, gZ))
    pooled, g_pooled = np.empty((n, half, half, CHANNELS)), np.empty((n, half, half, CHANNELS))
    hit, free = np.empty(pooled.shape, bool), np.empty(pooled.shape, bool)
    P, column = np.empty((n, CLASSES)), np.empty((n, 1))
    gW, gb, gV, gc = (np.empty_like(a) for a in (W, b, V, c))
    changes = [np.empty_like(a) for a in (W, b, V, c)]

    def step() -> Any:
        np.copyto(columns, seen)
        np.matmul(flat, W, out=Z_flat)
        np.add(Z_flat, b, out=Z_flat)
        np.maximum(Z_flat, 0, out=Z_flat)
        np.maximum(views[0], views[1], out=pooled)
        np.maximum(pooled, views[2], out=pooled)
        np.maximum(pooled, views[3], out=pooled)
        H = pooled.reshape(n, -1)
        np.matmul(H, V, out=P)
        np.add(P, c, out=P)
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
        np.matmul(H.T, P, out=gV)
        np.sum(P, axis=0, out=gc)
        np.matmul(P, V.T, out=g_pooled.reshape(n, -1))
        np.greater(pooled, 0, out=free)
        for view, g_view in zip(views, g_views, strict=True):
            np.equal(view, pooled, out=hit)
            np.logical_and(hit, free, out=hit)
            np.logical_xor(free, hit, out=free)
            np.multiply(g_pooled, hit, out=g_view)
        np.matmul(flat.T, gZ_flat, out=gW)
        np.sum(gZ_flat, axis=0, out=gb)
        for parameter, gradient, change in zip((W, b, V, c), (gW, gb, gV, gc), changes, strict=True):
            np.multiply(gradient, RATE, out=change)
            np.subtract(parameter, change, out=parameter)
        return loss, gW.T, gb, gV.reshape(half, half, CHANNELS, CLASSES).transpose(3, 2, 0, 1), gc

    return step


def results(problem: Problem, loss: Any, gW: Any, gb: Any, gV: Any, gc: Any) -> Any:
    """Gradients in the shapes in which all contenders answer them."""
    half = (problem.X.shape[2] - KERNEL + 1) // 2
    return loss, gW.reshape(CHANNELS, -1), gb, gV.reshape(CLASSES, CHANNELS, half, half), gc


def ours(problem: Problem) -> Step:
    import tinygrad_ml as tg

    model = tg.nn.Sequential(
        tg.nn.Conv2d(1, CHANNELS, KERNEL),
        tg.relu,
        tg.nn.MaxPool2d(2),
        tg.nn.Flatten(),
        tg.nn.Linear(problem.V.shape[1], CLASSES),
    )
    parameters = model.parameters()
    for parameter, value in zip(parameters, problem[2:], strict=True):
        parameter.data[...] = value

    def step() -> Any:
        for parameter in parameters:
            parameter.grad = None
        loss = tg.functional.cross_entropy(model(problem.X), problem.y)
        loss.backward()
        for parameter in parameters:
            parameter.data -= RATE * parameter.grad
        return results(problem, loss, *[parameter.grad for parameter in parameters])

    return step


def pytorch(problem: Problem) -> Step:
    torch = load_torch()
    X, y = torch.tensor(problem.X), torch.tensor(problem.y)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(1, CHANNELS, KERNEL),
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(2),
        torch.nn.Flatten(),
        torch.nn.Linear(problem.V.shape[1], CLASSES),
    ).double()
    parameters = list(model.parameters())
    with torch.no_grad():
        for parameter, value in zip(parameters, problem[2:], strict=True):
            parameter.copy_(torch.tensor(value))

    def step() -> Any:
        for parameter in parameters:
            parameter.grad = None
        loss = torch.nn.functional.cross_entropy(model(X), y)
        loss.backward()
        with torch.no_grad():
            for parameter in parameters:
                parameter.sub_(parameter.grad, alpha=RATE)
        return results(problem, loss, *[parameter.grad for parameter in parameters])

    return step


def jax_jit(problem: Problem) -> Step:
    jax = load_jax()
    X, y, *parameters = map(jax.numpy.asarray, problem)

    def loss_of(parameters: Any, X: Any, y: Any) -> Any:
        W, b, V, c = parameters
        Z = jax.lax.conv_general_dilated(X, W, (1, 1), "VALID") + b[:, None, None]
        Z = jax.lax.reduce_window(jax.nn.relu(Z), -jax.numpy.inf, jax.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")
        log_p = jax.nn.log_softmax(Z.reshape(len(X), -1) @ V.T + c)
        return -jax.numpy.mean(jax.numpy.take_along_axis(log_p, y[:, None], axis=1))

    @jax.jit
    def update(parameters: Any, X: Any, y: Any) -> Any:
        loss, gradients = jax.value_and_grad(loss_of)(parameters, X, y)
        return loss, gradients, jax.tree.map(lambda p, g: p - RATE * g, parameters, gradients)

    def step() -> Any:
        nonlocal parameters
        loss, gradients, parameters = jax.block_until_ready(update(parameters, X, y))
        return results(problem, loss, *gradients)

    return step


def mygrad(problem: Problem) -> Step:
    mg = load_mygrad()
    from mygrad.nnet.activations import relu
    from mygrad.nnet.layers import conv_nd, max_pool
    from mygrad.nnet.losses import softmax_crossentropy

    parameters = W, b, V, c = [mg.tensor(value.copy()) for value in problem[2:]]

    def step() -> Any:
        Z = relu(conv_nd(problem.X, W, stride=1) + b.reshape(1, -1, 1, 1))
        H = max_pool(Z, (2, 2), 2).reshape(len(problem.X), -1)
        loss = softmax_crossentropy(mg.matmul(H, V.T) + c, problem.y)
        loss.backward()
        for parameter in parameters:
            parameter.data -= RATE * parameter.grad
        return results(problem, loss.data, *[parameter.grad for parameter in parameters])

    return step


WORKLOADS = [
    Workload(
        title=f"W7 conv net 1->8 3x3, relu, pool, linear; 64x1x{side}x{side}",
        mark=0.50,
        contenders={"hand": hand, "tinygrad_ml": ours, "PyTorch": pytorch, "JAX jit": jax_jit, "MyGrad": mygrad},
        problem=functools.partial(images, 64, side),
        small=functools.partial(images, 3, 6),
        measure=seconds,
    )
    for side in (8, 28)
]
