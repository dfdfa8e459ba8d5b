"""`check_gradient`: what it says of right gradients, of wrong ones, and of functions that have none."""

from __future__ import annotations

import functools
import linecache
import math
import re
from collections import OrderedDict, namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import tinygrad_ml as tg
from tinygrad_ml.gradcheck import Report, Row, Verdict, check_gradient
from tinygrad_ml.tree import flatten, paths

Line = namedtuple("Line", "slope offset")

X = np.array([0.7, -1.3, 2.1, 0.4, -0.6])
A = np.array([[1.2, -0.4, 0.3], [0.5, 0.9, -1.1]])
SMALL_AND_LARGE = np.array([3e-8, 1.0, 2e8])


@dataclass(frozen=True)
class Case:
    """A function with its gradient in closed form; `names` is what the rows are called."""

    name: str
    f: Callable[..., Any]
    x: Any
    gradient: Callable[..., Any]
    names: tuple[str, ...]
    #: Relative to the root mean square of an array, the error in one element that must be found.
    bug: float = 1e-4
    #: By whom the wrong element is found: the engine, the complex step, or finite differences alone.
    witnesses: tuple[str, ...] = ("engine", "complex step")

    def __str__(self) -> str:
        return self.name

    @property
    def args(self) -> tuple[Any, ...]:
        return tuple(self.x) if type(self.x) in (tuple, list) else (self.x,)


def tanh2(x: Any) -> Any:
    return np.sum(np.tanh(x) ** 2)


def tanh2_gradient(x: Any) -> Any:
    return 2 * np.tanh(x) / np.cosh(x) ** 2


def affine(w: Any, b: Any) -> Any:
    return np.sum((w @ np.array([1.0, 2.0, 3.0]) + b) ** 2) / 2


def affine_gradient(w: Any, b: Any) -> Any:
    r = w @ np.array([1.0, 2.0, 3.0]) + b
    return np.outer(r, [1.0, 2.0, 3.0]), r


def written_in_place(x: Any) -> Any:
    """No Tensor can be written into an array, but complex numbers can."""
    squares = np.zeros(5, x.dtype)
    for i in range(5):
        squares[i] = (i + 1) * x[i] ** 3
    return squares.sum()


def by_math(x: Any) -> Any:
    """Neither Tensors nor complex numbers get through."""
    return sum([(i + 1) * math.sin(float(value)) for i, value in enumerate(x)])


CASES = [
    Case("a vector", tanh2, X, tanh2_gradient, ("x",)),
    Case("a matrix", lambda w: np.sum(np.exp(w) * [1, 2, 3]), A, lambda w: np.exp(w) * [1, 2, 3], ("w",)),
    Case("a number", lambda x: x**3, 2.0, lambda x: 3 * x**2, ("x",)),
    Case("an array without dimensions", lambda x: x**3, np.array(2.0), lambda x: 3 * x**2, ("x",)),
    Case("two arguments", affine, (A, np.array([0.5, -2.0])), affine_gradient, ("w", "b")),
    Case("a list of arguments", affine, [A, np.array([0.5, -2.0])], affine_gradient, ("w", "b")),
    Case(
        "a tree",
        lambda p: np.sum(p["a"][0] ** 3) + p["b"] ** 2,
        {"a": [X], "b": 3.0},
        lambda p: {"a": [3 * p["a"][0] ** 2], "b": 2 * p["b"]},
        ("p['a'][0]", "p['b']"),
    ),
    Case(
        "a tree whose gradient has its keys in another order",
        lambda p: np.sum(p["w"] ** 3) + np.sum(np.sin(p["v"])),
        {"w": X, "v": X + 1},
        lambda p: {"v": np.cos(p["v"]), "w": 3 * p["w"] ** 2},
        ("p['w']", "p['v']"),
    ),
    Case(
        "an ordered dict, and None",
        lambda p, q: np.sum(p["w"] ** 3) * q,
        (OrderedDict(w=X, nothing=None), 2.0),
        lambda p, q: ({"w": 3 * p["w"] ** 2 * q, "nothing": None}, np.sum(p["w"] ** 3)),
        ("p['w']", "q"),
    ),
    Case(
        "a named tuple",
        lambda line: np.sum((line.slope * X + line.offset) ** 2),
        Line(1.5, -0.5),
        lambda line: Line(np.sum(2 * (line.slope * X + line.offset) * X), np.sum(2 * (line.slope * X + line.offset))),
        ("line[0]", "line[1]"),
    ),
    Case(
        "an empty array",
        lambda x, nothing: np.sum(x**2) + np.sum(nothing),
        (X, np.zeros((0, 3))),
        lambda x, nothing: (2 * x, np.ones((0, 3))),
        ("x", "nothing"),
    ),
    Case(
        "an argument that is not used",
        lambda x, unused: np.sum(x**3),
        (X, X + 1),
        lambda x, unused: (3 * x**2, 0 * unused),
        ("x", "unused"),
    ),
    Case("single precision", tanh2, X.astype(np.float32), tanh2_gradient, ("x",), bug=1e-3),
    Case("half precision", tanh2, X.astype(np.float16), lambda x: 2 * np.tanh(x) / np.cosh(x) ** 2, ("x",), bug=0.3),
    Case(
        "small and large elements",
        lambda x: np.sum(np.sin(x / SMALL_AND_LARGE)),
        SMALL_AND_LARGE * 0.7,
        lambda x: np.cos(x / SMALL_AND_LARGE) / SMALL_AND_LARGE,
        ("x",),
    ),
    Case(
        "small and large gradients",
        lambda x, y: 1e3 * np.sum(x**2) + 1e-3 * np.sum(np.sin(y)),
        (X, X + 1),
        lambda x, y: (2e3 * x, 1e-3 * np.cos(y)),
        ("x", "y"),
    ),
    Case(
        "written in place",
        written_in_place,
        X,
        lambda x: 3 * np.arange(1, 6) * x**2,
        ("x",),
        witnesses=("complex step",),
    ),
    Case("by math", by_math, X, lambda x: np.arange(1, 6) * np.cos(x), ("x",), witnesses=()),
]


