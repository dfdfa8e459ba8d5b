"""Activations and losses at extreme values, beside plain compositions and beside PyTorch, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import special

import tinygrad_ml as tg
from tinygrad_ml import functional

LABELS = np.array([0, 2, 1, 3, 2])
WEIGHT = np.array([1.0, 0.5, 2.0, 0.25])
LOSSES_OF_TWO = [functional.binary_cross_entropy_with_logits, functional.mse_loss, functional.huber_loss]


def assert_close(actual: Any, expected: Any) -> None:
    """To 13 digits of the largest element."""
    np.testing.assert_allclose(actual, expected, rtol=1e-13, atol=1e-13 * float(np.max(np.abs(expected), initial=1.0)))


# Activations far out and at 0: any overflow would be a warning, and warnings are errors.

FAR = np.array([-1000.0, 0.0, 1000.0])
ACTIVATIONS: dict[str, tuple[Callable[[Any], Any], list[float], list[float]]] = {
    "relu": (tg.relu, [0, 0, 1000], [0, 0, 1]),
    "leaky_relu": (tg.leaky_relu, [-10, 0, 1000], [0.01, 0.01, 1]),
    "elu": (tg.elu, [-1, 0, 1000], [0, 1, 1]),
    "elu alpha": (lambda x: tg.elu(x, 0.5), [-0.5, 0, 1000], [0, 0.5, 1]),
    "gelu": (tg.gelu, [0, 0, 1000], [0, 0.5, 1]),
    "gelu tanh": (lambda x: tg.gelu(x, approximate="tanh"), [0, 0, 1000], [0, 0.5, 1]),
    "sigmoid": (tg.sigmoid, [0, 0.5, 1], [0, 0.25, 0]),
    "silu": (tg.silu, [0, 0, 1000], [0, 0.5, 1]),
    "softplus": (tg.softplus, [0, np.log(2), 1000], [0, 0.5, 1]),
    "softplus beta": (lambda x: tg.softplus(x, beta=2.0), [0, np.log(2) / 2, 1000], [0, 0.5, 1]),
    "tanh": (tg.tanh, [-1, 0, 1], [0, 1, 0]),
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_at_zero_and_far_out(name: str, dtype: Any) -> None:
    function, values, slopes = ACTIVATIONS[name]
    x = FAR.astype(dtype)
    gradient = tg.grad(lambda x: np.sum(function(x)))
    for actual, expected in ((function(x), values), (gradient(x), slopes)):
        assert actual.dtype == dtype
        np.testing.assert_allclose(actual, expected, rtol=1e-6 if dtype == np.float32 else 1e-15)
    curvature = tg.grad(lambda x: np.sum(gradient(x)))(x)
    assert np.all(np.isfinite(curvature)) and not curvature[[0, 2]].any()


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_of_numbers_lists_and_integers(name: str) -> None:
    function, values, _ = ACTIVATIONS[name]
    for x in (FAR.tolist(), FAR.astype(int)):
        np.testing.assert_allclose(function(x), values, rtol=1e-15)
    assert np.ndim(function(1)) == 0


# Softmax and its kin.


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("rows", [1, 127, 128, 1024, 8193, 20_000])
def test_linear_of_few_and_many_rows(rows: int, dtype: Any, rng: np.random.Generator) -> None:
    """Many rows are multiplied by a copy of the weight, and their gradients summed by other ones than few rows'."""
    x, weight, bias = (rng.normal(size=shape).astype(dtype) for shape in ((rows, 7), (5, 7), (5,)))
    tensors = [tg.Tensor(array, requires_grad=True) for array in (x, weight, bias)]
    out = functional.linear(*tensors)
    g = rng.normal(size=(rows, 5)).astype(dtype)
    out.backward(g)
    expected = (np.einsum("no,oi->ni", g, weight), np.einsum("no,ni->oi", g, x), np.einsum("no->o", g))
    tolerance = 1e-12 if dtype is np.float64 else 1e-3
    np.testing.assert_allclose(out.numpy(), np.einsum("ni,oi->no", x, weight) + bias, rtol=tolerance, atol=tolerance)
    for tensor, gradient in zip(tensors, expected, strict=True):
        assert tensor.grad.dtype == dtype
        np.testing.assert_allclose(tensor.grad, gradient, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(1, 1, 1), (9, 1, 4), (9, 5, 1), (9, 5, 4)], ids=str)
