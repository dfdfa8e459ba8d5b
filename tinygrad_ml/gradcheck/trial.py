"""Whether the rules of one recorded operation are right, by two witnesses that read no rule.

The complex step judges first; it is right to rounding and costs two forwards. Whom it accuses, finite differences must
convict. A kink is no crime: there the operation is tried again nearby.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import numeric
from .complex_step import Unavailable, push
from .culprits import Culprit
from .recall import Operation, Point, point_at, repeats, run

#: Rounding errors that are no fault.
_ROUNDINGS = 64
_DRAWS = 2
_NUDGES = 3
_NUDGE = 1e-3


class WrongAnswer(Exception):
    """A rule raised an error, or answered what is no gradient of its argument."""


class Undecided(Exception):
    """Why nothing can be said of an operation."""


@dataclass(frozen=True)
class Side:
    """A rule for one argument of an operation."""

    i: int
    rule: Callable[..., Any]
    shape: tuple[int, ...]
    dtype: Any
    is_cached: bool


class Draws:
    """Random numbers of size 0.5 to 1.5 and of either sign.

    They are cut out of one long array, because to draw each anew takes longer than to test an operation.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._store = np.zeros(0)

    def like(self, x: Any) -> Any:
        """Of x's shape and dtype, 0 where `x` is not finite; None for what has no derivative."""
        x = np.asarray(x)
        if x.dtype.kind not in "fc":
            return None
        drawn = self._cut(x)
        if x.dtype.kind == "c":
            drawn = drawn * np.exp(2j * self._cut(x))
        if not np.isfinite(np.sum(x)):
            drawn = np.where(np.isfinite(x), drawn, 0)
        return drawn.astype(x.dtype, copy=False)[()]

    def _cut(self, x: Any) -> Any:
        if self._store.size < 2 * x.size + 1024:
            size = 4 * x.size + 4096
            self._store = self._rng.uniform(0.5, 1.5, size) * (1 - 2 * self._rng.integers(0, 2, size))
        start = int(self._rng.integers(self._store.size - x.size))
        return self._store[start : start + x.size].reshape(x.shape)


