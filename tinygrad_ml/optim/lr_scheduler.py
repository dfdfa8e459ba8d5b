"""Schedules of an optimizer's rates.

Make the scheduler after the optimizer, and call its ``step()`` after each epoch (or after each step, for schedules
counted in steps). Each epoch's rate is computed from the one before, so that several schedules of one optimizer
multiply.
"""

from __future__ import annotations

import copy
import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from .optimizer import Optimizer


class _Schedule:
    """What changes an optimizer's rates, and its state."""

    optimizer: Optimizer
    #: Attributes that are no state.
    _not_saved: tuple[str, ...] = ("optimizer",)

    @property
    def _name(self) -> str:
        return type(self).__name__

    def get_last_lr(self) -> list[float]:
        """The rate of each group."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """All but the optimizer, whose own state has the rates; functions are not saved."""
        return {name: copy.deepcopy(value) for name, value in vars(self).items() if name not in self._not_saved}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where another schedule of the same kind was; load the optimizer's state too.

        Raises
        ------
        ValueError
            For the state of another kind of schedule.
        """
        expected = vars(self).keys() - set(self._not_saved)
        if state.keys() != expected:
            raise ValueError(
                f"{self._name}.load_state_dict: expected the keys {', '.join(sorted(expected))}, got "
                f"{', '.join(sorted(state))}; is it the state of another kind of schedule?"
            )
        vars(self).update(copy.deepcopy(state))


