"""Arrays of other libraries inside Tensors: what goes in stays what it is, and the rules never notice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_ml as tg

da = pytest.importorskip("dask.array")

FUNCTIONS: dict[str, Callable[[Any, Any], Any]] = {
    "sum of a product": lambda x, w: np.sum(x * w),
    "exp and log": lambda x, w: np.sum(np.exp(x * 0.1) + np.log(1 + w * w)),
    "tanh": lambda x, w: np.mean(np.tanh(x * w) ** 2),
    "matmul": lambda x, w: np.sum((x @ np.transpose(w)) ** 2),
    "where": lambda x, w: np.sum(np.where(x > 0, x * w, w)),
    "maximum": lambda x, w: np.sum(np.maximum(x, w)),
    "axis": lambda x, w: np.sum(np.sum(x * w, axis=1) ** 2),
    "mean, keepdims": lambda x, w: np.sum((x - np.mean(x, axis=0, keepdims=True)) ** 2 * w),
    "division and powers": lambda x, w: np.sum(x**3 / (1 + w**2) + np.abs(x) ** 0.5),
    "broadcast": lambda x, w: np.sum(np.tanh(x + w[0]) * np.sum(w)),
    "reshape": lambda x, w: np.sum(np.reshape(x, (-1,)) * np.reshape(w, (-1,))),
    "slices": lambda x, w: np.sum(x[1:] * w[:-1]),
    "clip": lambda x, w: np.sum(np.clip(x, -0.5, 0.5) * w),
    # The fused loss was computed at once, in NumPy.
    "cross-entropy": lambda x, w: tg.functional.cross_entropy(x * w, np.arange(6) % 4),
    "numbers": lambda x, w: np.sum(2 - x + 3 * w / 4),
    # Dask's transpose asks whether its axes are true, which an array of them is not.
    "axes": lambda x, w: np.sum(np.transpose(x, (1, 0)) * w.T),
    "tensordot": lambda x, w: np.sum(np.tensordot(x, w, axes=(0, 0)) ** 2),
    "prod": lambda x, w: np.sum(np.prod(x, axis=1) * w[:, 0]),
}


def lazy(a: Any) -> Any:
    return da.from_array(a, chunks=(3, 2))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_are_lazy_and_numpys(name: str, rng: np.random.Generator) -> None:
    function = FUNCTIONS[name]
    arrays = [rng.normal(size=(6, 4)) for _ in range(2)]
    xs = [tg.Tensor(a, requires_grad=True) for a in arrays]
    function(*xs).backward()
    ys = [tg.Tensor(lazy(a), requires_grad=True) for a in arrays]
    loss = function(*ys)
    assert isinstance(loss.data, da.Array)
    np.testing.assert_allclose(loss.data.compute(), function(*arrays), rtol=1e-13)
    loss.backward()
    for x, y in zip(xs, ys, strict=True):
        assert isinstance(y.grad, da.Array), "computed too early"
        assert y.grad.shape == x.shape and y.grad.dtype == x.dtype
        np.testing.assert_allclose(y.grad.compute(), x.grad, rtol=1e-12, atol=1e-14)


def test_nothing_is_computed_before_it_is_asked_for() -> None:
    def never(*_: Any) -> Any:
        raise AssertionError("computed")

    blocks = da.ones((6, 4), chunks=(3, 2)).map_blocks(never, dtype=float, meta=np.empty((0, 0)))
    x = tg.Tensor(blocks, requires_grad=True)
    np.sum(np.exp(x * 2.0) * np.ones((6, 4))).backward()
    assert isinstance(x.grad, da.Array)
    repr(x)


def test_arrays_of_both_kinds(rng: np.random.Generator) -> None:
    a, b = rng.normal(size=(6, 4)), rng.normal(size=4)
    x, w = tg.Tensor(lazy(a)), tg.Tensor(b, requires_grad=True)
    np.sum(np.tanh(x @ w)).backward()
    expected = tg.Tensor(b, requires_grad=True)
    np.sum(np.tanh(a @ expected)).backward()
    np.testing.assert_allclose(np.asarray(w.grad), expected.grad, rtol=1e-12)


def test_second_order(rng: np.random.Generator) -> None:
    a, v = rng.normal(size=(6, 4)), rng.normal(size=(6, 4))
    results = []
    for data in (a, lazy(a)):
        x = tg.Tensor(data, requires_grad=True)
        np.sum(np.tanh(x) * x).backward(create_graph=True)
        first = x.grad
        x.zero_grad()
        np.sum(first * v).backward()
        results.append(x.grad)
    assert isinstance(results[1], da.Array)
    np.testing.assert_allclose(results[1].compute(), results[0], rtol=1e-12)


def test_float32_stays_float32() -> None:
    x = tg.Tensor(lazy(np.ones((6, 4), np.float32)), requires_grad=True)
    np.mean(np.exp(x) / 3 + x**2).backward()
    assert x.grad.dtype == np.float32
    assert x.grad.compute().dtype == np.float32
