"""Rows of numbers in a text file, parsed once into a binary file, which is then only mapped into memory."""

from __future__ import annotations

import gzip
import io
import math
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..files import replacing

FEATURES = 90
COLUMNS = 1 + FEATURES
YEARS = (1900, 2100)
CHUNK_BYTES = 4 << 20
NUMBER = np.dtype("<f8")


def mapped_table(source: Path, folder: Path, progress: bool) -> tuple[np.ndarray, np.ndarray]:
    """Features, mapped from a file, and years of a text file of rows ``year,feature,...,feature``.

    The binary file in `folder` holds all features and then all years, and carries in its name the size and the time of
    the source, so that a source that changed is parsed anew.
    """
    status = source.stat()
    parsed = folder / f"{source.name}-{status.st_size}-{status.st_mtime_ns}.float64"
    if not parsed.exists():
        _parse(source, parsed, progress)
    rows, rest = divmod(parsed.stat().st_size, COLUMNS * NUMBER.itemsize)
    years = np.fromfile(parsed, NUMBER, offset=rows * FEATURES * NUMBER.itemsize)
    if rest or not rows or not _are_years(years):  # the years come last, and tell whether a file was cut
        raise ValueError(f"load_year_prediction_msd: {parsed} is damaged; delete it, and it will be made anew")
    return np.memmap(parsed, NUMBER, "r", shape=(rows, FEATURES)), years.astype(np.int64)


def _parse(source: Path, parsed: Path, progress: bool) -> None:
    years = []
    try:
        with replacing(parsed) as unfinished, open(unfinished, "wb") as file:
            for table in _tables(source, progress):
                file.write(table[:, 1:].astype(NUMBER).data)
                years.append(table[:, 0].astype(NUMBER))
            if not years:
                raise ValueError(f"load_year_prediction_msd: {source} holds no rows")
            file.write(np.concatenate(years).data)
    except (zipfile.BadZipFile, zlib.error, EOFError, gzip.BadGzipFile) as error:
        raise ValueError(f"load_year_prediction_msd: {source} is damaged: {error}; fetch it again") from error
    except (RuntimeError, NotImplementedError) as error:  # encrypted, or packed in a way that is not known here
        raise ValueError(f"load_year_prediction_msd: {source} cannot be unpacked: {error}; unpack it first") from error


def _tables(source: Path, progress: bool) -> Iterator[np.ndarray]:
    from tqdm import tqdm

    number = 1
    with (
        _opened(source) as text,
        tqdm(desc=f"parsing {source.name}", unit=" rows", unit_scale=True, disable=None if progress else True) as bar,
    ):
        while lines := text.readlines(CHUNK_BYTES):
            skipped = 1 if number == 1 and _is_header(lines[0]) else 0
            table = _table(source, lines[skipped:], number + skipped)
            number += len(lines)
            bar.update(len(table))
            if len(table):
                yield table


@contextmanager
def _opened(source: Path) -> Iterator[IO[str]]:
    """The text of a file, or of the one file in an archive: told by the first bytes, since suffixes get lost."""
    with ExitStack() as stack:
        binary: Any = stack.enter_context(open(source, "rb"))
        magic = binary.read(2)
        binary.seek(0)
        if magic == b"PK":
            archive = stack.enter_context(zipfile.ZipFile(binary))
            binary = stack.enter_context(archive.open(_only_member(source, archive)))
        elif magic == b"\x1f\x8b":
            binary = stack.enter_context(gzip.open(binary))
        yield io.TextIOWrapper(binary, "utf-8-sig", errors="replace")


def _only_member(source: Path, archive: zipfile.ZipFile) -> str:
    names = [
        name for name in archive.namelist() if name.endswith((".txt", ".csv")) and not name.startswith("__MACOSX/")
    ]
    if len(names) != 1:
        raise ValueError(
            f"load_year_prediction_msd: {source} holds {archive.namelist()}, and must hold one .txt or .csv file; "
            "unpack it and give the path of the right one"
        )
    return names[0]


def _table(source: Path, lines: list[str], first: int) -> np.ndarray:
    """The numbers in `lines`, the first of which has number `first` in the file; empty lines are none."""
    rows = [line for line in lines if not line.isspace()]
    if not rows:
        return np.empty((0, COLUMNS))
    try:
        table = np.loadtxt(rows, delimiter=",", comments=None, ndmin=2)
    except ValueError:
        _blame_a_line(source, lines, first)
        raise
    if not (table.shape[1] == COLUMNS and np.isfinite(table).all() and _are_years(table[:, 0])):
        _blame_a_line(source, lines, first)
    return table


def _are_years(values: np.ndarray) -> bool:
    low, high = YEARS
    return bool(((low <= values) & (values <= high) & (values == np.floor(values))).all())


def _blame_a_line(source: Path, lines: list[str], first: int) -> None:
    for number, line in enumerate(lines, first):
        if not line.isspace() and (reason := _what_is_wrong(line.strip().split(","))):
            raise ValueError(
                f"load_year_prediction_msd: {source}, line {number}: {reason}; "
                f"every line must be a year and {FEATURES} numbers, with commas between them"
            )


def _what_is_wrong(fields: list[str]) -> str | None:
    if len(fields) != COLUMNS:
        return f"there are {len(fields)} columns in place of {COLUMNS}"
    for column, field in enumerate(fields, 1):
        value = _number(field)
        if value is None:
            return f"column {column} is {field[:40]!r}, which is no number"
        if not math.isfinite(value):
            return f"column {column} is {value}, and numbers must be finite"
    if not _are_years(np.array([float(fields[0])])):
        return f"column 1 is {fields[0]}, which is no year from {YEARS[0]} to {YEARS[1]}"
    return None


def _is_header(line: str) -> bool:
    fields = line.split(",")
    return len(fields) == COLUMNS and all(_number(field) is None for field in fields)


def _number(field: str) -> float | None:
    """As NumPy reads it, which takes neither the digits nor the underscores that Python takes besides."""
    try:
        return float(field) if field.isascii() and "_" not in field else None
    except ValueError:
        return None
