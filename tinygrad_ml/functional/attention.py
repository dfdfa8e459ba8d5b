"""Attention: averages of values, weighted by how well keys agree with a query."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..kin import brought_to
from .softmax import softmax


def scaled_dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
    rng: Any = None,
) -> Any:
    """``softmax(scale Q K^T + mask) V`` (Vaswani et al. 2017).

    Parameters
    ----------
    query : array of shape (..., targets, features)
    key : array of shape (..., sources, features)
    value : array of shape (..., sources, features of the output)
    attn_mask : array of bool or float, optional
        Broadcast to (..., targets, sources): True where a target may attend to a source, or numbers that are added to
        the scores. A target that may attend to nothing gets zeros.
    dropout_p : float, default=0.0
        How likely a weight is set to 0; the others are scaled up to make up for it.
    is_causal : bool, default=False
        Whether targets attend to sources of their own position and before.
    scale : float, optional
        1 / sqrt(features) by default.
    enable_gqa : bool, default=False
        Whether keys and values may have fewer heads (axis -3), each of which serves several of the query's in a row.
    rng : int or numpy.random.Generator, optional
        Draws what is dropped.

    Returns
    -------
    array of shape (..., targets, features of the output)

    Raises
    ------
    ValueError
        Where shapes do not match, or there is both a mask and ``is_causal``.

    Examples
    --------
    >>> import numpy as np
    >>> query, key, value = np.zeros((1, 2)), np.ones((4, 2)), np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> print(scaled_dot_product_attention(query, key, value))
    [[1.5]]
    """
    if is_causal and attn_mask is not None:
        raise ValueError(
            "scaled_dot_product_attention: give attn_mask or is_causal=True, not both; "
            "np.tri(targets, sources, dtype=bool) is the causal mask, to combine with yours"
        )
    if not 0 <= dropout_p <= 1:
        raise ValueError(f"scaled_dot_product_attention: dropout_p is a probability between 0 and 1, got {dropout_p}")
    if enable_gqa:
        key, value = _repeated(key, query, "key"), _repeated(value, query, "value")
    if query.shape[-1] != key.shape[-1] or key.shape[-2] != value.shape[-2]:
        raise ValueError(
            f"scaled_dot_product_attention: query, key and value have shapes {query.shape}, {key.shape} and "
            f"{value.shape}; query and key must agree in their last axis, key and value in their last but one"
        )
    targets, sources = query.shape[-2], key.shape[-2]
    mask = None
    if is_causal:
        mask = brought_to(query, causal_mask(targets, sources, query.dtype))
    elif attn_mask is not None:
        attn_mask = brought_to(query, attn_mask)
        mask = ~attn_mask if attn_mask.dtype.kind == "b" else attn_mask
        mask = additive_mask("scaled_dot_product_attention", "attn_mask", mask, query.dtype)
    weights = attention_weights(query, key, mask, scale)
    if dropout_p:
        kept = np.random.default_rng(rng).random(weights.shape) >= dropout_p
        kept = (kept / (1 - dropout_p) if dropout_p < 1 else kept).astype(weights.dtype)
        weights = weights * brought_to(weights, kept)
    return weights @ value


def attention_weights(query: Any, key: Any, mask: Any = None, scale: float | None = None) -> Any:
    """How much each target attends to each source: ``softmax(scale Q K^T + mask)``, or zeros where all is masked."""
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = (query * scale) @ np.swapaxes(key, -1, -2)
    if mask is None:
        return softmax(scores)
    numbers = mask.data if hasattr(mask, "requires_grad") else mask
    blind = np.max(numbers, axis=-1, keepdims=True) == -math.inf
    if not blind.any():
        return softmax(scores + mask)
    return softmax(scores + np.where(blind, 0, mask)) * ~blind


def additive_mask(function: str, name: str, mask: Any, dtype: Any) -> Any:
    """Numbers to add to scores: -inf where a boolean `mask` is True."""
    kind = mask.dtype.kind
    if kind == "b":
        return np.where(mask, -math.inf, 0).astype(dtype)
    if kind != "f":
        raise ValueError(f"{function}: {name} must be boolean or floating point, got {mask.dtype}; try .astype(bool)")
    return mask if hasattr(mask, "requires_grad") else mask.astype(dtype, copy=False)


def causal_mask(targets: int, sources: int, dtype: Any) -> Any:
    """Minus infinity at sources that come after the target."""
    return np.where(np.tri(targets, sources, dtype=bool), 0, -math.inf).astype(dtype)


def _repeated(x: Any, query: Any, name: str) -> Any:
    """`x` with as many heads as `query`."""
    if min(x.ndim, query.ndim) < 3 or not x.shape[-3] or query.shape[-3] % x.shape[-3]:
        raise ValueError(
            f"scaled_dot_product_attention: with enable_gqa the number of heads (axis -3) of the query, of shape "
            f"{query.shape}, must be a multiple of that of the {name}, of shape {x.shape}"
        )
    return np.repeat(x, query.shape[-3] // x.shape[-3], axis=-3)