class LRScheduler(_Schedule):
    """What all schedules have in common.

    Parameters
    ----------
    optimizer : Optimizer
    last_epoch : int, default=-1
        The epoch to go on after, for an optimizer whose groups have their "initial_lr" from an earlier schedule.

    Attributes
    ----------
    last_epoch : int
        How many times `step` was called.
    base_lrs : list of float
        The rate each group began with.
    """

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        self.optimizer = _with_rates(self._name, optimizer)
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise ValueError(
                    f"{self._name}: last_epoch={last_epoch} goes on with an earlier schedule, but group {i} has no "
                    "initial_lr; leave out last_epoch, or load the optimizer's state first"
                )
        self.base_lrs = [float(group["initial_lr"]) for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._advance(last_epoch + 1)

    def _rate(self, rate: float, base: float, group: int) -> float:
        """A group's rate in the epoch `last_epoch`, from the one before and the one it began with."""
        raise NotImplementedError

    def _advance(self, epoch: int) -> None:
        groups = self.optimizer.param_groups
        if len(groups) != len(self.base_lrs):
            raise RuntimeError(
                f"{self._name}: the optimizer has {len(groups)} groups, and had {len(self.base_lrs)} when the "
                "schedule was made; add groups first"
            )
        self.last_epoch = epoch
        for i, (group, base) in enumerate(zip(groups, self.base_lrs, strict=True)):
            group["lr"] = self._rate(group["lr"], base, i)

    def _restart(self) -> None:
        """Begin at epoch 0 with the rates of the beginning."""
        for group, base in zip(self.optimizer.param_groups, self.base_lrs, strict=True):
            group["lr"] = base
        self._advance(0)

    def step(self) -> None:
        """Set the rates of the next epoch."""
        self._advance(self.last_epoch + 1)


class StepLR(LRScheduler):
    """Times `gamma` after every `step_size` epochs.

    Examples
    --------
    >>> import tinygrad_ml as tg
    >>> schedule = StepLR(tg.optim.SGD([tg.nn.Parameter(0.0)], lr=1.0), step_size=2)
    >>> print(rates(schedule, 5))
    [1.0, 1.0, 0.1, 0.1, 0.01]
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1) -> None:
        self.step_size, self.gamma = _positive_int(self._name, "step_size", step_size), gamma
        super().__init__(optimizer, last_epoch)

    def _rate(self, rate: float, base: float, group: int) -> float:
        return rate * self.gamma if self.last_epoch > 0 and self.last_epoch % self.step_size == 0 else rate


class MultiStepLR(LRScheduler):
    """Times `gamma` at each of the epochs `milestones`.

    Examples
    --------
    >>> import tinygrad_ml as tg
    >>> schedule = MultiStepLR(tg.optim.SGD([tg.nn.Parameter(0.0)], lr=1.0), [1, 3])
    >>> print(rates(schedule, 5))
    [1.0, 0.1, 0.1, 0.01, 0.01]
    """

    def __init__(
        self, optimizer: Optimizer, milestones: Sequence[int], gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.milestones, self.gamma = sorted(_epochs(self._name, milestones)), gamma
        super().__init__(optimizer, last_epoch)

    def _rate(self, rate: float, base: float, group: int) -> float:
        return float(rate * self.gamma ** self.milestones.count(self.last_epoch))


class ExponentialLR(LRScheduler):
    """Times `gamma` after every epoch.

    Examples
    --------
    >>> import tinygrad_ml as tg
    >>> schedule = ExponentialLR(tg.optim.SGD([tg.nn.Parameter(0.0)], lr=1.0), 0.5)
    >>> print(rates(schedule, 4))
    [1.0, 0.5, 0.25, 0.125]
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _rate(self, rate: float, base: float, group: int) -> float:
        return rate * self.gamma if self.last_epoch > 0 else rate


class LinearLR(LRScheduler):
    """Warm-up: times a factor that goes from `start_factor` to `end_factor` in `total_iters` epochs.

    Examples
    --------
    >>> import tinygrad_ml as tg
    >>> schedule = LinearLR(tg.optim.SGD([tg.nn.Parameter(0.0)], lr=1.0), 0.25, total_iters=3)
    >>> print(rates(schedule, 5))
    [0.25, 0.5, 0.75, 1.0, 1.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0 < start_factor <= 1:
            raise ValueError(
                f"LinearLR: start_factor must be above 0, so that the rate can grow from it, and at most 1; "
                f"got {start_factor}"
            )
        if not 0 <= end_factor <= 1:
            raise ValueError(f"LinearLR: end_factor must be between 0 and 1, got {end_factor}")
        self.start_factor, self.end_factor = start_factor, end_factor
        self.total_iters = _positive_int(self._name, "total_iters", total_iters)
        super().__init__(optimizer, last_epoch)

    def _factor(self, epoch: int) -> float:
        return self.start_factor + (self.end_factor - self.start_factor) * min(epoch / self.total_iters, 1.0)

    def _rate(self, rate: float, base: float, group: int) -> float:
        if self.last_epoch > self.total_iters:
            return rate
        before = self._factor(self.last_epoch - 1) if self.last_epoch > 0 else 1.0
        return rate * self._factor(self.last_epoch) / before


class CosineAnnealingLR(LRScheduler):
    """Half a cosine wave from the first rate to `eta_min` in `T_max` epochs (Loshchilov & Hutter 2017), and back.

    Examples
    --------
    >>> import tinygrad_ml as tg
    >>> schedule = CosineAnnealingLR(tg.optim.SGD([tg.nn.Parameter(0.0)], lr=1.0), T_max=2)
    >>> print(rates(schedule, 5))
    [1.0, 0.5, 0.0, 0.5, 1.0]
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        self.T_max, self.eta_min = _positive_int(self._name, "T_max", T_max), eta_min
        super().__init__(optimizer, last_epoch)

    def _height(self, epoch: int) -> float:
        return (1 + math.cos(math.pi * epoch / self.T_max)) / 2

    def _rate(self, rate: float, base: float, group: int) -> float:
        if self.last_epoch == 0:
            return rate
        height = self._height(self.last_epoch)
        if (self.last_epoch - 1) % (2 * self.T_max) == self.T_max:  # up from the bottom, of which no multiple is more
            return rate + (base - self.eta_min) * height
        return self.eta_min + (rate - self.eta_min) * height / self._height(self.last_epoch - 1)


class LambdaLR(LRScheduler):
    """The first rate times a function of the epoch.

    Parameters
    ----------
    optimizer : Optimizer
    lr_lambda : callable, or list of them
        ``factor = lr_lambda(epoch)``; one for all groups, or one for each.
    last_epoch : int, default=-1

    Examples
    --------
    >>> import tinygrad_ml as tg
    >>> schedule = LambdaLR(tg.optim.SGD([tg.nn.Parameter(0.0)], lr=1.0), lambda epoch: 1 / (1 + epoch))
    >>> print(rates(schedule, 4))
    [1.0, 0.5, 0.3333, 0.25]
    """

    _not_saved = ("optimizer", "lr_lambdas")

    def __init__(self, optimizer: Optimizer, lr_lambda: Any, last_epoch: int = -1) -> None:
        _with_rates(self._name, optimizer)
        self.lr_lambdas: list[Callable[[int], float]] = _one_each(self._name, "lr_lambda", optimizer, lr_lambda)
        if not all(map(callable, self.lr_lambdas)):
            raise TypeError(f"LambdaLR: lr_lambda must be a function of the epoch, or a list, got {lr_lambda!r}")
        super().__init__(optimizer, last_epoch)

    def _rate(self, rate: float, base: float, group: int) -> float:
        return base * self.lr_lambdas[group](self.last_epoch)


class OneCycleLR(LRScheduler):
    """Up to `max_lr` and far down again, once in all `total_steps` steps (Smith & Topin 2019).

    Call `step` after every step of the optimizer.

    Parameters
    ----------
    optimizer : Optimizer
    max_lr : float, or list of them
        For all groups, or for each.
    total_steps : int, optional
    epochs, steps_per_epoch : int, optional
        Their product instead of `total_steps`.
    pct_start : float, default=0.3
        The part of the steps in which the rate goes up.
    anneal_strategy : {"cos", "linear"}
    cycle_momentum : bool, default=True
        The momentum (the first of an optimizer's `betas`) goes the other way, from `max_momentum` to `base_momentum`
        and back.
    base_momentum, max_momentum : float, or list of them, default=0.85, 0.95
    div_factor : float, default=25.0
        The first rate is ``max_lr / div_factor``.
    final_div_factor : float, default=1e4
        The last rate is the first, divided by this.
    three_phase : bool, default=False
        Down to the first rate as fast as up, and then to the last.
    last_epoch : int, default=-1

    Examples
    --------
    >>> import tinygrad_ml as tg
    >>> optimizer = tg.optim.SGD([tg.nn.Parameter(0.0)], lr=1.0, momentum=0.9)
    >>> print(rates(OneCycleLR(optimizer, max_lr=1.0, total_steps=6, pct_start=0.5), 6))
    [0.04, 0.52, 1.0, 0.75, 0.25, 0.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: Any,
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: Any = 0.85,
        max_momentum: Any = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        _with_rates(self._name, optimizer)
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError("OneCycleLR: give total_steps, or both epochs and steps_per_epoch")
            total_steps = epochs * steps_per_epoch
        self.total_steps = _positive_int(self._name, "total_steps", total_steps)
        if not 0 <= pct_start <= 1:
            raise ValueError(f"OneCycleLR: pct_start is a part of the steps, between 0 and 1, got {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"OneCycleLR: anneal_strategy must be 'cos' or 'linear', got {anneal_strategy!r}")
        for name, divisor in (("div_factor", div_factor), ("final_div_factor", final_div_factor)):
            if not divisor > 0:
                raise ValueError(f"OneCycleLR: {name} divides the rate and must be positive, got {divisor}")
        self.anneal_strategy, self.cycle_momentum = anneal_strategy, cycle_momentum
        if cycle_momentum and not {"momentum", "betas"} & optimizer.defaults.keys():
            raise ValueError(
                f"OneCycleLR: {type(optimizer).__name__} has neither momentum nor betas; pass cycle_momentum=False"
            )
        self.low_momenta = _one_each(self._name, "base_momentum", optimizer, base_momentum)
        self.high_momenta = _one_each(self._name, "max_momentum", optimizer, max_momentum)
        self.max_lrs = _one_each(self._name, "max_lr", optimizer, max_lr)
        self.min_lrs = [rate / div_factor / final_div_factor for rate in self.max_lrs]
        top = pct_start * total_steps - 1
        #: Each phase: the step at which it ends, and between which of (first, highest, last) the rate goes.
        self.phases: list[tuple[float, int, int]] = (
            [(top, 0, 1), (2 * top, 1, 0), (total_steps - 1, 0, 2)]
            if three_phase
            else [(top, 0, 1), (total_steps - 1, 1, 2)]
        )
        if last_epoch == -1:
            for group, rate in zip(optimizer.param_groups, self.max_lrs, strict=True):
                group["initial_lr"] = rate / div_factor
        super().__init__(optimizer, last_epoch)

    def _rate(self, rate: float, base: float, group: int) -> float:
        if self.last_epoch > self.total_steps:  # as often as the optimizer steps, it may be called
            raise ValueError(
                f"OneCycleLR: step {self.last_epoch} of a schedule of {self.total_steps} steps; "
                "give it more total_steps"
            )
        phase = sum(self.last_epoch > end for end, _, _ in self.phases[:-1])
        start = self.phases[phase - 1][0] if phase else 0.0
        end, before, after = self.phases[phase]
        part = min((self.last_epoch - start) / (end - start), 1.0) if end != start else 1.0
        if self.cycle_momentum:
            low, high = self.low_momenta[group], self.high_momenta[group]
            _set_momentum(
                self.optimizer.param_groups[group],
                self._between((high, low, high)[before], (high, low, high)[after], part),
            )
        rates = base, self.max_lrs[group], self.min_lrs[group]
        return self._between(rates[before], rates[after], part)

    def _between(self, start: float, end: float, part: float) -> float:
        if self.anneal_strategy == "linear":
            return start + (end - start) * part
        return end + (start - end) * (1 + math.cos(math.pi * part)) / 2


class ReduceLROnPlateau(_Schedule):
    """Times `factor` where a measure has not improved for more than `patience` epochs.

    Parameters
    ----------
    optimizer : Optimizer
    mode : {"min", "max"}
        Whether less or more is better.
    factor : float, default=0.1
    patience : int, default=10
    threshold : float, default=1e-4
        What counts as an improvement: by this part of the best value, or by this with ``threshold_mode="abs"``.
    threshold_mode : {"rel", "abs"}
    cooldown : int, default=0
        Epochs after a reduction that do not count.
    min_lr : float, or list of them, default=0
        No rate goes below; for all groups, or for each.
    eps : float, default=1e-8
        Smaller changes of a rate are left out.

    Examples
    --------
    >>> import tinygrad_ml as tg
    >>> optimizer = tg.optim.SGD([tg.nn.Parameter(0.0)], lr=1.0)
    >>> schedule = ReduceLROnPlateau(optimizer, patience=1)
    >>> for loss in [3.0, 2.0, 2.0, 2.0]:
    ...     schedule.step(loss)
    >>> optimizer.param_groups[0]["lr"]
    0.1
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: Any = 0.0,
        eps: float = 1e-8,
    ) -> None:
        for name, value, known in (("mode", mode, ("min", "max")), ("threshold_mode", threshold_mode, ("rel", "abs"))):
            if value not in known:
                raise ValueError(f"ReduceLROnPlateau: {name} must be '{known[0]}' or '{known[1]}', got {value!r}")
        if not 0 <= factor < 1:
            raise ValueError(f"ReduceLROnPlateau: factor must be from 0 to below 1, got {factor}")
        self.optimizer = _with_rates(self._name, optimizer)
        self.mode, self.threshold, self.threshold_mode = mode, threshold, threshold_mode
        self.factor, self.patience, self.cooldown, self.eps = factor, patience, cooldown, eps
        self.min_lrs = _one_each(self._name, "min_lr", optimizer, min_lr)
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = self.cooldown_counter = self.last_epoch = 0

    def step(self, metrics: Any) -> None:
        """Take note of the epoch's measure, such as the loss in validation, and reduce the rates if it is time."""
        value = float(metrics)
        self.last_epoch += 1
        self.num_bad_epochs += 1
        if self._is_better(value):
            self.best, self.num_bad_epochs = value, 0
        if self.cooldown_counter:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
            for group, lowest in zip(self.optimizer.param_groups, self.min_lrs, strict=True):
                rate = max(group["lr"] * self.factor, lowest)
                if group["lr"] - rate > self.eps:
                    group["lr"] = rate

    def _is_better(self, value: float) -> bool:
        if math.isinf(self.best):  # nothing was measured before
            return math.isfinite(value)
        margin = self.threshold * (self.best if self.threshold_mode == "rel" else 1)
        return value < self.best - margin if self.mode == "min" else value > self.best + margin


