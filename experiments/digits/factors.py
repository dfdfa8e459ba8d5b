"""The gradient of softmax regression by hand, each factor of it checked: the first part of the experiment."""

from __future__ import annotations

from typing import Any

import numpy as np
from tinygrad_ml.models import SoftmaxRegression

import tinygrad_ml as tg

from .. import Article, Setting
from ..article import scientific


def derive_gradient(article: Article, setting: Setting, X: np.ndarray, y: np.ndarray) -> None:
    article.section("The gradient, factor by factor")
    article.question(
        r"Derive $\partial\mathcal{L}/\partial\theta_j^{(c)}$ of the cross-entropy of softmax regression. For a "
        r"single example the chain rule gives the factors $\partial\mathcal{L}/\partial p$, $\partial p/\partial g$ "
        r"and $\partial g/\partial\theta$."
    )
    article.text(
        r"For one example $\mathbf{x}$ of class $y$, the scores $g$, the probabilities $p$ and the loss "
        r"$\mathcal{L}_i$ are computed one after the other:"
    )
    article.formula(
        r"g_c = \theta_0^{(c)} + \sum_{j=1}^{D} \theta_j^{(c)} x_j\,, \qquad p_c = "
        r"\frac{e^{g_c}}{\sum_{k=1}^{C} e^{g_k}}\,, \qquad \mathcal{L}_i = -\sum_{c=1}^{C} \mathbf{1}[y = c]\,\log "
        r"p_c = -\log p_y"
    )
    article.text(
        "*First factor.* Only $p_y$ occurs in the loss. *Second factor.* The quotient rule, with $S = e^{g_1} + "
        r"\ldots + e^{g_C}$: where $c = k$, numerator and denominator depend on $g_k$, elsewhere the denominator "
        "only. *Third factor.* The scores are linear; with the bias trick, $x_0 = 1$ stands for the bias "
        r"$\theta_0^{(c)}$."
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
        r"\frac{\partial \mathcal{L}_i}{\partial g_k} = -\frac{1}{p_y}\,p_y\,(\mathbf{1}[y = k] - p_k) = p_k - "
        r"\mathbf{1}[y = k]",
        r"\frac{\partial \mathcal{L}_i}{\partial \theta_j^{(c)}} = (p_c - \mathbf{1}[y = c])\;x_j\,, \qquad "
        r"\frac{\partial \mathcal{L}}{\partial \theta_j^{(c)}} = \sum_{i=1}^{N} (p_{ic} - \mathbf{1}[y_i = "
        r"c])\;x_{ij}",
    )
    article.text(
        "Each factor is checked by itself, at an image of the training set and random parameters: along random "
        "directions "
        r"$u$ and $v$ the number $u^\top F\,v$ of the factor $F$ by hand must be the slope that finite differences "
        "find, within the bound that `tg.gradcheck.derivative` gives for its error; and every entry of it must be "
        "that of `tg.jacobian`, which differentiates the function and not the formula."
    )
    rng = setting.rng("factors")
    model, n_classes = SoftmaxRegression(reduction="sum"), 10
    x, label = X[0], int(y[0])
    theta = rng.normal(scale=0.01, size=(X.shape[1] + 1, n_classes))

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
        r"Each factor of the chain rule, and their product: its slope $u^\top F\,v$ along random directions by hand "
        "and by finite differences, and its entries beside those of the engine's Jacobian.",
        formats={"by hand": ".10f", "finite differences": ".10f", "bound": ".0e"},
    )
    everywhere = setting.rng("everywhere").normal(scale=0.05, size=theta.shape)
    count = 100 if setting.quick else len(X)
    report = tg.gradcheck.check_model(model, X[:count], y[:count], everywhere, rng=setting.random_state("directions"))
    (row,) = report.rows
    farthest = max(row[6] for row in rows)
    article.answer(
        r"$\partial\mathcal{L}/\partial\theta_j^{(c)} = \Sigma_i\,(p_{ic} - \mathbf{1}[y_i = c])\,x_{ij}$. "
        f"{sum(row[5] for row in rows)} of the {len(rows)} rows agree with finite differences within their bounds, "
        f"and {'no entry differs from' if farthest == 0 else f'all entries are within {scientific(farthest)} of'} "
        f"the engine's. For the sum over {count:,} images, the gradient by hand and the engine's have "
        f"{row.digits('analytic', 'engine'):.0f} digits in common, and by hand and the complex step "
        f"{row.digits('analytic', 'complex step'):.0f}: {report.verdict}, verified to "
        f"{scientific(row.resolution or np.nan)}."
    )
    article.metrics["gradient"] = {
        "verdict": str(report.verdict),
        "verified_to": row.resolution,
        "factors_within_bounds": all(row[5] for row in rows),
        "largest_difference_to_the_engine": farthest,
    }


def check_factor(f: Any, at: np.ndarray, factor: np.ndarray, rng: np.random.Generator) -> tuple[Any, ...]:
    """Its shape, its slope by hand and by differences, whether these allow it, the distance to the engine."""
    inner = rng.normal(size=at.shape)
    outer = rng.normal(size=np.shape(f(at)))
    by_hand = float(np.sum(outer * np.tensordot(factor, inner, axes=at.ndim)))
    slope = tg.gradcheck.derivative(lambda x: np.sum(outer * f(x)), at, inner)
    distance = np.max(np.abs(tg.jacobian(f)(at) - factor))
    rounding = np.spacing(np.sum(np.abs(factor)) * np.max(np.abs(inner)))
    is_within = abs(by_hand - slope.value) <= slope.error + rounding
    return " × ".join(map(str, factor.shape)), by_hand, slope.value, slope.error, bool(is_within), float(distance)
