"""The check of a gradient: directions, verdicts, witnesses, and the rows of the report."""

from __future__ import annotations

import copy
import functools
import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..transforms import grad
from .numeric import first, index_of
from .report import Report, Row, Verdict, Worst
from .subject import Arrays, Subject, arguments, from_function
from .verdict import Direction, Judgement, draw, judge, product, worst_element

#: Worst first.
_ORDER = (Verdict.FAIL, Verdict.NONFINITE, Verdict.JUMP, Verdict.CUSP, Verdict.KINK, Verdict.INCONCLUSIVE)
#: An array is looked at alone unless one wrong element of this relative size would have shown in the common directions.
_SHARP = 1e-9
#: A direction is drawn once more, by the elements' own sizes, where it resolves less than this.
_BLURRED = 1e-6


def check_gradient(
    f: Callable[..., Any], x: Any, gradient: Any = None, order: int = 1, directions: int = 3, rng: Any = None
) -> Report:
    """Check a gradient against finite differences and the complex step, without tolerances to choose.

    Parameters
    ----------
    f : callable
        Returns a real number. In plain NumPy; or, where `gradient` is given, anything that takes arrays.
    x : array, number, or tree of them
        Where; a tuple is one argument of `f` each. Integers cannot be among them: close over labels and indices.
    gradient : callable, array or tree, optional
        The gradient to check: a function of f's arguments, or its answer. Like `x`, and for several arguments a tuple.
        By default it is ours, as by `tinygrad_ml.grad`.
    order : int, default=1
        2 checks the derivative of the gradient as well, by our engine, against finite differences of the gradient; and
        so on.
    directions : int, default=3
        How many random directions are tried.
    rng : int or numpy.random.Generator, optional
        A seed; drawn by default. The report prints it.

    Returns
    -------
    Report
        One row for each array of `x`; ``report.ok``, ``print(report)``.

    Raises
    ------
    TypeError
        For integer arrays, a function that does not return a real number, a gradient of integers.
    ValueError
        For arrays that share memory, a gradient of another structure or shape.

    Notes
    -----
    A gradient passes if ``|<gradient, u> - derivative along u|`` is within the error bound of the numerical derivative
    and the rounding error of the gradient. Where finite differences cannot tell, the verdict is INCONCLUSIVE, never
    PASS. KINK, CUSP, JUMP and NONFINITE say why there is no derivative; ``ok`` is true at a kink if the gradient lies
    between the slopes on its sides and is right beside it.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_ml.gradcheck import check_gradient
    >>> x = np.array([1.0, 2.0, 3.0])
    >>> check_gradient(lambda x: np.sum(np.tanh(x) ** 2), x).ok
    True
    >>> report = check_gradient(lambda x: np.sum(x**3), x, gradient=lambda x: 3 * x**2 + [0, 1e-6, 0])
    >>> report.verdict, report.rows[0].worst.index
    (<Verdict.FAIL: 'FAIL'>, (1,))
    """
    order = _positive("order", order)
    report = run(from_function("check_gradient", f, x, gradient), directions, rng)
    random = np.random.default_rng([report.seed, 1])
    function, by_user = f, gradient if callable(gradient) else None
    for n in range(2, order + 1):
        function = _projected_gradient(function, x, by_user, random)
        by_user = None
        more = run(from_function("check_gradient", function, x, None), directions, report.seed)
        for row in more.rows:
            row.order = n
        report = join(report, more)
    return report


def _positive(name: str, value: Any) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        number = 0
    if number < 1:
        raise ValueError(f"check_gradient: {name} must be a positive integer, got {value!r}")
    return number


def _projected_gradient(f: Callable[..., Any], x: Any, gradient: Any, rng: np.random.Generator) -> Callable[..., Any]:
    """``<v, gradient(x)>`` for a random v: a scalar function whose gradient is a Hessian-vector product."""
    from .. import tree

    args, _ = arguments(f, x)
    weights = [draw(rng, np.asarray(leaf)) for leaf in tree.flatten(args)[0]]
    of_all = gradient or grad(f, tuple(range(len(args))))

    @functools.wraps(f)
    def projected(*moved: Any) -> Any:
        found, _ = tree.flatten(of_all(*moved))
        # Complex gradients point uphill: Re <v, g> is the derivative along v.
        parts = [np.sum(np.real(np.conjugate(g) * v)) for g, v in zip(found, weights, strict=True)]
        return sum(parts[1:], start=parts[0])

    return projected


def join(first: Report, *others: Report) -> Report:
    """The rows of several reports in one."""
    for other in others:
        first.rows += other.rows
        first.culprits = [*first.culprits, *other.culprits]
        first.notes += [note for note in other.notes if note not in first.notes]
        first.evaluations += other.evaluations
    return first


