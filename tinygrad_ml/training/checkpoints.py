"""States of runs in files, without pickles: arrays by name, and what else there is as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from ..counts import whole
from ..files import remove_unfinished
from ..nn import saving

_STRUCTURE = "structure"


class Checkpoint:
    """Where a run writes its state, and how often.

    Parameters
    ----------
    path : path
        A file in ``.npz``. It is replaced as a whole, so that a run that is killed at any time leaves a good one.
    every_epochs : int, default=1
    every_steps : int, optional
        Also within epochs, each time this many steps are done.
    """

    def __init__(self, path: Any, every_epochs: int = 1, every_steps: int | None = None) -> None:
        self.path = Path(path)
        if self.path.suffix != ".npz":
            raise ValueError(f"Checkpoint: the file's name must end in .npz, got {self.path.name}")
        self.every_epochs = whole("Checkpoint: every_epochs", every_epochs, 1)
        self.every_steps = None if every_steps is None else whole("Checkpoint: every_steps", every_steps, 1)

    def write(self, tree: dict[str, Any]) -> None:
        """Replace the file by one with `tree`."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write(self.path, tree)

    def read(self) -> dict[str, Any] | None:
        """What the file has, or None if there is none; what a killed run has left half-written is removed."""
        remove_unfinished(self.path)
        return read(self.path) if self.path.exists() else None


def write(path: Any, tree: Any) -> None:
    """Write dicts, lists and tuples of arrays, numbers and strings.

    Raises
    ------
    TypeError
        For anything else; the message tells where it is.
    """
    arrays: dict[str, np.ndarray] = {}
    structure = json.dumps(_encoded(tree, "", arrays))
    saving.write(path, {_STRUCTURE: np.frombuffer(structure.encode(), np.uint8), **arrays})


def read(path: Any) -> Any:
    """What `write` has written.

    Of a run that is the state of the module under "module", of its optimizer, of its history and so on.

    Raises
    ------
    ValueError
        Where the file is something else.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "state.npz")
    ...     write(path, {"module": {"weight": np.ones(2)}, "steps": 3})
    ...     read(path)
    {'module': {'weight': array([1., 1.])}, 'steps': 3}
    """
    arrays = saving.read(path)
    if _STRUCTURE not in arrays:
        raise ValueError(f"checkpoint: {path} has arrays but is no checkpoint; for weights alone use module.load(path)")
    return _decoded(json.loads(arrays[_STRUCTURE].tobytes()), arrays)


def _encoded(value: Any, path: str, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(value, (np.ndarray, np.generic)) and not value.dtype.hasobject:
        while path in arrays or path in ("", _STRUCTURE):
            path += "_"
        arrays[path] = np.asarray(value)
        return {"array" if isinstance(value, np.ndarray) else "scalar": path}
    if value is None or isinstance(value, (bool, int, float, str)) and not isinstance(value, np.generic):
        return value
    if isinstance(value, (list, tuple)):
        items = [_encoded(item, _below(path, i), arrays) for i, item in enumerate(value)]
        return items if isinstance(value, list) else {"tuple": items}
    if isinstance(value, dict):
        return {"dict": [[_key(key, path), _encoded(item, _below(path, key), arrays)] for key, item in value.items()]}
    raise TypeError(
        f"checkpoint: {path or 'the state'} is a {type(value).__name__}, which cannot be saved without pickles; keep "
        "arrays, numbers, strings, and lists, tuples and dicts of them in states"
    )


def _decoded(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(value, list):
        return [_decoded(item, arrays) for item in value]
    if not isinstance(value, dict):
        return value
    [(kind, content)] = value.items()
    if kind == "array":
        return arrays[content]
    if kind == "scalar":
        return arrays[content][()]
    if kind == "tuple":
        return tuple([_decoded(item, arrays) for item in content])
    return {key: _decoded(item, arrays) for key, item in content}


def _below(path: str, key: Any) -> str:
    return f"{path}/{key}" if path else str(key)


def _key(key: Any, path: str) -> Any:
    if not isinstance(key, (int, str)):
        raise TypeError(f"checkpoint: {path or 'the state'} has the key {key!r}; keys must be strings or whole numbers")
    return key
