"""k nearest neighbours in the plane: neighbours and votes, decision boundaries for ten k, and densities."""

from __future__ import annotations

from typing import Any

import numpy as np
import sklearn.neighbors
from scipy.ndimage import label
from tinygrad_ml.models import KNeighborsClassifier

import tinygrad_ml as tg

from . import Article, Setting, drawing
from .article import scientific
from .knn_densities import estimate_densities

TITLE = "k nearest neighbours"

#: Three classes of unequal size that overlap; the first is in two pieces.
SOURCE = tg.data.GaussianClasses(
    weights=[0.3, 0.2, 0.3, 0.2],
    means=[[-2.0, 0.0], [2.4, 2.6], [0.5, 0.4], [1.6, -1.7]],
    covariances=[
        [[0.6, 0.2], [0.2, 0.5]],
        [[0.4, -0.15], [-0.15, 0.5]],
        [[1.2, 0.8], [0.8, 0.9]],
        [[0.5, 0.0], [0.0, 0.25]],
    ],
    classes=[0, 0, 1, 2],
)
POINTS = 600
NEIGHBORS = [2**i for i in range(10)]


def run(setting: Setting) -> Article:
    article = Article(setting, TITLE)
    X, y = SOURCE.sample(POINTS, setting.rng("training"))
    X_test, y_test = SOURCE.sample(500 if setting.quick else 4000, setting.rng("test"))
    grid = Grid(X)
    show_data(article, X, y, grid)
    compare(article, X, y, X_test, grid)
    try_many(article, X, y, X_test, y_test)
    draw_boundaries(article, X, y, grid)
    take_all(article, X, y, X_test, grid)
    estimate_densities(article, SOURCE, X, y, X_test, y_test, grid)
    return article


class Grid:
    """100 points in each direction within a box around the points `X`."""

    def __init__(self, X: np.ndarray, side: int = 100) -> None:
        low, high = X.min(axis=0) - 0.5, X.max(axis=0) + 0.5
        self.x, self.y = np.meshgrid(np.linspace(low[0], high[0], side), np.linspace(low[1], high[1], side))
        self.points = np.stack((self.x.ravel(), self.y.ravel()), axis=1)
        self.cell = float(np.prod((high - low) / (side - 1)))

    def fold(self, values: np.ndarray) -> np.ndarray:
        """One value for each point as an array of two dimensions."""
        return values.reshape(self.x.shape)


def show_data(article: Article, X: np.ndarray, y: np.ndarray, grid: Grid) -> None:
    article.section("The data")
    article.question("Visualise the data set.")
    figure, axes = drawing.panels(width=6.0, height=4.8)
    draw_points(axes, X, y, size=16)
    draw_best(axes, grid)
    axes.set(xlabel="$x_1$", ylabel="$x_2$", aspect="equal")
    axes.legend(loc="upper left")
    article.text(
        f"{len(X)} training points in the plane are drawn from a mixture of {len(SOURCE.weights)} Gaussians, which "
        f"make up {len(SOURCE.priors)} classes of unequal frequency: class 0 is in two pieces, and the classes overlap. "
        "Since the mixture is known, so are the true densities, and the best decision there can be: the class with the "
        "largest $p(c)\\,p(x|c)$."
    )
    article.figure(
        "data",
        figure,
        "The training points, and the boundary of the best decision, which the mixture is known to have.",
    )