def only(report: Report) -> Row:
    (row,) = report.rows
    return row


def resolution(row: Row) -> float:
    assert row.resolution is not None
    return row.resolution


# Right gradients


@pytest.mark.parametrize("case", CASES, ids=str)
def test_right_gradients_pass(case: Case, rng: Any) -> None:
    report = check_gradient(case.f, case.x, case.gradient, rng=rng)
    assert report.verdict is Verdict.PASS and report.ok, report
    assert tuple([row.name for row in report.rows]) == case.names
    for row, array in zip(report.rows, map(np.asarray, flatten(case.x)[0]), strict=True):
        assert (row.shape, row.dtype, row.order, row.reason) == (array.shape, str(array.dtype), 1, "")
        if row.name == "unused":
            continue
        assert resolution(row) < {"float64": 1e-6, "float32": 1e-5, "float16": 0.1}[row.dtype]
        assert row.worst is None
        if array.size:
            assert set(case.witnesses) <= set(row.witnesses) | {"finite differences"}
            assert row.witnesses["analytic"] == pytest.approx(
                row.witnesses.get("engine", row.witnesses["analytic"]), 0.1
            )
    assert not report.culprits


@pytest.mark.parametrize("case", CASES, ids=str)
def test_so_do_they_as_arrays(case: Case, rng: Any) -> None:
    report = check_gradient(case.f, case.x, case.gradient(*case.args), rng=rng)
    assert report.ok, report


@pytest.mark.parametrize("case", [case for case in CASES if "engine" in case.witnesses], ids=str)
def test_so_do_ours(case: Case, rng: Any) -> None:
    report = check_gradient(case.f, case.x, rng=rng)
    assert report.ok, report
    assert all(list(row.witnesses)[:1] == ["engine"] for row in report.rows if row.witnesses)


# Wrong gradients


def by_name(gradient: Any, case: Case) -> dict[str, Any]:
    """The leaves of a gradient by what the rows are called, in the gradient's own order."""
    roots = [name.split("[")[0] for name in case.names]
    parts = gradient if len(case.args) > 1 else (gradient,)
    named = [paths(part, root) for part, root in zip(parts, dict.fromkeys(roots), strict=True)]
    return dict(zip([name for names in named for name in names], flatten(gradient)[0], strict=True))


def elements() -> list[Any]:
    """The first and the last element of every array of every case."""
    return [
        pytest.param(case, leaf, index, id=f"{case}-{case.names[leaf]}{list(index)}")
        for case in CASES
        for leaf, array in enumerate(map(np.asarray, flatten(case.x)[0]))
        if array.size
        for index in dict.fromkeys([(0,) * array.ndim, tuple([n - 1 for n in array.shape])])
    ]


@pytest.mark.parametrize(("case", "leaf", "index"), elements())
def test_one_wrong_element_is_found_and_named(case: Case, leaf: int, index: tuple[int, ...], rng: Any) -> None:
    right = np.array(by_name(case.gradient(*case.args), case)[case.names[leaf]])
    error = case.bug * (float(np.sqrt(np.mean(np.square(right, dtype=np.float64)))) or 1.0)

    def gradient(*args: Any) -> Any:
        found = case.gradient(*args)
        wrong = {name: np.array(g) for name, g in by_name(found, case).items()}
        wrong[case.names[leaf]][index] += error
        return flatten(found)[1](list(wrong.values()))

    report = check_gradient(case.f, case.x, gradient, rng=rng)
    assert report.verdict is Verdict.FAIL and not report.ok
    assert [row.name for row in report.rows if row.verdict is Verdict.FAIL] == [case.names[leaf]]
    row = report.rows[leaf]
    assert row.reason.startswith("the derivative is ") and "and the gradient says" in row.reason
    assert row.worst is not None
    assert row.worst.index == index
    assert row.worst.given == pytest.approx(float(right[index]) + error, rel=1e-2 * case.bug)
    assert abs(row.worst.expected - float(right[index])) < error / 10
    assert not report.culprits, "the engine is not to blame"


# Verdicts


def absolute(x: Any) -> Any:
    return np.sum(np.abs(x))


HERE = np.array([1.0, 0.0, -2.0])
RISES = "^the derivative is .* to within .*, and the gradient says .*"
BETWEEN = r"the function has a kink at this point, with slopes .* and .*, and the gradient's .* lies between them"
BESIDE = BETWEEN + "; and beside the kink the derivative is .* to within .*, and the gradient says"
STAIRS = (
    "the function is a staircase with steps of .*: flat close by, as the gradient says, but it climbs with .* from step"
)
BLURRED = "finite differences know the derivative only to within .*: the function is too noisy, too steep or too far"
NOWHERE = "the function is not finite at this point or close to it"
UNSETTLED = "difference quotients do not settle: the function oscillates at all scales, or is too noisy"


