"""Softmax regression on handwritten digits: its gradient by hand, its training as the sheet says, and what layers add."""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np
import sklearn.linear_model
from scipy.stats import binomtest
from sklearn.datasets import load_digits
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

import tinygrad_ml as tg
from tinygrad_ml.models import SoftmaxRegression, layered

from . import Article, Setting, drawing
from .article import scientific

TITLE = "Softmax regression on handwritten digits"

LEARNING_RATE = 0.001
#: Of the penalty where minima are compared: without one, these classes can be told apart and there is no minimum.
C = 1.0


def run(setting: Setting) -> Article:
    article = Article(setting, TITLE)
    pixels, digits = load_digits(return_X_y=True)
    split = train_test_split(
        pixels, digits, test_size=0.25, random_state=setting.random_state("split"), stratify=digits
    )
    derive(article, setting, split[0], split[2])
    train(article, setting, *split)
    compare(article, *split)
    add_layers(article, setting, *split)
    return article


# The gradient


def derive(article: Article, setting: Setting, X: np.ndarray, y: np.ndarray) -> None:
    article.section("The gradient, factor by factor")
    article.question(
        r"Derive $\partial\mathcal{L}/\partial\theta_j^{(c)}$ of the cross-entropy of softmax regression. For a single "
        r"example the chain rule gives the factors $\partial\mathcal{L}/\partial p$, $\partial p/\partial g$ and "
        r"$\partial g/\partial\theta$."
    )
    article.text(
        r"For one example $\mathbf{x}$ of class $y$, the scores $g$, the probabilities $p$ and the loss $\mathcal{L}_i$ "
        "are computed one after the other:"
    )
    article.formula(
        r"g_c = \theta_0^{(c)} + \sum_{j=1}^{D} \theta_j^{(c)} x_j\,, \qquad "
        r"p_c = \frac{e^{g_c}}{\sum_{k=1}^{C} e^{g_k}}\,, \qquad "
        r"\mathcal{L}_i = -\sum_{c=1}^{C} \mathbf{1}[y = c]\,\log p_c = -\log p_y"
    )
    article.text(
        r"*First factor.* Only $p_y$ occurs in the loss. *Second factor.* The quotient rule, with "
        r"$S = \sum_k e^{g_k}$: where $c = k$, numerator and denominator depend on $g_k$, elsewhere the denominator only. "
        r"*Third factor.* The scores are linear; with the bias trick, $x_0 = 1$ stands for the bias $\theta_0^{(c)}$."
    )
    article.formula(
        r"\frac{\partial \mathcal{L}_i}{\partial p_c} = -\frac{\mathbf{1}[c = y]}{p_c}",
        r"\frac{\partial p_k}{\partial g_k} = \frac{e^{g_k} S - e^{g_k} e^{g_k}}{S^2} = p_k\,(1 - p_k)\,, \qquad "
        r"\frac{\partial p_c}{\partial g_k} = \frac{0 - e^{g_c} e^{g_k}}{S^2} = -p_c\,p_k \quad (c \neq k)",
        r"\frac{\partial p_c}{\partial g_k} = p_c\,(\mathbf{1}[c = k] - p_k)\,, \qquad "
        r"\frac{\partial g_k}{\partial \theta_j^{(c)}} = \mathbf{1}[k = c]\;x_j",
    )
    article.text(r"The product of the first two is short, since $p_y$ cancels, and with the third the gradient is:")
    article.formula(
        r"\frac{\partial \mathcal{L}_i}{\partial g_k} = -\frac{1}{p_y}\,p_y\,(\mathbf{1}[y = k] - p_k) "
        r"= p_k - \mathbf{1}[y = k]",
        r"\frac{\partial \mathcal{L}_i}{\partial \theta_j^{(c)}} = (p_c - \mathbf{1}[y = c])\;x_j\,, \qquad "
        r"\frac{\partial \mathcal{L}}{\partial \theta_j^{(c)}} = \sum_{i=1}^{N} (p_{ic} - \mathbf{1}[y_i = c])\;x_{ij}",
    )
    article.text(
        "Each factor is checked by itself, at an image of the training set and random parameters: along random directions "
        r"$u$ and $v$ the number $u^\top F\,v$ of the factor $F$ by hand must be the slope that finite differences find, "
        "within the bound that `tg.gradcheck.derivative` gives for its error; and every entry of it must be that of "
        "`tg.jacobian`, which differentiates the function and not the formula."
    )
    rng = setting.rng("factors")
    model, n_classes = SoftmaxRegression(reduction="sum"), 10
    x, label = X[0], int(y[0])
    theta = rng.normal(scale=0.05, size=(X.shape[1] + 1, n_classes))

    def loss(p: Any) -> Any:
        return -np.log(p[label])

    def scores(theta: Any) -> Any:
        return np.append(x, 1.0) @ theta

    g = scores(theta)
    p = tg.softmax(g)
    factors = {
        r"$\partial\mathcal{L}_i/\partial p$": (loss, p, model.dL_dp(p, label)),
        r"$\partial p/\partial g$": (tg.softmax, g, model.dp_dg(p)),
        r"$\partial g/\partial\theta$": (scores, theta, model.dg_dtheta(x, n_classes)),
        r"$\partial\mathcal{L}_i/\partial\theta$": (
            lambda theta: loss(tg.softmax(scores(theta))),
            theta,
            model.gradient(theta, X[:1], y[:1]),
        ),
    }
    rows = [(name, *check_factor(function, at, factor, rng)) for name, (function, at, factor) in factors.items()]
    article.table(
        "factors",
        rows,
        ["factor", "shape", "by hand", "finite differences", "bound", "within it", "largest difference to the engine"],
        r"Each factor of the chain rule, and their product: its slope $u^\top F\,v$ along random directions by hand and by "
        "finite differences, and its entries beside those of the engine's Jacobian.",
        formats={"by hand": ".10f", "finite differences": ".10f", "bound": ".0e"},
    )
    everywhere = setting.rng("everywhere").normal(scale=0.05, size=theta.shape)
    count = 100 if setting.quick else len(X)
    report = tg.gradcheck.check_model(model, X[:count], y[:count], everywhere, rng=setting.random_state("directions"))
    (row,) = report.rows
    article.answer(
        r"$\partial\mathcal{L}/\partial\theta_j^{(c)} = \sum_i (p_{ic} - \mathbf{1}[y_i = c])\,x_{ij}$. "
        f"All {len(rows)} rows agree with finite differences within their bounds"
        f"{'' if all(row[5] for row in rows) else ' (*not so: see the table*)'}, and with the engine to "
        f"{scientific(max(row[6] for row in rows))}. For the sum over {count:,} images, the gradient by hand and the engine's "
        f"have {row.digits('analytic', 'engine'):.0f} digits in common, and by hand and the complex step "
        f"{row.digits('analytic', 'complex step'):.0f}: {report.verdict}, verified to {scientific(row.resolution or np.nan)}."
    )
    article.metrics["gradient"] = {
        "verdict": str(report.verdict),
        "verified_to": row.resolution,
        "factors_within_bounds": all(row[5] for row in rows),
        "largest_difference_to_the_engine": max(row[6] for row in rows),
    }


