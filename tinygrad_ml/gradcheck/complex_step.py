"""Derivatives by the complex step: the witness that reads no backward rule and has no step to choose.

For an analytic f, ``Im f(x + i h u) / h`` is the derivative of f in the direction u, up to a term in ``h^2``. Nothing
is subtracted, so that h may be as small as ``2^-200`` and the answer is right to rounding. The price is that f must
be analytic: `lifts` says what is computed instead of the functions that are not.

W. Squire and G. Trapp, "Using complex variables to estimate derivatives of real functions" (1998).
"""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..graph import Leaf, Output, enable_grad, watching
from ..primitive import Primitive
from ..tensor import Tensor
from ..transforms import INPUT
from .lifts import LIFTS, Lift, Unavailable
from .linalg_lifts import LINALG_LIFTS

__all__ = ["STEP", "ComplexStep", "Unavailable", "along", "replay"]

#: So small that its square is lost beside 1, and that it does not underflow beside what it multiplies.
STEP = 2.0**-200
#: How far the real part may be from the real forward, relative to the largest number in it or in the arguments: another
#: algorithm may round otherwise in an ill-conditioned problem, but it does not lose half of the digits.
_AGREES = {"d": 2.0**-26, "f": 2.0**-10}
_ROUNDING = 64 * 2.0**-53


