"""Arrays whose rows belong together."""

from __future__ import annotations

from typing import Any

import numpy as np


def aligned(function: str, arrays: tuple[Any, ...]) -> list[np.ndarray]:
    """The arguments as arrays of equally many rows.

    Raises
    ------
    ValueError
        Where there are none, or no rows, or not equally many.
    """
    if not arrays:
        raise ValueError(f"{function}: there are no arrays; give at least one, such as {function}(X, y)")
    converted = [np.asanyarray(array) for array in arrays]
    shapes = ", ".join(str(array.shape) for array in converted)
    if any(array.ndim == 0 for array in converted):
        raise ValueError(
            f"{function}: the arrays have shapes {shapes}, and each must have rows: at least one axis; of a sparse "
            "matrix take toarray()"
        )
    if any(np.ma.is_masked(array) for array in converted):
        raise ValueError(f"{function}: masked values would count as the others; fill them, or leave the rows out")
    if len({len(array) for array in converted}) > 1:
        raise ValueError(f"{function}: the arrays have shapes {shapes}, and their first axes must be of one length")
    if len(converted[0]) == 0:
        raise ValueError(f"{function}: the arrays have shapes {shapes}, and no rows")
    return converted
