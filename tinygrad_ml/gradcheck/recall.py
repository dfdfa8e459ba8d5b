"""Recorded operations with the values that they were applied to.

Under `watching` a node holds them. Without, it holds what its rules read; the rest is looked up where other nodes keep
it, computed again from the leaves, or, since no right rule depends on it, drawn at random.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..graph import Leaf, Node, Output, fingerprint
from ..primitive import Primitive, Shell
from ..tensor import Tensor
from .complex_step import operations
from .culprits import Culprit

#: Repeated on the same numbers, an operation gives the same result up to this part of its largest element.
_REPEATS = {"d": 2.0**-44, "f": 2.0**-18}


@dataclass(frozen=True)
class Point:
    """What a rule is handed: the arguments of an operation, its result, and what its forward cached."""

    args: tuple[Any, ...]
    ans: Any
    saved: tuple[Any, ...]
    cache: tuple[Any, ...] | None


@dataclass(frozen=True)
class Operation:
    """A recorded operation.

    Attributes
    ----------
    node : Node
    point : Point
    line : str or None
    used : tuple of int
        Which of its results, where it has several, the graph goes on from.
    misleads_complex_step : bool
        Whether its function does what is not analytic, so that the complex step tells another derivative.
    """

    node: Node
    point: Point
    line: str | None
    used: tuple[int, ...]
    misleads_complex_step: bool = False

    @property
    def primitive(self) -> Primitive:
        return self.node.primitive

    @property
    def kwargs(self) -> dict[str, Any]:
        return self.node.kwargs or {}

    @property
    def parts(self) -> list[Any]:
        """The results, in a list also where there is but one."""
        return list(self.point.ans) if self.primitive.outputs else [self.point.ans]

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Of the array arguments and the result."""
        arrays = [arg for arg in self.point.args if isinstance(arg, (np.ndarray, np.generic))]
        results = [self.parts[k] for k in self.used] if self.primitive.outputs else self.parts
        return tuple([np.shape(a) for a in [*arrays, *results[:1]]])

    def culprit(self, kind: str, subject: str, message: str, error: float = np.nan, index: Any = None) -> Culprit:
        return Culprit(self.primitive.name, kind, subject, self.shapes, error, self.line, index, message)


@dataclass
class Recalled:
    """The operations of a graph whose values are known, what was changed since, and why others are not known."""

    operations: list[Operation]
    stale: list[Culprit]
    unknown: Counter[str]
    count: int


def run(primitive: Primitive, args: Sequence[Any], kwargs: dict[str, Any]) -> tuple[Any, tuple[Any, ...] | None]:
    """The result of an operation, and what its forward caches."""
    ans = primitive.forward(*args, **kwargs)
    if primitive.cached_rules:
        ans, *rest = ans
        return ans, tuple(rest)
    return (ans if primitive.outputs or hasattr(ans, "dtype") else np.asarray(ans)[()]), None


def point_at(node: Node, args: tuple[Any, ...]) -> Point:
    """The operation of a node applied to other arguments; its rules are handed no more of them than the node keeps."""
    ans, cache = run(node.primitive, args, node.kwargs or {})
    kept = [
        None if then is None else Shell(now) if isinstance(then, Shell) else now
        for then, now in zip(node.saved, (ans, *args), strict=True)
    ]
    return Point(args, ans, tuple(kept), cache)


def recall(root: Tensor, rng: np.random.Generator) -> Recalled:
    """The operations in the graph of `root`, the oldest first."""
    return _Recall(root, rng).everything()


