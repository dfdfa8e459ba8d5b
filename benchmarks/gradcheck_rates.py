"""How often a gradient checker is wrong: right gradients rejected, wrong ones not caught; ours beside PyTorch's.

``python -m benchmarks gradcheck [--functions N] [--seed N] [--peers N] [--json FILE]``. The functions are drawn anew in
each run, from a seed that is printed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import tinygrad_ml as tg
from tinygrad_ml.gradcheck import check_gradient

from .battery import ROUGH, SMOOTH, Problem
from .peers import load_torch
from .random_functions import MISTAKES, plant, random_problem

SIZES = {
    "float64": (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9),
    "float32": (1e-1, 1e-2, 1e-3, 1e-4, 1e-5),
}
#: PyTorch's checker takes a step for each element.
LARGEST = 6000
OURS, SLOW, FAST = "tinygrad_ml", "PyTorch", "PyTorch, fast"

#: From a problem and a seed to a verdict and, where they are known, the evaluations of f in each direction and in all.
Checker = Callable[[Problem, int], tuple[str, list[int], int]]


@dataclass
class Tally:
    """The verdicts that a checker gave on a list of problems."""

    verdicts: Counter[str] = field(default_factory=Counter)
    #: The problems that did not pass, by number or name, with their verdicts.
    others: list[tuple[str, str]] = field(default_factory=list)
    a_direction: list[int] = field(default_factory=list)
    in_all: list[int] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def total(self) -> int:
        return self.verdicts.total()

    def share(self, *verdicts: str) -> float:
        """Of the problems, how many got one of `verdicts`."""
        return sum(self.verdicts[verdict] for verdict in verdicts) / max(1, self.total)


def ours(problem: Problem, seed: int) -> tuple[str, list[int], int]:
    report = check_gradient(problem.f, problem.x, problem.gradient, rng=seed)
    traces = [row.trace for row in report.rows if row.trace is not None]
    return str(report.verdict.value), [trace.evaluations for trace in traces], report.evaluations


def pytorch(fast: bool) -> Checker:
    """``torch.autograd.gradcheck`` with its defaults, on the problem's own function and gradient."""
    torch = load_torch()

    def check(problem: Problem, seed: int) -> tuple[str, list[int], int]:
        class Wrapped(torch.autograd.Function):  # type: ignore[misc, name-defined]
            @staticmethod
            def forward(ctx: Any, *tensors: Any) -> Any:
                ctx.arrays = [np.array(tensor.detach()) for tensor in tensors]
                return torch.as_tensor(np.asarray(problem.f(*ctx.arrays)))

            @staticmethod
            def backward(ctx: Any, g: Any) -> Any:
                return tuple(g * torch.as_tensor(np.asarray(h)) for h in problem.gradients(*ctx.arrays))

        torch.manual_seed(seed)
        leaves = tuple(torch.tensor(x, requires_grad=True) for x in problem.arrays)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that the input is not of double precision
            passed = torch.autograd.gradcheck(Wrapped.apply, leaves, fast_mode=fast, raise_exception=False)
        return ("PASS" if passed else "FAIL"), [], 0

    return check


def survey(check: Checker, problems: Iterable[tuple[str, Problem]], seed: int) -> Tally:
    """What a checker says of all `problems`, which come with a name each."""
    tally = Tally()
    for k, (name, problem) in enumerate(problems):
        start = time.perf_counter()
        verdict, a_direction, in_all = check(problem, seed + k)
        tally.seconds += time.perf_counter() - start
        tally.verdicts[verdict] += 1
        if verdict != "PASS":
            tally.others.append((name, verdict))
        tally.a_direction += a_direction
        tally.in_all.append(in_all)
    return tally


def random_problems(seed: int, count: int, dtype: str = "float64", start: int = 0) -> list[tuple[str, Problem]]:
    """Functions number `start` and following: each depends on the seed and on its own number alone."""
    numbers = range(start, start + count)
    return [(f"{dtype} {k}", random_problem(np.random.default_rng([seed, k]), np.dtype(dtype))) for k in numbers]


def spoiled(problems: list[tuple[str, Problem]], size: float, where: str, seed: int) -> list[tuple[str, Problem]]:
    """`problems` with wrong gradients, those left out which have no room for the mistake."""
    found = []
    for k, (name, problem) in enumerate(problems):
        wrong = plant(problem, size, where, np.random.default_rng([seed, k, 1]))
        if wrong is not None:
            found.append((f"{name}, {where} {size:.0e}", wrong))
    return found


