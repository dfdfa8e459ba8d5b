"""The vote of the nearest neighbours: scikit-learn's contract and predictions, ties, many k at once, and errors."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, LeaveOneOut, cross_val_score
from sklearn.neighbors import KNeighborsClassifier as Theirs
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from models import KNeighborsClassifier

ALGORITHMS = ("brute", "kd_tree", "auto")
WEIGHTS = ("uniform", "distance")


@parametrize_with_checks(
    [KNeighborsClassifier(), KNeighborsClassifier(3, weights="distance", algorithm="brute")],
)
def test_the_contract_of_scikit_learn(estimator, check, monkeypatch):
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")  # without it one check skips itself
    check(estimator)


def toy(rng, n=200, d=2, classes=3):
    y = rng.integers(classes, size=n)
    return rng.normal(size=(n, d)) + y[:, None], y


# As scikit-learn


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("d", [1, 2, 15])
def test_neighbours_and_predictions_are_scikit_learns(d, algorithm, weights, rng):
    X, y = toy(rng, d=d)
    queries = toy(rng, d=d)[0]
    for k in (1, 2, 5, 16, 200):
        ours = KNeighborsClassifier(k, weights=weights, algorithm=algorithm).fit(X, y)
        theirs = Theirs(k, weights=weights, algorithm="kd_tree").fit(X, y)
        for found, expected in zip(ours.kneighbors(queries), theirs.kneighbors(queries), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-13)
        np.testing.assert_array_equal(ours.predict(queries), theirs.predict(queries))
        np.testing.assert_allclose(ours.predict_proba(queries), theirs.predict_proba(queries), atol=1e-13)


def tied(values, rng):
    X, y = rng.integers(values, size=(300, 2)).astype(float), rng.integers(3, size=300)
    return X, y, np.concatenate((X[:50], X[:50] + 0.5, rng.integers(-5, 15, size=(50, 2)), rng.normal(size=(50, 2))))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("values", [2, 5, 20])
def test_with_ties_and_duplicates_it_predicts_as_scikit_learn_with_ties_in_training_order(values, algorithm, rng):
    """Scikit-learn takes any of those at one distance; told ranks instead of distances, it has no choice."""
    X, y, queries = tied(values, rng)
    ranks = np.argsort(np.argsort(cdist(queries, X), axis=1, kind="stable"), axis=1).astype(float)
    for k in (1, 2, 5, 13, 34, 300):
        ours = KNeighborsClassifier(k, algorithm=algorithm).fit(X, y)
        theirs = Theirs(k, metric="precomputed").fit(np.zeros((300, 300)), y)
        np.testing.assert_array_equal(ours.kneighbors(queries)[1], theirs.kneighbors(ranks)[1])
        np.testing.assert_array_equal(ours.predict(queries), theirs.predict(ranks))
        np.testing.assert_allclose(ours.predict_proba(queries), theirs.predict_proba(ranks), atol=1e-15)
        distances = Theirs(k, algorithm="kd_tree").fit(X, y).kneighbors(queries)[0]
        np.testing.assert_allclose(ours.kneighbors(queries)[0], distances, rtol=1e-14)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("values", [8, 20])
def test_weights_with_ties_and_duplicates_are_scikit_learns(values, algorithm, rng):
    X, y, queries = tied(values, rng)
    for k in (5, 13, 34, 60):
        ours = KNeighborsClassifier(k, weights="distance", algorithm=algorithm).fit(X, y)
        distances = ours.kneighbors(queries, k + 1)[0]
        # All neighbours at a distance are among them, or those at distance 0 decide.
        is_settled = (distances[:, k - 1] < distances[:, k]) | ((distances[:, 0] == 0) & (distances[:, k] > 0))
        assert np.any(is_settled)
        theirs = Theirs(k, weights="distance").fit(X, y).predict_proba(queries)
        np.testing.assert_allclose(ours.predict_proba(queries)[is_settled], theirs[is_settled], atol=1e-14)


def test_digits():
    X, y = load_digits(return_X_y=True)
    ours, theirs = KNeighborsClassifier(3).fit(X[:1000], y[:1000]), Theirs(3).fit(X[:1000], y[:1000])
    np.testing.assert_array_equal(ours.predict(X[1000:]), theirs.predict(X[1000:]))
    assert ours.algorithm_ == "brute"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_without_queries_the_training_points_have_neighbours_other_than_themselves(algorithm, rng):
    X, y = toy(rng, 50)
    ours, theirs = KNeighborsClassifier(4, algorithm=algorithm).fit(X, y), Theirs(4).fit(X, y)
    for found, expected in zip(ours.kneighbors(), theirs.kneighbors(), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-13)
    np.testing.assert_array_equal(ours.kneighbors(return_distance=False), theirs.kneighbors(return_distance=False))
    np.testing.assert_array_equal(ours.predict(None), theirs.predict(None))
    assert ours.score(None, y) == pytest.approx(cross_val_score(ours, X, y, cv=LeaveOneOut()).mean())


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_duplicates_of_a_point_are_its_neighbours_in_training_order(algorithm):
    X = np.repeat([[1.0, 2], [3, 4]], [50, 1], axis=0)
    indices = KNeighborsClassifier(3, algorithm=algorithm).fit(X, np.arange(51) % 2).kneighbors()[1]
    for i, neighbours in enumerate(indices[:50]):
        assert neighbours.tolist() == [j for j in range(4) if j != i][:3]


# Ties


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_neighbours_at_one_distance_are_in_training_order(algorithm):
    X = [[1.0, 0], [0, 1], [-1, 0], [0, -1], [0.5, 0]]
    model = KNeighborsClassifier(algorithm=algorithm).fit(X, [0, 1, 2, 3, 4])
    distances, indices = model.kneighbors([[0.0, 0]], 4)
    assert indices.tolist() == [[4, 0, 1, 2]]
    assert distances.tolist() == [[0.5, 1, 1, 1]]


@pytest.mark.parametrize("weights", WEIGHTS)
def test_of_classes_with_equal_votes_the_smaller_wins(weights):
    X = [[3.1], [-3.1], [0.3], [-0.3], [1.7], [-1.7]]
    y = ["cat", "ant", "cat", "ant", "cat", "ant"]
    model = KNeighborsClassifier(weights=weights).fit(X, y)
    assert model.predict([[0.0]], [2, 4, 6]).tolist() == [["ant"]] * 3
    assert model.predict_proba([[0.0]], 6).tolist() == [[0.5, 0.5]]


def test_neighbours_at_distance_0_are_the_only_ones_to_vote():
    model = KNeighborsClassifier(5, weights="distance").fit([[0.0], [0], [0], [1], [1]], [0, 1, 1, 0, 0])
    np.testing.assert_allclose(model.predict_proba([[0.0], [1.0]]), [[1 / 3, 2 / 3], [1, 0]])


def test_distances_whose_inverse_overflows_still_have_weights():
    model = KNeighborsClassifier(3, weights="distance").fit([[1e-320], [-2e-320], [4e-320]], [0, 1, 1])
    np.testing.assert_allclose(model.predict_proba([[0.0]]), [[4 / 7, 3 / 7]], rtol=1e-3)


# Many k


@pytest.mark.parametrize("weights", WEIGHTS)
def test_many_k_are_answered_from_one_search(weights, rng, monkeypatch):
    X, y = toy(rng)
    queries = np.concatenate((X[:20], toy(rng)[0]))
    model = KNeighborsClassifier(weights=weights).fit(X, y)
    counts = [8, 1, 2, 64, 8, 200]
    single = [(model.predict(queries, k), model.predict_proba(queries, k)) for k in counts]
    calls = []
    search = type(model._search).search
    monkeypatch.setattr(type(model._search), "search", lambda self, *args: calls.append(0) or search(self, *args))
    predictions, proba = model.predict(queries, counts), model.predict_proba(queries, np.array(counts))
    assert len(calls) == 2
    assert predictions.shape == (6, len(queries)) and proba.shape == (6, len(queries), 3)
    for k, (expected, expected_proba) in enumerate(single):
        np.testing.assert_array_equal(predictions[k], expected)
        np.testing.assert_array_equal(proba[k], expected_proba)


# With the rest of scikit-learn


@pytest.mark.parametrize("labels", [np.array(["x", "y", "z"]), np.array([-5, 0, 7]), np.array([0.0, 1.0, 4.0])])
def test_labels_of_any_type(labels, rng):
    X, y = toy(rng)
    model = KNeighborsClassifier().fit(X.tolist(), labels[y].tolist())
    np.testing.assert_array_equal(model.predict(X), labels[KNeighborsClassifier().fit(X, y).predict(X)])
    np.testing.assert_array_equal(model.classes_, labels)


def test_single_precision_is_searched_in_double(rng):
    X, y = toy(rng)
    ours = KNeighborsClassifier().fit(X.astype(np.float32), y).kneighbors(X.astype(np.float32))
    theirs = KNeighborsClassifier().fit(X.astype(np.float32).astype(float), y).kneighbors(X.astype(np.float32))
    np.testing.assert_array_equal(ours[0], theirs[0])


def test_a_pickle_and_a_clone(rng):
    X, y = toy(rng)
    model = KNeighborsClassifier(3, weights="distance", algorithm="brute").fit(X, y)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict_proba(X), model.predict_proba(X))
    assert clone(model).get_params() == {"n_neighbors": 3, "weights": "distance", "algorithm": "brute"}


def test_a_grid_search_over_a_pipeline():
    X, y = load_iris(return_X_y=True)
    grid = {"kneighborsclassifier__n_neighbors": [9, 99]}
    search = GridSearchCV(make_pipeline(StandardScaler(), KNeighborsClassifier()), grid, cv=3).fit(X, y)
    assert search.best_params_["kneighborsclassifier__n_neighbors"] == 9


# What is refused


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_neighbors": 0}, "n_neighbors must be an integer of at least 1, got 0"),
        ({"n_neighbors": -3}, "n_neighbors must be an integer of at least 1, got -3"),
        ({"n_neighbors": 2.5}, "n_neighbors must be an integer of at least 1, got 2.5"),
        ({"n_neighbors": "many"}, "n_neighbors must be an integer of at least 1, got 'many'"),
        ({"n_neighbors": True}, "n_neighbors must be an integer of at least 1, got True"),
        ({"weights": "gaussian"}, "weights must be one of 'uniform', 'distance', got 'gaussian'"),
        ({"weights": np.ones(3)}, "weights must be one of 'uniform', 'distance', got array"),
        ({"algorithm": "ball_tree"}, "algorithm must be one of 'auto', 'brute', 'kd_tree', got 'ball_tree'"),
    ],
)
def test_arguments_that_make_no_sense(arguments, message, rng):
    for error in (ValueError, TypeError):  # scikit-learn's are both
        with pytest.raises(error, match=f"KNeighborsClassifier: {message}"):
            KNeighborsClassifier(**arguments).fit(*toy(rng))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_more_neighbours_than_there_are(algorithm, rng):
    model = KNeighborsClassifier(21, algorithm=algorithm).fit(*toy(rng, 20))
    with pytest.raises(ValueError, match="n_neighbors=21 is more than the 20 training points; ask for fewer"):
        model.predict([[0.0, 0]])
    with pytest.raises(ValueError, match="n_neighbors=20 is more than the 19 other training points; ask for fewer"):
        model.kneighbors(n_neighbors=20)
    assert model.kneighbors([[0.0, 0]], 20)[1].shape == (1, 20)
    assert model.kneighbors(n_neighbors=19)[1].shape == (20, 19)


def test_numbers_of_neighbours_that_make_no_sense(rng):
    model = KNeighborsClassifier().fit(*toy(rng))
    for wrong in (0, 1.5, [0], [3, 2.5]):
        with pytest.raises(ValueError, match="n_neighbors must be an integer of at least 1, got"):
            model.predict([[0.0, 0]], wrong)
    with pytest.raises(TypeError, match="n_neighbors must be an integer of at least 1, got 2.0"):
        model.kneighbors([[0.0, 0]], 2.0)
    with pytest.raises(ValueError, match="n_neighbors is an empty sequence; name at least one number"):
        model.predict([[0.0, 0]], [])


@pytest.mark.parametrize(
    ("queries", "message"),
    [
        ([[0.0, 0, 0]], "X has 3 features, but KNeighborsClassifier is expecting 2 features"),
        ([[0.0, np.nan]], "contains NaN"),
        ([[0.0, np.inf]], "contains infinity"),
        ([0.0, 1.0], "Expected 2D array"),
        (np.empty((0, 2)), "0 sample"),
    ],
)
def test_queries_that_are_refused(queries, message, rng):
    model = KNeighborsClassifier().fit(*toy(rng))
    for method in (model.kneighbors, model.predict, model.predict_proba):
        with pytest.raises(ValueError, match=message):
            method(queries)


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        ([[0.0], [np.nan]], [0, 1], "contains NaN"),
        ([[0.0], [1.0]], [0, 1, 1], "inconsistent numbers of samples"),
        ([[0.0], [1.0]], [0.5, 1.7], "Unknown label type"),
        ([[0.0], [1.0]], None, "requires y to be passed"),
    ],
)
def test_training_data_that_are_refused(X, y, message):
    with pytest.raises(ValueError, match=message):
        KNeighborsClassifier(1).fit(X, y)


def test_before_fit():
    for method in ("kneighbors", "predict", "predict_proba"):
        with pytest.raises(NotFittedError):
            getattr(KNeighborsClassifier(), method)([[0.0]])
