"""The random generators that a run draws from, and their states."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from ..nn import Module


def generators_of_modules(modules: list[Module]) -> list[np.random.Generator]:
    """Those in their attributes, once each."""
    return unique(item for module in modules for value in vars(module).values() for item in _within(value))


def generators_of_data(data: Any) -> list[np.random.Generator]:
    """Those in the attributes of data, of which `rng` may be a property."""
    attributes = [getattr(data, "rng", None), *getattr(data, "__dict__", {}).values()]
    return unique(item for value in attributes for item in _within(value))


def _within(value: Any) -> Iterator[np.random.Generator]:
    if isinstance(value, np.random.Generator):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _within(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _within(item)


def unique(generators: Iterable[np.random.Generator]) -> list[np.random.Generator]:
    """Each once, in order."""
    return list({id(generator): generator for generator in generators}.values())


def states(generators: list[np.random.Generator]) -> list[dict[str, Any]]:
    """Where each generator is."""
    return [dict(generator.bit_generator.state) for generator in generators]


def restore(generators: list[np.random.Generator], saved: list[dict[str, Any]]) -> None:
    """Put each generator where another was.

    Raises
    ------
    ValueError
        Where their number or kinds differ.
    """
    kinds = [generator.bit_generator.state["bit_generator"] for generator in generators]
    wanted = [state["bit_generator"] for state in saved]
    if kinds != wanted:
        raise ValueError(f"it has the random generators {wanted}, and the module and data have {kinds}")
    for generator, state in zip(generators, saved, strict=True):
        generator.bit_generator.state = state
