"""Decision boundaries of nearest neighbours, up to all training points as neighbours: a part of `knn`."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.ndimage import label
from tinygrad_ml.models import KNeighborsClassifier

from .. import Article
from .plane import SOURCE, Grid, draw_best, draw_points, draw_regions


def draw_boundaries(article: Article, X: np.ndarray, y: np.ndarray, grid: Grid, counts: list[int]) -> None:
    article.section("Decision boundaries")
    article.question("Plot the decision boundary for each k. How does it change with k?")
    *predictions, by_all = KNeighborsClassifier().fit(X, y).predict(grid.points, [*counts, len(y)])
    best = np.argmax(SOURCE.posterior(grid.points), axis=1)
    sheets = {f"$k = {k}$": predicted for k, predicted in zip(counts, predictions, strict=True)}
    sheets |= {f"$k = N = {len(y)}$": by_all, "best": best}
    figure, axes = grid.panels(4, 3, width=2.5, below=0.5)
    for (title, predicted), panel in zip(sheets.items(), axes.flat, strict=True):
        draw_regions(panel, grid, predicted)
        draw_points(panel, X, y, size=3)
        draw_best(panel, grid)
        panel.set(title=title)
    explain_points(figure, axes)
    article.figure(
        "boundaries",
        figure,
        f"The classes predicted on a grid of {grid.side} by {grid.side} points for {len(counts)} numbers of "
        f"neighbours and for all {len(y)} of them, with the training points. Dashed, and in the last panel: the best "
        "decision.",
    )
    weight = SOURCE.pdf(grid.points)
    classes = range(len(SOURCE.priors))
    rows = [
        [
            k,
            count_regions(grid, predicted),
            *(float(np.mean(predicted == c)) for c in classes),
            float(np.average(predicted != best, weights=weight)),
        ]
        for k, predicted in zip(counts, predictions, strict=True)
    ]
    columns = [*(f"area of class {c}" for c in classes), "unlike the best decision"]
    article.table(
        "boundaries",
        rows,
        ["k", "regions", *columns],
        "Into how many connected regions the box is divided, what share of its area each class has, and for which "
        "share of the points (weighted by their true density) the decision is not the best one, which has "
        f"{count_regions(grid, best)} regions.",
        formats=dict.fromkeys(columns, ".1%"),
    )
    nearest = min(rows, key=lambda row: row[-1])
    sizes = np.bincount(y)
    largest, smallest = int(np.argmax(sizes)), int(np.argmin(sizes))
    article.answer(
        f"It becomes smoother. For k = 1 it winds around single points and divides the box into {rows[0][1]} regions; "
        f"another sample would have other islands, which is called variance. For k = {nearest[0]} there are "
        f"{nearest[1]}, and the decision comes closest to the best one, from which it departs for {nearest[-1]:.1%} of "
        f"points. Beyond, the neighbourhood is wider than what it should resolve, which is called bias. A class has "
        f"no more votes than points: class {smallest} has {sizes[smallest]}, and its area goes from "
        f"{rows[0][2 + smallest]:.0%} of the box for k = 1 to {rows[-2][2 + smallest]:.0%} for k = {rows[-2][0]} and "
        f"{rows[-1][2 + smallest]:.0%} for k = {rows[-1][0]}, where class {largest} with its {sizes[largest]} points "
        f"has {rows[-1][2 + largest]:.0%}."
    )
    article.metrics["regions"] = [row[1] for row in rows]
    article.metrics["unlike_best"] = [row[-1] for row in rows]


def take_all(article: Article, X: np.ndarray, y: np.ndarray, X_test: np.ndarray, grid: Grid) -> None:
    n = len(X)
    article.section("All training points as neighbours")
    article.question("What happens if k is the number of training points?")
    article.text(
        f"Tried with k = {n}, once with equal votes and once with votes of the weight $1 / d(x, x_n)$ "
        '(`weights="distance"`):'
    )
    figure, axes = grid.panels(1, 2, width=3.8, below=0.5)
    models = {weights: KNeighborsClassifier(n, weights=weights).fit(X, y) for weights in ("uniform", "distance")}
    for (weights, model), panel in zip(models.items(), axes.flat, strict=True):
        draw_regions(panel, grid, model.predict(grid.points))
        draw_points(panel, X, y, size=6)
        draw_best(panel, grid)
        panel.set(title=f"$k = N = {n}$, {weights} weights")
    explain_points(figure, axes)
    article.figure(
        "all_neighbours",
        figure,
        "With all training points as neighbours: with equal votes (left) every point is of the largest class, with "
        "votes weighted by distance (right) nearby points still have a say.",
    )
    proba = models["uniform"].predict_proba(X_test)
    answers = models["uniform"].classes_[np.unique(np.argmax(proba, axis=1))]
    departure = np.max(np.abs(proba - np.bincount(y) / n))
    kinds = len(np.unique(models["distance"].predict(X_test)))
    article.answer(
        f"The neighbours are the same for every query, all of them, so the answer is too: of {len(X_test):,} held-out "
        f"points all get class {', '.join(map(str, answers))}, the largest, and the probabilities are the class "
        f"frequencies everywhere (the largest difference is {departure:.1g}). With k > N there is no answer, but an "
        f"error. Weighted by distance the votes differ from query to query, and {kinds} classes are predicted."
    )
    article.metrics["all_neighbours"] = {"answers": answers, "departure_from_frequencies": departure}


def explain_points(figure: Any, axes: Any) -> None:
    """One legend below all panels."""
    legend = figure.legend(*axes.flat[0].get_legend_handles_labels(), loc="lower center", ncols=2)
    for handle in legend.legend_handles[:-1]:
        handle.set_sizes([30])


def count_regions(grid: Grid, predicted: np.ndarray) -> int:
    return sum(label(grid.fold(predicted == c))[1] for c in range(len(SOURCE.priors)))
