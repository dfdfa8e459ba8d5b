"""Density estimation, and classification by Bayes' rule, from the distance to the k-th nearest training point."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.special import gammaln, logsumexp
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import NotFittedError
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from .neighbors import ALGORITHMS, Search, check_choice, check_n_neighbors, choose, make_search, several_n_neighbors


class KNearestDensity(ClassifierMixin, BaseEstimator):
    """The density whose ball around x, just large enough to hold k of the N training points, has the mass k / N.

    With r_k(x) the distance from x to the k-th nearest training point and V* the volume of the ball of that radius in d
    dimensions (in the plane the area of a circle, pi r_k^2),

        p(x) = k / (N V*),   V* = pi^(d/2) / Gamma(d/2 + 1) r_k(x)^d,

    and p(x | c) is the same with the N_c training points of class c only, and r_k from these. (Loftsgaarden and
    Quesenberry, A nonparametric estimate of a multivariate density function, 1965; Bishop, Pattern Recognition and
    Machine Learning, 2006, section 2.5.2.) With the class priors p(c) = N_c / N, Bayes' rule is

        p(c | x) = p(c) p(x | c) / sum_c' p(c') p(x | c') = V_c^-1 / sum_c' V_c'^-1,

    since p(c) p(x | c) = k / (N V_c): the class whose k-th point is nearest is the most probable, and numbers of points
    matter only in that they bring points nearer. This is not k_c / k, the share of class c among the k nearest of all
    points (`KNeighborsClassifier`), which follows where one ball, of one volume, is used for all classes. Nor is the
    denominator the p(x) above, which is of all points together.

    p(x) is no true density: it falls as r^-d far away, and its integral diverges. Where k training points coincide with
    x, r_k is 0 and the density infinite. Classes of infinite density share the posterior equally, the limit of equal
    radii that tend to 0; the others have none. A training point that is asked for is a neighbour of its own.

    Parameters
    ----------
    n_neighbors : int, default=5
        The k of the methods that are not told another.
    algorithm : {"auto", "brute", "kd_tree"}, default="auto"
        As for `KNeighborsClassifier`.

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
        This and the next two only where `fit` was given y.
    class_count_ : array of int, of shape (n_classes,)
        N_c.
    class_prior_ : array of shape (n_classes,)
        p(c).
    algorithm_ : {"brute", "kd_tree"}
        The search among all training points.
    n_samples_fit_ : int
        N.
    n_features_in_ : int
    feature_names_in_ : array of shape (n_features_in_,)
        Where X had column names.

    Examples
    --------
    >>> X, y = [[0.0], [1.0], [2.0], [10.0], [14.0]], ["a", "a", "a", "b", "b"]
    >>> model = KNearestDensity(n_neighbors=2).fit(X, y)
    >>> model.pdf([[1.5]])  # 2 of 5 points within 0.5, an interval of length 1
    array([0.4])
    >>> model.class_prior_
    array([0.6, 0.4])
    >>> model.class_pdf([[5.0]])  # radii 4 and 9
    array([[0.08333333, 0.05555556]])
    >>> model.predict_proba([[5.0]])
    array([[0.69230769, 0.30769231]])

    The densities for many k take one search:

    >>> model.pdf([[1.5]], n_neighbors=[1, 2, 4])
    array([[0.2       ],
           [0.4       ],
           [0.04705882]])
    """

    def __init__(self, n_neighbors: int = 5, *, algorithm: str = "auto") -> None:
        self.n_neighbors = n_neighbors
        self.algorithm = algorithm

    def fit(self, X: Any, y: Any = None) -> KNearestDensity:
        """Keep the training points.

        Parameters
        ----------
        X : array_like of shape (n_samples, n_features)
        y : array_like of shape (n_samples,), optional
            Labels of any type. Without them there are no classes: p(x) is all there is.

        Raises
        ------
        ValueError
            For a parameter that is not one of those above, and for data that scikit-learn refuses. That `n_neighbors`
            is more than the points, or those of a class, is an error of the methods that need as many.
        """
        name = type(self).__name__
        check_n_neighbors(name, self.n_neighbors)
        check_choice(name, "algorithm", self.algorithm, ALGORITHMS)
        for learned in ("classes_", "class_count_", "class_prior_", "_class_searches"):
            self.__dict__.pop(learned, None)  # of an earlier fit, which may have had labels
        if y is None:
            X = validate_data(self, X, dtype=np.float64, order="C")
        else:
            X, y = validate_data(self, X, y, dtype=np.float64, order="C")
            check_classification_targets(y)
            self.classes_, codes, self.class_count_ = np.unique(y, return_inverse=True, return_counts=True)
            self.class_prior_ = self.class_count_ / len(X)
            parts = [X[codes == code] for code in range(len(self.classes_))]
            self._class_searches = [make_search(part, choose(self.algorithm, part)) for part in parts]
        self.n_samples_fit_ = len(X)
        self.algorithm_ = choose(self.algorithm, X)
        self._search = make_search(X, self.algorithm_)
        return self

    # All points

    def score_samples(self, X: Any, n_neighbors: Any = None) -> np.ndarray:
        """log p(x), as `sklearn.neighbors.KernelDensity` has it.

        Parameters
        ----------
        X : array_like of shape (n_queries, n_features)
        n_neighbors : int or sequence of int, optional
            By default the estimator's. All of a sequence are answered from one search.

        Returns
        -------
        array of shape (n_queries,)
            For a sequence of K numbers, of shape (K, n_queries). Infinite where k training points coincide with x.

        Raises
        ------
        ValueError
            For more neighbours than training points, another number of features than in `fit`, NaN.
        """
        X, counts, is_single = self._checked(X, n_neighbors)
        check_n_neighbors(type(self).__name__, max(counts), self.n_samples_fit_)
        densities = _log_densities(self._search, X, counts, self.n_samples_fit_)
        return densities[0] if is_single else densities

    def pdf(self, X: Any, n_neighbors: Any = None) -> np.ndarray:
        """p(x), the exponential of `score_samples`; it overflows or underflows where that does not."""
        return _exp(self.score_samples(X, n_neighbors))

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """The accuracy of `predict` where `y` is given, and otherwise the sum of log p(x), as for `KernelDensity`.

        That sum does not tell which k is best: log p(x) is on average too large by about log k - digamma(k), which is
        0.58 for k = 1 and falls with k.
        """
        if y is None:
            return float(np.sum(self.score_samples(X)))
        return float(super().score(X, y, sample_weight))

    # By class

    def class_score_samples(self, X: Any, n_neighbors: Any = None) -> np.ndarray:
        """log p(x | c) for every class.

        Parameters
        ----------
        X : array_like of shape (n_queries, n_features)
        n_neighbors : int or sequence of int, optional
            By default the estimator's. All of a sequence are answered from one search in each class.

        Returns
        -------
        array of shape (n_queries, n_classes)
            In the order of `classes_`. For a sequence of K numbers, of shape (K, n_queries, n_classes).

        Raises
        ------
        ValueError
            For more neighbours than a class has points, and as for `score_samples`.
        NotFittedError
            After a fit without y.
        """
        X, counts, is_single = self._checked(X, n_neighbors)
        if not hasattr(self, "classes_"):
            name = type(self).__name__
            raise NotFittedError(f"{name}: there are no classes, since it was fitted without y; call fit(X, y)")
        densities = np.empty((len(counts), len(X), len(self.classes_)))
        for code, (label, size) in enumerate(zip(self.classes_, self.class_count_, strict=True)):
            check_n_neighbors(type(self).__name__, max(counts), size, f"training points of class {label}")
            densities[:, :, code] = _log_densities(self._class_searches[code], X, counts, size)
        return densities[0] if is_single else densities

    def class_pdf(self, X: Any, n_neighbors: Any = None) -> np.ndarray:
        """p(x | c) for every class, the exponential of `class_score_samples`."""
        return _exp(self.class_score_samples(X, n_neighbors))

    def predict_proba(self, X: Any, n_neighbors: Any = None) -> np.ndarray:
        """The posterior p(c | x) by Bayes' rule; arguments and shapes are those of `class_score_samples`."""
        log_joint = self.class_score_samples(X, n_neighbors) + np.log(self.class_prior_)
        # Where densities are infinite, or so far away that radii are, the classes at that extreme share equally.
        highest = log_joint.max(axis=-1, keepdims=True)
        log_joint = np.where(np.isinf(highest), np.where(log_joint == highest, 0.0, -np.inf), log_joint)
        return np.exp(log_joint - logsumexp(log_joint, axis=-1, keepdims=True))  # type: ignore[no-any-return]

    def predict(self, X: Any, n_neighbors: Any = None) -> np.ndarray:
        """The most probable class, of several the smallest.

        Of shape (n_queries,); for a sequence of K numbers of neighbours, of shape (K, n_queries).
        """
        proba = self.predict_proba(X, n_neighbors)
        return self.classes_[np.argmax(proba, axis=-1)]  # type: ignore[no-any-return]

    def _checked(self, X: Any, n_neighbors: Any) -> tuple[np.ndarray, list[int], bool]:
        check_is_fitted(self)
        counts = several_n_neighbors(type(self).__name__, n_neighbors, self.n_neighbors)
        return validate_data(self, X, reset=False, dtype=np.float64, order="C"), *counts

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = False
        return tags


def _log_densities(search: Search, X: np.ndarray, counts: list[int], n_points: int) -> np.ndarray:
    """log(k / (n_points V*)) for each k of `counts`; of shape (len(counts), len(X))."""
    d = X.shape[1]
    k = np.array(counts)[:, None]
    radii = search.search(X, max(counts))[0].T[k[:, 0] - 1]
    with np.errstate(divide="ignore"):
        return np.log(k / n_points) - log_unit_ball(d) - d * np.log(radii)  # type: ignore[no-any-return]


def log_unit_ball(d: int) -> float:
    """The logarithm of the volume of the unit ball in `d` dimensions, pi^(d/2) / Gamma(d/2 + 1).

    Examples
    --------
    >>> [round(math.exp(log_unit_ball(d)), 6) for d in (1, 2, 3)]
    [2.0, 3.141593, 4.18879]
    """
    return float(d / 2 * math.log(math.pi) - gammaln(d / 2 + 1))


def _exp(log_density: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore", under="ignore"):
        return np.exp(log_density)  # type: ignore[no-any-return]
