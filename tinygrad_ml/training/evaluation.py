"""How good a module is on data that it does not learn from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..graph import no_grad
from ..nn import Module
from ..record import raw
from .batches import as_batches, checked_batch, rows

Metrics = Mapping[str, Callable[[Any, Any], Any]] | Sequence[Callable[[Any, Any], Any]] | None


def evaluate(
    module: Module, loss: Callable[..., Any], data: Any, metrics: Metrics = None, batch_size: int = 256
) -> dict[str, float]:
    """The mean loss and other measures, in evaluation mode and without recording.

    Parameters
    ----------
    module : Module
        Called with the inputs of a batch; every module in it has its mode back afterwards.
    loss : callable
        ``loss(outputs, targets)``, a mean over the rows of a batch.
    data : tuple of arrays, or iterable of tuples
        ``(X, y)``, or batches of it.
    metrics : dict of str to callable, or list of callables, optional
        ``metric(outputs, targets)`` over all rows at once.
    batch_size : int, default=256
        For a tuple of arrays.

    Returns
    -------
    dict of str to float
        "loss" and the metrics' names.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_ml as tg
    >>> X, y = np.eye(3), np.array([0, 1, 1])
    >>> found = evaluate(tg.nn.Sequential(), tg.functional.cross_entropy, (X, y), [accuracy])
    >>> {name: round(value, 4) for name, value in found.items()}
    {'loss': 0.8848, 'accuracy': 0.6667}
    """
    batches = as_batches("evaluate: data", data, batch_size, shuffle=False)
    return measure("evaluate: data", module, loss, batches, named_metrics(metrics))


def measure(
    name: str,
    module: Module,
    loss: Callable[..., Any],
    batches: Iterable[Any],
    metrics: Mapping[str, Callable[..., Any]],
) -> dict[str, float]:
    """As `evaluate`, of batches that error messages call `name`."""
    modes = [(part, part.training) for part in modules(module, loss)]
    total, count = 0.0, 0
    outputs, targets = [], []
    try:
        for part, _ in modes:
            part.training = False
        with no_grad():
            for batch in batches:
                batch = checked_batch(name, batch)
                out = module(*batch[:-1])
                number = rows(batch)
                total += _as_number("loss", loss(out, batch[-1])) * number
                count += number
                if metrics:
                    outputs.append(np.asarray(raw(out)))
                    targets.append(np.asarray(raw(batch[-1])))
    finally:
        for part, mode in modes:
            part.training = mode
    if not count:
        raise ValueError(f"{name} has no rows; pass at least one batch")
    measured = {"loss": total / count}
    if metrics:
        everything = np.concatenate(outputs), np.concatenate(targets)
        measured.update({name: _as_number(f"metrics: {name}", metric(*everything)) for name, metric in metrics.items()})
    return measured


def _as_number(name: str, value: Any) -> float:
    try:
        return float(raw(value))
    except TypeError as error:
        got = f"shape {np.shape(value)}" if np.shape(value) else type(value).__name__
        raise TypeError(f"{name} must return a number for all rows together, got {got}") from error


def modules(module: Module, loss: Any) -> list[Module]:
    """All that have a mode; a loss may be a module too."""
    return [*module.modules(), *(loss.modules() if isinstance(loss, Module) else [])]


def named_metrics(metrics: Metrics) -> dict[str, Callable[[Any, Any], Any]]:
    """By their own names, where none are given."""
    if metrics is None:
        return {}
    named = dict(metrics) if isinstance(metrics, Mapping) else {getattr(m, "__name__", repr(m)): m for m in metrics}
    if len(named) != len(metrics) or "loss" in named:
        raise ValueError(f"metrics: names must differ, and not be 'loss'; got {', '.join(named)}; pass a dict")
    for name, metric in named.items():
        if not callable(metric):
            raise TypeError(f"metrics: {name} must be a function of (outputs, targets), got {type(metric).__name__}")
    return named


def accuracy(outputs: Any, targets: Any) -> float:
    """The part of the rows whose largest output is at the index `targets` tells.

    Examples
    --------
    >>> accuracy([[0.1, 0.9], [0.8, 0.2]], [1, 1])
    0.5
    """
    outputs, targets = np.asarray(raw(outputs)), np.asarray(raw(targets))
    if outputs.ndim != 2 or targets.shape != outputs.shape[:1]:
        raise ValueError(
            "accuracy: takes outputs of shape (rows, classes) and one label for each row, got the shapes "
            f"{outputs.shape} and {targets.shape}"
        )
    return float(np.mean(outputs.argmax(1) == targets))
