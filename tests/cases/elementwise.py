"""Ufuncs and other functions that work element by element."""

import numpy as np

from ..case import Sampler, between, case, distinct, nonzero, normal, positive

_S = (3, 4)
_MASK = np.arange(12).reshape(_S) % 3 == 0
_COUNT = np.arange(5.0)
_SIGNS = np.array([-1.0, 0.0, 2.0])


def _fixed(*values: float) -> Sampler:
    return lambda rng: np.array(values)


def _beside(*shape: int) -> Sampler:
    """Not within 0.1 of an element of `distinct`."""
    return lambda rng: distinct(*shape)(rng) + 0.25


def _off_threes(*shape: int) -> Sampler:
    """Of either sign, and not within 0.7 of a multiple of 3."""
    return lambda rng: rng.uniform(0.8, 2.2, shape) + rng.choice([-6.0, -3.0, 0.0, 3.0], shape)


def _about_three(*shape: int) -> Sampler:
    return lambda rng: rng.uniform(2.95, 3.05, shape) * rng.choice([-1.0, 1.0], shape)


_UNARY = [  # those that take complex numbers
    (np.negative, normal),
    (np.positive, normal),
    (np.reciprocal, nonzero),
    (np.square, normal),
    (np.sqrt, positive),
    (np.exp, normal),
    (np.exp2, normal),
    (np.expm1, normal),
    (np.log, positive),
    (np.log2, positive),
    (np.log10, positive),
    (np.log1p, lambda *shape: between(-0.6, 2.0, *shape)),
    (np.sin, normal),
    (np.cos, normal),
    (np.tan, lambda *shape: between(-1.2, 1.2, *shape)),
    (np.arcsin, lambda *shape: between(-0.8, 0.8, *shape)),
    (np.arccos, lambda *shape: between(-0.8, 0.8, *shape)),
    (np.arctan, normal),
    (np.sinh, normal),
    (np.cosh, normal),
    (np.tanh, normal),
    (np.arcsinh, normal),
    (np.arccosh, lambda *shape: between(1.5, 3.0, *shape)),
    (np.arctanh, lambda *shape: between(-0.8, 0.8, *shape)),
    (np.conjugate, normal),
    (np.absolute, nonzero),
]
_REAL_UNARY = [
    (np.cbrt, nonzero),
    (np.degrees, normal),
    (np.rad2deg, normal),
    (np.radians, normal),
    (np.deg2rad, normal),
    (np.fabs, nonzero),
]
_TWO = {"broadcasts": True, "elementwise": True}

