"""Who is blamed: every planted error, and nobody else."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_ml as tg
from benchmarks import blame_rates as rates
from tinygrad_ml import engine
from tinygrad_ml.gradcheck import complex_step, examine, recall, trial
from tinygrad_ml.gradcheck.blame import blame
from tinygrad_ml.gradcheck.culprits import Blame
from tinygrad_ml.graph import Node, watching

from .case import Case
from .op_table import CASES
from .test_rules import inner, leaves, parts, weights


def only(found: Blame) -> Any:
    """The one culprit that there is."""
    assert len(found) == 1, found
    return found[0]


def tensor(data: Any) -> tg.Tensor:
    return tg.Tensor(np.array(data, dtype=float), requires_grad=True)


def with_rule(node: Node, k: int, rule: Callable[..., Any]) -> None:
    """Give input `k` of a node another rule, a function of the right one and of what rules are handed."""
    parent, right, i, like = node.edges[k]
    wrong = lambda *args, **kwargs: rule(right, *args, **kwargs)  # noqa: E731
    node.edges = (*node.edges[:k], (parent, wrong, i, like), *node.edges[k + 1 :])


def scaled(factor: float) -> Callable[..., Any]:
    return lambda right, *args, **kwargs: right(*args, **kwargs) * factor


# Rates


@pytest.mark.slow
def test_planted_errors_are_named_and_innocents_are_not(make_rng: Any) -> None:
    counted = rates.blame_rates(make_rng("rates"), graphs=240, bugs=4)
    assert counted.planted.total() >= 900
    assert counted.sound >= 5000
    assert not counted.innocents
    assert counted.named.total() >= 0.98 * counted.planted.total(), counted.missed
    assert counted.untestable.total() <= 0.002 * counted.sound, counted.untestable


def test_one_error_a_graph_recorded_as_usual(make_rng: Any) -> None:
    """Without `watching`, from what the nodes keep."""
    rng = make_rng("as usual")
    counted = rates.Rates()
    for _ in range(60):
        leaves, compute = rates.random_computation(rng, 40)
        with watching():
            watched = compute(*leaves)
        bug = rates.plant(rng, watched, 1)[0]
        nodes = rates.recorded(watched)
        root = compute(*leaves)
        twins = rates.recorded(root)
        assert [node.primitive for node in nodes] == [node.primitive for node in twins]
        twin = twins[nodes.index(bug.node)]
        places = [k for k, edge in enumerate(twin.edges) if edge[2] == bug.input]
        wrong = next(edge[1] for edge in bug.node.edges if edge[2] == bug.input)
        with_rule(twin, places[0], lambda right, *args, wrong=wrong, **kwargs: wrong(*args, **kwargs))
        rates.score(counted, [bug], blame(root, rng=rng), len(twins))
    assert not counted.innocents
    assert counted.named.total() >= 0.95 * 60, counted.missed


@pytest.mark.parametrize("watched", [True, False])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_no_operation_of_the_table_is_blamed(case: Case, watched: bool, make_rng: Any) -> None:
    rng = make_rng(case.name)
    arrays = case.sample(rng)
    vs = weights(rng, case.function, arrays)
    f = lambda *xs: inner(vs, parts(case.function(*xs)))  # noqa: E731
    xs = leaves(arrays)
    found = blame(f, *arrays, rng=rng) if watched else blame(f(*xs), rng=rng)
    assert not found, found
    assert not (watched and found.untestable), found


def test_cost(make_rng: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A complex forward takes as long as 4 real ones; on 200 operations all of them together are 20 forward passes."""
    rng = make_rng("cost")
    x, w = rng.normal(size=(6, 5)), tensor(rng.normal(size=(5, 5)))
    with watching():
        root = rates.large_computation(x, w)
    count = len(rates.recorded(root))
    assert count >= 200
    calls = {"complex": 0, "real": 0, "rules": 0}

    def counting(kind: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **kwargs: Any) -> Any:
            calls[kind] += 1
            return function(*args, **kwargs)

        return counted

    monkeypatch.setattr(trial, "push", counting("complex", complex_step.push))
    monkeypatch.setattr(trial, "run", counting("real", recall.run))
    monkeypatch.setattr(examine, "run", counting("real", recall.run))
    monkeypatch.setattr(recall, "run", counting("real", recall.run))
    monkeypatch.setattr(trial.Trial, "_answer", counting("rules", trial.Trial._answer))
    assert not blame(root, rng=rng)
    rules_of_the_accumulation = sum(len(node.edges) for node in rates.recorded(root))
    assert 0 < 4 * calls["complex"] + calls["real"] + calls["rules"] + rules_of_the_accumulation <= 20 * count