def noisy(size: float) -> Callable[[Any], Any]:
    """x^2, and noise of that size, the same whenever x is the same."""
    return lambda x: x * x + size * np.random.default_rng(int(np.float64(x).view(np.uint64))).normal()


def in_single_precision(x: Any) -> Any:
    return np.float64(np.sum(np.sin(x.astype(np.float32))))


def rounded_to_single_precision(x: Any) -> Any:
    return np.float64(np.float32(1 + np.sum(np.sin(x)) / 8))


def wobbling() -> Callable[[Any], Any]:
    random = np.random.default_rng(0)
    return lambda x: np.sum(x**2) * (1 + 1e-6 * random.normal())


VERDICTS = [
    ("a subgradient at a kink", absolute, HERE, np.sign, "KINK", True, BETWEEN + "; beside the kink it is right"),
    ("another one", absolute, HERE, lambda x: np.sign(x) + (x == 0) * 0.7, "KINK", True, BETWEEN),
    ("one at the end", absolute, HERE, lambda x: np.sign(x) + (x == 0), "KINK", True, BETWEEN),
    ("one as an array", absolute, HERE, np.sign(HERE), "KINK", True, BETWEEN + "$"),
    ("outside", absolute, HERE, lambda x: np.sign(x) + (x == 0) * 1.1, "KINK", False, "lies outside of them"),
    (
        "right at the kink only",
        absolute,
        HERE,
        lambda x: np.sign(x) * (1.0 + 0.001 * (x != HERE)),
        "FAIL",
        False,
        BESIDE,
    ),
    ("wrong in other elements", absolute, HERE, lambda x: np.sign(x) * 1.001, "FAIL", False, BESIDE),
    ("wrong beside it only", abs, 0.0, lambda x: np.sign(x) * 1.001, "FAIL", False, BESIDE),
    (
        "maximum of equals",
        lambda x: np.max(x),
        np.ones(3),
        lambda x: (x == x.max()) / np.sum(x == x.max()),
        "KINK",
        True,
        BETWEEN,
    ),
    (
        "a cusp",
        lambda x: np.sum(np.sqrt(np.abs(x))),
        HERE,
        lambda x: 0 * x,
        "CUSP",
        False,
        "has a cusp at this point: its",
    ),
    ("a jump", lambda x: np.sum(x * (x > 0) + (x >= 0)), HERE, lambda x: x > 0.0, "JUMP", False, "jumps at this point"),
    (
        "NaN given",
        lambda x: np.sum(x),
        np.array([1.0, np.nan]),
        np.ones(2),
        "NONFINITE",
        False,
        r"the function is nan at this point, where x\[1\] is nan",
    ),
    (
        "infinite given",
        lambda x: np.sum(1 / x),
        np.array([1.0, np.inf]),
        -np.ones(2),
        "NONFINITE",
        False,
        r"it is inf at \[1\]",
    ),
    (
        "NaN returned",
        lambda x: np.sum(np.log(x)),
        -X,
        lambda x: 1 / x,
        "NONFINITE",
        False,
        "the function is nan at this point$",
    ),
    (
        "the edge of the domain",
        lambda x: np.sum(np.sqrt(x)),
        np.array([0.0, 1.0]),
        np.ones(2),
        "NONFINITE",
        False,
        NOWHERE,
    ),
    (
        "NaN in the gradient",
        np.sum,
        X,
        np.array([1, 1, np.nan, 1, 1]),
        "FAIL",
        False,
        "the gradient is not finite where the function is smooth",
    ),
    (
        "another answer each time",
        wobbling(),
        X,
        lambda x: 2 * x,
        "INCONCLUSIVE",
        False,
        "the function is not deterministic: called twice at the same point it gave .* and .*",
    ),
    ("too much noise", noisy(1.0), 1.0, lambda x: 2 * x, "INCONCLUSIVE", False, UNSETTLED),
    (
        "much noise",
        noisy(1e-3),
        1.0,
        lambda x: 2 * x,
        "INCONCLUSIVE",
        False,
        "difference quotients do not|only to within",
    ),
    ("little noise", noisy(1e-12), 1.0, lambda x: 2 * x, "PASS", True, "^$"),
    ("little noise, wrong", noisy(1e-12), 1.0, lambda x: 2.001 * x, "FAIL", False, RISES),
    ("waves at all scales", lambda x: x * np.sin(1 / x) if x else 0 * x, 0.0, 0.0, "INCONCLUSIVE", False, UNSETTLED),
    ("a staircase", in_single_precision, X, lambda x: 0 * x, "INCONCLUSIVE", False, STAIRS),
    ("the same staircase", in_single_precision, X, np.cos, "PASS", True, "^$"),
    (
        "lost in rounding",
        lambda x: 1e14 + np.sum(np.sin(x)),
        X,
        lambda x: 1.01 * np.cos(x),
        "INCONCLUSIVE",
        False,
        BLURRED,
    ),
    ("a constant", lambda x: 3.0, X, lambda x: 0 * x, "PASS", True, "^$"),
    ("a constant with a gradient", lambda x: 3.0, X, lambda x: 1e-6 + 0 * x, "FAIL", False, RISES),
]


