"""What all layers have in common: their parameters, their state, and how they are called."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import numpy as np

from . import saving, summary
from .parameter import Parameter

M = TypeVar("M", bound="Module")


class Module:
    """A function with parameters: a layer, or a model composed of layers.

    Write a class with the layers as attributes and a method `forward`. Parameters and modules are found in the
    attributes and in lists, tuples and dicts among them, in the order in which they were assigned, and are called by
    dotted names: ``"encoder.layers.0.weight"``. What is found twice, as a shared weight, appears once, by its first
    name.

    Attributes
    ----------
    training : bool
        Whether layers such as dropout behave as in training; `train` and `eval` switch it.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_ml as tg
    >>> class Line(tg.nn.Module):
    ...     def __init__(self):
    ...         self.slope, self.offset = tg.nn.Parameter(2.0), tg.nn.Parameter(1.0)
    ...     def forward(self, x):
    ...         return self.slope * x + self.offset
    >>> line = Line()
    >>> print(line(np.array([0.0, 10.0])).numpy())
    [ 1. 21.]
    >>> [name for name, _ in line.named_parameters()]
    ['slope', 'offset']
    """

    training = True
    #: Whether parameters are missing until the first input tells their shape.
    awaits_input = False
    #: The names of the attributes that `register_buffer` made.
    _buffers: tuple[str, ...] = ()

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the output; every module writes its own."""
        raise NotImplementedError(f"{type(self).__name__} has no method forward(self, ...)")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.forward(*args, **kwargs) if kwargs else self.forward(*args)

    def __setattr__(self, name: str, value: Any) -> None:
        if value is not None and isinstance(vars(self).get(name), Parameter) and not isinstance(value, Parameter):
            raise TypeError(
                f"{type(self).__name__}.{name} is a Parameter, and {type(value).__name__} is not, so it would not be "
                f"learned any more; write values into it with .{name}.data[...] = values, or assign a Parameter or None"
            )
        super().__setattr__(name, value)

    # What it is made of

    def _parts(self) -> Iterator[tuple[str, Any]]:
        """The attributes in which parameters and modules are looked for."""
        yield from vars(self).items()

    def own_parameters(self) -> list[tuple[str, Parameter]]:
        """The parameters directly inside, by name."""
        found: dict[int, tuple[str, Parameter]] = {}
        for name, part in _leaves(self._parts()):
            if isinstance(part, Parameter):
                found.setdefault(id(part), (name, part))
        return list(found.values())

    def named_children(self) -> list[tuple[str, Module]]:
        """The modules directly inside, by name."""
        found: dict[int, tuple[str, Module]] = {}
        for name, part in _leaves(self._parts()):
            if isinstance(part, Module):
                found.setdefault(id(part), (name, part))
        return list(found.values())

    def named_modules(self, prefix: str = "") -> list[tuple[str, Module]]:
        """This module and all inside at any depth, by dotted name; this one's is `prefix`."""
        found: dict[int, tuple[str, Module]] = {}
        _collect_modules(self, prefix, found)
        return list(found.values())

    def modules(self) -> list[Module]:
        """This module and all inside at any depth."""
        return [module for _, module in self.named_modules()]

    def named_parameters(self, prefix: str = "") -> list[tuple[str, Parameter]]:
        """All parameters by dotted name.

        Raises
        ------
        RuntimeError
            Where a layer inside learns its size from the first input, and had none yet.
        """
        found: dict[int, tuple[str, Parameter]] = {}
        for path, module in self.named_modules(prefix):
            if module.awaits_input:
                raise RuntimeError(
                    f"{type(module).__name__} {path!r} takes its size from the first input, and had none yet, so its "
                    "parameters are not there; call the model once, or give the layer its size"
                )
            for name, parameter in module.own_parameters():
                found.setdefault(id(parameter), (_joined(path, name), parameter))
        return list(found.values())

    def parameters(self) -> list[Parameter]:
        """All parameters."""
        return [parameter for _, parameter in self.named_parameters()]

    def register_buffer(self, name: str, array: Any) -> None:
        """Make `array` an attribute that is no parameter but belongs to the state, such as a running mean.

        Raises
        ------
        ValueError
            Where `name` is no name of an attribute, or is taken.
        """
        if not name.isidentifier():
            raise ValueError(f"register_buffer: {name!r} is no name of an attribute; leave out dots and spaces")
        if hasattr(self, name) and name not in self._buffers:
            raise ValueError(f"register_buffer: {type(self).__name__} has an attribute {name!r} already")
        setattr(self, name, None if array is None else np.asarray(array))
        if name not in self._buffers:
            self._buffers = (*self._buffers, name)

    def named_buffers(self, prefix: str = "") -> list[tuple[str, np.ndarray]]:
        """All buffers by dotted name."""
        return [
            (_joined(path, name), getattr(module, name))
            for path, module in self.named_modules(prefix)
            for name in module._buffers
            if getattr(module, name) is not None
        ]

    def buffers(self) -> list[np.ndarray]:
        """All buffers."""
        return [buffer for _, buffer in self.named_buffers()]

    # What is done to all of it

    def train(self: M, mode: bool = True) -> M:
        """Behave as in training, here and in all modules inside."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self: M) -> M:
        """Behave as in use: no dropout, running statistics instead of the batch's."""
        return self.train(False)

    def requires_grad_(self: M, requires_grad: bool = True) -> M:
        """Freeze all parameters, or thaw them."""
        for parameter in self.parameters():
            parameter.requires_grad = requires_grad
        return self

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for parameter in self.parameters():
            parameter.grad = None

    def apply(self: M, function: Callable[[Module], Any]) -> M:
        """Call `function` with every module inside and at last with this one; for initialisation."""
        for module in reversed(self.modules()):
            function(module)
        return self

    def to(self: M, dtype: Any) -> M:
        """Change the precision of all floating-point parameters, gradients and buffers.

        Raises
        ------
        TypeError
            Where `dtype` is no type of floating-point numbers.
        """
        dtype = np.dtype(dtype)
        if dtype.kind not in "fc":
            raise TypeError(f"to: parameters are floating-point numbers, and {dtype} is not; try np.float32")
        for parameter in self.parameters():
            wanted, gradient = parameter.requires_grad, parameter.grad
            parameter.requires_grad = False  # what requires a gradient keeps its dtype
            parameter.data = parameter.data.astype(dtype)
            parameter.requires_grad = wanted
            parameter.grad = None if gradient is None else gradient.astype(dtype)
        for module in self.modules():
            for name in module._buffers:
                buffer = getattr(module, name)
                if buffer is not None and buffer.dtype.kind in "fc":
                    setattr(module, name, buffer.astype(dtype))
        return self

    # Its state

    def state_dict(self) -> dict[str, np.ndarray]:
        """Copies of all parameters and buffers, by dotted name.

        Raises
        ------
        ValueError
            Where two are called the same, as in dicts whose keys have dots.
        """
        return {name: array.copy() for name, array in self._named_arrays().items()}

    def _named_arrays(self) -> dict[str, np.ndarray]:
        """All parameters and buffers themselves."""
        arrays = [(name, parameter.data) for name, parameter in self.named_parameters()] + self.named_buffers()
        state = dict(arrays)
        if len(state) < len(arrays):
            names = [name for name, _ in arrays]
            twice = ", ".join(name for name in state if names.count(name) > 1)
            raise ValueError(
                f"state_dict: in {type(self).__name__} several parameters or buffers are called {twice}, and one would "
                "replace the others; give dicts of modules other keys, without dots"
            )
        return state

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> None:
        """Copy arrays into the parameters and buffers of the same names.

        What is shared may be given under any of its names, or under several, as in PyTorch's states.

        Parameters
        ----------
        state : mapping of str to array_like
        strict : bool, default=True
            Whether every name on either side must be on the other.

        Raises
        ------
        ValueError
            Where names are missing or unknown, shapes differ, or numbers are of another kind; all of them are listed,
            and nothing was changed.
        TypeError
            Where `state` is no dict.
        """
        if not isinstance(state, Mapping):
            raise TypeError(f"load_state_dict: state must be a dict of arrays by name, got {type(state).__name__}")
        own = self._named_arrays()
        arrays = {name: np.asarray(value) for name, value in state.items()}
        faults: list[str] = []
        if not arrays.keys() <= own.keys():
            arrays, faults = self._by_own_names(arrays)
        for name, array in own.items():
            if name in arrays and arrays[name].shape != array.shape:
                faults.append(f"{name} has shape {arrays[name].shape} instead of {array.shape}")
            elif name in arrays and not np.can_cast(arrays[name].dtype, array.dtype, "same_kind"):
                faults.append(f"{name} holds {arrays[name].dtype}, which does not go into {array.dtype}")
        if strict:
            faults = (
                [f"missing: {name} {array.shape}" for name, array in own.items() if name not in arrays]
                + [f"unknown: {name} {array.shape}" for name, array in arrays.items() if name not in own]
                + faults
            )
        if faults:
            raise ValueError(
                f"load_state_dict: {type(self).__name__} cannot take this state:\n  " + "\n  ".join(faults)
            )
        for name, array in own.items():
            if name in arrays:
                array[...] = arrays[name]

    def _by_own_names(self, arrays: dict[str, np.ndarray]) -> tuple[dict[str, np.ndarray], list[str]]:
        """What is shared under the name that it has here, and where values under several names differ."""
        own = {id(part): name for name, part in [*self.named_parameters(), *self.named_buffers()]}
        names = {other: own[id(part)] for other, part in _every_name(self, "", ()) if part is not None}
        renamed: dict[str, np.ndarray] = {}
        faults: list[str] = []
        for other, array in arrays.items():
            name = names.get(other, other)
            if not np.array_equal(renamed.setdefault(name, array), array, equal_nan=array.dtype.kind in "fc"):
                faults.append(f"{other} differs from others of its names, and here is the same as {name}")
        return renamed, faults

    def save(self, path: Any) -> None:
        """Write the state to a file: ``.npz`` without pickles, or ``.safetensors`` where that package is installed."""
        saving.write(path, self.state_dict())

    def load(self, path: Any, strict: bool = True) -> None:
        """Read the state from a file that `save`, or PyTorch through safetensors, has written."""
        self.load_state_dict(saving.read(path), strict)

    # How it prints

    def extra_repr(self) -> str:
        """What `repr` tells of a module besides its parts."""
        return ""

    def __repr__(self) -> str:
        return summary.tree(self)

    def summary(self, input_shape: Any = None, dtype: Any = np.float32) -> str:
        """A table of all modules with the shapes of their outputs and the numbers of their parameters.

        Parameters
        ----------
        input_shape : tuple of int, or list of them for several inputs, optional
            Of a batch; the module is called once with zeros. Without it the table has no shapes.
        dtype : optional
            Of the zeros; an integer type for modules that take indices.
        """
        return summary.table(self, input_shape, dtype)


def _leaves(parts: Iterator[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    """What is in lists, tuples and dicts at any depth, with dotted names."""
    for name, part in parts:
        if isinstance(part, dict):
            yield from _leaves((f"{name}.{key}", item) for key, item in part.items())
        elif isinstance(part, (list, tuple)):
            yield from _leaves((f"{name}.{i}", item) for i, item in enumerate(part))
        else:
            yield name, part


def _collect_modules(module: Module, path: str, found: dict[int, tuple[str, Module]]) -> None:
    if id(module) in found:
        return
    found[id(module)] = path, module
    for name, child in module.named_children():
        _collect_modules(child, _joined(path, name), found)


def _every_name(module: Module, path: str, above: tuple[Module, ...]) -> Iterator[tuple[str, Any]]:
    """All parameters and buffers, and what is shared by each of its names."""
    yield from ((_joined(path, name), getattr(module, name)) for name in module._buffers)
    for name, part in _leaves(module._parts()):
        if isinstance(part, Parameter):
            yield _joined(path, name), part
        elif isinstance(part, Module) and not any(part is other for other in (*above, module)):
            yield from _every_name(part, _joined(path, name), (*above, module))


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
