"""The walk back through a graph: order, accumulate, unbroadcast."""

from __future__ import annotations

from collections.abc import Callable, Collection, Container
from heapq import heappop, heappush
from typing import Any

import numpy as np

from .graph import FullNode, Leaf, Node, Output, fingerprint
from .primitive import Shell
from .sums import over_rows

_ndarray, _float64, _PRINTS, _NUMPYS = np.ndarray, np.float64, (bytes, int), (np.ndarray, np.generic)
#: Makes a Tensor of an array and its place in the graph.
Wrap = Callable[[Any, Any], Any]


def pull(
    root: Any,
    gradient: Any,
    *,
    wrap: Wrap | None = None,
    targets: Collection[int] = (),
    wanted: Container[int] | None = None,
) -> dict[Any, tuple[Any, bool]]:
    """Pull `gradient` at `root` back to the leaves and the targets.

    Parameters
    ----------
    root : Node, Leaf or Output
    gradient : array
        Of the shape and dtype of the root's array.
    wrap : callable, optional
        Given, the rules are handed Tensors made by it, and the gradients can be differentiated again.
    targets : collection of int
        The orders of nodes at which to stop.
    wanted : container of int, optional
        The orders of the nodes on a path to a target; all by default.

    Returns
    -------
    dict of node to (gradient, owned)
        `owned` tells that nothing else refers to the gradient.
    """
    if type(root) is Leaf or root.order in targets:
        return {root: (gradient, False)}
    pending: dict[int, list[Any]] = {}  # order: [node, gradient, owned]; leaves and targets stay here to the end
    heap: list[int] = []  # the orders of the others in `pending`
    fingerprints: dict[Leaf, Any] = {}
    node, g = root, gradient
    at_first_order = wrap is None
    everything = at_first_order and wanted is None and not targets
    while True:
        is_next = False
        kind = type(node)
        if kind is Node and everything:
            # The fast way down a chain: one input, which nothing that is pending can still reach.
            edges = node.edges
            parent, rule, i, like = edges[0]
            kind_g = type(g)
            if (
                len(edges) == 1
                and like is None
                and type(parent) is not Leaf
                and (not heap or parent.order < heap[0])
                and (kind_g is _float64 or kind_g is _ndarray and g.base is None)
            ):
                g = rule(g, *node.saved)
                node = parent
                continue
        if kind is Output:
            _fill_slot(node, g, pending, heap)
        else:
            edges, saved, kwargs, primitive = node.edges, node.saved, node.kwargs, node.primitive
            add_to = use_cache = shape = None
            if type(g) is _ndarray and g.base is not None and primitive.elementwise and not any(g.strides) and g.size:
                g, shape = g.flat[0], g.shape  # one number for all elements, as behind a sum: compute with it once
            if kind is FullNode:
                if node.marks is not None:
                    _check_unchanged(node, fingerprints)
                if at_first_order:
                    add_to = primitive.add_to
                    use_cache = node.cache is not None and isinstance(g, _NUMPYS)
                    if use_cache:
                        saved = node.cache + saved[1:]
            if wrap is not None:
                saved = _as_tensors(node, wrap)
            for parent, rule, i, like in edges:
                order = parent.order
                if wanted is not None and order not in wanted:
                    continue
                if use_cache:
                    rule = primitive.rule(i, cached=True)
                entry = pending.get(order)
                if add_to is not None and entry is not None and entry[2]:
                    add_to(entry[1], g, *saved)
                    continue
                pulled = rule(g, *saved, **kwargs) if kwargs else rule(g, *saved)
                if shape is not None and np.shape(pulled) != shape:
                    pulled = np.broadcast_to(pulled, shape)
                if like is not None and not (
                    type(pulled) is _ndarray and pulled.shape == like[0] and pulled.dtype is like[1]
                ):
                    pulled = _conform(pulled, like, node, i)
                if entry is not None:
                    if entry[2]:
                        np.add(entry[1], pulled, out=entry[1])
                    else:
                        entry[1] = entry[1] + pulled
                        entry[2] = at_first_order and type(entry[1]) is _ndarray
                    continue
                is_leaf = type(parent) is Leaf
                owned = (
                    at_first_order
                    and (is_leaf or add_to is not None)
                    and primitive.answers_new
                    and _is_fresh(pulled, g, saved)
                )
                if is_leaf or order in targets:
                    pending[order] = [parent, pulled, owned]
                    continue
                # With one way on, and nothing pending that could still reach the parent, it is next.
                is_next = len(edges) == 1 and (not heap or order < heap[0])
                if not is_next:
                    pending[order] = [parent, pulled, owned]
                    heappush(heap, order)
        if is_next:
            node, g, pulled = parent, pulled, None  # it is freed as soon as it has been read
        elif heap:
            node, g, _ = pending.pop(heappop(heap))
        else:
            ends = [entry for entry in pending.values() if type(entry[0]) is Leaf or entry[0].order in targets]
            return {node: (g, owned) for node, g, owned in ends}


