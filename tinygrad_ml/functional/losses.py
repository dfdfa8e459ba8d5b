"""Losses. The shapes of predictions and targets must match exactly: nothing is broadcast."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..kin import brought_to, foreign, kin
from ..primitive import define
from ..rules.shape import array
from .activations import _floating, relu, sigmoid, softplus
from .softmax import log_softmax, softmax

_REDUCTIONS = ("mean", "sum", "none")
#: By the number of bytes.
_UNSIGNED = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}
#: Keeps denominators from 0: PyTorch's 1e-12, which is a number of single precision there.
_NO_ZERO = float(np.float32(1e-12))


def _is_label(classes: int, labels: Any) -> Any:
    """A row for each label: which of the classes it is."""
    return kin(labels, np.arange, classes) == labels[:, None]


def _nll_forward(z: Any, labels: Any, scale: float, total: bool) -> Any:
    """``scale * -log softmax(z)[labels]`` for each row of `z`, or its sum.

    The cache holds, with the classes along the first axis, the probabilities before they are divided by their
    sums; those; and where in the flat array the labels' are.
    """
    if not isinstance(z, np.ndarray):  # stays lazy, or where it is
        losses = -np.sum(np.where(_is_label(z.shape[1], labels), log_softmax(z), 0), axis=1)
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
    shape = logits.shape
    if not shape:
        raise ValueError("cross_entropy: logits must have an axis of classes, got a single number")
    classes = shape[0 if len(shape) == 1 else 1]
    expected = shape[:1] * (len(shape) > 1) + shape[2:]
    soft = labels.dtype.kind == "f"
    if labels.shape != (shape if soft else expected):
        raise ValueError(
            f"cross_entropy: logits of shape {logits.shape} need integer labels of shape {expected} or float "
            f"probabilities of shape {logits.shape}, got {labels.dtype} of shape {labels.shape}"
        )
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"cross_entropy: label_smoothing must be between 0 and 1, got {label_smoothing}")
    weight = _as_class_weights("cross_entropy", weight, classes, logits)
    if len(shape) == 1:
        logits, labels = logits[None], labels[None]
    elif len(shape) > 2:
        logits = np.moveaxis(logits, 1, -1).reshape(-1, classes)
        labels = np.moveaxis(labels, 1, -1).reshape(-1, classes) if soft else labels.reshape(-1)
    if soft:
        losses = _soft_losses(logits, brought_to(logits, labels), weight, label_smoothing)
        divisor: Any = len(logits)
    else:
        labels = labels.data if hasattr(labels, "requires_grad") else labels
        kept = _kept(labels, ignore_index)
        _check_labels(labels if kept is None else labels[kept], classes)
        labels = brought_to(logits, labels)
        labels = labels.astype(np.intp, copy=False)  # positions in all logits may not fit in the labels' own type
        if kept is None and weight is None and not label_smoothing:
            scale = 1 / len(labels) if reduction == "mean" and len(labels) else 1.0
            loss = _nll(logits, labels, scale, reduction != "none")
            return loss if reduction != "none" else loss.reshape(expected)
        hits = _is_label(classes, labels)
        losses = _soft_losses(logits, hits.astype(logits.dtype), weight, label_smoothing)
        divisor = kin(labels, np.ones, len(labels)) if weight is None else weight[np.where(hits.any(1), labels, 0)]
        if kept is not None:
            kept = brought_to(logits, kept)
            losses, divisor = np.where(kept, losses, 0), divisor * kept
        divisor = float(divisor.sum())
    if reduction == "none":
        return losses.reshape(expected)
    return losses.sum() if reduction == "sum" else losses.sum() / divisor


def _soft_losses(logits: Any, targets: Any, weight: Any, label_smoothing: float) -> Any:
    if label_smoothing:
        targets = targets * (1 - label_smoothing) + label_smoothing / logits.shape[1]
    if weight is not None:
        targets = targets * weight.astype(logits.dtype)
    log_probabilities = log_softmax(logits)
    if not getattr(targets, "requires_grad", False):  # 0 log 0 is 0: a class that is masked out and not the target
        log_probabilities = np.where(targets == 0, 0, log_probabilities)
    return -(targets * log_probabilities).sum(axis=1)


def _as_class_weights(loss: str, weight: Any, classes: int, logits: Any) -> Any:
    if weight is None:
        return None
    weight = brought_to(logits, weight.data if hasattr(weight, "requires_grad") else weight)
    if weight.shape != (classes,):
        raise ValueError(f"{loss}: weight must have shape ({classes},), one a class, got {weight.shape}")
    return weight


def _kept(labels: Any, ignore_index: int | None) -> Any:
    """Which of the labels count, or None if all do."""
    kept = None if ignore_index is None else labels != ignore_index
    return None if kept is None or kept.all() else kept


def _check_labels(labels: Any, classes: int, loss: str = "cross_entropy") -> None:
    if labels.dtype.kind not in "iu":
        raise ValueError(f"{loss}: labels must be integers or class probabilities, got {labels.dtype}")
    if isinstance(labels, np.ndarray):  # as unsigned numbers negative ones are large, so that one pass finds both
        unsigned = labels.view(_UNSIGNED[labels.itemsize])
        beyond = labels.size and np.maximum.reduce(unsigned, axis=None) >= classes
    else:
        beyond = labels.size and (labels.min() < 0 or labels.max() >= classes)
    if beyond:
        wrong = int(labels[(labels < 0) | (labels >= classes)][0])
        raise ValueError(
            f"{loss}: label {wrong} is out of range for {classes} classes (0 to {classes - 1}); "
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


def binary_cross_entropy_with_logits(
    logits: Any, targets: Any, reduction: str = "mean", pos_weight: Any = None, weight: Any = None
) -> Any:
    """Cross-entropy of ``sigmoid(logits)`` against targets between 0 and 1.

    The loss of a logit z and a target y is ``-y log s(z) - (1 - y) log(1 - s(z)) = max(z, 0) - y z +
    log(1 + exp(-|z|))`` with the sigmoid s, and its derivative ``s(z) - y`` (Bishop 2006, eq. 4.90-4.91).

    Parameters
    ----------
    logits, targets : arrays of the same shape
    reduction : {"mean", "sum", "none"}
    pos_weight : array_like, optional
        Multiplies the loss of the positive part, ``-y log s(z)``; stretched to the targets' shape.
    weight : array_like, optional
        Multiplies the losses; stretched to the targets' shape.

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
    name = "binary_cross_entropy_with_logits"
    logits, targets = _floating(logits), _floating(brought_to(logits, targets))
    _check_same_shape(name, "logits", logits, "targets", targets)
    _check_reduction(name, reduction)
    if pos_weight is None:
        total = reduction != "none" and weight is None
        losses = _bce(logits, targets, 1 / logits.size if total and reduction == "mean" and logits.size else 1.0, total)
        if total:
            return losses
    else:
        pos_weight = _as_weight(name, "pos_weight", pos_weight, targets)
        losses = (1 - targets) * logits + (1 + (pos_weight - 1) * targets) * softplus(-logits)
    return _reduce(losses if weight is None else losses * _as_weight(name, "weight", weight, targets), reduction)


