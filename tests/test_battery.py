"""The functions a gradient checker is judged on: their gradients are right, and the planted ones wrong."""

from __future__ import annotations

import functools
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_ml as tg
from benchmarks.battery import PROBLEMS, SMOOTH, Problem
from benchmarks.random_functions import MISTAKES, SIZED, plant, random_problem

from .numeric import along

#: Relative accuracy to expect where the gradient's own conditioning allows no more.
CONDITION = {"near singular": 1e-6, "float32": 1e-4, "huge offset": 1e-9, "cancellation": 1e-6, "high frequency": 1e-9}
STEP = 2.0**-200
#: Forwards that NumPy cannot compute from complex numbers, or not as the analytic function, or that underflow.
NO_COMPLEX_STEP = {
    "spectral power", "log-gamma", "quantile", "constant", "log-determinant by Cholesky", "weighted eigenvalues",
    "nuclear norm", "Frobenius norm", "log-determinant, condition 1e8", "1-norm", "exp(-700)",
}  # fmt: skip
#: Rounding in f drowns what complex step and engine differentiate: exact arithmetic alone can tell.
DROWNED = {"cross entropy, sure and right", "(1 - cos x) / x**2 at 1e-3"}


def determinant(mp: Any, x: list[Any]) -> Any:
    n = int(len(x) ** 0.5)
    return mp.det(mp.matrix([x[n * k : n * (k + 1)] for k in range(n)]))


#: The functions once more, for numbers of 150 digits.
EXACT: dict[str, Callable[[Any, list[Any]], Any]] = {
    "tanh at 20 .. 40": lambda mp, x: sum(map(mp.tanh, x)),
    "sigmoid at -40 .. -20": lambda mp, x: sum(1 / (1 + mp.exp(-t)) for t in x),
    "1 - sigmoid at 20 .. 40": lambda mp, x: sum(1 - 1 / (1 + mp.exp(-t)) for t in x),
    "cross entropy, sure and right": lambda mp, x: mp.log(sum(map(mp.exp, x))) - x[0],
    "exp(-800)": lambda mp, x: sum(map(mp.exp, x)),
    "exp(-700)": lambda mp, x: sum(map(mp.exp, x)),
    "erf at 5 .. 7": lambda mp, x: sum(map(mp.erf, x)),
    "log-erfc": lambda mp, x: sum(mp.log(mp.erfc(t)) for t in x),
    "log-gamma": lambda mp, x: sum(map(mp.loggamma, x)),
    "(1 - cos x) / x**2 at 1e-3": lambda mp, x: sum((1 - mp.cos(t)) / t**2 for t in x),
    "(exp(x) - 1) / x at 1e-4": lambda mp, x: sum((mp.exp(t) - 1) / t for t in x),
    "log(1 + x) at 1e-8": lambda mp, x: sum(mp.log(1 + t) for t in x),
    "sin(1e5 x)": lambda mp, x: sum(mp.sin(100_000 * t) for t in x),
    "tanh(1e4 (x - 1))": lambda mp, x: sum(mp.tanh(10_000 * (t - 1)) for t in x),
    "x**50": lambda mp, x: sum(t**50 for t in x),
    "determinant, condition 1e10": determinant,
    "log-determinant, condition 1e8": lambda mp, x: mp.log(abs(determinant(mp, x))),
    "log of determinant, Hilbert matrix": lambda mp, x: mp.log(determinant(mp, x)),
    "variance around 1e6": lambda mp, x: sum((t - sum(x) / len(x)) ** 2 for t in x) / len(x),
}


def by_name(problems: list[Problem]) -> Any:
    return pytest.mark.parametrize("problem", problems, ids=str)


def directions(problem: Problem) -> list[np.ndarray]:
    rng = np.random.default_rng(zlib.crc32(problem.name.encode()))
    return [rng.normal(size=x.shape) * (np.abs(x) + np.max(np.abs(x), initial=0.0) * 1e-3) for x in problem.arrays]


def complex_step(problem: Problem, us: list[np.ndarray]) -> float:
    """The derivative along `us`, to rounding, where f is analytic in each of its elements."""
    us = [u if np.any(u) else np.ones_like(u) for u in us]
    y = problem.f(*[x.astype(float) + 1j * STEP * u for x, u in zip(problem.arrays, us, strict=True)])
    assert np.iscomplexobj(y), "a real result of complex arguments: not an analytic forward"
    return float(np.imag(y)) / STEP


