"""Attention with several heads."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..functional.attention import additive_mask, attention_weights, causal_mask
from ..kin import brought_to, kin
from . import init
from .dropout import Dropout
from .linear import Linear
from .module import Module
from .parameter import Parameter


class MultiheadAttention(Module):
    """Attention in several projections side by side (Vaswani et al. 2017).

    Each head projects queries, keys and values, answers ``softmax(Q K^T / sqrt(head size)) V``, and the heads' answers
    together are projected once more.

    Parameters
    ----------
    embed_dim : int
        The number of features of queries and outputs.
    num_heads : int
        Each has embed_dim / num_heads features.
    dropout : float, default=0.0
        How likely an attention weight is set to 0 in training.
    bias : bool, default=True
    add_bias_kv : bool, default=False
        Whether to learn one more key and value.
    add_zero_attn : bool, default=False
        Whether there is one more key and value of zeros.
    kdim, vdim : int, optional
        The number of features of keys and values; `embed_dim` by default.
    batch_first : bool, default=False
        Whether arrays have the shape (batch, time, features) instead of (time, batch, features).
    dtype : default=np.float64
    rng : int or numpy.random.Generator, optional
        Draws the weights as in PyTorch (Glorot's uniform distribution), and what is dropped.

    Attributes
    ----------
    in_proj_weight : Parameter of shape (3 * embed_dim, embed_dim)
        For queries, keys and values; where those differ in size None, and `q_proj_weight`, `k_proj_weight` and
        `v_proj_weight` instead.
    in_proj_bias : Parameter of shape (3 * embed_dim,), or None
    out_proj : Linear

    Examples
    --------
    >>> import numpy as np
    >>> layer = MultiheadAttention(8, 2, batch_first=True, rng=0)
    >>> x = np.ones((5, 7, 8))
    >>> output, weights = layer(x, x, x)
    >>> output.shape, weights.shape
    ((5, 7, 8), (5, 7, 7))
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        dtype: Any = np.float64,
        rng: Any = None,
    ) -> None:
        if embed_dim < 1 or num_heads < 1 or embed_dim % num_heads:
            raise ValueError(
                f"MultiheadAttention: embed_dim={embed_dim} must be a positive multiple of num_heads={num_heads}"
            )
        if not 0 <= dropout <= 1:
            raise ValueError(f"MultiheadAttention: dropout is a probability between 0 and 1, got {dropout}")
        rng = np.random.default_rng(rng)
        self.embed_dim, self.num_heads, self.batch_first = embed_dim, num_heads, batch_first
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self.add_zero_attn = add_zero_attn

        def drawn(rows: int, columns: int) -> Parameter:
            return init.xavier_uniform(Parameter(np.empty((rows, columns), dtype)), rng=rng)

        self.in_proj_weight: Parameter | None = None
        if self.kdim == self.vdim == embed_dim:
            self.in_proj_weight = drawn(3 * embed_dim, embed_dim)
        else:
            self.q_proj_weight = drawn(embed_dim, embed_dim)
            self.k_proj_weight = drawn(embed_dim, self.kdim)
            self.v_proj_weight = drawn(embed_dim, self.vdim)
        self.in_proj_bias = Parameter(np.zeros(3 * embed_dim, dtype)) if bias else None
        self.out_proj = Linear(embed_dim, embed_dim, bias=bias, dtype=dtype, rng=rng)
        if self.out_proj.bias is not None:
            init.constant(self.out_proj.bias, 0)
        self.bias_k = self.bias_v = None
        if add_bias_kv:
            self.bias_k, self.bias_v = (
                init.xavier_normal(Parameter(np.empty((1, 1, embed_dim), dtype)), rng=rng) for _ in range(2)
            )
        self.dropout = Dropout(dropout, rng=rng)

    def forward(
        self,
        query: Any,
        key: Any,
        value: Any,
        key_padding_mask: Any = None,
        need_weights: bool = True,
        attn_mask: Any = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Any, Any]:
        """Attend with each query to all keys.

        Parameters
        ----------
        query : array of shape (targets, batch, embed_dim), (batch, targets, embed_dim) or (targets, embed_dim)
        key, value : arrays of shape (sources, batch, kdim or vdim), or as `query`
        key_padding_mask : array of bool or float of shape (batch, sources), optional
            True where a key is to be ignored, or numbers that are added to the scores.
        need_weights : bool, default=True
            Whether to return the weights; without them it is faster.
        attn_mask : array of bool or float, optional
            Of shape (targets, sources) or (batch * num_heads, targets, sources): True where a target may *not* attend
            to a source, or numbers that are added to the scores. A target that may attend to nothing gets zeros for
            its values.
        average_attn_weights : bool, default=True
            Whether to average the weights over the heads.
        is_causal : bool, default=False
            Whether targets attend to sources of their own position and before; `attn_mask`, if given, says so itself.

        Returns
        -------
        output : array of the shape of `query`
        weights : array of shape (batch, targets, sources) or (batch, num_heads, targets, sources), or None

        Raises
        ------
        ValueError
            Where shapes do not match, or a mask is neither boolean nor floating point.
        """
        self._check(query, key, value)
        batched, batch_first = query.ndim == 3, query.ndim == 3 and self.batch_first
        q, k, v = self._heads(query, key, value, batched, batch_first)
        k, v, extra = self._with_extra(k, v)
        mask = self._mask(q, k.shape[2] - extra, extra, key_padding_mask, attn_mask, is_causal, batched)
        weights = self.dropout(attention_weights(q, k, mask))
        out = (weights @ v).transpose((0, 2, 1, 3) if batch_first else (2, 0, 1, 3))
        out = self.out_proj(out.reshape(query.shape))
        if not need_weights:
            return out, None
        if average_attn_weights:
            weights = weights.mean(axis=1)
        return out, weights if batched else weights[0]

    def _heads(self, query: Any, key: Any, value: Any, batched: bool, batch_first: bool) -> Any:
        """Queries, keys and values of shape (batch, heads, time, features of a head)."""
        n = self.embed_dim
        size = n // self.num_heads

        def split(x: Any) -> Any:
            x = x.reshape(x.shape[0], x.shape[1] if batched else 1, x.shape[-1] // size, size)
            return x.transpose((0, 2, 1, 3) if batch_first else (1, 2, 0, 3))

        if self.in_proj_weight is not None and query is key and key is value:
            packed = query @ self.in_proj_weight.T
            if self.in_proj_bias is not None:
                packed = packed + self.in_proj_bias
            return np.split(split(packed), 3, axis=1)
        weights: list[Any]
        if self.in_proj_weight is not None:
            weights = np.split(self.in_proj_weight, 3)
        else:
            weights = [self.q_proj_weight, self.k_proj_weight, self.v_proj_weight]
        projected = [x @ w.T for x, w in zip((query, key, value), weights, strict=True)]
        if self.in_proj_bias is not None:
            biases = np.split(self.in_proj_bias, 3)
            projected = [x + bias for x, bias in zip(projected, biases, strict=True)]
        return [split(x) for x in projected]

    def _with_extra(self, k: Any, v: Any) -> tuple[Any, Any, int]:
        """Keys and values with those that every sample has, and their number."""
        extra = 0
        batch, heads, _, size = k.shape
        if self.bias_k is not None and self.bias_v is not None:
            k, v = (
                np.concatenate([x, np.broadcast_to(more.reshape(1, heads, 1, size), (batch, heads, 1, size))], axis=2)
                for x, more in ((k, self.bias_k), (v, self.bias_v))
            )
            extra += 1
        if self.add_zero_attn:
            zeros = kin(k, np.zeros, (batch, heads, 1, size), k.dtype)
            k, v = np.concatenate([k, zeros], axis=2), np.concatenate([v, zeros], axis=2)
            extra += 1
        return k, v, extra

    def _mask(
        self, q: Any, sources: int, extra: int, padding: Any, attn_mask: Any, is_causal: bool, batched: bool
    ) -> Any:
        """What is added to the scores, to be broadcast to (batch, heads, targets, sources + extra), or None."""
        batch, heads, targets, _ = q.shape
        mask = brought_to(q, causal_mask(targets, sources, q.dtype)) if is_causal and attn_mask is None else None
        if attn_mask is not None:
            shapes = (targets, sources), (batch * heads, targets, sources)
            if attn_mask.shape not in shapes:
                raise ValueError(
                    f"MultiheadAttention: attn_mask has shape {attn_mask.shape}, and must have shape {shapes[0]}: "
                    f"(targets, sources), or {shapes[1]}: (batch * num_heads, targets, sources)"
                )
            mask = brought_to(q, additive_mask("MultiheadAttention", "attn_mask", attn_mask, q.dtype))
            mask = mask if mask.ndim == 2 else mask.reshape(batch, heads, targets, sources)
        if padding is not None:
            shape = (batch, sources) if batched else (sources,)
            if padding.shape != shape:
                raise ValueError(
                    f"MultiheadAttention: key_padding_mask has shape {padding.shape}, and must have shape {shape}: "
                    f"{'(batch, sources)' if batched else '(sources,)'}"
                )
            padding = brought_to(q, additive_mask("MultiheadAttention", "key_padding_mask", padding, q.dtype))
            padding = padding.reshape(batch, 1, 1, sources)
            mask = padding if mask is None else mask + padding
        if mask is not None and extra:
            mask = np.concatenate([mask, kin(q, np.zeros, (*mask.shape[:-1], extra), q.dtype)], axis=-1)
        return mask

    def _check(self, query: Any, key: Any, value: Any) -> None:
        expected = {"query": (query, self.embed_dim), "key": (key, self.kdim), "value": (value, self.vdim)}
        order = "(batch, time, {})" if self.batch_first else "(time, batch, {})"
        for name, (x, features) in expected.items():
            if x.ndim not in (2, 3) or x.ndim != query.ndim or x.shape[-1] != features:
                raise ValueError(
                    f"MultiheadAttention: {name} has shape {x.shape}, and must have shape {order.format(features)}, "
                    f"or (time, {features}) where query, key and value have no batch"
                )
        batch = 0 if self.batch_first else 1
        if key.shape[:-1] != value.shape[:-1] or query.ndim == 3 and query.shape[batch] != key.shape[batch]:
            raise ValueError(
                f"MultiheadAttention: query, key and value have shapes {query.shape}, {key.shape} and {value.shape}; "
                "all must have the same batch, and key and value the same time"
            )

    def extra_repr(self) -> str:
        return f"{self.embed_dim}, {self.num_heads} heads"
