"""Linear least squares as a classifier, what outliers do to it, and what does not mind them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from tinygrad_ml.models import LeastSquaresClassifier, LogisticRegression

from . import Article, Setting, drawing
from .article import scientific

TITLE = "Linear least squares as a classifier"

#: How many outliers.
COUNTS = tuple(2**i for i in range(5))
#: Where the two classes are, and the outliers, which belong to the second and are far on its side.
MEANS = {-1: (-1.0, 1.0), 1: (1.0, -1.0)}
OUTLIERS = (14.0, -9.0)
SPREAD = 0.9
SAMPLES, TEST_SAMPLES = 60, 1000
#: Of the penalty of logistic regression, without which it has no minimum where the classes can be told apart.
C = 1.0

SQUARED, LOGISTIC = "least squares", "logistic regression"
LOOKS: dict[str, dict[str, Any]] = {
    SQUARED: {"color": drawing.COLOURS[7], "linestyle": "-"},
    LOGISTIC: {"color": drawing.COLOURS[2], "linestyle": (0, (5, 1.5))},
}


class Sample(NamedTuple):
    """Training and test samples; the outliers are the last of the training samples, and there are none in the test."""

    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray
    n: int


def run(setting: Setting) -> Article:
    article = Article(setting, TITLE)
    samples = same_classes(setting.random_state("samples"))
    fits = [fit(sample) for sample in samples]
    show_data(article, samples)
    fit_and_check(article, samples, fits)
    explain(article, samples, fits)
    repeat(article, setting)
    return article


def draw(rng: np.random.Generator, n: int) -> Sample:
    """Both classes, and `n` outliers; the same classes, and the first outliers the same, for the same generator."""
    X, y = _classes(rng, SAMPLES)
    X_test, y_test = _classes(rng, TEST_SAMPLES)
    outliers = OUTLIERS + SPREAD * rng.standard_normal((max(COUNTS), 2))[:n]
    return Sample(np.concatenate((X, outliers)), np.concatenate((y, np.ones(n, int))), X_test, y_test, n)


def _classes(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    X = np.concatenate([mean + SPREAD * rng.standard_normal((n, 2)) for mean in MEANS.values()])
    return X, np.repeat(list(MEANS), n)


def without_outliers(sample: Sample) -> Sample:
    return sample._replace(X=sample.X[: -sample.n], y=sample.y[: -sample.n], n=0)


def fit(sample: Sample) -> dict[str, Any]:
    return {
        SQUARED: LeastSquaresClassifier().fit(sample.X, sample.y),
        LOGISTIC: LogisticRegression(C).fit(sample.X, sample.y),
    }


# The data


def show_data(article: Article, samples: list[Sample]) -> None:
    article.section("The data")
    article.question(f"Generate data sets with $n = 2^i$ outliers, $i = 0, ..., {len(COUNTS) - 1}$, and show them.")
    article.text(
        f"There are {SAMPLES} training samples of each class, Gaussian around {_point(MEANS[-1])} and "
        f"{_point(MEANS[1])} with standard deviation {SPREAD}. The outliers belong to class 1. They are around "
        f"{_point(OUTLIERS)}: far from all others, but on the right side of any sensible boundary. Each data set has "
        f"the same samples, and the outliers of the one before. The test set has {TEST_SAMPLES:,} samples of each "
        f"class, and no outliers, since what they do to the others is the question."
    )
    figure, axes = drawing.panels(1, len(samples), width=1.9, height=2.3, sharex=True, sharey=True)
    for panel, sample in zip(axes, samples, strict=True):
        scatter(panel, sample)
        panel.set(title=_outliers(sample.n), xlabel="$x_1$")
    axes[0].set_ylabel("$x_2$")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    article.figure("data", figure, f"The training data with {COUNTS[0]} to {COUNTS[-1]} outliers of class 1.")


def scatter(axes: Any, sample: Sample) -> None:
    regular = np.arange(len(sample.y)) < len(sample.y) - sample.n
    groups = (
        ("class −1", regular & (sample.y == -1), drawing.COLOURS[0], "o"),
        ("class 1", regular & (sample.y == 1), drawing.COLOURS[4], "s"),
        ("outliers, of class 1", ~regular, drawing.COLOURS[1], "^"),
    )
    for label, chosen, colour, marker in groups:
        axes.scatter(
            *sample.X[chosen].T, s=16, color=colour, marker=marker, edgecolor="white", linewidth=0.4, label=label
        )
    axes.set_aspect("equal")


def _point(coordinates: tuple[float, ...]) -> str:
    return f"$({', '.join(f'{x:g}' for x in coordinates)})$"


def _outliers(n: int) -> str:
    return f"{n} outlier{'s' * (n != 1)}"


# The fit


def fit_and_check(article: Article, samples: list[Sample], fits: list[dict[str, Any]]) -> None:
    article.section("The fit")
    article.question("Fit the classifier, report its accuracy on the test set, and show its decision boundary.")
    article.text(
        r"With the bias trick, $\bar{x} = [x, 1]$ and $\theta = [w, b]$, the score is linear in the parameters. The "
        "sum of squared distances to the labels −1 and 1 is least where its gradient is 0, at the solution of the "
        "normal equations; the sign of the score is the class."
    )
    article.formula(
        r"f(x) = \langle \theta, \bar{x} \rangle\,, \quad "
        r"\mathcal{L} = \frac{1}{2} \sum_{n=1}^{N} (f(x_n) - y_n)^2\,,",
        r"\frac{\partial \mathcal{L}}{\partial \theta} = X^\top (X \theta - y) = 0 \;\Rightarrow\; "
        r"\theta^* = (X^\top X)^{-1} X^\top y",
    )
    article.text(
        "`LeastSquaresClassifier` takes singular values of the centred data, which gives the same without the product "
        "$X^\\top X$, whose condition is the square of that of the data. Beside it, as the remedy that is explained "
        f"below, `LogisticRegression(C={C})` is fitted to the same samples."
    )
    clean = fit(without_outliers(samples[0]))
    figure, axes = drawing.panels(2, len(samples), width=1.9, height=2.15, sharex="row", sharey="row")
    rows = []
    for (whole, closer), sample, models in zip(axes.T, samples, fits, strict=True):
        for panel in (whole, closer):
            scatter(panel, sample)
            for name, model in models.items():
                draw_boundary(panel, model, label=f"boundary of {name}", **LOOKS[name])
        whole.set(title=_outliers(sample.n), xlim=(-4, 17), ylim=(-12, 5))
        closer.set(xlim=(-4, 4), ylim=(-3.5, 3.5), xlabel="$x_1$")
        rows.append(
            [
                sample.n,
                *(models[name].score(sample.X_test, sample.y_test) for name in LOOKS),
                *(turned(models[name], clean[name]) for name in LOOKS),
            ]
        )
    for panel in axes[:, 0]:
        panel.set_ylabel("$x_2$")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    article.figure(
        "boundaries",
        figure,
        "The decision boundaries of both classifiers, and below the same, seen from closer by. That of least squares "
        "turns towards the outliers, although they are on the right side from the start.",
    )
    columns = ["outliers", *(f"accuracy, {name}" for name in LOOKS), *(f"turned (degrees), {name}" for name in LOOKS)]
    article.table(
        "accuracy",
        rows,
        columns,
        "Accuracy on the test set, and by how much the boundary has turned against that of a fit without outliers.",
        formats={
            **{f"accuracy, {name}": ".2%" for name in LOOKS},
            **{f"turned (degrees), {name}": ".1f" for name in LOOKS},
        },
    )
    difference = max(
        distance_to_other_ways(sample, models[SQUARED]) for sample, models in zip(samples, fits, strict=True)
    )
    first, last = rows[0], rows[-1]
    article.answer(
        f"The test accuracy of least squares is *{first[1]:.2%}* with one outlier and *{last[1]:.2%}* with "
        f"{COUNTS[-1]}; without any it is {clean[SQUARED].score(samples[0].X_test, samples[0].y_test):.2%}. The "
        f"boundary turns by {first[3]:.0f} and by {last[3]:.0f} degrees. Logistic regression has {first[2]:.2%} and "
        f"{last[2]:.2%}, and turns by {max(row[4] for row in rows):.1g} degrees at most. "
        f"Gradient descent and the normal equations as they are written above end at the same parameters, to within "
        f"{scientific(difference, 1)}."
    )
    article.metrics["outliers"] = list(COUNTS)
    for k, name in enumerate(LOOKS, start=1):
        article.metrics[name] = {"accuracy": [row[k] for row in rows], "turned_degrees": [row[k + 2] for row in rows]}
    article.metrics["largest_difference_to_other_ways"] = difference


def draw_boundary(axes: Any, model: Any, **look: Any) -> None:
    """The line of score 0."""
    (w,), (b,) = model.coef_, model.intercept_
    axes.axline(-b * w / (w @ w), slope=-w[0] / w[1], **look)


def turned(model: Any, clean: Any) -> float:
    """The angle between two boundaries, in degrees."""
    one, other = (each.coef_[0] / np.linalg.norm(each.coef_) for each in (model, clean))
    return float(np.degrees(np.arccos(np.clip(one @ other, -1, 1))))


def distance_to_other_ways(sample: Sample, model: LeastSquaresClassifier) -> float:
    """How far the parameters are from those of gradient descent, and of the normal equations to the letter."""
    extended = np.column_stack((sample.X, np.ones(len(sample.X))))
    to_the_letter = np.linalg.inv(extended.T @ extended) @ extended.T @ sample.y
    descent = LeastSquaresClassifier(solver="gd", tol=1e-9, max_iter=100_000).fit(sample.X, sample.y)
    return float(max(np.max(np.abs(model.parameters_ - other)) for other in (to_the_letter, descent.parameters_)))


# Why


def explain(article: Article, samples: list[Sample], fits: list[dict[str, Any]]) -> None:
    article.section("Why outliers pull")
    article.question("How is the fit affected by the outliers, and why?")
    article.text(
        "The loss of a sample depends on its *margin* $m = y f(x)$ alone, which is negative where the class is wrong. "
        r"Since $y^2 = 1$, the squared loss of a sample is"
    )
    article.formula(
        r"\frac{1}{2} (f(x) - y)^2 = \frac{1}{2} (m - 1)^2\,, \qquad \mathrm{beside\;\;} \log(1 + e^{-m}) "
        r"\mathrm{\;\;of\;logistic\;regression.}"
    )
    article.text(
        "Both punish samples on the wrong side. But the square grows on the right side too: a sample with margin 5 "
        "costs as much as one with margin −3. It is punished for being *too right*, and the fit gives way to the "
        "largest punishments first."
    )
    shares = {name: [share_of_outliers(name, *pair) for pair in zip(samples, fits, strict=True)] for name in LOOKS}
    before = {name: [share_before(name, sample) for sample in samples] for name in LOOKS}
    article.figure("shares", draw_shares(samples[0]), SHARES)
    rows = [
        [sample.n, sample.n / len(sample.y), *(each[name][k] for name in LOOKS for each in (before, shares))]
        for k, sample in enumerate(samples)
    ]
    columns = ["outliers", "of the samples", *(f"{name}, {when}" for name in LOOKS for when in ("before", "after"))]
    article.table(
        "share_of_the_loss",
        rows,
        columns,
        "The part of the training loss that the outliers cause: before they were fitted, at the parameters of a fit "
        "without them, and after.",
        formats={column: ".0e" if LOGISTIC in column else ".1%" for column in columns[1:]},
    )
    article.answer(
        f"A single outlier, {rows[0][1]:.1%} of the samples, causes *{before[SQUARED][0]:.0%}* of the squared loss of "
        f"the fit without it, although it is classified rightly, and {scientific(before[LOGISTIC][0], 1)} of the "
        f"logistic loss. To lower that share the boundary turns, and the outliers' scores come down towards 1: "
        f"{COUNTS[-1]} of them cause {before[SQUARED][-1]:.0%} before, and {shares[SQUARED][-1]:.0%} after. The price "
        "is paid by the samples at the boundary, some of which change sides. Logistic regression is the remedy: the "
        "loss of samples that are far on the right side is next to nothing, and so is their pull."
    )
    article.metrics["share_of_the_loss"] = {"before": before, "after": shares}


def losses_of(name: str, model: Any, sample: Sample) -> np.ndarray:
    return LOSSES[name](sample.y * model.decision_function(sample.X))


#: As functions of the margin.
LOSSES: dict[str, Any] = {SQUARED: lambda m: (m - 1) ** 2 / 2, LOGISTIC: lambda m: np.logaddexp(0, -m)}


def share_of_outliers(name: str, sample: Sample, models: dict[str, Any]) -> float:
    losses = losses_of(name, models[name], sample)
    return float(np.sum(losses[len(losses) - sample.n :]) / np.sum(losses))


def share_before(name: str, sample: Sample) -> float:
    """The outliers' share in the loss of a fit that has not seen them."""
    return share_of_outliers(name, sample, fit(without_outliers(sample)))


