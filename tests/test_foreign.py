"""Arrays of other libraries inside Tensors: what goes in stays what it is, and the rules never notice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_ml as tg
from tinygrad_ml import functional as F
from tinygrad_ml import nn
from tinygrad_ml.kin import brought_to, foreign, kin, placed

from .case import Case
from .foreign import check_row, check_second_order
from .op_table import CASES
from .strict_array import StrictArray
from .test_indexing import INDICES

# Arrays as strict as a GPU's

#: Rows that call a function with a keyword that this array, as CuPy's, does not know.
REFUSED = {
    "sum where": "where", "sum initial": "initial", "mean where": "where", "var correction": "correction",
    "std correction": "correction", "pinv rtol": "rtol", "cholesky upper": "upper",
}  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=str)
def test_rows_of_the_op_table_on_strict_arrays(case: Case, make_rng: Any) -> None:
    def check() -> None:
        check_row(case, make_rng(case.name), StrictArray, StrictArray.get)
        if case.order >= 2:
            check_second_order(case, make_rng(case.name), StrictArray, StrictArray.get)

    if case.name not in REFUSED:
        check()
        return
    with pytest.raises(TypeError, match=f"unexpected keyword argument '{REFUSED[case.name]}'"):
        check()


def test_the_array_is_strict() -> None:
    x, plain = StrictArray(np.ones(3)), np.ones(3)
    for use in (
        lambda: x * plain, lambda: plain * x, lambda: np.add(x, 1, out=plain), lambda: np.where(plain > 0, x, 0),
        lambda: np.concatenate([x, plain]), lambda: x.sum(where=plain > 0), lambda: x.__setitem__(0, plain[:1]),
        lambda: np.asarray(x), lambda: np.maximum.reduce(x), lambda: np.add.at(x, ([0],), 1.0), lambda: np.unstack(x),
        lambda: np.add.at(x, [0], 1.0), lambda: x.__iadd__(plain), lambda: plain.__iadd__(x),
        lambda: np.eye(2, like=x),
    ):  # fmt: skip
        with pytest.raises(TypeError):
            use()
    assert type(x[np.array([0, 1])]) is type(x.sum()) is type(np.asarray(plain, like=x)) is StrictArray


def test_derivatives_of_digamma_elsewhere() -> None:
    from scipy import special

    x = np.array([-7.3, -0.5, 0.1, 1.0, 4.5, 40.0, 1e6])
    for order in (1, 2, 3):
        derivative = special.digamma
        for _ in range(order):
            derivative = tg.grad(lambda t, f=derivative: np.sum(f(t)))
        expected = derivative(x)
        np.testing.assert_allclose(derivative(StrictArray(x)).get(), expected, rtol=1e-13)


def test_refused_rows_are_in_the_table() -> None:
    assert set(REFUSED) <= {case.name for case in CASES}


LOSSES = ("cross_entropy", "binary_cross_entropy", "nll_loss", "hinge_loss", "cosine_embedding_loss", "batch_norm",
          "scaled_dot_product_attention")  # fmt: skip


@pytest.mark.parametrize("case", [case for case in CASES if case.name.startswith(LOSSES)], ids=str)
def test_labels_weights_and_masks_may_be_numpys(case: Case, make_rng: Any) -> None:
    check_row(case, make_rng(case.name), StrictArray, StrictArray.get, constants=False)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
@pytest.mark.parametrize("loss", [F.cross_entropy, F.nll_loss])
@pytest.mark.parametrize("kind", [np.asarray, StrictArray])
def test_labels_out_of_range(kind: Any, loss: Any, dtype: Any) -> None:
    logits = tg.Tensor(StrictArray(np.zeros((2, 3))), requires_grad=True)
    with pytest.raises(ValueError, match="label 3 is out of range for 3 classes"):
        loss(logits, kind(np.array([1, 3], dtype)))
    with pytest.raises(ValueError, match="label 3 is out of range for 3 classes"):
        loss(logits, kind(np.array([1, 3, 0], dtype))[:2], ignore_index=1)


def test_a_class_that_is_masked_out() -> None:
    z = np.array([[0.5, -np.inf, 1.0], [0.0, 2.0, -np.inf]])
    x, y = tg.Tensor(z, requires_grad=True), tg.Tensor(StrictArray(z), requires_grad=True)
    for t in (x, y):
        F.cross_entropy(t, np.array([0, 1])).backward()
    np.testing.assert_allclose(y.grad.get(), x.grad, rtol=1e-12)


def moved(module: Any) -> Any:
    """The module with all its arrays strict."""
    for parameter in module.parameters():
        parameter.data = StrictArray(parameter.data)
    return module


@pytest.mark.parametrize(
    "make, shape",
    [
        (lambda: nn.Sequential(nn.Linear(4, 3, rng=0), nn.ReLU(), nn.Dropout(0.5, rng=1)), (5, 4)),
        (lambda: nn.Sequential(nn.Conv2d(1, 2, 3, rng=0), nn.MaxPool2d(2), nn.Flatten()), (2, 1, 6, 6)),
        (lambda: nn.Sequential(nn.BatchNorm1d(4, track_running_stats=False), nn.LayerNorm(4)), (5, 4)),
        (lambda: nn.Sequential(nn.BatchNorm1d(4)).eval(), (5, 4)),
        (lambda: nn.LSTM(4, 3, rng=0), (2, 5, 4)),
        (lambda: nn.TransformerEncoderLayer(4, 2, 8, rng=0), (5, 2, 4)),
    ],
)  # fmt: skip
def test_modules(make: Any, shape: tuple[int, ...], rng: np.random.Generator) -> None:
    data, gradients = rng.normal(size=shape), []
    for module, x in ((make(), tg.Tensor(data)), (moved(make()), tg.Tensor(StrictArray(data)))):
        out = module(x)
        np.sum((out[0] if isinstance(out, tuple) else out) ** 3).backward()
        gradients.append([p.grad for p in module.parameters() if p.grad is not None])
    assert gradients[0]
    for expected, actual in zip(*gradients, strict=True):
        np.testing.assert_allclose(actual.get(), expected, rtol=1e-9, atol=1e-12)


def test_embedding() -> None:
    numbers = np.array([[1, 0], [1, 2]])
    plain, strict = nn.Embedding(3, 2, padding_idx=0, rng=0), moved(nn.Embedding(3, 2, padding_idx=0, rng=0))
    for layer, kinds in ((plain, [numbers]), (strict, [numbers, StrictArray(numbers), tg.Tensor(numbers)])):
        for indices in kinds:
            layer.weight.zero_grad()
            np.sum(np.sin(layer(indices))).backward()
    np.testing.assert_allclose(strict.weight.grad.get(), plain.weight.grad)


def test_masks_of_attention(rng: np.random.Generator) -> None:
    q, mask = rng.normal(size=(3, 2, 4)), np.tri(3, dtype=bool)
    results = []
    for kind in (np.asarray, StrictArray):
        layer = nn.MultiheadAttention(4, 2, add_bias_kv=True, add_zero_attn=True, rng=0)
        layer = layer if kind is np.asarray else moved(layer)
        x = tg.Tensor(kind(q), requires_grad=True)
        for options in ({"is_causal": True}, {"attn_mask": ~mask}, {"key_padding_mask": np.zeros((2, 3), bool)}):
            np.sum(layer(x, x, x, **options)[0] ** 2).backward()
        np.sum(
            F.scaled_dot_product_attention(x, x, x, dropout_p=0.5, is_causal=True, rng=0, enable_gqa=False)
        ).backward()
        results.append(x.grad)
    np.testing.assert_allclose(results[1].get(), results[0], rtol=1e-9, atol=1e-12)


def test_lists_take_the_kind_of_what_they_meet() -> None:
    x = tg.Tensor(StrictArray([1.0, 2.0]), requires_grad=True)
    total = np.sum([3.0, 4.0] * x) + np.sum(np.stack([x, [1.0, 1.0]])) + np.sum(np.where([True, False], x, [5.0, 6.0]))
    total.backward()
    np.testing.assert_array_equal(x.grad.get(), [5.0, 5.0])


def test_second_order_of_constants() -> None:
    a = np.array([[2.0, 0.5], [0.5, 1.0]])
    results = []
    for kind in (np.asarray, StrictArray):
        x = tg.Tensor(kind(a), requires_grad=True)
        np.sum(np.linalg.cholesky(x) ** 3).backward(create_graph=True)
        first = x.grad
        x.zero_grad()
        np.sum(first**2).backward()
        results.append(x.grad)
    np.testing.assert_allclose(results[1].get(), results[0], rtol=1e-12)


@pytest.mark.parametrize("index", INDICES.values(), ids=INDICES.keys())
def test_indices(index: Any, rng: np.random.Generator) -> None:
    a = rng.normal(size=(2, 3, 4))
    x, y = tg.Tensor(a, requires_grad=True), tg.Tensor(StrictArray(a), requires_grad=True)
    for t in (x, y):
        np.sum(np.sin(t[index])).backward()
    np.testing.assert_allclose(y.grad.get(), x.grad, rtol=1e-13)


def _stretched(x: Any) -> Any:
    return np.tanh(x) * x[::-1] + np.sum(x)


@pytest.mark.parametrize(
    "derivative",
    [
        lambda x: tg.grad(lambda x: np.sum(_stretched(x)))(x),
        lambda x: tg.vjp(_stretched, x)[1](x),
        lambda x: tg.jvp(_stretched, (x,), (x,))[1],
        lambda x: tg.hvp(lambda x: np.sum(_stretched(x)), (x,), (x,)),
        lambda x: tg.hessian(lambda x: np.sum(_stretched(x)))(x),
        lambda x: tg.jacobian(_stretched)(x),
        lambda x: tg.jacobian(lambda x: x[[0, 0, 2]] * x[1])(x),
        lambda x: tg.jacobian(lambda x: np.cumprod(np.concatenate([x, x])))(x),
        lambda x: tg.jacobian(lambda x: np.linalg.inv(np.diag(x)))(x),
        lambda x: tg.jacobian(lambda x: np.ones_like(x))(x),
    ],
)
def test_transforms(derivative: Any) -> None:
    x = np.array([0.3, 1.2, -0.7])
    expected, actual = (derivative(kind(x)) for kind in (np.asarray, StrictArray))
    expected, actual = (out[0] if isinstance(out, tuple) else out for out in (expected, actual))
    assert type(actual) is StrictArray
    np.testing.assert_allclose(actual.get(), expected, rtol=1e-12, atol=1e-14)


def test_numpys_arrays_are_not_carried_over_elsewhere() -> None:
    x = tg.Tensor(StrictArray([1.0, 2.0]), requires_grad=True)
    with pytest.raises(TypeError, match="unsupported type"):
        x * np.ones(2)


def test_kinds() -> None:
    strict, plain = tg.Tensor(StrictArray([1.0])), tg.Tensor([1.0])
    assert foreign(plain) is foreign(np.ones(2)) is foreign(np.float64(1)) is foreign(1.0) is None
    assert foreign(strict) is strict.data
    assert type(kin(strict, np.eye, 2)) is StrictArray and type(kin(plain, np.eye, 2)) is np.ndarray
    assert type(placed(strict, [1.0])) is StrictArray and type(placed(strict, np.ones(1))) is np.ndarray
    assert type(brought_to(strict, np.ones(1))) is StrictArray and type(brought_to(plain, [1.0])) is np.ndarray
    assert brought_to(strict, plain) is plain


# Lazy arrays

da = pytest.importorskip("dask.array")

FUNCTIONS: dict[str, Callable[[Any, Any], Any]] = {
    "sum of a product": lambda x, w: np.sum(x * w),
    "exp and log": lambda x, w: np.sum(np.exp(x * 0.1) + np.log(1 + w * w)),
    "tanh": lambda x, w: np.mean(np.tanh(x * w) ** 2),
    "matmul": lambda x, w: np.sum((x @ np.transpose(w)) ** 2),
    "where": lambda x, w: np.sum(np.where(x > 0, x * w, w)),
    "maximum": lambda x, w: np.sum(np.maximum(x, w)),
    "axis": lambda x, w: np.sum(np.sum(x * w, axis=1) ** 2),
    "mean, keepdims": lambda x, w: np.sum((x - np.mean(x, axis=0, keepdims=True)) ** 2 * w),
    "division and powers": lambda x, w: np.sum(x**3 / (1 + w**2) + np.abs(x) ** 0.5),
    "broadcast": lambda x, w: np.sum(np.tanh(x + w[0]) * np.sum(w)),
    "reshape": lambda x, w: np.sum(np.reshape(x, (-1,)) * np.reshape(w, (-1,))),
    "slices": lambda x, w: np.sum(x[1:] * w[:-1]),
    "clip": lambda x, w: np.sum(np.clip(x, -0.5, 0.5) * w),
    # The fused loss was computed at once, in NumPy.
    "cross-entropy": lambda x, w: F.cross_entropy(x * w, np.arange(6) % 4),
    "numbers": lambda x, w: np.sum(2 - x + 3 * w / 4),
    # Dask's transpose asks whether its axes are true, which an array of them is not.
    "axes": lambda x, w: np.sum(np.transpose(x, (1, 0)) * w.T),
    "tensordot": lambda x, w: np.sum(np.tensordot(x, w, axes=(0, 0)) ** 2),
    "prod": lambda x, w: np.sum(np.prod(x, axis=1) * w[:, 0]),
    "negative log-likelihood": lambda x, w: F.nll_loss(F.log_softmax(x) * w, np.arange(6) % 4),
    "weighted cross-entropy": lambda x, w: F.cross_entropy(
        x * w, np.arange(6) % 4, weight=[1.0, 2.0, 0.5, 1.0], ignore_index=3, label_smoothing=0.1
    ),
    "binary cross-entropy": lambda x, w: F.binary_cross_entropy_with_logits(x * w, np.eye(6, 4)),
    # Convolutions were computed at once, in NumPy.
    "conv2d": lambda x, w: np.sum(F.conv2d(x.reshape(1, 2, 3, 4), w[:4].reshape(2, 2, 2, 2), padding=1) ** 2),
    "conv1d": lambda x, w: np.sum(F.conv1d(x.reshape(3, 2, 4), w.reshape(3, 2, 4), x[0, :3], padding=1) ** 2),
    "max_pool2d": lambda x, w: np.sum(F.max_pool2d((x * w).reshape(1, 1, 6, 4), 2) ** 2),
    "avg_pool2d": lambda x, w: np.sum(F.avg_pool2d((x * w).reshape(1, 1, 6, 4), 2, padding=1) ** 2),
    "layer_norm": lambda x, w: np.sum(F.layer_norm(x, 4, w[0], w[1]) ** 3),
    "batch_norm": lambda x, w: np.sum(F.batch_norm(x, None, None, w[0], w[1], training=True) ** 3),
    "linear": lambda x, w: np.sum(F.linear(x, w, w[:, 0]) ** 2),
    "repeat": lambda x, w: np.sum(np.repeat(x, 3, axis=1)[:, :4] * w),
    "gradient": lambda x, w: np.sum(np.gradient(x, axis=0) * w),
}


def lazy(a: Any) -> Any:
    return da.from_array(a, chunks=(3, 2))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_are_lazy_and_numpys(name: str, rng: np.random.Generator) -> None:
    function = FUNCTIONS[name]
    arrays = [rng.normal(size=(6, 4)) for _ in range(2)]
    xs = [tg.Tensor(a, requires_grad=True) for a in arrays]
    function(*xs).backward()
    ys = [tg.Tensor(lazy(a), requires_grad=True) for a in arrays]
    loss = function(*ys)
    assert isinstance(loss.data, da.Array)
    np.testing.assert_allclose(loss.data.compute(), function(*arrays), rtol=1e-13)
    loss.backward()
    for x, y in zip(xs, ys, strict=True):
        assert isinstance(y.grad, da.Array), "computed too early"
        assert y.grad.shape == x.shape and y.grad.dtype == x.dtype
        np.testing.assert_allclose(y.grad.compute(), x.grad, rtol=1e-12, atol=1e-14)


def test_nothing_is_computed_before_it_is_asked_for() -> None:
    def never(*_: Any) -> Any:
        raise AssertionError("computed")

    blocks = da.ones((6, 4), chunks=(3, 2)).map_blocks(never, dtype=float, meta=np.empty((0, 0)))
    x = tg.Tensor(blocks, requires_grad=True)
    np.sum(np.exp(x * 2.0) * np.ones((6, 4))).backward()
    assert isinstance(x.grad, da.Array)
    repr(x)


def test_arrays_of_both_kinds(rng: np.random.Generator) -> None:
    a, b = rng.normal(size=(6, 4)), rng.normal(size=4)
    x, w = tg.Tensor(lazy(a)), tg.Tensor(b, requires_grad=True)
    np.sum(np.tanh(x @ w)).backward()
    expected = tg.Tensor(b, requires_grad=True)
    np.sum(np.tanh(a @ expected)).backward()
    np.testing.assert_allclose(np.asarray(w.grad), expected.grad, rtol=1e-12)


def test_second_order(rng: np.random.Generator) -> None:
    a, v = rng.normal(size=(6, 4)), rng.normal(size=(6, 4))
    results = []
    for data in (a, lazy(a)):
        x = tg.Tensor(data, requires_grad=True)
        np.sum(np.tanh(x) * x).backward(create_graph=True)
        first = x.grad
        x.zero_grad()
        np.sum(first * v).backward()
        results.append(x.grad)
    assert isinstance(results[1], da.Array)
    np.testing.assert_allclose(results[1].compute(), results[0], rtol=1e-12)


def test_float32_stays_float32() -> None:
    x = tg.Tensor(lazy(np.ones((6, 4), np.float32)), requires_grad=True)
    np.mean(np.exp(x) / 3 + x**2).backward()
    assert x.grad.dtype == np.float32
    assert x.grad.compute().dtype == np.float32


def test_positions_of_an_array_that_cannot_be_added_to() -> None:
    x = tg.Tensor(lazy(np.ones((6, 4))), requires_grad=True)
    with pytest.raises(
        TypeError,
        match="getitem: elements that were read by their positions .* dask.array.core's Array, .* read slices",
    ):
        np.sum(x[[0, 0, 2]]).backward()
