"""A network in which one operation has a wrong rule, and how that is found: the last part of `gradients`."""

from __future__ import annotations

from typing import Any

import numpy as np

import tinygrad_ml as tg

from .. import Article, Setting, drawing


def squash(x: Any) -> Any:
    return x / np.sqrt(1 + x * x)


#: The derivative is (1 + x^2)^(-3/2); one rule has it, the other takes the root for a constant.
right = tg.primitive(squash, lambda g, ans, x: g / (1 + x * x) ** 1.5)
forgetful = tg.primitive(squash, lambda g, ans, x: g / np.sqrt(1 + x * x))


def plant_a_bug(article: Article, setting: Setting) -> None:
    article.section("A planted bug")
    article.question("What does a wrong rule of one operation do, and is it found?")
    article.text(
        r"The activation $x / \sqrt{1 + x^2}$ has the derivative $(1 + x^2)^{-3/2}$. The rule of a second version of "
        "it takes the root for a constant. A network of two layers is trained on digits with each, from the same "
        "start."
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
    failed = [f"`{row.name}`" for row in report.rows if not row.ok]
    (culprit,) = blame
    article.answer(
        f"With the wrong rule the loss falls too, to {final['wrong']:.3f} in place of {final['right']:.3f} after "
        f"{epochs} steps. The check says {report.verdict} of {' and '.join(failed)}, which come before the "
        f"activation. Among {blame.operations} operations `blame` names one: `{culprit.operation}`, whose rule is "
        f"off by {culprit.error:.0%}; with the right rule it names {len(clean) or 'none'}."
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
