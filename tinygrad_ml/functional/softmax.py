"""Softmax and its logarithms, shifted by the maximum so that nothing overflows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..primitive import define
from ..rules.reduction import restore
from .activations import _floating

_SHORT = 64


def shifted(x: Any, axis: Any) -> tuple[Any, Any]:
    """``x - max(x)`` and the maximum, which is taken on the real part, and 0 where it is infinite."""
    top = np.max(x.real, axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0)
    return x - top, top


def class_major(x: Any, axis: int) -> bool:
    """Whether to work on the transpose: NumPy is several times slower along a short last axis than across it."""
    return type(x) is np.ndarray and x.ndim == 2 and axis in (1, -1) and x.shape[1] <= _SHORT


def _softmax(x: Any, axis: int) -> Any:
    if class_major(x, axis):
        return _softmax(np.ascontiguousarray(x.T), 0).T
    e = np.exp(shifted(x, axis)[0])
    return e / np.sum(e, axis=axis, keepdims=True)


def _log_softmax(x: Any, axis: int) -> Any:
    if class_major(x, axis):
        return _log_softmax(np.ascontiguousarray(x.T), 0).T
    x, _ = shifted(x, axis)
    return x - np.log(np.sum(np.exp(x), axis=axis, keepdims=True))


def _logsumexp(x: Any, axis: Any, keepdims: bool) -> Any:
    if class_major(x, axis) and not keepdims:
        return _logsumexp(np.ascontiguousarray(x.T), 0, False)
    x, top = shifted(x, axis)
    with np.errstate(divide="ignore"):  # log(0) = -inf is the right answer for x = -inf
        out = np.log(np.sum(np.exp(x), axis=axis, keepdims=True)) + top
    return out if keepdims else np.squeeze(out, axis=axis) if axis is not None else out.reshape(())[()]


def _or_zero(logsumexp: Any) -> Any:
    """0 for -inf, where all terms are 0 and so are their derivatives."""
    return np.where(logsumexp == -math.inf, 0, logsumexp)


def _softmax_rule(g: Any, ans: Any, x: Any, axis: int) -> Any:
    weighted = g * ans
    return weighted - ans * np.sum(weighted, axis=axis, keepdims=True)


_softmax_primitive = define(_softmax, _softmax_rule, name="softmax")
_log_softmax_primitive = define(
    _log_softmax,
    lambda g, ans, x, axis: g - np.exp(ans) * np.sum(g, axis=axis, keepdims=True),
    name="log_softmax",
)
_logsumexp_primitive = define(
    _logsumexp,
    lambda g, ans, x, axis, keepdims: (
        restore(g, x.shape, axis, keepdims) * np.exp(x - restore(_or_zero(ans), x.shape, axis, keepdims))
    ),
    name="logsumexp",
)


def softmax(x: Any, axis: int = -1) -> Any:
    """``exp(x_i) / sum_j exp(x_j)`` along `axis`.

    Examples
    --------
    >>> import numpy as np
    >>> softmax(np.array([0.0, 0.0, 1e4]))
    array([0., 0., 1.])
    """
    return _softmax_primitive(_floating(x), axis)


def log_softmax(x: Any, axis: int = -1) -> Any:
    """``x_i - log(sum_j exp(x_j))`` along `axis`.

    Examples
    --------
    >>> import numpy as np
    >>> log_softmax(np.array([0.0, 0.0])).round(4)
    array([-0.6931, -0.6931])
    """
    return _log_softmax_primitive(_floating(x), axis)


def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """``log(sum(exp(x)))`` along `axis` (an int, a tuple, or None for all axes).

    Examples
    --------
    >>> import numpy as np
    >>> float(logsumexp(np.array([1e4, 1e4])).round(4))
    10000.6931
    """
    return _logsumexp_primitive(_floating(x), axis, keepdims)
