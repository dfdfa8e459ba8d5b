"""Discrete Fourier transforms.

A gradient here is transposed and not conjugated, and the matrix of the transform is symmetric: the gradient of
`fft` is `fft` again, with the same normalisation. The other axes follow axis by axis, as in NumPy itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..kin import kin
from ..primitive import composite, define
from .indexing import scatter

#: The normalisation with which the inverse transform has the scale of the forward one.
_OPPOSITE: dict[Any, Any] = {None: "forward", "backward": "forward", "ortho": "ortho", "forward": "backward"}


def _fit(x: Any, length: int, axis: int) -> Any:
    """`x` cut off or filled up with zeros to `length` along `axis`."""
    axis %= x.ndim
    if x.shape[axis] > length:
        return x[(slice(None),) * axis + (slice(length),)]
    if x.shape[axis] < length:
        shape = (*x.shape[:axis], length, *x.shape[axis + 1 :])
        return scatter(x, (slice(None),) * axis + (slice(x.shape[axis]),), shape)
    return x


def _rfft(g: Any, ans: Any, a: Any, n: int | None = None, axis: int = -1, norm: Any = None) -> Any:
    """Half of the spectrum of a real signal: as `fft`, with zeros for the frequencies that are not there."""
    length = a.shape[axis] if n is None else n
    return _fit(np.real(np.fft.fft(g, length, axis, norm)), a.shape[axis], axis)


def _irfft(g: Any, ans: Any, a: Any, n: int | None = None, axis: int = -1, norm: Any = None) -> Any:
    """As `ifft`, where every frequency but the first, and the last of an even number, stands for two."""
    length = g.shape[axis]
    k = kin(g, np.arange, length)
    weight = np.where((k == 0) | (2 * k == length), 1, np.where(2 * k < length, 2, 0)).astype(g.dtype)
    weight = weight.reshape((-1,) + (1,) * (g.ndim - 1 - axis % g.ndim))
    return _fit(np.fft.ifft(g, None, axis, norm) * weight, a.shape[axis], axis)


define(
    np.fft.fft,
    lambda g, ans, a, n=None, axis=-1, norm=None: _fit(np.fft.fft(g, None, axis, norm), a.shape[axis], axis),
)
define(
    np.fft.ifft,
    lambda g, ans, a, n=None, axis=-1, norm=None: _fit(np.fft.ifft(g, None, axis, norm), a.shape[axis], axis),
)
define(np.fft.rfft, _rfft)
define(np.fft.irfft, _irfft)
define(np.fft.fftshift, lambda g, ans, x, axes=None: np.fft.ifftshift(g, axes))
define(np.fft.ifftshift, lambda g, ans, x, axes=None: np.fft.fftshift(g, axes))


@composite(np.fft.hfft)
def _hfft(a: Any, n: int | None = None, axis: int = -1, norm: Any = None) -> Any:
    return np.fft.irfft(np.conjugate(a), n, axis, _OPPOSITE[norm])


@composite(np.fft.ihfft)
def _ihfft(a: Any, n: int | None = None, axis: int = -1, norm: Any = None) -> Any:
    return np.conjugate(np.fft.rfft(a, n, axis, _OPPOSITE[norm]))


def _lengths(a: Any, s: Any, axes: Any) -> list[tuple[int | None, int]]:
    """The (n, axis) of the transforms along single axes; n is None for the length that is there."""
    if axes is None:
        axes = range(a.ndim) if s is None else range(-len(s), 0)
    return [(None if n == -1 else n, axis) for n, axis in zip([-1] * len(axes) if s is None else s, axes, strict=True)]


def _along_axes(transform: Callable[..., Any], default: Any) -> Callable[..., Any]:
    def along_axes(a: Any, s: Any = None, axes: Any = default, norm: Any = None) -> Any:
        for n, axis in reversed(_lengths(a, s, axes)):
            a = transform(a, n, axis, norm)
        return a

    return along_axes


def _real_along_axes(default: Any) -> Callable[..., Any]:
    def rfftn(a: Any, s: Any = None, axes: Any = default, norm: Any = None) -> Any:
        *others, last = _lengths(a, s, axes)
        a = np.fft.rfft(a, *last, norm)
        for n, axis in reversed(others):
            a = np.fft.fft(a, n, axis, norm)
        return a

    return rfftn


def _to_real_along_axes(default: Any) -> Callable[..., Any]:
    def irfftn(a: Any, s: Any = None, axes: Any = default, norm: Any = None) -> Any:
        *others, (n, axis) = _lengths(a, s, axes)
        if s is not None and n is None:
            n = a.shape[axis]
        for m, other in others:
            a = np.fft.ifft(a, m, other, norm)
        return np.fft.irfft(a, n, axis, norm)

    return irfftn


for _default, _names in ((None, "fftn ifftn rfftn irfftn"), ((-2, -1), "fft2 ifft2 rfft2 irfft2")):
    _fftn, _ifftn, _rfftn, _irfftn = (getattr(np.fft, name) for name in _names.split())
    composite(_fftn)(_along_axes(np.fft.fft, _default))
    composite(_ifftn)(_along_axes(np.fft.ifft, _default))
    composite(_rfftn)(_real_along_axes(_default))
    composite(_irfftn)(_to_real_along_axes(_default))
