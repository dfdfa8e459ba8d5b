"""Softmax regression on handwritten digits: its gradient by hand, its training by the sheet, and what layers add."""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np
import sklearn.linear_model
from sklearn.datasets import load_digits
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from tinygrad_ml.models import SoftmaxRegression, layered

import tinygrad_ml as tg

from .. import Article, Setting, drawing
from ..article import scientific
from .factors import derive_gradient
from .networks import add_layers, interval

TITLE = "Softmax regression on handwritten digits"

LEARNING_RATE = 0.001
#: Of the penalty where minima are compared: these classes can be told apart, so that without one there is no minimum.
C = 0.01


def run(setting: Setting) -> Article:
    article = Article(setting, TITLE)
    pixels, digits = load_digits(return_X_y=True)
    split = train_test_split(
        pixels, digits, test_size=0.25, random_state=setting.random_state("split"), stratify=digits
    )
    derive_gradient(article, setting, split[0], split[2])
    train(article, setting, *split)
    compare(article, setting, *split)
    add_layers(article, setting, *split)
    return article


# Training


def train(
    article: Article, setting: Setting, X: np.ndarray, X_test: np.ndarray, y: np.ndarray, y_test: np.ndarray
) -> None:
    steps = 60 if setting.quick else 1000
    article.section(f"{steps:,} steps of gradient descent")
    article.question(
        f"Split `load_digits` 75% to 25%, and run gradient descent for {steps:,} steps with learning rate "
        f"{LEARNING_RATE}, with stabilised softmax values. Plot the cross-entropy and the accuracy on both splits, "
        "and report the final test accuracy."
    )
    article.text(
        f"The {len(X):,} training and {len(X_test)} test images of 8 × 8 pixels are used as they come, with darkness "
        "from 0 to 16, drawn so that every digit is as frequent in both. The parameters start at 0. Stabilised means "
        "that the largest score is subtracted from all before they are exponentiated, which changes nothing but "
        "overflows:"
    )
    article.formula(
        r"p_c = \frac{e^{g_c - m}}{\sum_k e^{g_k - m}}\,, \quad m = \max_k g_k\,, \qquad \theta \leftarrow \theta - "
        r"0.001\;\frac{\partial \mathcal{L}}{\partial \theta}"
    )
    article.text(
        "The sheet's loss is the *sum* over all images. Its gradient is that of the *mean*, times the number of "
        "images: so the same learning rate makes two very different trainings, and here are both."
    )
    curves = {}
    for reduction in ("sum", "mean"):
        by_hand = SoftmaxRegression(reduction=reduction, solver="gd", learning_rate=LEARNING_RATE)
        by_engine = layered.SoftmaxRegression(reduction=reduction, solver="gd", learning_rate=LEARNING_RATE)
        pairs = zip(by_hand.steps(X, y), by_engine.steps(X, y), strict=False)
        curve = Curve(X, X_test, y, y_test)
        curve.add(np.zeros((X.shape[1] + 1, 10)), 0.0)
        for theta, theta_engine in setting.progress(islice(pairs, steps), reduction, steps):
            curve.add(theta, float(np.max(np.abs(theta - theta_engine))))
        curves[reduction] = curve
    article.figure("curves", draw_curves(curves), CURVES)

    rows = [
        (reduction, split, curve.loss[split][-1], curve.accuracy[split][-1], curve.right[split][-1], curve.sizes[split])
        for reduction, curve in curves.items()
        for split in ("training", "test")
    ]
    article.table(
        "final",
        rows,
        ["loss", "split", "cross-entropy (nats per image)", "accuracy", "images right", "of"],
        f"After {steps:,} steps.",
        formats={"accuracy": ".2%"},
    )
    curvature = np.linalg.eigvalsh(SoftmaxRegression().hessian(np.zeros((X.shape[1] + 1, 10)), X, y))[-1]
    total, mean = curves["sum"], curves["mean"]
    rises = np.flatnonzero(np.diff(total.loss["training"]) > 0)
    rises_mean = int(np.sum(np.diff(mean.loss["training"]) > 0))
    done = np.flatnonzero(np.array(total.right["training"]) == len(y))
    article.text(
        rf"At the start the mean loss curves by at most $\lambda = {curvature:.0f}$, the largest eigenvalue of its "
        rf"Hessian, and steps go down where the rate is below $2/\lambda = {2 / curvature:.4f}$. With the rate "
        rf"{LEARNING_RATE} the mean rose in {rises_mean} of {steps:,} steps. For the sum the bound is {len(X):,} times "
        rf"lower, {scientific(2 / curvature / len(X))}, and the steps are "
        rf"{LEARNING_RATE * curvature * len(X) / 2:,.0f} times as long: the cross-entropy leaps up to "
        rf"{max(total.loss['training']):.0f} nats per image, and rises in {len(rises)} steps, the last of them number "
        rf"{rises[-1] + 1 if len(rises) else 0}. That this training gets "
        "anywhere is owed to the softmax, whose gradient is bounded, so that leaps are as well; far from the minimum "
        "it corrects wrong images only, as a perceptron does"
        + (f", until none is left after step {done[0]}" if len(done) else "")
        + ". It is also too sure of itself: where it is wrong on test images, it is very wrong, and pays "
        f"{total.loss['test'][-1]:.2f} nats per image where the mean pays {mean.loss['test'][-1]:.2f}."
    )
    article.answer(
        f"The final test accuracy is *{total.accuracy['test'][-1]:.2%}* with the sum ({total.right['test'][-1]} of "
        f"{len(y_test)} images) and *{mean.accuracy['test'][-1]:.2%}* with the mean ({mean.right['test'][-1]}). The "
        f"95% intervals are {interval(total.right['test'][-1], len(y_test))} and "
        f"{interval(mean.right['test'][-1], len(y_test))}; the cross-entropies are {total.loss['test'][-1]:.3f} and "
        f"{mean.loss['test'][-1]:.3f} nats per image."
    )
    show_what_was_learned(article, mean.theta, X_test, y_test)
    article.metrics["steps"] = steps
    article.metrics["learning_rate"] = LEARNING_RATE
    article.metrics["curvature"] = curvature
    for reduction, curve in curves.items():
        article.metrics[reduction] = {
            **{f"{split}_loss": values[-1] for split, values in curve.loss.items()},
            **{f"{split}_accuracy": values[-1] for split, values in curve.accuracy.items()},
            "steps_up": int(np.sum(np.diff(curve.loss["training"]) > 0)),
            "largest_difference_to_the_engine": curve.differences[-1],
        }


