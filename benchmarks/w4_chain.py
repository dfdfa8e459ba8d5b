"""W4: what one small operation costs: 333 times ``h = tanh(h * scale + shift)``, on 10 elements and on a number.

In the chain of arrays `scale` and `shift` are arrays too, of x's shape and each library's own kind: NumPy takes 200 ns
longer over an operation with a Python number, which would hide what the libraries add. In the chain of numbers they
are Python numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .harness import Step, Workload, seconds
from .peers import load_jax, load_mygrad, load_torch

SCALE, SHIFT = 1.05, 0.01


class Problem(NamedTuple):
    """Arrays of one shape, or numbers."""

    x: Any
    scale: Any
    shift: Any
    links: int


def array() -> Problem:
    x = np.linspace(-1.0, 1.0, 10)
    return Problem(x, np.full_like(x, SCALE), np.full_like(x, SHIFT), 333)


def number() -> Problem:
    return Problem(0.5, SCALE, SHIFT, 333)


def own(problem: Problem, convert: Callable[[Any], Any]) -> Problem:
    """The problem with each array as a library's own; numbers stay."""
    return Problem(*[convert(part) if isinstance(part, np.ndarray) else part for part in problem])


def hand_array(problem: Problem) -> Step:
    x, scale, shift, links = problem
    one = np.ones_like(x)
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
    x, scale, shift, links = problem

    def step() -> Any:
        tanh = math.tanh
        h, outputs = x, []
        for _ in range(links):
            h = tanh(h * scale + shift)
            outputs.append(h)
        g = 1.0
        for t in reversed(outputs):
            g = g * (1.0 - t * t) * scale
        return h, g

    return step


def ours(problem: Problem) -> Step:
    import tinygrad_ml as tg

    x, scale, shift, links = problem
    x = tg.Tensor(x, requires_grad=True)

    def step() -> Any:
        x.grad = None
        h = x
        for _ in range(links):
            h = np.tanh(h * scale + shift)
        loss = np.sum(h) if h.ndim else h
        loss.backward()
        return loss, x.grad

    return step


def pytorch(problem: Problem) -> Step:
    torch = load_torch()
    x, scale, shift, links = own(problem, torch.from_numpy)
    x = torch.as_tensor(x, dtype=torch.float64).requires_grad_()

    def step() -> Any:
        x.grad = None
        h = x
        for _ in range(links):
            h = torch.tanh(h * scale + shift)
        loss = h.sum() if h.ndim else h
        loss.backward()
        return loss, x.grad

    return step


def jax_jit(problem: Problem) -> Step:
    jax = load_jax()
    x, scale, shift, links = own(problem, jax.numpy.asarray)
    x = jax.numpy.asarray(x)

    @jax.jit
    @jax.value_and_grad
    def loss_of(x: Any) -> Any:
        h = x
        for _ in range(links):
            h = jax.numpy.tanh(h * scale + shift)
        return h.sum()

    return lambda: jax.block_until_ready(loss_of(x))


def autograd(problem: Problem) -> Step:
    import autograd.numpy as anp
    from autograd import value_and_grad

    x, scale, shift, links = problem

    @value_and_grad
    def loss_of(x: Any) -> Any:
        h = x
        for _ in range(links):
            h = anp.tanh(h * scale + shift)
        return anp.sum(h) if anp.ndim(h) else h

    return lambda: loss_of(x)


def mygrad(problem: Problem) -> Step:
    mg = load_mygrad()
    x, scale, shift, links = own(problem, lambda a: mg.tensor(a, constant=True))
    x = mg.tensor(problem.x)

    def step() -> Any:
        h = x
        for _ in range(links):
            h = mg.tanh(h * scale + shift)
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
