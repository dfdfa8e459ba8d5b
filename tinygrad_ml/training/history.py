"""What happened in a run, by epochs and by steps."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SHOWN = 8


class History:
    """Columns of numbers, one for each thing that was measured.

    Attributes
    ----------
    epochs : dict of str to list
        "epoch", "step" (steps done so far), "loss" (mean over the epoch's rows, each before the step it led to), "lr",
        "seconds", and of a validation "validation_loss" and "validation_" with the names of the metrics.
    steps : dict of str to list
        "step", "epoch", "loss", "lr", and with `clip_norm` "gradient_norm" as it was before.

    Examples
    --------
    >>> history = History()
    >>> history.add_epoch({"epoch": 1, "loss": 0.75})
    >>> history.add_epoch({"epoch": 2, "loss": 0.5})
    >>> history
    epoch  loss
        1  0.75
        2   0.5
    >>> history["loss"]
    [0.75, 0.5]
    """

    def __init__(self) -> None:
        self.epochs: dict[str, list[Any]] = {}
        self.steps: dict[str, list[Any]] = {}

    def add_epoch(self, record: dict[str, Any]) -> None:
        """Take in what was measured in an epoch."""
        _append(self.epochs, record)

    def add_step(self, record: dict[str, Any]) -> None:
        """Take in what was measured in a step."""
        _append(self.steps, record)

    def __getitem__(self, name: str) -> list[Any]:
        if name not in self.epochs:
            raise KeyError(f"History: no column {name!r} of epochs; there are {', '.join(self.epochs) or 'none'}")
        return self.epochs[name]

    def __len__(self) -> int:
        """How many epochs there are."""
        return len(next(iter(self.epochs.values()), []))

    def __repr__(self) -> str:
        if not len(self):
            return f"History of no epochs and {len(next(iter(self.steps.values()), []))} steps"
        chosen = list(range(len(self)))
        lines = [[_short(column[i]) for column in self.epochs.values()] for i in chosen]
        if len(lines) > _SHOWN:
            half = _SHOWN // 2
            lines = [*lines[:half], ["..."] * len(self.epochs), *lines[-half:]]
        table = [list(self.epochs), *lines]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        return "\n".join(
            "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in table
        )

    def plot(self, ax: Axes | Sequence[Axes] | None = None) -> list[Axes]:
        """Draw all measures against the epochs, as `tinygrad_ml.viz.plot_history` does.

        Parameters
        ----------
        ax : Axes or sequence of Axes, optional
            One for each measure; by default those of a new figure.
        """
        from ..viz import plot_history

        return plot_history(self, ax)

    def to_csv(self, path: Any, per: str = "epoch") -> None:
        """Write a table.

        Parameters
        ----------
        path : path
        per : {"epoch", "step"}
            What a line tells of.
        """
        if per not in ("epoch", "step"):
            raise ValueError(f"History.to_csv: per must be 'epoch' or 'step', got {per!r}")
        columns = self.epochs if per == "epoch" else self.steps
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
        _write(path, text.getvalue())

    def to_json(self, path: Any) -> None:
        """Write all columns of epochs and steps; what is no finite number becomes ``null``."""
        plain = {
            kind: {name: [_finite(x) for x in column] for name, column in columns.items()}
            for kind, columns in (("epochs", self.epochs), ("steps", self.steps))
        }
        _write(path, json.dumps(plain, indent=1, allow_nan=False) + "\n")

    def state_dict(self) -> dict[str, dict[str, np.ndarray]]:
        """All columns as arrays."""
        return {
            kind: {name: np.array(column) for name, column in columns.items()}
            for kind, columns in (("epochs", self.epochs), ("steps", self.steps))
        }

    def load_state_dict(self, state: dict[str, dict[str, np.ndarray]]) -> None:
        """Take all columns from `state_dict` of another."""
        self.epochs, self.steps = (
            {name: column.tolist() for name, column in state[kind].items()} for kind in ("epochs", "steps")
        )


def _append(columns: dict[str, list[Any]], record: dict[str, Any]) -> None:
    if columns and columns.keys() != record.keys():
        raise ValueError(
            f"History: expected {', '.join(columns)}, got {', '.join(record)}; a run that goes on, also from a "
            "checkpoint, measures the same things all the time"
        )
    for name, value in record.items():
        columns.setdefault(name, []).append(value)


def _short(value: Any) -> str:
    return str(value) if isinstance(value, int) else f"{value:.4g}"


def _finite(value: Any) -> Any:
    number = value.item() if isinstance(value, np.generic) else value
    return number if math.isfinite(number) else None


def _write(path: Any, text: str) -> None:
    with replacing(Path(path)) as unfinished:
        unfinished.write_text(text, encoding="utf-8")
