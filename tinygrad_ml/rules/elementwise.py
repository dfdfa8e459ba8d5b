"""Ufuncs and other functions that work element by element.

A rule is ``(g, ans, *args)`` to the gradient of one argument; the engine sums it over stretched axes.
Constants are Python numbers, so that float32 stays float32.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from ..primitive import composite, define

_LN2, _LN10, _DEGREE = math.log(2), math.log(10), math.pi / 180
_LARGE = 4096

# The operators take the same arrays as the ufuncs, and numbers 10 times as fast.
define(np.add, lambda g, ans, x, y: g, lambda g, ans, x, y: g, forward=operator.add)
define(np.subtract, lambda g, ans, x, y: g, lambda g, ans, x, y: -g, forward=operator.sub)
define(np.multiply, lambda g, ans, x, y: g * y, lambda g, ans, x, y: g * x, forward=operator.mul)
define(np.divide, lambda g, ans, x, y: g / y, lambda g, ans, x, y: -g * ans / y, forward=operator.truediv)
define(np.negative, lambda g, ans, x: -g, forward=operator.neg)
define(np.positive, lambda g, ans, x: g)
define(np.reciprocal, lambda g, ans, x: -g * ans * ans)
define(np.square, lambda g, ans, x: g * 2 * x)
define(np.sqrt, lambda g, ans, x: g * 0.5 / ans)
define(np.cbrt, lambda g, ans, x: g / (3 * ans * ans))
define(np.exp, lambda g, ans, x: g * ans)
define(np.exp2, lambda g, ans, x: g * (_LN2 * ans))
define(np.expm1, lambda g, ans, x: g * (ans + 1))
define(np.log, lambda g, ans, x: g / x)
define(np.log2, lambda g, ans, x: g / (x * _LN2))
define(np.log10, lambda g, ans, x: g / (x * _LN10))
define(np.log1p, lambda g, ans, x: g / (x + 1))
define(np.sin, lambda g, ans, x: g * np.cos(x))
define(np.cos, lambda g, ans, x: -g * np.sin(x))
define(np.tan, lambda g, ans, x: g * (1 + ans * ans))
define(np.arcsin, lambda g, ans, x: g / np.sqrt(1 - x * x))
define(np.arccos, lambda g, ans, x: -g / np.sqrt(1 - x * x))
define(np.arctan, lambda g, ans, x: g / (1 + x * x))
define(np.arctan2, lambda g, ans, y, x: g * x / (x * x + y * y), lambda g, ans, y, x: -g * y / (x * x + y * y))
define(np.sinh, lambda g, ans, x: g * np.cosh(x))
define(np.cosh, lambda g, ans, x: g * np.sinh(x))
define(np.tanh, lambda g, ans, x: _times_one_minus_square(g, ans))
define(np.arcsinh, lambda g, ans, x: g / np.sqrt(x * x + 1))
define(np.arccosh, lambda g, ans, x: g / (np.sqrt(x - 1) * np.sqrt(x + 1)))
define(np.arctanh, lambda g, ans, x: g / (1 - x * x))
define(np.degrees, lambda g, ans, x: g / _DEGREE)
define(np.rad2deg, lambda g, ans, x: g / _DEGREE)
define(np.radians, lambda g, ans, x: g * _DEGREE)
define(np.deg2rad, lambda g, ans, x: g * _DEGREE)
define(np.conjugate, lambda g, ans, x: np.conjugate(g))
define(np.fabs, lambda g, ans, x: g * np.sign(x))
define(np.remainder, lambda g, ans, x, y: g, lambda g, ans, x, y: -g * np.floor(x / y))
define(np.fmod, lambda g, ans, x, y: g, lambda g, ans, x, y: -g * np.trunc(x / y))
define(np.logaddexp, lambda g, ans, x, y: g * np.exp(x - ans), lambda g, ans, x, y: g * np.exp(y - ans))
define(np.logaddexp2, lambda g, ans, x, y: g * np.exp2(x - ans), lambda g, ans, x, y: g * np.exp2(y - ans))
define(np.hypot, lambda g, ans, x, y: g * _ratio(x, ans), lambda g, ans, x, y: g * _ratio(y, ans))
define(np.absolute, lambda g, ans, x: g * _direction(x))


def _times_one_minus_square(g: Any, y: Any) -> Any:
    """``g (1 - y^2)``: of small arrays in the fewest calls, of large ones in the memory of the first product."""
    if type(y) is np.ndarray and y.size >= _LARGE and isinstance(g, (np.ndarray, np.generic)) and g.dtype == y.dtype:
        slope = y * y
        np.subtract(1, slope, out=slope)
        return np.multiply(slope, g, out=slope)
    return g - g * y * y


def _direction(x: Any) -> Any:
    """The derivative of ``abs(x)``: the sign, and 0 at 0."""
    if x.dtype.kind != "c":
        return np.sign(x)
    return _ratio(np.conjugate(x), np.absolute(x))


def _ratio(x: Any, length: Any) -> Any:
    """``x / length``, and 0 where the length is 0 (the subgradient of least norm)."""
    return x / np.where(length == 0, 1, length)


def _to_winner(g: Any, x: Any, other: Any, ans: Any) -> Any:
    """The part of `g` that goes to `x` where the answer is one of two: half at a tie."""
    return np.where(x == other, g * 0.5, np.where(x == ans, g, 0))


for _choice in (np.maximum, np.minimum, np.fmax, np.fmin):
    define(_choice, lambda g, ans, x, y: _to_winner(g, x, y, ans), lambda g, ans, x, y: _to_winner(g, y, x, ans))
define(np.copysign, lambda g, ans, x, y: g * (np.sign(x) * np.copysign(1, y)), lambda g, ans, x, y: g * 0)


def _power(x: Any, y: Any) -> Any:
    """``x ** y`` with small integer powers as products, which are 100 times as fast as NumPy's."""
    if type(y) is int or type(y) is float:
        if y == 2:
            return x * x
        if y == 3:
            return x * x * x
        if y == 4:
            square = x * x
            return square * square
    return x**y


