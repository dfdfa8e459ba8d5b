"""The check of a module: the gradients of a loss in all its parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..graph import enable_grad, no_grad
from ..tensor import Tensor
from .blame import blame
from .check import run
from .complex_step import along
from .report import Report
from .state import State
from .subject import Arrays, Subject


def check_module(module: Any, loss: Callable[..., Any], *batch: Any, directions: int = 3, rng: Any = None) -> Report:
    """Check the gradients of a loss in the parameters of a module.

    Parameters
    ----------
    module : Module
        Or anything that is called with inputs and has ``named_parameters()``, pairs of a name and a leaf Tensor.
    loss : callable
        From the module's output to a single number; with two and more arrays in the batch, from the output and the
        last of them, the target.
    *batch : arrays
        The module's inputs and, where there are two and more, the target.
    directions, rng
        As in `check_gradient`.

    Returns
    -------
    Report
        One row for each parameter, by its dotted name.

    Raises
    ------
    TypeError
        Where the module has no parameters, or the loss is not a single real number.

    Notes
    -----
    Every evaluation starts from the same state of all random generators that the module and the loss hold, so that
    dropout drops the same elements; randomness from elsewhere is found and reported as INCONCLUSIVE. Parameters,
    gradients, running statistics and generators are left as they were.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_ml as tg
    >>> class Line:
    ...     def __init__(self):
    ...         self.slope = tg.Tensor([1.0, 2.0], requires_grad=True)
    ...     def named_parameters(self):
    ...         return [("slope", self.slope)]
    ...     def __call__(self, x):
    ...         return x @ self.slope
    >>> report = check_module(Line(), tg.functional.mse_loss, np.eye(2), np.array([0.0, 1.0]))
    >>> report.ok, [row.name for row in report.rows]
    (True, ['slope'])
    """
    if not hasattr(module, "named_parameters"):
        raise TypeError(
            f"check_module: {type(module).__name__} has no named_parameters(); check a function with check_gradient"
        )
    if not batch:
        raise TypeError("check_module: give the module's input, and the target of the loss if it takes one")
    named = [(name, parameter) for name, parameter in module.named_parameters() if parameter.requires_grad]
    if not named:
        raise TypeError(f"check_module: {type(module).__name__} has no parameters that require gradients")
    parameters = [parameter for _, parameter in named]
    state = State(module, loss, batch)

    def total() -> Any:
        out = module(*batch[:-1]) if len(batch) > 1 else module(batch[0])
        return loss(out, batch[-1]) if len(batch) > 1 else loss(out)

    def at(leaves: Any) -> Any:
        """The loss where the parameters stand for these arrays, or are these Tensors."""
        state.restore()
        for parameter, leaf in zip(parameters, leaves, strict=True):
            if isinstance(leaf, Tensor):
                parameter._data, parameter._node = leaf._data, leaf._node
            else:
                parameter._data = leaf
        return total()

    def value(arrays: Arrays) -> Any:
        with no_grad():
            return at(arrays)

    def gradient(arrays: Arrays) -> Arrays:
        leaves = [Tensor(array, requires_grad=True) for array in arrays]
        with enable_grad():
            out = at(leaves)
        if isinstance(out, Tensor) and out.requires_grad:
            out.backward()
        return [np.zeros_like(a) if leaf.grad is None else leaf.grad for leaf, a in zip(leaves, arrays, strict=True)]

    arrays = [parameter.numpy().copy() for parameter in parameters]
    subject = Subject(
        "check_module",
        f"{type(module).__name__} under {_name(loss)}",
        [name for name, _ in named],
        arrays,
        value,
        gradient,
        label="engine",
        complex_step=lambda leaves, us: along(lambda *moved: at(moved), leaves, us),
        blame=lambda rng: blame(lambda *moved: at(moved), *arrays, rng=rng),
    )
    try:
        return run(subject, directions, rng)
    finally:
        state.restore()


def _name(loss: Any) -> str:
    return str(getattr(loss, "__name__", type(loss).__name__))
