"""Files that appear whole or not at all."""

from __future__ import annotations

import glob
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`, renamed to it where the block ends well and removed where not.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "numbers.txt"
    ...     with replacing(path) as unfinished:
    ...         _ = unfinished.write_text("1 2 3")
    ...     [file.name for file in path.parent.iterdir()]
    ['numbers.txt']
    """
    # A number of the process would not do: those of containers that share a folder are often the same.
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        yield unfinished
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def remove_unfinished(path: Path) -> None:
    """Remove what is left of `replacing` where its process was killed; nobody else may be writing `path`."""
    for unfinished in path.parent.glob(f".{glob.escape(path.name)}.*"):
        unfinished.unlink(missing_ok=True)
