"""Recurrent layers over whole sequences, each as one operation, so that a step costs a few NumPy calls.

All four take ``(x, state, w_ih, w_hh, b_ih, b_hh)``: inputs of shape (time, batch, input), the state before the first
step of shape (batch, hidden), or (2, batch, hidden) for the LSTM's h and c, and weights of PyTorch's shapes and order
of gates; the biases may be 0. They answer the states after every step.

The gradient runs back through the same steps (Werbos 1990, "backpropagation through time"): what arrives at the
inputs of the gates of each step is found step by step, and all else from that at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..graph import fingerprint
from ..primitive import Primitive, define
from .activations import sigmoid


class _Pulled(NamedTuple):
    """What a walk back through all steps finds."""

    #: The gradient at what the inputs, and at what the states before, contribute to the gates.
    inputs: Any
    hidden: Any
    #: The h that every step started from.
    before: Any
    #: The gradient at the first state.
    state: Any


#: The gradient at each argument, from what was pulled back to the gates.
_RULES: tuple[Callable[..., Any], ...] = (
    lambda pulled, x, state, w_ih, *rest: (_rows(pulled.inputs) @ w_ih).reshape(x.shape),
    lambda pulled, *args: pulled.state,
    lambda pulled, x, *rest: _rows(pulled.inputs).T @ _rows(x),
    lambda pulled, *args: _rows(pulled.hidden).T @ _rows(pulled.before),
    lambda pulled, *args: np.sum(pulled.inputs, axis=(0, 1)),
    lambda pulled, *args: np.sum(pulled.hidden, axis=(0, 1)),
)


class _Steps:
    """What the first-order rules of one operation share: its activations, and the gradients last asked for."""

    __slots__ = ("ans", "activations", "last")

    def __init__(self, ans: Any, activations: list[tuple[Any, ...]]) -> None:
        self.ans, self.activations = ans, activations
        self.last: tuple[Any, Any, _Pulled] | None = None


def _rows(x: Any) -> Any:
    """All steps of all samples below each other."""
    return x.reshape(x.shape[0] * x.shape[1], x.shape[2])


def _from_inputs(x: Any, w_ih: Any, b_ih: Any) -> Any:
    """What the inputs of all steps contribute to the gates, in one product."""
    return (_rows(x) @ w_ih.T + b_ih).reshape(*x.shape[:2], w_ih.shape[0])


def _logistic(x: Any) -> Any:
    """`sigmoid` without its care for overflow, which is taken once for all steps."""
    return 1 / (1 + np.exp(-x))


def _before(states: Any, first: Any) -> Any:
    """The states that the steps started from."""
    return np.concatenate([first[None], states[:-1]])


def _backwards(*arrays: Any) -> Any:
    """The steps of all arrays side by side, the last first."""
    return zip(*[reversed(list(array)) for array in arrays], strict=True)


def _recurrence(
    name: str,
    forward: Callable[..., tuple[Any, list[tuple[Any, ...]]]],
    activations: Callable[..., tuple[Any, ...]],
    pull: Callable[..., _Pulled],
) -> Primitive:
    """An operation over a whole sequence.

    Parameters
    ----------
    name : str
    forward : callable
        ``forward(inputs, state, w_hh, b_hh)`` answers the states after all steps and a list of the activations of each.
    activations : callable
        ``activations(inputs, ans, state, w_hh, b_hh)`` answers the activations of all steps in arrays.
    pull : callable
        ``pull(g, ans, activations, state, w_hh)``.
    """

    def run(x: Any, state: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any) -> tuple[Any, _Steps]:
        with np.errstate(over="ignore"):  # of exp in the logistic function, whose limit 0 is right
            ans, steps = forward(_from_inputs(x, w_ih, b_ih), state, w_hh, b_hh)
        return ans, _Steps(ans, steps)

    def pulled(g: Any, ans: Any, x: Any, state: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any) -> _Pulled:
        inputs = _from_inputs(x, w_ih, b_ih)
        return pull(g, ans, activations(inputs, ans, state, w_hh, b_hh), state, w_hh)

    def pulled_once(g: Any, steps: _Steps, x: Any, state: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any) -> _Pulled:
        last, mark = steps.last, fingerprint(g)
        if last is None or last[0] is not g or last[1] != mark:  # a caller may have written to its gradient since
            stacked = tuple([np.stack(parts) for parts in zip(*steps.activations, strict=True)])
            steps.last = last = g, mark, pull(g, steps.ans, stacked, state, w_hh)
        return last[2]

    def rules(pulled: Callable[..., _Pulled]) -> list[Callable[..., Any]]:
        return [lambda g, ans, *args, rule=rule: rule(pulled(g, ans, *args), *args) for rule in _RULES]

    run.__name__ = name
    return define(run, *rules(pulled), cached_rules=rules(pulled_once), name=name)


# h' = f(a + w h + b)


def _simple(function: Callable[[Any], Any]) -> Callable[..., Any]:
    def forward(inputs: Any, h: Any, w_hh: Any, b_hh: Any) -> Any:
        w, inputs = w_hh.T, inputs + b_hh
        states = []
        for a in inputs:
            h = function(a + h @ w)
            states.append(h)
        return np.stack(states), []

    return forward


def _pull_simple(slope: Callable[[Any], Any]) -> Callable[..., _Pulled]:
    def pull(g: Any, ans: Any, activations: Any, state: Any, w_hh: Any) -> _Pulled:
        back, deltas = 0.0, []
        for g_t, slope_t in _backwards(g, slope(ans)):
            delta = (g_t + back) * slope_t
            back = delta @ w_hh
            deltas.append(delta)
        stacked = np.stack(deltas[::-1])
        return _Pulled(stacked, stacked, _before(ans, state), back)

    return pull


rnn_tanh = _recurrence("rnn_tanh", _simple(np.tanh), lambda *args: (), _pull_simple(lambda h: 1 - h * h))
rnn_relu = _recurrence("rnn_relu", _simple(lambda a: np.maximum(a, 0)), lambda *args: (), _pull_simple(lambda h: h > 0))


# i, f, o = sigmoid, g = tanh of what enters the gates;  c' = f c + i g;  h' = o tanh(c')


def _lstm_gates(a: Any, sigmoid: Callable[[Any], Any]) -> tuple[Any, Any]:
    """The sigmoid of everything, of which the third quarter is not needed, and the tanh of that."""
    n = a.shape[-1] // 4
    return sigmoid(a), np.tanh(a[..., 2 * n : 3 * n])


def _lstm(inputs: Any, state: Any, w_hh: Any, b_hh: Any) -> Any:
    (h, c), w, inputs = state, w_hh.T, inputs + b_hh
    n = h.shape[-1]
    hs, cs, activations = [], [], []
    for a in inputs:
        s, g = _lstm_gates(a + h @ w, _logistic)
        c = s[:, n : 2 * n] * c + s[:, :n] * g
        h = s[:, 3 * n :] * np.tanh(c)
        hs.append(h)
        cs.append(c)
        activations.append((s, g))
    return np.stack([np.stack(hs), np.stack(cs)]), activations


def _lstm_activations(inputs: Any, ans: Any, state: Any, w_hh: Any, b_hh: Any) -> tuple[Any, Any]:
    return _lstm_gates(inputs + _before(ans[0], state[0]) @ w_hh.T + b_hh, sigmoid)


def _pull_lstm(gradient: Any, ans: Any, activations: Any, state: Any, w_hh: Any) -> _Pulled:
    s, g = activations
    n = g.shape[-1]
    i, f, o = s[..., :n], s[..., n : 2 * n], s[..., 3 * n :]
    tanh_c = np.tanh(ans[1])
    slopes = np.concatenate(
        [
            g * (i * (1 - i)),
            _before(ans[1], state[1]) * (f * (1 - f)),
            i * (1 - g * g),
            tanh_c * (o * (1 - o)),
        ],
        axis=-1,
    )
    to_c = o * (1 - tanh_c * tanh_c)
    back_h, back_c, deltas = 0.0, 0.0, []
    for dh, dc, slopes_t, to_c_t, f_t in _backwards(*gradient, slopes, to_c, f):
        dh = dh + back_h
        dc = dc + back_c + dh * to_c_t
        delta = slopes_t * np.concatenate([dc, dc, dc, dh], axis=-1)
        back_h, back_c = delta @ w_hh, dc * f_t
        deltas.append(delta)
    stacked = np.stack(deltas[::-1])
    return _Pulled(stacked, stacked, _before(ans[0], state[0]), np.stack([back_h, back_c]))


lstm = _recurrence("lstm", _lstm, _lstm_activations, _pull_lstm)


# r, z = sigmoid, n = tanh(a_n + r (w_n h + b_n));  h' = (1 - z) n + z h


def _gru_gates(a: Any, hidden: Any, sigmoid: Callable[[Any], Any]) -> tuple[Any, Any, Any]:
    """The gates r and z side by side, the candidate n, and what the state contributes to it."""
    n = a.shape[-1] // 3
    rz = sigmoid(a[..., : 2 * n] + hidden[..., : 2 * n])
    q = hidden[..., 2 * n :]
    return rz, np.tanh(a[..., 2 * n :] + rz[..., :n] * q), q


def _gru(inputs: Any, h: Any, w_hh: Any, b_hh: Any) -> Any:
    w, n = w_hh.T, h.shape[-1]
    states, activations = [], []
    for a in inputs:
        rz, candidate, q = _gru_gates(a, h @ w + b_hh, _logistic)
        h = candidate + rz[:, n:] * (h - candidate)
        states.append(h)
        activations.append((rz, candidate, q))
    return np.stack(states), activations


def _gru_activations(inputs: Any, ans: Any, state: Any, w_hh: Any, b_hh: Any) -> tuple[Any, Any, Any]:
    return _gru_gates(inputs, _before(ans, state) @ w_hh.T + b_hh, sigmoid)


def _pull_gru(g: Any, ans: Any, activations: Any, state: Any, w_hh: Any) -> _Pulled:
    rz, candidate, q = activations
    n = candidate.shape[-1]
    r, z = rz[..., :n], rz[..., n:]
    before = _before(ans, state)
    to_n = (1 - z) * (1 - candidate * candidate)
    gates = np.concatenate([to_n * q * (r * (1 - r)), (before - candidate) * (z * (1 - z))], axis=-1)
    slopes = np.concatenate([gates, to_n * r], axis=-1)
    back, states, deltas = 0.0, [], []
    for g_t, slopes_t, z_t in _backwards(g, slopes, z):
        dh = g_t + back
        delta = slopes_t * np.concatenate([dh, dh, dh], axis=-1)
        back = dh * z_t + delta @ w_hh
        states.append(dh)
        deltas.append(delta)
    hidden = np.stack(deltas[::-1])
    inputs = np.concatenate([hidden[..., : 2 * n], np.stack(states[::-1]) * to_n], axis=-1)
    return _Pulled(inputs, hidden, before, back)


gru = _recurrence("gru", _gru, _gru_activations, _pull_gru)
