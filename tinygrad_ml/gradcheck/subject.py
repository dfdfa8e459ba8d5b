"""What is checked: a function of named arrays, and a gradient that claims to be its own."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import tree
from ..transforms import value_and_grad
from .blame import blame
from .complex_step import along
from .numeric import Slope, as_array, as_number, plain, slope

Arrays = list[np.ndarray]


class Subject:
    """A function of named arrays.

    Parameters
    ----------
    caller : str
        Who checks, for error messages.
    title : str
        What is checked.
    names : list of str
    arrays : list of array
        The point, in the precision in which the gradient is evaluated.
    function : callable
        From a list of arrays to a real number.
    gradient : callable
        From a list of arrays to the list of gradients that is checked.
    label : str
        What the report calls the gradient.
    moves : bool
        Whether the gradient can be evaluated at other points than this.
    engine : callable, optional
        From a list of arrays to our own gradient, where `gradient` is another.
    complex_step : callable, optional
        ``(arrays, directions)`` to the derivative of the function by the complex step.
    blame : callable, optional
        Names the operations whose rule is wrong.
    """

    def __init__(
        self,
        caller: str,
        title: str,
        names: Sequence[str],
        arrays: Sequence[np.ndarray],
        function: Callable[[Arrays], Any],
        gradient: Callable[[Arrays], Any],
        *,
        label: str,
        moves: bool = True,
        engine: Callable[[Arrays], Any] | None = None,
        complex_step: Callable[[Arrays, list[Any]], Any] | None = None,
        blame: Callable[[np.random.Generator], Any] | None = None,
    ) -> None:
        self.caller, self.title, self.names, self.arrays = caller, title, list(names), list(arrays)
        self._function, self._gradient, self.label, self.moves = function, gradient, label, moves
        self.engine, self._complex_step, self.blame = engine, complex_step, blame
        self.evaluations = 0
        self.notes: list[str] = []
        self.wide = [a.astype(np.result_type(a.dtype, np.float64)) for a in self.arrays]
        self._native = False
        #: The last direction of the complex step, and its answer.
        self._stepped: tuple[list[Any] | None, tuple[float, float] | None] = (None, None)

    def value(self, arrays: Arrays) -> Any:
        """The function, at arrays in double precision."""
        self.evaluations += 1
        if self._native:
            arrays = [a.astype(b.dtype) for a, b in zip(arrays, self.arrays, strict=True)]
        with np.errstate(all="ignore"):
            return as_number(self.caller, self._function(arrays))

    def value_here(self) -> Any:
        """The function at the point; finds out whether it takes double precision."""
        try:
            return self.value([a.copy() for a in self.wide])
        except Exception:
            if all(a.dtype == b.dtype for a, b in zip(self.arrays, self.wide, strict=True)):
                raise
            self._native = True
            value = self.value([a.copy() for a in self.wide])
            self.notes.append(
                "the function takes no double precision, so finite differences see fewer digits than they could"
            )
            return value

    def gradient(self, arrays: Arrays | None = None) -> Arrays:
        """The gradient that is checked, here or at other arrays."""
        with np.errstate(all="ignore"):
            return self._gradient([a.copy() for a in (self.arrays if arrays is None else arrays)])

    def slope(self, direction: list[Any]) -> Slope:
        """The derivative along a direction, None for an array that stays, by finite differences."""

        def along(t: float) -> Any:
            with np.errstate(all="ignore"):
                moved = [a if u is None else a + t * u for a, u in zip(self.wide, direction, strict=True)]
            return self.value(moved)

        return slope(along)

    def only(self, k: int, u: np.ndarray, index: tuple[int, ...] | None = None) -> list[Any]:
        """The direction in which array `k` alone moves, by `u`, and of it only the element at `index`, if given."""
        if index is not None:
            u, whole = np.zeros_like(u), u
            u[index] = whole[index]
        return [u if i == k else None for i in range(len(self.arrays))]

    def complex_slope(self, direction: list[Any]) -> tuple[float, float] | None:
        """The derivative along a direction by the complex step, and its rounding error; None where it has none."""
        if self._complex_step is None or self._native:
            return None
        before, answer = self._stepped
        if before is None or any(u is not v for u, v in zip(direction, before, strict=True)):
            try:
                found = self._complex_step([a.copy() for a in self.wide], direction)
                answer = float(found.value), float(found.noise)
            except Exception:  # Unavailable, or the function's own way of saying that it takes no complex numbers
                answer = None
            self._stepped = direction, answer
        return answer


def from_function(caller: str, f: Callable[..., Any], x: Any, gradient: Any, roots: list[str] | None = None) -> Subject:
    """What a user describes by a function, a point and, perhaps, a gradient; `roots` names the arguments."""
    args, found = arguments(f, x)
    roots = roots or found
    names = [path for arg, root in zip(args, roots, strict=True) for path in tree.paths(arg, root)]
    flat, rebuild = tree.flatten(args)
    if not flat:
        raise TypeError(f"{caller}: x holds no array")
    arrays = [as_array(caller, leaf, name) for leaf, name in zip(flat, names, strict=True)]
    _refuse_aliases(caller, names, arrays)

    def call(function: Callable[..., Any], leaves: Sequence[Any]) -> Any:
        return function(*rebuild([leaf[()] if np.ndim(leaf) == 0 else leaf for leaf in leaves]))

    def ours(leaves: Arrays) -> Arrays:
        _, found = value_and_grad(f, tuple(range(len(args))))(*rebuild(list(leaves)))
        return matched(caller, found, args, roots, names, arrays)

    def theirs(leaves: Arrays) -> Arrays:
        found = call(gradient, leaves) if callable(gradient) else gradient
        is_tuple = len(args) > 1 or args[0] is not x and isinstance(found, tuple)
        return matched(caller, found if is_tuple else (found,), args, roots, names, arrays)

    def complex_step(leaves: Arrays, directions: list[Any]) -> Any:
        return along(lambda *moved: call(f, moved), leaves, directions)

    def find_culprits(rng: np.random.Generator) -> Any:
        return blame(lambda *moved: call(f, moved), *[a.copy() for a in arrays], rng=rng)

    return Subject(
        caller,
        f"gradient of {getattr(f, '__name__', type(f).__name__)}",
        names,
        arrays,
        lambda leaves: call(f, leaves),
        ours if gradient is None else theirs,
        label="engine" if gradient is None else "analytic",
        moves=gradient is None or callable(gradient),
        engine=None if gradient is None else ours,
        complex_step=complex_step,
        blame=find_culprits,
    )


def arguments(f: Callable[..., Any], x: Any) -> tuple[tuple[Any, ...], list[str]]:
    """The arguments of `f` that `x` stands for, and their names.

    A tuple is one argument each, if `f` can be called so; anything else is one argument.
    """
    try:
        signature = inspect.signature(f)
    except (TypeError, ValueError):
        signature = None
    several = isinstance(x, (tuple, list)) and not hasattr(x, "_fields")
    if several and signature is not None:
        several = _takes(signature, len(x)) and (isinstance(x, tuple) or not _takes(signature, 1))
    args = tuple(x) if several and isinstance(x, (tuple, list)) else (x,)
    names = (
        []
        if signature is None
        else [p.name for p in signature.parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    )
    return args, [names[i] if i < len(names) else ("x" if len(args) == 1 else f"x[{i}]") for i in range(len(args))]


def _takes(signature: inspect.Signature, count: int) -> bool:
    try:
        signature.bind(*range(count))
    except TypeError:
        return False
    return True


def _refuse_aliases(caller: str, names: Sequence[str], arrays: Sequence[np.ndarray]) -> None:
    for i, a in enumerate(arrays):
        for k in range(i):
            if a.size and np.may_share_memory(a, arrays[k]) and np.shares_memory(a, arrays[k]):
                raise ValueError(
                    f"{caller}: {names[k]} and {names[i]} share memory, so that neither can be moved alone; "
                    f"pass a copy of one of them ({names[i]}.copy()), or a single argument that is used twice"
                )


def matched(
    caller: str, found: Any, args: Sequence[Any], roots: Sequence[str], names: Sequence[str], arrays: Sequence[Any]
) -> Arrays:
    """The leaves of a gradient, found to be one for each array, of its shape and of a fitting type."""
    if not isinstance(found, (tuple, list)) or len(found) != len(args):
        count = len(found) if isinstance(found, (tuple, list)) else type(found).__name__
        raise ValueError(
            f"{caller}: the gradient of {len(args)} arguments ({', '.join(roots)}) is a tuple with one for each, "
            f"got {count}"
        )
    given: dict[str, Any] = {}
    for part, root in zip(found, roots, strict=True):
        given.update(zip(tree.paths(part, root), tree.flatten(part)[0], strict=True))
    missing, extra = [name for name in names if name not in given], [name for name in given if name not in names]
    if missing or extra:
        raise ValueError(
            f"{caller}: the gradient has another structure than the arguments: "
            + "; ".join(
                [f"none for {', '.join(missing)}"] * bool(missing) + [f"one for {', '.join(extra)}"] * bool(extra)
            )
        )
    gradients = []
    for name, array in zip(names, arrays, strict=True):
        g = np.asarray(plain(given[name]))
        if g.shape != array.shape:
            raise ValueError(f"{caller}: the gradient of {name} has shape {g.shape}, and {name} itself {array.shape}")
        if g.dtype.kind not in ("fc" if array.dtype.kind == "c" else "f"):
            raise TypeError(
                f"{caller}: the gradient of {name} is of dtype {g.dtype}, and {name} itself of {array.dtype}; "
                "return floating-point numbers"
            )
        gradients.append(g)
    return gradients
