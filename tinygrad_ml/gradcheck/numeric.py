"""The derivative of a function along a direction, by finite differences, with a bound of its error.

Nothing here knows of automatic differentiation: a function is something that can be called with arrays.

Central differences at steps h, h / 4, h / 16, ... err by a series in h^2, which Richardson's extrapolation removes term
by term (Ridders 1982; Neville's scheme). How far the entries of the scheme are apart bounds what is left of the series;
the noise of the function, measured at seven points close together and where finer steps scatter more (compare More &
Wild 2011, "Estimating computational noise"), bounds what rounding adds. The entry of the least bound is the answer,
unless finer steps contradict it.

The second difference ``(phi(h) - 2 phi(0) + phi(-h)) / h`` tells smooth functions from others: it goes to 0 with h
unless the slopes on the two sides differ (a kink), or there are none (a cusp, a jump, an oscillation).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from ..tree import flatten, paths

DOUBLE = 2.0**-53

_FIRST_STEP, _RATIO = 2.0**-3, 4.0
_EXTRAPOLATIONS = 4
#: The finest points, in units of `NEAREST` of the finest step. Not at equal distances: with those, rounding errors may
#: lie on a straight line, and noise is taken for slope.
_PLACES = (-9, -6, -2, 0, 3, 7, 10)
NEAREST = 2.0**-5
_POWERS = np.vander(np.array(_PLACES, dtype=float), 3, increasing=True)
_PARABOLA = np.linalg.pinv(_POWERS)
_SLOPE_ERROR = float(np.sqrt(np.sum(np.square(_PARABOLA[1]))))
#: What is lower in a staircase, in relation to the function, is taken for rounding in a lower precision.
_SINGLE, _LOW, _ROUNDING_OF_ONE = 2.0**-22, 2.0**-17, 2.0**-40
#: A slope that has become this much smaller with the steps may be on its way to 0.
_FADING = 1e-7
#: With more noise than this, in relation to the change of the function and to the function, nothing may be known of its
#: slope.
_NOISY, _LOUD = 1e-2, 1e-6
#: How many finer steps must have failed to improve on an answer.
_AGE = 3


class Derivative(NamedTuple):
    """What `derivative` found.

    Attributes
    ----------
    value : float
        The derivative along the direction.
    error : float
        A bound of its error.
    evaluations : int
        How often the function was called.
    findings : tuple of str
        What forbids to speak of a derivative: "kink", "cusp", "jump", "unsettled" (it oscillates at all scales),
        "nonfinite". Empty for a smooth function.
    """

    value: float
    error: float
    evaluations: int
    findings: tuple[str, ...]


@dataclass(frozen=True)
class Rung:
    """A central difference with a step, and its rounding error."""

    step: float
    slope: float
    noise: float


@dataclass(frozen=True)
class Slope:
    """All that was seen along a line.

    Attributes
    ----------
    value, bound : float
        The derivative and a bound of its error.
    step : float
        The finest step that went into it.
    bend, bend_bound : float
        The slope on the right minus that on the left where there is a kink, and a bound of its error; 0 elsewhere.
    size, change, rise : float
        The size of the function, its largest change over the steps that were tried, and that at `step`.
    rungs : tuple of Rung
    findings : tuple of str
    evaluations : int
    stair : float
        The height of the steps where the function is a staircase: flat under fine steps, but not under coarse ones.
    """

    value: float = math.nan
    bound: float = math.inf
    step: float = math.nan
    bend: float = 0.0
    bend_bound: float = 0.0
    size: float = 0.0
    change: float = 0.0
    rise: float = 0.0
    rungs: tuple[Rung, ...] = ()
    findings: tuple[str, ...] = ()
    evaluations: int = 0
    stair: float = 0.0


class Line:
    """``phi(t) = <weights, f(t)>`` for a function `f` of one number that returns a number or an array."""

    def __init__(self, f: Callable[[float], Any], weights: Any) -> None:
        self._f = f
        self._weights = weights
        self.evaluations = 0
        self.origin = self(0.0)
        self.size = length(np.asarray(weights * self.origin, dtype=np.float64))

    def __call__(self, t: float) -> Any:
        self.evaluations += 1
        with np.errstate(all="ignore"):
            try:
                return np.asarray(self._f(t))
            except (ArithmeticError, np.linalg.LinAlgError, ValueError):
                if t == 0:
                    raise
                return np.full_like(self.origin, math.nan)  # outside of where the function is defined

    def rise(self, high: Any, low: Any) -> float:
        """``<weights, high - low>``: one projection of a difference errs less than the difference of two."""
        with np.errstate(all="ignore"):
            return float(np.sum(self._weights * (high - low)))


def length(values: np.ndarray) -> float:
    """The root of the sum of squares, also where these would underflow; infinite where it is not a number."""
    largest = float(np.max(np.abs(values), initial=0))
    if not math.isfinite(largest):
        return math.inf
    return largest * math.sqrt(float(np.sum(np.square(values / largest)))) if largest else 0.0


def index_of(array: Any, place: Any) -> tuple[int, ...]:
    """The index of the element that is number `place` of all elements of `array`."""
    return tuple([int(k) for k in np.unravel_index(int(place), np.shape(array))])


def first(found: Any) -> tuple[int, ...]:
    """The index of the first element that is True."""
    return index_of(found, np.argmax(found))


class _Entry:
    """An extrapolated value, with what rounding can add to it."""

    __slots__ = ("rung", "column", "value", "noise", "spread", "reach")

    def __init__(self, rung: int, column: int, value: float, noise: float, spread: float, reach: float) -> None:
        self.rung, self.column, self.value, self.noise = rung, column, value, noise
        #: How far neighbours in the scheme are away, and the difference that it started from.
        self.spread, self.reach = spread, reach

    @property
    def bound(self) -> float:
        return self.spread + self.noise


class _Scheme:
    """Neville's scheme for what errs by a series in h^p, h^(p + 2), h^(p + 4), ..."""

    def __init__(self, power: int, noise: float) -> None:
        self._power, self._noise = power, noise
        self._steps: list[float] = []
        self._differences: list[float] = []
        #: Of every step the value that was extrapolated furthest.
        self._last: list[float] = []
        self._row: list[_Entry] = []
        self._doubts: list[float] = []
        self._live: list[_Entry] = []
        self.largest = 0.0
        self.best: _Entry | None = None

    def add(self, step: float, difference: float) -> None:
        rung, noise = len(self._steps), self._noise / step
        self._steps.append(step)
        self._differences.append(difference)
        self.largest = max(self.largest, abs(difference))
        row = [_Entry(rung, 0, difference, noise, math.inf, 0.0)]
        self._doubts.append(self._irregularity(noise))
        doubt = max(self._doubts[-1], self._doubts[-2] / _RATIO) if rung else 0.0
        for j, above in enumerate(self._row[:_EXTRAPOLATIONS], start=1):
            left = row[-1]
            factor = (
                (self._steps[rung - j] / step) ** 2
                if self._power == 2
                else (self._steps[rung - 1] / step) ** (2 * j - 1)
            )
            value = left.value + (left.value - above.value) / (factor - 1)
            grown = (factor * left.noise + above.noise) / (factor - 1)
            spread = max(abs(value - left.value), abs(value - above.value), doubt)
            if j < len(self._row):
                spread = max(spread, abs(value - self._row[j].value) / 4)
            row.append(_Entry(rung, j, value, grown, spread, abs(difference - value)))
        for old, new in zip(self._row[1:], row[1:], strict=False):
            old.spread = max(old.spread, abs(new.value - old.value) - new.noise)
        # A finer difference that is further away than the one an entry started from proves the entry wrong: the
        # coarse steps had jumped over waves or kinks.
        self._live = [e for e in self._live if abs(difference - e.value) <= e.reach + 6 * noise] + row[1:]
        self._row = row
        self._last.append(row[-1].value)
        self.best = min(self._live, key=lambda e: e.bound, default=None)

    def _irregularity(self, noise: float) -> float:
        """The change of the last difference where changes do not fall off as those of a smooth function do, else 0."""
        if len(self._differences) < 3:
            return 0.0
        a, b, c = self._differences[-3:]
        falls_off = abs(c - b) <= 4 * noise or abs(b - a) >= _RATIO ** (self._power - 0.5) * abs(c - b)
        return 0.0 if falls_off else abs(c - b)

    def count_alike(self, value: float) -> int:
        """How many steps agree on a value, give or take a tenth."""
        return sum([abs(last - value) < 0.1 * abs(value) for last in self._last])

    @property
    def is_irregular(self) -> bool:
        """Whether the differences still change as those of a smooth function do not."""
        return any(self._doubts[4:])

    def has_settled(self, enough: float) -> bool:
        """Whether the best entry is much closer to the truth than the differences have been, or as close as need be."""
        floor = 64 * self._noise / self._steps[0]
        return self.best is not None and self.best.bound <= max(0.01 * self.largest, floor, enough)

    @property
    def age(self) -> int:
        """How many finer steps the best entry has survived."""
        return -1 if self.best is None else len(self._steps) - 1 - self.best.rung


