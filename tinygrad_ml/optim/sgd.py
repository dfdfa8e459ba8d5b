"""Steps down the gradient."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from .block import Block
from .optimizer import Optimizer


class SGD(Optimizer):
    """Stochastic gradient descent: ``p <- p - lr b`` with ``b <- momentum b + (1 - dampening) g``.

    The first `b` is the gradient `g`. With `nesterov` the step is along ``g + momentum b`` (Sutskever et al. 2013).

    Parameters
    ----------
    params : iterable
        Parameters, pairs of name and parameter, or groups; see `Optimizer`.
    lr : float, default=1e-3
    momentum, dampening : float, default=0
    weight_decay : float, default=0
        This much of the parameter is added to its gradient.
    nesterov : bool, default=False
    maximize : bool, default=False
        Go up instead.

    Examples
    --------
    >>> import tinygrad_ml as tg
    >>> w = tg.nn.Parameter([3.0])
    >>> optimizer = SGD([w], lr=0.1)
    >>> for _ in range(50):
    ...     optimizer.zero_grad()
    ...     ((w - 1) ** 2).sum().backward()
    ...     optimizer.step()
    >>> print(w.numpy().round(4))
    [1.]
    """

    _not_negative = ("lr", "momentum", "weight_decay")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {"lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay,
             "nesterov": nesterov, "maximize": maximize},
        )  # fmt: skip

    def _check(self, group: dict[str, Any], label: str) -> None:
        super()._check(group, label)
        if group["nesterov"] and (group["momentum"] == 0 or group["dampening"] != 0):
            raise ValueError(
                f"SGD: nesterov needs a momentum above 0 and no dampening, got momentum={group['momentum']} and "
                f"dampening={group['dampening']} for {label}"
            )

    def _update(self, block: Block, group: dict[str, Any]) -> None:
        g, momentum = block.gradient, group["momentum"]
        if group["weight_decay"]:
            g += np.multiply(block.data, group["weight_decay"], out=block.work)
        if momentum and "momentum_buffer" not in block.state:
            block.state["momentum_buffer"] = g.copy()
            if group["nesterov"]:
                g *= 1 + momentum
        elif momentum:
            buffer = block.state["momentum_buffer"]
            buffer *= momentum
            buffer += np.multiply(g, 1 - group["dampening"], out=block.work) if group["dampening"] else g
            if group["nesterov"]:
                g += np.multiply(buffer, momentum, out=block.work)
            else:
                g = buffer
        block.data -= np.multiply(g, group["lr"], block.work)
