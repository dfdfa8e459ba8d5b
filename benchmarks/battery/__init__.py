"""Fixed functions on which a gradient checker is judged, each with its gradient written by hand."""

from . import elementary, learning, matrices, rough, scaling, single_precision
from .problem import Problem

#: Functions that have the gradient they come with: every one is a PASS.
SMOOTH: list[Problem] = [
    *elementary.PROBLEMS,
    *scaling.PROBLEMS,
    *matrices.PROBLEMS,
    *learning.PROBLEMS,
    *single_precision.PROBLEMS,
]
#: Points without a derivative, and with one that differences hardly see.
ROUGH: list[Problem] = rough.PROBLEMS
PROBLEMS = [*SMOOTH, *ROUGH]

__all__ = ["PROBLEMS", "ROUGH", "SMOOTH", "Problem"]
