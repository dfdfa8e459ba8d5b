"""Classification by the vote of the nearest training points."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from .neighbors import (
    ALGORITHMS,
    check_choice,
    check_n_neighbors,
    choose,
    make_search,
    several_n_neighbors,
    without_themselves,
)

WEIGHTS = ("uniform", "distance")


class KNeighborsClassifier(ClassifierMixin, BaseEstimator):
    """The class that most of the k nearest training points have.

    With N_k(x) the k training points nearest to x by the Euclidean distance, and a weight w_i(x) for the vote of each,

        p(c | x) = sum_{i in N_k(x)} w_i(x) [y_i = c] / sum_{i in N_k(x)} w_i(x),

    where w_i = 1, or w_i = 1 / |x - x_i|; and the prediction is the c for which it is largest. (Fix and Hodges, 1951;
    Cover and Hart, Nearest neighbor pattern classification, 1967; weights: Dudani, 1976.)

    Ties are settled always in the same way: of training points at the same distance the one that comes first in the
    training set is the nearer neighbour, and of classes with equal votes the smaller wins, in the order of `classes_`.

    Parameters
    ----------
    n_neighbors : int, default=5
        The k of the methods that are not told another.
    weights : {"uniform", "distance"}, default="uniform"
        With "distance" nearer neighbours count more. Neighbours at distance 0, if there are any, are the only ones to
        vote, and equally.
    algorithm : {"auto", "brute", "kd_tree"}, default="auto"
        All find the same neighbours. "brute" compares with every training point, in NumPy; "kd_tree" is SciPy's, and
        faster where there are few features. "auto" takes the tree for up to 4 features, and with 5,000 training points
        or more for up to 6.

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
    algorithm_ : {"brute", "kd_tree"}
    n_samples_fit_ : int
    n_features_in_ : int
    feature_names_in_ : array of shape (n_features_in_,)
        Where X had column names.

    Examples
    --------
    >>> model = KNeighborsClassifier(n_neighbors=3).fit([[0.0], [1.0], [2.0], [3.0]], ["a", "a", "b", "b"])
    >>> model.predict([[1.1]])
    array(['a'], dtype='<U1')
    >>> model.kneighbors([[1.5]], n_neighbors=2)
    (array([[0.5, 0.5]]), array([[1, 2]]))

    The predictions for many k take one search:

    >>> model.predict([[1.1], [2.9]], n_neighbors=[1, 2, 4])
    array([['a', 'b'],
           ['a', 'b'],
           ['a', 'a']], dtype='<U1')
    """

    def __init__(self, n_neighbors: int = 5, *, weights: str = "uniform", algorithm: str = "auto") -> None:
        self.n_neighbors = n_neighbors
        self.weights = weights
        self.algorithm = algorithm

    def fit(self, X: Any, y: Any) -> KNeighborsClassifier:
        """Keep the training points.

        Parameters
        ----------
        X : array_like of shape (n_samples, n_features)
        y : array_like of shape (n_samples,)
            Labels of any type.

        Raises
        ------
        ValueError
            For a parameter that is not one of those above, and for data that scikit-learn refuses: NaN, infinity, not
            two dimensions, labels that are real numbers. That `n_neighbors` is more than the training points is an
            error of the methods that need as many.
        """
        name = type(self).__name__
        check_n_neighbors(name, self.n_neighbors)
        check_choice(name, "weights", self.weights, WEIGHTS)
        check_choice(name, "algorithm", self.algorithm, ALGORITHMS)
        X, y = validate_data(self, X, y, dtype=np.float64, order="C")
        check_classification_targets(y)
        self.classes_, self._codes = np.unique(y, return_inverse=True)
        self.n_samples_fit_ = len(X)
        self.algorithm_ = choose(self.algorithm, X)
        self._search = make_search(X, self.algorithm_)
        return self

    def kneighbors(self, X: Any = None, n_neighbors: int | None = None, return_distance: bool = True) -> Any:
        """The nearest training points, nearest first, and those at the same distance in training order.

        Parameters
        ----------
        X : array_like of shape (n_queries, n_features), optional
            By default the training points, none of which is a neighbour of its own.
        n_neighbors : int, optional
            By default the estimator's.
        return_distance : bool, default=True

        Returns
        -------
        distances : array of shape (n_queries, n_neighbors)
            Euclidean; only with ``return_distance=True``.
        indices : array of int, of shape (n_queries, n_neighbors)
            Rows of the training set.

        Raises
        ------
        ValueError
            For more neighbours than there are, other numbers of features than in `fit`, NaN.
        """
        check_is_fitted(self)
        k = self.n_neighbors if n_neighbors is None else n_neighbors
        if X is None:
            k = check_n_neighbors(type(self).__name__, k, self.n_samples_fit_ - 1, "other training points")
            found = without_themselves(*self._search.search(self._search.X, k + 1))
        else:
            k = check_n_neighbors(type(self).__name__, k, self.n_samples_fit_)
            found = self._search.search(validate_data(self, X, reset=False, dtype=np.float64, order="C"), k)
        return found if return_distance else found[1]

    def predict_proba(self, X: Any, n_neighbors: Any = None) -> np.ndarray:
        """The share of each class in the vote.

        Parameters
        ----------
        X : array_like of shape (n_queries, n_features) or None
            None for the training points, each judged by the others.
        n_neighbors : int or sequence of int, optional
            By default the estimator's. All of a sequence are answered from one search.

        Returns
        -------
        array of shape (n_queries, n_classes)
            In the order of `classes_`. For a sequence of K numbers, of shape (K, n_queries, n_classes).
        """
        check_is_fitted(self)
        counts, is_single = several_n_neighbors(type(self).__name__, n_neighbors, self.n_neighbors)
        distances, indices = self.kneighbors(X, max(counts))
        codes = self._codes[indices]
        if self.weights == "uniform":
            weights = np.ones_like(distances)
        else:
            weights = _inverse(distances)
        queries = np.arange(len(codes))
        votes = np.zeros((len(codes), len(self.classes_)))
        proba = np.empty((len(counts), *votes.shape))
        # One neighbour after the other: classes with the same distances have the same votes to the last bit.
        for k in range(1, max(counts) + 1):
            votes[queries, codes[:, k - 1]] += weights[:, k - 1]
            for place in np.flatnonzero(np.equal(counts, k)):
                np.divide(votes, votes.sum(axis=1, keepdims=True), out=proba[place])
        return proba[0] if is_single else proba

    def predict(self, X: Any, n_neighbors: Any = None) -> np.ndarray:
        """The class with the largest share of the vote, of several the smallest.

        Parameters
        ----------
        X : array_like of shape (n_queries, n_features) or None
            None for the training points, each judged by the others: ``score(None, y)`` is the accuracy of
            leave-one-out cross-validation.
        n_neighbors : int or sequence of int, optional
            By default the estimator's. All of a sequence are answered from one search.

        Returns
        -------
        array of shape (n_queries,)
            For a sequence of K numbers, of shape (K, n_queries).
        """
        proba = self.predict_proba(X, n_neighbors)
        return self.classes_[np.argmax(proba, axis=-1)]  # type: ignore[no-any-return]


def _inverse(distances: np.ndarray) -> np.ndarray:
    """1 / distance in units of the nearest neighbour's, which cancel in the vote: neither infinite nor 0 / 0."""
    nearest = distances[:, :1]
    return np.divide(nearest, distances, out=np.ones_like(distances), where=distances > nearest)
