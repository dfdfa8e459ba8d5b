"""A search for hyperparameters by joblib: the same code on the cores of one machine and on a Dask cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any

import joblib
import numpy as np
from scipy.stats import binomtest
from sklearn.model_selection import StratifiedKFold, train_test_split
from threadpoolctl import threadpool_limits

import tinygrad_ml as tg

from . import Article, Setting, drawing

TITLE = "A search for hyperparameters"


def run(setting: Setting) -> Article:
    article = Article(setting, TITLE)
    rates = [1e-3, 1e-2] if setting.quick else [1e-3, 3e-3, 1e-2, 3e-2, 1e-1]
    widths: list[tuple[int, ...]] = [(8,), (64,)] if setting.quick else [(16,), (64,), (256,), (64, 64)]
    n_folds, epochs = (2, 3) if setting.quick else (3, 12)
    article.question(
        "Which learning rate and which hidden layers suit a perceptron on the digits, and how are many such "
        "trainings run at once, on the cores of a machine or on a cluster?"
    )
    article.text(
        f"A `tg.estimators.NeuralClassifier` is trained for {epochs} epochs by Adam with minibatches of 64 images, "
        f"for all {len(rates) * len(widths)} pairs of {len(rates)} rates and {len(widths)} shapes. Each pair is "
        f"judged by its mean accuracy in {n_folds}-fold cross-validation on the training images; the test images "
        "have no say:"
    )
    article.formula(
        r"\mathrm{best} = \mathrm{arg\,max}_{\,h}\; \frac{1}{K} \sum_{k=1}^{K} "
        r"\mathrm{accuracy}\left(\mathrm{fit}_h(D \setminus D_k),\, D_k\right)"
    )
    X, y = tg.data.load_digits()
    X, X_test, y, y_test = train_test_split(
        X, y, test_size=0.25, random_state=setting.random_state("split"), stratify=y
    )
    splitter = StratifiedKFold(n_folds, shuffle=True, random_state=setting.random_state("folds"))
    folds = list(splitter.split(X, y))
    fixed = {"batch_size": 64, "max_epochs": epochs, "random_state": setting.random_state("start")}
    candidates: list[dict[str, Any]] = [
        {"hidden": hidden, "learning_rate": rate, **fixed} for hidden, rate in product(widths, rates)
    ]
    article.text(
        "The trials do not know of each other, and joblib hands them to what `--backend` names: processes (`loky`), "
        "threads, or the workers of a Dask cluster. Without an address, that is a cluster within this process; with "
        "`DASK_SCHEDULER_ADDRESS`, it may be as large as you have it. All random numbers come from seeds that travel "
        "with the trial, and each runs on one thread, so that it makes no difference who runs it."
    )
    article.code(
        "with joblib.parallel_config(backend=backend, n_jobs=jobs):\n"
        "    scores = joblib.Parallel()(joblib.delayed(trial)(candidate, X, y, folds) for candidate in candidates)"
    )
    with workers(setting):
        trials = joblib.Parallel(return_as="generator")(
            joblib.delayed(trial)(candidate, X, y, folds) for candidate in candidates
        )
        scores = np.array(list(setting.progress(trials, "trials", len(candidates))))

    means, spreads = scores.mean(axis=1), scores.std(axis=1, ddof=1)
    rows = [
        [shape(candidate["hidden"]), candidate["learning_rate"], mean, spread, *folds_of_it]
        for candidate, mean, spread, folds_of_it in zip(candidates, means, spreads, scores, strict=True)
    ]
    columns = ["hidden layers", "learning rate", "mean accuracy", "spread", *(f"fold {k + 1}" for k in range(n_folds))]
    formats = dict.fromkeys(columns[2:], ".2%") | {"learning rate": "g"}
    article.figure(
        "accuracies", draw(means.reshape(len(widths), -1), spreads.reshape(len(widths), -1), widths, rates), CAPTION
    )
    rows.sort(key=lambda row: -row[2])
    article.table(
        "trials", rows, columns, "All trials, the best first. The spread is the standard deviation over folds.", formats
    )

    best = candidates[int(np.argmax(means))]
    defaults = {name: getattr(tg.estimators.NeuralClassifier(), name) for name in ("hidden", "learning_rate")}
    default = {**best, **defaults}
    right = {
        name: int(np.sum(tg.estimators.NeuralClassifier(**chosen).fit(X, y).predict(X_test) == y_test))
        for name, chosen in {"best": best, "default": default}.items()
    }
    low, high = binomtest(right["best"], len(y_test)).proportion_ci()
    article.answer(
        f"Best are hidden layers of {shape(best['hidden'])} and a learning rate of {best['learning_rate']:g}, with "
        f"{means.max():.2%} in cross-validation. Trained once more on all {len(y):,} training images, that model "
        f"gets *{right['best'] / len(y_test):.2%}* of the {len(y_test)} test images right (95% interval {low:.1%} "
        f"to {high:.1%}); the estimator's defaults, {shape(defaults['hidden'])} and {defaults['learning_rate']:g}, get "
        f"{right['default'] / len(y_test):.2%} in as many epochs. The number of the cross-validation is the largest of "
        "many, and may owe that to luck; the test images chose nothing, and are the judge."
    )
    article.metrics["best"] = {"hidden": list(best["hidden"]), "learning_rate": best["learning_rate"]}
    article.metrics["validation_accuracy"] = means.max()
    article.metrics["test_accuracy"] = right["best"] / len(y_test)
    article.metrics["default_test_accuracy"] = right["default"] / len(y_test)
    article.metrics["scores"] = scores
    return article


def trial(arguments: dict[str, Any], X: np.ndarray, y: np.ndarray, folds: list[Any]) -> list[float]:
    """The accuracy of a classifier on each fold, after training on the others; it may run anywhere."""
    with threadpool_limits(1):
        return [
            float(tg.estimators.NeuralClassifier(**arguments).fit(X[train], y[train]).score(X[held_out], y[held_out]))
            for train, held_out in folds
        ]


@contextmanager
def workers(setting: Setting) -> Iterator[None]:
    """What joblib runs trials by, within the block."""
    if setting.backend != "dask":
        with joblib.parallel_config(backend=setting.backend, n_jobs=setting.jobs):
            yield
        return
    try:
        import dask
        from distributed import Client
    except ImportError as error:
        raise ImportError(
            f"the backend dask needs Dask's scheduler: pip install 'tinygrad_ml[distributed]' ({error})"
        ) from error
    address = dask.config.get("scheduler-address", None)
    here: dict[str, Any] = {
        "processes": False,
        "n_workers": 1,
        "threads_per_worker": setting.jobs,
        "dashboard_address": None,
    }
    with Client(address) if address else Client(**here), joblib.parallel_config(backend="dask"):
        yield


def shape(hidden: tuple[int, ...]) -> str:
    return " and ".join(map(str, hidden))


CAPTION = (
    "Errors in cross-validation, all on logarithmic scales: of each pair, in percent (left), and against the learning "
    "rate, with the standard deviation over folds as bars (right)."
)


def draw(means: np.ndarray, spreads: np.ndarray, widths: list[tuple[int, ...]], rates: list[float]) -> Any:
    errors = 1 - means
    figure, (left, right) = drawing.panels(1, 2, width=4.8, height=3.4)
    drawing.image(left, errors, aspect="auto", norm="log")
    middle = np.sqrt(errors.min() * errors.max())
    for (row, column), error in np.ndenumerate(errors):
        colour = "white" if error < middle else "black"
        left.text(column, row, f"{error:.1%}", ha="center", va="center", color=colour, fontsize=8.5)
    left.set_xticks(range(len(rates)), [f"{rate:g}" for rate in rates])
    left.set_yticks(range(len(widths)), [shape(hidden) for hidden in widths])
    left.set(xlabel="learning rate", ylabel="units of the hidden layers")
    for k, (hidden, style) in enumerate(zip(widths, drawing.styles(len(widths)), strict=True)):
        shifted = np.array(rates) * 1.04 ** (k - (len(widths) - 1) / 2)  # so that bars do not hide each other
        right.errorbar(shifted, errors[k], spreads[k], label=shape(hidden), capsize=2.5, markersize=4, **style)
    right.set(xscale="log", yscale="log", xlabel="learning rate", ylabel="errors (fraction of images)")
    drawing.plain_log_ticks(right.yaxis)
    right.legend(title="hidden units")
    return figure
