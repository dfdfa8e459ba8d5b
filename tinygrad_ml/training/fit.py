"""Training in one call."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..counts import whole
from ..nn import Module
from ..optim import LBFGS, Optimizer
from .batches import as_batches
from .callbacks import Callback, EarlyStopping, as_callbacks
from .checkpoints import Checkpoint
from .evaluation import Metrics, named_metrics
from .history import History
from .run import Run, Settings


def fit(
    module: Module,
    loss: Callable[..., Any],
    optimizer: Optimizer,
    data: Any,
    *,
    epochs: int | None = None,
    steps: int | None = None,
    batch_size: int = 32,
    rng: Any = None,
    validation: Any = None,
    metrics: Metrics = None,
    scheduler: Any = None,
    schedule: str = "epoch",
    clip_norm: float | None = None,
    clip_value: float | None = None,
    accumulate: int = 1,
    callbacks: Sequence[Callback | Callable[[Run], Any]] | Callback | Callable[[Run], Any] = (),
    early_stopping: int | EarlyStopping | None = None,
    checkpoint: Any = None,
    resume: bool = True,
    progress: bool | None = None,
) -> History:
    """Train `module` so that ``loss(module(*inputs), targets)`` gets small.

    Parameters
    ----------
    module : Module
        Trained in place, in training mode; every module in it has its mode back at the end.
    loss : callable
        ``loss(outputs, targets)``: a single number, the mean over the rows of a batch.
    optimizer : Optimizer
        Of the module's parameters.
    data : tuple of arrays, or iterable of tuples
        ``(X, y)``, arrays or lists of numbers, of which batches are taken in a new order in every epoch; or batches
        ``(inputs, ..., targets)``, in something that can be gone through again in every epoch.
    epochs, steps : int, optional
        How long: the number of passes through the data, of the optimizer's steps, or whichever is over first.
    batch_size : int, default=32
    rng : int or numpy.random.Generator, optional
        Both for a tuple of arrays: the size of its batches, and what decides their order.
    validation : as `data`, optional
        After every epoch the loss and `metrics` of it are measured, in evaluation mode.
    metrics : dict of str to callable, or list of callables, optional
        ``metric(outputs, targets)`` over all rows of the validation at once.
    scheduler : scheduler, or list of them, optional
    schedule : {"epoch", "step"}
        After what the schedulers step. ReduceLROnPlateau always does after epochs, by the validation's loss (by the
        training's, where there is no validation).
    clip_norm, clip_value : float, optional
        Limits of the gradients, as in `clip_grad_norm` and `clip_grad_value`.
    accumulate : int, default=1
        Batches a step: the gradients are those of one batch with the rows of all.
    callbacks : list of Callback or callable, optional
        A function is called with the `Run` after every epoch.
    early_stopping : int or EarlyStopping, optional
        Epochs without an improvement after which to stop, with the best parameters.
    checkpoint : path or Checkpoint, optional
        A file in ``.npz`` for the state of the run, written after every epoch, at the end and upon Ctrl-C. It has the
        parameters of the last step; those that early stopping finds best are kept beside them.
    resume : bool, default=True
        Go on from the checkpoint, where there is one, to the same bits as if there had been no interruption: so also
        with its optimizer's rates.
    progress : bool, optional
        Whether to show a bar; by default in a terminal.

    Returns
    -------
    History

    Raises
    ------
    FloatingPointError
        Where the loss or a gradient is not finite; the message names the parameters and the step, and the parameters
        are left as they were before it.
    KeyboardInterrupt
        Upon Ctrl-C, after the step that goes on; upon a second one at once.

    Notes
    -----
    A resumed run draws the same random numbers if all its generators are attributes of the modules (also of a loss
    that is one) and of the data.
    An epoch that `steps` or a callback cuts short has its record in the history, but not in the checkpoint; a longer
    run goes on amidst the epoch.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_ml as tg
    >>> X = np.linspace(-1, 1, 64)[:, None]
    >>> line = tg.nn.Linear(1, 1, rng=0)
    >>> optimizer = tg.optim.SGD(line.parameters(), lr=0.2)
    >>> history = fit(line, tg.functional.mse_loss, optimizer, (X, 2 * X + 1), epochs=20, batch_size=8, rng=0)
    >>> print(line.weight.numpy().round(4), line.bias.numpy().round(4))
    [[2.]] [1.]
    >>> len(history["loss"])
    20
    """
    _require_parts(module, loss, optimizer)
    schedulers = _schedulers(scheduler, optimizer)
    if schedule not in ("epoch", "step"):
        raise ValueError(f"fit: schedule must be 'epoch' or 'step', got {schedule!r}")
    if epochs is None and steps is None:
        raise ValueError("fit: say how long to train, by epochs= or steps=")
    if isinstance(optimizer, LBFGS) and (clip_norm is not None or clip_value is not None):
        raise ValueError("fit: LBFGS searches along its own gradients; leave out clip_norm and clip_value")
    if metrics is not None and validation is None:
        raise ValueError("fit: metrics are measured on the validation; pass validation=(X, y) too")
    settings = Settings(
        epochs=math.inf if epochs is None else whole("fit: epochs", epochs, 0),
        steps=math.inf if steps is None else whole("fit: steps", steps, 0),
        validation=None if validation is None else as_batches("fit: validation", validation, batch_size, shuffle=False),
        metrics=named_metrics(metrics),
        schedulers=schedulers,
        schedule=schedule,
        clip_norm=_limit("clip_norm", clip_norm),
        clip_value=_limit("clip_value", clip_value),
        accumulate=whole("fit: accumulate", accumulate, 1),
        callbacks=as_callbacks(callbacks, early_stopping),
        checkpoint=_checkpoint(checkpoint),
        resume=resume,
        progress=progress,
    )
    return Run(module, loss, optimizer, as_batches("fit: data", data, batch_size, True, rng), settings).go()


def _require_parts(module: Any, loss: Any, optimizer: Any) -> None:
    if not isinstance(module, Module):
        raise TypeError(f"fit: module must be a tinygrad_ml.nn.Module, got {type(module).__name__}")
    if isinstance(loss, type) or not callable(loss):
        raise TypeError(f"fit: loss must be a function of (outputs, targets), got {_kind(loss)}")
    if not isinstance(optimizer, Optimizer):
        raise TypeError(
            f"fit: optimizer must be one of tinygrad_ml.optim, as Adam(module.parameters()), got {_kind(optimizer)}"
        )
    own = {id(parameter) for parameter in module.parameters()}
    if not any(id(parameter) in own for group in optimizer.param_groups for parameter in group["params"]):
        raise ValueError(
            f"fit: {type(optimizer).__name__} has none of the parameters of {type(module).__name__}; make it from "
            "module.parameters() of this module"
        )


def _kind(thing: Any) -> str:
    return f"the class {thing.__name__}" if isinstance(thing, type) else type(thing).__name__


def _schedulers(scheduler: Any, optimizer: Optimizer) -> list[Any]:
    schedulers = [] if scheduler is None else list(scheduler) if isinstance(scheduler, (list, tuple)) else [scheduler]
    for item in schedulers:
        if not hasattr(item, "step") or getattr(item, "optimizer", None) is not optimizer:
            raise ValueError(
                f"fit: scheduler must be one of this optimizer, as StepLR(optimizer, 10), got {_kind(item)}"
                + (" of another" if isinstance(getattr(item, "optimizer", None), Optimizer) else "")
            )
    return schedulers


def _checkpoint(checkpoint: Any) -> Checkpoint | None:
    return checkpoint if checkpoint is None or isinstance(checkpoint, Checkpoint) else Checkpoint(checkpoint)


def _limit(name: str, value: Any) -> Any:
    if value is not None and not (isinstance(value, (int, float, np.number)) and value > 0):
        raise ValueError(f"fit: {name} must be a positive number, got {value!r}")
    return value