def test_gradients_do_not_depend_on_how_one_lies_in_memory(shape: Any, order: Any, rng: np.random.Generator) -> None:
    n, m, k = shape
    x, weight, bias, g = (rng.normal(size=size) for size in ((n, m), (m, k), (k,), (n, k)))
    tensors = [tg.Tensor(np.asarray(array, order=order), requires_grad=True) for array in (x, weight, bias)]
    for order_of_g in ("C", "F"):
        for tensor in tensors:
            tensor.zero_grad()
        (tensors[0] @ tensors[1] + tensors[2]).backward(np.asarray(g, order=order_of_g))
        for tensor, expected in zip(tensors, (g @ weight.T, x.T @ g, g.sum(axis=0)), strict=True):
            assert_close(tensor.grad, expected)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.complex128])
@pytest.mark.parametrize("size", [1, 4095, 4096, 5000])
def test_tanh_of_small_and_large_arrays(size: int, dtype: Any, rng: np.random.Generator) -> None:
    x = tg.Tensor(rng.normal(size=size).astype(dtype), requires_grad=True)
    g = rng.normal(size=size).astype(dtype)
    y = np.tanh(x)
    before = y.numpy().copy()
    y.backward(g)
    tolerance = 1e-5 if dtype is np.float32 else 1e-13
    slope = 1 / np.cosh(x.data) ** 2
    assert x.grad.dtype == dtype
    np.testing.assert_allclose(x.grad, g * np.conjugate(slope), tolerance, tolerance)
    np.testing.assert_array_equal(y.numpy(), before)


@pytest.mark.parametrize("logits", [[1e4, -1e4, 0.0], [-1e4, -1e4, -1e4 - 1], [1e4, 1e4, 1e4]])
def test_softmax_of_large_logits(logits: list[float]) -> None:
    z = np.array(logits)
    e = np.exp(z - z.max())
    p = e / e.sum()
    np.testing.assert_allclose(tg.softmax(z), p, rtol=1e-15)
    np.testing.assert_allclose(tg.log_softmax(z), z - z.max() - np.log(e.sum()), rtol=1e-15)
    np.testing.assert_allclose(tg.logsumexp(z), z.max() + np.log(e.sum()), rtol=1e-15)
    # Its derivative is exp(z - logsumexp(z)), and the difference of numbers of size 1e4 is known to 2e-12.
    np.testing.assert_allclose(tg.grad(tg.logsumexp)(z), p, rtol=2e-12)
    np.testing.assert_allclose(tg.hessian(tg.logsumexp)(z), np.diag(p) - np.outer(p, p), atol=2e-12)


def test_masked_classes_have_probability_zero_and_no_gradient() -> None:
    z = np.array([0.5, -np.inf, 1.0])
    open_ = np.array([0.5, 1.0])
    assert_close(tg.softmax(z)[[0, 2]], tg.softmax(open_))
    assert tg.softmax(z)[1] == 0 and tg.log_softmax(z)[1] == -np.inf
    for function in (
        lambda z: tg.softmax(z)[0],
        lambda z: tg.log_softmax(z)[0],
        lambda z: tg.logsumexp(z),
        lambda z: functional.cross_entropy(z, 0),
        lambda z: functional.cross_entropy(z, 0, weight=np.ones(3)),
        lambda z: functional.cross_entropy(z[None], np.array([0]), ignore_index=1),
        lambda z: functional.cross_entropy(z, np.array([0.25, 0.0, 0.75])),
    ):
        gradient = tg.grad(function)(z)
        assert gradient[1] == 0 and np.all(np.isfinite(gradient))


