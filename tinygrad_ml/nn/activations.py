"""Activation functions as layers."""

from __future__ import annotations

from typing import Any

from .. import functional
from .module import Module


class ReLU(Module):
    """``max(x, 0)``.

    Examples
    --------
    >>> import numpy as np
    >>> print(ReLU()(np.array([-1.0, 2.0])))
    [0. 2.]
    """

    def forward(self, x: Any) -> Any:
        return functional.relu(x)


class LeakyReLU(Module):
    """``x`` where x > 0, ``negative_slope * x`` elsewhere.

    Parameters
    ----------
    negative_slope : float, default=0.01

    Examples
    --------
    >>> import numpy as np
    >>> print(LeakyReLU(0.5)(np.array([-1.0, 2.0])))
    [-0.5  2. ]
    """

    def __init__(self, negative_slope: float = 0.01) -> None:
        self.negative_slope = negative_slope

    def forward(self, x: Any) -> Any:
        return functional.leaky_relu(x, self.negative_slope)

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}"


class ELU(Module):
    """``x`` where x > 0, ``alpha (exp(x) - 1)`` elsewhere (Clevert et al. 2016).

    Parameters
    ----------
    alpha : float, default=1.0

    Examples
    --------
    >>> import numpy as np
    >>> print(ELU(2.0)(np.array([-100.0, 2.0])))
    [-2.  2.]
    """

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = alpha

    def forward(self, x: Any) -> Any:
        return functional.elu(x, self.alpha)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}"


class GELU(Module):
    """``x Phi(x)`` with the normal distribution function Phi (Hendrycks & Gimpel 2016).

    Parameters
    ----------
    approximate : {"none", "tanh"}

    Examples
    --------
    >>> import numpy as np
    >>> print(GELU()(np.array([-1.0, 2.0])).round(4))
    [-0.1587  1.9545]
    """

    def __init__(self, approximate: str = "none") -> None:
        if approximate not in ("none", "tanh"):
            raise ValueError(f"GELU: approximate must be 'none' or 'tanh', got {approximate!r}")
        self.approximate = approximate

    def forward(self, x: Any) -> Any:
        return functional.gelu(x, self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class SiLU(Module):
    """``x sigmoid(x)``, also called swish.

    Examples
    --------
    >>> import numpy as np
    >>> print(SiLU()(np.array([-1.0, 2.0])).round(4))
    [-0.2689  1.7616]
    """

    def forward(self, x: Any) -> Any:
        return functional.silu(x)


class Sigmoid(Module):
    """``1 / (1 + exp(-x))``.

    Examples
    --------
    >>> import numpy as np
    >>> print(Sigmoid()(np.array([-1000.0, 0.0])))
    [0.  0.5]
    """

    def forward(self, x: Any) -> Any:
        return functional.sigmoid(x)


class Tanh(Module):
    """``tanh(x)``.

    Examples
    --------
    >>> import numpy as np
    >>> print(Tanh()(np.array([-1000.0, 0.0])))
    [-1.  0.]
    """

    def forward(self, x: Any) -> Any:
        return functional.tanh(x)


class Softplus(Module):
    """``log(1 + exp(beta x)) / beta``.

    Parameters
    ----------
    beta : float, default=1.0
    threshold : float, default=20.0
        Where ``beta x`` is larger, x is taken for it, as in PyTorch; ``inf`` computes it everywhere.

    Examples
    --------
    >>> import numpy as np
    >>> print(Softplus()(np.array([0.0, 1000.0])).round(4))
    [6.931e-01 1.000e+03]
    """

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        if beta <= 0:
            raise ValueError(f"Softplus: beta must be positive, got {beta}")
        self.beta, self.threshold = beta, threshold

    def forward(self, x: Any) -> Any:
        return functional.softplus(x, self.beta, self.threshold)

    def extra_repr(self) -> str:
        return f"beta={self.beta}, threshold={self.threshold}"


class Softmax(Module):
    """``exp(x_i) / sum_j exp(x_j)`` along an axis.

    Parameters
    ----------
    dim : int
        The axis.

    Examples
    --------
    >>> import numpy as np
    >>> print(Softmax(dim=-1)(np.array([[0.0, 0.0, 1000.0]])))
    [[0. 0. 1.]]
    """

    def __init__(self, dim: int) -> None:
        self.dim = _axis("Softmax", dim)

    def forward(self, x: Any) -> Any:
        return functional.softmax(x, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class LogSoftmax(Module):
    """``x_i - log(sum_j exp(x_j))`` along an axis.

    Parameters
    ----------
    dim : int
        The axis.

    Examples
    --------
    >>> import numpy as np
    >>> print(LogSoftmax(dim=-1)(np.array([[0.0, 0.0]])).round(4))
    [[-0.6931 -0.6931]]
    """

    def __init__(self, dim: int) -> None:
        self.dim = _axis("LogSoftmax", dim)

    def forward(self, x: Any) -> Any:
        return functional.log_softmax(x, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


def _axis(layer: str, dim: Any) -> int:
    if dim is None:
        raise ValueError(f"{layer}: dim must be the number of an axis, got None; dim=-1 is the last")
    return int(dim)
