"""What classifiers and regressors have in common: their arguments, and how they are trained."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from .. import training
from ..graph import no_grad
from ..record import raw
from . import options

E = TypeVar("E", bound="NeuralEstimator")

#: Predictions are computed for this many samples at a time, which bounds the memory they need.
_SAMPLES_AT_ONCE = 1024


class NeuralEstimator(BaseEstimator):
    """A module that `tinygrad_ml.training.fit` trains; see `NeuralClassifier` and `NeuralRegressor`."""

    _default_loss: Any

    def __init__(
        self,
        module: Any = None,
        *,
        hidden: tuple[int, ...] = (64,),
        loss: Any = None,
        optimizer: Any = "adam",
        learning_rate: float = 1e-3,
        batch_size: int = 32,
        max_epochs: int = 100,
        validation_fraction: float = 0.0,
        patience: int | None = None,
        tol: float = 1e-4,
        warm_start: bool = False,
        random_state: Any = None,
        dtype: Any = np.float64,
        verbose: bool = False,
    ) -> None:
        self.module = module
        self.hidden = hidden
        self.loss = loss
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.tol = tol
        self.warm_start = warm_start
        self.random_state = random_state
        self.dtype = dtype
        self.verbose = verbose

    # What classifiers and regressors do in their own ways

    def _checked(self, X: Any, y: Any, sample_weight: Any, is_first: bool) -> tuple[np.ndarray, np.ndarray, Any]:
        """The data as arrays, the targets as the loss takes them, and the weights or None."""
        raise NotImplementedError

    def _n_outputs(self) -> int:
        raise NotImplementedError

    def _split(self, targets: np.ndarray, fraction: float) -> tuple[np.ndarray, np.ndarray]:
        """The rows to train with, and those held out."""
        rows = np.arange(len(targets))
        if not fraction:
            return rows, rows[:0]
        seed = int(self._rng.integers(2**31))
        strata = self._strata(targets)
        training, held_out = train_test_split(rows, test_size=fraction, random_state=seed, stratify=strata)
        return training, held_out

    def _strata(self, targets: np.ndarray) -> np.ndarray | None:
        """What shall be as frequent in the rows held out as in the others."""
        return None

    def _weighted(self, X: np.ndarray, y: np.ndarray, sample_weight: Any) -> tuple[np.ndarray, np.ndarray, Any]:
        """The samples that count, so that a weight of 0 is as if a sample were not there."""
        if sample_weight is None:
            return X, y, None
        weights = _check_sample_weight(sample_weight, X)
        if weights.min() < 0 or not weights.any():
            raise ValueError(
                f"{type(self).__name__}: sample_weight must not be negative, nor zero for all samples; they reach from "
                f"{weights.min():g} to {weights.max():g}"
            )
        counts = weights > 0
        return X[counts], y[counts], weights[counts] / weights.max()  # the sum of them might be infinite

    # Training

    def fit(self: E, X: Any, y: Any, sample_weight: Any = None) -> E:
        """Train from new weights, or with ``warm_start=True`` from where the last training ended.

        Parameters
        ----------
        X : array_like of shape (n_samples, n_features)
        y : array_like of shape (n_samples,), or for regression also (n_samples, n_outputs)
        sample_weight : array_like of shape (n_samples,), optional
            How much the loss of each sample counts, relative to the others; 0 is as if it were not there.
        """
        options.check(self)
        is_first = not (self.warm_start and hasattr(self, "module_"))
        X, targets, weights = self._checked(X, y, sample_weight, is_first)
        if is_first:
            self._start()
        self.optimizer_ = options.make_optimizer(self, self.module_)
        self._train(X, targets, weights, self.max_epochs, self.validation_fraction, self.patience)
        return self

    def _partial_fit(self: E, X: np.ndarray, targets: np.ndarray, weights: Any, is_first: bool) -> E:
        """One epoch, with nothing held out."""
        if is_first:
            self._start()
            self.optimizer_ = options.make_optimizer(self, self.module_)
        self._train(X, targets, weights, 1, 0.0, None)
        return self

    def _start(self) -> None:
        self._rng = np.random.default_rng(check_random_state(self.random_state).randint(2**31 - 1))
        self.module_ = options.make_module(self, self.n_features_in_, self._n_outputs(), self._rng)
        self.history_: dict[str, list[float]] = {}

    def _train(
        self, X: np.ndarray, targets: np.ndarray, weights: Any, epochs: int, fraction: float, patience: int | None
    ) -> None:
        """Run through the data `epochs` times, or until the loss has not fallen for `patience` epochs."""
        rows, held_out = self._split(targets, fraction)
        if weights is not None:
            for part in filter(len, (rows, held_out)):
                weights[part] /= weights[part].mean()
        measured = options.make_loss(self, weights)

        def loss(outputs: Any, chosen: np.ndarray) -> Any:
            self._require_shape(outputs, len(chosen))
            return measured(outputs, targets[chosen], chosen)

        def note(run: training.Run) -> None:
            for name, column in run.history.epochs.items():
                if name.endswith("loss"):
                    self.history_.setdefault(name, []).append(column[-1])

        try:
            training.fit(
                self.module_,
                loss,
                self.optimizer_,
                _Batches(X, rows, self.batch_size, self._rng),
                epochs=epochs,
                validation=_Batches(X, held_out, _SAMPLES_AT_ONCE) if len(held_out) else None,
                callbacks=note,
                early_stopping=None if patience is None else training.EarlyStopping(patience, self.tol),
                progress=bool(self.verbose),
            )
        except FloatingPointError as error:
            rate = "the optimizer's rate" if callable(self.optimizer) else f"learning_rate={self.learning_rate}"
            raise FloatingPointError(
                f"{type(self).__name__}: {str(error).removeprefix('fit: ')}; standardise X and y, or lower {rate}"
            ) from error

    # Use

    def _require_shape(self, outputs: Any, n_samples: int) -> None:
        expected = (n_samples, self._n_outputs())
        if np.shape(outputs) != expected:
            raise ValueError(
                f"{type(self).__name__}: the module answers {n_samples} samples with outputs of shape "
                f"{np.shape(outputs)}; they must be {expected}, so let its last layer have {expected[1]} outputs"
            )

    def _predicted(self, X: Any) -> np.ndarray:
        """The module's outputs for all samples."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=self.dtype)
        self.module_.eval()
        outputs = []
        with no_grad():
            for start in range(0, len(X), _SAMPLES_AT_ONCE):
                part = X[start : start + _SAMPLES_AT_ONCE]
                outputs.append(np.asarray(raw(self.module_(part))))
                self._require_shape(outputs[-1], len(part))
        return np.concatenate(outputs)


class _Batches:
    """Samples with their numbers, each once: with a generator in a new order each time.

    Batches differ by one sample at most: a last one of a single sample would make a noisy step, and has no variance for
    layers that normalise by it.
    """

    def __init__(self, X: np.ndarray, rows: np.ndarray, size: int, rng: np.random.Generator | None = None) -> None:
        self.X, self.rows, self.size, self.rng = X, rows, size, rng

    def __len__(self) -> int:
        return -(-len(self.rows) // self.size)

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        order = self.rows if self.rng is None else self.rng.permutation(self.rows)
        for part in np.array_split(order, len(self)):
            yield self.X[part], part
