"""Activation functions.

Every branch is taken on the real part, so that a complex perturbation goes through unharmed.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..primitive import define


def _relu(x: Any) -> Any:
    return np.maximum(x, 0)


def _where_positive(g: Any, ans: Any) -> Any:
    """`g` where the answer is positive, else 0."""
    passes = (ans > 0).astype(g.dtype)
    return np.multiply(passes, g, out=passes) if type(g) is type(passes) is np.ndarray else g * passes


def _sigmoid(x: Any) -> Any:
    with np.errstate(over="ignore"):  # exp overflows to inf, whose reciprocal is the right answer 0
        return 1 / (1 + np.exp(-x))


def _softplus(x: Any) -> Any:
    negative = x.real < 0
    return np.where(negative, 0, x) + np.log1p(np.exp(np.where(negative, x, -x)))


_relu_primitive = define(_relu, lambda g, ans, x: _where_positive(g, ans), name="relu", elementwise=True)
_sigmoid_primitive = define(_sigmoid, lambda g, ans, x: g * (ans * (1 - ans)), name="sigmoid", elementwise=True)
_softplus_primitive = define(_softplus, lambda g, ans, x: g * sigmoid(x), name="softplus", elementwise=True)


def relu(x: Any) -> Any:
    """``max(x, 0)``, with derivative 0 at 0.

    Examples
    --------
    >>> import numpy as np
    >>> relu(np.array([-1.0, 0.0, 2.0]))
    array([0., 0., 2.])
    """
    return _relu_primitive(_floating(x))


def leaky_relu(x: Any, negative_slope: float = 0.01) -> Any:
    """``x`` where x > 0, ``negative_slope * x`` elsewhere.

    Examples
    --------
    >>> import numpy as np
    >>> leaky_relu(np.array([-1.0, 0.0, 2.0]))
    array([-0.01,  0.  ,  2.  ])
    """
    x = _floating(x)
    return np.where(_real(x) > 0, x, x * negative_slope)


def elu(x: Any, alpha: float = 1.0) -> Any:
    """``x`` where x > 0, ``alpha (exp(x) - 1)`` elsewhere (Clevert et al. 2016).

    Examples
    --------
    >>> import numpy as np
    >>> elu(np.array([-1.0, 0.0, 2.0])).round(4)
    array([-0.6321,  0.    ,  2.    ])
    """
    x = _floating(x)
    positive = _real(x) > 0
    return np.where(positive, x, alpha * np.expm1(np.where(positive, 0, x)))


def gelu(x: Any, approximate: str = "none") -> Any:
    """``x Phi(x)`` with the normal distribution function Phi (Hendrycks & Gimpel 2016).

    Parameters
    ----------
    x : array_like
    approximate : {"none", "tanh"}
        "tanh" takes ``Phi(x) = (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2``.

    Examples
    --------
    >>> import numpy as np
    >>> gelu(np.array([-1.0, 0.0, 2.0])).round(4)
    array([-0.1587,  0.    ,  1.9545])
    """
    x = _floating(x)
    if approximate == "tanh":
        return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * (x * x * x))))
    if approximate != "none":
        raise ValueError(f"gelu: approximate must be 'none' or 'tanh', got {approximate!r}")
    from scipy.special import erf  # loaded by those who use it

    return 0.5 * x * (1 + erf(x * math.sqrt(0.5)))


def sigmoid(x: Any) -> Any:
    """``1 / (1 + exp(-x))``.

    Examples
    --------
    >>> import numpy as np
    >>> sigmoid(np.array([-1000.0, 0.0, 1000.0]))
    array([0. , 0.5, 1. ])
    """
    return _sigmoid_primitive(_floating(x))


def silu(x: Any) -> Any:
    """``x sigmoid(x)``, also called swish.

    Examples
    --------
    >>> import numpy as np
    >>> silu(np.array([-1.0, 0.0, 2.0])).round(4)
    array([-0.2689,  0.    ,  1.7616])
    """
    x = _floating(x)
    return x * sigmoid(x)


def softplus(x: Any, beta: float = 1.0, threshold: float = math.inf) -> Any:
    """``log(1 + exp(beta x)) / beta``, without overflow; where ``beta x`` is above `threshold`, x itself.

    Examples
    --------
    >>> import numpy as np
    >>> softplus(np.array([-1000.0, 0.0, 20.0])).round(4)
    array([ 0.    ,  0.6931, 20.    ])
    """
    x = _floating(x)
    out = _softplus_primitive(x) if beta == 1 else _softplus_primitive(x * beta) / beta
    return out if threshold == math.inf else np.where(_real(x) * beta > threshold, x, out)


def tanh(x: Any) -> Any:
    """``np.tanh``."""
    return np.tanh(x)


def _floating(x: Any) -> Any:
    """Numbers and lists as arrays, and integers as floating point."""
    dtype = getattr(x, "dtype", None)
    if dtype is None:
        x = np.asarray(x)
        dtype = x.dtype
    return x if dtype.kind in "fc" else x.astype(float)


def _real(x: Any) -> Any:
    return x.real if x.dtype.kind == "c" else x