def check_factor(f: Any, at: np.ndarray, factor: np.ndarray, rng: np.random.Generator) -> tuple[Any, ...]:
    """The shape of a factor, its slope by hand and by differences, the bound of these, and the distance to the engine."""
    inner = rng.normal(size=at.shape)
    outer = rng.normal(size=np.shape(f(at)))
    by_hand = float(np.sum(outer * np.tensordot(factor, inner, axes=at.ndim)))
    slope = tg.gradcheck.derivative(lambda x: np.sum(outer * f(x)), at, inner)
    distance = np.max(np.abs(tg.jacobian(f)(at) - factor))
    rounding = np.spacing(np.sum(np.abs(factor)) * np.max(np.abs(inner)))
    is_within = abs(by_hand - slope.value) <= slope.error + rounding
    return " × ".join(map(str, factor.shape)), by_hand, slope.value, slope.error, bool(is_within), float(distance)


# Training


def train(
    article: Article, setting: Setting, X: np.ndarray, X_test: np.ndarray, y: np.ndarray, y_test: np.ndarray
) -> None:
    steps = 60 if setting.quick else 1000
    article.section(f"{steps:,} steps of gradient descent")
    article.question(
        f"Split `load_digits` 75 % to 25 %, and run gradient descent for {steps:,} steps with learning rate "
        f"{LEARNING_RATE}, with stabilised softmax values. Plot the cross-entropy and the accuracy on both splits, and "
        "report the final test accuracy."
    )
    article.text(
        f"The {len(X):,} training and {len(X_test)} test images of 8 × 8 pixels are used as they come, with darkness from 0 "
        "to 16, drawn so that every digit is as frequent in both. The parameters start at 0. Stabilised means that the "
        "largest score is subtracted from all before they are exponentiated, which changes nothing but overflows:"
    )
    article.formula(
        r"p_c = \frac{e^{g_c - m}}{\sum_k e^{g_k - m}}\,, \quad m = \max_k g_k\,, \qquad "
        r"\theta \leftarrow \theta - 0.001\;\frac{\partial \mathcal{L}}{\partial \theta}"
    )
    article.text(
        r"The sheet's loss is the *sum* over all images. Its gradient is that of the *mean*, times the number of images: so "
        "the same learning rate makes two very different trainings, and here are both."
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
    article.text(
        f"At the start the mean loss curves by at most $\\lambda = {curvature:.0f}$ (the largest eigenvalue of its Hessian), "
        rf"and steps go down as long as the rate is below $2/\lambda = {2 / curvature:.4f}$. {LEARNING_RATE} is, so the mean "
        f"loss rose in {rises_mean} of {steps:,} steps. For the sum the bound is {len(X):,} times lower, "
        f"{scientific(2 / curvature / len(X))}, and the steps are {LEARNING_RATE * curvature * len(X) / 2:,.0f} times too "
        f"long: the cross-entropy leaps up to {max(total.loss['training']):.0f} nats per image, and rises in {len(rises)} "
        f"steps, the last of them number {rises[-1] + 1 if len(rises) else 0}. That this training gets anywhere is owed to "
        "the softmax, whose gradient is bounded, so that leaps are as well; far from the minimum it corrects wrong images "
        "only, as a perceptron does, until there is none left. Then it is sure of itself: where it is wrong on test images, "
        f"it is very wrong, and pays {total.loss['test'][-1]:.2f} nats per image where the mean pays "
        f"{mean.loss['test'][-1]:.2f}."
    )
    article.answer(
        f"The final test accuracy is *{total.accuracy['test'][-1]:.2%}* with the sum ({total.right['test'][-1]} of "
        f"{len(y_test)} images) and *{mean.accuracy['test'][-1]:.2%}* with the mean ({mean.right['test'][-1]}). With "
        f"{len(y_test)} images, 95 % intervals are {interval(total.right['test'][-1], len(y_test))} and "
        f"{interval(mean.right['test'][-1], len(y_test))}: the accuracies cannot be told apart, the cross-entropies can."
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
    "Cross-entropy (left, logarithmic) and accuracy (right) on both splits after every step, with the sum of the images' "
    "losses (above) and with their mean (below), for the same learning rate. The sum leaps until all training images are "
    "right; the mean descends without a leap."
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
        row[0].legend()
        row[1].legend(loc="lower right")
    for panel in axes[1]:
        panel.set(xlabel="step")
    return figure


def show_what_was_learned(article: Article, theta: np.ndarray, X_test: np.ndarray, y_test: np.ndarray) -> None:
    predicted = np.argmax(X_test @ theta[:-1] + theta[-1], axis=1)
    figure, axes = drawing.panels(width=5.4, height=5.0)
    axes.grid(False)
    tg.viz.plot_confusion_matrix(y_test, predicted, ax=axes)
    axes.set(xlabel="predicted digit", ylabel="true digit")
    article.figure("confusion", figure, "Which test images are taken for which digit, after training with the mean loss.")

    figure, axes = drawing.panels(2, 5, width=1.65, height=1.75)
    limit = np.max(np.abs(theta[:-1]))
    for digit, panel in enumerate(axes.ravel()):
        weights = theta[:-1, digit].reshape(8, 8)
        shown = drawing.image(panel, weights, f"digit {digit}", cmap=drawing.DIVERGING, vmin=-limit, vmax=limit)
    figure.colorbar(shown, ax=axes, label="weight (score per unit of darkness)", shrink=0.9)
    wrong = [(int(np.sum((y_test == a) & (predicted == b))), a, b) for a in range(10) for b in range(10) if a != b]
    count, true, taken = max(wrong)
    article.figure(
        "weights",
        figure,
        "The weights of every digit as an image, after training with the mean loss: ink on red speaks for the digit, on blue "
        "against it. They contrast each digit with those that are like it, and are not pictures of it.",
    )
    article.metrics["confusion"] = {"wrong": sum(n for n, *_ in wrong), "most_often": [true, taken, count]}


# Other ways to the same


def compare(article: Article, X: np.ndarray, X_test: np.ndarray, y: np.ndarray, y_test: np.ndarray) -> None:
    article.section("By hand, by the engine, and by scikit-learn")
    article.question("Do the gradient by hand, the engine's and scikit-learn lead to the same model?")
    article.text(
        "`layered.SoftmaxRegression` is the same model composed of `tg.nn` layers, with no derivative written by hand. Both "
        "were trained side by side above, step by step. scikit-learn has no such steps, and looks for the minimum; without "
        "a penalty there is none here, since the images can be told apart, so that all three get the same one:"
    )
    article.formula(rf"\mathcal{{L}} + \frac{{1}}{{2C}} \sum_{{c}}\sum_{{j \geq 1}} (\theta_j^{{(c)}})^2\,, \quad C = {C:g}")
    models = {
        "by hand, L-BFGS": SoftmaxRegression(C=C, tol=1e-6, max_iter=5000),
        "by hand, Newton": SoftmaxRegression(C=C, solver="newton", tol=1e-6),
        "layers and the engine, L-BFGS": layered.SoftmaxRegression(C=C, tol=1e-6, max_iter=5000),
        "scikit-learn, L-BFGS": sklearn.linear_model.LogisticRegression(C=C, tol=1e-6, max_iter=5000),
    }
    objective = SoftmaxRegression(C=C)
    probabilities, rows = {}, []
    for name, model in models.items():
        model.fit(X, y)
        probabilities[name] = model.predict_proba(X_test)
        theta = np.vstack((model.coef_.T, model.intercept_))
        right = int(np.sum(model.predict(X_test) == y_test))
        rows.append([name, objective.loss(theta, X, y), log_loss(y_test, probabilities[name]), right / len(y_test)])
    reference = probabilities["scikit-learn, L-BFGS"]
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
        f"Yes. After {article.metrics['steps']:,} steps from the same start, no parameter of the engine's model is farther than "
        f"{scientific(differences[0])} (sum) or {scientific(differences[1])} (mean) from the one by hand; at the minimum, no "
        f"probability of a test image is farther than {scientific(max(row[4] for row in rows))} from scikit-learn's."
    )
    article.metrics["side_by_side"] = {
        row[0]: dict(zip(("objective", "test_loss", "test_accuracy", "difference"), row[1:], strict=True)) for row in rows
    }


# Layers


def add_layers(
    article: Article, setting: Setting, X: np.ndarray, X_test: np.ndarray, y: np.ndarray, y_test: np.ndarray
) -> None:
    article.section("What layers add")
    article.question("What do a multilayer perceptron and a convolutional network, composed of layers, reach on the same split?")
    epochs = 3 if setting.quick else 60
    nn, rng = tg.nn, setting.rng("layers")
    models = {
        "perceptron": nn.Sequential(nn.Linear(64, 128, rng=rng), nn.ReLU(), nn.Linear(128, 10, rng=rng)),
        "convolutional": nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1, rng=rng),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1, rng=rng),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Dropout(0.25, rng=rng),
            nn.Linear(128, 10, rng=rng),
        ),
    }
    article.text(
        f"Both are trained for {epochs} epochs by Adam with minibatches of 64 images, pixels scaled to 0 to 1. Their sizes and "
        "rates were set beforehand: the test images are looked at, epoch by epoch, for the curves only, and choose nothing."
    )
    article.code("\n\n".join(f"{name}: {model}" for name, model in models.items()))
    histories, rows = {}, []
    for name, model in models.items():
        shape = (-1, 1, 8, 8) if name == "convolutional" else (-1, 64)
        images, test_images = (pixels.reshape(shape) / 16 for pixels in (X, X_test))
        histories[name] = fit(model, (images, y), (test_images, y_test), epochs, setting, name)
        right = int(np.sum(predict(model, test_images) == y_test))
        size = sum(parameter.size for parameter in model.parameters())
        rows.append([name, size, histories[name]["test"][-1], right / len(y_test), right, interval(right, len(y_test))])
    linear = article.metrics["mean"]
    right = round(linear["test_accuracy"] * len(y_test))
    first = ["softmax regression", 650, linear["test_loss"], linear["test_accuracy"], right, interval(right, len(y_test))]
    article.table(
        "layers",
        [first, *rows],
        ["model", "parameters", "cross-entropy (test)", "accuracy (test)", "images right", "95 % interval of the accuracy"],
        "The linear model after its steps with the mean loss, and what layers add; intervals by Clopper and Pearson.",
        formats={"accuracy (test)": ".2%"},
    )
    figure, axes = drawing.panels(1, 2, width=4.4, height=3.1, sharey=True)
    for panel, (name, history) in zip(axes, histories.items(), strict=True):
        for split, values in history.items():
            panel.plot(range(1, epochs + 1), values, label=split, **drawing.SPLITS[split])
        panel.set(yscale="log", xlabel="epoch", title=f"{name} network")
        panel.legend()
    axes[0].set(ylabel="cross-entropy (nats per image)")
    article.figure("layers_curves", figure, "Cross-entropy of both networks on both splits after every epoch (logarithmic).")
    best = max(rows, key=lambda row: row[3])
    article.answer(
        f"The {rows[0][0]} gets {rows[0][3]:.2%} of the test images right, the {rows[1][0]} network {rows[1][3]:.2%}, where the "
        f"linear model gets {first[3]:.2%}. The {best[0]} network makes {len(y_test) - best[4]} errors in place of "
        f"{len(y_test) - right}."
    )
    article.metrics["layers"] = {row[0]: {"parameters": row[1], "test_loss": row[2], "test_accuracy": row[3]} for row in rows}