def slope(f: Callable[[float], Any], weights: Any = 1.0, grain: float = 0.0) -> Slope:
    """The derivative of ``<weights, f(t)>`` at 0.

    Parameters
    ----------
    f : callable
        Takes a number; returns a number or an array. It should change by its own order between 0 and 1.
    weights : array, default=1
    grain : float, default=0
        Smaller changes of its argument are lost on `f`.
    """
    line = Line(f, weights)
    if not math.isfinite(line.size):
        return Slope(evaluations=line.evaluations, findings=("nonfinite",))
    precision = float(np.finfo(line.origin.dtype).eps) / 2 if line.origin.dtype.kind == "f" else DOUBLE
    return replace(_climb(line, max(precision, DOUBLE), grain), size=line.size, evaluations=line.evaluations)


def _climb(line: Line, unit: float, grain: float) -> Slope:
    """Walk down the ladder of steps until the answer does not get better; `unit` is the rounding error of `line`."""
    last = 2.0 ** round(math.log2(unit) * 2 / 3 - 2)
    if grain > last * NEAREST:
        last = 2.0 ** math.ceil(math.log2(grain)) / NEAREST
    near = _Near(line, last * NEAREST, unit)
    if not near.is_finite:
        return Slope(findings=("nonfinite",))
    samples: list[_Sample] = []
    ladder = _Ladder(near.noise)
    step = _FIRST_STEP
    while step >= last:
        sample = _Sample(line, step)
        if sample.is_finite:
            samples.append(sample)
            ladder.add(sample)
            if not near.is_suspect and ladder.is_done(near):
                break
        step /= _RATIO
    if len(samples) < 3:
        return Slope(findings=("nonfinite" if last < _FIRST_STEP / _RATIO**2 else "unsettled",))
    noise, stair = max(near.noise, _scatter(samples)), 0.0
    if noise > near.noise:
        ladder = _Ladder(noise, samples)
    if near.is_still and ladder.is_flat:
        # Still at the finest points: it may be a staircase, for one because it calculates in single precision inside.
        height, highest = _height(samples, near.floor)
        size = max(line.size, highest)
        is_rounding = height <= _SINGLE * size or DOUBLE / 8 <= height <= _ROUNDING_OF_ONE
        is_rounding = is_rounding or height <= _LOW * size and not _leads_to_kink(samples)
        if is_rounding and 2 * height > noise:
            stair, noise = height, 2 * height
            ladder = _Ladder(noise, samples)
    best, bend, finding = ladder.slopes.best, 0.0, ""
    value, bound, used = math.nan, math.inf, samples[-1]
    if best is not None:
        value, bound, used = best.value, best.bound, samples[best.rung]
        rest = _FADING * ladder.slopes.largest
        if 0 < abs(value) <= rest and ladder.slopes.is_irregular:
            bound = max(bound, rest)  # it may go on to fade away, as in t^2 sin(1/t)
    change = max([sample.change for sample in samples])
    power = near.power_law(samples)
    if power is not None:
        value, bound, finding = math.nan, math.inf, "jump" if power < _JUMP else "cusp"
    elif noise > _LOUD * max(line.size, change) and (noise > _NOISY * change or bound > 0.5 * abs(value)):
        finding = "unsettled"
    elif ladder.is_settled:
        bend = ladder.bend
        finding = "kink" if bend else ""
    else:
        finding = "unsettled"
        for end in range(len(samples) - 1, len(samples) - 6, -1):  # a kink nearer than the finest steps can tell
            if end < 6 or samples[end].step > 1e-7:
                break
            coarse = _Ladder(noise, samples[:end])
            if bend := coarse.kink:
                ladder, finding, used = coarse, "kink", samples[end - 1]
                value, bound = used.slope, abs(used.slope - samples[end - 2].slope)
                break
    return Slope(
        value=value,
        bound=bound,
        step=used.step,
        bend=bend,
        bend_bound=ladder.bend_bound if bend else 0.0,
        change=change,
        rise=used.change,
        rungs=tuple([Rung(sample.step, sample.slope, noise / sample.step) for sample in samples]),
        findings=(finding,) if finding else (),
        stair=stair,
    )


