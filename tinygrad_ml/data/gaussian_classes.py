"""Classes made of Gaussian clusters: data with a density, priors and a posterior that are known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


class GaussianClasses:
    """A distribution of points and labels whose densities are known.

    Cluster j has the weight w_j, the mean m_j, the covariance S_j and belongs to the class c_j, so that

        p(c) = sum_{j: c_j = c} w_j,   p(x | c) = sum_{j: c_j = c} w_j N(x; m_j, S_j) / p(c).

    Parameters
    ----------
    weights : array_like of shape (n_clusters,)
        Positive; divided by their sum.
    means : array_like of shape (n_clusters, n_features)
    covariances : array_like of shape (n_clusters, n_features, n_features)
        Symmetric and positive definite.
    classes : array_like of int, of shape (n_clusters,), optional
        From 0 to n_classes - 1, each at least once; by default each cluster is a class.

    Raises
    ------
    ValueError
        For shapes that do not fit, weights that are not positive, covariances that are not positive definite, and
        classes that are not numbered through.

    Examples
    --------
    >>> source = GaussianClasses([3, 1], means=[[0, 0], [2, 0]], covariances=[np.eye(2), np.eye(2)])
    >>> X, y = source.sample(5, rng=0)
    >>> X.shape, y.shape
    ((5, 2), (5,))
    >>> source.priors
    array([0.75, 0.25])
    >>> source.posterior([[1.0, 0.0]])
    array([[0.75, 0.25]])
    """

    def __init__(self, weights: Any, means: Any, covariances: Any, classes: Any = None) -> None:
        weights = np.array(weights, float)
        self.means, self.covariances = np.array(means, float), np.array(covariances, float)
        self.classes = np.arange(len(weights)) if classes is None else np.array(classes)
        n, d = len(weights), self.means.shape[-1]
        shapes = weights.shape, self.means.shape, self.covariances.shape, self.classes.shape
        if shapes != ((n,), (n, d), (n, d, d), (n,)):
            raise ValueError(
                f"GaussianClasses: weights, means, covariances and classes have the shapes {shapes}; they must be "
                "(n,), (n, d), (n, d, d) and (n,) for n clusters in d dimensions"
            )
        if not (np.all(weights > 0) and np.all(np.isfinite(weights))):
            raise ValueError(f"GaussianClasses: weights must be positive numbers, got {weights.tolist()}")
        if not np.array_equal(np.unique(self.classes), np.arange(np.max(self.classes) + 1)):
            raise ValueError(
                f"GaussianClasses: classes must be numbers from 0 on with none left out, got {self.classes.tolist()}"
            )
        try:
            self._factors = np.linalg.cholesky(self.covariances)
        except np.linalg.LinAlgError:
            raise ValueError("GaussianClasses: a covariance is not positive definite") from None
        if not np.allclose(self.covariances, np.swapaxes(self.covariances, 1, 2)):
            raise ValueError("GaussianClasses: a covariance is not symmetric")
        self.weights = weights / weights.sum()

    @property
    def priors(self) -> np.ndarray:
        """p(c), of shape (n_classes,)."""
        return np.bincount(self.classes, self.weights)

    def sample(self, n: int, rng: Any = None) -> tuple[np.ndarray, np.ndarray]:
        """Draw `n` points and their classes.

        Parameters
        ----------
        n : int
        rng : int or numpy.random.Generator, optional

        Returns
        -------
        X : array of shape (n, n_features)
        y : array of int, of shape (n,)
        """
        rng = np.random.default_rng(rng)
        cluster = rng.choice(len(self.weights), size=n, p=self.weights)
        noise = rng.normal(size=(n, self.means.shape[1]))
        return self.means[cluster] + np.einsum("nij,nj->ni", self._factors[cluster], noise), self.classes[cluster]

    def pdf(self, X: Any) -> np.ndarray:
        """p(x), of shape (n,) for `X` of shape (n, n_features)."""
        return np.exp(self._log_clusters(X)).sum(axis=1)  # type: ignore[no-any-return]

    def class_pdf(self, X: Any) -> np.ndarray:
        """p(x | c), of shape (n, n_classes)."""
        return np.exp(self._log_clusters(X)) @ self._membership() / self.priors  # type: ignore[no-any-return]

    def posterior(self, X: Any) -> np.ndarray:
        """p(c | x), of shape (n, n_classes); right also where densities underflow."""
        log_clusters = self._log_clusters(X)
        log_clusters -= log_clusters.max(axis=1, keepdims=True)
        joint = np.exp(log_clusters) @ self._membership()
        return joint / joint.sum(axis=1, keepdims=True)  # type: ignore[no-any-return]

    def _membership(self) -> np.ndarray:
        """1 where a cluster is of a class, of shape (n_clusters, n_classes)."""
        return np.eye(len(self.priors))[self.classes]

    def _log_clusters(self, X: Any) -> np.ndarray:
        """log w_j N(x; m_j, S_j), of shape (n, n_clusters)."""
        X, d = np.asarray(X, float), self.means.shape[1]
        if X.ndim != 2 or X.shape[1] != d:
            raise ValueError(f"GaussianClasses: X has the shape {X.shape}; it must be (n, {d})")
        # With S = L L', (x - m)' S^-1 (x - m) is the square of L^-1 (x - m), and det S that of the product of diag L.
        centred = np.swapaxes(X - self.means[:, None], 1, 2)
        squares = np.sum(np.linalg.solve(self._factors, centred) ** 2, axis=1)
        log_root_det = np.log(np.diagonal(self._factors, axis1=1, axis2=2)).sum(axis=1)
        constant = np.log(self.weights) - log_root_det - d / 2 * math.log(2 * math.pi)
        return (constant[:, None] - squares / 2).T  # type: ignore[no-any-return]