@pytest.mark.parametrize(
    ("f", "x", "gradient", "verdict", "ok", "reason"), [v[1:] for v in VERDICTS], ids=[v[0] for v in VERDICTS]
)
def test_verdicts(f: Any, x: Any, gradient: Any, verdict: str, ok: bool, reason: str, make_rng: Any) -> None:
    for repetition in range(3):
        rng = make_rng(f"{reason} {repetition}")
        wanted = gradient if not callable(gradient) else lambda x: np.asarray(gradient(x), np.float64)
        report = check_gradient(f, x, wanted, rng=rng)
        row = only(report)
        assert (str(row.verdict), row.ok, str(report.verdict), report.ok) == (verdict, ok, verdict, ok), report
        assert re.search(reason, row.reason), row.reason


@pytest.mark.parametrize("offset", [3e13, 1e14])
def test_nothing_is_said_of_what_an_offset_drowns(offset: float, rng: Any) -> None:
    for factor in (1, 1.3, -1):
        report = check_gradient(lambda x: offset + np.sum(np.sin(x)), X, lambda x, c=factor: c * np.cos(x), rng=rng)
        assert report.verdict in (Verdict.INCONCLUSIVE, Verdict.FAIL if factor != 1 else Verdict.INCONCLUSIVE), report


@pytest.mark.parametrize(("f", "scale"), [(in_single_precision, 1), (rounded_to_single_precision, 8)])
def test_rounding_in_single_precision_is_no_reason_to_fail(f: Any, scale: float, make_rng: Any) -> None:
    verdicts = [
        check_gradient(f, make_rng(f"at {i}").normal(size=5), lambda x: np.cos(x) / scale, rng=i).verdict
        for i in range(30)
    ]
    assert set(verdicts) <= {Verdict.PASS, Verdict.INCONCLUSIVE}, verdicts
    assert verdicts.count(Verdict.PASS) >= 24


@pytest.mark.parametrize(("f", "scale"), [(in_single_precision, 1), (rounded_to_single_precision, 8)])
@pytest.mark.parametrize("factor", [1.05, -1.0, 0.5])
def test_an_error_shows_in_single_precision(f: Any, scale: float, factor: float, make_rng: Any) -> None:
    verdicts = [
        check_gradient(f, make_rng(f"at {i}").normal(size=5), lambda x: factor * np.cos(x) / scale, rng=i).verdict
        for i in range(10)
    ]
    assert verdicts.count(Verdict.FAIL) >= 9 and Verdict.PASS not in verdicts, verdicts


ZERO = {
    "residuals": lambda x: np.sum(x - np.mean(x)),
    "a softmax": lambda x: np.sum(np.exp(x) / np.sum(np.exp(x))) - 1,
    "a normalised batch": lambda x: np.sum((x - x.mean()) / np.sqrt(x.var() + 1e-5)),
}


@pytest.mark.parametrize("f", ZERO.values(), ids=ZERO.keys())
def test_rounding_around_0_is_no_jump(f: Any, make_rng: Any) -> None:
    verdicts = [
        check_gradient(f, make_rng(f"at {i}").normal(size=3), lambda x: 0 * x, rng=i).verdict for i in range(30)
    ]
    assert set(verdicts) <= {Verdict.PASS, Verdict.INCONCLUSIVE}, verdicts


def test_a_right_subgradient_is_always_inside(make_rng: Any) -> None:
    """With a thousand smooth terms beside it, of which the slopes at the ends are not known exactly."""
    rng = make_rng("kinks")
    for seed in range(20):
        x = rng.normal(size=300)
        x[3] = 0
        report = check_gradient(
            lambda x: np.sum(np.maximum(x, 0) + np.log1p(np.exp(x))),
            x,
            lambda x: (x > 0) + 1 / (1 + np.exp(-x)),
            rng=seed,
        )
        assert report.ok and report.verdict in (Verdict.KINK, Verdict.PASS), report


@pytest.mark.parametrize("size", [1e-1, 1e-3, 1e-5])
def test_so_it_is_at_a_kink_that_is_small_beside_the_slope(size: float, rng: Any) -> None:
    report = check_gradient(lambda x: np.exp(x) + size * np.maximum(x, 0.0), 0.0, 1.0, rng=rng)
    assert report.ok and report.verdict is Verdict.KINK, report


@pytest.mark.parametrize("exponent", [-300, -200, -150, -50, 50, 150, 200, 300])
@pytest.mark.parametrize("of", ["x", "f"])
def test_scales(of: str, exponent: int, rng: Any) -> None:
    """In all the range of floating-point numbers, of arguments and of values."""
    scale = 10.0**exponent
    x_scale, f_scale = (scale, 1.0) if of == "x" else (1.0, scale)

    def check(factor: float) -> Row:
        return only(
            check_gradient(
                lambda x: f_scale * np.sum(np.sin(x / x_scale)),
                X * x_scale,
                lambda x: factor * f_scale / x_scale * np.cos(x / x_scale),
                rng=rng,
            )
        )

    right = check(1.0)
    assert right.verdict is Verdict.PASS and 0 < resolution(right) < 1e-11
    assert check(1 + 1e-6).verdict is Verdict.FAIL


# Complex arrays: the gradient points uphill

Z = np.array([1 + 2j, -0.5 + 0.3j, 0.2 - 1j])
COMPLEX = [
    ("a norm", lambda z: np.sum(np.abs(z) ** 2), lambda z: 2 * z),
    ("a real part", lambda z: np.sum(np.real(z**2)), lambda z: 2 * np.conj(z)),
    ("an imaginary part", lambda z: np.sum(np.imag(z**3)), lambda z: np.conj(3 * z**2) * 1j),
    ("real and imaginary parts", lambda z: np.sum(z.real**2 * z.imag), lambda z: 2 * z.real * z.imag + 1j * z.real**2),
]