class _Recall:
    def __init__(self, root: Tensor, rng: np.random.Generator) -> None:
        self.rng = rng
        in_graph = operations(root._node)
        self.nodes: list[Node] = [node for node in in_graph if isinstance(node, Node)]
        self.used: dict[int, set[int]] = {}
        for node in in_graph:
            if isinstance(node, Output):
                self.used.setdefault(node.node.order, set()).add(node.index)
        self.lines = _lines(self.nodes)
        self.answers = self._answers(root)
        self.likes = self._likes(root)
        self.prints: dict[int, Any] = {}
        self.stale: dict[Any, Culprit] = {}
        #: The operations of which the result is not what it was, or follows from one that is not.
        self.tainted: set[int] = set()
        self.unknown: Counter[str] = Counter()

    def everything(self) -> Recalled:
        found = []
        for node in self.nodes:
            watched = node.details is not None and node.details.args is not None
            operation = self._as_watched(node) if watched else self._as_saved(node)
            if operation is not None:
                found.append(operation)
        return Recalled(found, list(self.stale.values()), self.unknown, len(self.nodes))

    def _operation(self, node: Node, point: Point) -> Operation:
        return Operation(node, point, self.lines[node.order], tuple(sorted(self.used.get(node.order, ()))))

    # Recorded under `watching`

    def _as_watched(self, node: Node) -> Operation | None:
        details = node.details
        assert details is not None and details.args is not None
        results = details.ans if isinstance(details.ans, (tuple, list)) else (details.ans,)
        operation = self._operation(node, Point(details.args, details.ans, node.saved, node.cache))
        changed = False
        for k, (array, then) in enumerate(zip([*results, *details.args], details.prints, strict=True)):
            if then is None or self._print(array) == then:
                continue
            changed = True
            i = k - len(results)
            if self._matters(node, i):
                self._blame_change(operation, i, array)
                return None
        return self._refreshed(node, operation) if changed else operation

    def _print(self, array: Any) -> Any:
        if id(array) not in self.prints:
            self.prints[id(array)] = fingerprint(array)
        return self.prints[id(array)]

    def _matters(self, node: Node, i: int) -> bool:
        """Whether a rule reads argument `i`, or the result for i < 0, or the engine refuses that it changed."""
        kept = node.saved[1 + i] if i >= 0 else node.saved[0]
        is_leaf = any(edge[2] == i and isinstance(edge[0], Leaf) and edge[0].owner is not None for edge in node.edges)
        return is_leaf or kept is not None and not isinstance(kept, Shell)

    def _refreshed(self, node: Node, operation: Operation) -> Operation | None:
        """The operation on what its arguments are now: no rule reads what they were."""
        try:
            point = point_at(node, operation.point.args)
        except Exception as error:
            self.unknown[f"{node.primitive.name}: its arguments were changed, and now it fails: {error}"] += 1
            return None
        return self._operation(node, point)

    def _blame_change(self, operation: Operation, i: int, array: Any) -> None:
        name = operation.primitive.argument_name(i) if i >= 0 else "the result"
        message = (
            f"{name} was changed in place after the operation, so that its rule reads other numbers than the forward "
            "did; call backward() before changing it, or change a copy"
        )
        memory = array
        while isinstance(getattr(memory, "base", None), np.ndarray):
            memory = memory.base
        self._report_change(id(memory), operation, name, message)

    def _report_change(self, memory: Any, operation: Operation, name: str, message: str) -> None:
        """One culprit for each array that was changed: the first operation that read it as an argument."""
        known = self.stale.get(memory)
        if known is None or known.input == "the result" != name:
            self.stale[memory] = operation.culprit("STALE", name, message)

    # Recorded without

    def _answers(self, root: Tensor) -> dict[int, Any]:
        """The results that some node keeps."""
        answers = {root._node.order: root._data}
        for node in self.nodes:
            if node.details is not None and node.details.args is not None:
                answers[node.order] = node.details.ans
            elif _is_kept(node.saved[0]):
                answers[node.order] = node.saved[0]
            for parent, _, i, _ in node.edges:
                if _is_kept(node.saved[1 + i]):
                    answers.setdefault(parent.order, node.saved[1 + i])
        return answers

    def _likes(self, root: Tensor) -> dict[int, tuple[tuple[int, ...], Any]]:
        """The shapes and dtypes of all results."""
        likes = {root._node.order: (root.shape, root.dtype)}
        for node in reversed(self.nodes):
            for parent, _, i, like in node.edges:
                kept = node.saved[1 + i]
                own = (kept.shape, kept.dtype) if hasattr(kept, "dtype") else likes.get(node.order)
                found = like or own
                if found is not None:
                    likes.setdefault(parent.order, found)
        return likes

    def _as_saved(self, node: Node) -> Operation | None:
        primitive = node.primitive
        known, drawn = self._arguments(node)
        found = self._complete(node, known, drawn)
        if found is None:
            self.unknown[f"{primitive.name}: its arguments are not known; record inside tg.gradcheck.watching()"] += 1
            return None
        if drawn:
            return self._operation(node, found)
        operation = self._operation(node, Point(found.args, found.ans, node.saved, node.cache))
        if self._has_changed(node, operation):
            self.tainted.add(node.order)
            return None
        if any(_source(edge[0]).order in self.tainted for edge in node.edges):
            self.tainted.add(node.order)
            operation = self._operation(node, found)
        self.answers.setdefault(node.order, found.ans)
        return operation

    def _arguments(self, node: Node) -> tuple[list[Any], dict[int, list[Any]]]:
        """The arguments, and for those that nobody has, some that are drawn."""
        edges = {i: (parent, like) for parent, _, i, like in node.edges}
        known: list[Any] = list(node.saved[1:])
        drawn: dict[int, list[Any]] = {}
        for i, kept in enumerate(known):
            if _is_kept(kept) or kept is None and i not in edges and not node.primitive.broadcasts:
                continue  # None is taken for an argument that was None
            shape, dtype = (
                (kept.shape, kept.dtype) if isinstance(kept, Shell) else self.likes.get(node.order, ((), float))
            )
            if i in edges:
                parent, like = edges[i]
                value = self._value(parent)
                if value is not None:
                    known[i] = value
                    continue
                shape, dtype = like or self.likes.get(parent.order, (shape, dtype))
            drawn[i] = _candidates(self.rng, shape, dtype)
        return known, drawn

    def _value(self, parent: Any) -> Any:
        if isinstance(parent, Leaf):
            owner = parent.owner and parent.owner()
            return self.answers.get(parent.order) if owner is None else owner._data
        if isinstance(parent, Output):
            parts = self.answers.get(parent.node.order)
            return self.answers.get(parent.order) if parts is None else parts[parent.index]
        return self.answers.get(parent.order)

    def _complete(self, node: Node, known: list[Any], drawn: dict[int, list[Any]]) -> Point | None:
        """The operation applied to its arguments, with the first draw of the missing ones at which it is finite."""
        for k in range(5 if drawn else 1):
            args = tuple([drawn[i][k] if i in drawn else arg for i, arg in enumerate(known)])
            try:
                point = point_at(node, args)
            except Exception:  # out of the domain, or of a shape that does not fit
                continue
            if not drawn or all(np.all(np.isfinite(part)) for part in _floats(point.ans)):
                return point
        return None

    def _has_changed(self, node: Node, operation: Operation) -> bool:
        """Whether repeating the operation gives another result than some node kept."""
        for leaf, mark in node.marks or ():
            owner = leaf.owner()
            if owner is not None and not _equal(self._print(owner._data), mark):
                i = next(edge[2] for edge in node.edges if edge[0] is leaf)
                self._blame_change(operation, i, owner._data)
                return True
        then = self.answers.get(node.order)
        if any(_source(edge[0]).order in self.tainted for edge in node.edges):
            return False
        if then is None or repeats(operation.point.ans, then):
            return False
        if not repeats(run(node.primitive, operation.point.args, operation.kwargs)[0], operation.point.ans):
            self.unknown[f"{node.primitive.name}: gives another result each time it is called"] += 1
            return True
        message = (
            "repeated on its arguments it gives another result than was recorded: an argument or the result was "
            "changed in place since; record inside tg.gradcheck.watching() to learn which"
        )
        self._report_change(node.order, operation, "an argument", message)
        return True


