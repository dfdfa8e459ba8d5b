"""W6: the 16 nearest neighbours, beside whichever of scikit-learn's algorithms is the fastest for the data.

There is nothing to write by hand: scikit-learn's stands in its column, and is what we are compared to. Both are fitted
before. The neighbours' distances must agree; which of several at the same distance is taken may differ.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .harness import Step, Workload, seconds

NEIGHBORS = 16


class Problem(NamedTuple):
    X: np.ndarray
    queries: np.ndarray


def gaussian(points: int, features: int, queries: int) -> Callable[[], Problem]:
    def problem() -> Problem:
        rng = np.random.default_rng(0)
        return Problem(rng.normal(size=(points, features)), rng.normal(size=(queries, features)))

    return problem


def digits() -> Problem:
    from sklearn.datasets import load_digits

    X = load_digits().data
    return Problem(X[:1347], X[1347:])


def scikit_learn(problem: Problem) -> Step:
    from sklearn.neighbors import KNeighborsClassifier

    y = np.zeros(len(problem.X), int)
    models = [
        KNeighborsClassifier(NEIGHBORS, algorithm=algorithm).fit(problem.X, y)
        for algorithm in ("brute", "kd_tree", "ball_tree", "auto")
    ]

    def time_of(model: Any) -> float:
        def once() -> float:
            start = time.perf_counter()
            model.kneighbors(problem.queries[:200])
            return time.perf_counter() - start

        return min(once() for _ in range(3))

    best = min(models, key=time_of)
    return lambda: best.kneighbors(problem.queries)[:1]


def ours(problem: Problem) -> Step:
    from models import KNeighborsClassifier

    model = KNeighborsClassifier(NEIGHBORS).fit(problem.X, np.zeros(len(problem.X), int))
    return lambda: model.kneighbors(problem.queries)[:1]


WORKLOADS = [
    Workload(
        title=f"W6 kNN, k = 16, {title}; to scikit-learn's best",
        mark=1.0,
        contenders={"hand": scikit_learn, "tinygrad_ml": ours},
        problem=problem,
        small=small,
        measure=seconds,
    )
    for title, problem, small in [
        ("5,000x2, 10,000 queries", gaussian(5000, 2, 10000), gaussian(100, 2, 20)),
        ("digits", digits, digits),
        ("50,000x90, 2,000 queries", gaussian(50000, 90, 2000), gaussian(300, 90, 20)),
    ]
]
