"""W4: what one small operation costs: 333 times ``h = tanh(h * SCALE + SHIFT)``, on 10 elements and on a number."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from .harness import Step, Workload, seconds
from .peers import load_jax, load_mygrad, load_torch

SCALE, SHIFT = 1.05, 0.01


class Problem(NamedTuple):
    x: Any  #: an array, or a float
    links: int


def array() -> Problem:
    return Problem(np.linspace(-1.0, 1.0, 10), 333)


def number() -> Problem:
    return Problem(0.5, 333)


def hand_array(problem: Problem) -> Step:
    x, links = problem
    # Constants as arrays: a ufunc takes them in half the time of Python numbers.
    scale, shift, one = np.full_like(x, SCALE), np.full_like(x, SHIFT), np.ones_like(x)
    outputs = [np.empty_like(x) for _ in range(links)]
    z, slope, g = np.empty_like(x), np.empty_like(x), np.empty_like(x)

    def step() -> Any:
        h = x
        for t in outputs:
            np.multiply(h, scale, out=z)
            np.add(z, shift, out=z)
            h = np.tanh(z, out=t)
        g.fill(1.0)
        for t in reversed(outputs):
            np.multiply(t, t, out=slope)
            np.subtract(one, slope, out=slope)
            np.multiply(g, slope, out=g)
            np.multiply(g, scale, out=g)
        return h.sum(), g

    return step


def hand_number(problem: Problem) -> Step:
    x, links = problem

    def step() -> Any:
        tanh = math.tanh
        h, outputs = x, []
        for _ in range(links):
            h = tanh(h * SCALE + SHIFT)
            outputs.append(h)
        g = 1.0
        for t in reversed(outputs):
            g = g * (1.0 - t * t) * SCALE
        return h, g

    return step


def ours(problem: Problem) -> Step:
    import tinygrad_ml as tg

    x, links = tg.Tensor(problem.x, requires_grad=True), problem.links

    def step() -> Any:
        x.grad = None
        h = x
        for _ in range(links):
            h = np.tanh(h * SCALE + SHIFT)
        loss = np.sum(h) if h.ndim else h
        loss.backward()
        return loss, x.grad

    return step


def pytorch(problem: Problem) -> Step:
    torch = load_torch()
    x, links = torch.tensor(problem.x, dtype=torch.float64, requires_grad=True), problem.links

    def step() -> Any:
        x.grad = None
        h = x
        for _ in range(links):
            h = torch.tanh(h * SCALE + SHIFT)
        loss = h.sum() if h.ndim else h
        loss.backward()
        return loss, x.grad

    return step


def jax_jit(problem: Problem) -> Step:
    jax = load_jax()
    x, links = jax.numpy.asarray(problem.x), problem.links

    @jax.jit
    @jax.value_and_grad
    def loss_of(x: Any) -> Any:
        h = x
        for _ in range(links):
            h = jax.numpy.tanh(h * SCALE + SHIFT)
        return h.sum()

    return lambda: jax.block_until_ready(loss_of(x))


def autograd(problem: Problem) -> Step:
    import autograd.numpy as anp
    from autograd import value_and_grad

    x, links = problem

    @value_and_grad
    def loss_of(x: Any) -> Any:
        h = x
        for _ in range(links):
            h = anp.tanh(h * SCALE + SHIFT)
        return anp.sum(h) if anp.ndim(h) else h

    return lambda: loss_of(x)


def mygrad(problem: Problem) -> Step:
    mg = load_mygrad()
    x, links = mg.tensor(problem.x), problem.links

    def step() -> Any:
        h = x
        for _ in range(links):
            h = mg.tanh(h * SCALE + SHIFT)
        loss = h.sum() if h.ndim else h
        loss.backward()
        return loss.data, x.grad

    return step


_PEERS = {"tinygrad_ml": ours, "PyTorch": pytorch, "JAX jit": jax_jit, "autograd": autograd, "MyGrad": mygrad}

WORKLOADS = [
    Workload(
        title="W4 chain of 999 operations on 10 elements",
        mark=2.0,
        contenders={"hand": hand_array, **_PEERS},
        problem=array,
        small=lambda: array()._replace(links=5),
        measure=seconds,
    ),
    Workload(
        title="W4 chain of 999 operations on a number",
        mark=1.5,
        contenders={"hand": hand_number, **_PEERS},
        problem=number,
        small=lambda: number()._replace(links=5),
        measure=seconds,
        unit="us an operation",
        scale=1e6 / 999,
    ),
]