def test_logsumexp_of_nothing_but_minus_infinity() -> None:
    z = np.full(3, -np.inf)
    assert tg.logsumexp(z) == -np.inf


@pytest.mark.parametrize(
    "function",
    [
        lambda z: np.sum(tg.softmax(z) * WEIGHT),
        lambda z: np.sum(tg.log_softmax(z) * WEIGHT),
        lambda z: functional.cross_entropy(z, LABELS),
        lambda z: functional.cross_entropy(z, LABELS, weight=WEIGHT, ignore_index=1),
        lambda z: functional.cross_entropy(z, LABELS, label_smoothing=0.1),
    ],
    ids=["softmax", "log_softmax", "cross_entropy", "cross_entropy weight", "cross_entropy label_smoothing"],
)
def test_a_million_added_to_all_logits_changes_nothing(function: Any) -> None:
    z = np.random.default_rng(0).integers(-8, 8, size=(5, 4)) / 4  # exact, also after the addition
    far = z + 1e6
    assert_close(function(far), function(z))
    assert_close(tg.grad(function)(far), tg.grad(function)(z))
    assert_close(tg.hessian(function)(far), tg.hessian(function)(z))


@pytest.mark.parametrize("label", [0, 1])
def test_losses_of_large_logits(label: int) -> None:
    z = np.array([[1e4, -1e4]])
    loss, gradient = tg.value_and_grad(functional.cross_entropy)(z, np.array([label]))
    assert loss == 2e4 * label
    np.testing.assert_array_equal(gradient, [[label, -label]])
    for logit in (1e4, -1e4):
        loss, slope = tg.value_and_grad(functional.binary_cross_entropy_with_logits)(logit, float(label))
        assert loss == (0 if (logit > 0) == label else 1e4)
        assert slope == (logit > 0) - label


def test_the_slope_of_a_loss_that_is_almost_zero_has_all_its_digits() -> None:
    z = np.array([-700.0, -100.0, -36.7, -5.0, 0.0, 5.0])
    slope = tg.grad(lambda z: functional.binary_cross_entropy_with_logits(z, np.zeros(6), reduction="sum"))(z)
    np.testing.assert_allclose(slope, special.expit(z), rtol=1e-14)


# The fused functions beside compositions that anyone would write.


def plain_softmax(z: Any) -> Any:
    e = np.exp(z)
    return e / np.sum(e, axis=-1, keepdims=True)


def plain_cross_entropy(z: Any, labels: Any) -> Any:
    return -np.mean(np.log(plain_softmax(z))[np.arange(len(labels)), labels])


def plain_binary_cross_entropy(z: Any, y: Any) -> Any:
    p = 1 / (1 + np.exp(-z))
    return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))


FUSED: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "softmax": (lambda z: np.sum(tg.softmax(z) ** 2), lambda z: np.sum(plain_softmax(z) ** 2)),
    "log_softmax": (lambda z: np.sum(tg.log_softmax(z) ** 2), lambda z: np.sum(np.log(plain_softmax(z)) ** 2)),
    "logsumexp": (tg.logsumexp, lambda z: np.log(np.sum(np.exp(z)))),
    "sigmoid": (lambda z: np.sum(tg.sigmoid(z) ** 2), lambda z: np.sum((1 / (1 + np.exp(-z))) ** 2)),
    "softplus": (lambda z: np.sum(tg.softplus(z) ** 2), lambda z: np.sum(np.log(1 + np.exp(z)) ** 2)),
    "relu": (lambda z: np.sum(tg.relu(z) ** 3), lambda z: np.sum(np.where(z > 0, z, 0.0) ** 3)),
    "cross_entropy": (lambda z: functional.cross_entropy(z, LABELS), lambda z: plain_cross_entropy(z, LABELS)),
    "cross_entropy none": (
        lambda z: np.sum(functional.cross_entropy(z, LABELS, reduction="none") ** 2),
        lambda z: np.sum(np.log(plain_softmax(z))[np.arange(5), LABELS] ** 2),
    ),
    "binary_cross_entropy_with_logits": (
        lambda z: functional.binary_cross_entropy_with_logits(z, np.eye(5, 4)),
        lambda z: plain_binary_cross_entropy(z, np.eye(5, 4)),
    ),
    "huber_loss": (
        lambda z: functional.huber_loss(z, np.zeros((5, 4)), delta=0.7),
        lambda z: np.mean(np.where(np.abs(z) <= 0.7, 0.5 * z * z, 0.7 * (np.abs(z) - 0.35))),
    ),
}


