"""The complex step against backward rules and finite differences: every operation, and what it cannot tell."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.special as sp

import tinygrad_ml as tg
from tinygrad_ml.gradcheck.complex_step import Unavailable, along, operations, quiet, replay
from tinygrad_ml.graph import Node, watching

from .case import Case
from .numeric import along as along_by_differences
from .numeric import derivative
from .op_table import CASES
from .test_rules import OURS, inner, leaves, parts, recorded_gradient, weights

#: Operations that give complex numbers, or take them: of these the complex step knows nothing.
COMPLEX_BY_NATURE = {"fft", "ifft", "rfft", "wofz"}
#: Its second derivative is the small difference of large terms, in the rule and in the replay alike.
CANCELS = {"special.erfcx far"}


def record(case: Case, rng: np.random.Generator, order: int) -> tuple[list[Any], list[Any], Any, Callable[..., Any]]:
    """The arrays, the leaves, ``<v, f(x)>`` or ``<w, its gradient>``, and that as a function of arrays."""
    arrays = case.sample(rng)
    vs = weights(rng, case.function, arrays)
    ws = [rng.normal(size=a.shape) for a in arrays]
    with watching():
        if order == 2:
            xs, _, total = recorded_gradient(case.function, arrays, vs, ws)
        else:
            xs = leaves(arrays)
            total = inner(vs, parts(case.function(*xs)))
    return arrays, xs, total, lambda *arrays: inner(vs, parts(case.function(*arrays)))


def replayed(total: Any, xs: list[Any], us: list[Any]) -> float:
    with quiet():
        return float(replay(total, {x._node: u for x, u in zip(xs, us, strict=True)}))


def is_complex(total: Any) -> bool:
    """Whether complex numbers occur in the graph of `total`."""
    nodes = [node for node in operations(total._node) if isinstance(node, Node)]
    arrays = [a for node in nodes for a in (node.details.ans, *node.details.args)]
    return any(np.iscomplexobj(a) for a in arrays if hasattr(a, "dtype"))


def size_of(total: Any) -> float:
    """The sum of the magnitudes that the last sum of the graph adds up: what its rounding is relative to."""
    last = total._node.details.args
    return sum(float(np.sum(np.abs(a))) for a in last if hasattr(a, "dtype"))


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("order", [1, 2])
def test_every_operation_agrees_with_its_rules(case: Case, order: int, make_rng: Any) -> None:
    rng = make_rng(case.name)
    if order > case.order:
        return
    arrays, xs, total, phi = record(case, rng, order)
    if not (isinstance(total, tg.Tensor) and total.requires_grad):
        return  # a linear function: its gradient is constant
    us = [rng.normal(size=a.shape) for a in arrays]
    if is_complex(total):
        with pytest.raises(Unavailable, match="complex numbers"):
            replayed(total, xs, us)
        return
    actual = replayed(total, xs, us)
    total.backward()
    pairs = [(np.zeros_like(a) if x.grad is None else x.grad, u) for x, a, u in zip(xs, arrays, us, strict=True)]
    expected = sum(float(np.sum(g * u)) for g, u in pairs)
    scale = sum(float(np.sum(np.abs(g * u))) for g, u in pairs) + size_of(total)
    assert abs(actual - expected) <= (1e-10 if case.name in CANCELS else 2e-12) * scale
    if order == 1:
        numeric, error = along_by_differences(phi, arrays, [0.5 * u for u in us])
        assert abs(0.5 * actual - numeric) <= 1e-8 * scale + error


def test_every_primitive_of_real_numbers_is_replayed(make_rng: Any) -> None:
    seen = set()
    for case in CASES:
        for order in (1, 2)[: case.order]:
            _, _, total, _ = record(case, make_rng(case.name), order)
            if isinstance(total, tg.Tensor) and total.requires_grad and not is_complex(total):
                seen |= {node.primitive for node in operations(total._node) if isinstance(node, Node)}
    assert {primitive.name for primitive in OURS - seen} == COMPLEX_BY_NATURE


SPECIAL_POINTS = [
    (sp.gammaln, [-2.5, -0.3, 0.2, 40.0]),
    (sp.gamma, [-2.5, -0.3, 0.2, 40.0]),
    (sp.rgamma, [-2.5, -0.3, 0.2, 40.0]),
    (sp.i0, [-30.0, -0.01, 0.0, 3e-7, 700.0]),
    (sp.i1, [-30.0, -0.01, 0.0, 3e-7, 700.0]),
    (sp.i0e, [-30.0, -0.5, 0.5, 1e3]),
    (sp.i1e, [-30.0, -0.5, 0.5, 1e3]),
    (sp.j0, [-30.0, 0.0, 1e-6, 50.0]),
    (sp.j1, [-30.0, 0.0, 1e-6, 50.0]),
    (sp.y0, [0.5, 50.0]),
    (sp.k0e, [0.5, 50.0]),
    (sp.exprel, [-20.0, -1e-9, 0.0, 1e-5, 20.0]),
    (sp.expit, [-40.0, -0.1, 0.0, 40.0]),
    (sp.log_expit, [-40.0, -0.1, 0.0, 40.0]),
    (sp.expi, [-3.0, -0.2, 0.2, 30.0]),
    (sp.cbrt, [-8.0, 0.3]),
    (np.sinc, [-3.0, -1.0, -0.999, 1e-9, 0.0, 1.5, 12.25]),
    (np.cbrt, [-8.0, 0.3]),
    (np.power, [-8.0, -0.3, 0.3]),
    (tg.softplus, [-40.0, 0.0, 40.0]),
]


@pytest.mark.parametrize("function, points", SPECIAL_POINTS, ids=lambda value: getattr(value, "__name__", ""))
def test_beyond_the_usual_range(function: Any, points: list[float]) -> None:
    f = (lambda x: np.power(x, 3.0)) if function is np.power else function
    for x in points:
        actual = along(lambda x: f(x) * 1.0, [np.array(x)], [np.array(1.0)])
        numeric, error = derivative(lambda t, x=x: f(np.array(x) + t), step=0.04 * min(1.0, abs(x) or 1.0))
        size = abs(float(f(np.array(x)))) / min(1.0, abs(x) or 1.0)
        assert abs(actual.value - numeric) <= 1e-9 * abs(numeric) + 2e-12 * size + error, x
        assert actual.noise <= 1e-9 * (abs(numeric) + size)


AT_TIES = [
    (lambda x: np.max(x), [1.0, 1.0, 0.0], [2.0, 4.0, 9.0], 3.0),
    (lambda x: np.maximum(x[0], x[1]), [1.0, 1.0], [2.0, 4.0], 3.0),
    (lambda x: np.fmin(x[0], x[1]), [1.0, 1.0], [2.0, 4.0], 3.0),
    (lambda x: np.fmax(x[0], x[1]), [1.0, np.nan], [2.0, 4.0], 2.0),
    (lambda x: np.sum(tg.relu(x)), [0.0, 1.0], [2.0, 4.0], 5.0),
    (lambda x: np.sum(np.abs(x)), [0.0, -1.0], [2.0, 4.0], -4.0),
    (lambda x: np.linalg.norm(x), [0.0, 0.0], [2.0, 4.0], 0.0),
    (lambda x: np.std(x), [3.0, 3.0], [2.0, 4.0], 0.0),
    (lambda x: np.median(x), [3.0, 1.0, 2.0, 7.0], [2.0, 4.0, 6.0, 8.0], 4.0),
    (lambda x: np.hypot(x[0], x[1]), [0.0, 0.0], [2.0, 4.0], 0.0),
    (lambda x: np.arctan2(x[0], x[1]), [0.0, -2.0], [2.0, 4.0], -1.0),
]


@pytest.mark.parametrize("f, x, u, expected", AT_TIES)
def test_the_mean_of_both_sides_at_a_kink(f: Any, x: list[float], u: list[float], expected: float) -> None:
    with np.errstate(invalid="ignore"):
        assert along(f, [np.array(x)], [np.array(u)]).value == pytest.approx(expected, rel=1e-14)


def test_arrays_that_do_not_move_and_single_precision(rng: np.random.Generator) -> None:
    x, y, u = rng.normal(size=5), rng.normal(size=5), rng.normal(size=5)
    step = along(lambda x, y: np.sum(x * np.exp(y)), [x, y], [u, None])
    assert step.value == pytest.approx(u @ np.exp(y), rel=1e-14)
    single = along(lambda x: np.sum(np.exp(x)), [x.astype(np.float32)], [u])
    assert single.value == pytest.approx(u @ np.exp(x), rel=1e-5)


def test_noise_covers_the_error_of_an_ill_conditioned_problem(rng: np.random.Generator) -> None:
    """The derivative of ``sum(A^-1)`` is ``-sum(A^-1 U A^-1)``; A is known to more digits than it is given in."""
    import mpmath

    covered = 0
    for n in [3, 4, 5, 6, 7] * 4:
        a, u = sp.binom(np.add.outer(np.arange(n), np.arange(n)), np.arange(n)), rng.normal(size=(n, n))
        a = a * (1 + rng.uniform(size=(n, n)))
        with mpmath.workdps(60):
            inverse = mpmath.matrix(a.tolist()) ** -1
            product = inverse * mpmath.matrix(u.tolist()) * inverse
            exact = -float(sum(product))
        step = along(lambda a: np.sum(np.linalg.inv(a)), [a], [u])
        assert step.noise <= 1e-3 * np.sum(np.abs(exact)) + 1e-6 * np.sum(np.abs(u))
        covered += abs(step.value - exact) <= step.noise
    assert covered == 20


# What cannot be recorded, and what the complex step cannot tell.


def plain(x: Any) -> Any:
    """Not for Tensors."""
    total = 0.0
    for value in memoryview_of(x):
        total = total + value**3
    return total


def memoryview_of(x: Any) -> Any:
    if isinstance(x, tg.Tensor):
        raise TypeError("arrays only")
    return list(x)


def test_functions_that_cannot_be_recorded_are_handed_complex_arrays() -> None:
    step = along(plain, [np.array([1.0, 2.0])], [np.array([1.0, 1.0])])
    assert step.value == pytest.approx(15.0, rel=1e-15)
    assert 0 < step.noise < 1e-11


def test_a_user_s_operation_is_repeated_at_complex_arguments(rng: np.random.Generator) -> None:
    cube = tg.primitive(lambda x: x * x * x, lambda g, ans, x: g * 999.0)
    x = rng.normal(size=4)
    assert along(lambda x: np.sum(cube(x)), [x], [np.ones(4)]).value == pytest.approx(np.sum(3 * x * x), rel=1e-14)


def real_typed(x: Any) -> Any:
    return np.sum(np.asarray(x).real ** 2)


def loses_its_imaginary_part(x: Any) -> Any:
    out = np.zeros(3)
    out[:] = memoryview_of(x)
    return np.sum(out)


def takes_another_branch(x: Any) -> Any:
    x = memoryview_of(x)
    return (x[0] if np.iscomplexobj(x) else 2 * x[0]) * x[1]


def fails(x: Any) -> Any:
    if np.iscomplexobj(memoryview_of(x)):
        raise ValueError("no complex numbers here")
    return np.sum(x)


UNAVAILABLE = [
    (real_typed, "real_typed: answers real numbers for complex arguments"),
    (loses_its_imaginary_part, "discards the imaginary part"),
    (takes_another_branch, "the real part at complex arguments is not the result at real ones"),
    (fails, "fails: fails at complex arguments: ValueError: no complex numbers here"),
    (lambda x: np.sum(np.abs(np.fft.fft(x)) ** 2), "fft: works on complex numbers here"),
    (lambda x: np.sum(np.linalg.pinv(np.outer(x, x))), "pinv: the matrix is not of full rank"),
    (lambda x: np.sum(np.linalg.eigvalsh(np.eye(300) * x[0])), "300 values and their vectors would take too much"),
    (lambda x: np.sum(np.linalg.svdvals(np.eye(200) * x[0])), "200 values and their vectors would take too much"),
    (lambda x: np.sum(tg.primitive(lambda x: np.abs(x), lambda g, ans, x: g)(x)), "answers real numbers"),
]


@pytest.mark.parametrize("f, message", UNAVAILABLE)
def test_what_the_complex_step_cannot_tell(f: Any, message: str) -> None:
    with pytest.raises(Unavailable, match=message):
        along(f, [np.array([1.0, 2.0, 4.0])], [np.array([1.0, 0.5, 0.25])])


def test_a_graph_that_was_not_watched() -> None:
    x = tg.Tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(Unavailable, match=r"sum was not recorded under watching\(\)|exp was not recorded"):
        replay(np.exp(x).sum(), {x._node: np.ones(2)})


@pytest.mark.parametrize("f", [np.exp, lambda x: list(memoryview_of(x))])
def test_functions_of_more_than_one_result(f: Any) -> None:
    with pytest.raises(ValueError, match=r"must return a single number, returned shape \(2,\)"):
        along(f, [np.array([1.0, 2.0])], [np.ones(2)])


def test_transforms_inside_of_the_function(rng: np.random.Generator) -> None:
    x, u, v = rng.standard_normal((3, 4))

    def slope(x: Any) -> Any:
        return np.sum(tg.grad(lambda p: np.sum(np.tanh(p) ** 3) + np.prod(p))(x) * v)

    product = tg.hvp(lambda p: np.sum(np.tanh(p) ** 3) + np.prod(p), x, v)
    assert along(slope, [x], [u]).value == pytest.approx(u @ product, rel=1e-13)
    assert along(lambda x: np.sum(np.diag(tg.jacobian(np.exp)(x)) * v), [x], [u]).value == pytest.approx(
        np.sum(np.exp(x) * u * v), rel=1e-13
    )


def test_nothing_moves() -> None:
    x = tg.Tensor([1.0, 2.0], requires_grad=True)
    with watching():
        out = np.exp(x)
    np.testing.assert_array_equal(replay(out, {}), np.zeros(2))


def test_deep_graphs_and_repeated_results() -> None:
    assert along(lambda x: sum((x * 1.0 for _ in range(3000)), x), [np.array(1.0)], [np.array(1.0)]).value == 3001.0
    root = math.sqrt(2)
    assert along(lambda x: x * x * x * x, [np.array(root)], [np.array(1.0)]).value == pytest.approx(4 * root**3)
