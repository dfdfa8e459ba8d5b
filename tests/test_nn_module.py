"""Modules: what is found in them, their state, how they print; Sequential, Linear, and initial values."""

from __future__ import annotations

import copy
import math
import pickle
from typing import Any

import numpy as np
import pytest

import tinygrad_ml as tg
from tinygrad_ml import nn
from tinygrad_ml.gradcheck import check_module


class Block(nn.Module):
    def __init__(self, rng: np.random.Generator) -> None:
        self.first = nn.Linear(3, 4, rng=rng)
        self.more = [nn.Linear(4, 4, bias=False, rng=rng), (nn.Linear(4, 2, rng=rng),)]
        self.named = {"scale": nn.Parameter(np.ones(2)), "head": nn.Linear(2, 2, rng=rng)}
        self.tied = self.first
        self.note = "no parameter"
        self.register_buffer("count", np.zeros(1))

    def forward(self, x: Any) -> Any:
        x = np.tanh(self.first(x))
        x = np.tanh(self.more[0](x))
        return self.named["head"](self.more[1][0](x) * self.named["scale"])


NAMES = [
    "named.scale", "first.weight", "first.bias", "more.0.weight", "more.1.0.weight", "more.1.0.bias",
    "named.head.weight", "named.head.bias",
]  # fmt: skip


@pytest.fixture
def block(rng: np.random.Generator) -> Block:
    return Block(rng)


def test_parameters_are_found_wherever_they_are(block: Block) -> None:
    assert [name for name, _ in block.named_parameters()] == NAMES
    assert [name for name, _ in block.named_parameters("model")] == [f"model.{name}" for name in NAMES]
    assert [name for name, _ in block.named_modules()] == ["", "first", "more.0", "more.1.0", "named.head"]
    assert [name for name, _ in block.named_children()] == ["first", "more.0", "more.1.0", "named.head"]
    assert len(block.parameters()) == len({id(p) for p in block.parameters()}) == len(NAMES)


def test_a_module_that_contains_itself_is_walked_once(block: Block) -> None:
    block.first.owner = block
    assert [name for name, _ in block.named_parameters()] == NAMES
    assert "(owner): Block(...)" in repr(block) and len(block.summary().splitlines()) == 8


def test_gradients_of_all_parameters(block: Block, rng: np.random.Generator) -> None:
    report = check_module(block, lambda out: np.sum(out**2), rng.normal(size=(5, 3)), rng=1)
    assert report.ok and [row.name for row in report.rows] == NAMES, report


def test_modes(block: Block) -> None:
    assert all(module.training for module in block.modules())
    assert block.eval() is block and not any(module.training for module in block.modules())
    assert block.train() is block and all(module.training for module in block.modules())


def test_frozen_and_forgotten_gradients(block: Block, rng: np.random.Generator) -> None:
    block.first.requires_grad_(False)
    np.sum(block(rng.normal(size=(2, 3)))).backward()
    assert block.first.weight.grad is None and block.more[0].weight.grad is not None
    block.zero_grad()
    assert all(p.grad is None for p in block.parameters())


def test_apply_visits_every_module_and_the_whole_at_last(block: Block) -> None:
    visited: list[nn.Module] = []
    assert block.apply(visited.append) is block
    assert visited[-1] is block and sorted(map(id, visited)) == sorted(map(id, block.modules()))


def test_to_another_precision(block: Block, rng: np.random.Generator) -> None:
    np.sum(block(rng.normal(size=(2, 3)))).backward()
    block.to(np.float32)
    assert all(p.dtype == p.grad.dtype == np.float32 for p in block.parameters())
    assert block.count.dtype == np.float32
    assert block(np.ones((2, 3), np.float32)).dtype == np.float32
    with pytest.raises(TypeError, match="^to: parameters are floating-point numbers, and int64 is not"):
        block.to(int)


def test_buffers(block: Block) -> None:
    assert [name for name, _ in block.named_buffers()] == ["count"]
    block.count = block.count + 1  # rebinding it leaves it a buffer
    assert [float(b[0]) for b in block.buffers()] == [1.0]
    with pytest.raises(ValueError, match="^register_buffer: 'a.b' is no name of an attribute"):
        block.register_buffer("a.b", 0)
    with pytest.raises(ValueError, match="^register_buffer: Block has an attribute 'note' already$"):
        block.register_buffer("note", 0)