class SequentialLR(LRScheduler):
    """One schedule after the other: the next begins at each of the epochs `milestones`.

    Parameters
    ----------
    optimizer : Optimizer
    schedulers : list of LRScheduler
        Of this optimizer; each counts its own epochs from its beginning. The first begins with the rates at which the
        optimizer began, which a `OneCycleLR` among them sets, as in PyTorch.
    milestones : list of int
        One less than there are schedules.

    Examples
    --------
    >>> import tinygrad_ml as tg
    >>> optimizer = tg.optim.SGD([tg.nn.Parameter(0.0)], lr=1.0)
    >>> warm_up = LinearLR(optimizer, 0.5, total_iters=2)
    >>> print(rates(SequentialLR(optimizer, [warm_up, ExponentialLR(optimizer, 0.5)], [2]), 5))
    [0.5, 0.75, 1.0, 0.5, 0.25]
    """

    _not_saved = ("optimizer", "schedulers")

    def __init__(self, optimizer: Optimizer, schedulers: Sequence[LRScheduler], milestones: Sequence[int]) -> None:
        if not schedulers or len(milestones) != len(schedulers) - 1:
            raise ValueError(
                f"SequentialLR: {len(schedulers)} schedules need {max(len(schedulers) - 1, 0)} milestones between "
                f"them, got {len(milestones)}"
            )
        for i, scheduler in enumerate(schedulers):
            if not isinstance(scheduler, LRScheduler):
                raise TypeError(
                    f"SequentialLR: schedule {i} must step by itself, and {type(scheduler).__name__} does not"
                )
            if scheduler.optimizer is not optimizer:
                raise ValueError(f"SequentialLR: schedule {i} is of another optimizer")
        self.schedulers, self.milestones = list(schedulers), _epochs(self._name, milestones)
        if self.milestones != sorted(set(self.milestones)):
            raise ValueError(f"SequentialLR: milestones must increase, got {self.milestones}")
        super().__init__(optimizer)

    def _advance(self, epoch: int) -> None:
        self.last_epoch = epoch
        active = self.schedulers[bisect_right(self.milestones, epoch)]
        if epoch == 0:
            for group, base in zip(self.optimizer.param_groups, self.base_lrs, strict=True):
                group["lr"] = base
            active._advance(0)
        elif epoch in self.milestones:
            active._restart()
        else:
            active.step()

    def state_dict(self) -> dict[str, Any]:
        """With the states of the schedules."""
        return {**super().state_dict(), "schedulers": [scheduler.state_dict() for scheduler in self.schedulers]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where another was, in all its schedules.

        Raises
        ------
        ValueError
            For the state of another kind of schedule, or of other schedules inside.
        """
        inside = state.get("schedulers", [])
        if len(inside) != len(self.schedulers):
            raise ValueError(
                f"SequentialLR.load_state_dict: the state is of {len(inside)} schedules one after the other, and here "
                f"are {len(self.schedulers)}; make it from the same schedules"
            )
        super().load_state_dict({name: value for name, value in state.items() if name != "schedulers"})
        for scheduler, own in zip(self.schedulers, inside, strict=True):
            scheduler.load_state_dict(own)


def rates(scheduler: LRScheduler, epochs: int) -> list[float]:
    """The rates of the first group in the coming epochs, rounded, with the schedule stepping through them.

    Examples
    --------
    >>> import tinygrad_ml as tg
    >>> rates(ExponentialLR(tg.optim.SGD([tg.nn.Parameter(0.0)], lr=1.0), 0.1), 3)
    [1.0, 0.1, 0.01]
    """
    out = []
    for epoch in range(epochs):
        if epoch:
            scheduler.step()
        out.append(round(scheduler.get_last_lr()[0], 4))
    return out


def _set_momentum(group: dict[str, Any], value: float) -> None:
    if "betas" in group:
        group["betas"] = (value, *group["betas"][1:])
    else:
        group["momentum"] = value


def _with_rates(scheduler: str, optimizer: Any) -> Optimizer:
    """The optimizer, if it is one that a schedule can change."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{scheduler}: takes an optimizer first, got {type(optimizer).__name__}")
    if "lr" not in optimizer.defaults:
        raise ValueError(f"{scheduler}: {type(optimizer).__name__} finds its steps' lengths itself and has no lr")
    return optimizer


def _one_each(scheduler: str, name: str, optimizer: Optimizer, values: Any) -> list[Any]:
    """A value for each group."""
    count = len(optimizer.param_groups)
    if not isinstance(values, (list, tuple)):
        return [values] * count
    if len(values) != count:
        raise ValueError(f"{scheduler}: {name} has {len(values)} values for {count} groups; give one, or one for each")
    return list(values)


def _positive_int(scheduler: str, name: str, value: Any) -> int:
    if not _is_whole(value) or value < 1:
        raise ValueError(f"{scheduler}: {name} must be a whole number from 1, got {value!r}")
    return int(value)


def _epochs(scheduler: str, values: Any) -> list[int]:
    if not isinstance(values, Iterable) or not all(map(_is_whole, values := list(values))):
        raise ValueError(f"{scheduler}: milestones must be a list of whole numbers, got {values!r}")
    return [int(value) for value in values]


def _is_whole(value: Any) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and float(value).is_integer()