def along_gradient(problem: Problem, us: list[np.ndarray]) -> tuple[float, float]:
    """<gradient, us>, and the size of what it sums, against which rounding is measured."""
    us = [u if np.any(u) else np.ones_like(u) for u in us]
    terms = [g * u for g, u in zip(problem.gradients(*problem.arrays), us, strict=True)]
    return float(sum(map(np.sum, terms))), float(sum(np.sum(np.abs(t)) for t in terms))


def accuracy(problem: Problem) -> float:
    return CONDITION.get(problem.kind, 1e-11)


def rounding(problem: Problem, digits: float = 2.0**-52) -> float:
    """What the last digits of f amount to in its derivative along a direction of the size of x."""
    return 64 * digits * abs(float(problem.f(*problem.arrays)))


def test_names_are_unique_and_kinds_many() -> None:
    assert len({problem.name for problem in PROBLEMS}) == len(PROBLEMS) >= 90
    assert len({problem.kind for problem in PROBLEMS}) >= 20
    assert {problem.name for problem in SMOOTH} >= {*EXACT, *NO_COMPLEX_STEP, *DROWNED}


@by_name(SMOOTH)
def test_gradient_has_the_structure_of_its_arguments(problem: Problem) -> None:
    assert np.ndim(problem.f(*problem.arrays)) == 0
    for g, x in zip(problem.gradients(*problem.arrays), problem.arrays, strict=True):
        assert (np.shape(g), np.asarray(g).dtype) == (x.shape, x.dtype)


@by_name([problem for problem in SMOOTH if problem.name not in DROWNED])
def test_gradient_is_the_engines(problem: Problem) -> None:
    engine = tg.grad(problem.f, argnums=tuple(range(len(problem.arrays))))(*problem.arrays)
    for ours, g, x in zip(engine, problem.gradients(*problem.arrays), problem.arrays, strict=True):
        scale = np.sqrt(np.mean(np.square(x, dtype=float))) or 1.0
        largest = np.max(np.abs(g)) if problem.kind in CONDITION else 0.0  # elsewhere, each element by itself
        np.testing.assert_allclose(ours, g, accuracy(problem), accuracy(problem) * largest + rounding(problem) / scale)


@by_name([problem for problem in SMOOTH if problem.name not in DROWNED | NO_COMPLEX_STEP])
def test_gradient_is_the_complex_steps(problem: Problem) -> None:
    us = directions(problem)
    (slope, size), numeric = along_gradient(problem, us), complex_step(problem, us)
    assert abs(slope - numeric) <= accuracy(problem) * size + rounding(problem) + 16 * STEP**2


@by_name([problem for problem in SMOOTH if problem.name in NO_COMPLEX_STEP - {*EXACT}])
def test_gradient_is_that_of_differences(problem: Problem) -> None:
    us = directions(problem)
    slope, size = along_gradient(problem, us)
    numeric, _ = along(problem.f, list(problem.arrays), [1e-3 * u for u in us])
    assert abs(slope - 1e3 * numeric) <= 1e-6 * size + 1e3 * rounding(problem)


@by_name([problem for problem in SMOOTH if problem.name in EXACT])
def test_gradient_is_that_of_exact_arithmetic(problem: Problem) -> None:
    (x,) = problem.arrays
    mp = pytest.importorskip("mpmath").mp.clone()
    mp.dps = 150
    f = functools.partial(EXACT[problem.name], mp)
    point, shift = [mp.mpf(float(value)) for value in x.flat], mp.mpf(10) ** -30
    exact = np.zeros(x.shape)
    for k in range(x.size):
        up, down = ([t + s * (j == k) for j, t in enumerate(point)] for s in (shift, -shift))
        exact.flat[k] = (f(up) - f(down)) / (2 * shift)
    rtol = 1e-10 if problem.kind == "cancellation" else accuracy(problem)
    np.testing.assert_allclose(problem.gradient(x), exact, rtol, 0)