def fit(model: Any, data: Any, test: Any, epochs: int, setting: Setting, name: str) -> dict[str, list[float]]:
    """Train, and measure the cross-entropy of both splits after every epoch."""
    losses: dict[str, list[float]] = {"training": [], "test": []}
    bar = setting.progress(desc=name, total=epochs)

    def measure(_: Any) -> None:
        for split, (images, labels) in (("training", data), ("test", test)):
            with tg.no_grad():
                losses[split].append(float(tg.functional.cross_entropy(outputs(model, images), labels).item()))
        bar.update()

    optimizer = tg.optim.Adam(model.parameters(), lr=3e-3)
    loss = tg.nn.CrossEntropyLoss()
    tg.training.fit(
        model, loss, optimizer, data, epochs=epochs, batch_size=64, callbacks=measure, rng=setting.rng(name), progress=False
    )
    bar.close()
    return losses


def outputs(model: Any, images: np.ndarray) -> Any:
    model.eval()
    with tg.no_grad():
        scores = model(images)
    model.train()
    return scores


def predict(model: Any, images: np.ndarray) -> np.ndarray:
    return np.argmax(outputs(model, images), axis=1)


def interval(right: int, total: int) -> str:
    """The 95 % confidence interval of an accuracy."""
    low, high = binomtest(right, total).proportion_ci()
    return f"{low:.1%} to {high:.1%}"
