"""Which operation of a recorded computation makes its gradient wrong."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from .. import tree
from ..graph import enable_grad, watching
from ..tensor import Tensor
from .accumulation import find_accumulation
from .complex_step import quiet
from .culprits import Blame, Culprit
from .examine import examine
from .recall import Operation, recall
from .trial import Draws, Undecided, WrongAnswer


def blame(loss: Any, *args: Any, rng: np.random.Generator | None = None) -> Blame:
    """Find the operations whose rule is wrong, whose arrays were changed, or whose gradients are added up wrongly.

    Every operation is tested alone, at the very numbers that it was applied to: its rule against the complex step, and
    where they disagree against finite differences. Only what both witnesses say is reported.

    Parameters
    ----------
    loss : Tensor or callable
        What was recorded, best inside `watching`; or a function that is called with `args` inside `watching`.
    *args : arrays, or trees of arrays
        Arrays of floating-point numbers become tensors that require gradients.
    rng : numpy.random.Generator, optional
        Draws the directions in which operations are tested.

    Returns
    -------
    Blame
        A sequence of `Culprit`, empty where nothing is wrong; print it.

    Raises
    ------
    TypeError
        Where `loss` is no Tensor and does not return one that was computed from a Tensor with requires_grad=True.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_ml as tg
    >>> from tinygrad_ml.gradcheck import blame
    >>> cube = tg.primitive(lambda x: x**3, lambda g, ans, x: g * 2 * x**2)
    >>> found = blame(lambda x: np.sum(cube(np.exp(x))), np.array([0.5, 1.0]))
    >>> [(culprit.kind, culprit.input, round(culprit.error, 6)) for culprit in found]
    [('RULE', 'argument 0 (x)', 0.333333)]
    >>> print(blame(lambda x: np.sum(np.exp(x)), np.array([0.5, 1.0])))
    no culprit among 2 operations
    """
    rng = np.random.default_rng() if rng is None else rng
    root, kept_alive = (loss, None) if isinstance(loss, Tensor) else _called(loss, args)
    if not isinstance(root, Tensor) or root._node is None:
        raise TypeError(
            f"blame: needs a Tensor that was computed from tensors with requires_grad=True, or a function that returns "
            f"one; got {type(root).__name__}{' without history' if isinstance(root, Tensor) else ''}"
        )
    with quiet():
        found = _blame(root, rng)
    del kept_alive
    return found


def _called(function: Any, args: tuple[Any, ...]) -> tuple[Any, Any]:
    """What the function makes of the arguments, and these as tensors: a graph does not keep its leaves alive."""
    if not callable(function):
        return function, None
    leaves, rebuild = tree.flatten(args)
    tensors = [
        Tensor(leaf, requires_grad=True)
        if isinstance(leaf, (np.ndarray, np.floating)) and leaf.dtype.kind in "fc"
        else leaf
        for leaf in leaves
    ]
    with watching(), enable_grad():
        return function(*rebuild(tensors)), tensors


def _blame(root: Tensor, rng: np.random.Generator) -> Blame:
    recalled = recall(root, rng)
    culprits: list[Culprit] = list(recalled.stale)
    untestable: Counter[str] = recalled.unknown
    tested: list[Operation] = []
    draws = Draws(rng)
    for operation in recalled.operations:
        try:
            culprits += examine(operation, draws)
            tested.append(operation)
        except Undecided as reason:
            untestable[f"{operation.primitive.name}: {reason}"] += 1
    if not culprits:
        seed = np.ones(root.shape, root.dtype) if root.size == 1 else rng.normal(size=root.shape).astype(root.dtype)
        try:
            culprits += find_accumulation(root, seed[()], recalled.operations)
        except WrongAnswer as error:
            untestable[f"the engine's sums: {error}"] += 1
    return Blame(culprits, recalled.count, len(tested), untestable)
