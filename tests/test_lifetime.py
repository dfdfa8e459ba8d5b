"""What stays alive, what is shared, and what a backward leaves behind."""

from __future__ import annotations

import gc
import sys
import threading
import tracemalloc
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import tinygrad_ml as tg
from tinygrad_ml.graph import FullNode, Leaf, Node, Output, enable_grad, is_recording
from tinygrad_ml.primitive import Primitive


class Traced(np.ndarray):
    """An array that can be referred to weakly."""


def traced(*shape: int) -> Any:
    return np.ones(shape).view(Traced)


#: A function with two results.
sincos = Primitive(
    lambda x: (np.sin(x), np.cos(x)),
    [lambda g, ans, x: (0 if g[0] is None else g[0] * ans[1]) - (0 if g[1] is None else g[1] * ans[0])],
    name="sincos",
    outputs=True,
)


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def graph_objects() -> int:
    kinds = {tg.Tensor, Node, FullNode, Leaf, Output}
    return sum(type(thing) in kinds for thing in gc.get_objects())


def leaf(data: Any) -> tg.Tensor:
    return tg.Tensor(data, requires_grad=True)


GRAPHS: dict[str, Callable[[Any], Any]] = {
    "elementwise": lambda x: np.sum(np.tanh(x * 2 + 1) ** 2 / (1 + np.exp(-x))),
    "matmul": lambda x: np.mean((x[:, None] * x) @ x),
    "indexing": lambda x: np.sum(x[1:] * x[:-1] + x[[0, 0]][0]),
    "several outputs": lambda x: np.sum(sincos(x)[0] * sincos(x * 2)[1]),
    "one output unused": lambda x: np.sum(sincos(sincos(x)[1])[0]),
    "reused": lambda x: np.sum(x * x + x) * np.sum(x),
}


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("create_graph", [False, True])
def test_reference_counting_frees_everything(name: str, create_graph: bool, no_collector: None) -> None:
    # Closures over the output make cycles, and then memory grows until the collector happens to run.
    before = graph_objects()
    array = traced(4)
    alive = weakref.ref(array)
    x = leaf(array)
    loss = GRAPHS[name](x)
    loss.backward(create_graph=create_graph)
    if create_graph:
        second = np.sum(x.grad * x.grad)
        x.zero_grad()
        second.backward()
        del second
    grad = weakref.ref(x)
    del array, x, loss
    assert alive() is None and grad() is None
    assert graph_objects() == before


@pytest.mark.parametrize("name", GRAPHS)
def test_a_forward_alone_is_freed(name: str, no_collector: None) -> None:
    before = graph_objects()
    x = leaf(np.ones(4))
    loss = GRAPHS[name](x)
    assert graph_objects() > before + 2
    del loss
    assert graph_objects() == before + 2  # x and its leaf
    del x


def test_steps_do_not_grow(no_collector: None) -> None:
    w = leaf(np.ones(1000))

    def step() -> None:
        w.zero_grad()
        np.sum(np.tanh(w * 2) * w).backward()
        with tg.no_grad():
            w.data -= 0.01 * w.grad

    step()
    tracemalloc.start()
    try:
        step()
        first = tracemalloc.get_traced_memory()[0]
        for _ in range(20):
            step()
        assert tracemalloc.get_traced_memory()[0] - first < w.data.nbytes
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("link", [lambda x: x * 1.0, lambda x: x + x * 0.0, lambda x: x[:]], ids=["one", "two", "view"])
def test_a_chain_of_100_000_operations(link: Any, no_collector: None) -> None:
    before = graph_objects()
    x = leaf(np.ones(2))
    y: Any = x
    for _ in range(100_000):
        y = link(y)
    y.backward(np.ones(2))
    np.testing.assert_array_equal(x.grad, [1.0, 1.0])
    assert graph_objects() > before + 100_000
    del y  # as deep as it is long
    assert graph_objects() == before + 2  # x and its leaf


def test_a_chain_recorded_by_create_graph() -> None:
    x = leaf(1.0)
    y: Any = x
    for _ in range(5_000):
        y = y * 1.0
    (y * y).backward(create_graph=True)
    first = x.grad
    x.zero_grad()
    first.backward()
    assert x.grad == 2.0


# What a node keeps.


