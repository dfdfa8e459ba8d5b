"""Indexing beyond the op table: repeats, empty results, mixtures of kinds of index, errors; shapes that are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_ml as tg

from .test_rules import recorded

INDICES: dict[str, Any] = {
    "an int": 1,
    "a negative int": -1,
    "a NumPy int": np.int64(1),
    "slices": (slice(None, None, -1), slice(1, None)),
    "an ellipsis between": (0, ..., slice(None, None, 2)),
    "new axes": (None, slice(None), None, 1),
    "nothing": (),
    "an empty slice": (slice(2, 2), slice(None)),
    "an empty list": ([],),
    "a mask": np.arange(24).reshape(2, 3, 4) % 3 == 0,
    "a mask of two dimensions": np.array([[True, False, True], [False, True, True]]),
    "a mask on the last two": (slice(None), np.arange(12).reshape(3, 4) % 5 == 0),
    "a mask that takes nothing": np.zeros((2, 3), bool),
    "a mask beside an int": (1, np.array([True, False, True]), slice(2)),
    "a bool": np.True_,
    "repeats": np.array([0, 1, 1, -1, 0]),
    "a matrix of repeats": (slice(None), np.array([[0, 2], [2, -1]])),
    "repeats on two axes": (np.array([0, 1, 0]), np.array([2, -1, 2])),
    "arrays that broadcast": (np.array([[0], [1]]), np.array([1, 1, 2])),
    "arrays apart": (np.array([0, 1, 1]), slice(None), np.array([3, 3, 3])),
    "an array, a new axis, an int": (np.array([1, 1]), None, slice(None), 2),
    "a mask and an array": (np.array([True, True]), [2, 2], ...),
    "a list": [1, 1, 0],
    "a range": (slice(None), range(0, 3, 2)),
}


def jacobian_by_units(index: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Reading is linear, so the columns of its Jacobian are what it reads from unit arrays."""
    units = np.eye(int(np.prod(shape))).reshape(-1, *shape)
    return np.array([unit[index] for unit in units])


