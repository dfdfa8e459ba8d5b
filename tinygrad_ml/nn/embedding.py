"""Rows looked up by number."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..functional.windows import sizes
from ..kin import brought_to
from ..record import raw
from ..rules.shape import array
from . import init
from .module import Module
from .parameter import Parameter


class Embedding(Module):
    """A vector for each of a number of things, such as words.

    Parameters
    ----------
    num_embeddings : int
    embedding_dim : int
    padding_idx : int, optional
        The number of what only fills up sequences: its vector begins as zeros and gets no gradient. A negative one
        counts from the end.
    dtype : default=np.float64
    rng : int or numpy.random.Generator, optional
        Draws the vectors, as in PyTorch from the standard normal distribution.

    Attributes
    ----------
    weight : Parameter of shape (num_embeddings, embedding_dim)

    Examples
    --------
    >>> import numpy as np
    >>> layer = Embedding(10, 3, padding_idx=0, rng=0)
    >>> layer(np.array([[1, 5], [7, 0]])).shape
    (2, 2, 3)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        dtype: Any = np.float64,
        rng: Any = None,
    ) -> None:
        for name, size in (("num_embeddings", num_embeddings), ("embedding_dim", embedding_dim)):
            sizes("Embedding", name, size, 1)
        if padding_idx is not None:
            if not -num_embeddings <= padding_idx < num_embeddings:
                raise ValueError(
                    f"Embedding: padding_idx={padding_idx} is out of range for num_embeddings={num_embeddings}"
                )
            padding_idx %= num_embeddings
        self.num_embeddings, self.embedding_dim, self.padding_idx = num_embeddings, embedding_dim, padding_idx
        self.weight = init.normal(Parameter(np.empty((num_embeddings, embedding_dim), dtype)), rng=rng)
        if padding_idx is not None:
            self.weight.data[padding_idx] = 0

    def forward(self, indices: Any) -> Any:
        indices = array(raw(indices))
        if indices.dtype.kind not in "iu":
            raise TypeError(f"Embedding: indices must be integers, got {indices.dtype}; convert them with .astype(int)")
        if indices.size and (indices.min() < 0 or indices.max() >= self.num_embeddings):
            wrong = indices[(indices < 0) | (indices >= self.num_embeddings)][0]
            raise ValueError(
                f"Embedding: index {wrong} is out of range for num_embeddings={self.num_embeddings} "
                f"(0 to {self.num_embeddings - 1})"
            )
        indices = brought_to(self.weight, indices)
        rows = self.weight[indices]
        if self.padding_idx is None:
            return rows
        # The same numbers without history: no gradient goes into the row.
        return np.where((indices == self.padding_idx)[..., None], self.weight.detach()[self.padding_idx], rows)

    def extra_repr(self) -> str:
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"
