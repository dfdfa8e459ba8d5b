"""W9: a whole process that imports the library, against one that imports NumPy."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .harness import Step, Workload

MODULES = {
    "hand": "numpy", "tinygrad_ml": "tinygrad_ml", "PyTorch": "torch", "JAX jit": "jax", "autograd": "autograd.numpy",
    "MyGrad": "mygrad",
}  # fmt: skip
AT_LEAST = 15


def start(module: str) -> Callable[[Any], Step]:
    def contender(problem: Any) -> Step:
        command = [sys.executable, "-c", f"import {module}"]
        root = Path(__file__).parents[1]
        # Installed packages come compiled: so shall this one, by the first process.
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        if subprocess.run(command, check=False, cwd=root, env=environment, capture_output=True).returncode:
            raise ImportError(module)

        def step() -> tuple[()]:
            subprocess.run(command, cwd=root, env=environment, check=True)
            return ()

        return step

    return contender


def processes(workload: Workload, rounds: int) -> dict[str, list[float]]:
    """Seconds of every process, at least 15 rounds of them."""
    steps: dict[str, Step] = {}
    for name, contender in workload.contenders.items():
        try:
            steps[name] = contender(None)
        except ImportError:
            continue
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(max(rounds, AT_LEAST)):
        for name, step in steps.items():
            begin = time.perf_counter()
            step()
            times[name].append(time.perf_counter() - begin)
    return times


WORKLOADS = [
    Workload(
        title="W9 import, whole process",
        mark=1.25,
        contenders={name: start(module) for name, module in MODULES.items()},
        problem=lambda: None,
        small=lambda: None,
        measure=processes,
        choose=statistics.median,
    )
]
