"""What is recorded: nodes, leaves, and whether recording is on.

Nodes point only towards their inputs and never to a Tensor, so reference counting frees a graph as
soon as its last result goes, and an array stays alive only where a rule will read it.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np

from .primitive import Primitive

F = TypeVar("F", bound=Callable[..., Any])

#: Later nodes have smaller numbers, so that a min-heap hands out the latest first.
next_order = itertools.count(0, -1).__next__


class Node:
    """One recorded operation.

    Attributes
    ----------
    order : int
    primitive : Primitive
    edges : tuple of (node, rule, argument index, like)
        The inputs that want a gradient; `like` is the (shape, dtype) their gradient must be brought to, or
        None where it has them anyway.
    saved : tuple
        ``(ans, *args)`` with what no rule reads left out.
    """

    __slots__ = ("order", "primitive", "edges", "saved")
    kwargs: dict[str, Any] | None = None
    #: What the primitive's forward handed over for its cached rules, in a tuple of one.
    cache: tuple[Any, ...] | None = None
    #: Leaves among the inputs, each with its `fingerprint` at the time.
    marks: tuple[tuple[Leaf, Any], ...] | None = None

    order: int
    primitive: Primitive
    edges: tuple[Any, ...]
    saved: tuple[Any, ...]


class FullNode(Node):
    """A node that also has keyword arguments, a cache, or leaves among its inputs."""

    __slots__ = ("kwargs", "cache", "marks")


class Leaf:
    """Where a gradient is wanted. The gradient itself lives in the owner, a Tensor."""

    __slots__ = ("order", "owner")
    edges = ()

    def __init__(self, owner: Any = None) -> None:
        self.order = next_order()
        self.owner: Any = None if owner is None else weakref.ref(owner)


class Output:
    """One result of an operation that has several."""

    __slots__ = ("order", "node", "index", "count")

    def __init__(self, node: Node, index: int, count: int) -> None:
        self.order = next_order()
        self.node = node
        self.index = index
        self.count = count

    @property
    def edges(self) -> tuple[Any, ...]:
        return ((self.node, None, self.index, None),)


_EXACT_BYTES = 2**16
#: Between 0.5 and 1.5 without a pattern; numpy.random would double the time of our import.
_weights = 0.5 + np.arange(1.0, 4097.0) * ((1 + 5**0.5) / 2) % 1


def fingerprint(array: Any) -> Any:
    """Something that compares unequal once `array` was written to.

    A copy of the bytes of a small array; a random projection of a large one, which misses only changes
    below its rounding error.
    """
    if not isinstance(array, (np.ndarray, np.generic)):
        return array
    if array.nbytes <= _EXACT_BYTES:
        return array.tobytes()
    flat = np.ravel(array, order="K")
    if flat.dtype.kind == "c":
        flat = flat.view(flat.real.dtype)
    weights = _weights.astype(flat.dtype, copy=False)
    blocks = flat.size // weights.size
    projected = flat[: blocks * weights.size].reshape(blocks, weights.size) @ weights
    rest = flat[blocks * weights.size :]
    tail = rest @ weights[: rest.size]
    if not np.isfinite(np.add.reduce(projected) + tail):  # inf and NaN would hide what else changes in their blocks
        return hash(flat.tobytes())
    return hash(projected.tobytes() + tail.tobytes())


class _Tracing(threading.local):
    #: How many calls by `grad` and its kin are under way.
    depth = 0


class _Recording(threading.local):
    #: A thread's own switch: its number may be that of an earlier thread which ended in a `no_grad` block.
    on = True


#: The threads in which nothing is recorded. That it is empty is all that most operations ask.
not_recording: set[int] = set()
tracing = _Tracing()
_recording = _Recording()


def is_recording() -> bool:
    """Whether operations on tensors that require gradients are recorded in this thread."""
    return not not_recording or _recording.on


def _set_recording(on: bool) -> None:
    _recording.on = on
    if on:
        not_recording.discard(threading.get_ident())
    else:
        not_recording.add(threading.get_ident())


class no_grad:
    """Switch recording off in this thread, as a context manager or as a decorator.

    Examples
    --------
    >>> import tinygrad_ml as tg
    >>> w = tg.Tensor([1.0, 2.0], requires_grad=True)
    >>> with tg.no_grad():
    ...     (w * 3).requires_grad
    False
    """

    _records = False

    def __init__(self) -> None:
        self._before: list[bool] = []  # one may be entered again while it is entered

    def __enter__(self) -> None:
        self._before.append(is_recording())
        _set_recording(self._records)

    def __exit__(self, *_: object) -> None:
        _set_recording(self._before.pop())

    def __call__(self, function: F) -> F:
        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with type(self)():
                return function(*args, **kwargs)

        return wrapped  # type: ignore[return-value]


class enable_grad(no_grad):
    """Switch recording on, also inside a `no_grad` block."""

    _records = True


@contextlib.contextmanager
def traced_call() -> Iterator[None]:
    """While a transform calls the user's function: turning a traced Tensor into a float is an error."""
    tracing.depth += 1
    try:
        yield
    finally:
        tracing.depth -= 1
