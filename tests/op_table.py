"""Every rule with its domain: the cases of all families, from which the tests of the rules are driven."""

from .case import Case
from .cases import indexing, reduction, shape

CASES: list[Case] = [*reduction.CASES, *shape.CASES, *indexing.CASES]
