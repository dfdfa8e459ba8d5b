"""What the classifiers that are trained by gradients have in common: their arguments, their data, and `fit`."""

from __future__ import annotations

import numbers
from collections.abc import Iterator
from typing import Any, TypeVar

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d, validate_data

from . import solvers

M = TypeVar("M", bound="GradientClassifier")


class GradientClassifier(ClassifierMixin, BaseEstimator):
    """A classifier whose loss is a function of (parameters, X, y), and so are its derivatives.

    These functions need no fit, and take the classes as the loss does, see `_targets`. A model defines

    - `loss`, in plain NumPy that writes into no array, so that it can be differentiated by other means;
    - ``_loss_gradient(parameters, X, y, weight, total)``, which checks nothing; the penalty is that of data of the
      weight `total`, so that the mean over minibatches is the loss of all the data;
    - `initial_parameters`, `_targets`, `_check_parameters`, `_checked_targets` and `_learn`,
    - for the solver "newton" also ``_hessian(parameters, X, y, weight)``,
    - and where its parameters are not one array, `_ravel` and `_unravel`.
    """

    _solvers: tuple[str, ...] = ("lbfgs", "newton", "gd", "sgd")
    #: Arguments of the constructor that may be None.
    _optional: tuple[str, ...] = ()

    def loss(self, parameters: Any, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """The loss, a number; NumPy's functions only, so that it may be handed a `Tensor` or complex parameters."""
        raise NotImplementedError

    def initial_parameters(self, X: Any, y: Any) -> Any:
        """Where solvers start."""
        raise NotImplementedError

    def _loss_gradient(
        self, parameters: Any, X: np.ndarray, y: np.ndarray, weight: np.ndarray | None, total: float | None = None
    ) -> tuple[float, Any]:
        raise NotImplementedError

    def _hessian(self, parameters: Any, X: np.ndarray, y: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
        raise NotImplementedError

    def _targets(self, codes: np.ndarray) -> np.ndarray:
        """The classes, numbered in the order of `classes_`, as the loss takes them."""
        return codes

    def _check_parameters(self, name: str, parameters: Any, X: np.ndarray) -> None:
        """Refuse parameters of a wrong shape; messages begin with `name`."""
        raise NotImplementedError

    def _checked_targets(self, name: str, y: np.ndarray, parameters: Any) -> np.ndarray:
        """The classes as the loss calculates with them, if it takes them; messages begin with `name`."""
        raise NotImplementedError

    def _learn(self, parameters: Any) -> None:
        """Derive what predictions need from the parameters that were found."""

    def _ravel(self, parameters: Any) -> np.ndarray:
        """The parameters as a vector."""
        return np.asarray(parameters, dtype=np.float64).ravel()

    def _unravel(self, vector: np.ndarray, like: Any) -> Any:
        """The vector as parameters that are shaped like others."""
        return vector.reshape(np.shape(like))

    def loss_gradient(self, parameters: Any, X: Any, y: Any, sample_weight: Any = None) -> tuple[float, Any]:
        """The loss and its gradient, which is shaped like the parameters, at the price of one."""
        X, y, weight = self._checked("loss_gradient", parameters, X, y, sample_weight)
        return self._loss_gradient(parameters, X, y, weight)

    def gradient(self, parameters: Any, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """The gradient of `loss`, shaped like the parameters."""
        X, y, weight = self._checked("gradient", parameters, X, y, sample_weight)
        return self._loss_gradient(parameters, X, y, weight)[1]

    def _checked(
        self, method: str, parameters: Any, X: Any, y: Any, sample_weight: Any
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """X, y and the weights as arrays that fit each other and the parameters."""
        name = f"{type(self).__name__}.{method}"
        X, y = np.asarray(X), np.asarray(y)
        if X.ndim != 2 or y.shape[:1] != X.shape[:1]:
            raise ValueError(
                f"{name}: X and y have shapes {X.shape} and {y.shape}; they must be (n_samples, n_features) and "
                "(n_samples,)"
            )
        self._check_parameters(name, parameters, X)
        for array in parameters if isinstance(parameters, (list, tuple)) else [parameters]:
            dtype = getattr(array, "dtype", type(array).__name__)
            if getattr(dtype, "kind", None) not in ("f", "c"):
                raise TypeError(
                    f"{name}: parameters must be arrays of floating-point numbers, got {dtype}; write 1.0 instead of "
                    "1, or convert with astype(float)"
                )
        if X.dtype.kind != "f":  # integers would overflow
            X = X.astype(np.float64)
        weight = None if sample_weight is None else check_weights(name, sample_weight, len(X))
        return X, self._checked_targets(name, y, parameters), weight

    def fit(self: M, X: Any, y: Any, sample_weight: Any = None) -> M:
        """Find the parameters of the least loss.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
            The classes, of any type.
        sample_weight : array-like of shape (n_samples,), optional
            A sample of weight 2 counts as two, one of weight 0 is none.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            Where the data or an argument of the constructor make no sense.

        Warns
        -----
        ConvergenceWarning
            Where what was found is not the minimum; it says what to do.
        """
        X, targets, weight = self._training_data(X, y, sample_weight)
        initial = self.initial_parameters(X, targets)
        solution = self._solve(X, targets, weight, initial)
        self.parameters_ = self._unravel(solution.parameters, initial)
        self.n_iter_ = solution.n_iter
        if self.solver in ("gd", "sgd"):
            self.loss_curve_ = solution.loss_curve
        self._learn(self.parameters_)
        return self

    def steps(self, X: Any, y: Any, sample_weight: Any = None, parameters: Any = None) -> Iterator[Any]:
        """The parameters after every update of "gd" or "sgd", without end.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`, which makes the same updates.
        parameters : optional
            Where to start; by default at `initial_parameters`.

        Returns
        -------
        iterator
            Of parameters, new arrays each time. Where they diverge it does not end either.

        Raises
        ------
        ValueError
            Where the data or an argument of the constructor make no sense, or the solver makes no such updates.
        """
        name = type(self).__name__
        X, targets, weight = self._training_data(X, y, sample_weight)
        if self.solver not in ("gd", "sgd"):
            raise ValueError(f'{name}: steps are those of solver="gd" or "sgd", and it is {self.solver!r}')
        if parameters is None:
            parameters = self.initial_parameters(X, targets)
        else:
            self._check_parameters(f"{name}.steps", parameters, X)
        steps = self._steps(X, targets, weight, parameters)
        return (self._unravel(step.parameters, parameters) for step in steps)

    def _steps(
        self, X: np.ndarray, targets: np.ndarray, weight: np.ndarray | None, initial: Any
    ) -> Iterator[solvers.Step]:
        """The updates of "gd" or "sgd", of the parameters as a vector."""
        start = self._ravel(initial)
        if self.solver == "gd":
            rate = self._rate(X, targets, weight, initial)
            return solvers.gradient_descent(self._objective(X, targets, weight, initial), start, rate)
        total = total_weight(X, weight)

        def loss_gradient(vector: np.ndarray, rows: np.ndarray) -> tuple[float, np.ndarray]:
            part = None if weight is None else weight[rows]
            parameters = self._unravel(vector, initial)
            loss, gradient = self._loss_gradient(parameters, X[rows], targets[rows], part, total)
            return loss, self._ravel(gradient)

        rng = check_random_state(self.random_state)
        return solvers.stochastic_gradient_descent(
            loss_gradient, start, self.learning_rate, len(X), self.batch_size, rng
        )

    def _rate(self, X: np.ndarray, targets: np.ndarray, weight: np.ndarray | None, initial: Any) -> float:
        """The learning rate of "gd"."""
        return float(self.learning_rate)

    def _solve(self, X: np.ndarray, targets: np.ndarray, weight: np.ndarray | None, initial: Any) -> solvers.Solution:
        """What the solver finds, as a vector."""
        name, start = type(self).__name__, self._ravel(initial)
        if self.solver in ("gd", "sgd"):
            tol = self.tol if self.solver == "gd" else None
            return solvers.descend(name, self._steps(X, targets, weight, initial), start, self.max_iter, tol)
        if self.solver == "lbfgs":
            return self._lbfgs(X, targets, weight, initial)
        objective = self._objective(X, targets, weight, initial)

        def hessian(vector: np.ndarray) -> np.ndarray:
            return self._hessian(self._unravel(vector, initial), X, targets, weight)

        return solvers.newton(name, objective, hessian, start, self.max_iter, self.tol)

    def _lbfgs(self, X: np.ndarray, targets: np.ndarray, weight: np.ndarray | None, initial: Any) -> solvers.Solution:
        objective = self._objective(X, targets, weight, initial)
        return solvers.lbfgs(type(self).__name__, objective, self._ravel(initial), self.max_iter, self.tol)

    def _objective(
        self, X: np.ndarray, targets: np.ndarray, weight: np.ndarray | None, initial: Any
    ) -> solvers.LossGradient:
        """The loss of all the data and its gradient, as a function of the parameters as a vector."""

        def loss_gradient(vector: np.ndarray) -> tuple[float, np.ndarray]:
            loss, gradient = self._loss_gradient(self._unravel(vector, initial), X, targets, weight)
            return loss, self._ravel(gradient)

        return loss_gradient

    def _training_data(self, X: Any, y: Any, sample_weight: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """What `fit` was given, without samples of weight 0; the classes as the loss takes them."""
        self._check_arguments()
        name = type(self).__name__
        X, y = validate_data(self, X, y, dtype=np.float64, order="C")
        check_classification_targets(y)
        y = column_or_1d(y)
        weight = None
        if sample_weight is not None:
            weight = check_weights(name, sample_weight, len(X))
            counts = weight > 0
            if not counts.all():
                X, y, weight = X[counts], y[counts], weight[counts]
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) == 1:
            raise ValueError(
                f"{name}: all samples are of one class, {self.classes_.tolist()[0]!r}; there must be two or more"
            )
        return X, self._targets(codes), weight

    def _check_arguments(self) -> None:
        """Refuse arguments of the constructor that make no sense."""
        name = type(self).__name__
        if self.solver not in self._solvers:
            raise ValueError(f"{name}: solver must be one of {', '.join(self._solvers)}, got {self.solver!r}")
        for argument in ("batch_size", "max_iter"):
            count: Any = getattr(self, argument, 1)
            if not (isinstance(count, numbers.Integral) and int(count) >= 1):
                raise ValueError(f"{name}: {argument} must be an integer of at least 1, got {count!r}")
        for argument in ("C", "learning_rate"):
            value: Any = getattr(self, argument, 1.0)
            if value is None and argument in self._optional:
                continue
            if not (isinstance(value, numbers.Real) and float(value) > 0):
                raise ValueError(f"{name}: {argument} must be a number above 0, got {value!r}")
        for argument in ("alpha", "tol"):
            value = getattr(self, argument, 0.0)
            if not (isinstance(value, numbers.Real) and float(value) >= 0):
                raise ValueError(f"{name}: {argument} must be a number of at least 0, got {value!r}")
        for argument in ("alpha", "learning_rate"):
            if getattr(self, argument, None) == np.inf:
                raise ValueError(f"{name}: {argument} must be finite, got inf")


def check_weights(name: str, sample_weight: Any, n_samples: int) -> np.ndarray:
    """The weights of samples as an array; ValueError where they are not one number of at least 0 for each."""
    weight = np.asarray(sample_weight, dtype=np.float64)
    if weight.shape != (n_samples,):
        raise ValueError(f"{name}: sample_weight has shape {weight.shape}, and must be ({n_samples},) like y")
    if not (np.isfinite(weight).all() and (weight >= 0).all()):
        raise ValueError(
            f"{name}: sample_weight must be finite and not negative, got values from {weight.min()} to {weight.max()}"
        )
    if not weight.any():
        raise ValueError(f"{name}: sample_weight is zero for all samples; at least one must count")
    return weight


def total_weight(samples: Any, weight: Any) -> float:
    """The sum of the weights of samples, which is their number where they have none."""
    return float(len(samples) if weight is None else weight.sum())
