"""A matrix product with an offset, as one operation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..primitive import define
from ..sums import over_rows
from .activations import _floating

_MANY_ROWS, _FEW_PRODUCTS = 128, 10**6


def _affine(x: Any, weight: Any, bias: Any) -> Any:
    out = np.matmul(x, _transposed(weight, x))
    if type(out) is np.ndarray and out.dtype == bias.dtype:
        out += bias
        return out
    return out + bias


def _transposed(weight: Any, x: Any) -> Any:
    """``weight^T``; for many rows of `x` and few outputs as an array of its own, which takes half the time.

    Up to a million products OpenBLAS does not rearrange its operands, and a view that lies across memory is slow.
    """
    if type(x) is type(weight) is np.ndarray and x.ndim == 2 and len(x) >= _MANY_ROWS:
        if len(weight) > 1 and len(x) * weight.size <= _FEW_PRODUCTS:
            return np.array(weight.T, order="C")
    return weight.T


def _rows(x: Any) -> Any:
    """As a matrix, with all axes but the last in one."""
    return x.reshape(math.prod(x.shape[:-1]), x.shape[-1])  # not -1, which is ambiguous for arrays without elements


def _to_input(g: Any, ans: Any, x: Any, weight: Any, bias: Any) -> Any:
    if type(x) is np.ndarray and x.ndim == 2 and x.flags.fnc:  # its rows lie across memory, as behind a convolution
        return np.matmul(weight.T, g.T).T
    return np.matmul(g, weight)


def _to_weight(g: Any, ans: Any, x: Any, weight: Any, bias: Any) -> Any:
    if x.ndim != 2:
        g, x = _rows(g), _rows(x)
    return np.matmul(g.T, x)


def _to_bias(g: Any, ans: Any, x: Any, weight: Any, bias: Any) -> Any:
    return over_rows(g if g.ndim == 2 else _rows(g))


#: ``x W^T + b`` of arrays that are known to fit.
affine = define(
    _affine,
    _to_input,
    _to_weight,
    _to_bias,
    name="linear",
)


def linear(input: Any, weight: Any, bias: Any = None) -> Any:
    """``input weight^T + bias``.

    Parameters
    ----------
    input : array of shape (..., in_features)
    weight : array of shape (out_features, in_features)
    bias : array of shape (out_features,), optional

    Raises
    ------
    ValueError
        Where the shapes do not match.

    Examples
    --------
    >>> import numpy as np
    >>> linear(np.array([1.0, 2.0]), np.eye(3, 2), np.ones(3))
    array([2., 3., 1.])
    """
    input, weight = _floating(input), _floating(weight)
    if weight.ndim != 2:
        raise ValueError(f"linear: weight must have the shape (out_features, in_features), got {weight.shape}")
    if input.shape[-1:] != weight.shape[1:]:
        raise ValueError(
            f"linear: input has shape {input.shape}, and its last axis must be the in_features of weight "
            f"{weight.shape}; a weight is outputs by inputs, transpose it if it is not"
        )
    if bias is None:
        return np.matmul(input, weight.T)
    bias = _floating(bias)
    if bias.shape != weight.shape[:1]:
        raise ValueError(f"linear: bias must have shape {weight.shape[:1]}, one an output, got {bias.shape}")
    return affine(input, weight, bias)
