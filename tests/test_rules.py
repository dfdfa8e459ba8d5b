"""Every row of the op table: values, first and second derivatives, dtypes, shapes; and whether an error would show."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

import tinygrad_ml as tg
from tinygrad_ml.graph import Node
from tinygrad_ml.primitive import COMPOSITES, PRIMITIVES
from tinygrad_ml.rules import special  # noqa: F401  (its rules are to be tested too)

from .case import Case
from .numeric import along, direction
from .op_table import CASES

Arrays = list[Any]

#: What the package itself declares; other tests may declare more.
OURS = {
    primitive
    for primitive in PRIMITIVES.values()
    if any(getattr(rule, "__module__", "").startswith("tinygrad_ml.") for rule in primitive.rules)
}
OUR_COMPOSITES = [f for f in COMPOSITES.values() if f.__module__.startswith("tinygrad_ml.")]

per_case = pytest.mark.parametrize("case", CASES, ids=str)


def per_case_that(condition: Callable[[Case], bool]) -> Any:
    return pytest.mark.parametrize("case", [case for case in CASES if condition(case)], ids=str)


@pytest.fixture
def rng(case: Case, make_rng: Any) -> np.random.Generator:
    return make_rng(case.name)


# What is compared: <v, f(x)> for a random v.


def parts(out: Any) -> list[Any]:
    """The results of a function that have derivatives."""
    return [part for part in (out if isinstance(out, (tuple, list)) else [out]) if part.dtype.kind in "fc"]


def inner(vs: Arrays, xs: Arrays) -> Any:
    """``Re sum conj(v) x``, in differentiable NumPy."""
    total: Any = 0
    for v, x in zip(vs, xs, strict=True):
        if x.dtype.kind == "c":
            total = total + np.sum(np.real(x) * np.real(v)) + np.sum(np.imag(x) * np.imag(v))
        else:
            total = total + np.sum(x * np.real(v))
    return total


def draw(rng: np.random.Generator, case: Case) -> tuple[Arrays, Arrays]:
    arrays = case.sample(rng)
    return arrays, weights(rng, case.function, arrays)


def weights(rng: np.random.Generator, function: Any, arrays: Arrays) -> Arrays:
    return [direction(rng, part).astype(part.dtype) for part in parts(function(*arrays))]


def leaves(arrays: Arrays) -> list[tg.Tensor]:
    return [tg.Tensor(a, requires_grad=True) for a in arrays]


def first_order(function: Any, arrays: Arrays, vs: Arrays) -> Arrays:
    """The gradients of ``<v, f(x)>``."""
    xs = leaves(arrays)
    inner(vs, parts(function(*xs))).backward()
    assert all(x.grad is not None for x in xs), "no gradient arrived at an argument"
    for x, a in zip(xs, arrays, strict=True):
        assert type(x.grad) is np.ndarray and x.grad.shape == np.shape(a) and x.grad.dtype == a.dtype
    return [x.grad for x in xs]


def recorded_gradient(function: Any, arrays: Arrays, vs: Arrays, ws: Arrays) -> tuple[list[tg.Tensor], Arrays, Any]:
    """The leaves, the gradients of ``<v, f(x)>``, and ``<w, gradient>``, which can be differentiated again."""
    xs = leaves(arrays)
    inner(vs, parts(function(*xs))).backward(create_graph=True)
    gradients = [x.grad for x in xs]
    for x in xs:
        x.zero_grad()
    return xs, gradients, inner(ws, gradients)


def second_order(function: Any, arrays: Arrays, vs: Arrays, ws: Arrays) -> Arrays:
    """The gradients of ``<w, gradient of <v, f(x)>>``."""
    xs, _, total = recorded_gradient(function, arrays, vs, ws)
    if isinstance(total, tg.Tensor) and total.requires_grad:
        total.backward()
    return [np.zeros_like(x.data) if x.grad is None else x.grad for x in xs]


def mismatch(gradients: Arrays, us: Arrays, numeric: tuple[Any, Any], size: float) -> str:
    """How the gradients disagree with a directional derivative, or an empty string.

    `size` is that of the numbers added up in the differentiated function, which rounding is relative to.
    """
    pairs = [(g, u) for g, u in zip(gradients, us, strict=True) if u is not None]
    actual = sum(float(np.sum(np.conjugate(g) * u).real) for g, u in pairs)
    scale = sum(float(np.sum(np.abs(g * u))) for g, u in pairs)
    expected, error = float(numeric[0]), float(numeric[1])
    tolerance = 1e-8 * scale + 2e-12 * size + 1e-13
    if not error <= 100 * tolerance:
        return f"not smooth enough here: the numerical derivative {expected} is uncertain by {error}"
    if not abs(actual - expected) <= tolerance + error:
        return f"directional derivative {actual}, numerically {expected}, tolerance {tolerance + error}"
    return ""


def directions(rng: np.random.Generator, arrays: Arrays) -> Iterator[Arrays]:
    """All arguments together, then each alone."""
    us = [direction(rng, a) for a in arrays]
    yield us
    if len(us) > 1:
        for i in range(len(us)):
            yield [u if i == k else None for k, u in enumerate(us)]


def magnitude(vs: Arrays, xs: Arrays) -> float:
    return sum(float(np.sum(np.abs(v) * np.abs(x))) for v, x in zip(vs, xs, strict=True))


def check_first_order(rng: np.random.Generator, function: Any, arrays: Arrays) -> None:
    vs = weights(rng, function, arrays)
    gradients = first_order(function, arrays, vs)
    size = magnitude(vs, parts(function(*arrays)))
    for us in directions(rng, arrays):
        numeric = along(lambda *xs: inner(vs, parts(function(*xs))), arrays, us)
        assert not (wrong := mismatch(gradients, us, numeric, size)), wrong


def check_second_order(rng: np.random.Generator, function: Any, arrays: Arrays) -> None:
    vs = weights(rng, function, arrays)
    ws = [direction(rng, a) for a in arrays]
    raw = first_order(function, arrays, vs)
    for plain, recorded in zip(raw, recorded_gradient(function, arrays, vs, ws)[1], strict=True):
        assert_close(recorded, plain)
    gradients = second_order(function, arrays, vs, ws)
    for us in directions(rng, arrays):
        numeric = along(lambda *xs: inner(ws, first_order(function, list(xs), vs)), arrays, us)
        assert not (wrong := mismatch(gradients, us, numeric, 10 * magnitude(ws, raw))), wrong


def assert_close(actual: Any, expected: Any, rtol: float = 1e-12) -> None:
    """Close relative to the largest element."""
    actual, expected = np.asarray(getattr(actual, "data", actual)), np.asarray(expected)
    assert actual.shape == expected.shape
    size = float(np.max(np.abs(expected[np.isfinite(expected)]), initial=0))
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=rtol * (size + 1e-3))


def assert_same_results(tensors: Any, raw: Any) -> None:
    """`tensors` is what NumPy answered, in Tensors."""
    if isinstance(raw, (tuple, list)):
        assert type(tensors) is type(raw)
        assert len(tensors) == len(raw)
    else:
        tensors, raw = [tensors], [raw]
    for tensor, array in zip(tensors, raw, strict=True):
        value = tensor.data if isinstance(tensor, tg.Tensor) else tensor
        assert value.dtype == array.dtype
        assert_close(value, array)


def complex_sample(rng: np.random.Generator, case: Case) -> Arrays:
    return [a + 0.25j * b for a, b in zip(case.sample(rng), case.sample(rng), strict=True)]


# The rows.


def test_names_are_unique() -> None:
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names), sorted({name for name in names if names.count(name) > 1})


@per_case
def test_forward_is_numpys(case: Case, rng: np.random.Generator) -> None:
    arrays = case.sample(rng)
    before = [a.copy() for a in arrays]
    raw = case.function(*arrays)
    assert_same_results(case.function(*leaves(arrays)), raw)
    for a, b in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(a, b)


@per_case
def test_first_order(case: Case, rng: np.random.Generator) -> None:
    check_first_order(rng, case.function, case.sample(rng))


@per_case_that(lambda case: case.order >= 2)
def test_second_order(case: Case, rng: np.random.Generator) -> None:
    check_second_order(rng, case.function, case.sample(rng))


@per_case
def test_each_argument_alone_needs_a_gradient(case: Case, rng: np.random.Generator) -> None:
    arrays, vs = draw(rng, case)
    together = first_order(case.function, arrays, vs)
    for i, expected in enumerate(together if len(arrays) > 1 else ()):
        xs = [tg.Tensor(a, requires_grad=i == k) if k % 2 == 0 or i == k else a for k, a in enumerate(arrays)]
        inner(vs, parts(case.function(*xs))).backward()
        assert_close(xs[i].grad, expected)


@per_case
def test_without_gradients(case: Case, rng: np.random.Generator) -> None:
    arrays = case.sample(rng)
    raw = case.function(*arrays)
    with tg.no_grad():
        quiet = case.function(*leaves(arrays))
    for out in (case.function(*[tg.Tensor(a) for a in arrays]), quiet):
        assert_same_results(out, raw)
        assert all(part.is_leaf for part in parts(out) if isinstance(part, tg.Tensor))


@per_case
def test_same_input_same_bits(case: Case, rng: np.random.Generator) -> None:
    arrays, vs = draw(rng, case)
    once, again = (first_order(case.function, arrays, vs) for _ in range(2))
    assert [g.tobytes() for g in once] == [g.tobytes() for g in again]


@per_case
def test_non_contiguous(case: Case, rng: np.random.Generator) -> None:
    arrays, vs = draw(rng, case)
    expected = first_order(case.function, arrays, vs)
    every_second = [np.stack([a, a * np.nan], axis=-1)[..., 0] for a in arrays]
    backwards = [np.flip(np.flip(a).copy()) for a in arrays]
    for views in (every_second, backwards, [np.array(a, order="F") for a in arrays]):
        assert_same_results(case.function(*leaves(views)), case.function(*arrays))
        for actual, g in zip(first_order(case.function, views, vs), expected, strict=True):
            assert_close(actual, g, rtol=1e-11)


@per_case_that(lambda case: case.float32)
def test_float32(case: Case, rng: np.random.Generator) -> None:
    singles = [a.astype(np.float32) for a in case.sample(rng)]
    raw = case.function(*singles)
    assert all(a.dtype == b.dtype for a, b in zip(parts(case.function(*leaves(singles))), parts(raw), strict=True))
    stays_single = all(part.dtype in (np.float32, np.complex64) for part in parts(raw))
    vs = weights(rng, case.function, singles)
    xs = leaves(singles)
    drift = []

    def watch(primitive: Any, i: int, pulled: Any) -> Any:
        if getattr(pulled, "dtype", None) in (np.float64, np.complex128):
            drift.append(f"{primitive.name}, {primitive.argument_name(i)}")
        return pulled

    with spied(loss := inner(vs, parts(case.function(*xs))), watch):
        loss.backward()
    assert not (stays_single and drift), f"these rules answer in double precision: {drift}"
    doubles = [a.astype(np.float64) for a in singles]
    expected = first_order(case.function, doubles, [v.astype(np.result_type(v, 1.0)) for v in vs])
    for x, g in zip(xs, expected, strict=True):
        assert x.grad.dtype == np.float32
        assert_close(x.grad, g, rtol=2e-4)


@per_case_that(lambda case: case.complex)
def test_complex(case: Case, rng: np.random.Generator) -> None:
    arrays = complex_sample(rng, case)
    assert_same_results(case.function(*leaves(arrays)), case.function(*arrays))
    check_first_order(rng, case.function, arrays)


@per_case_that(lambda case: case.elementwise)
def test_empty_and_single_elements(case: Case, rng: np.random.Generator) -> None:
    arrays = [np.ravel(a) for a in case.sample(rng)]
    for shape in ((0,), (2, 0, 3)):
        empty = [np.reshape(a[:0], shape) for a in arrays]
        assert_same_results(case.function(*leaves(empty)), case.function(*empty))
        first_order(case.function, empty, weights(rng, case.function, empty))
    single = [np.array(a[0]) for a in arrays]
    assert_same_results(case.function(*leaves(single)), case.function(*single))
    check_first_order(rng, case.function, single)


@per_case_that(lambda case: case.broadcasts)
def test_broadcasting_in_every_position(case: Case, rng: np.random.Generator) -> None:
    arrays = case.sample(rng)
    assert len({a.shape for a in arrays}) == 1, "rows that broadcast draw arguments of one shape"
    stretched = [
        lambda a: a[..., :1],
        lambda a: a[:1],
        lambda a: a[0],
        lambda a: np.array(a.flat[0]),
        lambda a: np.stack([a, np.flip(a)]),
    ]
    for i in range(len(arrays)):
        for change in stretched:
            check_first_order(rng, case.function, [change(a) if i == k else a for k, a in enumerate(arrays)])
    columns_and_rows = [a[:, :1] if k % 2 else a[:1] for k, a in enumerate(arrays)]
    check_first_order(rng, case.function, columns_and_rows)
    if case.order >= 2:
        check_second_order(rng, case.function, columns_and_rows)


@per_case_that(lambda case: len(case.samplers) == 2 and case.broadcasts)
def test_repeated_argument(case: Case, rng: np.random.Generator) -> None:
    for a in case.sample(rng)[::-1]:
        with np.errstate(all="ignore"):
            if not np.all(np.isfinite(case.function(a, a))):
                continue
        check_first_order(rng, lambda x: case.function(x, x), [a])
        if case.order >= 2:
            check_second_order(rng, lambda x: case.function(x, x), [a])


# Whether these tests would notice an error.


def recorded(root: Any) -> list[Node]:
    """The operations in the graph of a Tensor."""
    found: dict[int, Any] = {}
    stack = [root._node] if isinstance(root, tg.Tensor) and root.requires_grad else []
    while stack:
        node = stack.pop()
        if node.order not in found:
            found[node.order] = node
            stack.extend(edge[0] for edge in node.edges)
    return [node for node in found.values() if isinstance(node, Node)]


@contextmanager
def spied(root: tg.Tensor, spy: Callable[[Any, int, Any], Any], use_cache: bool = True) -> Iterator[None]:
    """Every answer of a rule in a backward from `root` goes through ``spy(primitive, i, answer)``."""

    def watched(primitive: Any, i: int, rule: Any) -> Any:
        return lambda *args, **kwargs: spy(primitive, i, rule(*args, **kwargs))

    cached = set()
    for node in recorded(root):
        primitive = node.primitive
        if node.cache is not None and use_cache:
            cached.add(primitive)
        elif node.cache is not None:
            node.cache = None
        node.edges = tuple((parent, watched(primitive, i, rule), i, like) for parent, rule, i, like in node.edges)
    for primitive in cached:
        get = primitive.rule
        primitive.rule = lambda i, cached=False, p=primitive, get=get: watched(p, i, get(i, cached))
    try:
        yield
    finally:
        for primitive in cached:
            del primitive.rule


def rules_in(root: Any) -> set[tuple[Any, int, bool]]:
    """(primitive, argument, whether from the cache) of every rule that a backward from `root` may use."""
    return {
        (node.primitive, 0 if node.primitive.variadic else i, cached)
        for node in recorded(root)
        for _, _, i, _ in node.edges
        for cached in ((False, True) if node.cache is not None else (False,))
    }


class Survey:
    """Which rules the rows use, and in which of them an error of 0.1 % is noticed."""

    def __init__(self, make_rng: Any) -> None:
        self.used: set[tuple[Any, int, bool]] = set()
        self.caught: set[tuple[Any, int, bool]] = set()
        self.code: set[Any] = set()
        for case in CASES:
            self.visit(case, make_rng(case.name))

    def visit(self, case: Case, rng: np.random.Generator) -> None:
        arrays, vs = draw(rng, case)
        us, ws = ([direction(rng, a) for a in arrays] for _ in range(2))

        def first() -> tuple[list[tg.Tensor], Any]:
            xs = leaves(arrays)
            return xs, inner(vs, parts(case.function(*xs)))

        def second() -> tuple[list[tg.Tensor], Any]:
            xs, _, total = recorded_gradient(case.function, arrays, vs, ws)
            return xs, total

        self.plant(first, us, lambda *xs: inner(vs, parts(case.function(*xs))), arrays, case)
        if case.order >= 2:
            self.plant(second, us, lambda *xs: inner(ws, first_order(case.function, list(xs), vs)), arrays, case)

    def plant(self, record: Any, us: Arrays, phi: Any, arrays: Arrays, case: Case) -> None:
        sys.setprofile(lambda frame, event, _: self.code.add(frame.f_code) if event == "call" else None)
        try:
            _, root = record()
        finally:
            sys.setprofile(None)
        rules = rules_in(root)
        self.used |= rules
        numeric = None
        for wrong in rules - self.caught:
            primitive, argument, cached = wrong

            def spy(p: Any, i: int, pulled: Any, wrong: Any = wrong) -> Any:
                if (p, 0 if p.variadic else i) != wrong[:2]:
                    return pulled
                return pulled * 1.001 if np.any(pulled) else pulled + 0.001

            xs, root = record()
            with spied(root, spy, use_cache=cached):
                root.backward()
            gradients = [np.zeros_like(x.data) if x.grad is None else x.grad for x in xs]
            numeric = along(phi, arrays, us) if numeric is None else numeric
            if mismatch(gradients, us, numeric, abs(float(phi(*arrays)))):
                self.caught.add(wrong)


@pytest.fixture(scope="module")
def survey(request: Any) -> Survey:
    seed = request.config.getoption("--seed")
    return Survey(lambda name: np.random.default_rng([seed, len(name)]))


def test_every_primitive_is_in_the_table(survey: Survey) -> None:
    missing = OURS - {primitive for primitive, _, _ in survey.used}
    assert not missing, f"no row of the op table uses {sorted(primitive.name for primitive in missing)}"


def test_every_rule_is_in_the_table(survey: Survey) -> None:
    rules = {
        (primitive, i, cached)
        for primitive in OURS
        for cached, rules in ((False, primitive.rules), (True, primitive.cached_rules))
        for i, rule in enumerate(rules)
        if rule is not None
    }
    missing = sorted(f"{p.name}, {p.argument_name(i)}{', cached' * cached}" for p, i, cached in rules - survey.used)
    assert not missing, f"no row of the op table uses the rules {missing}"


def test_every_composite_is_in_the_table(survey: Survey) -> None:
    missing = {f.__name__ for f in OUR_COMPOSITES if f.__code__ not in survey.code}
    assert not missing, f"no row of the op table uses {sorted(missing)}"


def test_an_error_of_a_tenth_of_a_percent_in_any_rule_is_noticed(survey: Survey) -> None:
    missed = sorted(
        f"{p.name}, {p.argument_name(i)}{', cached' * cached}" for p, i, cached in survey.used - survey.caught
    )
    assert not missed, f"an error planted in these rules goes unnoticed: {missed}"