def compare(article: Article, X: np.ndarray, y: np.ndarray, X_test: np.ndarray, grid: Grid, k: int = 5) -> None:
    article.section(f"Neighbours and predictions for k = {k}")
    article.question(
        "Return the indices and distances of the k nearest neighbours of a query point, and predict its label. For "
        f"k = {k}, do scikit-learn's `KNeighborsClassifier` and ours agree?"
    )
    article.text(
        "The neighbours are those of least Euclidean distance, and the prediction is the class that most of them have:"
    )
    article.formula(
        r"d(x, x_n) = \sqrt{\sum_j (x_j - x_{nj})^2}\,, \qquad "
        r"\hat{y}(x) = \mathrm{argmax}_c\; \sum_{n \in N_k(x)} [\,y_n = c\,]"
    )
    queries = np.concatenate((X_test, grid.points))
    theirs = sklearn.neighbors.KNeighborsClassifier(k).fit(X, y)
    distances, indices = theirs.kneighbors(queries)
    rows = []
    for algorithm in ("brute", "kd_tree"):
        ours = KNeighborsClassifier(k, algorithm=algorithm).fit(X, y)
        our_distances, our_indices = ours.kneighbors(queries)
        rows.append(
            [
                f"`{algorithm}`",
                len(queries),
                int(np.sum(our_indices != indices)),
                float(np.max(np.abs(our_distances - distances))),
                int(np.sum(ours.predict(queries) != theirs.predict(queries))),
                float(np.max(np.abs(ours.predict_proba(queries) - theirs.predict_proba(queries)))),
            ]
        )
    article.table(
        "agreement",
        rows,
        [
            "our algorithm",
            "queries",
            "other neighbours",
            "largest difference of distances",
            "other predictions",
            "largest difference of probabilities",
        ],
        f"Ours beside scikit-learn's for k = {k}, at all held-out points and all points of the grid below.",
        formats=dict.fromkeys(("largest difference of distances", "largest difference of probabilities"), ".1e"),
    )
    article.table(
        "neighbours",
        [
            [rank + 1, index, distance, y[index]]
            for rank, (index, distance) in enumerate(zip(indices[0], distances[0], strict=True))
        ],
        ["neighbour", "index", "distance", "class"],
        f"For example the neighbours of the first held-out point, ({X_test[0, 0]:.3f}, {X_test[0, 1]:.3f}).",
    )
    others = sum(row[2] for row in rows), sum(row[4] for row in rows)
    article.answer(
        f"{'Yes' if not any(others) else 'No'}: of {len(queries):,} queries by either algorithm, {others[0] or 'none'} "
        f"had another neighbour, and {others[1] or 'none'} another prediction; distances differ by at most "
        f"{scientific(max(row[3] for row in rows))}."
    )
    article.metrics["agreement"] = {"queries": len(queries), "neighbours": others[0], "predictions": others[1]}