def _scatter(samples: Sequence[_Sample]) -> float:
    """The noise that shows where difference quotients differ the more, the finer the step."""
    changes = [abs(b.slope - a.slope) for a, b in zip(samples, samples[1:], strict=False)]
    rises = [change * sample.step for change, sample in zip(changes, samples[1:], strict=True)]
    grown = [k for k in range(max(1, len(changes) - 3), len(changes)) if changes[k] > changes[k - 1]]
    noise = float(np.median([rises[k] for k in grown])) if len(grown) > 1 else 0.0
    if len(rises) >= 8:
        earlier, recent = float(np.median(rises[-8:-4])), float(np.median(rises[-4:]))
        if recent > earlier / 64:  # those of a smooth function would have gone down by 64 with every step
            noise = max(noise, min(earlier, recent))
    return 2 * noise


def _height(samples: Sequence[_Sample], floor: float) -> tuple[float, float]:
    """The height of the stairs of a function that is flat under the finest steps, and of its largest rise."""
    rises = [abs(sample.slope) * 2 * sample.step for sample in samples]
    moving = [k for k, rise in enumerate(rises) if rise > 16 * floor]
    if not moving:
        return 0.0, 0.0
    last = moving[-1]
    pairs = list(zip(samples, samples[1:], strict=False))[max(last - 2, 0) : last + 1]
    return max([rises[last], *[abs(b.slope - a.slope) * b.step for a, b in pairs]]), max(rises)


