"""What is recorded: nodes, leaves, and whether recording is on.

Nodes point only towards their inputs and never to a Tensor, so reference counting frees a graph as
soon as its last result goes, and an array stays alive only where a rule will read it.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import math
import os
import sys
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
    details: Details | None = None

    order: int
    primitive: Primitive
    edges: tuple[Any, ...]
    saved: tuple[Any, ...]


class FullNode(Node):
    """A node that also has keyword arguments, a cache, or leaves among its inputs."""

    __slots__ = ("kwargs", "cache", "marks", "details")


class Details:
    """What `blame` wants to know of an operation.

    Attributes
    ----------
    line : tuple of (str, int)
        Where the user called it: the file and the line.
    ans, args : array and tuple, or None
        The result and all arguments, kept by reference while `watching` is on; None at other times.
    prints : tuple
        The `fingerprint` of the result and of each argument at the time, None of what is no array.
    """

    __slots__ = ("line", "ans", "args", "prints")

    def __init__(self, ans: Any = None, args: tuple[Any, ...] | None = None) -> None:
        self.line = _users_line()
        self.ans = ans
        self.args = args
        arrays = [*(ans if isinstance(ans, (tuple, list)) else [ans]), *(args or ())]
        self.prints = tuple([fingerprint(a) if hasattr(a, "dtype") else None for a in arrays]) if args else ()


_LIBRARIES = (os.path.dirname(__file__), os.path.dirname(np.__file__))
_EXAMPLES = tuple([os.path.join(_LIBRARIES[0], name) for name in ("experiments", "models")])


def _users_line() -> tuple[str, int]:
    """The first frame outside this package and NumPy."""
    frame = sys._getframe(1)
    while frame.f_back is not None:
        file = frame.f_code.co_filename
        if not file.startswith(_LIBRARIES) or file.startswith(_EXAMPLES):
            break
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno


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


_EXACT_BYTES, _MOST, _float64 = 2**13, 2**13, np.dtype(np.float64)
#: Between 0.5 and 1.5 without a pattern; numpy.random would double the time of our import.
_weights = 0.5 + np.arange(1.0, _MOST + 1) * ((1 + 5**0.5) / 2) % 1


def fingerprint(array: Any) -> Any:
    """Something that compares unequal once `array` was written to.

    A copy of the bytes of a small array; a random projection of a large one, which misses only changes
    below its rounding error.
    """
    if not isinstance(array, (np.ndarray, np.generic)):
        return array
    if array.nbytes <= _EXACT_BYTES:
        return array.tobytes()
    flat: Any = array.ravel("K")
    size = flat.size
    if size <= _MOST and array.dtype is _float64:  # one pass without a copy
        projection = flat.dot(_weights[:size])
        return hash(projection) if math.isfinite(projection) else hash(flat.tobytes())
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
    #: A thread's own switches: its number may be that of an earlier thread which ended in a `no_grad` block.
    on = True
    watched = False


#: The threads that record nothing, or more than usual. That it is empty is all that most operations ask.
unusual: set[int] = set()
tracing = _Tracing()
_recording = _Recording()


def is_recording() -> bool:
    """Whether operations on tensors that require gradients are recorded in this thread."""
    return not unusual or _recording.on


def is_watching() -> bool:
    """Whether operations recorded in this thread keep their `Details`."""
    return bool(unusual) and _recording.watched


def _set_recording(on: bool, watched: bool) -> None:
    _recording.on, _recording.watched = on, watched
    if on and not watched:
        unusual.discard(threading.get_ident())
    else:
        unusual.add(threading.get_ident())


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
        self._before.append(_recording.on)
        _set_recording(self._records, _recording.watched)

    def __exit__(self, *_: object) -> None:
        _set_recording(self._before.pop(), _recording.watched)

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
def watching() -> Iterator[None]:
    """Record more than a gradient needs: all arguments, their state and the user's line, for `gradcheck.blame`.

    Several times slower, and no memory is freed before the graph is.
    """
    before = _recording.watched
    _set_recording(_recording.on, True)
    try:
        yield
    finally:
        _set_recording(_recording.on, before)


@contextlib.contextmanager
def traced_call() -> Iterator[None]:
    """While a transform calls the user's function: turning a traced Tensor into a float is an error."""
    tracing.depth += 1
    try:
        yield
    finally:
        tracing.depth -= 1