@pytest.mark.parametrize(("f", "gradient"), [c[1:] for c in COMPLEX], ids=[c[0] for c in COMPLEX])
def test_complex_gradients(f: Any, gradient: Any, rng: Any) -> None:
    assert check_gradient(f, Z, gradient, rng=rng).verdict is Verdict.PASS
    assert check_gradient(f, Z, rng=rng).verdict is Verdict.PASS
    assert check_gradient(f, Z, lambda z: np.conj(gradient(z)), rng=rng).verdict is Verdict.FAIL
    assert check_gradient(f, Z, lambda z: gradient(z) * [1, 1 + 1e-5j, 1], rng=rng).verdict is Verdict.FAIL


# The derivative of the derivative


def quartic(x: Any) -> Any:
    return np.sum(x**4 * np.array([1, 2, 3, 4, 5])) + x[0] * x[1] * x[2]


@pytest.mark.parametrize("order", [1, 2, 3])
def test_orders(order: int, rng: Any) -> None:
    report = check_gradient(quartic, X, order=order, rng=rng)
    assert report.verdict is Verdict.PASS, report
    assert [row.order for row in report.rows] == list(range(1, order + 1))
    assert [row.name for row in report.rows] == ["x"] * order


def test_order_two_of_several_arguments(rng: Any) -> None:
    report = check_gradient(affine, (A, np.array([0.5, -2.0])), order=2, rng=rng)
    assert report.verdict is Verdict.PASS, report
    assert [(row.name, row.order) for row in report.rows] == [("w", 1), ("b", 1), ("w", 2), ("b", 2)]


def test_order_two_of_a_gradient_by_hand(rng: Any) -> None:
    """It is differentiated by the engine, and so shows whether it is written in what can be."""
    assert check_gradient(tanh2, X, tanh2_gradient, order=2, rng=rng).ok


def plain(x: Any) -> np.ndarray:
    return x.numpy() if isinstance(x, tg.Tensor) else np.asarray(x)


def remembering() -> Any:
    """A cube whose rule uses what its last call has left behind."""
    memory: dict[str, Any] = {}

    def cube(x: Any) -> Any:
        memory["slope"] = 3 * x**2
        return x**3

    return tg.primitive(cube, lambda g, ans, x: g * memory["slope"])


CONSTANTS = {
    "an argument read as an array": lambda: tg.primitive(lambda x: x**3, lambda g, ans, x: g * 3 * plain(x) ** 2),
    "a cache": remembering,
}


@pytest.mark.parametrize("make", CONSTANTS.values(), ids=CONSTANTS.keys())
def test_a_rule_right_once_but_not_twice(make: Any, rng: Any) -> None:
    cube = make()
    assert check_gradient(lambda x: np.sum(cube(x)), X, rng=rng).verdict is Verdict.PASS
    report = check_gradient(lambda x: np.sum(cube(x)), X, order=2, rng=rng)
    assert [(row.order, str(row.verdict)) for row in report.rows] == [(1, "PASS"), (2, "FAIL")], report


# Whose fault it is


def test_a_wrong_rule_is_named_with_its_line(rng: Any) -> None:
    cube = tg.primitive(lambda x: x**3, lambda g, ans, x: g * 2.97 * x**2)

    def f(x: Any) -> Any:
        return np.sum(np.tanh(cube(x)))  # the line that is blamed

    report = check_gradient(f, X, rng=rng)
    assert report.verdict is Verdict.FAIL
    (culprit,) = report.culprits
    assert culprit.kind == "RULE" and culprit.line.startswith("test_gradcheck_check.py:")
    assert "# the line that is blamed" in linecache.getline(__file__, int(culprit.line.split(":")[1]))
    assert str(culprit) in str(report)


def test_it_is_named_also_if_a_gradient_by_hand_is_wrong_too(rng: Any) -> None:
    cube = tg.primitive(lambda x: x**3, lambda g, ans, x: g * 2.97 * x**2)
    report = check_gradient(lambda x: np.sum(cube(x)), X, lambda x: 2.9 * x**2, rng=rng)
    assert report.verdict is Verdict.FAIL and len(report.culprits) == 1


def test_a_wrong_rule_does_not_make_a_right_gradient_wrong(rng: Any) -> None:
    cube = tg.primitive(lambda x: x**3, lambda g, ans, x: g * 2.97 * x**2)
    report = check_gradient(lambda x: np.sum(cube(x)), X, lambda x: 3 * x**2, rng=rng)
    assert report.verdict is Verdict.PASS
    assert only(report).digits("analytic", "engine") < 3 and only(report).digits("analytic", "complex step") > 13


def test_the_complex_step_points_where_finite_differences_are_blurred(monkeypatch: Any, rng: Any) -> None:
    """Along both elements the waves hide an error of 1e-11; along the first alone they do not."""

    def f(x: Any) -> Any:
        return 1e-3 * x[0] + np.sin(20 * x[1])

    def gradient(x: Any) -> Any:
        return np.array([1e-3 + 1e-11, 20 * np.cos(20 * x[1])])

    x = np.array([1.0, 0.8])
    row = only(check_gradient(f, x, gradient, rng=rng))
    assert row.verdict is Verdict.FAIL
    assert row.worst is not None and row.worst.index == (0,)
    monkeypatch.setattr("tinygrad_ml.gradcheck.subject.Subject.complex_slope", lambda self, direction: None)
    assert only(check_gradient(f, x, gradient, rng=rng)).verdict is Verdict.PASS


