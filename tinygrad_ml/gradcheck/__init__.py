"""Gradient checking: a verdict without tolerances, three witnesses, and the name of the operation that is wrong."""
