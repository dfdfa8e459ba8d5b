"""The century of a song from its sound: logistic regression by minibatches, and what layers add.

After the sheet "Music Century Classification", all parts of both questions, on the data set YearPredictionMSD or on
synthetic songs like it. Learned: what a split must respect, how a gradient is checked, what rate and batch do to
descent, and how much of a difference between accuracies is chance.
"""

from __future__ import annotations

import numpy as np
import sklearn.linear_model
from scipy.stats import norm
from tinygrad_ml.models import LogisticRegression

import tinygrad_ml as tg

from ..article import Article, scientific
from ..drawing import COLOURS, SPLITS, panels
from ..setting import Setting
from . import comparison, descent, gradient, layers, producer_effect
from .songs import Songs, century, load, split

TITLE = "Music century classification"


def run(setting: Setting) -> Article:
    """Answer all parts of the sheet, then train networks."""
    article = Article(setting, TITLE)
    data = load(setting)
    article.section("Question 1: data")
    _data(article, setting, data)
    producer_effect.report(article, setting)
    songs = split(data, setting.rng("split"))
    _standardisation(article, setting, data, songs)
    _validation(article, setting, songs)
    data_split = data.split
    test_artists = None if data.artist is None else data.artist[data.test]
    del data  # of a file, its mapping

    article.section("Question 2: classification")
    gradient.report(article, setting, songs)
    found = descent.report(article, setting, songs)
    _accuracies(article, setting, songs, found, data_split, test_artists)
    return article


def _data(article: Article, setting: Setting, data: tg.data.YearPrediction) -> None:
    """The data as a table, the labels and the split."""
    rows, parts = len(data), {"training": data.year[data.train], "test": data.year[data.test]}
    article.question(
        "Load the data, display it as a table, and label songs by the century: 1 where year > 2000, else 0."
    )
    if setting.data is None:
        article.text(
            f"*No file was given, and these are not real songs*: {rows:,} synthetic ones stand in for the data set "
            "YearPredictionMSD. They have its columns, the proportion of its split, and the means, standard deviations "
            "and correlations of its features; their artists are known, and none is on both sides of the split. No "
            "number below says anything about music. With `--data YearPredictionMSD.txt` (or .csv, zipped or not) the "
            "same is done with the file of the UCI Machine Learning Repository."
        )
    else:
        article.text(
            f"`{setting.data.name}` holds {rows:,} songs. It is parsed once, into a binary file beside it that later "
            "runs map into memory; no more than the standardised features is copied from there."
        )
    shown = [*range(5), *range(rows - 5, rows)]
    label = century(data.year)
    article.table(
        "songs",
        [
            [str(i), str(data.year[i]), int(label[i]), *data.X[i, :2].tolist(), "…", *data.X[i, -3:].tolist()]
            for i in shown
        ],
        ["row", "year", "century", "var1", "var2", "…", "var88", "var89", "var90"],
        f"The first and the last five of {rows:,} rows, with the first and the last of 90 features: 12 averages and 78 "
        "covariances of timbre. “century” is the label.",
        dict.fromkeys(["var1", "var2", "var88", "var89", "var90"], ".2f"),
    )
    figure, (left, right) = panels(1, 2, width=3.8, height=2.8)
    years = np.arange(data.year.min(), data.year.max() + 2)
    for name, colour, hatch, chosen in (
        ("last century: 0", COLOURS[0], None, data.year <= 2000),
        ("this century: 1", COLOURS[4], "//", data.year > 2000),
    ):
        left.hist(
            data.year[chosen], years - 0.5, label=name, histtype="stepfilled", facecolor=colour, hatch=hatch,
            edgecolor="white", linewidth=0,
        )  # fmt: skip
    left.set(xlabel="year", ylabel="songs")
    left.legend(loc="upper left")
    for name, year in parts.items():
        right.plot(
            years[:-1], np.bincount(year - years[0], minlength=len(years) - 1) / len(year), label=name, **SPLITS[name]
        )
    right.set(xlabel="year", ylabel="fraction of the songs of a part")
    right.legend(loc="upper left")
    article.figure("years", figure, "Years of the songs, and their labels (left); years in the two parts (right).")
    share = {name: float(np.mean(century(year))) for name, year in parts.items()}
    article.answer(
        f"{rows:,} songs of {data.year.min()} to {data.year.max()}, {np.mean(label):.1%} of them of this century. The "
        f"split is {data.split}: {len(parts['training']):,} rows to train ({share['training']:.1%} of this century), "
        f"{len(parts['test']):,} to test ({share['test']:.1%}). Whoever always answers with the more frequent century "
        f"is right in {max(share['test'], 1 - share['test']):.1%} of the test songs."
        + (
            " Rows are not shuffled, but as these are not all rows, an artist may be on both sides of the border."
            if "proportion" in data.split
            else ""
        )
    )
    article.metrics["songs"] = {
        "source": "synthetic stand-in" if setting.data is None else setting.data.name,
        "rows": rows,
        "split": data.split,
        "training_rows": len(parts["training"]),
        "test_rows": len(parts["test"]),
        "share_of_this_century": share,
    }


