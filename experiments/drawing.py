"""How figures look: one style for all, readable for every kind of colour vision and in grey."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cycler import cycler

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Okabe and Ito's colours, from dark to light so that they differ in grey too, each with a line style of its own.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#444444", "#000000")
LINES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (6, 1.5, 1, 1.5)), (0, (3, 1, 1, 1, 1, 1)), (0, (8, 3)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")

#: The splits of the data look the same in every figure.
SPLITS: dict[str, dict[str, Any]] = {
    "training": {"color": "#0072B2", "linestyle": "-"},
    "validation": {"color": "#D55E00", "linestyle": (0, (1, 1))},
    "test": {"color": "#E69F00", "linestyle": (0, (5, 1.5))},
}

#: From dark to light in grey too, which no map with its middle light or dark is.
SEQUENTIAL = "cividis"

#: Matplotlib's settings while an experiment runs.
STYLE: Any = {
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.labelsize": 10,
    "axes.prop_cycle": cycler(color=COLOURS[:6]) + cycler(linestyle=LINES),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 10.5,
    "figure.dpi": 100,
    "figure.titlesize": 11.5,
    "font.size": 9.5,
    "grid.color": "0.9",
    "image.cmap": SEQUENTIAL,
    "legend.fontsize": 9,
    "legend.frameon": True,
    "legend.framealpha": 0.85,
    "legend.edgecolor": "none",
    "legend.handlelength": 2.6,
    "lines.linewidth": 1.8,
    "mathtext.fontset": "dejavusans",
    "savefig.dpi": 160,
    "svg.hashsalt": "tinygrad_ml",  # the same figure makes the same file
}


def panels(
    rows: int = 1, columns: int = 1, *, width: float = 4.2, height: float = 3.2, **options: Any
) -> tuple[Figure, Any]:
    """A figure of panels, each `width` by `height` inches, which never overlap.

    Made without pyplot, it asks for no screen, and goes with its last reference.

    Parameters
    ----------
    rows, columns : int
    width, height : float
        Of each panel.
    **options
        As in `Figure.subplots`: ``sharex``, ``sharey``, ``squeeze``, ``subplot_kw`` ...

    Returns
    -------
    figure : Figure
    axes : Axes, or an array of them

    Examples
    --------
    >>> figure, (left, right) = panels(1, 2)
    >>> figure.get_size_inches().tolist()
    [8.4, 3.2]
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    return figure, figure.subplots(rows, columns, **options)


def save(figure: Figure, png: Path, svg: Path) -> None:
    """Write both files. Each is drawn once, where `Figure.savefig` would draw it twice, and the layout is made once."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    figure.set_dpi(STYLE["savefig.dpi"])
    with matplotlib.rc_context({"svg.hashsalt": STYLE["svg.hashsalt"]}):
        FigureCanvasAgg(figure).print_png(png)
        figure.set_layout_engine("none")  # the second file keeps the layout of the first
        FigureCanvasSVG(figure).print_svg(svg, metadata={"Date": None})


def image(axes: Any, pixels: Any, title: str = "", **options: Any) -> Any:
    """Show `pixels` without ticks or grid, and return what a colour bar takes."""
    axes.grid(False)
    axes.set(xticks=[], yticks=[], title=title)
    axes.spines[:].set_visible(False)
    return axes.imshow(pixels, **options)


def plain_log_ticks(axis: Any, digits: Sequence[float] = (1, 2, 5)) -> None:
    """Ticks like 0.2, 0.5, 1 for a logarithmic axis (``axes.yaxis``) that spans few powers of ten."""
    from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

    axis.set_major_locator(LogLocator(subs=digits))
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_locator(NullLocator())


def styles(count: int) -> Sequence[dict[str, Any]]:
    """A colour, a line style and a marker for each of up to six curves.

    Examples
    --------
    >>> [style["marker"] for style in styles(3)]
    ['o', 's', '^']
    """
    if count > len(LINES):
        raise ValueError(f"styles: there are {len(LINES)} that are told apart, got {count}; use panels")
    return [
        {"color": colour, "linestyle": line, "marker": marker}
        for colour, line, marker, _ in zip(COLOURS, LINES, MARKERS, range(count), strict=False)
    ]
