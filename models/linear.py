"""What the models have in common whose scores are linear in x: the bias trick, and coefficients."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted, validate_data

from .base import GradientClassifier
from .solvers import warn

#: So many rows are worked on at a time: they stay in the cache between the way to the loss and the way back.
BLOCK = 1024


class LinearClassifier(GradientClassifier):
    """Scores ``[x, 1] @ parameters``: the last row of the parameters is the bias.

    A model defines what a `GradientClassifier` does, `_hessian` and `_hessian_product` among them, and `_ndims`.
    """

    #: Of parameters: 1 for one score, (n_features + 1,), and 2 for one a class, (n_features + 1, n_classes).
    _ndims: tuple[int, ...]

    def hessian(self, parameters: Any, X: Any, y: Any, sample_weight: Any = None) -> np.ndarray:
        """The Hessian of `loss`, of shape (P, P) for P parameters in the order of ``parameters.ravel()``."""
        X, y, weight = self._checked("hessian", parameters, X, y, sample_weight)
        return self._hessian(np.asarray(parameters), X, y, weight)

    def hessian_product(self, parameters: Any, vector: Any, X: Any, y: Any, sample_weight: Any = None) -> np.ndarray:
        """The Hessian of `loss` times a vector, both shaped like the parameters, without the Hessian."""
        X, y, weight = self._checked("hessian_product", parameters, X, y, sample_weight)
        if np.shape(vector) != np.shape(parameters):
            raise ValueError(
                f"{type(self).__name__}.hessian_product: vector has shape {np.shape(vector)}, and must be shaped like "
                f"the parameters, {np.shape(parameters)}"
            )
        return self._hessian_product(np.asarray(parameters), np.asarray(vector), X, y, weight)

    def _hessian_product(
        self, parameters: np.ndarray, vector: np.ndarray, X: np.ndarray, y: np.ndarray, weight: np.ndarray | None
    ) -> np.ndarray:
        raise NotImplementedError

    def _check_parameters(self, name: str, parameters: Any, X: np.ndarray) -> None:
        if not hasattr(parameters, "shape"):
            raise TypeError(f"{name}: parameters must be an array, got {type(parameters).__name__}; use np.asarray")
        shape, rows = np.shape(parameters), X.shape[1] + 1
        if len(shape) not in self._ndims or shape[0] != rows:
            expected = " or ".join({1: f"({rows},)", 2: f"({rows}, n_classes)"}[ndim] for ndim in self._ndims)
            raise ValueError(
                f"{name}: parameters have shape {shape}, and must be {expected}: a row for each of the "
                f"{X.shape[1]} features of X, and the last for the bias"
            )

    def _warn_if_separated(self, is_separated: bool) -> None:
        """Warn where all samples are on the right side, and no penalty keeps the parameters from growing for ever."""
        if is_separated and getattr(self, "C", 0.0) == np.inf and self.solver != "sgd":
            warn(
                f"{type(self).__name__}: the classes can be told apart without an error, so that the larger the "
                "parameters the lower the loss, which has no minimum: where they are depends on tol and max_iter; set C"
            )

    def _learn(self, parameters: np.ndarray) -> None:
        self.coef_ = np.atleast_2d(parameters[:-1].T)
        self.intercept_ = np.atleast_1d(parameters[-1])

    def decision_function(self, X: Any) -> np.ndarray:
        """The scores of the classes, ``X @ coef_.T + intercept_``.

        Returns
        -------
        array of shape (n_samples,) or (n_samples, n_classes)
            For two classes one score, which is positive where the second of `classes_` is predicted.
        """
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=np.float64)
        scores = X @ self.coef_.T + self.intercept_
        return scores[:, 0] if scores.shape[1] == 1 else scores

    def predict(self, X: Any) -> np.ndarray:
        """The class of the highest score, of shape (n_samples,)."""
        scores = self.decision_function(X)
        codes = (scores > 0).astype(np.intp) if scores.ndim == 1 else scores.argmax(axis=1)
        return self.classes_[codes]