def kept(function: Callable[..., Any], *shapes: tuple[int, ...]) -> list[bool]:
    """Whether the graph keeps each of the intermediate arrays that `function` is given."""
    arrays = [traced(*shape) for shape in shapes]
    references = [weakref.ref(a) for a in arrays]
    inputs = []
    for a in arrays:  # as results of an operation, since leaves are kept by their owners
        box = [a]
        inputs.append(
            Primitive(lambda x, box=box: box.pop(), [lambda g, ans, x: g], name="given")(leaf(np.ones(a.shape)))
        )
    out = function(*inputs)
    del arrays, inputs, a, box
    alive = [reference() is not None for reference in references]
    np.sum(out).backward()
    return alive


@pytest.mark.parametrize(
    "function, expected",
    [
        (lambda x, y: x + y, [False, False]),
        (lambda x, y: x - y, [False, False]),
        (lambda x, y: x * y, [True, True]),
        (lambda x, y: np.maximum(x, y), [True, True]),
        (lambda x: -x, [False]),
        (lambda x: x + 1.0, [False]),
        (lambda x: x * 2.0, [False]),
        (lambda x: np.exp(x), [False]),
        (lambda x: np.tanh(x), [False]),
        (lambda x: np.sin(x), [True]),
        (lambda x: np.sum(x), [False]),
        (lambda x: np.sum(x, axis=0), [False]),
        (lambda x: np.mean(x, axis=1, keepdims=True), [False]),
        (lambda x: np.reshape(x, -1)[[0]], [False]),
        (lambda x: np.transpose(x)[[0]] * 1.0, [False]),
    ],
)
def test_a_node_keeps_only_what_its_rules_read(function: Any, expected: list[bool]) -> None:
    assert kept(function, *[(3, 4)] * len(expected)) == expected


def test_multiplying_by_a_constant_keeps_only_the_constant() -> None:
    assert kept(lambda x: x * np.full((3, 4), 2.0), (3, 4)) == [False]


def test_the_array_of_a_sum_is_freed_before_backward() -> None:
    a = np.ones(1000)
    before = sys.getrefcount(a)
    x = leaf(a)
    y = np.sum(x + 1.0)
    assert sys.getrefcount(a) == before + 1  # the Tensor's own
    y.backward()


# What a backward leaves behind.


def test_backward_twice_adds_the_same_gradient() -> None:
    x = leaf(np.linspace(-1, 1, 5))
    loss = np.sum(np.tanh(x) * x) + sincos(x)[0][0]
    loss.backward()
    once = x.grad.copy()
    loss.backward()
    np.testing.assert_array_equal(x.grad, 2 * once)
    loss.backward(create_graph=True)
    np.testing.assert_allclose(x.grad.data, 3 * once, rtol=1e-15)


def test_backward_through_two_losses_adds() -> None:
    x = leaf([1.0, 2.0])
    shared = x * x
    np.sum(shared).backward()
    np.sum(shared * 2.0).backward()
    np.testing.assert_array_equal(x.grad, [6.0, 12.0])


SHARING: dict[str, Callable[[Any, Any], Any]] = {
    "a + b": lambda a, b: a + b,
    "a + b + a": lambda a, b: a + b + a,
    "a - b": lambda a, b: a - b,
    "reshaped": lambda a, b: np.reshape(a, (2, 2)).reshape(4) + b,
    "views": lambda a, b: np.transpose(np.transpose(a)) + b,
    "where": lambda a, b: np.where(np.ones(4, bool), a, b) + b,
    "positive": lambda a, b: (+a) + (+b),
}


@pytest.mark.parametrize("name", SHARING)
@pytest.mark.parametrize("create_graph", [False, True])
def test_gradients_share_no_memory(name: str, create_graph: bool) -> None:
    a, b = leaf(np.arange(4.0)), leaf(np.ones(4))
    gradient = np.array([1.0, 2.0, 3.0, 4.0])
    SHARING[name](a, b).backward(gradient, create_graph=create_graph)
    arrays = [a.grad, b.grad] if not create_graph else [a.grad.data, b.grad.data]
    if not create_graph:
        assert not np.shares_memory(*arrays)
        for array in arrays:
            assert array.flags.writeable
            array += 100.0
    for array in arrays:
        assert not np.shares_memory(array, gradient)
    np.testing.assert_array_equal(gradient, [1.0, 2.0, 3.0, 4.0])
    np.testing.assert_array_equal(a.data, np.arange(4.0))
    np.testing.assert_array_equal(b.data, np.ones(4))


def test_the_gradient_of_a_leaf_itself() -> None:
    x, gradient = leaf(np.zeros(3)), np.ones(3)
    x.backward(gradient)
    assert x.grad is not gradient and not np.shares_memory(x.grad, gradient)
    x.backward(gradient)
    np.testing.assert_array_equal(x.grad, 2 * np.ones(3))
    np.testing.assert_array_equal(gradient, np.ones(3))