@pytest.mark.parametrize("name", FUSED)
def test_fused_functions_are_their_compositions(name: str, rng: np.random.Generator) -> None:
    fused, plain = FUSED[name]
    z = rng.normal(size=(5, 4))
    assert_close(fused(z), plain(z))
    assert_close(tg.grad(fused)(z), tg.grad(plain)(z))
    np.testing.assert_allclose(tg.hessian(fused)(z), tg.hessian(plain)(z), rtol=1e-11, atol=1e-13)


# Every argument beside PyTorch.

SOFT = np.random.default_rng(0).dirichlet(np.ones(4), size=5)
MAPS = np.array([[[0, 1, 2], [3, 3, 0]], [[2, 1, 1], [0, 2, 3]]])
REDUCTIONS = ("mean", "sum", "none")


def each_reduction(*rows: tuple[Any, ...]) -> list[Any]:
    """``(loss, shape, target, keywords)`` with every reduction added to the keywords."""
    return [
        pytest.param(loss, shape, target, {**keywords, "reduction": reduction}, id=f"{loss} {label} {reduction}")
        for label, loss, shape, target, keywords in rows
        for reduction in REDUCTIONS
    ]


@pytest.mark.parametrize(
    ("loss", "shape", "target", "keywords"),
    each_reduction(
        ("labels", "cross_entropy", (5, 4), LABELS, {}),
        ("weight", "cross_entropy", (5, 4), LABELS, {"weight": WEIGHT}),
        ("ignore_index", "cross_entropy", (5, 4), LABELS, {"ignore_index": 2}),
        ("ignore_index of no class", "cross_entropy", (5, 4), np.where(LABELS == 2, -100, LABELS),
         {"ignore_index": -100, "weight": WEIGHT}),
        ("label_smoothing", "cross_entropy", (5, 4), LABELS, {"label_smoothing": 0.1}),
        ("label_smoothing 1", "cross_entropy", (5, 4), LABELS, {"label_smoothing": 1.0}),
        ("all", "cross_entropy", (5, 4), LABELS, {"weight": WEIGHT, "ignore_index": 1, "label_smoothing": 0.2}),
        ("soft", "cross_entropy", (5, 4), SOFT, {}),
        ("soft weight", "cross_entropy", (5, 4), SOFT, {"weight": WEIGHT}),
        ("soft all", "cross_entropy", (5, 4), SOFT, {"weight": WEIGHT, "label_smoothing": 0.2}),
        ("one row", "cross_entropy", (4,), np.array(2), {}),
        ("one row weight", "cross_entropy", (4,), np.array(2), {"weight": WEIGHT}),
        ("one row soft", "cross_entropy", (4,), SOFT[0], {}),
        ("maps", "cross_entropy", (2, 4, 2, 3), MAPS, {}),
        ("maps all", "cross_entropy", (2, 4, 2, 3), MAPS,
         {"weight": WEIGHT, "ignore_index": 1, "label_smoothing": 0.2}),
        ("maps soft", "cross_entropy", (5, 4, 2), np.stack([SOFT, SOFT[::-1]], axis=-1), {"weight": WEIGHT}),
        ("", "binary_cross_entropy_with_logits", (5, 4), SOFT, {}),
        ("a number", "binary_cross_entropy_with_logits", (), np.array(1.0), {}),
        ("pos_weight", "binary_cross_entropy_with_logits", (5, 4), SOFT, {"pos_weight": WEIGHT}),
        ("", "mse_loss", (5, 4), SOFT, {}),
        ("", "huber_loss", (5, 4), SOFT, {}),
        ("delta", "huber_loss", (5, 4), SOFT, {"delta": 0.3}),
    ),
)  # fmt: skip
def test_values_and_gradients_are_pytorchs(
    loss: str, shape: Any, target: Any, keywords: dict[str, Any], rng: np.random.Generator
) -> None:
    torch: Any = pytest.importorskip("torch")
    z = rng.normal(size=shape)
    x, t = tg.Tensor(z, requires_grad=True), torch.tensor(z, requires_grad=True)
    theirs = {k: torch.tensor(v) if isinstance(v, np.ndarray) else v for k, v in keywords.items()}
    y = getattr(functional, loss)(x, target, **keywords)
    expected = getattr(torch.nn.functional, loss)(t, torch.tensor(target), **theirs)
    assert y.shape == tuple(expected.shape)
    assert_close(y.data, expected.detach().numpy())
    v = rng.normal(size=y.shape)
    y.backward(v)
    expected.backward(torch.tensor(v))
    assert_close(x.grad, t.grad.numpy())


