"""Layers for images, norms, dropout, embeddings: checked gradients, precision, randomness, state, errors."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_ml as tg
from tinygrad_ml import functional, nn
from tinygrad_ml.gradcheck import check_gradient, check_module

#: A layer, and the shape of an input.
WITH_PARAMETERS: dict[str, tuple[Callable[[Any], nn.Module], tuple[int, ...]]] = {
    "Conv1d": (lambda rng: nn.Conv1d(2, 3, 2, stride=2, padding=1, rng=rng), (2, 2, 5)),
    "Conv2d": (lambda rng: nn.Conv2d(2, 4, (2, 3), padding="same", groups=2, rng=rng), (2, 2, 4, 4)),
    "BatchNorm1d": (lambda rng: nn.BatchNorm1d(3), (5, 3)),
    "BatchNorm1d in evaluation": (lambda rng: nn.BatchNorm1d(3).eval(), (5, 3)),
    "BatchNorm2d": (lambda rng: nn.BatchNorm2d(2, momentum=None), (3, 2, 2, 2)),
    "LayerNorm": (lambda rng: nn.LayerNorm((2, 3)), (4, 2, 3)),
    "pooling, dropout, flattening": (
        lambda rng: nn.Sequential(
            nn.Conv2d(1, 2, 2, rng=rng),
            nn.MaxPool2d(2, stride=1),
            nn.Dropout(0.4, rng=rng),
            nn.AvgPool2d(2),
            nn.Identity(),
            nn.Flatten(),
            nn.Linear(2, 3, rng=rng),
        ),
        (3, 1, 4, 4),
    ),
}
WITHOUT_PARAMETERS: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    "MaxPool2d": (nn.MaxPool2d(3, stride=2, padding=1), (2, 1, 4, 5)),
    "AvgPool2d": (nn.AvgPool2d(2, padding=1, count_include_pad=False), (2, 1, 4, 3)),
    "BatchNorm2d": (nn.BatchNorm2d(2, affine=False, track_running_stats=False), (3, 2, 2, 2)),
    "LayerNorm": (nn.LayerNorm(4, elementwise_affine=False), (3, 4)),
    "Flatten": (nn.Flatten(), (2, 3, 2)),
}


def mean_square(out: Any) -> Any:
    return np.mean(np.square(out - 0.3))


@pytest.mark.parametrize("name", WITH_PARAMETERS)
def test_check_module(name: str, rng: np.random.Generator) -> None:
    make, shape = WITH_PARAMETERS[name]
    module = make(rng)
    before = module.state_dict()
    report = check_module(module, mean_square, rng.normal(size=shape), rng=rng)
    assert report.ok, report
    assert [row.name for row in report.rows] == [name for name, _ in module.named_parameters()]
    for name, value in module.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


@pytest.mark.parametrize("padding_idx", [None, 1])
def test_check_module_of_an_embedding(padding_idx: int | None, rng: np.random.Generator) -> None:
    module = nn.Embedding(5, 2, padding_idx, rng=rng)
    report = check_module(module, mean_square, np.array([[0, 2, 2], [4, 3, 0]]), rng=rng)
    assert report.ok, report


@pytest.mark.parametrize("name", WITHOUT_PARAMETERS)
def test_gradient_of_the_input(name: str, rng: np.random.Generator) -> None:
    module, shape = WITHOUT_PARAMETERS[name]
    report = check_gradient(lambda x: mean_square(module(x)), rng.normal(size=shape), rng=rng)
    assert report.ok, report


SECOND_ORDER: dict[str, tuple[Callable[..., Any], tuple[tuple[int, ...], ...]]] = {
    "convolution": (
        lambda x, w, b: np.sum(np.tanh(functional.conv2d(x, w, b, stride=2, padding=1))),
        ((2, 1, 4, 4), (2, 1, 2, 3), (2,)),
    ),
    "max_pool": (lambda x: np.sum(np.tanh(functional.max_pool2d(x, 2, stride=1))), ((1, 2, 3, 4),)),
    "avg_pool": (lambda x: np.sum(np.tanh(functional.avg_pool2d(x, 2))), ((1, 2, 4, 4),)),
    "batch_norm": (
        lambda x, w, b: np.sum(np.tanh(functional.batch_norm(x, None, None, w, b, training=True))),
        ((4, 2), (2,), (2,)),
    ),
    "layer_norm": (lambda x, w, b: np.sum(np.tanh(functional.layer_norm(x, 3, w, b))), ((2, 3), (3,), (3,))),
    "layer_norm of one sample": (
        lambda x, w, b: np.sum(np.tanh(functional.layer_norm(x, (2, 3), w, b))),
        ((2, 3), (2, 3), (2, 3)),
    ),
}


@pytest.mark.parametrize("name", SECOND_ORDER)
def test_second_order(name: str, rng: np.random.Generator) -> None:
    function, shapes = SECOND_ORDER[name]
    report = check_gradient(function, tuple([rng.normal(size=shape) for shape in shapes]), order=2, rng=rng)
    assert report.ok, report


SINGLE: dict[str, tuple[Callable[[Any], nn.Module], tuple[int, ...]]] = {
    "Conv1d": (lambda dtype: nn.Conv1d(2, 3, 2, dtype=dtype), (2, 2, 5)),
    "Conv2d": (lambda dtype: nn.Conv2d(2, 3, 2, padding=1, dtype=dtype), (2, 2, 4, 4)),
    "MaxPool2d": (lambda dtype: nn.MaxPool2d(2, padding=1), (2, 2, 4, 4)),
    "AvgPool2d": (lambda dtype: nn.AvgPool2d(2, padding=1, count_include_pad=False), (2, 2, 4, 4)),
    "BatchNorm1d": (lambda dtype: nn.BatchNorm1d(3, dtype=dtype), (5, 3)),
    "BatchNorm2d in evaluation": (lambda dtype: nn.BatchNorm2d(2, dtype=dtype).eval(), (3, 2, 2, 2)),
    "LayerNorm": (lambda dtype: nn.LayerNorm(3, dtype=dtype), (5, 3)),
    "Dropout": (lambda dtype: nn.Dropout(0.3), (5, 3)),
    "Flatten": (lambda dtype: nn.Flatten(), (5, 3, 2)),
}


@pytest.mark.parametrize("name", SINGLE)
def test_single_precision_stays_single(name: str, rng: np.random.Generator) -> None:
    make, shape = SINGLE[name]
    module = make(np.float32)
    x = tg.Tensor(rng.normal(size=shape).astype(np.float32), requires_grad=True)
    out = module(x)
    assert out.dtype == np.float32
    np.sum(out * out).backward()
    assert x.grad.dtype == np.float32
    assert all(parameter.grad.dtype == np.float32 for parameter in module.parameters())
    assert all(buffer.dtype in (np.float32, np.int64) for buffer in module.buffers())


def test_embedding_in_single_precision() -> None:
    module = nn.Embedding(4, 2, padding_idx=0, dtype=np.float32)
    out = module(np.array([0, 3]))
    np.sum(out).backward()
    assert out.dtype == module.weight.grad.dtype == np.float32


@pytest.mark.parametrize("kind", [nn.Conv2d, nn.Conv1d])
def test_an_empty_batch(kind: Any) -> None:
    module = kind(2, 3, 2)
    out = module(tg.Tensor(np.zeros((0, 2, 5, 5)[: module.weight.ndim]), requires_grad=True))
    assert out.shape == (0, 3, 4, 4)[: module.weight.ndim]
    np.sum(out).backward()
    np.testing.assert_array_equal(module.weight.grad, 0)


def test_a_long_product_is_the_sum_of_its_blocks(rng: np.random.Generator) -> None:
    """More windows than one block, and a rest; the gradient is that of the images one by one."""
    x, w = rng.normal(size=(3, 2, 60, 60)), tg.Tensor(rng.normal(size=(4, 1, 3, 3)), requires_grad=True)
    weights = rng.normal(size=(3, 4, 58, 58))
    np.sum(functional.conv2d(x, w, groups=2) * weights).backward()
    total, w.grad = w.grad, None
    for image, weight in zip(x, weights, strict=True):
        for k in range(0, 58, 2):
            np.sum(functional.conv2d(image[:, k : k + 4], w, groups=2) * weight[:, k : k + 2]).backward()
    np.testing.assert_allclose(total, w.grad, rtol=1e-11, atol=1e-9)


def test_convolution_by_its_definition(rng: np.random.Generator) -> None:
    x, w, b = rng.normal(size=(2, 3, 6)), rng.normal(size=(4, 3, 2)), rng.normal(size=4)
    out = functional.conv1d(x, w, b, stride=2, dilation=3)
    for n, o, i in np.ndindex(2, 4, 2):
        expected = b[o] + sum(w[o, c, k] * x[n, c, 2 * i + 3 * k] for c in range(3) for k in range(2))
        assert abs(out[n, o, i] - expected) < 1e-13


def test_whole_numbers_as_images() -> None:
    image = np.arange(16, dtype=np.uint8).reshape(1, 1, 4, 4)
    np.testing.assert_array_equal(functional.max_pool2d(image, 2), [[[[5.0, 7.0], [13.0, 15.0]]]])
    np.testing.assert_array_equal(functional.conv2d(image, np.ones((1, 1, 4, 4))), [[[[120.0]]]])


@pytest.mark.parametrize("kernel", [1, 2])
def test_the_gradient_of_a_maximum_that_is_no_number_does_not_get_lost(kernel: int) -> None:
    x = tg.Tensor(np.full((1, 1, 2, 2), np.nan), requires_grad=True)
    out = functional.max_pool2d(x, kernel)
    assert np.all(np.isnan(out.data))
    np.sum(out * 3).backward()
    assert x.grad.sum() == 3 * out.size


# Dropout


def test_dropout_keeps_the_mean_and_divides(rng: np.random.Generator) -> None:
    out = nn.Dropout(0.25, rng=rng)(np.ones((200, 500)))
    assert set(np.unique(out)) == {0.0, 1 / 0.75}
    assert abs(np.mean(out == 0) - 0.25) < 5 * np.sqrt(0.25 * 0.75 / out.size)


def test_dropout_has_gradients_where_it_kept(rng: np.random.Generator) -> None:
    x = tg.Tensor(np.ones((6, 7)), requires_grad=True)
    out = nn.Dropout(0.5, rng=rng)(x)
    np.sum(out).backward()
    np.testing.assert_array_equal(x.grad, out.data)
    assert 0 < np.count_nonzero(x.grad) < x.size


def test_dropout_at_its_ends(rng: np.random.Generator) -> None:
    x = tg.Tensor(rng.normal(size=(3, 4)), requires_grad=True)
    assert nn.Dropout(0.0)(x) is x
    assert nn.Dropout(0.5).eval()(x) is x
    nothing = nn.Dropout(1.0)(x)
    np.sum(nothing).backward()
    np.testing.assert_array_equal(nothing.data, 0)
    np.testing.assert_array_equal(x.grad, 0)


def test_dropout_draws_from_its_generator() -> None:
    x = np.ones((4, 5))
    first, second = nn.Dropout(rng=3), nn.Dropout(rng=3)
    once = first(x)
    np.testing.assert_array_equal(once, second(x))
    assert np.any(first(x) != once)
    resumed = copy.deepcopy(first)
    np.testing.assert_array_equal(first(x), resumed(x))


# State


def test_running_statistics_move_in_training_only(rng: np.random.Generator) -> None:
    module = nn.BatchNorm2d(2, momentum=0.5)
    x = rng.normal(2.0, 3.0, (4, 2, 3, 3))
    module.eval()(x)
    np.testing.assert_array_equal(module.running_mean, 0)
    assert module.num_batches_tracked == 0
    module.train()(x)
    np.testing.assert_allclose(module.running_mean, 0.5 * x.mean((0, 2, 3)), rtol=1e-13)
    np.testing.assert_allclose(module.running_var, 0.5 + 0.5 * x.var((0, 2, 3), ddof=1), rtol=1e-13)
    assert module.num_batches_tracked == 1


def test_without_momentum_statistics_are_means_over_all_batches(rng: np.random.Generator) -> None:
    module = nn.BatchNorm1d(2, momentum=None)
    batches = rng.normal(size=(5, 6, 2))
    for batch in batches:
        module(batch)
    np.testing.assert_allclose(module.running_mean, batches.mean((0, 1)), rtol=1e-12)
    np.testing.assert_allclose(module.running_var, batches.var(1, ddof=1).mean(0), rtol=1e-12)


@pytest.mark.parametrize("module", [nn.BatchNorm1d(2), nn.BatchNorm1d(2, affine=False), nn.LayerNorm(2, bias=False)])
def test_state_goes_through_a_file(module: nn.Module, tmp_path: Any, rng: np.random.Generator) -> None:
    module(rng.normal(size=(5, 2)))
    module.save(tmp_path / "state.npz")
    other = copy.deepcopy(module)
    for value in [*(p.data for p in other.parameters()), *other.buffers()]:
        value[...] = 7
    other.load(tmp_path / "state.npz")
    for name, value in module.state_dict().items():
        np.testing.assert_array_equal(other.state_dict()[name], value)


def test_how_layers_print() -> None:
    assert repr(nn.Conv2d(1, 8, 3, stride=2)) == (
        "Conv2d(1 -> 8, kernel (3, 3), stride=(2, 2), weight (8, 1, 3, 3), bias (8,))"
    )
    assert repr(nn.Conv1d(1, 8, 3, padding="same", bias=False)) == (
        "Conv1d(1 -> 8, kernel (3,), padding=same, weight (8, 1, 3))"
    )
    assert repr(nn.MaxPool2d(2)) == "MaxPool2d(kernel (2, 2), stride=(2, 2), padding=(0, 0))"
    assert repr(nn.AvgPool2d(2)) == "AvgPool2d(kernel (2, 2), stride=(2, 2), padding=(0, 0))"
    assert repr(nn.BatchNorm1d(2, affine=False)) == "BatchNorm1d(2, eps=1e-05, momentum=0.1)"
    assert repr(nn.LayerNorm(2, bias=False)) == "LayerNorm((2,), eps=1e-05, weight (2,))"
    assert repr(nn.Dropout(0.1)) == "Dropout(p=0.1)"
    assert repr(nn.Embedding(5, 2, -1)) == "Embedding(5, 2, padding_idx=4, weight (5, 2))"
    assert repr(nn.Flatten()) == "Flatten(start_dim=1, end_dim=-1)"


def test_the_shapes_of_a_net() -> None:
    net = nn.Sequential(nn.Conv2d(1, 4, 3, rng=0), nn.BatchNorm2d(4), nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(rng=0))
    rows = [line.split() for line in net.summary((5, 1, 8, 8)).splitlines()[3:8]]
    assert [row[1] for row in rows] == ["Conv2d", "BatchNorm2d", "MaxPool2d", "Flatten", "Dropout"]
    assert ["".join(row[2:-1]) for row in rows] == ["(5,4,6,6)", "(5,4,6,6)", "(5,4,3,3)", "(5,36)", "(5,36)"]
    assert [int(row[-1]) for row in rows] == [40, 8, 0, 0, 0]
    assert net.layers[1].num_batches_tracked == 0


# Errors


def zeros(*shape: int) -> np.ndarray:
    return np.zeros(shape)


ERRORS: dict[str, tuple[Callable[[], Any], str]] = {
    "channels": (lambda: nn.Conv2d(3, 4, 3)(zeros(2, 1, 5, 5)), r"Conv2d: .*\(2, 1, 5, 5\) and 1 channels.* takes 3"),
    "axes": (
        lambda: nn.Conv2d(3, 4, 3)(zeros(5, 5)),
        r"Conv2d: .*\(5, 5\).* 4 axes \(samples, channels, height, width",
    ),
    "axes of sequences": (
        lambda: nn.Conv1d(3, 4, 3)(zeros(5)),
        r"Conv1d: .*\(5,\).* 3 axes \(samples, channels, length",
    ),
    "small image": (
        lambda: nn.Conv2d(1, 1, 3, dilation=2)(zeros(1, 1, 4, 9)),
        r"Conv2d: .*kernel_size=\(3, 3\).*\(4, 9\)",
    ),
    "groups": (lambda: nn.Conv2d(3, 4, 3, groups=2), r"Conv2d: groups=2 must divide in_channels=3 and out_channels=4"),
    "no groups": (lambda: nn.Conv2d(3, 4, 3, groups=0), r"Conv2d: groups must be an int of at least 1, got 0"),
    "no outputs": (lambda: nn.Conv1d(3, 0, 3), r"Conv1d: out_channels must be an int of at least 1, got 0"),
    "padding_mode": (
        lambda: nn.Conv2d(3, 4, 3, padding_mode="mirror"),
        "padding_mode must be one of 'zeros', .* got 'mirror'",
    ),
    "reflected too far": (
        lambda: nn.Conv1d(1, 1, 3, padding=3, padding_mode="reflect")(np.ones((1, 1, 3))),
        r"Conv1d: the input has shape \(1, 1, 3\), which has not enough elements for padding=3 with padding_mode='ref",
    ),
    "around too far": (
        lambda: nn.Conv2d(1, 1, 3, padding=(1, 4), padding_mode="circular")(np.ones((1, 3, 3))),
        r"Conv2d: the input has shape \(1, 3, 3\), which has not enough elements for padding=\(1, 4\)",
    ),
    "padding word": (lambda: nn.Conv2d(3, 4, 3, padding="full"), r"Conv2d: padding must be 'same', 'valid' or numbers"),
    "padding same": (
        lambda: nn.Conv2d(3, 4, 3, 2, "same"),
        r"Conv2d: padding='same' needs stride=1, got stride=\(2, 2\)",
    ),
    "negative padding": (
        lambda: nn.Conv1d(3, 4, 3, padding=-1),
        r"Conv1d: padding must be an int of at least 0, got -1",
    ),
    "stride": (
        lambda: nn.Conv2d(3, 4, 3, stride=0),
        r"Conv2d: stride must be an int of at least 1 or a tuple of 2.* got 0",
    ),
    "kernel": (lambda: nn.Conv2d(3, 4, (3, 3, 3)), r"Conv2d: kernel_size must be .* a tuple of 2, .* got \(3, 3, 3\)"),
    "weight": (
        lambda: functional.conv2d(zeros(1, 1, 3, 3), zeros(1, 1, 3)),
        r"conv2d: weight has shape \(1, 1, 3\).* 4 axes",
    ),
    "weight groups": (
        lambda: functional.conv1d(zeros(1, 2, 3), zeros(3, 1, 3), groups=2),
        r"conv1d: groups=2 must divide the 3 outputs of a weight of shape \(3, 1, 3\)",
    ),
    "bias": (
        lambda: functional.conv1d(zeros(1, 1, 3), zeros(2, 1, 3), zeros(1)),
        r"conv1d: bias has shape \(1,\), and must have \(2,\)",
    ),
    "pool axes": (lambda: nn.MaxPool2d(2)(zeros(4, 4)), r"MaxPool2d: .*shape \(4, 4\).* 4 axes.* 3 for one sample"),
    "pool size": (lambda: nn.AvgPool2d(3)(zeros(1, 1, 2, 5)), r"AvgPool2d: .*kernel_size=\(3, 3\).* \(2, 5\)"),
    "pool padding and dilation": (  # half of the kernel, not of what it spans
        lambda: nn.MaxPool2d(2, padding=2, dilation=3),
        r"MaxPool2d: padding=\(2, 2\) must be at most half of kernel_size",
    ),
    "pool padding": (lambda: nn.MaxPool2d(2, padding=2), r"MaxPool2d: padding=\(2, 2\) must be at most half"),
    "return_indices": (
        lambda: nn.MaxPool2d(2, return_indices=True),
        r"MaxPool2d: return_indices=True is not supported",
    ),
    "divisor": (
        lambda: nn.AvgPool2d(2, divisor_override=0)(zeros(1, 4, 4)),
        r"AvgPool2d: divisor_override must not be 0",
    ),
    "features": (lambda: nn.BatchNorm1d(3)(zeros(5, 4)), r"BatchNorm1d: .*\(5, 4\).* num_features=3"),
    "batch axes": (
        lambda: nn.BatchNorm2d(3)(zeros(5, 3)),
        r"BatchNorm2d: .*\(5, 3\).* \(samples, channels, height, width\)",
    ),
    "one sample": (lambda: nn.BatchNorm1d(3)(zeros(1, 3)), r"BatchNorm1d: .*\(1, 3\).* 1 value for each.*eval\(\)"),
    "momentum": (lambda: nn.BatchNorm1d(3, momentum=2), r"BatchNorm1d: momentum must be between 0 and 1.* got 2"),
    "no features": (lambda: nn.BatchNorm2d(0), r"BatchNorm2d: num_features must be at least 1, got 0"),
    "no statistics": (
        lambda: functional.batch_norm(zeros(4, 2), None, None),
        r"batch_norm: without running_mean.*training",
    ),
    "statistics": (
        lambda: functional.batch_norm(zeros(4, 2), zeros(3), zeros(2)),
        r"batch_norm: .*\(4, 2\) and 2 channels.* running_mean has shape \(3,\)",
    ),
    "no channels": (
        lambda: functional.batch_norm(zeros(4), None, None),
        r"batch_norm: .*\(4,\).* samples and channels",
    ),
    "last axes": (
        lambda: nn.LayerNorm((2, 3))(zeros(4, 3, 2)),
        r"LayerNorm: .*\(4, 3, 2\).* normalized_shape=\(2, 3\)",
    ),
    "no axes": (lambda: nn.LayerNorm(()), r"LayerNorm: normalized_shape must be one length or more, got \(\)"),
    "norm weight": (
        lambda: functional.layer_norm(zeros(4, 3), 3, zeros(2)),
        r"layer_norm: weight has shape \(2,\), and must have normalized_shape=\(3,\)",
    ),
    "probability": (
        lambda: nn.Dropout(1.5),
        r"Dropout: p is the probability of being dropped, between 0 and 1, got 1\.5",
    ),
    "index": (
        lambda: nn.Embedding(3, 2)(np.array([0, 3])),
        r"Embedding: index 3 is out of range.*num_embeddings=3 \(0 to 2\)",
    ),
    "negative index": (lambda: nn.Embedding(3, 2)(np.array([-1])), r"Embedding: index -1 is out of range"),
    "padding_idx": (lambda: nn.Embedding(3, 2, padding_idx=3), r"Embedding: padding_idx=3 is out of range"),
    "flat": (lambda: nn.Flatten(2)(zeros(3, 4)), r"Flatten: .*\(3, 4\).* start_dim=2 to end_dim=-1"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name: str) -> None:
    call, message = ERRORS[name]
    with pytest.raises(ValueError, match=message):
        call()


def test_indices_must_be_integers() -> None:
    with pytest.raises(TypeError, match=r"Embedding: indices must be integers, got float64.*astype\(int\)"):
        nn.Embedding(3, 2)(np.array([0.0]))


@pytest.mark.parametrize("kind", [nn.BatchNorm1d, nn.BatchNorm2d])
def test_batch_norm_may_scale_without_a_shift(kind: Any, rng: np.random.Generator) -> None:
    layer, shape = kind(3, bias=False), (4, 3, 2, 2) if kind is nn.BatchNorm2d else (4, 3)
    assert [name for name, _ in layer.named_parameters()] == ["weight"] and not kind(3, affine=False).parameters()
    x, both = rng.normal(size=shape), kind(3)
    both.weight.data[...] = layer.weight.data[...] = [1, 2, 3]
    np.testing.assert_allclose(layer(x).numpy(), both(x).numpy(), rtol=1e-14)
    assert check_module(layer, lambda out: np.sum(np.sin(out)), x, rng=0).ok