# What rules can do wrong


def test_a_wrong_factor_is_named_with_its_place(rng: np.random.Generator) -> None:
    x, w = tensor(rng.normal(size=(3, 4))), tensor(rng.normal(size=4))
    with watching():
        y = np.exp(x)
        z = y * w
        line = inspect.currentframe().f_lineno - 1
        loss = np.sum(np.tanh(z))
    with_rule(z._node, 1, scaled(1 + 1e-5))
    culprit = only(blame(loss, rng=rng))
    assert (culprit.operation, culprit.kind, culprit.input) == ("multiply", "RULE", "argument 1 (x2)")
    assert culprit.shapes == ((3, 4), (4,), (3, 4))
    assert culprit.error == pytest.approx(1e-5, rel=1e-3)
    assert culprit.line == f"test_blame.py:{line}"
    assert culprit.index is not None and len(culprit.index) == 1
    assert "its rule for argument 1 (x2) is off by 1.0e-05, the worst at [" in culprit.message
    assert str(culprit).startswith(f"RULE: multiply (test_blame.py:{line}), shapes (3, 4), (4,) -> (3, 4): its rule")


def test_one_wrong_element_is_named(rng: np.random.Generator) -> None:
    x, w = tensor(rng.normal(size=(5, 7))), tensor(rng.normal(size=(7, 6)))
    with watching():
        y = x @ w
        loss = np.sum(y * y)

    def wrong(right: Any, *args: Any) -> Any:
        g = right(*args)
        g[3, 2] *= 1.0001
        return g

    with_rule(y._node, 1, wrong)
    assert only(blame(loss, rng=rng)).index == (3, 2)


def test_a_wrong_element_in_the_shadow_of_large_ones(rng: np.random.Generator) -> None:
    x = tensor(np.linspace(-20, 12, 300))
    with watching():
        y = np.exp(x)
        loss = np.sum(y)

    def wrong(right: Any, *args: Any) -> Any:
        g = right(*args)
        g[7] *= 1 + 1e-6
        return g

    with_rule(y._node, 0, wrong)
    culprit = only(blame(loss, rng=rng))
    assert culprit.index == (7,)
    assert culprit.error == pytest.approx(1e-6, rel=1e-3)


WRONG = [
    ("cross_entropy", lambda x: tg.functional.cross_entropy(x, np.array([0, 1, 1]))),
    ("binary_cross_entropy_with_logits", lambda x: tg.functional.binary_cross_entropy_with_logits(x, np.ones((3, 3)))),
]


