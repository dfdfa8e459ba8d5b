"""How good the models are, and whether layers add more than chance does: the sheet's 2 (h) and (i), and beyond."""

from __future__ import annotations

import numpy as np
import sklearn.linear_model
from scipy.stats import norm
from tinygrad_ml.models import LogisticRegression

from ..article import Article, scientific
from ..setting import Setting
from . import comparison, layers
from .songs import Songs


def report(
    article: Article,
    setting: Setting,
    songs: Songs,
    found: dict[str, np.ndarray],
    data_split: str,
    test_artists: np.ndarray | None,
) -> None:
    """Parts (h) and (i), and layers; the table comes last, when all models are there."""
    sheet = "SGD, 100 updates"
    ours, theirs, network = "ours, by L-BFGS", "scikit-learn", "layers"
    frequent = 1.0 if np.mean(songs.train.t) >= 0.5 else -1.0
    linear = LogisticRegression(C=1.0, max_iter=500).fit(songs.train.X, songs.train.t)
    reference = sklearn.linear_model.LogisticRegression(max_iter=500).fit(songs.train.X, songs.train.t)
    models: dict[str, comparison.Logits] = {
        "more frequent century": lambda X: np.full(len(X), frequent),
        sheet: lambda X: X @ found["updates of the sheet"][:-1] + found["updates of the sheet"][-1],
        "SGD, many updates": lambda X: X @ found["many updates"][:-1] + found["many updates"][-1],
        ours: linear.decision_function,
        theirs: reference.decision_function,
    }
    right = comparison.judge(models, songs)

    article.question("2 (h) Accuracy on the training, validation and test songs: are there differences, and why?")
    accuracy = {part: float(hits.mean()) for part, hits in right[sheet].items()}
    gap, p = _difference(right[sheet]["validation"], right[sheet]["test"])
    article.answer(
        f"The parameters of part (g) have {accuracy['training']:.4f} on the training songs, "
        f"{accuracy['validation']:.4f} on the validation songs and {accuracy['test']:.4f} on the test songs; all "
        f"models and intervals are in the table below. Validation less test is {100 * gap:+.2f} points (p = "
        f"{_small(p)} if songs were independent). After so few updates little is learned by heart, and a choice among "
        "nine by the validation loss flatters it little. What remains: the validation songs were drawn at random from "
        "the training rows and share artists with them, "
        + (
            "and in part of the file the test songs may do so too; "
            if "proportion" in data_split
            else "the test songs do not, so that only the test is free of the producer effect; "
        )
        + "and as an artist's songs are alike, chance is larger than the number of songs suggests."
        + _artists(article, setting, right[sheet]["test"], test_artists)
    )

    article.question("2 (i) The same with scikit-learn's `LogisticRegression`.")
    longer = right["SGD, many updates"]["test"]
    *_, p = comparison.mcnemar(longer, right[theirs]["test"])
    differ = {part: int(np.sum(right[ours][part] != right[theirs][part])) for part in songs.parts}
    apart = float(np.max(np.abs(linear.coef_ - reference.coef_)))
    values = {part: float(hits.mean()) for part, hits in right[theirs].items()}
    article.answer(
        f"scikit-learn, with its default penalty C = 1, has {values['training']:.4f}, {values['validation']:.4f} and "
        f"{values['test']:.4f}. `models.LogisticRegression(C=1)` minimises the same loss from the same start by "
        f"derivatives written by hand, both by L-BFGS: the largest difference of a weight is {scientific(apart)}, and "
        f"{sum(differ.values())} of {sum(len(part) for part in songs.parts.values()):,} songs get another answer. On "
        f"the test, a hundred updates from a random start have {accuracy['test']:.4f}, longer descent from zeros "
        f"{longer.mean():.4f}: "
        + (
            "descent that goes on makes the difference smaller; what the sheet's SGD lacks is updates, not a better "
            "model."
            if abs(values["test"] - longer.mean()) < values["test"] - accuracy["test"]
            else "here that makes no difference that counts."
            if p > 0.05
            else "descent has not come as far yet."
        )
    )
    article.metrics["scikit_learn"] = {"largest_difference_of_weights": apart, "songs_answered_otherwise": differ}

    article.section("Beyond the sheet: layers")
    chosen = layers.report(article, setting, songs)
    right |= comparison.judge({network: chosen.logits}, songs)
    comparison.table(article, setting, right)
    comparison.figure(article, setting, right)
    _verdict(article, right[network], right[theirs], setting, test_artists)


