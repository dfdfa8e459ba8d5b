"""Tensor: making one, what it knows, operators, methods, copies, writing in place."""

from __future__ import annotations

import copy
import operator
import pickle
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_ml as tg


def leaf(data: Any, **options: Any) -> tg.Tensor:
    return tg.Tensor(data, requires_grad=True, **options)


def values(x: Any) -> Any:
    return x.data if isinstance(x, tg.Tensor) else x


# Making one.


@pytest.mark.parametrize(
    "data", [1.5, 2, True, 1j, np.float32(3), [1, 2], [[1.0], [2.0]], (1, 2.5), [], range(3)], ids=repr
)
def test_data_is_what_numpy_makes_of_it(data: Any) -> None:
    x, expected = tg.Tensor(data), np.asarray(data)
    assert type(x.data) is np.ndarray
    assert (x.shape, x.ndim, x.size, x.dtype) == (expected.shape, expected.ndim, expected.size, expected.dtype)
    np.testing.assert_array_equal(x.data, expected)
    assert not x.requires_grad and x.is_leaf and x.grad is None
    assert x.tolist() == expected.tolist()


def test_an_array_is_wrapped_not_copied() -> None:
    a = np.ones((2, 3))
    assert tg.Tensor(a).data is a
    assert leaf(a).data is a
    assert tg.Tensor(tg.Tensor(a)).data is a
    assert tg.Tensor(a).numpy() is a


@pytest.mark.parametrize("dtype", [np.float32, np.float64, complex, "f4", int])
def test_dtype(dtype: Any) -> None:
    assert tg.Tensor([1, 2], dtype=dtype).dtype == np.dtype(dtype)
    assert tg.Tensor(np.ones(2), dtype=dtype).dtype == np.dtype(dtype)
    assert tg.Tensor(1, dtype=dtype).dtype == np.dtype(dtype)


def test_dtype_lets_integers_have_gradients() -> None:
    assert leaf([1, 2], dtype=float).requires_grad


def test_tensor_is_the_same_class() -> None:
    assert tg.tensor is tg.Tensor


def test_requires_grad_can_be_switched() -> None:
    x = tg.Tensor([1.0, 2.0])
    x.requires_grad = True
    assert x.requires_grad and x.is_leaf
    x.requires_grad = True
    x.requires_grad = False
    assert not (x * 2).requires_grad


def test_computed_tensors() -> None:
    x = leaf([1.0, 2.0])
    y = x * 2
    assert y.requires_grad and not y.is_leaf and y.grad is None
    z = y.detach()
    assert z.is_leaf and not z.requires_grad
    np.testing.assert_array_equal(z.data, y.data)
    assert x.detach().data is x.data


def test_data_of_computed_tensors_is_read_only() -> None:
    y = leaf([1.0, 2.0]) * 2
    for array in (y.data, y.numpy(), y.detach().data):
        assert not array.flags.writeable
    assert (tg.Tensor([1.0]) * 2).data.flags.writeable


def test_data_can_be_assigned_to_leaves() -> None:
    x, new = leaf([1.0, 2.0]), np.array([3.0, 4.0])
    x.data = new
    assert x.data is new
    y = tg.Tensor([1.0])
    y.data = [1, 2, 3]
    assert y.shape == (3,)


def test_grad_can_be_assigned_and_forgotten() -> None:
    x = leaf([1.0, 2.0])
    x.grad = np.ones(2)
    np.sum(x * 3).backward()
    np.testing.assert_array_equal(x.grad, [4.0, 4.0])
    x.zero_grad()
    assert x.grad is None


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0,)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_grad_is_a_plain_array_of_the_datas_kind(shape: Any, dtype: Any) -> None:
    x = leaf(np.ones(shape, dtype))
    np.sum(np.exp(x) * 2).backward()
    assert type(x.grad) is np.ndarray and x.grad.shape == shape and x.grad.dtype == dtype
    x.grad += 1  # the user may


def test_grad_is_a_tensor_after_create_graph() -> None:
    x, y = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    (np.sum(x * x) + np.sum(y)).backward(create_graph=True)
    assert isinstance(x.grad, tg.Tensor) and x.grad.requires_grad
    assert isinstance(y.grad, tg.Tensor) and not y.grad.requires_grad


def test_complex_gradients_follow_pytorchs_convention() -> None:
    z = leaf(np.array([1.0 + 2.0j]))
    np.sum(np.abs(z) ** 2).backward()
    np.testing.assert_allclose(z.grad, [2.0 + 4.0j])
    z.zero_grad()
    (z * (3.0 + 1.0j)).backward(np.array([1.0 + 0j]))
    np.testing.assert_allclose(z.grad, [3.0 - 1.0j])