def try_many(article: Article, X: np.ndarray, y: np.ndarray, X_test: np.ndarray, y_test: np.ndarray) -> None:
    article.section("From k = 1 to k = 512")
    article.question("Run the model for $k = 2^i$, $i = 0, \\ldots, 9$.")
    article.text(
        "One search for the 512 nearest answers all ten: `predict(X, n_neighbors=[1, 2, 4, ...])`. On training data, a "
        "point is its own nearest neighbour; leaving it out (`predict(None)`) judges each point by the others."
    )
    model = KNeighborsClassifier().fit(X, y)
    accuracy = {
        "training": np.mean(model.predict(X, NEIGHBORS) == y, axis=1),
        "validation": np.mean(model.predict(None, NEIGHBORS) == y, axis=1),
        "test": np.mean(model.predict(X_test, NEIGHBORS) == y_test, axis=1),
    }
    names = {"training": "training", "validation": "training, leaving the point out", "test": "held out"}
    best = float(np.mean(np.argmax(SOURCE.posterior(X_test), axis=1) == y_test))
    majority = float(np.mean(y_test == np.argmax(np.bincount(y))))
    figure, axes = drawing.panels(width=6.4, height=3.8)
    for (split, values), marker in zip(accuracy.items(), drawing.MARKERS, strict=False):
        axes.plot(NEIGHBORS, values, label=names[split], marker=marker, markersize=5, **drawing.SPLITS[split])
    axes.axhline(best, color="0.2", linewidth=1.2, linestyle=(0, (1, 2)), label="the best decision, held out")
    axes.axhline(majority, color="0.55", linewidth=1.2, linestyle="-.", label="always the largest class, held out")
    axes.set_xscale("log", base=2)
    axes.set(xlabel="neighbours $k$", ylabel="accuracy (fraction of points)", xticks=NEIGHBORS, ylim=(None, 1.01))
    axes.set_xticklabels([str(k) for k in NEIGHBORS])
    axes.legend(loc="lower left")
    article.figure(
        "accuracy",
        figure,
        "The accuracy against the number of neighbours, on a logarithmic axis. Training accuracy falls from 1; the "
        "accuracy on held-out points rises, stays near that of the best decision, and falls.",
    )
    article.table(
        "accuracy",
        [list(row) for row in zip(NEIGHBORS, *accuracy.values(), strict=True)],
        ["k", *names.values()],
        f"The same as numbers. Held out are {len(y_test):,} points.",
        formats=dict.fromkeys(names.values(), ".2%"),
    )
    top = int(np.argmax(accuracy["test"]))
    error = np.sqrt(best * (1 - best) / len(y_test))
    article.answer(
        f"k = 1 knows the training points by heart ({accuracy['training'][0]:.0%}) and is right for "
        f"{accuracy['test'][0]:.1%} of held-out points. The most, {accuracy['test'][top]:.1%}, are right for "
        f"k = {NEIGHBORS[top]}; the best decision is right for {best:.1%} (with a standard error of {error:.1%}). With "
        f"k = {NEIGHBORS[-1]} of {len(y)} points it is {accuracy['test'][-1]:.1%}, near the {majority:.1%} of always "
        f"answering the largest class. Without held-out points, leaving one out would have chosen "
        f"k = {NEIGHBORS[int(np.argmax(accuracy['validation']))]}."
    )
    article.metrics["accuracy"] = {name: accuracy[split] for split, name in names.items()}
    article.metrics["best_accuracy"] = best


