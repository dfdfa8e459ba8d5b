"""`derivative` against derivatives in closed form: the bound holds, and it is small."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import scipy.special as sp

import tinygrad_ml as tg
from tinygrad_ml.gradcheck import derivative
from tinygrad_ml.gradcheck.numeric import slope

TWO = np.array([1.0, 2.0])
POSITIVE_DEFINITE = np.array([[2.0, 0.5], [0.5, 0.3]])


@dataclass(frozen=True)
class Case:
    """A function of known derivative.

    `within` is how small the bound must be, relative to the derivative where that is not 0.
    """

    name: str
    f: Callable[..., Any]
    x: Any
    truth: float
    within: float
    direction: Any = None


def near_kink(distance: float) -> Case:
    f = lambda x: 2 * np.exp(x) + abs(x - distance)  # noqa: E731
    return Case(f"kink {distance:.0e} away", f, 0.0, 1.0, 1e-12 / distance)


def still_near_kink(distance: float) -> Case:
    return Case(f"kink {distance:.0e} away, slope 0", lambda x: np.exp(x) + abs(x - distance), 0.0, 0.0, 1e-6)


def sine_at(x: float, within: float) -> Case:
    return Case(f"sin({x:.0e})", np.sin, x, math.cos(x), within)


CASES = [
    # scales
    Case("exp", np.exp, 1.0, math.e, 2e-12),
    Case("exp(700)", np.exp, 700.0, math.exp(700), 2e-12),
    Case("exp(-700)", np.exp, -700.0, math.exp(-700), 2e-12),
    Case("1e-300 x^3", lambda x: 1e-300 * x**3, 2.0, 12e-300, 1e-12),
    Case("1e300 x^3", lambda x: 1e300 * x**3, 2.0, 12e300, 1e-12),
    Case("log at 1e-300", np.log, 1e-300, 1.0, 1e-9, 1e-300),
    Case("log at 1e300", np.log, 1e300, 1.0, 1e-9, 1e300),
    Case("sqrt at 1e-200", np.sqrt, 1e-200, 0.5e-100, 1e-11, 1e-200),
    # offsets
    Case("1e8 + sin", lambda x: 1e8 + np.sin(x), 1.0, math.cos(1), 1e-4),
    Case("1e15 + sin", lambda x: 1e15 + np.sin(x), 1.0, math.cos(1), 100.0),
    # steep
    Case("tanh(1e4 x)", lambda x: np.tanh(1e4 * x), 1e-5, 1e4 / math.cosh(0.1) ** 2, 1e-11),
    Case("exp(100 x)", lambda x: np.exp(100 * x), 0.3, 100 * math.exp(30), 1e-11),
    Case("x^50", lambda x: x**50, 1.1, 50 * 1.1**49, 1e-11),
    Case("pole 1e-4 away", lambda x: 1 / (x - 1.0001), 1.0, -1 / (1.0 - 1.0001) ** 2, 1e-10),
    Case("log at 1e-3", np.log, 1e-3, 1e3, 1e-10),
    Case("log at 1e-6", np.log, 1e-6, 1e6, 1e-9),
    # oscillating
    Case("sin(1e3 x)", lambda x: np.sin(1e3 * x), 0.3, 1e3 * math.cos(300), 1e-9),
    Case("sin(1e5 x)", lambda x: np.sin(1e5 * x), 0.3, 1e5 * math.cos(3e4), 1e-10),
    Case("ripples on a line", lambda x: x + 1e-3 * np.sin(1e4 * x), 0.2, 1 + 10 * math.cos(2e3), 1e-8),
    sine_at(1e3, 1e-11),
    sine_at(1e6, 1e-6),
    sine_at(1e9, 1e-3),
    # kinks close by
    *[near_kink(10.0**-k) for k in range(3, 10)],
    *[still_near_kink(10.0**-k) for k in range(3, 5)],
    Case("to the right of relu's kink", lambda x: max(x, 0.0), 1e-9, 1.0, 1e-12),
    Case("to the left of it", lambda x: max(x, 0.0), -1e-4, 0.0, 1e-12),
    # beside points without a derivative
    Case("beside a cusp", np.cbrt, 1e-3, 100 / 3, 1e-9),
    Case("beside a jump", np.floor, 0.5, 0.0, 0.0),
    Case("beside t sin(1/t)'s 0", lambda x: x * math.sin(1 / x), 0.25, math.sin(4) - 4 * math.cos(4), 1e-9),
    # even and odd
    Case("cos at 0", np.cos, 0.0, 0.0, 1e-12),
    Case("x^2 at 0", np.square, 0.0, 0.0, 1e-30),
    Case("x^4 at 0", lambda x: x**4, 0.0, 0.0, 1e-30),
    Case("x^3 at 0", lambda x: x**3, 0.0, 0.0, 1e-30),
    Case("sin at 0", np.sin, 0.0, 1.0, 1e-12),
    Case("x |x| at 0", lambda x: x * abs(x), 0.0, 0.0, 1e-7),
    Case("relu^3 at 0", lambda x: max(x, 0.0) ** 3, 0.0, 0.0, 1e-30),
    Case("t^2 sin(1/t) at 0", lambda x: x * x * math.sin(1 / x) if x else 0.0, 0.0, 0.0, 1e-7),
    # constants
    Case("3", lambda x: 3.0, 1.0, 0.0, 1e-12),
    Case("0", lambda x: 0 * x, 1.0, 0.0, 0.0),
    Case("an integer", lambda x: 3, 1.0, 0.0, 1e-12),
    Case("sin^2 + cos^2", lambda x: np.sin(x) ** 2 + np.cos(x) ** 2, 1.0, 0.0, 1e-12),
    # polynomials
    *[Case(f"x^{n} at 1.7", lambda x, n=n: x**n, 1.7, n * 1.7 ** (n - 1), 1e-11) for n in range(1, 9)],
    # special functions
    Case("erf", sp.erf, 0.5, 2 / math.sqrt(math.pi) * math.exp(-0.25), 1e-11),
    Case("gamma", sp.gamma, 4.5, float(sp.gamma(4.5) * sp.digamma(4.5)), 1e-11),
    # precision
    Case("single precision inside", lambda x: float(np.exp(np.float32(x))), 1.0, math.e, 1e-3),
    Case("single precision returned", lambda x: np.exp(np.float32(x)), 1.0, math.e, 1e-3),
    Case("extended precision returned", lambda x: np.exp(np.longdouble(x)), 1.0, math.e, 1e-11),
    Case("half precision given", lambda x: np.sum(np.exp(x)), TWO.astype(np.float16), math.e + math.e**2, 1e-11),
    Case("single precision given", lambda x: np.sum(np.exp(x)), TWO.astype(np.float32), math.e + math.e**2, 1e-11),
    Case("extended precision given", np.exp, np.longdouble(1), math.e, 1e-11),
    Case("Python's numbers", math.exp, 1.0, math.e, 1e-11),
    # arrays and trees
    Case("a direction", lambda x: np.sum(x**2), TWO, 2 * 1 * 3 + 2 * 2 * -1, 1e-11, np.array([3.0, -1.0])),
    Case("no direction", lambda x: np.sum(x**2), TWO, 6.0, 1e-11),
    Case("a direction of 0", lambda x: np.sum(x**2), TWO, 0.0, 1e-11, np.zeros(2)),
    Case("no elements", np.sum, np.zeros(0), 0.0, 0.0),
    Case("a Tensor", lambda x: np.sum(x**2), tg.Tensor(TWO), 6.0, 1e-11),
    Case("a Tensor returned", lambda x: tg.Tensor(x).sum(), TWO, 2.0, 1e-11),
    Case("a dict", lambda p: np.sum(p["w"] ** 2) * p["b"][0], {"w": TWO, "b": [3.0, None]}, 3 * 6 + 5, 1e-11),
    Case(
        "a direction in a tuple",
        lambda p: p[0] * np.sum(p[1]),
        (2.0, TWO),
        5 * 3 + 2 * 7,
        1e-11,
        (5.0, np.array([3.0, 4.0])),
    ),
    # complex arguments: the derivative of |z|^2 along u is 2 Re(conj(z) u)
    Case("complex numbers", lambda z: np.sum(np.abs(z) ** 2), np.array([1 + 2j, 3 - 1j]), 8.0, 1e-11),
    Case(
        "a complex direction",
        lambda z: np.sum(np.abs(z) ** 2),
        np.array([1 + 2j, 3 - 1j]),
        2.0,
        1e-11,
        np.array([1j, 1j]),
    ),
    # edges of the domain, beyond which functions raise
    Case("math.log", math.log, 0.05, 20.0, 1e-10),
    Case("math.sqrt", math.sqrt, 1e-4, 50.0, 1e-10),
    Case("math.acos", math.acos, 0.99, -1 / math.sqrt(1 - 0.99**2), 1e-10),
    Case("a quotient", lambda x: math.exp(-1 / x), 0.125, 64 * math.exp(-8), 1e-9),
    Case(
        "a Cholesky factor's determinant",  # the sum of the elements of (half) the inverse
        lambda a: np.sum(np.log(np.diag(np.linalg.cholesky(a)))),
        POSITIVE_DEFINITE,
        0.5 * (2 + 0.3 - 2 * 0.5) / (2 * 0.3 - 0.5**2),
        1e-10,
    ),
]
IDS = [case.name for case in CASES]


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_the_truth_lies_within_a_small_bound(case: Case) -> None:
    value, error, evaluations, findings = derivative(case.f, case.x, case.direction)
    assert findings == ()
    assert abs(value - case.truth) <= error
    assert error <= case.within * (abs(case.truth) or 1)
    assert evaluations <= 43


def test_it_takes_few_evaluations() -> None:
    counts = []
    for case in CASES:
        calls = 0

        def counted(*args: Any, f: Callable[..., Any] = case.f) -> Any:
            nonlocal calls
            calls += 1
            return f(*args)

        counts.append(derivative(counted, case.x, case.direction).evaluations)
        assert counts[-1] == calls, case.name
    assert np.median(counts) <= 25


# Random functions, as chains of steps (value, slope) -> (value, slope) in extended precision

STEPS: dict[str, Callable[[Any], tuple[Any, Any]]] = {
    "sin": lambda x: (np.sin(x), np.cos(x)),
    "tanh": lambda x: (np.tanh(x), 1 / np.cosh(x) ** 2),
    "arctan": lambda x: (np.arctan(x), 1 / (1 + x * x)),
    "bell": lambda x: (np.exp(-x * x), -2 * x * np.exp(-x * x)),
    "witch": lambda x: (1 / (1 + x * x), -2 * x / (1 + x * x) ** 2),
    "hyperbola": lambda x: (np.sqrt(1 + x * x), x / np.sqrt(1 + x * x)),
    "log": lambda x: (np.log1p(x * x), 2 * x / (1 + x * x)),
    "exp of sin": lambda x: (np.exp(np.sin(x)), np.cos(x) * np.exp(np.sin(x))),
    "cube": lambda x: (x * x * x, 3 * x * x),
}


def random_function(rng: np.random.Generator) -> tuple[Callable[[Any], tuple[Any, Any]], float]:
    """A sum of chains of steps, as ``x -> (value, slope)``, and how far its argument must be moved to change it."""
    scale, output, offset = 10.0 ** rng.uniform((-5, -6, -3), (5, 6, 3))
    chains = [
        [(str(rng.choice(list(STEPS))), *rng.normal(size=2) * (2, 1)) for _ in range(rng.integers(1, 4))]
        for _ in range(rng.integers(1, 5))
    ]

    def both(x: Any) -> tuple[Any, Any]:
        value, slope_here = x * 0 + offset, x * 0
        for chain in chains:
            y, dy = x / scale, 1 / scale
            for name, factor, shift in chain:
                y, derived = STEPS[name](factor * y + shift)
                dy = dy * derived * factor
            value, slope_here = value + y, slope_here + dy
        return output * value, output * slope_here

    return both, scale


def value_of(both: Callable[[Any], tuple[Any, Any]]) -> Callable[[Any], Any]:
    return lambda x: both(x)[0]


def test_the_bound_holds_for_random_functions(make_rng: Any) -> None:
    rng = make_rng("random functions")
    missed, blurred, rough = [], [], []
    for i in range(300):
        both, scale = random_function(rng)
        x = float(rng.normal() * scale)
        truth = both(np.longdouble(x))[1] * scale
        found = derivative(value_of(both), x, scale)
        rough += [(i, found)] if found.findings else []
        missed += [(i, found, truth)] if not abs(found.value - truth) <= found.error else []
        blurred.append(float(found.error / np.maximum(abs(truth), 1e-300)))
    assert len(missed) <= 0.005 * 300, missed
    assert len(rough) <= 0.01 * 300, rough
    assert np.median(blurred) <= 1e-10


# Findings

NOISE = np.random.default_rng(5).normal(size=100)


def noisy(x: float) -> float:
    """Noise of 1e-3, another one at every x."""
    return x + 1e-3 * float(NOISE[hash(float(x)) % 100])


ROUGH = [
    ("abs", abs, 0.0, "kink"),
    ("relu", lambda x: max(x, 0.0), 0.0, "kink"),
    ("leaky relu", lambda x: max(x, 0.01 * x), 0.0, "kink"),
    ("abs and more", lambda x: 100 + abs(x - 1) + np.sin(x), 1.0, "kink"),
    ("a kink so close that it cannot be told", lambda x: abs(x - 1e-12), 0.0, "kink"),
    ("a small kink", lambda x: np.exp(x) + 1e-2 * abs(x), 0.0, "kink"),
    ("square root of abs", lambda x: math.sqrt(abs(x)), 0.0, "cusp"),
    ("cube root", np.cbrt, 0.0, "cusp"),
    ("power of 0.8", lambda x: 1 + abs(x) ** 0.8, 0.0, "cusp"),
    ("floor", np.floor, 1.0, "jump"),
    ("sign", np.sign, 0.0, "jump"),
    ("a comparison", lambda x: float(x >= 0), 0.0, "jump"),
    ("a small jump", lambda x: np.sin(x) + 1e-3 * (x > 0), 0.0, "jump"),
    ("a hole, filled wrongly", lambda x: math.sin(x) / x if x else 0.0, 0.0, "jump"),
    ("t sin(1/t)", lambda x: x * math.sin(1 / x) if x else 0.0, 0.0, "unsettled"),
    ("nowhere smooth", lambda x: sum(0.5**k * math.cos(7**k * math.pi * x) for k in range(20)), 0.1, "unsettled"),
    ("noise", noisy, 1.0, "unsettled"),
    ("an argument that a step of 1 does not move", np.sin, 1e17, "unsettled"),
    ("an argument that small steps do not move", np.sin, 1e14, "unsettled"),
    ("NaN", lambda x: math.nan, 0.0, "nonfinite"),
    ("infinite", lambda x: math.inf, 0.0, "nonfinite"),
    ("log at 0", np.log, 0.0, "nonfinite"),
    ("at the edge of the square root", math.sqrt, 0.0, "nonfinite"),
    ("close to the edge of the square root", math.sqrt, 1e-13, "nonfinite"),
    ("half of a line", lambda x: math.nan if x > 0 else x, 0.0, "nonfinite"),
    ("a point alone", lambda x: math.nan if x else 0.0, 0.0, "nonfinite"),
    ("NaN given", lambda x: x, math.nan, "nonfinite"),
]


@pytest.mark.parametrize(("f", "x", "finding"), [case[1:] for case in ROUGH], ids=[case[0] for case in ROUGH])
def test_what_has_no_derivative_is_found(f: Callable[..., Any], x: float, finding: str) -> None:
    found = derivative(f, x)
    assert found.findings == (finding,)
    assert found.evaluations <= 43
    if finding in ("cusp", "jump", "nonfinite"):
        assert math.isnan(found.value) and found.error == math.inf


@pytest.mark.parametrize("size", [1e-3, 1e-5])
def test_a_kink_small_beside_the_slope_is_found(size: float) -> None:
    assert derivative(lambda x: np.exp(x) + size * abs(x), 0.0).findings == ("kink",)


@pytest.mark.parametrize("distance", [1e-5, 1e-7])
@pytest.mark.parametrize("f", [lambda x: max(x, 0.0), lambda x: math.exp(x) - 1 + abs(x)], ids=["relu", "abs"])
def test_a_slope_of_0_beside_a_kink_is_told(f: Callable[[float], float], distance: float) -> None:
    found = derivative(lambda x: f(x), -distance)
    assert found.findings == ()
    assert abs(found.value - (math.exp(-distance) - 1 if f(-distance) else 0.0)) <= found.error


@pytest.mark.parametrize("x", [1e11, 1e12])
def test_the_bound_holds_where_steps_are_lost_in_x(x: float) -> None:
    found = derivative(np.sin, x)
    assert abs(found.value - math.cos(x)) <= found.error


def test_the_bound_holds_where_stairs_are_wide() -> None:
    x = 1.5609174663605665
    found = derivative(lambda x: float(np.float32(1 + math.sin(x) / 8)), x)
    assert abs(found.value - math.cos(x) / 8) <= found.error


def test_a_direction_is_matched_by_key() -> None:
    found = derivative(lambda p: p["a"] + 10 * p["b"], {"a": 1.0, "b": 2.0}, {"b": 0.0, "a": 1.0})
    assert abs(found.value - 1) <= found.error


def test_a_comparison_is_a_number() -> None:
    assert derivative(lambda x: x > 0, 1.0) == (0.0, pytest.approx(0, abs=1e-9), 17, ())


# One-sided slopes

KINKS = [
    ("abs", abs, 1.0, 0.0, 2.0),
    ("slopes 1 and 3", lambda t: 3 * max(t, 0.0) + min(t, 0.0), 1.0, 2.0, 2.0),
    ("slopes -1 and -3", lambda t: -3 * max(t, 0.0) - min(t, 0.0), 1.0, -2.0, -2.0),
    ("with curvature", lambda t: np.exp(t) + abs(t), 1.0, 1.0, 2.0),
    ("two outputs", lambda t: np.array([abs(t), max(t, 0.0)]), np.array([2.0, -10.0]), -5.0, -6.0),
    ("large", lambda t: 1e200 * max(t, 0.0), 1.0, 0.5e200, 1e200),
    ("small", lambda t: 1e-200 * max(t, 0.0), 1.0, 0.5e-200, 1e-200),
]


@pytest.mark.parametrize(("f", "weights", "value", "bend"), [k[1:] for k in KINKS], ids=[k[0] for k in KINKS])
def test_a_kink_has_a_slope_on_each_side(f: Any, weights: Any, value: float, bend: float) -> None:
    found = slope(f, weights)
    assert found.findings == ("kink",)
    assert abs(found.value - value) <= found.bound
    assert math.isclose(found.bend, bend, rel_tol=1e-6)


@pytest.mark.parametrize("f", [np.exp, np.cos, lambda t: t * abs(t), lambda t: 3.0, lambda t: abs(t - 1e-3)])
def test_no_kink_no_bend(f: Any) -> None:
    assert slope(f).bend == 0.0


def test_the_slope_of_an_array_is_weighted() -> None:
    found = slope(lambda t: np.array([[np.sin(t), np.exp(t)], [t**2, 3.0]]), np.array([[2.0, 5.0], [7.0, 9.0]]))
    assert abs(found.value - 7.0) <= found.bound < 1e-10
    assert found.size == math.hypot(2 * 0, 5 * 1, 9 * 3)


def test_rungs_are_central_differences() -> None:
    found = slope(np.exp)
    assert [rung.step for rung in found.rungs] == [2.0**-3 * 4.0**-k for k in range(len(found.rungs))]
    for rung in found.rungs:
        assert math.isclose(rung.slope, math.sinh(rung.step) / rung.step, abs_tol=rung.noise)
    assert found.step in [rung.step for rung in found.rungs]


def test_stairs_as_of_single_precision_are_measured() -> None:
    height = 2.0**-23
    found = slope(lambda t: float(np.float32(1 + math.exp(t) / 8)))
    assert found.findings == ()
    assert height / 16 <= found.stair <= 2 * height
    assert abs(found.value - 1 / 8) <= found.bound < 1e-4


# Arguments


def test_the_function_is_called_with_copies() -> None:
    x = {"w": np.array([1.0, 2.0]), "b": np.array([3.0])}
    before = {key: value.copy() for key, value in x.items()}

    def f(p: dict[str, Any]) -> Any:
        p["w"] *= p["w"]  # in place
        p["b"] += 1
        out = np.sum(p["w"]) * p["b"][0]
        p.clear()
        return out

    found = derivative(f, x, {"w": np.array([1.0, 0.0]), "b": np.array([1.0])})
    assert abs(found.value - (2 * 4 + 5)) <= found.error < 1e-9
    assert all(np.array_equal(x[key], before[key]) for key in before)


def test_the_function_gets_what_was_given_in_double_precision() -> None:
    seen = []

    def f(p: Any) -> Any:
        seen.append((type(p), type(p["n"]), p["w"].dtype, p["z"].dtype, p["none"]))
        return p["n"] * np.sum(p["w"])

    derivative(f, {"n": 2.0, "w": TWO.astype(np.float32), "z": TWO.astype(np.complex64), "none": None})
    assert set(seen) == {(dict, np.float64, np.dtype(np.float64), np.dtype(np.complex128), None)}


ERRORS = [
    ("integers", lambda x: x, np.arange(3), TypeError, r"^derivative: x is of dtype int64, and only .* write 1\.0"),
    ("an integer", lambda x: x, 3, TypeError, r"^derivative: x is of dtype int64.* 1\.0 instead of 1"),
    ("a bool", lambda x: x, True, TypeError, r"^derivative: x is of dtype bool.*convert it with astype\(float\)"),
    ("text", lambda x: x, "a", TypeError, r"^derivative: x is of dtype <U1"),
    ("an integer in a tree", lambda x: x, {"w": [1.0, 3]}, TypeError, r"^derivative: x\['w'\]\[1\] is of dtype int64"),
    ("nothing", lambda x: 1.0, [], TypeError, "^derivative: x holds no array$"),
    ("None", lambda x: 1.0, None, TypeError, "^derivative: x holds no array$"),
    (
        "array returned",
        lambda x: np.array([x, x]),
        1.0,
        TypeError,
        r"^derivative: the function must return a single real number, got shape \(2,\) and dtype float64; sum it",
    ),
    ("list returned", lambda x: [x], 1.0, TypeError, r"single real number, got shape \(1,\) and dtype float64"),
    ("None returned", lambda x: None, 1.0, TypeError, "single real number, got 'NoneType'; sum it"),
    ("text returned", lambda x: "1.5", 1.0, TypeError, r"single real number, got shape \(\) and dtype <U3"),
    ("ragged list returned", lambda x: [x, [x]], 1.0, TypeError, "single real number, got 'list'"),
    ("complex returned", lambda x: x + 1j, 1.0, TypeError, r"real number, got shape \(\) and dtype complex128"),
]


@pytest.mark.parametrize(("f", "x", "error", "message"), [e[1:] for e in ERRORS], ids=[e[0] for e in ERRORS])
def test_bad_arguments_are_explained(f: Any, x: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        derivative(f, x)


DIRECTIONS = [
    ("another shape", TWO, np.ones(3), r"^derivative: the direction of x has shape \(3,\), and x itself \(2,\)$"),
    ("a number for an array", {"w": TWO}, {"w": 1.0}, r"the direction of x\['w'\] has shape \(\), and x\['w'\] itself"),
    (
        "one too few",
        [TWO, 1.0],
        [TWO],
        r"direction has the parts \['x\[0\]'\], and x \['x\[0\]', 'x\[1\]'\]; they must",
    ),
    ("one too many", {"a": TWO}, {"a": TWO, "b": 1.0}, r"direction has the parts .*x\['b'\].*, and x .*must be alike$"),
    ("another key", {"a": TWO}, {"b": TWO}, r"direction has the parts \[\"x\['b'\]\"\], and x \[\"x\['a'\]\"\]"),
]


@pytest.mark.parametrize(("x", "direction", "message"), [d[1:] for d in DIRECTIONS], ids=[d[0] for d in DIRECTIONS])
def test_a_direction_unlike_the_point_is_an_error(x: Any, direction: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        derivative(lambda x: 1.0, x, direction)


def test_an_error_of_the_function_at_the_point_is_passed_on() -> None:
    with pytest.raises(ZeroDivisionError):
        derivative(lambda x: 1 // 0, 1.0)


def test_an_error_beside_the_point_that_no_domain_explains_is_passed_on() -> None:
    with pytest.raises(KeyError):
        derivative(lambda x: {1.0: 2.0}[float(x)], 1.0)
