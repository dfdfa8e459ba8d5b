"""Learning curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .style import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PREFIXES = {
    "train": "training",
    "training": "training",
    "val": "validation",
    "validation": "validation",
    "test": "test",
}
_NOT_DRAWN = ("epoch", "step", "lr", "seconds")
#: Of what less is better, and of what more; of other quantities nobody knows.
_FALLING = ("loss", "error", "mse", "mae", "nll", "perplexity")
_RISING = ("accuracy", "score", "precision", "recall", "f1", "auc", "r2")
_STYLES: dict[str, dict[str, Any]] = {
    "training": {"color": COLOURS[0], "linestyle": "-"},
    "validation": {"color": COLOURS[1], "linestyle": (0, (4, 1.5))},
    "test": {"color": COLOURS[2], "linestyle": (0, (1, 1))},
}


def plot_history(history: Any, ax: Axes | Sequence[Axes] | None = None, xlabel: str = "epoch") -> list[Axes]:
    """Draw how the loss and other numbers went during training: a panel for each, all splits of the data in it.

    Parameters
    ----------
    history : mapping of str to sequence of float, or an object with one as its attribute `history_` or `epochs`
        One number an epoch. ``"loss"`` and ``"validation_loss"`` are the same quantity of two splits; ``"train_"``,
        ``"val_"`` and ``"test_"`` are understood too. The counts under ``"epoch"`` stand on the axis; ``"step"``,
        ``"lr"`` and ``"seconds"`` are not drawn.
    ax : Axes or sequence of Axes, optional
        One for each quantity; by default those of a new figure.
    xlabel : str, default="epoch"

    Returns
    -------
    list of Axes

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> [panel.get_ylabel() for panel in plot_history({"loss": [3, 2], "validation_loss": [4, 3], "accuracy": [0, 1]})]
    ['loss', 'accuracy']
    """
    columns = getattr(history, "history_", getattr(history, "epochs", history))
    panels = _quantities(columns)
    counts = columns.get("epoch")
    axes = _axes(ax, len(panels))
    for panel, (quantity, curves) in zip(axes, panels.items(), strict=True):
        for split, values in curves.items():
            epochs = np.arange(1, len(values) + 1) if counts is None else np.asarray(counts)
            label = _label(quantity, split, xlabel, epochs, values)
            panel.plot(epochs, values, label=label, marker="o" if len(values) == 1 else None, lw=2, **_STYLES[split])
        _dress(panel, quantity, np.concatenate(list(curves.values())), xlabel)
    return axes


def _quantities(history: Any) -> dict[str, dict[str, np.ndarray]]:
    if not isinstance(history, Mapping):
        raise TypeError(
            f"plot_history: history must be a dict of names and lists of numbers, got {type(history).__name__}; an "
            "estimator has it as history_ after fit"
        )
    panels: dict[str, dict[str, np.ndarray]] = {}
    for name, values in history.items():
        if name in _NOT_DRAWN:
            continue
        prefix, _, rest = name.partition("_")
        split, quantity = (_PREFIXES[prefix], rest) if rest and prefix in _PREFIXES else ("training", name)
        numbers = np.asarray(values, float)
        if numbers.ndim != 1:
            raise ValueError(
                f"plot_history: {name!r} must be a list of numbers, one an epoch, got shape {numbers.shape}"
            )
        if numbers.size:
            panels.setdefault(quantity, {})[split] = numbers
    if not panels:
        raise ValueError("plot_history: the history is empty; train for an epoch first")
    return panels


def _axes(ax: Any, count: int) -> list[Axes]:
    if ax is None:
        import matplotlib.pyplot as plt

        _, grid = plt.subplots(1, count, figsize=(4.8 * count, 3.6), layout="constrained", squeeze=False)
        return list(grid[0])
    axes = [ax] if hasattr(ax, "plot") else list(np.ravel(ax))
    if len(axes) != count:
        raise ValueError(
            f"plot_history: the history has {count} quantities, and ax has {len(axes)} Axes; pass one each"
        )
    return axes


def _label(quantity: str, split: str, xlabel: str, epochs: np.ndarray, values: np.ndarray) -> str:
    if not np.isfinite(values).any():
        return split
    find = np.nanargmin if _is_of(_FALLING, quantity) else np.nanargmax if _is_of(_RISING, quantity) else None
    if find is None:
        return split
    best = int(find(np.where(np.isfinite(values), values, np.nan)))
    return f"{split} (best {values[best]:.3g} at {xlabel} {epochs[best]:g})"


def _is_of(words: tuple[str, ...], quantity: str) -> bool:
    return any(word in quantity for word in words)


def _dress(panel: Axes, quantity: str, values: np.ndarray, xlabel: str) -> None:
    from matplotlib.ticker import MaxNLocator

    finite = values[np.isfinite(values)]
    if _is_of(_FALLING, quantity) and finite.size and finite.min() > 0 and finite.max() > 20 * finite.min():
        panel.set_yscale("log")
    panel.set(xlabel=xlabel, ylabel=quantity.replace("_", " "))
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    panel.grid(color="0.9")
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)
    panel.legend(frameon=False)
