"""Layers with a state that goes from step to step of a sequence."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from ..functional import recurrent as functional
from . import init
from .dropout import Dropout
from .module import Module
from .parameter import Parameter


class _Recurrent(Module):
    """What the recurrent layers have in common: weights of every layer and direction, and the way through them."""

    #: How many rows of the weights belong to one hidden unit.
    _gates = 1
    #: What the parts of the state are called.
    _state: tuple[str, ...] = ("hx",)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        dtype: Any = np.float64,
        rng: Any = None,
    ) -> None:
        layer = type(self).__name__
        for name, size in (("input_size", input_size), ("hidden_size", hidden_size), ("num_layers", num_layers)):
            if size < 1:
                raise ValueError(f"{layer}: {name} must be at least 1, got {size}")
        if not 0 <= dropout <= 1:
            raise ValueError(f"{layer}: dropout is a probability between 0 and 1, got {dropout}")
        if dropout and num_layers == 1:
            warnings.warn(
                f"{layer}: dropout={dropout} acts between layers, and there is one layer only; "
                "put a Dropout layer behind it, or set num_layers",
                stacklevel=3,
            )
        rng = np.random.default_rng(rng)
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.bidirectional = bias, batch_first, bidirectional
        self.dropout = Dropout(dropout, rng=rng)
        self._suffixes = [f"_l{k}{end}" for k in range(num_layers) for end in ("", "_reverse")[: 1 + bidirectional]]
        rows, bound = self._gates * hidden_size, 1 / math.sqrt(hidden_size)
        for k, suffix in enumerate(self._suffixes):
            width = hidden_size * (1 + bidirectional) if k > bidirectional else input_size
            shapes: dict[str, tuple[int, ...]] = {"weight_ih": (rows, width), "weight_hh": (rows, hidden_size)}
            if bias:
                shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
            for name, shape in shapes.items():
                setattr(self, name + suffix, init.uniform(Parameter(np.empty(shape, dtype)), -bound, bound, rng))

    def _operation(self) -> Any:
        """The primitive that goes through a whole sequence."""
        raise NotImplementedError

    def _through(self, x: Any, first: tuple[Any, ...] | None) -> tuple[Any, list[Any]]:
        """The outputs of the last layer, and the last states of all layers, as their arguments shaped."""
        layer = type(self).__name__
        if x.ndim not in (2, 3) or x.shape[-1] != self.input_size:
            shape = "(batch, time, " if self.batch_first else "(time, batch, "
            raise ValueError(
                f"{layer}: the input has shape {x.shape}, and must have shape {shape}input_size={self.input_size}), "
                "or without the batch"
            )
        batched = x.ndim == 3
        if not batched:
            x = x[:, None]
        elif self.batch_first:
            x = np.swapaxes(x, 0, 1)
        if len(x) == 0:
            raise ValueError(f"{layer}: the input has no time steps; leave out empty sequences")
        states = self._first_states(x.shape[1], first, batched)
        operation = self._operation()
        last: list[list[Any]] = [[] for _ in self._state]
        directions = 1 + self.bidirectional
        for k in range(0, len(self._suffixes), directions):
            if k:
                x = self.dropout(x)
            outputs = []
            for backwards in range(directions):
                state, suffix = states[k + backwards], self._suffixes[k + backwards]
                after = operation(x[::-1] if backwards else x, state, *self._weights(suffix))
                parts = [after] if len(self._state) == 1 else list(after)
                for collected, part in zip(last, parts, strict=True):
                    collected.append(part[-1])
                outputs.append(parts[0][::-1] if backwards else parts[0])
            x = np.concatenate(outputs, axis=-1) if directions == 2 else outputs[0]
        final = [np.stack(collected) for collected in last]
        if not batched:
            return x[:, 0], [part[:, 0] for part in final]
        return np.swapaxes(x, 0, 1) if self.batch_first else x, final

    def _weights(self, suffix: str) -> list[Any]:
        weights = [getattr(self, "weight_ih" + suffix), getattr(self, "weight_hh" + suffix)]
        return weights + [getattr(self, name + suffix) if self.bias else 0.0 for name in ("bias_ih", "bias_hh")]

    def _first_states(self, batch: int, first: tuple[Any, ...] | None, batched: bool) -> Any:
        """The state that each layer and direction starts from."""
        count = len(self._suffixes)
        if first is None:
            parts = (len(self._state),) * (len(self._state) > 1)
            like = self._weights(self._suffixes[0])[1].data
            return [np.zeros_like(like, shape=(*parts, batch, self.hidden_size))] * count
        shape = (count, batch, self.hidden_size) if batched else (count, self.hidden_size)
        for name, part in zip(self._state, first, strict=True):
            if part.shape != shape:
                meaning = (
                    "(layers x directions, batch, hidden_size)" if batched else "(layers x directions, hidden_size)"
                )
                raise ValueError(
                    f"{type(self).__name__}: {name} has shape {part.shape}, and must have shape {shape}: {meaning}"
                )
        if not batched:
            first = tuple([part[:, None] for part in first])
        return first[0] if len(first) == 1 else [np.stack([part[k] for part in first]) for k in range(count)]

    def extra_repr(self) -> str:
        layers = f", {self.num_layers} layers" if self.num_layers > 1 else ""
        return f"{self.input_size} -> {self.hidden_size}{layers}{', bidirectional' * self.bidirectional}"


class RNN(_Recurrent):
    """``h_t = tanh(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh)`` (Elman 1990).

    Parameters
    ----------
    input_size, hidden_size : int
    num_layers : int, default=1
        Each takes the outputs of the one before it.
    nonlinearity : {"tanh", "relu"}
    bias : bool, default=True
    batch_first : bool, default=False
        Whether inputs and outputs have the shape (batch, time, features) instead of (time, batch, features).
        States have the batch second always.
    dropout : float, default=0.0
        How likely an output of any layer but the last is set to 0 in training.
    bidirectional : bool, default=False
        Whether another set of weights goes from the last step to the first; outputs are then twice as wide.
    dtype : default=np.float64
    rng : int or numpy.random.Generator, optional
        Draws the weights, as in PyTorch uniform in ``+- 1 / sqrt(hidden_size)``, and what is dropped.

    Attributes
    ----------
    weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0, weight_ih_l0_reverse, ... : Parameter

    Examples
    --------
    >>> import numpy as np
    >>> layer = RNN(3, 4, num_layers=2, rng=0)
    >>> output, h_n = layer(np.ones((7, 5, 3)))
    >>> output.shape, h_n.shape
    ((7, 5, 4), (2, 5, 4))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        dtype: Any = np.float64,
        rng: Any = None,
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"RNN: nonlinearity must be 'tanh' or 'relu', got {nonlinearity!r}")
        self.nonlinearity = nonlinearity
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, dtype=dtype, rng=rng
        )

    def _operation(self) -> Any:
        return functional.rnn_tanh if self.nonlinearity == "tanh" else functional.rnn_relu

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, Any]:
        """Go through a sequence.

        Parameters
        ----------
        input : array of shape (time, batch, input_size), (batch, time, input_size) or (time, input_size)
        hx : array of shape (num_layers * directions, batch, hidden_size), default=zeros
            The state to start from; without the batch where the input has none.

        Returns
        -------
        output : array of shape (time, batch, directions * hidden_size), or as the input
            The states of the last layer after all steps.
        h_n : array of the shape of `hx`
            The last states of all layers.
        """
        output, (h_n,) = self._through(input, None if hx is None else (hx,))
        return output, h_n


