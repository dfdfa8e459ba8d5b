"""Softmax regression, with its derivatives by hand and the factors of the chain rule they are made of."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from .base import total_weight
from .linear import BLOCK, LinearClassifier
from .solvers import Solution


class SoftmaxRegression(LinearClassifier):
    r"""C classes with the probabilities ``p = softmax(g)``, of scores ``g_c = theta_0c + sum_j theta_jc x_j``.

    With the bias trick, ``xbar = [x, 1]``: theta is of shape (n_features + 1, n_classes), W all its rows but the last,
    which is the bias, and ``g = xbar theta``. With weights a of samples, 1 by default, and A their sum,

    - loss: ``L = -sum_n a_n log p_(n, y_n) + ||W||^2 / (2 C)``, with ``-log p_y = log(sum_c exp(g_c)) - g_y`` and the
      largest score subtracted from all, so that no exponential overflows;
    - gradient: ``dL/dtheta = sum_n a_n xbar_n (p_n - onehot(y_n))^T + [W, 0] / C``. By the chain rule it is, for one
      sample, ``dL/dp dp/dg dg/dtheta``, see `dL_dp`, `dp_dg` and `dg_dtheta`;
    - Hessian: ``d2L / dtheta_jc dtheta_kd = sum_n a_n p_nc (onehot(c)_d - p_nd) xbar_nj xbar_nk``, and ``1 / C`` on the
      diagonal but for the bias.

    With ``reduction="mean"`` all that is divided by A.

    C. M. Bishop, "Pattern Recognition and Machine Learning" (2006), 4.3.4; the minimum is that of scikit-learn's
    multinomial `LogisticRegression` with the same C. It does not change when all scores get the same added, so that the
    parameters of a minimum are never the only ones: solvers end where those of a feature, and the biases, sum to 0.

    Parameters
    ----------
    C : float, default=numpy.inf
        The smaller, the more large coefficients cost; infinity penalises nothing. The bias is never penalised.
    reduction : {"mean", "sum"}, default="mean"
        Of the loss over samples.
    solver : {"lbfgs", "newton", "gd", "sgd"}, default="lbfgs"
        Quasi-Newton, Newton, gradient descent with all samples an update, or with a minibatch an update: each epoch
        shuffles the samples and skips a last batch that is shorter.
    learning_rate : float, default=0.1
        Of "gd" and "sgd".
    batch_size : int, default=100
        Of "sgd". Where there are fewer samples, all of them are the batch.
    max_iter : int, default=1000
        At most so many updates; "sgd" makes exactly so many.
    tol : float, default=1e-4
        A minimum is where no element of the gradient is larger; "sgd" does not look.
    random_state : int, RandomState or None, default=None
        Shuffles for "sgd".

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
    parameters_ : array of shape (n_features + 1, n_classes)
    coef_ : array of shape (n_classes, n_features), or (1, n_features) for two classes
        For two classes the difference of both, so that ``X @ coef_.T + intercept_`` is `decision_function` always.
    intercept_ : array of shape (n_classes,) or (1,)
    n_iter_ : int
        How many updates were made.
    loss_curve_ : list of float
        For "gd" and "sgd": the loss before each update, of the samples it was made of.
    n_features_in_ : int
    feature_names_in_ : array of shape (n_features_in_,)
        Where X had column names.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> model = SoftmaxRegression(C=1.0).fit(X, y)
    >>> model.score(X, y) > 0.95
    True

    The gradient of one sample by the chain rule:

    >>> x, theta = X[0], np.full((5, 3), 0.1)
    >>> p = softmax(np.append(x, 1) @ theta)
    >>> factors = model.dL_dp(p, 0) @ model.dp_dg(p), model.dg_dtheta(x, 3)
    >>> chained = np.tensordot(*factors, axes=1)
    >>> np.allclose(chained, SoftmaxRegression().gradient(theta, X[:1], y[:1]))
    True
    """

    _ndims = (2,)

    def __init__(
        self,
        C: float = np.inf,
        *,
        reduction: str = "mean",
        solver: str = "lbfgs",
        learning_rate: float = 0.1,
        batch_size: int = 100,
        max_iter: int = 1000,
        tol: float = 1e-4,
        random_state: Any = None,
    ) -> None:
        self.C = C
        self.reduction = reduction
        self.solver = solver
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    def initial_parameters(self, X: Any, y: Any) -> np.ndarray:
        """Zeros: all classes are equally probable. There are as many as the largest of y tells."""
        return np.zeros((np.shape(X)[1] + 1, int(np.max(y)) + 1))

    def loss(self, parameters: Any, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """The loss, a number.

        Parameters
        ----------
        parameters : array of shape (n_features + 1, n_classes)
        X : array of shape (n_samples, n_features)
        y : array of int of shape (n_samples,)
            The numbers of the classes, from 0.
        sample_weight : array of shape (n_samples,), optional
        """
        X, y, weight = self._checked("loss", parameters, X, y, sample_weight)
        W, b = parameters[:-1], parameters[-1]
        g = X @ W + b
        g = g - np.max(g, axis=1, keepdims=True)
        losses = np.log(np.sum(np.exp(g), axis=1)) - g[np.arange(len(X)), y]
        loss = np.sum(losses if weight is None else weight * losses)
        if self.C < np.inf:
            loss = loss + np.sum(W * W) / (2 * self.C)
        return loss / total_weight(X, weight) if self.reduction == "mean" else loss

    def _loss_gradient(
        self,
        parameters: np.ndarray,
        X: np.ndarray,
        y: np.ndarray,
        weight: np.ndarray | None,
        total: float | None = None,
    ) -> tuple[float, np.ndarray]:
        W = parameters[:-1]
        loss, gradient = 0.0, np.zeros(parameters.shape)
        for first in range(0, len(X), BLOCK):
            x, codes = X[first : first + BLOCK], y[first : first + BLOCK]
            samples = np.arange(len(x))
            p = _scores(parameters, x)
            p -= p.max(axis=0)
            losses = -p[codes, samples]
            np.exp(p, out=p)
            # 1 - p_y is the sum of the other classes, in which nothing cancels; and the log of a sum that is 1 and a
            # little more comes from the little.
            own = p[codes, samples]
            p[codes, samples] = 0
            others = np.add.reduce(p, axis=0)
            losses += np.log1p(others + (own - 1))
            p[codes, samples] = -others
            p /= own + others
            if weight is not None:
                losses *= weight[first : first + BLOCK]
                p *= weight[first : first + BLOCK]
            loss += losses.sum()
            gradient[:-1] += (p @ x).T
            gradient[-1] += p.sum(axis=1)
        samples_weigh = total_weight(X, weight)
        if self.C < np.inf:
            penalty = samples_weigh / (self.C * (total or samples_weigh))
            loss += penalty / 2 * np.vdot(W, W)
            gradient[:-1] += penalty * W
        if self.reduction == "mean":
            loss /= samples_weigh
            gradient /= samples_weigh
        return float(loss), gradient

    def _hessian(self, parameters: np.ndarray, X: np.ndarray, y: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
        rows, n_classes = parameters.shape
        blocks = np.zeros((n_classes, n_classes, rows, rows))
        for first in range(0, len(X), BLOCK):
            xbar = np.ones((len(X[first : first + BLOCK]), rows))
            xbar[:, :-1] = X[first : first + BLOCK]
            p = softmax(_scores(parameters, xbar[:, :-1]), axis=0)
            weighted = p if weight is None else p * weight[first : first + BLOCK]
            for c, d in itertools.combinations(range(n_classes), 2):
                blocks[c, d] -= (xbar.T * (weighted[c] * p[d])) @ xbar
        for c, d in itertools.combinations(range(n_classes), 2):
            blocks[d, c] = blocks[c, d]
            # p_c (1 - p_c) is the sum of p_c p_d over the other classes.
            blocks[c, c] -= blocks[c, d]
            blocks[d, d] -= blocks[c, d]
        features = np.arange(rows - 1)
        for c in range(n_classes):
            blocks[c, c, features, features] += 1 / self.C
        hessian = blocks.transpose(2, 0, 3, 1).reshape(parameters.size, parameters.size)
        return hessian / total_weight(X, weight) if self.reduction == "mean" else hessian

    def _hessian_product(
        self, parameters: np.ndarray, vector: np.ndarray, X: np.ndarray, y: np.ndarray, weight: np.ndarray | None
    ) -> np.ndarray:
        product = np.zeros(parameters.shape)
        for first in range(0, len(X), BLOCK):
            x = X[first : first + BLOCK]
            p = softmax(_scores(parameters, x), axis=0)
            change = _scores(vector, x)
            change -= np.sum(p * change, axis=0)
            change *= p  # of the probabilities, when the parameters change by the vector
            if weight is not None:
                change *= weight[first : first + BLOCK]
            product[:-1] += (change @ x).T
            product[-1] += change.sum(axis=1)
        product[:-1] += vector[:-1] / self.C
        return product / total_weight(X, weight) if self.reduction == "mean" else product

    @staticmethod
    def dL_dp(p: Any, y: int) -> np.ndarray:
        """The loss ``L = -log p_y`` of one sample by the probabilities: ``-1 / p_y`` for class y, and else 0.

        Where p_y underflows to 0 this is infinite, and the product with `dp_dg` is NaN; `gradient` uses the product in
        closed form, ``p - onehot(y)``, which has no such point.

        Parameters
        ----------
        p : array of shape (n_classes,)
        y : int

        Returns
        -------
        array of shape (n_classes,)
        """
        p = np.asarray(p, dtype=np.float64)
        factor = np.zeros_like(p)
        with np.errstate(divide="ignore"):
            factor[y] = -1 / p[y]
        return factor

    @staticmethod
    def dp_dg(p: Any) -> np.ndarray:
        """The probabilities by the scores: ``dp_c / dg_d = p_c (onehot(c)_d - p_d)``.

        Parameters
        ----------
        p : array of shape (n_classes,)

        Returns
        -------
        array of shape (n_classes, n_classes)
        """
        p = np.asarray(p, dtype=np.float64)
        return np.diag(p) - np.outer(p, p)

    @staticmethod
    def dg_dtheta(x: Any, n_classes: int) -> np.ndarray:
        """The scores by the parameters: ``dg_c / dtheta_jd = xbar_j onehot(c)_d``.

        Parameters
        ----------
        x : array of shape (n_features,)
        n_classes : int

        Returns
        -------
        array of shape (n_classes, n_features + 1, n_classes)
        """
        return np.einsum("j,cd->cjd", np.append(x, 1.0), np.eye(n_classes))

    def _check_arguments(self) -> None:
        super()._check_arguments()
        self._check_reduction()

    def _check_reduction(self) -> None:
        if self.reduction not in ("mean", "sum"):
            raise ValueError(f"SoftmaxRegression: reduction must be mean or sum, got {self.reduction!r}")

    def _checked_targets(self, name: str, y: np.ndarray, parameters: Any) -> np.ndarray:
        self._check_reduction()
        n_classes = np.shape(parameters)[1]
        if y.ndim != 1 or y.dtype.kind not in "iu" or not ((y >= 0) & (y < n_classes)).all():
            raise ValueError(
                f"{name}: y has shape {y.shape}, dtype {y.dtype} and values such as {y.ravel()[:5].tolist()}; it must "
                f"have shape (n_samples,) and the integers 0 to {n_classes - 1}, and `fit` takes labels of any kind"
            )
        return y

    def _solve(self, X: np.ndarray, targets: np.ndarray, weight: np.ndarray | None, initial: np.ndarray) -> Solution:
        solution = super()._solve(X, targets, weight, initial)
        parameters = solution.parameters.reshape(initial.shape)
        if self.solver == "newton":
            # Rounding errors decide how far Newton's steps go where the loss is flat: along what all classes share.
            parameters = parameters - parameters.mean(axis=1, keepdims=True)
            solution = solution._replace(parameters=parameters.ravel())
        g = _scores(parameters, X)
        samples = np.arange(len(X))
        of_the_class = g[targets, samples]
        g[targets, samples] = -np.inf
        self._warn_if_separated(bool((of_the_class > g.max(axis=0)).all()))
        return solution

    def _learn(self, parameters: np.ndarray) -> None:
        if parameters.shape[1] == 2:
            parameters = parameters[:, 1] - parameters[:, 0]
        super()._learn(parameters)

    def predict_proba(self, X: Any) -> np.ndarray:
        """The probabilities of the classes, of shape (n_samples, n_classes)."""
        g = self.decision_function(X)
        return softmax(np.column_stack((np.zeros_like(g), g)) if g.ndim == 1 else g)


def softmax(g: Any, axis: int = -1) -> np.ndarray:
    """``exp(g_c) / sum_d exp(g_d)`` along `axis`, shifted by the maximum so that nothing overflows.

    Examples
    --------
    >>> softmax(np.array([0.0, 1e4]))
    array([0., 1.])
    """
    e = np.exp(g - np.max(g, axis=axis, keepdims=True))
    e /= e.sum(axis=axis, keepdims=True)
    return e


def _scores(parameters: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Of shape (n_classes, n_samples): NumPy is several times slower along a short last axis than across it."""
    g = np.matmul(parameters[:-1].T, x.T)
    g += parameters[-1][:, None]
    return g