def _leads_to_kink(samples: Sequence[_Sample]) -> bool:
    """Whether the slopes tend to 0 as beside a kink, by distance / step, and not as on stairs.

    A single stair at some distance changes the slopes in the same way; but they need not fall, and what the function
    rises by are whole multiples of one height.
    """
    moving = [sample for sample in samples if sample.slope != 0][-4:]
    if len(moving) < 4:
        return False
    slopes = [sample.slope for sample in moving]
    changes = [b - a for a, b in zip(slopes, slopes[1:], strict=False)]
    ratios = [b / a if a else 0.0 for a, b in zip(changes, changes[1:], strict=False)]
    is_regular = all([0.8 * _RATIO < ratio < 1.25 * _RATIO for ratio in ratios])
    falls = abs(slopes[3]) < abs(slopes[2]) < abs(slopes[1])
    heights = [sample.slope * sample.step / (moving[3].slope * moving[3].step) for sample in moving]
    is_whole = all([abs(height - round(height)) < 1e-6 * abs(height) for height in heights])
    return is_regular and falls and not is_whole


class _Sample:
    """The function one step to the right and one to the left."""

    def __init__(self, line: Line, step: float) -> None:
        high, low = line(step), line(-step)
        self.step = step
        self.right, self.left = line.rise(high, line.origin), line.rise(line.origin, low)
        self.slope = line.rise(high, low) / (2 * step)
        self.change = max(abs(self.right), abs(self.left))
        self.is_finite = math.isfinite(self.right - self.left) and math.isfinite(self.slope)


