"""Operations of one's own: the same table as the package's, open to anyone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .primitive import PRIMITIVES, Primitive, Rule, define


def primitive(
    function: Callable[..., Any], *rules: Rule | None, broadcasts: bool = False, outputs: bool = False
) -> Primitive:
    """Make `function` an operation that is differentiated by its own rules instead of being looked into.

    Use it as a call with the rules, or as a decorator and declare the rules with `defvjp`.

    Parameters
    ----------
    function : callable
        Takes arrays, by position, and options, by keyword; returns an array. It is always handed plain arrays, so it
        may do anything: loop, write in place, call compiled code.
    *rules : callable or None
        For each array argument the vector-Jacobian product ``rule(g, ans, *args, **kwargs)``: from ``g``, the gradient
        at the output ``ans``, to the gradient of the argument. None for arguments without a derivative. Rules are
        written in plain NumPy without in-place writes; then they serve for derivatives of any order.
    broadcasts : bool, default=False
        Whether the function broadcasts its arguments: their gradients are then summed over stretched axes.
    outputs : bool, default=False
        Whether the function returns a tuple of arrays; ``g`` is then a list, with None for unused outputs.

    Returns
    -------
    Primitive
        Call it like the function, with arrays or Tensors.

    Raises
    ------
    TypeError
        For rules that cannot be called.

    Examples
    --------
    A softened absolute value, and a check of its rule by SciPy's finite differences:

    >>> import numpy as np
    >>> import tinygrad_ml as tg
    >>> soft_abs = tg.primitive(lambda x: np.sqrt(x**2 + 1e-2), lambda g, ans, x: g * x / ans)
    >>> f = lambda x: np.sum(soft_abs(x) * np.arange(3.0))
    >>> from scipy.optimize import check_grad
    >>> bool(check_grad(f, tg.grad(f), np.array([-1.0, 0.05, 2.0])) < 1e-6)
    True
    """
    _check("primitive", rules)
    declared = define(function, *rules, broadcasts=broadcasts, outputs=outputs)
    declared.answers_new = False
    return declared


def defvjp(function: Callable[..., Any], *rules: Rule | None) -> Primitive:
    """Declare the rules of a function: of a `primitive`, of one's own, or of one of NumPy's that has none here.

    Parameters
    ----------
    function : callable
        A `primitive`, or any function; NumPy functions and ufuncs are then differentiated wherever they are called.
    *rules : callable or None
        As in `primitive`.

    Returns
    -------
    Primitive

    Raises
    ------
    TypeError
        For rules that cannot be called.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_ml as tg
    >>> @tg.primitive
    ... def cube(x):
    ...     return x**3
    >>> cube = tg.defvjp(cube, lambda g, ans, x: g * 3 * x**2)
    >>> [float(derivative(2.0)) for derivative in (tg.grad(cube), tg.grad(tg.grad(cube)))]
    [12.0, 12.0]
    """
    _check("defvjp", rules)
    known = PRIMITIVES.get(function)
    if known is None:
        return primitive(function, *rules)
    known.set_rules(rules)
    known.answers_new = known.elementwise = False
    return known


def _check(name: str, rules: tuple[Rule | None, ...]) -> None:
    for i, rule in enumerate(rules):
        if rule is not None and not callable(rule):
            raise TypeError(f"{name}: rule {i} must be a function of (g, ans, *args) or None, got {rule!r}")
