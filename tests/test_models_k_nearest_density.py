"""Densities by the k-th nearest point: the formula, the true density, Bayes' rule, and where densities are infinite."""

from __future__ import annotations

import math
import pickle

import mpmath
import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.special import digamma
from scipy.stats import multivariate_normal, norm
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import parametrize_with_checks

from models import KNearestDensity, KNeighborsClassifier

ALGORITHMS = ("brute", "kd_tree", "auto")


@parametrize_with_checks([KNearestDensity(), KNearestDensity(1, algorithm="brute")])
def test_the_contract_of_scikit_learn(estimator, check, monkeypatch):
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")  # without it one check skips itself
    check(estimator)


def toy(rng, n=120, d=2, classes=3):
    y = np.concatenate((np.repeat(np.arange(classes), 20), rng.integers(classes, size=n - 20 * classes)))
    return rng.normal(size=(n, d)) + y[:, None], y


# The density


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize(
    ("d", "volume"),
    [
        (1, lambda r: 2 * r),
        (2, lambda r: math.pi * r**2),
        (3, lambda r: 4 / 3 * math.pi * r**3),
        (4, lambda r: math.pi**2 / 2 * r**4),
        (5, lambda r: 8 / 15 * math.pi**2 * r**5),
    ],
)
def test_the_formula(d, volume, algorithm, rng):
    X, y = toy(rng, d=d)
    queries = rng.normal(size=(30, d))
    for k in (1, 2, 7):
        model = KNearestDensity(k, algorithm=algorithm).fit(X, y)
        radius = np.sort(cdist(queries, X), axis=1)[:, k - 1]
        np.testing.assert_allclose(model.pdf(queries), k / (len(X) * volume(radius)), rtol=1e-12)
        np.testing.assert_allclose(model.score_samples(queries), np.log(model.pdf(queries)), atol=1e-12)
        for c, size in enumerate(np.bincount(y)):
            radius = np.sort(cdist(queries, X[y == c]), axis=1)[:, k - 1]
            np.testing.assert_allclose(model.class_pdf(queries)[:, c], k / (size * volume(radius)), rtol=1e-12)
        np.testing.assert_allclose(model.class_score_samples(queries), np.log(model.class_pdf(queries)), atol=1e-12)


@pytest.mark.parametrize("d", [100, 1000])
def test_in_many_dimensions_the_logarithm_is_right_where_volumes_underflow(d, rng):
    X, query = rng.normal(size=(50, d)), np.zeros((1, d))
    with mpmath.workdps(50):
        radius = sorted(mpmath.norm([mpmath.mpf(value) for value in row]) for row in X.tolist())[4]
        volume = mpmath.pi ** (mpmath.mpf(d) / 2) / mpmath.gamma(mpmath.mpf(d) / 2 + 1) * radius**d
        expected = float(mpmath.log(5 / (50 * volume)))
    assert KNearestDensity(5).fit(X).score_samples(query)[0] == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_a_change_of_units(scale, rng):
    X, queries = rng.normal(size=(50, 2)), rng.normal(size=(9, 2))
    density = KNearestDensity().fit(X).score_samples(queries)
    scaled = KNearestDensity().fit(X * scale).score_samples(queries * scale)
    np.testing.assert_allclose(scaled, density - 2 * math.log(scale), rtol=1e-12)


def test_with_many_points_it_comes_close_to_the_true_density(rng):
    X = rng.normal(size=(20000, 2))
    queries = rng.normal(size=(200, 2)).clip(-1.5, 1.5)
    true = multivariate_normal(np.zeros(2)).pdf(queries)
    errors = np.abs(KNearestDensity().fit(X).pdf(queries, [2, 32, 256]) / true - 1)
    assert np.all(np.diff(errors.mean(axis=1)) < 0)
    assert errors[2].max() < 5 / math.sqrt(256)  # the count in the ball is Poisson's


# Classes


