"""Every rule with its domain: the cases of all families, from which the tests of the rules are driven."""

from .case import Case
from .cases import elementwise, functional, indexing, products, reduction, shape

FAMILIES = (elementwise, functional, indexing, products, reduction, shape)
CASES: list[Case] = [case for family in FAMILIES for case in family.CASES]