@pytest.mark.parametrize("name, f", WRONG)
def test_rules_that_read_a_cache(name: str, f: Any, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    x = tensor(rng.normal(size=(3, 3)))
    with watching():
        loss = f(x)
    primitive = loss._node.primitive
    right, *others = primitive.cached_rules
    monkeypatch.setattr(primitive, "cached_rules", (lambda *args: right(*args) * (1 + 1e-7), *others))
    culprit = only(blame(loss, rng=rng))
    assert culprit.operation == name
    assert "its cached rule" in culprit.message
    assert culprit.error == pytest.approx(1e-7, rel=1e-2)


SEVERAL = [
    ("svd", lambda x: np.sum(np.linalg.svd(x)[1] ** 3)),
    ("svd", lambda x: np.sum(np.linalg.svd(x)[0] ** 4)),
    ("eigh", lambda x: np.sum(np.linalg.eigh(x + x.T)[0] ** 3)),
    ("qr", lambda x: np.sum(np.linalg.qr(x)[1] ** 2 * np.arange(9.0).reshape(3, 3))),
    ("slogdet", lambda x: np.linalg.slogdet(x)[1]),
    ("split", lambda x: np.sum(np.split(x, 3)[1] ** 2)),
    ("unstack", lambda x: np.sum(np.unstack(x)[1] ** 2)),
    ("stack", lambda x: np.sum(np.stack([x, x * 2]) ** 2)),
    ("concatenate", lambda x: np.sum(np.concatenate([x, np.ones((1, 3))]) ** 2)),
    ("einsum", lambda x: np.sum(np.einsum("ij,jk->ik", x, x) ** 2)),
    ("multi_dot", lambda x: np.sum(np.linalg.multi_dot([x, x, x]) ** 2)),
]


@pytest.mark.parametrize("name, f", SEVERAL)
@pytest.mark.parametrize("watched", [True, False])
def test_several_results_and_any_number_of_arguments(name: str, f: Any, watched: bool, rng: Any) -> None:
    x = tensor(rng.normal(size=(3, 3)))
    if watched:
        with watching():
            loss = f(x)
    else:
        loss = f(x)
    assert not blame(loss, rng=rng)
    node = next(node for node in rates.recorded(loss) if node.primitive.name == name)
    with_rule(node, 0, scaled(1 - 1e-6))
    found = blame(loss, rng=rng)
    if name == "concatenate" and not watched:
        assert found.untestable == {
            "concatenate: its arguments are not known; record inside tg.gradcheck.watching()": 1
        }
        return
    assert (only(found).operation, only(found).kind) == (name, "RULE")
    assert only(found).error == pytest.approx(1e-6, rel=1e-2)


def raising(right: Any, *args: Any) -> Any:
    raise KeyError("no such thing")


ANSWERS = [
    (lambda right, g, *args: g[:2], "answered a gradient of shape (2,) for an argument of shape (3,)"),
    (lambda right, g, *args: np.ones((2, 3)), "answered a gradient of shape (2, 3) for an argument of shape (3,)"),
    (lambda right, g, *args: "nothing", "answered 'nothing', which is no array of numbers"),
    (lambda right, g, *args: None, "answered None, which is no array of numbers"),
    (raising, "raised KeyError: 'no such thing'"),
]


@pytest.mark.parametrize("wrong, message", ANSWERS)
def test_answers_that_are_no_gradients(wrong: Any, message: str, rng: np.random.Generator) -> None:
    x = tensor([1.0, 2.0, 3.0])
    with watching():
        y = np.cumsum(x)
        loss = np.sum(y * y)
    with_rule(y._node, 0, wrong)
    culprit = only(blame(loss, rng=rng))
    assert (culprit.kind, culprit.operation) == ("RULE", "cumsum")
    assert culprit.message == f"its rule for argument 0 (a) {message}"


def test_a_user_s_operation() -> None:
    cube = tg.primitive(lambda x: x**3, lambda g, ans, x: g * 2 * x**2, broadcasts=False)
    found = blame(lambda x: np.sum(cube(np.exp(x))), np.array([0.5, 1.0]))
    assert only(found).error == pytest.approx(1 / 3)
    x = tensor([0.5, 1.0])
    loss = np.sum(np.sin(cube(x)))
    line = inspect.currentframe().f_lineno - 1
    assert only(blame(loss)).line == f"test_blame.py:{line}"


def loop(x: Any) -> Any:
    """Drops imaginary parts without a warning, and so is no case for the complex step."""
    return np.array([float(np.real(value)) ** 3 for value in x])


def test_operations_that_take_no_complex_numbers_are_judged_by_differences(rng: np.random.Generator) -> None:
    x = rng.normal(size=4)
    right = tg.primitive(loop, lambda g, ans, x: g * 3 * x**2)
    wrong = tg.primitive(loop, lambda g, ans, x: g * 3 * x**2 * (1 + 1e-6))
    found = blame(lambda x: np.sum(np.sin(right(x))), x, rng=rng)
    assert not found and found.tested == 3
    culprit = only(blame(lambda x: np.sum(np.sin(wrong(x))), x, rng=rng))
    assert culprit.operation == "loop"
    assert culprit.error == pytest.approx(1e-6, rel=0.1)


def softsign(x: Any) -> Any:
    """Its absolute value drops imaginary parts, and so the complex step sees a constant there."""
    return x / (1 + np.abs(x))


def test_the_complex_step_does_not_acquit_who_misleads_it(rng: np.random.Generator) -> None:
    # A rule that forgets the same that the complex step does not see had passed, as both agreed.
    x = rng.normal(size=4)
    right = tg.primitive(softsign, lambda g, ans, x: g / (1 + np.abs(x)) ** 2)
    wrong = tg.primitive(softsign, lambda g, ans, x: g / (1 + np.abs(x)))
    found = blame(lambda x: np.sum(np.sin(right(x))), x, rng=rng)
    assert not found and found.tested == 3
    culprit = only(blame(lambda x: np.sum(np.sin(wrong(x))), x, rng=rng))
    assert (culprit.operation, culprit.kind) == ("softsign", "RULE")


def test_differences_that_tell_nothing_convict_nobody_and_acquit_nobody(rng: np.random.Generator) -> None:
    hidden = tg.primitive(lambda x: 1e14 + loop(x), lambda g, ans, x: g * 3 * x**2)
    found = blame(lambda x: np.sum(hidden(x)), rng.normal(size=4), rng=rng)
    assert not found
    assert found.tested == 1
    assert list(found.untestable) == ["<lambda>: neither the complex step nor finite differences tell its derivative"]


def test_complex_numbers_are_judged_by_differences(rng: np.random.Generator) -> None:
    x = tensor(rng.normal(size=6))
    with watching():
        z = np.fft.fft(np.exp(x))
        loss = np.sum(np.abs(z * (1 + 2j)))
    assert not blame(loss, rng=rng)
    with_rule(z._node, 0, scaled(1 + 1e-7))
    culprit = only(blame(loss, rng=rng))
    assert culprit.operation == "fft"


def test_a_rule_that_is_wrong_for_negative_numbers_only(rng: np.random.Generator) -> None:
    x = tensor([1.0, -2.0, 3.0])
    with watching():
        loss = np.sum(np.square(x))
    square = next(node for node in rates.recorded(loss) if node.primitive.name == "square")
    with_rule(square, 0, lambda right, g, ans, x: g * 2 * np.abs(x))
    assert only(blame(loss, rng=rng)).index == (1,)


def test_single_precision(rng: np.random.Generator) -> None:
    arrays = [rng.normal(size=shape).astype(np.float32) for shape in ((5, 4), (4, 3), (3,))]

    def f(x: Any, w: Any, b: Any) -> Any:
        h = np.tanh(0.5 * (x @ w + b))
        return np.mean(tg.softmax(h) * np.exp(h)) + np.std(h) + tg.logsumexp(h) / np.linalg.norm(x)

    for _ in range(20):
        found = blame(f, *arrays, rng=rng)
        assert not found and not found.untestable, found
    xs = [tg.Tensor(a, requires_grad=True) for a in arrays]
    with watching():
        loss = f(*xs)
    node = next(node for node in rates.recorded(loss) if node.primitive.name == "tanh")
    with_rule(node, 0, lambda right, *args: right(*args) * np.float32(1.0003))
    culprit = only(blame(loss, rng=rng))
    assert culprit.operation == "tanh"
    assert culprit.error == pytest.approx(3e-4, rel=0.5)  # in units of 6e-8, which 1 - tanh^2 makes larger


# What is no crime

AT_KINKS = [
    lambda x: np.sum(tg.relu(x)),
    lambda x: np.sum(np.abs(x)),
    lambda x: np.sum(np.maximum(x, 0.0) * 3),
    lambda x: np.sum(np.clip(x, 0.0, 1.0)),
    lambda x: np.max(x),
    lambda x: np.linalg.norm(x - x[0], 1),
    lambda x: np.linalg.norm(x * 0),
    lambda x: np.std(x * 0),
    lambda x: np.sum(np.hypot(x, x * 0)),
    lambda x: np.sum(np.where(x.data > 0, x, 0)) + np.median(x),
    lambda x: np.sum(tg.leaky_relu(x)) + np.sum(tg.functional.huber_loss(x, x * 0 + 1.0, "none")),
    lambda x: np.sum(np.remainder(x, 1.0)),
    lambda x: np.sum(tg.logsumexp(np.where([True, False, True, True, True], x, -np.inf))),
    lambda x: np.sum(tg.softmax(x * np.array([1e3, 1, 1, 1, 1]))),
]


@pytest.mark.parametrize("f", AT_KINKS)
def test_kinks_are_no_crime(f: Any, rng: np.random.Generator) -> None:
    found = blame(f, np.array([0.0, 1.0, -0.5, 0.0, 1.0]), rng=rng)
    assert not found, found
    assert not found.untestable, found


def test_an_error_beside_kinks_is_found(rng: np.random.Generator) -> None:
    x = tensor([0.0, 1.0, -0.5, 0.0, 1.0])
    with watching():
        loss = np.sum(tg.relu(x))
    relu = next(node for node in rates.recorded(loss) if node.primitive.name == "relu")
    with_rule(relu, 0, lambda right, g, ans, x: g * (ans > 0) * 1.001)
    assert only(blame(loss, rng=rng)).operation == "relu"


@pytest.mark.parametrize("n", [6, 8, 10, 12])
def test_ill_conditioned_matrices_are_no_crime(n: int, rng: np.random.Generator) -> None:
    hilbert = 1 / (np.add.outer(np.arange(n), np.arange(n)) + 1.0)
    for _ in range(20):
        found = blame(lambda a: np.sum(np.linalg.inv(a)) + np.sum(np.linalg.solve(a, np.ones(n))), hilbert, rng=rng)
        assert not found, found


def test_large_means_and_small_deviations_are_no_crime(rng: np.random.Generator) -> None:
    x = 1e6 + rng.normal(size=(20, 3))
    found = blame(lambda x: np.sum(np.var(x, axis=0)) + np.sum(np.std(x, axis=0)), x, rng=rng)
    assert not found, found


def test_empty_arrays_and_numbers(rng: np.random.Generator) -> None:
    assert not blame(lambda x, y: np.sum(np.exp(x)) + y * y, np.zeros((0, 3)), np.array(2.0), rng=rng)


def test_answers_that_are_not_finite() -> None:
    safe = tg.primitive(lambda x: np.abs(x) ** 1.5, lambda g, ans, x: g * 1.5 * ans / x)
    with np.errstate(invalid="ignore"):
        culprit = only(blame(lambda x: np.sum(safe(x)), np.array([1.0, 0.0])))
    assert (culprit.kind, culprit.index) == ("NONFINITE", (1,))
    assert "answers nan at [1] for finite numbers, where the derivative" in culprit.message
    infinite = tg.primitive(lambda x: x * 1.0, lambda g, ans, x: g / 0.0)
    with np.errstate(divide="ignore"):
        culprit = only(blame(lambda x: np.sum(infinite(x)), np.array([1.0, 2.0])))
    assert culprit.kind == "NONFINITE"
    assert "inf at [0] for finite numbers, where the derivative is" in culprit.message
    found = blame(lambda x: np.sum(np.sqrt(x)), np.array([1.0, 0.0]))
    assert not found
    assert found.untestable == {"sqrt: its derivative is infinite here": 1}


def test_an_operation_that_is_never_the_same_is_not_blamed(rng: np.random.Generator) -> None:
    state = np.random.default_rng(0)
    drop = tg.primitive(lambda x: x * state.integers(0, 2, size=x.shape), lambda g, ans, x: g * 0.5)
    found = blame(lambda x: np.sum(drop(x)), rng.normal(size=9), rng=rng)
    assert not found
    assert found.untestable == {"<lambda>: gives another result each time it is called": 1}


# STALE


def chain(x: Any) -> tuple[Any, Any, Any]:
    y = np.exp(x)
    z = np.square(y)
    return y, z, np.sum(z)


def test_a_changed_intermediate_result(rng: np.random.Generator) -> None:
    x = tensor(rng.normal(size=4))
    with watching():
        y, _, loss = chain(x)
    y._data[1] += 1e-3
    culprit = only(blame(loss, rng=rng))
    assert (culprit.kind, culprit.operation, culprit.input) == ("STALE", "square", "argument 0 (x)")
    assert "argument 0 (x) was changed in place after the operation" in culprit.message
    assert np.isnan(culprit.error)


def test_a_changed_constant(rng: np.random.Generator) -> None:
    x, batch = tensor(rng.normal(size=4)), rng.normal(size=(3, 4))
    with watching():
        loss = np.sum(np.tanh(batch @ x)) + np.sum(batch[0] * x)
    batch[0, 0] = 0.0
    culprit = only(blame(loss, rng=rng))
    assert (culprit.kind, culprit.operation, culprit.input) == ("STALE", "matmul", "argument 0 (x1)")


def test_a_changed_leaf(rng: np.random.Generator) -> None:
    x = tensor(rng.normal(size=(2, 2)))
    with watching():
        loss = np.sum(np.sin(x.T)) + np.sum(x * x)
    x.data[0, 0] = 5.0
    culprit = only(blame(loss, rng=rng))
    assert (culprit.kind, culprit.operation) == ("STALE", "transpose")


def test_a_changed_array_that_no_rule_reads(rng: np.random.Generator) -> None:
    x = tensor(rng.normal(size=4))
    with watching():
        y = np.sin(x)
        z = y + 1.0
        loss = np.sum(np.exp(z))
    y._data[:] = 0
    found = blame(loss, rng=rng)
    assert not found
    assert found.tested == 4
    with_rule(z._node, 0, scaled(1 + 1e-6))
    culprit = only(blame(loss, rng=rng))
    assert (culprit.kind, culprit.operation) == ("RULE", "add")


def test_changed_results_of_a_graph_recorded_as_usual(rng: np.random.Generator) -> None:
    x = tensor(rng.normal(size=4))
    y, _, loss = chain(x)
    assert not blame(loss, rng=rng)
    y._data[1] += 1e-3
    culprit = only(blame(loss, rng=rng))
    assert (culprit.kind, culprit.operation) == ("STALE", "exp")
    assert "repeated on its arguments it gives another result than was recorded" in culprit.message
    x = tensor(rng.normal(size=4))
    loss = chain(x)[-1]
    x.data[0] = 9.0
    culprit = only(blame(loss, rng=rng))
    assert (culprit.kind, culprit.operation, culprit.input) == ("STALE", "exp", "argument 0 (x)")


def test_a_changed_array_and_a_wrong_rule_are_told_apart(rng: np.random.Generator) -> None:
    for seed in range(40):
        x = tensor(np.random.default_rng(seed).normal(size=(3, 3)))
        with watching():
            y = np.tanh(x @ x)
            loss = np.sum(np.exp(y) * y)
        if seed % 2:
            y._data[seed % 3, 1] *= 1 + 1e-6
        else:
            with_rule(y._node, 0, scaled(1 + 1e-6))
        assert {culprit.kind for culprit in blame(loss, rng=rng)} == {"STALE" if seed % 2 else "RULE"}


# ACCUMULATION


def diamond(x: Any) -> Any:
    y = np.exp(x)
    a, b = np.split(np.sin(y) + y * y, 2)
    z = y[0] + y[1:3]
    return np.sum(a * b) + np.sum(b) + np.sum(z * z) + np.sum(x * np.ones((3, 4)))


def off_by(engine_function: Callable[..., Any], factor: float, turn: int) -> Callable[..., Any]:
    """The function with one wrong answer, at its `turn`-th call."""
    calls = iter(range(10**6))

    def wrong(*args: Any) -> Any:
        answer = engine_function(*args)
        return answer * factor if next(calls) == turn else answer

    return wrong


@pytest.mark.parametrize("turn", [0, 1, 3, 5])
def test_a_sum_that_is_scaled(turn: int, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    x = tensor(rng.normal(size=4))
    with watching():
        loss = diamond(x)
    assert not blame(loss, rng=rng)
    monkeypatch.setattr(engine, "_conform", off_by(engine._conform, 1 + 1e-7, turn))
    culprit = only(blame(loss, rng=rng))
    assert culprit.kind == "ACCUMULATION"
    assert culprit.input == "the result"
    assert 1e-9 < culprit.error < 2e-7
    assert "the engine's own sum is wrong" in culprit.message


def test_a_term_that_is_lost(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    fill = engine._fill_slot

    def forgetful(node: Any, g: Any, pending: Any, heap: Any) -> None:
        if node.index != 1:
            fill(node, g, pending, heap)

    x = tensor(rng.normal(size=4))
    with watching():
        loss = diamond(x)
    monkeypatch.setattr(engine, "_fill_slot", forgetful)
    culprit = only(blame(loss, rng=rng))
    assert (culprit.kind, culprit.operation) == ("ACCUMULATION", "split")
    assert "multiply (test_blame.py:" in culprit.message


def test_a_stretched_axis_that_is_not_summed(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    x = tensor(rng.normal(size=4))
    with watching():
        loss = diamond(x)
    right = engine.unbroadcast
    monkeypatch.setattr(engine, "unbroadcast", lambda g, shape: g[0] if shape == (4,) else right(g, shape))
    culprit = only(blame(loss, rng=rng))
    assert (culprit.kind, culprit.operation, culprit.shapes) == ("ACCUMULATION", "leaf", ((4,),))


def test_a_node_that_is_forgotten(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    x = tensor(rng.normal(size=4))
    with watching():
        y = np.exp(x)
        z = np.sin(y) * y
        loss = np.sum(z)
    push = engine.heappush
    monkeypatch.setattr(engine, "heappush", lambda heap, order: None if order == y._node.order else push(heap, order))
    culprit = only(blame(loss, rng=rng))
    assert (culprit.kind, culprit.operation) == ("ACCUMULATION", "exp")


def test_sums_of_which_a_part_is_not_seen(rng: np.random.Generator) -> None:
    x = tensor(rng.normal(size=3))
    y = np.exp(x)
    found = blame(np.sum(np.concatenate([y, np.ones(2)]) ** 2) + np.sum(np.sin(y)), rng=rng)
    assert not found
    assert found.untestable.total() == 1


def test_sums_that_cancel_are_no_crime(rng: np.random.Generator) -> None:
    w = rng.normal(size=(1000, 4))
    w -= w.mean(axis=0)
    assert not blame(lambda x: np.sum(x * w), rng.normal(size=4), rng=rng)


def test_the_graph_is_left_as_it_was(rng: np.random.Generator) -> None:
    x = tensor(rng.normal(size=4))
    with watching():
        loss = diamond(x)
    nodes = rates.recorded(loss)
    before = [(node.edges, node.primitive) for node in nodes]
    loss.backward()
    expected = x.grad.copy()
    x.zero_grad()
    blame(loss, rng=rng)
    assert [(node.edges, node.primitive) for node in nodes] == before
    assert x.grad is None
    loss.backward()
    assert x.grad.tobytes() == expected.tobytes()


# What is reported


def test_the_account_of_no_culprit() -> None:
    found = blame(lambda x: np.sum(np.exp(x)), np.ones(2))
    assert str(found) == repr(found) == "no culprit among 2 operations"
    assert not found and len(found) == 0 and list(found) == []
    assert (found.operations, found.tested, found.untestable) == (2, 2, {})


def test_the_account_of_a_culprit(rng: np.random.Generator) -> None:
    x = tensor([1.0, 4.0])
    y = np.sqrt(x * 0)
    loss = np.sum(np.sin(x)) + np.sum(y)
    sine = next(node for node in rates.recorded(loss) if node.primitive.name == "sin")
    with_rule(sine, 0, scaled(-1.0))
    with np.errstate(divide="ignore"):
        found = blame(loss, rng=rng)
    assert found and found[0].line is None
    lines = str(found).splitlines()
    assert lines[0] == "1 culprit among 6 operations"
    assert lines[1].startswith("  RULE: sin, shapes (2,) -> (2,): its rule for argument 0 (x) is off by 2.0e+00")
    assert lines[2] == "  record inside tg.gradcheck.watching() to learn the line of every operation"
    assert lines[3:] == ["  not tested: 1", "    sqrt: its derivative is infinite here"]
    assert found[:] == [found[0]]


def test_lines_of_neighbours() -> None:
    double = tg.primitive(lambda x: x * 2.0, lambda g, ans, x: g * 2.0)
    x = tensor([1.0, 2.0])
    y = double(x)
    first = inspect.currentframe().f_lineno - 1
    z = np.sin(y)
    loss = np.sum(double(z))
    last = inspect.currentframe().f_lineno - 1
    with_rule(z._node, 0, scaled(-1.0))
    assert only(blame(loss)).line == f"between test_blame.py:{first} and test_blame.py:{last}"


def test_arguments_may_be_trees_and_tensors(rng: np.random.Generator) -> None:
    w = tensor(rng.normal(size=3))
    wrong = tg.primitive(lambda x: x * 2.0, lambda g, ans, x: g * 2.5)

    def f(parameters: Any, labels: Any, w: Any) -> Any:
        return np.sum(wrong(parameters["a"][0]) * w) + np.sum(parameters["a"][1] ** 2 * labels)

    found = blame(f, {"a": [rng.normal(size=3), rng.normal(size=2)]}, np.array([0, 1]), w, rng=rng)
    assert only(found).error == pytest.approx(0.2)
    assert w.grad is None


@pytest.mark.parametrize("loss", [3.0, None, tg.Tensor([1.0, 2.0]), lambda: 3.0])
def test_what_cannot_be_blamed(loss: Any) -> None:
    with pytest.raises(TypeError, match="blame: needs a Tensor that was computed from tensors with requires_grad=True"):
        blame(loss)


def test_a_loss_of_several_numbers(rng: np.random.Generator) -> None:
    assert not blame(lambda x: np.exp(x) * x, rng.normal(size=3), rng=rng)
