"""The songs of the sheet's question 1: labels, parts, and features of one scale."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.preprocessing import StandardScaler

import tinygrad_ml as tg

from ..setting import Setting

#: Without a file so many synthetic songs stand in for it.
ROWS, QUICK_ROWS = 50_000, 4_000
#: The sheet validates with 50,000 of the 463,715 rows that are to train.
VALIDATION_SHARE = 50_000 / 463_715
BLOCK = 8192


@dataclass(frozen=True)
class Part:
    """Rows of one purpose: standardised features, and 1 for a song of this century, 0 for one of the last."""

    X: np.ndarray
    t: np.ndarray

    def __len__(self) -> int:
        return len(self.t)


@dataclass(frozen=True)
class Songs:
    """The songs in their parts, with the means and deviations of the training part that all were standardised by."""

    train: Part
    validation: Part
    test: Part
    mean: np.ndarray
    deviation: np.ndarray

    @property
    def parts(self) -> dict[str, Part]:
        return {"training": self.train, "validation": self.validation, "test": self.test}


def load(setting: Setting) -> tg.data.YearPrediction:
    """The file that was given, or synthetic songs."""
    if setting.data is not None:
        return tg.data.load_year_prediction_msd(setting.data)
    rows = QUICK_ROWS if setting.quick else ROWS
    return tg.data.make_year_prediction_like(rows, setting.rng("songs"))


def century(year: np.ndarray) -> np.ndarray:
    """1 for songs of this century, 0 for those of the last, to which the sheet counts the year 2000."""
    return (year > 2000).astype(np.float64)


def split(data: tg.data.YearPrediction, rng: np.random.Generator) -> Songs:
    """Choose validation rows at random among those that are to train, and standardise.

    Rows are read in blocks: of a file, which is mapped into memory, no more is copied than the standardised features.

    Raises
    ------
    ValueError
        Where a part has not both centuries.
    """
    border = data.train.stop
    is_validation = np.zeros(border, dtype=bool)
    is_validation[rng.permutation(border)[: round(VALIDATION_SHARE * border)]] = True

    t = century(data.year)
    labels = {"training": t[:border][~is_validation], "validation": t[:border][is_validation], "test": t[border:]}
    for name, of_part in labels.items():
        if len(np.unique(of_part)) < 2:
            raise ValueError(
                f"the {name} part has {len(of_part)} of {len(data):,} songs, and not both centuries; give a file with "
                "more songs"
            )

    scaler = StandardScaler()
    for rows, held_out in tg.data.minibatches(data.X[:border], is_validation, batch_size=BLOCK, shuffle=False):
        if not held_out.all():
            scaler.partial_fit(rows[~held_out])

    def standardised(X: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        out = np.empty((np.count_nonzero(chosen), X.shape[1]))
        filled = 0
        for rows, wanted in tg.data.minibatches(X, chosen, batch_size=BLOCK, shuffle=False):
            new = (rows[wanted] - scaler.mean_) / scaler.scale_
            out[filled : filled + len(new)] = new
            filled += len(new)
        return out

    X_train, X_test = data.X[data.train], data.X[data.test]
    return Songs(
        Part(standardised(X_train, ~is_validation), labels["training"]),
        Part(standardised(X_train, is_validation), labels["validation"]),
        Part(standardised(X_test, np.ones(len(X_test), dtype=bool)), labels["test"]),
        scaler.mean_,
        scaler.scale_,
    )
