"""Any module as a regressor."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.validation import validate_data

from .. import functional
from . import options
from .base import NeuralEstimator


class NeuralRegressor(RegressorMixin, NeuralEstimator):
    """A regressor whose prediction is a module's output, for one target or several.

    Parameters
    ----------
    module : callable or Module, optional
        ``module(n_features, n_outputs, rng)`` makes a `tinygrad_ml.nn.Module` that maps arrays of shape (n_samples,
        n_features) to arrays of shape (n_samples, n_outputs), with one output also for targets of shape (n_samples,);
        `rng` is a `numpy.random.Generator` for its weights. A Module is copied, and its weights are where training
        starts. By default linear layers with relu between them.
    loss : callable, optional
        A function of predictions and targets, both of shape (n_samples, n_outputs), that returns a mean; by default
        `tinygrad_ml.functional.mse_loss`. For `sample_weight` it must take ``reduction="none"``.
    hidden, optimizer, learning_rate, batch_size, max_epochs, validation_fraction, patience, tol, warm_start, \
random_state, dtype, verbose
        As in `NeuralClassifier`; what is held out is drawn without regard to y.

    Attributes
    ----------
    module_, optimizer_, history_, n_features_in_, feature_names_in_
        As in `NeuralClassifier`.
    n_outputs_ : int

    Notes
    -----
    The targets are taken as they are. Steps of the usual sizes take long to reach years or prices in the thousands:
    wrap the regressor in `sklearn.compose.TransformedTargetRegressor` with a `StandardScaler`.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.linspace(-3, 3, 200)[:, None]
    >>> model = NeuralRegressor(learning_rate=0.01, random_state=0).fit(X, np.sin(X[:, 0]))
    >>> bool(model.score(X, np.sin(X[:, 0])) > 0.99)
    True
    """

    _default_loss = staticmethod(functional.mse_loss)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _checked(self, X: Any, y: Any, sample_weight: Any, is_first: bool) -> tuple[np.ndarray, np.ndarray, Any]:
        X, y = validate_data(self, X, y, reset=is_first, dtype=self.dtype, multi_output=True, y_numeric=True)
        X, y, weights = self._weighted(X, y, sample_weight)
        targets = y.reshape(len(y), -1).astype(self.dtype, copy=False)
        if is_first:
            self.n_outputs_ = targets.shape[1]
        elif targets.shape[1] != self.n_outputs_:
            raise ValueError(
                f"{type(self).__name__}: y has {targets.shape[1]} outputs, and had {self.n_outputs_} in the first fit; "
                "fit with warm_start=False"
            )
        self._predicts_rows = y.ndim == 2
        return X, targets, weights

    def _n_outputs(self) -> int:
        return self.n_outputs_

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> NeuralRegressor:
        """Train for one epoch on part of the data, from where the last training ended.

        Parameters
        ----------
        X : array_like of shape (n_samples, n_features)
        y : array_like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array_like of shape (n_samples,), optional
            As in `fit`, relative to the other samples of this call.
        """
        options.check(self)
        is_first = not hasattr(self, "module_")
        return self._partial_fit(*self._checked(X, y, sample_weight, is_first), is_first)

    def predict(self, X: Any) -> np.ndarray:
        """The predictions, in the shape that y had."""
        outputs = self._predicted(X)
        return outputs if self._predicts_rows else outputs[:, 0]
