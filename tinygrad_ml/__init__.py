"""Autograd for plain NumPy: write NumPy, get derivatives of any order.

Wrap arrays in `Tensor` and call ``backward()``, or hand a function written in plain NumPy to `grad` and its kin.
"""

from typing import TYPE_CHECKING, Any

from . import functional
from .custom import defvjp, primitive
from .functional import (
    elu,
    gelu,
    leaky_relu,
    log_softmax,
    logsumexp,
    relu,
    sigmoid,
    silu,
    softmax,
    softplus,
    tanh,
)
from .graph import enable_grad, no_grad
from .memory import keep_freed_memory
from .tensor import Tensor
from .transforms import grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp

if TYPE_CHECKING:
    from . import data, gradcheck, nn, optim, training

__version__ = "0.1.0"

_LOADED_WHEN_USED = ("data", "gradcheck", "nn", "optim", "training")
tensor = Tensor
keep_freed_memory()

__all__ = [
    "Tensor",
    "data",
    "defvjp",
    "elu",
    "enable_grad",
    "functional",
    "gradcheck",
    "gelu",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "leaky_relu",
    "log_softmax",
    "logsumexp",
    "nn",
    "no_grad",
    "optim",
    "primitive",
    "relu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "tanh",
    "tensor",
    "training",
    "value_and_grad",
    "vjp",
]


def __getattr__(name: str) -> Any:
    """Parts that few programs need are loaded by those that do."""
    if name in _LOADED_WHEN_USED:
        import importlib

        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
