"""The experiment least_squares: what it finds, and that it finds it out."""

import json

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, RidgeClassifier

from experiments import Article, Setting, least_squares


@pytest.fixture(scope="module")
def article(tmp_path_factory):
    return least_squares.run(Setting(tmp_path_factory.mktemp("least_squares"), seed=0, quick=True))


def test_outliers_pull_least_squares_and_not_logistic_regression(article):
    assert article.metrics["outliers"] == [1, 2, 4, 8, 16]
    squared, logistic = (article.metrics[name] for name in ("least squares", "logistic regression"))
    assert np.all(np.diff(squared["accuracy"]) < 0) and squared["accuracy"][-1] < 0.85 < 0.93 < logistic["accuracy"][-1]
    assert np.all(np.diff(squared["turned_degrees"]) > 0) and max(logistic["turned_degrees"]) < 1
    assert article.metrics["largest_difference_to_other_ways"] < 1e-9
    repeated = article.metrics["repeated"]["least squares"]
    assert len(repeated["mean"]) == 5 and repeated["mean"][-1] < repeated["mean"][0] - 0.05


def test_the_outliers_share_of_the_loss(article):
    share = article.metrics["share_of_the_loss"]
    assert min(share["before"]["least squares"]) > 0.3 and max(share["before"]["logistic regression"]) < 1e-6
    assert all(a < b for a, b in zip(share["after"]["least squares"], share["before"]["least squares"], strict=True))


def test_accuracies_are_those_of_scikit_learn(article):
    samples = least_squares.same_classes(Setting(article.folder, seed=0).random_state("samples"))
    for k, sample in enumerate(samples):
        for name, reference in (
            ("least squares", RidgeClassifier(alpha=0.0, solver="svd")),
            ("logistic regression", LogisticRegression(C=least_squares.C, tol=1e-8)),
        ):
            accuracy = reference.fit(sample.X, sample.y).score(sample.X_test, sample.y_test)
            assert article.metrics[name]["accuracy"][k] == pytest.approx(accuracy, abs=0.001)


def test_data_sets_differ_by_their_outliers_only():
    first, *_, last = least_squares.same_classes(3)
    assert (first.n, last.n, len(first.y), len(last.y)) == (1, 16, 121, 136)
    np.testing.assert_array_equal(first.X, last.X[:121])
    np.testing.assert_array_equal(first.X_test, last.X_test)
    assert (last.y[-16:] == 1).all()


def test_files_and_seed(article, tmp_path, monkeypatch):
    names = {path.name for path in article.folder.iterdir()}
    for figure in ("data", "boundaries", "shares", "repeated"):
        assert {f"{figure}.png", f"{figure}.svg"} <= names
    assert {"accuracy.csv", "share_of_the_loss.csv"} <= names
    monkeypatch.setattr(Article, "figure", lambda *_: None)  # they take longest
    again = least_squares.run(Setting(tmp_path, seed=0, quick=True, jobs=2))
    assert json.dumps(again.metrics, default=str) == json.dumps(article.metrics, default=str)
    one, other = (least_squares.same_classes(Setting(tmp_path, seed=seed).random_state("samples")) for seed in (0, 1))
    assert not np.array_equal(one[0].X, other[0].X)
