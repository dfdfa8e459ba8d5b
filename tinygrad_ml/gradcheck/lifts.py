"""What the complex step computes instead of functions that are not analytic, or that NumPy does not know at complex
arguments: on the real line the same function, and the real part decides every branch.

Written from the definitions, and on purpose without a look at the backward rules, of which these are the witness.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..functional.activations import _relu_primitive
from ..rules.elementwise import _power, clip, sinc_derivative
from ..rules.norms import _length
from ..rules.shape import _astype, _concatenate, _stack

Lift = Callable[..., Any]


class Unavailable(Exception):
    """The complex step cannot tell this derivative; the message says why."""


def negative(z: Any) -> Any:
    """Where the real part is below 0."""
    return np.real(z) < 0


def flip(z: Any) -> Any:
    """``z`` with a positive real part, as ``abs`` would have it; 0 where the real part is 0."""
    return z * np.sign(np.real(z))


def root_of_square(square: Any) -> Any:
    """The square root of a sum of squares, and 0 where all are 0: the square of a tiny imaginary number is below it."""
    zero = np.real(square) <= 0
    return np.where(zero, 0, np.sqrt(np.where(zero, 1, square)))


def power_series(z: Any, coefficients: list[float]) -> Any:
    """``sum_k c_k z^k``."""
    total = np.zeros_like(z)
    for c in coefficients[::-1]:
        total = total * z + c
    return total


# Elementwise


def cbrt(z: Any) -> Any:
    root = np.cbrt(np.real(z))
    zero = root == 0
    return np.where(zero, 0, root * (np.where(zero, 1, z) / np.where(zero, 1, root**3)) ** (1 / 3))


def _arctan2(y: Any, x: Any) -> Any:
    steep = np.abs(np.real(y)) > np.abs(np.real(x))
    low = np.where(steep, -x, y) / np.where(steep, y, np.where(np.real(x) == 0, 1, x))
    turned = np.arctan(low)
    return turned + (np.arctan2(np.real(y), np.real(x)) - np.real(turned))


def _hypot(x: Any, y: Any) -> Any:
    size = np.maximum(np.abs(np.real(x)), np.abs(np.real(y)))
    size = np.where(size == 0, 1, size)
    return size * root_of_square((x / size) ** 2 + (y / size) ** 2)


def _logaddexp(x: Any, y: Any) -> Any:
    top = np.maximum(np.real(x), np.real(y))
    return top + np.log(np.exp(x - top) + np.exp(y - top))


def _logaddexp2(x: Any, y: Any) -> Any:
    top = np.maximum(np.real(x), np.real(y))
    return top + np.log2(np.exp2(x - top) + np.exp2(y - top))


def _larger(x: Any, y: Any) -> Any:
    """Half of each where they are equal; what is not a number wins, as in `np.maximum`."""
    a, b = np.real(x), np.real(y)
    return np.where(a == b, (x + y) / 2, np.where((a > b) | np.isnan(a), x, y))


def _smaller(x: Any, y: Any) -> Any:
    return -_larger(-x, -y)


def _larger_number(x: Any, y: Any) -> Any:
    """What is not a number loses, as in `np.fmax`."""
    return np.where(np.isnan(np.real(x)), y, np.where(np.isnan(np.real(y)), x, _larger(x, y)))


def _clip(x: Any, low: Any, high: Any) -> Any:
    x = np.where(np.real(x) < np.real(low), low, x)
    return np.where(np.real(x) > np.real(high), high, x)


def _to_power(x: Any, y: Any) -> Any:
    """Powers of negative numbers are those of positive ones with a sign: the branch cut of the logarithm is there."""
    flipped = negative(x) & (np.real(y) == np.rint(np.real(y))) & (np.imag(y) == 0)
    if not np.any(flipped):
        return _power(x, y)
    odd = np.real(y) % 2 == 1
    return _power(np.where(flipped, -x, x), y) * np.where(flipped & odd, -1, 1)


def _sinc(z: Any) -> Any:
    near = np.abs(np.real(z)) < 1
    series = power_series(
        (math.pi * np.where(near, z, 0)) ** 2, [(-1) ** k / math.factorial(2 * k + 1) for k in range(16)]
    )
    return np.where(near, series, np.sinc(np.where(near, 1.5, z)))


def _sinc_derivative(z: Any, n: int) -> Any:
    """Term by term near 0; further off by the product rule from ``sin(pi z) = pi z sinc(z)``."""
    near = np.abs(np.real(z)) < 1
    coefficients = [
        (-1) ** (k // 2) * math.pi**k / math.factorial(k + 1) * math.perm(k, n) if k % 2 == 0 else 0.0
        for k in range(n, n + 34)
    ]
    far = np.where(near, 1.5, z)
    value = np.sin(math.pi * far) / (math.pi * far)
    for m in range(1, n + 1):
        value = (math.pi ** (m - 1) * np.sin(math.pi * far + m * math.pi / 2) - m * value) / far
    return np.where(near, power_series(np.where(near, z, 0), coefficients), value)


def _nan_to_num(z: Any, **keywords: Any) -> Any:
    return np.where(np.isfinite(np.real(z)), z, np.nan_to_num(np.real(z), **keywords))


def _same(z: Any, *_: Any, **__: Any) -> Any:
    return z


def _joining(function: Callable[..., Any]) -> Lift:
    return lambda *arrays, dtype=None, **keywords: function(*arrays, **keywords)


# Reductions


def _without_dtype(function: Callable[..., Any]) -> Lift:
    """`function` without its third argument, a dtype that would be real."""
    return lambda z, axis=None, dtype=None, out=None, **keywords: function(z, axis, **keywords)


def _var(z: Any, axis: Any = None, ddof: float = 0, keepdims: bool = False, correction: float | None = None) -> Any:
    squares = np.square(z - np.mean(z, axis=axis, keepdims=True))
    total = np.sum(squares, axis=axis, keepdims=keepdims)
    return total / (np.size(z) / np.size(total) - (ddof if correction is None else correction))


def _extremum(function: Callable[..., Any]) -> Lift:
    """The mean of all that reach the extremum."""

    def lifted(z: Any, axis: Any = None, out: Any = None, keepdims: bool = False) -> Any:
        best = function(np.real(z), axis=axis, keepdims=True)
        reaches = np.real(z) == best
        total = np.sum(np.where(reaches, z, 0), axis=axis, keepdims=keepdims)
        return total / np.sum(reaches, axis=axis, keepdims=keepdims)

    return lifted


def _quantile(z: Any, q: Any, axis: Any = None, method: Any = "linear", keepdims: bool = False, **_: Any) -> Any:
    """Between two of the sorted elements: which two, and where, the same quantile of 0, 1, 2, ... tells."""
    axes = tuple(range(z.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    last = np.moveaxis(z, axes, range(-len(axes), 0))
    last = last.reshape(*last.shape[: last.ndim - len(axes)], -1)
    in_order = np.take_along_axis(last, np.argsort(np.real(last), axis=-1), axis=-1)
    place = np.quantile(np.arange(float(last.shape[-1])), q, method=method)
    below, above = np.floor(place).astype(int), np.ceil(place).astype(int)
    part = place - below
    found = in_order[..., below] * (1 - part) + in_order[..., above] * part
    found = np.moveaxis(found, range(last.ndim - 1, found.ndim), range(np.ndim(q)))
    return np.expand_dims(found, tuple([np.ndim(q) + k % z.ndim for k in axes])) if keepdims else found


def _norm(z: Any, ord: Any, axis: Any, keepdims: bool) -> Any:
    if ord is None or ord == 2:
        size = np.max(np.abs(np.real(z)), initial=0)
        size = size if size > 0 else 1.0
        return size * root_of_square(np.sum(np.square(z / size), axis=axis, keepdims=keepdims))
    if ord == 1:
        return np.sum(flip(z), axis=axis, keepdims=keepdims)
    if math.isinf(ord):
        return _extremum(np.max if ord > 0 else np.min)(flip(z), axis, keepdims=keepdims)
    return np.sum(_to_power(flip(z), ord), axis=axis, keepdims=keepdims) ** (1 / ord)


LIFTS: dict[Any, Lift] = {
    np.absolute: flip,
    np.fabs: flip,
    np.conjugate: _same,
    np.real: _same,
    np.real_if_close: _same,
    np.imag: lambda z: z * 0,
    np.cbrt: cbrt,
    np.arctan2: _arctan2,
    np.hypot: _hypot,
    np.logaddexp: _logaddexp,
    np.logaddexp2: _logaddexp2,
    np.maximum: _larger,
    np.minimum: _smaller,
    np.fmax: _larger_number,
    np.fmin: lambda x, y: -_larger_number(-x, -y),
    np.copysign: lambda x, y: flip(x) * np.copysign(1, np.real(y)) + 0j,
    np.remainder: lambda x, y: x - y * np.floor(np.real(x) / np.real(y)),
    np.fmod: lambda x, y: x - y * np.trunc(np.real(x) / np.real(y)),
    np.power: _to_power,
    np.float_power: _to_power,
    np.degrees: lambda z: z * (180 / math.pi),
    np.rad2deg: lambda z: z * (180 / math.pi),
    np.radians: lambda z: z * (math.pi / 180),
    np.deg2rad: lambda z: z * (math.pi / 180),
    np.sinc: _sinc,
    sinc_derivative.function: _sinc_derivative,
    clip.function: _clip,
    np.nan_to_num: _nan_to_num,
    np.unwrap: lambda z, **keywords: z + (np.unwrap(np.real(z), **keywords) - np.real(z)),
    np.fft.irfft: lambda z, *args, **keywords: (
        np.fft.irfft(np.real(z), *args, **keywords) + 1j * np.fft.irfft(np.imag(z), *args, **keywords)
    ),
    _astype.function: _same,
    **{p.function: _joining(p.function) for p in (_concatenate, _stack)},
    _relu_primitive.function: lambda z: _larger(z, 0),
    **{f: _without_dtype(f) for f in (np.sum, np.mean, np.prod, np.nansum, np.nanmean, np.cumsum, np.cumprod)},
    np.var: _without_dtype(_var),
    np.std: _without_dtype(lambda z, axis, **keywords: root_of_square(_var(z, axis, **keywords))),
    **{f: _extremum(f) for f in (np.max, np.min, np.amax, np.amin, np.nanmax, np.nanmin)},
    np.quantile: _quantile,
    np.percentile: lambda z, q, *args, **keywords: _quantile(z, np.true_divide(q, 100), *args, **keywords),
    np.median: lambda z, axis=None, out=None, overwrite_input=False, keepdims=False: _quantile(
        z, 0.5, axis, keepdims=keepdims
    ),
    _length.function: _norm,
}