SHARES = (
    "The losses against the margin, and below, at the same margins, which part of the whole loss each training sample "
    "causes, at the parameters of a fit without the outlier. The outlier is far to the right, where the squared loss "
    "has risen again and the logistic loss is gone."
)


def draw_shares(sample: Sample) -> Any:
    """Of each training sample the share in the loss, before the outlier is fitted."""
    figure, axes = drawing.panels(2, 2, width=4.2, height=2.2, sharex="col", sharey="row")
    for (above, below), (name, model) in zip(axes.T, fit(without_outliers(sample)).items(), strict=True):
        margin = sample.y * model.decision_function(sample.X)
        losses = LOSSES[name](margin)
        grid = np.linspace(min(margin.min(), -1.5), margin.max() * 1.05, 300)
        above.plot(grid, LOSSES[name](grid), **LOOKS[name])
        above.set(title=name)
        below.scatter(margin[:-1], losses[:-1] / losses.sum(), s=14, color=drawing.COLOURS[6], label="training samples")
        below.scatter(
            margin[-1:], losses[-1:] / losses.sum(), s=36, color=drawing.COLOURS[1], marker="^", label="the outlier"
        )
        below.set(xlabel="margin $y f(x)$", yscale="log")
        for panel in (above, below):
            panel.axvline(0, color="0.6", linewidth=1, zorder=0)
    axes[0, 0].set_ylabel("loss of a sample")
    axes[1, 0].set_ylabel("share of the whole loss")
    axes[1, 0].legend(loc="lower right")
    return figure


