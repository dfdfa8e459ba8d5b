"""What a classifier of two features says everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..counts import whole
from ..functional import sigmoid, softmax
from ..graph import no_grad
from ..nn.module import Module
from ..tensor import Tensor
from .style import COLOURS, MARKERS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: How much of the colour of a class is left where it is certain: points must stand out.
_STRENGTH = 0.32


def plot_decision_boundary(classifier: Any, X: Any, y: Any, ax: Axes | None = None, resolution: int = 200) -> Axes:
    """Draw the classes of the plane, with the boundaries between them and the samples.

    Colours are mixed by the probabilities of the classes, so that they are pale where the classifier is in doubt.

    Parameters
    ----------
    classifier : estimator, Module or callable
        An estimator with `predict_proba` or `predict`; a `tinygrad_ml.nn.Module` whose outputs are logits, one for each
        class or one for two classes; or a function of an array of shape (n, 2) that returns n labels, n probabilities
        of the second class, or probabilities of shape (n, n_classes).
    X : array_like of shape (n_samples, 2)
        Of a data frame the names of the columns stand on the axes, and estimators are asked with them.
    y : array_like of shape (n_samples,)
        The labels.
    ax : Axes, optional
    resolution : int, default=200
        Points of the grid along each side.

    Returns
    -------
    Axes

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import numpy as np
    >>> X = np.array([[0.0, 0.0], [1.0, 1.0]])
    >>> axes = plot_decision_boundary(lambda x: x.sum(axis=1) > 1, X, [False, True])
    >>> [text.get_text() for text in axes.get_legend().get_texts()]
    ['False', 'True']
    """
    frame: Any = X if hasattr(X, "iloc") else None
    X, y = np.asarray(X, float), np.asarray(y)
    if X.ndim != 2 or X.shape[1] != 2:
        raise ValueError(
            f"plot_decision_boundary: X must have shape (n_samples, 2), got {X.shape}; choose two features, or project "
            "on two"
        )
    if not len(X) or not np.isfinite(X).all():
        raise ValueError("plot_decision_boundary: X must have rows, and only finite numbers")
    if y.shape != X.shape[:1]:
        raise ValueError(f"plot_decision_boundary: y must have shape {X.shape[:1]}, a label a sample, got {y.shape}")
    is_estimator = hasattr(classifier, "predict_proba") or hasattr(classifier, "predict")
    if not (is_estimator or callable(classifier)):
        raise TypeError(
            "plot_decision_boundary: classifier must be an estimator, a tinygrad_ml.nn.Module or a function, got "
            f"{type(classifier).__name__}"
        )
    resolution = whole("plot_decision_boundary: resolution", resolution, 2)
    if ax is None:
        import matplotlib.pyplot as plt

        _, ax = plt.subplots(figsize=(5, 4.4), layout="constrained")
    low, high = X.min(axis=0), X.max(axis=0)
    margin = 0.08 * np.where(high > low, high - low, 1.0)
    low, high = low - margin, high + margin
    across, along = (np.linspace(a, b, resolution) for a, b in zip(low, high, strict=True))
    grid = np.stack(np.meshgrid(across, along), axis=-1).reshape(-1, 2)
    names = ["feature 0", "feature 1"] if frame is None else frame.columns
    points = type(frame)(grid, columns=names) if frame is not None and is_estimator else grid
    classes, probabilities = _probabilities(classifier, points, np.unique(y))
    unknown = np.setdiff1d(y, classes)
    if len(unknown):
        raise ValueError(
            f"plot_decision_boundary: y has the labels {unknown.tolist()}, and the classifier knows only "
            f"{classes.tolist()}; pass the y it was fitted with"
        )
    probabilities = probabilities.reshape(resolution, resolution, len(classes))

    from matplotlib.colors import to_rgb

    colours = np.array([to_rgb(COLOURS[i % len(COLOURS)]) for i in range(len(classes))])
    image = 1 - _STRENGTH * (1 - probabilities @ colours)
    extent = (low[0], high[0], low[1], high[1])
    ax.imshow(np.clip(image, 0, 1), extent=extent, origin="lower", aspect="auto", interpolation="bilinear")
    for lead in _leads(probabilities):
        if lead.min() < 0 < lead.max():
            ax.contour(across, along, lead, levels=[0], colors="0.25", linewidths=1.2)
    for i, (label, colour) in enumerate(zip(classes, colours, strict=True)):
        chosen = X[y == label]
        ax.scatter(
            chosen[:, 0],
            chosen[:, 1],
            s=26,
            marker=MARKERS[(i + i // len(COLOURS)) % len(MARKERS)],
            color=[colour],
            edgecolor="white",
            linewidth=0.7,
            label=str(label),
            zorder=3,
        )
    ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), xlabel=names[0], ylabel=names[1])
    ax.legend(frameon=True, framealpha=0.85, edgecolor="none")
    return ax


def _probabilities(classifier: Any, grid: Any, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The classes, and the probability of each at each point; where only labels are known 0 or 1."""
    classes = np.asarray(getattr(classifier, "classes_", labels))
    if hasattr(classifier, "predict_proba"):
        return classes, np.asarray(classifier.predict_proba(grid))
    if hasattr(classifier, "predict"):
        answer: Any = np.asarray(classifier.predict(grid))
    elif isinstance(classifier, Module):
        answer = _of_module(classifier, grid)
    else:
        with no_grad():
            answer = classifier(grid)
        answer = answer.numpy() if isinstance(answer, Tensor) else np.asarray(answer)
    if answer.shape == (len(grid), 1) and len(classes) == 2:
        answer = answer[:, 0]
    if answer.shape == (len(grid), len(classes)):
        _check_range(answer)
        return classes, answer
    if answer.shape != (len(grid),):
        raise ValueError(
            f"plot_decision_boundary: for {len(grid)} points and the {len(classes)} classes {classes.tolist()} the "
            f"classifier must answer shape ({len(grid)},) or ({len(grid)}, {len(classes)}), got {answer.shape}"
        )
    if answer.dtype.kind == "f" and len(classes) == 2 and not np.isin(answer, classes).all():
        _check_range(answer)
        return classes, np.column_stack([1 - answer, answer])
    classes = np.union1d(classes, answer)
    return classes, (answer[:, None] == classes).astype(float)


def _of_module(module: Module, grid: np.ndarray) -> np.ndarray:
    """Probabilities from logits, with the module as in use."""
    modes = [part.training for part in module.modules()]
    parameters = module.parameters()
    try:
        with no_grad():
            outputs = module.eval()(grid.astype(parameters[0].dtype) if parameters else grid)
    finally:
        for part, mode in zip(module.modules(), modes, strict=True):
            part.training = mode
    logits = outputs.numpy() if isinstance(outputs, Tensor) else np.asarray(outputs)
    is_single = logits.ndim == 1 or logits.shape[1] == 1
    return sigmoid(logits) if is_single else softmax(logits)  # type: ignore[no-any-return]


def _check_range(answer: np.ndarray) -> None:
    if answer.min() < 0 or answer.max() > 1:
        raise ValueError(
            f"plot_decision_boundary: the function's answers reach from {answer.min():.3g} to {answer.max():.3g} and "
            "are no probabilities; apply tinygrad_ml.softmax or sigmoid, or return labels"
        )


def _leads(probabilities: np.ndarray) -> list[np.ndarray]:
    """By how much each class is ahead of the best of the others; one of two is enough."""
    count = probabilities.shape[-1]
    if count < 2:
        return []
    return [
        probabilities[..., c] - np.delete(probabilities, c, axis=-1).max(axis=-1)
        for c in range(count if count > 2 else 1)
    ]