def test_a_gradient_taken_away_is_not_changed_by_the_next_backward() -> None:
    x = leaf(np.ones(3))
    np.sum(x * 2.0).backward()
    mine = x.grad
    np.sum(x * 3.0).backward()
    np.testing.assert_array_equal(mine, 2 * np.ones(3))
    np.testing.assert_array_equal(x.grad, 5 * np.ones(3))


def test_constants_of_the_graph_are_not_handed_out_as_gradients() -> None:
    c = np.full(3, 2.0)
    x = leaf(np.ones(3))
    np.sum(x * c).backward()
    assert not np.shares_memory(x.grad, c)
    y = leaf(np.ones(3))
    tg.primitive(lambda x: x @ c, lambda g, ans, x: c)(y).backward()
    y.grad += 1.0
    np.testing.assert_array_equal(c, np.full(3, 2.0))


@pytest.mark.parametrize("name", GRAPHS)
def test_zero_upstream_gives_exactly_zero(name: str) -> None:
    x = leaf(np.linspace(-1, 1, 4))
    out = GRAPHS[name](x)
    out.backward(np.zeros(out.shape))
    np.testing.assert_array_equal(x.grad, np.zeros(4))


def test_the_users_arrays_are_never_modified() -> None:
    arrays = [np.linspace(-1, 1, 4) + k for k in range(3)]
    before = [a.copy() for a in arrays]
    a, b = leaf(arrays[0]), leaf(arrays[1])
    loss = np.sum(a * arrays[2] + b * a - np.exp(b)) + np.sum(a)
    loss.backward()
    loss.backward(create_graph=True)
    for array, old in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, old)


def test_a_leaf_that_is_gone_gets_no_gradient() -> None:
    x, y = leaf(np.ones(3)), leaf(np.ones(3))
    loss = np.sum(x * y)
    del x
    loss.backward()
    np.testing.assert_array_equal(y.grad, np.ones(3))


# Recording.


def test_no_grad_nests_and_restores() -> None:
    x = leaf(1.0)
    with tg.no_grad():
        with tg.no_grad():
            assert not (x * 2).requires_grad
        assert not (x * 2).requires_grad
        with enable_grad():
            assert (x * 2).requires_grad
        assert not (x * 2).requires_grad
    assert (x * 2).requires_grad


def test_no_grad_restores_after_an_exception() -> None:
    with pytest.raises(ZeroDivisionError), tg.no_grad():
        raise ZeroDivisionError
    assert is_recording()


def test_no_grad_decorates() -> None:
    @tg.no_grad()
    def double(x: Any, depth: int = 2) -> Any:
        """Twice x."""
        return double(x, depth - 1) if depth else x * 2

    x = leaf(1.0)
    assert not double(x).requires_grad
    assert double.__name__ == "double" and double.__doc__ == "Twice x."
    assert (x * 2).requires_grad


def test_no_grad_is_per_thread() -> None:
    x = leaf(1.0)
    seen = []
    inside, done = threading.Event(), threading.Event()

    def other() -> None:
        inside.wait(10)
        seen.append((x * 2).requires_grad)
        with tg.no_grad():
            seen.append((x * 2).requires_grad)
        done.set()

    thread = threading.Thread(target=other)
    thread.start()
    with tg.no_grad():
        inside.set()
        done.wait(10)
        assert not (x * 2).requires_grad
    thread.join()
    assert seen == [True, False]


def test_backward_under_no_grad() -> None:
    x = leaf([1.0, 2.0])
    loss = np.sum(x * x)
    with tg.no_grad():
        loss.backward()
    np.testing.assert_array_equal(x.grad, [2.0, 4.0])


def test_threads_record_and_pull_independently() -> None:
    grads: dict[int, Any] = {}

    def work(k: int) -> None:
        x = leaf(np.full(3, float(k)))
        for _ in range(50):
            x.zero_grad()
            np.sum(x * x * x).backward()
        grads[k] = x.grad

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(grads) == [0, 1, 2, 3]
    for k, grad in grads.items():
        np.testing.assert_array_equal(grad, np.full(3, 3.0 * k * k))


def test_the_walk_back_holds_no_gradient_that_was_read() -> None:
    # A name in the loop kept the last gradient but one while the next was computed: an array more at the peak.
    x = leaf(np.linspace(-1, 1, 100_000))

    def step() -> None:
        x.grad = None
        np.sum(np.tanh(x * 1.3 + 0.1) ** 2).backward()

    step()
    x.grad = None
    tracemalloc.start()
    try:
        step()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 3.1 * x.data.nbytes