def test_priors_are_the_shares_of_the_classes(rng):
    X, y = toy(rng)
    model = KNearestDensity().fit(X, np.array(["b", "a", "c"])[y])
    assert model.classes_.tolist() == ["a", "b", "c"]
    np.testing.assert_array_equal(model.class_count_, np.bincount(y)[[1, 0, 2]])
    np.testing.assert_allclose(model.class_prior_, np.bincount(y)[[1, 0, 2]] / 120)


@pytest.mark.parametrize("k", [1, 3, 12])
def test_the_posterior_is_by_bayes(k, rng):
    X, y = toy(rng)
    queries = rng.normal(size=(50, 2)) + 1
    model = KNearestDensity(k).fit(X, y)
    joint = model.class_prior_ * model.class_pdf(queries)
    np.testing.assert_allclose(model.predict_proba(queries), joint / joint.sum(axis=1, keepdims=True), rtol=1e-12)
    np.testing.assert_array_equal(model.predict(queries), model.predict_proba(queries).argmax(axis=1))
    # ... which is of the volumes only, and not the share among the k nearest of all.
    radii = np.stack([np.sort(cdist(queries, X[y == c]), axis=1)[:, k - 1] for c in range(3)], axis=1)
    np.testing.assert_allclose(model.predict_proba(queries), radii**-2 / np.sum(radii**-2, axis=1, keepdims=True))
    shares = KNeighborsClassifier(k).fit(X, y).predict_proba(queries)
    assert np.max(np.abs(shares - model.predict_proba(queries))) > 0.1


def test_with_many_points_the_posterior_comes_close_to_the_true_one(rng):
    y = (rng.random(20000) < 0.25).astype(int)
    X = rng.normal(size=(20000, 1)) + 2 * y[:, None]
    queries = np.linspace(-1, 3, 41)[:, None]
    joint = np.hstack((0.75 * norm.pdf(queries), 0.25 * norm.pdf(queries - 2)))
    true = joint / joint.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(KNearestDensity(200).fit(X, y).predict_proba(queries), true, atol=0.12)


# Where points coincide


def test_where_k_points_coincide_the_density_is_infinite_and_the_posterior_finite():
    X = [[0.0, 0], [0, 0], [0, 0], [3, 4], [0, 0], [0, 0], [5, 5], [0, 1], [2, 2]]
    y = ["a", "a", "a", "a", "b", "b", "b", "c", "c"]
    model = KNearestDensity(2).fit(X, y)
    queries = [[0.0, 0], [1, 1]]
    assert np.isinf(model.pdf(queries)).tolist() == [True, False]
    assert np.isinf(model.class_pdf(queries)).tolist() == [[True, True, False], [False, False, False]]
    np.testing.assert_array_equal(model.predict_proba(queries)[0], [0.5, 0.5, 0])
    np.testing.assert_array_equal(model.predict(queries), ["a", "a"])
    np.testing.assert_allclose(model.predict_proba([[1e-9, 0]]), [[0.5, 0.5, 0]], atol=1e-12)  # its limit


def test_a_posterior_where_all_densities_underflow():
    model = KNearestDensity(1).fit(np.vstack((np.zeros((2, 400)), np.ones((2, 400)))), [0, 0, 1, 1])
    query = np.full((1, 400), 1e5)
    assert np.all(model.class_pdf(query) == 0)
    np.testing.assert_allclose(model.predict_proba(query), [[0.498, 0.502]], atol=1e-3)


def test_a_posterior_beyond_all_distances():
    model = KNearestDensity(1).fit([[-1.7e308], [-1.6e308], [-1.5e308]], [0, 1, 1])
    np.testing.assert_array_equal(model.score_samples([[1.7e308]]), -np.inf)
    np.testing.assert_array_equal(model.predict_proba([[1.7e308]]), [[0.5, 0.5]])


# Many k


