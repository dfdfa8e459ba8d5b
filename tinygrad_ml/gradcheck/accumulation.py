"""Whether the engine adds up gradients rightly: at every node, what arrives is the sum of what its consumers sent."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from .. import engine
from ..graph import Leaf, Node, Output
from ..primitive import Primitive
from ..tensor import Tensor
from .complex_step import operations
from .culprits import Culprit
from .recall import Operation
from .trial import WrongAnswer, conform

_ROUNDINGS = 64


class _Ledger:
    """What a backward pass hands to the rules, and what they answer."""

    def __init__(self) -> None:
        self.arrived: dict[int, Any] = {}
        #: By the order of the receiver: the sender, what it sent, and the magnitudes that were added up in that.
        self.sent: dict[int, list[tuple[Operation, Any, Any]]] = {}

    def note(self, operation: Operation, edge: Any, g: Any, pulled: Any) -> None:
        node, primitive = operation.node, operation.primitive
        self.arrived[node.order] = [_copied(part) for part in g] if primitive.outputs else _copied(g)
        parent, _, i, like = edge
        arg = np.asarray(operation.point.args[i])
        shape, dtype = like or (arg.shape, arg.dtype)
        pulled = _copied(pulled)
        if primitive.elementwise and np.ndim(g) == 0:  # one number for all elements
            pulled = np.broadcast_to(pulled, np.shape(operation.point.ans))
        answer = conform(pulled, shape, dtype, primitive.broadcasts)
        size = conform(np.abs(pulled), shape, dtype, primitive.broadcasts)
        self.sent.setdefault(parent.order, []).append((operation, answer, size))


def find_accumulation(root: Tensor, seed: Any, known: list[Operation]) -> list[Culprit]:
    """The nodes at which the engine's sum is wrong; `known` are the operations whose rules were found right.

    Raises
    ------
    WrongAnswer
        Where the engine's backward fails.
    """
    ledger = _Ledger()
    try:
        with _spied(known, ledger):
            results = engine.pull(root._node, seed)
    except WrongAnswer:
        raise
    except Exception as error:
        raise WrongAnswer(f"backward raised {type(error).__name__}: {error}") from error
    for leaf, (g, _) in results.items():
        ledger.arrived[leaf.order] = _copied(g)
    by_order = {operation.node.order: operation for operation in known}
    culprits = []
    for node in [*_leaves(root), *operations(root._node)]:
        culprit = _wrong_sum(node, ledger, by_order) if node is not root._node else None
        if culprit is not None:
            culprits.append(culprit)
    return culprits[::-1]


def _wrong_sum(node: Any, ledger: _Ledger, by_order: dict[int, Operation]) -> Culprit | None:
    sent = ledger.sent.get(node.order, [])
    if isinstance(node, Output):
        arrived = ledger.arrived.get(node.node.order, [None] * node.count)[node.index]
    else:
        arrived = ledger.arrived.get(node.order)
    if not sent or arrived is None and isinstance(node, Node) and node.order not in by_order:
        return None
    expected = sum([answer for _, answer, _ in sent])
    size = sum([size for _, _, size in sent])
    unit = float(np.finfo(getattr(arrived, "dtype", np.dtype(float))).eps) / 2
    off = np.abs((0 if arrived is None else arrived) - expected)
    if np.all(off <= _ROUNDINGS * unit * size) or not np.all(np.isfinite(expected)):
        return None
    index = tuple([int(k) for k in np.unravel_index(int(np.argmax(off)), np.shape(off))])
    largest = float(np.max(np.abs(expected)))
    error = float(np.max(off)) / largest if largest > 0 else np.inf
    consumers = ", ".join([f"{op.primitive.name}{f' ({op.line})' if op.line else ''}" for op, _, _ in sent])
    message = (
        f"the gradient that reaches it is not the sum of what {consumers} sent back, but off by {error:.1e}, the worst "
        f"at {list(index)}, although every rule is right: the engine's own sum is wrong"
    )
    shape = np.shape(expected)
    maker = by_order.get(node.node.order if isinstance(node, Output) else node.order)
    if maker is None:
        return Culprit("leaf", "ACCUMULATION", "the result", (shape,), error, None, index, message)
    return maker.culprit("ACCUMULATION", "the result", message, error, index)


def _leaves(root: Tensor) -> list[Leaf]:
    found = {root._node.order: root._node} if isinstance(root._node, Leaf) else {}
    for node in operations(root._node):
        found.update({edge[0].order: edge[0] for edge in node.edges if isinstance(edge[0], Leaf)})
    return list(found.values())


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
        before = _copied(out)
        original.add_to(out, g, *saved)  # type: ignore[misc]
        ledger.note(operation, next(iter(edges.values())), g, out - before)

    twin.rule = rule  # type: ignore[method-assign]
    twin.add_to = None if original.add_to is None else add_to
    return twin


def _copied(x: Any) -> Any:
    return None if x is None else np.array(x)
