"""Steps of a quasi-Newton method."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..graph import enable_grad
from .optimizer import Optimizer


class LBFGS(Optimizer):
    """Limited-memory BFGS, which is SciPy's L-BFGS-B (Byrd et al. 1995), over all parameters as one vector.

    A step is a whole minimisation of at most `max_iter` iterations. The length of an iteration is found by a line
    search, so there is no rate.

    Parameters
    ----------
    params : iterable
        Parameters, or pairs of name and parameter, in one group.
    max_iter : int, default=20
        Iterations a step.
    max_eval : int, optional
        Evaluations of the closure a step; 1.25 `max_iter` by default.
    tolerance_grad : float, default=1e-7
        Stop where no element of the gradient is larger.
    tolerance_change : float, default=1e-9
        Stop where an iteration lowers the loss by less, relative to a loss above 1.
    history_size : int, default=100
        Pairs of steps and gradients that are remembered within a step.

    Attributes
    ----------
    result : scipy.optimize.OptimizeResult or None
        What SciPy says of the last step: how many iterations it took, whether it converged.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_ml as tg
    >>> x = tg.nn.Parameter([-1.2, 1.0])
    >>> optimizer = LBFGS([x], max_iter=100)
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2
    ...     loss.backward()
    ...     return loss
    >>> float(optimizer.step(closure).numpy().round(1))
    24.2
    >>> print(x.numpy().round(4))
    [1. 1.]
    """

    _not_negative = ("tolerance_grad", "tolerance_change")

    def __init__(
        self,
        params: Iterable[Any],
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
    ) -> None:
        self.result: Any = None
        super().__init__(
            params,
            {"max_iter": max_iter, "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
             "tolerance_grad": tolerance_grad, "tolerance_change": tolerance_change, "history_size": history_size},
        )  # fmt: skip

    def add_param_group(self, group: dict[str, Any]) -> None:
        """Take the parameters; there is one group only."""
        if self.param_groups:
            raise ValueError("LBFGS: all parameters are one vector with the same options; pass them in one group")
        super().add_param_group(group)

    def _check(self, group: dict[str, Any], label: str) -> None:
        super()._check(group, label)
        for name in ("max_iter", "max_eval", "history_size"):
            if group[name] < 1:
                raise ValueError(f"LBFGS: {name} must be 1 or more, got {group[name]} for {label}")

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Minimise the loss that `closure` computes.

        Parameters
        ----------
        closure : callable
            Forgets the gradients, computes the loss, calls its ``backward()`` and returns it; called many times.

        Returns
        -------
        What the closure returned at first.

        Raises
        ------
        TypeError
            Without a closure, or where it does not return the loss.
        RuntimeError
            Where no parameter has a gradient.
        """
        if closure is None:
            raise TypeError(
                "LBFGS.step: needs a closure, a function that calls zero_grad(), computes the loss, calls its "
                "backward() and returns it"
            )
        from scipy.optimize import minimize  # loaded by those who use it

        losses: list[Any] = []

        def evaluate(x: np.ndarray) -> tuple[float, np.ndarray]:
            self._write(x)
            with enable_grad():
                losses.append(closure())
            if losses[-1] is None or np.size(losses[-1]) != 1:
                raise TypeError(f"LBFGS.step: the closure must return the loss, a single number, got {losses[-1]!r}")
            return float(losses[-1]), self._gradient()

        start, group = self._read(), self.param_groups[0]
        try:
            self.result = minimize(
                evaluate,
                start,
                jac=True,
                method="L-BFGS-B",
                options={
                    "maxiter": group["max_iter"], "maxfun": group["max_eval"], "gtol": group["tolerance_grad"],
                    "ftol": group["tolerance_change"], "maxcor": group["history_size"],
                },
            )  # fmt: skip
        except BaseException:
            self._write(start)
            raise
        self._write(self.result.x)
        return losses[0]

    def _read(self) -> np.ndarray:
        """All parameters as one vector in double precision, in which SciPy calculates."""
        blocks = self._blocks[0]
        for block in blocks:
            block.attach()
        return np.concatenate([block.data for block in blocks], dtype=np.float64)

    def _write(self, x: np.ndarray) -> None:
        start = 0
        for block in self._blocks[0]:
            block.attach()
            block.data[...] = x[start : start + block.data.size]
            start += block.data.size

    def _gradient(self) -> np.ndarray:
        """As one vector; 0 for parameters without a gradient, which then stay where they are."""
        parameters = [parameter for block in self._blocks[0] for parameter in block.parameters]
        if all(parameter.grad is None for parameter in parameters):
            raise self._without_gradients()
        gradients = [np.zeros(p.shape) if p.grad is None else p.grad for p in parameters]
        return np.concatenate(gradients, axis=None, dtype=np.float64)
