"""Every error message: what raises it, its type, and the words that help the reader."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_ml as tg
from tinygrad_ml.dispatch import _unsupported
from tinygrad_ml.graph import traced_call
from tinygrad_ml.primitive import Primitive


def leaf(*shape: int, dtype: Any = float) -> tg.Tensor:
    return tg.Tensor(np.ones(shape, dtype), requires_grad=True)


def computed() -> tg.Tensor:
    return leaf(3) * 2.0


def assign_data(x: tg.Tensor, value: Any) -> None:
    x.data = value


def assign_grad(x: tg.Tensor, value: Any) -> None:
    x.grad = value


def require_grad(x: tg.Tensor, value: bool = True) -> None:
    x.requires_grad = value


def assign_item(x: Any, value: Any) -> None:
    x[0] = value


def add_in_place(x: Any, value: Any) -> None:
    x += value


def subtract_in_place(x: Any, value: Any) -> None:
    x -= value


def multiply_in_place(x: Any, value: Any) -> None:
    x *= value


def divide_in_place(x: Any, value: Any) -> None:
    x /= value


def in_grad(convert: Callable[[Any], Any]) -> None:
    """What happens inside `grad` and its kin."""
    with traced_call():
        convert(leaf())


def refuse(function: Any) -> None:
    raise _unsupported(function)


crooked = Primitive(lambda x: np.sin(x), [lambda g, ans, x: g[:1]], name="crooked")
one_sided = Primitive(lambda x, y: x * y, [lambda g, ans, x, y: g * y], name="one_sided")
largest = Primitive(max, [lambda g, ans, x, y: g], name="largest")

ERRORS: dict[str, tuple[Callable[[], Any], type[Exception], tuple[str, ...]]] = {
    # shapes
    "shapes that do not broadcast": (
        lambda: leaf(3) + np.ones(4), ValueError, ("add", "(3,) and (4,)", "equal or 1", "reshape")),
    "matrices that do not match": (
        lambda: np.ones((2, 3)) @ leaf(4), ValueError, ("matmul", "(2, 3) and (4,)", "last axis", "transpose")),
    "a shape of another size": (lambda: leaf(3).reshape(2, 2), ValueError, ("reshape", "(3,)", "(2,2)")),
    "pieces of other shapes": (
        lambda: np.concatenate([leaf(3), np.ones((2, 2))]), ValueError, ("concatenate", "(3,) and (2, 2)")),
    # making a Tensor
    "integers that ask for gradients": (
        lambda: tg.Tensor([1, 2], requires_grad=True), TypeError, ("requires_grad", "int64", "1.0", "dtype=float")),
    "booleans that ask for gradients": (lambda: require_grad(tg.Tensor([True])), TypeError, ("requires_grad", "bool")),
    "an object array": (lambda: tg.Tensor([None, 1]), TypeError, ("numbers", "object")),
    "a string": (lambda: tg.Tensor("abc"), TypeError, ("numbers", "<U3")),
    "a Tensor with a history": (lambda: tg.Tensor(leaf(3)), TypeError, ("history", "detach")),
    # backward
    "backward of a constant": (
        lambda: tg.Tensor([1.0]).backward(), RuntimeError, ("backward", "requires_grad=True", "no_grad")),
    "backward of several numbers": (
        lambda: computed().backward(), RuntimeError, ("backward", "(3,)", "single real number", "sum", "gradient=")),
    "backward of a complex number": (
        lambda: leaf(1, dtype=complex).backward(), RuntimeError, ("backward", "complex128", "gradient=")),
    "a gradient of another shape": (
        lambda: computed().backward(np.ones(4)), ValueError, ("backward", "(4,)", "(3,)")),
    "a gradient that would broadcast": (lambda: computed().backward(1.0), ValueError, ("backward", "()", "(3,)")),
    "a complex gradient of a real tensor": (
        lambda: computed().backward(np.ones(3) * 1j), TypeError, ("backward", "complex128", "float64")),
    "a rule that answers another shape": (
        lambda: np.sum(crooked(leaf(3))).backward(), ValueError, ("crooked", "argument 0 (x)", "(1,)", "(3,)")),
    "an argument without derivative": (
        lambda: one_sided(leaf(3), leaf(3)), TypeError, ("one_sided", "argument 1 (y)", "detach")),
    "a condition that requires grad": (
        lambda: np.where(leaf(3), leaf(3), 0.0), TypeError, ("where", "argument 0", "detach")),
    "a Tensor by a keyword that cannot be placed": (
        lambda: largest(leaf(3), key=leaf(3)), TypeError, ("largest", "key", "by position")),
    # attributes
    "data of a computed tensor": (
        lambda: assign_data(computed(), np.ones(3)), RuntimeError, ("data", "leaf", "detach")),
    "data of another shape": (lambda: assign_data(leaf(3), np.ones(4)), ValueError, ("data", "(3,)", "(4,)")),
    "data of another dtype": (
        lambda: assign_data(leaf(3), np.ones(3, np.float32)), ValueError, ("data", "float64", "float32")),
    "writing through the data of a computed tensor": (
        lambda: assign_item(computed().data, 0.0), ValueError, ("read-only",)),
    "writing through a detached computed tensor": (
        lambda: assign_item(computed().detach().data, 0.0), ValueError, ("read-only",)),
    "a grad of another shape": (lambda: assign_grad(leaf(3), np.ones(2)), ValueError, ("grad", "(3,)", "(2,)")),
    "requires_grad of a computed tensor": (
        lambda: require_grad(computed(), False), RuntimeError, ("requires_grad", "leaves", "detach")),
    # what would be cut off
    "a sum in integers": (lambda: np.sum(leaf(3), dtype=int), TypeError, ("sum", "int64", "detach")),
    "a primitive without result": (
        lambda: tg.primitive(lambda x: None, lambda g, ans, x: g)(leaf(3)), TypeError, ("must return", "None")),
    "a rule without result": (
        lambda: tg.primitive(lambda x: x * 2, lambda g, ans, x: None)(leaf()).backward(),
        TypeError, ("rule for argument 0 (x)", "None")),
    "item in grad": (lambda: in_grad(lambda x: x.item()), TypeError, ("item()", "silently cut", "detach")),
    "tolist in grad": (lambda: in_grad(lambda x: x.tolist()), TypeError, ("tolist()", "silently cut", "detach")),
    # copies
    "deepcopy of a computed tensor": (
        lambda: copy.deepcopy(computed()), RuntimeError, ("deepcopy", "leaves", "detach")),
    "pickle of a computed tensor": (lambda: pickle.dumps(computed()), TypeError, ("pickle", "graph", "detach")),
    # leaving Tensors
    "np.array of Tensors": (lambda: np.array([leaf(3), leaf(3)]), TypeError, ("plain array", "np.stack", "detach")),
    "np.array of 0-d Tensors": (lambda: np.array([leaf(), leaf()]), TypeError, ("plain array", "np.stack", "detach")),
    "np.asarray": (lambda: np.asarray(computed()), TypeError, ("plain array", "detach")),
    "an object array of Tensors": (lambda: np.array([leaf(3), None], dtype=object), TypeError, ("detach",)),
    "an array of objects as operand": (
        lambda: leaf(2) + np.array([1, 2], dtype=object), TypeError, ("add", "objects", "astype(float)")),
    "a list of Tensors as operand": (lambda: leaf(2) * [leaf(), leaf()], TypeError, ("plain array", "np.stack")),
    "writing a Tensor into an array": (
        lambda: np.zeros((2, 3)).__setitem__(0, leaf(3)), TypeError, ("plain array", "detach")),
    "float() inside grad": (lambda: in_grad(float), TypeError, ("float()", "np.*", "math.*", "detach")),
    "int() inside grad": (lambda: in_grad(int), TypeError, ("int()", "detach")),
    "complex() inside grad": (lambda: in_grad(complex), TypeError, ("complex()", "detach")),
    "iteration over a number": (lambda: iter(leaf()), TypeError, ("0-d",)),
    "len of a number": (lambda: len(leaf()), TypeError, ()),
    "truth of several numbers": (lambda: bool(leaf(3)), ValueError, ("ambiguous",)),
    "item of several numbers": (lambda: leaf(3).item(), ValueError, ("size 1",)),
    # writing in place
    "x[i] = v": (lambda: assign_item(leaf(3), 0.0), TypeError, ("x[i] = v", "np.where", "np.concatenate", ".data[i]")),
    "x[i] = v on a constant": (lambda: assign_item(tg.Tensor([1.0]), 0.0), TypeError, ("x[i] = v", "np.where")),
    "leaf +=": (lambda: add_in_place(leaf(3), 1.0), RuntimeError, ("iadd", "leaf", "no_grad", ".data")),
    "leaf -=": (lambda: subtract_in_place(leaf(3), 1.0), RuntimeError, ("isub", "leaf", "no_grad", ".data")),
    "leaf *=": (lambda: multiply_in_place(leaf(3), 2.0), RuntimeError, ("imul", "leaf", "no_grad", ".data")),
    "leaf /=": (lambda: divide_in_place(leaf(3), 2.0), RuntimeError, ("itruediv", "leaf", "no_grad", ".data")),
    "ndarray += tensor": (lambda: add_in_place(np.ones(3), leaf(3)), TypeError, ("add", "out=", "in-place")),
    "sort in place": (lambda: leaf(3).sort(), TypeError, ("sort", "np.sort")),
    "partition in place": (lambda: leaf(3).partition(1), TypeError, ("partition", "np.partition")),
    "fill": (lambda: leaf(3).fill(0), TypeError, ("fill", "np.full_like")),
    # out= and other keywords
    "out= of a function": (lambda: np.sum(leaf(3), out=np.empty(())), TypeError, ("sum", "out=", "result")),
    "out= of a composite": (lambda: np.clip(leaf(3), 0, 1, out=np.empty(3)), TypeError, ("clip", "out=", "result")),
    "out= of a ufunc": (lambda: np.exp(leaf(3), out=np.empty(3)), TypeError, ("exp", "out=", "result")),
    "out= of a method": (lambda: leaf(3).sum(out=np.empty(())), TypeError, ("sum", "out=")),
    "out=Tensor": (lambda: np.add(np.ones(3), 1.0, out=tg.Tensor(np.ones(3))), TypeError, ("add", "out=")),
    "a keyword of a ufunc": (
        lambda: np.exp(leaf(3), where=np.ones(3, bool)), TypeError, ("exp", "where=", "not supported")),
    "dtype= of a ufunc": (lambda: np.exp(leaf(3), dtype=np.float32), TypeError, ("exp", "dtype=", "not supported")),
    "a keyword of a function": (
        lambda: np.max(leaf(3), initial=1.0), TypeError, ("max", "initial=", "not supported", "axis, keepdims")),
    # functions without rules
    "a function": (lambda: np.vander(leaf(3)), TypeError, ("np.vander", "no rule", "tg.primitive", "detach")),
    "a function of linalg": (lambda: refuse(np.linalg.inv), TypeError, ("np.linalg.inv: ", "no rule")),
    "a function of fft": (lambda: refuse(np.fft.rfft), TypeError, ("np.fft.rfft: ", "no rule")),
    "a ufunc": (lambda: np.frexp(leaf(3)), TypeError, ("frexp", "no rule", "The nearest that work: ", "exp")),
    "a method of a ufunc": (lambda: np.subtract.reduce(leaf(3)), TypeError, ("np.subtract.reduce", "not supported")),
    "ufunc.at": (lambda: np.add.at(leaf(3), [0], 1.0), TypeError, ("np.add.at", "not supported")),
    "ufunc.reduceat": (lambda: np.add.reduceat(leaf(3), [0]), TypeError, ("np.add.reduceat", "not supported")),
    # NumPy's own errors stay what they are
    "a singular matrix": (lambda: np.linalg.inv(leaf(3, 3)), np.linalg.LinAlgError, ("Singular",)),
    "an index out of range": (lambda: leaf(3)[5], IndexError, ("5", "size 3")),
}  # fmt: skip


@pytest.mark.parametrize("name", ERRORS)
def test_message(name: str) -> None:
    call, kind, words = ERRORS[name]
    with pytest.raises(kind) as caught:
        call()
    missing = [word for word in words if word not in str(caught.value)]
    assert not missing, f"{missing} not in: {caught.value}"


# Parameters changed between forward and backward.


def through_data(w: tg.Tensor, a: Any) -> None:
    w.data[-1] += 1.0


def through_augmented_data(w: tg.Tensor, a: Any) -> None:
    w.data -= 0.5


def under_no_grad(w: tg.Tensor, a: Any) -> None:
    with tg.no_grad():
        w -= 0.5


def through_the_users_array(w: tg.Tensor, a: Any) -> None:
    a[-1] = 7.0


def rebound(w: tg.Tensor, a: Any) -> None:
    w.data = w.data * 2.0


def through_detach(w: tg.Tensor, a: Any) -> None:
    w.detach().data[-1] = 3.0


CHANGES = [through_data, through_augmented_data, under_no_grad, through_the_users_array, rebound, through_detach]
FORWARDS = {
    "multiply": lambda w: np.sum(w * w),
    "exp": lambda w: np.sum(np.exp(w)),
    "sum": lambda w: np.sum(w, axis=0),
    "power": lambda w: np.sum(w**3),
}
ARRAYS: dict[str, Callable[[], Any]] = {
    "small": lambda: np.ones(3),
    "large": lambda: np.ones(20_000),
    "of some size": lambda: np.ones(2000),
    "of some size, with infinity": lambda: np.where(np.arange(2000) == 7, np.inf, 1.0),
    "large, single": lambda: np.ones(40_000, np.float32),
    "large, with NaN": lambda: np.where(np.arange(20_000) == 19_990, np.nan, 1.0),
    "strided": lambda: np.ones((20_000, 2))[:, 0],
    "of one element": lambda: np.ones(1),
}


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
@pytest.mark.parametrize("name", FORWARDS)
@pytest.mark.parametrize("kind", ARRAYS)
def test_parameter_changed_before_backward(kind: str, name: str, change: Any) -> None:
    a = ARRAYS[kind]()
    w = tg.Tensor(a, requires_grad=True)
    loss = FORWARDS[name](w)
    change(w, a)
    with pytest.raises(RuntimeError) as caught:
        loss.backward()
    for word in (str(w.shape), "changed", name, "before updating", "forward again"):
        assert word in str(caught.value)
    assert w.grad is None


def test_complex_parameter_changed_before_backward() -> None:
    for n in (3, 2000):
        w = tg.Tensor(np.ones(n, complex), requires_grad=True)
        loss = np.sum(np.abs(w * 1j))
        w.data[0] += 1e-3j
        with pytest.raises(RuntimeError, match="changed after multiply"):
            loss.backward()


def test_number_changed_before_backward() -> None:
    w = tg.Tensor(2.0, requires_grad=True)
    loss = w * w
    with tg.no_grad():
        w -= 0.5
    with pytest.raises(RuntimeError, match="changed"):
        loss.backward()


def test_parameter_changed_to_what_it_was_is_no_error() -> None:
    w = tg.Tensor([1.0, np.nan], requires_grad=True)
    loss = np.sum(w * w)
    w.data[0] = 5.0
    w.data[0] = 1.0
    loss.backward()
    assert w.grad[0] == 2.0


def test_update_between_steps_is_no_error() -> None:
    w = tg.Tensor(np.ones(3), requires_grad=True)
    for _ in range(3):
        w.zero_grad()
        np.sum(w * w).backward()
        with tg.no_grad():
            w -= 0.25 * w.grad
    np.testing.assert_array_equal(w.data, np.full(3, 0.125))
