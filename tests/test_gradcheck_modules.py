"""`check_module` and `check_model`: names, randomness, what is left behind, and all witnesses side by side."""

from __future__ import annotations

import functools
import linecache
import logging
import random
import re
import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import tinygrad_ml as tg
from tinygrad_ml.functional import mse_loss
from tinygrad_ml.gradcheck import Report, Row, Verdict, check_model, check_module
from tinygrad_ml.gradcheck.state import State

X = np.array([[0.5, -1.2, 0.3], [1.1, 0.4, -0.7], [-0.2, 0.9, 1.6], [0.8, -0.3, 0.1]])
Y = np.array([[1.0, -0.5], [0.2, 0.4], [-0.9, 0.3], [0.6, 1.0]])


def leaf(*values: Any, dtype: Any = float) -> tg.Tensor:
    return tg.Tensor(np.array(values, dtype=dtype), requires_grad=True)


def square_loss(out: Any) -> Any:
    return np.sum(out**2)


class Linear:
    """Two outputs of three inputs."""

    def __init__(self, dtype: Any = float) -> None:
        self.weight = leaf([0.3, -0.8], [1.2, 0.5], [-0.4, 0.9], dtype=dtype)
        self.bias = leaf(0.1, -0.2, dtype=dtype)

    def named_parameters(self) -> list[tuple[str, tg.Tensor]]:
        return [("weight", self.weight), ("bias", self.bias)]

    def __call__(self, x: Any) -> Any:
        return x @ self.weight + self.bias


class Wrapped:
    """A linear layer, followed by something else."""

    def __init__(self) -> None:
        self.linear = Linear()

    def named_parameters(self) -> list[tuple[str, tg.Tensor]]:
        return [(f"linear.{name}", parameter) for name, parameter in self.linear.named_parameters()]

    def __call__(self, x: Any) -> Any:
        return np.tanh(self.linear(x))


def resolution(row: Row) -> float:
    assert row.resolution is not None
    return row.resolution


def names(report: Report) -> list[str]:
    return [row.name for row in report.rows]


def test_every_parameter_has_a_row_by_its_dotted_name(rng: Any) -> None:
    report = check_module(Wrapped(), mse_loss, X, Y, rng=rng)
    assert report.verdict is Verdict.PASS and report.ok
    assert [(row.name, row.shape, row.dtype) for row in report.rows] == [
        ("linear.weight", (3, 2), "float64"),
        ("linear.bias", (2,), "float64"),
    ]
    assert all(resolution(row) < 1e-9 for row in report.rows)
    assert "Wrapped" in report.title and "mse_loss" in report.title


def test_a_loss_of_the_output_alone(rng: Any) -> None:
    assert check_module(Wrapped(), square_loss, X, rng=rng).verdict is Verdict.PASS


def test_several_inputs_and_a_target(rng: Any) -> None:
    class Product(Linear):
        def __call__(self, x: Any, scale: Any) -> Any:  # type: ignore[override]
            return scale * super().__call__(x)

    seen = []

    def loss(out: Any, target: Any) -> Any:
        seen.append(target)
        return mse_loss(out, target)

    assert check_module(Product(), loss, X, 2.0, Y, rng=rng).verdict is Verdict.PASS
    assert all(target is Y for target in seen)


def test_single_precision(rng: Any) -> None:
    report = check_module(Linear(np.float32), mse_loss, X.astype(np.float32), Y.astype(np.float32), rng=rng)
    assert report.verdict is Verdict.PASS, report
    assert [row.dtype for row in report.rows] == ["float32", "float32"]
    assert all(resolution(row) < 1e-4 for row in report.rows)


def test_parameters_that_need_no_gradient_are_left_out(rng: Any) -> None:
    module = Linear()
    module.weight = tg.Tensor(module.weight.numpy())
    report = check_module(module, mse_loss, X, Y, rng=rng)
    assert names(report) == ["bias"] and report.ok


def test_a_parameter_that_the_loss_does_not_use_has_gradient_0(rng: Any) -> None:
    class Idle(Linear):
        def __init__(self) -> None:
            super().__init__()
            self.idle = leaf(1.0, 2.0)

        def named_parameters(self) -> list[tuple[str, tg.Tensor]]:
            return [("idle", self.idle), *super().named_parameters()]

    report = check_module(Idle(), mse_loss, X, Y, rng=rng)
    assert names(report) == ["idle", "weight", "bias"] and report.verdict is Verdict.PASS, report
    assert report.rows[0].witnesses["engine"] == 0


