"""Trees of arrays: dicts, lists and tuples, nested to any depth, with arrays and numbers as leaves."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any


def flatten(tree: Any) -> tuple[list[Any], Callable[[list[Any]], Any]]:
    """The leaves of `tree` in order, and a function that puts as many others into the same structure."""
    leaves: list[Any] = []
    structure = _collect(tree, leaves)
    return leaves, lambda others: structure(iter(others))


def _collect(tree: Any, leaves: list[Any]) -> Callable[[Any], Any]:
    if isinstance(tree, dict):
        branches = {key: _collect(value, leaves) for key, value in tree.items()}
        if type(tree) is dict:
            return lambda others: {key: branch(others) for key, branch in branches.items()}
        return lambda others: _refilled(tree, {key: branch(others) for key, branch in branches.items()})
    if isinstance(tree, (list, tuple)):
        parts = [_collect(value, leaves) for value in tree]
        kind = type(tree)
        if hasattr(tree, "_fields"):
            return lambda others: kind(*[part(others) for part in parts])
        return lambda others: kind([part(others) for part in parts])
    if tree is None:
        return lambda others: None
    leaves.append(tree)
    return next


def _refilled(tree: dict[Any, Any], values: dict[Any, Any]) -> dict[Any, Any]:
    """A dict of tree's own kind (OrderedDict, defaultdict) with other values."""
    twin = copy.copy(tree)
    twin.update(values)
    return twin


def paths(tree: Any, root: str) -> list[str]:
    """How a user would write each leaf of the tree called `root`: ``x["weights"][0]``."""
    if isinstance(tree, dict):
        return [path for key, value in tree.items() for path in paths(value, f"{root}[{key!r}]")]
    if isinstance(tree, (list, tuple)):
        return [path for i, value in enumerate(tree) for path in paths(value, f"{root}[{i}]")]
    return [] if tree is None else [root]
