"""The same losses and gradients as PyTorch's, for functions composed of many operations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import tinygrad_ml as tg

torch = pytest.importorskip("torch")

LABELS = np.array([0, 2, 1, 2, 0])
ROWS = np.arange(5)


@dataclass(frozen=True)
class Pair:
    """A function in NumPy, the same in PyTorch, and the shapes of its arguments."""

    numpy: Callable[..., Any]
    torch: Callable[..., Any]
    shapes: tuple[tuple[int, ...], ...]
    complex: bool = False


def pair(ours: Callable[..., Any], theirs: Callable[..., Any], *shapes: tuple[int, ...], **options: Any) -> Pair:
    return Pair(ours, theirs, shapes, **options)


def logsumexp(x: Any) -> Any:
    peak = np.max(x, axis=-1, keepdims=True)
    return np.log(np.sum(np.exp(x - peak), axis=-1, keepdims=True)) + peak


def softmax(x: Any) -> Any:
    return np.exp(x - logsumexp(x))


def cross_entropy(x: Any) -> Any:
    return -np.mean((x - logsumexp(x))[ROWS, LABELS])


def mlp(x: Any, w1: Any, b1: Any, w2: Any, b2: Any) -> Any:
    return cross_entropy(np.tanh(x @ w1 + b1) @ w2 + b2)


def mlp_torch(x: Any, w1: Any, b1: Any, w2: Any, b2: Any) -> Any:
    return torch.nn.functional.cross_entropy(torch.tanh(x @ w1 + b1) @ w2 + b2, torch.tensor(LABELS))


def attention(q: Any, k: Any, v: Any) -> Any:
    scores = q @ np.swapaxes(k, -1, -2) / 2.0
    return np.sum((softmax(scores) @ v) ** 2)


def attention_torch(q: Any, k: Any, v: Any) -> Any:
    return (torch.nn.functional.scaled_dot_product_attention(q, k, v) ** 2).sum()


def causal_attention(q: Any, k: Any, v: Any) -> Any:
    scores = np.where(np.tri(4, dtype=bool), q @ np.swapaxes(k, -1, -2) / 2.0, -np.inf)
    return np.sum((softmax(scores) @ v) ** 2)


def batch_norm(x: Any, scale: Any, shift: Any) -> Any:
    centred = x - np.mean(x, axis=0)
    return np.sum(np.tanh(centred / np.sqrt(np.mean(centred**2, axis=0) + 1e-5) * scale + shift) ** 3)


def batch_norm_torch(x: Any, scale: Any, shift: Any) -> Any:
    y = torch.nn.functional.batch_norm(x, None, None, scale, shift, training=True)
    return (torch.tanh(y) ** 3).sum()


def layer_norm(x: Any, scale: Any, shift: Any) -> Any:
    y = (x - np.mean(x, axis=-1, keepdims=True)) / np.sqrt(np.var(x, axis=-1, keepdims=True) + 1e-5)
    return np.sum(np.sin(y * scale + shift))


def layer_norm_torch(x: Any, scale: Any, shift: Any) -> Any:
    return torch.sin(torch.nn.functional.layer_norm(x, (x.shape[-1],), scale, shift)).sum()


def convolution(x: Any, w: Any) -> Any:
    """3 x 3, over (batch, channel, height, width), by slices."""
    y: Any = 0
    for i in range(3):
        for j in range(3):
            window = x[:, :, i : i + 4, j : j + 4]
            y = y + np.sum(window[:, None] * w[:, :, i, j][None, :, :, None, None], axis=2)
    return np.sum(np.maximum(y, 0) ** 2)


def convolution_torch(x: Any, w: Any) -> Any:
    return (torch.relu(torch.nn.functional.conv2d(x, w)) ** 2).sum()


def max_pool(x: Any) -> Any:
    a, b = np.maximum(x[..., ::2, ::2], x[..., 1::2, ::2]), np.maximum(x[..., ::2, 1::2], x[..., 1::2, 1::2])
    return np.sum(np.exp(np.maximum(a, b)))


def rnn(x: Any, w: Any, u: Any, b: Any) -> Any:
    h: Any = np.zeros((3, 4))
    for t in range(x.shape[0]):
        h = np.tanh(x[t] @ w + h @ u + b)
    return np.sum(h * h)


def rnn_torch(x: Any, w: Any, u: Any, b: Any) -> Any:
    h = torch.zeros(3, 4, dtype=x.dtype)
    for t in range(x.shape[0]):
        h = torch.tanh(x[t] @ w + h @ u + b)
    return (h * h).sum()


def lstm(x: Any, w: Any, u: Any) -> Any:
    h: Any = np.zeros((3, 2))
    c: Any = np.zeros((3, 2))
    for t in range(x.shape[0]):
        gates = x[t] @ w + h @ u
        i, f, o = (1 / (1 + np.exp(-gates[:, 2 * k : 2 * k + 2])) for k in range(3))
        c = f * c + i * np.tanh(gates[:, 6:])
        h = o * np.tanh(c)
    return np.sum(h**2) + np.mean(c)


def lstm_torch(x: Any, w: Any, u: Any) -> Any:
    h = c = torch.zeros(3, 2, dtype=x.dtype)
    for t in range(x.shape[0]):
        gates = x[t] @ w + h @ u
        i, f, o = (torch.sigmoid(gates[:, 2 * k : 2 * k + 2]) for k in range(3))
        c = f * c + i * torch.tanh(gates[:, 6:])
        h = o * torch.tanh(c)
    return (h**2).sum() + c.mean()


def logistic(x: Any, w: Any, b: Any) -> Any:
    z = x @ w + b
    y = (LABELS > 0).astype(float)
    return np.mean(np.logaddexp(0, z) - y * z) + 0.1 * np.sum(w * w)


def logistic_torch(x: Any, w: Any, b: Any) -> Any:
    y = torch.tensor((LABELS > 0).astype(float))
    loss = torch.nn.functional.binary_cross_entropy_with_logits(x @ w + b, y)
    return loss + 0.1 * (w * w).sum()


def huber(x: Any, y: Any) -> Any:
    r = np.abs(x - y)
    return np.mean(np.where(r < 1, 0.5 * r * r, r - 0.5))


def gauss_log_likelihood(x: Any, mean: Any, log_scale: Any) -> Any:
    z = (x - mean) * np.exp(-log_scale)
    return np.sum(0.5 * z * z + log_scale)


def pairwise(x: Any, y: Any) -> Any:
    return np.sum(np.exp(-np.sqrt(np.sum((x[:, None] - y[None]) ** 2, axis=-1) + 1.0)))


def newton(a: Any) -> Any:
    x: Any = np.ones(a.shape)
    for _ in range(6):
        x = (x + np.exp(a) / x) / 2
    return np.sum(x)


def newton_torch(a: Any) -> Any:
    x = torch.ones_like(a)
    for _ in range(6):
        x = (x + torch.exp(a) / x) / 2
    return x.sum()


PAIRS = {
    "multi-layer perceptron": pair(mlp, mlp_torch, (5, 4), (4, 6), (6,), (6, 3), (3,)),
    "softmax cross-entropy": pair(
        cross_entropy, lambda x: torch.nn.functional.cross_entropy(x, torch.tensor(LABELS)), (5, 3)
    ),
    "softmax": pair(lambda x: np.sum(softmax(x) ** 2), lambda x: (torch.softmax(x, -1) ** 2).sum(), (5, 3)),
    "attention": pair(attention, attention_torch, (2, 3, 4), (2, 5, 4), (2, 5, 4)),
    "causal attention": pair(
        causal_attention,
        lambda q, k, v: (torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True) ** 2).sum(),
        *[(2, 4, 4)] * 3,
    ),
    "batch norm": pair(batch_norm, batch_norm_torch, (6, 3), (3,), (3,)),
    "layer norm": pair(layer_norm, layer_norm_torch, (6, 4), (4,), (4,)),
    "convolution": pair(convolution, convolution_torch, (2, 2, 6, 6), (3, 2, 3, 3)),
    "max pooling": pair(max_pool, lambda x: torch.exp(torch.nn.functional.max_pool2d(x, 2)).sum(), (2, 3, 4, 4)),
    "recurrent": pair(rnn, rnn_torch, (6, 3, 2), (2, 4), (4, 4), (4,)),
    "long short-term memory": pair(lstm, lstm_torch, (5, 3, 2), (2, 8), (2, 8)),
    "logistic regression": pair(logistic, logistic_torch, (5, 4), (4,), ()),
    "huber": pair(huber, lambda x, y: torch.nn.functional.huber_loss(x, y), (7,), (7,)),
    "gaussian": pair(
        gauss_log_likelihood,
        lambda x, m, s: (0.5 * ((x - m) * torch.exp(-s)) ** 2 + s).sum(),
        (6, 3), (3,), (6, 3),
    ),
    "pairwise distances": pair(
        pairwise,
        lambda x, y: torch.exp(-torch.sqrt(((x[:, None] - y[None]) ** 2).sum(-1) + 1.0)).sum(),
        (4, 2), (3, 2),
    ),
    "newton's square root": pair(newton, newton_torch, (4,)),
    "var": pair(lambda x: np.sum(np.var(x, axis=0) ** 2), lambda x: (x.var(0, correction=0) ** 2).sum(), (5, 3)),
    "var ddof": pair(lambda x: np.sum(np.exp(np.var(x, axis=1, ddof=1))), lambda x: torch.exp(x.var(1)).sum(), (5, 3)),
    "std": pair(lambda x: np.std(x, ddof=1) * np.sum(x), lambda x: x.std() * x.sum(), (5, 3)),
    "max, min": pair(
        lambda x: np.sum(np.max(x, axis=0) * np.min(x, axis=0)), lambda x: (x.amax(0) * x.amin(0)).sum(), (5, 3)
    ),
    "prod": pair(lambda x: np.sum(np.prod(x, axis=1)), lambda x: x.prod(1).sum(), (5, 3)),
    "cumsum, cumprod": pair(
        lambda x: np.sum(np.cumsum(x, axis=1) ** 2 * np.cumprod(x, axis=1)),
        lambda x: (x.cumsum(1) ** 2 * x.cumprod(1)).sum(),
        (3, 4),
    ),
    "logaddexp": pair(
        lambda x, y: np.sum(np.logaddexp(x, y) * np.hypot(x, y)),
        lambda x, y: (torch.logaddexp(x, y) * torch.hypot(x, y)).sum(),
        (3, 4), (4,),
    ),
    "arctan2": pair(
        lambda x, y: np.sum(np.arctan2(x, y) ** 2), lambda x, y: (torch.atan2(x, y) ** 2).sum(), (3, 4), (4,)
    ),
    "remainder": pair(lambda x: np.sum(x % 0.7 * x), lambda x: (x % 0.7 * x).sum(), (3, 4)),
    "clip": pair(lambda x: np.sum(np.clip(x, -0.5, 0.5) * x), lambda x: (x.clamp(-0.5, 0.5) * x).sum(), (3, 4)),
    "sinc": pair(lambda x: np.sum(np.sinc(x) ** 2), lambda x: (torch.sinc(x) ** 2).sum(), (3, 4)),
    "powers": pair(
        lambda x, y: np.sum((x * x + 1) ** y) + np.sum(np.abs(x) ** 1.5) + np.sum(2.0**y),
        lambda x, y: ((x * x + 1) ** y).sum() + (x.abs() ** 1.5).sum() + (2.0**y).sum(),
        (3, 4), (4,),
    ),
    "repeated indices": pair(
        lambda x: np.sum(x[[0, 0, 2, 0]] * x[[1, 2, 2, 0]]), lambda x: (x[[0, 0, 2, 0]] * x[[1, 2, 2, 0]]).sum(), (3, 4)
    ),
    "concatenate, stack": pair(
        lambda x, y: np.sum(np.concatenate([x, y], axis=1) ** 3) + np.sum(np.exp(np.stack([x, x], axis=-1))),
        lambda x, y: (torch.cat([x, y], 1) ** 3).sum() + torch.exp(torch.stack([x, x], -1)).sum(),
        (3, 4), (3, 2),
    ),
    "einsum": pair(
        lambda x, y: np.sum(np.tanh(np.einsum("bij,jk->bik", x, y))),
        lambda x, y: torch.tanh(torch.einsum("bij,jk->bik", x, y)).sum(),
        (2, 3, 4), (4, 5),
    ),
    "sort": pair(lambda x: np.sum(np.sort(x, axis=0)[0] ** 2), lambda x: (torch.sort(x, 0)[0][0] ** 2).sum(), (5, 3)),
    "solve": pair(
        lambda a, b: np.sum(np.linalg.solve(a @ np.swapaxes(a, -1, -2) + np.eye(3), b) ** 2),
        lambda a, b: (torch.linalg.solve(a @ a.mT + torch.eye(3, dtype=a.dtype), b) ** 2).sum(),
        (2, 3, 3), (2, 3, 1),
    ),
    "log determinant": pair(
        lambda a: np.linalg.slogdet(a.T @ a + np.eye(3))[1],
        lambda a: torch.linalg.slogdet(a.T @ a + torch.eye(3, dtype=a.dtype))[1],
        (4, 3),
    ),
    "complex abs": pair(lambda z: np.sum(np.abs(z) ** 3), lambda z: (z.abs() ** 3).sum(), (3, 4), complex=True),
    "complex product": pair(
        lambda z, w: np.sum(np.abs(np.exp(z * 0.5) @ w)),
        lambda z, w: (torch.exp(z * 0.5) @ w).abs().sum(),
        (3, 4), (4, 2), complex=True,
    ),
    "real and imaginary parts": pair(
        lambda z: np.sum(np.real(z**2) * np.imag(np.conj(z) * 3)),
        lambda z: ((z**2).real * (torch.conj(z) * 3).imag).sum(),
        (3, 4), complex=True,
    ),
    "complex functions": pair(
        lambda z: np.sum(np.abs(np.sin(z) / (2 + np.cos(z))) + np.real(np.tanh(z) * np.log(z))),
        lambda z: ((torch.sin(z) / (2 + torch.cos(z))).abs() + (torch.tanh(z) * torch.log(z)).real).sum(),
        (3, 4), complex=True,
    ),
    "angle": pair(
        lambda z: np.sum(np.angle(z) * np.abs(z)), lambda z: (z.angle() * z.abs()).sum(), (3, 4), complex=True
    ),
    "spectrum": pair(
        lambda x: np.sum(np.abs(np.fft.rfft(x)) ** 2 * np.arange(3)),
        lambda x: (torch.fft.rfft(x).abs() ** 2 * torch.arange(3)).sum(),
        (3, 4),
    ),
}  # fmt: skip


def draw(rng: np.random.Generator, example: Pair) -> list[Any]:
    return [
        rng.normal(size=shape) + (1j * rng.normal(size=shape) if example.complex else 0.0) for shape in example.shapes
    ]


def assert_close(actual: Any, expected: Any) -> None:
    expected = expected.detach().resolve_conj().numpy()
    size = np.max(np.abs(expected), initial=1.0)
    np.testing.assert_allclose(np.asarray(actual), expected, rtol=1e-10, atol=1e-10 * size)


@pytest.mark.parametrize("name", PAIRS)
def test_loss_and_gradients(name: str, rng: np.random.Generator) -> None:
    example = PAIRS[name]
    arrays = draw(rng, example)
    ours = [tg.Tensor(a, requires_grad=True) for a in arrays]
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    loss, expected = example.numpy(*ours), example.torch(*theirs)
    assert_close(loss.data, expected)
    loss.backward()
    expected.backward()
    for x, t in zip(ours, theirs, strict=True):
        assert_close(x.grad, t.grad)


@pytest.mark.parametrize("name", [name for name in PAIRS if not PAIRS[name].complex])
def test_gradients_of_the_gradients(name: str, rng: np.random.Generator) -> None:
    example = PAIRS[name]
    arrays = draw(rng, example)
    ours = [tg.Tensor(a, requires_grad=True) for a in arrays]
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    example.numpy(*ours).backward(create_graph=True)
    firsts = [x.grad for x in ours]
    for x in ours:
        x.zero_grad()
    squares: Any = sum(np.sum(g * g) for g in firsts)
    squares.backward()
    expected = torch.autograd.grad(example.torch(*theirs), theirs, create_graph=True)
    seconds = torch.autograd.grad(sum((g * g).sum() for g in expected), theirs, allow_unused=True)
    for x, t, second in zip(ours, theirs, seconds, strict=True):
        assert_close(
            np.zeros_like(x.data) if x.grad is None else x.grad, torch.zeros_like(t) if second is None else second
        )
