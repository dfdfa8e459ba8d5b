"""New arrays of the kind that a given one is: NumPy's, or those of another library that speaks its protocols.

Constants that a rule calculates with must be where its arguments are: a GPU's library refuses NumPy's arrays. NumPy's
functions that make arrays take ``like=`` for that (NEP 35).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def foreign(x: Any) -> Any:
    """The array of another library that `x` is or that a Tensor holds; None of what is NumPy's, and of numbers."""
    while hasattr(type(x), "_apply"):  # ours, around another array
        x = x._data
    return None if isinstance(x, (np.ndarray, np.generic)) or not hasattr(x, "__array_function__") else x


def kin(like: Any, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What `function` makes, `np.eye` for example, as an array of like's kind."""
    other = None if type(like) is np.ndarray else foreign(like)
    return function(*args, **kwargs) if other is None else function(*args, **kwargs, like=other)


def brought_to(like: Any, x: Any) -> Any:
    """`x` as an array: numbers, lists and NumPy's arrays of like's kind, all others as they are."""
    if hasattr(x, "dtype") and (type(like) is np.ndarray or not isinstance(x, (np.ndarray, np.generic))):
        return x
    return kin(like, np.asarray, x)


def placed(like: Any, x: Any) -> Any:
    """`x` as an array: numbers and lists, which are nowhere yet, of like's kind, all others as they are."""
    return x if hasattr(x, "dtype") else kin(like, np.asarray, x)
