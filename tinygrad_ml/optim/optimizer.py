"""What all optimizers have in common: groups of parameters, their blocks, their state."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..graph import enable_grad
from ..tensor import Tensor
from .block import Block

#: What schedulers write into groups beside an optimizer's own options.
_OF_SCHEDULERS = {"initial_lr", "max_lr", "min_lr", "max_momentum", "base_momentum"}


class Optimizer:
    """Changes parameters by their gradients.

    Parameters
    ----------
    params : iterable
        Of parameters, of pairs of a name and a parameter (as from ``named_parameters()``), or of dicts: groups with
        options of their own, ``{"params": [...], "lr": 0.1}``.
    defaults : dict
        The options of groups that do not have their own.

    Attributes
    ----------
    param_groups : list of dict
        The parameters under "params", with their options; schedulers change these.

    Raises
    ------
    TypeError
        For what is no parameter.
    ValueError
        Where there are no parameters, one appears twice, or an option is out of range.

    Notes
    -----
    The parameters of a group lie in one vector: from the first step on, each parameter's ``data`` is a view of it, so
    that an update takes the same number of NumPy calls for one parameter and for a thousand. Arrays that are assigned
    to ``data`` later are copied into the vector at the next step. Parameters without a gradient are left alone.
    """

    #: Options that must be numbers and not negative.
    _not_negative: tuple[str, ...] = ("lr",)

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self.param_groups: list[dict[str, Any]] = []
        self._blocks: list[list[Block]] = []
        for group in self._groups(params):
            self.add_param_group(group)

    def _groups(self, params: Any) -> list[dict[str, Any]]:
        if isinstance(params, Tensor) or not isinstance(params, Iterable):
            raise TypeError(
                f"{self._name}: params must be a list of parameters, got {_kind(params)}; pass model.parameters() or "
                "[parameter]"
            )
        items = list(params)
        if not items:
            raise ValueError(
                f"{self._name}: the list of parameters is empty; pass model.parameters() of a model that has any "
                "(an iterator that was used before is empty too)"
            )
        return items if isinstance(items[0], dict) else [{"params": items}]

    @property
    def _name(self) -> str:
        return type(self).__name__

    def add_param_group(self, group: dict[str, Any]) -> None:
        """Take in more parameters, with options of their own.

        Parameters
        ----------
        group : dict
            The parameters under "params"; options that are missing are the optimizer's.
        """
        if not isinstance(group, dict) or "params" not in group:
            raise TypeError(f'{self._name}: a group is a dict with the key "params", got {group!r}')
        items = group["params"]
        items = [items] if isinstance(items, Tensor) else list(items)
        named = [item if isinstance(item, tuple) and len(item) == 2 else (None, item) for item in items]
        names, parameters = [name for name, _ in named], [parameter for _, parameter in named]
        number = sum(len(other["params"]) for other in self.param_groups)
        labels = [self._checked(parameter, name, number + i) for i, (name, parameter) in enumerate(named)]
        if not parameters:
            raise ValueError(f"{self._name}: group {len(self.param_groups)} has no parameters")
        if unknown := group.keys() - {"params", "param_names"} - self.defaults.keys() - _OF_SCHEDULERS:
            raise ValueError(
                f"{self._name}: group {len(self.param_groups)} has the unknown option {', '.join(sorted(unknown))}; "
                f"known are {', '.join(self.defaults)}"
            )
        seen = {id(p): self._label(group, i) for group in self.param_groups for i, p in enumerate(group["params"])}
        for parameter, label in zip(parameters, labels, strict=True):
            if id(parameter) in seen:
                raise ValueError(
                    f"{self._name}: {label} was given before, as {seen[id(parameter)]}; a parameter belongs to one "
                    "group, once"
                )
            seen[id(parameter)] = label
        options = {**self.defaults, **group, "params": parameters}
        if any(name is not None for name in names):
            options["param_names"] = [name or str(number + i) for i, name in enumerate(names)]
        self._check(options, labels[0] + (f" and {len(labels) - 1} more" if len(labels) > 1 else ""))
        self.param_groups.append(options)
        self._blocks.append(_blocks(parameters, labels, [{}] * len(parameters)))

    def _checked(self, parameter: Any, name: str | None, number: int) -> str:
        """What to call a parameter, if it is one."""
        label = f"parameter {number if name is None else repr(name)}"
        if not isinstance(parameter, Tensor):
            raise TypeError(f"{self._name}: {label} must be a Parameter or a Tensor, got {_kind(parameter)}")
        label += f" of shape {parameter.shape}"
        if not parameter.is_leaf:
            raise TypeError(
                f"{self._name}: {label} was computed from other tensors, so that changing it has no effect; pass those"
            )
        if parameter.dtype.kind != "f" or not isinstance(parameter._data, (np.ndarray, np.generic)):
            raise TypeError(
                f"{self._name}: {label} is a {_kind(parameter._data)} of {parameter.dtype}; optimizers change NumPy "
                "arrays of real floating-point numbers"
            )
        return label

    @staticmethod
    def _label(group: dict[str, Any], i: int) -> str:
        return f"parameter {group['param_names'][i]!r}" if "param_names" in group else f"parameter {i}"

    def _check(self, group: dict[str, Any], label: str) -> None:
        """Refuse options that make no sense; `label` names the parameters they are for."""
        for name in self._not_negative:
            if np.ndim(group[name]) or np.asarray(group[name]).dtype.kind not in "iuf":
                raise TypeError(f"{self._name}: {name} must be a number, got {group[name]!r} for {label}")
            if not 0 <= group[name] < math.inf:
                raise ValueError(f"{self._name}: {name} must be 0 or more, got {group[name]} for {label}")

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter._grad = None

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change every parameter that has a gradient.

        Parameters
        ----------
        closure : callable, optional
            Computes the loss and calls its ``backward()``, before the step.

        Returns
        -------
        What the closure returned.

        Raises
        ------
        RuntimeError
            Where no parameter has a gradient.
        ValueError
            Where the rate has become negative or is not finite; nothing was changed.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        for i, group in enumerate(self.param_groups):
            if not 0 <= group.get("lr", 0) < math.inf:  # set since, by hand or by a schedule
                self._check(group, self._blocks[i][0].labels[0])
        stepped = False
        for group, blocks in zip(self.param_groups, self._blocks, strict=True):
            for block in [*blocks]:
                if not block.gather():
                    stepping = _parted(blocks, block)
                    if stepping is None:
                        continue
                    block = stepping
                    block.gather()
                block.steps += 1
                if group.get("maximize"):
                    np.negative(block.gradient, out=block.gradient)
                self._update(block, group)
                stepped = True
        if not stepped:
            raise self._without_gradients()
        return loss

    def _without_gradients(self) -> RuntimeError:
        labels = [label for blocks in self._blocks for block in blocks for label in block.labels]
        more = f" and {len(labels) - 1} more" if len(labels) > 1 else ""
        frozen = (
            "" if any(p.requires_grad for group in self.param_groups for p in group["params"]) else " All are frozen."
        )
        return RuntimeError(
            f"{self._name}.step: no parameter has a gradient ({labels[0]}{more}).{frozen} Call loss.backward() before "
            "step(), and see that the loss is computed with these parameters."
        )

    def _update(self, block: Block, group: dict[str, Any]) -> None:
        """Change ``block.data`` by ``block.gradient``, which may be written to."""
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        """Everything that another optimizer of the same kind needs to go on with the same bits.

        Returns
        -------
        dict
            Under "state" for each parameter, by its number, its count of steps and the arrays kept for it; under
            "param_groups" the options, with numbers for parameters. Names are PyTorch's.
        """
        order = [parameter for group in self.param_groups for parameter in group["params"]]
        numbers = {id(parameter): i for i, parameter in enumerate(order)}
        state = {
            numbers[id(parameter)]: {"step": block.steps, **arrays}
            for blocks in self._blocks
            for block in blocks
            if block.steps or block.state
            for parameter, arrays in block.pieces()
        }
        groups = [{**group, "params": [numbers[id(p)] for p in group["params"]]} for group in self.param_groups]
        return {"state": dict(sorted(state.items())), "param_groups": groups}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where another optimizer was.

        Parameters
        ----------
        state : dict
            From `state_dict`, or from PyTorch's optimizer of this name over parameters in the same order.

        Raises
        ------
        ValueError
            Where groups or shapes are others; all differences are listed, and nothing was changed.
        """
        saved = state["param_groups"]
        ours, theirs = ([len(group["params"]) for group in groups] for groups in (self.param_groups, saved))
        if ours != theirs:
            raise ValueError(
                f"{self._name}.load_state_dict: the state is for groups of {theirs} parameters, this optimizer has "
                f"groups of {ours}; make it from the same parameters in the same order"
            )
        labels = [self._labels(i) for i in range(len(saved))]
        kept = [[_arrays(state["state"].get(n, {})) for n in group["params"]] for group in saved]
        faults = [
            f"{name} for {label} has shape {array.shape}"
            for group, arrays, called in zip(self.param_groups, kept, labels, strict=True)
            for parameter, own, label in zip(group["params"], arrays, called, strict=True)
            for name, array in own.items()
            if name != "step" and array.shape != parameter.shape
        ]
        if faults:
            raise ValueError(f"{self._name}.load_state_dict: shapes differ:\n  " + "\n  ".join(faults))
        groups = [
            {**group, **options, "params": group["params"]}
            for group, options in zip(self.param_groups, saved, strict=True)
        ]
        for group, called in zip(groups, labels, strict=True):
            self._check(group, called[0])
        for group, options in zip(self.param_groups, groups, strict=True):
            group.update(options)
        self._blocks = [
            _blocks(group["params"], called, arrays) for group, called, arrays in zip(groups, labels, kept, strict=True)
        ]

    def _labels(self, index: int) -> list[str]:
        """What the parameters of a group are called, in their order."""
        called = {
            id(parameter): label
            for block in self._blocks[index]
            for parameter, label in zip(block.parameters, block.labels, strict=True)
        }
        return [called[id(parameter)] for parameter in self.param_groups[index]["params"]]

    def __repr__(self) -> str:
        lines = [f"{self._name}("]
        for i, group in enumerate(self.param_groups):
            options = ", ".join(f"{k}={v}" for k, v in group.items() if k not in ("params", "param_names"))
            size = sum(parameter.size for parameter in group["params"])
            lines.append(f"  group {i}: {len(group['params'])} parameters, {size:,} numbers; {options}")
        return "\n".join([*lines, ")"])


