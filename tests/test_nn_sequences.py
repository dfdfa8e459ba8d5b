"""Recurrent layers, attention and transformers, against PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_ml as tg
from tinygrad_ml import nn
from tinygrad_ml.functional import recurrent, scaled_dot_product_attention
from tinygrad_ml.gradcheck import check_gradient, check_module

RECURRENT = ["RNN", "GRU", "LSTM"]


def assert_close(actual: Any, expected: Any) -> None:
    """To ten digits of the largest number."""
    actual, expected = np.asarray(getattr(actual, "data", actual)), np.asarray(expected)
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-10 * np.max(np.abs(expected)))


def flat(out: Any) -> list[Any]:
    """The arrays in nested tuples, without None."""
    if isinstance(out, (tuple, list)):
        return [array for part in out for array in flat(part)]
    return [] if out is None else [out]


def same_layer(torch: Any, ours: nn.Module, kind: str, *args: Any, **kwargs: Any) -> Any:
    """PyTorch's layer with the weights of ours."""
    theirs = getattr(torch.nn, kind)(*args, **kwargs, dtype=torch.float64)
    theirs.load_state_dict({name: torch.tensor(array) for name, array in ours.state_dict().items()})
    return theirs


def compare(torch: Any, rng: np.random.Generator, ours: Any, theirs: Any, arrays: list[Any], calls: Any) -> None:
    """Outputs and all gradients; ``calls = (f, g)`` call a layer with Tensors, ours or theirs."""
    xs = [tg.Tensor(a, requires_grad=True) for a in arrays]
    ys = [torch.tensor(a, requires_grad=True) for a in arrays]
    outs, references = flat(calls[0](ours, xs)), flat(calls[1](theirs, ys))
    assert len(outs) == len(references)
    loss: Any = 0
    reference: Any = 0
    for out, expected in zip(outs, references, strict=True):
        assert_close(out, expected.detach())
        v = rng.normal(size=out.shape)
        loss, reference = loss + np.sum(out * v), reference + (expected * torch.tensor(v)).sum()
    loss.backward()
    reference.backward()
    for x, y in zip(xs, ys, strict=True):
        assert_close(x.grad, y.grad)
    expected = dict(theirs.named_parameters())
    assert expected.keys() == dict(ours.named_parameters()).keys()
    for name, parameter in ours.named_parameters():
        assert_close(parameter.grad, expected[name].grad)


def same(layer: Any, xs: Any) -> Any:
    return layer(*xs)


def with_state(layer: Any, xs: Any) -> Any:
    return layer(xs[0], xs[1] if len(xs) == 2 else tuple(xs[1:]))


# Recurrent layers.

SEQUENCES: list[dict[str, Any]] = [
    {},
    {"bias": False},
    {"batch_first": True},
    {"num_layers": 3},
    {"bidirectional": True},
    {"num_layers": 2, "bidirectional": True, "batch_first": True, "bias": False},
    {"num_layers": 2, "bidirectional": True},
]


def recurrent_pair(torch: Any, kind: str, arguments: Any) -> tuple[Any, Any]:
    ours = getattr(nn, kind)(3, 4, **arguments, rng=0)
    return ours, same_layer(torch, ours, kind, 3, 4, **arguments)


def first_states(rng: np.random.Generator, kind: str, layer: Any, *batch: int) -> list[Any]:
    shape = (layer.num_layers * (1 + layer.bidirectional), *batch, layer.hidden_size)
    return [rng.normal(size=shape) for _ in range(1 + (kind == "LSTM"))]


