"""What the arguments of an estimator stand for, and which of them make no sense."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import functional, nn, optim
from ..counts import whole

OPTIMIZERS: dict[str, type[optim.Optimizer]] = {
    "adagrad": optim.Adagrad,
    "adam": optim.Adam,
    "adamw": optim.AdamW,
    "rmsprop": optim.RMSprop,
    "sgd": optim.SGD,
}


def perceptron(n_features: int, hidden: Sequence[int], n_outputs: int, rng: np.random.Generator) -> nn.Sequential:
    """Linear layers of the widths `hidden` with relu between them."""
    layers: list[Any] = []
    width = n_features
    for next_width in hidden:
        layers += [nn.Linear(width, next_width, rng=rng), functional.relu]
        width = next_width
    return nn.Sequential(*layers, nn.Linear(width, n_outputs, rng=rng))


def make_module(estimator: Any, n_features: int, n_outputs: int, rng: np.random.Generator) -> nn.Module:
    """A new module, or a copy of the one that was given, in evaluation mode, to which it returns after training."""
    given = estimator.module
    if given is None:
        module: Any = perceptron(n_features, estimator.hidden, n_outputs, rng)
    elif isinstance(given, nn.Module):
        module = copy.deepcopy(given)
    else:
        module = given(n_features, n_outputs, rng)
        if not isinstance(module, nn.Module):
            raise TypeError(
                f"{_name(estimator)}: module(n_features, n_outputs, rng) must return a tinygrad_ml.nn.Module, "
                f"returned {type(module).__name__}"
            )
    return module.to(estimator.dtype).eval()


def make_optimizer(estimator: Any, module: nn.Module) -> optim.Optimizer:
    if callable(estimator.optimizer):
        return estimator.optimizer(module.parameters())  # type: ignore[no-any-return]
    make: Any = OPTIMIZERS[estimator.optimizer]
    return make(module.named_parameters(), lr=estimator.learning_rate)  # type: ignore[no-any-return]


def make_loss(estimator: Any, weights: np.ndarray | None) -> Callable[[Any, np.ndarray, np.ndarray], Any]:
    """A function of outputs, targets, and the numbers of the samples: their mean loss, weighted if there are weights.

    Weights have the mean 1, so that the means of batches are right on average.
    """
    loss = estimator._default_loss if estimator.loss is None else estimator.loss
    if weights is None:
        return lambda outputs, targets, chosen: loss(outputs, targets)
    each, weights = _each_sample(estimator, loss), weights.astype(estimator.dtype)

    def weighted(outputs: Any, targets: np.ndarray, chosen: np.ndarray) -> Any:
        losses = each(outputs, targets)
        if np.shape(losses)[:1] != (len(chosen),):
            raise ValueError(
                f"{_name(estimator)}: with reduction='none' the loss of {len(chosen)} samples must have that many "
                f"rows, got shape {np.shape(losses)}"
            )
        return (losses.reshape(len(chosen), -1).mean(axis=1) * weights[chosen]).mean()

    return weighted


def _each_sample(estimator: Any, loss: Any) -> Callable[..., Any]:
    """The losses of the samples in place of their mean."""
    if isinstance(loss, nn.Module) and hasattr(loss, "reduction"):
        loss = copy.deepcopy(loss)
        loss.reduction = "none"
        return loss  # type: ignore[no-any-return]
    try:
        can_tell = "reduction" in inspect.signature(loss).parameters
    except ValueError:  # a builtin may have no signature
        can_tell = False
    if not can_tell:
        raise TypeError(
            f"{_name(estimator)}: sample_weight needs the loss of each sample, so loss must take reduction='none', as "
            f"those of tinygrad_ml.functional do; got {loss!r}"
        )
    return functools.partial(loss, reduction="none")


def check(estimator: Any) -> None:
    """Refuse arguments that make no sense.

    Raises
    ------
    TypeError, ValueError
    """
    name = _name(estimator)
    for argument in ("batch_size", "max_epochs"):
        whole(f"{name}: {argument}", getattr(estimator, argument), 1)
    if estimator.patience is not None:
        whole(f"{name}: patience, where it is not None,", estimator.patience, 1)
    for argument in ("learning_rate", "tol"):
        value = getattr(estimator, argument)
        if not (isinstance(value, (int, float, np.number)) and value >= 0):
            raise ValueError(f"{name}: {argument} must be a number of at least 0, got {value!r}")
    fraction = estimator.validation_fraction
    if not (isinstance(fraction, (int, float, np.number)) and 0 <= fraction < 1):
        raise ValueError(f"{name}: validation_fraction must be at least 0 and less than 1, got {fraction!r}")
    if not isinstance(estimator.hidden, (tuple, list)):
        raise ValueError(f"{name}: hidden must be a tuple of widths, got {estimator.hidden!r}")
    for width in estimator.hidden:
        whole(f"{name}: every width in hidden={estimator.hidden!r}", width, 1)
    if np.dtype(estimator.dtype).kind != "f":
        raise ValueError(f"{name}: dtype must be a floating-point type such as np.float32, got {estimator.dtype!r}")
    if estimator.module is not None and not callable(estimator.module):
        raise TypeError(
            f"{name}: module must be a tinygrad_ml.nn.Module, or a function (n_features, n_outputs, rng) that makes "
            f"one, got {estimator.module!r}"
        )
    if not callable(estimator.optimizer) and estimator.optimizer not in OPTIMIZERS:
        raise ValueError(
            f"{name}: optimizer must be one of {', '.join(map(repr, OPTIMIZERS))}, or a function (parameters) that "
            f"makes one, got {estimator.optimizer!r}"
        )
    if isinstance(estimator.loss, type) or not (estimator.loss is None or callable(estimator.loss)):
        raise TypeError(
            f"{name}: loss must be a function (outputs, targets) such as tinygrad_ml.functional.cross_entropy, "
            f"got {estimator.loss!r}"
        )


def _name(estimator: Any) -> str:
    return type(estimator).__name__
