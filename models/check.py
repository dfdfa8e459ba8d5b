"""Every derivative of the models by hand, held against all other witnesses.

Of a gradient the witnesses are the engine, the complex step and finite differences, as `tinygrad_ml.gradcheck`
compares them. A Hessian times a vector v is the gradient of ``<v, gradient>``, which the engine computes from the loss,
so that the same witnesses tell of it. The models that are composed of layers must answer what those by hand answer.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

import tinygrad_ml as tg
from tinygrad_ml import tree
from tinygrad_ml.gradcheck import Report, Row, Verdict, check_model
from tinygrad_ml.gradcheck.report import Worst

from . import layered
from .least_squares import LeastSquaresClassifier
from .logistic_regression import LogisticRegression
from .multilayer_perceptron import MultilayerPerceptron
from .softmax_regression import SoftmaxRegression

#: What these say is rounded, but not approximated: they agree to as many digits as `DIGITS`.
EXACT = ("analytic", "engine", "complex step")
DIGITS = 12

#: Many are more samples than any model works on at a time, so that what is wrong between blocks is seen. Of relu there
#: are few, since each sample has kinks, to which finite differences must not come near.
_MANY, _FEW = layered.BLOCK + 100, 24
_FEATURES, _CLASSES = 4, 3

Draw = Callable[[np.random.Generator, int], np.ndarray]


class Case(NamedTuple):
    """A model by hand, the same composed of layers, and targets for so many samples."""

    model: Any
    layers: Any
    targets: Draw

    @property
    def title(self) -> str:
        """The model with its settings, and the number of its outputs where targets have an axis of them."""
        outputs = self.targets(np.random.default_rng(0), 1).shape[1:]
        return _title(self.model) + (f", {outputs[0]} outputs" if outputs else "")


def _signs(*shape: int) -> Draw:
    return lambda rng, n: rng.choice([-1.0, 1.0], (n, *shape))


def _codes(n_classes: int) -> Draw:
    return lambda rng, n: rng.permutation(np.arange(n) % n_classes)


#: The settings with which each model is checked, and targets for them.
_SETTINGS: dict[type, list[tuple[dict[str, Any], Draw]]] = {
    LeastSquaresClassifier: [({}, _signs()), ({"alpha": 0.5}, _signs()), ({"alpha": 0.5}, _signs(_CLASSES))],
    LogisticRegression: [({}, _codes(2)), ({"C": 0.5}, _codes(2))],
    SoftmaxRegression: [(given, _codes(_CLASSES)) for given in ({}, {"C": 0.5}, {"C": 0.5, "reduction": "sum"})],
    MultilayerPerceptron: [
        (given, _codes(_CLASSES))
        for given in (
            {"hidden_layer_sizes": ()},
            {"hidden_layer_sizes": (5, 4), "activation": "relu", "alpha": 0.5},
            {"hidden_layer_sizes": (5, 4), "activation": "tanh", "alpha": 0.5},
        )
    ],
}
MODELS = {kind.__name__: kind for kind in _SETTINGS}


def cases(name: str) -> list[Case]:
    """What is checked of the model of this name, one of `MODELS`."""
    by_hand, by_layers = MODELS[name], getattr(layered, name)
    return [Case(by_hand(**given), by_layers(**given), draw) for given, draw in _SETTINGS[by_hand]]


def check_case(case: Case, seed: int) -> Report:
    """Check a model at random data, parameters and sample weights."""
    rng = np.random.default_rng(seed)
    samples = _FEW if getattr(case.model, "activation", None) == "relu" else _MANY
    X, y = rng.standard_normal((samples, _FEATURES)), case.targets(rng, samples)
    leaves, rebuild = tree.flatten(case.model.initial_parameters(X, y))
    parameters = rebuild([rng.standard_normal(leaf.shape) for leaf in leaves])
    weights = rng.uniform(0.5, 1.5, samples)
    report = check_derivatives(case.model, X, y, parameters, layers=case.layers, sample_weight=weights, rng=seed)
    report.title = case.title
    return report


def check_derivatives(
    model: Any,
    X: Any,
    y: Any,
    parameters: Any,
    *,
    layers: Any = None,
    sample_weight: Any = None,
    rng: int | np.random.Generator | None = None,
) -> Report:
    """Check all that a model says of its derivatives.

    Parameters
    ----------
    model : object
        With `loss`, `gradient`, `loss_gradient`, `hessian_product` and perhaps `hessian`, functions of parameters, X
        and y. The loss is plain NumPy that writes into no array.
    X, y : arrays
    parameters : array or list of arrays
        Where.
    layers : object, optional
        The same model composed of layers.
    sample_weight : array of shape (n_samples,), optional
    rng : int or numpy.random.Generator, optional
        A seed; drawn by default.

    Returns
    -------
    Report
        A row for each derivative by each array of parameters, and one for the loss. It is ok where finite differences
        agree within their bound and all others to a relative 1e-12. What `loss_gradient` says, and all say without
        weights, has rows only where it is not the same.

    Examples
    --------
    >>> X, y = np.array([[0.5, 1.0], [-1.0, 2.0], [0.0, -1.5]]), np.array([0, 1, 1])
    >>> report = check_derivatives(LogisticRegression(), X, y, np.array([1.0, -0.5, 0.1]), rng=0)
    >>> report.ok, [row.name for row in report.rows]
    (True, ['gradient', 'Hessian product', 'Hessian'])
    """
    rng = np.random.default_rng(rng)
    at = _At(model, X, y, sample_weight, vector=_direction(parameters, rng))
    report = Report(_title(model), [], int(rng.integers(2**32)), evaluations=0)
    subjects = [_Subject("gradient", at.loss, at.gradient), _Subject("Hessian product", at.slope, at.hessian_product)]
    if hasattr(model, "hessian"):
        subjects.append(_Subject("Hessian", at.slope, at.hessian))
    for subject in subjects:
        _check(subject, parameters, report)
    same = [
        *_compared("loss of loss_gradient", lambda p: at.loss_gradient(p)[0], at.loss, parameters, rng),
        *_compared("gradient of loss_gradient", lambda p: at.loss_gradient(p)[1], at.gradient, parameters, rng),
    ]
    if sample_weight is not None:
        without, with_ones = (_At(model, X, y, weights, at.vector) for weights in (None, np.ones(len(X))))
        for name in ("loss", *(subject.name for subject in subjects)):
            same += _compared(f"{name} without weights", without.method(name), with_ones.method(name), parameters, rng)
    report.rows += [row for row in same if not row.ok]  # the others say what was said
    if layers is not None:
        composed = _At(layers, X, y, sample_weight, at.vector)
        for name in ("loss", "gradient", "Hessian product"):
            by_hand, by_layers = at.method(name), composed.method(name)
            is_right = all(row.ok for row in report.rows if row.name.startswith(name))
            pair = (by_layers, by_hand) if is_right else (by_hand, by_layers)
            report.rows += _compared(f"{name} by layers", *pair, parameters, rng, by_hand=int(is_right))
    return report


def _title(model: Any) -> str:
    return " ".join(repr(model).split())


class _At:
    """The methods of a model as functions of its parameters only."""

    def __init__(self, model: Any, X: Any, y: Any, sample_weight: Any, vector: Any) -> None:
        self.model, self.data = model, (X, y)
        self.weights = {} if sample_weight is None else {"sample_weight": sample_weight}
        #: What the Hessian is multiplied by.
        self.vector = vector

    def method(self, name: str) -> Callable[[Any], Any]:
        """The method that the rows of this name are of."""
        return getattr(self, name.lower().replace(" ", "_"))  # type: ignore[no-any-return]

    def loss(self, p: Any) -> Any:
        return self.model.loss(p, *self.data, **self.weights)

    def gradient(self, p: Any) -> Any:
        return self.model.gradient(p, *self.data, **self.weights)

    def loss_gradient(self, p: Any) -> Any:
        return self.model.loss_gradient(p, *self.data, **self.weights)

    def slope(self, p: Any) -> Any:
        """How fast the loss changes along the vector, by the engine: what the Hessian product is the gradient of."""
        found, along = tree.flatten(tg.grad(self.loss)(p))[0], tree.flatten(self.vector)[0]
        return sum(np.sum(g * v) for g, v in zip(found, along, strict=True))

    def hessian_product(self, p: Any) -> Any:
        return self.model.hessian_product(p, self.vector, *self.data, **self.weights)

    def hessian(self, p: Any) -> Any:
        return (self.model.hessian(p, *self.data, **self.weights) @ np.ravel(self.vector)).reshape(np.shape(p))


def _direction(parameters: Any, rng: np.random.Generator) -> Any:
    leaves, rebuild = tree.flatten(parameters)
    return rebuild([rng.uniform(0.5, 1.5, np.shape(leaf)) * rng.choice([-1, 1], np.shape(leaf)) for leaf in leaves])


class _Subject:
    """A function of parameters and its gradient by hand, as `check_model` takes them."""

    def __init__(self, name: str, function: Callable[[Any], Any], gradient: Callable[[Any], Any]) -> None:
        self.name, self._function, self._gradient = name, function, gradient

    def loss(self, parameters: Any, X: Any, y: Any) -> Any:
        return self._function(parameters)

    def gradient(self, parameters: Any, X: Any = None, y: Any = None) -> Any:
        return self._gradient(parameters)

    def given_and_expected(self, k: int, parameters: Any) -> tuple[Any, Any]:
        """Array k of the gradient by hand, and by the engine."""
        by_hand, by_engine = (tree.flatten(f(parameters))[0][k] for f in (self._gradient, tg.grad(self._function)))
        return by_hand, by_engine


def _check(subject: _Subject, parameters: Any, report: Report) -> None:
    try:
        found = check_model(subject, None, None, parameters, rng=report.seed)
    except Exception as error:  # of another shape than the parameters, most likely, or wrong on the way there
        report.rows.append(_failed(subject.name, error))
        return
    for k, row in enumerate(found.rows):
        row.name = row.name.replace("parameters", subject.name)
        _hold_to_all_digits(row, EXACT, functools.partial(subject.given_and_expected, k, parameters))
    report.rows += found.rows
    report.evaluations += found.evaluations


def _failed(name: str, error: Exception) -> Row:
    reason = str(error) if isinstance(error, (TypeError, ValueError)) else f"raised {type(error).__name__}: {error}"
    return Row(name, (), "", Verdict.FAIL, reason=reason)


def _hold_to_all_digits(row: Row, witnesses: tuple[str, ...], both: Callable[[], Any]) -> None:
    """Let a row fail also where a witness is missing, or sees other digits; `both` are the array and the right one."""
    if not row.ok:
        return
    missing = [name for name in witnesses if name not in row.witnesses]
    if missing:
        row.verdict, row.reason = Verdict.FAIL, f"not to be checked by the {' and the '.join(missing)}"
        return
    a, b = min(combinations(witnesses, 2), key=lambda pair: row.digits(*pair))
    if not row.digits(a, b) >= DIGITS:
        row.verdict = Verdict.FAIL
        row.reason = f"{a} and {b} agree to {row.digits(a, b):.1f} digits, not to {DIGITS}"
        row.worst = _worst(*both())


def _worst(given: Any, expected: Any) -> Worst:
    given, expected = np.asarray(given), np.asarray(expected)
    index = np.unravel_index(np.argmax(np.abs(given - expected)), given.shape)
    return Worst(tuple(map(int, index)), float(given[index]), float(expected[index]))


def _compared(
    name: str,
    gives: Callable[[Any], Any],
    expects: Callable[[Any], Any],
    parameters: Any,
    rng: np.random.Generator,
    by_hand: int = 1,
) -> list[Row]:
    """What two functions say at the parameters: a row for each array, which is compared along a random direction.

    `by_hand` is 0 where the first of them is by hand.
    """
    try:
        given, expected = gives(parameters), expects(parameters)
    except Exception as error:
        return [_failed(name, error)]
    names, others = tree.paths(given, name), tree.paths(expected, name)
    if others != names:
        reason = f"the one has {', '.join(names)}, the other {', '.join(others)}"
        return [Row(name, (), "", Verdict.FAIL, reason=reason)]
    pairs = zip(*(map(np.asarray, tree.flatten(answer)[0]) for answer in (given, expected)), strict=True)
    return [_compared_array(label, pair, by_hand, rng) for label, pair in zip(names, pairs, strict=True)]


def _compared_array(name: str, pair: tuple[Any, ...], by_hand: int, rng: np.random.Generator) -> Row:
    given, expected = pair
    row = Row(name, expected.shape, str(expected.dtype), Verdict.PASS)
    if given.shape != expected.shape:
        row.verdict, row.reason = Verdict.FAIL, f"of shape {given.shape}, and not {expected.shape}"
        return row
    direction = _direction(expected, rng) if expected.ndim else 1.0
    along = [float(np.sum(array * direction)) for array in pair]
    row.witnesses = {"analytic": along[by_hand], "engine": along[1 - by_hand]}
    row.scale = float(np.linalg.norm(expected * direction))
    _hold_to_all_digits(row, ("analytic", "engine"), lambda: pair)
    return row