@pytest.mark.parametrize("block", range(10))
def test_random_gradients_are_right(block: int, make_rng: Any) -> None:
    rng = make_rng(f"random functions {block}")
    for _ in range(30):
        problem = random_problem(rng)
        us = [rng.normal(size=x.shape) * (np.sqrt(np.mean(x * x)) or 1.0) for x in problem.arrays]
        (slope, size), numeric = along_gradient(problem, us), complex_step(problem, us)
        assert abs(slope - numeric) <= 1e-9 * size + rounding(problem)
        engine = tg.grad(problem.f, argnums=tuple(range(len(us))))(*problem.arrays)
        for ours, g, x in zip(engine, problem.gradients(*problem.arrays), problem.arrays, strict=True):
            assert (g.shape, g.dtype) == (x.shape, x.dtype)
            scale = np.sqrt(np.mean(x * x)) or 1.0
            np.testing.assert_allclose(ours, g, 0, 1e-9 * np.max(np.abs(g)) + rounding(problem) / scale)


def test_random_functions_cover_what_they_promise(rng: Any) -> None:
    problems = [random_problem(rng) for _ in range(300)]
    arrays = [x for problem in problems for x in problem.arrays]
    sizes = [x.size for x in arrays]
    scales = [np.sqrt(np.mean(x * x)) for x in arrays]
    outputs = [abs(float(problem.f(*problem.arrays))) for problem in problems]
    assert min(sizes) == 1 and max(sizes) > 1500
    assert {x.ndim for x in arrays} == {0, 1, 2, 3}
    assert {len(problem.arrays) for problem in problems} == {1, 2, 3}
    assert min(scales) < 1e-4 and max(scales) > 1e4
    assert min(outputs) < 1e-5 and max(outputs) > 1e5


def test_random_functions_of_single_precision_are_the_same_in_double(rng: Any) -> None:
    for _ in range(100):
        problem = random_problem(rng, np.float32)
        assert problem.f(*problem.arrays).dtype == np.float32
        doubles = problem.gradients(*[x.astype(float) for x in problem.arrays])
        for g, double, x in zip(problem.gradients(*problem.arrays), doubles, problem.arrays, strict=True):
            assert (g.dtype, double.dtype) == (np.float32, np.float64)
            scale = np.sqrt(np.mean(np.square(x, dtype=float))) or 1.0
            atol = 3e-3 * np.max(np.abs(double)) + rounding(problem, 2.0**-23) / scale
            np.testing.assert_allclose(g, double, 0, atol)


def planted(where: str, size: float, rng: Any) -> list[tuple[Problem, Problem]]:
    problems = [random_problem(rng) for _ in range(100)]
    pairs = [(problem, plant(problem, size, where, rng)) for problem in problems]
    return [(right, wrong) for right, wrong in pairs if wrong is not None]


def errors(right: Problem, wrong: Problem) -> list[np.ndarray]:
    pairs = zip(right.gradients(*right.arrays), wrong.gradients(*right.arrays), strict=True)
    return [w - g for g, w in pairs]


@pytest.mark.parametrize("size", [1e-1, 1e-5])
@pytest.mark.parametrize("where", SIZED)
def test_planted_errors_have_their_size(where: str, size: float, rng: Any) -> None:
    pairs = planted(where, size, rng)
    assert len(pairs) > 80
    for right, wrong in pairs:
        for error, g in zip(errors(right, wrong), right.gradients(*right.arrays), strict=True):
            if where == "all":
                np.testing.assert_allclose(error, size * g, 1e-9, 1e-14 * np.max(np.abs(g)))
            elif np.any(error):
                assert np.count_nonzero(error) == 1
                np.testing.assert_allclose(np.max(np.abs(error)), size * np.sqrt(np.mean(g * g)), 1e-6)
        assert any(np.any(error) for error in errors(right, wrong))


@pytest.mark.parametrize("where", MISTAKES)
def test_planted_mistakes_are_seen(where: str, rng: Any) -> None:
    pairs = planted(where, 1e-1, rng)
    assert pairs
    for right, wrong in pairs:
        worst = [
            np.sqrt(np.mean(error * error)) >= 0.09 * np.sqrt(np.mean(g * g)) > 0
            for error, g in zip(errors(right, wrong), right.gradients(*right.arrays), strict=True)
        ]
        assert any(worst)


def test_unknown_mistakes_are_refused(rng: Any) -> None:
    with pytest.raises(ValueError, match="where='nowhere' is none of element, all, sign"):
        plant(SMOOTH[0], 0.1, "nowhere", rng)


def test_a_zero_gradient_has_no_room_for_an_error(rng: Any) -> None:
    constant = next(problem for problem in SMOOTH if problem.name == "constant")
    assert plant(constant, 0.1, "element", rng) is None
