"""The loop: epochs, batches, steps, and all that happens between them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np

from ..nn import Module
from ..optim import LBFGS, Optimizer, clip_grad_norm, clip_grad_value
from ..optim.lr_scheduler import ReduceLROnPlateau
from ..tensor import Tensor
from .batches import checked_batch, rows
from .callbacks import Callback
from .checkpoints import Checkpoint
from .evaluation import measure, modules
from .finiteness import error_of_loss, require_finite_gradients, require_finite_parameters
from .history import History
from .interrupts import Interrupts
from .progress import Progress
from .randomness import generators_of_data, generators_of_modules, restore, states, unique


@dataclass
class Settings:
    """What a run was asked for; `fit` explains it."""

    epochs: float
    steps: float
    validation: Iterable[Any] | None
    metrics: Mapping[str, Callable[..., Any]]
    schedulers: list[Any]
    schedule: str
    clip_norm: float | None
    clip_value: float | None
    accumulate: int
    callbacks: list[Callback]
    checkpoint: Checkpoint | None
    resume: bool
    progress: bool | None


@dataclass
class Position:
    """How far a run is.

    Attributes
    ----------
    epochs, steps : int
        That are done.
    batches : int
        Of the epoch that is not done.
    loss, rows, seconds : float
        Of that epoch: the losses' sum over its rows so far, their number, and how long it took.
    """

    epochs: int = 0
    steps: int = 0
    batches: int = 0
    loss: float = 0.0
    rows: int = 0
    seconds: float = 0.0
    #: The data's generators as they were before that epoch.
    generators: list[dict[str, Any]] = field(default_factory=list)


class Run:
    """A fit while it goes on, as callbacks see it.

    Attributes
    ----------
    module : Module
    optimizer : Optimizer
    history : History
    resumed : bool
        Whether it goes on from a checkpoint.
    stopped : str or None
        Why it was stopped.
    """

    def __init__(
        self, module: Module, loss: Callable[..., Any], optimizer: Optimizer, data: Iterable[Any], settings: Settings
    ) -> None:
        self.module, self.loss, self.optimizer, self.data, self.settings = module, loss, optimizer, data, settings
        self.history = History()
        self.resumed = False
        self.stopped: str | None = None
        self._at = Position()
        self._progress = Progress(settings.progress)
        self._on_step_end = [c for c in settings.callbacks if type(c).on_step_end is not Callback.on_step_end]
        self._of_data = generators_of_data(data)
        parts = modules(module, loss)
        self._generators = unique(
            [*generators_of_modules(parts), *self._of_data, *generators_of_data(settings.validation)]
        )
        self._parameters: list[tuple[str, Any]] = []

    @property
    def epoch(self) -> int:
        """The number of the epoch that goes on, from 1."""
        return self._at.epochs + 1

    @property
    def step(self) -> int:
        """How many steps of the optimizer are done."""
        return self._at.steps

    def stop(self, reason: str = "stopped by a callback") -> None:
        """End the run after the step or epoch that goes on."""
        self.stopped = reason

    def go(self) -> History:
        """Train to the end."""
        modes = [(module, module.training) for module in modules(self.module, self.loss)]
        try:
            with Interrupts() as self._interrupts:
                for module, _ in modes:
                    module.training = True
                if self.settings.checkpoint is not None and self.settings.resume:
                    self._resume(self.settings.checkpoint)
                self._progress.begin(self._total(), self.step)
                for callback in self.settings.callbacks:
                    callback.on_fit_begin(self)
                if self._is_over() and self._at.batches:
                    self._end_epoch(self._has_seen_all())
                while not self._is_over():
                    self._epoch()
                for callback in self.settings.callbacks:
                    callback.on_fit_end(self)
        finally:
            self._progress.end()
            for module, mode in modes:
                module.training = mode
        return self.history

    def _is_over(self) -> bool:
        return (
            self.stopped is not None or self._at.epochs >= self.settings.epochs or self._at.steps >= self.settings.steps
        )

    def _total(self) -> int | None:
        """Of all steps, if it is known."""
        total = self.settings.steps
        if isinstance(self.data, Sized):
            total = min(total, self.settings.epochs * math.ceil(len(self.data) / self.settings.accumulate))
        return int(total) if math.isfinite(total) else None

    def _named_parameters(self) -> list[tuple[str, Any]]:
        """Those of the module by name, then those that only the optimizer knows."""
        named = list(self.module.named_parameters())
        return [*named, *self._outside([parameter for _, parameter in named]).items()]

    def _outside(self, parameters: list[Any]) -> dict[str, Any]:
        """The parameters of the optimizer that are not among the module's, as of a loss that is learned."""
        own = set(map(id, parameters))
        return {
            f"parameter {j} of the optimizer's group {i}": parameter
            for i, group in enumerate(self.optimizer.param_groups)
            for j, parameter in enumerate(group["params"])
            if id(parameter) not in own
        }

    # An epoch

    def _epoch(self) -> None:
        batches = self._continued() if self._at.batches else self._begun()
        self._parameters = self._named_parameters()
        began = time.perf_counter() - self._at.seconds
        while window := list(islice(batches, self.settings.accumulate)):
            self._step(window)
            self._at.seconds = time.perf_counter() - began
            if self._is_over():
                break
            self._save_within_epoch()
        if not self._at.batches:
            raise ValueError(f"fit: the data had no batches in epoch {self.epoch}; it must be possible to go through "
                             "it again, as through a list, and drop_last must leave some")  # fmt: skip
        self._end_epoch(not window or self._has_seen_all())

    def _has_seen_all(self) -> bool:
        return isinstance(self.data, Sized) and self._at.batches == len(self.data)

    def _begun(self) -> Iterator[Any]:
        for callback in self.settings.callbacks:
            callback.on_epoch_begin(self)
        if self.settings.checkpoint is not None:
            self._at.generators = states(self._of_data)
        return iter(self.data)

    def _continued(self) -> Iterator[Any]:
        """The batches after those that were seen before the run was interrupted, in the same order."""
        now = states(self._generators)
        restore(self._of_data, self._at.generators)
        batches = iter(self.data)
        seen = sum(1 for _ in islice(batches, self._at.batches))
        if seen < self._at.batches:
            raise ValueError(
                f"fit: the checkpoint was written after {self._at.batches} batches of epoch {self.epoch}, and the data "
                f"has {seen}; pass the same data, or resume=False"
            )
        restore(self._generators, now)
        return batches

    def _end_epoch(self, is_whole: bool) -> None:
        require_finite_parameters(self._parameters, f"after step {self.step}, epoch {self.epoch}")
        if not is_whole:
            self._save()  # without the record of a part of an epoch, which a longer run would not have
        record: dict[str, Any] = {
            "epoch": self.epoch,
            "step": self.step,
            "loss": self._at.loss / self._at.rows,
            "lr": self._rate(),
            "seconds": self._at.seconds,
        }
        settings = self.settings
        if settings.validation is not None:
            found = measure("fit: validation", self.module, self.loss, settings.validation, settings.metrics)
            record.update({f"validation_{name}": value for name, value in found.items()})
        self.history.add_epoch(record)
        self._progress.epoch(record)
        if is_whole:
            self._schedule_epoch(record.get("validation_loss", record["loss"]))
        for callback in settings.callbacks:
            callback.on_epoch_end(self)
        if is_whole:
            self._at = Position(self._at.epochs + 1, self._at.steps)
            self._save_after_epoch()
        self._interrupts.raise_noted()

    def _schedule_epoch(self, loss: float) -> None:
        for scheduler in self.settings.schedulers:
            if isinstance(scheduler, ReduceLROnPlateau):
                scheduler.step(loss)
            elif self.settings.schedule == "epoch":
                scheduler.step()

    def _rate(self) -> float:
        return float(self.optimizer.param_groups[0].get("lr", math.nan))

    # A step

    def _step(self, window: list[Any]) -> None:
        settings, at = self.settings, self._at
        rate = self._rate()
        record: dict[str, Any] = {"step": at.steps + 1, "epoch": at.epochs + 1}
        if isinstance(self.optimizer, LBFGS):
            loss = float(self.optimizer.step(lambda: self._loss_and_gradients(window)))
        else:
            loss = self._loss_and_gradients(window)
            if settings.clip_norm is not None:
                norm = clip_grad_norm([parameter for _, parameter in self._parameters], settings.clip_norm)
                record["gradient_norm"] = norm
            if settings.clip_value is not None:
                clip_grad_value([parameter for _, parameter in self._parameters], settings.clip_value)
            self.optimizer.step()
        number = sum([rows(batch) for batch in window])
        at.steps += 1
        at.batches += len(window)
        at.loss += loss * number
        at.rows += number
        self.history.add_step({**record, "loss": loss, "lr": rate})
        if settings.schedule == "step":
            for scheduler in settings.schedulers:
                if not isinstance(scheduler, ReduceLROnPlateau):
                    scheduler.step()
        for callback in self._on_step_end:
            callback.on_step_end(self)
        self._progress.advance(loss)

    def _loss_and_gradients(self, window: list[Any]) -> float:
        """The mean loss of the batches together, with the gradients of it in the parameters."""
        for _, parameter in self._parameters:
            parameter._grad = None
        total = sum([rows(batch) for batch in window]) if len(window) > 1 else 0
        mean = 0.0
        for batch in window:
            batch = checked_batch("fit: data", batch)
            loss = self.loss(self.module(*batch[:-1]), batch[-1])
            value = self._number(loss)
            if not math.isfinite(value):
                raise error_of_loss(value, loss, batch, self._parameters, self._where())
            if len(window) == 1:
                loss.backward()
                mean = value
            else:
                part = rows(batch) / total
                loss.backward(part)
                mean += part * value
        require_finite_gradients(self._parameters, self._where)
        return mean

    def _where(self) -> str:
        return f"in step {self.step + 1}, epoch {self.epoch}"

    @staticmethod
    def _number(loss: Any) -> float:
        if not isinstance(loss, Tensor) or loss.shape != () or loss.dtype.kind != "f":
            raise TypeError(
                "fit: loss(outputs, targets) must return a Tensor of a single real number, got "
                f"{f'shape {loss.shape}, {loss.dtype}' if isinstance(loss, Tensor) else type(loss).__name__}; "
                "take a mean, and see that the module computes with its parameters"
            )
        return float(loss._data)

    # Checkpoints

    def _save_within_epoch(self) -> None:
        checkpoint = self.settings.checkpoint
        is_due = checkpoint is not None and checkpoint.every_steps and self.step % checkpoint.every_steps == 0
        if is_due or self._interrupts.noted:
            require_finite_parameters(self._parameters, f"after step {self.step}, epoch {self.epoch}")
            self._save()
        self._interrupts.raise_noted()

    def _save_after_epoch(self) -> None:
        checkpoint = self.settings.checkpoint
        is_due = checkpoint is not None and self._at.epochs % checkpoint.every_epochs == 0
        if is_due or self._is_over() or self._interrupts.noted:
            self._save()

    def _save(self) -> None:
        if self.settings.checkpoint is None:
            return
        self.settings.checkpoint.write(
            {
                "module": self.module.state_dict(),
                "outside": {
                    name: parameter.data for name, parameter in self._outside(self.module.parameters()).items()
                },
                **{
                    name: [(type(part).__name__, part.state_dict()) for part in parts]
                    for name, parts in self._stateful_parts().items()
                },
                "flags": self._flags(),
                "generators": states(self._generators),
                "history": self.history.state_dict(),
                "position": vars(self._at),
            }
        )

    def _stateful_parts(self) -> dict[str, list[Any]]:
        callbacks = [callback for callback in self.settings.callbacks if callback.state_dict() is not None]
        return {"optimizer": [self.optimizer], "schedulers": self.settings.schedulers, "callbacks": callbacks}

    def _resume(self, checkpoint: Checkpoint) -> None:
        tree = checkpoint.read()
        if tree is None:
            return
        before = self.module.state_dict()
        try:
            stateful = self._stateful_parts()
            for name, parts in stateful.items():
                _require_same_kinds(name, parts, [kind for kind, _ in tree[name]])
            self.module.load_state_dict(tree["module"])
            for name, parameter in self._outside(self.module.parameters()).items():
                parameter.data[...] = tree["outside"][name]
            for name, parts in stateful.items():
                for part, (_, state) in zip(parts, tree[name], strict=True):
                    part.load_state_dict(state)
            self._restore_flags(tree["flags"])
            restore(self._generators, tree["generators"])
            self.history.load_state_dict(tree["history"])
            self._at = Position(**tree["position"])
        except (KeyError, TypeError, ValueError) as error:
            self.module.load_state_dict(before)
            raise ValueError(
                f"fit: the checkpoint {checkpoint.path} is of another run: {error}. Pass checkpoint= another path, or "
                "resume=False to replace it"
            ) from error
        self.resumed = True

    def _flags(self) -> dict[str, dict[str, Any]]:
        """What callbacks may have switched, and the order of arrays in memory, which decides products' last bits."""
        parameters = self._named_parameters()
        return {
            "training": {str(i): module.training for i, module in enumerate(modules(self.module, self.loss))},
            "requires_grad": {name: parameter.requires_grad for name, parameter in parameters},
            "is_contiguous": {name: parameter.data.flags.c_contiguous for name, parameter in parameters},
        }

    def _restore_flags(self, flags: dict[str, dict[str, Any]]) -> None:
        for i, module in enumerate(modules(self.module, self.loss)):
            module.training = flags["training"][str(i)]
        for name, parameter in self._named_parameters():
            parameter.requires_grad = flags["requires_grad"][name]
            if flags["is_contiguous"][name]:
                parameter.data = np.asarray(parameter.data, order="C")


def _require_same_kinds(name: str, parts: list[Any], kinds: list[str]) -> None:
    own = [type(part).__name__ for part in parts]
    if own != kinds:
        raise ValueError(f"{name}: it has {', '.join(kinds) or 'none'}, this run {', '.join(own) or 'none'}")
