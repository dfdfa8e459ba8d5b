"""What a computation leaves behind in its objects: random generators, running statistics, counters."""

from __future__ import annotations

import collections
import copy
import functools
import random
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from ..graph import Leaf, Node, Output
from ..primitive import Primitive

_WITHOUT_STATE = (
    str, bytes, int, float, complex, type, type(None), types.ModuleType, types.BuiltinFunctionType,
    Node, Output, Leaf, Primitive,
)  # fmt: skip


class State:
    """A picture of everything that can be reached from some objects, to be put back as often as one likes.

    Attributes, lists, dicts, arrays and random generators are followed, through objects of any class but into no
    module and no class; functions are followed into what they close over. The global generators of NumPy and Python
    are part of every picture.
    """

    def __init__(self, *roots: Any) -> None:
        self._seen: dict[int, Any] = {}  # holds on to the objects, so that no number is used twice
        self._undo: list[Callable[[], None]] = []
        for root in roots:
            self._take(root)
        legacy, python = np.random.get_state(), random.getstate()
        self._undo += [lambda: np.random.set_state(legacy), lambda: random.setstate(python)]

    def restore(self) -> None:
        for undo in self._undo:
            undo()

    def _take(self, thing: Any) -> None:
        if id(thing) in self._seen or isinstance(thing, _WITHOUT_STATE):
            return
        self._seen[id(thing)] = thing
        if isinstance(thing, np.ndarray):
            self._take_array(thing)
        elif isinstance(thing, np.random.Generator):
            self._take_generator(thing.bit_generator)
        elif isinstance(thing, np.random.RandomState):
            before = thing.get_state()
            self._undo.append(lambda: thing.set_state(before))
        elif isinstance(thing, random.Random) and not isinstance(thing, random.SystemRandom):
            state = thing.getstate()
            self._undo.append(lambda: thing.setstate(state))
        elif isinstance(thing, dict):
            self._take_dict(thing)
        elif isinstance(thing, list):
            items = list(thing)
            self._undo.append(lambda: thing.__setitem__(slice(None), items))
            self._take_all(items)
        elif isinstance(thing, (set, collections.deque, bytearray)):
            self._take_collection(thing)
        elif isinstance(thing, (tuple, frozenset)):
            self._take_all(thing)
        elif isinstance(thing, functools.partial):
            self._take_all([thing.func, thing.args, thing.keywords])
        elif isinstance(thing, types.MethodType):
            self._take_all([thing.__self__, thing.__func__])
        elif isinstance(thing, types.FunctionType):
            self._take_all([cell.cell_contents for cell in thing.__closure__ or () if _is_filled(cell)])
            self._take_all([thing.__defaults__, thing.__kwdefaults__, thing.__dict__])
        else:
            self._take_object(thing)

    def _take_all(self, things: Any) -> None:
        for thing in things:
            self._take(thing)

    def _take_array(self, array: np.ndarray) -> None:
        if array.flags.writeable and array.dtype.kind != "O":
            before = array.copy()
            self._undo.append(lambda: np.copyto(array, before))

    def _take_generator(self, bits: Any) -> None:
        state = copy.deepcopy(bits.state)
        self._undo.append(lambda: setattr(bits, "state", state))

    def _take_dict(self, thing: dict[Any, Any]) -> None:
        before = dict(thing)

        def put_back() -> None:
            thing.clear()
            thing.update(before)

        self._undo.append(put_back)
        self._take_all(before.values())

    def _take_collection(self, thing: Any) -> None:
        before = list(thing)
        put_back = thing.update if isinstance(thing, set) else thing.extend
        self._undo += [thing.clear, lambda: put_back(before)]
        self._take_all(before)

    def _take_object(self, thing: Any) -> None:
        names = [name for kind in type(thing).__mro__ for name in _slots(kind)]
        slots = {name: getattr(thing, name) for name in names if hasattr(thing, name)}

        def put_back() -> None:
            for name, value in slots.items():
                if getattr(thing, name, None) is not value:
                    object.__setattr__(thing, name, value)  # also where the class refuses it

        if slots:
            self._undo.append(put_back)
            self._take_all(slots.values())
        if hasattr(thing, "__dict__"):
            self._take_dict(thing.__dict__)


def _slots(kind: type) -> tuple[str, ...]:
    slots = kind.__dict__.get("__slots__", ())
    names = (slots,) if isinstance(slots, str) else tuple(slots)
    return tuple([name for name in names if name not in ("__weakref__", "__dict__")])


def _is_filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018  (asking is what may fail)
    except ValueError:
        return False
    return True
