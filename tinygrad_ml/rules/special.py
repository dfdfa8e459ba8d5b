"""Ufuncs of `scipy.special`. This module is imported at the first use of one, so that NumPy's users do not wait.

Derivatives are those of the NIST Digital Library of Mathematical Functions (https://dlmf.nist.gov), where
possible in a form that is right to every order at 0 and keeps its digits in the tails.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.special as sp

from ..kin import foreign
from ..primitive import PLAIN, Primitive, define

_PI = math.pi
_LN10, _TWO_OVER_ROOT_PI, _ROOT_TWO_PI = math.log(10), 2 / math.sqrt(math.pi), math.sqrt(2 * math.pi)

PLAIN.update({sp.gammasgn, sp.round})

# Logistic function, exponentials and logarithms

define(sp.expit, lambda g, ans, x: g * (ans * sp.expit(-x)))
define(sp.logit, lambda g, ans, x: g / (x * (1 - x)))
define(sp.log_expit, lambda g, ans, x: g * sp.expit(-x))
define(sp.expm1, lambda g, ans, x: g * (ans + 1))
define(sp.exp2, lambda g, ans, x: g * (math.log(2) * ans))
define(sp.exp10, lambda g, ans, x: g * (_LN10 * ans))
define(sp.log1p, lambda g, ans, x: g / (x + 1))
define(sp.cbrt, lambda g, ans, x: g / (3 * ans * ans))
define(sp.cosm1, lambda g, ans, x: -g * np.sin(x))
define(sp.exprel, lambda g, ans, x: g * (0.5 * sp.hyp1f1(2, 3, x)))  # exprel(x) = 1F1(1; 2; x)
define(sp.powm1, lambda g, ans, x, y: g * (y * x ** (y - 1)), lambda g, ans, x, y: g * (ans + 1) * np.log(x))


def _both_zero(x: Any, y: Any) -> Any:
    """Where ``x log(y)`` is 0 although log(y) is not finite."""
    return (x == 0) & (y <= 0)


define(
    sp.xlogy,
    lambda g, ans, x, y: g * np.log(np.where(_both_zero(x, y), 1, y)),
    lambda g, ans, x, y: g * (x / np.where(_both_zero(x, y), 1, y)),
)
define(
    sp.xlog1py,
    lambda g, ans, x, y: g * np.log1p(np.where(_both_zero(x, y + 1), 0, y)),
    lambda g, ans, x, y: g * (x / np.where(_both_zero(x, y + 1), 1, y + 1)),
)

# Entropies and losses

define(sp.entr, lambda g, ans, x: -g * (np.log(x) + 1))
define(sp.rel_entr, lambda g, ans, x, y: g * (np.log(x / y) + 1), lambda g, ans, x, y: -g * (x / y))
define(sp.kl_div, lambda g, ans, x, y: g * np.log(x / y), lambda g, ans, x, y: g * (1 - x / y))
define(
    sp.huber,
    lambda g, ans, delta, r: g * np.where(np.abs(r) > delta, np.abs(r) - delta, 0),
    lambda g, ans, delta, r: g * np.where(np.abs(r) > delta, delta * np.sign(r), r),
)


def _pseudo_huber_delta(g: Any, ans: Any, delta: Any, r: Any) -> Any:
    """``2 delta (s - 1) - q delta / s`` with ``q = (r / delta)^2, s = sqrt(1 + q)``, without its cancellation."""
    q = (r / delta) * (r / delta)
    s = np.sqrt(1 + q)
    return g * (delta * q * q / (s * (s + 1) * (s + 1)))


define(sp.pseudo_huber, _pseudo_huber_delta, lambda g, ans, delta, r: g * (r / np.sqrt(1 + (r / delta) * (r / delta))))

# Error function and normal distribution


def _erfcx(g: Any, ans: Any, x: Any) -> Any:
    """``2 x erfcx(x) - 2 / sqrt(pi)``; beyond 20, where that cancels, its asymptotic series (DLMF 7.12.1)."""
    far = x.real > 20
    t = 1 / np.where(far, x, 1)
    step = -0.5 * (t * t)
    term = series = 0.5 * _TWO_OVER_ROOT_PI * 2 * step
    for k in range(3, 19, 2):
        term = term * (k * step)
        series = series + term
    return g * np.where(far, series, 2 * x * ans - _TWO_OVER_ROOT_PI)


define(sp.erf, lambda g, ans, x: g * (_TWO_OVER_ROOT_PI * np.exp(-x * x)))
define(sp.erfc, lambda g, ans, x: -g * (_TWO_OVER_ROOT_PI * np.exp(-x * x)))
define(sp.erfi, lambda g, ans, x: g * (_TWO_OVER_ROOT_PI * np.exp(x * x)))
define(sp.erfcx, _erfcx)
define(sp.dawsn, lambda g, ans, x: g * (1 - 2 * x * ans))
define(sp.wofz, lambda g, ans, x: g * (1j * _TWO_OVER_ROOT_PI - 2 * x * ans))
define(sp.erfinv, lambda g, ans, y: g * (np.exp(ans * ans) / _TWO_OVER_ROOT_PI))
define(sp.erfcinv, lambda g, ans, y: -g * (np.exp(ans * ans) / _TWO_OVER_ROOT_PI))


def _log_ndtr_slope(x: Any, log_ndtr: Any) -> Any:
    """``phi(x) / Phi(x)``, the density over the distribution; to the left by way of `erfcx`, where both vanish."""
    left = x.real < 0
    hazard = math.sqrt(2 / _PI) / sp.erfcx(np.where(left, x, 0) * -math.sqrt(0.5))
    right = np.exp(-0.5 * (x * x) - log_ndtr) / _ROOT_TWO_PI
    return np.where(left, hazard, right)


define(sp.ndtr, lambda g, ans, x: g * (np.exp(-0.5 * (x * x)) / _ROOT_TWO_PI))
define(sp.log_ndtr, lambda g, ans, x: g * _log_ndtr_slope(x, ans))
define(sp.ndtri, lambda g, ans, y: g * (_ROOT_TWO_PI * np.exp(0.5 * (ans * ans))))
define(sp.ndtri_exp, lambda g, ans, y: g / _log_ndtr_slope(ans, y))

# Gamma function and its kin


_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730)


def _zeta(s: int, q: Any) -> Any:
    """Hurwitz's zeta function; of arrays that SciPy's does not reach by the Euler-Maclaurin formula (DLMF 2.10.1)."""
    try:
        return sp.zeta(s, q)
    except TypeError:  # of CuPy, which has the function and finds a module of SciPy's name for it
        if foreign(q) is None:
            raise
    total: Any = 0.0
    for _ in range(15 - min(0, math.floor(q.min())) if q.size else 0):
        total, q = total + 1.0 / q**s, q + 1
    total = total + q ** (1.0 - s) / (s - 1) + 0.5 / q**s
    term = s / q ** (s + 1)
    for k, bernoulli in enumerate(_BERNOULLI, start=1):
        total = total + bernoulli / math.factorial(2 * k) * term
        term = term * ((s + 2 * k - 1) * (s + 2 * k)) / (q * q)
    return total


def _polygamma(n: int, x: Any) -> Any:
    """The n-th derivative of `digamma`, n >= 1 (DLMF 25.11.12)."""
    if x.dtype.kind == "c":
        raise TypeError(
            "digamma: no derivative is known for complex arguments, because SciPy's zeta takes real ones only"
        )
    return (-1) ** (n + 1) * math.factorial(n) * _zeta(n + 1, x)


polygamma: Primitive = define(_polygamma, None, lambda g, ans, n, x: g * polygamma(n + 1, x), name="polygamma")


def _rgamma(g: Any, ans: Any, x: Any) -> Any:
    """``-rgamma(x) digamma(x)``; to the left, at whose poles rgamma is smooth, the derivative of
    ``sin(pi x) gamma(1 - x) / pi``."""
    left = x.real < 0.5
    mirrored, right = 1 - np.where(left, x, 0), np.where(left, 1, x)
    slope = np.cos(_PI * x) - np.sin(_PI * x) * sp.digamma(mirrored) / _PI
    return g * np.where(left, sp.gamma(mirrored) * slope, -ans * sp.digamma(right))


define(sp.digamma, lambda g, ans, x: g * polygamma(1, x), aliases=(sp.psi,))
define(sp.gamma, lambda g, ans, x: g * (ans * sp.digamma(x)))
define(sp.gammaln, lambda g, ans, x: g * sp.digamma(x))
define(sp.loggamma, lambda g, ans, x: g * sp.digamma(x))
define(sp.rgamma, _rgamma)
define(
    sp.poch,
    lambda g, ans, z, m: g * ans * (sp.digamma(z + m) - sp.digamma(z)),
    lambda g, ans, z, m: g * ans * sp.digamma(z + m),
)
define(
    sp.binom,
    lambda g, ans, n, k: g * ans * (sp.digamma(n + 1) - sp.digamma(n - k + 1)),
    lambda g, ans, n, k: g * ans * (sp.digamma(n - k + 1) - sp.digamma(k + 1)),
)
define(
    sp.beta,
    lambda g, ans, a, b: g * ans * (sp.digamma(a) - sp.digamma(a + b)),
    lambda g, ans, a, b: g * ans * (sp.digamma(b) - sp.digamma(a + b)),
)
define(
    sp.betaln,
    lambda g, ans, a, b: g * (sp.digamma(a) - sp.digamma(a + b)),
    lambda g, ans, a, b: g * (sp.digamma(b) - sp.digamma(a + b)),
)


def _gamma_density(a: Any, x: Any) -> Any:
    a = a * np.ones_like(x)  # in x's precision, also where a is a number
    return np.exp(sp.xlogy(a - 1, x) - x - sp.gammaln(a))


def _beta_density(a: Any, b: Any, x: Any) -> Any:
    a, b = a * np.ones_like(x), b * np.ones_like(x)
    return np.exp(sp.xlogy(a - 1, x) + sp.xlog1py(b - 1, -x) - sp.betaln(a, b))


# The incomplete functions have a derivative in closed form only in their last argument. Ufuncs of two
# arguments with one rule missing take the way on which that is noticed, which is the one that is not elementwise.
define(sp.gammainc, None, lambda g, ans, a, x: g * _gamma_density(a, x)).elementwise = False
define(sp.gammaincc, None, lambda g, ans, a, x: -g * _gamma_density(a, x)).elementwise = False
define(sp.gammaincinv, None, lambda g, ans, a, y: g / _gamma_density(a, ans)).elementwise = False
define(sp.gammainccinv, None, lambda g, ans, a, y: -g / _gamma_density(a, ans)).elementwise = False
define(sp.betainc, None, None, lambda g, ans, a, b, x: g * _beta_density(a, b, x))
define(sp.betaincc, None, None, lambda g, ans, a, b, x: -g * _beta_density(a, b, x))
define(sp.betaincinv, None, None, lambda g, ans, a, b, y: g / _beta_density(a, b, ans))
define(sp.betainccinv, None, None, lambda g, ans, a, b, y: -g / _beta_density(a, b, ans))

# Bessel functions: from the two neighbouring orders, which unlike ``J_v' = J_(v-1) - (v / x) J_v`` is right at 0
# (DLMF 10.6.1, 10.29.1); y1 and k1 are infinite there


def _damping(x: Any) -> Any:
    """The sign of x, for functions scaled by ``exp(-|x|)``."""
    if x.dtype.kind == "c":
        raise TypeError("the scaling exp(-|Re x|) of this Bessel function has no derivative for complex x")
    return np.sign(x)


define(sp.j0, lambda g, ans, x: -g * sp.j1(x))
define(sp.j1, lambda g, ans, x: g * (0.5 * (sp.j0(x) - sp.jv(2, x))))
define(sp.jv, None, lambda g, ans, v, x: g * (0.5 * (sp.jv(v - 1, x) - sp.jv(v + 1, x)))).elementwise = False
define(sp.y0, lambda g, ans, x: -g * sp.y1(x))
define(sp.y1, lambda g, ans, x: g * (sp.y0(x) - ans / x))
define(sp.yn, None, lambda g, ans, n, x: g * (0.5 * (sp.yn(n - 1, x) - sp.yn(n + 1, x)))).elementwise = False
define(sp.yv, None, lambda g, ans, v, x: g * (0.5 * (sp.yv(v - 1, x) - sp.yv(v + 1, x)))).elementwise = False
define(sp.i0, lambda g, ans, x: g * sp.i1(x))
define(sp.i1, lambda g, ans, x: g * (0.5 * (sp.i0(x) + sp.iv(2, x))))
define(sp.iv, None, lambda g, ans, v, x: g * (0.5 * (sp.iv(v - 1, x) + sp.iv(v + 1, x)))).elementwise = False
define(sp.i0e, lambda g, ans, x: g * (sp.i1e(x) - _damping(x) * ans))
define(sp.i1e, lambda g, ans, x: g * (0.5 * (sp.i0e(x) + sp.ive(2, x)) - _damping(x) * ans))
define(
    sp.ive, None, lambda g, ans, v, x: g * (0.5 * (sp.ive(v - 1, x) + sp.ive(v + 1, x)) - _damping(x) * ans)
).elementwise = False
define(sp.k0, lambda g, ans, x: -g * sp.k1(x))
define(sp.k1, lambda g, ans, x: -g * (sp.k0(x) + ans / x))
define(sp.kn, None, lambda g, ans, n, x: -g * (0.5 * (sp.kn(n - 1, x) + sp.kn(n + 1, x)))).elementwise = False
define(sp.kv, None, lambda g, ans, v, x: -g * (0.5 * (sp.kv(v - 1, x) + sp.kv(v + 1, x)))).elementwise = False
define(sp.k0e, lambda g, ans, x: g * (ans - sp.k1e(x)))
define(sp.k1e, lambda g, ans, x: g * (ans - sp.k0e(x) - ans / x))
define(sp.kve, None, lambda g, ans, v, x: g * (ans - 0.5 * (sp.kve(v - 1, x) + sp.kve(v + 1, x)))).elementwise = False

# Hypergeometric functions (DLMF 13.3.15, 15.5.1, 16.3.1) and exponential integrals

define(sp.hyp0f1, None, lambda g, ans, v, z: g * (sp.hyp0f1(v + 1, z) / v)).elementwise = False
define(sp.hyp1f1, None, None, lambda g, ans, a, b, x: g * (a / b * sp.hyp1f1(a + 1, b + 1, x)))
define(sp.hyp2f1, None, None, None, lambda g, ans, a, b, c, z: g * (a * b / c * sp.hyp2f1(a + 1, b + 1, c + 1, z)))
define(sp.expi, lambda g, ans, x: g * (np.exp(x) / x))
define(sp.exp1, lambda g, ans, z: -g * (np.exp(-z) / z))
define(sp.expn, None, lambda g, ans, n, x: -g * sp.expn(n - 1, x)).elementwise = False
