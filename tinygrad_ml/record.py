"""Applying an operation to Tensors, and recording it.

`unary` and `binary` are the fast ways for elementwise operations, which a chain of small ones spends its
time in; `apply` is for everything.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np

from .graph import (
    Details,
    FullNode,
    Leaf,
    Node,
    Output,
    fingerprint,
    is_recording,
    is_watching,
    next_order,
    unusual,
)
from .kin import foreign, placed
from .primitive import DROP, Primitive, Shell

_float64, _ndarray, _SEQUENCES = np.float64, np.ndarray, (list, tuple)


class Traced:
    """An array and its place in a graph. `Tensor` is the kind that users see."""

    __slots__ = ("_data", "_node", "_grad", "__weakref__")

    _data: Any
    _node: Any
    _grad: Any


_kind: type[Traced] = Traced
_new, _new_node, _new_full_node = object.__new__, Node.__new__, FullNode.__new__


def results_are(kind: type[Traced]) -> None:
    """Make all results of this kind; `Tensor` calls it, which builds on this module."""
    global _kind
    _kind = kind


def make(data: Any, node: Any) -> Any:
    """A Tensor of an array and its place in the graph."""
    out = _new(_kind)
    out._data = data
    out._node = node
    out._grad = None
    return out


def unary(primitive: Primitive, x: Any) -> Any:
    """Apply and record an elementwise operation on one Tensor."""
    a, p = x._data, x._node
    ans = primitive.forward(a)
    out = _new(_kind)
    out._data = ans
    out._grad = None
    if p is None or unusual:
        if p is None or not is_recording():
            out._node = None
            return out
        if is_watching():
            return apply(primitive, (x,))
    node: Node
    if type(p) is Leaf:
        node = _new_full_node(FullNode)
        node.kwargs = node.cache = node.details = None
        node.marks = _marks((p, a))
    else:
        node = _new_node(Node)
    out._node = node
    node.order = next_order()
    node.primitive = primitive
    node.edges = ((p, primitive.rules[0], 0, None),)
    keep_ans, keep_a = primitive.uses_of_one
    node.saved = (ans if keep_ans else None, a if keep_a else None)
    return out


def binary(primitive: Primitive, x: Any, y: Any) -> Any:
    """Apply and record an elementwise operation on two arguments, of which at least one is a Tensor."""
    if isinstance(x, Traced):
        a, p = x._data, x._node
    else:
        a, p = placed(y, x) if type(x) in _SEQUENCES else x, None
    if isinstance(y, Traced):
        b, q = y._data, y._node
    else:
        b, q = placed(x, y) if type(y) in _SEQUENCES else y, None
    try:
        ans = primitive.forward(a, b)
    except ValueError as error:
        raise _with_shapes(error, primitive, (a, b)) from error
    out = _new(_kind)
    out._data = ans
    out._grad = None
    if (p is None and q is None) or unusual:
        if (p is None and q is None) or not is_recording():
            out._node = None
            return out
        if is_watching():
            return apply(primitive, (x, y))
    node: Node
    if type(p) is Leaf or type(q) is Leaf:
        node = _new_full_node(FullNode)
        node.kwargs = node.cache = node.details = None
        node.marks = _marks((p, a), (q, b))
    else:
        node = _new_node(Node)
    out._node = node
    node.order = next_order()
    node.primitive = primitive
    # A gradient has the answer's shape and dtype: are they the arguments' too?
    like_a = like_b = None
    kind_a, kind_b = type(a), type(b)
    if kind_a is kind_b:
        conforms = kind_a is _float64 or a.shape == b.shape and a.dtype is b.dtype and type(ans) is kind_a
    else:  # Python's numbers are weak: they take on the array's dtype
        conforms = kind_b is float or kind_b is int or kind_a is float or kind_a is int
    if not conforms:
        like_a, like_b = (None if parent is None else (d.shape, d.dtype) for d, parent in ((a, p), (b, q)))
        if isinstance(ans, np.matrix):
            raise TypeError(f"{primitive.name}: np.matrix multiplies by rules of its own; convert it with np.asarray")
        if ans.dtype.kind == "O":
            raise TypeError(f"{primitive.name}: an operand is an array of objects; convert it with .astype(float)")
    rules = primitive.rules
    if q is None:
        keep_ans, keep_a, keep_b = primitive.uses_of_first
        node.edges = ((p, rules[0], 0, like_a),)
    elif p is None:
        keep_ans, keep_a, keep_b = primitive.uses_of_second
        node.edges = ((q, rules[1], 1, like_b),)
    else:
        keep_ans, keep_a, keep_b = primitive.uses_of_both
        node.edges = ((p, rules[0], 0, like_a), (q, rules[1], 1, like_b))
    node.saved = (ans if keep_ans else None, a if keep_a else None, b if keep_b else None)
    return out


def apply(primitive: Primitive, args: tuple[Any, ...], kwargs: dict[str, Any] | None = None) -> Any:
    """Apply `primitive`, and record it where a gradient may be wanted."""
    if kwargs and any([isinstance(value, Traced) for value in kwargs.values()]):
        args, kwargs = _positional(primitive, args, kwargs)
    raw: list[Any] = []
    parents: list[Any] = []
    for arg in args:
        if isinstance(arg, Traced):
            raw.append(arg._data)
            parents.append(arg._node)
        else:
            raw.append(_as_operand(arg, args) if isinstance(arg, _SEQUENCES) and primitive.rule(len(raw)) else arg)
            parents.append(None)
    try:
        ans = primitive.forward(*raw, **kwargs) if kwargs else primitive.forward(*raw)
    except ValueError as error:
        if type(error) is not ValueError:  # LinAlgError and AxisError say what they are by their type
            raise
        raise _with_shapes(error, primitive, raw) from error
    cache = None
    if primitive.cached_rules:
        ans, *rest = ans
        cache = tuple(rest)
    elif type(ans) is not _ndarray and not primitive.outputs and not hasattr(ans, "dtype"):
        ans = np.asarray(ans)  # a user's function may return a number or a list
        if ans.dtype.kind == "O":
            raise TypeError(f"{primitive.name}: must return an array or a number, returned {ans.item()!r}")
        ans = ans[()]
    needs = tuple(map(bool, parents))
    if True not in needs or unusual and not is_recording():
        if primitive.outputs:
            return _results(ans, [make(part, None) for part in ans])
        return make(ans, None)
    if not primitive.outputs and ans.dtype.kind not in "fc":
        raise TypeError(
            f"{primitive.name}: the result is of dtype {ans.dtype}, which has no gradient; "
            "leave out dtype=, or pass x.detach() where no gradient is wanted"
        )
    node = _new_full_node(FullNode)
    node.order = next_order()
    node.primitive = primitive
    node.kwargs = kwargs or None
    node.cache = cache
    watched = unusual and is_watching()
    # The line of what the user declared is worth its time always: a wrong rule is most likely one of theirs.
    node.details = Details(ans, tuple(raw)) if watched else None if primitive.answers_new else Details()
    plan = primitive.plans.get(needs) or primitive.plan(needs)
    saved = [ans, *raw]
    for k, use in plan.left_out:
        saved[k] = _left_out(saved[k], use)
    edges, marks = [], []
    for i, rule in plan.rules:
        if rule is None:
            raise TypeError(
                f"{primitive.name}: no derivative is known with respect to {primitive.argument_name(i)}, "
                "which requires grad; pass it without history (x.detach())"
            )
        p, a = parents[i], raw[i]
        edges.append((p, rule, i, (a.shape, a.dtype)))
        if type(p) is Leaf and p.owner is not None:
            marks.append((p, fingerprint(a)))
    if primitive.outputs:
        saved[0] = None if (0, DROP) in plan.left_out else tuple(ans)
    node.edges = tuple(edges)
    node.marks = tuple(marks) if marks else None
    node.saved = tuple(saved)
    if primitive.outputs:
        return _results(ans, [make(part, Output(node, k, len(ans))) for k, part in enumerate(ans)])
    return make(ans, node)


def _with_shapes(error: ValueError, primitive: Primitive, args: Sequence[Any]) -> ValueError:
    """NumPy's error, with the operation, the shapes of its arguments and, where it is plain, the mend."""
    shapes = " and ".join([str(np.shape(arg)) for arg in args if hasattr(arg, "shape")])
    if primitive.elementwise:
        return ValueError(
            f"{primitive.name}: arguments of shapes {shapes} do not broadcast against each other: counted from the "
            "last axis, lengths must be equal or 1; reshape one of them"
        )
    if primitive.function is np.matmul:
        return ValueError(
            f"matmul: arguments of shapes {shapes} do not match: the last axis of the first must be as long as the "
            "last but one of the second (or its only one); transpose or reshape one of them"
        )
    return ValueError(f"{primitive.name}: {error}; arguments of shapes {shapes}")


