"""`check_gradient` for a test suite."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .check import check_gradient
from .report import Report


def assert_gradient(
    f: Callable[..., Any],
    x: Any,
    gradient: Any = None,
    order: int = 1,
    directions: int = 3,
    rng: int | np.random.Generator | None = None,
) -> Report:
    """Check a gradient and raise AssertionError, with the report as its message, where it is not right.

    Parameters are those of `check_gradient`.

    Returns
    -------
    Report

    Raises
    ------
    AssertionError
        Where the verdict is neither PASS nor a subgradient at a KINK.

    Examples
    --------
    >>> import numpy as np
    >>> report = assert_gradient(lambda x: np.sum(x**3), np.arange(1.0, 4.0), gradient=lambda x: 3 * x**2)
    >>> print(report.verdict)
    PASS
    """
    __tracebackhide__ = True
    report = check_gradient(f, x, gradient, order=order, directions=directions, rng=rng)
    if not report.ok:
        raise AssertionError(str(report))
    return report
