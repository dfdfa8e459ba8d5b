"""What a check found: one row for each parameter, and the report of them all."""

from __future__ import annotations

import difflib
import enum
import math
import operator
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any

from . import rendering
from .numeric import Slope

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Verdict(enum.StrEnum):
    """What is said of a gradient; compares equal to its name: ``report.verdict == "PASS"``."""

    PASS = "PASS"
    FAIL = "FAIL"
    KINK = "KINK"
    CUSP = "CUSP"
    JUMP = "JUMP"
    NONFINITE = "NONFINITE"
    INCONCLUSIVE = "INCONCLUSIVE"


_MOST_SERIOUS_FIRST = (
    Verdict.FAIL,
    Verdict.NONFINITE,
    Verdict.JUMP,
    Verdict.CUSP,
    Verdict.KINK,
    Verdict.INCONCLUSIVE,
)


@dataclass(frozen=True)
class Worst:
    """The element at which a gradient is most wrong."""

    index: tuple[int, ...]
    given: float
    expected: float


@dataclass
class Row:
    """What was found out about the gradient of one parameter.

    Parameters
    ----------
    name : str
    shape : tuple of int
    dtype : str
    verdict : Verdict
    order : int, default=1
        2 where the derivative of the derivative was checked.
    reason : str, optional
        Why the verdict is not PASS.
    inside : bool, default=False
        At a KINK: the gradient lies between the one-sided slopes, so it is one that may be answered there.
    resolution : float, optional
        The relative error that would have been seen: "verified to 3e-12".
    evaluations : int, default=0
        How often the function was called.
    witnesses : dict of str to float, optional
        The derivative in the reported direction, by who computed it: ``"analytic"``, ``"engine"``,
        ``"complex step"``, ``"finite differences"``.
    bound : float, optional
        How far the finite differences may be off.
    scale : float, optional
        What `digits` is relative to; by default the larger of the two numbers compared.
    worst : Worst, optional
    trace : Slope, optional
        What finite differences saw in the reported direction; `Report.plot` shows it.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    verdict: Verdict
    order: int = 1
    reason: str = ""
    inside: bool = False
    resolution: float | None = None
    evaluations: int = 0
    witnesses: dict[str, float] = field(default_factory=dict)
    bound: float = math.nan
    scale: float = math.nan
    worst: Worst | None = None
    trace: Slope | None = None

    def __post_init__(self) -> None:
        self.verdict = Verdict(self.verdict)

    @property
    def ok(self) -> bool:
        """Whether the gradient may be used: PASS, or one of the subgradients at a KINK."""
        return self.verdict is Verdict.PASS or (self.verdict is Verdict.KINK and self.inside)

    @property
    def seriousness(self) -> int:
        """0 for PASS, 1 for a subgradient at a KINK, and the more the worse."""
        if self.ok:
            return int(self.verdict is Verdict.KINK)
        return 1 + len(_MOST_SERIOUS_FIRST) - _MOST_SERIOUS_FIRST.index(self.verdict)

    def digits(self, a: str, b: str) -> float:
        """To how many decimal digits the witnesses `a` and `b` agree, from 0 to 16; NaN where one did not answer.

        Examples
        --------
        >>> row = Row("w", (3,), "float64", Verdict.PASS, witnesses={"analytic": 2.0, "engine": 2.002}, scale=2.0)
        >>> round(row.digits("analytic", "engine"), 6)
        3.0
        """
        first, second = self._witness(a), self._witness(b)
        distance = abs(first - second)
        if math.isnan(distance) or math.isinf(first) or math.isinf(second):
            return math.nan
        if distance == 0:
            return 16.0
        scale = self.scale if math.isfinite(self.scale) else max(abs(first), abs(second))
        return min(max(math.log10(scale) - math.log10(distance), 0.0), 16.0) if scale > 0 else 0.0

    def _witness(self, name: str) -> float:
        if name not in self.witnesses:
            raise ValueError(f"digits: {self.name} has no witness {name!r}; it has {_listed(self.witnesses)}")
        return self.witnesses[name]


@dataclass(repr=False)
class Report:
    """What a check found: prints as a table, and is one in a notebook.

    Parameters
    ----------
    title : str
        What was checked.
    rows : list of Row
        One for each parameter.
    seed : int
        Of the random directions; given as `rng`, it repeats the check.
    culprits : sequence, optional
        The operations whose rule is wrong, as `blame` found them.
    notes : list of str, optional
    evaluations : int, optional
        How often the function was called; by default the sum over the rows.

    Attributes
    ----------
    verdict : Verdict
        The most serious of the rows; INCONCLUSIVE where there is none.
    ok : bool
        Whether every gradient may be used, and there is at least one.

    Examples
    --------
    >>> row = Row("w", (4, 3), "float64", Verdict.PASS, resolution=3e-12, evaluations=69)
    >>> report = Report("gradient of loss", [row], seed=1234)
    >>> print(report)
    gradient of loss: PASS, verified to 3e-12
    <BLANKLINE>
    verdict  parameter  shape   dtype    verified to  evaluations
    PASS     w          (4, 3)  float64        3e-12           69
    <BLANKLINE>
    seed 1234 (rng=1234 repeats this check), 69 evaluations
    >>> report.ok, report.verdict == "PASS", report.to_dict()["rows"][0]["resolution"]
    (True, True, 3e-12)
    """

    title: str
    rows: list[Row]
    seed: int
    culprits: Sequence[Any] = ()
    notes: list[str] = field(default_factory=list)
    evaluations: int = -1

    def __post_init__(self) -> None:
        if self.evaluations < 0:
            self.evaluations = sum(row.evaluations for row in self.rows)

    @property
    def verdict(self) -> Verdict:
        return max(self.rows, key=lambda row: row.seriousness).verdict if self.rows else Verdict.INCONCLUSIVE

    @property
    def ok(self) -> bool:
        return bool(self.rows) and all(row.ok for row in self.rows)

    def __str__(self) -> str:
        return rendering.text(self)

    def __repr__(self) -> str:
        return f"<Report {rendering.headline(self)}; seed {self.seed}>"

    def _repr_html_(self) -> str:
        return rendering.html(self)

    def to_dict(self) -> dict[str, Any]:
        """All of it in dicts, lists, strings and numbers, ready for JSON: what is not finite is None."""
        return {
            "title": self.title,
            "verdict": str(self.verdict),
            "ok": self.ok,
            "seed": int(self.seed),
            "evaluations": int(self.evaluations),
            "rows": [_row_to_dict(row) for row in self.rows],
            "culprits": [str(culprit) for culprit in self.culprits],
            "notes": list(self.notes),
        }

    def plot(self, row: str | int | None = None, ax: Axes | None = None) -> Axes:
        """The error of the finite differences against their step, with the chosen step and the bound marked.

        Parameters
        ----------
        row : str or int, optional
            The name or the index of a row; by default the most serious one.
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default in a new figure.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        ValueError
            Where there is no such row, or it has no finite differences to show.
        """
        from .plotting import draw_trace

        return draw_trace(self._plotted(row), ax)

    def _plotted(self, wanted: str | int | None) -> Row:
        chosen = self.rows
        if isinstance(wanted, str):
            chosen = [row for row in self.rows if row.name == wanted]
            if not chosen:
                names = list(dict.fromkeys(row.name for row in self.rows))
                near = difflib.get_close_matches(wanted, names, n=1)
                advice = f"did you mean {near[0]!r}?" if near else f"the rows are {_listed(names)}"
                raise ValueError(f"plot: there is no row {wanted!r}; {advice}")
        elif wanted is not None:
            index = operator.index(wanted)
            if not -len(self.rows) <= index < len(self.rows):
                raise ValueError(
                    f"plot: row {index} was asked for, and the report has {len(self.rows)}, counted from 0"
                )
            chosen = [self.rows[index]]
        traced = [row for row in chosen if row.trace is not None and row.trace.rungs]
        if not traced:
            what = f"row {chosen[0].name!r} has" if wanted is not None else "the rows have"
            raise ValueError(f"plot: {what} no trace of finite differences to show")
        return max(traced, key=lambda row: (row.seriousness, row.resolution or 0.0))


def _row_to_dict(row: Row) -> dict[str, Any]:
    digits = {f"{a}~{b}": row.digits(a, b) for a, b in combinations(row.witnesses, 2)}
    return _jsonable({**asdict(row), "ok": row.ok, "digits": digits})


def _jsonable(value: Any) -> Any:
    """`value` with lists for tuples, Python's numbers for NumPy's, and None for what JSON cannot write."""
    if isinstance(value, dict):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_jsonable(item) for item in value]
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, str):
        return str(value)
    number = value.item() if hasattr(value, "item") else value
    return number if math.isfinite(number) else None


def _listed(names: Sequence[str] | dict[str, Any]) -> str:
    return ", ".join(map(repr, names)) or "none"