#: A probability of 0 costs no infinite loss.
_MOST = 100.0


def _cost(x: Any, log: Any) -> Any:
    """``-log(x)``, cut off."""
    with np.errstate(divide="ignore"):  # inf, which is cut off
        out = -log(x)
    return np.where(out.real > _MOST, _MOST, out)


_bce_of_probabilities = define(
    lambda p, y: y * _cost(p, np.log) + (1 - y) * _cost(-p, np.log1p),
    lambda g, ans, p, y: g * (p - y) / np.maximum(p * (1 - p), _NO_ZERO),
    lambda g, ans, p, y: g * (_cost(p, np.log) - _cost(-p, np.log1p)),
    name="binary_cross_entropy",
)


def binary_cross_entropy(input: Any, target: Any, reduction: str = "mean", weight: Any = None) -> Any:
    """Cross-entropy of probabilities against targets between 0 and 1.

    The loss of a probability p and a target y is ``-y log p - (1 - y) log(1 - p)``, and its derivative
    ``(p - y) / (p (1 - p))``. As in PyTorch the logarithms are not below -100, and the derivative's denominator is
    not below 1e-12. Where there are logits, `binary_cross_entropy_with_logits` needs neither.

    Parameters
    ----------
    input, target : arrays of the same shape
    reduction : {"mean", "sum", "none"}
    weight : array_like, optional
        Multiplies the losses; stretched to the target's shape.

    Raises
    ------
    ValueError
        Where the shapes differ, or the input is not between 0 and 1.

    Examples
    --------
    >>> import numpy as np
    >>> binary_cross_entropy(np.array([0.5, 1.0, 0.0]), np.array([0.0, 1.0, 1.0]), reduction="none").round(4)
    array([  0.6931,   0.    , 100.    ])
    """
    input, target = _pair("binary_cross_entropy", input, target, reduction)
    real = (input.data if hasattr(input, "requires_grad") else input).real
    if not np.all((real >= 0) & (real <= 1)):
        raise ValueError(
            f"binary_cross_entropy: input must be probabilities between 0 and 1, got values from {real.min()} to "
            f"{real.max()}; for logits use binary_cross_entropy_with_logits"
        )
    losses = _bce_of_probabilities(input, target)
    if weight is not None:
        losses = losses * _as_weight("binary_cross_entropy", "weight", weight, target)
    return _reduce(losses, reduction)


