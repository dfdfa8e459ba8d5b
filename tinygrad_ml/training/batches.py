"""What a run goes through in an epoch: tuples of inputs and targets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..data import minibatches


def as_batches(name: str, data: Any, batch_size: int, shuffle: bool, rng: Any = None) -> Iterable[tuple[Any, ...]]:
    """`data` if it is made of batches, or batches of it if it is a tuple of arrays or of lists of numbers."""
    if isinstance(data, tuple) and any([_is_array(part) for part in data]):
        return minibatches(*data, batch_size=batch_size, shuffle=shuffle, rng=rng)
    if not isinstance(data, Iterable) or hasattr(data, "shape"):
        raise TypeError(
            f"{name} must be a tuple of arrays (X, y), or an iterable of such tuples, one for each batch; got "
            f"{type(data).__name__}"
        )
    if iter(data) is data:
        raise TypeError(
            f"{name} is a {type(data).__name__}, which can be gone through only once; pass a list of batches or "
            "tinygrad_ml.data.minibatches(X, y)"
        )
    return data


def _is_array(part: Any) -> bool:
    """Whether it has rows; a list with arrays in it is a batch."""
    return hasattr(part, "shape") or isinstance(part, list) and not any([hasattr(item, "shape") for item in part])


def checked_batch(name: str, batch: Any) -> tuple[Any, ...]:
    """`batch`, if it has inputs and targets."""
    if not isinstance(batch, (tuple, list)) or len(batch) < 2:
        got = f"{type(batch).__name__}{f' of {len(batch)}' if isinstance(batch, (tuple, list)) else ''}"
        raise TypeError(
            f"{name}: each batch must be a tuple (inputs, ..., targets), got {got}; pass arrays as a tuple (X, y), and "
            "the inputs again where they are the targets"
        )
    return tuple(batch)


def rows(batch: tuple[Any, ...]) -> int:
    """How many examples a batch has, by its targets."""
    shape = np.shape(batch[-1])
    return shape[0] if shape else 1