@pytest.mark.parametrize("kind", RECURRENT)
@pytest.mark.parametrize("arguments", SEQUENCES, ids=str)
@pytest.mark.parametrize("state", [False, True], ids=["zeros", "state"])
@pytest.mark.parametrize("batched", [True, False], ids=["batch", "single"])
def test_recurrent(kind: str, arguments: Any, state: bool, batched: bool, rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = recurrent_pair(torch, kind, arguments)
    arrays = [rng.normal(size=(5, 2, 3) if batched else (5, 3))]
    if state:
        batch = 5 if ours.batch_first else 2
        arrays += first_states(rng, kind, ours, *(batch,) * batched)
    call = with_state if state else same
    compare(torch, rng, ours, theirs, arrays, (call, call))


@pytest.mark.parametrize("arguments", [{}, {"num_layers": 2, "bidirectional": True}, {"bias": False}], ids=str)
def test_rnn_of_rectifiers(arguments: Any, rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = recurrent_pair(torch, "RNN", {"nonlinearity": "relu", **arguments})
    compare(torch, rng, ours, theirs, [rng.normal(size=(5, 2, 3))], (same, same))


@pytest.mark.parametrize("kind", RECURRENT)
def test_one_step_and_many(kind: str, rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = recurrent_pair(torch, kind, {})
    for steps in (1, 300):
        ours.zero_grad()
        theirs.zero_grad()
        compare(torch, rng, ours, theirs, [rng.normal(size=(steps, 2, 3))], (same, same))


@pytest.mark.parametrize("kind", RECURRENT)
def test_saturated_gates(kind: str, rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = recurrent_pair(torch, kind, {})
    compare(torch, rng, ours, theirs, [1e5 * rng.normal(size=(5, 2, 3))], (same, same))


@pytest.mark.parametrize("kind", RECURRENT)
@pytest.mark.parametrize("training", [True, False])
def test_dropout_between_layers(kind: str, training: bool, rng: np.random.Generator) -> None:
    """Where all is dropped nothing is left to chance."""
    torch = pytest.importorskip("torch")
    ours, theirs = recurrent_pair(torch, kind, {"num_layers": 2, "dropout": 1.0})
    ours.train(training)
    theirs.train(training)
    x = rng.normal(size=(5, 2, 3))
    for out, expected in zip(flat(ours(x)), flat(theirs(torch.tensor(x))), strict=True):
        assert_close(out, expected.detach())


@pytest.mark.parametrize("kind", RECURRENT)
def test_dropout_is_drawn_from_the_generator(kind: str, rng: np.random.Generator) -> None:
    x = rng.normal(size=(5, 2, 3))
    layers = [getattr(nn, kind)(3, 4, num_layers=2, dropout=0.5, rng=seed) for seed in (7, 7, 8)]
    layers[2].load_state_dict(layers[0].state_dict())
    once, again, other = (layer(x)[0].numpy() for layer in layers)
    np.testing.assert_array_equal(once, again)
    assert not np.array_equal(once, other)
    assert not np.array_equal(once, layers[0](x)[0].numpy())


@pytest.mark.parametrize("kind", RECURRENT)
def test_weights_are_drawn_as_documented(kind: str) -> None:
    layer, again, other = (getattr(nn, kind)(30, 25, rng=seed) for seed in (0, 0, 1))
    for name, parameter in layer.named_parameters():
        assert 0.19 < np.max(np.abs(parameter.numpy())) <= 0.2, name
        np.testing.assert_array_equal(parameter.numpy(), getattr(again, name).numpy())
        assert not np.array_equal(parameter.numpy(), getattr(other, name).numpy())


@pytest.mark.parametrize("kind", RECURRENT)
def test_recurrent_check_module(kind: str, rng: np.random.Generator) -> None:
    layer = getattr(nn, kind)(2, 3, num_layers=2, dropout=0.4, bidirectional=True, rng=0)
    v = rng.normal(size=(4, 2, 6))

    def loss(out: Any) -> Any:
        return sum(np.sum(part * part) for part in flat(out)) + np.sum(out[0] * v)

    report = check_module(layer, loss, rng.normal(size=(4, 2, 2)), rng=0)
    assert report.ok, str(report)
    assert len(report.rows) == 16


@pytest.mark.parametrize("kind", ["rnn_tanh", "rnn_relu", "lstm", "gru"])
def test_second_order(kind: str, rng: np.random.Generator) -> None:
    rows = {"lstm": 12, "gru": 9}.get(kind, 3)
    state = (2, 2, 3) if kind == "lstm" else (2, 3)
    arrays = [rng.normal(size=shape) for shape in ((3, 2, 2), state, (rows, 2), (rows, 3), (rows,), (rows,))]
    operation, v = getattr(recurrent, kind), rng.normal(size=(*state[:-2], 3, 2, 3))
    report = check_gradient(lambda *args: np.sum(v * operation(*args) ** 2), tuple(arrays), order=2, rng=0)
    assert report.ok, str(report)


@pytest.mark.parametrize("kind", RECURRENT)
def test_recurrent_in_single_precision(kind: str, rng: np.random.Generator) -> None:
    x, double = rng.normal(size=(5, 2, 3)), getattr(nn, kind)(3, 4, num_layers=2, rng=0)
    single = getattr(nn, kind)(3, 4, num_layers=2, dtype=np.float32)
    single.load_state_dict(double.state_dict())
    outs, expected = flat(single(x.astype(np.float32))), flat(double(x))
    for out, reference in zip(outs, expected, strict=True):
        assert out.dtype == np.float32
        np.testing.assert_allclose(out.numpy(), reference.numpy(), atol=1e-6)
    sum(np.sum(out * out) for out in outs).backward()
    sum(np.sum(out * out) for out in expected).backward()
    for parameter, reference in zip(single.parameters(), double.parameters(), strict=True):
        assert parameter.grad.dtype == np.float32
        np.testing.assert_allclose(parameter.grad, reference.grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", RECURRENT)
def test_backward_again_with_other_numbers_in_the_same_array(kind: str, rng: np.random.Generator) -> None:
    """The rules share work between them by the gradient that they are handed, which a caller may write to."""
    layer, v = getattr(nn, kind)(3, 4, rng=0), rng.normal(size=(5, 2, 4))
    out, _ = layer(rng.normal(size=(5, 2, 3)))
    out.backward(v)
    once = [parameter.grad for parameter in layer.parameters()]
    layer.zero_grad()
    v *= 3
    out.backward(v)
    for parameter, gradient in zip(layer.parameters(), once, strict=True):
        assert_close(parameter.grad, 3 * gradient)


LAYERS_WITH_STATE = [
    ("RNN", (3, 4, 2), {"nonlinearity": "relu", "bidirectional": True}),
    ("GRU", (3, 4), {"bias": False}),
    ("LSTM", (3, 4, 2), {}),
    ("MultiheadAttention", (4, 2), {"kdim": 3, "add_bias_kv": True}),
    ("TransformerEncoderLayer", (4, 2, 6), {}),
]


@pytest.mark.parametrize("kind, args, kwargs", LAYERS_WITH_STATE)
def test_the_state_of_pytorchs_layer(kind: str, args: Any, kwargs: Any) -> None:
    torch = pytest.importorskip("torch")
    theirs, ours = getattr(torch.nn, kind)(*args, **kwargs), getattr(nn, kind)(*args, **kwargs, dtype=np.float32)
    ours.load_state_dict({name: tensor.numpy() for name, tensor in theirs.state_dict().items()})
    for name, array in ours.state_dict().items():
        np.testing.assert_array_equal(array, theirs.state_dict()[name].numpy())


def test_a_state_can_be_carried_on(rng: np.random.Generator) -> None:
    layer, x = nn.LSTM(3, 4, num_layers=2, rng=0), rng.normal(size=(6, 2, 3))
    whole, _ = layer(x)
    first, state = layer(x[:2])
    second, _ = layer(x[2:], state)
    np.testing.assert_allclose(np.concatenate([first, second]).numpy(), whole.numpy(), rtol=1e-14)


RECURRENT_ERRORS = [
    (lambda: nn.RNN(3, 4, nonlinearity="sigmoid"), "RNN: nonlinearity must be 'tanh' or 'relu', got 'sigmoid'"),
    (lambda: nn.GRU(0, 4), "GRU: input_size must be at least 1, got 0"),
    (lambda: nn.GRU(3, -1), "GRU: hidden_size must be at least 1, got -1"),
    (lambda: nn.LSTM(3, 4, num_layers=0), "LSTM: num_layers must be at least 1, got 0"),
    (lambda: nn.LSTM(3, 4, 2, dropout=1.5), "LSTM: dropout is a probability between 0 and 1, got 1.5"),
    (
        lambda: nn.GRU(3, 4)(np.ones((5, 2, 4))),
        r"GRU: the input has shape \(5, 2, 4\), and must have shape \(time, batch, input_size=3\), or without",
    ),
    (
        lambda: nn.GRU(3, 4, batch_first=True)(np.ones(3)),
        r"GRU: the input has shape \(3,\), and must have shape \(batch, time, input_size=3\), or without the batch",
    ),
    (lambda: nn.RNN(3, 4)(np.ones((0, 2, 3))), "RNN: the input has no time steps; leave out empty sequences"),
    (
        lambda: nn.RNN(3, 4, 2)(np.ones((5, 2, 3)), np.ones((2, 1, 4))),
        r"RNN: hx has shape \(2, 1, 4\), and must have shape \(2, 2, 4\): \(layers x directions, batch, hidden_size\)",
    ),
    (
        lambda: nn.LSTM(3, 4)(np.ones((5, 3)), (np.ones((1, 4)), np.ones((1, 1, 4)))),
        r"LSTM: c_0 has shape \(1, 1, 4\), and must have shape \(1, 4\): \(layers x directions, hidden_size\)",
    ),
    (lambda: nn.LSTM(3, 4)(np.ones((5, 3)), np.ones((1, 4))), r"LSTM: the state hx must be the tuple \(h_0, c_0\)"),
]


@pytest.mark.parametrize("call, message", RECURRENT_ERRORS)
def test_recurrent_errors(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_dropout_of_a_single_layer_is_pointless() -> None:
    with pytest.warns(UserWarning, match="GRU: dropout=0.5 acts between layers, and there is one layer only"):
        nn.GRU(3, 4, dropout=0.5)


def test_recurrent_layers_print_their_sizes() -> None:
    assert repr(nn.GRU(3, 4, 2, bidirectional=True)).startswith("GRU(3 -> 4, 2 layers, bidirectional, weight_ih_l0")


# Attention as a function.

BLOCKED = np.array([[False, True, True, False], [True, True, True, False], [False, False, False, False]])
QUERY, KEY, VALUE = (2, 2, 3, 4), (2, 2, 4, 4), (2, 2, 4, 5)
ATTENTION: list[tuple[dict[str, Any], tuple[Any, ...]]] = [
    ({}, (QUERY, KEY, VALUE)),
    ({}, (QUERY[2:], KEY[2:], VALUE[2:])),
    ({"scale": 0.3}, (QUERY, KEY, VALUE)),
    ({"is_causal": True}, (QUERY, KEY, VALUE)),
    ({"is_causal": True}, (KEY, QUERY, QUERY)),
    ({"attn_mask": ~BLOCKED}, (QUERY, KEY, VALUE)),
    ({"attn_mask": np.stack([~BLOCKED, BLOCKED])[:, None]}, (QUERY, KEY, VALUE)),
    ({"attn_mask": np.where(BLOCKED, -np.inf, 0.5)}, (QUERY, KEY, VALUE)),
    ({"enable_gqa": True}, ((2, 4, 3, 4), KEY, VALUE)),
]


@pytest.mark.parametrize("arguments, shapes", ATTENTION)
def test_attention(arguments: Any, shapes: Any, rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    theirs = {k: torch.tensor(v) if isinstance(v, np.ndarray) else v for k, v in arguments.items()}
    arrays = [rng.normal(size=shape) for shape in shapes]
    xs = [tg.Tensor(a, requires_grad=True) for a in arrays]
    ys = [torch.tensor(a, requires_grad=True) for a in arrays]
    out = scaled_dot_product_attention(*xs, **arguments)
    expected = torch.nn.functional.scaled_dot_product_attention(*ys, **theirs)
    assert_close(out, expected.detach())
    v = rng.normal(size=out.shape)
    out.backward(v)
    expected.backward(torch.tensor(v))
    for x, y in zip(xs, ys, strict=True):
        assert_close(x.grad, y.grad)


def test_second_order_of_attention(rng: np.random.Generator) -> None:
    arrays = tuple(rng.normal(size=shape) for shape in ((3, 4), (4, 4), (4, 5)))
    report = check_gradient(
        lambda q, k, v: np.sum(scaled_dot_product_attention(q, k, v, ~BLOCKED) ** 2), arrays, order=2, rng=0
    )
    assert report.ok, str(report)


def test_targets_that_may_attend_to_nothing_get_zeros(rng: np.random.Generator) -> None:
    arrays = [rng.normal(size=shape) for shape in ((2, 4), (3, 4), (3, 5))]
    mask = np.array([[False, False, False], [True, False, True]])
    query, key, value = (tg.Tensor(a, requires_grad=True) for a in arrays)
    out = scaled_dot_product_attention(query, key, value, mask)
    np.testing.assert_array_equal(out.numpy()[0], 0)
    np.sum(out * out).backward()
    np.testing.assert_array_equal(query.grad[0], 0)
    alone = scaled_dot_product_attention(arrays[0][1:], arrays[1][[0, 2]], arrays[2][[0, 2]])
    np.testing.assert_allclose(out.numpy()[1:], alone, rtol=1e-14)
    np.testing.assert_array_equal(value.grad[1], 0)


def test_dropped_weights(rng: np.random.Generator) -> None:
    query, key = rng.normal(size=(8, 50, 4)), rng.normal(size=(8, 60, 4))
    values = np.broadcast_to(np.eye(60), (8, 60, 60))
    weights = scaled_dot_product_attention(query, key, values)
    dropped = scaled_dot_product_attention(query, key, values, dropout_p=0.25, rng=rng)
    kept = dropped != 0
    np.testing.assert_allclose(dropped[kept], weights[kept] / 0.75, rtol=1e-14)
    assert abs(kept.mean() - 0.75) < 5 * np.sqrt(0.25 * 0.75 / kept.size)
    assert not scaled_dot_product_attention(query, key, values, dropout_p=1.0).any()


ATTENTION_ERRORS = [
    ((QUERY, KEY, VALUE), {"attn_mask": BLOCKED, "is_causal": True}, "give attn_mask or is_causal=True, not both"),
    ((QUERY, KEY, VALUE), {"dropout_p": 2.0}, "dropout_p is a probability between 0 and 1, got 2.0"),
    ((QUERY, VALUE, VALUE), {}, r"shapes \(2, 2, 3, 4\), \(2, 2, 4, 5\) and \(2, 2, 4, 5\); query and key must agree"),
    ((QUERY, KEY, QUERY), {}, "key and value in their last but one"),
    ((QUERY, KEY, VALUE), {"attn_mask": np.ones((3, 4), int)}, "attn_mask must be boolean or floating point, got int"),
    (
        ((2, 3, 3, 4), KEY, VALUE),
        {"enable_gqa": True},
        r"heads \(axis -3\) of the query, of shape \(2, 3, 3, 4\), must be a multiple of that of the key, of shape",
    ),
]


@pytest.mark.parametrize("shapes, arguments, message", ATTENTION_ERRORS)
def test_attention_errors(shapes: Any, arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match="scaled_dot_product_attention: .*" + message):
        scaled_dot_product_attention(*[np.ones(shape) for shape in shapes], **arguments)


# Attention as a layer.

#: Of 3 targets and 4 sources, 2 samples, 2 heads.
PADDING = np.array([[False, False, True, False], [False, True, True, False]])
PER_HEAD = np.array([BLOCKED, np.roll(BLOCKED, 1, 1), np.roll(BLOCKED, 2, 1), ~BLOCKED & (np.arange(4) > 0)])
LAYERS: list[dict[str, Any]] = [
    {},
    {"bias": False},
    {"batch_first": True},
    {"kdim": 3, "vdim": 5},
    {"kdim": 3, "batch_first": True, "bias": False},
    {"add_bias_kv": True},
    {"add_zero_attn": True, "add_bias_kv": True, "batch_first": True},
]
CALLS: list[dict[str, Any]] = [
    {},
    {"need_weights": False},
    {"average_attn_weights": False},
    {"attn_mask": BLOCKED},
    {"attn_mask": PER_HEAD},
    {"attn_mask": np.linspace(-1, 1, 12).reshape(3, 4)},
    {"key_padding_mask": PADDING},
    {"key_padding_mask": np.where(PADDING, -np.inf, 0.5), "attn_mask": np.where(BLOCKED, -3.0, 0.0)},
    {"key_padding_mask": PADDING, "attn_mask": np.tri(3, 4, dtype=bool), "need_weights": False},
]


def attention_inputs(rng: np.random.Generator, layer: Any) -> list[Any]:
    shapes = [(3, 2, 4), (4, 2, layer.kdim), (4, 2, layer.vdim)]
    return [rng.normal(size=(b, t, n) if layer.batch_first else (t, b, n)) for t, b, n in shapes]


@pytest.mark.parametrize("arguments", LAYERS, ids=str)
@pytest.mark.parametrize("call", CALLS, ids=lambda call: " ".join(call))
def test_multihead_attention(arguments: Any, call: Any, rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    ours = nn.MultiheadAttention(4, 2, **arguments, rng=0)
    for bias in (ours.in_proj_bias, ours.out_proj.bias):
        if bias is not None:
            nn.init.normal(bias, rng=rng)
    theirs = same_layer(torch, ours, "MultiheadAttention", 4, 2, **arguments)
    tensors = {k: torch.tensor(v) if isinstance(v, np.ndarray) else v for k, v in call.items()}
    calls = lambda layer, xs: layer(*xs, **call), lambda layer, xs: layer(*xs, **tensors)  # noqa: E731
    compare(torch, rng, ours, theirs, attention_inputs(rng, ours), calls)


@pytest.mark.parametrize("arguments", [{}, {"batch_first": True}, {"bias": False}, {"add_zero_attn": True}], ids=str)
@pytest.mark.parametrize("batched", [True, False])
@pytest.mark.parametrize("causal", [True, False])
def test_self_attention(arguments: Any, batched: bool, causal: bool, rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    ours = nn.MultiheadAttention(4, 2, **arguments, rng=0)
    theirs = same_layer(torch, ours, "MultiheadAttention", 4, 2, **arguments)
    x = rng.normal(size=(3, 3, 4) if batched else (3, 4))
    mask = torch.tensor(~np.tri(3, dtype=bool)) if causal else None
    calls = (
        lambda layer, xs: layer(xs[0], xs[0], xs[0], is_causal=causal),
        lambda layer, xs: layer(xs[0], xs[0], xs[0], attn_mask=mask),
    )
    compare(torch, rng, ours, theirs, [x], calls)


@pytest.mark.parametrize("padding", [None, np.array([False, True, False, False])])
def test_attention_without_a_batch(padding: Any, rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    ours = nn.MultiheadAttention(4, 2, batch_first=True, rng=0)
    theirs = same_layer(torch, ours, "MultiheadAttention", 4, 2, batch_first=True)
    mask = None if padding is None else torch.tensor(padding)
    calls = (
        lambda layer, xs: layer(xs[0], xs[1], xs[1], key_padding_mask=padding, average_attn_weights=False),
        lambda layer, xs: layer(xs[0], xs[1], xs[1], key_padding_mask=mask, average_attn_weights=False),
    )
    compare(torch, rng, ours, theirs, [rng.normal(size=(3, 4)), rng.normal(size=(4, 4))], calls)


def test_samples_of_padding_only_get_zeros(rng: np.random.Generator) -> None:
    layer = nn.MultiheadAttention(4, 2, batch_first=True, rng=0)
    nn.init.normal(layer.out_proj.bias, rng=rng)
    x, padding = rng.normal(size=(2, 3, 4)), np.array([[True] * 3, [False] * 3])
    out, weights = layer(x, x, x, key_padding_mask=padding)
    np.testing.assert_array_equal(weights.numpy()[0], 0)
    np.testing.assert_allclose(out.numpy()[0], np.broadcast_to(layer.out_proj.bias.numpy(), (3, 4)))
    np.sum(out * out).backward()
    assert all(np.isfinite(parameter.grad).all() for parameter in layer.parameters())


def test_a_mask_can_be_learned(rng: np.random.Generator) -> None:
    """Numbers that depend on the distance of two positions, say."""
    layer, x = nn.MultiheadAttention(4, 2, rng=0).requires_grad_(False), rng.normal(size=(3, 2, 4))
    v = rng.normal(size=x.shape)
    report = check_gradient(lambda mask: np.sum(v * layer(x, x, x, attn_mask=mask)[0]), rng.normal(size=(3, 3)), rng=0)
    assert report.ok, str(report)


@pytest.mark.parametrize("training", [True, False])
def test_dropout_of_attention_weights(training: bool, rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    ours = nn.MultiheadAttention(4, 2, dropout=1.0, rng=0).train(training)
    theirs = same_layer(torch, ours, "MultiheadAttention", 4, 2, dropout=1.0).train(training)
    x = rng.normal(size=(3, 2, 4))
    for out, expected in zip(ours(x, x, x), theirs(*[torch.tensor(x)] * 3), strict=True):
        assert_close(out, expected.detach())


@pytest.mark.parametrize("arguments", [{}, {"kdim": 3, "vdim": 5, "add_bias_kv": True}], ids=str)
def test_attention_check_module(arguments: Any, rng: np.random.Generator) -> None:
    layer = nn.MultiheadAttention(4, 2, dropout=0.3, **arguments, rng=0)
    q, k, v = attention_inputs(rng, layer)
    target = rng.normal(size=q.shape)

    def loss(out: Any, target: Any) -> Any:
        return np.sum(np.square(out[0] - target)) + np.sum(out[1] ** 3)

    report = check_module(layer, loss, q, k, v, target, rng=0)
    assert report.ok, str(report)


def test_weights_of_attention_are_drawn_as_documented() -> None:
    layer = nn.MultiheadAttention(24, 2, add_bias_kv=True, rng=0)
    assert 0.24 < np.max(np.abs(layer.in_proj_weight.numpy())) <= 0.25  # sqrt(6 / (72 + 24))
    assert not layer.in_proj_bias.numpy().any() and not layer.out_proj.bias.numpy().any()
    assert 0.1 < np.std(layer.bias_k.numpy()) < 0.3  # sqrt(2 / 48)
    wide = nn.MultiheadAttention(24, 2, kdim=72, rng=0)
    assert 0.24 < np.max(np.abs(wide.k_proj_weight.numpy())) <= 0.25


X, ONES = np.ones((3, 2, 4)), np.ones
MULTIHEAD_ERRORS = [
    (lambda: nn.MultiheadAttention(4, 3), "embed_dim=4 must be a positive multiple of num_heads=3"),
    (lambda: nn.MultiheadAttention(4, 2, dropout=-1), "dropout is a probability between 0 and 1, got -1"),
    (
        lambda: nn.MultiheadAttention(4, 2)(ONES((3, 2, 5)), X, X),
        r"query has shape \(3, 2, 5\), and must have shape \(time, batch, 4\), or \(time, 4\) where",
    ),
    (
        lambda: nn.MultiheadAttention(4, 2, kdim=3, batch_first=True)(X, X, X),
        r"key has shape \(3, 2, 4\), and must have shape \(batch, time, 3\)",
    ),
    (lambda: nn.MultiheadAttention(4, 2)(X, X, X[0]), r"value has shape \(2, 4\), and must have shape"),
    (
        lambda: nn.MultiheadAttention(4, 2)(X, X[:, :1], X[:, :1]),
        r"query, key and value have shapes \(3, 2, 4\), \(3, 1, 4\) and \(3, 1, 4\); all must have the same batch",
    ),
    (lambda: nn.MultiheadAttention(4, 2)(X, X, X[:2]), "query, key and value have .* key and value the same time"),
    (
        lambda: nn.MultiheadAttention(4, 2)(X, X, X, attn_mask=ONES((2, 3))),
        r"attn_mask has shape \(2, 3\), and must have shape \(3, 3\): \(targets, sources\), or \(4, 3, 3\)",
    ),
    (
        lambda: nn.MultiheadAttention(4, 2)(X, X, X, key_padding_mask=ONES((3, 2))),
        r"key_padding_mask has shape \(3, 2\), and must have shape \(2, 3\): \(batch, sources\)",
    ),
    (
        lambda: nn.MultiheadAttention(4, 2)(X, X, X, attn_mask=ONES((3, 3), int)),
        r"attn_mask must be boolean or floating point, got int64; try .astype\(bool\)",
    ),
]


@pytest.mark.parametrize("call, message", MULTIHEAD_ERRORS)
def test_multihead_errors(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match="MultiheadAttention: " + message):
        call()


# Transformers.

ENCODERS: list[dict[str, Any]] = [
    {},
    {"activation": "gelu"},
    {"norm_first": True},
    {"batch_first": True, "layer_norm_eps": 0.1},
    {"bias": False},
    {"norm_first": True, "bias": False, "batch_first": True, "activation": "gelu"},
]
MASKS: list[dict[str, Any]] = [
    {},
    {"src_mask": ~np.tri(3, dtype=bool)},
    {"src_mask": np.linspace(-1, 1, 9).reshape(3, 3)},
    {"src_key_padding_mask": np.array([[False, False, True], [False, True, False], [False, False, False]])},
]


def encoder_pair(torch: Any, **arguments: Any) -> tuple[Any, Any]:
    ours = nn.TransformerEncoderLayer(4, 2, 6, **{"dropout": 0.0, **arguments}, rng=0)
    return ours, same_layer(torch, ours, "TransformerEncoderLayer", 4, 2, 6, **{"dropout": 0.0, **arguments})


@pytest.mark.parametrize("arguments", ENCODERS, ids=str)
@pytest.mark.parametrize("masks", MASKS, ids=" ".join)
def test_encoder_layer(arguments: Any, masks: Any, rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    tensors = {name: torch.tensor(mask) for name, mask in masks.items()}
    calls = lambda layer, xs: layer(xs[0], **masks), lambda layer, xs: layer(xs[0], **tensors)  # noqa: E731
    compare(torch, rng, *encoder_pair(torch, **arguments), [rng.normal(size=(3, 3, 4))], calls)


def test_causal_encoder_layer_without_a_batch(rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    mask = torch.tensor(~np.tri(3, dtype=bool))
    calls = (
        lambda layer, xs: layer(xs[0], is_causal=True),
        lambda layer, xs: layer(xs[0], src_mask=mask, is_causal=True),
    )
    compare(torch, rng, *encoder_pair(torch), [rng.normal(size=(3, 4))], calls)


def test_activation_may_be_a_function(rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    ours = nn.TransformerEncoderLayer(4, 2, 6, 0.0, activation=np.tanh, rng=0)
    theirs = same_layer(torch, ours, "TransformerEncoderLayer", 4, 2, 6, 0.0, activation=torch.tanh)
    compare(torch, rng, ours, theirs, [rng.normal(size=(3, 2, 4))], (same, same))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("norm_first", [True, False])
def test_dropout_of_an_encoder_layer(training: bool, norm_first: bool, rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = encoder_pair(torch, dropout=1.0, norm_first=norm_first)
    x = rng.normal(size=(3, 2, 4))
    expected = theirs.train(training)(torch.tensor(x, requires_grad=True))
    assert_close(ours.train(training)(x), expected.detach())


@pytest.mark.parametrize("arguments", [{}, {"norm_first": True, "activation": "gelu", "bias": False}], ids=str)
def test_encoder_layer_check_module(arguments: Any, rng: np.random.Generator) -> None:
    layer = nn.TransformerEncoderLayer(4, 2, 5, dropout=0.2, **arguments, rng=0)
    v = rng.normal(size=(3, 2, 4))
    report = check_module(layer, lambda out: np.sum(out * v), rng.normal(size=(3, 2, 4)), rng=0)
    assert report.ok, str(report)


def test_attention_and_encoder_in_single_precision(rng: np.random.Generator) -> None:
    double = nn.TransformerEncoderLayer(4, 2, 6, dropout=0.0, rng=0)
    single = nn.TransformerEncoderLayer(4, 2, 6, dtype=np.float32).eval()
    single.load_state_dict(double.state_dict())
    x = rng.normal(size=(3, 2, 4))
    out = single(x.astype(np.float32), ~np.tri(3, dtype=bool), np.zeros((2, 3)))
    assert out.dtype == np.float32
    np.testing.assert_allclose(out.numpy(), double(x, ~np.tri(3, dtype=bool)).numpy(), atol=1e-5)
    np.sum(out * out).backward()
    assert all(parameter.grad.dtype == np.float32 for parameter in single.parameters())


def test_encoder_layer_errors() -> None:
    with pytest.raises(ValueError, match="TransformerEncoderLayer: activation must be 'relu', 'gelu' or a function"):
        nn.TransformerEncoderLayer(4, 2, activation="swish")
