"""Any module as a classifier."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d, validate_data

from .. import functional
from . import options
from .base import NeuralEstimator


class NeuralClassifier(ClassifierMixin, NeuralEstimator):
    """A classifier whose decision function is a module.

    The module's outputs are logits z, one for each class; the probability of class c is
    ``softmax(z)_c = exp(z_c) / sum_k exp(z_k)``.

    Parameters
    ----------
    module : callable or Module, optional
        ``module(n_features, n_outputs, rng)`` makes a `tinygrad_ml.nn.Module` that maps arrays of shape (n_samples,
        n_features) to logits of shape (n_samples, n_classes); `rng` is a `numpy.random.Generator` for its weights. A
        Module is copied, and its weights are where training starts. By default linear layers with relu between them.
        Images and sequences are rows here: let a first layer such as ``lambda x: x.reshape(-1, 1, 8, 8)`` fold them.
    hidden : tuple of int, default=(64,)
        The widths of the hidden layers of the default module.
    loss : callable, optional
        A function of the logits and the numbers of the classes, an array of int of shape (n_samples,), that returns a
        mean; by default `tinygrad_ml.functional.cross_entropy`. For `sample_weight` it must take ``reduction="none"``.
    optimizer : {"adam", "adamw", "sgd", "rmsprop", "adagrad"} or callable, default="adam"
        A callable is handed the parameters and returns an optimizer; `learning_rate` is then its own affair.
    learning_rate : float, default=1e-3
    batch_size : int, default=32
        At most so many samples a step.
    max_epochs : int, default=100
        How often `fit` runs through the data.
    validation_fraction : float in [0, 1), default=0.0
        This part of the data, with its share of every class, is held out to watch the loss.
    patience : int, optional
        Stop when the watched loss (of the data held out, or else of the training) has not fallen for so many epochs,
        and return to the weights of the best.
    tol : float, default=1e-4
        A smaller fall is none.
    warm_start : bool, default=False
        `fit` goes on from the weights there are, with a new optimizer.
    random_state : int, RandomState or None, default=None
        Decides the first weights, the order of the samples and which are held out.
    dtype : default=np.float64
        Of the parameters and of the calculation.
    verbose : bool, default=False
        Show a progress bar.

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
    module_ : Module
    optimizer_ : Optimizer
    history_ : dict of str to list of float
        The mean "loss" of each epoch while training, and the "validation_loss" after it.
    n_features_in_ : int
    feature_names_in_ : array of shape (n_features_in_,)
        Where X had column names.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> X, y = load_iris(return_X_y=True)
    >>> model = make_pipeline(StandardScaler(), NeuralClassifier(learning_rate=0.01, max_epochs=30, random_state=0))
    >>> bool(model.fit(X, y).score(X, y) > 0.95)
    True
    """

    _default_loss = staticmethod(functional.cross_entropy)

    def _checked(
        self, X: Any, y: Any, sample_weight: Any, is_first: bool, classes: Any = None
    ) -> tuple[np.ndarray, np.ndarray, Any]:
        X, y = validate_data(self, X, y, reset=is_first, dtype=self.dtype)
        check_classification_targets(y)
        X, y, weights = self._weighted(X, column_or_1d(y), sample_weight)
        if is_first:
            self.classes_ = np.unique(y if classes is None else classes)
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(
                f"{type(self).__name__}: y has the labels {unknown.tolist()}, which are not among the classes "
                f"{self.classes_.tolist()} of the first fit; name all in partial_fit(X, y, classes), or fit with "
                "warm_start=False"
            )
        return X, np.searchsorted(self.classes_, y), weights

    def _n_outputs(self) -> int:
        return len(self.classes_)

    def _strata(self, targets: np.ndarray) -> np.ndarray:
        return targets

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> NeuralClassifier:
        """Train for one epoch on part of the data, from where the last training ended.

        Parameters
        ----------
        X : array_like of shape (n_samples, n_features)
        y : array_like of shape (n_samples,)
        classes : array_like of shape (n_classes,), optional
            All labels there will be; needed at the first call, where `y` has not all of them.
        sample_weight : array_like of shape (n_samples,), optional
            As in `fit`, relative to the other samples of this call.
        """
        options.check(self)
        is_first = not hasattr(self, "module_")
        if not is_first and classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise ValueError(
                f"{type(self).__name__}: partial_fit was called with classes {np.unique(classes).tolist()}, and the "
                f"classes of the first fit were {self.classes_.tolist()}; leave classes out"
            )
        return self._partial_fit(*self._checked(X, y, sample_weight, is_first, classes), is_first)

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class of each sample."""
        outputs = self._predicted(X)
        return self.classes_[np.argmax(outputs, axis=1)]  # type: ignore[no-any-return]

    def predict_proba(self, X: Any) -> np.ndarray:
        """The probability of each class, in the order of `classes_`; of shape (n_samples, n_classes)."""
        return functional.softmax(self._predicted(X))  # type: ignore[no-any-return]

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """The logarithms of the probabilities, which are finite where these round to 0."""
        return functional.log_softmax(self._predicted(X))  # type: ignore[no-any-return]
