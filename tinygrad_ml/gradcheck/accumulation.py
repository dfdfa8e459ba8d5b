"""Whether the engine adds up gradients rightly: at every node, what arrives is the sum of what its consumers sent."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import engine
from ..graph import Leaf, Node, Output
from ..primitive import Primitive
from ..tensor import Tensor
from .complex_step import operations
from .culprits import Culprit
from .numeric import index_of
from .recall import Operation
from .trial import WrongAnswer, conform

_ROUNDINGS = 64


@dataclass(frozen=True)
class _Sent:
    """What an operation sent back to one of its arguments, and the sum of the magnitudes that are added up in that."""

    sender: Operation
    answer: Any
    size: Any


class _Ledger:
    """What a backward pass hands to the rules and what they answer, compared as soon as it arrives."""

    def __init__(self, root: Tensor, known: list[Operation]) -> None:
        self.culprits: list[Culprit] = []
        self._makers = {operation.node.order: operation for operation in known}
        #: To these something is sent that is not seen here.
        self._uncertain = {
            _key(edge[0])
            for node in operations(root._node)
            if isinstance(node, Node) and node.order not in self._makers
            for edge in node.edges
        }
        #: By the receiver, what was sent to it and has not arrived yet.
        self._sent: dict[Any, list[_Sent]] = {}
        self._seen: set[int] = set()

    def note(self, operation: Operation, edge: Any, g: Any, pulled: Any) -> None:
        """An operation was handed `g` and answers `pulled` for one of its arguments."""
        order, primitive = operation.node.order, operation.primitive
        if order not in self._seen:
            self._seen.add(order)
            for k, part in enumerate(g) if primitive.outputs else [(None, g)]:
                self._arrive((order, k), part)
        parent, _, i, like = edge
        if primitive.elementwise and np.ndim(g) == 0:  # one number for all elements
            pulled = np.broadcast_to(pulled, np.shape(operation.point.ans))
        arg = np.asarray(operation.point.args[i])
        shape, dtype = like or (arg.shape, arg.dtype)
        answer = np.array(
            conform(pulled, shape, dtype, primitive.broadcasts)
        )  # the engine may add to `pulled` in place
        is_stretched = np.shape(pulled) != shape
        size = conform(np.abs(pulled), shape, dtype, primitive.broadcasts) if is_stretched else answer
        self._sent.setdefault(_key(parent), []).append(_Sent(operation, answer, size))

    def close(self, results: dict[Leaf, Any]) -> None:
        """The leaves' gradients have arrived, and what is left has not."""
        for leaf, (g, _) in results.items():
            self._arrive(_key(leaf), g)
        for key in list(self._sent):
            if key[0] in self._makers:
                self._arrive(key, None)

    def _arrive(self, key: Any, arrived: Any) -> None:
        sent = self._sent.pop(key, [])
        if (
            not sent
            or key in self._uncertain
            or len(sent) == 1
            and arrived is not None
            and np.array_equal(arrived, sent[0].answer)
        ):
            return
        expected = sum([one.answer for one in sent])
        size = sum([np.abs(one.size) for one in sent])
        unit = float(np.finfo(getattr(arrived, "dtype", np.dtype(float))).eps) / 2
        off = np.abs((0 if arrived is None else arrived) - expected)
        if not np.all(np.isfinite(expected)) or np.all(off <= _ROUNDINGS * unit * size):
            return
        index = index_of(off, np.argmax(off))
        error = float(np.max(off)) / float(np.max(np.abs(expected)) or np.inf)
        senders = [one.sender.primitive.name + (f" ({one.sender.line})" if one.sender.line else "") for one in sent]
        message = (
            f"the gradient that arrives is not the sum of what {', '.join(senders)} sent back, but off by {error:.1e}, "
            f"the worst at {list(index)}, although every rule is right: the engine's own sum is wrong"
        )
        maker = self._makers.get(key[0])
        if maker is None:
            shapes = (np.shape(expected),)
            self.culprits.append(Culprit("leaf", "ACCUMULATION", "the result", shapes, error, None, index, message))
        else:
            self.culprits.append(maker.culprit("ACCUMULATION", "the result", message, error, index))


def _key(receiver: Any) -> tuple[int, int | None]:
    return (receiver.node.order, receiver.index) if isinstance(receiver, Output) else (receiver.order, None)


def find_accumulation(root: Tensor, seed: Any, known: list[Operation]) -> list[Culprit]:
    """The nodes at which the engine's sum is wrong; `known` are the operations whose rules were found right.

    Raises
    ------
    WrongAnswer
        Where the engine's backward fails.
    """
    ledger = _Ledger(root, known)
    try:
        with _spied(known, ledger):
            results = engine.pull(root._node, seed)
    except WrongAnswer:
        raise
    except Exception as error:
        raise WrongAnswer(f"backward raised {type(error).__name__}: {error}") from error
    ledger.close(results)
    return ledger.culprits


@contextmanager
def _spied(known: list[Operation], ledger: _Ledger) -> Iterator[None]:
    """While every rule of the given operations writes to the ledger."""
    before = [(operation.node, operation.node.edges, operation.node.primitive) for operation in known]
    try:
        for operation in known:
            node = operation.node
            node.edges = tuple([_spied_edge(operation, edge, ledger) for edge in node.edges])
            if node.cache is not None or node.primitive.add_to is not None:
                node.primitive = _spied_primitive(operation, ledger)
        yield
    finally:
        for node, edges, primitive in before:
            node.edges, node.primitive = edges, primitive


def _spied_edge(operation: Operation, edge: Any, ledger: _Ledger) -> Any:
    parent, rule, i, like = edge

    def spied(g: Any, *saved: Any, **kwargs: Any) -> Any:
        pulled = rule(g, *saved, **kwargs)
        ledger.note(operation, edge, g, pulled)
        return pulled

    return None if rule is None else (parent, spied, i, like)


def _spied_primitive(operation: Operation, ledger: _Ledger) -> Primitive:
    """Its primitive with cached rules, and a way of adding in place, that write to the ledger too."""
    original = operation.node.primitive
    edges = {edge[2]: edge for edge in operation.node.edges}
    twin = copy.copy(original)

    def rule(i: int, cached: bool = False) -> Any:
        return _spied_edge(operation, (edges[i][0], original.rule(i, cached), i, edges[i][3]), ledger)[1]

    def add_to(out: Any, g: Any, *saved: Any) -> None:
        before = np.array(out)
        original.add_to(out, g, *saved)  # type: ignore[misc]
        ledger.note(operation, next(iter(edges.values())), g, out - before)

    twin.rule = rule  # type: ignore[method-assign]
    twin.add_to = None if original.add_to is None else add_to
    return twin
