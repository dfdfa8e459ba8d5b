"""The verdict on a gradient in one direction, and the search for the element that is wrong."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .numeric import Slope, index_of, length
from .report import Verdict
from .subject import Arrays, Subject

#: A direction: one array for each of the subject's, None for those that stay.
Direction = list[Any]

#: A gradient counts as seen if an error of this relative size would have shown.
_SIGHT = 1e-2
#: The relative rounding error that a gradient is granted at most; it is that of half precision.
_COARSEST = 2.0**-8
#: Finite differences convict nobody of an error that is smaller than this.
_TRUST = 2.0**-36
#: What a derivative of zero is verified relative to: this part of the function and of its change.
_LITTLE = 1e-6


@dataclass
class Judgement:
    """A gradient in one direction, as finite differences see it.

    Attributes
    ----------
    direction : list of array or None
    slope : Slope
        What finite differences saw.
    analytic : float
        The derivative by the gradient that is checked.
    size : float
        The root of the sum of squares of its parts: what relative errors are relative to.
    tolerance : float
        The bound of finite differences and the rounding error of the gradient.
    verdict : Verdict
    reason : str
    inside : bool
        At a kink: whether the gradient lies between the slopes on its two sides.
    is_rough : bool
        Difference quotients do not settle.
    """

    direction: Direction
    slope: Slope
    analytic: float
    size: float
    tolerance: float
    verdict: Verdict = Verdict.PASS
    reason: str = ""
    inside: bool = False
    is_rough: bool = False

    @property
    def resolution(self) -> float:
        """The relative error that would have been seen."""
        scale = self.size
        if scale <= 64 * 2.0**-53 * min(1.0, self.slope.size):  # the gradient is 0, or rounding
            scale = _LITTLE * max(self.slope.rise, self.slope.size)
        return self.tolerance / scale if scale else 0.0 if self.tolerance == 0 else math.inf

    @property
    def is_seen(self) -> bool:
        return self.resolution < _SIGHT


def draw(rng: np.random.Generator, array: np.ndarray, elementwise: bool = False) -> np.ndarray:
    """A direction for `array`: of its root mean square, or of each element's own size.

    No element is moved so little that an error there would go unseen, as a few are with normal numbers.
    """
    size = np.abs(array)
    moved = size[size > 0]
    if elementwise and moved.size:
        scale: Any = np.where(size > 0, size, moved.min())
    else:
        scale = float(np.max(moved, initial=0))
        scale = scale * float(np.sqrt(np.mean(np.square(size / scale)))) if scale > 0 else 1.0
    sign = rng.choice([-1.0, 1.0], array.shape)
    u = rng.uniform(0.5, 1.5, array.shape) * sign
    if array.dtype.kind == "c":
        return np.asarray(u * scale * np.exp(2j * math.pi * rng.uniform(size=array.shape)))
    u = u * scale
    # On a grid so coarse that ``array + t * u`` is exact: its rounding would look like noise of the function.
    grid = np.spacing(size + np.abs(u)) * 2.0**42
    return np.asarray(np.where(np.abs(u) < grid, sign, np.rint(u / grid)) * grid)


def product(gradient: Sequence[np.ndarray], direction: Direction) -> tuple[float, float, float]:
    """``<gradient, direction>``, the root of the sum of squares of its terms, and its rounding error."""
    total, sizes, rounding = 0.0, [], 0.0
    with np.errstate(all="ignore"):
        for g, u in zip(gradient, direction, strict=True):
            if u is None:
                continue
            # In complex directions the gradient points uphill.
            terms = np.real(np.conjugate(g) * u).astype(np.float64, copy=False)
            total += float(np.sum(terms))
            sizes.append(length(terms))
            rounding += min(16 * float(np.finfo(g.dtype).eps), _COARSEST) * sizes[-1]
    return total, math.hypot(*sizes), rounding


def judge(subject: Subject, gradient: Arrays, direction: Direction, rng: np.random.Generator) -> Judgement:
    """The verdict on `gradient` in one direction."""
    found = subject.slope(direction)
    analytic, size, rounding = product(gradient, direction)
    verdict = Judgement(direction, found, analytic, size, found.bound + rounding)
    if "nonfinite" in found.findings:
        verdict.verdict, verdict.reason = Verdict.NONFINITE, "the function is not finite at this point or close to it"
    elif "jump" in found.findings:
        verdict.verdict, verdict.reason = Verdict.JUMP, "the function jumps at this point"
    elif "cusp" in found.findings:
        verdict.verdict, verdict.reason = Verdict.CUSP, "the function has a cusp at this point: its slope is infinite"
    elif not math.isfinite(analytic):
        verdict.verdict, verdict.reason = Verdict.FAIL, "the gradient is not finite where the function is smooth"
    elif "unsettled" in found.findings:
        verdict.verdict, verdict.is_rough = Verdict.INCONCLUSIVE, True
        verdict.reason = "difference quotients do not settle: the function oscillates at all scales, or is too noisy"
    elif "kink" in found.findings:
        low, high = sorted((found.value - found.bend / 2, found.value + found.bend / 2))
        slack = verdict.tolerance + found.bend_bound / 2
        verdict.verdict, verdict.inside = Verdict.KINK, low - slack <= analytic <= high + slack
        verdict.reason = (
            f"the function has a kink at this point, with slopes {low:.10g} and {high:.10g}, and the gradient's "
            f"{analytic:.10g} lies {'between' if verdict.inside else 'outside of'} them"
        )
    elif found.change == 0 and abs(analytic) < 32 * 2.0**-53:
        verdict.verdict = Verdict.INCONCLUSIVE if analytic else Verdict.PASS
        verdict.reason = "the function does not move at all: its change is lost in rounding" if analytic else ""
    elif verdict.tolerance < abs(analytic - found.value) <= _TRUST * size:
        verdict.tolerance = abs(analytic - found.value)
    elif abs(analytic - found.value) > verdict.tolerance and not _has_appealed(subject, gradient, verdict, rng):
        verdict.verdict, verdict.reason = _objection(subject, verdict, rounding)
    elif not verdict.is_seen:
        verdict.verdict = Verdict.INCONCLUSIVE
        verdict.reason = (
            f"finite differences know the derivative only to within {found.bound:.1g}, and it is {analytic:.3g} in "
            "size: the function is too noisy, too steep or too far from smooth here"
        )
    return verdict


def _objection(subject: Subject, judgement: Judgement, rounding: float) -> tuple[Verdict, str]:
    """What it means that finite differences object to the gradient."""
    found, analytic = judgement.slope, judgement.analytic
    distance = abs(analytic - found.value)
    if found.stair and abs(analytic) <= 1e-3 * abs(found.value):
        return Verdict.INCONCLUSIVE, (
            f"the function is a staircase with steps of {found.stair:.1g}: flat close by, as the gradient says, "
            f"but it climbs with {found.value:.6g} from step to step"
        )
    stepped = subject.complex_slope(judgement.direction)
    is_small = distance <= _SIGHT * judgement.size
    if stepped is not None and is_small and abs(stepped[0] - analytic) <= min(stepped[1] + rounding, 0.01 * distance):
        return Verdict.INCONCLUSIVE, (
            f"finite differences object by {distance:.1g}, but the complex step sides with the gradient: the function "
            "is noisier than it shows"
        )
    return Verdict.FAIL, (
        f"the derivative is {found.value:.10g} to within {found.bound:.1g}, and the gradient says {analytic:.10g}"
    )


def _has_appealed(subject: Subject, gradient: Arrays, verdict: Judgement, rng: np.random.Generator) -> bool:
    """Whether the gradient's own rounding error explains the difference, as with the inverse of a bad matrix.

    It is evaluated at four points beside this one, as near as floating-point numbers can be.
    """
    change = 0.0
    for _ in range(4 if subject.moves else 0):
        beside = [
            np.nextafter(a, a + rng.choice([-1, 1], a.shape)) if a.dtype.kind == "f" else a for a in subject.arrays
        ]
        change = max(change, abs(product(subject.gradient(beside), verdict.direction)[0] - verdict.analytic))
    stepped = subject.complex_slope(verdict.direction)
    # The noise of the complex step tells how constants inside of the function that are bad matrices amplify rounding.
    verdict.tolerance += 3 * change + (0.0 if stepped is None else stepped[1])
    return abs(verdict.analytic - verdict.slope.value) <= verdict.tolerance


def worst_element(
    subject: Subject, gradient: Arrays, leaf: int, direction: np.ndarray, derivative: Any
) -> tuple[int, ...]:
    """An element of array `leaf` at which `gradient` is wrong, by halving the direction in which it is.

    ``derivative(direction)`` is the truth, and its error.
    """
    places = np.flatnonzero(direction)
    while len(places) > 1:
        halves = places[: len(places) // 2], places[len(places) // 2 :]
        excess = []
        for half in halves:
            part = np.zeros(direction.shape)
            part.flat[half] = direction.flat[half]
            moved = subject.only(leaf, part)
            analytic, _, rounding = product(gradient, moved)
            truth, error = derivative(moved)
            # What is wrong in relation to what could be seen; not a number is most wrong.
            wrong = abs(analytic - truth) / (error + rounding + 1e-300)
            excess.append(math.inf if math.isnan(analytic) else wrong)
        places = halves[int(excess[1] > excess[0])]
    return index_of(direction, places[0])
