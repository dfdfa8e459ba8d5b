"""Layers of a transformer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import functional
from .attention import MultiheadAttention
from .dropout import Dropout
from .linear import Linear
from .module import Module
from .normalization import LayerNorm

_ACTIVATIONS: dict[str, Callable[[Any], Any]] = {"relu": functional.relu, "gelu": functional.gelu}


class TransformerEncoderLayer(Module):
    """Self-attention and a network of two layers, each added to its input and normalized (Vaswani et al. 2017).

    Parameters
    ----------
    d_model : int
        The number of features.
    nhead : int
        The number of heads of the attention.
    dim_feedforward : int, default=2048
        The width of the hidden layer.
    dropout : float, default=0.1
        How likely an element of an attention weight, of the hidden layer or of what is added is set to 0 in training.
    activation : {"relu", "gelu"} or callable
        Of the hidden layer; ``functional.relu`` by default.
    layer_norm_eps : float, default=1e-5
    batch_first : bool, default=False
        Whether arrays have the shape (batch, time, features) instead of (time, batch, features).
    norm_first : bool, default=False
        Whether to normalize what goes into both parts instead of the sums (Xiong et al. 2020).
    bias : bool, default=True
        Whether all parts have biases.
    dtype : default=np.float64
    rng : int or numpy.random.Generator, optional
        Draws the weights, and what is dropped.

    Attributes
    ----------
    self_attn : MultiheadAttention
    linear1, linear2 : Linear
    norm1, norm2 : LayerNorm

    Examples
    --------
    >>> import numpy as np
    >>> layer = TransformerEncoderLayer(8, 2, dim_feedforward=16, batch_first=True, rng=0)
    >>> layer(np.ones((5, 7, 8))).shape
    (5, 7, 8)
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Callable[[Any], Any] = functional.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        dtype: Any = np.float64,
        rng: Any = None,
    ) -> None:
        if isinstance(activation, str) and activation not in _ACTIVATIONS:
            raise ValueError(
                f"TransformerEncoderLayer: activation must be 'relu', 'gelu' or a function, got {activation!r}"
            )
        rng = np.random.default_rng(rng)
        self.self_attn = MultiheadAttention(
            d_model, nhead, dropout, bias, batch_first=batch_first, dtype=dtype, rng=rng
        )
        self.linear1 = Linear(d_model, dim_feedforward, bias, dtype=dtype, rng=rng)
        self.dropout = Dropout(dropout, rng=rng)
        self.linear2 = Linear(dim_feedforward, d_model, bias, dtype=dtype, rng=rng)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
        self.dropout1 = Dropout(dropout, rng=rng)
        self.dropout2 = Dropout(dropout, rng=rng)
        self.activation = _ACTIVATIONS[activation] if isinstance(activation, str) else activation

    def forward(self, src: Any, src_mask: Any = None, src_key_padding_mask: Any = None, is_causal: bool = False) -> Any:
        """Transform a sequence.

        Parameters
        ----------
        src : array of shape (time, batch, d_model), (batch, time, d_model) or (time, d_model)
        src_mask, src_key_padding_mask, is_causal
            As `attn_mask`, `key_padding_mask` and `is_causal` of `MultiheadAttention.forward`.

        Returns
        -------
        array of the shape of `src`
        """
        masks = {"attn_mask": src_mask, "key_padding_mask": src_key_padding_mask, "is_causal": is_causal}
        if self.norm_first:
            src = src + self._attend(self.norm1(src), masks)
            return src + self._feed_forward(self.norm2(src))
        src = self.norm1(src + self._attend(src, masks))
        return self.norm2(src + self._feed_forward(src))

    def _attend(self, x: Any, masks: dict[str, Any]) -> Any:
        return self.dropout1(self.self_attn(x, x, x, need_weights=False, **masks)[0])

    def _feed_forward(self, x: Any) -> Any:
        return self.dropout2(self.linear2(self.dropout(self.activation(self.linear1(x)))))

    def extra_repr(self) -> str:
        return f"norm_first={self.norm_first}"
