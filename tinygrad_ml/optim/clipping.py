"""Gradients that are kept from being too large."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..tensor import Tensor


def clip_grad_norm(parameters: Any, max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False) -> float:
    """Scale the gradients of all parameters by one factor, so that their norm as one vector is at most `max_norm`.

    Parameters
    ----------
    parameters : Tensor or iterable of Tensor
        Those without gradients are passed over.
    max_norm : float
    norm_type : float, default=2.0
        The p of the p-norm; ``inf`` for the largest element.
    error_if_nonfinite : bool, default=False
        Refuse a norm that is infinite or NaN. Otherwise an infinite norm turns infinite elements into NaN and the
        others into 0, and a norm that is NaN makes all of them NaN.

    Returns
    -------
    float
        The norm before.

    Examples
    --------
    >>> import tinygrad_ml as tg
    >>> w = tg.nn.Parameter([0.0, 0.0])
    >>> (w * [3.0, 4.0]).sum().backward()
    >>> clip_grad_norm([w], 1.0)
    5.0
    >>> print(w.grad.round(4))
    [0.6 0.8]
    """
    if not max_norm >= 0:
        raise ValueError(f"clip_grad_norm: max_norm must be 0 or more, got {max_norm}")
    if not norm_type > 0:
        raise ValueError(f"clip_grad_norm: norm_type must be positive (2.0, or inf for the maximum), got {norm_type}")
    having = _having_gradients("clip_grad_norm", parameters)
    norms = [np.linalg.norm(np.ravel(parameter.grad), norm_type) for parameter in having]
    total = float(np.linalg.norm(norms, norm_type)) if norms else 0.0
    if error_if_nonfinite and not math.isfinite(total):
        where = [f"{i} (shape {having[i].shape})" for i, norm in enumerate(norms) if not math.isfinite(norm)]
        raise ValueError(f"clip_grad_norm: the norm is {total}; not finite are the gradients {', '.join(where)}")
    factor = max_norm / (total + 1e-6)  # PyTorch's, which never divides by 0
    if not factor >= 1:
        with np.errstate(invalid="ignore"):  # 0 times an infinite element
            for parameter in having:
                parameter.grad = parameter.grad * factor
    return total


def clip_grad_value(parameters: Any, clip_value: float) -> None:
    """Cut every element of the gradients off at ``+- clip_value``.

    Parameters
    ----------
    parameters : Tensor or iterable of Tensor
        Those without gradients are passed over.
    clip_value : float

    Examples
    --------
    >>> import tinygrad_ml as tg
    >>> w = tg.nn.Parameter([0.0, 0.0])
    >>> (w * [0.3, -4.0]).sum().backward()
    >>> clip_grad_value([w], 1.0)
    >>> print(w.grad)
    [ 0.3 -1. ]
    """
    if not clip_value >= 0:
        raise ValueError(f"clip_grad_value: clip_value must be 0 or more, got {clip_value}")
    for parameter in _having_gradients("clip_grad_value", parameters):
        parameter.grad = np.clip(parameter.grad, -clip_value, clip_value)


def _having_gradients(function: str, parameters: Any) -> list[Any]:
    parameters = [parameters] if isinstance(parameters, Tensor) else parameters
    if not isinstance(parameters, Iterable):
        raise TypeError(
            f"{function}: takes a list of parameters, got {type(parameters).__name__}; pass model.parameters()"
        )
    parameters = list(parameters)
    for i, parameter in enumerate(parameters):
        if not isinstance(parameter, Tensor):
            raise TypeError(f"{function}: parameter {i} must be a Tensor, got {type(parameter).__name__}")
    return [parameter for parameter in parameters if parameter.grad is not None]