# Seeds and counts


def test_the_seed_repeats_the_check(make_rng: Any) -> None:
    def check(rng: Any) -> Report:
        return check_gradient(affine, (A, np.ones(2)), lambda w, b: (1.1 * affine_gradient(w, b)[0], b), rng=rng)

    drawn = check(None)
    again = check(drawn.seed)
    assert str(drawn) == str(again) and drawn.to_dict() == again.to_dict()
    assert f"rng={drawn.seed} repeats this check" in str(drawn)
    assert check(None).seed != drawn.seed
    assert check(7).seed == 7 and check(np.int64(7)).to_dict() == check(7).to_dict()
    a, b = check(make_rng("generator")), check(make_rng("generator"))
    assert a.to_dict() == b.to_dict() and check(a.seed).to_dict() == a.to_dict()
    generator = make_rng("generator")
    assert check(generator).seed != check(generator).seed


def test_evaluations_are_calls(rng: Any) -> None:
    calls = 0

    def f(x: Any) -> Any:
        nonlocal calls
        if type(x) is np.ndarray and x.dtype == np.float64:
            calls += 1
        return np.float64(by_math(x))

    for directions in (1, 3, 6):
        calls = 0
        report = check_gradient(f, X, lambda x: np.arange(1, 6) * np.cos(x), directions=directions, rng=rng)
        row = only(report)
        assert report.evaluations <= calls <= report.evaluations + 1, "the complex step, too, asks for the value"
        assert directions * 15 < row.evaluations <= report.evaluations <= directions * 43 + 2
        assert row.trace is not None and row.trace.evaluations <= 43


def test_a_direction_takes_few_evaluations(rng: Any) -> None:
    rows = [row for case in CASES for row in check_gradient(case.f, case.x, case.gradient, rng=rng).rows]
    counts = [row.trace.evaluations for row in rows if row.trace is not None]
    assert len(counts) >= len(CASES)
    assert np.median(counts) <= 25 and max(counts) <= 43


# Functions and gradients of all kinds


class Cubes:
    def __call__(self, x: Any) -> Any:
        return np.sum(x**3)

    def method(self, x: Any) -> Any:
        return self(x)


KINDS = [
    ("an object", Cubes(), X, lambda x: 3 * x**2, ["x"]),
    ("a method", Cubes().method, X, lambda x: 3 * x**2, ["x"]),
    ("a partial function", functools.partial(lambda a, x: a * np.sum(x**3), 2.0), X, lambda x: 6 * x**2, ["x"]),
    ("a ufunc", np.exp, 1.0, np.exp, ["x"]),
    ("any number of arguments", lambda *xs: xs[0] ** 2 * xs[1], (1.5, 2.5), lambda *xs: (2 * xs[0] * xs[1], xs[0] ** 2),
     ["x[0]", "x[1]"]),
    ("an option", lambda x, scale=2.0: scale * np.sum(x**3), X, lambda x: 6 * x**2, ["x"]),
    ("an option, and x in a tuple", lambda x, scale=2.0: scale * np.sum(x**3), (X,), lambda x: 6 * x**2, ["x"]),
    ("one argument that is a list", lambda p: p[0] ** 2 * p[1], [1.5, 2.5], lambda p: [2 * p[0] * p[1], p[0] ** 2],
     ["p[0]", "p[1]"]),
    ("one argument that is a tuple", lambda p: p[0] ** 2 * p[1], (1.5, 2.5), lambda p: (2 * p[0] * p[1], p[0] ** 2),
     ["p[0]", "p[1]"]),
    ("Fortran's order", Cubes(), np.asfortranarray(A), lambda x: 3 * x**2, ["x"]),
    ("every other element", Cubes(), np.arange(1.0, 9.0)[::2], lambda x: 3 * x**2, ["x"]),
    ("read-only", Cubes(), np.broadcast_to(X, (2, 5)), lambda x: 3 * x**2, ["x"]),
]  # fmt: skip


@pytest.mark.parametrize(("f", "x", "gradient", "names"), [k[1:] for k in KINDS], ids=[k[0] for k in KINDS])
def test_kinds_of_functions(f: Any, x: Any, gradient: Any, names: list[str], rng: Any) -> None:
    report = check_gradient(f, x, gradient, rng=rng)
    assert report.verdict is Verdict.PASS and [row.name for row in report.rows] == names, report


def test_a_gradient_may_use_the_same_array_each_time(rng: Any) -> None:
    buffer = np.empty(5)

    def gradient(x: Any) -> Any:
        buffer[:] = 3 * x**2 + error
        return buffer

    error: Any = 0.0
    assert check_gradient(Cubes(), X, gradient, rng=rng).verdict is Verdict.PASS
    error = np.array([0, 0, 1e-3, 0, 0])
    row = only(check_gradient(Cubes(), X, gradient, rng=rng))
    assert row.verdict is Verdict.FAIL and row.worst is not None and row.worst.index == (2,)
    assert row.worst.given == pytest.approx(3 * X[2] ** 2 + 1e-3, rel=1e-15)


