"""Logistic regression, with its derivatives by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import Tags

from .linear import BLOCK, LinearClassifier
from .solvers import Solution

#: softplus(m) is m from far below this number, and exp(m) overflows only above it.
_LARGE = 700.0


class LogisticRegression(LinearClassifier):
    r"""Two classes, told apart by a probability ``p = sigmoid(z)`` of the second, with ``z = <w, x> + b``.

    With the bias trick, ``xbar = [x, 1]`` and ``theta = [w, b]``, so that ``z = <theta, xbar>``; targets t are 0 and 1,
    weights a of samples are 1 by default, and A is their sum. Then

    - loss: ``L = 1/A sum_n a_n (softplus(z_n) - t_n z_n) + ||w||^2 / (2 C A)``, in which the term of a sample is the
      cross-entropy ``-t log p - (1 - t) log(1 - p)``. For a target 0 or 1 it is ``softplus(m)`` with
      ``m = (1 - 2 t) z``, the margin by which the sample is on the wrong side, and nothing cancels in it;
    - gradient: ``dL/dtheta = 1/A sum_n a_n (p_n - t_n) xbar_n + [w, 0] / (C A)``, in which
      ``p - t = (1 - 2 t) sigmoid(m)``;
    - Hessian: ``1/A sum_n a_n p_n (1 - p_n) xbar_n xbar_n^T + diag(1, ..., 1, 0) / (C A)``.

    With ``e = exp(m)``, ``softplus(m) = log(1 + e)`` and ``sigmoid(m) = e / (1 + e)``; long before e overflows they are
    m and 1. With ``e = exp(-|z|)``, ``p (1 - p) = e / (1 + e)^2``.

    C. M. Bishop, "Pattern Recognition and Machine Learning" (2006), 4.3.2 and 4.3.3; the minimum is that of
    scikit-learn's `LogisticRegression` with the same C.

    Parameters
    ----------
    C : float, default=numpy.inf
        The smaller, the more large coefficients cost; infinity penalises nothing. The bias is never penalised.
    solver : {"lbfgs", "newton", "gd", "sgd"}, default="lbfgs"
        Quasi-Newton, Newton (iteratively reweighted least squares), gradient descent with all samples an update, or
        with a minibatch an update: each epoch shuffles the samples and skips a last batch that is shorter.
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
    classes_ : array of shape (2,)
    parameters_ : array of shape (n_features + 1,)
    coef_ : array of shape (1, n_features)
    intercept_ : array of shape (1,)
    n_iter_ : int
        How many updates were made.
    loss_curve_ : list of float
        For "gd" and "sgd": the loss before each update, of the samples it was made of.
    n_features_in_ : int
    feature_names_in_ : array of shape (n_features_in_,)
        Where X had column names.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> model = LogisticRegression(C=1.0).fit(X, ["no", "yes", "no", "yes"])
    >>> model.predict([[0.5], [2.5]]).tolist()
    ['no', 'yes']

    The loss and its derivatives are functions of the parameters, and need no fit:

    >>> t, theta = np.array([0, 1, 0, 1]), np.array([1.0, -1.5])
    >>> round(float(model.loss(theta, X, t)), 4)
    0.7127
    >>> model.gradient(theta, X, t).round(4)
    array([0.2688, 0.    ])
    >>> model.hessian(theta, X, t).shape
    (2, 2)
    """

    _ndims = (1,)

    def __init__(
        self,
        C: float = np.inf,
        *,
        solver: str = "lbfgs",
        learning_rate: float = 0.1,
        batch_size: int = 100,
        max_iter: int = 1000,
        tol: float = 1e-4,
        random_state: Any = None,
    ) -> None:
        self.C = C
        self.solver = solver
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags

    def initial_parameters(self, X: Any, y: Any) -> np.ndarray:
        """Zeros: every probability is 1/2."""
        return np.zeros(np.shape(X)[1] + 1)

    def loss(self, parameters: Any, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """The loss, a number.

        Parameters
        ----------
        parameters : array of shape (n_features + 1,)
        X : array of shape (n_samples, n_features)
        y : array of shape (n_samples,)
            0 and 1.
        sample_weight : array of shape (n_samples,), optional
        """
        X, y, weight = self._checked("loss", parameters, X, y, sample_weight)
        w, b = parameters[:-1], parameters[-1]
        losses = np.logaddexp(0, (1 - 2 * y) * (X @ w + b))  # softplus(m) is log(exp(0) + exp(m))
        total = len(X) if weight is None else weight.sum()
        loss = np.sum(losses if weight is None else weight * losses) / total
        return loss if self.C == np.inf else loss + np.sum(w * w) / (2 * self.C * total)

    def _loss_gradient(
        self,
        parameters: np.ndarray,
        X: np.ndarray,
        y: np.ndarray,
        weight: np.ndarray | None,
        total: float | None = None,
    ) -> tuple[float, np.ndarray]:
        w, b = parameters[:-1], parameters[-1]
        twice_w, twice_b = 2 * w, 2 * b
        loss, gradient = 0.0, np.zeros(len(parameters))
        scratch = np.empty((5, min(BLOCK, len(X))))
        for first in range(0, len(X), BLOCK):
            rows = slice(first, first + BLOCK)
            x = X[rows]
            half, m, e, losses, residual = scratch[:, : len(x)]
            np.subtract(0.5, y[rows], out=half)
            np.matmul(x, twice_w, out=m)
            m += twice_b
            m *= half  # (1 - 2 t) z
            np.minimum(m, _LARGE, out=e)
            np.exp(e, out=e)
            np.log1p(e, out=losses)
            np.maximum(losses, m, out=losses)  # softplus(m)
            np.add(e, 1, out=residual)
            np.divide(e, residual, out=residual)
            residual *= half  # half of p - t
            if weight is not None:
                losses *= weight[rows]
                residual *= weight[rows]
            loss += np.add.reduce(losses)
            gradient[:-1] += residual @ x
            gradient[-1] += np.add.reduce(residual)
        gradient *= 2
        own = float(len(X) if weight is None else weight.sum())
        loss /= own
        gradient /= own
        if self.C < np.inf:
            decay = 1 / (self.C * (total or own))
            loss += decay / 2 * (w @ w)
            gradient[:-1] += decay * w
        return loss, gradient

    def _hessian(self, parameters: np.ndarray, X: np.ndarray, y: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
        hessian, total = np.zeros((len(parameters),) * 2), 0.0
        for first in range(0, len(X), BLOCK):
            x, curvature, own = self._curvature(parameters, X, weight, slice(first, first + BLOCK))
            root = np.sqrt(curvature)
            xbar = np.empty((len(x), len(parameters)))
            np.multiply(x, root[:, None], out=xbar[:, :-1])
            xbar[:, -1] = root
            hessian += xbar.T @ xbar  # of which BLAS computes one half
            total += own
        hessian /= total
        features = np.arange(len(parameters) - 1)
        hessian[features, features] += 1 / (self.C * total)
        return hessian

    def _hessian_product(
        self, parameters: np.ndarray, vector: np.ndarray, X: np.ndarray, y: np.ndarray, weight: np.ndarray | None
    ) -> np.ndarray:
        product, total = np.zeros(len(parameters)), 0.0
        for first in range(0, len(X), BLOCK):
            x, curvature, own = self._curvature(parameters, X, weight, slice(first, first + BLOCK))
            curvature *= x @ vector[:-1] + vector[-1]
            product[:-1] += curvature @ x
            product[-1] += curvature.sum()
            total += own
        product /= total
        product[:-1] += vector[:-1] / (self.C * total)
        return product

    @staticmethod
    def _curvature(
        parameters: np.ndarray, X: np.ndarray, weight: np.ndarray | None, rows: slice
    ) -> tuple[np.ndarray, np.ndarray, float]:
        """Some rows, their ``a p (1 - p)``, and the sum of their a."""
        x = X[rows]
        e = np.exp(-np.abs(x @ parameters[:-1] + parameters[-1]))
        curvature = e / np.square(1 + e)
        if weight is None:
            return x, curvature, float(len(x))
        return x, weight[rows] * curvature, float(weight[rows].sum())

    def _solve(self, X: np.ndarray, targets: np.ndarray, weight: np.ndarray | None, initial: np.ndarray) -> Solution:
        solution = super()._solve(X, targets, weight, initial)
        w, b = solution.parameters[:-1], solution.parameters[-1]
        self._warn_if_separated(bool(((1 - 2 * targets) * (X @ w + b) < 0).all()))
        return solution

    def _check_targets(self, name: str, y: np.ndarray, parameters: Any) -> None:
        if y.ndim != 1 or not ((y == 0) | (y == 1)).all():
            raise ValueError(
                f"{name}: y has shape {y.shape} and values such as {y.ravel()[:5].tolist()}; it must have shape "
                "(n_samples,) and values 0 and 1, and `fit` takes labels of any kind"
            )

    def _training_data(self, X: Any, y: Any, sample_weight: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        data = super()._training_data(X, y, sample_weight)
        if len(self.classes_) > 2:
            raise ValueError(
                f"Only binary classification is supported. The type of the target is multiclass: {len(self.classes_)} "
                "classes; SoftmaxRegression takes any number"
            )
        return data

    def _targets(self, codes: np.ndarray) -> np.ndarray:
        return codes.astype(np.float64)

    def predict_proba(self, X: Any) -> np.ndarray:
        """The probabilities of both classes, of shape (n_samples, 2), each right where the other rounds to 1."""
        z = self.decision_function(X)
        e = np.exp(-np.abs(z))
        smaller, larger = e / (1 + e), 1 / (1 + e)
        second = z > 0
        return np.column_stack((np.where(second, smaller, larger), np.where(second, larger, smaller)))