def run(subject: Subject, directions: int = 3, rng: Any = None, every_array_alone: bool = False) -> Report:
    """Check one subject."""
    directions = _positive("directions", directions)
    check = _Check(subject, directions, _seed(subject.caller, rng))
    rows = check.rows(every_array_alone)
    report = Report(subject.title, rows, check.seed, notes=subject.notes, evaluations=subject.evaluations)
    if report.verdict is Verdict.FAIL and subject.blame is not None and check.engine_is_wrong:
        try:
            report.culprits = subject.blame(np.random.default_rng(check.seed))
        except Exception as error:
            report.notes.append(f"the operation that is wrong could not be looked for: {error}")
    return report


def _seed(caller: str, rng: Any) -> int:
    if isinstance(rng, np.random.Generator) or rng is None:
        return int((np.random.default_rng() if rng is None else rng).integers(2**32))
    try:
        seed = operator.index(rng)
    except TypeError:
        seed = -1
    if seed < 0:
        raise TypeError(
            f"{caller}: rng must be a seed, a whole number from 0, or a numpy.random.Generator; got {rng!r}"
        )
    return seed


@dataclass
class _Finding:
    """What is known of one array."""

    judgements: list[Judgement] = field(default_factory=list)
    #: Evaluations of the function, those in common directions included.
    evaluations: int = 0
    #: Its part of a common direction, where it was not looked at alone.
    share: Judgement | None = None


