"""W3: a perceptron 64-128-64-10 on digits, one step of Adam: loss, gradients, update."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np

from .harness import Contender, Step, Workload, seconds
from .peers import load_jax, load_mygrad, load_torch

RATE, BETA1, BETA2, EPS = 1e-3, 0.9, 0.999, 1e-8


class Problem(NamedTuple):
    """Images, labels, and for each layer its weight, inputs by outputs, and its bias."""

    X: np.ndarray
    y: np.ndarray
    layers: list[tuple[np.ndarray, np.ndarray]]

    @property
    def arrays(self) -> list[np.ndarray]:
        """Copies of all parameters."""
        return [array.copy() for layer in self.layers for array in layer]


def _layers(sizes: tuple[int, ...]) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(0)
    return [
        (rng.normal(scale=(2 / m) ** 0.5, size=(m, n)), rng.normal(scale=0.1, size=n))
        for m, n in zip(sizes, sizes[1:], strict=False)
    ]


def digits(batch: int) -> Problem:
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    return Problem(X[:batch] / 16.0, y[:batch], _layers((64, 128, 64, 10)))


def small() -> Problem:
    rng = np.random.default_rng(1)
    return Problem(rng.normal(size=(20, 6)), rng.integers(0, 3, 20), _layers((6, 8, 5, 3)))


def hand(problem: Problem) -> Step:
    X, y = problem.X, problem.y
    n, rows = len(X), np.arange(len(X))
    W1, b1, W2, b2, W3, b3 = parameters = problem.arrays
    gradients = [np.empty_like(p) for p in parameters]
    gW1, gb1, gW2, gb2, gW3, gb3 = gradients
    means, squares = [np.zeros_like(p) for p in parameters], [np.zeros_like(p) for p in parameters]
    scratch, scratch2 = [np.empty_like(p) for p in parameters], [np.empty_like(p) for p in parameters]
    H1, H2, P, column = np.empty((n, len(b1))), np.empty((n, len(b2))), np.empty((n, len(b3))), np.empty((n, 1))
    G1, G2 = np.empty_like(H1), np.empty_like(H2)
    on1, on2 = np.empty(H1.shape, bool), np.empty(H2.shape, bool)
    count = 0

    def step() -> Any:
        nonlocal count
        np.matmul(X, W1, out=H1)
        np.add(H1, b1, out=H1)
        np.maximum(H1, 0, out=H1)
        np.matmul(H1, W2, out=H2)
        np.add(H2, b2, out=H2)
        np.maximum(H2, 0, out=H2)
        np.matmul(H2, W3, out=P)
        np.add(P, b3, out=P)
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
        np.matmul(H2.T, P, out=gW3)
        np.sum(P, axis=0, out=gb3)
        np.matmul(P, W3.T, out=G2)
        np.greater(H2, 0, out=on2)
        np.multiply(G2, on2, out=G2)
        np.matmul(H1.T, G2, out=gW2)
        np.sum(G2, axis=0, out=gb2)
        np.matmul(G2, W2.T, out=G1)
        np.greater(H1, 0, out=on1)
        np.multiply(G1, on1, out=G1)
        np.matmul(X.T, G1, out=gW1)
        np.sum(G1, axis=0, out=gb1)
        count += 1
        for p, g, m, v, a, b in zip(parameters, gradients, means, squares, scratch, scratch2, strict=True):
            np.multiply(m, BETA1, out=m)
            np.multiply(g, 1 - BETA1, out=a)
            np.add(m, a, out=m)
            np.multiply(v, BETA2, out=v)
            np.multiply(g, g, out=a)
            np.multiply(a, 1 - BETA2, out=a)
            np.add(v, a, out=v)
            np.divide(v, 1 - BETA2**count, out=a)
            np.sqrt(a, out=a)
            np.add(a, EPS, out=a)
            np.multiply(m, RATE / (1 - BETA1**count), out=b)
            np.divide(b, a, out=b)
            np.subtract(p, b, out=p)
        return loss, *gradients

    return step


def ours(problem: Problem) -> Step:
    import tinygrad_ml as tg

    X, y = problem.X, problem.y
    linear = [tg.nn.Linear(*W.shape) for W, _ in problem.layers]
    for layer, (W, b) in zip(linear, problem.layers, strict=True):
        layer.weight.data[...], layer.bias.data[...] = W.T, b
    model = tg.nn.Sequential(linear[0], tg.relu, linear[1], tg.relu, linear[2])
    parameters = model.parameters()
    optimizer = tg.optim.Adam(parameters, RATE, (BETA1, BETA2), EPS)

    def step() -> Any:
        optimizer.zero_grad()
        loss = tg.functional.cross_entropy(model(X), y)
        loss.backward()
        optimizer.step()
        return loss, *[p.grad.T for p in parameters]

    return step


def pytorch(problem: Problem) -> Step:
    torch = load_torch()
    X, y = torch.tensor(problem.X), torch.tensor(problem.y)
    linear = [torch.nn.Linear(*W.shape, dtype=torch.float64) for W, _ in problem.layers]
    with torch.no_grad():
        for layer, (W, b) in zip(linear, problem.layers, strict=True):
            layer.weight.copy_(torch.tensor(W.T))
            layer.bias.copy_(torch.tensor(b))
    model = torch.nn.Sequential(linear[0], torch.nn.ReLU(), linear[1], torch.nn.ReLU(), linear[2])
    parameters = list(model.parameters())
    optimizer = torch.optim.Adam(parameters, RATE, (BETA1, BETA2), EPS)

    def step() -> Any:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(X), y)
        loss.backward()
        optimizer.step()
        return loss, *[p.grad.T if p.ndim == 2 else p.grad for p in parameters]

    return step


def jax_jit(problem: Problem) -> Step:
    jax = load_jax()
    jnp = jax.numpy
    X, y = jnp.asarray(problem.X), jnp.asarray(problem.y)
    parameters = [jnp.asarray(array) for array in problem.arrays]
    zeros = [jnp.zeros_like(p) for p in parameters]
    state = parameters, zeros, zeros, 0

    def loss_of(parameters: Any, X: Any, y: Any) -> Any:
        W1, b1, W2, b2, W3, b3 = parameters
        H = jax.nn.relu(X @ W1 + b1)
        log_p = jax.nn.log_softmax(jax.nn.relu(H @ W2 + b2) @ W3 + b3)
        return -jnp.mean(jnp.take_along_axis(log_p, y[:, None], axis=1))

    @jax.jit
    def update(state: Any, X: Any, y: Any) -> Any:
        parameters, means, squares, count = state
        loss, gradients = jax.value_and_grad(loss_of)(parameters, X, y)
        count = count + 1
        means = [BETA1 * m + (1 - BETA1) * g for m, g in zip(means, gradients, strict=True)]
        squares = [BETA2 * v + (1 - BETA2) * g * g for v, g in zip(squares, gradients, strict=True)]
        parameters = [
            p - RATE / (1 - BETA1**count) * m / (jnp.sqrt(v / (1 - BETA2**count)) + EPS)
            for p, m, v in zip(parameters, means, squares, strict=True)
        ]
        return loss, gradients, (parameters, means, squares, count)

    def step() -> Any:
        nonlocal state
        loss, gradients, state = jax.block_until_ready(update(state, X, y))
        return loss, *gradients

    return step


class PlainAdam:
    """Adam in NumPy, for libraries that have none."""

    def __init__(self, arrays: list[np.ndarray]) -> None:
        self.means, self.squares = [np.zeros_like(p) for p in arrays], [np.zeros_like(p) for p in arrays]
        self.count = 0

    def step(self, arrays: list[np.ndarray], gradients: Any) -> None:
        self.count += 1
        for p, g, m, v in zip(arrays, gradients, self.means, self.squares, strict=True):
            m += (1 - BETA1) * (g - m)
            v += (1 - BETA2) * (g * g - v)
            p -= RATE / (1 - BETA1**self.count) * m / (np.sqrt(v / (1 - BETA2**self.count)) + EPS)


def autograd(problem: Problem) -> Step:
    import autograd.numpy as anp
    from autograd import value_and_grad
    from autograd.scipy.special import logsumexp

    X, y, rows = problem.X, problem.y, np.arange(len(problem.y))
    parameters = problem.arrays
    adam = PlainAdam(parameters)

    @value_and_grad
    def loss_of(parameters: Any) -> Any:
        W1, b1, W2, b2, W3, b3 = parameters
        H = anp.maximum(anp.dot(X, W1) + b1, 0)
        Z = anp.dot(anp.maximum(anp.dot(H, W2) + b2, 0), W3) + b3
        return anp.mean(logsumexp(Z, axis=1) - Z[rows, y])

    def step() -> Any:
        loss, gradients = loss_of(parameters)
        adam.step(parameters, gradients)
        return loss, *gradients

    return step


def mygrad(problem: Problem) -> Step:
    mg = load_mygrad()
    from mygrad.nnet.activations import relu
    from mygrad.nnet.losses import softmax_crossentropy

    X, y = problem.X, problem.y
    W1, b1, W2, b2, W3, b3 = parameters = [mg.tensor(array) for array in problem.arrays]
    adam = PlainAdam([p.data for p in parameters])

    def step() -> Any:
        H = relu(mg.matmul(X, W1) + b1)
        loss = softmax_crossentropy(mg.matmul(relu(mg.matmul(H, W2) + b2), W3) + b3, y)
        loss.backward()
        gradients = [p.grad for p in parameters]
        adam.step([p.data for p in parameters], gradients)
        return loss.data, *gradients

    return step


CONTENDERS: dict[str, Contender] = {
    "hand": hand, "tinygrad_ml": ours, "PyTorch": pytorch, "JAX jit": jax_jit, "autograd": autograd, "MyGrad": mygrad,
}  # fmt: skip
WORKLOADS = [
    Workload(
        title=f"W3 perceptron 64-128-64-10, Adam, batch {batch}",
        mark=mark,
        contenders=CONTENDERS,
        problem=functools.partial(digits, batch),
        small=small,
        measure=seconds,
    )
    for batch, mark in ((64, 1.10), (1024, 1.00))
]