def test_many_k_are_answered_from_one_search(rng, monkeypatch):
    X, y = toy(rng)
    queries = rng.normal(size=(25, 2))
    model = KNearestDensity().fit(X, y)
    methods = ("score_samples", "pdf", "class_score_samples", "class_pdf", "predict_proba", "predict")
    counts = [4, 1, 16, 4]
    single = {name: [getattr(model, name)(queries, k) for k in counts] for name in methods}
    calls = []
    search = type(model._search).search
    monkeypatch.setattr(type(model._search), "search", lambda self, *args: calls.append(0) or search(self, *args))
    for name in methods:
        calls.clear()
        np.testing.assert_array_equal(getattr(model, name)(queries, counts), single[name])
        assert len(calls) == (1 if name in ("score_samples", "pdf") else 3)


# With the rest of scikit-learn


def test_the_score_is_the_log_likelihood_without_labels_and_the_accuracy_with_them(rng):
    X, y = toy(rng)
    model = KNearestDensity().fit(X, y)
    queries, labels = toy(rng)
    assert model.score(queries) == pytest.approx(model.score_samples(queries).sum())
    assert model.score(queries, labels) == np.mean(model.predict(queries) == labels)
    weights = rng.random(len(labels))
    assert model.score(queries, labels, weights) == pytest.approx(
        np.average(model.predict(queries) == labels, weights=weights)
    )


def test_the_log_likelihood_is_too_large_by_what_the_docstring_says(rng):
    X, queries = rng.random(size=(20000, 1)), rng.uniform(0.2, 0.8, size=(4000, 1))  # the true density is 1
    excess = KNearestDensity().fit(X).score_samples(queries, [1, 2, 8]).mean(axis=1)
    np.testing.assert_allclose(excess, [math.log(k) - digamma(k) for k in (1, 2, 8)], atol=0.08)


def test_a_fit_without_labels_forgets_those_of_an_earlier_one(rng):
    X, y = toy(rng)
    model = KNearestDensity().fit(X, y).fit(X)
    assert not hasattr(model, "classes_")
    assert model.pdf(X).shape == (120,)
    for method in (model.predict, model.predict_proba, model.class_pdf):
        with pytest.raises(NotFittedError, match=r"KNearestDensity: there are no classes, .* call fit\(X, y\)"):
            method(X)


def test_a_pickle(rng):
    X, y = toy(rng)
    model = KNearestDensity().fit(X, y)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict_proba(X), model.predict_proba(X))


# What is refused


def test_more_neighbours_than_points(rng):
    X, y = toy(rng, 20, classes=1)
    y[:3] = 7
    model = KNearestDensity(4).fit(X, y)
    with pytest.raises(ValueError, match="n_neighbors=4 is more than the 3 training points of class 7; ask for fewer"):
        model.predict(X)
    with pytest.raises(ValueError, match="n_neighbors=21 is more than the 20 training points; ask for fewer"):
        model.pdf(X, [1, 21])
    assert model.pdf(X, 20).shape == model.predict(X, 3).shape == (20,)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_neighbors": 0}, "n_neighbors must be an integer of at least 1, got 0"),
        ({"n_neighbors": 2.0}, "n_neighbors must be an integer of at least 1, got 2.0"),
        ({"algorithm": "tree"}, "algorithm must be one of 'auto', 'brute', 'kd_tree', got 'tree'"),
    ],
)
def test_arguments_that_make_no_sense(arguments, message, rng):
    with pytest.raises(ValueError, match=f"KNearestDensity: {message}"):
        KNearestDensity(**arguments).fit(*toy(rng))


@pytest.mark.parametrize(
    ("queries", "message"),
    [
        ([[0.0, 0, 0]], "X has 3 features, but KNearestDensity is expecting 2 features"),
        ([[0.0, np.nan]], "contains NaN"),
    ],
)
def test_queries_that_are_refused(queries, message, rng):
    model = KNearestDensity().fit(*toy(rng))
    for method in (model.score_samples, model.class_score_samples, model.predict):
        with pytest.raises(ValueError, match=message):
            method(queries)


def test_before_fit():
    for method in ("score_samples", "pdf", "class_pdf", "predict_proba", "predict"):
        with pytest.raises(NotFittedError):
            getattr(KNearestDensity(), method)([[0.0]])
