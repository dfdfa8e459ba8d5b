"""An array that is as strict as those of a GPU's library, around one of NumPy's."""

from __future__ import annotations

from numbers import Number
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

#: Functions, and keywords of others, that CuPy 14 does not have either.
_LACKING: set[Any] = {
    np.astype, np.unstack, np.insert, np.block, np.vecdot, np.matvec, np.vecmat, np.linalg.multi_dot,
    np.linalg.vector_norm, np.linalg.matrix_norm, np.linalg.svdvals, np.linalg.trace, np.linalg.diagonal,
    np.linalg.outer, np.linalg.tensordot, np.linalg.vecdot,
}  # fmt: skip
_LACKING_KEYWORDS: dict[Any, set[str]] = {
    np.sort: {"stable"}, np.argsort: {"stable"}, np.argpartition: {"kind"}, np.take: {"mode"}, np.clip: {"min", "max"},
    np.sum: {"where", "initial"}, np.mean: {"where"}, np.var: {"correction"}, np.std: {"correction"},
    # NumPy hands the device on where it was not given.
    np.eye: {"device"}, np.ones: {"device"}, np.full: {"device"},
    np.linalg.pinv: {"rtol", "hermitian"}, np.linalg.svd: {"hermitian"}, np.linalg.cholesky: {"upper"},
}  # fmt: skip
#: With ``like=`` they bring NumPy's arrays over.
_MAKES = {np.array, np.asarray}
_ATTRIBUTES = {"shape", "ndim", "size", "dtype", "itemsize", "T", "real", "imag"}
_METHODS = {
    "all", "any", "argmax", "astype", "copy", "item", "max", "mean", "min", "ravel", "repeat", "reshape", "sum",
    "swapaxes", "transpose",
}  # fmt: skip


class StrictArray(NDArrayOperatorsMixin):  # type: ignore[misc]
    """It answers NumPy's protocols (NEP 13, 18 and 35), alone or beside its like, numbers and NumPy's scalars.

    As CuPy it takes NumPy's arrays for indices, and for nothing else, is never converted to one unasked, gives 0-d
    arrays where NumPy gives scalars, and of the ufuncs' methods has only `at` with a single array of positions.
    """

    def __init__(self, array: Any) -> None:
        self._array = np.asarray(array)

    def get(self) -> np.ndarray:
        return self._array

    def __getattr__(self, name: str) -> Any:
        if name in _ATTRIBUTES:
            return _wrapped(getattr(self._array, name))
        if name in _METHODS:
            method = getattr(self._array, name)
            return lambda *args, **kwargs: _wrapped(method(*_bare(args), **_bare(kwargs)))
        raise AttributeError(f"StrictArray has no {name}")

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError("implicit conversion to a NumPy array is not allowed")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = (), **kwargs: Any) -> Any:
        if ufunc.__name__ == "_zeta":  # behind SciPy's zeta: CuPy finds a module of this name
            raise TypeError("'module' object is not callable")
        if ufunc in _LACKING or not all(isinstance(x, (StrictArray, np.ndarray, np.generic, Number)) for x in inputs):
            return NotImplemented
        if method == "at":
            getattr(ufunc, method)(*_bare(inputs))
            return None
        if method != "__call__":
            return NotImplemented
        return _wrapped(ufunc(*_bare(inputs), **_bare(kwargs), **({"out": _bare(out)} if out else {})), *out)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if function in _LACKING or not set(types) <= {StrictArray, np.ndarray}:
            return NotImplemented
        if lacking := _LACKING_KEYWORDS.get(function, set()) & kwargs.keys():
            raise TypeError(f"{function.__name__}() got an unexpected keyword argument {lacking.pop()!r}")
        if function in _MAKES:
            return StrictArray(function(*args, **kwargs))
        return _wrapped(function(*_bare(args), **_bare(kwargs)))

    def __getitem__(self, index: Any) -> Any:
        return _wrapped(self._array[_as_index(index)])

    def __setitem__(self, index: Any, value: Any) -> None:
        self._array[_as_index(index)] = _bare(value)

    def __len__(self) -> int:
        return len(self._array)

    def __iter__(self) -> Any:
        return iter([self[k] for k in range(len(self))])

    def __bool__(self) -> bool:
        return bool(self._array)

    def __float__(self) -> float:
        return float(self._array)

    def __int__(self) -> int:
        return int(self._array)

    def __index__(self) -> int:
        return self._array.__index__()

    def __repr__(self) -> str:
        return f"StrictArray({self._array!r})"


def _wrapped(value: Any, *out: Any) -> Any:
    if out:
        return out[0]
    if isinstance(value, (np.ndarray, np.generic)):
        return StrictArray(value)
    if isinstance(value, (tuple, list)):
        parts = [_wrapped(part) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    return value


def _bare(value: Any) -> Any:
    """The arrays inside; a TypeError where there is one of NumPy's among them."""
    if isinstance(value, StrictArray):
        return value._array
    if isinstance(value, np.ndarray) and value.ndim:
        raise TypeError("unsupported type <class 'numpy.ndarray'>")
    if isinstance(value, dict):
        return {name: _bare(part) for name, part in value.items()}
    return type(value)([_bare(part) for part in value]) if isinstance(value, (tuple, list)) else value


def _as_index(index: Any) -> Any:
    if isinstance(index, tuple):
        return tuple([_as_index(part) for part in index])
    return index._array if isinstance(index, StrictArray) else index
