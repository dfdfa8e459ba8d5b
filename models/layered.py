"""The models that learn by gradients once more, composed of layers.

Each has the name, the arguments, the layout of the parameters and the start of the model by hand in
`tinygrad_ml.models`, and shares its ways to check data and to predict. Its loss is what the layers and losses of
`tinygrad_ml.nn` make of the parameters, all derivatives are the engine's, and `tinygrad_ml.optim` trains it.

>>> import numpy as np
>>> from tinygrad_ml.models import LogisticRegression as ByHand, layered
>>> X, t, theta = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([0, 1, 0, 1]), np.array([1.0, -1.5])
>>> for model in (layered.LogisticRegression(C=1.0), ByHand(C=1.0)):
...     print(model.gradient(theta, X, t).round(4))
[0.2688 0.    ]
[0.2688 0.    ]
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

import tinygrad_ml as tg

from . import least_squares, logistic_regression, multilayer_perceptron, softmax_regression, solvers
from .base import GradientClassifier, total_weight

__all__ = ["LeastSquaresClassifier", "LogisticRegression", "MultilayerPerceptron", "SoftmaxRegression"]

#: So many rows are worked on at a time: more than by hand, since the engine's work for a block does not depend on its
#: size, and few enough to stay in the cache between the way to the loss and the way back.
BLOCK = 2048
#: Steps after the one that would be the last in exact arithmetic.
_REFINEMENTS = 2


def _by_reduction(kind: Any) -> dict[str, Any]:
    return {reduction: kind(reduction=reduction) for reduction in ("sum", "none")}


class _Layered(GradientClassifier):
    """What layers, the engine and the optimizers do instead of formulas and solvers."""

    #: The losses of the samples, by reduction: their "sum", or "none".
    _criterion: dict[str, Any]

    def _scale(self, total: float) -> float:
        """What the sum of the losses is multiplied by, where the samples weigh `total`; by default to their mean."""
        return 1 / total

    def _strength(self, own: float, total: float) -> float:
        """Half of this times the squared weights is added to the loss of samples of the weight `own` among `total`."""
        raise NotImplementedError

    def _layers(self, parameters: Any) -> list[Any]:
        return [_linear(parameters)]

    def _as_criterion_takes(self, y: Any) -> Any:
        return y

    def loss(self, parameters: Any, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """The loss that the layers make of the parameters: a number, or a Tensor where they are Tensors."""
        X, y, weight = self._checked("loss", parameters, X, y, sample_weight)
        return self._loss(parameters, X, y, weight)

    def _loss(self, parameters: Any, X: Any, y: Any, weight: Any) -> Any:
        total = total_weight(X, weight)
        network = tg.nn.Sequential(*self._layers(parameters))
        return self._scale(total) * self._sum(network, X, y, weight) + self._penalty(network, total, total)

    def _sum(self, network: tg.nn.Sequential, X: Any, y: Any, weight: Any) -> Any:
        """The sum of the losses of the samples, times their weights."""
        outputs, targets = network(X), self._as_criterion_takes(y)
        if weight is None:
            return self._criterion["sum"](outputs, targets)
        losses = self._criterion["none"](outputs, targets)
        return (losses * weight.reshape(-1, *(1,) * (losses.ndim - 1))).sum()

    def _penalty(self, network: tg.nn.Sequential, own: float, total: float) -> Any:
        strength = self._strength(own, total)
        if strength == 0:
            return 0.0
        return sum((W * W).sum() for W in (layer.weight for layer in _linear_layers(network))) * (strength / 2)

    def _loss_gradient(
        self, parameters: Any, X: np.ndarray, y: np.ndarray, weight: np.ndarray | None, total: float | None = None
    ) -> tuple[float, Any]:
        network = self._trainable(parameters)
        loss = self._backward(network, X, y, weight, total)
        return loss, self._unravel(_gathered(network, "grad"), parameters)

    def _trainable(self, parameters: Any) -> tg.nn.Sequential:
        """The layers with copies of the parameters that an optimizer may change."""
        network = tg.nn.Sequential(*self._layers(parameters))
        for layer in _linear_layers(network):
            layer.weight, layer.bias = (
                tg.nn.Parameter(np.array(a, dtype=np.float64)) for a in (layer.weight, layer.bias)
            )
        return network

    def _backward(
        self, network: tg.nn.Sequential, X: np.ndarray, y: np.ndarray, weight: Any, total: float | None = None
    ) -> float:
        """Add the gradient of the loss to that of the network's parameters, block by block, and return the loss."""
        own = total_weight(X, weight)
        loss, scale = 0.0, self._scale(own)
        for first in range(0, len(X), BLOCK):
            rows = slice(first, first + BLOCK)
            part = self._sum(network, X[rows], y[rows], None if weight is None else weight[rows])
            part.backward(scale)
            loss += scale * float(part.data)
        penalty = self._penalty(network, own, own if total is None else total)
        if isinstance(penalty, tg.Tensor):
            penalty.backward()
            penalty = float(penalty.data)
        return loss + penalty

    def _hessian(self, parameters: Any, X: np.ndarray, y: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
        hessian = tg.hessian(lambda p: self._loss(p, X, y, weight))(parameters)
        return hessian.reshape(np.size(parameters), -1)

    def _hessian_product(
        self, parameters: Any, vector: Any, X: np.ndarray, y: np.ndarray, weight: np.ndarray | None
    ) -> Any:
        return tg.hvp(lambda p: self._loss(p, X, y, weight), (parameters,), (vector,))[0]

    def _steps(
        self, X: np.ndarray, targets: np.ndarray, weight: np.ndarray | None, initial: Any
    ) -> Iterator[solvers.Step]:
        network = self._trainable(initial)
        rate = self._rate(X, targets, weight, initial) if self.solver == "gd" else float(self.learning_rate)
        optimizer = tg.optim.SGD(network.parameters(), lr=rate)
        batches: Iterator[Any] = itertools.repeat(slice(None))
        if self.solver == "sgd":
            batches = solvers.minibatches(len(X), self.batch_size, check_random_state(self.random_state))
        total = total_weight(X, weight)
        for rows in batches:
            part = None if weight is None else weight[rows]
            with np.errstate(over="ignore", invalid="ignore"):
                optimizer.zero_grad()
                loss = self._backward(network, X[rows], targets[rows], part, total)
                optimizer.step()
            yield solvers.Step(_gathered(network, "data"), loss, _gathered(network, "grad"))

    def _lbfgs(self, X: np.ndarray, targets: np.ndarray, weight: np.ndarray | None, initial: Any) -> solvers.Solution:
        network = self._trainable(initial)
        optimizer = tg.optim.LBFGS(
            network.parameters(),
            max_iter=self.max_iter,
            max_eval=100 * self.max_iter,
            tolerance_grad=self.tol,
            tolerance_change=np.finfo(np.float64).eps,
            history_size=10,
        )

        def closure() -> float:
            optimizer.zero_grad()
            return self._backward(network, X, targets, weight)

        with np.errstate(over="ignore", invalid="ignore"):
            optimizer.step(closure)
        result = optimizer.result
        result.x = _gathered(network, "data")  # in our order
        return solvers.judged(type(self).__name__, result, self._ravel(initial), self.max_iter, self.tol)


class LeastSquaresClassifier(_Layered, least_squares.LeastSquaresClassifier):
    """`tinygrad_ml.models.LeastSquaresClassifier` as `nn.Linear` and `nn.MSELoss`, half of its sum.

    The solver "normal" makes a step of Newton's method with the engine's Hessian and gradient, and two more that mend
    its rounding errors. That squares the condition of the data, which the model by hand does not. Of several minima it
    is that of the least ``||w||``, too.
    """

    _criterion = _by_reduction(tg.nn.MSELoss)

    def _scale(self, total: float) -> float:
        return 0.5

    def _strength(self, own: float, total: float) -> float:
        return self.alpha

    def _as_criterion_takes(self, y: Any) -> Any:
        return y if y.ndim == 2 else y[:, None]

    def _solve(self, X: np.ndarray, targets: np.ndarray, weight: np.ndarray | None, initial: Any) -> solvers.Solution:
        if self.solver == "gd":
            return super()._solve(X, targets, weight, initial)
        parameters, weights = self._ravel(initial), slice(initial[:-1].size)
        loss_gradient = self._objective(X, targets, weight, initial)
        values, vectors = np.linalg.eigh(self._hessian(initial, X, targets, weight))
        is_seen = values > np.finfo(np.float64).eps * len(values) * values.max()
        seen, unseen = vectors[:, is_seen], vectors[:, ~is_seen]
        for _ in range(1 + _REFINEMENTS):
            parameters = parameters - seen @ (seen.T @ loss_gradient(parameters)[1] / values[is_seen])
        parameters -= unseen @ np.linalg.lstsq(unseen[weights], parameters[weights])[0]
        return solvers.Solution(parameters, 1, [])


class LogisticRegression(_Layered, logistic_regression.LogisticRegression):
    """`tinygrad_ml.models.LogisticRegression` as `nn.Linear` and `nn.BCEWithLogitsLoss`."""

    _criterion = _by_reduction(tg.nn.BCEWithLogitsLoss)

    def _strength(self, own: float, total: float) -> float:
        return 1 / (self.C * total)

    def _as_criterion_takes(self, y: Any) -> Any:
        return y[:, None]


class SoftmaxRegression(_Layered, softmax_regression.SoftmaxRegression):
    """`tinygrad_ml.models.SoftmaxRegression` as `nn.Linear` and `nn.CrossEntropyLoss`."""

    _criterion = _by_reduction(tg.nn.CrossEntropyLoss)

    def _scale(self, total: float) -> float:
        return 1.0 if self.reduction == "sum" else 1 / total

    def _strength(self, own: float, total: float) -> float:
        return (own if self.reduction == "sum" else 1) / (self.C * total)


class MultilayerPerceptron(_Layered, multilayer_perceptron.MultilayerPerceptron):
    """`tinygrad_ml.models.MultilayerPerceptron` as `nn.Linear` layers with activations between them, and
    `nn.CrossEntropyLoss`.
    """

    _criterion = _by_reduction(tg.nn.CrossEntropyLoss)

    def _strength(self, own: float, total: float) -> float:
        return self.alpha / total

    def _layers(self, parameters: Any) -> list[Any]:
        activation = {"relu": tg.nn.ReLU, "tanh": tg.nn.Tanh}[self.activation]
        layers: list[Any] = []
        for W in parameters:
            layers += [_linear(W), activation()]
        return layers[:-1]


def _linear(W: Any) -> tg.nn.Linear:
    """A layer with the weights and, in the last row, the biases of one array of parameters."""
    W = W if W.ndim == 2 else W[:, None]
    layer = tg.nn.Linear(None, W.shape[1], bias=False)  # so that it draws none of its own
    layer.in_features, layer.weight, layer.bias = W.shape[0] - 1, W[:-1].T, W[-1]
    return layer


def _linear_layers(network: tg.nn.Sequential) -> list[Any]:
    return [layer for layer in network if isinstance(layer, tg.nn.Linear)]


def _gathered(network: tg.nn.Sequential, attribute: str) -> np.ndarray:
    """The parameters or their gradients as a vector, in the order of the models by hand."""
    parts = []
    for layer in _linear_layers(network):
        parts += [getattr(layer.weight, attribute).T, getattr(layer.bias, attribute)]
    return np.concatenate(parts, axis=None)
