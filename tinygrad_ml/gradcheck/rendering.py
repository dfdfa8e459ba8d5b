"""A report as text and as HTML: the same table, and under it the same lines."""

from __future__ import annotations

import math
from decimal import ROUND_UP, Context
from html import escape
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .report import Report, Row

#: Dark enough for white letters, bright enough to stand out from a dark page.
_COLOURS = {"PASS": "#1a7f37", "FAIL": "#cf222e", "NONFINITE": "#cf222e", "INCONCLUSIVE": "#59636e"}
_OTHER_COLOUR = "#9a6700"
_AGREEMENT = "digits of agreement"


class _Column(NamedTuple):
    """One column of the table: a heading of one or two lines, and the cells."""

    heading: tuple[str, ...]
    cells: list[str]
    numeric: bool = False

    def printed(self, height: int) -> list[str]:
        """All its lines at the same width, below as many empty ones as make the heading `height` lines high."""
        width = max(map(len, [*self.heading, *self.cells]))
        column = [""] * (height - len(self.heading)) + [*self.heading, *self.cells]
        return [cell.rjust(width) if self.numeric else cell.ljust(width) for cell in column]


def text(report: Report) -> str:
    """The report as it is printed."""
    said = ["  " + line.replace("\n", "\n  ") for line in lines(report)]
    blocks = [headline(report), _table(report), "\n".join(said), _ending(report)]
    return "\n\n".join(block for block in blocks if block)


def headline(report: Report) -> str:
    """What was checked and the verdict, in one line."""
    return f"{report.title}: {report.verdict}{_remark(report)}"


def lines(report: Report) -> list[str]:
    """What is said under the table: the reasons, the worst elements, the culprits, the notes."""
    reasons: dict[str, list[str]] = {}
    worst = []
    for row in report.rows:
        order = f" (order {row.order})" if row.order != 1 else ""
        if row.reason:
            reasons.setdefault(row.reason, []).append(row.name + order)
        if row.worst is not None:
            index = f"[{', '.join(map(str, row.worst.index))}]" if row.worst.index else ""
            given, expected = _told_apart(row.worst.given, row.worst.expected)
            worst.append(f"{row.name}{index}{order}: gradient {given}, expected {expected}")
    said = [f"{', '.join(names)}: {reason}" for reason, names in reasons.items()]
    return [*said, *worst, *map(str, report.culprits), *report.notes]


def html(report: Report) -> str:
    """The report for a notebook: a table without scripts that takes all colours but the verdicts' from the page."""
    said = "".join(f'<li style="white-space:pre-wrap">{escape(line)}</li>' for line in lines(report))
    parts = [
        f'<p style="font-weight:600">{escape(report.title)}: {_badge(report)}{escape(_remark(report))}</p>',
        _html_table(report),
        f"<ul>{said}</ul>" if said else "",
        f'<p style="opacity:0.8">{escape(_ending(report))}</p>',
    ]
    return "\n".join(["<div>", *filter(None, parts), "</div>"])


def _remark(report: Report) -> str:
    if not report.rows:
        return ", nothing was checked"
    if not report.ok:
        names = {row.name for row in report.rows}
        wrong = {row.name for row in report.rows if row.verdict == report.verdict and not row.ok}
        return f" in {len(wrong)} of {len(names)} parameters" if len(names) > 1 else ""
    subgradient = " (a subgradient)" if report.verdict == "KINK" else ""
    reached = [row.resolution for row in report.rows if row.resolution is not None]
    return subgradient + (f", verified to {_one_digit(max(reached))}" if reached else "")


def _ending(report: Report) -> str:
    return f"seed {report.seed} (rng={report.seed} repeats this check), {report.evaluations} evaluations"


