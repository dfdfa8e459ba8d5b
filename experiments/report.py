"""What experiments write: figures and numbers, each file whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator, ScalarFormatter

from tinygrad_ml.files import replacing

#: Okabe and Ito's blue and orange: apart for every kind of colour vision and in grey, and dashed apart besides.
STYLES: dict[str, dict[str, Any]] = {
    "training": {"color": "#0072B2", "linestyle": "-"},
    "test": {"color": "#E69F00", "linestyle": (0, (4, 1.5))},
}


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def draw_curves(
    path: Path, title: str, caption: str, loss: Mapping[str, Sequence[float]], accuracy: Mapping[str, Sequence[float]]
) -> list[Path]:
    """Draw the loss and the accuracy after each step, from before the first on.

    Parameters
    ----------
    path : Path
        Without a suffix.
    title, caption : str
        Above and below the curves.
    loss, accuracy : dict of split to numbers
        The splits are the keys of `STYLES`.

    Returns
    -------
    list of Path
        The figure as PNG and as SVG.
    """
    # A Figure without pyplot always draws by Agg or SVG, and never asks for a screen.
    figure = Figure(figsize=(9, 4), layout="constrained")
    panels = figure.subplots(1, 2)
    for axes, curves, label in zip(
        panels, (loss, accuracy), ("cross-entropy loss (nats)", "accuracy (fraction of images)"), strict=True
    ):
        for split, values in curves.items():
            axes.plot(values, label=f"{split} ({values[-1]:.3f} at the end)", linewidth=2, **STYLES[split])
        axes.set_xlabel("step")
        axes.set_ylabel(label)
        axes.set_xlim(0, len(values) - 1)
        axes.grid(color="0.9")
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
    panels[0].set_yscale("log")
    panels[0].yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    panels[0].yaxis.set_major_formatter(ScalarFormatter())
    panels[0].yaxis.set_minor_locator(NullLocator())
    # The first steps, from chance upwards, would press the rest into a line: the axis starts above them.
    low = min(np.quantile(values, 0.02) for values in accuracy.values())
    panels[1].set_ylim(np.floor(low * 20) / 20, 1)
    figure.suptitle(title)
    figure.supxlabel(caption, fontsize="small", color="0.3")
    paths = []
    with matplotlib.rc_context({"svg.hashsalt": "tinygrad_ml"}):  # the same curves make the same file
        for kind, metadata in (("png", {}), ("svg", {"Date": None})):
            paths.append(path.with_suffix(f".{kind}"))
            with replacing(paths[-1]) as temporary:
                figure.savefig(temporary, format=kind, dpi=110, metadata=metadata)
    return paths
