"""A recorded computation as boxes and arrows between them."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from .. import tree
from ..counts import whole
from ..gradcheck.complex_step import operations
from ..graph import Leaf, Node, Output
from ..nn.module import Module
from ..record import raw
from ..tensor import Tensor


class Box(NamedTuple):
    """What one box stands for.

    Attributes
    ----------
    kind : {"tensor", "constant", "operation", "result", "rest"}
        A tensor that wants a gradient, an array that does not, an operation, the last of them, or all that is not drawn
        one by one.
    title, detail : str
        A name; and a shape, "=" with the value of a number, or nothing.
    """

    kind: str
    title: str
    detail: str


class Boxes(NamedTuple):
    """Boxes, and arrows as pairs of their numbers."""

    boxes: list[Box]
    arrows: list[tuple[int, int]]


def record(what: Any, args: tuple[Any, ...], module: Any, limit: int, caller: str) -> Boxes:
    """The graph of a Tensor, or of what a function answers.

    Parameters
    ----------
    what : Tensor or callable
    args : tuple
        The arguments of a function.
    module : Module, mapping of str to Tensor, or None
        Knows the tensors by name.
    limit : int
        So many operations get boxes, the latest.
    caller : str
        For error messages.
    """
    limit = whole(f"{caller}: limit", limit, 1)
    names: dict[int, str] = {}
    if isinstance(what, Tensor):
        if args:
            raise TypeError(f"{caller}: arguments are for functions, and a Tensor was given; leave them out")
    elif callable(what):
        if isinstance(what, Module) and module is None:
            module = what
        args = _as_tensors(args)
        names.update(_argument_names(what, args))
        what = what(*args)
    if not isinstance(what, Tensor):
        raise TypeError(
            f"{caller}: draws a Tensor, or a function that returns one; got {type(what).__name__}. Return the loss, or "
            "one Tensor of several"
        )
    if what.is_leaf:
        raise ValueError(
            f"{caller}: nothing was recorded on the way to this tensor of shape {what.shape}: it was not computed from "
            "a tensor with requires_grad=True, or it was inside no_grad"
        )
    if module is not None:
        _name_parameters(module, names, caller)
    return _Collector(names, limit).collect(what)


def _as_tensors(args: tuple[Any, ...]) -> Any:
    """The arguments with every array of floating-point numbers, at any depth, as a Tensor that requires a gradient."""
    leaves, rebuilt = tree.flatten(args)
    return rebuilt([_as_tensor(leaf) for leaf in leaves])


def _as_tensor(leaf: Any) -> Any:
    is_float = isinstance(leaf, np.ndarray) and leaf.dtype.kind == "f"
    return Tensor(leaf, requires_grad=True) if is_float else leaf


def _argument_names(function: Any, args: tuple[Any, ...]) -> dict[int, str]:
    """What the function calls the arrays among its arguments."""
    try:
        bound = inspect.signature(getattr(function, "forward", function)).bind(*args).arguments
        roots = list(bound.items())
    except (TypeError, ValueError):  # a builtin may have no signature; a call that does not fit will say so itself
        roots = [(f"argument {i}", value) for i, value in enumerate(args)]
    return {
        _key(leaf): path
        for name, value in roots
        for path, leaf in zip(tree.paths(value, name), tree.flatten(value)[0], strict=True)
    }


def _name_parameters(module: Any, names: dict[int, str], caller: str) -> None:
    if isinstance(module, Module):
        pairs: Any = module.named_parameters()
    elif isinstance(module, Mapping):
        pairs = module.items()
    else:
        raise TypeError(
            f"{caller}: module must be a tinygrad_ml.nn.Module or a dict of names and tensors, got "
            f"{type(module).__name__}"
        )
    for name, tensor in pairs:
        names[_key(tensor)] = name


def _key(thing: Any) -> int:
    """What tells a leaf, or an array that stays alive meanwhile, from all others."""
    node = getattr(thing, "_node", None)
    return id(raw(thing)) if node is None else id(node)


class _Collector:
    """Collects boxes from the result backwards."""

    def __init__(self, names: dict[int, str], limit: int) -> None:
        self.names, self.limit = names, limit
        self.boxes: list[Box] = []
        self.arrows: list[tuple[int, int]] = []
        self.numbers: dict[int, int] = {}

    def collect(self, result: Tensor) -> Boxes:
        nodes = [node for node in operations(result._node) if isinstance(node, Node)]
        shapes = _shapes(nodes, result)
        drawn, hidden = nodes[-self.limit :], nodes[: -self.limit]
        if hidden:
            self._add_rest(hidden)
        last = nodes[-1]
        for node in drawn:
            inputs = self._inputs(node, shapes)
            shape = shapes.get(id(node))
            detail = "" if shape is None else _shape(shape)
            if node is last:
                detail = f"= {float(result.detach().item()):.4g}" if result.size == 1 else _shape(result.shape)
            number = self._add(node, Box("result" if node is last else "operation", _title(node), detail))
            self.arrows += [(source, number) for source in dict.fromkeys(inputs)]
        return Boxes(self.boxes, self.arrows)

    def _add(self, thing: Any, box: Box) -> int:
        number = self.numbers.get(id(thing))
        if number is None:
            number = self.numbers[id(thing)] = len(self.boxes)
            self.boxes.append(box)
        return number

    def _add_rest(self, hidden: list[Node]) -> None:
        many = f"{len(hidden):,} earlier operation" + "s" * (len(hidden) > 1)
        number = self._add(None, Box("rest", many, f"raise limit={self.limit} to see them"))
        self.numbers.update(dict.fromkeys(map(id, hidden), number))

    def _inputs(self, node: Node, shapes: dict[int, tuple[int, ...]]) -> list[int]:
        """The boxes that `node` computes from, in the order of its arguments."""
        found: dict[int, int] = {}
        for parent, _, i, _ in node.edges:
            if isinstance(parent, Output):
                parent = parent.node
            if isinstance(parent, Leaf):
                found[i] = self._add(parent, Box("tensor", self._leaf_title(parent), _shape(shapes[id(parent)])))
            else:
                found[i] = self.numbers[id(parent)]
        for i, arg in enumerate(node.saved[1:]):
            if i not in found and len(getattr(arg, "shape", ())):
                found[i] = self._add(arg, Box("constant", self.names.get(id(arg), "array"), _shape(arg.shape)))
        return [found[i] for i in sorted(found)]

    def _leaf_title(self, leaf: Leaf) -> str:
        if id(leaf) in self.names:
            return self.names[id(leaf)]
        owner = None if leaf.owner is None else leaf.owner()
        return "tensor" if owner is None else type(owner).__name__.lower()


def _shapes(nodes: list[Node], result: Tensor) -> dict[int, tuple[int, ...]]:
    """The shape of every leaf and of what every operation with one result answers.

    An operation knows those of its inputs that differ from its own.
    """
    shapes = {id(nodes[-1]): result.shape} if not isinstance(result._node, Output) else {}
    for node in reversed(nodes):
        for parent, _, _, like in node.edges:
            shape = shapes.get(id(node)) if like is None else like[0]
            if shape is not None and not isinstance(parent, Output):
                shapes[id(parent)] = shape
    return shapes


def _title(node: Node) -> str:
    """The operation, with the numbers among its operands or its axis."""
    name = node.primitive.name
    if node.primitive.elementwise:
        operands = [
            _number(arg) if arg is not None and not getattr(arg, "shape", ()) and not _is_edge(node, i) else "·"
            for i, arg in enumerate(node.saved[1:])
        ]
        if any(operand != "·" for operand in operands):
            return f"{name}({', '.join(operands)})"
    axis = (node.kwargs or {}).get("axis")
    return name if axis is None else f"{name}(axis={axis})"


def _is_edge(node: Node, i: int) -> bool:
    return any(edge[2] == i for edge in node.edges)


def _number(value: Any) -> str:
    try:
        return f"{float(value):.4g}"
    except (TypeError, ValueError):
        return "·"


def _shape(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape)) if shape else "number"
