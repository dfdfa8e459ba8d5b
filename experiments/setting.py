"""What an experiment is told."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Setting:
    """What an experiment is told: its folder, its seed, how large it shall be.

    Attributes
    ----------
    out : Path
        The folder of the experiment's own files, which exists. Its name is that of the experiment.
    seed : int
        All randomness comes from it, by `rng`.
    quick : bool
        Whether a few seconds must do, for a first look or a test.
    data : Path or None
        A file of real data in place of the embedded ones.
    jobs : int
        How many processes or threads the experiment may use. No number that it finds depends on it.
    backend : {"loky", "threading", "dask"}
        What joblib runs them by.
    slot : int
        The line of the terminal for its progress bars, where experiments run side by side.

    Examples
    --------
    >>> setting = Setting(Path("results/digits"), seed=7)
    >>> bool(setting.rng("split").random() == Setting(Path("elsewhere"), seed=7).rng("split").random())
    True
    """

    out: Path
    seed: int = 0
    quick: bool = False
    data: Path | None = None
    jobs: int = 1
    backend: str = "loky"
    slot: int = 0

    def rng(self, name: str) -> np.random.Generator:
        """Random numbers that depend on the seed and on `name` only, not on what was drawn elsewhere."""
        return np.random.default_rng([self.seed, zlib.crc32(name.encode())])

    def random_state(self, name: str) -> int:
        """A seed for scikit-learn that depends on the seed and on `name` only."""
        return int(self.rng(name).integers(2**31))

    def progress(self, iterable: Iterable[Any] | None = None, desc: str = "", total: int | None = None) -> Any:
        """tqdm's bar over `iterable`, or to be updated by hand; it shows on terminals only."""
        from tqdm import tqdm

        words = f"{self.out.name}: {desc}" if desc else self.out.name
        return tqdm(
            iterable, words, total, leave=False, position=self.slot, dynamic_ncols=True, disable=None, mininterval=0.2
        )
