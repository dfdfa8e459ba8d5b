"""Shifting and scaling to mean 0 and variance 1."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..kin import brought_to, kin
from ..primitive import define
from ..record import raw
from .activations import _floating

Axes = tuple[int, ...]


def _count(shape: tuple[int, ...], axes: Axes) -> int:
    return math.prod([shape[k] for k in axes])


def _mean(x: Any, axes: Axes) -> Any:
    return np.sum(x, axis=axes, keepdims=True) / _count(x.shape, axes)


def _normalize(x: Any, axes: Axes, eps: float) -> tuple[Any, Any, Any]:
    mean = _mean(x, axes)
    centred = x - mean
    square = centred * centred
    variance = _mean(square, axes)
    return np.multiply(centred, 1 / np.sqrt(variance + eps), out=square), mean, variance


def _normalize_rule(g: Any, ans: Any, x: Any, axes: Axes, eps: float) -> Any:
    normal, _, variance = ans
    to_normal, to_mean, to_variance = g
    scale = np.sqrt(variance + eps)
    pulled: Any = 0
    if to_normal is not None:
        pulled = (to_normal - _mean(to_normal, axes) - normal * _mean(to_normal * normal, axes)) / scale
    if to_mean is not None:
        pulled = pulled + np.broadcast_to(to_mean / _count(x.shape, axes), x.shape)
    if to_variance is not None:
        pulled = pulled + to_variance * (2 / _count(x.shape, axes)) * (normal * scale)
    return pulled


_normalized = define(_normalize, _normalize_rule, outputs=True, name="normalize")


def normalize(x: Any, axes: Axes, eps: float = 1e-5) -> tuple[Any, Any, Any]:
    """``(x - mean) / sqrt(variance + eps)``, the mean and the variance over `axes`, which are kept with length 1.

    With m elements, z the normalized and g the gradient that arrives at them, the gradient of x is
    ``(g - mean(g) - z mean(g z)) / sqrt(variance + eps)`` (Ioffe & Szegedy 2015, section 3).

    Examples
    --------
    >>> import numpy as np
    >>> z, mean, variance = normalize(np.array([[1.0, 3.0], [5.0, 5.0]]), (1,))
    >>> z.round(3)
    array([[-1.,  1.],
           [ 0.,  0.]])
    >>> mean.ravel(), variance.ravel()
    (array([2., 5.]), array([1., 0.]))
    """
    return _normalized(_floating(x), axes, eps)


def _as_rows(x: Any, rank: int) -> Any:
    """`x` with its last `rank` axes merged into one, and all before them."""
    width = math.prod(x.shape[x.ndim - rank :])
    return x.reshape(math.prod(x.shape[: x.ndim - rank]), width)


def _layer_norm(x: Any, w: Any, b: Any, rank: int, eps: float) -> tuple[Any, Any]:
    """The scaled rows, and the rows before they were scaled, with one by their standard deviations."""
    rows = _as_rows(x, rank)
    share = kin(rows, np.full, rows.shape[1], 1 / rows.shape[1], rows.real.dtype)
    normal = rows - (rows @ share)[:, None]  # several times as fast as a sum along a short last axis
    out = normal * normal
    inverse = 1 / np.sqrt(out @ share + eps)[:, None]
    normal *= inverse
    if w is not None:
        out = normal * w.reshape(-1)
    if b is not None:
        out = (normal if w is None else out) + b.reshape(-1)
    return (normal if w is None and b is None else out).reshape(x.shape), (normal, inverse)


def _pulled(g: Any, w: Any) -> Any:
    return g if w is None else g * w


def _layer_norm_x(g: Any, ans: Any, x: Any, w: Any, b: Any, rank: int, eps: float) -> Any:
    axes = _last(x, rank)
    normal, _, variance = _normalized(x, axes, eps)
    return _normalize_rule((_pulled(g, w), None, None), (normal, None, variance), x, axes, eps)


def _layer_norm_x_cached(g: Any, cache: Any, x: Any, w: Any, b: Any, rank: int, eps: float) -> Any:
    normal, inverse = cache
    g = _as_rows(_pulled(g, w), rank)
    share = np.full(g.shape[1], 1 / g.shape[1], g.real.dtype)
    total = normal * (np.einsum("ij,ij->i", g, normal) / -g.shape[1])[:, None]
    total += g
    total -= (g @ share)[:, None]
    total *= inverse
    return total.reshape(x.shape)


def _layer_norm_w(g: Any, ans: Any, x: Any, w: Any, b: Any, rank: int, eps: float) -> Any:
    return np.sum(g * _normalized(x, _last(x, rank), eps)[0], axis=_leading(x, rank))


def _layer_norm_w_cached(g: Any, cache: Any, x: Any, w: Any, b: Any, rank: int, eps: float) -> Any:
    return np.einsum("ij,ij->j", _as_rows(g, rank), cache[0]).reshape(w.shape)


def _layer_norm_b(g: Any, ans: Any, x: Any, w: Any, b: Any, rank: int, eps: float) -> Any:
    return np.sum(g, axis=_leading(x, rank))


def _layer_norm_b_cached(g: Any, cache: Any, x: Any, w: Any, b: Any, rank: int, eps: float) -> Any:
    rows = _as_rows(g, rank)
    return (np.ones(len(rows), rows.real.dtype) @ rows).reshape(b.shape)


def _last(x: Any, rank: int) -> Axes:
    return tuple(range(x.ndim - rank, x.ndim))


def _leading(x: Any, rank: int) -> Axes:
    return tuple(range(x.ndim - rank))


_layer_normalized = define(
    _layer_norm,
    _layer_norm_x,
    _layer_norm_w,
    _layer_norm_b,
    cached_rules=(_layer_norm_x_cached, _layer_norm_w_cached, _layer_norm_b_cached),
    name="layer_norm",
)


def layer_norm(
    input: Any, normalized_shape: int | tuple[int, ...], weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Any:
    """Normalize each sample over its last axes, then scale and shift.

    Parameters
    ----------
    input : array of shape (..., *normalized_shape)
    normalized_shape : int or tuple of int
    weight, bias : arrays of shape normalized_shape, optional
    eps : float

    Raises
    ------
    ValueError
        Where shapes do not match.

    Examples
    --------
    >>> import numpy as np
    >>> layer_norm(np.array([[1.0, 3.0], [5.0, 5.0]]), 2).round(3)
    array([[-1.,  1.],
           [ 0.,  0.]])
    """
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    return scaled_over_last("layer_norm", input, shape, weight, bias, eps)


def scaled_over_last(name: str, x: Any, shape: tuple[int, ...], weight: Any, bias: Any, eps: float) -> Any:
    """What `layer_norm` does; errors begin with `name`."""
    x = _floating(x)
    if not shape or x.shape[-len(shape) :] != shape:
        raise ValueError(
            f"{name}: the input has shape {x.shape}, and its last axes must be normalized_shape={shape}, of one axis "
            "at least"
        )
    for argument, value in (("weight", weight), ("bias", bias)):
        if value is not None and value.shape != shape:
            raise ValueError(f"{name}: {argument} has shape {value.shape}, and must have normalized_shape={shape}")
    return _layer_normalized(x, weight, bias, len(shape), eps)


def batch_norm(
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    """Normalize each channel over all samples and places, then scale and shift.

    Parameters
    ----------
    input : array of shape (n_samples, n_channels, ...)
    running_mean, running_var : arrays of shape (n_channels,), or None
        In training they move by `momentum` towards those of the batch, in place; otherwise they are used.
    weight, bias : arrays of shape (n_channels,), optional
    training : bool, default=False
        Whether to normalize by the mean and variance of the batch.
    momentum : float
    eps : float

    Raises
    ------
    ValueError
        Where shapes do not match, there are no statistics to use, or a batch holds one value for each channel.

    Examples
    --------
    >>> import numpy as np
    >>> mean, variance = np.zeros(1), np.ones(1)
    >>> batch_norm(np.array([[1.0], [3.0]]), mean, variance, training=True).round(3)
    array([[-1.],
           [ 1.]])
    >>> mean, variance
    (array([0.2]), array([1.1]))
    """
    return scaled_over_channels("batch_norm", input, running_mean, running_var, weight, bias, training, momentum, eps)


def scaled_over_channels(
    name: str,
    x: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any,
    bias: Any,
    training: bool,
    momentum: float,
    eps: float,
) -> Any:
    """What `batch_norm` does; errors begin with `name`."""
    x = _floating(x)
    if x.ndim < 2:
        raise ValueError(f"{name}: the input has shape {x.shape}, and must have axes of samples and channels")
    channels = x.shape[1]
    for argument, value in (
        ("running_mean", running_mean), ("running_var", running_var), ("weight", weight), ("bias", bias),
    ):  # fmt: skip
        if value is not None and value.shape != (channels,):
            raise ValueError(
                f"{name}: the input has shape {x.shape} and {channels} channels along axis 1, but {argument} has shape "
                f"{value.shape}"
            )
    across = (channels, *(1,) * (x.ndim - 2))
    if training:
        axes = (0, *range(2, x.ndim))
        count = _count(x.shape, axes)
        if count <= 1:
            raise ValueError(
                f"{name}: the input has shape {x.shape}, which is {count} value for each channel, and a variance needs "
                "two; give a larger batch, or call eval() first"
            )
        out, mean, variance = normalize(x, axes, eps)
        if running_mean is not None:
            _move(running_mean, mean, momentum, 1.0)
        if running_var is not None:
            _move(running_var, variance, momentum, count / (count - 1))
    elif running_mean is None or running_var is None:
        raise ValueError(f"{name}: without running_mean and running_var pass training=True, to use those of the batch")
    else:
        mean, variance = (brought_to(x, running).reshape(across) for running in (running_mean, running_var))
        out = (x - mean) / np.sqrt(variance + eps)
    out = out if weight is None else out * weight.reshape(across)
    return out if bias is None else out + bias.reshape(across)


def _move(running: Any, statistic: Any, momentum: float, factor: float) -> None:
    """Move a running statistic towards that of a batch, in place."""
    running += momentum * (factor * raw(statistic).real.reshape(-1) - running)
