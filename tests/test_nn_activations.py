"""Activations as layers, against PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_ml as tg
from tinygrad_ml import nn
from tinygrad_ml.gradcheck import check_module

#: Our name, arguments, and where PyTorch's differ those.
LAYERS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("ReLU", {}, {}),
    ("LeakyReLU", {}, {}),
    ("LeakyReLU", {"negative_slope": 0.3}, {}),
    ("ELU", {}, {}),
    ("ELU", {"alpha": 0.7}, {}),
    ("GELU", {}, {}),
    ("GELU", {"approximate": "tanh"}, {}),
    ("SiLU", {}, {}),
    ("Sigmoid", {}, {}),
    ("Tanh", {}, {}),
    ("Softplus", {}, {}),
    ("Softplus", {"beta": 2.5, "threshold": np.inf}, {"threshold": 1e6}),
    ("Softplus", {"beta": 2.5, "threshold": 4.0}, {"threshold": 4.0}),
    ("Softmax", {"dim": -1}, {}),
    ("Softmax", {"dim": 0}, {}),
    ("Softmax", {"dim": 1}, {}),
    ("LogSoftmax", {"dim": -1}, {}),
    ("LogSoftmax", {"dim": 1}, {}),
]
per_layer = pytest.mark.parametrize("name, arguments, theirs", LAYERS)


@per_layer
def test_values_and_gradients_are_pytorchs(name: str, arguments: Any, theirs: Any, rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    x, v = 4 * rng.normal(size=(2, 3, 5)), rng.normal(size=(2, 3, 5))
    ours, expected = tg.Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    out, reference = getattr(nn, name)(**arguments)(ours), getattr(torch.nn, name)(**(arguments | theirs))(expected)
    out.backward(v)
    reference.backward(torch.tensor(v))
    np.testing.assert_allclose(out.numpy(), reference.detach().numpy(), rtol=1e-10, atol=1e-15)
    np.testing.assert_allclose(ours.grad, expected.grad.numpy(), rtol=1e-10, atol=1e-15)


@per_layer
def test_single_precision_stays(name: str, arguments: Any, theirs: Any, rng: np.random.Generator) -> None:
    layer = getattr(nn, name)(**arguments)
    x = tg.Tensor(rng.normal(size=(2, 3, 5)).astype(np.float32), requires_grad=True)
    out = layer(x)
    np.sum(out * rng.normal(size=out.shape).astype(np.float32)).backward()
    assert out.dtype == x.grad.dtype == np.float32
    np.testing.assert_allclose(out.numpy(), layer(x.numpy().astype(np.float64)), rtol=1e-5, atol=1e-6)


@per_layer
def test_check_module(name: str, arguments: Any, theirs: Any, rng: np.random.Generator) -> None:
    # Without a bias, which a softmax across samples does not feel.
    model = nn.Sequential(nn.Linear(3, 4, bias=False, rng=0), getattr(nn, name)(**arguments), nn.Linear(4, 2, rng=1))
    report = check_module(model, lambda out: np.sum(out * out), rng.normal(size=(2, 5, 3)), rng=0)
    assert report.ok, str(report)


def test_they_print_what_they_were_given() -> None:
    layers = [
        nn.ReLU(), nn.LeakyReLU(0.2), nn.ELU(0.5), nn.GELU("tanh"), nn.Softplus(2.0), nn.Softmax(1), nn.LogSoftmax(0)
    ]  # fmt: skip
    assert [repr(layer) for layer in layers] == [
        "ReLU()",
        "LeakyReLU(negative_slope=0.2)",
        "ELU(alpha=0.5)",
        "GELU(approximate='tanh')",
        "Softplus(beta=2.0, threshold=20.0)",
        "Softmax(dim=1)",
        "LogSoftmax(dim=0)",
    ]


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: nn.GELU("sigmoid"), "GELU: approximate must be 'none' or 'tanh', got 'sigmoid'"),
        (lambda: nn.Softplus(0.0), "Softplus: beta must be positive, got 0.0"),
        (lambda: nn.Softmax(None), "Softmax: dim must be the number of an axis, got None; dim=-1 is the last"),
        (lambda: nn.LogSoftmax(None), "LogSoftmax: dim must be the number of an axis, got None"),
    ],
)
def test_errors(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
