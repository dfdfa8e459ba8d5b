"""Densities by the k-th nearest neighbour, and Bayes' rule: the last part of `knn`."""

from __future__ import annotations

from typing import Any

import numpy as np
from tinygrad_ml.models import KNearestDensity, KNeighborsClassifier

from .. import Article, drawing
from .plane import SOURCE, Grid

NEIGHBORS = [2, 4, 8, 16, 32]
#: Contours of densities, in steps of a factor of about 1.8.
LEVELS = np.geomspace(1e-3, 1, 13)


def estimate_densities(
    article: Article, X: np.ndarray, y: np.ndarray, X_test: np.ndarray, y_test: np.ndarray, grid: Grid
) -> None:
    model = KNearestDensity().fit(X, y)
    article.section("Class probabilities and densities")
    article.question(
        "Report the class probabilities $p(c)$ of the training set. Plot $p(x_n) = k\\,/\\,(N V^*)$, with $V^*$ the "
        "area of the smallest circle that holds the k nearest neighbours of $x_n$, for k = 2, 4, 8, 16, 32, and the "
        "same for $p(x_n|c)$."
    )
    article.table(
        "priors",
        list(zip(model.classes_, model.class_count_, model.class_prior_, SOURCE.priors, strict=True)),
        ["class", "training points", "$p(c)$", "true $p(c)$"],
        "The class probabilities: the share of each class in the training set, and in the mixture it was drawn from.",
        formats={"$p(c)$": ".4f", "true $p(c)$": ".4f"},
    )
    article.text("With $r_k(x)$ the distance to the k-th nearest of all training points, or of those of class c:")
    article.formula(
        r"p(x) = \frac{k}{N\,\pi\,r_k(x)^2}\,, \qquad p(x|c) = \frac{k}{N_c\,\pi\,r_{k,c}(x)^2}\,, \qquad "
        r"p(c) = \frac{N_c}{N}"
    )
    true = SOURCE.pdf(grid.points)
    estimates = model.pdf(grid.points, NEIGHBORS)
    figure, axes = grid.panels(2, 3, width=2.9, above=0.7)
    for each in zip(axes.flat, titles(), [*estimates, true], strict=True):
        shown = draw_density(*each, grid)
    add_bar(figure, axes, shown, "$p(x)$ (per unit of area)")
    article.figure(
        "density",
        figure,
        "$p(x)$ on the grid for five k, and the true density of the mixture, all with the same logarithmic colours.",
    )

    class_true = SOURCE.class_pdf(grid.points)
    class_estimates = model.class_pdf(grid.points, NEIGHBORS)
    figure, axes = grid.panels(len(NEIGHBORS) + 1, class_true.shape[1], width=2.5, above=0.7)
    for c, column in enumerate(axes.T):
        for each in zip(column, titles(f"class {c}, "), [*class_estimates[:, :, c], class_true[:, c]], strict=True):
            shown = draw_density(*each, grid)
    add_bar(figure, axes, shown, "$p(x|c)$ (per unit of area)")
    article.figure(
        "class_densities",
        figure,
        "$p(x|c)$ for every class (columns) and five k, and the true one (last row), all with the same logarithmic "
        "colours, as above.",
    )
    compare_with_truth(article, grid, estimates, true, class_estimates, class_true)
    apply_bayes(article, model, X, y, X_test, y_test)


def compare_with_truth(
    article: Article, grid: Grid, estimates: Any, true: Any, class_estimates: Any, class_true: Any
) -> None:
    errors = np.sum(np.abs(estimates - true), axis=1) * grid.cell
    class_errors = np.sum(np.abs(class_estimates - class_true), axis=1) * grid.cell
    masses = np.sum(estimates, axis=1) * grid.cell
    rows = [
        [k, estimate.max(), mass, error, *by_class]
        for k, estimate, mass, error, by_class in zip(NEIGHBORS, estimates, masses, errors, class_errors, strict=True)
    ]
    classes = [f"error of $p(x|{c})$" for c in range(class_true.shape[1])]
    article.table(
        "densities",
        rows,
        ["k", "largest $p(x)$", "integral of $p(x)$", "error of $p(x)$", *classes],
        "On the grid: the largest value, the integral over the box (of a density, not more than 1), and the error "
        "$\\int |p - p_{\\mathrm{true}}|$. The true density is at most "
        f"{true.max():.3f}, and its integral over the box {np.sum(true) * grid.cell:.3f}.",
        formats={name: ".3f" for name in ("largest $p(x)$", "integral of $p(x)$", "error of $p(x)$", *classes)},
    )
    best, best_by_class = NEIGHBORS[int(np.argmin(errors))], np.argmin(class_errors, axis=0)
    article.answer(
        f"For k = {NEIGHBORS[0]} the estimate is a landscape of needles where two points are close, up to "
        f"{rows[0][1]:.3g} where the true density nowhere exceeds {true.max():.2g}. With larger k it becomes smooth, "
        f"and its error falls from {errors[0]:.2f} to {errors.min():.2f} for k = {best}; for the classes, which have "
        f"fewer points, it is least for k = {', '.join(str(NEIGHBORS[i]) for i in best_by_class)}. Too large a k "
        f"blurs, and fills gaps between the pieces: for k = {NEIGHBORS[-1]} the error is {errors[-1]:.2f}. And none of "
        "them is a density: outside of the data they fall only as $1/r^2$, so that the integral over the plane "
        f"diverges; over this box alone it is {masses.min():.2f} to {masses.max():.2f}."
    )
    article.metrics["density"] = {"k": NEIGHBORS, "error": errors, "class_errors": class_errors, "integral": masses}