class Trial:
    """An operation at a point, with random directions `us` of its arguments and a random gradient `v` of its result.

    Parameters
    ----------
    operation : Operation
    point : Point
    us : dict of int to array
    v : list of arrays
        One for each result, None for those without a derivative.
    """

    def __init__(self, operation: Operation, point: Point, us: dict[int, Any], v: list[Any]) -> None:
        self.operation, self.point, self.us, self.v = operation, point, us, v
        self.primitive = operation.primitive
        self.parts = list(point.ans) if self.primitive.outputs else [point.ans]
        self._steps: dict[tuple[int, ...], Any] = {}
        self._answers: dict[Side, Any] = {}

    @classmethod
    def drawn(cls, operation: Operation, point: Point, sides: Sequence[Side], draws: Draws) -> Trial:
        parts = list(point.ans) if operation.primitive.outputs else [point.ans]
        used = operation.used if operation.primitive.outputs else (0,)
        v = [draws.like(part) if k in used else None for k, part in enumerate(parts)]
        us = {i: draws.like(point.args[i]) * _rms(point.args[i]) for i in {side.i: None for side in sides}}
        return cls(operation, point, us, v)

    def along(self, us: dict[int, Any], v: list[Any] | None = None) -> Trial:
        """The same operation in another direction, and perhaps with another gradient."""
        other = Trial(self.operation, self.point, us, self.v if v is None else v)
        if v is None:
            other._answers = self._answers
        return other

    # What the rules say

    def answer(self, side: Side) -> Any:
        """The gradient that a rule answers, in double precision."""
        if side not in self._answers:
            self._answers[side] = self._answer(side)
        return self._answers[side]

    def _answer(self, side: Side) -> Any:
        saved, cache = self.point.saved, self.point.cache
        if side.is_cached:
            assert cache is not None
            saved = cache + saved[1:]
        g = self.v if self.primitive.outputs else self.v[0]
        try:
            pulled = side.rule(g, *saved, **self.operation.kwargs)
        except Exception as error:
            raise WrongAnswer(f"raised {type(error).__name__}: {error}") from error
        return conform(pulled, side.shape, side.dtype, self.primitive.broadcasts)

    def analytic(self, sides: Sequence[Side]) -> tuple[float, float]:
        """What the rules make of the directions, and the sum of the magnitudes."""
        terms = [_product(self.answer(side), self.us[side.i]) for side in sides if side.i in self.us]
        return sum([float(np.sum(t)) for t in terms]), sum([float(np.sum(np.abs(t))) for t in terms])

    # What the witnesses say

    def step(self, moving: tuple[int, ...]) -> list[Any]:
        """By the complex step, the change of every result, weighted."""
        if moving not in self._steps:
            us = {i: self.us[i] for i in moving}
            slopes = push(self.primitive, self.point.args, self.operation.kwargs, us, self.point.ans)
            slopes = slopes if self.primitive.outputs else [slopes]
            self._steps[moving] = [_product(slope, v) for v, slope in zip(self.v, slopes, strict=True) if v is not None]
        return self._steps[moving]

    def stepped(self, moving: tuple[int, ...]) -> tuple[float, float]:
        terms = self.step(moving)
        return sum([float(np.sum(t)) for t in terms]), sum([float(np.sum(np.abs(t))) for t in terms])

    def numeric(self, moving: Sequence[int]) -> numeric.Slope:
        """By finite differences, in double precision."""
        wide = [_widened(arg) for arg in self.point.args]

        def phi(t: float) -> Any:
            args = [arg + t * self.us[i] if i in moving else arg for i, arg in enumerate(wide)]
            ans, _ = run(self.primitive, args, self.operation.kwargs)
            return np.concatenate([_flat(part, v) for part, v in zip(self._parts_of(ans), self.v, strict=True)])

        weights = np.concatenate([_flat_weights(v) for v in self.v])
        try:
            return numeric.slope(phi, weights)
        except Exception as error:
            raise Undecided(f"cannot be repeated: {type(error).__name__}: {error}") from error

    def _parts_of(self, ans: Any) -> list[Any]:
        return list(ans) if self.primitive.outputs else [ans]

    @property
    def size(self) -> float:
        """The sum of the magnitudes of the weighted results."""
        return sum(
            [float(np.sum(np.abs(_product(y, v)))) for v, y in zip(self.v, self.parts, strict=True) if v is not None]
        )

    def unit(self, sides: Sequence[Side]) -> float:
        """The rounding error of the coarsest precision that takes part."""
        dtypes = [side.dtype for side in sides]
        dtypes += [np.asarray(y).dtype for y, v in zip(self.parts, self.v, strict=True) if v is not None]
        return max([float(np.finfo(dtype).eps) for dtype in dtypes]) / 2

    def tolerance(self, sides: Sequence[Side], *sizes: float) -> float:
        return _ROUNDINGS * self.unit(sides) * (sum(sizes) + self.size)

    def is_off(self, sides: Sequence[Side]) -> bool:
        """Whether the rules disagree with the complex step."""
        if self.is_elementwise(sides):
            return self._is_off_somewhere(sides)
        answer, size = self.analytic(sides)
        slope, other = self.stepped(tuple([side.i for side in sides]))
        return not abs(answer - slope) <= self.tolerance(sides, size, other)

    def is_elementwise(self, sides: Sequence[Side]) -> bool:
        """Whether every element of the result depends on one of each argument."""
        shape = np.shape(self.parts[0])
        return self.primitive.elementwise and all(side.shape == shape for side in sides)

    def _is_off_somewhere(self, sides: Sequence[Side]) -> bool:
        """Whether any element is off by more than the rounding errors of its own."""
        terms = [_product(self.answer(side), self.us[side.i]) for side in sides]
        (slope,) = self.step(tuple([side.i for side in sides]))
        sizes = sum([np.abs(t) for t in terms]) + np.abs(slope) + np.abs(_product(self.parts[0], self.v[0]))
        off = np.abs(sum(terms) - slope) > _ROUNDINGS * self.unit(sides) * sizes
        return bool(np.any(off))


def sides_of(operation: Operation) -> list[Side]:
    """The rules of an operation, and those that read what its forward cached."""
    sides = []
    for _, rule, i, like in operation.node.edges:
        arg = np.asarray(operation.point.args[i])
        shape, dtype = like or (arg.shape, arg.dtype)
        sides.append(Side(i, rule, shape, dtype, False))
        cached = operation.primitive.rule(i, cached=True)
        if operation.point.cache is not None and cached is not None:
            sides.append(Side(i, cached, shape, dtype, True))
    return sides


