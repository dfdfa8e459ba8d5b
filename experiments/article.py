"""What an experiment leaves: text, formulas, figures, tables and numbers, in reading order."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_ml.files import replacing

from . import drawing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .setting import Setting

ARTICLE, METRICS = "article.json", "metrics.json"


class Article:
    """The solution of an exercise, as it is printed in the report.

    In texts, ``*words*`` are emphasised, `` `words` `` are code and ``$words$`` are formulas in TeX, as far as
    Matplotlib knows it.

    Parameters
    ----------
    setting : Setting
        Files are written to its folder.
    title : str

    Attributes
    ----------
    metrics : dict
        The numbers found, for ``metrics.json``: whatever JSON holds, and NumPy's numbers and arrays.

    Examples
    --------
    >>> import tempfile
    >>> from .setting import Setting
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     article = Article(Setting(Path(folder)), "Squares")
    ...     article.question("What is the square of $x$?")
    ...     article.table("squares", [[1, 1], [2, 4]], ["x", "x * x"], "Squares of small numbers.")
    ...     article.answer("It is `x * x`.")
    ...     article.metrics["largest"] = 4
    ...     article.finish({"seed": 0})
    ...     sorted(path.name for path in Path(folder).iterdir())
    ['article.json', 'metrics.json', 'squares.csv']
    """

    def __init__(self, setting: Setting, title: str) -> None:
        self.folder = setting.out
        self.title = title
        self.metrics: dict[str, Any] = {}
        self._blocks: list[dict[str, Any]] = []
        self._names: set[tuple[str, str]] = set()

    def section(self, title: str) -> None:
        """A heading within the article."""
        self._add("section", text=title)

    def question(self, text: str) -> None:
        """What is asked."""
        self._add("question", text=text)

    def text(self, text: str) -> None:
        """A paragraph."""
        self._add("text", text=text)

    def formula(self, *lines: str) -> None:
        """A formula in TeX without dollars, or several below each other."""
        self._add("formula", lines=list(lines))

    def code(self, text: str) -> None:
        """Code, or what a program printed, as it is."""
        self._add("code", text=text)

    def figure(self, name: str, figure: Figure, caption: str) -> None:
        """Write ``name.png`` and ``name.svg``, and print the figure.

        Parameters
        ----------
        name : str
            Of the files.
        figure : Figure
            With labelled axes.
        caption : str
            What is to be seen; it is also read to those who cannot see it.
        """
        self._claim("figure", name)
        with replacing(self.folder / f"{name}.png") as png, replacing(self.folder / f"{name}.svg") as svg:
            drawing.save(figure, png, svg)
        self._add("figure", name=name, caption=caption, width=float(figure.get_figwidth()))

    def table(
        self,
        name: str,
        rows: Sequence[Sequence[Any]],
        columns: Sequence[str],
        caption: str,
        formats: Mapping[str, str] | None = None,
    ) -> None:
        """Write ``name.csv``, with all digits, and print the table.

        Parameters
        ----------
        name : str
            Of the file.
        rows : sequence of rows
            Of texts, numbers, or None for an empty cell.
        columns : sequence of str
            The heads of the columns.
        caption : str
        formats : dict of column to format, optional
            Like ``{"accuracy": ".2%"}``; by default, whole numbers are printed with all digits, others with four.
        """
        self._claim("table", name)
        rows = [[_cell(cell) for cell in row] for row in rows]
        if wrong := [row for row in rows if len(row) != len(columns)]:
            raise ValueError(f"table {name}: {len(columns)} columns, and {len(wrong[0])} cells in {wrong[0]}")
        if unknown := set(formats or {}) - set(columns):
            raise ValueError(f"table {name}: formats names {sorted(unknown)}; the columns are {list(columns)}")
        with (
            replacing(self.folder / f"{name}.csv") as unfinished,
            open(unfinished, "w", newline="", encoding="utf-8") as file,
        ):
            csv.writer(file, lineterminator="\n").writerows([columns, *rows])
        self._add("table", name=name, rows=rows, columns=list(columns), caption=caption, formats=dict(formats or {}))

    def answer(self, text: str) -> None:
        """What was found, computed from the numbers."""
        self._add("answer", text=text)

    def finish(self, identity: Mapping[str, Any]) -> None:
        """Write the article and, as the sign that all is there, ``metrics.json`` with `identity` before the metrics."""
        if taken := identity.keys() & self.metrics.keys():
            raise ValueError(f"metrics: {sorted(taken)} say under what the numbers were found; choose other names")
        write_json(self.folder / ARTICLE, {"title": self.title, "blocks": self._blocks})
        write_json(self.folder / METRICS, {**identity, **self.metrics})

    def _add(self, kind: str, **content: Any) -> None:
        self._blocks.append({"kind": kind, **content})

    def _claim(self, kind: str, name: str) -> None:
        if (kind, name) in self._names:
            raise ValueError(f"article {self.title!r}: there is a {kind} {name!r} already; each needs its own name")
        self._names.add((kind, name))


def scientific(value: float, digits: int = 2) -> str:
    """A number with its power of ten, for texts.

    Examples
    --------
    >>> scientific(2.345e-10)
    '$2.3 \\\\times 10^{-10}$'
    """
    if not value or not math.isfinite(value):
        return f"{value:g}"
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    return rf"${mantissa} \times 10^{{{int(exponent)}}}$"


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write `values`, whole or not at all. What is not finite becomes null, since JSON has no word for it."""
    with replacing(path) as unfinished:
        text = json.dumps(_plain(values), indent=2, ensure_ascii=False, allow_nan=False)
        unfinished.write_text(text + "\n", encoding="utf-8")


def _cell(value: Any) -> Any:
    """A text, a number or None; what is not finite as a word."""
    plain = value.item() if isinstance(value, np.generic) else value
    return str(plain) if isinstance(plain, float) and not math.isfinite(plain) else _plain(plain)


def _plain(value: Any) -> Any:
    """`value` in the types of JSON."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (np.ndarray, np.generic)):
        return _plain(value.tolist())
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    raise TypeError(f"{type(value).__name__} {value!r} is no text, number, list or dict; convert it first")
