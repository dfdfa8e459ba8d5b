"""Derivatives of functions written in plain NumPy: grad, vjp, jvp, jacobian, hessian, hvp.

Arguments are trees: arrays and numbers, or dicts, lists and tuples of them; answers have the same shape
of tree. Every transform can be nested in every other.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import tree
from .engine import cast, paths, pull
from .graph import Leaf, Node, enable_grad, next_order, traced_call
from .kin import kin
from .primitive import Primitive
from .record import make, raw
from .rows import NotByRows, Rows
from .tensor import Tensor

Function = Callable[..., Any]
Argnums = int | Sequence[int]

#: Where a transform inside of another begins: the identity.
INPUT = Primitive(lambda x: x, [lambda g, ans, x: g], name="input")


def _trace(primal: Any, what: str) -> Tensor:
    """A Tensor for `primal` at which a backward walk can stop; behind it, the graph it came from, if any."""
    data = primal._data if isinstance(primal, Tensor) else primal
    if not hasattr(data, "__array_function__") or isinstance(data, np.matrix):
        data = np.asarray(data)
        data = data[()] if data.ndim == 0 else data
    if data.dtype.kind not in "fc":
        raise TypeError(
            f"{what} is of dtype {data.dtype}, and only floating-point numbers have derivatives; "
            "write 1.0 instead of 1, or convert with astype(float)"
        )
    if not isinstance(primal, Tensor) or primal._node is None:
        return make(data, Leaf())
    node = Node()
    node.order = next_order()
    node.primitive = INPUT
    node.edges = ((primal._node, INPUT.rules[0], 0, None),)
    node.saved = (None, None)
    return make(data, node)


class _Call:
    """A call of a function with some of its arguments traced."""

    def __init__(self, name: str, f: Function, args: tuple[Any, ...], argnums: Sequence[int], kwargs: Any) -> None:
        wrapped = list(args)
        self.inputs: list[Tensor] = []
        self.rebuild = []
        for argnum in argnums:
            if not -len(args) <= argnum < len(args):
                raise TypeError(f"{name}: argnums asks for argument {argnum}, but {len(args)} were given by position")
            if [k % len(args) for k in argnums].count(argnum % len(args)) > 1:
                raise ValueError(f"{name}: argnums={tuple(argnums)} names argument {argnum % len(args)} twice")
            leaves, rebuild = tree.flatten(args[argnum])
            labels = tree.paths(args[argnum], f"{name}: argument {argnum}")
            traced = [_trace(leaf, label) for leaf, label in zip(leaves, labels, strict=True)]
            wrapped[argnum] = rebuild(traced)
            self.inputs += traced
            self.rebuild.append((len(traced), rebuild))
        self.targets = {t._node.order: t._node for t in self.inputs}
        self._ways: dict[int, tuple[set[int], bool]] = {}
        with enable_grad(), traced_call():
            self.out = f(*wrapped, **kwargs)

    def ways(self, out: Any) -> tuple[set[int], bool]:
        """The nodes between the inputs and a result, and whether the graph goes on behind or beside them."""
        node = out._node
        if node.order not in self._ways:
            self._ways[node.order] = paths(node, self.targets)
        return self._ways[node.order]

    def value(self, out: Any) -> Any:
        """A result as users get it: part of an outer graph if it reaches that, plain otherwise."""
        if not isinstance(out, Tensor):
            return out
        return out if out._node is not None and (not self.targets or self.ways(out)[1]) else out._data

    def pull(self, out: Any, gradient: Any) -> list[Any]:
        """The gradients of the inputs for `gradient` at `out`, one of the results, in the engine's convention."""
        node = getattr(out, "_node", None)
        if node is None or not self.targets:
            return [np.zeros_like(t._data) for t in self.inputs]
        wanted, open_ended = self.ways(out)
        differentiable = open_ended or isinstance(gradient, Tensor)
        found = pull(node, gradient, wrap=make if differentiable else None, targets=self.targets, wanted=wanted)
        return [_finish(found.get(t._node), t._data, gradient) for t in self.inputs]

    def by_argument(self, leaves: list[Any]) -> list[Any]:
        """`leaves`, one an input, in the trees of the arguments."""
        trees, start = [], 0
        for size, rebuild in self.rebuild:
            trees.append(rebuild(leaves[start : start + size]))
            start += size
        return trees


