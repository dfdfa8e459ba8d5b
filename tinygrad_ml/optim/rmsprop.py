"""Steps divided by a running size of the gradient."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from .block import Block
from .optimizer import Optimizer


class RMSprop(Optimizer):
    """RMSprop (Hinton 2012): ``p <- p - lr g / (sqrt(s) + eps)`` with ``s <- alpha s + (1 - alpha) g^2``.

    Parameters
    ----------
    params : iterable
        Parameters, pairs of name and parameter, or groups; see `Optimizer`.
    lr : float, default=1e-2
    alpha : float, default=0.99
    eps : float, default=1e-8
    weight_decay : float, default=0
        This much of the parameter is added to its gradient.
    momentum : float, default=0
        Of the steps.
    centered : bool, default=False
        Divide by the running standard deviation instead: the square of the running mean is subtracted from `s`
        (Graves 2013).
    maximize : bool, default=False
        Go up instead.

    Examples
    --------
    >>> import tinygrad_ml as tg
    >>> w = tg.nn.Parameter([1.0])
    >>> (3 * w).sum().backward()
    >>> RMSprop([w], lr=0.1, alpha=0.75).step()
    >>> print(w.numpy().round(6))
    [0.8]
    """

    _not_negative = ("lr", "eps", "weight_decay", "momentum")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {"lr": lr, "alpha": alpha, "eps": eps, "weight_decay": weight_decay, "momentum": momentum,
             "centered": centered, "maximize": maximize},
        )  # fmt: skip

    def _check(self, group: dict[str, Any], label: str) -> None:
        super()._check(group, label)
        if not 0 <= group["alpha"] <= 1:
            raise ValueError(f"RMSprop: alpha must be between 0 and 1, got {group['alpha']} for {label}")

    def _update(self, block: Block, group: dict[str, Any]) -> None:
        g, work, alpha = block.gradient, block.work, group["alpha"]
        if group["weight_decay"]:
            g += np.multiply(block.data, group["weight_decay"], out=work)
        square = block.slot("square_avg")
        np.multiply(g, g, out=work)
        work *= 1 - alpha
        square *= alpha
        square += work
        if group["centered"]:
            mean = block.slot("grad_avg")
            np.subtract(g, mean, out=work)
            work *= 1 - alpha
            mean += work
            np.multiply(mean, mean, out=work)
            np.subtract(square, work, out=work)
            np.maximum(work, 0, out=work)  # the difference of equal numbers may be rounded below 0
            np.sqrt(work, out=work)
        else:
            np.sqrt(square, out=work)
        work += group["eps"]
        g /= work
        if group["momentum"]:
            buffer = block.slot("momentum_buffer")
            buffer *= group["momentum"]
            buffer += g
            g = buffer
        block.data -= np.multiply(g, group["lr"], out=work)
