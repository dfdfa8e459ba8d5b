"""What NumPy's functions and ufuncs do on Tensors, and the errors of those that cannot."""

from __future__ import annotations

import difflib
import sys
from typing import Any

import numpy as np

from . import rules  # noqa: F401  (fills the tables)
from .primitive import ADVICE, COMPOSITES, PLAIN, PRIMITIVES, Primitive
from .record import Traced, apply, raw


def call(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What a NumPy function does on Tensors."""
    if kwargs.get("out") is not None:
        raise TypeError(
            f"{function.__name__}: out= is not supported on Tensors, because the graph may still read what it would "
            "overwrite; use the result instead"
        )
    primitive = PRIMITIVES.get(function)
    if primitive is not None:
        return apply(primitive, args, _supported(primitive, kwargs))
    implementation = COMPOSITES.get(function)
    if implementation is not None:
        return implementation(*args, **kwargs)
    if function in PLAIN:
        return function(*raw(args), **{name: raw(value) for name, value in kwargs.items()})
    raise _unsupported(function)


def _supported(primitive: Primitive, kwargs: dict[str, Any]) -> dict[str, Any]:
    """The keywords that were really given, all of which the rules know."""
    if not kwargs:
        return kwargs
    kwargs = {name: value for name, value in kwargs.items() if name != "out" and value is not np._NoValue}
    # Tensors are passed on by position, whatever NumPy calls them.
    unknown = sorted([name for name in kwargs.keys() - primitive.keywords if not isinstance(kwargs[name], Traced)])
    if unknown:
        raise TypeError(
            f"{primitive.name}: {unknown[0]}= is not supported on Tensors; "
            f"supported: {', '.join(sorted(primitive.keywords)) or 'no keywords'}"
        )
    return kwargs


_REDUCTIONS: dict[Any, Any] = {np.add: np.sum, np.multiply: np.prod, np.maximum: np.max, np.minimum: np.min}
_ACCUMULATIONS: dict[Any, Any] = {np.add: np.cumsum, np.multiply: np.cumprod}


def call_ufunc(ufunc: Any, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Ufunc calls with keywords, and the ufunc methods."""
    for name, value in kwargs.items():
        if name == "out" and any(out is not None for out in value):
            raise TypeError(
                f"{ufunc.__name__}: out= (or an in-place operator on an ndarray) would turn a Tensor into plain "
                "numbers; use the result instead"
            )
    if ufunc in PLAIN:
        return getattr(ufunc, method)(*raw(inputs), **kwargs)
    if ufunc not in PRIMITIVES and "scipy.special" in sys.modules:
        from .rules import special  # noqa: F401  (SciPy is loaded only by those who use it)
    if ufunc in COMPOSITES and method == "__call__" and not kwargs:
        return COMPOSITES[ufunc](*inputs)
    primitive = PRIMITIVES.get(ufunc)
    if primitive is None:
        raise _unsupported(ufunc)
    if method == "__call__":
        return apply(primitive, inputs, _supported(primitive, kwargs))
    if method == "reduce" and ufunc in _REDUCTIONS:
        axis = kwargs.pop("axis", 0) if len(inputs) == 1 else inputs[1]
        return _REDUCTIONS[ufunc](inputs[0], axis=axis, **kwargs)
    if method == "accumulate" and ufunc in _ACCUMULATIONS:
        return _ACCUMULATIONS[ufunc](inputs[0], *inputs[1:], **{"axis": 0, **kwargs} if len(inputs) == 1 else kwargs)
    if method == "outer" and not kwargs:
        a, b = inputs
        return ufunc(np.reshape(a, np.shape(a) + (1,) * np.ndim(b)), b)
    raise TypeError(f"np.{ufunc.__name__}.{method}: not supported on Tensors; write it with NumPy functions that are")


def _unsupported(function: Any) -> TypeError:
    name = getattr(function, "__name__", str(function))
    module = str(getattr(function, "__module__", "") or "")
    where = "np." + ("linalg." if "linalg" in module else "fft." if "fft" in module else "")
    if function in ADVICE:
        advice = f" {ADVICE[function]}"
    else:
        known = {key.__name__ for key in (*PRIMITIVES, *COMPOSITES, *PLAIN) if not isinstance(key, Primitive)}
        near = difflib.get_close_matches(name.removeprefix("nan"), sorted(known - {name}), n=3, cutoff=0.6)
        advice = f" The nearest that work: {', '.join(near)}." if near else ""
    return TypeError(
        f"{where if not isinstance(function, np.ufunc) else ''}{name}: has no rule for Tensors.{advice} Declare one "
        "with tg.primitive, or pass x.detach().numpy() where no gradient is wanted."
    )
