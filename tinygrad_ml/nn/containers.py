"""Modules made of modules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..functional.activations import relu
from .activations import ReLU
from .module import Module
from .pooling import MaxPool2d


class Sequential(Module):
    """Layers one after the other.

    Parameters
    ----------
    *layers : Module or callable
        Each takes what the one before it answers. Functions such as `tinygrad_ml.tanh` are layers too.

    Notes
    -----
    A relu before a max pooling is called behind it, for a part of the elements: the largest of some numbers is cut off
    at 0, or all of them are and then the largest is taken. The answers are the same, and so are the gradients, except
    of windows that hold a NaN.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_ml as tg
    >>> model = tg.nn.Sequential(np.tanh, np.square)
    >>> print(model(np.array([0.0, 1e3])))
    [0. 1.]
    """

    def __init__(self, *layers: Any) -> None:
        for i, layer in enumerate(layers):
            if not callable(layer):
                raise TypeError(
                    f"Sequential: layer {i} is of type {type(layer).__name__}, and must be a module or a function"
                )
        self.layers = list(layers)

    def _parts(self) -> Iterator[tuple[str, Any]]:
        for name, part in vars(self).items():
            if name == "layers":  # "0.weight", as in PyTorch
                yield from ((str(i), layer) for i, layer in enumerate(self.layers))
            else:
                yield name, part

    def forward(self, x: Any) -> Any:
        for layer in _in_order_of_calls(self.layers):
            x = layer(x)
        return x

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.layers)

    def __getitem__(self, index: int | slice) -> Any:
        return Sequential(*self.layers[index]) if isinstance(index, slice) else self.layers[index]


def _in_order_of_calls(layers: list[Any]) -> list[Any]:
    """The layers with each relu behind the max poolings that follow it."""
    order = layers
    for i, layer in enumerate(layers):
        if i and _is(layer, MaxPool2d) and (order[i - 1] is relu or _is(order[i - 1], ReLU)):
            order = [*order[: i - 1], layer, order[i - 1], *layers[i + 1 :]]
    return order


def _is(layer: Any, kind: type[Module]) -> bool:
    """Whether `layer` is of this kind and does what it does: nobody gave it a `forward` of its own."""
    return type(layer) is kind and "forward" not in vars(layer)