# Operators.

BINARY = [
    operator.add,
    operator.sub,
    operator.mul,
    operator.truediv,
    operator.pow,
    operator.mod,
    operator.matmul,
    operator.floordiv,
    operator.eq,
    operator.ne,
    operator.lt,
    operator.le,
    operator.gt,
    operator.ge,
]
A = np.array([1.5, 2.0, 0.5])
PLAIN = {operator.floordiv, operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge}
OTHERS: list[Any] = [
    2,
    2.5,
    np.float64(2.5),
    np.float32(2.5),
    np.int64(2),
    np.array(2.0),
    np.array([2.0, 1.0, 3.0]),
    np.array([2, 1, 3]),
    [2.0, 1.0, 3.0],
    tg.Tensor([2.0, 1.0, 3.0]),
]


@pytest.mark.parametrize("other", OTHERS, ids=lambda other: f"{type(other).__name__} {np.ndim(other)}-d")
@pytest.mark.parametrize("op", BINARY, ids=lambda op: op.__name__)
def test_operators_with_anything_on_either_side(op: Callable[[Any, Any], Any], other: Any) -> None:
    if op is operator.matmul and np.ndim(values(other)) == 0:
        for a, b in ((leaf(A), other), (other, leaf(A))):
            with pytest.raises(ValueError, match="matmul"):
                op(a, b)
        return
    for dtype in (np.float64, np.float32):
        x = leaf(A.astype(dtype))
        raw = np.asarray(values(other)) if isinstance(other, (list, tg.Tensor)) else other
        for actual, expected in ((op(x, other), op(x.data, raw)), (op(other, x), op(raw, x.data))):
            assert isinstance(actual, tg.Tensor) == (op not in PLAIN)
            np.testing.assert_allclose(values(actual), expected, rtol=1e-6)
            assert actual.dtype == expected.dtype and actual.shape == expected.shape
            if op not in PLAIN:
                actual.backward(np.ones_like(expected))
                assert x.grad.dtype == dtype and x.grad.shape == x.shape
                x.zero_grad()


def test_unary_operators_and_divmod() -> None:
    x = leaf([-1.5, 2.5])
    for op in (operator.neg, operator.pos, abs):
        np.testing.assert_array_equal(op(x).data, op(x.data))
        assert op(x).requires_grad
    for actual, expected in zip(
        (*divmod(x, 2), *divmod(7.0, x)), (*divmod(x.data, 2), *divmod(7.0, x.data)), strict=True
    ):
        np.testing.assert_array_equal(values(actual), expected)


def test_tensors_are_hashable_by_identity() -> None:
    x, y = leaf([1.0]), leaf([1.0])
    assert {x: 1, y: 2}[x] == 1


# Methods.

M = np.array([[3.0, 1.0, 2.0], [6.0, 5.0, 4.0]])
METHODS: dict[str, Callable[[Any], Any]] = {
    "sum": lambda x: x.sum(axis=0, keepdims=True),
    "sum dtype": lambda x: x.sum(dtype=np.float32),
    "mean": lambda x: x.mean(axis=-1),
    "prod": lambda x: x.prod(axis=1),
    "var": lambda x: x.var(axis=0, ddof=1),
    "std": lambda x: x.std(axis=1, keepdims=True),
    "max": lambda x: x.max(axis=1),
    "min": lambda x: x.min(),
    "cumsum": lambda x: x.cumsum(axis=1),
    "cumprod": lambda x: x.cumprod(0),
    "trace": lambda x: x.trace(1),
    "clip": lambda x: x.clip(1.5, 4.5),
    "clip one side": lambda x: x.clip(max=3.5),
    "conj": lambda x: x.conj(),
    "conjugate": lambda x: x.conjugate(),
    "dot": lambda x: x.dot(np.arange(3.0)),
    "reshape": lambda x: x.reshape(3, 2),
    "reshape tuple": lambda x: x.reshape((3, -1)),
    "reshape order": lambda x: x.reshape(-1, order="F"),
    "ravel": lambda x: x.ravel(),
    "ravel F": lambda x: x.ravel(order="F"),
    "flatten": lambda x: x.flatten(),
    "transpose": lambda x: x.transpose(),
    "transpose axes": lambda x: x.transpose(1, 0),
    "transpose tuple": lambda x: x.transpose((1, 0)),
    "transpose None": lambda x: x.transpose(None),
    "swapaxes": lambda x: x.swapaxes(0, 1),
    "squeeze": lambda x: x[:, :1].squeeze(axis=1),
    "diagonal": lambda x: x.diagonal(1),
    "repeat": lambda x: x.repeat(2, axis=0),
    "take": lambda x: x.take([0, 2, 2], axis=1),
    "choose": lambda x: np.array([0, 1, 0]).choose(x) if isinstance(x, np.ndarray) else np.choose([0, 1, 0], x),
    "compress": lambda x: x.compress([True, False, True], axis=1),
    "round": lambda x: (x / 3).round(1),
    "argmax": lambda x: x.argmax(axis=1),
    "argmin": lambda x: x.argmin(axis=0, keepdims=True),
    "argsort": lambda x: x.argsort(),
    "argpartition": lambda x: x.argpartition(1, axis=1)[:, 1],
    "searchsorted": lambda x: x[1, ::-1].searchsorted(4.5),
    "nonzero": lambda x: x.nonzero()[1],
    "all": lambda x: x.all(axis=0),
    "any": lambda x: (x - 3).any(axis=1, keepdims=True),
    "astype": lambda x: x.astype(np.float32),
    "copy": lambda x: x.copy(),
    "T": lambda x: x.T,
    "mT": lambda x: x.mT,
    "real": lambda x: x.real,
    "imag": lambda x: x.imag,
    "flat": lambda x: np.stack(list(x.flat)),
    "getitem": lambda x: x[1, ::2],
    "getitem bool": lambda x: x[M > 2],
    "iteration": lambda x: [row for row in x][1],
    "len": lambda x: np.array(len(x)),
    "tolist": lambda x: np.array(x.tolist()),
}


