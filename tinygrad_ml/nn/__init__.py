"""Layers and models: names, arguments and defaults are PyTorch's where PyTorch has the thing."""

from . import init
from .activations import ELU, GELU, LeakyReLU, LogSoftmax, ReLU, Sigmoid, SiLU, Softmax, Softplus, Tanh
from .attention import MultiheadAttention
from .containers import Sequential
from .linear import Linear
from .module import Module
from .parameter import Parameter
from .recurrent import GRU, LSTM, RNN
from .transformer import TransformerEncoderLayer

__all__ = [
    "ELU",
    "GELU",
    "GRU",
    "LSTM",
    "LeakyReLU",
    "Linear",
    "LogSoftmax",
    "Module",
    "MultiheadAttention",
    "Parameter",
    "RNN",
    "ReLU",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
    "TransformerEncoderLayer",
    "init",
]