def test_state_travels(block: Block, rng: np.random.Generator, tmp_path: Any) -> None:
    x = rng.normal(size=(4, 3))
    block.count[0] = 7
    other = Block(np.random.default_rng(99))
    assert not np.array_equal(other(x).numpy(), block(x).numpy())
    arrays = [parameter.data for parameter in other.parameters()]
    other.load_state_dict(block.state_dict())
    assert np.array_equal(other(x).numpy(), block(x).numpy()) and other.count[0] == 7
    assert all(p.data is a for p, a in zip(other.parameters(), arrays, strict=True)), "an optimizer may hold the arrays"
    block.save(tmp_path / "model.npz")
    fresh = Block(np.random.default_rng(98))
    fresh.load(tmp_path / "model.npz")
    assert np.array_equal(fresh(x).numpy(), block(x).numpy())
    assert [file.name for file in tmp_path.iterdir()] == ["model.npz"]
    for twin in (copy.deepcopy(block), pickle.loads(pickle.dumps(block))):
        assert np.array_equal(twin(x).numpy(), block(x).numpy())
        assert twin.tied is twin.first and not np.shares_memory(twin.first.weight.data, block.first.weight.data)


def test_a_state_is_a_copy(block: Block) -> None:
    state = block.state_dict()
    state["first.weight"][:] = 0
    assert np.any(block.first.weight.data != 0)


def test_a_state_that_does_not_fit_changes_nothing(block: Block) -> None:
    state = block.state_dict()
    before = {name: array.copy() for name, array in state.items()}
    state["first.weight"] = np.zeros((9, 9))
    state["else"] = np.zeros(2)
    del state["more.0.weight"]
    state["first.bias"] = np.full(4, 5.0)
    with pytest.raises(ValueError) as error:
        block.load_state_dict(state)
    assert str(error.value).splitlines() == [
        "load_state_dict: Block cannot take this state:",
        "  missing: more.0.weight (4, 4)",
        "  unknown: else (2,)",
        "  first.weight has shape (9, 9) instead of (4, 3)",
    ]
    assert all(np.array_equal(array, before[name]) for name, array in block.state_dict().items())
    del state["first.weight"]
    block.load_state_dict(state, strict=False)
    assert np.array_equal(block.first.bias.numpy(), np.full(4, 5.0))


def test_names_that_are_not_unique_are_refused() -> None:
    """Of two arrays of one name only the last was saved."""
    module = nn.Module()
    module.parts = {"a.b": nn.Linear(1, 2, bias=False), "a": {"b": nn.Linear(1, 2)}}  # type: ignore[attr-defined]
    message = "^state_dict: in Module several parameters or buffers are called parts.a.b.weight, and one would replace"
    with pytest.raises(ValueError, match=message):
        module.state_dict()
    with pytest.raises(ValueError, match=message):
        module.load_state_dict({})


def test_what_is_shared_is_loaded_under_any_of_its_names(block: Block) -> None:
    """PyTorch's states hold a shared weight under all its names, and its files under one that it chooses."""
    block.first.owner = block  # type: ignore[attr-defined]
    block.twice = [nn.BatchNorm1d(2)] * 2  # type: ignore[attr-defined]
    state = block.state_dict()
    for other, name in (("tied.weight", "first.weight"), ("twice.1.running_mean", "twice.0.running_mean")):
        assert name in state and other not in state
        value = state[name] + 1
        block.load_state_dict({**{k: v for k, v in state.items() if k != name}, other: value})
        assert np.array_equal(block.state_dict()[name], value)
        block.load_state_dict({**state, other: state[name]})
        assert np.array_equal(block.state_dict()[name], state[name])
        with pytest.raises(ValueError) as error:
            block.load_state_dict({**state, other: value, "else": np.zeros(1)})
        assert str(error.value).splitlines()[1:] == [
            "  unknown: else (1,)",
            f"  {other} differs from others of its names, and here is the same as {name}",
        ]
        assert np.array_equal(block.state_dict()[name], state[name])


