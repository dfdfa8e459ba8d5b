"""k nearest neighbours in the plane: neighbours and votes, decision boundaries for ten k, and densities."""

from __future__ import annotations

from typing import Any

import numpy as np
import sklearn.neighbors
from tinygrad_ml.models import KNeighborsClassifier

from .. import Article, Setting, drawing
from ..article import scientific
from .boundaries import draw_boundaries, take_all
from .densities import estimate_densities
from .plane import SOURCE, Grid, draw_best, draw_points

TITLE = "k nearest neighbours"

POINTS = 600
NEIGHBORS = [2**i for i in range(10)]


def run(setting: Setting) -> Article:
    article = Article(setting, TITLE)
    X, y = SOURCE.sample(POINTS, setting.rng("training"))
    X_test, y_test = SOURCE.sample(500 if setting.quick else 4000, setting.rng("test"))
    grid = Grid(X, 40 if setting.quick else 100)
    show_data(article, X, y, grid)
    compare(article, X, y, X_test, grid)
    try_many(article, X, y, X_test, y_test)
    draw_boundaries(article, X, y, grid, NEIGHBORS)
    take_all(article, X, y, X_test, grid)
    estimate_densities(article, X, y, X_test, y_test, grid)
    return article


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
        f"make up {len(SOURCE.priors)} classes of unequal frequency: class 0 is in two pieces, and the classes "
        "overlap. Since the mixture is known, so are the true densities, and the best decision there can be: the class "
        "with the largest $p(c)\\,p(x|c)$."
    )
    caption = "The training points, and the boundary of the best decision, which is known since the mixture is."
    article.figure("data", figure, caption)


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
    rows: list[list[Any]] = []
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
        [[i + 1, indices[0, i], distances[0, i], y[indices[0, i]]] for i in range(k)],
        ["neighbour", "index", "distance", "class"],
        f"For example the neighbours of the first held-out point, ({X_test[0, 0]:.3f}, {X_test[0, 1]:.3f}).",
    )
    others, apart = (sum(row[2] for row in rows), sum(row[4] for row in rows)), max(row[3] for row in rows)
    article.answer(
        f"{'No' if any(others) else 'Yes'}: of {len(queries):,} queries by either algorithm, {others[0] or 'none'} "
        f"had another neighbour, and {others[1] or 'none'} another prediction. The distances "
        f"{f'differ by at most {scientific(apart)}' if apart else 'are the same to the last bit'}."
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
    chosen = [str(NEIGHBORS[i]) for i in np.flatnonzero(accuracy["validation"] == accuracy["validation"].max())]
    error = np.sqrt(best * (1 - best) / len(y_test))
    article.answer(
        f"k = 1 knows the training points by heart ({accuracy['training'][0]:.0%}) and is right for "
        f"{accuracy['test'][0]:.1%} of held-out points. The most, {accuracy['test'][top]:.1%}, are right for "
        f"k = {NEIGHBORS[top]}; the best decision is right for {best:.1%} (with a standard error of {error:.1%}). With "
        f"k = {NEIGHBORS[-1]} of {len(y)} points it is {accuracy['test'][-1]:.1%}, near the {majority:.1%} of always "
        f"answering the largest class. Without held-out points, leaving one out would have chosen "
        f"k = {' or '.join(chosen)}."
    )
    article.metrics["accuracy"] = {name: accuracy[split] for split, name in names.items()}
    article.metrics["best_accuracy"] = best