class Curve:
    """How both splits fare, step by step, and how far the engine's parameters are from those by hand."""

    def __init__(self, X: np.ndarray, X_test: np.ndarray, y: np.ndarray, y_test: np.ndarray) -> None:
        self._data = {"training": (X, y), "test": (X_test, y_test)}
        self._mean = SoftmaxRegression()
        self.sizes = {split: len(labels) for split, (_, labels) in self._data.items()}
        self.loss: dict[str, list[float]] = {"training": [], "test": []}
        self.right: dict[str, list[int]] = {"training": [], "test": []}
        self.differences: list[float] = []

    def add(self, theta: np.ndarray, difference: float) -> None:
        self.theta = theta
        self.differences.append(difference)
        for split, (images, labels) in self._data.items():
            self.loss[split].append(float(self._mean.loss(theta, images, labels)))
            self.right[split].append(int(np.sum(np.argmax(images @ theta[:-1] + theta[-1], axis=1) == labels)))

    @property
    def accuracy(self) -> dict[str, list[float]]:
        return {split: [right / self.sizes[split] for right in values] for split, values in self.right.items()}


CURVES = (
    "Cross-entropy (left, logarithmic) and accuracy (right) on both splits after every step, with the sum of the "
    "images' losses (above) and with their mean (below), for the same learning rate: the sum leaps, the mean "
    "descends."
)


def draw_curves(curves: dict[str, Curve]) -> Any:
    figure, axes = drawing.panels(2, 2, width=4.6, height=3.0, sharex=True)
    for row, (reduction, curve) in zip(axes, curves.items(), strict=True):
        for split in ("training", "test"):
            style = drawing.SPLITS[split] | {"linewidth": 1.3}
            row[0].plot(curve.loss[split], label=split, **style)
            row[1].plot(curve.accuracy[split], label=f"{split}, {curve.accuracy[split][-1]:.1%} at the end", **style)
        row[0].set(yscale="log", ylabel="cross-entropy (nats per image)", title=f"{reduction} of the losses")
        row[1].set(ylabel="accuracy (fraction of images)", ylim=(0, 1.02), title=f"{reduction} of the losses")
        if max(curve.loss["test"]) < 30 * min(curve.loss["training"]):
            drawing.plain_log_ticks(row[0].yaxis)
        row[0].legend()
        row[1].legend(loc="lower right")
    for panel in axes[1]:
        panel.set(xlabel="step")
    return figure


