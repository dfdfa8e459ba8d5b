"""The songs, why they are standardised by the training part, and why some are held out: the sheet's question 1."""

from __future__ import annotations

import numpy as np
from tinygrad_ml.models import LogisticRegression

import tinygrad_ml as tg

from ..article import Article, scientific
from ..drawing import COLOURS, SPLITS, panels
from ..setting import Setting
from .songs import Songs, century


def describe(article: Article, setting: Setting, data: tg.data.YearPrediction) -> None:
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
    shown = [*range(5), *range(rows - 5, rows)] if rows > 10 else range(rows)
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


def standardisation(article: Article, setting: Setting, data: tg.data.YearPrediction, songs: Songs) -> None:
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


def validation(article: Article, setting: Setting, songs: Songs) -> None:
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