def test_a_loss_that_is_constant(rng: Any) -> None:
    report = check_module(Linear(), lambda out: np.float64(3.0), X, rng=rng)
    assert report.verdict is Verdict.PASS, report


def test_the_seed_repeats_the_check() -> None:
    report = check_module(Wrapped(), mse_loss, X, Y)
    assert check_module(Wrapped(), mse_loss, X, Y, rng=report.seed).to_dict() == report.to_dict()


def test_more_directions_take_more_evaluations() -> None:
    few, many = [check_module(Wrapped(), mse_loss, X, Y, directions=n, rng=3).evaluations for n in (1, 5)]
    assert few < many


# Randomness


class Noise:
    """Multiplies by random numbers from a generator of its own."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)

    def draw(self, shape: Any) -> Any:
        return self.random.uniform(0.5, 1.5, shape)


class SlottedNoise:
    __slots__ = ("random",)

    def __init__(self, seed: int) -> None:
        self.random = np.random.RandomState(seed)

    def draw(self, shape: Any) -> Any:
        return self.random.uniform(0.5, 1.5, shape)


class Dropping(Linear):
    """A linear layer with its output dropped by whatever `source` draws."""

    def __init__(self, source: Any) -> None:
        super().__init__()
        self.source = source

    def draw(self, shape: Any) -> Any:
        source = self.source
        while isinstance(source, (list, tuple, dict)):
            source = source["noise"] if isinstance(source, dict) else source[-1]
        return source.draw(shape)

    def __call__(self, x: Any) -> Any:
        out = super().__call__(x)
        return out * self.draw(out.shape)


class Closure:
    """Draws by a function that has a generator in its closure."""

    def __init__(self, seed: int) -> None:
        generator = np.random.default_rng(seed)
        self.draw = lambda shape: generator.uniform(0.5, 1.5, shape)


class Legacy:
    def draw(self, shape: Any) -> Any:
        return np.random.uniform(0.5, 1.5, shape)


class Python:
    def __init__(self, seed: int | None) -> None:
        self.random = random if seed is None else random.Random(seed)

    def draw(self, shape: Any) -> Any:
        return self.random.uniform(0.5, 1.5)


SOURCES: dict[str, Callable[[], Any]] = {
    "its own generator": lambda: Noise(0),
    "a RandomState in a slot": lambda: SlottedNoise(0),
    "a generator in lists and dicts": lambda: [1, ({"noise": Noise(0)},)],
    "a generator in a closure": lambda: Closure(0),
    "NumPy's global generator": Legacy,
    "a generator of Python": lambda: Python(0),
    "Python's global generator": lambda: Python(None),
}


@pytest.mark.parametrize("make", SOURCES.values(), ids=SOURCES.keys())
def test_randomness_stands_still(make: Callable[[], Any], rng: Any) -> None:
    module = Dropping(make())
    np.random.seed(5)
    random.seed(5)
    before = [module(X).numpy() for _ in range(3)]
    np.random.seed(5)
    random.seed(5)
    module.source = make()
    module(X)
    report = check_module(module, mse_loss, X, Y, rng=rng)
    assert report.verdict is Verdict.PASS, report
    after = [before[0], *[module(X).numpy() for _ in range(2)]]
    assert np.array_equal(before, after), "the generators go on as if nothing had been"


def test_randomness_of_the_loss_stands_still(rng: Any) -> None:
    generator = np.random.default_rng(3)

    def loss(out: Any, target: Any) -> Any:
        return np.sum((out - target) ** 2 * generator.uniform(size=target.shape))

    state = generator.bit_generator.state
    assert check_module(Linear(), loss, X, Y, rng=rng).verdict is Verdict.PASS
    assert generator.bit_generator.state == state


def weighted(out: Any, target: Any, generator: Any) -> Any:
    return np.sum((out - target) ** 2 * generator.uniform(size=target.shape))


def with_default(seed: int) -> Callable[..., Any]:
    def loss(out: Any, target: Any, generator: Any = np.random.default_rng(seed)) -> Any:  # noqa: B008
        return weighted(out, target, generator)

    return loss


def with_keyword(seed: int) -> Callable[..., Any]:
    def loss(out: Any, target: Any, *, generator: Any = np.random.default_rng(seed)) -> Any:  # noqa: B008
        return weighted(out, target, generator)

    return loss


def with_attribute(seed: int) -> Callable[..., Any]:
    def loss(out: Any, target: Any) -> Any:
        return weighted(out, target, loss.generator)  # type: ignore[attr-defined]

    loss.generator = np.random.default_rng(seed)  # type: ignore[attr-defined]
    return loss


LOSSES: dict[str, Callable[[int], Callable[..., Any]]] = {
    "partial": lambda seed: functools.partial(weighted, generator=np.random.default_rng(seed)),
    "partial of partial": lambda seed: functools.partial(
        functools.partial(weighted, generator=np.random.RandomState(seed))
    ),
    "default": with_default,
    "keyword": with_keyword,
    "attribute": with_attribute,
}


@pytest.mark.parametrize("make", LOSSES.values(), ids=LOSSES.keys())
def test_randomness_in_what_a_loss_is_given_stands_still(make: Callable[[int], Callable[..., Any]], rng: Any) -> None:
    report = check_module(Linear(), make(0), X, Y, rng=rng)
    assert report.verdict is Verdict.PASS, report


def test_randomness_of_the_batch_stands_still(rng: Any) -> None:
    """An input may be an object that answers other numbers each time."""

    class Sampled(Linear):
        def __call__(self, batch: Any) -> Any:
            return super().__call__(batch.draw((4, 3)))

    assert check_module(Sampled(), mse_loss, Noise(4), Y, rng=rng).verdict is Verdict.PASS


def test_randomness_from_elsewhere_is_found(rng: Any) -> None:
    class Unseen(Linear):
        def __call__(self, x: Any) -> Any:
            return super().__call__(x) * np.random.default_rng().uniform()

    report = check_module(Unseen(), mse_loss, X, Y, rng=rng)
    assert not report.ok
    for row in report.rows:
        assert row.verdict is Verdict.INCONCLUSIVE
        assert row.reason.startswith("the function is not deterministic: called twice at the same point it gave ")


# What is left behind


class Counting(Linear):
    """Counts its calls, keeps running statistics in all the ways there are, and a list of what it saw."""

    def __init__(self, fails_after: int = 10**9) -> None:
        super().__init__()
        self.calls = 0
        self.mean = np.zeros(2)
        self.replaced = np.zeros(2)
        self.seen: list[Any] = []
        self.by_name: dict[str, Any] = {"first": 1.0}
        self.inner = SlottedNoise(1)
        self.buffer = tg.Tensor(np.zeros(2))
        self.fails_after = fails_after

    def __call__(self, x: Any) -> Any:
        out = super().__call__(x)
        moments = x.mean(axis=0)[:2]
        self.calls += 1
        self.mean *= 0.9
        self.mean += 0.1 * moments
        self.replaced = 0.9 * self.replaced + 0.1 * moments
        self.buffer = tg.Tensor(self.replaced)
        self.seen.append(out)
        self.by_name[f"call {self.calls}"] = out
        self.inner.random.uniform()
        if self.calls > self.fails_after:
            raise RuntimeError("out of memory")
        # The running mean enters the output: if it moved on, so would the loss.
        return out + self.mean


@pytest.mark.parametrize("end", ["passes", "loss fails", "module fails"])
def test_everything_is_left_as_it_was(end: str, rng: Any) -> None:
    module = Counting(fails_after=0 if end == "module fails" else 10**9)
    module.weight.grad = np.full((3, 2), 7.0)
    arrays = [parameter.numpy() for _, parameter in module.named_parameters()]
    values = [array.copy() for array in arrays]
    grad, mean, replaced, buffer, inner = module.weight.grad, module.mean, module.replaced, module.buffer, module.inner
    state = module.inner.random.get_state()

    calls = 0

    def loss(out: Any, target: Any) -> Any:
        nonlocal calls
        calls += 1
        if end == "loss fails" and calls > 30:
            raise ValueError("no loss today")
        return mse_loss(out, target)

    if end == "passes":
        assert check_module(module, loss, X, Y, rng=rng).verdict is Verdict.PASS
    else:
        with pytest.raises((RuntimeError, ValueError), match="out of memory|no loss today"):
            check_module(module, loss, X, Y, rng=rng)
    assert module.calls == 0 and module.seen == [] and module.by_name == {"first": 1.0}
    assert module.mean is mean and np.array_equal(mean, np.zeros(2))
    assert module.replaced is replaced and np.array_equal(replaced, np.zeros(2))
    assert module.buffer is buffer and module.inner is inner
    assert str(module.inner.random.get_state()) == str(state)
    assert module.weight.grad is grad and np.array_equal(grad, np.full((3, 2), 7.0))
    assert module.bias.grad is None
    for (_, parameter), array, value in zip(module.named_parameters(), arrays, values, strict=True):
        assert parameter.numpy() is array or np.shares_memory(parameter.numpy(), array)
        assert np.array_equal(parameter.numpy(), value)
        assert parameter.requires_grad and parameter.is_leaf


def test_a_module_can_be_trained_on_after_a_check(rng: Any) -> None:
    checked, other = Wrapped(), Wrapped()
    check_module(checked, mse_loss, X, Y, rng=rng)
    for module in (checked, other):
        mse_loss(module(X), Y).backward()
    for (_, a), (_, b) in zip(checked.named_parameters(), other.named_parameters(), strict=True):
        assert np.array_equal(a.grad, b.grad)


def test_a_tied_parameter_is_one(rng: Any) -> None:
    class Tied(Linear):
        def __call__(self, x: Any) -> Any:
            return super().__call__(x) @ self.weight.T

    assert check_module(Tied(), square_loss, X, rng=rng).verdict is Verdict.PASS


@dataclass(frozen=True, slots=True)
class Settings:
    width: int = 3


class Immutable:
    __slots__ = ("width",)

    def __init__(self) -> None:
        object.__setattr__(self, "width", 3)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("no changes")


THINGS = {
    "frozen": Settings,
    "immutable": Immutable,
    "lock": threading.Lock,
    "entropy": random.SystemRandom,
    "logger": lambda: logging.getLogger("tests"),
    "objects": lambda: np.array([1, None, "text"], dtype=object),
    "structured": lambda: np.zeros(2, [("a", float)]),
}


@pytest.mark.parametrize("make", THINGS.values(), ids=THINGS.keys())
def test_a_module_may_hold_anything(make: Callable[[], Any], rng: Any) -> None:
    module = Linear()
    module.thing = make()  # type: ignore[attr-defined]
    assert check_module(module, mse_loss, X, Y, rng=rng).verdict is Verdict.PASS


def test_containers_are_left_as_they_were(rng: Any) -> None:
    class Remembering(Linear):
        def __init__(self) -> None:
            super().__init__()
            self.recent = deque([0], maxlen=3)
            self.seen = {0}
            self.bytes = bytearray(b"a")
            self.counts: Counter[str] = Counter(a=1)
            self.by_name = defaultdict(list, {"a": [1]})

        def __call__(self, x: Any) -> Any:
            self.recent.append(1)
            self.seen.add(len(self.seen))
            self.bytes += b"b"
            self.counts["a"] += 1
            self.by_name["a"].append(2)
            self.by_name["b"].append(3)
            return super().__call__(x)

    module = Remembering()
    assert check_module(module, mse_loss, X, Y, rng=rng).verdict is Verdict.PASS
    assert module.recent == deque([0]) and module.seen == {0} and module.bytes == b"a"
    assert module.counts == {"a": 1} and module.by_name == {"a": [1]}


# Wrong rules

wrong_tanh = tg.primitive(lambda x: np.tanh(x), lambda g, ans, x: g * (1 - 0.99 * ans * ans))


def test_a_wrong_rule_is_blamed_with_its_line(rng: Any) -> None:
    class Wrong(Wrapped):
        def __call__(self, x: Any) -> Any:
            return wrong_tanh(self.linear(x))  # the line that is blamed

    report = check_module(Wrong(), mse_loss, X, Y, rng=rng)
    assert report.verdict is Verdict.FAIL
    assert [row.verdict for row in report.rows] == [Verdict.FAIL, Verdict.FAIL]
    (culprit,) = report.culprits
    assert culprit.kind == "RULE" and culprit.shapes == ((4, 2), (4, 2))
    file, line = culprit.line.split(":")
    assert file == "test_gradcheck_modules.py" and "the line that is blamed" in linecache.getline(__file__, int(line))
    assert str(culprit) in str(report)


def test_the_wrong_element_is_named(rng: Any) -> None:
    def rule(g: Any, ans: Any, weight: Any) -> Any:
        return g + g[2, 1] * 1e-3 * (np.arange(6).reshape(3, 2) == 5)

    off_in_one = tg.primitive(lambda weight: weight + 0, rule)

    class Wrong(Linear):
        def __call__(self, x: Any) -> Any:
            return x @ off_in_one(self.weight) + self.bias

    report = check_module(Wrong(), mse_loss, X, Y, rng=rng)
    assert [str(row.verdict) for row in report.rows] == ["FAIL", "PASS"]
    worst = report.rows[0].worst
    assert worst is not None and worst.index == (2, 1)
    right = 2 * (X.T @ (X @ Linear().weight.numpy() + Linear().bias.numpy() - Y))[2, 1] / Y.size
    assert worst.expected == pytest.approx(right, rel=1e-8)
    assert worst.given == pytest.approx(right * 1.001, rel=1e-8)


# Bad input


class Nothing:
    def named_parameters(self) -> list[Any]:
        return []

    def __call__(self, x: Any) -> Any:
        return x


MODULE_ERRORS = [
    (
        "no module",
        lambda x: x,
        (X, Y),
        r"^check_module: function has no named_parameters\(\); check a function with check_g",
    ),
    ("no parameters", Nothing(), (X, Y), "^check_module: Nothing has no parameters that require gradients$"),
    ("no batch", Linear(), (), "^check_module: give the module's input, and the target of the loss if it takes one$"),
    (
        "no number",
        Linear(),
        (X,),
        r"^check_module: the function must return a single real number, got shape \(4, 2\) and dty",
    ),
]


@pytest.mark.parametrize(
    ("module", "batch", "message"), [e[1:] for e in MODULE_ERRORS], ids=[e[0] for e in MODULE_ERRORS]
)
def test_bad_modules_are_explained(module: Any, batch: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        check_module(module, lambda out, *target: out, *batch)


# The picture of a state


def test_a_state_goes_round_in_circles(rng: Any) -> None:
    """Objects that hold each other."""
    a: dict[str, Any] = {"count": 1, "list": [1, 2]}
    a["self"] = a
    a["list"].append(a)
    state = State(a)
    a["count"], a["new"] = 2, 3
    a["list"].clear()
    state.restore()
    assert set(a) == {"count", "list", "self"} and a["count"] == 1 and a["list"][:2] == [1, 2] and a["list"][2] is a


def test_a_state_leaves_read_only_arrays_alone() -> None:
    array = np.arange(3.0)
    array.flags.writeable = False
    State([array]).restore()
    assert np.array_equal(array, np.arange(3.0))


# Models with a gradient by hand


class Regression:
    """Ridge regression with an offset: L = |X w + b - y|^2 / 2 + |w|^2 / 2."""

    def residual(self, p: Any, X: Any, y: Any) -> Any:
        return X @ p["w"] + p["b"] - y

    def loss(self, p: Any, X: Any, y: Any) -> Any:
        return np.sum(self.residual(p, X, y) ** 2) / 2 + np.sum(p["w"] ** 2) / 2

    def gradient(self, p: Any, X: Any, y: Any) -> Any:
        r = self.residual(p, X, y)
        return {"w": X.T @ r + p["w"], "b": np.sum(r, axis=0)}


class SignError(Regression):
    def gradient(self, p: Any, X: Any, y: Any) -> Any:
        found = super().gradient(p, X, y)
        return {**found, "w": found["w"] - 2 * p["w"]}


class MissingFactor(Regression):
    def gradient(self, p: Any, X: Any, y: Any) -> Any:
        found = super().gradient(p, X, y)
        return {**found, "b": found["b"] / 2}


class WrongAxis(Regression):
    def gradient(self, p: Any, X: Any, y: Any) -> Any:
        found = super().gradient(p, X, y)
        return {**found, "b": np.resize(np.sum(self.residual(p, X, y), axis=1), 2)}


class OneElement(Regression):
    def gradient(self, p: Any, X: Any, y: Any) -> Any:
        found = super().gradient(p, X, y)
        found["w"][1, 0] *= 1.0001
        return found


AT = {"w": np.array([[0.3, -0.8], [1.2, 0.5], [-0.4, 0.9]]), "b": np.array([0.1, -0.2])}
ALL = ["analytic", "engine", "complex step", "finite differences"]


def test_four_witnesses_agree(rng: Any) -> None:
    report = check_model(Regression(), X, Y, AT, rng=rng)
    assert report.verdict is Verdict.PASS and names(report) == ["w", "b"]
    assert report.title == "gradient of Regression"
    for row in report.rows:
        assert list(row.witnesses) == ALL
        assert all(row.digits(a, b) > 13 for a in ALL[:3] for b in ALL[:3])
        assert all(row.digits(a, "finite differences") > 10 for a in ALL[:3])


@pytest.mark.parametrize(("model", "name", "other"), [
    (SignError(), "w", "b"),
    (MissingFactor(), "b", "w"),
    (WrongAxis(), "b", "w"),
    (OneElement(), "w", "b"),
])  # fmt: skip
def test_planted_errors_are_named(model: Any, name: str, other: str, rng: Any) -> None:
    report = check_model(model, X, Y, AT, rng=rng)
    verdicts = {row.name: row.verdict for row in report.rows}
    assert verdicts == {name: Verdict.FAIL, other: Verdict.PASS}, report
    (row,) = [row for row in report.rows if row.name == name]
    right, wrong = Regression().gradient(AT, X, Y)[name], model.gradient(AT, X, Y)[name]
    worst = row.worst
    assert worst is not None
    assert worst.index == np.unravel_index(np.argmax(np.abs(wrong - right)), right.shape)
    assert worst.given == wrong[worst.index]
    assert worst.expected == pytest.approx(right[worst.index], rel=1e-9)
    assert row.digits("analytic", "engine") < 5
    assert row.digits("engine", "complex step") > 13 and row.digits("engine", "finite differences") > 9
    assert not report.culprits


class WithInitial(Regression):
    def initial_parameters(self, X: Any, y: Any) -> Any:
        return {"w": np.zeros((X.shape[1], y.shape[1])) + 0.5, "b": np.ones(y.shape[1])}


class WithMethod(Regression):
    def parameters(self) -> Any:
        return AT


class WithAttribute(Regression):
    parameters = AT


class WithBoth(WithInitial):
    parameters = {"w": 1, "b": 2}


@pytest.mark.parametrize(
    "model", [WithInitial(), WithMethod(), WithAttribute(), WithBoth()], ids=lambda m: type(m).__name__
)
def test_where_the_parameters_come_from(model: Any, rng: Any) -> None:
    report = check_model(model, X, Y, rng=rng)
    assert report.ok and names(report) == ["w", "b"] and [row.shape for row in report.rows] == [(3, 2), (2,)]


def test_parameters_that_are_given_win(rng: Any) -> None:
    seen = []

    class Watching(WithInitial):
        def gradient(self, p: Any, X: Any, y: Any) -> Any:
            seen.append(p["b"][0])
            return super().gradient(p, X, y)

    check_model(Watching(), X, Y, {**AT, "b": np.array([42.0, 1.0])}, rng=rng)
    assert np.allclose(seen, 42)


class OneArray:
    def loss(self, w: Any, X: Any, y: Any) -> Any:
        return np.sum((X @ w - y) ** 2)

    def gradient(self, w: Any, X: Any, y: Any) -> Any:
        return 2 * X.T @ (X @ w - y)


def test_parameters_may_be_one_array_or_a_list(rng: Any) -> None:
    class List(OneArray):
        def loss(self, p: Any, X: Any, y: Any) -> Any:
            return super().loss(p[0] * p[1], X, y)

        def gradient(self, p: Any, X: Any, y: Any) -> Any:
            g = super().gradient(p[0] * p[1], X, y)
            return [g * p[1], np.sum(g * p[0])]

    assert names(check_model(OneArray(), X, Y, AT["w"], rng=rng)) == ["parameters"]
    report = check_model(List(), X, Y, [AT["w"], 2.0], rng=rng)
    assert report.ok and names(report) == ["parameters[0]", "parameters[1]"]


class InPlace(Regression):
    """The engine cannot record this; complex numbers get through."""

    def loss(self, p: Any, X: Any, y: Any) -> Any:
        terms = np.zeros(y.shape, np.result_type(p["w"].dtype, p["b"].dtype))
        for i, row in enumerate(X):
            for k in range(y.shape[1]):
                terms[i, k] = (row @ p["w"][:, k] + p["b"][k] - y[i, k]) ** 2
        return terms.sum() / 2 + np.sum(p["w"] ** 2) / 2


class ByFloats(Regression):
    """Neither Tensors nor complex numbers get through."""

    def loss(self, p: Any, X: Any, y: Any) -> Any:
        w, b = [[float(v) for v in column] for column in p["w"].T], [float(v) for v in p["b"]]
        terms = [
            (sum(a * v for a, v in zip(row, column, strict=True)) + offset - target) ** 2 / 2
            for row, targets in zip(X, y, strict=True)
            for column, offset, target in zip(w, b, targets, strict=True)
        ]
        return sum(terms) + sum(v * v for column in w for v in column) / 2


@pytest.mark.parametrize(("kind", "witnesses"), [
    (InPlace, ["analytic", "complex step", "finite differences"]),
    (ByFloats, ["analytic", "finite differences"]),
])  # fmt: skip
def test_fewer_witnesses_are_still_right(kind: Any, witnesses: list[str], rng: Any) -> None:
    report = check_model(kind(), X, Y, AT, rng=rng)
    assert report.ok and [list(row.witnesses) for row in report.rows] == [witnesses] * 2, report

    class Wrong(kind, OneElement):  # type: ignore[misc]
        pass

    wrong = check_model(Wrong(), X, Y, AT, rng=rng)
    assert [str(row.verdict) for row in wrong.rows] == ["FAIL", "PASS"]
    assert wrong.rows[0].worst is not None and wrong.rows[0].worst.index == (1, 0)


def test_the_model_and_its_parameters_are_left_alone(rng: Any) -> None:
    before = {key: value.copy() for key, value in AT.items()}
    check_model(WithAttribute(), X, Y, rng=rng)
    assert all(np.array_equal(AT[key], before[key]) for key in before)


class NoGradient:
    def loss(self, p: Any, X: Any, y: Any) -> Any:
        return 0.0


class Integers(Regression):
    parameters = {"w": np.ones((3, 2), int), "b": np.ones(2)}


class WrongShape(Regression):
    def gradient(self, p: Any, X: Any, y: Any) -> Any:
        return {"w": p["w"].T, "b": p["b"]}


class NoB(Regression):
    def gradient(self, p: Any, X: Any, y: Any) -> Any:
        return {"w": p["w"]}


class Vector(Regression):
    def loss(self, p: Any, X: Any, y: Any) -> Any:
        return np.sum(self.residual(p, X, y), axis=0)


MODEL_ERRORS: list[tuple[Any, Any, type[Exception], str]] = [
    (NoGradient(), AT, TypeError, r"^check_model: NoGradient has no method gradient\(parameters, X, y\)$"),
    (object(), AT, TypeError, r"^check_model: object has no method loss\(parameters, X, y\)$"),
    (Regression(), None, TypeError, "^check_model: .*Regression"),
    (Integers(), None, TypeError, r"^check_model: .*w.* is of dtype int64, and only floating-point numbers have deriv"),
    (
        WrongShape(),
        AT,
        ValueError,
        r"^check_model: the gradient of .*w.* has shape \(2, 3\), and .*w.* itself \(3, 2\)$",
    ),
    (NoB(), AT, ValueError, r"^check_model: the gradient has another structure than the arguments: none for .*b.*$"),
    (
        Vector(),
        AT,
        TypeError,
        r"^check_model: the function must return a single real number, got shape \(2,\) and dtype",
    ),
]


@pytest.mark.parametrize(
    ("model", "at", "error", "message"), MODEL_ERRORS, ids=[type(e[0]).__name__ for e in MODEL_ERRORS]
)
def test_bad_models_are_explained(model: Any, at: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        check_model(model, X, Y, at)


def test_a_model_without_parameters_is_told_where_they_may_be() -> None:
    with pytest.raises(TypeError) as raised:
        check_model(Regression(), X, Y)
    assert re.search(r"parameters=.*initial_parameters\(X, y\).*parameters", str(raised.value))
