"""Arguments that count things."""

from __future__ import annotations

import operator
from typing import Any


def whole(name: str, value: Any, least: int) -> int:
    """`value`, if it is a whole number from `least`.

    Raises
    ------
    ValueError
        With `name`, if it is not.
    """
    try:
        number = least - 1 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = least - 1
    if number < least:
        raise ValueError(f"{name} must be a whole number from {least}, got {value!r}")
    return number