ACTIVATION_TWINS = [
    ("relu", {}), ("leaky_relu", {}), ("leaky_relu", {"negative_slope": 0.3}), ("elu", {}), ("elu", {"alpha": 0.5}),
    ("gelu", {}), ("gelu", {"approximate": "tanh"}), ("sigmoid", {}), ("silu", {}), ("softplus", {}),
    ("softplus", {"beta": 3.0}), ("tanh", {}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "keywords"), ACTIVATION_TWINS, ids=str)
def test_activations_are_pytorchs(name: str, keywords: dict[str, Any], rng: np.random.Generator) -> None:
    torch: Any = pytest.importorskip("torch")
    z = np.append(3 * rng.normal(size=20), 0.0)
    x, t = tg.Tensor(z, requires_grad=True), torch.tensor(z, requires_grad=True)
    y, expected = getattr(functional, name)(x, **keywords), getattr(torch.nn.functional, name)(t, **keywords)
    np.testing.assert_allclose(y.data, expected.detach().numpy(), rtol=1e-8, atol=1e-12)  # softplus cuts at 20 there
    np.sum(y).backward()
    expected.sum().backward()
    np.testing.assert_allclose(x.grad, t.grad.numpy(), rtol=1e-8, atol=1e-12)


# Data types and kinds of arguments.


@pytest.mark.parametrize("keywords", [{}, {"weight": WEIGHT}, {"ignore_index": 1}, {"label_smoothing": 0.1}], ids=str)
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_cross_entropy_of_float32_stays_float32(reduction: str, keywords: dict[str, Any]) -> None:
    z = tg.Tensor(np.ones((5, 4), np.float32), requires_grad=True)
    loss = functional.cross_entropy(z, LABELS, reduction=reduction, **keywords)
    np.sum(loss).backward()
    assert loss.dtype == z.grad.dtype == np.float32


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("loss", LOSSES_OF_TWO, ids=lambda loss: loss.__name__)
def test_losses_of_float32_stay_float32(loss: Any, reduction: str) -> None:
    x, y = (tg.Tensor(np.ones(3, np.float32), requires_grad=True) for _ in range(2))
    answer = loss(x, y, reduction=reduction)
    np.sum(answer).backward()
    assert answer.dtype == x.grad.dtype == y.grad.dtype == np.float32


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.uint64])
def test_labels_of_any_integer_type(dtype: Any, rng: np.random.Generator) -> None:
    # 60 classes times 300 rows do not fit in 8 bits.
    z, labels = rng.normal(size=(300, 60)), rng.integers(0, 60, size=300)
    expected = tg.value_and_grad(functional.cross_entropy)(z, labels)
    for actual, wanted in zip(
        tg.value_and_grad(functional.cross_entropy)(z, labels.astype(dtype)), expected, strict=True
    ):
        assert_close(actual, wanted)


