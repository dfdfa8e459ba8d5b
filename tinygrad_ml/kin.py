"""New arrays of the kind that a given one is: NumPy's, or those of another library that speaks its protocols.

Constants that a rule calculates with must be where its arguments are: CuPy's arrays on a GPU refuse NumPy's.
`np.asarray` takes ``like=`` for that (NEP 35). A user's own NumPy array stays where it is, and the library
decides whether it goes with its arrays; only labels, weights and masks of losses and layers are brought over.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

_NUMPYS = (np.ndarray, np.generic)


def foreign(x: Any) -> Any:
    """The array of another library that `x` is or that a Tensor holds; None of what is NumPy's, and of numbers."""
    while not isinstance(x, _NUMPYS):
        if not hasattr(type(x), "_apply"):  # which Tensors have, and whatever else of ours is around an array
            return x if hasattr(x, "__array_function__") else None
        x = x._data
    return None


def kin(like: Any, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What `function` makes, `np.eye` for example, as an array of like's kind.

    NumPy makes it, and `np.asarray` brings it over: with ``like=``, `np.eye` and others hand on arguments that were not
    given, and that CuPy does not know.
    """
    made, other = function(*args, **kwargs), foreign(like)
    return made if other is None else np.asarray(made, like=other)


def placed(like: Any, x: Any) -> Any:
    """`x` as an array: numbers and lists, which are nowhere yet, of like's kind, all others as they are."""
    if isinstance(x, np.generic):
        return brought_to(like, x)
    return x if hasattr(x, "dtype") else kin(like, np.asarray, x)


def brought_to(like: Any, x: Any) -> Any:
    """`x` as an array: NumPy's too of like's kind, Tensors and arrays of other libraries as they are."""
    if isinstance(x, _NUMPYS):
        other = foreign(like)
        return x if other is None else np.asarray(x, like=other)
    return placed(like, x)