def _columns(report: Report) -> tuple[list[_Column], list[_Column]]:
    """The facts about each row, and how well its witnesses agree where there are more than two."""
    rows = report.rows
    facts = [
        _Column(("verdict",), [str(row.verdict) for row in rows]),
        _Column(("parameter",), [row.name for row in rows]),
        _Column(("order",), [str(row.order) for row in rows], numeric=True),
        _Column(("shape",), [str(tuple(row.shape)) for row in rows]),
        _Column(("dtype",), [str(row.dtype) for row in rows]),
        _Column(("verified to",), [_verified(row) for row in rows], numeric=True),
        _Column(("evaluations",), [str(row.evaluations) for row in rows], numeric=True),
    ]
    if all(row.order == 1 for row in rows):
        del facts[2]
    if all(len(row.witnesses) <= 2 for row in rows):
        return facts, []
    witnesses = dict.fromkeys(name for row in rows for name in row.witnesses)
    agreement = [
        _Column((a.split()[0], "~" + b.split()[0]), [_digits(row, a, b) for row in rows], numeric=True)
        for a, b in combinations(witnesses, 2)
    ]
    return facts, agreement


def _table(report: Report) -> str:
    if not report.rows:
        return ""
    facts, agreement = _columns(report)
    height = 2 if agreement else 1
    left, right = (
        ["  ".join(line) for line in zip(*[column.printed(height) for column in group], strict=True)]
        for group in (facts, agreement)
    )
    if not agreement:
        return "\n".join(line.rstrip() for line in left)
    left.insert(0, " " * len(left[0]))
    right.insert(0, f" {_AGREEMENT} ".center(len(right[0]), "-"))
    return "\n".join(f"{a}  {b}".rstrip() for a, b in zip(left, right, strict=True))


def _html_table(report: Report) -> str:
    if not report.rows:
        return ""
    facts, agreement = _columns(report)
    columns = facts + agreement
    head = "".join(_cell("th", "".join(column.heading), column) for column in columns)
    above = f'<tr><th colspan="{len(facts)}"></th><th colspan="{len(agreement)}">{_AGREEMENT}</th></tr>'
    body = []
    for i, row in enumerate(report.rows):
        first, *rest = [_cell("td", escape(column.cells[i]), column) for column in columns]
        first = _cell("td", _badge(row), facts[0])
        body.append(f"<tr>{first}{''.join(rest)}</tr>")
    return (
        '<table style="border-collapse:collapse;font-variant-numeric:tabular-nums">\n'
        f"<thead>{above if agreement else ''}<tr>{head}</tr></thead>\n<tbody>\n"
        + "\n".join(body)
        + "\n</tbody></table>"
    )


def _cell(tag: str, content: str, column: _Column) -> str:
    side = "right" if column.numeric else "left"
    return f'<{tag} style="text-align:{side};padding:0.2em 0.7em;border-bottom:1px solid #8886">{content}</{tag}>'


def _badge(judged: Report | Row) -> str:
    verdict = str(judged.verdict)
    colour = _COLOURS["PASS"] if judged.ok else _COLOURS.get(verdict, _OTHER_COLOUR)
    return f'<b style="background:{colour};color:#fff;padding:0.1em 0.5em;border-radius:0.3em">{verdict}</b>'


def _verified(row: Row) -> str:
    return _one_digit(row.resolution) if row.ok and row.resolution is not None else "-"


def _digits(row: Row, a: str, b: str) -> str:
    if a not in row.witnesses or b not in row.witnesses:
        return "-"
    digits = row.digits(a, b)
    return "-" if math.isnan(digits) else f"{digits:.1f}"


def _one_digit(number: float) -> str:
    """One digit, rounded up so that no more is claimed than was reached: 3e-12 for 2.4e-12."""
    rounded = Context(prec=1, rounding=ROUND_UP).create_decimal(repr(float(number)))
    return f"{rounded:.0e}" if rounded else "0"


def _told_apart(a: float, b: float) -> tuple[str, str]:
    """Both numbers with six digits, or as many as it takes to see that they differ."""
    for digits in range(6, 17):
        if f"{a:.{digits}g}" != f"{b:.{digits}g}":
            break
    return f"{a:.{digits}g}", f"{b:.{digits}g}"
