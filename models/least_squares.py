"""Classification by least squares: the minimum by orthogonal transformations, or by gradient descent."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import solvers
from .linear import LinearClassifier
from .minimum_norm import ridge


class LeastSquaresClassifier(LinearClassifier):
    """Classes told apart by a linear function that is fitted to -1 and 1.

    With the bias trick, ``xbar = [x, 1]`` and ``theta = [w, b]``, the score is ``f(x) = <w, x> + b = <theta, xbar>``;
    targets y are -1 and 1, weights a of samples are 1 by default. Then, with the samples xbar as the rows of X and
    ``A = diag(a)``,

    - loss: ``L = 1/2 sum_n a_n (f(x_n) - y_n)^2 + alpha/2 ||w||^2``;
    - gradient: ``dL/dtheta = X^T A (X theta - y) + alpha [w, 0]``;
    - Hessian: ``X^T A X + alpha diag(1, ..., 1, 0)``, the same everywhere;
    - minimum: where the gradient is 0, ``(X^T A X + alpha diag(1, ..., 1, 0)) theta = X^T A y``, the normal equations.
      Of several minima it is that of the least ``||w||``, which is the limit for alpha towards 0.

    More than two classes have a column of theta each, and a column of targets each that are 1 for the class and -1 for
    the rest; the loss is the sum.

    C. M. Bishop, "Pattern Recognition and Machine Learning" (2006), 3.1 and 4.1.3; T. Hastie, R. Tibshirani and
    J. Friedman, "The Elements of Statistical Learning" (2009), 3.4.1. The minimum is that of scikit-learn's
    `RidgeClassifier` with the same alpha.

    Parameters
    ----------
    alpha : float, default=0.0
        The strength of the penalty (ridge). The bias is never penalised.
    solver : {"normal", "gd"}, default="normal"
        The normal equations' solution, found without forming them: by QR and singular values of the centred data,
        whose condition is not squared, and whose rank may be deficient. Or gradient descent with all samples an update.
    learning_rate : float, optional
        Of "gd". By default 1 over the largest eigenvalue of the Hessian, with which every update lowers the loss; from
        twice that on they diverge.
    max_iter : int, default=1000
        "gd" makes at most so many updates.
    tol : float, default=1e-4
        "gd" ends where no element of the gradient is larger.

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
    parameters_ : array of shape (n_features + 1,), or (n_features + 1, n_classes) for more than two classes
    coef_ : array of shape (1, n_features) or (n_classes, n_features)
    intercept_ : array of shape (1,) or (n_classes,)
    n_iter_ : int
        How many updates were made; 1 by "normal", which is Newton's.
    loss_curve_ : list of float
        For "gd": the loss before each update.
    n_features_in_ : int
    feature_names_in_ : array of shape (n_features_in_,)
        Where X had column names.

    Examples
    --------
    >>> X = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> model = LeastSquaresClassifier().fit(X, ["no", "no", "yes", "yes"])
    >>> model.predict([[0.5], [2.5]]).tolist(), model.parameters_.round(4).tolist()
    (['no', 'yes'], [0.8, -1.2])

    The loss and its derivatives are functions of the parameters, and need no fit:

    >>> y, theta = np.array([-1, -1, 1, 1]), np.array([1.0, -1.0])
    >>> float(model.loss(theta, X, y)), model.gradient(theta, X, y).tolist()
    (1.0, [4.0, 2.0])
    """

    _solvers = ("normal", "gd")
    _optional = ("learning_rate",)
    _ndims = (1, 2)

    def __init__(
        self,
        alpha: float = 0.0,
        *,
        solver: str = "normal",
        learning_rate: float | None = None,
        max_iter: int = 1000,
        tol: float = 1e-4,
    ) -> None:
        self.alpha = alpha
        self.solver = solver
        self.learning_rate = learning_rate
        self.max_iter = max_iter
        self.tol = tol

    def initial_parameters(self, X: Any, y: Any) -> np.ndarray:
        """Zeros: every score is 0."""
        return np.zeros((np.shape(X)[1] + 1, *np.shape(y)[1:]))

    def loss(self, parameters: Any, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """The loss, a number.

        Parameters
        ----------
        parameters : array of shape (n_features + 1,) or (n_features + 1, n_classes)
        X : array of shape (n_samples, n_features)
        y : array of shape (n_samples,) or (n_samples, n_classes)
            -1 and 1.
        sample_weight : array of shape (n_samples,), optional
        """
        X, y, weight = self._checked("loss", parameters, X, y, sample_weight)
        w, b = parameters[:-1], parameters[-1]
        residual = X @ w + b - y
        squares = residual * residual
        data = np.sum(squares if weight is None else (squares.T * weight).T)
        return data / 2 + self.alpha / 2 * np.sum(w * w)

    def _loss_gradient(
        self,
        parameters: np.ndarray,
        X: np.ndarray,
        y: np.ndarray,
        weight: np.ndarray | None,
        total: float | None = None,
    ) -> tuple[float, np.ndarray]:
        w, b = parameters[:-1], parameters[-1]
        residual = X @ w
        residual += b
        residual -= y
        pull = residual if weight is None else _each(weight, residual)
        loss = np.vdot(residual, pull) / 2 + self.alpha / 2 * np.vdot(w, w)
        gradient = _transposed_product(X, pull)
        gradient[:-1] += self.alpha * w
        return loss, gradient

    def _hessian_product(
        self, parameters: np.ndarray, vector: np.ndarray, X: np.ndarray, y: np.ndarray, weight: np.ndarray | None
    ) -> np.ndarray:
        change = X @ vector[:-1] + vector[-1]
        product = _transposed_product(X, change if weight is None else _each(weight, change))
        product[:-1] += self.alpha * vector[:-1]
        return product

    def _hessian(self, parameters: np.ndarray, X: np.ndarray, y: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
        extended = np.column_stack((X, np.ones(len(X))))
        hessian = extended.T @ (extended if weight is None else _each(weight, extended))
        features = np.arange(X.shape[1])
        hessian[features, features] += self.alpha
        return hessian if parameters.ndim == 1 else np.kron(hessian, np.eye(parameters.shape[1]))

    def _targets(self, codes: np.ndarray) -> np.ndarray:
        classes = len(self.classes_)
        if classes == 2:
            return 2.0 * codes - 1
        return np.where(codes[:, None] == np.arange(classes), 1.0, -1.0)

    def _check_targets(self, name: str, y: np.ndarray, parameters: Any) -> None:
        if not ((y == -1) | (y == 1)).all():
            raise ValueError(
                f"{name}: y has values such as {y.ravel()[:5].tolist()}; it must have values -1 and 1, and `fit` takes "
                "labels of any kind"
            )
        if y.shape[1:] != np.shape(parameters)[1:]:
            raise ValueError(
                f"{name}: y has shape {y.shape} and parameters {np.shape(parameters)}; both must have a column for "
                "each class, or none"
            )

    def _rate(self, X: np.ndarray, targets: np.ndarray, weight: np.ndarray | None, initial: np.ndarray) -> float:
        if self.learning_rate is not None:
            return float(self.learning_rate)
        one_class = [array if array.ndim == 1 else array[:, 0] for array in (initial, targets)]
        return 1 / float(np.linalg.norm(self._hessian(one_class[0], X, one_class[1], weight), 2))

    def _solve(
        self, X: np.ndarray, targets: np.ndarray, weight: np.ndarray | None, initial: np.ndarray
    ) -> solvers.Solution:
        if self.solver == "normal":
            return solvers.Solution(self._ravel(ridge(X, targets, self.alpha, weight)), 1, [])
        return super()._solve(X, targets, weight, initial)


def _each(weight: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Every row times its weight."""
    return weight * rows if rows.ndim == 1 else weight[:, None] * rows


def _transposed_product(X: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """``[X, 1]^T rows``."""
    return np.concatenate((X.T @ rows, [rows.sum(axis=0)]))
