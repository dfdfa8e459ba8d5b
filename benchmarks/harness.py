"""Timing and the table: contenders agree first, then take turns."""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

#: One step of a workload: returns its results, the loss and its derivatives, in the library's own arrays.
Step = Callable[[], Any]
#: Sets a library up for a problem; raises ImportError where the library is not installed.
Contender = Callable[[Any], Step]

FILES = {
    "W1": "w1_softmax_regression",
    "W2": "w2_logistic_regression",
    "W3": "w3_mlp",
    "W4": "w4_chain",
    "W5": "w5_large_array",
    "W6": "w6_neighbors",
    "W7": "w7_conv",
    "W8": "w8_second_order",
    "W9": "w9_import",
}
OURS = "tinygrad_ml"
#: The estimator of `models`, whose derivatives are by hand, where there is one.
ANALYTIC = "analytic"
COLUMNS = ("hand", OURS, ANALYTIC, "PyTorch", "JAX jit", "autograd", "MyGrad")
BATCH_SECONDS = 0.01


@dataclass(frozen=True)
class Workload:
    """A line of the table.

    Parameters
    ----------
    title : str
    mark : float
        What our figure shall not exceed.
    contenders : dict of name to callable
        Among them "hand", NumPy written by hand, to which the others are compared.
    problem, small : callable
        Make the data: at full size, and small for the tests.
    measure : callable
        ``measure(workload, rounds)`` to a list of figures for each contender, one figure a round.
    unit : str
        "ratio" to the figure of "hand", or what the figures are multiplied by `scale` into.
    analytic_mark : float, optional
        What the figure of "analytic" shall not exceed.
    """

    title: str
    mark: float
    contenders: Mapping[str, Contender]
    problem: Callable[[], Any]
    small: Callable[[], Any]
    measure: Callable[[Workload, int], dict[str, list[float]]]
    unit: str = "ratio"
    scale: float = 1.0
    analytic_mark: float | None = None
    #: How a figure is made of the rounds: on a busy machine the best is what the code needs.
    choose: Callable[[list[float]], float] = min


def prepare(workload: Workload, problem: Any) -> dict[str, Step]:
    """The steps of the contenders that are installed, each found to agree with the one by hand."""
    steps: dict[str, Step] = {}
    expected = None
    for name in COLUMNS:
        if name not in workload.contenders:
            continue
        try:
            step = workload.contenders[name](problem)
        except ImportError:
            continue
        # Three steps, so that an update or a reused buffer that goes wrong shows.
        results = [[_as_array(value) for value in step()] for _ in range(3)]
        expected = expected or results
        for ours, theirs in zip(results, expected, strict=True):
            for actual, desired in zip(ours, theirs, strict=True):
                tolerance = 1e-8 * max(1e-300, float(np.max(np.abs(desired))))
                np.testing.assert_allclose(actual, desired, 0, tolerance, err_msg=f"{workload.title}: {name}")
        steps[name] = step
    return steps


def _as_array(value: Any) -> np.ndarray:
    return np.array(value.detach() if hasattr(value, "detach") else value, dtype=np.float64)


def seconds(workload: Workload, rounds: int) -> dict[str, list[float]]:
    """Seconds a step. In every round each contender runs for about 10 ms, at least one step."""
    steps = prepare(workload, workload.problem())
    gc.collect()
    gc.freeze()  # so that no contender's collections walk through the modules of all the others
    repeats = {name: max(1, int(BATCH_SECONDS / _time(step, 1))) for name, step in steps.items()}
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            times[name].append(_time(step, repeats[name]))
    return times


def _time(step: Step, repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        step()
    return (time.perf_counter() - start) / repeats


def load(name: str) -> list[Workload]:
    """The lines of the table that a workload has."""
    lines: list[Workload] = importlib.import_module(f".{FILES[name]}", __package__).WORKLOADS
    return lines


def figures(workload: Workload, rounds: int) -> dict[str, Any]:
    """Measure one line."""
    measured = workload.measure(workload, rounds)
    best = {name: workload.choose(values) * workload.scale for name, values in measured.items()}
    unit = best["hand"] if workload.unit == "ratio" else 1.0
    values = {name: value / unit for name, value in best.items()}
    marks = {OURS: workload.mark}
    if workload.analytic_mark is not None:
        marks[ANALYTIC] = workload.analytic_mark
    return {
        "title": workload.title,
        "unit": workload.unit,
        "hand": best["hand"],
        "values": values,
        "median": {name: statistics.median(m) * workload.scale / unit for name, m in measured.items()},
        "marks": marks,
        "met": all(round(values[name], 2) <= mark for name, mark in marks.items()),  # as printed
    }


def row(line: dict[str, Any]) -> list[str]:
    """One line of the table, as text."""
    by_hand = f"{line['hand'] * 1e3:.3g} ms" if line["unit"] == "ratio" else f"{line['hand']:.2f}"
    values = [f"{line['values'][name]:.2f}" if name in line["values"] else "-" for name in COLUMNS[1:]]
    title = line["title"] if line["unit"] == "ratio" else f"{line['title']}, {line['unit']}"
    marks = "<= " + ", ".join(f"{mark:.2f}" for mark in line["marks"].values())
    return [title, by_hand, *values, marks, "yes" if line["met"] else "NO"]


def table(lines: list[dict[str, Any]]) -> str:
    return aligned([["workload", *COLUMNS, "mark", "met"], *map(row, lines)])


def aligned(rows: list[list[str]]) -> str:
    """The cells in columns, of which the first is aligned to the left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if k else cell.ljust(width)
            for k, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        for cells in rows
    )


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(FILES)}; all by default")
    parser.add_argument("--rounds", type=int, default=20, help="rounds in which the contenders take turns")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - set(FILES):
        parser.error(f"no workload {', '.join(sorted(unknown))}; there are {', '.join(FILES)}")
    lines = []
    for name in options.names or FILES:
        for workload in load(name):
            lines.append({"name": name, **figures(workload, options.rounds)})
            print(".", end="", flush=True)
    print(
        f"\nRatios to NumPy written by hand, unless a line names a unit or whose; best of {options.rounds} interleaved"
        "\nrounds (W9: median); float64, one thread. A dash: not installed, or the library cannot do it. A second mark"
        "\nis that of the model whose derivatives are by hand.\n"
    )
    print(table(lines))
    if options.json:
        options.json.write_text(json.dumps({"rounds": options.rounds, "lines": lines}, indent=1) + "\n")
    return 0
