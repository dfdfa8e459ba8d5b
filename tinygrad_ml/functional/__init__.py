"""Activations and losses, for arrays and Tensors alike; names and arguments are PyTorch's."""

from .activations import elu, gelu, leaky_relu, relu, sigmoid, silu, softplus, tanh
from .convolution import conv1d, conv2d
from .linear import linear
from .losses import binary_cross_entropy_with_logits, cross_entropy, huber_loss, mse_loss
from .normalization import batch_norm, layer_norm
from .pooling import avg_pool2d, max_pool2d
from .softmax import log_softmax, logsumexp, softmax

__all__ = [
    "avg_pool2d",
    "batch_norm",
    "binary_cross_entropy_with_logits",
    "conv1d",
    "conv2d",
    "cross_entropy",
    "elu",
    "gelu",
    "huber_loss",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log_softmax",
    "logsumexp",
    "max_pool2d",
    "mse_loss",
    "relu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "tanh",
]
