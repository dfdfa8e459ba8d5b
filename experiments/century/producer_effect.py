"""Why an artist's songs belong on one side of the split, on synthetic songs whose artists are known."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.neighbors import KNeighborsClassifier
from tinygrad_ml.models import LogisticRegression

import tinygrad_ml as tg

from ..article import Article
from ..drawing import panels, styles
from ..setting import Setting
from .songs import century

SPLITS = {"songs at random": False, "by artist": True}
MODELS = {
    "logistic regression": lambda: LogisticRegression(C=1.0),
    "nearest neighbour": lambda: KNeighborsClassifier(1),
}


def measure(rows: int, others: int, repeats: int, rng: np.random.Generator) -> dict[tuple[str, str], np.ndarray]:
    """For every model and split the accuracy on the test songs and that on songs of artists never heard, a row a draw.

    Each draw has artists of its own, `rows` songs of theirs to split and `others` songs of other artists.
    """
    found: dict[tuple[str, str], list[Any]] = {(model, split): [] for model in MODELS for split in SPLITS}
    for _ in range(repeats):
        songs, never_heard = (tg.data.make_year_prediction_like(count, rng) for count in (rows, others))
        t, t_never_heard = century(songs.year), century(never_heard.year)
        for split, is_by_artist in SPLITS.items():
            (X, y), _, (X_test, y_test) = tg.data.train_validation_test_split(
                songs.X, t, validation=0, test=0.25, groups=songs.artist if is_by_artist else None, rng=rng
            )
            X, X_test, X_new = tg.data.standardize(X, X_test, never_heard.X)
            for model, make in MODELS.items():
                fitted = make().fit(X, y)
                found[model, split].append((fitted.score(X_test, y_test), fitted.score(X_new, t_never_heard)))
    return {key: np.array(values) for key, values in found.items()}


def report(article: Article, setting: Setting) -> None:
    """Part (a) of question 1."""
    rows, others, repeats = (1500, 3000, 3) if setting.quick else (3000, 4000, 8)
    found = measure(rows, others, repeats, setting.rng("producer effect"))

    article.question(
        "1 (a) Why would it be a problem to have some songs of an artist in the training set, and others of the same "
        "artist in the test set?"
    )
    article.text(
        "The test accuracy shall tell how the model will do on songs that it has learned nothing about. Songs of one "
        "artist share singers, instruments, studios and producers, and mostly the years too. A model that has heard "
        "some of them can recognise the artist in the others, and answer with the artist's century: the *producer "
        "effect*. That earns test accuracy, but helps with no song of a new artist. The official split therefore "
        "has no artist on both sides: the first 463,715 rows train, the last 51,630 test."
    )
    article.text(
        f"The file does not name artists. Synthetic songs do, so there the effect can be measured: {repeats} times, "
        f"{rows:,} songs are split into three quarters to train and one quarter to test, once with songs chosen at "
        f"random and once with whole artists, and {others:,} songs by artists that are in neither tell the truth that "
        "a test is to estimate."
    )

    figure, axes = panels(width=7.2, height=2.9)
    labels: list[str] = []
    for (model, split), accuracy in found.items():
        y = -len(labels)
        labels.append(f"{model},\n{split}")
        for column, (name, style) in enumerate(
            zip(("test part of the split", "songs by new artists"), styles(2), strict=True)
        ):
            values = accuracy[:, column]
            offset = 0.14 - 0.28 * column
            axes.plot(
                values,
                np.full(len(values), y + offset),
                style["marker"],
                color=style["color"],
                markerfacecolor="none" if column else style["color"],
                markersize=5,
                alpha=0.6,
                label=None if y else name,
            )
            axes.plot([values.mean()] * 2, [y + offset - 0.13, y + offset + 0.13], "-", color="black", linewidth=2)
    axes.set(yticks=-np.arange(len(labels)), yticklabels=labels, xlabel="accuracy (fraction of songs)")
    axes.grid(axis="y", visible=False)
    figure.legend(loc="outside upper center", ncols=2)
    article.figure(
        "producer_effect",
        figure,
        "Accuracy that a test promises (filled circles) and accuracy on songs by artists never heard (open squares), a "
        "mark for each of the draws of synthetic songs, a bar at their mean.",
    )

    gaps = {key: accuracy[:, 0] - accuracy[:, 1] for key, accuracy in found.items()}
    article.table(
        "producer_effect_means",
        [
            [model, split, *found[model, split].mean(0), gap.mean(), gap.std(ddof=1) / np.sqrt(len(gap))]
            for (model, split), gap in gaps.items()
        ],
        ["model", "split", "test", "new artists", "difference", "standard error"],
        f"Accuracy in the test and on songs by artists never heard: means over {repeats} draws of {rows:,} synthetic "
        "songs, and the standard error of the difference.",
        {"test": ".4f", "new artists": ".4f", "difference": "+.4f", "standard error": ".4f"},
    )
    points = {
        key: f"${100 * gap.mean():+.1f} \\pm {100 * gap.std(ddof=1) / repeats**0.5:.1f}$" for key, gap in gaps.items()
    }
    at_random, by_artist = SPLITS
    article.answer(
        "With songs split at random the test promises the nearest neighbour "
        f"{points['nearest neighbour', at_random]} points of accuracy (mean and its standard error) beyond what it has "
        "on songs by new artists, and logistic regression, which cannot remember single songs, "
        f"{points['logistic regression', at_random]} points. Split by artist, the deviations are "
        f"{points['nearest neighbour', by_artist]} and {points['logistic regression', by_artist]} points. Only a test "
        "by artist tells what a model is worth in practice; so the official split is kept, and rows are not shuffled "
        "before it."
    )
    article.metrics["producer_effect"] = {
        f"{model}, {split}": {
            "test_accuracy": accuracy[:, 0].mean(),
            "new_artists_accuracy": accuracy[:, 1].mean(),
            "overestimate": gaps[model, split].mean(),
            "standard_error": gaps[model, split].std(ddof=1) / np.sqrt(repeats),
        }
        for (model, split), accuracy in found.items()
    }
