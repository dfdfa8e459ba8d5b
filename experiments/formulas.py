"""Formulas as pictures in a page: Matplotlib's mathtext, drawn as outlines in the colour of the text around them."""

from __future__ import annotations

from functools import lru_cache
from html import escape
from typing import Any

from matplotlib.font_manager import FontProperties
from matplotlib.path import Path as Outline
from matplotlib.textpath import TextPath, text_to_path

#: Units of the drawing to one em of the page. Outlines are drawn in hundredths of them.
_EM = 100.0
_FONT = FontProperties(size=_EM, math_fontfamily="cm")
_COMMANDS = {Outline.MOVETO: "M", Outline.LINETO: "L", Outline.CURVE3: "Q", Outline.CURVE4: "C"}


@lru_cache(maxsize=1000)
def svg(tex: str, scale: float = 1.0) -> str:
    """The formula as an ``<svg>`` element that stands on the line of the text, and is read as TeX where not seen.

    Parameters
    ----------
    tex : str
        Without dollars.
    scale : float, default=1.0
        Against the size of the text.

    Raises
    ------
    ValueError
        Where mathtext does not understand it.

    Examples
    --------
    >>> picture = svg(r"x_1 < 2")
    >>> picture[:4], "aria-label='x_1 &lt; 2'" in picture
    ('<svg', True)
    """
    drawn = "$" + tex.replace(r"\top", r"{\mathsf{T}}") + "$"  # mathtext sets \top like a relation, apart from its base
    try:
        width, height, depth = text_to_path.get_text_width_height_descent(drawn, _FONT, ismath=True)
        outline = TextPath((0, 0), drawn, prop=_FONT, size=_EM)
    except ValueError as error:
        raise ValueError(f"formula {tex!r}: {error}") from error
    margin = 4
    box = (-margin, -(height - depth) - margin, width + 2 * margin, height + 2 * margin)
    em = scale / _EM
    return (
        f"<svg class='tex' role='img' aria-label='{escape(tex, quote=True)}' "
        f"viewBox='{' '.join(f'{number:.0f}' for number in box)}' "
        f"style='width:{box[2] * em:.2f}em;height:{box[3] * em:.2f}em;vertical-align:{-(depth + margin) * em:.2f}em'>"
        f"<path fill='currentColor' d='{_path(outline)}'/></svg>"
    )


def _path(outline: Any) -> str:
    """The outline in SVG's words, with y downwards."""
    words = []
    for points, code in outline.iter_segments(curves=True, simplify=False):
        if code == Outline.CLOSEPOLY:
            words.append("Z")
        else:
            words.append(
                _COMMANDS[code]
                + " ".join(f"{x:.1f} {-y:.1f}" for x, y in zip(points[::2], points[1::2], strict=True)).replace(
                    ".0", ""
                )
            )
    return "".join(words)