def _finish(found: Any, data: Any, gradient: Any) -> Any:
    if found is None:
        zeros = np.zeros_like(data)
        return Rows(np.broadcast_to(zeros, (len(gradient.rows), *zeros.shape))) if type(gradient) is Rows else zeros
    grad, owned = found
    if type(gradient) is Rows and type(grad) is not Rows:  # a rule answered the same for every row, as zeros
        grad = Rows(np.broadcast_to(grad, (len(gradient.rows), *grad.shape)))
    grad = cast(grad, data.dtype)
    return grad if owned or type(grad) is not np.ndarray else grad.copy()


def _conjugate(g: Any) -> Any:
    """Between the engine's convention and PyTorch's, in which the gradient points uphill."""
    return np.conjugate(g) if g.dtype.kind == "c" else g


def _plain(value: Any) -> Any:
    """`value` as users get it: a plain array, unless an outer transform follows it."""
    return value._data if isinstance(value, Tensor) and value._node is None else value


def _as_tuple(argnums: Argnums) -> tuple[int, ...]:
    return tuple(map(operator.index, argnums)) if isinstance(argnums, Sequence) else (operator.index(argnums),)


def _scalar(name: str, out: Any) -> Any:
    if not hasattr(out, "dtype") and not isinstance(out, (int, float)):
        raise TypeError(f"{name}: the function must return a single real number, got {type(out).__name__}")
    if np.shape(out) != () or getattr(out, "dtype", np.dtype(float)).kind == "c":
        raise TypeError(
            f"{name}: the function must return a single real number, got shape {np.shape(out)} and dtype "
            f"{getattr(out, 'dtype', type(out).__name__)}; sum it, or use jacobian or vjp"
        )
    if isinstance(out, (np.integer, np.bool_)):
        raise TypeError(
            f"{name}: the function returned {out!r}, and integers have no derivative: argmax, comparisons and rounding "
            "cut what they return from the arguments"
        )
    return out


def value_and_grad(f: Function, argnums: Argnums = 0) -> Function:
    """A function that returns the value of `f` and its gradient.

    Parameters
    ----------
    f : callable
        Written in plain NumPy; returns a single real number.
    argnums : int or sequence of int, default=0
        With respect to which positional arguments. A sequence gives a tuple of gradients.

    Returns
    -------
    callable
        Takes the arguments of `f`; returns ``(value, gradient)``.

    Raises
    ------
    TypeError
        Where an argument holds integers or `f` returns anything but a single real number.

    Examples
    --------
    >>> import numpy as np
    >>> value, gradient = value_and_grad(lambda p: np.sum(p["a"] ** 2) * p["b"])({"a": np.array([1.0, 2.0]), "b": 3.0})
    >>> float(value), gradient["a"], float(gradient["b"])
    (15.0, array([ 6., 12.]), 5.0)
    """

    @functools.wraps(f)
    def with_gradient(*args: Any, **kwargs: Any) -> Any:
        call = _Call("grad", f, args, _as_tuple(argnums), kwargs)
        out = _scalar("grad", call.out)
        seed = np.ones_like(out._data)[()] if isinstance(out, Tensor) else None
        gradients = call.by_argument([_plain(_conjugate(g)) for g in call.pull(out, seed)])
        return call.value(out), tuple(gradients) if isinstance(argnums, Sequence) else gradients[0]

    return with_gradient


def grad(f: Function, argnums: Argnums = 0) -> Function:
    """The gradient of `f`, a function written in plain NumPy that returns a single real number.

    Parameters and errors are those of `value_and_grad`.

    Examples
    --------
    >>> import numpy as np
    >>> float(grad(np.sin)(0.0))
    1.0
    >>> float(grad(grad(grad(np.sin)))(0.0))
    -1.0
    """
    both = value_and_grad(f, argnums)

    @functools.wraps(f)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        return both(*args, **kwargs)[1]

    return gradient