def _source(parent: Any) -> Any:
    return parent.node if isinstance(parent, Output) else parent


def _is_kept(kept: Any) -> bool:
    return kept is not None and not isinstance(kept, Shell)


def _equal(now: Any, then: Any) -> bool:
    return now is then or type(now) in (bytes, int) and now == then


def _floats(ans: Any) -> list[Any]:
    return [part for part in (ans if isinstance(ans, (tuple, list)) else [ans]) if np.asarray(part).dtype.kind in "fc"]


def repeats(now: Any, then: Any) -> bool:
    """Whether two results are the same up to rounding."""
    for a, b in zip(_floats(now), _floats(then), strict=True):
        if np.shape(a) != np.shape(b):
            return False
        size = np.max(np.abs(b), initial=0, where=np.isfinite(b))
        tolerance = _REPEATS.get(np.asarray(b).dtype.char, _REPEATS["f"]) * size
        if not np.all(np.isclose(a, b, rtol=0, atol=tolerance, equal_nan=True)):
            return False
    return True


def _candidates(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any) -> list[Any]:
    """Draws for the domains that functions have: all numbers, positive ones, between 0 and 1, above 1, negative."""
    x = rng.normal(size=shape)
    part = rng.uniform(0.2, 0.8, size=shape)
    return [np.asarray(a).astype(dtype)[()] for a in (x, np.abs(x) + 0.1, part, 1 + part, -part)]


def _lines(nodes: Sequence[Node]) -> dict[int, str | None]:
    """For each node its line, or between which lines it lies."""
    own = [node.details.line if node.details is not None else None for node in nodes]
    before, lines = None, []
    for line in own:
        before = line or before
        lines.append(before)
    behind = None
    found: dict[int, str | None] = {}
    for node, line, earlier in zip(reversed(nodes), reversed(own), reversed(lines), strict=True):
        behind = line or behind
        if line is not None:
            found[node.order] = _short(line)
        elif earlier is not None and behind is not None:
            found[node.order] = f"between {_short(earlier)} and {_short(behind)}"
        else:
            near = earlier or behind
            found[node.order] = None if near is None else f"{'after' if earlier else 'before'} {_short(near)}"
    return found


def _short(line: tuple[str, int]) -> str:
    return f"{os.path.basename(line[0])}:{line[1]}"