def _standardisation(article: Article, setting: Setting, data: tg.data.YearPrediction, songs: Songs) -> None:
    article.question(
        "1 (b) Normalise the columns. Why would it be improper to use means and standard deviations of the test set?"
    )
    article.formula(r"x' = \frac{x - \mathrm{mean}_{\mathrm{train}}(x)}{\mathrm{std}_{\mathrm{train}}(x)}")
    raw = np.asarray(data.X[:4000])
    zeros, t = np.zeros(raw.shape[1] + 1), century(data.year[: len(raw)])
    scaled = (raw - songs.mean) / songs.deviation
    of_raw, of_scaled = (np.linalg.eigvalsh(LogisticRegression().hessian(zeros, X, t))[[0, -1]] for X in (raw, scaled))
    article.text(
        f"The deviations of the features reach from {songs.deviation.min():.3g} to {songs.deviation.max():.4g}. "
        "Descent by one rate for all needs them alike: the largest eigenvalue of the Hessian bounds the rate, and its "
        "ratio to the smallest tells how many updates it takes. At $\\theta = 0$ that ratio is "
        f"{scientific(of_raw[1] / of_raw[0])} for the features as they are, and {of_scaled[1] / of_scaled[0]:.0f} for "
        "the standardised ones. (The sheet's statistics are those of all rows that are not for the test; here rows "
        "held out for validation are left out too.)"
    )
    # One song, standardised by itself and companions: how much its prediction depends on them.
    model = LogisticRegression(C=1.0).fit(songs.train.X[:20_000], songs.train.t[:20_000])
    test, companions = data.X[data.test], 20
    rng, answers = setting.rng("companions"), []
    for _ in range(20):
        together = test[np.append(0, rng.integers(1, len(test), companions))]
        answers.append(model.predict_proba(((test[0] - together.mean(0)) / together.std(0))[None])[0, 1])
    proper = model.predict_proba(songs.test.X[:1])[0, 1]
    article.answer(
        "The test is to tell how the model does on songs it has not seen, one at a time, as it will in use. Statistics "
        "of the test set make the prediction for a song depend on the songs that happen to be tested with it, and hand "
        "the model knowledge of all of them; they also hide it if the new songs differ from those of the training. To "
        "see it: standardised by the training part, the first test song is of this century with probability "
        f"{proper:.3f}. Standardised by the statistics of test sets of {companions + 1} songs that it is in, it gets "
        f"anything from {min(answers):.3f} to {max(answers):.3f}, depending on the other {companions}."
    )
    article.metrics["standardisation"] = {
        "condition_of_hessian_raw": of_raw[1] / of_raw[0],
        "condition_of_hessian": of_scaled[1] / of_scaled[0],
        "one_song": proper,
        "one_song_by_test_statistics": [min(answers), max(answers)],
    }


def _validation(article: Article, setting: Setting, songs: Songs) -> None:
    article.question(
        "1 (c) Hold out validation songs. Why should the test set be used rarely, and the validation set while models "
        "are made?"
    )
    article.text(
        f"The sheet takes 50,000 of the 463,715 rows at random; in the same proportion {len(songs.validation):,} of "
        f"these validate, and {len(songs.train):,} train."
    )
    tries, test = 1000, len(songs.test)
    scores = setting.rng("guesses").binomial(test, 0.5, tries) / test
    article.answer(
        "Each time a choice is made by an accuracy, luck is chosen with it, and that accuracy tells too much from then "
        f"on. The worst case: of {tries:,} models that toss coins the best is right in {scores.max():.2%} of {test:,} "
        f"test songs, and the first in {scores[0]:.2%}; on new songs all have 50%. Rates, batches, widths and the "
        "number of updates are therefore chosen by the validation songs, which may be worn out; the test songs judge "
        "once, at the end."
    )
    article.metrics["best_of_guesses"] = {"tries": tries, "songs": test, "accuracy": scores.max()}


def _accuracies(
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
            "descent that goes on comes to the same, so that what the sheet's SGD lacks is updates, not a better model."
            if abs(longer.mean() - values["test"]) < abs(accuracy["test"] - values["test"]) or p > 0.05
            else "descent has not come to the same yet."
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
        + f" On the validation songs the network is {100 * gain_there:.2f} points better: a model that remembers more "
        "gains more there from artists that it has heard."
    )
    article.metrics["layers_against_linear"] = {
        "gain": gain / 100,
        "only_layers_right": only_network,
        "only_linear_right": only_linear,
        "p": p,
        "beats": beats,
        "gain_interval_by_artists": interval and [end / 100 for end in interval],
    }
