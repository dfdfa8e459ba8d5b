"""What a command line names: finding it, and arguments to call it with."""

from __future__ import annotations

import difflib
import importlib
import inspect
import os
import pkgutil
import sys
import traceback
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Shape = tuple[int, ...]
DEFAULT_SHAPE = (5,)
DEFAULT_MODEL_SHAPE = (20, 5)


class UsageError(Exception):
    """Something that the user asked for cannot be had; the message says why and what to do."""


def find(target: str) -> Any:
    """The object that ``package.module:name`` names; `name` may be dotted."""
    module_name, colon, name = target.partition(":")
    if not (module_name and colon and name) or module_name.endswith(".py") or "/" in module_name:
        example = module_name.removesuffix(".py").strip("./").replace("/", ".") or "package.module"
        raise UsageError(f"cannot read {target!r}: write package.module:name, here {example}:{name or 'name'}")
    found = _import(module_name)
    reached = module_name
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            known = [known for known in dir(found) if not known.startswith("_")]
            raise UsageError(f"{reached} has no {part!r}; {_nearest(part, known)}") from None
        reached += f".{part}"
    return found


def is_model(found: Any) -> bool:
    """Whether it is an object or a class with the methods of a model."""
    return callable(getattr(found, "loss", None)) and callable(getattr(found, "gradient", None))


def make_model(found: Any, target: str) -> Any:
    """The model itself, or one of a class of models."""
    if not isinstance(found, type):
        return found
    try:
        return found()
    except Exception as error:
        raise UsageError(
            f"{target} cannot be made without arguments: {told(error)}; make an object in the module and name that"
        ) from None


def require_function(found: Any, target: str) -> Callable[..., Any]:
    if isinstance(found, type):
        what = f"the class {found.__name__}"
    elif callable(found):
        return found
    else:
        what = f"of type {type(found).__name__}, which cannot be called"
    raise UsageError(
        f"{target} is {what}; name a function, or a model: an object or a class with "
        "loss(parameters, X, y) and gradient(parameters, X, y)"
    )


def draw_arguments(f: Any, target: str, shapes: Sequence[Shape], dtype: Any, rng: Any) -> dict[str, Any]:
    """An array or a number drawn standard normal for each argument of `f`, by its name."""
    required, names, unlimited = _parameters(f, target)
    if not shapes:
        shapes = [DEFAULT_SHAPE] * (required or 1)
    if len(shapes) < required or (len(shapes) > len(names) and not unlimited):
        wanted = f"{required}" if required == len(names) else f"{required} to {len(names)}"
        listed = ", ".join(names)
        raise UsageError(
            f"{target} takes {wanted} argument(s) ({listed}), and --shape was given {len(shapes)} time(s); "
            "give it once for each argument, --shape scalar for a number"
        )
    names = [*names[: len(shapes)], *(f"argument {i}" for i in range(len(names), len(shapes)))]
    return {name: drawn(shape, dtype, rng) for name, shape in zip(names, shapes, strict=True)}


def drawn(shape: Shape, dtype: Any, rng: np.random.Generator) -> Any:
    """Standard normal numbers: an array, or a NumPy number for the shape ()."""
    return np.asarray(rng.standard_normal(shape), dtype=dtype or np.float64)[()]


def read_arguments(f: Any, target: str, file: Path, dtype: Any) -> dict[str, Any]:
    """The arrays of `file` that have the names of the arguments of `f`."""
    required, names, _ = _parameters(f, target)
    arrays = read_arrays(file, dtype, names[: max(required, 1)])
    missing = [name for name in names[:required] if name not in arrays]
    if missing:
        raise UsageError(
            f"{target} takes an argument {missing[0]!r}, and {file} has no array of that name; it has {_listed(arrays)}"
        )
    given = {}
    for name in names:
        if name not in arrays:
            break
        given[name] = arrays[name]
    return given


def read_arrays(file: Path, dtype: Any, names: Sequence[str]) -> Mapping[str, Any]:
    """The arrays of an .npz file by name; that of an .npy file under the only one of `names`."""
    try:
        loaded = np.load(file, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            if len(names) != 1:
                raise UsageError(f"{file} holds one array, and {_listed(names)} are wanted: save them with numpy.savez")
            arrays = {names[0]: loaded}
        else:
            with loaded:
                arrays = dict(loaded)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        why = getattr(error, "strerror", None) or error
        raise UsageError(f"cannot read arrays from {file}: {why}; write it with numpy.savez or numpy.save") from None
    return {k: a.astype(dtype) if dtype and a.dtype.kind == "f" else a for k, a in arrays.items()}


def told(error: BaseException) -> str:
    """What was raised and where, in one line."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({os.path.basename(frames[-1].filename)}:{frames[-1].lineno})" if frames else ""
    message = f": {error}" if str(error) else ""
    return f"{type(error).__name__}{message}{where}"


def _import(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name
        if missing is None:
            raise UsageError(f"importing {name} raises {told(error)}") from None
        if name != missing and not name.startswith(missing + "."):
            raise UsageError(f"cannot import {name}: it needs the module {missing!r}, which is not installed") from None
        parent, _, child = missing.rpartition(".")
        folders = getattr(sys.modules.get(parent), "__path__", None) if parent else [os.getcwd()]
        if parent and folders is None:
            raise UsageError(f"there is no module {missing!r}: {parent} is not a package") from None
        known = [found.name for found in pkgutil.iter_modules(folders)]
        raise UsageError(f"there is no module {missing!r}; {_nearest(child, known, parent or 'this folder')}") from None
    except (Exception, SystemExit) as error:
        raise UsageError(f"importing {name} raises {told(error)}") from None


def _parameters(f: Any, target: str) -> tuple[int, list[str], bool]:
    """How many positional arguments `f` requires, the names of all, and whether it takes any number."""
    try:
        parameters = inspect.signature(f).parameters.values()
    except (TypeError, ValueError):
        count = getattr(f, "nin", 1)
        return count, [f"argument {i}" for i in range(count)], not hasattr(f, "nin")
    for parameter in parameters:
        if parameter.kind is parameter.KEYWORD_ONLY and parameter.default is parameter.empty:
            raise UsageError(f"{target} requires the keyword {parameter.name!r}; wrap it in a function without it")
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    required = sum(p.default is p.empty for p in positional)
    return required, [p.name for p in positional], any(p.kind is p.VAR_POSITIONAL for p in parameters)


def _nearest(name: str, known: Iterable[str], holder: str = "it") -> str:
    """What may have been meant among the names that `holder` has."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    if near:
        return f"did you mean {' or '.join(map(repr, near))}?"
    return f"{holder} has {_listed(known[:8])}{', ...' if len(known) > 8 else ''}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names)) or "none"