@pytest.mark.parametrize("name", METHODS)
def test_methods_are_ndarrays(name: str) -> None:
    method = METHODS[name]
    expected = method(M)
    for x in (leaf(M.copy()), tg.Tensor(M.copy())):
        actual = method(x)
        assert isinstance(actual, (tg.Tensor, np.ndarray, np.generic))
        np.testing.assert_allclose(values(actual), expected, rtol=1e-6 if actual.dtype == np.float32 else 1e-15)
        assert actual.dtype == expected.dtype and actual.shape == expected.shape


def test_every_method_is_tested() -> None:
    from tinygrad_ml.array_methods import ArrayMethods

    public = {name for name in vars(ArrayMethods) if not name.startswith("_") and callable(getattr(ArrayMethods, name))}
    tested = {name.split()[0] for name in METHODS}
    raising = {"sort", "partition", "fill"}  # in test_errors
    assert public - tested - raising == set()


def test_methods_of_ndarray_that_make_sense_exist() -> None:
    not_here = {
        "byteswap", "dump", "dumps", "getfield", "itemset", "newbyteorder", "ptp", "put", "resize", "setfield",
        "setflags", "to_device", "tobytes", "tofile", "tostring", "view",
    }  # fmt: skip
    missing = {
        name
        for name in dir(np.ndarray)
        if not name.startswith("_") and callable(getattr(np.ndarray, name)) and not hasattr(tg.Tensor, name)
    }
    assert missing <= not_here


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int32, np.uint64])
def test_cross_entropy_takes_labels_of_any_integer_type(dtype: Any) -> None:
    """Places in the flat array were computed in the labels' own type: those of 8 bits overflowed unnoticed."""
    z = np.sin(np.arange(1000.0)).reshape(100, 10)
    labels = np.arange(100) % 10
    loss = tg.functional.cross_entropy(leaf(z), labels.astype(dtype))
    loss.backward()
    assert loss.item() == tg.functional.cross_entropy(leaf(z), labels).item()


def test_lists_on_the_side_of_a_single_number() -> None:
    """NumPy's scalars repeat a list, or refuse it, where 0-d arrays multiply."""
    for x in (leaf(2.0), tg.Tensor(2)):
        for product in (x * [1, 2], [1, 2] * x, np.multiply(x, (1, 2))):
            assert product.data.tolist() == [2, 4]


def test_the_array_itself_by_keyword() -> None:
    """Rules call their arrays x, and NumPy's own names for them were taken for unknown options."""
    assert np.sum(a=leaf([1.0, 2.0]), axis=0).item() == 3.0


def test_no_grad_entered_twice() -> None:
    """One state was kept for both, so that recording stayed off in the end."""
    quiet = tg.no_grad()
    with quiet, quiet:
        pass
    assert (leaf(1.0) * 2).requires_grad