def some(problems: list[tuple[str, Problem]], count: int) -> list[tuple[str, Problem]]:
    """About `count` of them, evenly spread; without arrays so large that a step for each element takes hours."""
    small = [(name, problem) for name, problem in problems if sum(x.size for x in problem.arrays) <= LARGEST]
    return small[:: max(1, len(small) // count)] if count else []


def battery() -> list[tuple[str, Problem]]:
    return [(problem.name, problem) for problem in SMOOTH]


@dataclass(frozen=True)
class Line:
    """A line of the table: what is counted, and each checker's tally."""

    title: str
    counted: tuple[str, ...]
    tallies: dict[str, Tally]

    def cell(self, name: str) -> str:
        if name not in self.tallies:
            return "-"
        tally = self.tallies[name]
        return f"{100 * tally.share(*self.counted):.1f} % of {tally.total}"


def lines(checkers: Mapping[str, Checker], seed: int, functions: int, peers: int) -> Iterable[Line]:
    """The lines one after the other; a checker other than ours sees about `peers` functions of each."""

    def line(title: str, problems: list[tuple[str, Problem]], *counted: str) -> Line:
        share = {name: problems if name == OURS else some(problems, peers) for name in checkers}
        return Line(title, counted, {name: survey(checkers[name], share[name], seed) for name in checkers})

    yield line("right, battery: rejected", battery(), "FAIL")
    for dtype, sizes in SIZES.items():
        # Wrong gradients come five ways and in up to nine sizes, so that a fifth of the functions is plenty.
        right = random_problems(seed, functions, dtype)
        fewer = right[: max(1, functions // 5)]
        yield line(f"right, {dtype}: rejected", right, "FAIL")
        for where in ("element", "all"):
            for size in sizes:
                title = f"wrong, {dtype}, {where} by {size:.0e}: caught"
                yield line(title, spoiled(fewer, size, where, seed), "FAIL")
        for where in MISTAKES:
            yield line(f"wrong, {dtype}, {where}: caught", spoiled(fewer, 0.1, where, seed), "FAIL")


def table(rows: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if k else cell.ljust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )


def details(found: list[Line]) -> str:
    """Our verdicts other than those of the table, and what they cost."""
    text = []
    for line in found:
        tally = line.tallies[OURS]
        verdicts = ", ".join(f"{verdict} {count}" for verdict, count in tally.verdicts.most_common())
        text.append(f"{line.title}: {verdicts}")
        if line.title.startswith("right"):
            text += [f"    {name}: {verdict}" for name, verdict in tally.others]
    right = [line.tallies[OURS] for line in found if line.title.startswith("right")]
    for title, counts in (
        ("a direction", [count for tally in right for count in tally.a_direction]),
        ("a check of a right gradient", [count for tally in right for count in tally.in_all]),
    ):
        text.append(f"evaluations of f, {title}: median {statistics.median(counts):.0f}, at most {max(counts)}")
    for name in found[0].tallies:
        tallies = [line.tallies[name] for line in found]
        seconds, checks = sum(t.seconds for t in tallies), sum(t.total for t in tallies)
        text.append(f"{name}: {seconds:.1f} s for {checks} checks")
    return "\n".join(text)


def rough_verdicts(seed: int) -> str:
    """What ours says where there is no derivative."""
    text = []
    for problem in ROUGH:
        verdict, *_ = ours(problem, seed)
        mark = "" if verdict in problem.expected else f", expected {' or '.join(sorted(problem.expected))}"
        text.append(f"{problem.name}: {verdict}{mark}")
    return "\n".join(text)


def large_model(seed: int) -> str:
    """The time that a check of 100,180 parameters takes, the best of five."""
    rng = np.random.default_rng(seed)
    x, labels = rng.normal(size=(32, 784)), rng.integers(0, 10, 32)
    weights = (rng.normal(size=(784, 126)) / 28, rng.normal(size=126), rng.normal(size=(126, 10)) / 11, np.zeros(10))

    def loss(w: Any, b: Any, v: Any, c: Any) -> Any:
        return tg.functional.cross_entropy(np.tanh(x @ w + b) @ v + c, labels)

    times = []
    for k in range(5):
        start = time.perf_counter()
        report = check_gradient(loss, weights, rng=k)
        times.append(time.perf_counter() - start)
    size = sum(w.size for w in weights)
    return f"a model of {size:,} parameters: {report.verdict} in {min(times):.3f} s, {report.evaluations} evaluations"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks gradcheck", description=__doc__)
    parser.add_argument("--functions", type=int, default=1000, help="random functions (a fifth for wrong gradients)")
    parser.add_argument("--peers", type=int, default=40, help="how many of them PyTorch's checkers see")
    parser.add_argument("--seed", type=int, help="of the random functions; drawn and printed by default")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the counts there too")
    options = parser.parse_args(arguments)
    seed = int(np.random.SeedSequence().generate_state(1)[0]) if options.seed is None else options.seed
    checkers: dict[str, Checker] = {OURS: ours}
    if options.peers:
        try:
            checkers |= {SLOW: pytorch(fast=False), FAST: pytorch(fast=True)}
        except ImportError:
            print("PyTorch is not installed: ours alone")
    print(f"seed {seed}")
    found = []
    for line in lines(checkers, seed, options.functions, options.peers):
        found.append(line)
        print(".", end="", flush=True)
    print("\n" + table([["", *checkers], *([line.title, *map(line.cell, checkers)] for line in found)]))
    print("A checker that rejects right gradients catches as large a share of the wrong ones without looking.")
    print("\n" + details(found) + "\n\nwithout a derivative:\n" + rough_verdicts(seed))
    print("\n" + large_model(seed))
    if options.json:
        counts = {line.title: {name: dict(tally.verdicts) for name, tally in line.tallies.items()} for line in found}
        options.json.write_text(json.dumps({"seed": seed, "verdicts": counts}, indent=1) + "\n")
    return 0