def vjp(f: Function, *primals: Any) -> tuple[Any, Function]:
    """The value of ``f(*primals)``, and the pullback: from a gradient at the value to the gradients at the primals.

    Parameters
    ----------
    f : callable
        Written in plain NumPy; returns an array or a tree of arrays.
    *primals : trees of arrays

    Returns
    -------
    out : array or tree
    pullback : callable
        Takes a tree like `out`; returns a tuple with one tree for each primal.

    Examples
    --------
    >>> import numpy as np
    >>> out, pullback = vjp(np.exp, np.array([0.0, 1.0]))
    >>> pullback(np.array([1.0, 0.0]))
    (array([1., 0.]),)
    """
    call = _Call("vjp", f, primals, range(len(primals)), {})
    outs, rebuild = tree.flatten(call.out)

    def pullback(gradient: Any) -> tuple[Any, ...]:
        gradients, _ = tree.flatten(gradient)
        if len(gradients) != len(outs):
            raise ValueError(
                f"vjp: the pullback takes {len(outs)} gradients, one for each result, got {len(gradients)}"
            )
        total: list[Any] | None = None
        for out, g in zip(outs, gradients, strict=True):
            g = _like("vjp: gradient", g, out)
            pulled = [_conjugate(a) for a in call.pull(out, _conjugate(g))]
            total = pulled if total is None else [a + b for a, b in zip(total, pulled, strict=True)]
        return tuple(call.by_argument([_plain(g) for g in total or call.pull(None, None)]))

    return rebuild([call.value(out) for out in outs]), pullback


def _like(what: str, value: Any, model: Any) -> Any:
    """`value` as an array or Tensor of the model's shape and dtype."""
    if np.shape(value) != np.shape(model):
        raise ValueError(f"{what} has shape {np.shape(value)}, expected {np.shape(model)}")
    dtype = getattr(model, "dtype", np.dtype(float))
    if not hasattr(value, "astype"):
        value = np.asarray(value)
    if value.dtype.kind == "c" and np.dtype(dtype).kind != "c":
        raise TypeError(f"{what} is complex where {dtype} is expected")
    return value.astype(dtype) if value.dtype != dtype else value


def _arguments(primals: Any) -> tuple[Any, ...]:
    return tuple(primals) if isinstance(primals, (tuple, list)) else (primals,)


def jvp(f: Function, primals: Any, tangents: Any) -> tuple[Any, Any]:
    """The value of `f`, and its derivative along `tangents`.

    The derivative is the pullback of the pullback, which is linear in its gradient (the "double backward"
    trick; Townsend 2017).

    Parameters
    ----------
    f : callable
        Written in plain NumPy; returns an array or a tree of arrays.
    primals, tangents : tuple of trees of arrays
        The arguments, and the direction in which they move; a bare array or dict is one argument.

    Returns
    -------
    out, tangent_out : arrays or trees

    Examples
    --------
    >>> import numpy as np
    >>> out, change = jvp(np.exp, (np.array([0.0, 1.0]),), (np.array([1.0, 0.0]),))
    >>> change
    array([1., 0.])
    """
    args = _arguments(primals)
    call = _Call("jvp", f, args, range(len(args)), {})
    directions = _directions("jvp", _arguments(tangents), call.inputs)
    outs, rebuild = tree.flatten(call.out)
    changes = []
    for out in outs:
        cotangent = make(np.zeros_like(raw(out)), Leaf())
        with enable_grad():
            pulled = call.pull(out, cotangent)
            total = sum((np.sum(a * u) for a, u in zip(pulled, directions, strict=True)), 0.0)
        change = np.zeros_like(cotangent._data)
        if isinstance(total, Tensor) and total._node is not None:
            target = {cotangent._node.order: cotangent._node}
            wanted, open_ended = paths(total._node, target, call.targets)
            found = pull(
                total._node, np.ones_like(total._data)[()], wrap=make if open_ended else None,
                targets=target, wanted=wanted,
            )  # fmt: skip
            change = _finish(found.get(cotangent._node), cotangent._data, None)
        changes.append(_plain(change))
    return rebuild([call.value(out) for out in outs]), rebuild(changes)


def _directions(name: str, tangents: tuple[Any, ...], inputs: list[Tensor]) -> list[Any]:
    leaves, _ = tree.flatten(tangents)
    if len(leaves) != len(inputs):
        raise ValueError(f"{name}: the primals hold {len(inputs)} arrays, but the directions {len(leaves)}")
    return [_like(f"{name}: direction {i}", u, x) for i, (u, x) in enumerate(zip(leaves, inputs, strict=True))]