def examine(operation: Operation, draws: Draws) -> list[Culprit]:
    """The rules of an operation that are wrong; raises `Undecided` where that cannot be told."""
    sides = sides_of(operation)
    if not any(math.prod(side.shape) for side in sides):
        return []
    culprits: list[Culprit] = []
    for _ in range(_DRAWS):
        trial = Trial.drawn(operation, operation.point, sides, draws)
        for side in list(sides):
            fault = _fault(trial, side)
            if fault is not None:
                culprits.append(fault)
                sides.remove(side)
        suspects = _suspects(trial, sides)
        for side in suspects:
            culprit = _convict(trial, side, draws)
            if culprit is not None:
                culprits.append(culprit)
                sides.remove(side)
        if not sides or trial.is_elementwise(sides):
            break  # of these every element was tested by itself
    return culprits


def _suspects(trial: Trial, sides: Sequence[Side]) -> list[Side]:
    """The rules that disagree with the complex step, or where it is not available with finite differences."""
    suspects: list[Side] = []
    for is_cached in (False, True):
        group = [side for side in sides if side.is_cached == is_cached]
        if not group:
            continue
        try:
            if trial.is_off(group):
                suspects += [side for side in group if len(group) == 1 or trial.is_off([side])]
        except Unavailable:
            found = trial.numeric([side.i for side in group])
            answer, size = trial.analytic(group)
            if found.findings or not _agree(answer, found, trial.unit(group) * size) or not _tells(found, size):
                suspects += group
    return suspects


def _fault(trial: Trial, side: Side) -> Culprit | None:
    """What is wrong with an answer whatever the derivative is."""
    try:
        pulled = trial.answer(side)
    except WrongAnswer as error:
        return _accused(trial.operation, side, "RULE", str(error))
    if np.isfinite(np.sum(pulled)) or np.all(np.isfinite(pulled)):
        return None
    if not all(np.all(np.isfinite(a)) for a in (*trial.parts, trial.point.args[side.i])):
        raise Undecided("its arguments or its result are not finite, nor is its gradient")
    index = tuple([int(k) for k in np.argwhere(~np.isfinite(pulled))[0]])
    u = np.zeros(side.shape)
    u[index] = trial.us[side.i][index].real
    slope = trial.along({side.i: u}).numeric([side.i])
    if slope.findings and not np.isnan(pulled[index]):
        raise Undecided("its derivative is infinite here")
    weighted = f"is {slope.value / float(u[index]):.6g}" if not slope.findings else "does not exist"
    message = f"answers {pulled[index]} at {list(index)} for finite numbers, where the derivative {weighted}"
    return _accused(trial.operation, side, "NONFINITE", message, index=index)


def _accused(operation: Operation, side: Side, kind: str, what: str, **details: Any) -> Culprit:
    name = operation.primitive.argument_name(side.i)
    return operation.culprit(kind, name, f"its {'cached ' * side.is_cached}rule for {name} {what}", **details)


def _convict(flagged: Trial, side: Side, draws: Draws) -> Culprit | None:
    """A culprit where finite differences confirm what the complex step says, here or beside a kink."""
    _check_repeats(flagged)
    reason = "no derivative here"
    for attempt in range(1 + _NUDGES):
        trial = flagged if attempt == 0 else _nudged(flagged.operation, side, draws)
        if trial is None:
            continue
        trial = trial.along({side.i: trial.us[side.i]})
        try:
            is_off = attempt == 0 or _is_off_or_unknown(trial, side)
            return _judged(trial, side) if is_off else None
        except Undecided as error:
            reason = str(error)
        except WrongAnswer:  # nearby only: an answer of the wrong shape has been reported
            continue
    raise Undecided(reason)


def _is_off_or_unknown(trial: Trial, side: Side) -> bool:
    try:
        return trial.is_off([side])
    except Unavailable:
        return True


