"""Aligned arrays in batches, in a new order each time."""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..counts import whole
from .aligned import aligned

BLOCK_BYTES = 1 << 20
POOL_BYTES = 32 << 20
Batch = tuple[np.ndarray, ...]


class Minibatches:
    """What `minibatches` returns: as often as it is iterated over, all batches; `len` tells how many.

    Attributes
    ----------
    rng : numpy.random.Generator
        Draws the order, all of it when an iteration starts. To repeat an epoch and all that follow, also of an epoch
        that was left half-way, save ``rng.bit_generator.state`` before the epoch and put it back.
    """

    def __init__(
        self, arrays: tuple[Any, ...], batch_size: int, shuffle: bool, drop_last: bool, rng: np.random.Generator
    ) -> None:
        converted = aligned("minibatches", arrays)
        self.rows = len(converted[0])
        self.batch_size = whole("minibatches: batch_size", batch_size, 1)
        self.shuffle, self.drop_last, self.rng = shuffle, drop_last, rng
        if drop_last and self.rows < self.batch_size:
            raise ValueError(
                f"minibatches: drop_last=True leaves no batch: {self.rows} rows and batch_size={self.batch_size}; "
                "make the batches smaller or keep the last"
            )
        self._mapped = any(_is_mapped(array) for array in converted)
        # As plain arrays: a memmap's slices are slow to make, and its class would follow every batch.
        self.arrays = tuple(np.asarray(array) for array in converted)

    def __len__(self) -> int:
        return self.rows // self.batch_size if self.drop_last else math.ceil(self.rows / self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        if not self.shuffle:
            return self._in_order()
        if self._mapped:
            # One number of the generator, so that its state does not tell how far an iteration came.
            return self._from_blocks(np.random.default_rng(self.rng.integers(2**63)))
        return self._in_any_order(self.rng.permutation(self.rows))

    def __repr__(self) -> str:
        shapes = ", ".join(str(array.shape) for array in self.arrays)
        return f"Minibatches({len(self)} of {self.batch_size} rows from arrays {shapes})"

    def _starts(self) -> range:
        return range(0, len(self) * self.batch_size, self.batch_size)

    def _in_order(self) -> Iterator[Batch]:
        for start in self._starts():
            yield tuple(array[start : start + self.batch_size] for array in self.arrays)

    def _in_any_order(self, order: np.ndarray) -> Iterator[Batch]:
        for start in self._starts():
            rows = order[start : start + self.batch_size]
            yield tuple([array.take(rows, 0) for array in self.arrays])

    def _from_blocks(self, rng: np.random.Generator) -> Iterator[Batch]:
        """Blocks in random order, one after the other, and rows in random order within pools of them."""
        size, n = self.batch_size, self.rows
        row_bytes = max(1, *(array.nbytes // n for array in self.arrays))
        block = max(1, BLOCK_BYTES // row_bytes)
        pool = max(1, POOL_BYTES // row_bytes // size) * size
        # The last block is short. As blocks start anywhere and wrap around, its rows are others each time.
        first = rng.integers(n)
        blocks = np.append(rng.permutation(n // block), n // block)
        for start in range(0, n, pool):
            place = np.arange(start, min(start + pool, n))
            rows = first + blocks[place // block] * block + place % block
            read = [array.take(rows, 0, mode="wrap") for array in self.arrays]
            order = rng.permutation(len(place))
            last = len(place) - len(place) % size if self.drop_last else len(place)
            for at in range(0, last, size):
                rows = order[at : at + size]
                yield tuple([array.take(rows, 0) for array in read])


def minibatches(
    *arrays: Any, batch_size: int = 32, shuffle: bool = True, drop_last: bool = False, rng: Any = None
) -> Minibatches:
    """Arrays whose rows belong together, in batches of rows.

    Parameters
    ----------
    *arrays : array-like
        Of one length. Where one of them is mapped from a file (`numpy.memmap`), files are read in contiguous blocks of
        about a megabyte: blocks in random order, and rows mixed within 32 blocks at a time, so that rows that are
        far apart in the file may meet in a batch, yet not all orders are possible.
    batch_size : int, default=32
    shuffle : bool, default=True
        False keeps the order, and batches are then views of the arrays.
    drop_last : bool, default=False
        Leave out a last batch that is not full.
    rng : int or numpy.random.Generator, optional
        Draws the order, a new one for each iteration.

    Returns
    -------
    Minibatches
        Iterable of tuples that hold one part for each array; with `len`, and with its `rng` as an attribute.

    Raises
    ------
    ValueError
        Where lengths differ or are 0, or there is no batch.

    Examples
    --------
    >>> import numpy as np
    >>> X, y = np.arange(10.0).reshape(5, 2), np.arange(5)
    >>> for x, label in minibatches(X, y, batch_size=2, shuffle=False):
    ...     print(x.shape, label)
    (2, 2) [0 1]
    (2, 2) [2 3]
    (1, 2) [4]
    """
    return Minibatches(arrays, batch_size, shuffle, drop_last, np.random.default_rng(rng))


def _is_mapped(array: Any) -> bool:
    """Whether an array's memory is a file's: views of a memmap need not be of its class."""
    while array is not None and not isinstance(array, mmap.mmap):
        array = getattr(array, "base", None)
    return array is not None
