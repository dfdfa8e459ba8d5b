"""Whether the rules of one recorded operation are right, by two witnesses that read no rule.

The complex step judges first; it is right to rounding and costs as much as a few forwards. Whom it accuses, finite
differences must convict. A kink is no crime: there the operation is tried again nearby.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from . import numeric
from .complex_step import Unavailable
from .culprits import Culprit
from .recall import Operation, point_at, repeats, run
from .trial import ROUNDINGS, Draws, Side, Trial, Undecided, WrongAnswer, product, rms

_DRAWS = 2
_NUDGES = 3
_NUDGE = 1e-3


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
    if not operation.primitive.answers_new:
        trial = Trial.drawn(operation, operation.point, sides, draws)
        operation = replace(operation, misleads_complex_step=_misleads_complex_step(trial, sides))
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


def _misleads_complex_step(trial: Trial, sides: Sequence[Side]) -> bool:
    """Whether finite differences contradict the complex step of a function that a user has declared.

    Of ours it is known what they do at complex arguments; theirs may call ``abs``, which forgets the imaginary part.
    """
    moving = tuple(sorted({side.i for side in sides}))
    try:
        stepped, size = trial.stepped(moving)
        slope = trial.numeric(moving)
    except (Unavailable, Undecided):
        return False
    return not slope.findings and not _agree(stepped, slope, trial.unit(sides) * size)


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
    index = numeric.first(~np.isfinite(pulled))
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
        g = float(product(trial.answer(side)[index], 1.0))
        true = at.stepped((side.i,))[0] / float(at.us[side.i][index])
        error = abs(g - true) / max(abs(g), abs(true))
        place = f", the worst at {list(index)}"
    what = (
        f"is off by {error:.1e}{place}; along a random direction it answers {answer:.12g}, and the derivative is "
        f"{slope.value:.12g} (finite differences, bound {slope.bound:.1e})"
    )
    return _accused(trial.operation, side, "RULE", what, error=error, index=index)


def _agree(answer: float, slope: numeric.Slope, rounding: float) -> bool:
    return abs(answer - slope.value) <= slope.bound + ROUNDINGS * rounding


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
    return 3 * max(changes) / ROUNDINGS


def _nudged(operation: Operation, side: Side, draws: Draws) -> Trial | None:
    """The operation at arguments a thousandth further off, away from any kink that was hit by chance."""
    args = list(operation.point.args)
    for _, _, i, _ in operation.node.edges:
        x = np.asarray(args[i])
        args[i] = (x + _NUDGE * rms(x) * draws.like(x)).astype(x.dtype)[()]
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
    places = np.arange(u.size)
    try:
        if trial.is_elementwise([side]):
            return numeric.index_of(u, np.argmax(trial.excess([side])))
        while places.size > 1:
            halves = np.array_split(places, 2)
            off = []
            for half in halves:
                part = np.zeros(u.size)
                part[half] = u.reshape(-1)[half]
                part = part.reshape(u.shape)
                slope, size = trial.along({side.i: part}).stepped((side.i,))
                terms = product(g, part)
                off.append(abs(float(np.sum(terms)) - slope) / (size + float(np.sum(np.abs(terms))) or 1.0))
            places = halves[int(np.argmax(off))]
    except Unavailable:
        return None
    return numeric.index_of(u, places[0])


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
