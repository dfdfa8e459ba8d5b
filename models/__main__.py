"""The command line: ``python -m models check [MODEL ...] [--seed N] [--json FILE]``."""

from __future__ import annotations

import argparse
import difflib
import json
import math
import secrets
import sys
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

from tinygrad_ml.files import replacing
from tinygrad_ml.gradcheck import Report, Row
from tinygrad_ml.gradcheck.rendering import lines

from . import check

_WITNESSES = (*check.EXACT, "finite differences")
_PAIRS = tuple(combinations(_WITNESSES, 2))
_NUMBER, _DIGITS = 12, 8


def main(argv: Sequence[str] | None = None) -> int:
    """Check what the arguments name, print the table, and return the exit status."""
    options = _options(argv)
    seed = secrets.randbits(32) if options.seed is None else options.seed
    reports = [check.check_case(case, seed) for name in options.models or check.MODELS for case in check.cases(name)]
    print(table(reports))
    failed = [report for report in reports if not report.ok]
    for report in failed:
        print(f"\n{report.title}:", *lines(report), sep="\n  ")
    verdict = f"FAIL in {len(failed)} of {len(reports)} models" if failed else "PASS: all witnesses agree"
    print(f"\n{verdict}; --seed {seed} repeats this check")
    if options.json:
        text = json.dumps({"seed": seed, "reports": [report.to_dict() for report in reports]}, indent=2)
        try:
            with replacing(options.json) as unfinished:
                unfinished.write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            print(f"models: cannot write {options.json}: {error.strerror or error}", file=sys.stderr)
            return 2
    return 1 if failed else 0


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m models", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    checking = commands.add_parser(
        "check",
        help="check all derivatives of the models",
        description="Hold the derivatives by hand against the engine, the complex step and finite differences. The "
        "exit status is 0 where all agree, 1 where they do not, 2 where nothing could be checked.",
    )
    add = checking.add_argument
    add("models", nargs="*", metavar="MODEL", type=_model, help=f"of {', '.join(check.MODELS)} (default: all)")
    add("--seed", type=_seed, metavar="N", help="repeats a check (default: drawn, and printed)")
    add("--json", type=Path, metavar="FILE", help="write all figures there too")
    return parser.parse_args(argv)


def _model(name: str) -> str:
    if name not in check.MODELS:
        near = difflib.get_close_matches(name, check.MODELS, n=1, cutoff=0)
        raise argparse.ArgumentTypeError(f"there is no model {name!r}; the nearest is {near[0]!r}")
    return name


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a whole number from 0, not {text!r}")
    return int(text)


def table(reports: Sequence[Report]) -> str:
    """All reports in one table: for each derivative along a random direction what the witnesses say of it, and the
    digits to which each pair agrees.
    """
    width = max(len(row.name) for report in reports for row in report.rows)
    heads = [name.removesuffix(" differences") for name in _WITNESSES]
    short = [tuple(name.split()[0] for name in pair) for pair in _PAIRS]
    numbers, digits = (_NUMBER + 2) * len(heads), (_DIGITS + 2) * len(short)
    left = " " * (8 + width)
    out = [
        left + "-- derivative along a random direction ".ljust(numbers - 2, "-").rjust(numbers)
        + "  " + "-- digits to which they agree ".ljust(digits - 2, "-"),
        left + " " * numbers + "".join(f"  {a:>{_DIGITS}}" for a, _ in short),
        f"{'verdict':8}{'':{width}}" + "".join(f"  {head:>{_NUMBER}}" for head in heads)
        + "".join(f"  {'~' + b:>{_DIGITS}}" for _, b in short),
    ]  # fmt: skip
    for report in reports:
        out += ["", report.title, *[_line(row, width) for row in report.rows]]
    return "\n".join(line.rstrip() for line in out)


def _line(row: Row, width: int) -> str:
    numbers = [f"{row.witnesses[name]:.6g}" if name in row.witnesses else "-" for name in _WITNESSES]
    digits = [_agreement(row, *pair) for pair in _PAIRS]
    return (
        f"{row.verdict:8}{row.name:{width}}"
        + "".join(f"  {number:>{_NUMBER}}" for number in numbers)
        + "".join(f"  {each:>{_DIGITS}}" for each in digits)
    )


def _agreement(row: Row, a: str, b: str) -> str:
    digits = row.digits(a, b) if a in row.witnesses and b in row.witnesses else math.nan
    return "-" if math.isnan(digits) else f"{digits:.1f}"


if __name__ == "__main__":
    sys.exit(main())