def nll_loss(
    input: Any, target: Any, reduction: str = "mean", weight: Any = None, ignore_index: int | None = None
) -> Any:
    """Negative log-likelihood ``-input[target]`` of class labels, from log-probabilities such as `log_softmax` gives.

    Parameters
    ----------
    input : array of shape (n_classes,), (n_samples, n_classes) or (n_samples, n_classes, ...)
    target : array of int of shape (), (n_samples,) or (n_samples, ...)
    reduction : {"mean", "sum", "none"}
        "mean" divides by the number of labels, or by the sum of their weights.
    weight : array of shape (n_classes,), optional
        The weight of each class.
    ignore_index : int, optional
        Samples with this label count for nothing.

    Raises
    ------
    ValueError
        Where shapes do not match, or a label is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> float(nll_loss(np.log([[0.5, 0.5], [0.2, 0.8]]), np.array([0, 1])).round(4))
    0.4581
    """
    input = _floating(input)
    labels = target.data if hasattr(target, "requires_grad") else array(target)
    _check_reduction("nll_loss", reduction)
    if input.ndim == 0:
        raise ValueError("nll_loss: input must have an axis of classes, got a single number")
    classes = input.shape[0 if input.ndim == 1 else 1]
    expected = input.shape[:1] * (input.ndim > 1) + input.shape[2:]
    if labels.shape != expected or labels.dtype.kind not in "iu":
        raise ValueError(
            f"nll_loss: input of shape {input.shape} needs integer labels of shape {expected}, got {labels.dtype} of "
            f"shape {labels.shape}; for probabilities of classes use cross_entropy"
        )
    weights = _as_class_weights("nll_loss", weight, classes, input)
    if input.ndim == 1:
        input, labels = input[None], labels[None]
    elif input.ndim > 2:
        input, labels = np.moveaxis(input, 1, -1).reshape(labels.size, classes), labels.reshape(-1)
    kept = _kept(labels, ignore_index)
    _check_labels(labels if kept is None else labels[kept], classes, "nll_loss")
    if kept is not None:
        labels = np.where(kept, labels, 0)
    labels = brought_to(input, labels).astype(np.intp, copy=False)
    if foreign(input) is None:
        losses = -input[np.arange(len(labels)), labels]
    else:  # which may not be read by rows and columns
        losses = -np.sum(np.where(_is_label(classes, labels), input, 0), axis=1)
    counts: Any = kin(labels, np.ones, len(labels)) if weights is None else weights[labels]
    if weights is not None:
        losses = losses * counts.astype(input.dtype)
    if kept is not None:
        kept = brought_to(input, kept)
        losses, counts = np.where(kept, losses, 0), counts * kept
    if reduction == "none":
        return losses.reshape(expected)
    return losses.sum() if reduction == "sum" else losses.sum() / float(counts.sum())


def mse_loss(input: Any, target: Any, reduction: str = "mean") -> Any:
    """``(input - target)^2``.

    Examples
    --------
    >>> import numpy as np
    >>> float(mse_loss(np.array([1.0, 2.0]), np.array([0.0, 0.0])))
    2.5
    """
    input, target = _pair("mse_loss", input, target, reduction)
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
    input, target = _pair("huber_loss", input, target, reduction)
    if delta <= 0:
        raise ValueError(f"huber_loss: delta must be positive, got {delta}")
    d = input - target
    near = np.clip(d, -delta, delta)
    return _reduce(near * (d - 0.5 * near), reduction)


