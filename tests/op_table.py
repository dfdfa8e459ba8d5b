"""Every rule with its domain: the cases of all families, from which the tests of the rules are driven."""

from .case import Case
from .cases import elementwise, fft, functional, indexing, linalg, products, reduction, shape, special

FAMILIES = (elementwise, functional, indexing, products, reduction, shape, linalg, fft, special)
CASES: list[Case] = [case for family in FAMILIES for case in family.CASES]