def test_a_thread_that_ended_without_recording_leaves_none_behind() -> None:
    """What was off was kept by the number of the thread, which the next thread may get."""
    open_blocks, recorded = [], []

    def stop_inside() -> None:
        open_blocks.append(tg.no_grad())
        open_blocks[-1].__enter__()

    for work in (stop_inside, lambda: recorded.append((leaf(1.0) * 2).requires_grad)):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert recorded == [True]


def test_create_graph_under_no_grad() -> None:
    """The backward pass was not recorded, and the second derivative silently zero."""
    x = leaf(2.0)
    y = x**3
    with tg.no_grad():
        y.backward(create_graph=True)
    assert x.grad.requires_grad


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_a_matrix_is_wrapped_as_an_array() -> None:
    """np.matrix multiplies as matmul, which met the rule of the elementwise product."""
    x = tg.Tensor(np.asmatrix(np.ones((2, 2))), requires_grad=True)
    assert type(x.data) is np.ndarray
    assert (x * x).data.tolist() == [[1, 1], [1, 1]]
    with pytest.raises(TypeError, match="multiply: .* np.asarray"):
        x * np.asmatrix(np.ones((2, 2)))


# As numbers, as text.


def test_as_numbers() -> None:
    x = leaf(2.5)
    assert float(x) == 2.5 and int(x) == 2 and complex(x) == 2.5 and x.item() == 2.5
    assert type(x.item()) is float
    assert bool(x) and not bool(leaf(0.0))
    assert float(leaf([4.0])) == 4.0
    assert [10, 20, 30][tg.Tensor(1)] == 20
    assert len(leaf(M)) == 2
    assert 6.0 in leaf(M) and 7.0 not in leaf(M)


def test_as_arrays() -> None:
    x = tg.Tensor(M)
    assert np.asarray(x) is M
    copied = np.array(x)
    np.testing.assert_array_equal(copied, M)
    assert not np.shares_memory(copied, M)
    assert np.asarray(x, dtype=np.float32).dtype == np.float32


def test_format() -> None:
    assert f"{leaf(2.0) * 1.25:.3f}" == "2.500"
    assert f"{leaf(2.0):>8.2e}" == "2.00e+00"
    assert f"{tg.Tensor([1.0, 2.0])}" == "Tensor([1., 2.])"


@pytest.mark.parametrize(
    "x, expected",
    [
        (tg.Tensor([1.0, 2.5]), "Tensor([1. , 2.5])"),
        (tg.Tensor([1, 2]), "Tensor([1, 2])"),
        (leaf([1.0]), "Tensor([1.], requires_grad=True)"),
        (leaf([1.0]) * 2, "Tensor([2.], requires_grad=True)"),
        (tg.Tensor(np.float32([1])), "Tensor([1.], dtype=float32)"),
        (leaf(2.0), "Tensor(2., requires_grad=True)"),
        (tg.Tensor([[1.0], [2.0]]), "Tensor([[1.],\n        [2.]])"),
    ],
)
def test_repr(x: tg.Tensor, expected: str) -> None:
    assert repr(x) == expected


# Copies.


