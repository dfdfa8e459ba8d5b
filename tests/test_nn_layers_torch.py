"""Layers for images, norms, embeddings: outputs, gradients and states are PyTorch's, from the same weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_ml as tg
from tinygrad_ml.functional import columns, convolution

torch = pytest.importorskip("torch")

#: Kind of layer, positional arguments, keywords, shape of the input.
Row = tuple[str, tuple[Any, ...], dict[str, Any], tuple[int, ...]]

LAYERS: list[Row] = [
    ("Conv1d", (3, 4, 3), {}, (2, 3, 8)),
    ("Conv1d", (3, 4, 3), {}, (3, 8)),
    ("Conv1d", (2, 4, 1), {}, (2, 2, 5)),
    ("Conv1d", (3, 4, 3), {"stride": 2, "padding": 1, "dilation": 2, "bias": False}, (2, 3, 9)),
    ("Conv1d", (4, 6, 2), {"groups": 2, "padding": "same"}, (2, 4, 7)),
    ("Conv1d", (4, 4, 4), {"groups": 4, "padding": "same", "dilation": 3}, (2, 4, 11)),
    ("Conv1d", (3, 4, 3), {"padding": 2, "padding_mode": "reflect"}, (2, 3, 5)),
    ("Conv2d", (3, 4, 3), {"padding": (1, 4), "padding_mode": "circular", "stride": 2}, (3, 6, 4)),
    ("Conv2d", (3, 4, (2, 3)), {"padding": "same", "padding_mode": "replicate", "dilation": 2}, (2, 3, 4, 5)),
    ("Conv2d", (3, 4, 3), {}, (2, 3, 6, 5)),
    ("Conv2d", (3, 4, 3), {}, (3, 6, 5)),
    ("Conv2d", (3, 4, 1), {}, (2, 3, 4, 5)),
    ("Conv2d", (1, 1, (4, 5)), {}, (1, 1, 4, 5)),
    ("Conv2d", (3, 4, (2, 3)), {"stride": (2, 1), "padding": (1, 2), "dilation": (1, 2)}, (2, 3, 6, 8)),
    ("Conv2d", (3, 4, 2), {"stride": 3}, (2, 3, 7, 9)),
    ("Conv2d", (3, 4, 2), {"padding": "valid", "bias": False}, (2, 3, 5, 5)),
    ("Conv2d", (3, 4, (2, 4)), {"padding": "same"}, (2, 3, 5, 6)),
    ("Conv2d", (3, 4, (3, 2)), {"padding": "same", "dilation": (2, 3)}, (2, 3, 6, 6)),
    ("Conv2d", (4, 6, 3), {"groups": 2, "padding": 1, "stride": 2}, (3, 4, 5, 5)),
    ("Conv2d", (3, 6, 3), {"groups": 3, "padding": (2, 0), "dilation": 2}, (2, 3, 6, 7)),
    ("Conv2d", (1, 8, 3), {}, (2, 1, 6, 5)),
    ("Conv2d", (1, 8, (3, 1)), {"dilation": 2, "padding": (1, 0)}, (2, 1, 6, 5)),
    ("Conv2d", (3, 4, 2), {"padding": (1, 3)}, (2, 3, 4, 5)),
    ("MaxPool2d", (2,), {}, (2, 3, 6, 4)),
    ("MaxPool2d", (2,), {}, (2, 3, 7, 5)),
    ("MaxPool2d", (2,), {}, (3, 6, 4)),
    ("MaxPool2d", (1,), {}, (2, 3, 4, 4)),
    ("MaxPool2d", ((3, 2),), {"stride": (1, 2)}, (2, 3, 6, 6)),
    ("MaxPool2d", (3,), {"stride": 2, "padding": 1}, (2, 3, 7, 6)),
    ("MaxPool2d", (2,), {"stride": 1, "dilation": (2, 3)}, (2, 3, 6, 7)),
    ("MaxPool2d", (2,), {"stride": 3, "dilation": 2}, (2, 3, 9, 7)),
    ("MaxPool2d", (2,), {"padding": 1, "dilation": 2}, (2, 3, 5, 6)),
    ("MaxPool2d", (3,), {"stride": 2, "ceil_mode": True}, (2, 3, 6, 8)),
    ("MaxPool2d", (2,), {"stride": 3, "padding": 1, "ceil_mode": True}, (2, 3, 7, 8)),
    ("MaxPool2d", (3,), {"ceil_mode": True}, (2, 3, 1, 4)),
    ("AvgPool2d", (3,), {"ceil_mode": True, "padding": 1}, (2, 3, 1, 4)),
    ("AvgPool2d", (2,), {}, (2, 3, 6, 4)),
    ("AvgPool2d", (2,), {}, (3, 7, 5)),
    ("AvgPool2d", ((3, 2),), {"stride": (1, 3)}, (2, 3, 5, 6)),
    ("AvgPool2d", (3,), {"stride": 2, "padding": 1}, (2, 3, 7, 6)),
    ("AvgPool2d", (3,), {"stride": 2, "padding": (1, 0), "count_include_pad": False}, (2, 3, 7, 6)),
    ("AvgPool2d", (3,), {"stride": 2, "padding": 1, "ceil_mode": True}, (2, 3, 6, 8)),
    ("AvgPool2d", (3,), {"stride": 2, "padding": 1, "ceil_mode": True, "count_include_pad": False}, (2, 3, 6, 8)),
    ("AvgPool2d", (2,), {"stride": 3, "padding": 1, "ceil_mode": True}, (2, 3, 7, 8)),
    ("AvgPool2d", (2,), {"divisor_override": 3, "padding": 1}, (2, 3, 5, 5)),
    ("BatchNorm1d", (3,), {}, (5, 3)),
    ("BatchNorm1d", (3,), {}, (2, 3, 4)),
    ("BatchNorm1d", (3,), {"eps": 0.1, "momentum": 0.3}, (5, 3)),
    ("BatchNorm1d", (3,), {"momentum": None, "affine": False}, (5, 3)),
    ("BatchNorm2d", (3,), {}, (2, 3, 4, 5)),
    ("BatchNorm2d", (3,), {"momentum": None}, (2, 3, 4, 5)),
    ("BatchNorm2d", (3,), {"track_running_stats": False}, (2, 3, 4, 5)),
    ("BatchNorm2d", (3,), {"affine": False, "track_running_stats": False, "eps": 0.5}, (2, 3, 1, 2)),
    ("LayerNorm", (4,), {}, (3, 4)),
    ("LayerNorm", (4,), {}, (4,)),
    ("LayerNorm", ((3, 4),), {}, (2, 3, 4)),
    ("LayerNorm", ([4],), {"eps": 0.1, "bias": False}, (2, 3, 4)),
    ("LayerNorm", (4,), {"elementwise_affine": False}, (2, 3, 4)),
    ("Flatten", (), {}, (2, 3, 4, 5)),
    ("Flatten", (0, 2), {}, (2, 3, 4, 5)),
    ("Flatten", (), {"start_dim": -2}, (2, 3, 4, 5)),
    ("Identity", (54,), {"unused": 1}, (2, 3)),
]


def title(row: Row) -> str:
    kind, args, keywords, shape = row
    return f"{kind}({', '.join([*map(str, args), *(f'{k}={v}' for k, v in keywords.items())])}) of {shape}"


per_layer = pytest.mark.parametrize("row", LAYERS, ids=title)


def pair(row: Row, rng: np.random.Generator) -> tuple[tg.nn.Module, Any]:
    """The same layer here and in PyTorch, with random state."""
    kind, args, keywords, _ = row
    ours = getattr(tg.nn, kind)(*args, **keywords)
    theirs = getattr(torch.nn, kind)(*args, **keywords).double()
    expected = {name: tuple(value.shape) for name, value in theirs.state_dict().items()}
    assert {name: value.shape for name, value in ours.state_dict().items()} == expected
    state = {
        name: rng.uniform(0.5, 1.5, value.shape) if value.dtype.kind == "f" else value
        for name, value in ours.state_dict().items()
    }
    ours.load_state_dict(state)
    theirs.load_state_dict({name: torch.tensor(value) for name, value in state.items()})
    return ours, theirs


def assert_close(actual: Any, expected: Any) -> None:
    actual, expected = np.asarray(getattr(actual, "data", actual)), expected.detach().numpy()
    assert actual.shape == expected.shape
    size = float(np.max(np.abs(expected), initial=1e-3))
    np.testing.assert_allclose(actual, expected, rtol=1e-10, atol=1e-10 * size)


def assert_same_step(ours: tg.nn.Module, theirs: Any, x: np.ndarray, rng: np.random.Generator) -> None:
    """Same output, same gradients, same state afterwards."""
    own, other = tg.Tensor(x, requires_grad=True), torch.tensor(x.copy(), requires_grad=True)
    out, expected = ours(own), theirs(other)
    assert_close(out, expected)
    weights = rng.normal(size=out.shape)
    ours.zero_grad()
    theirs.zero_grad()
    np.sum(out * weights).backward()
    (expected * torch.tensor(weights)).sum().backward()
    assert_close(own.grad, other.grad)
    parameters = dict(theirs.named_parameters())
    assert [name for name, _ in ours.named_parameters()] == list(parameters)
    for name, parameter in ours.named_parameters():
        assert_close(parameter.grad, parameters[name].grad)
    for name, value in ours.state_dict().items():
        assert_close(value, theirs.state_dict()[name])


@per_layer
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel:UserWarning")
def test_output_gradients_and_state(row: Row, rng: np.random.Generator) -> None:
    ours, theirs = pair(row, rng)
    for _ in range(2):
        assert_same_step(ours, theirs, rng.normal(size=row[-1]), rng)
    ours.eval()
    theirs.eval()
    assert_same_step(ours, theirs, rng.normal(size=row[-1]), rng)


@pytest.mark.parametrize("row", [row for row in LAYERS if row[0] in ("MaxPool2d", "AvgPool2d", "Conv2d")], ids=title)
def test_inputs_in_any_order_in_memory(row: Row, rng: np.random.Generator) -> None:
    ours, theirs = pair(row, rng)
    x = rng.normal(size=row[-1])
    samples_last = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 0, -1)), -1, 0)
    for view in (samples_last, np.asfortranarray(x), np.repeat(x, 2, axis=-1)[..., ::2], np.flip(np.flip(x).copy())):
        assert_same_step(ours, theirs, view, rng)


@pytest.mark.parametrize("row", [row for row in LAYERS if row[0].startswith("Conv")], ids=title)
@pytest.mark.parametrize(("elements", "wide"), [(1, 1), (1, 100), (200, 1), (2**18, 1)])
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel:UserWarning")
def test_convolution_in_blocks(row: Row, elements: int, wide: int, monkeypatch: pytest.MonkeyPatch, rng: Any) -> None:
    """Parts of the output, and in these the rows of windows together or one by one."""
    monkeypatch.setattr(convolution, "_BLOCK", elements)
    monkeypatch.setattr(columns, "_BLOCK", elements)
    monkeypatch.setattr(columns, "_WIDE", wide)
    ours, theirs = pair(row, rng)
    assert_same_step(ours, theirs, rng.normal(size=row[-1]), rng)


@pytest.mark.parametrize("keywords", [{}, {"stride": 1}, {"padding": 1}], ids=str)
def test_of_equal_elements_the_first_gets_the_gradient(keywords: dict[str, Any], rng: np.random.Generator) -> None:
    ours, theirs = pair(("MaxPool2d", (2,), keywords, ()), rng)
    assert_same_step(ours, theirs, rng.integers(0, 2, (2, 3, 6, 6)).astype(float), rng)
    assert_same_step(ours, theirs, np.zeros((2, 3, 6, 6)), rng)


def test_minus_infinity_can_be_the_maximum(rng: np.random.Generator) -> None:
    ours, theirs = pair(("MaxPool2d", (2,), {}, ()), rng)
    x = np.full((1, 1, 4, 4), -np.inf)
    assert_close(ours(x), theirs(torch.tensor(x)))


@pytest.mark.parametrize("padding_idx", [None, 0, 2, -1])
def test_embedding(padding_idx: int | None, rng: np.random.Generator) -> None:
    ours = tg.nn.Embedding(5, 3, padding_idx, rng=rng)
    theirs = torch.nn.Embedding(5, 3, padding_idx).double()
    assert ours.padding_idx == theirs.padding_idx
    if padding_idx is not None:
        np.testing.assert_array_equal(ours.weight.data[padding_idx], 0)
    state = {"weight": rng.normal(size=(5, 3))}  # not 0 at the padding: the row is used as it is
    ours.load_state_dict(state)
    theirs.load_state_dict({"weight": torch.tensor(state["weight"])})
    indices = rng.integers(0, 5, (4, 6))
    out, expected = ours(indices), theirs(torch.tensor(indices))
    assert_close(out, expected)
    weights = rng.normal(size=out.shape)
    np.sum(out * weights).backward()
    (expected * torch.tensor(weights)).sum().backward()
    assert_close(ours.weight.grad, theirs.weight.grad)
    if padding_idx is not None:
        np.testing.assert_array_equal(ours.weight.grad[padding_idx], 0)


def test_a_convolutional_net_step_by_step(rng: np.random.Generator) -> None:
    """Layers one after the other hand on arrays whose samples lie next to each other in memory."""
    ours, theirs = (
        library.Sequential(
            library.Conv2d(2, 4, 3, padding=1),
            library.BatchNorm2d(4),
            library.MaxPool2d(2),
            library.Conv2d(4, 6, 3, stride=2, padding=1, groups=2),
            library.AvgPool2d(2, padding=1),
            library.Flatten(),
            library.LayerNorm(24),
            library.Linear(24, 3),
        )
        for library in (tg.nn, torch.nn)
    )
    theirs.double()
    theirs.load_state_dict({name: torch.tensor(value) for name, value in ours.state_dict().items()})
    for _ in range(3):
        assert_same_step(ours, theirs, rng.normal(size=(5, 2, 8, 8)), rng)


@pytest.mark.parametrize(
    ("kind", "args", "fan_in"), [("Conv1d", (8, 64, 5), 40), ("Conv2d", (8, 64, (3, 2)), 48)], ids=["Conv1d", "Conv2d"]
)
def test_initial_values_are_distributed_as_in_pytorch(kind: str, args: Any, fan_in: int) -> None:
    ours, theirs = getattr(tg.nn, kind)(*args, rng=0), getattr(torch.nn, kind)(*args)
    for name in ("weight", "bias"):
        drawn, other = getattr(ours, name).numpy(), getattr(theirs, name).detach().numpy()
        assert max(np.abs(drawn).max(), np.abs(other).max()) <= fan_in**-0.5 * (1 + 1e-6)
        assert min(np.abs(drawn).max(), np.abs(other).max()) > 0.9 * fan_in**-0.5
        assert abs(drawn.mean()) < 0.25 * fan_in**-0.5
    again = getattr(tg.nn, kind)(*args, rng=0)
    np.testing.assert_array_equal(ours.weight.numpy(), again.weight.numpy())