@pytest.mark.parametrize("index", INDICES.values(), ids=INDICES.keys())
@pytest.mark.parametrize("dtype", ["float64", "float32", "complex128"])
def test_gradient_is_the_transposed_jacobian(index: Any, dtype: str) -> None:
    shape, rng = (2, 3, 4), np.random.default_rng(0)
    x = tg.Tensor(rng.normal(size=shape).astype(dtype), requires_grad=True)
    read = x[index]
    assert np.array_equal(read.data, x.data[index])
    weights = rng.normal(size=read.shape).astype(dtype)
    read.backward(weights)
    expected = np.tensordot(jacobian_by_units(index, shape), weights, weights.ndim).reshape(shape)
    assert x.grad.dtype == dtype
    tolerance = 1e-6 if dtype == "float32" else 1e-14
    np.testing.assert_allclose(x.grad, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("index", INDICES.values(), ids=INDICES.keys())
def test_second_derivative_through_an_index(index: Any) -> None:
    x = tg.Tensor(np.random.default_rng(0).normal(size=(2, 3, 4)), requires_grad=True)
    np.sum(x[index] ** 3).backward(create_graph=True)
    gradient, x.grad = x.grad, None
    np.sum(gradient * np.arange(24).reshape(2, 3, 4)).backward()
    times_read = jacobian_by_units(index, (2, 3, 4)).reshape(24, -1).sum(axis=1).reshape(2, 3, 4)
    np.testing.assert_allclose(x.grad, times_read * np.arange(24).reshape(2, 3, 4) * 6 * x.data, rtol=1e-14)


def _to_torch(torch: Any, part: Any) -> Any:
    if isinstance(part, np.bool_):
        return bool(part)
    if not isinstance(part, (list, range, np.ndarray)):
        return part
    part = torch.as_tensor(np.asarray(part))
    return part if part.numel() else part.to(torch.bool if part.dtype == torch.bool else torch.long)


@pytest.mark.parametrize("index", INDICES.values(), ids=INDICES.keys())
def test_against_torch(index: Any) -> None:
    torch = pytest.importorskip("torch")
    parts = index if isinstance(index, tuple) else (index,)
    if any(isinstance(part, slice) and (part.step or 1) < 0 for part in parts):
        pytest.skip("PyTorch knows no negative steps")
    data = np.random.default_rng(0).normal(size=(2, 3, 4))
    x, y = tg.Tensor(data, requires_grad=True), torch.tensor(data, requires_grad=True)
    np.sum(np.exp(x[index])).backward()
    parts = tuple([_to_torch(torch, part) for part in parts])
    torch.exp(y[parts]).sum().backward()
    np.testing.assert_allclose(x.grad, y.grad.numpy(), rtol=1e-13)


def test_rows_read_many_times_add_up() -> None:
    rng = np.random.default_rng(0)
    for vocabulary, width in [(5, 3), (40, 16), (1, 7), (300, 0)]:
        table = tg.Tensor(rng.normal(size=(vocabulary, width)), requires_grad=True)
        rows = rng.integers(-vocabulary, vocabulary, size=200)
        weights = rng.normal(size=(200, width))
        table[rows].backward(weights)
        expected = np.zeros((vocabulary, width))
        np.add.at(expected, rows, weights)
        np.testing.assert_allclose(table.grad, expected, rtol=1e-13, atol=1e-13)


def test_an_index_may_hold_tensors() -> None:
    x = tg.Tensor(np.arange(12.0).reshape(3, 4), requires_grad=True)
    i, rows = tg.Tensor(2), tg.Tensor([0, 2, 2])
    for index, plain in [
        (i, 2), (rows, [0, 2, 2]), ((rows, i), ([0, 2, 2], 2)), ([i, i], [2, 2]),
        ((slice(None), [i]), (slice(None), [2])), (x > 5, x.data > 5), ((rows > 0, i), ([False, True, True], 2)),
        (slice(None, i), slice(None, 2)),
    ]:  # fmt: skip
        x.grad = None
        np.sum(x[index] * 3).backward()
        expected = np.zeros((3, 4))
        np.add.at(expected, plain, 3)
        assert np.array_equal(x.grad, expected)


@pytest.mark.parametrize(
    ("index", "error", "message"),
    [
        (5, IndexError, "index 5 is out of bounds for axis 0 with size 3"),
        ((0, 0, 0), IndexError, "too many indices"),
        ([0, 3], IndexError, "index 3 is out of bounds"),
        (1.5, IndexError, "only integers"),
        (tg.Tensor([0.0, 1.0], requires_grad=True), IndexError, "must be of integer"),
        (np.zeros(4, bool), IndexError, "boolean index did not match"),
        (([0, 1], [0, 1, 2]), IndexError, "could not be broadcast"),
    ],
)
def test_index_errors_are_numpys(index: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        tg.Tensor(np.ones((3, 4)), requires_grad=True)[index]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: np.take(x, 12), IndexError, "out of bounds"),
        (lambda x: np.take_along_axis(x, x > 0, axis=0), IndexError, "indices must be integers, got bool"),
        (lambda x: np.take_along_axis(x, np.array([0]), axis=0), ValueError, "as many dimensions, got 1 and 2"),
        (lambda x: np.choose([0, 2], [x, x]), ValueError, "invalid entry in choice array"),
        (lambda x: np.select([x > 0], [x, x]), ValueError, "a choice for every condition, got 2 for 1"),
        (lambda x: np.select([x], [x]), TypeError, "conditions are boolean arrays, got float64"),
        (lambda x: np.compress([[True]], x), ValueError, "condition must be a 1-d array"),
        (lambda x: np.diff(x, n=-1), ValueError, "order must be non-negative, got -1"),
        (lambda x: np.gradient(x, 1, 2, 3), TypeError, "one spacing for each of 2 axes, got 3"),
        (lambda x: np.gradient(x, edge_order=3), ValueError, "edge_order is 1 or 2, got 3"),
        (lambda x: np.gradient(x[:1]), ValueError, r"at least 2 elements along an axis, got shape \(1, 4\)"),
        (lambda x: np.gradient(x, [1.0, 2.0], axis=1), ValueError, r"a number or 4 coordinates, got shape \(2,\)"),
        (lambda x: np.interp(0.0, [1.0], x), ValueError, r"vectors of one length, got shapes \(1,\) and \(3, 4\)"),
        (lambda x: np.split(x, 2), ValueError, "equal division"),
        (lambda x: np.concatenate([x, x], axis=2), np.exceptions.AxisError, "axis 2 is out of bounds"),
        (lambda x: np.concatenate([x, x[0]]), ValueError, "must match|same number of dimensions"),
        (lambda x: np.stack([x, x[:1]]), ValueError, "must have the same shape"),
        (lambda x: np.hsplit(x[0, 0], 2), ValueError, "hsplit: needs an array of 1 or more dimensions"),
        (lambda x: np.vsplit(x[0], 3), ValueError, "vsplit: needs an array of 2 or more dimensions, got 1"),
        (lambda x: np.dsplit(x, 3), ValueError, "dsplit: needs an array of 3 or more dimensions, got 2"),
        (lambda x: np.block([[x], x]), ValueError, "nested equally deep"),
        (lambda x: np.meshgrid(x[0], indexing="yx"), ValueError, "'xy' or 'ij', got 'yx'"),
        (lambda x: np.pad(x, 1, mode="mean"), TypeError, "mode='mean'.*has no rule.*constant, edge, reflect"),
        (lambda x: np.pad(x, 1, mode="reflect", reflect_type="odd"), TypeError, "reflect_type='even'"),
        (lambda x: np.ravel(x, order="K"), TypeError, "order='K'.*in memory.*use 'C' or 'F'"),
        (lambda x: np.reshape(x, 12, order="A"), TypeError, "order='A'.*in memory.*use 'C' or 'F'"),
        (lambda x: np.reshape(x, 5), ValueError, "cannot reshape array of size 12"),
    ],
)
def test_refusals_say_what_is_wrong(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call(tg.Tensor(np.ones((3, 4)), requires_grad=True))


def test_rounding_to_integers_gives_plain_arrays() -> None:
    x = tg.Tensor([0.5, 2.5], requires_grad=True)
    assert type(x.astype(int)) is np.ndarray
    assert type(np.astype(x, bool)) is np.ndarray


def test_what_numpy_returns_in_tuples_and_lists() -> None:
    x = tg.Tensor(np.ones((2, 4)), requires_grad=True)
    for call in (
        lambda x: np.split(x, 2, 1), lambda x: np.array_split(x, [3, 1], 1), lambda x: np.unstack(x),
        lambda x: np.broadcast_arrays(x, x[0]), lambda x: np.meshgrid(x[0], x[1]), lambda x: np.gradient(x),
        lambda x: np.atleast_2d(x, x),
    ):  # fmt: skip
        parts, plain = call(x), call(x.data)
        assert type(parts) is type(plain)
        assert [part.shape for part in parts] == [part.shape for part in plain]


def test_the_way_back_from_pieces_is_linear_in_their_number() -> None:
    """Taking apart is one operation, however many the pieces: no array of zeros for each."""
    x = tg.Tensor(np.random.default_rng(0).normal(size=(2000, 3)), requires_grad=True)
    total = np.sum(np.stack([row * 2 for row in np.unstack(x)]) ** 2)
    total.backward()
    np.testing.assert_allclose(x.grad, 8 * x.data, rtol=1e-14)
    reads_x = [node for node in recorded(total) if any(edge[0] is x._node for edge in node.edges)]
    assert len(reads_x) == 1


def test_empty_arrays() -> None:
    x = tg.Tensor(np.ones((0, 3)), requires_grad=True)
    for call in (
        np.ravel, np.flip, np.sort, np.diff, np.tril, np.transpose, lambda x: np.roll(x, 2), lambda x: np.tile(x, 2),
        lambda x: np.repeat(x, 2), lambda x: np.concatenate([x, x]), lambda x: np.stack([x]), lambda x: np.pad(x, 1),
        lambda x: np.take(x, [], axis=0), lambda x: np.split(x, 2)[0], lambda x: x[np.zeros(0, int)],
        lambda x: np.array_split(x, 3, axis=1)[2], lambda x: np.resize(x, (2, 2)) + np.sum(x), lambda x: x[:, 1],
    ):  # fmt: skip
        x.grad = None
        np.sum(call(x)).backward()
        assert x.grad.shape == (0, 3)


def test_where_of_a_condition_alone_is_refused() -> None:
    """It answered the places of the elements as rows of one Tensor, where NumPy answers a tuple of arrays."""
    with pytest.raises(TypeError, match="np.nonzero"):
        np.where(tg.Tensor([1.0, 0.0]))


@pytest.mark.parametrize(
    ("function", "shapes"),
    [(np.matmul, [(2, 3, 0), (0, 4)]), (np.matmul, [(2, 3, 4), (4, 0)]), (lambda x: np.prod(x, 1), [(0, 3)])],
)
def test_products_of_empty_arrays(function: Any, shapes: Any) -> None:
    """Their rules reshaped to -1 rows, and of an array without elements NumPy cannot tell how many those are."""
    tensors = [tg.Tensor(np.zeros(shape), requires_grad=True) for shape in shapes]
    np.sum(function(*tensors)).backward()
    assert [t.grad.shape for t in tensors] == shapes


def test_variance_without_degrees_of_freedom() -> None:
    """2 / (n - ddof) was a division of Python numbers, and a ZeroDivisionError."""
    x = tg.Tensor([1.0], requires_grad=True)
    with np.errstate(all="ignore"), pytest.warns(RuntimeWarning, match="Degrees of freedom"):
        np.var(x, ddof=1).backward()
    assert np.isnan(x.grad).all()


@pytest.mark.parametrize("function", [np.nextafter, np.histogram_bin_edges])
def test_values_are_not_cut_off_from_their_gradients(function: Any) -> None:
    """These, and np.unique, np.bincount and np.heaviside's second argument, answered plain arrays: zero gradients."""
    with pytest.raises(TypeError, match="has no rule"):
        function(tg.Tensor([1.0, 2.0], requires_grad=True), 3)


def test_sort_is_told_how_once() -> None:
    x = tg.Tensor([2.0, 1.0], requires_grad=True)
    with pytest.raises(ValueError, match="sort: kind and stable say the same, give one of them"):
        np.sort(x, kind="heapsort", stable=True)