def _power_to_base(g: Any, ans: Any, x: Any, y: Any) -> Any:
    if type(y) is int or type(y) is float:
        return g * y * _power(x, y - 1) if y != 0 else g * 0
    return g * (y * np.where((x == 0) & (y == 0), 1, x) ** (y - 1))  # 0 ** 0 is flat


def _power_to_exponent(g: Any, ans: Any, x: Any, y: Any) -> Any:
    if type(x) is int or type(x) is float:
        return g * (ans * (math.log(x) if x > 0 else 0 if x == 0 else math.nan))
    return g * ans * np.log(np.where(x == 0, 1, x))  # 0 ** y is flat for y > 0


define(np.power, _power_to_base, _power_to_exponent, forward=_power)
define(np.float_power, _power_to_base, _power_to_exponent).elementwise = False  # it changes the dtype


@composite(np.clip)
def _clip(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None, out: Any = None) -> Any:
    low, high = (a_min if min is None else min), (a_max if max is None else max)
    if low is None and high is None:
        return np.positive(a)
    return clip(a, -math.inf if low is None else low, math.inf if high is None else high)


clip = define(
    lambda x, low, high: np.clip(x, low, high),
    lambda g, ans, x, low, high: g * ((x >= low) & (x <= high)),
    lambda g, ans, x, low, high: g * ((x < low) & (low <= high)),
    lambda g, ans, x, low, high: g * ((x > high) | (low > high)),
    name="clip",
    broadcasts=True,
)

define(
    np.where,
    None,
    lambda g, ans, condition, x, y: np.where(condition, g, 0),
    lambda g, ans, condition, x, y: np.where(condition, 0, g),
    forward=lambda condition, *choices: np.where(condition, *choices) if choices else _refuse_places(),
    broadcasts=True,
)


def _refuse_places() -> None:
    raise TypeError("where: of a condition alone it is np.nonzero(x), which works on Tensors")


define(np.nan_to_num, lambda g, ans, x, copy=True, nan=0.0, posinf=None, neginf=None: np.where(np.isfinite(x), g, 0))
define(np.real, lambda g, ans, val: g)
define(np.imag, lambda g, ans, val: g * (-1j if val.dtype.kind == "c" else 0))
define(np.real_if_close, lambda g, ans, a, tol=100: g)


@composite(np.heaviside)
def _heaviside(x1: Any, x2: Any) -> Any:
    return np.where(np.equal(x1, 0), x2, (np.sign(x1) + 1) * 0.5)


@composite(np.angle)
def _angle(z: Any, deg: bool = False) -> Any:
    angle = np.arctan2(np.imag(z), np.real(z))
    return np.degrees(angle) if deg else angle


def _sinc_derivative(x: Any, n: int) -> Any:
    """The n-th derivative of ``sin(pi x) / (pi x)``.

    Differentiating ``x s(x) = sin(pi x) / pi`` n times gives
    ``x s^(n) + n s^(n-1) = pi^(n-1) sin(pi x + n pi / 2)``, which is unstable near 0: there, the Taylor series.
    """
    near = np.abs(x.real) < 0.5
    small, large = np.where(near, x, 0), np.where(near, 1, x)
    series: Any = 0
    for k in range((n + 1) // 2, (n + 1) // 2 + 14):
        coefficient = (-1) ** k * math.pi ** (2 * k) / math.factorial(2 * k + 1) * math.perm(2 * k, n)
        series = series + coefficient * small ** (2 * k - n)
    value = np.sin(math.pi * large) / (math.pi * large)
    for m in range(1, n + 1):
        value = (math.pi ** (m - 1) * np.sin(math.pi * large + m * math.pi / 2) - m * value) / large
    return np.where(near, series, value)


sinc_derivative: Any = define(
    _sinc_derivative, lambda g, ans, x, n: g * sinc_derivative(x, n + 1), name="sinc_derivative"
)
define(np.sinc, lambda g, ans, x: g * sinc_derivative(x, 1))


@composite(np.i0)
def _i0(x: Any) -> Any:
    from scipy.special import i0

    return i0(x)
