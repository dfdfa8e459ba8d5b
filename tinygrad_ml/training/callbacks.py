"""What is called while a run goes on."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..counts import whole

if TYPE_CHECKING:
    from .run import Run


class Callback:
    """Something to do in the course of a run; write a class with the methods that are wanted.

    Every method gets the `Run`, whose ``stop()`` ends it after the step or epoch. A function of the run will do for
    what is done after every epoch.

    Examples
    --------
    >>> class Halved(Callback):
    ...     def on_epoch_end(self, run):
    ...         if run.history["loss"][-1] < run.history["loss"][0] / 2:
    ...             run.stop("half the loss is gone")
    """

    def on_fit_begin(self, run: Run) -> None:
        """Before the first epoch, and after a checkpoint was read."""

    def on_epoch_begin(self, run: Run) -> None:
        """Before the first batch of an epoch."""

    def on_step_end(self, run: Run) -> None:
        """After a step of the optimizer; ``run.step`` counts it."""

    def on_epoch_end(self, run: Run) -> None:
        """After the validation, when the history has the epoch's record, and before a checkpoint is written."""

    def on_fit_end(self, run: Run) -> None:
        """At the end of a run that nothing has interrupted."""

    def state_dict(self) -> dict[str, Any] | None:
        """What a checkpoint must keep for a resumed run to be the same, if anything."""
        return None

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where another was."""


class EarlyStopping(Callback):
    """Stop when a measure has not improved for some epochs, and take the best parameters back.

    Parameters
    ----------
    patience : int, default=10
        Epochs without an improvement after which to stop.
    min_delta : float, default=0.0
        What is no more than this is no improvement.
    monitor : str, optional
        A column of the history's epochs; "validation_loss" by default, or "loss" without a validation.
    mode : {"min", "max"}, optional
        Whether less or more is better; less by default where `monitor` is a loss or an error, and to be told where not.
    restore_best : bool, default=True
        At the end of the run, stopped or not, give the module the parameters and buffers of the best epoch.

    Attributes
    ----------
    best : float
        The best value.
    best_epoch : int or None
        Where it was.
    stopped_epoch : int or None
        After which epoch the run was stopped.
    """

    def __init__(
        self,
        patience: int = 10,
        min_delta: float = 0.0,
        monitor: str | None = None,
        mode: str | None = None,
        restore_best: bool = True,
    ) -> None:
        if not min_delta >= 0:
            raise ValueError(f"EarlyStopping: min_delta must be 0 or more, got {min_delta}")
        if mode is None and (monitor is None or monitor.endswith(("loss", "error"))):
            mode = "min"
        if mode is None:
            raise ValueError(f"EarlyStopping: is less or more of {monitor!r} better? Pass mode='min' or mode='max'")
        if mode not in ("min", "max"):
            raise ValueError(f"EarlyStopping: mode must be 'min' or 'max', got {mode!r}")
        self.patience = whole("EarlyStopping: patience", patience, 1)
        self.min_delta, self.monitor, self.mode = min_delta, monitor, mode
        self.restore_best = restore_best
        self._reset()

    def _reset(self) -> None:
        self.best = math.inf if self.mode == "min" else -math.inf
        self.best_epoch: int | None = None
        self.stopped_epoch: int | None = None
        self._bad_epochs = 0
        self._best_state: dict[str, np.ndarray] | None = None

    def on_fit_begin(self, run: Run) -> None:
        if not run.resumed:
            self._reset()
        elif self.stopped_epoch is not None:
            run.stop(f"early stopping after epoch {self.stopped_epoch}")

    def on_epoch_end(self, run: Run) -> None:
        epochs = run.history.epochs
        monitor = self.monitor or ("validation_loss" if "validation_loss" in epochs else "loss")
        if monitor not in epochs:
            raise ValueError(
                f"EarlyStopping: no column {monitor!r} to monitor; there are {', '.join(epochs)}, and validation= adds "
                "more"
            )
        value = epochs[monitor][-1]
        gain = self.best - value if self.mode == "min" else value - self.best
        if gain > self.min_delta:
            self.best, self.best_epoch, self._bad_epochs = value, run.epoch, 0
            self._best_state = run.module.state_dict() if self.restore_best else None
            return
        self._bad_epochs += 1
        if self._bad_epochs >= self.patience:
            self.stopped_epoch = run.epoch
            run.stop(f"no better {monitor} than {self.best:.4g} since epoch {self.best_epoch}")

    def on_fit_end(self, run: Run) -> None:
        if self._best_state is not None:
            run.module.load_state_dict(self._best_state)

    def state_dict(self) -> dict[str, Any]:
        """What was best, with the parameters."""
        return {
            "best": self.best,
            "best_epoch": self.best_epoch,
            "stopped_epoch": self.stopped_epoch,
            "bad_epochs": self._bad_epochs,
            "best_state": self._best_state,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where another was."""
        self.best, self.best_epoch = state["best"], state["best_epoch"]
        self.stopped_epoch, self._bad_epochs = state["stopped_epoch"], state["bad_epochs"]
        self._best_state = state["best_state"]


class AfterEpoch(Callback):
    """A function that is called after every epoch."""

    def __init__(self, function: Callable[[Run], Any]) -> None:
        self.function = function

    def on_epoch_end(self, run: Run) -> None:
        self.function(run)


def as_callbacks(callbacks: Any, early_stopping: Any) -> list[Callback]:
    """All that is to be called, early stopping first."""
    items = list(callbacks) if isinstance(callbacks, (list, tuple)) else [callbacks]
    out: list[Callback] = []
    if early_stopping is not None:
        given = isinstance(early_stopping, EarlyStopping)
        out.append(early_stopping if given else EarlyStopping(early_stopping))
    for i, item in enumerate(items):
        if isinstance(item, type) or not (isinstance(item, Callback) or callable(item)):
            raise TypeError(
                f"fit: callback {i} must be a Callback or a function of the run, got "
                f"{f'the class {item.__name__}; make one of it' if isinstance(item, type) else type(item).__name__}"
            )
        out.append(item if isinstance(item, Callback) else AfterEpoch(item))
    return out