class ComplexStep(NamedTuple):
    """A directional derivative, and a bound of its rounding error."""

    value: float
    noise: float


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """No warnings of overflow and the like, and an error where an imaginary part would be thrown away."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.filterwarnings("error", message="Casting complex values to real discards the imaginary part")
        yield


def along(
    f: Callable[..., Any], arrays: Sequence[Any], us: Sequence[Any], rng: np.random.Generator | None = None
) -> ComplexStep:
    """The derivative of ``f(*arrays)``, a single number, in the directions `us`.

    `f` is recorded, and the recorded operations are repeated one by one. Where it cannot be recorded it is handed
    complex arrays, which is right only where all it does is analytic.

    Parameters
    ----------
    f : callable
    arrays : sequence of arrays of float
    us : sequence of arrays or None
        A direction for each array, None for one that stays.
    rng : numpy.random.Generator, optional
        Draws the perturbations that `noise` is estimated by; the same ones at every call by default.

    Returns
    -------
    ComplexStep
        The value and its noise: 8 times the largest change when all inputs of all operations are changed by one unit
        in the last place, twice, and 64 roundings of the value itself.

    Raises
    ------
    Unavailable
        Where the complex step does not tell the derivative.
    ValueError
        Where `f` does not return a single number.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_ml.gradcheck.complex_step import along
    >>> x, u = np.array([-1.0, 2.0]), np.array([1.0, 10.0])
    >>> along(lambda x: np.sum(np.abs(x) ** 3), [x], [u]).value
    117.0
    """
    rng = np.random.default_rng(0) if rng is None else rng
    with quiet():
        slope = _recorded(f, arrays, us) or _handed_complex_arrays(f, arrays, us)
        value, *moved = [slope(None), slope(rng), slope(rng)]
    spread = max([abs(other - value) for other in moved])
    return ComplexStep(value, 8 * spread + _ROUNDING * abs(value))


def replay(root: Tensor, directions: Mapping[Any, Any], rng: np.random.Generator | None = None) -> Any:
    """The derivative of a tensor that was recorded under `watching`, by repeating its operations one by one.

    Parameters
    ----------
    root : Tensor
    directions : mapping of leaf to array
        The direction of each leaf that moves; a leaf is what the Tensor's graph ends in.
    rng : numpy.random.Generator, optional
        Given, all inputs of all operations are changed by about one unit in the last place.

    Returns
    -------
    array of the shape of `root`

    Raises
    ------
    Unavailable
        Where an operation is not analytic, works on complex numbers, or was recorded without `watching`.
    """
    slopes: dict[int, Any] = {leaf.order: u for leaf, u in directions.items()}
    for node in operations(root._node):
        moving = {edge[2]: slopes[edge[0].order] for edge in node.edges if edge[0].order in slopes}
        if not moving:
            continue
        if isinstance(node, Output):
            slopes[node.order] = next(iter(moving.values()))[node.index]
            continue
        if node.primitive is INPUT:
            slopes[node.order] = next(iter(moving.values()))
            continue
        details = node.details
        if details is None or details.args is None:
            raise Unavailable(f"{node.primitive.name} was not recorded under watching()")
        args = details.args
        if rng is not None:
            args = tuple([_wobble(arg, rng) for arg in args])
        slopes[node.order] = push(node.primitive, args, node.kwargs or {}, moving, details.ans)
    found = slopes.get(root._node.order)
    return np.zeros(root.shape) if found is None else found


def operations(root: Any) -> list[Any]:
    """The operations and outputs behind the node `root`, the oldest first."""
    found: dict[int, Any] = {}
    stack = [root]
    while stack:
        node = stack.pop()
        if node.order not in found and not isinstance(node, Leaf):
            found[node.order] = node
            stack.extend([edge[0] for edge in node.edges])
    return [found[order] for order in sorted(found, reverse=True)]


def push(
    primitive: Primitive, args: Sequence[Any], kwargs: Mapping[str, Any], directions: Mapping[int, Any], ans: Any
) -> Any:
    """The derivative of one operation in the given directions of its arguments; call it in `quiet`.

    Parameters
    ----------
    primitive : Primitive
    args, kwargs
        What it is applied to: real arrays.
    directions : mapping of int to array
        By the numbers of the arguments that move.
    ans : array or tuple of arrays
        The real result, of which the real part must be that of the complex one.

    Returns
    -------
    array, or where the operation has several results a list, with None for results that have no derivative
    """
    perturbed = list(args)
    for i, u in directions.items():
        perturbed[i] = _step(primitive, np.asarray(args[i]), u)
    outs = ans if primitive.outputs else [ans]
    if any(np.iscomplexobj(out) for out in outs) or any(np.iscomplexobj(arg) for arg in args if hasattr(arg, "dtype")):
        raise Unavailable(f"{primitive.name}: works on complex numbers here, and is not analytic in their parts")
    forward = lift(primitive)
    try:
        lifted = forward(*perturbed, **kwargs)
    except Unavailable:
        raise
    except Exception as error:
        raise Unavailable(f"{primitive.name}: fails at complex arguments: {type(error).__name__}: {error}") from error

    def size() -> float:
        return max([_largest(args[i]) for i in directions])

    def change() -> float:
        """What one unit in the last place does, where a badly conditioned problem is computed in another way."""
        rng = np.random.default_rng(0)
        beside = primitive.forward(*[_wobble(arg, rng) for arg in args], **kwargs)
        beside = beside[0] if primitive.cached_rules else beside
        return 0.0 if primitive.outputs else 16 * _largest(np.subtract(beside, ans)) / _AGREES["d"]

    if not primitive.outputs:
        return _slope(primitive, lifted, ans, size, change)
    return [_slope(primitive, part, out, size, change) for part, out in zip(lifted, ans, strict=True)]


def lift(primitive: Primitive) -> Lift:
    """What computes `primitive` at arguments with imaginary parts of the size of `STEP`."""
    function = primitive.function
    known = LIFTS.get(function) or LINALG_LIFTS.get(function)
    if known is None and "tinygrad_ml.rules.special" in sys.modules:  # else nobody has used SciPy's functions
        from .special_lifts import SPECIAL_LIFTS

        known = SPECIAL_LIFTS.get(function)
    if known is None and primitive.cached_rules:
        return lambda *args, **kwargs: primitive.forward(*args, **kwargs)[0]
    return known or primitive.forward


def _step(primitive: Primitive, x: Any, u: Any) -> Any:
    """``x + i h u``, with x left alone to the signs of its zeros."""
    if x.dtype.kind not in "fiu":
        raise Unavailable(f"{primitive.name}: an argument is of dtype {x.dtype}, which no real direction moves")
    z = np.empty(x.shape, np.complex128)
    z.real, z.imag = x, STEP * np.asarray(u, np.float64)
    return z[()]


def _slope(primitive: Primitive, z: Any, ans: Any, *sizes: Callable[[], float]) -> Any:
    """The derivative, from a complex result and the real one."""
    if np.asarray(ans).dtype.kind not in "f":
        return None
    z, ans = np.asarray(z), np.asarray(ans)
    if z.dtype.kind != "c":
        raise Unavailable(f"{primitive.name}: answers real numbers for complex arguments")
    if z.shape != ans.shape or not any(_same(z.real, ans, size) for size in sizes):
        raise Unavailable(f"{primitive.name}: the real part at complex arguments is not the result at real ones")
    return z.imag[()] / STEP


def _same(actual: Any, expected: Any, size: Callable[[], float]) -> bool:
    """Whether two arrays are the same up to rounding in numbers of that size, and finite in the same places."""
    difference = actual - expected
    if not np.isfinite(np.sum(difference)) and not np.array_equal(np.isfinite(actual), np.isfinite(expected)):
        return False
    off = _largest(difference)
    return off == 0 or off <= _AGREES.get(expected.dtype.char, _AGREES["f"]) * max(size(), _largest(expected))


def _largest(x: Any) -> float:
    """The largest of the finite elements in magnitude."""
    largest = float(max(np.max(x, initial=0), -np.min(x, initial=0)))
    return largest if np.isfinite(largest) else float(np.max(np.abs(x), initial=0, where=np.isfinite(x)))


def _wobble(x: Any, rng: np.random.Generator) -> Any:
    """`x` changed by about one unit in the last place."""
    if not isinstance(x, (np.ndarray, np.floating)) or x.dtype.kind != "f":
        return x
    return x * (1 + np.finfo(x.dtype).eps * rng.choice([-1.0, 1.0], x.shape).astype(x.dtype))


def _recorded(f: Callable[..., Any], arrays: Sequence[Any], us: Sequence[Any]) -> Any:
    """The derivative as a function of a generator, or None where `f` does not return something recorded."""
    try:
        tensors = [Tensor(a, requires_grad=True) for a in arrays]
        with watching(), enable_grad():
            out = f(*tensors)
    except Exception:  # whatever it is, it may be no hindrance on plain arrays
        return None
    if not isinstance(out, Tensor) or not out.requires_grad:
        return None
    if out.size != 1:
        raise ValueError(f"complex step: the function must return a single number, returned shape {out.shape}")
    directions = {tensor._node: u for tensor, u in zip(tensors, us, strict=True) if u is not None}
    return lambda rng: float(np.sum(replay(out, directions, rng)))


def _handed_complex_arrays(f: Callable[..., Any], arrays: Sequence[Any], us: Sequence[Any]) -> Any:
    """The derivative as a function of a generator, by calling `f` with complex arrays."""
    name = getattr(f, "__name__", "the function")
    whole = Primitive(f, name=name, forward=lambda *args: np.asarray(f(*args)))
    moving = {i: u for i, u in enumerate(us) if u is not None}

    def slope(rng: np.random.Generator | None) -> float:
        args = [np.asarray(a) if rng is None or i not in moving else _wobble(a, rng) for i, a in enumerate(arrays)]
        ans = whole.forward(*args)
        if ans.size != 1:
            raise ValueError(f"complex step: {name} must return a single number, returned shape {ans.shape}")
        return float(np.sum(push(whole, args, {}, moving, ans)))

    return slope