def raw(value: Any) -> Any:
    """`value` with every Tensor in it, at any depth of lists and tuples, replaced by its array."""
    if isinstance(value, Traced):
        return value._data
    if isinstance(value, (list, tuple)):
        items = [raw(item) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    return value


def _as_operand(value: Any, args: tuple[Any, ...]) -> Any:
    """The list `value` as an array, of the kind of the other arguments: rules calculate with it."""
    return placed(next((arg for arg in args if foreign(arg) is not None), None), value)


def _left_out(array: Any, use: int) -> Any:
    """What a node has of an argument that it does not keep.

    Numbers, axes and shapes cost nothing, and let `blame` repeat the forward.
    """
    if type(array) is not _ndarray and not hasattr(array, "dtype"):
        return array
    return None if use == DROP else Shell(array)


def _results(ans: Any, parts: list[Any]) -> Any:
    """`parts` in the kind of tuple that the function returned."""
    return type(ans)(*parts) if hasattr(ans, "_fields") else type(ans)(parts)


def _marks(*inputs: tuple[Any, Any]) -> tuple[tuple[Leaf, Any], ...] | None:
    """The leaves among the inputs, each with its fingerprint."""
    marks = [(p, fingerprint(a)) for p, a in inputs if type(p) is Leaf and p.owner is not None]
    return tuple(marks) if marks else None


def _positional(primitive: Primitive, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The call with every argument up to the last Tensor by position, as rules expect them."""
    try:
        bound = inspect.signature(primitive.function).bind(*args, **kwargs)
    except (TypeError, ValueError) as error:
        names = [name for name, value in kwargs.items() if isinstance(value, Traced)]
        raise TypeError(f"{primitive.name}: pass the Tensor {', '.join(names)} by position") from error
    bound.apply_defaults()
    values = list(bound.arguments.items())
    last = max(i for i, (_, value) in enumerate(values) if isinstance(value, Traced))
    given = {name: value for name, value in values[last + 1 :] if name in kwargs}
    return tuple(value for _, value in values[: last + 1]), given