class _Near:
    """The function at seven points so close together that they tell its noise."""

    def __init__(self, line: Line, unit_step: float, unit: float) -> None:
        self._steps = [place * unit_step for place in _PLACES]
        self._rises = [line.rise(line(step), line.origin) if step else 0.0 for step in self._steps]
        self.floor = unit * line.size
        #: A jump that is lower may be rounding, also where the function itself is 0.
        self._lowest = 64 * max(self.floor, DOUBLE)
        self.is_finite = all(map(math.isfinite, self._rises))
        self.is_still = not any(self._rises)
        if not self.is_finite:
            return
        _, slope, _ = coefficients = _PARABOLA @ self._rises
        level = length(_POWERS @ coefficients - self._rises) / 2
        #: Whether what looks like noise may be a jump or a cusp: only coarser steps will tell.
        self.is_suspect = any([_power(side) is not None for side in self._sides()])
        self.noise = 4 * max(0.0 if self.is_suspect else level, self.floor)
        self.slope = float(slope) / unit_step
        self.slope_error = 2 * self.noise * _SLOPE_ERROR / unit_step

    def _sides(self) -> list[list[tuple[float, float]]]:
        moves = [(abs(step), abs(rise)) for step, rise in zip(self._steps, self._rises, strict=True)]
        sides = [list(reversed(moves[:3])), moves[4:]]
        return [side for side in sides if min([rise for _, rise in side]) > self._lowest]

    def power_law(self, samples: list[_Sample]) -> float | None:
        """p, where the change goes with h^p and p is well below 1."""
        near = max(self._sides(), key=lambda side: side[-1][1], default=[])
        far = [(s.step, s.change) for s in reversed(samples) if s.change > self._lowest]
        return _power((near + far)[:8]) if len(near + far) >= 6 else None


_JUMP, _CUSP = 0.25, 0.85


def _power(points: list[tuple[float, float]]) -> float | None:
    """The power law that (step, change) follow, or None where they follow none, or one that a slope could explain."""
    xs, ys = zip(*[(math.log(step), math.log(change)) for step, change in points], strict=True)
    x, y = sum(xs) / len(xs), sum(ys) / len(ys)
    power = sum([(a - x) * (b - y) for a, b in zip(xs, ys, strict=True)]) / sum([(a - x) ** 2 for a in xs])
    is_straight = all([abs(b - y - power * (a - x)) < 0.2 for a, b in zip(xs, ys, strict=True)])
    return power if is_straight and power < _CUSP else None


class _Ladder:
    """What the steps so far tell: the slope, and whether it is the same on both sides."""

    def __init__(self, noise: float, samples: Sequence[_Sample] = ()) -> None:
        self.slopes, self._bends = _Scheme(2, noise), _Scheme(1, 2 * noise)
        for sample in samples:
            self.add(sample)

    def add(self, sample: _Sample) -> None:
        self.slopes.add(sample.step, sample.slope)
        self._bends.add(sample.step, (sample.right - sample.left) / sample.step)

    def is_done(self, near: _Near) -> bool:
        """Whether the answer has survived finer steps, agrees with the finest, and will not get much better."""
        best = self.slopes.best
        return (
            best is not None
            and self.slopes.age >= _AGE
            and abs(best.value - near.slope) <= best.bound + near.slope_error
            and (self.is_sharp or best.bound <= 8 * best.noise)
            and self.is_settled
        )

    @property
    def is_sharp(self) -> bool:
        best = self.slopes.best
        return best is not None and best.bound <= 1e-6 * abs(best.value)

    @property
    def is_flat(self) -> bool:
        best = self.slopes.best
        return best is None or abs(best.value) <= best.bound

    @property
    def is_settled(self) -> bool:
        best = self.slopes.best
        if best is None or not self.slopes.has_settled(0.0):
            return False
        return self._bends.has_settled(max(1e-6 * self.slopes.largest, 0.01 * abs(best.value)))

    @property
    def bend(self) -> float:
        """The slope on the right minus that on the left, 0 where they are the same."""
        best = self.slopes.best
        assert best is not None
        return self.kink if abs(self.kink) > max(4 * best.bound, 1e-9 * abs(best.value)) else 0.0

    @property
    def kink(self) -> float:
        """The change of the slope at a kink, as several steps see it alike; 0 where there is none."""
        bend = self._bends.best
        if bend is None or abs(bend.value) <= 4 * bend.bound or not self._bends.has_settled(0.0):
            return 0.0
        return bend.value if self._bends.count_alike(bend.value) >= 3 else 0.0

    @property
    def bend_bound(self) -> float:
        bend = self._bends.best
        return 0.0 if bend is None else bend.bound


