"""Which classes are taken for which."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_confusion_matrix(y_true: Any, y_pred: Any, labels: Any = None, ax: Axes | None = None) -> Axes:
    """Draw how many samples of each class were predicted as each.

    The numbers are counts; colours show their share of the true class, so that rare classes are seen as well.

    Parameters
    ----------
    y_true, y_pred : array_like of shape (n_samples,)
    labels : array_like, optional
        The classes to show, in this order; samples of others, or predicted as others, are left out. By default all.
    ax : Axes, optional

    Returns
    -------
    Axes

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> axes = plot_confusion_matrix(["cat", "dog", "dog"], ["cat", "dog", "cat"])
    >>> [text.get_text() for text in axes.texts]
    ['1', '0', '1', '1']
    """
    from sklearn.metrics import confusion_matrix
    from sklearn.utils.multiclass import unique_labels

    y_true, y_pred = np.asarray(y_true), np.asarray(y_pred)
    if y_true.shape != y_pred.shape or y_true.ndim != 1:
        raise ValueError(
            f"plot_confusion_matrix: y_true and y_pred must have the same shape (n_samples,), got {y_true.shape} and "
            f"{y_pred.shape}; of probabilities take the most probable classes first"
        )
    classes = unique_labels(y_true, y_pred) if labels is None else np.asarray(labels)
    counts = confusion_matrix(y_true, y_pred, labels=classes)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    if ax is None:
        import matplotlib.pyplot as plt

        side = 1.9 + 0.5 * len(classes)
        _, ax = plt.subplots(figsize=(side, side), layout="constrained")
    ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        colour = "white" if shares[row, column] > 0.55 else "0.1" if count else "0.7"
        ax.text(column, row, f"{count:,}", ha="center", va="center", color=colour)
    names = [str(label) for label in classes]
    is_long = max(map(len, names)) > 4
    ax.set_xticks(range(len(names)), names, rotation=45 if is_long else 0, ha="right" if is_long else "center")
    ax.set_yticks(range(len(names)), names)
    ax.tick_params(length=0)
    ax.set(xlabel="predicted", ylabel="true", title=f"{np.trace(counts):,} of {counts.sum():,} right")
    ax.spines[:].set_visible(False)
    return ax