def paths(root: Any, targets: dict[int, Any], ends: dict[int, Any] | None = None) -> tuple[set[int], bool]:
    """The way from `root` to `targets`.

    Parameters
    ----------
    root : node
    targets : dict of order to node
    ends : dict of order to node, optional
        Where the search ends too, without looking for a way there.

    Returns
    -------
    wanted : set of int
        The orders of the nodes on a path to a target.
    open_ended : bool
        Whether the graph goes on behind the targets and ends or beside them, so that someone may want to
        differentiate the gradient.
    """
    known = targets | (ends or {})
    oldest = max(known)
    seen = {root.order: root}
    stack = [root]
    open_ended = False
    while stack:
        node = stack.pop()
        if node.order in known:
            open_ended |= bool(node.edges)
            continue
        open_ended |= type(node) is Leaf and node.owner is not None
        for edge in node.edges:
            parent = edge[0]
            if parent.order not in seen:
                seen[parent.order] = parent
                if parent.order <= oldest:
                    stack.append(parent)
                else:
                    open_ended = True
    wanted = set(targets)
    for order in sorted(seen, reverse=True):
        for edge in seen[order].edges:
            if edge[0].order in wanted:
                wanted.add(order)
                break
    return wanted, open_ended


def _fill_slot(node: Output, g: Any, pending: dict[int, list[Any]], heap: list[int]) -> None:
    parent = node.node
    if parent.order not in pending:
        pending[parent.order] = [parent, [None] * node.count, False]
        heappush(heap, parent.order)
    slots = pending[parent.order][1]
    slots[node.index] = g if slots[node.index] is None else slots[node.index] + g


def _as_tensors(node: Node, wrap: Wrap) -> list[Any]:
    saved = list(node.saved)
    ans = saved[0]
    if node.primitive.outputs and ans is not None:
        saved[0] = tuple([wrap(part, Output(node, k, len(ans))) for k, part in enumerate(ans)])
    elif ans is not None and type(ans) is not Shell:
        saved[0] = wrap(ans, node)
    for parent, _, i, _ in node.edges:
        if saved[1 + i] is not None and type(saved[1 + i]) is not Shell:
            saved[1 + i] = wrap(saved[1 + i], parent)
    return saved


def _is_fresh(pulled: Any, g: Any, saved: Any) -> bool:
    """Whether a rule made `pulled` anew, so that it may be handed to the user without a copy."""
    if type(pulled) is not _ndarray or pulled is g or pulled.base is not None:
        return False
    for array in saved:
        if pulled is array:
            return False
    return True


def _check_unchanged(node: FullNode, fingerprints: dict[Leaf, Any]) -> None:
    for leaf, mark in node.marks or ():
        now = fingerprints.get(leaf)
        if now is None:
            owner = leaf.owner()
            if owner is None:
                continue
            now = fingerprints[leaf] = fingerprint(owner._data)
        if now is not mark and not (type(now) in _PRINTS and now == mark):
            raise RuntimeError(
                f"backward: a tensor of shape {leaf.owner().shape} was changed after {node.primitive.name} used it, so "
                "its gradient would be wrong. Call backward() before updating parameters, or run the forward again."
            )


def _conform(pulled: Any, like: tuple[tuple[int, ...], Any], node: Node, i: int) -> Any:
    """Bring what a rule answered to the shape and dtype of the argument it is the gradient of."""
    shape, dtype = like
    primitive = node.primitive
    if not hasattr(pulled, "dtype"):
        pulled = np.asarray(pulled)
        if pulled.dtype.kind == "O":
            raise TypeError(
                f"{primitive.name}: its rule for {primitive.argument_name(i)} answered {pulled.item()!r}; "
                "a rule returns an array of its argument's shape"
            )
    if pulled.shape != shape:
        if not primitive.broadcasts or not _stretches(shape, pulled.shape):
            raise ValueError(
                f"{primitive.name}: its rule for {primitive.argument_name(i)} answered a gradient of shape "
                f"{pulled.shape}, but the argument has shape {shape}. A rule returns an array of its argument's shape."
            )
        pulled = unbroadcast(pulled, shape)
    return cast(pulled, dtype)


def cast(gradient: Any, dtype: Any) -> Any:
    """`gradient` in the dtype of what it is the gradient of; that of something real is the real part."""
    if gradient.dtype == dtype:
        return gradient
    return (gradient.real if gradient.dtype.kind == "c" and dtype.kind != "c" else gradient).astype(dtype)


def _stretches(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    lead = len(to) - len(shape)
    return lead >= 0 and all(n in (1, m) for n, m in zip(shape, to[lead:], strict=True))


def unbroadcast(g: Any, shape: tuple[int, ...]) -> Any:
    """Sum `g` over the axes along which an array of `shape` was stretched to g's shape."""
    lead = g.ndim - len(shape)
    if lead == 1 and g.ndim == 2 and type(g) is np.ndarray and g.shape[1:] == shape and g.dtype.kind == "f":
        if g.flags.forc and g.size:
            return over_rows(g)
    stretched = [lead + k for k, n in enumerate(shape) if n == 1 and g.shape[lead + k] != 1]
    axes = (*range(lead), *stretched)
    g = g.sum(axis=axes)
    return g.reshape(shape) if stretched else g
