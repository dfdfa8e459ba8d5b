"""Every layer and loss of `tinygrad_ml.nn`, as `gradients` checks them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_ml as tg
from tinygrad_ml import nn

from .. import Setting


class Audited(nn.Module):
    """A layer behind a factor for each number of its input, so that its gradient by the input is checked as well."""

    def __init__(self, layer: Any, shape: tuple[int, ...], call: Callable[..., Any]) -> None:
        self.input = nn.Parameter(np.ones(shape))
        self.layer = layer
        self.call = call

    def forward(self, x: Any, *more: Any) -> Any:
        return self.call(self.layer, x * self.input, *more)


def plainly(layer: Any, *inputs: Any) -> Any:
    return layer(*inputs)


def mean_sine(out: Any) -> Any:
    """A loss of which no normalization takes the slope."""
    return np.mean(np.sin(2 * out))


#: Layers without parameters or arguments.
_PLAIN = ("ReLU", "LeakyReLU", "ELU", "GELU", "SiLU", "Sigmoid", "Tanh", "Softplus", "Identity", "Flatten")
#: Of each layer: how it is made, and the shape of its input.
LAYERS: dict[str, tuple[Callable[[Any], Any], tuple[int, ...]]] = {
    **{name: (lambda rng, name=name: getattr(nn, name)(), (4, 3)) for name in _PLAIN},  # type: ignore[misc]
    "Softmax": (lambda rng: nn.Softmax(-1), (4, 3)),
    "LogSoftmax": (lambda rng: nn.LogSoftmax(-1), (4, 3)),
    "Linear": (lambda rng: nn.Linear(3, 2, rng=rng), (4, 3)),
    "Sequential": (
        lambda rng: nn.Sequential(nn.Linear(3, 4, rng=rng), nn.Tanh(), nn.Linear(4, 2, rng=rng)),
        (4, 3),
    ),
    "Conv1d": (lambda rng: nn.Conv1d(2, 3, 2, stride=2, padding=1, rng=rng), (2, 2, 5)),
    "Conv2d": (lambda rng: nn.Conv2d(2, 4, (2, 3), padding="same", groups=2, rng=rng), (2, 2, 4, 4)),
    "MaxPool2d": (lambda rng: nn.MaxPool2d(2), (2, 1, 4, 4)),
    "AvgPool2d": (lambda rng: nn.AvgPool2d(2, padding=1), (2, 1, 4, 4)),
    "BatchNorm1d": (lambda rng: nn.BatchNorm1d(3), (5, 3)),
    "BatchNorm2d": (lambda rng: nn.BatchNorm2d(2), (3, 2, 2, 2)),
    "LayerNorm": (lambda rng: nn.LayerNorm((2, 3)), (4, 2, 3)),
    "Dropout": (lambda rng: nn.Dropout(0.4, rng=rng), (4, 3)),
    "RNN": (lambda rng: nn.RNN(2, 3, rng=rng), (4, 2, 2)),
    "GRU": (lambda rng: nn.GRU(2, 3, rng=rng), (4, 2, 2)),
    "LSTM": (lambda rng: nn.LSTM(2, 3, rng=rng), (4, 2, 2)),
    "MultiheadAttention": (lambda rng: nn.MultiheadAttention(4, 2, rng=rng), (3, 2, 4)),
    "TransformerEncoderLayer": (
        lambda rng: nn.TransformerEncoderLayer(4, 2, 6, dropout=0.2, rng=rng),
        (3, 2, 4),
    ),
}
#: How layers are called that take or answer more than one array.
_CALLS: dict[str, Callable[..., Any]] = {
    "RNN": lambda layer, x: layer(x)[0],
    "GRU": lambda layer, x: layer(x)[0],
    "LSTM": lambda layer, x: layer(x)[0],
    "MultiheadAttention": lambda layer, x: layer(x, x, x)[0],
}
#: Of each loss: the shape of its input, and a target.
LOSSES: dict[str, tuple[tuple[int, ...], Callable[[Any], Any]]] = {
    "CrossEntropyLoss": ((5, 3), lambda rng: rng.integers(3, size=5)),
    "NLLLoss": ((5, 3), lambda rng: rng.integers(3, size=5)),
    "BCELoss": ((5,), lambda rng: rng.random(5)),
    "BCEWithLogitsLoss": ((5,), lambda rng: rng.random(5)),
    "KLDivLoss": ((5, 3), lambda rng: rng.dirichlet(np.ones(3), 5)),
    "HingeLoss": ((5,), lambda rng: rng.choice([-1.0, 1.0], 5)),
    "CosineEmbeddingLoss": ((5, 3), lambda rng: rng.choice([-1.0, 1.0], 5)),
    **{
        name: ((5, 2), lambda rng: rng.normal(size=(5, 2)))
        for name in ("MSELoss", "L1Loss", "SmoothL1Loss", "HuberLoss")
    },
}


def check_layer(name: str, setting: Setting) -> Any:
    """What the witnesses say of a layer at a random input."""
    rng, seed = setting.rng(name), setting.random_state(name)
    if name == "Embedding":
        return tg.gradcheck.check_module(nn.Embedding(5, 2, rng=rng), mean_sine, rng.integers(5, size=(3, 2)), rng=seed)
    if name in LAYERS:
        make, shape = LAYERS[name]
        return tg.gradcheck.check_module(
            Audited(make(rng), shape, _CALLS.get(name, plainly)), mean_sine, rng.normal(size=shape), rng=seed
        )
    shape, draw = LOSSES[name]
    loss, target = getattr(nn, name)(), draw(rng)
    x = rng.uniform(0.1, 0.9, shape) if name == "BCELoss" else rng.normal(size=shape)
    if name == "CosineEmbeddingLoss":
        other = rng.normal(size=shape)
        return tg.gradcheck.check_module(
            Audited(loss, shape, lambda loss, x: loss(x, other, target)), np.sum, x, rng=seed
        )
    return tg.gradcheck.check_module(Audited(nn.Identity(), shape, plainly), loss, x, target, rng=seed)