def test_such_a_gradient_is_reported_as_it_was_here(rng: Any) -> None:
    """At a kink it is asked for its value beside the kink, before the wrong element of the next argument is shown."""
    buffers = np.empty(3), np.empty(5)

    def gradient(x: Any, y: Any) -> Any:
        buffers[0][:], buffers[1][:] = np.sign(x), 3 * y**2 + [0, 0, 1e-3, 0, 0]
        return buffers

    report = check_gradient(lambda x, y: np.sum(np.abs(x)) + np.sum(y**3), (HERE, X), gradient, rng=rng)
    assert [str(row.verdict) for row in report.rows] == ["KINK", "FAIL"]
    worst = report.rows[1].worst
    assert worst is not None and worst.index == (2,)
    assert worst.given == pytest.approx(3 * X[2] ** 2 + 1e-3, rel=1e-12)


def test_a_gradient_that_is_another_each_time_is_found(rng: Any) -> None:
    random = np.random.default_rng(0)
    report = check_gradient(Cubes(), X, lambda x: 3 * x**2 * (1 + 1e-3 * random.normal(size=5)), rng=rng)
    assert report.verdict is Verdict.INCONCLUSIVE
    assert "deterministic" in only(report).reason


# Functions that are particular about what they take


def test_a_function_may_write_into_its_arguments(rng: Any) -> None:
    x = X.copy()

    def f(x: Any) -> Any:
        x *= x
        return np.sum(x)

    def gradient(x: Any) -> Any:
        x *= 2
        return x

    assert check_gradient(f, x, gradient, rng=rng).verdict is Verdict.PASS
    assert np.array_equal(x, X)


def test_a_function_that_takes_single_precision_only(rng: Any) -> None:
    def f(x: Any) -> Any:
        if x.dtype != np.float32:
            raise TypeError("expected float32")
        return np.sum(np.sin(x))

    report = check_gradient(f, X.astype(np.float32), np.cos, rng=rng)
    assert report.verdict is Verdict.PASS, report
    assert 1e-7 < resolution(only(report)) < 1e-2
    assert (
        "the function takes no double precision, so finite differences see fewer digits than they could" in report.notes
    )
    assert check_gradient(f, X.astype(np.float32), lambda x: 1.1 * np.cos(x), rng=rng).verdict is Verdict.FAIL


def test_an_error_of_a_function_in_double_precision_is_passed_on() -> None:
    def f(x: Any) -> Any:
        raise RuntimeError("no such model")

    with pytest.raises(RuntimeError, match="^no such model$"):
        check_gradient(f, X, np.cos)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_function_of_pytorch(dtype: str, rng: Any) -> None:
    torch = pytest.importorskip("torch")
    layer = torch.nn.Linear(5, 3, dtype=getattr(torch, dtype))

    def loss(x: Any) -> Any:
        return torch.tanh(layer(torch.as_tensor(x).to(layer.weight.dtype))).square().sum()

    def f(x: Any) -> Any:
        with torch.no_grad():
            return loss(x).numpy()

    def gradient(x: Any) -> Any:
        leaf = torch.as_tensor(x).requires_grad_()
        return torch.autograd.grad(loss(leaf), leaf)[0]

    x = rng.normal(size=(4, 5)).astype(dtype)
    report = check_gradient(f, x, gradient, rng=rng)
    assert report.verdict is Verdict.PASS, report
    assert only(report).dtype == dtype and resolution(only(report)) < (1e-9 if dtype == "float64" else 1e-2)
    wrong = check_gradient(f, x, lambda x: gradient(x) * 1.05, rng=rng)
    assert wrong.verdict is Verdict.FAIL, wrong


@pytest.mark.parametrize("wrap", [tg.Tensor, lambda x: tg.Tensor(x, requires_grad=True)])
def test_tensors_are_arrays(wrap: Any, rng: Any) -> None:
    report = check_gradient(tanh2, wrap(X), lambda x: wrap(tanh2_gradient(x)), rng=rng)
    assert report.verdict is Verdict.PASS, report


# Bad input

TWO = np.zeros(2)
WHOLE = np.arange(6.0)


def pair(w: Any, b: Any) -> Any:
    return np.sum(w) + np.sum(b)


def of_tree(p: Any) -> Any:
    return np.sum(p["w"]) + np.sum(p["b"])


def single(w: Any) -> Any:
    return np.sum(w)


ALIASED = r"^check_gradient: {} and {} share memory, so that neither can be moved alone; pass a copy of one of them"
INTEGERS = (
    r"^check_gradient: {} is of dtype {}, and only floating-point numbers have derivatives; write 1\.0 instead of 1,"
)
SCALAR = "^check_gradient: the function must return a single real number, got {}; sum it, or weight it"
STRUCTURE = "^check_gradient: the gradient has another structure than the arguments: {}$"
COUNT = r"^check_gradient: the gradient of 2 arguments \(w, b\) is a tuple with one for each, got {}$"
KIND = r"^check_gradient: the gradient of {} is of dtype {}, and {} itself of float64; return floating-point numbers$"

