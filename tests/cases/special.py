"""Ufuncs of scipy.special."""

from collections.abc import Callable
from typing import Any

import scipy.special as sp

from ..case import Case, Sampler, between, case, nonzero, normal, positive


def call(name: str, function: Callable[..., Any], *samplers: Sampler, **options: bool) -> Case:
    return case(f"special.{name}", function, *samplers, elementwise=True, **options)


def row(name: str, low: float, high: float, **options: bool) -> Case:
    """A ufunc of one argument between `low` and `high`."""
    return call(name, getattr(sp, name), between(low, high, 3, 4), **options)


def pair(name: str, **options: bool) -> Case:
    """A ufunc of two positive arguments."""
    return call(name, getattr(sp, name), positive(3, 4), positive(3, 4), broadcasts=True, **options)


CASES = [
    row("expit", -3, 3),
    row("logit", 0.2, 0.8),
    row("log_expit", -3, 3),
    row("expm1", -2, 2, complex=True),
    row("exp2", -2, 2),
    row("exp10", -1, 1),
    row("log1p", -0.5, 2, complex=True),
    row("cbrt", 0.5, 2),
    row("cosm1", -2, 2),
    row("exprel", -3, 3),
    row("entr", 0.2, 2),
    row("erf", -2, 2, complex=True),
    row("erfc", -2, 2, complex=True),
    row("erfi", -1, 1, complex=True),
    row("erfcx", -1, 3, complex=True),
    call("erfcx far", sp.erfcx, between(18, 30, 6), complex=True),
    row("dawsn", -2, 2, complex=True),
    row("erfinv", -0.9, 0.9),
    row("erfcinv", 0.1, 1.9),
    row("ndtr", -2, 2, complex=True),
    row("log_ndtr", -2.5, 2.5, complex=True),
    row("ndtri", 0.1, 0.9),
    row("ndtri_exp", -8, -0.1),
    row("gamma", 0.5, 3, complex=True),
    call("gamma negative", sp.gamma, between(-1.7, -1.3, 3)),
    row("gammaln", 0.5, 3),
    row("loggamma", 0.5, 3, complex=True),
    row("rgamma", 0.6, 3, complex=True),
    call("rgamma negative", sp.rgamma, between(-2.4, 0.4, 6), complex=True),
    row("digamma", 0.5, 3),
    row("j0", -3, 3),
    row("j1", -3, 3),
    row("y0", 0.5, 3),
    row("y1", 0.5, 3),
    row("i0", -2, 2),
    row("i1", -2, 2),
    row("i0e", 0.2, 3),
    row("i1e", -3, -0.2),
    row("k0", 0.5, 3),
    row("k1", 0.5, 3),
    row("k0e", 0.5, 3),
    row("k1e", 0.5, 3),
    row("expi", 0.5, 2, complex=True),
    row("exp1", 0.5, 2, complex=True),
    *[pair(name) for name in ("xlogy", "xlog1py", "rel_entr", "kl_div", "pseudo_huber", "powm1")],
    *[pair(name) for name in ("beta", "betaln", "poch", "binom")],
    call("huber", lambda delta, r: sp.huber(delta / 4, r), positive(3, 4), nonzero(3, 4), broadcasts=True),
    call("huber inside", lambda delta, r: sp.huber(3 + delta, r), positive(3, 4), nonzero(3, 4)),
    call("pseudo_huber negative", sp.pseudo_huber, positive(4), normal(4)),
    call("wofz", lambda x: sp.wofz(x * (1 + 0.5j)).real, between(0.2, 2, 4)),
    call("jv", lambda x: sp.jv(1.5, x), positive(4), complex=True),
    call("yv", lambda x: sp.yv(1.5, x), positive(4), complex=True),
    call("yn", lambda x: sp.yn(3, x), positive(4)),
    call("iv", lambda x: sp.iv(1.5, x), positive(4), complex=True),
    call("ive", lambda x: sp.ive(1.5, x), positive(4)),
    call("kn", lambda x: sp.kn(3, x), positive(4)),
    call("kv", lambda x: sp.kv(1.5, x), positive(4), complex=True),
    call("kve", lambda x: sp.kve(1.5, x), positive(4), complex=True),
    call("gammainc", lambda x: sp.gammainc(1.5, x), positive(4)),
    call("gammaincc", lambda x: sp.gammaincc(1.5, x), positive(4)),
    call("gammaincinv", lambda y: sp.gammaincinv(1.5, y), between(0.2, 0.8, 4)),
    call("gammainccinv", lambda y: sp.gammainccinv(1.5, y), between(0.2, 0.8, 4)),
    call("betainc", lambda x: sp.betainc(1.5, 2.5, x), between(0.2, 0.8, 4)),
    call("betaincc", lambda x: sp.betaincc(1.5, 2.5, x), between(0.2, 0.8, 4)),
    call("betaincinv", lambda y: sp.betaincinv(1.5, 2.5, y), between(0.2, 0.8, 4)),
    call("betainccinv", lambda y: sp.betainccinv(1.5, 2.5, y), between(0.2, 0.8, 4)),
    call("hyp0f1", lambda z: sp.hyp0f1(1.5, z), normal(4), complex=True),
    call("hyp1f1", lambda x: sp.hyp1f1(1.5, 2.5, x), normal(4), complex=True),
    call("hyp2f1", lambda z: sp.hyp2f1(0.5, 1.5, 2.5, z), between(-0.8, 0.8, 4), complex=True),
    call("expn", lambda x: sp.expn(4, x), positive(4)),
]
