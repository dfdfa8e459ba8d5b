"""Activations and losses, for arrays and Tensors alike; names and arguments are PyTorch's."""

from .activations import elu, gelu, leaky_relu, relu, sigmoid, silu, softplus, tanh
from .linear import linear
from .losses import binary_cross_entropy_with_logits, cross_entropy, huber_loss, mse_loss
from .softmax import log_softmax, logsumexp, softmax

__all__ = [
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "elu",
    "gelu",
    "huber_loss",
    "leaky_relu",
    "linear",
    "log_softmax",
    "logsumexp",
    "mse_loss",
    "relu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "tanh",
]