ERRORS = [
    ("the same array twice", pair, (TWO, TWO), None, ValueError, ALIASED.format("w", "b") + r" \(b\.copy\(\)\)"),
    ("a view", pair, (WHOLE, WHOLE[2:4]), None, ValueError, ALIASED.format("w", "b")),
    (
        "views that overlap",
        of_tree,
        {"w": WHOLE[:4], "b": WHOLE[::-1][:3]},
        None,
        ValueError,
        ALIASED.format(r"p\['w'\]", r"p\['b'\]") + r" \(p\['b'\]\.copy\(\)\), or a single argument that is used twice$",
    ),
    ("integers", single, np.arange(3), None, TypeError, INTEGERS.format("w", "int64")),
    ("an integer among arguments", pair, (TWO, 3), None, TypeError, INTEGERS.format("b", "int64")),
    (
        "bools in a tree",
        of_tree,
        {"w": TWO, "b": [TWO > 0]},
        None,
        TypeError,
        INTEGERS.format(r"p\['b'\]\[0\]", "bool"),
    ),
    ("nothing", single, {}, None, TypeError, "^check_gradient: x holds no array$"),
    ("an array returned", lambda w: w, TWO, None, TypeError, SCALAR.format(r"shape \(2,\) and dtype float64")),
    (
        "an array of one returned",
        lambda w: w[:1],
        TWO,
        np.ones(2),
        TypeError,
        SCALAR.format(r"shape \(1,\) and dtype float64"),
    ),
    ("None returned", lambda w: None, TWO, np.ones(2), TypeError, SCALAR.format("'NoneType'")),
    ("text returned", lambda w: "1.0", TWO, np.ones(2), TypeError, SCALAR.format(r"shape \(\) and dtype <U3")),
    (
        "a complex number returned",
        lambda w: 1j * w[0],
        TWO,
        np.ones(2),
        TypeError,
        SCALAR.format(r"shape \(\) and dtype complex128"),
    ),
    (
        "a part missing",
        of_tree,
        {"w": TWO, "b": TWO + 1},
        {"w": TWO},
        ValueError,
        STRUCTURE.format(r"none for p\['b'\]"),
    ),
    (
        "a part too many",
        lambda w: w["w"][0],
        {"w": TWO},
        {"w": TWO, "v": TWO},
        ValueError,
        STRUCTURE.format(r"one for w\['v'\]"),
    ),
    (
        "a part of another name",
        of_tree,
        {"w": TWO, "b": TWO + 1},
        {"w": TWO, "c": TWO},
        ValueError,
        STRUCTURE.format(r"none for p\['b'\]; one for p\['c'\]"),
    ),
    ("a tuple of one", single, TWO, lambda w: (TWO,), ValueError, STRUCTURE.format(r"none for w; one for w\[0\]")),
    ("None for a gradient", single, TWO, lambda w: None, ValueError, STRUCTURE.format("none for w")),
    (
        "another shape",
        single,
        TWO,
        np.zeros(3),
        ValueError,
        r"^check_gradient: the gradient of w has shape \(3,\), and w itself \(2,\)$",
    ),
    ("a number for an array", single, TWO, 1.0, ValueError, r"the gradient of w has shape \(\), and w itself \(2,\)$"),
    (
        "a row for a column",
        pair,
        (np.zeros((2, 1)), TWO),
        (np.zeros((1, 2)), TWO),
        ValueError,
        r"the gradient of w has shape \(1, 2\), and w itself \(2, 1\)$",
    ),
    ("whole numbers", single, TWO, np.ones(2, int), TypeError, KIND.format("w", "int64", "w")),
    ("truth values", pair, (TWO, TWO + 1), (TWO, TWO > 0), TypeError, KIND.format("b", "bool", "b")),
    ("complex numbers for real ones", single, TWO, TWO + 0j, TypeError, KIND.format("w", "complex128", "w")),
    ("text", single, TWO, np.array(["a", "b"]), TypeError, KIND.format("w", "<U1", "w")),
    ("one gradient for two arguments", pair, (TWO, TWO + 1), lambda w, b: TWO, ValueError, COUNT.format("ndarray")),
    ("three for two", pair, (TWO, TWO + 1), (TWO, TWO, TWO), ValueError, COUNT.format("3")),
    ("a dict for two", pair, (TWO, TWO + 1), {"w": TWO, "b": TWO}, ValueError, COUNT.format("dict")),
]


@pytest.mark.parametrize(
    ("f", "x", "gradient", "error", "message"), [e[1:] for e in ERRORS], ids=[e[0] for e in ERRORS]
)
def test_bad_input_is_explained(f: Any, x: Any, gradient: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        check_gradient(f, x, gradient)


@pytest.mark.parametrize("name", ["order", "directions"])
@pytest.mark.parametrize("value", [0, -1, 1.5, "2", None])
def test_orders_and_directions_are_positive_integers(name: str, value: Any) -> None:
    message = f"^check_gradient: {name} must be a positive integer, got {re.escape(repr(value))}$"
    with pytest.raises(ValueError, match=message):
        check_gradient(tanh2, X, **{name: value})


def test_adjacent_views_of_one_array_may_be_moved_alone(rng: Any) -> None:
    assert check_gradient(pair, (WHOLE[:3], WHOLE[3:]), rng=rng).ok
    assert check_gradient(pair, (WHOLE[::2], WHOLE[1::2]), rng=rng).ok


def test_the_engine_warns_of_nothing_beside_the_users_gradient() -> None:
    """Our own gradient is computed as a further witness, also where it is infinite."""
    report = check_gradient(lambda x: np.sum(np.sqrt(x)), np.zeros(2), lambda x: np.full(2, np.inf))
    assert report.verdict is Verdict.NONFINITE
    assert not np.isfinite(report.rows[0].witnesses["engine"])  # of either sign, by the direction that was drawn
