"""What classifiers and regressors have in common: their arguments, and how they are trained."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data
from tqdm import tqdm

from ..graph import no_grad
from . import options

E = TypeVar("E", bound="NeuralEstimator")

#: Predictions are computed for this many samples at a time, which bounds the memory they need.
_SAMPLES_AT_ONCE = 1024


class NeuralEstimator(BaseEstimator):
    """A module that is trained by minibatches; see `NeuralClassifier` and `NeuralRegressor`."""

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

    def _checked(self, X: Any, y: Any, is_first: bool) -> tuple[np.ndarray, np.ndarray]:
        """The data as arrays, and the targets as the loss takes them."""
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

    # Training

    def fit(self: E, X: Any, y: Any) -> E:
        """Train from new weights, or with ``warm_start=True`` from where the last training ended.

        Parameters
        ----------
        X : array_like of shape (n_samples, n_features)
        y : array_like of shape (n_samples,), or for regression also (n_samples, n_outputs)
        """
        options.check(self)
        is_first = not (self.warm_start and hasattr(self, "module_"))
        X, targets = self._checked(X, y, is_first)
        if is_first:
            self._start()
        self.optimizer_ = options.make_optimizer(self, self.module_)
        self._train(X, targets, self.max_epochs, self.validation_fraction)
        return self

    def _partial_fit(self: E, X: np.ndarray, targets: np.ndarray, is_first: bool) -> E:
        """One epoch, with nothing held out."""
        if is_first:
            self._start()
            self.optimizer_ = options.make_optimizer(self, self.module_)
        self._train(X, targets, 1, 0.0)
        return self

    def _start(self) -> None:
        self._rng = np.random.default_rng(check_random_state(self.random_state).randint(2**31 - 1))
        self.module_ = options.make_module(self, self.n_features_in_, self._n_outputs(), self._rng)
        self.history_: dict[str, list[float]] = {}

    def _train(self, X: np.ndarray, targets: np.ndarray, epochs: int, validation_fraction: float) -> None:
        """Run through the data `epochs` times, or until the loss has not fallen for `patience` epochs."""
        training, held_out = self._split(targets, validation_fraction)
        best, best_state, waited = np.inf, None, 0
        bar = tqdm(range(epochs), desc=type(self).__name__, unit="epoch", disable=not self.verbose)
        for epoch in bar:
            losses = {"loss": self._epoch(X, targets, training)}
            if len(held_out):
                losses["validation_loss"] = self._mean_loss(X, targets, held_out)
            for name, loss in losses.items():
                self.history_.setdefault(name, []).append(loss)
            bar.set_postfix({name: f"{loss:.4g}" for name, loss in losses.items()}, refresh=False)
            watched = losses.get("validation_loss", losses["loss"])
            if not np.isfinite(watched):
                raise FloatingPointError(
                    f"{type(self).__name__}: the loss became {watched} in epoch {epoch + 1}; standardise X and y, or "
                    f"lower learning_rate={self.learning_rate}"
                )
            if self.patience is None:
                continue
            if watched < best - self.tol:
                best, best_state, waited = watched, self.module_.state_dict(), 0
            else:
                waited += 1
            if waited >= self.patience:
                break
        if best_state is not None:
            self.module_.load_state_dict(best_state)
        self.module_.eval()

    def _epoch(self, X: np.ndarray, targets: np.ndarray, rows: np.ndarray) -> float:
        """One step for each batch; the mean loss while that went on.

        Batches differ by one sample at most: a last one of a single sample would make a noisy step, and has no variance
        for layers that normalise by it.
        """
        self.module_.train()
        total = 0.0
        for batch in np.array_split(self._rng.permutation(rows), -(-len(rows) // self.batch_size)):
            total += len(batch) * self._step(X[batch], targets[batch])
        return total / len(rows)

    def _step(self, x: np.ndarray, target: np.ndarray) -> float:
        def closure() -> Any:
            self.optimizer_.zero_grad()
            loss = self._loss(x, target)
            loss.backward()
            return loss

        return float(self.optimizer_.step(closure).data)

    def _loss(self, x: np.ndarray, target: np.ndarray) -> Any:
        loss = self._default_loss if self.loss is None else self.loss
        return loss(self._outputs(x), target)

    def _mean_loss(self, X: np.ndarray, targets: np.ndarray, rows: np.ndarray) -> float:
        self.module_.eval()
        batches = np.array_split(rows, -(-len(rows) // _SAMPLES_AT_ONCE))
        with no_grad():
            total = sum(len(batch) * float(self._loss(X[batch], targets[batch]).data) for batch in batches)
        return total / len(rows)

    # Use

    def _outputs(self, x: np.ndarray) -> Any:
        outputs = self.module_(x)
        expected = (len(x), self._n_outputs())
        if outputs.shape != expected:
            raise ValueError(
                f"{type(self).__name__}: the module answers an input of shape {x.shape} with outputs of shape "
                f"{outputs.shape}; they must be {expected}, so let its last layer have {expected[1]} outputs"
            )
        return outputs

    def _predicted(self, X: Any) -> np.ndarray:
        """The module's outputs for all samples."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=self.dtype)
        self.module_.eval()
        starts = range(0, len(X), _SAMPLES_AT_ONCE)
        with no_grad():
            return np.concatenate([self._outputs(X[i : i + _SAMPLES_AT_ONCE]).numpy() for i in starts])
