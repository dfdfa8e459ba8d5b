"""An array that a module learns."""

from __future__ import annotations

from typing import Any

from ..tensor import Tensor


class Parameter(Tensor):
    """A Tensor that `Module` finds among its attributes and that an optimizer changes.

    Parameters
    ----------
    data : array_like
        Floating-point numbers. The array is used as it is, not copied.
    requires_grad : bool, default=True
        False freezes it.

    Examples
    --------
    >>> Parameter([1.0, 2.0])
    Parameter([1., 2.], requires_grad=True)
    """

    __slots__ = ()

    def __init__(self, data: Any, requires_grad: bool = True) -> None:
        super().__init__(data, requires_grad)

    def __repr__(self) -> str:
        return super().__repr__().replace("Tensor", "Parameter", 1)
