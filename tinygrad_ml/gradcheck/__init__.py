"""Gradient checking: a verdict without tolerances, three witnesses, and the name of the operation that is wrong."""

from .check import check_gradient
from .numeric import Derivative, derivative
from .report import Report, Row, Verdict
from .testing import assert_gradient

__all__ = [
    "Derivative",
    "Report",
    "Row",
    "Verdict",
    "assert_gradient",
    "check_gradient",
    "derivative",
]
