"""The error of finite differences and of the complex step against their step: a part of `gradients`."""

from __future__ import annotations

from typing import Any

import numpy as np
from tinygrad_ml.models import SoftmaxRegression

import tinygrad_ml as tg

from .. import Article, Setting, drawing
from ..article import scientific


def textbook(x: Any) -> Any:
    """The function of Squire and Trapp (1998), on which the complex step was introduced."""
    return np.exp(x) / np.sqrt(np.sin(x) ** 3 + np.cos(x) ** 3)


def slope_of_textbook(x: Any) -> Any:
    s, c = np.sin(x), np.cos(x)
    cubes = s**3 + c**3
    return np.exp(x) / np.sqrt(cubes) * (1 - 1.5 * (s**2 * c - c**2 * s) / cubes)


def forward(f: Any, x: float, h: float) -> float:
    return (f(x + h) - f(x)) / h


def central(f: Any, x: float, h: float) -> float:
    return (f(x + h) - f(x - h)) / (2 * h)


def extrapolated(f: Any, x: float, h: float) -> float:
    return (4 * central(f, x, h / 2) - central(f, x, h)) / 3


def complex_step(f: Any, x: float, h: float) -> float:
    return float(np.imag(f(x + 1j * h)) / h)


METHODS = {
    "forward": (forward, 1, "$(f(x + h) - f(x))\\,/\\,h$"),
    "central": (central, 2, "$D_h = (f(x + h) - f(x - h))\\,/\\,2h$"),
    "extrapolated": (extrapolated, 4, "$(4 D_{h/2} - D_h)\\,/\\,3$"),
    "complex step": (complex_step, 2, "$\\mathrm{Im}\\,f(x + ih)\\,/\\,h$"),
}


def draw_step_sizes(article: Article, setting: Setting) -> None:
    article.section("The step of a finite difference")
    article.question("How good is a numerical derivative, and which step should it take?")
    article.text(
        "Large steps err by what they cut off of Taylor's series, small steps by the rounding of $f$, which is divided "
        "by $h$; between them, the error has a valley like a V. With a rounding error $\\epsilon$ of $f$ and a formula "
        "of order $q$:"
    )
    article.formula(
        r"|\mathrm{error}| \approx a\,h^{q} + \frac{\epsilon}{h}\,, \qquad h_{\mathrm{best}} \sim "
        r"\epsilon^{1/(q+1)}\,, \qquad |\mathrm{error}|_{\mathrm{best}} \sim \epsilon^{q/(q+1)}",
        r"\mathrm{Im}\,f(x + i h) = h f'(x) - \frac{h^3}{6} f'''(x) + \ldots",
    )
    article.text(
        "The complex step subtracts nothing, so nothing cancels, and its step can be as small as one likes. It needs "
        "a function that is analytic and written without `abs` and comparisons of the imaginary part."
    )
    steps = 10.0 ** np.arange(-0.5, -20.001, -0.5 if setting.quick else -0.125)
    exact = float(slope_of_textbook(np.longdouble(1.5)))
    loss, slope = loss_along_a_line(setting)
    subjects = {
        r"$e^x / \sqrt{\sin^3 x + \cos^3 x}$ at $x = 1.5$": (textbook, 1.5, exact),
        "softmax loss of digits along a line": (loss, 0.0, slope),
    }
    figure, panels = drawing.panels(1, 2, width=4.7, height=3.9, sharey=True)
    rows, found, aside = [], {}, {}
    for panel, (title, (f, x, truth)) in zip(panels, subjects.items(), strict=True):
        for (name, (method, order, formula)), style in zip(METHODS.items(), drawing.styles(4), strict=True):
            errors = np.array([abs(method(f, x, h) - truth) / abs(truth) for h in steps])
            best = int(np.argmin(errors))
            if f is textbook:
                if method is not complex_step:
                    aside[name] = [abs(method(f, x, c * steps[best]) - truth) / abs(truth) for c in (100, 1 / 100)]
                rows.append([name, formula, order, steps[best], 2.0 ** (-53 / (order + 1)), errors[best]])
            panel.loglog(steps, np.maximum(errors, 1e-17), label=name, markevery=8, markersize=4, **style)
        answer = tg.gradcheck.derivative(f, x)
        found[title] = abs(answer.value - truth) / abs(truth), answer.error / abs(truth), answer.evaluations
        panel.axhline(max(found[title][0], 1e-17), color="0.35", linewidth=1.2, label="tg.gradcheck.derivative")
        panel.set(title=title, xlabel="step $h$", xlim=(steps[-1], steps[0]), ylim=(4e-18, 30))
    panels[0].set(ylabel="relative error of the derivative")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    article.figure(
        "steps",
        figure,
        "The relative error of four formulas against the step, for a textbook function (left) and for the loss of a "
        "model along a line in its parameters (right), both logarithmic; what is exact is drawn at 1e-17. Finite "
        "differences have a valley, the complex step has none. The line is the answer of `tg.gradcheck.derivative`, "
        "which has no step to choose.",
    )
    rows[-1][4] = None
    article.table(
        "steps",
        rows,
        ["formula", "slope", "order", "best step", "best step by theory", "error there"],
        "The textbook function: where the least error was found, and where theory expects it for $\\epsilon = 2^{-53}$ "
        "and $a = 1$. For the complex step every step below a point will do.",
        formats=dict.fromkeys(("best step", "best step by theory", "error there"), ".0e"),
    )
    error, bound, evaluations = found[next(iter(found))]
    by_name = {row[0]: row[5] for row in rows}
    too_long, too_short = (", ".join(scientific(errors[k], 1) for errors in aside.values()) for k in (0, 1))
    article.answer(
        f"At its best step, the forward difference errs by {scientific(by_name['forward'])}, the central one by "
        f"{scientific(by_name['central'])}, the extrapolated one by {scientific(by_name['extrapolated'])}; a step a "
        f"hundred times as long makes these {too_long}, and one a hundred times as short {too_short}. The complex step "
        "is right to the last digits for all small steps. Where it cannot be used, `tg.gradcheck.derivative` "
        f"extrapolates from many steps: here it errs by {scientific(error)}, promises {scientific(bound)}, and takes "
        f"{evaluations} evaluations."
    )
    article.metrics["steps"] = {row[0]: {"best_step": row[3], "error": row[5]} for row in rows}
    article.metrics["derivative"] = {"error": error, "bound": bound, "evaluations": evaluations}


def loss_along_a_line(setting: Setting) -> tuple[Any, float]:
    """The loss of softmax regression on digits as a function of one number, and its slope at 0 by hand."""
    rng, model = setting.rng("line"), SoftmaxRegression()
    X, y = tg.data.load_digits()
    X, y = X[:200], y[:200]
    theta, direction = rng.normal(scale=0.3, size=(65, 10)), rng.normal(scale=0.3, size=(65, 10))
    slope = float(np.sum(model.gradient(theta, X, y) * direction))
    return lambda t: model.loss(theta + t * direction, X, y), slope