@pytest.mark.parametrize("wrong", [np.ones(2, complex), np.array(["a", "b"]), np.array([None, 1])])
def test_numbers_of_another_kind_are_refused(wrong: Any) -> None:
    """Imaginary parts, and fractions of counts, were lost without a word."""
    layer = nn.BatchNorm1d(2)
    with pytest.raises(ValueError, match=f"bias holds {wrong.dtype}, which does not go into float64"):
        layer.load_state_dict({**layer.state_dict(), "weight": np.zeros(2), "bias": wrong})
    with pytest.raises(ValueError, match="num_batches_tracked holds float64, which does not go into int64"):
        layer.load_state_dict({**layer.state_dict(), "num_batches_tracked": np.array(1.5)})
    assert np.array_equal(layer.weight.numpy(), [1, 1])


def test_a_state_is_a_dict(block: Block) -> None:
    with pytest.raises(TypeError, match="^load_state_dict: state must be a dict of arrays by name, got list$"):
        block.load_state_dict([1])


def test_files_that_are_no_state(block: Block, tmp_path: Any) -> None:
    with pytest.raises(ValueError, match="^save and load: model.pt must end in .npz or .safetensors$"):
        block.save(tmp_path / "model.pt")
    (tmp_path / "text.npz").write_text("no archive")
    with pytest.raises(ValueError, match="text.npz is no .npz file of arrays"):
        block.load(tmp_path / "text.npz")
    with pytest.raises(FileNotFoundError):
        block.load(tmp_path / "none.npz")


def test_safetensors_that_numpy_cannot_hold(tmp_path: Any) -> None:
    torch, safetensors = pytest.importorskip("torch"), pytest.importorskip("safetensors.torch")
    (tmp_path / "text.safetensors").write_text("no tensors")
    safetensors.save_file({"weight": torch.ones(2, 2).bfloat16()}, tmp_path / "half.safetensors")
    for name in ("text", "half"):
        with pytest.raises(ValueError, match=rf"{name}.safetensors is no .safetensors file of arrays .* \.float\(\)"):
            nn.Linear(2, 2, bias=False).load(tmp_path / f"{name}.safetensors")
    with pytest.raises(FileNotFoundError):
        nn.Linear(2, 2).load(tmp_path / "none.safetensors")


def test_tied_weights_travel_to_pytorch_and_back(tmp_path: Any, rng: np.random.Generator) -> None:
    torch, safetensors = pytest.importorskip("torch"), pytest.importorskip("safetensors.torch")

    def tied(library: Any) -> Any:
        word, output = library.nn.Embedding(5, 3), library.nn.Linear(3, 5, bias=False)
        output.weight = word.weight
        return library.nn.Sequential(word, output)

    ours, theirs, fresh, indices = tied(tg), tied(torch).double(), tied(tg), rng.integers(0, 5, 4)
    ours.save(tmp_path / "ours.safetensors")
    safetensors.load_model(theirs, tmp_path / "ours.safetensors")
    safetensors.save_model(theirs, tmp_path / "theirs.safetensors")
    fresh.load(tmp_path / "theirs.safetensors")
    expected = theirs(torch.tensor(indices)).detach().numpy()
    for module in (ours, fresh):
        np.testing.assert_allclose(module(indices).numpy(), expected, rtol=1e-12)
    fresh.load_state_dict({name: value.numpy() for name, value in theirs.state_dict().items()})


def test_safetensors(block: Block, tmp_path: Any) -> None:
    pytest.importorskip("safetensors")
    block.save(tmp_path / "model.safetensors")
    fresh = Block(np.random.default_rng(98))
    fresh.load(tmp_path / "model.safetensors")
    assert all(np.array_equal(a, b) for a, b in zip(fresh.parameters(), block.parameters(), strict=True))


def test_safetensors_that_are_not_installed(block: Block, tmp_path: Any, monkeypatch: Any) -> None:
    monkeypatch.setitem(__import__("sys").modules, "safetensors.numpy", None)
    monkeypatch.setitem(__import__("sys").modules, "safetensors", None)
    with pytest.raises(ImportError, match="pip install safetensors"):
        block.save(tmp_path / "model.safetensors")
    assert not list(tmp_path.iterdir())


