"""Every rule with its domain: the cases of all families, from which the tests of the rules are driven."""

from .case import Case
from .cases import functional, products, reduction

CASES: list[Case] = [*reduction.CASES, *products.CASES, *functional.CASES]
