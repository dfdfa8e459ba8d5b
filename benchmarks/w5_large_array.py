"""W5: ``sum(tanh(x * w + b)**2)`` of 4,000,000 elements and its gradient with respect to x: time and memory.

`w` and `b` are numbers and need no gradient: the workload is what elementwise passes over memory cost.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from .harness import Step, Workload, seconds
from .peers import load_jax, load_mygrad, load_torch

SCALE, SHIFT, SIZE = 1.5, 0.1, 4_000_000


def problem(size: int = SIZE) -> np.ndarray:
    return np.random.default_rng(0).normal(size=size)


def small() -> np.ndarray:
    return problem(1000)


def hand(x: np.ndarray) -> Step:
    t, g = np.empty_like(x), np.empty_like(x)

    def step() -> Any:
        np.multiply(x, SCALE, out=t)
        np.add(t, SHIFT, out=t)
        np.tanh(t, out=t)
        loss = np.dot(t, t)
        np.multiply(t, t, out=g)
        np.subtract(1.0, g, out=g)
        np.multiply(g, t, out=g)
        np.multiply(g, 2 * SCALE, out=g)
        return loss, g

    return step


def ours(x: np.ndarray) -> Step:
    import tinygrad_ml as tg

    leaf = tg.Tensor(x, requires_grad=True)

    def step() -> Any:
        leaf.grad = None
        loss = np.sum(np.tanh(leaf * SCALE + SHIFT) ** 2)
        loss.backward()
        return loss, leaf.grad

    return step


def pytorch(x: np.ndarray) -> Step:
    torch = load_torch()
    leaf = torch.from_numpy(x).requires_grad_()

    def step() -> Any:
        leaf.grad = None
        loss = torch.sum(torch.tanh(leaf * SCALE + SHIFT) ** 2)
        loss.backward()
        return loss, leaf.grad

    return step


def jax_jit(x: np.ndarray) -> Step:
    jax = load_jax()
    array = jax.numpy.asarray(x)
    loss_of = jax.jit(jax.value_and_grad(lambda x: jax.numpy.sum(jax.numpy.tanh(x * SCALE + SHIFT) ** 2)))
    return lambda: jax.block_until_ready(loss_of(array))


def autograd(x: np.ndarray) -> Step:
    import autograd.numpy as anp
    from autograd import value_and_grad

    loss_of = value_and_grad(lambda x: anp.sum(anp.tanh(x * SCALE + SHIFT) ** 2))
    return lambda: loss_of(x)


def mygrad(x: np.ndarray) -> Step:
    mg = load_mygrad()
    leaf = mg.tensor(x, copy=False)

    def step() -> Any:
        loss = mg.sum(mg.tanh(leaf * SCALE + SHIFT) ** 2)
        loss.backward()
        return loss.data, leaf.grad

    return step


CONTENDERS = {
    "hand": hand, "tinygrad_ml": ours, "PyTorch": pytorch, "JAX jit": jax_jit, "autograd": autograd, "MyGrad": mygrad,
}  # fmt: skip


def peak_memory(workload: Workload, rounds: int, size: int = SIZE) -> dict[str, list[float]]:
    """Peak memory of one step in a process of its own, in arrays of x's size; x itself is not counted."""
    peaks = {}
    for name in workload.contenders:
        command = [sys.executable, "-m", "benchmarks.w5_large_array", name, str(size)]
        child = subprocess.run(command, check=False, capture_output=True, text=True, cwd=Path(__file__).parents[1])
        if child.returncode == 0:
            peaks[name] = [float(child.stdout)]
        elif "ModuleNotFoundError" not in child.stderr:
            raise RuntimeError(f"{name}: {child.stderr}")
    return peaks


def _peak_of(name: str, size: int) -> float:
    """The highest resident memory during a step above that before it, in arrays of x's size. Linux only."""
    CONTENDERS[name](problem(1000))()  # what is loaded and set up at the first use
    x = problem(size)
    contender = CONTENDERS[name](x)
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts anew
    before = _status("VmRSS")
    results = contender()
    peak = (_status("VmHWM") - before) / x.nbytes
    assert len(results) == 2
    return peak


def _status(field: str) -> int:
    found = re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return 1024 * int(found[1])


WORKLOADS = [
    Workload(
        title="W5 sum(tanh(x * w + b)**2), 4,000,000 elements",
        mark=1.5,
        contenders=CONTENDERS,
        problem=problem,
        small=small,
        measure=seconds,
    ),
    Workload(
        title="W5 peak memory",
        mark=4.0,
        contenders=CONTENDERS,
        problem=problem,
        small=small,
        measure=peak_memory,
        unit="arrays of x's size",
    ),
]

if __name__ == "__main__":
    print(_peak_of(sys.argv[1], int(sys.argv[2])))