def l1_loss(input: Any, target: Any, reduction: str = "mean") -> Any:
    """``|input - target|``, with derivative 0 where they are equal.

    Examples
    --------
    >>> import numpy as np
    >>> float(l1_loss(np.array([1.0, 2.0]), np.array([0.0, 4.0])))
    1.5
    """
    input, target = _pair("l1_loss", input, target, reduction)
    return _reduce(_magnitude(input - target), reduction)


def _magnitude(d: Any) -> Any:
    """``|d|``, by the sign of the real part."""
    return np.where(d.real < 0, -d, d) if d.dtype.kind == "c" else np.abs(d)


def smooth_l1_loss(input: Any, target: Any, reduction: str = "mean", beta: float = 1.0) -> Any:
    """``d^2 / (2 beta)`` where ``|d| < beta``, ``|d| - beta / 2`` elsewhere, with ``d = input - target``.

    It is `huber_loss` of ``delta=beta``, divided by `beta`; with ``beta=0`` it is `l1_loss` (Girshick 2015).

    Examples
    --------
    >>> import numpy as np
    >>> smooth_l1_loss(np.array([1.0, 3.0]), np.array([0.0, 0.0]), reduction="none", beta=2.0)
    array([0.25, 2.  ])
    """
    input, target = _pair("smooth_l1_loss", input, target, reduction)
    if beta < 0:
        raise ValueError(f"smooth_l1_loss: beta must be 0 or more, got {beta}")
    return l1_loss(input, target, reduction) if beta == 0 else huber_loss(input, target, reduction, beta) / beta


def kl_div(input: Any, target: Any, reduction: str = "mean", log_target: bool = False) -> Any:
    """Kullback-Leibler divergence of a distribution `target` from one of which `input` is the logarithm.

    Of each element ``target (log target - input)``, which is 0 where the target is 0. The divergence of two
    distributions is the sum; "batchmean" is its mean over the first axis.

    Parameters
    ----------
    input : array
        Log-probabilities, such as `log_softmax` gives.
    target : array of the same shape
        Probabilities.
    reduction : {"mean", "batchmean", "sum", "none"}
        As in PyTorch, "mean" is over all elements.
    log_target : bool, default=False
        Whether the target, too, is given as its logarithm.

    Raises
    ------
    ValueError
        Where the shapes differ.

    Examples
    --------
    >>> import numpy as np
    >>> p, q = np.array([[0.5, 0.5]]), np.array([[1.0, 0.0]])
    >>> float(kl_div(np.log(p), q, reduction="batchmean").round(4))
    0.6931
    """
    input, target = _floating(input), _floating(brought_to(input, target))
    _check_same_shape("kl_div", "input", input, "target", target)
    if reduction != "batchmean":
        _check_reduction("kl_div", reduction, ", 'batchmean'")
    if log_target:
        losses = np.exp(target) * (target - input)
    else:
        empty = target.real == 0
        losses = np.where(empty, 0, target * (np.log(np.where(empty, 1, target)) - np.where(empty, 0, input)))
    if reduction == "batchmean":
        return losses.sum() / losses.shape[0] if losses.ndim else losses
    return _reduce(losses, reduction)


def hinge_loss(input: Any, target: Any, reduction: str = "mean") -> Any:
    """``max(0, 1 - target input)`` for targets -1 and 1, with derivative 0 at the kink.

    The loss of a support vector machine (Cortes & Vapnik 1995). PyTorch has it only in disguise, as
    ``margin_ranking_loss`` of one input with margin 1.

    Parameters
    ----------
    input : array
        The signed distance from the boundary.
    target : array of -1 and 1, of the same shape
    reduction : {"mean", "sum", "none"}

    Raises
    ------
    ValueError
        Where the shapes differ, or a target is neither -1 nor 1.

    Examples
    --------
    >>> import numpy as np
    >>> hinge_loss(np.array([2.0, 0.5, 0.5]), np.array([1, 1, -1]), reduction="none")
    array([0. , 0.5, 1.5])
    """
    input, target = _pair("hinge_loss", input, target, reduction)
    _check_signs("hinge_loss", target)
    return _reduce(relu(1 - target * input), reduction)


