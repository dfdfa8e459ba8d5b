"""Gradient checking: a verdict without tolerances, three witnesses, and the name of the operation that is wrong.

Three witnesses tell the derivative of a function along a direction: the gradient that is checked, the complex step,
and finite differences with a bound of their error. `check_gradient` compares them for functions, `check_module` for
modules, `check_model` for models with a gradient by hand; `blame` finds the operation whose rule is wrong.
"""

from ..graph import watching
from .blame import blame
from .check import check_gradient
from .culprits import Blame, Culprit
from .module import check_module
from .numeric import Derivative, derivative
from .report import Report, Row, Verdict
from .testing import assert_gradient
from .three_way import check_model

__all__ = [
    "Blame",
    "Culprit",
    "Derivative",
    "Report",
    "Row",
    "Verdict",
    "assert_gradient",
    "blame",
    "check_gradient",
    "check_model",
    "check_module",
    "derivative",
    "watching",
]
