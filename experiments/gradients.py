"""The gradient audit: every model and every layer before three witnesses, their own errors, and a bug that is found."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np

import tinygrad_ml as tg
from tinygrad_ml import nn
from tinygrad_ml.models import check

from . import Article, Setting, drawing
from .article import scientific

TITLE = "A gradient audit"

ENGINE, COMPLEX_STEP = "engine", "complex step"


def run(setting: Setting) -> Article:
    article = Article(setting, TITLE)
    article.text(
        "A wrong gradient rarely announces itself: training goes on, only worse. So every derivative here has to answer "
        "before three witnesses that know nothing of each other: the *engine* walks back through the recorded operations; "
        "the *complex step* evaluates the function a tiny step off the real line; *finite differences* evaluate it on both "
        "sides, at steps that are chosen for the function, and come with a bound of their error. A model with a gradient "
        "derived *by hand* brings that as the one to be checked."
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
        "Each model is checked at random data, weights of samples and parameters, in several settings: its gradient, the "
        "product of its Hessian with a vector, and, where it has one, its Hessian. A Hessian times a vector is the gradient "
        "of the slope along that vector, so that the same witnesses can be heard:"
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
                f"`{' '.join(repr(case.model).split())}`",
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
        "The models by hand. Digits are those in common with the engine and with the complex step, of 16 at most, in the "
        "worst row; verified to is the relative error that finite differences would have seen.",
        formats={"digits: by hand, engine": ".1f", "digits: by hand, complex step": ".1f", "verified to": ".0e"},
    )
    passed = sum(row[-1] == "PASS" for row in rows)
    article.answer(
        f"{passed} of {len(rows)} models pass with all their derivatives: by hand, by the engine and by the complex step "
        f"there is no difference above {scientific(max(disagreements))}, and finite differences object to nothing."
    )
    article.metrics["models"] = {"checked": len(rows), "passed": passed, "largest_disagreement": max(disagreements)}


# Every layer


class Audited(nn.Module):
    """A layer behind a factor for each number of its input, so that the gradient by the input is checked with the rest."""

    def __init__(self, layer: Any, shape: tuple[int, ...], call: Callable[..., Any]) -> None:
        self.input = nn.Parameter(np.ones(shape))
        self.layer = layer
        self.call = call

    def forward(self, x: Any, *more: Any) -> Any:
        return self.call(self.layer, x * self.input, *more)


def plainly(layer: Any, *inputs: Any) -> Any:
    return layer(*inputs)


def first(layer: Any, x: Any) -> Any:
    """Of recurrent layers, the outputs of all times."""
    return layer(x)[0]


def to_itself(attention: Any, x: Any) -> Any:
    return attention(x, x, x)[0]


def mean_sine(out: Any) -> Any:
    """A loss of which no normalization takes the slope."""
    return np.mean(np.sin(2 * out))


#: Of each layer: how it is made, the shape of its input, and how it is called.
LAYERS: dict[str, tuple[Callable[[Any], Any], tuple[int, ...], Callable[..., Any]]] = {
    **{
        name: (lambda rng, name=name: getattr(nn, name)(), (4, 3), plainly)
        for name in ("ReLU", "LeakyReLU", "ELU", "GELU", "SiLU", "Sigmoid", "Tanh", "Softplus", "Identity", "Flatten")
    },
    "Softmax": (lambda rng: nn.Softmax(-1), (4, 3), plainly),
    "LogSoftmax": (lambda rng: nn.LogSoftmax(-1), (4, 3), plainly),
    "Linear": (lambda rng: nn.Linear(3, 2, rng=rng), (4, 3), plainly),
    "Sequential": (
        lambda rng: nn.Sequential(nn.Linear(3, 4, rng=rng), nn.Tanh(), nn.Linear(4, 2, rng=rng)),
        (4, 3),
        plainly,
    ),
    "Conv1d": (lambda rng: nn.Conv1d(2, 3, 2, stride=2, padding=1, rng=rng), (2, 2, 5), plainly),
    "Conv2d": (lambda rng: nn.Conv2d(2, 4, (2, 3), padding="same", groups=2, rng=rng), (2, 2, 4, 4), plainly),
    "MaxPool2d": (lambda rng: nn.MaxPool2d(2), (2, 1, 4, 4), plainly),
    "AvgPool2d": (lambda rng: nn.AvgPool2d(2, padding=1), (2, 1, 4, 4), plainly),
    "BatchNorm1d": (lambda rng: nn.BatchNorm1d(3), (5, 3), plainly),
    "BatchNorm2d": (lambda rng: nn.BatchNorm2d(2), (3, 2, 2, 2), plainly),
    "LayerNorm": (lambda rng: nn.LayerNorm((2, 3)), (4, 2, 3), plainly),
    "Dropout": (lambda rng: nn.Dropout(0.4, rng=rng), (4, 3), plainly),
    "RNN": (lambda rng: nn.RNN(2, 3, rng=rng), (4, 2, 2), first),
    "GRU": (lambda rng: nn.GRU(2, 3, rng=rng), (4, 2, 2), first),
    "LSTM": (lambda rng: nn.LSTM(2, 3, rng=rng), (4, 2, 2), first),
    "MultiheadAttention": (lambda rng: nn.MultiheadAttention(4, 2, rng=rng), (3, 2, 4), to_itself),
    "TransformerEncoderLayer": (
        lambda rng: nn.TransformerEncoderLayer(4, 2, 6, dropout=0.2, rng=rng),
        (3, 2, 4),
        plainly,
    ),
}
#: Of each loss: the shape of its input, and a target.
LOSSES: dict[str, tuple[tuple[int, ...], Callable[[Any], Any]]] = {
    "CrossEntropyLoss": ((5, 3), lambda rng: rng.integers(3, size=5)),
    "NLLLoss": ((5, 3), lambda rng: rng.integers(3, size=5)),
    "BCELoss": ((5,), lambda rng: rng.random(5)),
    "BCEWithLogitsLoss": ((5,), lambda rng: rng.random(5)),
    "KLDivLoss": ((5, 3), lambda rng: rng.dirichlet(np.ones(3), 5)),
    "HingeLoss": ((5,), lambda rng: rng.choice([-1.0, 1.0], 5)),
    "CosineEmbeddingLoss": ((5, 3), lambda rng: rng.choice([-1.0, 1.0], 5)),
    **{
        name: ((5, 2), lambda rng: rng.normal(size=(5, 2)))
        for name in ("MSELoss", "L1Loss", "SmoothL1Loss", "HuberLoss")
    },
}


def layer_report(name: str, setting: Setting) -> Any:
    """What the witnesses say of a layer at a random input."""
    rng, seed = setting.rng(name), setting.random_state(name)
    if name == "Embedding":
        return tg.gradcheck.check_module(nn.Embedding(5, 2, rng=rng), mean_sine, rng.integers(5, size=(3, 2)), rng=seed)
    if name in LAYERS:
        make, shape, call = LAYERS[name]
        return tg.gradcheck.check_module(Audited(make(rng), shape, call), mean_sine, rng.normal(size=shape), rng=seed)
    shape, draw = LOSSES[name]
    loss, target = getattr(nn, name)(), draw(rng)
    x = rng.uniform(0.1, 0.9, shape) if name == "BCELoss" else rng.normal(size=shape)
    if name == "CosineEmbeddingLoss":
        other = rng.normal(size=shape)
        return tg.gradcheck.check_module(
            Audited(loss, shape, lambda loss, x: loss(x, other, target)), np.sum, x, rng=seed
        )
    return tg.gradcheck.check_module(Audited(nn.Identity(), shape, plainly), loss, x, target, rng=seed)


def audit_layers(article: Article, setting: Setting) -> None:
    article.section("Every layer and loss")
    names = [*LAYERS, "Embedding", *LOSSES]
    article.question(
        f"Are the gradients of all {len(names)} layers and losses right, by their parameters and by their inputs?"
    )
    rows = []
    for name in setting.progress(names[:: 6 if setting.quick else 1], "layers"):
        report = layer_report(name, setting)
        distances = [distance(row) for row in report.rows]
        resolution = max(row.resolution or np.nan for row in report.rows)
        rows.append(
            [f"`{name}`", len(report.rows), max(distances), resolution, report.evaluations, str(report.verdict)]
        )
    article.table(
        "layers",
        rows,
        ["layer", "gradients", "engine to complex step", "verified to", "evaluations", "verdict"],
        "Layers and losses. The relative distance between the engine and the complex step, and the relative error that finite "
        "differences would have seen, both of the gradient for which they are largest.",
        formats={"engine to complex step": ".0e", "verified to": ".0e"},
    )
    article.figure("layers", draw_layers(rows), LAYERS_CAPTION)
    passed = sum(row[-1] == "PASS" for row in rows)
    article.answer(
        f"{passed} of {len(rows)} pass, with {sum(row[1] for row in rows)} gradients. The engine and the complex step are at most "
        f"{scientific(max(row[2] for row in rows))} apart, and every error above {scientific(max(row[3] for row in rows))} "
        "would have been seen by finite differences too."
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
    "How far the witnesses are apart, layer by layer (logarithmic). The engine and the complex step (filled) agree to the last "
    "digits of double precision. Finite differences have fewer digits: errors larger than these (open) they would have seen."
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


# Step sizes


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
        "Large steps err by what they cut off of Taylor's series, small steps by the rounding of $f$, which is divided by $h$; "
        "between them, the error has a valley like a V. With a rounding error $\\epsilon$ of $f$ and a formula of order $q$:"
    )
    article.formula(
        r"|\mathrm{error}| \approx a\,h^{q} + \frac{\epsilon}{h}\,, \qquad h_{\mathrm{best}} \sim \epsilon^{1/(q+1)}\,, "
        r"\qquad |\mathrm{error}|_{\mathrm{best}} \sim \epsilon^{q/(q+1)}",
        r"\mathrm{Im}\,f(x + i h) = h f'(x) - \frac{h^3}{6} f'''(x) + \ldots",
    )
    article.text(
        "The complex step subtracts nothing, so nothing cancels, and its step can be as small as one likes. It needs a function "
        "that is analytic and written without `abs` and comparisons of the imaginary part."
    )
    steps = 10.0 ** np.arange(-0.5, -20.001, -0.5 if setting.quick else -0.125)
    exact = float(slope_of_textbook(np.longdouble(1.5)))
    loss, slope = loss_along_a_line(setting)
    subjects = {
        r"$e^x / \sqrt{\sin^3 x + \cos^3 x}$ at $x = 1.5$": (textbook, 1.5, exact),
        "softmax loss of digits along a line": (loss, 0.0, slope),
    }
    figure, panels = drawing.panels(1, 2, width=4.7, height=3.9, sharey=True)
    rows, found = [], {}
    for panel, (title, (f, x, truth)) in zip(panels, subjects.items(), strict=True):
        for (name, (method, order, formula)), style in zip(METHODS.items(), drawing.styles(4), strict=True):
            errors = np.array([abs(method(f, x, h) - truth) / abs(truth) for h in steps])
            best = int(np.argmin(errors))
            if f is textbook:
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
        "The relative error of four formulas against the step, for a textbook function (left) and for the loss of a model along "
        "a line in its parameters (right), both logarithmic; what is exact is drawn at 1e-17. Finite differences have a valley, "
        "the complex step has none. The line is the answer of `tg.gradcheck.derivative`, which has no step to choose.",
    )
    rows[-1][4] = None
    article.table(
        "steps",
        rows,
        ["formula", "slope", "order", "best step", "best step by theory", "error there"],
        "The textbook function: where the least error was found, and where theory expects it for $\\epsilon = 2^{-53}$ and "
        "$a = 1$. For the complex step every step below a point will do.",
        formats=dict.fromkeys(("best step", "best step by theory", "error there"), ".0e"),
    )
    error, bound, evaluations = found[next(iter(found))]
    by_name = {row[0]: row[5] for row in rows}
    article.answer(
        f"At its best step, the forward difference errs by {scientific(by_name['forward'])}, the central one by "
        f"{scientific(by_name['central'])}, the extrapolated one by {scientific(by_name['extrapolated'])}; a step a thousand times "
        "off costs digits on either side. The complex step is right to the last digits for all small steps. Where it cannot be "
        f"used, `tg.gradcheck.derivative` extrapolates from many steps: here it errs by {scientific(error)}, promises "
        f"{scientific(bound)}, and takes {evaluations} evaluations."
    )
    article.metrics["steps"] = {row[0]: {"best_step": row[3], "error": row[5]} for row in rows}
    article.metrics["derivative"] = {"error": error, "bound": bound, "evaluations": evaluations}


def loss_along_a_line(setting: Setting) -> tuple[Any, float]:
    """The loss of softmax regression on digits as a function of one number, and its slope at 0 by hand."""
    from tinygrad_ml.models import SoftmaxRegression

    rng, model = setting.rng("line"), SoftmaxRegression()
    X, y = tg.data.load_digits()
    X, y = X[:200], y[:200]
    theta, direction = rng.normal(scale=0.3, size=(65, 10)), rng.normal(scale=0.3, size=(65, 10))
    slope = float(np.sum(model.gradient(theta, X, y) * direction))
    return lambda t: model.loss(theta + t * direction, X, y), slope


# A planted bug


def squash(x: Any) -> Any:
    return x / np.sqrt(1 + x * x)


#: The derivative is (1 + x^2)^(-3/2); one rule has it, the other takes the root for a constant.
right = tg.primitive(squash, lambda g, ans, x: g / (1 + x * x) ** 1.5)
forgetful = tg.primitive(squash, lambda g, ans, x: g / np.sqrt(1 + x * x))


def plant_a_bug(article: Article, setting: Setting) -> None:
    article.section("A planted bug")
    article.question("What does a wrong rule of one operation do, and is it found?")
    article.text(
        r"The activation $x / \sqrt{1 + x^2}$ has the derivative $(1 + x^2)^{-3/2}$. The rule of a second version of it takes the "
        "root for a constant. A network of two layers is trained on digits with each, from the same start."
    )
    article.code(
        "right = tg.primitive(squash, lambda g, ans, x: g / (1 + x * x) ** 1.5)\n"
        "forgetful = tg.primitive(squash, lambda g, ans, x: g / np.sqrt(1 + x * x))"
    )
    X, y = tg.data.load_digits()
    X, y = X[:500], y[:500]
    epochs = 20 if setting.quick else 150
    figure, axes = drawing.panels(width=5.6, height=3.2)
    final = {}
    for (name, activation), style in zip({"right": right, "wrong": forgetful}.items(), drawing.styles(2), strict=True):
        parameters = start(setting)
        losses = []
        for _ in setting.progress(range(epochs), f"{name} rule"):
            value, gradient = tg.value_and_grad(network_loss)(parameters, activation, X, y)
            losses.append(float(value))
            parameters = {key: parameters[key] - 0.5 * gradient[key] for key in parameters}
        final[name] = losses[-1]
        axes.plot(losses, label=f"{name} rule", **style | {"marker": None})
    axes.set(xlabel="step of gradient descent", ylabel="cross-entropy (nats per image)", yscale="log")
    drawing.plain_log_ticks(axes.yaxis)
    axes.legend()
    article.figure(
        "bug",
        figure,
        "The loss with the right and with the wrong rule (logarithmic): both fall, and nothing tells which is which.",
    )

    at, seed = start(setting), setting.random_state("bug")
    report = tg.gradcheck.check_gradient(lambda p: network_loss(p, forgetful, X, y), at, rng=seed)
    blame = tg.gradcheck.blame(lambda p: network_loss(p, forgetful, X, y), at, rng=setting.rng("blame"))
    clean = tg.gradcheck.blame(lambda p: network_loss(p, right, X, y), at, rng=setting.rng("blame"))
    article.text("The gradient of the whole loss does not pass the check, and `blame` tests every operation by itself:")
    article.code(f">>> print(tg.gradcheck.blame(loss, parameters))\n{blame}")
    failed = [row.name for row in report.rows if not row.ok]
    (culprit,) = blame
    article.answer(
        f"With the wrong rule the loss falls too, to {final['wrong']:.3f} in place of {final['right']:.3f} after {epochs} steps. The "
        f"check says {report.verdict}, for {len(failed)} of {len(report.rows)} parameters, those before the activation. Among "
        f"{blame.operations} operations `blame` names one: `{culprit.operation}`, whose rule is off by {culprit.error:.0%}; with the "
        f"right rule it names {len(clean) or 'none'}."
    )
    article.metrics["bug"] = {
        "verdict": str(report.verdict),
        "blamed": [found.operation for found in blame],
        "error": culprit.error,
        "blamed_without_bug": [found.operation for found in clean],
        "loss_with_bug": final["wrong"],
        "loss_without": final["right"],
    }


def network_loss(p: Any, activation: Any, X: np.ndarray, y: np.ndarray) -> Any:
    hidden = activation(X @ p["W1"] + p["b1"])
    return tg.functional.cross_entropy(hidden @ p["W2"] + p["b2"], y)


def start(setting: Setting) -> dict[str, np.ndarray]:
    rng = setting.rng("start")
    return {
        "W1": rng.normal(scale=0.3, size=(64, 16)),
        "b1": np.zeros(16),
        "W2": rng.normal(scale=0.3, size=(16, 10)),
        "b2": np.zeros(10),
    }