def draw_boundaries(article: Article, X: np.ndarray, y: np.ndarray, grid: Grid) -> None:
    article.section("Decision boundaries")
    article.question("Plot the decision boundary for each k. How does it change with k?")
    predictions = KNeighborsClassifier().fit(X, y).predict(grid.points, NEIGHBORS)
    figure, axes = drawing.panels(2, 5, width=2.5, height=2.5, sharex=True, sharey=True)
    for k, predicted, panel in zip(NEIGHBORS, predictions, axes.ravel(), strict=True):
        draw_regions(panel, grid, predicted)
        draw_points(panel, X, y, size=3)
        draw_best(panel, grid)
        panel.set(title=f"$k = {k}$", aspect="equal")
    label_sheet(figure, axes)
    article.figure(
        "boundaries",
        figure,
        "The classes predicted on a grid of 100 by 100 points for ten k, with the training points; the dashed line is "
        "the boundary of the best decision.",
    )
    weight = SOURCE.pdf(grid.points)
    best = np.argmax(SOURCE.posterior(grid.points), axis=1)
    rows = [
        [
            k,
            count_regions(grid, predicted),
            *(np.mean(predicted == c) for c in range(3)),
            np.average(predicted != best, weights=weight),
        ]
        for k, predicted in zip(NEIGHBORS, predictions, strict=True)
    ]
    article.table(
        "boundaries",
        rows,
        ["k", "regions", "area of class 0", "area of class 1", "area of class 2", "unlike the best decision"],
        "Into how many connected regions the box is divided, what share of its area each class has, and for which "
        "share of the points (weighted by their true density) the decision is not the best one, which has "
        f"{count_regions(grid, best)} regions.",
        formats=dict.fromkeys(
            ("area of class 0", "area of class 1", "area of class 2", "unlike the best decision"), ".1%"
        ),
    )
    nearest = min(rows, key=lambda row: row[-1])
    article.answer(
        f"It becomes smoother. For k = 1 it winds around single points, with {rows[0][1]} regions, and has a large "
        f"variance: other samples would give other islands. The islands go with growing k, and for k = {nearest[0]} the "
        f"decision comes closest to the best one, from which it departs for {nearest[-1]:.1%} of points. Beyond, the "
        f"neighbourhood is larger than the structure of the data, a bias: class 2, the smallest, is outvoted first, and "
        f"its area goes from {rows[0][4]:.0%} to {rows[-1][4]:.0%} of the box for k = {rows[-1][0]}, that of class 0 "
        f"from {rows[0][2]:.0%} to {rows[-1][2]:.0%}."
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
    figure, axes = drawing.panels(1, 2, width=3.9, height=3.5, sharex=True, sharey=True)
    models = {weights: KNeighborsClassifier(n, weights=weights).fit(X, y) for weights in ("uniform", "distance")}
    for (weights, model), panel in zip(models.items(), axes, strict=True):
        draw_regions(panel, grid, model.predict(grid.points))
        draw_points(panel, X, y, size=6)
        draw_best(panel, grid)
        panel.set(title=f"$k = N = {n}$, {weights} weights", aspect="equal")
    label_sheet(figure, axes[None])
    article.figure(
        "all_neighbours",
        figure,
        "With all training points as neighbours: with equal votes (left) every point is of the largest class, with "
        "votes weighted by distance (right) nearby points still have a say.",
    )
    uniform = models["uniform"]
    answers = np.unique(uniform.predict(X_test))
    departure = np.max(np.abs(uniform.predict_proba(X_test) - np.bincount(y) / n))
    kinds = len(np.unique(models["distance"].predict(X_test)))
    article.answer(
        f"The neighbours are the same for every query, all of them, so the answer is too: of {len(X_test):,} held-out "
        f"points all get class {', '.join(map(str, answers))}, the largest, and the probabilities are the class "
        f"frequencies everywhere (the largest difference is {departure:.1g}). With k > N there is no answer, but an "
        f"error. Weighted by distance the votes differ from query to query, and {kinds} classes are predicted."
    )
    article.metrics["all_neighbours"] = {"answers": answers, "departure_from_frequencies": departure}


# Drawing


def draw_points(axes: Any, X: np.ndarray, y: np.ndarray, size: float) -> None:
    for c, (colour, marker) in enumerate(zip(drawing.COLOURS, drawing.MARKERS, strict=True)):
        if c < len(SOURCE.priors):
            chosen = X[y == c]
            axes.scatter(
                *chosen.T,
                s=size,
                c=colour,
                marker=marker,
                linewidths=0,
                alpha=0.9,
                label=f"class {c}: {len(chosen)} points",
            )


def draw_regions(axes: Any, grid: Grid, predicted: np.ndarray) -> None:
    """Each class by itself: between the contours of numbers 0 and 2, there would be a line of class 1."""
    for c, colour in zip(range(len(SOURCE.priors)), drawing.COLOURS, strict=False):
        is_class = grid.fold(predicted == c).astype(float)
        axes.contourf(grid.x, grid.y, is_class, levels=[0.5, 1.5], colors=[colour], alpha=0.25)


def draw_best(axes: Any, grid: Grid) -> None:
    posterior = SOURCE.posterior(grid.points)
    for c in range(posterior.shape[1]):
        lead = posterior[:, c] - np.delete(posterior, c, axis=1).max(axis=1)
        axes.contour(grid.x, grid.y, grid.fold(lead), levels=[0], colors="0.15", linewidths=0.9, linestyles="dashed")
    axes.plot([], [], color="0.15", linewidth=0.9, linestyle="dashed", label="boundary of the best decision")


def label_sheet(figure: Any, axes: Any) -> None:
    """Labels at the edges of a sheet of panels, and one legend below."""
    for panel in axes[-1]:
        panel.set(xlabel="$x_1$")
    for panel in axes[:, 0]:
        panel.set(ylabel="$x_2$")
    legend = figure.legend(*axes.flat[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    for handle in legend.legend_handles[:-1]:
        handle.set_sizes([30])


def count_regions(grid: Grid, predicted: np.ndarray) -> int:
    return sum(label(grid.fold(predicted == c))[1] for c in range(len(SOURCE.priors)))