def show_what_was_learned(article: Article, theta: np.ndarray, X_test: np.ndarray, y_test: np.ndarray) -> None:
    predicted = np.argmax(X_test @ theta[:-1] + theta[-1], axis=1)
    wrong = [(int(np.sum((y_test == a) & (predicted == b))), a, b) for a in range(10) for b in range(10) if a != b]
    count, true, taken = max(wrong)
    figure, axes = drawing.panels(width=5.4, height=5.0)
    axes.grid(False)
    tg.viz.plot_confusion_matrix(y_test, predicted, ax=axes)
    axes.set(xlabel="predicted digit", ylabel="true digit")
    article.figure(
        "confusion",
        figure,
        "Which test images are taken for which digit, after training with the mean loss. "
        f"{sum(n for n, *_ in wrong)} are taken for a wrong one; the most frequent mistake, {count} times, is to take "
        f"{true} for {taken}.",
    )

    figure, axes = drawing.panels(2, 5, width=1.65, height=1.75)
    limit = np.max(np.abs(theta[:-1]))
    for digit, panel in enumerate(axes.ravel()):
        weights = theta[:-1, digit].reshape(8, 8)
        shown = drawing.image(panel, weights, f"digit {digit}", vmin=-limit, vmax=limit)
    figure.colorbar(shown, ax=axes, label="weight (score per unit of darkness)", shrink=0.9)
    article.figure(
        "weights",
        figure,
        "The weights of every digit as an image, after training with the mean loss: ink on yellow speaks for the "
        "digit, on blue against it. They contrast each digit with those that are like it, and are not pictures of it.",
    )
    article.metrics["confusion"] = {"wrong": sum(n for n, *_ in wrong), "most_often": [true, taken, count]}


# Other ways to the same


def compare(
    article: Article, setting: Setting, X: np.ndarray, X_test: np.ndarray, y: np.ndarray, y_test: np.ndarray
) -> None:
    article.section("By hand, by the engine, and by scikit-learn")
    article.question("Do the gradient by hand, the engine's and scikit-learn lead to the same model?")
    article.text(
        "`layered.SoftmaxRegression` is the same model composed of `tg.nn` layers, with no derivative written by "
        "hand. Both were trained side by side above, step by step. scikit-learn has no such steps, and looks for the "
        "minimum; without a penalty there is none here, since the images can be told apart, so that all three get "
        "the same one:"
    )
    article.formula(
        rf"\mathcal{{L}} + \frac{{1}}{{2C}} \sum_{{c}}\sum_{{j \geq 1}} (\theta_j^{{(c)}})^2\,, \quad C = {C:g}"
    )
    models = {
        "scikit-learn, Newton": sklearn.linear_model.LogisticRegression(C=C, solver="newton-cholesky", tol=1e-9),
        "by hand, Newton": SoftmaxRegression(C=C, solver="newton", tol=1e-9),
        "by the engine, Newton": layered.SoftmaxRegression(C=C, solver="newton", tol=1e-9),
        "by the engine, L-BFGS": layered.SoftmaxRegression(C=C, tol=1e-3 if setting.quick else 1e-6, max_iter=5000),
    }
    if setting.quick:  # the engine's Hessian of 650 parameters takes seconds
        del models["by the engine, Newton"]
    objective = SoftmaxRegression(C=C)
    probabilities, rows = {}, []
    for name, model in models.items():
        model.fit(X, y)
        probabilities[name] = model.predict_proba(X_test)
        theta = np.vstack((model.coef_.T, model.intercept_))
        right = int(np.sum(model.predict(X_test) == y_test))
        rows.append([name, objective.loss(theta, X, y), log_loss(y_test, probabilities[name]), right / len(y_test)])
    reference = probabilities["scikit-learn, Newton"]
    for row in rows:
        row.append(float(np.max(np.abs(probabilities[row[0]] - reference))))
    article.table(
        "side_by_side",
        rows,
        [
            "model",
            "penalised mean loss (training)",
            "cross-entropy (test)",
            "accuracy (test)",
            "largest difference to scikit-learn's probabilities",
        ],
        "The same minimum by different ways.",
        formats={"penalised mean loss (training)": ".9f", "cross-entropy (test)": ".6f", "accuracy (test)": ".2%"},
    )
    differences = [article.metrics[reduction]["largest_difference_to_the_engine"] for reduction in ("sum", "mean")]
    article.answer(
        f"{'Yes' if max(differences[1], rows[1][4]) < 1e-6 else 'No'}. After {article.metrics['steps']:,} steps from "
        f"the same start, no parameter of the engine's model is farther than {scientific(differences[1])} from the "
        f"one by hand with the mean, and {scientific(differences[0])} with the sum, whose leaps magnify rounding "
        "errors. At the minimum, no probability of a test image by Newton's method by hand is farther than "
        f"{scientific(rows[1][4])} from scikit-learn's, and none by the engine and L-BFGS, which ends sooner, than "
        f"{scientific(rows[-1][4])}."
    )
    article.metrics["side_by_side"] = {
        row[0]: dict(zip(("objective", "test_loss", "test_accuracy", "difference"), row[1:], strict=True))
        for row in rows
    }