def _judged(trial: Trial, side: Side) -> Culprit | None:
    """What finite differences say, along the whole direction and, where that passes, at the worst element alone."""
    slope = trial.numeric([side.i])
    if slope.findings:
        raise Undecided(f"no derivative here ({', '.join(slope.findings)})")
    index = _worst_element(trial, side)
    if _contradicts(trial, side, slope):
        return _verdict(trial, side, index, slope)
    closer = _only(trial, side, index)
    if closer is None:
        if not _tells(slope, trial.analytic([side])[1]):
            raise Undecided("neither the complex step nor finite differences tell its derivative")
        return None
    slope = closer.numeric([side.i])
    return _verdict(closer, side, index, slope) if not slope.findings and _contradicts(closer, side, slope) else None


def _contradicts(trial: Trial, side: Side, slope: numeric.Slope) -> bool:
    """Whether finite differences contradict the rule, and side with the complex step where that is available."""
    answer, size = trial.analytic([side])
    rounding = trial.unit([side]) * size
    if _agree(answer, slope, rounding) or _agree(answer, slope, rounding + _appeal(trial, side, answer)):
        return False
    try:
        stepped, _ = trial.stepped((side.i,))
    except Unavailable:
        return True
    return abs(stepped - slope.value) <= 0.1 * abs(answer - slope.value)


def _verdict(trial: Trial, side: Side, index: Any, slope: numeric.Slope) -> Culprit:
    answer, _ = trial.analytic([side])
    error = abs(answer - slope.value) / max(abs(answer), abs(slope.value))
    place = ""
    at = _only(trial, side, index)
    if at is not None:
        g = float(_product(trial.answer(side)[index], 1.0))
        true = at.stepped((side.i,))[0] / float(at.us[side.i][index])
        error = abs(g - true) / max(abs(g), abs(true))
        place = f", the worst at {list(index)}"
    what = (
        f"is off by {error:.1e}{place}; along a random direction it answers {answer:.12g}, and the derivative is "
        f"{slope.value:.12g} (finite differences, bound {slope.bound:.1e})"
    )
    return _accused(trial.operation, side, "RULE", what, error=error, index=index)


def _agree(answer: float, slope: numeric.Slope, rounding: float) -> bool:
    return abs(answer - slope.value) <= slope.bound + _ROUNDINGS * rounding


def _tells(slope: numeric.Slope, size: float) -> bool:
    """Whether agreement with finite differences means anything."""
    return slope.bound <= 1e-2 * max(size, abs(slope.value))


def _check_repeats(trial: Trial) -> None:
    """Finite differences need an operation that gives the same result again."""
    operation = trial.operation
    first, second = (run(trial.primitive, trial.point.args, operation.kwargs)[0] for _ in range(2))
    if not repeats(first, second):
        raise Undecided("gives another result each time it is called")
    if not repeats(first, trial.point.ans):
        raise Undecided("repeated on its arguments, it gives another result than was recorded")


def _appeal(trial: Trial, side: Side, answer: float) -> float:
    """Three times the largest change of the answer at 4 points one unit in the last place away, in roundings.

    A rule cannot be more precise than its input, which the inverse of an ill-conditioned matrix needs.
    """
    rng = np.random.default_rng(0)
    changes = [0.0]
    for _ in range(4):
        args = list(trial.point.args)
        x = np.asarray(args[side.i])
        args[side.i] = x * (1 + np.finfo(x.dtype).eps * rng.choice([-1.0, 1.0], x.shape)).astype(x.dtype)
        try:
            point = point_at(trial.operation.node, tuple(args))
            moved, _ = Trial(trial.operation, point, trial.us, trial.v).analytic([side])
        except Exception:  # beyond the edge of the domain
            continue
        changes.append(abs(moved - answer))
    return 3 * max(changes) / _ROUNDINGS


def _nudged(operation: Operation, side: Side, draws: Draws) -> Trial | None:
    """The operation at arguments a thousandth further off, away from any kink that was hit by chance."""
    args = list(operation.point.args)
    for _, _, i, _ in operation.node.edges:
        x = np.asarray(args[i])
        args[i] = (x + _NUDGE * _rms(x) * draws.like(x)).astype(x.dtype)[()]
    try:
        point = point_at(operation.node, tuple(args))
    except Exception:  # beyond the edge of the domain
        return None
    return Trial.drawn(operation, point, [side], draws)


