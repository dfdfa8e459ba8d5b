"""YearPredictionMSD: the year of a song from the timbre of its sound."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from . import download as network
from .parsed_tables import mapped_table

URL = "https://archive.ics.uci.edu/static/public/203/yearpredictionmsd.zip"
ARCHIVE = "yearpredictionmsd.zip"
ROWS = 515_345
TRAINING_ROWS = 463_715


@dataclass(frozen=True, repr=False)
class YearPrediction:
    """Songs: 90 features, the year, and which rows train.

    Attributes
    ----------
    X : array of shape (n_songs, 90)
        12 averages and 78 covariances of timbre. Of a file it is mapped, not read: `minibatches` reads it in blocks.
    year : array of int, of shape (n_songs,)
    train, test : slice
        Rows, as in ``data.X[data.train]``.
    split : str
        Where the split comes from.
    artist : array of int, of shape (n_songs,), or None
        Known of synthetic songs only.
    """

    X: np.ndarray
    year: np.ndarray
    train: slice
    test: slice
    split: str
    artist: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.year)

    def __repr__(self) -> str:
        return (
            f"YearPrediction({len(self):,} songs of the years {self.year.min()} to {self.year.max()}; "
            f"{self.train.stop:,} rows to train, {len(self) - self.test.start:,} to test: {self.split})"
        )


def training_rows(rows: int) -> int:
    """As many of `rows` as of the whole file train in the official split."""
    return round(rows * TRAINING_ROWS / ROWS)


def load_year_prediction_msd(
    path: Any = None, cache: Any = None, download: bool = False, progress: bool = True, sha256: str | None = None
) -> YearPrediction:
    """The data set YearPredictionMSD, or rows of it, from a text file, zipped or not.

    The file is parsed once, in chunks, into a binary file of 728 bytes a row, which later calls only map into memory.

    Parameters
    ----------
    path : path-like, optional
        A file of lines ``year,feature,...,feature`` with 90 features: `.txt` or `.csv`, or such a file in a `.zip` or
        `.gz`. Default: what an earlier call downloaded into the cache.
    cache : path-like, optional
        The folder of the binary file and of downloads. Default: the folder of `path` where it can be written to, else
        ``tinygrad_ml`` in ``$XDG_CACHE_HOME`` or in ``~/.cache``.
    download : bool, default=False
        Whether to download the file (201 MB) from the UCI Machine Learning Repository, where the cache has it not.
    progress : bool, default=True
        Whether to show a bar, where there is a terminal.
    sha256 : str, optional
        What the checksum of the file must be. Without it a download must hold 515,345 rows; in both cases its
        checksum is written beside it, and compared with at every later use.

    Returns
    -------
    YearPrediction
        With `X`, `year`, and the rows that `train` and `test`. The official split after row 463,715 has no artist on
        both sides. Shorter files are split in the same proportion, as `split` then tells: an artist may be on both.

    Raises
    ------
    FileNotFoundError
        Where there is no file, and `download` is false.
    ValueError
        Where a line is wrong (not 91 finite numbers, or no year from 1900 to 2100), named with its number, or a
        checksum is.
    ConnectionError
        Where the download fails.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = pathlib.Path(folder.name) / "songs.txt"
    >>> _ = path.write_text("".join(f"{year}" + ",0.5" * 90 + chr(10) for year in range(1990, 2010)))
    >>> data = load_year_prediction_msd(path)
    >>> data.X.shape, data.year[:3], data.X[data.test].shape
    ((20, 90), array([1990, 1991, 1992]), (2, 90))
    >>> data
    YearPrediction(20 songs of the years 1990 to 2009; 18 rows to train, 2 to test:
    in the official proportion; the whole file has 515,345 rows)
    >>> del data; folder.cleanup()
    """
    if path is None:
        folder = _default_cache() if cache is None else Path(cache)
        return _downloaded(folder, download, progress, sha256)
    if download:
        raise ValueError("load_year_prediction_msd: give a path or download=True, not both")
    source = Path(path)
    if not source.is_file():
        raise FileNotFoundError(f"load_year_prediction_msd: there is no file {source}; {_how_to_get_it()}")
    if sha256 is not None:
        network.compare(source, network.checksum(source), sha256, "it is another file, or damaged")
    return _load(source, _folder(source, cache), progress)


def _downloaded(folder: Path, download: bool, progress: bool, sha256: str | None) -> YearPrediction:
    archive = folder / ARCHIVE
    expected = sha256 or network.recorded_checksum(archive)
    is_new = not archive.exists()
    if is_new:
        if not download:
            raise FileNotFoundError(f"load_year_prediction_msd: there is no file {archive}; {_how_to_get_it()}")
        network.fetch(URL, archive, expected, progress)
    digest = network.checksum(archive)
    network.compare(archive, digest, expected, f"delete {archive} to download it again")
    try:
        data = _load(archive, folder, progress)
        if expected is None and len(data) != ROWS:
            raise ValueError(
                f"load_year_prediction_msd: {archive} holds {len(data):,} rows in place of {ROWS:,}; "
                "give its sha256 if it is what you mean, else delete it, if it is there, and download it again"
            )
    except ValueError:
        # Kept, it would fail the next time too.
        if is_new:
            archive.unlink()
        raise
    network.record_checksum(archive, digest)
    return data


def _load(source: Path, folder: Path, progress: bool) -> YearPrediction:
    folder.mkdir(parents=True, exist_ok=True)
    X, year = mapped_table(source, folder, progress)
    if len(year) == ROWS:
        border, split = TRAINING_ROWS, "the official split"
    else:
        border, split = training_rows(len(year)), f"in the official proportion; the whole file has {ROWS:,} rows"
    return YearPrediction(X, year, slice(0, border), slice(border, len(year)), split)


def _folder(source: Path, cache: Any) -> Path:
    if cache is not None:
        return Path(cache)
    return source.parent if os.access(source.parent, os.W_OK) else _default_cache()


def _default_cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "tinygrad_ml"


def _how_to_get_it() -> str:
    return f"let download=True fetch it, or fetch {URL} yourself and give its path"