def derivative(f: Callable[[Any], Any], x: Any, direction: Any = None) -> Derivative:
    """The derivative of `f` at `x` along a direction, and a bound of its error, without a step size to choose.

    Parameters
    ----------
    f : callable
        Takes arrays like `x` and returns a number. It is called with copies.
    x : array, number, or tree of them
        Where. Single and half precision are widened, so that `f` is evaluated in double precision.
    direction : like `x`, optional
        1 by default: for a number that is the derivative itself, for arrays the sum of all partial derivatives.

    Returns
    -------
    Derivative
        ``(value, error, evaluations, findings)``.

    Raises
    ------
    TypeError
        Where `x` holds no floating-point numbers, or `f` does not return a real number.
    ValueError
        Where `direction` is not like `x`.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_ml.gradcheck import derivative
    >>> value, error, evaluations, findings = derivative(np.exp, 1.0)
    >>> bool(abs(value - np.e) <= error < 1e-11), findings
    (True, ())
    >>> derivative(abs, 0.0).findings
    ('kink',)
    """
    leaves, rebuild = flatten(x)
    if not leaves:
        raise TypeError("derivative: x holds no array")
    arrays = [as_array("derivative", leaf, label) for leaf, label in zip(leaves, paths(x, "x"), strict=True)]
    arrays = [a.astype(np.result_type(a.dtype, np.float64)) for a in arrays]
    us = [np.ones_like(a) for a in arrays] if direction is None else _matched(direction, x, arrays)
    steps = list(zip(arrays, us, strict=True))
    grains = [float(np.max(np.spacing(np.abs(a)), initial=0, where=u != 0)) for a, u in steps]
    grain = max(grains) / max([float(np.max(np.abs(u), initial=0)) for u in us] + [np.finfo(float).tiny])
    # An array of no dimensions plus a number is one of NumPy's numbers, as a function of a number expects it.
    found = slope(lambda t: as_number("derivative", f(rebuild([a + t * u for a, u in steps]))), grain=grain)
    return Derivative(found.value, found.bound, found.evaluations, found.findings)


def _matched(direction: Any, x: Any, arrays: list[np.ndarray]) -> list[np.ndarray]:
    """The leaves of a direction in the order of those of `x`."""
    names = paths(x, "x")
    given = dict(zip(paths(direction, "x"), flatten(direction)[0], strict=True))
    if set(given) != set(names):
        raise ValueError(f"derivative: direction has the parts {list(given)}, and x {names}; they must be alike")
    us = [np.asarray(given[name]) for name in names]
    for name, u, array in zip(names, us, arrays, strict=True):
        if u.shape != array.shape:
            raise ValueError(
                f"derivative: the direction of {name} has shape {u.shape}, and {name} itself {array.shape}"
            )
    return us


def plain(value: Any) -> Any:
    """The array of a tensor, ours or PyTorch's; anything else as it is."""
    return value.detach().numpy() if hasattr(value, "requires_grad") else value


def as_array(name: str, leaf: Any, label: str) -> np.ndarray:
    """An array or number that the user calls `label`, found to have derivatives."""
    array = np.asarray(plain(leaf))
    if array.dtype.kind not in "fc":
        raise TypeError(
            f"{name}: {label} is of dtype {array.dtype}, and only floating-point numbers have derivatives; write "
            "1.0 instead of 1, convert it with astype(float), or leave labels and indices out of the arguments"
        )
    return array


def as_number(name: str, out: Any) -> Any:
    """What the user's function returned, found to be a real number."""
    try:
        array = np.asarray(plain(out))
    except ValueError:  # a ragged list
        array = np.empty(0, object)
    if array.shape != () or array.dtype.kind not in "fiub":
        what = f"shape {array.shape} and dtype {array.dtype}" if array.dtype.kind != "O" else repr(type(out).__name__)
        raise TypeError(
            f"{name}: the function must return a single real number, got {what}; sum it, or weight it with fixed "
            "random numbers and sum"
        )
    return array if array.dtype.kind == "f" else array.astype(np.float64)