def test_a_failed_save_leaves_the_file_as_it_was(block: Block, tmp_path: Any, monkeypatch: Any) -> None:
    block.save(tmp_path / "model.npz")
    before = (tmp_path / "model.npz").read_bytes()
    block.first.bias.data[:] = 3

    def fails(*_: Any, **__: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(np.lib.format, "write_array", fails)
    with pytest.raises(OSError, match="disk full"):
        block.save(tmp_path / "model.npz")
    assert (tmp_path / "model.npz").read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_how_a_module_prints() -> None:
    model = nn.Sequential(nn.Linear(3, 4, rng=0), np.tanh, nn.Linear(4, 2, bias=False, rng=0))
    assert repr(model).splitlines() == [
        "Sequential(",
        "  (0): Linear(3 -> 4, weight (4, 3), bias (4,))",
        "  (2): Linear(4 -> 2, weight (2, 4))",
        ")",
    ]
    model[0].requires_grad_(False)
    assert model.summary((5, 3)).splitlines() == [
        "module   kind        output  parameters",
        "---------------------------------------",
        "(whole)  Sequential  (5, 2)           0",
        "0        Linear      (5, 4)          16",
        "2        Linear      (5, 2)           8",
        "24 parameters, 16 of them frozen",
    ]
    assert model.training and "forward" not in vars(model), "the summary leaves the module as it was"
    assert model.summary().splitlines()[2].split() == ["(whole)", "Sequential", "0"]


def test_parameters_in_lists_are_listed_where_they_are() -> None:
    # The tree and the table left out parameters whose name has a dot because they are in a list or dict.
    module = nn.Module()
    module.scales = [nn.Parameter(np.ones(2)), nn.Parameter(np.ones(3))]
    assert repr(module) == "Module(scales.0 (2,), scales.1 (3,))"
    assert module.summary().splitlines()[2].split() == ["(whole)", "Module", "5"]


def test_a_parameter_is_not_lost_to_an_array() -> None:
    # Assigning an array had taken the parameter out of the model without a word.
    layer = nn.Linear(3, 2, rng=0)
    with pytest.raises(TypeError, match=r"^Linear.weight is a Parameter, and ndarray is.*\.weight\.data\[\.\.\.\] = "):
        layer.weight = np.zeros((2, 3))
    layer.weight = nn.Parameter(np.zeros((2, 3)))
    layer.bias = None
    assert [name for name, _ in layer.named_parameters()] == ["weight"]
    assert np.array_equal(layer(np.ones((1, 3))).numpy(), [[0.0, 0.0]])


def test_a_module_without_forward() -> None:
    with pytest.raises(NotImplementedError, match="^Empty has no method forward"):
        type("Empty", (nn.Module,), {})()(1)


def test_sequential() -> None:
    model = nn.Sequential(np.square, np.sqrt, nn.Linear(2, 1, rng=0))
    assert len(model) == 3 and list(model) == model.layers and model[2] is model.layers[2]
    assert [name for name, _ in model.named_parameters()] == ["2.weight", "2.bias"]
    assert len(model[:2]) == 2 and np.array_equal(model[:2](np.array([3.0])), [3.0])
    with pytest.raises(TypeError, match="^Sequential: layer 1 is of type int, and must be a module or a function$"):
        nn.Sequential(np.tanh, 3)


def step_by_step(layers: Any, x: np.ndarray) -> tuple[Any, Any]:
    """The answer of layers called as they stand, and the gradient of a weighted sum of it."""
    t = tg.Tensor(x, requires_grad=True)
    out = t
    for layer in layers:
        out = layer(out)
    np.sum(out * np.arange(1.0, out.size + 1).reshape(out.shape)).backward()
    return out.data, t.grad


@pytest.mark.parametrize(
    "layers",
    [
        [tg.relu, nn.MaxPool2d(2)],
        [nn.ReLU(), nn.MaxPool2d(3, stride=2, padding=1), np.tanh],
        [np.sin, tg.relu, nn.MaxPool2d(2, stride=1, ceil_mode=True), nn.MaxPool2d(2)],
    ],
    ids=["function", "module", "two poolings"],
)
@pytest.mark.parametrize("values", ["distinct", "many equal", "none positive", "infinite", "not numbers"])
def test_relu_behind_a_max_pooling_answers_the_same(layers: Any, values: str, rng: np.random.Generator) -> None:
    x = rng.normal(size=(3, 2, 8, 8))
    if values == "many equal":
        x = np.round(x)
    elif values == "none positive":
        x = -abs(x).round()
    elif values == "infinite" and np.sin not in layers:
        x[0, :, ::3], x[1, 1, 4, 4] = -np.inf, np.inf
    elif values == "not numbers":
        x[0, :, ::3] = np.nan
    out, gradient = step_by_step(layers, x)
    again, other = step_by_step([nn.Sequential(*layers)], x)
    np.testing.assert_array_equal(again, out)
    if values != "not numbers":
        np.testing.assert_array_equal(other, gradient)


def test_relu_is_called_behind_the_max_poolings_that_follow_it() -> None:
    """For fewer elements; but what stands in the place of either is called where it stands."""
    called: list[Any] = []

    class Noting(nn.MaxPool2d):
        def forward(self, x: Any) -> Any:
            called.append(x)
            return super().forward(x)

    x = tg.Tensor(-np.ones((1, 1, 4, 4)), requires_grad=True)

    def operations(*layers: Any) -> list[str]:
        node, names = nn.Sequential(*layers)(x)._node, []
        while node.edges:
            names.append(node.primitive.name)
            node = node.edges[0][0]
        return names[::-1]

    pool = nn.MaxPool2d(2)
    assert operations(tg.relu, pool) == operations(nn.ReLU(), pool) == ["max_pool", "relu"]
    assert operations(tg.relu, pool, pool) == ["max_pool", "max_pool", "relu"]
    assert operations(pool, tg.relu) == ["max_pool", "relu"]
    assert operations(tg.relu, nn.AvgPool2d(2))[0] == operations(tg.relu, Noting(2))[0] == "relu"
    assert np.max(called[0].data) == 0, "what a user wrote sees what its place in the row says"
    assert operations(tg.sigmoid, pool) == ["sigmoid", "max_pool"]
    model = nn.Sequential(nn.ReLU(), pool)
    assert [line.split()[2:6] for line in model.summary((1, 1, 4, 4)).splitlines()[3:5]] == [
        ["(1,", "1,", "4,", "4)"],
        ["(1,", "1,", "2,", "2)"],
    ]


def test_the_gradient_of_a_linear_layer_lies_in_memory_as_its_input_does(rng: np.random.Generator) -> None:
    """Behind a convolution the samples lie next to each other, and what comes before it wants them so again."""
    values, weights = rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
    gradients = []
    for order in ("C", "F"):
        x = tg.Tensor(np.asarray(values, order=order), requires_grad=True)
        np.sum(nn.Linear(3, 2, rng=0)(x) * weights).backward()
        assert x.grad.flags["C_CONTIGUOUS" if order == "C" else "F_CONTIGUOUS"]
        gradients.append(x.grad)
    np.testing.assert_allclose(*gradients, rtol=1e-14)


def test_linear_beside_pytorch(rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    for bias in (True, False):
        theirs = torch.nn.Linear(5, 3, bias=bias, dtype=torch.float64)
        ours = nn.Linear(5, 3, bias=bias, rng=rng)
        ours.load_state_dict({name: p.detach().numpy() for name, p in theirs.named_parameters()})
        x = rng.normal(size=(2, 4, 5))
        leaf, t = tg.Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        out, expected = ours(leaf), theirs(t)
        (out**2).sum().backward()
        (expected**2).sum().backward()
        np.testing.assert_allclose(out.numpy(), expected.detach().numpy(), rtol=1e-12)
        np.testing.assert_allclose(leaf.grad, t.grad.numpy(), rtol=1e-11)
        for (_, p), (_, q) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
            np.testing.assert_allclose(p.grad, q.grad.numpy(), rtol=1e-11)


def test_linear_infers_its_input_only_if_asked_to() -> None:
    layer = nn.Linear(None, 2, rng=0)
    assert repr(layer) == "Linear(None -> 2, bias (2,))"
    # An optimizer made before the first input would never have trained the weight.
    with pytest.raises(
        RuntimeError, match=r"^Linear '1' takes its size from the first input, and had none yet, so its"
    ):
        nn.Sequential(np.tanh, layer).parameters()
    assert layer(np.ones((4, 3))).shape == (4, 2)
    assert [(name, p.shape) for name, p in layer.named_parameters()] == [("weight", (2, 3)), ("bias", (2,))]
    with pytest.raises(
        ValueError, match=r"^Linear: the input has shape \(4, 5\), and its last axis must be in_features=3$"
    ):
        layer(np.ones((4, 5)))
    assert np.array_equal(nn.Linear(3, 2, rng=5).weight.data, nn.Linear(3, 2, rng=5).weight.data)


def test_linear_takes_lists() -> None:
    layer = nn.Linear(2, 1, rng=0)
    assert np.array_equal(layer([[1.0, 2.0]]).numpy(), layer(np.array([[1.0, 2.0]])).numpy())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.Linear(-1, 2), "Linear: in_features must be an int of at least 0, got -1"),
        (lambda: nn.Linear(2, 2.0), "Linear: out_features must be an int of at least 0, got 2.0"),
        (lambda: nn.Embedding(3, -1), "Embedding: embedding_dim must be an int of at least 1, got -1"),
    ],
)
def test_sizes_that_are_none(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        make()


N = 200_000


@pytest.mark.parametrize(
    ("draw", "low", "high", "deviation"),
    [
        (lambda p, rng: nn.init.uniform(p, -1, 3, rng), -1, 3, 4 / math.sqrt(12)),
        (lambda p, rng: nn.init.normal(p, 0, 0.5, rng), -4, 4, 0.5),
        (lambda p, rng: nn.init.xavier_uniform(p, 2, rng), -2 * math.sqrt(6 / 1200), None, 2 * math.sqrt(2 / 1200)),
        (lambda p, rng: nn.init.xavier_normal(p, 1, rng), None, None, math.sqrt(2 / 1200)),
        (lambda p, rng: nn.init.kaiming_uniform(p, math.sqrt(5), rng=rng), -1 / math.sqrt(200), None, None),
        (lambda p, rng: nn.init.kaiming_normal(p, mode="fan_out", nonlinearity="relu", rng=rng), None, None,
         math.sqrt(2 / 1000)),
    ],
)  # fmt: skip
def test_initial_values(draw: Any, low: Any, high: Any, deviation: Any, rng: np.random.Generator) -> None:
    values = draw(nn.Parameter(np.empty((1000, 200))), rng).numpy()
    if low is not None:
        assert values.min() >= low and values.max() <= (-low if high is None else high)
    if deviation is not None:
        assert abs(values.std() / deviation - 1) < 5 / math.sqrt(2 * N)


def test_orthogonal_initial_values(rng: np.random.Generator) -> None:
    for shape in ((4, 9), (9, 4), (5, 2, 3)):
        w = nn.init.orthogonal(nn.Parameter(np.empty(shape)), 2.0, rng).numpy().reshape(shape[0], -1)
        product = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
        np.testing.assert_allclose(product, 4 * np.eye(min(w.shape)), atol=1e-12)


def test_errors_of_initial_values() -> None:
    with pytest.raises(ValueError, match=r"^init: a weight of shape \(3,\) has no fans"):
        nn.init.xavier_normal(nn.Parameter(np.ones(3)))
    with pytest.raises(ValueError, match="^init.gain: unknown nonlinearity 'swish'; known: leaky_relu, linear"):
        nn.init.gain("swish")
    with pytest.raises(ValueError, match="^init: mode must be 'fan_in' or 'fan_out', got 'fan'$"):
        nn.init.kaiming_normal(nn.Parameter(np.ones((2, 2))), mode="fan")


def test_gains_are_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    for name in ("linear", "sigmoid", "tanh", "relu", "selu"):
        assert nn.init.gain(name) == torch.nn.init.calculate_gain(name)
    assert nn.init.gain("leaky_relu", 0.2) == torch.nn.init.calculate_gain("leaky_relu", 0.2)