def cosine_embedding_loss(input1: Any, input2: Any, target: Any, reduction: str = "mean", margin: float = 0.0) -> Any:
    """``1 - cos`` where the target is 1, ``max(0, cos - margin)`` where it is -1.

    The cosine of two rows x and y is ``x.y / sqrt((|x|^2 + e) (|y|^2 + e))`` with PyTorch's ``e = 1e-12``, so that a
    row of zeros is no error.

    Parameters
    ----------
    input1, input2 : arrays of shape (n_samples, n_features) or (n_features,)
    target : array of -1 and 1, of shape (n_samples,) or ()
    reduction : {"mean", "sum", "none"}
    margin : float, default=0.0

    Raises
    ------
    ValueError
        Where the shapes do not match, or a target is neither -1 nor 1.

    Examples
    --------
    >>> import numpy as np
    >>> x, y = np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([[0.0, 2.0], [3.0, 3.0]])
    >>> cosine_embedding_loss(x, y, np.array([1, -1]), reduction="none").round(4)
    array([1.    , 0.7071])
    """
    input1, input2, target = _floating(input1), _floating(input2), _floating(brought_to(input1, target))
    _check_same_shape("cosine_embedding_loss", "input1", input1, "input2", input2)
    _check_reduction("cosine_embedding_loss", reduction)
    if input1.ndim not in (1, 2) or target.shape != input1.shape[:-1]:
        raise ValueError(
            f"cosine_embedding_loss: inputs of shape {input1.shape} and target of shape {target.shape} do not match; "
            "inputs have the shape (n_samples, n_features) and the target (n_samples,), or (n_features,) and ()"
        )
    _check_signs("cosine_embedding_loss", target)
    squares = ((input1 * input1).sum(axis=-1) + _NO_ZERO) * ((input2 * input2).sum(axis=-1) + _NO_ZERO)
    cosine = (input1 * input2).sum(axis=-1) / np.sqrt(squares)
    return _reduce(np.where(target.real > 0, 1 - cosine, relu(cosine - margin)), reduction)


def _check_signs(loss: str, target: Any) -> None:
    values = (target.data if hasattr(target, "requires_grad") else target).real
    wrong = np.abs(values) != 1
    if np.any(wrong):
        raise ValueError(
            f"{loss}: targets must be -1 or 1, got {float(values[wrong].reshape(-1)[0])}; of labels 0 and 1 make "
            "2 * target - 1"
        )


def _as_weight(loss: str, name: str, weight: Any, target: Any) -> Any:
    """A weight of the losses' dtype, which must be stretched to the target's shape and no further."""
    weight = brought_to(target, weight).astype(target.dtype)
    if not _fits(weight.shape, target.shape):
        raise ValueError(
            f"{loss}: {name} of shape {weight.shape} does not stretch to the targets' shape {target.shape}"
        )
    return weight


def _fits(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    lead = len(to) - len(shape)
    return lead >= 0 and all(n in (1, m) for n, m in zip(shape, to[lead:], strict=True))


def _reduce(losses: Any, reduction: str) -> Any:
    return losses if reduction == "none" else losses.sum() if reduction == "sum" else losses.mean()


def _check_reduction(loss: str, reduction: str, also: str = "") -> None:
    if reduction not in _REDUCTIONS:
        raise ValueError(f"{loss}: reduction must be 'mean'{also}, 'sum' or 'none', got {reduction!r}")


def _pair(loss: str, input: Any, target: Any, reduction: str) -> tuple[Any, Any]:
    """Predictions and targets as arrays of floating-point numbers, found to have one shape."""
    input, target = _floating(input), _floating(brought_to(input, target))
    _check_same_shape(loss, "input", input, "target", target)
    _check_reduction(loss, reduction)
    return input, target


def _check_same_shape(loss: str, name: str, a: Any, other: str, b: Any) -> None:
    if a.shape != b.shape:
        raise ValueError(
            f"{loss}: {name} has shape {a.shape} and {other} {b.shape}; they must be the same, "
            "because broadcasting would compare every prediction with every target (reshape one of them)"
        )