def apply_bayes(
    article: Article, model: Any, X: np.ndarray, y: np.ndarray, X_test: np.ndarray, y_test: np.ndarray
) -> None:
    article.section("Bayes' rule")
    article.question("Is classifying by these densities the same as the vote of the neighbours?")
    article.formula(
        r"p(c|x) = \frac{p(c)\,p(x|c)}{\sum_{c'} p(c')\,p(x|c')} = "
        r"\frac{1 / V_c}{\sum_{c'} 1 / V_{c'}}\,, \qquad \mathrm{since} \quad p(c)\,p(x|c) = \frac{k}{N\,V_c}"
    )
    article.text(
        "No. In the vote, one circle is used for all classes, and $k_c$ of the k points in it are of class c: with "
        "$p(x|c) = k_c / (N_c V)$, Bayes' rule gives $k_c / k$. Here each class has its own circle with k points, and "
        "the class with the smallest circle wins."
    )
    truth = SOURCE.posterior(X_test)
    by_bayes = model.predict_proba(X_test, NEIGHBORS)
    by_vote = KNeighborsClassifier().fit(X, y).predict_proba(X_test, NEIGHBORS)
    rows = [
        [k, *(np.mean(p.argmax(axis=1) == y_test) for p in both), *(np.mean(np.abs(p - truth)) for p in both)]
        for k, *both in zip(NEIGHBORS, by_bayes, by_vote, strict=True)
    ]
    article.table(
        "bayes",
        rows,
        ["k", "accuracy by Bayes", "accuracy by vote", "error of $p(c|x)$ by Bayes", "error by vote"],
        f"On {len(y_test):,} held-out points: how many are right, and the mean distance of the probabilities from the "
        "true ones.",
        formats={"accuracy by Bayes": ".2%", "accuracy by vote": ".2%"},
    )
    differ = float(np.mean(by_bayes[2].argmax(axis=1) != by_vote[2].argmax(axis=1)))
    article.answer(
        f"For k = {NEIGHBORS[2]} the two differ in {differ:.1%} of the predictions. The densities have k neighbours "
        f"of *each* class, and so are smoother for the same k: for k = {NEIGHBORS[0]} they are right for "
        f"{rows[0][1]:.1%} of held-out points and the vote for {rows[0][2]:.1%}, for k = {NEIGHBORS[-1]} it is "
        f"{rows[-1][1]:.1%} and {rows[-1][2]:.1%}. Their probabilities differ more: from k = {NEIGHBORS[0]} to "
        f"{NEIGHBORS[-1]}, the error of those by Bayes goes from {rows[0][3]:.3f} to {rows[-1][3]:.3f}, as the circles "
        f"of different sizes blur differently, and that of the vote from {rows[0][4]:.3f} to {rows[-1][4]:.3f}."
    )
    article.metrics["bayes"] = {"by_bayes": [row[1] for row in rows], "by_vote": [row[2] for row in rows]}


def titles(before: str = "") -> list[str]:
    return [*(f"{before}$k = {k}$" for k in NEIGHBORS), f"{before}true"]


def draw_density(panel: Any, title: str, density: np.ndarray, grid: Grid) -> Any:
    from matplotlib.colors import LogNorm

    shown = panel.contourf(
        grid.x, grid.y, grid.fold(density), levels=LEVELS, norm=LogNorm(LEVELS[0], LEVELS[-1]), extend="both",
        cmap=drawing.SEQUENTIAL,
    )  # fmt: skip
    shown.set_rasterized(True)
    panel.set(title=title)
    return shown


def add_bar(figure: Any, axes: Any, shown: Any, name: str) -> None:
    """One colour bar above all panels."""
    first, last = axes[0, 0].get_position(), axes[0, -1].get_position()
    inch = 1 / figure.get_figheight()
    place = figure.add_axes((first.x0, first.y1 + 0.35 * inch, last.x1 - first.x0, 0.12 * inch))
    bar = figure.colorbar(shown, cax=place, label=name, ticks=[1e-3, 1e-2, 1e-1, 1], orientation="horizontal")
    place.xaxis.set(label_position="top", ticks_position="top")
    bar.ax.minorticks_off()
