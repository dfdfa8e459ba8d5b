"""Classes in the plane whose densities are known, and how they are drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

import tinygrad_ml as tg

from .. import drawing

#: Three classes of unequal size that overlap; the first is in two pieces.
SOURCE = tg.data.GaussianClasses(
    weights=[0.3, 0.2, 0.3, 0.2],
    means=[[-2.0, 0.0], [2.4, 2.6], [0.5, 0.4], [1.6, -1.7]],
    covariances=[
        [[0.6, 0.2], [0.2, 0.5]],
        [[0.4, -0.15], [-0.15, 0.5]],
        [[1.2, 0.8], [0.8, 0.9]],
        [[0.5, 0.0], [0.0, 0.25]],
    ],
    classes=[0, 0, 1, 2],
)
#: How dense the colour of a region is, by its class, so that regions differ in grey too.
SHADES = (0.12, 0.3, 0.45)


class Grid:
    """`side` points in each direction within a box around the points `X`."""

    def __init__(self, X: np.ndarray, side: int) -> None:
        self.side = side
        low, high = X.min(axis=0) - 0.5, X.max(axis=0) + 0.5
        self.x, self.y = np.meshgrid(np.linspace(low[0], high[0], side), np.linspace(low[1], high[1], side))
        self.points = np.stack((self.x.ravel(), self.y.ravel()), axis=1)
        self.cell = float(np.prod((high - low) / (side - 1)))

    def panels(
        self, rows: int, columns: int, width: float, above: float = 0, below: float = 0
    ) -> tuple[Figure, np.ndarray]:
        """A sheet of panels of the box, `width` inches each and as high as the box is, with labels at its edges.

        All sizes are known, so that no layout is to be searched for. `above` and `below` them is room for more.
        """
        (left, right), (bottom, top) = ((side.min(), side.max()) for side in (self.x, self.y))
        height, title, labels, gap = width * (top - bottom) / (right - left), 0.3, 0.55, 0.12
        whole = np.array([labels + columns * (width + gap), below + labels + rows * (height + title) + above])
        figure = Figure(figsize=tuple(whole))
        axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        low, high = (labels, below + labels) / whole, 1 - (gap, above + title) / whole
        figure.subplots_adjust(low[0], low[1], high[0], high[1], gap / width, title / height)
        axes[0, 0].set(xlim=(left, right), ylim=(bottom, top))  # for all, else each that is drawn asks all for theirs
        for panel in axes.flat:
            panel.set(aspect="equal", autoscale_on=False)
        for panel in axes[-1]:
            panel.set(xlabel="$x_1$")
        for panel in axes[:, 0]:
            panel.set(ylabel="$x_2$")
        return figure, axes

    def fold(self, values: np.ndarray) -> np.ndarray:
        """One value for each point as an array of two dimensions."""
        return values.reshape(self.x.shape)


def draw_points(axes: Any, X: np.ndarray, y: np.ndarray, size: float) -> None:
    for c, (count, colour, marker) in enumerate(zip(np.bincount(y), drawing.COLOURS, drawing.MARKERS, strict=False)):
        style: Any = {"s": size, "c": colour, "marker": marker, "linewidths": 0, "rasterized": True}
        axes.scatter(*X[y == c].T, label=f"class {c}: {count} points", **style)


def draw_regions(axes: Any, grid: Grid, predicted: np.ndarray) -> None:
    """Each class by itself: between the contours of numbers 0 and 2, there would be a line of class 1."""
    for c, (colour, alpha) in enumerate(zip(drawing.COLOURS, SHADES, strict=False)):
        is_class = grid.fold(predicted == c).astype(float)
        axes.contourf(grid.x, grid.y, is_class, levels=[0.5, 1.5], colors=[colour], alpha=alpha)


def draw_best(axes: Any, grid: Grid) -> None:
    """The boundary of each class to those that come after it, so that no line is drawn twice."""
    posterior = SOURCE.posterior(grid.points)
    for c in range(posterior.shape[1] - 1):
        lead = posterior[:, c] - posterior[:, c + 1 :].max(axis=1)
        lead[posterior[:, :c].max(axis=1, initial=0) > posterior[:, c:].max(axis=1)] = np.nan
        axes.contour(grid.x, grid.y, grid.fold(lead), levels=[0], colors="0.15", linewidths=0.9, linestyles="dashed")
    axes.plot([], [], color="0.15", linewidth=0.9, linestyle="dashed", label="boundary of the best decision")