@pytest.mark.parametrize("twin", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
@pytest.mark.parametrize("shape", [(), (3,)])
def test_copies_of_leaves_share_nothing(twin: Any, shape: Any) -> None:
    x = leaf(np.full(shape, 2.0))
    np.sum(x * x).backward()
    y = twin(x)
    assert type(y) is tg.Tensor and y.requires_grad and y.is_leaf
    np.testing.assert_array_equal(y.data, x.data)
    np.testing.assert_array_equal(y.grad, x.grad)
    assert not np.shares_memory(y.data, x.data) and not np.shares_memory(y.grad, x.grad)
    np.sum(y * 3).backward()
    np.testing.assert_array_equal(x.grad, np.full(shape, 4.0))
    assert not twin(tg.Tensor([1.0])).requires_grad


def test_deepcopy_keeps_shared_tensors_shared() -> None:
    x = leaf([1.0])
    first, second = copy.deepcopy([x, x])
    assert first is second and first is not x


def test_copy_method_is_differentiable() -> None:
    x = leaf([1.0, 2.0])
    y = x.copy()
    assert not y.is_leaf and not np.shares_memory(y.data, x.data)
    np.sum(y * y).backward()
    np.testing.assert_array_equal(x.grad, [2.0, 4.0])


# Writing in place.

IN_PLACE = [operator.iadd, operator.isub, operator.imul, operator.itruediv]


@pytest.mark.parametrize("op", IN_PLACE, ids=lambda op: op.__name__)
def test_in_place_on_a_leaf_under_no_grad_writes_to_its_array(op: Any) -> None:
    a = np.array([2.0, 4.0])
    x = leaf(a)
    with tg.no_grad():
        y = op(x, tg.Tensor([2.0, 2.0]))
    assert y is x and x.data is a and x.is_leaf and x.requires_grad
    np.testing.assert_array_equal(a, op(np.array([2.0, 4.0]), 2.0))


@pytest.mark.parametrize("op", IN_PLACE, ids=lambda op: op.__name__)
@pytest.mark.parametrize("make", [lambda a: tg.Tensor(a), lambda a: leaf(a) * 1.0], ids=["constant", "computed"])
def test_in_place_on_anything_else_makes_a_new_tensor(make: Any, op: Any) -> None:
    a = np.array([2.0, 4.0])
    x = make(a)
    before = x.data.copy()
    y = op(x, 2.0)
    assert y is not x and y.requires_grad == x.requires_grad
    np.testing.assert_array_equal(x.data, before)
    np.testing.assert_array_equal(y.data, op(before.copy(), 2.0))


def test_number_updated_in_place() -> None:
    w = leaf(2.0)
    with tg.no_grad():
        w -= 0.5
    assert w.item() == 1.5 and w.shape == ()
    (w * w).backward()
    assert w.grad == 3.0


def test_float32_stays_float32_when_updated_in_place() -> None:
    w = leaf(np.ones(2, np.float32))
    with tg.no_grad():
        w -= 0.5 * np.ones(2)
    assert w.dtype == np.float32


def test_running_sum_with_augmented_assignment() -> None:
    x = leaf([1.0, 2.0])
    total: Any = 0.0
    for k in range(3):
        total += np.sum(x) * k
    total.backward()
    np.testing.assert_array_equal(x.grad, [3.0, 3.0])


# Conventions where mathematics leaves a choice.

KINKS: dict[str, tuple[Callable[[Any], Any], Any, Any]] = {
    "abs at 0": (np.abs, [0.0, -0.0], [0.0, 0.0]),
    "fabs at 0": (np.fabs, [0.0], [0.0]),
    "abs of complex at 0": (np.abs, [0j, 3 + 4j], [0j, 0.6 + 0.8j]),
    "hypot at 0": (lambda x: np.hypot(x, 0.0 * x), [0.0], [0.0]),
    "maximum at a tie": (lambda x: np.maximum(x, 1.0), [1.0, 2.0, 0.0], [0.5, 1.0, 0.0]),
    "minimum at a tie": (lambda x: np.minimum(1.0, x), [1.0, 2.0, 0.0], [0.5, 0.0, 1.0]),
    "maximum of x and x": (lambda x: np.maximum(x, x), [1.0], [1.0]),
    "clip on the closed interval": (lambda x: np.clip(x, 0.0, 1.0), [0.0, 1.0, -0.1, 1.1], [1.0, 1.0, 0.0, 0.0]),
    "x ** 0 at 0": (lambda x: x**0, [0.0, 2.0], [0.0, 0.0]),
    "x ** 1 at 0": (lambda x: x**1, [0.0], [1.0]),
    "x ** 2 at 0": (lambda x: x**2, [0.0], [0.0]),
    "x ** array at 0": (lambda x: x ** np.array([0.0, 1.0, 2.0]), [0.0, 0.0, 0.0], [0.0, 1.0, 0.0]),
    "0 ** y": (lambda y: 0.0**y, [2.0], [0.0]),
    "0-array ** y": (lambda y: np.zeros(1) ** y, [2.0], [0.0]),
    "fmax beside NaN": (lambda x: np.fmax(x, np.array([np.nan, 0.0])), [1.0, 1.0], [1.0, 1.0]),
    "nan_to_num": (np.nan_to_num, [np.nan, np.inf, 1.0], [0.0, 0.0, 1.0]),
    "tanh far out": (np.tanh, [1000.0, -1000.0], [0.0, 0.0]),
    "logaddexp far apart": (lambda x: np.logaddexp(x, 0.0), [1000.0, -1000.0], [1.0, 0.0]),
    "sinc at 0": (np.sinc, [0.0], [0.0]),
    "double where": (lambda x: np.where(x > 0, np.log(np.where(x > 0, x, 1.0)), 0.0), [-1.0, 2.0], [0.0, 0.5]),
}


@pytest.mark.parametrize("name", KINKS)
def test_convention(name: str) -> None:
    function, at, expected = KINKS[name]
    x = leaf(at)
    np.sum(function(x)).backward()
    np.testing.assert_allclose(x.grad, expected, rtol=1e-15)
