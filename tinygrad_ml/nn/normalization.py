"""Layers that shift and scale to mean 0 and variance 1."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..functional.normalization import scaled_over_channels, scaled_over_last
from .module import Module
from .parameter import Parameter


class _BatchNorm(Module):
    """What the batch norms have in common."""

    #: How many axes an input may have, and what they are.
    _ranks: dict[int, str]
    running_mean: Any
    running_var: Any
    num_batches_tracked: Any

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        dtype: Any = np.float64,
        *,
        bias: bool = True,
    ) -> None:
        name = type(self).__name__
        if num_features < 1:
            raise ValueError(f"{name}: num_features must be at least 1, got {num_features}")
        if momentum is not None and not 0 <= momentum <= 1:
            raise ValueError(f"{name}: momentum must be between 0 and 1, or None for plain means, got {momentum}")
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.weight = Parameter(np.ones(num_features, dtype)) if affine else None
        self.bias = Parameter(np.zeros(num_features, dtype)) if affine and bias else None
        self.register_buffer("running_mean", np.zeros(num_features, dtype) if track_running_stats else None)
        self.register_buffer("running_var", np.ones(num_features, dtype) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", np.array(0) if track_running_stats else None)

    def forward(self, x: Any) -> Any:
        name = type(self).__name__
        if x.ndim not in self._ranks or x.shape[1] != self.num_features:
            expected = " or ".join(self._ranks.values())
            raise ValueError(
                f"{name}: the input has shape {x.shape}, and must have shape {expected} with "
                f"num_features={self.num_features} channels"
            )
        momentum = self.momentum
        if self.training and self.track_running_stats:
            self.num_batches_tracked += 1
            momentum = 1 / int(self.num_batches_tracked) if momentum is None else momentum
        return scaled_over_channels(
            name,
            x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            momentum or 0.0,
            self.eps,
        )

    def extra_repr(self) -> str:
        return f"{self.num_features}, eps={self.eps}, momentum={self.momentum}"


class BatchNorm1d(_BatchNorm):
    """Normalize each feature over a batch, then scale and shift (Ioffe & Szegedy 2015).

    Parameters
    ----------
    num_features : int
    eps : float, default=1e-5
        Added to the variance.
    momentum : float or None, default=0.1
        How far the running statistics move towards those of a batch; None makes them the means over all batches.
    affine : bool, default=True
        Whether to scale and shift by parameters.
    track_running_stats : bool, default=True
        False uses the statistics of the batch in evaluation too.
    dtype : default=np.float64
    bias : bool, default=True
        Whether to shift too, where `affine` says to scale.

    Attributes
    ----------
    weight, bias : Parameter of shape (num_features,), or None
    running_mean, running_var : array of shape (num_features,), or None
        What is normalized by in evaluation.
    num_batches_tracked : array of shape (), or None

    Examples
    --------
    >>> import numpy as np
    >>> layer = BatchNorm1d(1)
    >>> layer(np.array([[1.0], [3.0]])).numpy().round(3)
    array([[-1.],
           [ 1.]])
    >>> layer.running_mean
    array([0.2])
    """

    _ranks = {2: "(samples, channels)", 3: "(samples, channels, length)"}


class BatchNorm2d(_BatchNorm):
    """Normalize each channel over all places of all images of a batch, then scale and shift.

    Parameters and attributes are those of `BatchNorm1d`.

    Examples
    --------
    >>> import numpy as np
    >>> BatchNorm2d(3)(np.ones((2, 3, 4, 4))).shape
    (2, 3, 4, 4)
    """

    _ranks = {4: "(samples, channels, height, width)"}


class LayerNorm(Module):
    """Normalize each sample over its last axes, then scale and shift (Ba, Kiros & Hinton 2016).

    Parameters
    ----------
    normalized_shape : int or tuple of int
        The lengths of the last axes.
    eps : float, default=1e-5
        Added to the variance.
    elementwise_affine : bool, default=True
        Whether to scale, and shift, by parameters.
    bias : bool, default=True
        Whether to shift too.
    dtype : default=np.float64

    Attributes
    ----------
    weight, bias : Parameter of shape normalized_shape, or None

    Examples
    --------
    >>> import numpy as np
    >>> LayerNorm(2)(np.array([[1.0, 3.0], [5.0, 5.0]])).numpy().round(3)
    array([[-1.,  1.],
           [ 0.,  0.]])
    """

    def __init__(
        self,
        normalized_shape: int | tuple[int, ...],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        dtype: Any = np.float64,
    ) -> None:
        shape = (normalized_shape,) if isinstance(normalized_shape, (int, np.integer)) else tuple(normalized_shape)
        if not shape or min(shape) < 1:
            raise ValueError(f"LayerNorm: normalized_shape must be one length or more, got {normalized_shape}")
        self.normalized_shape, self.eps, self.elementwise_affine = shape, eps, elementwise_affine
        self.weight = Parameter(np.ones(shape, dtype)) if elementwise_affine else None
        self.bias = Parameter(np.zeros(shape, dtype)) if elementwise_affine and bias else None

    def forward(self, x: Any) -> Any:
        return scaled_over_last("LayerNorm", x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}"
