"""One recorded operation with random directions, and what its rules, the complex step and finite differences say."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import numeric
from .complex_step import push
from .lifts import Unavailable
from .recall import Operation, Point, run

#: Rounding errors that are no fault.
ROUNDINGS = 64


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
        if self._store.size < x.size + 1024:
            size = x.size + x.size // 4 + 4096
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
        us = {i: draws.like(point.args[i]) * rms(point.args[i]) for i in {side.i: None for side in sides}}
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
        terms = [product(self.answer(side), self.us[side.i]) for side in sides if side.i in self.us]
        return sum([float(np.sum(t)) for t in terms]), sum([float(np.sum(np.abs(t))) for t in terms])

    # What the witnesses say

    def step(self, moving: tuple[int, ...]) -> list[Any]:
        """By the complex step, the change of every result, weighted."""
        if self.operation.misleads_complex_step:
            raise Unavailable(f"{self.primitive.name}: is not analytic")
        if moving not in self._steps:
            us = {i: self.us[i] for i in moving}
            slopes = push(self.primitive, self.point.args, self.operation.kwargs, us, self.point.ans)
            slopes = slopes if self.primitive.outputs else [slopes]
            self._steps[moving] = [product(slope, v) for v, slope in zip(self.v, slopes, strict=True) if v is not None]
        return self._steps[moving]

    def stepped(self, moving: tuple[int, ...]) -> tuple[float, float]:
        terms = self.step(moving)
        return sum([float(np.sum(t)) for t in terms]), sum([float(np.sum(np.abs(t))) for t in terms])

    def numeric(self, moving: Sequence[int]) -> numeric.Slope:
        """By finite differences, in double precision."""
        wide = [widened(arg) for arg in self.point.args]

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
            [float(np.sum(np.abs(product(y, v)))) for v, y in zip(self.v, self.parts, strict=True) if v is not None]
        )

    def unit(self, sides: Sequence[Side]) -> float:
        """The rounding error of the coarsest precision that takes part."""
        dtypes = [side.dtype for side in sides]
        dtypes += [np.asarray(y).dtype for y, v in zip(self.parts, self.v, strict=True) if v is not None]
        return max([float(np.finfo(dtype).eps) for dtype in dtypes]) / 2

    def tolerance(self, sides: Sequence[Side], *sizes: float) -> float:
        return ROUNDINGS * self.unit(sides) * (sum(sizes) + self.size)

    def is_off(self, sides: Sequence[Side]) -> bool:
        """Whether the rules disagree with the complex step."""
        if self.is_elementwise(sides):
            return bool(np.any(self.excess(sides) > 0))
        answer, size = self.analytic(sides)
        slope, other = self.stepped(tuple([side.i for side in sides]))
        return not abs(answer - slope) <= self.tolerance(sides, size, other)

    def is_elementwise(self, sides: Sequence[Side]) -> bool:
        """Whether every element of the result depends on one of each argument."""
        shape = np.shape(self.parts[0])
        return self.primitive.elementwise and all(side.shape == shape for side in sides)

    def excess(self, sides: Sequence[Side]) -> Any:
        """Of every element, by how much it is off beyond rounding, relative to its size."""
        terms = [product(self.answer(side), self.us[side.i]) for side in sides]
        (slope,) = self.step(tuple([side.i for side in sides]))
        size = sum([np.abs(t) for t in terms]) + np.abs(slope)
        rounding = ROUNDINGS * self.unit(sides) * (size + np.abs(product(self.parts[0], self.v[0])))
        return (np.abs(sum(terms) - slope) - rounding) / np.where(size > 0, size, 1)


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
    g = widened(g)
    while g.ndim > len(shape):
        g = g.sum(axis=0)
    for axis, n in enumerate(shape):
        if g.shape[axis] != n:
            g = g.sum(axis=axis, keepdims=True)
    return g.real if g.dtype.kind == "c" and np.dtype(dtype).kind != "c" else g


def widened(x: Any) -> Any:
    """Floating-point numbers in double precision; anything else as it is."""
    dtype = getattr(x, "dtype", None)
    return x if dtype is None or dtype.char not in "efF" else x.astype(np.result_type(dtype, np.float64))


def rms(x: Any) -> float:
    """The root mean square of the finite elements, 1 where that is 0."""
    x = np.abs(np.asarray(x, np.complex128 if np.iscomplexobj(x) else np.float64)).reshape(-1)
    square = float(x @ x) / max(x.size, 1)
    if not 1e-200 < square < 1e200:
        x = x[np.isfinite(x)]
        size = float(np.max(x, initial=0))
        return size * math.sqrt(float(np.mean(np.square(x / size)))) if size > 0 else 1.0
    return math.sqrt(square)


def product(g: Any, u: Any) -> Any:
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
    v = widened(np.asarray(v)).reshape(-1)
    return np.concatenate([v.real, -v.imag]) if np.iscomplexobj(v) else v
