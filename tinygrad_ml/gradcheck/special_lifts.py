"""Functions of `scipy.special` for the complex step.

Where SciPy takes complex numbers under another name, that; inverse functions through what they invert; for the others a
numerical derivative of the function itself, on a circle in the complex plane or by differences on the real line.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special as sp

from ..rules.special import polygamma
from .lifts import Lift, cbrt, flip, negative, power_series

_PI = math.pi
_TINY = 2.0**-200


def _with_slope(value: Any, slope: Any, z: Any) -> Any:
    return value + 1j * slope * np.imag(z)


# Numerical derivatives


def _on_circle(function: Callable[..., Any], radius: Callable[..., Any]) -> Lift:
    """For functions that lose a tiny imaginary part: Cauchy's integral for the derivative in the last argument.

    The trapezoidal rule converges geometrically on a circle: 24 points, and a fifth of the way to the next singularity,
    leave ``5^-24``.
    """

    def lifted(*args: Any) -> Any:
        *orders, z = args
        x = np.real(z)
        r = radius(*orders, x) / 5
        turns = np.exp(2j * _PI * (np.arange(24) + 0.5) / 24)
        slope = sum(np.real(function(*orders, x + r * turn) / turn) for turn in turns) / (24 * r)
        return _with_slope(np.real(function(*orders, x + 0j)), slope, z)

    return lifted


_STENCIL = (5 / 6, -5 / 21, 5 / 84, -5 / 504, 1 / 1260)


def _by_differences(function: Callable[..., Any], radius: Callable[..., Any]) -> Lift:
    """For functions of real numbers only: differences over ten points in the last argument.

    Their error is ``(5!)^2 h^10`` in units of the distance to the next singularity, and rounding errors over h.
    """

    def lifted(*args: Any) -> Any:
        *orders, z = args
        x = np.real(z)
        h = 0.015 * radius(*orders, x)
        slope = sum(
            c * (function(*orders, x + k * h) - function(*orders, x - k * h)) for k, c in enumerate(_STENCIL, start=1)
        )
        return _with_slope(function(*orders, x), slope / h, z)

    return lifted


def _everywhere(*args: Any) -> Any:
    return np.ones_like(args[-1])


def _but_at_zero(*args: Any) -> Any:
    return np.minimum(np.abs(args[-1]), 5)


def _but_at_zero_for_fractions(order: Any, x: Any) -> Any:
    return np.where(order == np.rint(order), 1, _but_at_zero(x))


def _but_at_zero_and_one(*args: Any) -> Any:
    return np.minimum(np.abs(args[-1]), np.abs(1 - args[-1]))


# Inverse functions


def _inverse(function: Callable[..., Any], inverse: Callable[..., Any]) -> Lift:
    """``dx = dy / f'(x)`` at ``x = f^-1(y)``, where f takes complex numbers."""

    def lifted(y: Any) -> Any:
        x = inverse(np.real(y))
        return _with_slope(x, _TINY / np.imag(function(x + 1j * _TINY)), y)

    return lifted


# By other functions


def _expit(z: Any) -> Any:
    e = np.exp(np.where(negative(z), z, -z))
    return np.where(negative(z), e, 1) / (1 + e)


def _log_expit(z: Any) -> Any:
    return np.where(negative(z), z, 0) - np.log1p(np.exp(np.where(negative(z), z, -z)))


def _exprel(z: Any) -> Any:
    near = np.abs(np.real(z)) < 1
    series = power_series(np.where(near, z, 0), [1 / math.factorial(k + 1) for k in range(20)])
    far = np.where(near, 1, z)
    return np.where(near, series, np.expm1(far) / far)


def _gammaln(z: Any) -> Any:
    """To the left of 1/2 by ``gamma(z) gamma(1 - z) = pi / sin(pi z)``."""
    left = np.real(z) < 0.5
    sine = np.sin(_PI * np.where(left, z, 0.5))
    reflected = math.log(_PI) - np.log(flip(sine)) - sp.loggamma(1 - np.where(left, z, 0))
    return np.where(left, reflected, sp.loggamma(np.where(left, 1, z)))


def _gamma(z: Any) -> Any:
    left = np.real(z) < 0.5
    reflected = _PI / (np.sin(_PI * np.where(left, z, 0.5)) * sp.gamma(1 - np.where(left, z, 0)))
    return np.where(left, reflected, sp.gamma(np.where(left, 1, z)))


def _rgamma(z: Any) -> Any:
    left = np.real(z) < 0.5
    reflected = np.sin(_PI * np.where(left, z, 0)) * sp.gamma(1 - np.where(left, z, 0)) / _PI
    return np.where(left, reflected, 1 / sp.gamma(np.where(left, 1, z)))