CASES = [
    *[case(f.__name__, f, domain(*_S), complex=True, elementwise=True) for f, domain in _UNARY],
    *[case(f.__name__, f, domain(*_S), elementwise=True) for f, domain in _REAL_UNARY],
    case("tanh, saturated", np.tanh, _fixed(-20.0, -4.0, 4.0, 20.0), elementwise=True),
    case("absolute of a complex number", lambda x, y: np.abs(x + 1j * y), nonzero(*_S), nonzero(*_S), **_TWO),
    # two arguments
    case("add", np.add, normal(*_S), normal(*_S), complex=True, **_TWO),
    case("subtract", np.subtract, normal(*_S), normal(*_S), complex=True, **_TWO),
    case("multiply", np.multiply, normal(*_S), normal(*_S), complex=True, **_TWO),
    case("divide", np.divide, normal(*_S), nonzero(*_S), complex=True, **_TWO),
    case("arctan2", np.arctan2, nonzero(*_S), nonzero(*_S), **_TWO),
    case("hypot", np.hypot, nonzero(*_S), nonzero(*_S), **_TWO),
    case("logaddexp", np.logaddexp, normal(*_S), normal(*_S), **_TWO),
    case("logaddexp2", np.logaddexp2, normal(*_S), normal(*_S), **_TWO),
    case("logaddexp of large numbers", np.logaddexp, between(700, 705, *_S), between(700, 705, *_S), **_TWO),
    case(
        "logaddexp of very different numbers",
        np.logaddexp,
        _fixed(-800.0, 800.0),
        _fixed(800.0, -800.0),
        elementwise=True,
    ),
    case("maximum", np.maximum, distinct(*_S), _beside(*_S), **_TWO),
    case("minimum", np.minimum, distinct(*_S), _beside(*_S), **_TWO),
    case("fmax", np.fmax, distinct(*_S), _beside(*_S), **_TWO),
    case("fmin", np.fmin, distinct(*_S), _beside(*_S), **_TWO),
    case("maximum of an array and a number", lambda x: np.maximum(x, 1.05), distinct(*_S), elementwise=True),
    case("minimum of a number and an array", lambda x: np.minimum(1.05, x), distinct(*_S), elementwise=True),
    case("copysign", np.copysign, nonzero(*_S), nonzero(*_S), **_TWO),
    case("remainder", np.remainder, _off_threes(*_S), _about_three(*_S), **_TWO),
    case("fmod", np.fmod, _off_threes(*_S), _about_three(*_S), **_TWO),
    # operators with numbers and arrays on either side
    case("x + 2", lambda x: x + 2, normal(*_S), complex=True, elementwise=True),
    case("2.5 - x", lambda x: 2.5 - x, normal(*_S), complex=True, elementwise=True),
    case("3 * x", lambda x: 3 * x, normal(*_S), complex=True, elementwise=True),
    case("2 / x", lambda x: 2 / x, nonzero(*_S), complex=True, elementwise=True),
    case("x / 4", lambda x: x / 4, normal(*_S), complex=True, elementwise=True),
    case("-x + +x * abs(x)", lambda x: -x + +x * abs(x), nonzero(*_S), elementwise=True),
    case("array * x", lambda x: _COUNT[:4].astype(x.dtype) * x, normal(*_S), complex=True),
    case("x % 3.01", lambda x: x % 3.01, _off_threes(*_S), elementwise=True),
    case("7.5 % x", lambda x: 7.5 % x, _about_three(*_S), elementwise=True),
    # powers
    *[
        case(f"power {p!r}", lambda x, p=p: x**p, nonzero(*_S), complex=True, elementwise=True)
        for p in (0, 1, 2, 3, 4, 5, -1, -2, 2.0, 3.0, 4.0)
    ],
    *[
        case(f"power {p!r}", lambda x, p=p: np.power(x, p), positive(*_S), complex=True, elementwise=True)
        for p in (0.5, 1.5, -0.5)
    ],
    case("power of arrays", np.power, positive(*_S), normal(*_S), complex=True, **_TWO),
    case("power with an array of integers", lambda x: x ** _COUNT[:4].astype(x.dtype), nonzero(*_S), complex=True),
    case("power of a number", lambda y: 2.0**y, normal(*_S), complex=True, elementwise=True),
    case("power of an array", lambda y: _COUNT[1:].astype(y.dtype) ** y, normal(*_S), complex=True),
    case("float_power", np.float_power, positive(*_S), normal(*_S), complex=True, float32=False, **_TWO),
    case("float_power 2", lambda x: np.float_power(x, 2), nonzero(*_S), complex=True, float32=False, elementwise=True),
    # choices
    case("clip", lambda x: np.clip(x, 1.05, 4.05), distinct(*_S), elementwise=True),
    case("clip below only", lambda x: np.clip(x, 1.05, None), distinct(*_S), elementwise=True),
    case("clip above only", lambda x: np.clip(x, None, 4.05), distinct(*_S), elementwise=True),
    case("clip by keywords", lambda x: np.clip(x, min=1.05, max=4.05), distinct(*_S), elementwise=True),
    case("clip nowhere", lambda x: np.clip(x, None, None), distinct(*_S), elementwise=True),
    case("clip method", lambda x: x.clip(1.05, 4.05), distinct(*_S), elementwise=True),
    case("clip by arrays", np.clip, distinct(*_S), between(1.0, 1.1, *_S), between(4.0, 4.1, *_S), **_TWO),
    case(
        "clip by bounds the wrong way round",
        np.clip,
        distinct(*_S),
        between(4.0, 4.1, 4),
        between(1.0, 1.1, 4),
        elementwise=True,
    ),
    case("where", lambda x, y: np.where(_MASK, x, y), normal(*_S), normal(*_S), complex=True),
    case("where of an array and a number", lambda x: np.where(_MASK, x, 0), normal(*_S), complex=True),
    case("where of a number and an array", lambda x: np.where(_MASK, 1.0, x), normal(*_S), complex=True),
    case("where x > 0", lambda x, y: np.where(x > 0, x * y, y), nonzero(*_S), nonzero(*_S), **_TWO),
    case("where of broadcast arrays", lambda x, y: np.where(_MASK, x, y), normal(4), normal(3, 1), complex=True),
    case("nan_to_num", np.nan_to_num, normal(*_S), complex=True, elementwise=True),
    case(
        "nan_to_num keywords",
        lambda x: np.nan_to_num(x, nan=1.0, posinf=2.0, neginf=-2.0),
        normal(*_S),
        elementwise=True,
    ),
    # parts of complex numbers
    case("real", np.real, normal(*_S), complex=True, elementwise=True),
    case(
        "imag",
        lambda x, y: np.imag(x * (1 + 2j) * np.exp(1j * y)),
        normal(*_S),
        normal(*_S),
        float32=False,
        complex=True,
        broadcasts=True,
        elementwise=True,
    ),
    case(
        "x.real, x.imag",
        lambda x, y: x.real * y.imag + (x * 1j).imag,
        normal(*_S),
        normal(*_S),
        complex=True,
        broadcasts=True,
        elementwise=True,
    ),
    case("real_if_close", np.real_if_close, normal(*_S), elementwise=True),
    case("heaviside", lambda y: np.heaviside(_SIGNS, y) ** 2, normal(3)),
    case("angle", lambda x, y: np.angle(x + 1j * y), nonzero(*_S), nonzero(*_S), **_TWO),
    case("angle deg", lambda x, y: np.angle(x + 1j * y, deg=True), nonzero(*_S), nonzero(*_S), **_TWO),
    # special functions of NumPy
    case("sinc", np.sinc, normal(*_S), complex=True, elementwise=True),
    case("sinc near 0", np.sinc, _fixed(0.0, 1e-12, -1e-6, 1e-3, 0.05, -0.3, 0.49, 0.51, 1.0, -2.0)),
    case("np.i0", np.i0, normal(*_S), elementwise=True),
]
