"""Layers and models: names, arguments and defaults are PyTorch's where PyTorch has the thing."""

from . import init
from .containers import Sequential
from .linear import Linear
from .module import Module
from .parameter import Parameter

__all__ = ["Linear", "Module", "Parameter", "Sequential", "init"]
