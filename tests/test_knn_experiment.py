"""The experiment `knn`: its numbers by other routes, and what is to be seen in them."""

import csv
import json
import math

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from scipy.spatial.distance import cdist
from sklearn.neighbors import KNeighborsClassifier

from experiments import Setting, drawing, knn, report
from experiments.knn import plane
from experiments.knn.plane import SOURCE, Grid


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results") / "knn"
    folder.mkdir()
    article = knn.run(Setting(folder, seed=3, quick=True))
    article.finish({"experiment": "knn", "version": "1", "seed": 3, "quick": True, "data": None})
    return folder


@pytest.fixture(scope="module")
def metrics(folder):
    return json.loads((folder / "metrics.json").read_text())


@pytest.fixture(scope="module")
def data():
    setting = Setting(None, seed=3, quick=True)
    return *SOURCE.sample(600, setting.rng("training")), *SOURCE.sample(500, setting.rng("test"))


def table(folder, name):
    with open(folder / f"{name}.csv", encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file)
    return {column: [row[i] for row in rows] for i, column in enumerate(head)}


def test_every_figure_and_table_is_there_and_in_the_report(folder):
    figures = {path.stem for path in folder.glob("*.png")}
    assert figures == {"data", "accuracy", "boundaries", "all_neighbours", "density", "class_densities"}
    tables = {path.stem for path in folder.glob("*.csv")}
    assert tables == {"agreement", "neighbours", "accuracy", "boundaries", "priors", "densities", "bayes"}
    page = report.write_report(folder.parent, ["knn"]).read_text(encoding="utf-8")
    assert page.count("<figure") >= len(figures)
    assert "nan" not in "".join(path.read_text() for path in folder.glob("*.csv"))


def test_it_agrees_with_scikit_learn(metrics, folder):
    assert metrics["agreement"] == {"queries": 500 + 40 * 40, "neighbours": 0, "predictions": 0}
    assert max(map(float, table(folder, "agreement")["largest difference of distances"])) < 1e-14


def test_accuracies_are_scikit_learns(metrics, data):
    X, y, X_test, y_test = data
    for k, training, left_out, held_out in zip([2**i for i in range(10)], *metrics["accuracy"].values(), strict=True):
        theirs = KNeighborsClassifier(k).fit(X, y)
        assert theirs.score(X, y) == pytest.approx(training)
        assert theirs.score(None, y) == pytest.approx(left_out)
        assert theirs.score(X_test, y_test) == pytest.approx(held_out)
    assert metrics["accuracy"]["training"][0] == 1
    assert max(metrics["accuracy"]["held out"]) <= metrics["best_accuracy"] + 3 * math.sqrt(0.08 / 500)


def test_boundaries_become_smoother_and_the_decision_better_and_then_worse(metrics):
    regions, unlike_best = metrics["regions"], metrics["unlike_best"]
    assert regions[0] > 2 * regions[4] and regions[-1] == 1
    assert unlike_best[0] > 1.5 * min(unlike_best) and unlike_best[-1] > 5 * min(unlike_best)


def test_all_points_as_neighbours_give_the_largest_class_everywhere(metrics, data):
    assert metrics["all_neighbours"]["answers"] == [np.argmax(np.bincount(data[1]))]
    assert metrics["all_neighbours"]["departure_from_frequencies"] < 1e-12


def test_priors_are_shares(folder, data):
    assert [float(p) for p in table(folder, "priors")["$p(c)$"]] == pytest.approx(np.bincount(data[1]) / 600)
    assert [float(p) for p in table(folder, "priors")["true $p(c)$"]] == pytest.approx([0.5, 0.3, 0.2])


def test_errors_of_the_densities_are_those_of_the_formula(metrics, data):
    X, y = data[:2]
    grid = Grid(X, 40)
    for k, error, by_class in zip(*(metrics["density"][name] for name in ("k", "error", "class_errors")), strict=True):
        for chosen, truth, found in [
            (np.full(600, True), SOURCE.pdf(grid.points), error),
            *((y == c, SOURCE.class_pdf(grid.points)[:, c], by_class[c]) for c in range(3)),
        ]:
            radius = np.sort(cdist(grid.points, X[chosen]), axis=1)[:, k - 1]
            density = k / (chosen.sum() * math.pi * radius**2)
            assert np.abs(density - truth).sum() * grid.cell == pytest.approx(found)
    assert metrics["density"]["error"][0] > 2 * min(metrics["density"]["error"])


def test_the_grid_is_a_box_around_the_points(data):
    grid = Grid(data[0], 7)
    assert grid.points.shape == (49, 2)
    np.testing.assert_allclose(grid.points.min(axis=0), data[0].min(axis=0) - 0.5)
    np.testing.assert_allclose(grid.points.max(axis=0), data[0].max(axis=0) + 0.5)
    assert grid.cell * 36 == pytest.approx(np.prod(np.ptp(data[0], axis=0) + 1))


def test_regions_differ_in_grey():
    """All had the same share of their colour, and those of classes 1 and 2 the same grey."""
    greys = []
    for colour, share in zip(drawing.COLOURS, plane.SHADES, strict=False):
        grey = np.dot(to_rgb(colour), (0.299, 0.587, 0.114))
        greys.append(1 - share * (1 - grey))
    assert len(greys) == len(SOURCE.priors) and max(np.diff(greys)) < -0.05


def test_panels_fill_their_sheet(data):
    """Panels in proportion left a margin at the sides, where the sheet was not."""
    grid = Grid(data[0], 7)
    figure, axes = grid.panels(2, 3, width=2.0)
    figure.draw_without_rendering()
    widths = [panel.get_position().width * figure.get_figwidth() for panel in axes.flat]
    np.testing.assert_allclose(widths, 2.0, rtol=1e-6)
    assert axes[1, 2].get_position().x1 == pytest.approx(1 - 0.12 / figure.get_figwidth())
