"""The gradient audit: every model and layer before three witnesses, their own errors, and a bug that is found."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
from tinygrad_ml.models import check

from .. import Article, Setting, drawing
from ..article import scientific
from .layers import LAYERS, LOSSES, check_layer
from .planted_bug import plant_a_bug
from .step_sizes import draw_step_sizes

TITLE = "A gradient audit"

ENGINE, COMPLEX_STEP = "engine", "complex step"


def run(setting: Setting) -> Article:
    article = Article(setting, TITLE)
    article.text(
        "A wrong gradient rarely announces itself: training goes on, only worse. So every derivative here has to "
        "answer before three witnesses that know nothing of each other: the *engine* walks back through the recorded "
        "operations; the *complex step* evaluates the function a tiny step off the real line; *finite differences* "
        "evaluate it on both sides, at steps that are chosen for the function, and come with a bound of their error. "
        "A model with a gradient derived *by hand* brings that as the one to be checked."
    )
    audit_models(article, setting)
    audit_layers(article, setting)
    draw_step_sizes(article, setting)
    plant_a_bug(article, setting)
    return article


# Every model


def audit_models(article: Article, setting: Setting) -> None:
    article.section("Every model")
    article.question("Are the gradients and Hessians that the models derive by hand right?")
    article.text(
        "Each model is checked at random data, weights of samples and parameters, in several settings: its gradient, "
        "the product of its Hessian with a vector, and, where it has one, its Hessian. A Hessian times a vector is "
        "the gradient of the slope along that vector, so that the same witnesses can be heard:"
    )
    article.formula(
        r"H v = \frac{\partial}{\partial \theta}\,\left( v^\top \frac{\partial \mathcal{L}}{\partial \theta}\right)"
    )
    cases = [case for name in check.MODELS for case in check.cases(name)]
    rows, disagreements = [], []
    for case in setting.progress(cases[:: 3 if setting.quick else 1], "models"):
        report = check.check_case(case, setting.random_state("models"))
        heard = [row for row in report.rows if row.trace is not None]
        digits = {pair: min(row.digits(*pair) for row in heard) for pair in combinations(check.EXACT, 2)}
        disagreements.append(10 ** -min(digits.values()))
        rows.append(
            [
                f"`{case.title}`",
                len(report.rows),
                digits["analytic", ENGINE],
                digits["analytic", COMPLEX_STEP],
                max(row.resolution or np.nan for row in heard),
                str(report.verdict),
            ]
        )
    article.table(
        "models",
        rows,
        ["model", "derivatives", "digits: by hand, engine", "digits: by hand, complex step", "verified to", "verdict"],
        "The models by hand. Digits are those in common with the engine and with the complex step, of 16 at most, in "
        "the worst row; verified to is the relative error that finite differences would have seen.",
        formats={"digits: by hand, engine": ".1f", "digits: by hand, complex step": ".1f", "verified to": ".0e"},
    )
    passed = sum(row[-1] == "PASS" for row in rows)
    article.answer(
        f"{passed} of {len(rows)} models pass with all their derivatives: by hand, by the engine and by the complex "
        f"step there is no difference above {scientific(max(disagreements))}, and finite differences object to "
        "nothing."
    )
    article.metrics["models"] = {"checked": len(rows), "passed": passed, "largest_disagreement": max(disagreements)}


# Every layer


def audit_layers(article: Article, setting: Setting) -> None:
    article.section("Every layer and loss")
    names = [*LAYERS, "Embedding", *LOSSES]
    article.question(
        f"Are the gradients of all {len(names)} layers and losses right, by their parameters and by their inputs?"
    )
    rows = []
    for name in setting.progress(names[:: 6 if setting.quick else 1], "layers"):
        report = check_layer(name, setting)
        distances = [distance(row) for row in report.rows]
        resolution = max(row.resolution or np.nan for row in report.rows)
        rows.append(
            [f"`{name}`", len(report.rows), max(distances), resolution, report.evaluations, str(report.verdict)]
        )
    article.table(
        "layers",
        rows,
        ["layer", "gradients", "engine to complex step", "verified to", "evaluations", "verdict"],
        "Layers and losses. The relative distance between the engine and the complex step, and the relative error "
        "that finite differences would have seen, both of the gradient for which they are largest.",
        formats={"engine to complex step": ".0e", "verified to": ".0e"},
    )
    article.figure("layers", draw_layers(rows), LAYERS_CAPTION)
    passed = sum(row[-1] == "PASS" for row in rows)
    article.answer(
        f"{passed} of {len(rows)} pass, with {sum(row[1] for row in rows)} gradients. The engine and the complex "
        f"step are at most {scientific(max(row[2] for row in rows))} apart, and every error above "
        f"{scientific(max(row[3] for row in rows))} would have been seen by finite differences too."
    )
    article.metrics["layers"] = {
        "checked": len(rows),
        "passed": passed,
        "largest_distance": max(row[2] for row in rows),
        "verified_to": max(row[3] for row in rows),
    }


def distance(row: Any) -> float:
    """The relative distance between the engine and the complex step."""
    return float(10 ** -row.digits(ENGINE, COMPLEX_STEP)) if COMPLEX_STEP in row.witnesses else np.nan


LAYERS_CAPTION = (
    "How far the witnesses are apart, layer by layer (logarithmic). The engine and the complex step (filled) agree "
    "to the last digits of double precision. Finite differences have fewer digits: errors larger than these (open) "
    "they would have seen."
)


def draw_layers(rows: list[list[Any]]) -> Any:
    figure, axes = drawing.panels(width=7.0, height=1.2 + 0.19 * len(rows))
    places = np.arange(len(rows))
    exact, differences = drawing.styles(2)
    least = 2.0**-53
    axes.plot(
        np.maximum([row[2] for row in rows], least), places, **exact | {"linestyle": ""}, label="engine to complex step"
    )
    axes.plot(
        [row[3] for row in rows],
        places,
        **differences | {"linestyle": "", "markerfacecolor": "white"},
        label="what finite differences would see",
    )
    axes.axvline(2.0**-52, color="0.4", linewidth=1, linestyle=":", label="last digit of double precision")
    axes.set(xscale="log", xlabel="relative distance", xlim=(least / 2, None), ylim=(len(rows) - 0.4, -0.6))
    axes.set_yticks(places, [row[0].strip("`") for row in rows])
    figure.legend(loc="outside upper center", ncols=3, fontsize=8.5)
    return figure
