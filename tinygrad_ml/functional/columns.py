"""What the windows of a convolution see, as the columns of matrices.

The samples lie next to each other in memory. Windows above each other see the same rows of the images, so only what is
seen along a row is copied. The columns of all windows in a row are a part of these copies, as many rows as a window is
high, and overlap with those of the next.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from .windows import Sizes, Windows

#: How many elements are copied at once: what is still in the cache when it is multiplied.
_BLOCK = 2**18
#: How many windows in a row, over all samples, are worth a matrix product of their own.
_WIDE = 32


def columns(x: Any, at: Windows, groups: int, bias: bool = False) -> Iterator[tuple[slice, Any]]:
    """What each window sees, for one part of the output's first axis after the other.

    Parameters
    ----------
    x : array of shape (groups, channels / groups, ..., samples)
    at : Windows
    groups : int
    bias : bool, default=False
        Whether a one follows the channels.

    Yields
    ------
    part : slice
    matrices : array of shape (groups, rows of windows, places, windows in a row * samples)
        The places are in the order that `weights_as_rows` brings weights to.
    """
    if at.padded != x.shape[2:-1]:
        padded = np.zeros((*x.shape[:2], *at.padded, x.shape[-1]), x.dtype)
        padded[:, :, *at.interior] = x
        x = padded
    channels, width = x.shape[1], at.kernel[-1]
    row_by_row = 0, *range(2, x.ndim - 2), 1, x.ndim - 2, x.ndim - 1
    for block in _blocks(at, groups, channels, x.shape[-1], bias, x.itemsize, _BLOCK):
        seen = x[:, :, block.seen].transpose(row_by_row)
        copies = np.empty(block.copied, x.dtype)
        for k, place in enumerate(block.places):
            copies[..., k : channels * width : width, :, :] = seen[..., place, :]
        if bias:
            copies[..., -1, :, :] = 1
        matrices = np.ndarray(block.shape, x.dtype, copies, 0, block.strides).reshape(block.matrices)
        _, rows, places, wide = block.matrices
        if wide < _WIDE and rows > 1:
            matrices = matrices.swapaxes(1, 2).reshape(groups, 1, places, rows * wide)
        yield block.part, matrices


def outputs_as_matrices(y: Any, part: slice, matrices: Any) -> Any:
    """A part of (groups, outputs / groups, ..., samples), as a view with one column for each of `matrices`."""
    groups, rows, _, wide = matrices.shape
    return y[:, :, part].reshape(groups, y.shape[1], rows, wide).swapaxes(1, 2)


def weights_as_rows(w: Any, b: Any, groups: int) -> Any:
    """Weights as matrices of shape (groups, 1, outputs / groups, places).

    The places are first those of all axes but the last, then the channels, then the places of the last axis.
    """
    outputs, channels, *heights, width = w.shape
    each, height = outputs // groups, math.prod(heights)
    w = w.reshape(groups, each, channels, height, width).swapaxes(2, 3)
    w = w.reshape(groups, each, height, channels * width)
    if b is not None:
        both = np.zeros((*w.shape[:-1], channels * width + 1), np.result_type(w, b))
        both[..., :-1] = w
        both[..., 0, -1] = b.reshape(groups, each)  # of the ones that a window sees in its rows, one counts
        w = both
    return w.reshape(groups, 1, each, height * w.shape[-1])


def weights_of_rows(rows: Any, shape: Sizes) -> Any:
    """Weights of this shape, without offsets, from the (groups, outputs / groups, places) of `weights_as_rows`."""
    _, channels, *heights, width = shape
    groups, each, places = rows.shape
    height = math.prod(heights)
    w = rows.reshape(groups, each, height, places // height)[..., : channels * width]
    return w.reshape(groups, each, height, channels, width).swapaxes(2, 3).reshape(shape)


class _Block(NamedTuple):
    """How the columns of a part of the output are laid out.

    Attributes
    ----------
    part, seen : slice
        Of the output along its first axis, and of the padded images.
    copied : tuple of int
        The shape of the copies: (groups, rows of images, places in a row, windows in a row, samples).
    places : tuple of slice
        For each place of a window along the last axis, where the windows of a row have it.
    shape, strides : tuple of int
        The columns as a view of the copies: (groups, rows of windows, rows of a window, places in a row, windows in a
        row * samples). There are as many axes of rows as images have axes less one: of sequences none.
    matrices : tuple of int
        The same in four axes.
    """

    part: slice
    seen: slice
    copied: Sizes
    places: tuple[slice, ...]
    shape: Sizes
    strides: Sizes
    matrices: Sizes


@functools.lru_cache(maxsize=256)
def _blocks(at: Windows, groups: int, channels: int, samples: int, bias: bool, size: int, most: int) -> list[_Block]:
    """The blocks of images with this many channels in a group and elements of `size` bytes."""
    *heights, width = at.kernel
    step, apart = at.stride[-1], at.dilation[-1]
    in_a_row = channels * width + bias
    blocks = []
    for part, seen in at.blocks(most // max(1, groups * in_a_row * math.prod(at.output[1:]) * at.stride[0] * samples)):
        *rows, count = part.stop - part.start, *at.output[1:]
        *rows_of_images, _ = seen.stop - seen.start, *at.padded[1:]
        copied = groups, *rows_of_images, in_a_row, count, samples
        behind = [math.prod(copied[k + 1 :]) * size for k in range(len(copied))]
        row_strides = behind[1:-3]
        blocks.append(
            _Block(
                part,
                seen,
                copied,
                tuple([slice(k * apart, k * apart + (count - 1) * step + 1, step) for k in range(width)]),
                (groups, *rows, *heights, in_a_row, count * samples),
                (
                    behind[0],
                    *[n * step for n, step in zip(row_strides, at.stride, strict=False)],
                    *[n * apart for n, apart in zip(row_strides, at.dilation, strict=False)],
                    behind[-3],
                    size,
                ),
                (groups, math.prod(rows), math.prod(heights) * in_a_row, count * samples),
            )
        )
    return blocks
