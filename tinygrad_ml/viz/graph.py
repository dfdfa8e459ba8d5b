"""The graph of a computation, drawn with Matplotlib alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .boxes import Box, record
from .layout import layered
from .style import EDGES, FILLS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TITLE, _DETAIL = 9.0, 7.5
#: All in inches.
_MARGIN, _PADDING, _LINE, _HEAD = 0.2, 0.12, 0.16, 0.07


def draw_graph(what: Any, *args: Any, module: Any = None, limit: int = 40, ax: Axes | None = None) -> Axes:
    """Draw how a loss, or any other Tensor, was computed; Graphviz is not needed.

    Parameters
    ----------
    what : Tensor or callable
        A computed Tensor; or a function or module, which is called once with `args`. A module in training mode then
        behaves as in training: call its ``eval()`` first where it keeps running statistics.
    *args
        Arrays of floating-point numbers, also in lists, tuples and dicts, are handed over as Tensors that require
        gradients.
    module : Module or dict of str to Tensor, optional
        Names the parameters.
    limit : int, default=40
        Only the latest so many operations are drawn one by one; those before are one box that tells their number.
    ax : matplotlib Axes, optional
        By default one in a new figure of the size of the graph.

    Returns
    -------
    Axes

    See Also
    --------
    to_dot : The same graph as text, for Graphviz.

    Notes
    -----
    The graph holds what gradients flow through: tensors that require gradients (blue), operations (grey), and the
    result (orange). Arrays (white) and numbers that require none are in it where a rule will read them.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import numpy as np
    >>> import tinygrad_ml as tg
    >>> model = tg.nn.Linear(3, 1, rng=0)
    >>> loss = np.mean(model(np.ones((5, 3))) ** 2)
    >>> axes = draw_graph(loss, module=model)
    >>> axes.figure.savefig("loss.png")  # doctest: +SKIP
    """
    boxes, arrows = record(what, args, module, limit, "draw_graph")
    from matplotlib.patches import FancyBboxPatch, PathPatch, Polygon
    from matplotlib.path import Path

    layout = layered([_size(box) for box in boxes], arrows)
    width, height = layout.width + 2 * _MARGIN, layout.height + 2 * _MARGIN
    if ax is None:
        import matplotlib.pyplot as plt

        figure = plt.figure(figsize=(width, height))
        ax = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    ax.set(xlim=(-_MARGIN, width - _MARGIN), ylim=(-_MARGIN, height - _MARGIN), aspect="equal")
    ax.set_axis_off()
    scale = _inches_per_unit(ax, width, height)
    for points in layout.paths:
        tip = points[-1]
        vertices, codes = _curve(np.vstack([points[:-1], tip + [0, _HEAD]]))
        ax.add_patch(PathPatch(Path(vertices, codes), fill=False, edgecolor="0.55", linewidth=1.1 * scale))
        head = tip + np.array([[0, 0], [-0.45 * _HEAD, 1.2 * _HEAD], [0.45 * _HEAD, 1.2 * _HEAD]])
        ax.add_patch(Polygon(head, closed=True, facecolor="0.45", edgecolor="none"))
    for box, (x, y) in zip(boxes, layout.centres, strict=True):
        w, h = _size(box)
        ax.add_patch(
            FancyBboxPatch(
                (x - w / 2, y - h / 2),
                w,
                h,
                boxstyle="round,pad=0,rounding_size=0.08",
                facecolor=FILLS[box.kind],
                edgecolor=EDGES[box.kind],
                linewidth=1.1 * scale,
                linestyle="--" if box.kind == "rest" else "-",
                zorder=2,
            )
        )
        lift = _LINE / 2 if box.detail else 0
        text: dict[str, Any] = {"ha": "center", "va": "center_baseline", "parse_math": False, "zorder": 3}
        ax.text(x, y + lift, box.title, size=_TITLE * scale, color="0.1", **text)
        ax.text(x, y - lift, box.detail, size=_DETAIL * scale, color="0.4", **text)
    return ax


def _size(box: Box) -> tuple[float, float]:
    width = max(_text_width(box.title, _TITLE), _text_width(box.detail, _DETAIL))
    return width + 2 * _PADDING, _LINE * (2 if box.detail else 1) + 2 * _PADDING * 0.8


def _text_width(text: str, size: float) -> float:
    from matplotlib.textpath import TextPath

    return float(TextPath((0, 0), text, size=size, usetex=False).get_extents().width) / 72 if text else 0.0


def _inches_per_unit(ax: Axes, width: float, height: float) -> float:
    """How much a given Axes shrinks the graph."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    box = ax.get_position()
    across, along = figure.get_size_inches() * (box.width, box.height)
    return float(min(across / width, along / height))


def _curve(points: np.ndarray) -> tuple[list[np.ndarray], list[int]]:
    """Through all points, vertical at each."""
    from matplotlib.path import Path

    vertices, codes = [points[0]], [int(Path.MOVETO)]
    for start, end in zip(points, points[1:], strict=False):
        middle = (start[1] + end[1]) / 2
        vertices += [np.array([start[0], middle]), np.array([end[0], middle]), end]
        codes += [int(Path.CURVE4)] * 3
    return vertices, codes
