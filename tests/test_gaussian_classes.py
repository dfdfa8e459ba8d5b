"""Data whose densities are known: the densities against SciPy's, and the data against the densities."""

import numpy as np
import pytest
from scipy.stats import kstest, multivariate_normal

from tinygrad_ml.data import GaussianClasses

MEANS = [[0.0, 0.0], [3.0, 1.0], [-2.0, 2.0]]
COVARIANCES = [np.eye(2), [[2.0, 0.9], [0.9, 0.5]], [[0.1, 0.0], [0.0, 0.3]]]


def source():
    return GaussianClasses([1, 2, 1], MEANS, COVARIANCES, classes=[1, 0, 1])


def test_densities_are_scipys(rng):
    X = rng.normal(size=(50, 2), scale=3)
    clusters = [multivariate_normal(m, S).pdf(X) for m, S in zip(MEANS, COVARIANCES, strict=True)]
    class_pdf = np.stack((clusters[1], (clusters[0] + clusters[2]) / 2), axis=1)
    np.testing.assert_allclose(source().priors, [0.5, 0.5])
    np.testing.assert_allclose(source().class_pdf(X), class_pdf, rtol=1e-10)
    np.testing.assert_allclose(source().pdf(X), class_pdf.mean(axis=1), rtol=1e-10)
    np.testing.assert_allclose(source().posterior(X), class_pdf / class_pdf.sum(axis=1, keepdims=True), rtol=1e-10)


def test_a_posterior_where_densities_underflow():
    far = GaussianClasses([1, 1], [[0.0], [1.0]], np.ones((2, 1, 1)))
    np.testing.assert_allclose(far.posterior([[1000.0], [-1000.0]]), [[0, 1], [1, 0]], atol=1e-12)


def test_samples_have_the_moments_and_the_shares(rng):
    X, y = source().sample(40_000, rng)
    assert np.mean(y) == pytest.approx(0.5, abs=0.02)
    np.testing.assert_allclose(X[y == 0].mean(axis=0), MEANS[1], atol=0.05)
    np.testing.assert_allclose(np.cov(X[y == 0].T), COVARIANCES[1], atol=0.06)
    near = X[(y == 1) & (X[:, 0] < -1)]
    assert len(near) / len(X) == pytest.approx(0.25 + 0.25 * 0.159, abs=0.02)


def test_one_cluster_is_gaussian(rng):
    X, y = GaussianClasses([5], [[1.0]], [[[4.0]]]).sample(5000, rng)
    assert np.all(y == 0)
    assert kstest((X[:, 0] - 1) / 2, "norm").pvalue > 1e-4


def test_samples_depend_on_the_seed_only():
    for first, again in zip(source().sample(9, 3), source().sample(9, 3), strict=True):
        np.testing.assert_array_equal(first, again)
    assert not np.array_equal(source().sample(9, 3)[0], source().sample(9, 4)[0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"means": [[0.0, 0], [1, 1]]},
            r".* have the shapes .*; they must be \(n,\), \(n, d\), \(n, d, d\) and \(n,\)",
        ),
        ({"weights": [1, 0, 1]}, r"weights must be positive numbers, got \[1.0, 0.0, 1.0\]"),
        ({"classes": [0, 2, 2]}, r"classes must be numbers from 0 on with none left out, got \[0, 2, 2\]"),
        ({"covariances": -np.array(COVARIANCES)}, "a covariance is not positive definite"),
        ({"covariances": [np.eye(2), np.eye(2), [[1, 0.5], [0, 1]]]}, "a covariance is not symmetric"),
    ],
)
def test_sources_that_make_no_sense(changes, message):
    arguments = {"weights": [1, 2, 1], "means": MEANS, "covariances": COVARIANCES} | changes
    with pytest.raises(ValueError, match=f"GaussianClasses: {message}"):
        GaussianClasses(**arguments)


def test_points_of_another_shape():
    with pytest.raises(ValueError, match=r"GaussianClasses: X has the shape \(3,\); it must be \(n, 2\)"):
        source().pdf([1.0, 2.0, 3.0])
