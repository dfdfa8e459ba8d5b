"""Arrays by name in a file, without pickles: ``.npz``, or ``.safetensors`` to travel to and from PyTorch."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..files import replacing

State = dict[str, np.ndarray]


def write(path: Any, state: State) -> None:
    """Write `state` to `path`, under another name first, so that a reader never sees half a file.

    Raises
    ------
    ValueError
        Where the suffix is neither ``.npz`` nor ``.safetensors``.
    ImportError
        Where the package safetensors is needed and not installed.
    """
    path = Path(path)
    save = _writer(path)
    with replacing(path) as unfinished, open(unfinished, "wb") as file:
        save(file, state)


def read(path: Any) -> State:
    """The arrays in a file.

    Raises
    ------
    ValueError
        Where the file holds no arrays.
    """
    path = Path(path)
    if _kind(path) == ".safetensors":
        library = _safetensors()
        from safetensors import SafetensorError

        try:
            return dict(library.load_file(path))
        except (SafetensorError, TypeError) as error:
            raise ValueError(
                f"load: {path} is no .safetensors file of arrays that NumPy has: {error}; in PyTorch convert bfloat16 "
                "with .float() before saving"
            ) from error
    try:
        # A file that NumPy opens itself it leaves open where it cannot read it.
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            return dict(arrays)
    except (ValueError, zipfile.BadZipFile, TypeError, EOFError) as error:
        raise ValueError(f"load: {path} is no .npz file of arrays: {error}") from error


def _kind(path: Path) -> str:
    if path.suffix not in (".npz", ".safetensors"):
        raise ValueError(f"save and load: {path.name} must end in .npz or .safetensors")
    return path.suffix


def _writer(path: Path) -> Callable[[Any, State], Any]:
    if _kind(path) == ".npz":
        return _write_npz
    save = _safetensors().save
    return lambda file, state: file.write(save({name: np.ascontiguousarray(a) for name, a in state.items()}))


def _write_npz(file: Any, state: State) -> None:
    """As `numpy.savez`, which has names of its own that no array can have."""
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in state.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as part:
                np.lib.format.write_array(part, array, allow_pickle=False)


def _safetensors() -> Any:
    try:
        import safetensors.numpy
    except ImportError as error:
        raise ImportError("save and load: files in .safetensors need `pip install safetensors`; or use .npz") from error
    return safetensors.numpy
