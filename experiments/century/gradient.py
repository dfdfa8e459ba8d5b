"""Prediction, cost and its derivative as the sheet's question 2 asks for them, and whether the derivative is right."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import numpy as np
from scipy.special import expit
from tinygrad_ml.models import LogisticRegression

import tinygrad_ml as tg

from ..article import Article, scientific
from ..drawing import panels, styles
from ..setting import Setting
from .songs import Songs

Array = np.ndarray


def pred(w: Array, b: float, X: Array) -> Array:
    """The probability that each song is of this century.

    >>> pred(np.zeros(90), 1, np.ones([2, 90]))
    array([0.73105858, 0.73105858])
    """
    return expit(X @ w + b)


def cost(w: Array, b: float, X: Array, t: Array) -> float:
    """The mean cross-entropy, from z rather than from y: no logarithm of a y that was rounded to 0 or 1.

    >>> round(float(cost(np.zeros(90), 1, np.ones([2, 90]), np.array([1, 1]))), 6)
    0.313262
    """
    return np.mean(np.logaddexp(0, (1 - 2 * t) * (X @ w + b)))


def derivative_cost(X: Array, y: Array, t: Array) -> tuple[Array, float]:
    """The derivatives of the cost by w and by b.

    >>> X, t = np.ones([2, 90]), np.array([1, 1])
    >>> dw, db = derivative_cost(X, pred(np.zeros(90), 1, X), t)
    >>> dw.shape, round(db, 7)
    ((90,), -0.2689414)
    """
    return (y - t) @ X / len(t), float(np.mean(y - t))


def differences(f: Callable[[Array], float], theta: Array, h: float, is_central: bool = False) -> Array:
    """The derivatives of f by each number of `theta`, from differences of its values."""
    out = np.empty(len(theta))
    for i in range(len(theta)):
        step = np.zeros(len(theta))
        step[i] = h
        out[i] = (f(theta + step) - f(theta - step)) / (2 * h) if is_central else (f(theta + step) - f(theta)) / h
    return out


def report(article: Article, setting: Setting, songs: Songs) -> None:
    """Parts (a) to (d) of question 2."""
    article.question("2 (a) Write `pred`, the prediction of logistic regression, $y = \\sigma(w^T x + b)$.")
    article.code(source(pred))
    article.text("The example of the sheet, $w = 0$, $b = 1$ and two rows of ones:")
    ones, both_new = np.ones((2, 90)), np.array([1.0, 1.0])
    found = pred(np.zeros(90), 1, ones)
    article.code(f">>> pred(np.zeros(90), 1, np.ones([2, 90]))\n{found!r}")
    article.answer(
        f"Both rows get {found[0]:.8f}, as printed on the sheet: that is $\\sigma(1)$, since $w = 0$ and $b = 1$ make "
        "$z = 1$."
    )
    far = 40.0
    by_the_sheet = -np.log(1 - expit(far) + 1e-15)
    article.text(
        "The cost is the mean cross-entropy. The sheet computes it from $y$, with $10^{-15}$ added inside the "
        "logarithms; but $y$ rounds to 1 from $z = 37$ on, and then that number is all that is left. A song of the "
        f"last century with $z = {far:.0f}$ costs ${far:.0f}$, and that formula says {by_the_sheet:.2f}, with a "
        "derivative of zero. Written in $z$, the same function is exact everywhere:"
    )
    article.formula(r"L(w, b) = \frac{1}{N} \sum_{n=1}^N \log(1 + e^{z_n}) - t_n z_n, \qquad z_n = w^T x_n + b")
    article.code(source(cost))

    article.question("2 (b) Write `derivative_cost`, the derivatives of the cost by $w$ and $b$.")
    article.text("By the chain rule, with $y_n = \\sigma(z_n)$ in between,")
    article.formula(
        r"\frac{\partial L}{\partial y_n} = \frac{1}{N} \frac{y_n - t_n}{y_n (1 - y_n)}, \qquad "
        r"\frac{\partial y_n}{\partial z_n} = y_n (1 - y_n), \qquad "
        r"\frac{\partial z_n}{\partial w} = x_n, \qquad \frac{\partial z_n}{\partial b} = 1",
        r"\frac{\partial L}{\partial w} = \frac{1}{N} \sum_{n=1}^N (y_n - t_n) x_n, \qquad "
        r"\frac{\partial L}{\partial b} = \frac{1}{N} \sum_{n=1}^N (y_n - t_n)",
    )
    article.text("The factor $y_n (1 - y_n)$ cancels, so nothing is divided by a number that may be zero.")
    article.code(source(derivative_cost))
    dw, db = derivative_cost(ones, found, both_new)
    article.answer(
        "The code is the formula, for all songs at once. For the example of the sheet the derivative by $b$ is "
        f"${db:.7f}$, and those by the {len(dw)} weights are ${dw.min():.7f}$ to ${dw.max():.7f}$: all features of the "
        "example are 1, as if each were a bias."
    )

    article.question("2 (c), (d) Show by finite differences that both derivatives are right.")
    rng = setting.rng("gradient")
    few = slice(0, 100)
    theta = rng.random(91)
    cases = {
        "example": (np.append(np.zeros(90), 1.0), ones, both_new, 1e-5),
        "one song": (theta, songs.train.X[:1], songs.train.t[:1], 1e-9),
        "one song, h larger": (theta, songs.train.X[:1], songs.train.t[:1], 1e-5),
        "100 songs": (theta, songs.train.X[few], songs.train.t[few], 1e-5),
    }
    rows, checks = [], {}
    for name, (at, X, t, h) in cases.items():

        def loss(theta: Array, X: Array = X, t: Array = t) -> float:
            return cost(theta[:-1], theta[-1], X, t)

        dw, db = derivative_cost(X, pred(at[:-1], at[-1], X), t)
        ours = np.append(dw, db)
        forward, central = differences(loss, at, h), differences(loss, at, h, is_central=True)
        by_engine = tg.grad(loss)(at)
        by_model = LogisticRegression().gradient(at, X, t)
        rows.append(
            [
                name.partition(",")[0],
                h,
                db,
                forward[-1],
                *(np.max(np.abs(ours - g)) for g in (forward, central, by_engine)),
            ]
        )
        checks[name] = {
            "db": db,
            "db_forward": forward[-1],
            "db_error": abs(db - forward[-1]),
            "worst_error": np.max(np.abs(ours - forward)),
            "worst_error_to_engine": np.max(np.abs(ours - by_engine)),
            "worst_error_to_model": np.max(np.abs(ours - by_model)),
            "verdict": tg.gradcheck.check_gradient(loss, at, gradient=ours, rng=int(rng.integers(2**31))).verdict.value,
        }
    article.table(
        "gradient_check",
        rows,
        ["data", "h", "db", "differences", "forward", "central", "engine"],
        "The derivative by $b$ beside its forward difference, and the largest deviation over all 91 derivatives from "
        "forward differences, from central differences, and from the derivative by `tinygrad_ml.grad`, which "
        "differentiates `cost` as it stands. Songs with random $w$ and $b$ from 0 to 1, as on the sheet.",
        {"h": ".0e", "db": ".7f", "differences": ".7f", "forward": ".0e", "central": ".0e", "engine": ".0e"},
    )

    _, X, t, _ = cases["100 songs"]
    steps = np.logspace(-12, -1, 23)
    dw, db = derivative_cost(X, pred(theta[:-1], theta[-1], X), t)

    def loss_of_100(theta: Array) -> float:
        return cost(theta[:-1], theta[-1], X, t)

    figure, axes = panels(width=5.6)
    for label, is_central, style in zip(("forward", "central"), (False, True), styles(2), strict=True):
        errors = [np.max(np.abs(differences(loss_of_100, theta, h, is_central) - np.append(dw, db))) for h in steps]
        axes.loglog(steps, errors, label=label, markersize=4, **style)
    for h, where in ((1e-5, "(c)"), (1e-9, "(d)")):
        axes.axvline(h, color="0.45", linestyle=":", linewidth=1)
        axes.text(h, 0.98, f" sheet {where}", transform=axes.get_xaxis_transform(), va="top", fontsize=8, color="0.3")
    axes.set(xlabel="step h", ylabel="largest error of 91 derivatives")
    axes.legend(loc="lower left")
    article.figure(
        "difference_steps",
        figure,
        "Error of finite differences for 100 songs against the step. To the left rounding errors decide, which grow "
        "as 1/h, to the right the neglected terms, which grow as h (forward) and $h^2$ (central). Dotted: the steps of "
        "the sheet.",
    )
    example = checks["example"]
    verdicts = {check["verdict"] for check in checks.values()}
    worst_engine = max(check["worst_error_to_engine"] for check in checks.values())
    article.answer(
        f"In the sheet's example `derivative_cost` says db = ${example['db']:.7f}$ and the forward difference "
        f"${example['db_forward']:.7f}$; they are {scientific(example['db_error'])} apart, as much as a step of "
        f"$10^{{-5}}$ neglects (h/2 times the second derivative, {scientific(5e-6 * expit(1) * expit(-1))}). With the "
        f"sheet's step of $10^{{-9}}$ on one song, rounding leaves {scientific(checks['one song']['worst_error'], 1)}. "
        f"No step is needed to tell: the engine's derivative of `cost` agrees to {scientific(worst_engine, 1)}, and "
        + (
            "`gradcheck.check_gradient`, which bounds the errors of its differences, answers "
            f"{verdicts.pop()} in all {len(checks)} cases."
            if len(verdicts) == 1
            else f"`gradcheck.check_gradient` answers {', '.join(check['verdict'] for check in checks.values())}."
        )
    )
    article.metrics["gradient_checks"] = checks


def source(function: Callable[..., object]) -> str:
    """The code of a function without its docstring."""
    head, _, body = inspect.getsource(function).split('"""')
    return head.rstrip() + "\n" + body.strip("\n")
