"""A file from the network, once, with its checksum."""

from __future__ import annotations

import hashlib
import urllib.error
import urllib.request
from pathlib import Path

from ..files import replacing

TIMEOUT = 60
CHUNK_BYTES = 1 << 20


def checksum(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def recorded_checksum(path: Path) -> str | None:
    """What stands beside a file, as the program sha256sum writes it."""
    record = _record(path)
    return record.read_text("ascii").split()[0] if record.exists() else None


def record_checksum(path: Path, digest: str) -> None:
    _record(path).write_text(f"{digest}  {path.name}\n", "ascii")


def compare(path: Path, digest: str, expected: str | None, fix: str) -> None:
    if expected is not None and digest != expected.lower():
        raise ValueError(f"{path.name} has the sha256 checksum {digest} in place of {expected}: {fix}")


def fetch(url: str, path: Path, expected: str | None, progress: bool) -> None:
    """Save what is at `url` as `path`, where nothing appears unless it is whole and has the checksum.

    Raises
    ------
    ConnectionError
        Where it cannot be had, or not to its end.
    ValueError
        Where the checksum is another.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with replacing(path) as unfinished:
            _save(url, unfinished, path.name, progress)
            fix = f"what is at {url} is not what was expected; nothing was kept"
            compare(path, checksum(unfinished), expected, fix)
    except (urllib.error.URLError, TimeoutError) as error:
        raise ConnectionError(
            f"{url} cannot be downloaded: {error}; fetch it where there is a network, and give its path"
        ) from error


def _save(url: str, path: Path, name: str, progress: bool) -> None:
    from tqdm import tqdm

    with urllib.request.urlopen(url, timeout=TIMEOUT) as answer, open(path, "wb") as file:
        length = answer.headers["Content-Length"]
        size = int(length) if length else None
        with tqdm(total=size, desc=name, unit="B", unit_scale=True, disable=None if progress else True) as bar:
            while chunk := answer.read(CHUNK_BYTES):
                file.write(chunk)
                bar.update(len(chunk))
        if size is not None and file.tell() != size:
            raise ConnectionError(f"the download of {url} ended after {file.tell()} of {size} bytes; try again")


def _record(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")
