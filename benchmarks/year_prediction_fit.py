"""Fit all songs: `models.LogisticRegression` beside scikit-learn's, in seconds and in the loss that is reached.

The 463,715 training rows of the synthetic stand-in of YearPredictionMSD, standardised; the class is whether the year is
after 2000. Every fit is judged by the same function: the loss, minus the lowest that any fit reached.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import sklearn.linear_model
from sklearn.exceptions import ConvergenceWarning

from models import LogisticRegression

from .harness import aligned

ROWS = 515_345
C = 1.0
#: Of the gradient's largest element, for all: the default of both libraries, and what float64 allows.
TOLERANCES = (1e-4, 1e-8)


class Fit(NamedTuple):
    """How a fit went: `model` is fitted."""

    name: str
    tol: float
    model: Any
    seconds: float
    parameters: np.ndarray


def contenders(tol: float) -> dict[str, Any]:
    theirs = sklearn.linear_model.LogisticRegression
    return {
        "ours, lbfgs": LogisticRegression(C, solver="lbfgs", tol=tol),
        "ours, newton": LogisticRegression(C, solver="newton", tol=tol),
        "scikit-learn, lbfgs": theirs(C=C, solver="lbfgs", tol=tol, max_iter=1000),
        "scikit-learn, newton-cholesky": theirs(C=C, solver="newton-cholesky", tol=tol, max_iter=1000),
    }


def data(rows: int) -> tuple[np.ndarray, np.ndarray]:
    import tinygrad_ml as tg

    songs = tg.data.make_year_prediction_like(rows, rng=0)
    [X] = tg.data.standardize(songs.X[songs.train])
    return X, (songs.year[songs.train] > 2000).astype(np.int64)


def fits(X: np.ndarray, t: np.ndarray, rounds: int) -> Iterator[Fit]:
    """The best of some rounds, in which the contenders take turns."""
    for tol in TOLERANCES:
        best: dict[str, Fit] = {}
        for _ in range(rounds):
            for name, model in contenders(tol).items():
                start = time.perf_counter()
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", ConvergenceWarning)  # the table tells
                    model.fit(X, t)
                seconds = time.perf_counter() - start
                if name not in best or seconds < best[name].seconds:
                    best[name] = Fit(name, tol, model, seconds, np.append(model.coef_, model.intercept_))
        yield from best.values()


def table(X: np.ndarray, t: np.ndarray, results: list[Fit]) -> str:
    judge = LogisticRegression(C)
    judged = [judge.loss_gradient(fit.parameters, X, t) for fit in results]
    lowest = min(loss for loss, _ in judged)
    rows = [["fit", "tol", "seconds", "iterations", "loss", "above the lowest", "largest of the gradient"]]
    for fit, (loss, gradient) in zip(results, judged, strict=True):
        above, largest = f"{loss - lowest:.1e}", f"{np.abs(gradient).max():.1e}"
        iterations = str(int(np.max(fit.model.n_iter_)))
        rows.append([fit.name, f"{fit.tol:.0e}", f"{fit.seconds:.2f}", iterations, f"{loss:.6f}", above, largest])
    return aligned(rows)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks fit", description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS, help="songs, of which nine in ten are for training")
    parser.add_argument("--rounds", type=int, default=3, help="rounds in which the contenders take turns")
    options = parser.parse_args(arguments)
    X, t = data(options.rows)
    print(f"{len(X):,} rows of {X.shape[1]} features, C={C:g}; best of {options.rounds} rounds; one thread\n")
    print(table(X, t, list(fits(X, t, options.rounds))))
    return 0
