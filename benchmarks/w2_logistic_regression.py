"""W2: logistic regression of 90 features, a step of descent: cut the batch from the data, loss, gradient, update.

Minibatches follow one another through the data, as in training. A step over all rows needs two passes over them by the
matrix products, and one where the way to the loss and the way back are gone block by block while it is in the cache.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .harness import ANALYTIC, Contender, Step, Workload, seconds
from .peers import load_jax, load_mygrad, load_torch

ROWS, FEATURES = 463_715, 90
RATE = 0.1


class Problem(NamedTuple):
    X: np.ndarray
    t: np.ndarray
    batch: int

    @property
    def w(self) -> np.ndarray:
        """Where the weights start: where no logit is 0, at which some libraries have no derivative of abs."""
        return np.full(self.X.shape[1], 0.01)

    def starts(self) -> Callable[[], int]:
        """Where the next batch begins: after the last one, and again at the top where no whole one is left."""
        cycle = itertools.cycle(range(0, len(self.X) - self.batch + 1, self.batch))
        return lambda: next(cycle)


@functools.cache
def _songs(rows: int, features: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((rows, features))
    return X, (X[:, 0] + rng.standard_normal(rows) > 0).astype(np.float64)


def songs(batch: int) -> Problem:
    return Problem(*_songs(ROWS, FEATURES), batch)


def small(batch: int) -> Problem:
    return Problem(*_songs(2600, 7), min(batch, 2600))


def hand(problem: Problem) -> Step:
    X, t, n, start = problem.X, problem.t, problem.batch, problem.starts()
    w, b = problem.w, 0.0
    z, e, p, yz, on = np.empty(n), np.empty(n), np.empty(n), np.empty(n), np.empty(n, bool)
    gw, change = np.empty_like(w), np.empty_like(w)

    def step() -> Any:
        nonlocal b
        i = start()
        x, y = X[i : i + n], t[i : i + n]
        np.matmul(x, w, out=z)
        np.add(z, b, out=z)
        np.abs(z, out=e)
        np.negative(e, out=e)
        np.exp(e, out=e)
        np.greater(z, 0, out=on)
        np.maximum(on, e, out=p)  # 1 where z is positive, e else
        np.multiply(z, y, out=yz)
        np.maximum(z, 0, out=z)
        np.subtract(z, yz, out=z)
        loss = z.sum()
        np.log1p(e, out=z)
        loss = (loss + z.sum()) / n
        np.add(e, 1, out=e)
        np.divide(p, e, out=p)
        np.subtract(p, y, out=p)
        np.divide(p, n, out=p)
        np.matmul(p, x, out=gw)
        gb = p.sum()
        np.multiply(gw, RATE, out=change)
        np.subtract(w, change, out=w)
        b -= RATE * gb
        return loss, gw, gb

    return step


def analytic(problem: Problem) -> Step:
    from models import LogisticRegression

    X, t, n, start = problem.X, problem.t, problem.batch, problem.starts()
    model, parameters = LogisticRegression(), np.append(problem.w, 0.0)

    def step() -> Any:
        nonlocal parameters
        i = start()
        loss, gradient = model.loss_gradient(parameters, X[i : i + n], t[i : i + n])
        parameters = parameters - RATE * gradient
        return loss, gradient[:-1], gradient[-1]

    return step


def ours(problem: Problem) -> Step:
    import tinygrad_ml as tg

    X, t, n, start = problem.X, problem.t[:, None], problem.batch, problem.starts()
    model = tg.nn.Linear(len(problem.w), 1)
    model.weight.data[...], model.bias.data[...] = problem.w, 0
    optimizer, loss_of = tg.optim.SGD(model.parameters(), RATE), tg.nn.BCEWithLogitsLoss()

    def step() -> Any:
        i = start()
        optimizer.zero_grad()
        loss = loss_of(model(X[i : i + n]), t[i : i + n])
        loss.backward()
        optimizer.step()
        return loss, model.weight.grad[0], model.bias.grad[0]

    return step


def ours_by_blocks(problem: Problem) -> Step:
    """The layered model, which adds up the gradients of blocks of rows."""
    from models import layered

    X, t = problem.X, problem.t
    model, parameters = layered.LogisticRegression(), np.append(problem.w, 0.0)

    def step() -> Any:
        nonlocal parameters
        loss, gradient = model.loss_gradient(parameters, X, t)
        parameters = parameters - RATE * gradient
        return loss, gradient[:-1], gradient[-1]

    return step


def pytorch(problem: Problem) -> Step:
    torch = load_torch()
    X, t = torch.from_numpy(problem.X), torch.from_numpy(problem.t)[:, None]
    n, start = problem.batch, problem.starts()
    model = torch.nn.Linear(X.shape[1], 1, dtype=torch.float64)
    with torch.no_grad():
        model.weight.copy_(torch.from_numpy(problem.w))
        model.bias.zero_()
    optimizer, loss_of = torch.optim.SGD(model.parameters(), RATE), torch.nn.BCEWithLogitsLoss()

    def step() -> Any:
        i = start()
        optimizer.zero_grad()
        loss = loss_of(model(X[i : i + n]), t[i : i + n])
        loss.backward()
        optimizer.step()
        return loss, model.weight.grad[0], model.bias.grad[0]

    return step


def jax_jit(problem: Problem) -> Step:
    jax = load_jax()
    jnp = jax.numpy
    X, t = jnp.asarray(problem.X), jnp.asarray(problem.t)
    n, start = problem.batch, problem.starts()
    parameters = jnp.asarray(problem.w), jnp.zeros(())

    def loss_of(parameters: Any, x: Any, y: Any) -> Any:
        w, b = parameters
        z = x @ w + b
        return jnp.mean(jnp.maximum(z, 0) - y * z + jnp.log1p(jnp.exp(-jnp.abs(z))))

    @jax.jit
    def update(parameters: Any, X: Any, t: Any, i: int) -> Any:
        x, y = (X, t) if n == len(X) else (jax.lax.dynamic_slice_in_dim(a, i, n) for a in (X, t))
        loss, gradients = jax.value_and_grad(loss_of)(parameters, x, y)
        return loss, gradients, jax.tree.map(lambda p, g: p - RATE * g, parameters, gradients)

    def step() -> Any:
        nonlocal parameters
        loss, gradients, parameters = jax.block_until_ready(update(parameters, X, t, start()))
        return loss, *gradients

    return step


def autograd(problem: Problem) -> Step:
    import autograd.numpy as anp
    from autograd import value_and_grad

    X, t, n, start = problem.X, problem.t, problem.batch, problem.starts()
    w, b = problem.w, np.zeros(())

    def loss_of(parameters: Any, x: Any, y: Any) -> Any:
        w, b = parameters
        z = anp.dot(x, w) + b
        return anp.mean(anp.maximum(z, 0) - y * z + anp.log1p(anp.exp(-anp.abs(z))))

    with_gradient = value_and_grad(loss_of)

    def step() -> Any:
        nonlocal w, b
        i = start()
        loss, (gw, gb) = with_gradient((w, b), X[i : i + n], t[i : i + n])
        w, b = w - RATE * gw, b - RATE * gb
        return loss, gw, gb

    return step


def mygrad(problem: Problem) -> Step:
    mg = load_mygrad()
    X, t, n, start = problem.X, problem.t, problem.batch, problem.starts()
    w, b = mg.tensor(problem.w), mg.tensor(np.zeros(()))

    def step() -> Any:
        i = start()
        x, y = X[i : i + n], t[i : i + n]
        z = mg.matmul(x, w) + b
        loss = mg.mean(mg.maximum(z, 0) - y * z + mg.log1p(mg.exp(-mg.abs(z))))
        loss.backward()
        gw, gb = w.grad, b.grad
        w.data -= RATE * gw
        b.data -= RATE * gb
        return loss.data, gw, gb

    return step


PEERS: dict[str, Contender] = {"PyTorch": pytorch, "JAX jit": jax_jit, "autograd": autograd, "MyGrad": mygrad}
WORKLOADS = [
    Workload(
        title=f"W2 logistic regression, 90 features, {title}",
        mark=mark,
        analytic_mark=analytic_mark,
        contenders={"hand": hand, "tinygrad_ml": layered, ANALYTIC: analytic, **PEERS},
        problem=functools.partial(songs, batch),
        small=functools.partial(small, batch),
        measure=seconds,
    )
    for title, batch, layered, mark, analytic_mark in (
        ("batch 64", 64, ours, 1.50, None),
        ("batch 512", 512, ours, 1.25, None),
        ("batch 1024", 1024, ours, 1.15, None),
        ("all 463,715 rows", ROWS, ours_by_blocks, 1.00, 0.60),
    )
]
