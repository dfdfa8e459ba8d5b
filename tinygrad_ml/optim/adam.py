"""Steps measured by running moments of the gradient."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from .block import Block
from .optimizer import Optimizer


class Adam(Optimizer):
    """Adam (Kingma & Ba 2015).

    With running means ``m <- b1 m + (1 - b1) g`` and ``v <- b2 v + (1 - b2) g^2`` the step t is
    ``p <- p - lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)``.

    Parameters
    ----------
    params : iterable
        Parameters, pairs of name and parameter, or groups; see `Optimizer`.
    lr : float, default=1e-3
    betas : (float, float), default=(0.9, 0.999)
    eps : float, default=1e-8
    weight_decay : float, default=0
        This much of the parameter is added to its gradient.
    amsgrad : bool, default=False
        Divide by the largest v so far (Reddi et al. 2018).
    maximize : bool, default=False
        Go up instead.

    Examples
    --------
    >>> import tinygrad_ml as tg
    >>> w = tg.nn.Parameter([3.0])
    >>> optimizer = Adam([w], lr=0.1)
    >>> for _ in range(500):
    ...     optimizer.zero_grad()
    ...     ((w - 1) ** 2).sum().backward()
    ...     optimizer.step()
    >>> print(w.numpy().round(4))
    [1.]
    """

    _not_negative = ("lr", "eps", "weight_decay")
    #: Whether the decay is of the parameters themselves, as PyTorch calls it in its states.
    _decoupled = False

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad,
             "maximize": maximize},
        )  # fmt: skip

    def _check(self, group: dict[str, Any], label: str) -> None:
        super()._check(group, label)
        if len(group["betas"]) != 2 or not all(0 <= beta < 1 for beta in group["betas"]):
            raise ValueError(
                f"{self._name}: betas must be two numbers from 0 to below 1, got {group['betas']} for {label}"
            )
        if group.get("decoupled_weight_decay", self._decoupled) != self._decoupled:
            raise ValueError(
                f"{self._name}: decoupled_weight_decay={not self._decoupled} for {label} is the decay of "
                f"{'Adam' if self._decoupled else 'AdamW'}; use that"
            )

    def _decay(self, block: Block, group: dict[str, Any]) -> None:
        block.gradient += np.multiply(block.data, group["weight_decay"], out=block.work)

    def _update(self, block: Block, group: dict[str, Any]) -> None:
        g, (beta1, beta2) = block.gradient, group["betas"]
        if group["weight_decay"]:
            self._decay(block, group)
        mean, square = block.slot("exp_avg"), block.slot("exp_avg_sq")
        # All in the gradient's own array, so that less has to fit in the processor's cache.
        g *= 1 - beta1
        mean *= beta1
        mean += g
        np.multiply(g, g, out=g)
        g *= (1 - beta2) / (1 - beta1) ** 2
        square *= beta2
        square += g
        if group["amsgrad"]:
            largest = block.slot("max_exp_avg_sq")
            square = np.maximum(largest, square, out=largest)
        # Both corrections of the bias as factors of single numbers: of eps, and of the rate.
        correction = math.sqrt(1 - beta2**block.steps)
        np.sqrt(square, out=g)
        g += group["eps"] * correction
        np.divide(mean, g, out=g)
        g *= group["lr"] * correction / (1 - beta1**block.steps)
        block.data -= g


class AdamW(Adam):
    """Adam that shrinks the parameters themselves: ``p <- (1 - lr weight_decay) p`` (Loshchilov & Hutter 2019).

    Parameters
    ----------
    params, lr, betas, eps, amsgrad, maximize
        As in `Adam`.
    weight_decay : float, default=0.01

    Examples
    --------
    >>> import tinygrad_ml as tg
    >>> w = tg.nn.Parameter([1.0])
    >>> (w * 0).sum().backward()
    >>> AdamW([w], lr=0.1, weight_decay=0.5).step()
    >>> print(w.numpy())
    [0.95]
    """

    _decoupled = True

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)

    def _decay(self, block: Block, group: dict[str, Any]) -> None:
        block.data *= 1 - group["lr"] * group["weight_decay"]