def hvp(f: Function, primals: Any, vectors: Any) -> Any:
    """The Hessian of `f` times a vector, at the cost of a few gradients and without the Hessian.

    Parameters
    ----------
    f : callable
        Written in plain NumPy; returns a single real number.
    primals, vectors : tuple of trees of arrays
        The arguments, and the vector in the same structure; a bare array or dict is one argument.

    Returns
    -------
    Of the structure of `primals`.

    Examples
    --------
    >>> import numpy as np
    >>> hvp(lambda x: np.sum(x**3), np.array([1.0, 2.0]), np.array([1.0, 10.0]))
    array([  6., 120.])
    """
    args = _arguments(primals)
    argnums = tuple(range(len(args)))

    def slope(*traced: Any) -> Any:
        leaves, _ = tree.flatten(traced)
        directions = _directions("hvp", _arguments(vectors), leaves)
        gradients, _ = tree.flatten(grad(f, argnums)(*traced))
        return sum((np.sum(g * u) for g, u in zip(gradients, directions, strict=True)), 0.0)

    product = grad(slope, argnums)(*args)
    if isinstance(primals, (tuple, list)):
        return tree.flatten(primals)[1](tree.flatten(product)[0])
    return product[0]


def jacobian(f: Function, argnums: Argnums = 0) -> Function:
    """All first derivatives of `f`.

    Parameters
    ----------
    f : callable
        Written in plain NumPy; returns an array or a tree of arrays.
    argnums : int or sequence of int, default=0

    Returns
    -------
    callable
        Takes the arguments of `f`; returns an array of shape ``out.shape + x.shape``, or for trees: the
        output's tree, in which every array is replaced by the argument's tree.

    Notes
    -----
    All basis vectors are pulled back together. Operations that cannot take them together are found out,
    and the rows are then pulled back one by one.

    Examples
    --------
    >>> import numpy as np
    >>> jacobian(np.square)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """

    @functools.wraps(f)
    def derivative(*args: Any, **kwargs: Any) -> Any:
        call = _Call("jacobian", f, args, _as_tuple(argnums), kwargs)
        outs, rebuild = tree.flatten(call.out)
        blocks = []
        for out in outs:
            trees = call.by_argument(_all_rows(call, out))
            blocks.append(tuple(trees) if isinstance(argnums, Sequence) else trees[0])
        return rebuild(blocks)

    return derivative


def _all_rows(call: _Call, out: Any) -> list[Any]:
    """For each input of the call the derivatives of `out`, of shape ``out.shape + input.shape``."""
    shape = np.shape(out)
    if any(getattr(x, "dtype", np.dtype(float)).kind == "c" for x in (out, *call.inputs)):
        raise TypeError("jacobian: only real functions of real arguments; differentiate real and imaginary part each")
    if getattr(out, "_node", None) is None or not call.targets or not out.size:
        return [np.zeros_like(t._data, shape=shape + t.shape) for t in call.inputs]
    basis = kin(out, np.eye, out.size, dtype=out.dtype).reshape(out.size, *shape)
    if not call.ways(out)[1] and out.size > 1:
        try:
            return [
                g.rows.reshape(shape + t.shape) for g, t in zip(call.pull(out, Rows(basis)), call.inputs, strict=True)
            ]
        except NotByRows:
            pass
    rows = [call.pull(out, row) for row in basis]
    return [_plain(np.reshape(np.stack([row[i] for row in rows]), shape + t.shape)) for i, t in enumerate(call.inputs)]


def hessian(f: Function, argnums: Argnums = 0) -> Function:
    """All second derivatives of `f`, which returns a single real number: ``jacobian(grad(f))``.

    Returns
    -------
    callable
        Takes the arguments of `f`; returns an array of shape ``x.shape + x.shape``, or for a tree: a tree of
        trees.

    Examples
    --------
    >>> import numpy as np
    >>> hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 3.0]))
    array([[6., 2.],
           [2., 0.]])
    """
    return jacobian(grad(f, argnums), argnums)
