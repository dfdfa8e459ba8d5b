"""Losses. The shapes of predictions and targets must match exactly: nothing is broadcast."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..primitive import define
from .activations import _floating, sigmoid, softplus
from .softmax import log_softmax, softmax

_REDUCTIONS = ("mean", "sum", "none")


def _is_label(classes: int, labels: Any) -> Any:
    """A row for each label: which of the classes it is."""
    return np.arange(classes) == labels[:, None]


def _nll_forward(z: Any, labels: Any, scale: float, total: bool) -> Any:
    """``scale * -log softmax(z)[labels]`` for each row of `z`, or its sum.

    The cache holds, with the classes along the first axis, the probabilities before they are divided by their
    sums; those; and where in the flat array the labels' are.
    """
    if not isinstance(z, np.ndarray):  # stays lazy, or where it is
        losses = -np.sum(log_softmax(z) * _is_label(z.shape[1], labels), axis=1)
        return scale * (losses.sum() if total else losses), None
    z = np.array(z.T, order="C")  # a copy, which may be written to
    z -= np.maximum.reduce(z.real, axis=0)
    places = labels * z.shape[1] + np.arange(z.shape[1])
    picked = z.reshape(-1).take(places)
    e = np.exp(z, out=z)
    sums = np.add.reduce(e, axis=0)
    losses = np.log(sums) - picked
    return scale * (np.add.reduce(losses) if total else losses), (e, sums, places)


def _nll_cached(g: Any, cache: Any, z: Any, labels: Any, scale: float, total: bool) -> Any:
    if cache is None:
        return _nll_rule(g, None, z, labels, scale, total)
    e, sums, places = cache
    pulled = e * (g * scale / sums)
    pulled.reshape(-1)[places] -= g * scale
    return pulled.T


def _nll_rule(g: Any, ans: Any, z: Any, labels: Any, scale: float, total: bool) -> Any:
    return (softmax(z) - _is_label(z.shape[1], labels)) * (g * scale if total else (g * scale)[:, None])


_nll = define(_nll_forward, _nll_rule, cached_rules=(_nll_cached,), name="cross_entropy")


def cross_entropy(
    logits: Any,
    labels: Any,
    reduction: str = "mean",
    weight: Any = None,
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
) -> Any:
    """Cross-entropy of ``softmax(logits)`` against class labels or class probabilities.

    For a row z of logits and the label y the loss is ``-log softmax(z)_y = log(sum_c exp(z_c)) - z_y``, and its
    gradient ``softmax(z) - onehot(y)`` (Bishop 2006, eq. 4.108-4.109).

    Parameters
    ----------
    logits : array of shape (n_classes,), (n_samples, n_classes) or (n_samples, n_classes, ...)
    labels : array of int of shape (), (n_samples,) or (n_samples, ...); or of float of the shape of `logits`
        Class indices, or the probability of each class.
    reduction : {"mean", "sum", "none"}
        "mean" divides by the number of labels, or by the sum of their weights.
    weight : array of shape (n_classes,), optional
        The weight of each class.
    ignore_index : int, optional
        Samples with this label count for nothing.
    label_smoothing : float in [0, 1], default=0.0
        This part of the probability is spread evenly over all classes.

    Returns
    -------
    A number, or with ``reduction="none"`` an array of the shape of the labels.

    Raises
    ------
    ValueError
        Where shapes do not match, a label is out of range, or an argument is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> round(float(cross_entropy(np.array([[2.0, 0.0], [0.0, 0.0]]), np.array([0, 1]))), 4)
    0.41
    """
    logits = _floating(logits)
    labels = np.asarray(labels) if not hasattr(labels, "dtype") else labels
    _check_reduction("cross_entropy", reduction)
    if logits.ndim == 0:
        raise ValueError("cross_entropy: logits must have an axis of classes, got a single number")
    classes = logits.shape[0 if logits.ndim == 1 else 1]
    expected = logits.shape[:1] * (logits.ndim > 1) + logits.shape[2:]
    soft = labels.dtype.kind == "f"
    if labels.shape != (logits.shape if soft else expected):
        raise ValueError(
            f"cross_entropy: logits of shape {logits.shape} need integer labels of shape {expected} or float "
            f"probabilities of shape {logits.shape}, got {labels.dtype} of shape {labels.shape}"
        )
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"cross_entropy: label_smoothing must be between 0 and 1, got {label_smoothing}")
    if weight is not None and np.shape(weight) != (classes,):
        raise ValueError(f"cross_entropy: weight must have shape ({classes},), one a class, got {np.shape(weight)}")
    if logits.ndim == 1:
        logits, labels = logits[None], labels[None]
    elif logits.ndim > 2:
        logits = np.moveaxis(logits, 1, -1).reshape(-1, classes)
        labels = np.moveaxis(labels, 1, -1).reshape(-1, classes) if soft else labels.reshape(-1)
    if soft:
        losses = _soft_losses(logits, labels, weight, label_smoothing)
        divisor: Any = len(logits)
    else:
        labels = labels.data if hasattr(labels, "requires_grad") else labels
        kept = None if ignore_index is None else labels != ignore_index
        _check_labels(labels if kept is None else labels[kept], classes)
        labels = labels.astype(np.intp, copy=False)  # positions in all logits may not fit in the labels' own type
        if kept is None and weight is None and not label_smoothing:
            scale = 1 / len(labels) if reduction == "mean" and len(labels) else 1.0
            loss = _nll(logits, labels, scale, reduction != "none")
            return loss if reduction != "none" else loss.reshape(expected)
        hits = _is_label(classes, labels)
        losses = _soft_losses(logits, hits.astype(logits.dtype), weight, label_smoothing)
        divisor = np.ones(len(labels)) if weight is None else np.asarray(weight)[np.where(hits.any(1), labels, 0)]
        if kept is not None:
            losses, divisor = np.where(kept, losses, 0), divisor * kept
        divisor = float(divisor.sum())
    if reduction == "none":
        return losses.reshape(expected)
    return losses.sum() if reduction == "sum" else losses.sum() / divisor


def _soft_losses(logits: Any, targets: Any, weight: Any, label_smoothing: float) -> Any:
    if label_smoothing:
        targets = targets * (1 - label_smoothing) + label_smoothing / logits.shape[1]
    if weight is not None:
        targets = targets * np.asarray(weight, dtype=logits.dtype)
    log_probabilities = log_softmax(logits)
    if not getattr(targets, "requires_grad", False):  # 0 log 0 is 0: a class that is masked out and not the target
        log_probabilities = np.where(targets == 0, 0, log_probabilities)
    return -(targets * log_probabilities).sum(axis=1)


def _check_labels(labels: Any, classes: int) -> None:
    if labels.dtype.kind not in "iu":
        raise ValueError(f"cross_entropy: labels must be integers or class probabilities, got {labels.dtype}")
    if labels.size and (labels.min() < 0 or labels.max() >= classes):
        wrong = labels[(labels < 0) | (labels >= classes)][0]
        raise ValueError(
            f"cross_entropy: label {wrong} is out of range for {classes} classes (0 to {classes - 1}); "
            "use ignore_index= for samples that shall not count"
        )


def _bce_forward(z: Any, y: Any, scale: float, total: bool) -> Any:
    """The loss, and ``exp(-|z|)`` for the rule."""
    if z.dtype.kind == "c":
        negative = z.real < 0
        e, hinge = np.exp(np.where(negative, z, -z)), np.where(negative, 0, z)
    else:
        e, hinge = np.exp(-np.abs(z)), np.maximum(z, 0)
    losses = hinge - y * z + np.log1p(e)
    return scale * (losses.sum() if total else losses), e


def _bce_cached(g: Any, e: Any, z: Any, y: Any, scale: float, total: bool) -> Any:
    return (np.where(z.real < 0, e, 1) / (1 + e) - y) * (g * scale)


def _bce_to_targets(g: Any, ans: Any, z: Any, y: Any, scale: float, total: bool) -> Any:
    return -z * (g * scale)


_bce = define(
    _bce_forward,
    lambda g, ans, z, y, scale, total: (sigmoid(z) - y) * (g * scale),
    _bce_to_targets,
    cached_rules=(_bce_cached, _bce_to_targets),
    name="binary_cross_entropy_with_logits",
)


def binary_cross_entropy_with_logits(logits: Any, targets: Any, reduction: str = "mean", pos_weight: Any = None) -> Any:
    """Cross-entropy of ``sigmoid(logits)`` against targets between 0 and 1.

    The loss of a logit z and a target y is ``-y log s(z) - (1 - y) log(1 - s(z)) = max(z, 0) - y z +
    log(1 + exp(-|z|))`` with the sigmoid s, and its derivative ``s(z) - y`` (Bishop 2006, eq. 4.90-4.91).

    Parameters
    ----------
    logits, targets : arrays of the same shape
    reduction : {"mean", "sum", "none"}
    pos_weight : array_like, optional
        Multiplies the loss of the positive part, ``-y log s(z)``; broadcast against the targets.

    Raises
    ------
    ValueError
        Where the shapes differ.

    Examples
    --------
    >>> import numpy as np
    >>> z, y = np.array([1e4, -1e4, 0.0]), np.array([1.0, 0.0, 1.0])
    >>> binary_cross_entropy_with_logits(z, y, reduction="none").round(4)
    array([0.    , 0.    , 0.6931])
    """
    logits, targets = _floating(logits), _floating(targets)
    _check_same_shape("binary_cross_entropy_with_logits", "logits", logits, "targets", targets)
    _check_reduction("binary_cross_entropy_with_logits", reduction)
    if pos_weight is None:
        scale = 1 / logits.size if reduction == "mean" and logits.size else 1.0
        return _bce(logits, targets, scale, reduction != "none")
    losses = (1 - targets) * logits + (1 + (pos_weight - 1) * targets) * softplus(-logits)
    return _reduce(losses, reduction)


def mse_loss(input: Any, target: Any, reduction: str = "mean") -> Any:
    """``(input - target)^2``.

    Examples
    --------
    >>> import numpy as np
    >>> float(mse_loss(np.array([1.0, 2.0]), np.array([0.0, 0.0])))
    2.5
    """
    input, target = _floating(input), _floating(target)
    _check_same_shape("mse_loss", "input", input, "target", target)
    _check_reduction("mse_loss", reduction)
    return _reduce(np.square(input - target), reduction)


def huber_loss(input: Any, target: Any, reduction: str = "mean", delta: float = 1.0) -> Any:
    """``d^2 / 2`` where ``|d| <= delta``, ``delta (|d| - delta / 2)`` elsewhere, with ``d = input - target``.

    P. J. Huber (1964).

    Examples
    --------
    >>> import numpy as np
    >>> huber_loss(np.array([0.5, 3.0]), np.array([0.0, 0.0]), reduction="none")
    array([0.125, 2.5  ])
    """
    input, target = _floating(input), _floating(target)
    _check_same_shape("huber_loss", "input", input, "target", target)
    _check_reduction("huber_loss", reduction)
    if delta <= 0:
        raise ValueError(f"huber_loss: delta must be positive, got {delta}")
    d = input - target
    near = np.clip(d, -delta, delta)
    return _reduce(near * (d - 0.5 * near), reduction)


def _reduce(losses: Any, reduction: str) -> Any:
    return losses if reduction == "none" else losses.sum() if reduction == "sum" else losses.mean()


def _check_reduction(loss: str, reduction: str) -> None:
    if reduction not in _REDUCTIONS:
        raise ValueError(f"{loss}: reduction must be 'mean', 'sum' or 'none', got {reduction!r}")


def _check_same_shape(loss: str, name: str, a: Any, other: str, b: Any) -> None:
    if a.shape != b.shape:
        raise ValueError(
            f"{loss}: {name} has shape {a.shape} and {other} {b.shape}; they must be the same, "
            "because broadcasting would compare every prediction with every target (reshape one of them)"
        )