class GRU(_Recurrent):
    """Gated recurrent units (Cho et al. 2014), with the reset gate behind the product, as in PyTorch and cuDNN.

    With the sigmoid s: ``r = s(W_ir x + b_ir + W_hr h + b_hr)``, ``z = s(W_iz x + b_iz + W_hz h + b_hz)``,
    ``n = tanh(W_in x + b_in + r (W_hn h + b_hn))`` and ``h' = (1 - z) n + z h``. The rows of the
    weights are those of r, z and n.

    Parameters
    ----------
    input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, dtype, rng
        As of `RNN`.

    Examples
    --------
    >>> import numpy as np
    >>> layer = GRU(3, 4, batch_first=True, bidirectional=True, rng=0)
    >>> output, h_n = layer(np.ones((5, 7, 3)))
    >>> output.shape, h_n.shape
    ((5, 7, 8), (2, 5, 4))
    """

    _gates = 3

    def _operation(self) -> Any:
        return functional.gru

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, Any]:
        """Go through a sequence; arguments and results are those of `RNN.forward`."""
        output, (h_n,) = self._through(input, None if hx is None else (hx,))
        return output, h_n


class LSTM(_Recurrent):
    """Long short-term memory (Hochreiter & Schmidhuber 1997; forget gate of Gers et al. 2000).

    With ``a = W_ih x + b_ih + W_hh h + b_hh`` in four parts of rows and the sigmoid s: ``i, f, o = s(a_1), s(a_2),
    s(a_4)``, ``g = tanh(a_3)``, ``c' = f c + i g`` and ``h' = o tanh(c')``.

    Parameters
    ----------
    input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, dtype, rng
        As of `RNN`.

    Examples
    --------
    >>> import numpy as np
    >>> layer = LSTM(3, 4, rng=0)
    >>> output, (h_n, c_n) = layer(np.ones((7, 5, 3)))
    >>> output.shape, h_n.shape, c_n.shape
    ((7, 5, 4), (1, 5, 4), (1, 5, 4))
    """

    _gates = 4
    _state = ("h_0", "c_0")

    def _operation(self) -> Any:
        return functional.lstm

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, tuple[Any, Any]]:
        """Go through a sequence.

        Parameters
        ----------
        input : array
            As of `RNN.forward`.
        hx : tuple of two arrays of shape (num_layers * directions, batch, hidden_size), default=zeros
            ``(h_0, c_0)``, without the batch where the input has none.

        Returns
        -------
        output : array
            As of `RNN.forward`.
        (h_n, c_n) : arrays of the shape of h_0
        """
        if hx is not None and (not isinstance(hx, (tuple, list)) or len(hx) != 2):
            raise ValueError("LSTM: the state hx must be the tuple (h_0, c_0); for zeros leave it out")
        output, (h_n, c_n) = self._through(input, None if hx is None else tuple(hx))
        return output, (h_n, c_n)
