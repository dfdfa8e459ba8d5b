"""The report: one page of HTML with everything inside, made of what the finished experiments left on the disk."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from tinygrad_ml.files import replacing

from . import formulas
from .article import ARTICLE, METRICS
from .style_sheet import STYLE_SHEET

REPORT = "report.html"
#: Figures with more bytes as SVG (many points, fine contours) are shown as PNG, lest the page become heavy.
_LARGEST_SVG = 700_000


def finished(folder: Path) -> dict[str, Any] | None:
    """The metrics of the experiment of this folder, or None where it has not come to its end."""
    try:
        metrics = json.loads((folder / METRICS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return metrics if isinstance(metrics, dict) and (folder / ARTICLE).exists() else None


def write_report(out: Path, names: Sequence[str]) -> Path | None:
    """Write ``report.html`` of the experiments in `names` that have come to their end; None where none has."""
    articles = []
    for name in names:
        if metrics := finished(out / name):
            articles.append(_article(name, out / name, metrics))
    if not articles:
        return None
    with replacing(out / REPORT) as unfinished:
        unfinished.write_text(_page(articles), encoding="utf-8")
    return out / REPORT


def _page(articles: Sequence[tuple[str, str, list[tuple[str, str]], str]]) -> str:
    contents = "".join(
        f"<li><a href='#{name}'>{inline(title)}</a>"
        + ("<ol>" + "".join(f"<li><a href='#{key}'>{inline(words)}</a></li>" for key, words in parts) + "</ol>")
        * bool(parts)
        + "</li>"
        for name, title, parts, _ in articles
    )
    return (
        "<!DOCTYPE html>\n<html lang='en'>\n<head>\n<meta charset='utf-8'>\n"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>\n"
        "<meta name='color-scheme' content='light dark'>\n<title>tinygrad_ml: experiments</title>\n"
        "<link rel='icon' href='data:,'>\n"
        f"<style>\n{STYLE_SHEET}</style>\n</head>\n<body>\n"
        "<a class='skip' href='#content'>To the experiments</a>\n"
        f"<nav aria-label='Contents'><details open><summary>Contents</summary><ol>{contents}</ol></details></nav>\n"
        "<main id='content'>\n<header><h1>Experiments of tinygrad_ml</h1>"
        "<p>All numbers, those in the text too, come from the runs that this page reports.</p></header>\n"
        + "\n".join(body for *_, body in articles)
        + "\n</main>\n</body>\n</html>\n"
    )


def _article(name: str, folder: Path, metrics: Mapping[str, Any]) -> tuple[str, str, list[tuple[str, str]], str]:
    """Name, title, the parts with their anchors, and the HTML."""
    article = json.loads((folder / ARTICLE).read_text(encoding="utf-8"))
    parts: list[tuple[str, str]] = []
    numbers = {"figure": 0, "table": 0}
    body = []
    for block in article["blocks"]:
        kind = block["kind"]
        if kind == "section":
            parts.append((f"{name}-{len(parts) + 1}", block["text"]))
            body.append(f"<h3 id='{parts[-1][0]}'>{inline(block['text'])}</h3>")
            continue
        if kind in numbers:
            numbers[kind] += 1
        body.append(_BLOCKS[kind](block, folder, numbers.get(kind, 0)))
    under = f"Seed {metrics['seed']}, tinygrad_ml {escape(str(metrics['version']))}"
    if metrics.get("data"):
        under += f", data from <code>{escape(str(metrics['data']['file']))}</code>"
    under += f"; files in <code>{escape(name)}/</code>."
    if metrics["quick"]:
        under += " <strong>A quick run: its numbers are of a smaller experiment.</strong>"
    title = article["title"]
    html = (
        f"<article id='{name}' aria-labelledby='{name}-title'>\n<h2 id='{name}-title'>{inline(title)}</h2>\n"
        f"<p class='under'>{under}</p>\n" + "\n".join(body) + "\n</article>"
    )
    return name, title, parts, html


def _question(block: Mapping[str, Any], folder: Path, number: int) -> str:
    return f"<section class='question' aria-label='Question'><p>{inline(block['text'])}</p></section>"


def _text(block: Mapping[str, Any], folder: Path, number: int) -> str:
    return f"<p>{inline(block['text'])}</p>"


def _answer(block: Mapping[str, Any], folder: Path, number: int) -> str:
    return f"<section class='answer' aria-label='Answer'><p>{inline(block['text'])}</p></section>"


def _code(block: Mapping[str, Any], folder: Path, number: int) -> str:
    return f"<pre tabindex='0'><code>{escape(block['text'])}</code></pre>"


def _formula(block: Mapping[str, Any], folder: Path, number: int) -> str:
    # Between lines of text, fractions are set small; here there is room.
    large = [line.replace(r"\frac", r"\dfrac") for line in block["lines"]]
    lines = "".join(f"<div>{formulas.svg(line, 1.15)}</div>" for line in large)
    return f"<div class='formula' tabindex='0'>{lines}</div>"


def _figure(block: Mapping[str, Any], folder: Path, number: int) -> str:
    name, caption = block["name"], block["caption"]
    svg = folder / f"{name}.svg"
    path, kind = (svg, "svg+xml") if svg.stat().st_size <= _LARGEST_SVG else (folder / f"{name}.png", "png")
    content = base64.b64encode(path.read_bytes()).decode()
    # The letters of a figure shall be about as large as those of the text; on narrow screens, panels side by side are
    # scrolled rather than shrunk.
    width = block["width"] * 6.2
    least = min(width, 30) if block["width"] > 7 else 0
    return (
        f"<figure><div class='wide' tabindex='0'><img style='width:{width:.1f}rem;min-width:{least:.1f}rem' "
        f"alt='{escape(plain(caption), quote=True)}' src='data:image/{kind};base64,{content}'></div>"
        f"<figcaption><b>Figure {number}.</b> {inline(caption)}</figcaption></figure>"
    )


def _table(block: Mapping[str, Any], folder: Path, number: int) -> str:
    columns, rows, formats = block["columns"], block["rows"], block["formats"]
    is_number = [any(_is_number(row[i]) for row in rows) for i in range(len(columns))]
    kinds = [" class='number'" if numeric else "" for numeric in is_number]
    head = "".join(f"<th scope='col'{kind}>{inline(name)}</th>" for name, kind in zip(columns, kinds, strict=True))
    lines = []
    for row in rows:
        cells = [_cell(cell, formats.get(column, "")) for cell, column in zip(row, columns, strict=True)]
        first = f"<th scope='row'{kinds[0]}>{cells[0]}</th>"
        lines.append("<tr>" + first + "".join(f"<td{k}>{c}</td>" for k, c in zip(kinds[1:], cells[1:], strict=True)))
    return (
        f"<figure class='table'><figcaption><b>Table {number}.</b> {inline(block['caption'])}</figcaption>"
        f"<div class='wide' tabindex='0'><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(f'{line}</tr>' for line in lines)}</tbody></table></div></figure>"
    )


_BLOCKS = {
    "question": _question,
    "text": _text,
    "answer": _answer,
    "code": _code,
    "formula": _formula,
    "figure": _figure,
    "table": _table,
}


#: What is not finite stands as a word in tables and files.
_NOT_FINITE = {"inf": "∞", "-inf": "−∞", "nan": "undefined"}


def _is_number(cell: Any) -> bool:
    return cell in _NOT_FINITE or (isinstance(cell, (int, float)) and not isinstance(cell, bool))


def _cell(cell: Any, form: str) -> str:
    if cell is None:
        return "–"
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, str):
        return _NOT_FINITE.get(cell) or inline(cell)
    return number(cell, form)


def number(value: float, form: str = "") -> str:
    """A number for readers: thousands apart, a true minus, powers of ten as such.

    Examples
    --------
    >>> number(1234567), number(-0.5), number(0.96444, ".1%"), number(0.0, ".1%"), number(1.25e-9)
    ('1,234,567', '−0.5', '96.4%', '0.0%', '1.25 × 10<sup>−9</sup>')
    """
    if value == 0 and not form.endswith("%"):
        return "0"
    text = format(value, form or ("," if isinstance(value, int) else ".4g"))
    if power := re.fullmatch(r"(.+)e([+-]\d+)", text):
        text = f"{power[1]} × 10<sup>{int(power[2])}</sup>"
    return text.replace("-", "−")


_MARKUP = re.compile(r"`([^`]+)`|\$([^$]+)\$|\*([^*\s](?:[^*]*[^*\s])?)\*")


def inline(text: str) -> str:
    """HTML of a text with ``*emphasis*``, `` `code` `` and ``$formulas$``.

    Examples
    --------
    >>> inline("a *small* `a < b`, 1-2 and -3")
    'a <em>small</em> <code>a &lt; b</code>, 1-2 and −3'
    """
    pieces, end = [], 0
    for match in _MARKUP.finditer(text):
        pieces.append(_words(text[end : match.start()]))
        code, tex, emphasis = match.groups()
        if code is not None:
            pieces.append(f"<code>{escape(code, quote=False)}</code>")
        elif tex is not None:
            pieces.append(formulas.svg(tex, 1.12))
        else:
            pieces.append(f"<em>{inline(emphasis)}</em>")
        end = match.end()
    return "".join([*pieces, _words(text[end:])])


def _words(text: str) -> str:
    return escape(re.sub(r"(?<![\w.)-])-(?=\d)", "−", text), quote=False)


def plain(text: str) -> str:
    """The text without its markup.

    Examples
    --------
    >>> plain("a *small* `k` of $k = 5$")
    'a small k of k = 5'
    """
    return _MARKUP.sub(lambda match: next(group for group in match.groups() if group is not None), text)