def test_labels_may_be_lists_or_tensors() -> None:
    z = np.arange(20.0).reshape(5, 4) ** 0.5
    expected = functional.cross_entropy(z, LABELS)
    assert functional.cross_entropy(z, LABELS.tolist()) == expected
    assert functional.cross_entropy(tg.Tensor(z, requires_grad=True), tg.Tensor(LABELS)).item() == expected


def test_a_batch_of_nothing_costs_nothing_in_sum() -> None:
    z = tg.Tensor(np.ones((0, 4)), requires_grad=True)
    loss = functional.cross_entropy(z, np.ones(0, int), reduction="sum")
    loss.backward()
    assert loss.item() == 0 and z.grad.shape == (0, 4)


# What is refused.


@pytest.mark.parametrize("loss", [functional.cross_entropy, *LOSSES_OF_TWO], ids=lambda loss: loss.__name__)
def test_an_unknown_reduction_is_refused(loss: Any) -> None:
    message = f"{loss.__name__}: reduction must be 'mean', 'sum' or 'none', got 'average'"
    with pytest.raises(ValueError, match=message):
        loss(np.ones(3), np.ones(3), reduction="average")


@pytest.mark.parametrize("shapes", [((3,), (3, 1)), ((3, 1), (3,)), ((2, 3), (3,)), ((3,), ()), ((2, 3), (3, 2))])
@pytest.mark.parametrize("loss", LOSSES_OF_TWO, ids=lambda loss: loss.__name__)
def test_shapes_that_differ_are_refused(loss: Any, shapes: Any) -> None:
    with pytest.raises(ValueError) as caught:
        loss(*(tg.Tensor(np.ones(shape), requires_grad=True) for shape in shapes))
    for word in (loss.__name__, f"shape {shapes[0]}", str(shapes[1]), "broadcasting", "reshape"):
        assert word in str(caught.value)


Z = np.ones((3, 4))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: functional.cross_entropy(1.0, 0), "logits must have an axis of classes, got a single number"),
        (
            lambda: functional.cross_entropy(Z, [[0], [1], [2]]),
            r"logits of shape \(3, 4\) need integer labels of shape \(3,\) or float probabilities of shape \(3, 4\), "
            r"got int64 of shape \(3, 1\)",
        ),
        (lambda: functional.cross_entropy(Z, np.ones(3)), r"float probabilities .* got float64 of shape \(3,\)"),
        (lambda: functional.cross_entropy(Z, [0, 1]), r"of shape \(3,\) .* got int64 of shape \(2,\)"),
        (lambda: functional.cross_entropy(Z[0], [0]), r"labels of shape \(\) .* got int64 of shape \(1,\)"),
        (lambda: functional.cross_entropy(Z, [0, 1, 4]), r"label 4 is out of range for 4 classes \(0 to 3\).*ignore_"),
        (lambda: functional.cross_entropy(Z, [0, -1, 2]), "label -1 is out of range for 4 classes"),
        (lambda: functional.cross_entropy(Z, [0, -100, -1], ignore_index=-100), "label -1 is out of range"),
        (lambda: functional.cross_entropy(Z, [True] * 3), "integers or class probabilities, got bool"),
        (lambda: functional.cross_entropy(Z, [0, 1, 2], label_smoothing=1.5), "label_smoothing .* 0 and 1, got 1.5"),
        (lambda: functional.cross_entropy(Z, [0, 1, 2], label_smoothing=-0.1), "between 0 and 1, got -0.1"),
        (lambda: functional.cross_entropy(Z, [0, 1, 2], weight=[1.0]), r"weight must have shape \(4,\).*got \(1,\)"),
        (lambda: functional.huber_loss(Z, Z, delta=0.0), "huber_loss: delta must be positive, got 0.0"),
        (lambda: tg.gelu(Z, approximate="erf"), "gelu: approximate must be 'none' or 'tanh', got 'erf'"),
    ],
)
def test_wrong_arguments_are_refused(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
