"""Steps divided by the size of all gradients so far."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from .block import Block
from .optimizer import Optimizer


class Adagrad(Optimizer):
    """Adagrad (Duchi et al. 2011): ``p <- p - lr_t g / (sqrt(s) + eps)`` with ``s <- s + g^2``.

    The rate of step t is ``lr_t = lr / (1 + (t - 1) lr_decay)``.

    Parameters
    ----------
    params : iterable
        Parameters, pairs of name and parameter, or groups; see `Optimizer`.
    lr : float, default=1e-2
    lr_decay : float, default=0
    weight_decay : float, default=0
        This much of the parameter is added to its gradient.
    initial_accumulator_value : float, default=0
        The first `s`.
    eps : float, default=1e-10
    maximize : bool, default=False
        Go up instead.

    Examples
    --------
    >>> import tinygrad_ml as tg
    >>> w = tg.nn.Parameter([1.0])
    >>> (3 * w).sum().backward()
    >>> Adagrad([w], lr=0.1).step()
    >>> print(w.numpy().round(6))
    [0.9]
    """

    _not_negative = ("lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {"lr": lr, "lr_decay": lr_decay, "weight_decay": weight_decay,
             "initial_accumulator_value": initial_accumulator_value, "eps": eps, "maximize": maximize},
        )  # fmt: skip

    def _update(self, block: Block, group: dict[str, Any]) -> None:
        g, work = block.gradient, block.work
        if group["weight_decay"]:
            g += np.multiply(block.data, group["weight_decay"], out=work)
        total = block.slot("sum", group["initial_accumulator_value"])
        total += np.multiply(g, g, out=work)
        np.sqrt(total, out=work)
        work += group["eps"]
        np.divide(g, work, out=work)
        work *= group["lr"] / (1 + (block.steps - 1) * group["lr_decay"])
        block.data -= work