# Not by chance


def repeat(article: Article, setting: Setting) -> None:
    draws = 5 if setting.quick else 40
    article.section("Not by chance")
    article.question("Is it the same with other samples of the same classes?")
    accuracy = np.array(
        [
            [
                [model.score(sample.X_test, sample.y_test) for model in fit(sample).values()]
                for sample in same_classes(seed)
            ]
            for seed in setting.progress(setting.rng("repeated").integers(2**32, size=draws), "draws")
        ]
    )
    middle, deviation = accuracy.mean(axis=0), accuracy.std(axis=0, ddof=1)
    figure, axes = drawing.panels(width=6.4, height=3.2)
    for k, (name, look) in enumerate(LOOKS.items()):
        axes.errorbar(
            COUNTS,
            middle[:, k],
            deviation[:, k],
            label=name,
            marker=drawing.MARKERS[k],
            markersize=6,
            capsize=3,
            **look,
        )
    axes.set_xscale("log", base=2)
    drawing.plain_log_ticks(axes.xaxis)
    axes.set(xticks=COUNTS, xlabel="outliers", ylabel="test accuracy")
    axes.legend(loc="lower left")
    article.figure(
        "repeated",
        figure,
        f"The test accuracy over {draws} draws of all samples: the mean, and one standard deviation up and down.",
    )
    falls = int(np.sum(accuracy[:, -1, 0] < accuracy[:, 0, 0]))
    article.answer(
        f"From {COUNTS[0]} to {COUNTS[-1]} outliers the accuracy of least squares falls in {falls} of {draws} draws, "
        f"from {middle[0, 0]:.1%} to {middle[-1, 0]:.1%} on average; that of logistic regression goes from "
        f"{middle[0, 1]:.2%} to {middle[-1, 1]:.2%}."
    )
    article.metrics["repeated"] = {
        name: {"mean": middle[:, k], "deviation": deviation[:, k]} for k, name in enumerate(LOOKS)
    }


def same_classes(seed: int) -> list[Sample]:
    return [draw(np.random.default_rng(seed), n) for n in COUNTS]
