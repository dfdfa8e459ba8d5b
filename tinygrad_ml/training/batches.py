"""What a run goes through in an epoch: tuples of inputs and targets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np


class Batches:
    """Batches of aligned arrays, in a new order each time they are gone through.

    Parameters
    ----------
    *arrays : array_like
        Of equal lengths; the last are the targets.
    batch_size : int, default=32
    shuffle : bool, default=True
    rng : int or numpy.random.Generator, optional
        Decides the order.

    Examples
    --------
    >>> import numpy as np
    >>> batches = Batches(np.arange(5), np.arange(5) ** 2, batch_size=2, shuffle=False)
    >>> for x, y in batches:
    ...     print(x, y)
    [0 1] [0 1]
    [2 3] [4 9]
    [4] [16]
    """

    def __init__(self, *arrays: Any, batch_size: int = 32, shuffle: bool = True, rng: Any = None) -> None:
        self.arrays = tuple([array if hasattr(array, "shape") else np.asarray(array) for array in arrays])
        lengths = {array.shape[:1] for array in self.arrays}
        if len(lengths) != 1 or () in lengths:
            shapes = ", ".join(str(array.shape) for array in self.arrays)
            raise ValueError(f"Batches: the arrays must have as many rows as each other, got the shapes {shapes}")
        if batch_size != int(batch_size) or batch_size < 1:
            raise ValueError(f"Batches: batch_size must be a whole number from 1, got {batch_size}")
        self.batch_size, self.shuffle = int(batch_size), shuffle
        self.rng = np.random.default_rng(rng)
        (self._rows,) = lengths.pop()

    def __len__(self) -> int:
        return -(-self._rows // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        order = self.rng.permutation(self._rows) if self.shuffle else None
        for start in range(0, self._rows, self.batch_size):
            if order is None:
                yield tuple([array[start : start + self.batch_size] for array in self.arrays])
            else:
                chosen = order[start : start + self.batch_size]
                yield tuple([array.take(chosen, 0) for array in self.arrays])


def as_batches(name: str, data: Any, batch_size: int, shuffle: bool, rng: Any = None) -> Iterable[tuple[Any, ...]]:
    """`data` if it is made of batches, or batches of it if it is a tuple of arrays."""
    if isinstance(data, tuple) and any([hasattr(part, "shape") for part in data]):
        return Batches(*data, batch_size=batch_size, shuffle=shuffle, rng=rng)
    if not isinstance(data, Iterable) or hasattr(data, "shape"):
        raise TypeError(
            f"fit: {name} must be a tuple of arrays (X, y), or an iterable of such tuples, one for each batch; got "
            f"{type(data).__name__}"
        )
    if iter(data) is data:
        raise TypeError(
            f"fit: {name} is a {type(data).__name__}, which can be gone through only once; pass a list of batches or "
            "tinygrad_ml.training.Batches"
        )
    return data


def checked_batch(batch: Any) -> tuple[Any, ...]:
    """`batch`, if it has inputs and targets."""
    if not isinstance(batch, (tuple, list)) or len(batch) < 2:
        got = f"{type(batch).__name__}{f' of {len(batch)}' if isinstance(batch, (tuple, list)) else ''}"
        raise TypeError(
            f"fit: each batch must be a tuple (inputs, ..., targets), got {got}; pass arrays as a tuple (X, y), and "
            "the inputs again where they are the targets"
        )
    return tuple(batch)


def rows(batch: tuple[Any, ...]) -> int:
    """How many examples a batch has, by its targets."""
    shape = np.shape(batch[-1])
    return shape[0] if shape else 1