def _small(p: float) -> str:
    return f"{p:.2g}" if p >= 0.001 else scientific(p)


def _difference(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """Of two accuracies on different songs, and its p by the normal approximation."""
    gap = float(first.mean() - second.mean())
    both = (first.sum() + second.sum()) / (len(first) + len(second))
    deviation = np.sqrt(both * (1 - both) * (1 / len(first) + 1 / len(second)))
    return gap, float(2 * norm.sf(abs(gap) / deviation))


def _artists(article: Article, setting: Setting, hits: np.ndarray, artists: np.ndarray | None) -> str:
    if artists is None:
        return " The file does not tell how many artists there are."
    low, high = comparison.by_groups(hits, artists, setting.rng("artists"))
    narrow = comparison.wilson(int(hits.sum()), len(hits))
    article.metrics["test_interval_by_artists"] = [low, high]
    return (
        f" Here the {len(hits):,} test songs are by {len(np.unique(artists)):,} artists: a bootstrap that draws "
        f"artists gives {low:.4f} to {high:.4f} for the test accuracy, {(high - low) / (narrow[1] - narrow[0]):.1f} "
        f"times as wide as Wilson's {narrow[0]:.4f} to {narrow[1]:.4f}."
    )


def _verdict(
    article: Article,
    of_network: dict[str, np.ndarray],
    of_linear: dict[str, np.ndarray],
    setting: Setting,
    artists: np.ndarray | None,
) -> None:
    """Whether the network beats the linear model on the test songs, and whether that can be chance."""
    network, linear = of_network["test"], of_linear["test"]
    only_network, only_linear, p = comparison.mcnemar(network, linear)
    interval = None
    if artists is not None:
        interval = comparison.by_groups(network * 100.0 - linear * 100.0, artists, setting.rng("artists"))
    gain = 100 * (float(network.mean()) - float(linear.mean()))
    gain_there = float(of_network["validation"].mean() - of_linear["validation"].mean())
    beats = gain > 0
    article.answer(
        f"On the {len(network):,} test songs the network is right in {network.mean():.4f}, scikit-learn's logistic "
        f"regression in {linear.mean():.4f}: layers "
        + (f"add {gain:.2f} points" if beats else f"add nothing ({gain:+.2f} points)")
        + f". {only_network:,} songs only the network gets right, {only_linear:,} only the linear model; if both were "
        f"equally good, such a difference would come about with a probability of {_small(p)} (McNemar's exact test, "
        "songs taken for independent). "
        + (
            f"A bootstrap that draws artists puts the gain between {interval[0]:+.2f} and {interval[1]:+.2f} points. "
            if interval
            else ""
        )
        + (
            f"{len(network):,} songs cannot tell whether the network is better in truth."
            if p >= 0.05 or (interval and interval[0] < 0 < interval[1])
            else "The gain is more than chance."
            if beats
            else "The loss is more than chance."
        )
        + f" On the validation songs the gain is {100 * gain_there:+.2f} points"
        + (
            ": what a model remembers of artists helps there, and not in the test."
            if 100 * gain_there > gain and artists is not None
            else "."
        )
    )
    article.metrics["layers_against_linear"] = {
        "gain": gain / 100,
        "only_layers_right": only_network,
        "only_linear_right": only_linear,
        "p": p,
        "beats": beats,
        "gain_interval_by_artists": interval and [end / 100 for end in interval],
    }