def _parted(blocks: list[Block], block: Block) -> Block | None:
    """The part of `block` that has gradients, if any, which is parted from the rest in `blocks`."""
    present = [parameter._grad is not None for parameter in block.parameters]
    if not any(present):
        return None
    stepping, resting = block.parted(present)
    place = blocks.index(block)
    blocks[place : place + 1] = [stepping, resting]
    return stepping


def _blocks(parameters: list[Any], labels: list[str], states: list[dict[str, Any]]) -> list[Block]:
    """Blocks of those parameters that have the dtype, the count of steps and the kinds of arrays in common."""
    together: dict[Any, list[int]] = {}
    for i, (parameter, state) in enumerate(zip(parameters, states, strict=True)):
        key = (parameter.dtype, state.get("step", 0), tuple(sorted(state)))
        together.setdefault(key, []).append(i)
    return [
        Block(
            [parameters[i] for i in members],
            [labels[i] for i in members],
            steps,
            {
                name: np.concatenate([states[i][name] for i in members], axis=None, dtype=dtype)
                for name in names
                if name != "step"
            },
        )
        for (dtype, steps, names), members in together.items()
    ]


def _arrays(state: dict[str, Any]) -> dict[str, Any]:
    """One parameter's state; PyTorch counts its steps in a tensor, and keeps None for what is not in use."""
    kept = {name: np.asarray(value) for name, value in state.items() if value is not None and name != "step"}
    return {"step": int(state["step"]), **kept} if "step" in state else kept


def _kind(thing: Any) -> str:
    return type(thing).__name__
