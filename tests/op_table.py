"""Every rule with its domain: the cases of all families, from which the tests of the rules are driven."""

from .case import Case
from .cases import elementwise, reduction

CASES: list[Case] = [*elementwise.CASES, *reduction.CASES]