def _worst_element(trial: Trial, side: Side) -> tuple[int, ...] | None:
    """Where the answer is worst, by halving the elements that move; None where the complex step cannot tell.

    Relative to its own size: the rounding errors of large elements would hide the fault of a small one.
    """
    u = trial.us[side.i]
    if np.iscomplexobj(u):
        return None
    g = trial.answer(side)
    places = np.flatnonzero(np.ones(u.size))
    try:
        while places.size > 1:
            halves = np.array_split(places, 2)
            off = []
            for half in halves:
                part = np.zeros(u.size)
                part[half] = u.reshape(-1)[half]
                part = part.reshape(u.shape)
                slope, size = trial.along({side.i: part}).stepped((side.i,))
                terms = _product(g, part)
                off.append(abs(float(np.sum(terms)) - slope) / (size + float(np.sum(np.abs(terms))) or 1.0))
            places = halves[int(np.argmax(off))]
    except Unavailable:
        return None
    return tuple([int(k) for k in np.unravel_index(int(places[0]), u.shape)])


def _only(trial: Trial, side: Side, index: tuple[int, ...] | None) -> Trial | None:
    """The trial with one element that moves, and only the results that move with it."""
    if index is None:
        return None
    u = np.zeros_like(trial.us[side.i])
    u[index] = trial.us[side.i][index]
    alone = trial.along({side.i: u})
    try:
        moving = iter(alone.step((side.i,)))
    except Unavailable:
        return None
    v = [None if v is None else np.where(next(moving) != 0, v, 0).astype(v.dtype)[()] for v in trial.v]
    return trial.along({side.i: u}, v)


# Arrays


def conform(pulled: Any, shape: tuple[int, ...], dtype: Any, broadcasts: bool) -> Any:
    """The answer of a rule, summed over the axes along which its argument was stretched, in double precision."""
    g = np.asarray(pulled)
    if g.dtype.kind not in "fciub":
        raise WrongAnswer(f"answered {pulled!r}, which is no array of numbers")
    lead = g.ndim - len(shape)
    stretched = broadcasts and lead >= 0 and all(n in (1, m) for n, m in zip(shape, g.shape[lead:], strict=True))
    if g.shape != shape and not stretched:
        raise WrongAnswer(f"answered a gradient of shape {g.shape} for an argument of shape {shape}")
    g = _widened(g)
    while g.ndim > len(shape):
        g = g.sum(axis=0)
    for axis, n in enumerate(shape):
        if g.shape[axis] != n:
            g = g.sum(axis=axis, keepdims=True)
    return g.real if g.dtype.kind == "c" and np.dtype(dtype).kind != "c" else g


def _widened(x: Any) -> Any:
    """Floating-point numbers in double precision; anything else as it is."""
    dtype = getattr(x, "dtype", None)
    return x if dtype is None or dtype.char not in "efF" else x.astype(np.result_type(dtype, np.float64))


def _rms(x: Any) -> float:
    """The root mean square of the finite elements, 1 where that is 0."""
    x = np.abs(np.asarray(x, np.complex128 if np.iscomplexobj(x) else np.float64)).reshape(-1)
    square = float(x @ x) / max(x.size, 1)
    if not 1e-200 < square < 1e200:
        x = x[np.isfinite(x)]
        size = float(np.max(x, initial=0))
        return size * math.sqrt(float(np.mean(np.square(x / size)))) if size > 0 else 1.0
    return math.sqrt(square)


def _product(g: Any, u: Any) -> Any:
    """``Re(g u)``, 0 where `u` is, also beside what is not finite."""
    product = np.real(g * u)
    return product if np.isfinite(np.sum(product)) else np.where(u == 0, 0, product)


def _flat(part: Any, v: Any) -> Any:
    """The results that count as a vector of real numbers: of complex ones the real and then the imaginary parts."""
    if v is None:
        return np.zeros(0)
    part = np.where(v == 0, 0, part).reshape(-1)
    return np.concatenate([part.real, part.imag]) if np.iscomplexobj(v) else part.real


def _flat_weights(v: Any) -> Any:
    if v is None:
        return np.zeros(0)
    v = _widened(np.asarray(v)).reshape(-1)
    return np.concatenate([v.real, -v.imag]) if np.iscomplexobj(v) else v
