"""How good the models are: accuracies with their intervals, and whether differences are more than chance."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping

import numpy as np
from scipy.stats import binomtest

from ..article import Article
from ..drawing import MARKERS, SPLITS, panels
from ..setting import Setting
from .songs import Part, Songs

#: Gives the logit of each song: above 0 is this century.
Logits = Callable[[np.ndarray], np.ndarray]

#: The accuracies that the sheet prints, of the real file.
REPORTED = {
    "SGD (reported)": (0.7107259828625987, 0.71514, 0.7072825876428434),
    "scikit-learn (reported)": (0.7323979067715698, 0.73642, 0.7265736974627155),
}
#: Each part, and the head of the column of its intervals.
PARTS = {"training": "± train", "validation": "± val", "test": "± test"}


def wilson(right: int, songs: int) -> tuple[float, float]:
    """The interval of Wilson's score for an accuracy, at 95%.

    >>> low, high = wilson(80, 100)
    >>> round(low, 4), round(high, 4)
    (0.7112, 0.8666)
    """
    interval = binomtest(right, songs).proportion_ci(0.95, "wilson")
    return float(interval.low), float(interval.high)


def mcnemar(first: np.ndarray, second: np.ndarray) -> tuple[int, int, float]:
    """How many songs only the first of two models gets right, how many only the second, and McNemar's exact p.

    p is the probability of such a difference or a larger one where both models are equally good.

    >>> first, second = np.array([1, 1, 1, 1, 1, 1, 0, 1]) > 0, np.array([0, 0, 0, 0, 0, 0, 0, 1]) > 0
    >>> mcnemar(first, second)
    (6, 0, 0.03125)
    """
    only_first, only_second = int(np.sum(first & ~second)), int(np.sum(~first & second))
    if not only_first + only_second:
        return 0, 0, 1.0
    return only_first, only_second, float(binomtest(only_first, only_first + only_second).pvalue)


def by_groups(
    values: np.ndarray, groups: np.ndarray, rng: np.random.Generator, draws: int = 2000
) -> tuple[float, float]:
    """A bootstrap interval of the mean at 95% that draws whole groups, the values in which are alike."""
    _, group = np.unique(groups, return_inverse=True)
    counts, sums = np.bincount(group), np.bincount(group, values)
    times = rng.multinomial(len(counts), np.full(len(counts), 1 / len(counts)), size=draws)
    low, high = np.quantile(times @ sums / (times @ counts), (0.025, 0.975))
    return float(low), float(high)


def judge(models: Mapping[str, Logits], songs: Songs) -> dict[str, dict[str, np.ndarray]]:
    """For each model and part, which songs it gets right."""
    return {
        name: {part: _right(logits(rows.X), rows) for part, rows in songs.parts.items()}
        for name, logits in models.items()
    }


def _right(z: np.ndarray, part: Part) -> np.ndarray:
    return (z >= 0) == (part.t == 1)


def table(article: Article, setting: Setting, right: Mapping[str, Mapping[str, np.ndarray]]) -> None:
    """The accuracies of all models with their intervals, and those the sheet reports."""
    rows = []
    for name, of_parts in right.items():
        row: list[object] = [name]
        for part in PARTS:
            hits = of_parts[part]
            low, high = wilson(int(hits.sum()), len(hits))
            row += [float(hits.mean()), (high - low) / 2]
        rows.append(row)
    for name, reported in REPORTED.items():
        rows.append([name, *(cell for value in reported for cell in (value, None))])
    counts = [f"{len(next(iter(right.values()))[part]):,} {part}" for part in PARTS]
    article.table(
        "accuracy",
        rows,
        ["model", *itertools.chain.from_iterable(PARTS.items())],
        f"Accuracy on {counts[0]}, {counts[1]} and {counts[2]} songs; ± is half of Wilson's 95% interval, which takes "
        "songs for independent. The rows “reported” are printed on the sheet, for reference: they are of the real file"
        + (", and these songs are synthetic." if setting.data is None else "."),
        dict.fromkeys([*PARTS, *PARTS.values()], ".4f"),
    )
    article.metrics["accuracy"] = {
        name: {
            part: {"accuracy": hits.mean(), "interval": wilson(int(hits.sum()), len(hits)), "songs": len(hits)}
            for part, hits in of_parts.items()
        }
        for name, of_parts in right.items()
    }
    article.metrics["reported_by_the_sheet"] = {
        name: dict(zip(PARTS, values, strict=True)) for name, values in REPORTED.items()
    }


def figure(article: Article, setting: Setting, right: Mapping[str, Mapping[str, np.ndarray]]) -> None:
    """The accuracies as marks with bars."""
    names = [*right, *REPORTED]
    drawing, ax = panels(width=7.2, height=0.42 * len(names) + 1.1)
    for k, (part, marker) in enumerate(zip(PARTS, MARKERS, strict=False)):
        colour = SPLITS[part]["color"]
        place = -np.arange(len(names)) + 0.22 * (1 - k)
        hits = [right[name][part] for name in right]
        value = np.array([h.mean() for h in hits])
        ends = np.array([wilson(int(h.sum()), len(h)) for h in hits]).T
        ax.errorbar(
            value, place[: len(hits)], xerr=np.abs(ends - value), fmt=marker, color=colour, markersize=5, capsize=2.5,
            linewidth=1.4, label=part,
        )  # fmt: skip
        reported = [values[k] for values in REPORTED.values()]
        ax.plot(
            reported, place[len(hits) :], marker, color=colour, markerfacecolor="none", linestyle="none", markersize=5
        )
    ax.set(yticks=-np.arange(len(names)), yticklabels=names, xlabel="accuracy (fraction of songs)")
    ax.grid(axis="y", visible=False)
    drawing.legend(*ax.get_legend_handles_labels(), loc="outside upper center", ncols=3)
    article.figure(
        "accuracies",
        drawing,
        "Accuracies with Wilson's 95% intervals. Open marks: what the sheet reports, of the real file"
        + (", not of these synthetic songs." if setting.data is None else "."),
    )
