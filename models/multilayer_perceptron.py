"""A multilayer perceptron, with backpropagation by hand."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from .base import GradientClassifier, total_weight
from .softmax_regression import softmax

Arrays = list[Any]


def _relu(z: Any) -> Any:
    return np.where(np.real(z) > 0, z, 0)


#: phi(z), and phi' and phi'' as functions of h = phi(z).
_ACTIVATIONS: dict[str, tuple[Any, Any, Any]] = {
    "relu": (_relu, lambda h: (h > 0).astype(h.dtype), lambda h: np.zeros_like(h)),
    "tanh": (np.tanh, lambda h: 1 - h * h, lambda h: 2 * h * (h * h - 1)),
}


class MultilayerPerceptron(GradientClassifier):
    """Layers of linear functions with activations between them, and a softmax on top.

    With the bias trick, ``h~ = [h, 1]``, the layers l = 1..L with their parameters ``W_l`` compute::

        h_0 = x,   z_l = h~_(l-1) W_l,   h_l = phi(z_l) for l < L,   p = softmax(z_L)

    The loss of n samples of classes y is the mean cross-entropy with a penalty on all weights but the biases::

        loss = -1/n sum_i log p_i,y_i + alpha/(2n) sum_l |W_l|^2

    Backpropagation (Rumelhart, Hinton & Williams 1986; Bishop 2006, section 5.3) goes from the top down; the deltas are
    the derivatives by z, one row a sample, and ``.`` multiplies elements::

        delta_L = (p - onehot(y)) / n
        dloss/dW_l = h~_(l-1)^T delta_l + alpha/n W_l
        delta_(l-1) = (delta_l W_l^T) . phi'(z_(l-1))

    The Hessian times a vector of matrices V_l is how the gradient changes along V. The operator R{.} takes that
    derivative of every line above (Pearlmutter 1994), first on the way up::

        R{h_0} = 0,   R{z_l} = R{h_(l-1)} W_l + h~_(l-1) V_l,   R{h_l} = phi'(z_l) . R{z_l}
        R{p} = p . (R{z_L} - sum_c p_c R{z_L}_c)

    and then on the way down::

        R{delta_L} = R{p} / n
        R{dloss/dW_l} = R{h~_(l-1)}^T delta_l + h~_(l-1)^T R{delta_l} + alpha/n V_l
        R{delta_(l-1)} = (R{delta_l} W_l^T + delta_l V_l^T) . phi'(z_(l-1))
                         + (delta_l W_l^T) . phi''(z_(l-1)) . R{z_(l-1)}

    without the bias rows of W_l and V_l in the last two, which h does not meet, and with R{h~} = [R{h}, 0].

    The parameters are a list of arrays ``W_l`` of shape (n_inputs + 1, n_outputs), the bias in the last row. Functions
    of (parameters, X, y) take the classes as numbers from 0.

    Parameters
    ----------
    hidden_layer_sizes : sequence of int, default=(100,)
        The widths of the hidden layers; without any, ``()``, this is softmax regression.
    activation : {"relu", "tanh"}, default="relu"
        phi. The derivative of relu at 0 is 0.
    alpha : float, default=0.0001
        The strength of the penalty.
    solver : {"lbfgs", "gd", "sgd"}, default="lbfgs"
        SciPy's L-BFGS; gradient descent with all samples, or with minibatches.
    learning_rate : float, default=0.1
        Of "gd" and "sgd".
    batch_size : int, default=100
        Samples an update of "sgd", which shuffles them each epoch and skips a last batch that is shorter. All samples,
        where there are fewer.
    max_iter : int, default=1000
        Iterations, or updates.
    tol : float, default=1e-4
        "lbfgs" and "gd" end where no element of the gradient is larger.
    random_state : int, RandomState or None, default=None
        Draws the parameters at the start and the minibatches.

    Attributes
    ----------
    parameters_ : list of array
    coefs_, intercepts_ : list of array
        Their weights, and their biases.
    classes_ : array of shape (n_classes,)
    n_features_in_ : int
    n_iter_ : int
        Iterations or updates that were made.
    loss_curve_ : list of float
        For "gd" and "sgd" the loss before each update, of the minibatch for "sgd".

    Examples
    --------
    >>> X, y = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), ["same", "other", "other", "same"]
    >>> model = MultilayerPerceptron((8,), activation="tanh", random_state=0).fit(X, y)
    >>> model.predict(X).tolist()
    ['same', 'other', 'other', 'same']
    """

    _solvers = ("lbfgs", "gd", "sgd")

    def __init__(
        self,
        hidden_layer_sizes: Sequence[int] = (100,),
        *,
        activation: str = "relu",
        alpha: float = 0.0001,
        solver: str = "lbfgs",
        learning_rate: float = 0.1,
        batch_size: int = 100,
        max_iter: int = 1000,
        tol: float = 1e-4,
        random_state: Any = None,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.alpha = alpha
        self.solver = solver
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    def initial_parameters(self, X: Any, y: Any) -> Arrays:
        """Weights drawn uniform in ``+- sqrt(6 / (n_inputs + n_outputs))`` (Glorot & Bengio 2010), and biases of 0."""
        rng = check_random_state(self.random_state)
        sizes = (np.shape(X)[1], *self.hidden_layer_sizes, int(np.max(y)) + 1)
        bounds = [np.sqrt(6 / (m + n)) for m, n in pairwise(sizes)]
        return [
            np.vstack((rng.uniform(-bound, bound, (m, n)), np.zeros(n)))
            for bound, (m, n) in zip(bounds, pairwise(sizes), strict=True)
        ]

    def loss(self, parameters: Arrays, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """The loss, a number.

        Parameters
        ----------
        parameters : list of arrays of shape (n_inputs + 1, n_outputs)
        X : array of shape (n_samples, n_features)
        y : array of int of shape (n_samples,)
            The numbers of the classes, from 0.
        sample_weight : array of shape (n_samples,), optional
        """
        X, y, weight = self._checked("loss", parameters, X, y, sample_weight)
        logits = self._forward(parameters, X)[-1]
        top = np.max(np.real(logits), axis=1, keepdims=True)
        losses = np.log(np.sum(np.exp(logits - top), axis=1)) + top[:, 0] - logits[np.arange(len(y)), y]
        total = len(y) if weight is None else np.sum(weight)
        penalty = sum(np.sum(W[:-1] * W[:-1]) for W in parameters)
        return (np.sum(losses if weight is None else weight * losses) + self.alpha / 2 * penalty) / total

    def _forward(self, parameters: Arrays, X: Any) -> Arrays:
        """h_0 to h_(L-1), and z_L."""
        phi = _ACTIVATIONS[self.activation][0]
        layers = [X]
        for k, W in enumerate(parameters, start=1):
            z = layers[-1] @ W[:-1] + W[-1]
            layers.append(phi(z) if k < len(parameters) else z)
        return layers

    def _loss_gradient(
        self, parameters: Arrays, X: np.ndarray, y: np.ndarray, weight: np.ndarray | None, total: float | None = None
    ) -> tuple[float, Arrays]:
        *h, logits = self._forward(parameters, X)
        losses, _, delta = _cross_entropy(logits, y)
        share = _shares(y, weight)
        strength = self.alpha / (total_weight(y, weight) if total is None else total)
        slope = _ACTIVATIONS[self.activation][1]
        loss = float(np.sum(share[:, 0] * losses))
        delta *= share
        gradient: Arrays = [None] * len(parameters)
        for k in reversed(range(len(parameters))):
            w = parameters[k][:-1]
            loss += strength / 2 * float(np.vdot(w, w))
            gradient[k] = np.empty(parameters[k].shape)
            np.matmul(h[k].T, delta, out=gradient[k][:-1])
            gradient[k][:-1] += strength * w
            np.sum(delta, axis=0, out=gradient[k][-1])
            if k:
                delta = delta @ w.T
                delta *= slope(h[k])
        return loss, gradient

    def hessian_product(self, parameters: Arrays, vector: Arrays, X: Any, y: Any, sample_weight: Any = None) -> Arrays:
        """The Hessian of `loss` times a vector, both lists of arrays like the parameters, without the Hessian."""
        X, y, weight = self._checked("hessian_product", parameters, X, y, sample_weight)
        if list(map(np.shape, vector)) != list(map(np.shape, parameters)):
            raise ValueError(
                f"{type(self).__name__}.hessian_product: vector has arrays of the shapes {_shapes(vector)}, and must "
                f"be shaped like the parameters, {_shapes(parameters)}"
            )
        _, slope, bend = _ACTIVATIONS[self.activation]
        *h, logits = self._forward(parameters, X)
        Rh, Rz = [np.zeros(X.shape)], []
        for k, (W, V) in enumerate(zip(parameters, vector, strict=True)):
            Rz.append(Rh[k] @ W[:-1] + h[k] @ V[:-1] + V[-1])
            if k + 1 < len(parameters):
                Rh.append(slope(h[k + 1]) * Rz[k])
        _, p, delta = _cross_entropy(logits, y)
        share = _shares(y, weight)
        strength = self.alpha / total_weight(y, weight)
        Rdelta = share * p * (Rz[-1] - np.sum(p * Rz[-1], axis=1, keepdims=True))
        delta *= share
        product: Arrays = [None] * len(parameters)
        for k in reversed(range(len(parameters))):
            w, v = parameters[k][:-1], vector[k][:-1]
            weights = Rh[k].T @ delta + h[k].T @ Rdelta + strength * v
            product[k] = np.vstack((weights, np.sum(Rdelta, axis=0)))
            if k:
                pulled = delta @ w.T
                delta, Rdelta = (
                    pulled * slope(h[k]),
                    (Rdelta @ w.T + delta @ v.T) * slope(h[k]) + pulled * bend(h[k]) * Rz[k - 1],
                )
        return product

    def _checked_targets(self, name: str, y: np.ndarray, parameters: Arrays) -> np.ndarray:
        n_classes = np.shape(parameters[-1])[1]
        if y.ndim != 1 or y.dtype.kind not in "iu" or not ((y >= 0) & (y < n_classes)).all():
            raise ValueError(
                f"{name}: y has shape {y.shape}, dtype {y.dtype} and values such as {y.ravel()[:5].tolist()}; it must "
                f"have shape (n_samples,) and the integers 0 to {n_classes - 1}, and `fit` takes labels of any kind"
            )
        return y

    def _check_parameters(self, name: str, parameters: Any, X: np.ndarray) -> None:
        self._check_arguments()
        expected, rows = [], X.shape[1] + 1
        for width in (*self.hidden_layer_sizes, None):
            expected.append((rows, width))
            rows = (width or 0) + 1
        shapes = list(map(np.shape, parameters))
        fits = len(shapes) == len(expected) and all(
            len(shape) == 2 and shape[0] == rows and width in (None, shape[1])
            for shape, (rows, width) in zip(shapes, expected, strict=True)
        )
        if not fits:
            wanted = ", ".join(f"({rows}, {width or 'n_classes'})" for rows, width in expected)
            raise ValueError(
                f"{name}: parameters have the shapes {_shapes(parameters)}, and must be a list of arrays of {wanted}, "
                f"for the {X.shape[1]} features of X and hidden_layer_sizes={self.hidden_layer_sizes}; the last row of "
                "each is the bias"
            )

    def _check_arguments(self) -> None:
        super()._check_arguments()
        name = type(self).__name__
        if self.activation not in _ACTIVATIONS:
            raise ValueError(f"{name}: activation must be one of {', '.join(_ACTIVATIONS)}, got {self.activation!r}")
        sizes = self.hidden_layer_sizes
        if not isinstance(sizes, Sequence) or not all(isinstance(n, numbers.Integral) and n >= 1 for n in sizes):
            raise ValueError(
                f"{name}: hidden_layer_sizes must be a sequence of integers of at least 1, as (100, 50), or () for "
                f"none; got {sizes!r}"
            )

    def _ravel(self, parameters: Arrays) -> np.ndarray:
        return np.concatenate(parameters, axis=None, dtype=np.float64)

    def _unravel(self, vector: np.ndarray, like: Arrays) -> Arrays:
        ends = np.cumsum([W.size for W in like])
        return [part.reshape(W.shape) for part, W in zip(np.split(vector, ends[:-1]), like, strict=True)]

    def _learn(self, parameters: Arrays) -> None:
        self.coefs_ = [W[:-1] for W in parameters]
        self.intercepts_ = [W[-1] for W in parameters]

    def _logits(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        return self._forward(self.parameters_, validate_data(self, X, reset=False, dtype=np.float64))[-1]

    def decision_function(self, X: Any) -> np.ndarray:
        """The logits of the classes.

        Returns
        -------
        array of shape (n_samples,) or (n_samples, n_classes)
            For two classes the difference of their logits, which is positive where the second is predicted.
        """
        logits = self._logits(X)
        return logits[:, 1] - logits[:, 0] if logits.shape[1] == 2 else logits

    def predict_proba(self, X: Any) -> np.ndarray:
        """The probability of each class, in the order of `classes_`; of shape (n_samples, n_classes)."""
        return softmax(self._logits(X))

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class of each sample, of shape (n_samples,)."""
        codes = self._logits(X).argmax(axis=1)
        return self.classes_[codes]


def _cross_entropy(logits: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``-log p_y`` of each row, p, and ``p - onehot(y)``.

    ``p_y - 1`` is the sum of the other classes' p with the sign changed, in which nothing cancels.
    """
    rows = np.arange(len(y))
    shifted = logits - np.max(logits, axis=1, keepdims=True)
    p = np.exp(shifted)
    own = p[rows, y]
    p[rows, y] = 0
    others = np.sum(p, axis=1)
    total = own + others
    p /= total[:, None]
    residual = p.copy()
    p[rows, y], residual[rows, y] = own / total, -others / total
    return np.log(total) - shifted[rows, y], p, residual


def _shares(y: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
    """The part that each row has in the mean, as a column."""
    return np.full((len(y), 1), 1 / len(y)) if weight is None else (weight / weight.sum())[:, None]


def _shapes(arrays: Any) -> str:
    return ", ".join(str(np.shape(array)) for array in arrays)
