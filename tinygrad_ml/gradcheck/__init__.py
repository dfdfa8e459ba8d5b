"""Gradient checking: a verdict without tolerances, three witnesses, and the name of the operation that is wrong."""

from .numeric import Derivative, derivative

__all__ = ["Derivative", "derivative"]