def _with_logarithm(function: Callable[..., Any], logarithm: Callable[..., Any]) -> Lift:
    """A product of gamma functions, of which `logarithm` is the logarithm of the absolute value."""

    def lifted(*args: Any) -> Any:
        value = function(*[np.real(z) for z in args])
        return value + 1j * value * np.imag(logarithm(*args))

    return lifted


def _betaln(a: Any, b: Any) -> Any:
    return _gammaln(a) + _gammaln(b) - _gammaln(a + b)


def _huber(delta: Any, r: Any) -> Any:
    size = flip(r)
    return np.where(np.real(size) <= np.real(delta), r * r / 2, delta * (size - delta / 2))


_jv = _on_circle(sp.jv, _but_at_zero_for_fractions)
_yv = _on_circle(sp.yv, _but_at_zero)
_iv = _on_circle(sp.iv, _but_at_zero_for_fractions)


def _ive(order: Any, z: Any) -> Any:
    """Scaled by ``exp(-x)`` or, to the left of 0, by ``exp(x)``; SciPy scales by the real part, which is not analytic."""
    x = np.real(z)

    def scaled(order: Any, w: Any) -> Any:
        return sp.ive(order, w) * np.exp(np.abs(np.real(w)) - np.abs(x) - np.sign(x) * (w - x))

    return _on_circle(scaled, _but_at_zero_for_fractions)(order, z)


SPECIAL_LIFTS: dict[Any, Lift] = {
    sp.expit: _expit,
    sp.logit: lambda z: np.log(z / (1 - z)),
    sp.log_expit: _log_expit,
    sp.exp2: lambda z: np.exp(z * math.log(2)),
    sp.exp10: lambda z: np.exp(z * math.log(10)),
    sp.cbrt: cbrt,
    sp.cosm1: lambda z: -2 * np.sin(z / 2) ** 2,
    sp.exprel: _exprel,
    sp.powm1: lambda x, y: np.expm1(y * np.log(x)),
    sp.entr: lambda z: -z * np.log(z),
    sp.rel_entr: lambda x, y: x * np.log(x / y),
    sp.kl_div: lambda x, y: x * np.log(x / y) - x + y,
    sp.huber: _huber,
    sp.pseudo_huber: lambda delta, r: delta * delta * (np.sqrt(1 + (r / delta) ** 2) - 1),
    sp.erfinv: _inverse(sp.erf, sp.erfinv),
    sp.erfcinv: _inverse(sp.erfc, sp.erfcinv),
    sp.ndtri: _inverse(sp.ndtr, sp.ndtri),
    sp.ndtri_exp: _inverse(sp.log_ndtr, sp.ndtri_exp),
    sp.gammaln: _gammaln,
    sp.gamma: _gamma,
    sp.rgamma: _rgamma,
    sp.betaln: _betaln,
    sp.beta: _with_logarithm(sp.beta, _betaln),
    sp.poch: _with_logarithm(sp.poch, lambda z, m: _gammaln(z + m) - _gammaln(z)),
    sp.binom: _with_logarithm(sp.binom, lambda n, k: _gammaln(n + 1) - _gammaln(k + 1) - _gammaln(n - k + 1)),
    sp.j0: lambda z: _jv(0, z),
    sp.j1: lambda z: _jv(1, z),
    sp.jv: _jv,
    sp.y0: lambda z: _yv(0, z),
    sp.y1: lambda z: _yv(1, z),
    sp.yn: _yv,
    sp.yv: _yv,
    sp.i0: lambda z: _iv(0, z),
    sp.i1: lambda z: _iv(1, z),
    sp.iv: _iv,
    sp.i0e: lambda z: _ive(0, z),
    sp.i1e: lambda z: _ive(1, z),
    sp.ive: _ive,
    sp.k0: lambda z: sp.kv(0, z),
    sp.k1: lambda z: sp.kv(1, z),
    sp.k0e: lambda z: sp.kve(0, z),
    sp.k1e: lambda z: sp.kve(1, z),
    sp.kn: sp.kv,
    sp.hyp0f1: _on_circle(sp.hyp0f1, _everywhere),
    sp.expi: _by_differences(sp.expi, _but_at_zero),
    sp.expn: _by_differences(sp.expn, _but_at_zero),
    polygamma.function: _by_differences(polygamma.function, _but_at_zero),
    **{f: _by_differences(f, _but_at_zero) for f in (sp.gammainc, sp.gammaincc)},
    **{
        f: _by_differences(f, _but_at_zero_and_one)
        for f in (
            sp.gammaincinv,
            sp.gammainccinv,
            sp.betainc,
            sp.betaincc,
            sp.betaincinv,
            sp.betainccinv,
        )
    },
}
