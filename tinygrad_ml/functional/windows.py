"""Where the windows of a convolution or a pooling lie."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

Sizes = tuple[int, ...]
#: How many elements are added before and behind each axis.
Padding = tuple[tuple[int, int], ...]


class Windows:
    """The windows over some neighbouring axes of an array.

    Attributes
    ----------
    kernel, stride, dilation : tuple of int
    output : tuple of int
        How many windows there are along each axis.
    padded : tuple of int
        The lengths of the axes with their padding.
    interior : tuple of slice
        Where the array is in the padded one.
    places : tuple of tuples of slice
        For each place in a window, where the elements are that all windows have there.
    disjoint, complete : bool
        Whether no element is in two windows; and whether moreover each is in one.
    """

    __slots__ = ("kernel", "stride", "dilation", "output", "padded", "interior", "places", "disjoint", "complete")

    def __init__(
        self,
        kernel: Sizes,
        stride: Sizes,
        dilation: Sizes,
        output: Sizes,
        padded: Sizes,
        interior: tuple[slice, ...],
        places: tuple[tuple[slice, ...], ...],
        disjoint: bool,
        complete: bool,
    ) -> None:
        self.kernel, self.stride, self.dilation = kernel, stride, dilation
        self.output, self.padded, self.interior, self.places = output, padded, interior, places
        self.disjoint, self.complete = disjoint, complete

    @property
    def reach(self) -> Sizes:
        """How many elements a window spans along each axis."""
        return tuple([apart * (size - 1) + 1 for size, apart in zip(self.kernel, self.dilation, strict=True)])

    def blocks(self, at_once: int) -> Iterator[tuple[slice, slice]]:
        """Parts of the output along its first axis, and the part of the padded array that their windows see."""
        count, step, reach = self.output[0], self.stride[0], self.reach[0]
        for top in range(0, count, max(1, at_once)):
            end = min(top + max(1, at_once), count)
            yield slice(top, end), slice(top * step, (end - 1) * step + reach)


@functools.lru_cache(maxsize=256)
def windows(
    name: str,
    lengths: Sizes,
    kernel: Sizes,
    stride: Sizes,
    padding: Padding,
    dilation: Sizes,
    ceil_mode: bool = False,
) -> Windows:
    """Lay windows of `kernel` elements, `dilation` apart, every `stride` elements.

    Raises
    ------
    ValueError
        Where no window fits into an axis; with `ceil_mode` one may be longer than the axis by less than a step.
    """
    output, padded = [], []
    for length, size, step, (before, behind), apart in zip(lengths, kernel, stride, padding, dilation, strict=True):
        reach = apart * (size - 1) + 1
        room = before + length + behind - reach
        count = (-(-room // step) if ceil_mode else room // step) + 1
        if count < 1:
            raise ValueError(
                f"{name}: a window of kernel_size={kernel} with dilation={dilation} does not fit into the input's "
                f"{lengths} with padding={padding}; give a larger input, a smaller kernel or more padding"
            )
        if ceil_mode and (count - 1) * step >= before + length:  # a window of nothing but padding
            count -= 1
        output.append(count)
        padded.append(max(before + length + behind, (count - 1) * step + reach))
    interior = tuple([slice(before, before + n) for (before, _), n in zip(padding, lengths, strict=True)])
    places = tuple(
        [
            tuple(
                [
                    slice(k * apart, k * apart + (count - 1) * step + 1, step)
                    for k, apart, count, step in zip(place, dilation, output, stride, strict=True)
                ]
            )
            for place in itertools.product(*map(range, kernel))
        ]
    )
    disjoint = all(
        count == 1 or apart * (size - 1) < step
        for count, size, step, apart in zip(output, kernel, stride, dilation, strict=True)
    )
    complete = all(count * size == n for count, size, n in zip(output, kernel, padded, strict=True))
    complete = disjoint and complete
    return Windows(kernel, stride, dilation, tuple(output), tuple(padded), interior, places, disjoint, complete)


@functools.lru_cache(maxsize=256)
def windows_around(at: Windows) -> Windows | None:
    """The windows over the output in which are, for each element of the array, the windows that it is in.

    What is at a place of these was seen at the opposite place of a window, so kernels have to be flipped. None where
    the windows that an element is in are no neighbours, or where the padding is wider than a window.
    """
    padding = tuple(
        [
            (reach - 1 - inside.start, reach - 1 - (padded - inside.stop))
            for reach, inside, padded in zip(at.reach, at.interior, at.padded, strict=True)
        ]
    )
    if any(step != 1 for step in at.stride) or any(min(pair) < 0 for pair in padding):
        return None
    return windows("windows_around", at.output, at.kernel, at.stride, padding, at.dilation)


def sizes(name: str, argument: str, value: Any, rank: int, least: int = 1) -> Sizes:
    """An int, or one for each axis, as a tuple.

    Raises
    ------
    ValueError
        Where `value` is neither, or smaller than `least`.
    """
    given = tuple(value) if isinstance(value, (tuple, list)) else (value,) * rank
    if len(given) == rank and all(isinstance(n, (int, np.integer)) and n >= least for n in given):
        return given
    each = f" or a tuple of {rank}, one for each axis" if rank > 1 else ""
    raise ValueError(f"{name}: {argument} must be an int of at least {least}{each}, got {value!r}")