class _Check:
    def __init__(self, subject: Subject, directions: int, seed: int) -> None:
        self.subject, self.directions, self.seed = subject, directions, seed
        self.rng = np.random.default_rng(seed)
        self.engine_is_wrong = subject.engine is None
        self.gradient: Arrays = []

    def rows(self, every_array_alone: bool) -> list[Row]:
        subject = self.subject
        here = subject.value_here()
        if not np.isfinite(here):
            return [self._row(k, Verdict.NONFINITE, f"the function is {here}{self._where()}") for k in self._all()]
        again = subject.value([a.copy() for a in subject.wide])
        if abs(here - again) > 1e-9 * abs(here):
            reason = f"the function is not deterministic: called twice at the same point it gave {here} and {again}"
            return [self._row(k, Verdict.INCONCLUSIVE, reason) for k in self._all()]
        self.gradient = [g.copy() for g in subject.gradient()]  # the user may write into them at the next call
        if subject.moves and not self._gradient_repeats():
            reason = "the gradient is not deterministic: computed twice at the same point it differs"
            return [self._row(k, Verdict.INCONCLUSIVE, reason) for k in self._all()]
        moved = [k for k in self._all() if subject.wide[k].size and np.all(np.isfinite(subject.wide[k]))]
        findings = {k: _Finding() for k in moved}
        together: list[Judgement] = []
        if len(moved) > 1 and not every_array_alone:
            together = self._judge(moved)
            self._shares(together, findings)
        for k in moved:
            if findings[k].share is None:
                before = subject.evaluations
                findings[k].judgements = self._judge([k])
                findings[k].evaluations += subject.evaluations - before
        rows = [self._finished(k, findings[k]) if k in findings else self._idle(k) for k in self._all()]
        worst = _worst(together)
        # With every array right alone, a FAIL of all together is rounding; but a function may be rough along both only.
        is_rough = worst is not None and worst.verdict is not Verdict.FAIL
        if worst is not None and is_rough and all(row.verdict is Verdict.PASS for row in rows):
            row = self._row(0, worst.verdict, worst.reason, worst.inside)
            row.name, row.shape, row.trace = "all of them together", (), worst.slope
            rows.append(row)
        return rows

    def _gradient_repeats(self) -> bool:
        with np.errstate(all="ignore"):
            return all(
                np.allclose(g, again, rtol=1e-9 if g.dtype.itemsize > 4 else 1e-4, atol=0, equal_nan=True)
                for g, again in zip(self.gradient, self.subject.gradient(), strict=True)
            )

    def _all(self) -> range:
        return range(len(self.subject.arrays))

    def _row(self, k: int, verdict: Verdict, reason: str = "", inside: bool = False) -> Row:
        array = self.subject.arrays[k]
        return Row(self.subject.names[k], array.shape, str(array.dtype), verdict, reason=reason, inside=inside)

    def _where(self) -> str:
        places = [
            f"{name}{list(index := first(~np.isfinite(a)))} is {a[index]}"
            for name, a in zip(self.subject.names, self.subject.wide, strict=True)
            if not np.all(np.isfinite(a))
        ]
        return " at this point" + (f", where {'; '.join(places)}" if places else "")

    def _idle(self, k: int) -> Row:
        """The row of an array that cannot be moved."""
        array = self.subject.wide[k]
        if array.size == 0:
            row = self._row(k, Verdict.PASS)
            row.resolution = 0.0
            return row
        index = first(~np.isfinite(array))
        return self._row(k, Verdict.NONFINITE, f"it is {array[index]} at {list(index)}")

    # Directions

    def _judge(self, moved: Sequence[int]) -> list[Judgement]:
        judgements = []
        for _ in range(self.directions):
            verdict = self._judge_once(moved, elementwise=False)
            if any(map(self._is_uneven, moved)):
                verdict = self._judged_evenly(moved, verdict)
            judgements.append(verdict)
            if verdict.verdict is Verdict.FAIL:
                break
        return judgements

    def _judged_evenly(self, moved: Sequence[int], verdict: Judgement) -> Judgement:
        """The verdict on arrays with elements of very different sizes.

        Steps in proportion to the array may be too long for its small elements, and then see nothing, or a slope that
        is not the one at the point.
        """
        is_blurred = verdict.verdict in (Verdict.NONFINITE, Verdict.INCONCLUSIVE) or verdict.resolution > _BLURRED
        if not is_blurred and verdict.verdict is not Verdict.FAIL:
            return verdict
        closer = self._judge_once(moved, elementwise=True)
        if verdict.verdict is not Verdict.FAIL:
            is_lost = verdict.verdict is not Verdict.PASS and closer.verdict is Verdict.PASS
            is_closer = closer.verdict is Verdict.FAIL or is_lost or closer.resolution < verdict.resolution
            return closer if is_closer else verdict
        if closer.verdict is not Verdict.PASS or len(moved) > 1:
            return verdict
        worst = self._find_worst(moved[0], verdict)
        if worst is None:
            return verdict
        drawn = draw(self.rng, self.subject.wide[moved[0]], elementwise=True)
        alone = self.subject.only(moved[0], drawn, worst.index)
        is_right = judge(self.subject, self.gradient, alone, self.rng).verdict is Verdict.PASS
        return closer if is_right else verdict

    def _judge_once(self, moved: Sequence[int], elementwise: bool) -> Judgement:
        direction: Direction = [None] * len(self.subject.arrays)
        for k in moved:
            direction[k] = draw(self.rng, self.subject.wide[k], elementwise)
        return judge(self.subject, self.gradient, direction, self.rng)

    def _is_uneven(self, k: int) -> bool:
        sizes = np.abs(self.subject.wide[k])
        sizes = sizes[sizes > 0]
        return bool(sizes.size and sizes.max() > 100 * sizes.min())

    def _shares(self, together: list[Judgement], findings: dict[int, _Finding]) -> None:
        """Which arrays need not be looked at alone, since an error in them would have shown among the others."""
        if any(judgement.verdict is not Verdict.PASS for judgement in together):
            return
        for k, finding in findings.items():
            finding.evaluations += sum([judgement.slope.evaluations for judgement in together])
            sharpest = min(together, key=lambda judgement: judgement.tolerance / (self._part(k, judgement)[1] + 1e-300))
            value, size, rounding = self._part(k, sharpest)
            one_element = size / math.sqrt(self.subject.arrays[k].size)
            if max(sharpest.tolerance - rounding, 0) < _SHARP * one_element:
                finding.share = copy.copy(sharpest)
                finding.share.direction = self.subject.only(k, sharpest.direction[k])
                finding.share.analytic, finding.share.size = value, size

    def _part(self, k: int, judgement: Judgement) -> tuple[float, float, float]:
        return product([self.gradient[k]], [judgement.direction[k]])

    # Rows

    def _finished(self, k: int, finding: _Finding) -> Row:
        judgements = finding.judgements if finding.share is None else [finding.share]
        worst = _worst(judgements)
        if worst is None:
            passed = [judgement for judgement in judgements if judgement.verdict is Verdict.PASS]
            worst = min(passed or judgements, key=lambda judgement: judgement.resolution)
        if worst.verdict is Verdict.PASS:
            worst = self._doubted(k, worst)
        if worst.verdict is Verdict.KINK and self.subject.moves:
            self._look_beside(k, worst)
        return self._filled(k, worst, finding)

    def _filled(self, k: int, judgement: Judgement, finding: _Finding) -> Row:
        row = self._row(k, judgement.verdict, judgement.reason, judgement.inside)
        row.evaluations = finding.evaluations
        row.trace, row.bound, row.scale = judgement.slope, judgement.slope.bound, judgement.size
        row.witnesses[self.subject.label] = judgement.analytic
        engine = self._engine
        if engine is not None:
            row.witnesses["engine"] = product([engine[k]], [judgement.direction[k]])[0]
        stepped = self.subject.complex_slope(judgement.direction)
        if stepped is not None:
            row.witnesses["complex step"] = stepped[0]
        if finding.share is None:
            row.witnesses["finite differences"] = judgement.slope.value
        if judgement.verdict is Verdict.PASS:
            row.resolution = judgement.resolution
        if judgement.verdict is Verdict.FAIL:
            row.worst = self._find_worst(k, judgement)
        return row

    @functools.cached_property
    def _engine(self) -> Arrays | None:
        """Our own gradient, where another is checked and the function can be recorded."""
        if self.subject.engine is None:
            return None
        try:
            with np.errstate(all="ignore"):
                return self.subject.engine([a.copy() for a in self.subject.wide])
        except Exception:
            return None  # written for another library

    def _doubted(self, k: int, passed: Judgement) -> Judgement:
        """Finite differences are content; is the complex step? Where it points, they look again, at one element."""
        stepped = self.subject.complex_slope(passed.direction)
        rounding = product([self.gradient[k]], [passed.direction[k]])[2]
        if stepped is None or not abs(stepped[0] - passed.analytic) > 2 * (stepped[1] + rounding):
            return passed
        if abs(stepped[0] - passed.analytic) > passed.tolerance:
            return passed  # it contradicts finite differences too: the function is not analytic
        index = worst_element(self.subject, self.gradient, k, passed.direction[k], self._by_complex_step)
        alone = self.subject.only(k, passed.direction[k], index)
        closer = judge(self.subject, self.gradient, alone, self.rng)
        return closer if closer.verdict is Verdict.FAIL else passed

    def _by_complex_step(self, direction: Direction) -> tuple[float, float]:
        return self.subject.complex_slope(direction) or (math.nan, math.inf)

    def _by_differences(self, direction: Direction) -> tuple[float, float]:
        found = self.subject.slope(direction)
        return found.value, found.bound

    def _look_beside(self, k: int, kink: Judgement) -> None:
        """At a kink many gradients will do, beside it only one."""
        beside = copy.copy(self.subject)
        beside.arrays = [(a + 1e-3 * draw(self.rng, a)).astype(a.dtype) for a in self.subject.arrays]
        beside.wide = [a.astype(w.dtype) for a, w in zip(beside.arrays, self.subject.wide, strict=True)]
        closer = judge(beside, beside.gradient(), beside.only(k, draw(self.rng, beside.wide[k])), self.rng)
        self.subject.evaluations = beside.evaluations
        if closer.verdict is Verdict.FAIL:
            kink.verdict, kink.reason = Verdict.FAIL, f"{kink.reason}; and beside the kink {closer.reason}"
        elif closer.verdict is Verdict.PASS and kink.inside:
            kink.reason += "; beside the kink it is right"

    def _find_worst(self, k: int, failed: Judgement) -> Worst | None:
        g, u = self.gradient[k], failed.direction[k]
        if g.dtype.kind == "c":
            return None
        if not np.all(np.isfinite(g)):
            index = first(~np.isfinite(g))
            return Worst(index, float(g[index]), self._expected(k, index, u))
        engine = self._engine
        if engine is not None:
            value, _, rounding = product([engine[k]], [u])
            if abs(value - failed.slope.value) <= failed.slope.bound + rounding:
                index = index_of(g, np.argmax(np.abs(g - engine[k])))
                return Worst(index, float(g[index]), float(engine[k][index]))
            self.engine_is_wrong = True
        stepped = self.subject.complex_slope(failed.direction)
        is_sound = stepped is not None and abs(stepped[0] - failed.slope.value) <= failed.slope.bound + stepped[1]
        derivative = self._by_complex_step if is_sound else self._by_differences
        index = worst_element(self.subject, self.gradient, k, u, derivative)
        return Worst(index, float(g[index]), self._expected(k, index, u))

    def _expected(self, k: int, index: tuple[int, ...], u: np.ndarray) -> float:
        return self._by_differences(self.subject.only(k, u, index))[0] / float(u[index])


def _worst(judgements: Sequence[Judgement]) -> Judgement | None:
    """The most serious of what forbids PASS; None where all pass or cannot tell."""
    serious = [j for j in judgements if j.is_rough or j.verdict not in (Verdict.PASS, Verdict.INCONCLUSIVE)]
    return min(serious, key=lambda j: (j.inside, _ORDER.index(j.verdict)), default=None)
