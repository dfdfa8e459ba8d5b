"""Data sets made from random numbers, by recipes that scikit-learn has not."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..counts import whole
from .year_moments import CORRELATION_WITH_YEAR, MEAN, STANDARD_DEVIATION
from .year_prediction import YearPrediction, training_rows

SONGS_PER_ARTIST = 18
SHARE_OF_THE_ARTIST = 0.3


def make_spirals(n: int = 300, classes: int = 3, noise: float = 0.05, rng: Any = None) -> tuple[np.ndarray, np.ndarray]:
    """Points on the arms of a spiral, an arm for each class: no straight line tells them apart.

    Point ``i`` is of class ``c = i % classes``, at radius ``r`` drawn from 0 to 1 and at the angle
    ``2 pi (r + c / classes)``, with Gaussian noise on both coordinates.

    Parameters
    ----------
    n : int, default=300
    classes : int, default=3
    noise : float, default=0.05
        Standard deviation; arms are ``1 / classes`` apart.
    rng : int or numpy.random.Generator, optional

    Returns
    -------
    X : array of shape (n, 2)
    y : array of int, of shape (n,)

    Examples
    --------
    >>> X, y = make_spirals(6, classes=3, rng=0)
    >>> X.shape, y
    ((6, 2), array([0, 1, 2, 0, 1, 2]))
    """
    n, classes = whole("make_spirals: n", n, 1), whole("make_spirals: classes", classes, 1)
    if not noise >= 0:
        raise ValueError(f"make_spirals: noise={noise} must be at least 0")
    rng = np.random.default_rng(rng)
    y = np.arange(n) % classes
    radius = rng.random(n)
    angle = 2 * math.pi * (radius + y / classes)
    X = radius[:, None] * np.stack((np.cos(angle), np.sin(angle)), axis=1)
    return X + noise * rng.normal(size=X.shape), y


def make_sequences(n: int = 1000, length: int = 20, symbols: int = 8, rng: Any = None) -> tuple[np.ndarray, np.ndarray]:
    """Sequences of symbols with two markers; the class tells which marker comes first.

    The symbols ``symbols - 2`` and ``symbols - 1`` are the markers, once each, at places drawn at random; all other
    places have other symbols. The class is 1 where marker ``symbols - 1`` comes first. Both classes have the same
    symbols in the same numbers, so that a model must heed the order.

    Parameters
    ----------
    n : int, default=1000
    length : int, default=20
    symbols : int, default=8
        Markers included.
    rng : int or numpy.random.Generator, optional

    Returns
    -------
    X : array of int, of shape (n, length)
        For an embedding; ``np.eye(symbols)[X]`` is one-hot.
    y : array of int, of shape (n,)
        Half of them are 1.

    Examples
    --------
    >>> X, y = make_sequences(2, length=6, symbols=5, rng=0)
    >>> X.shape, y
    ((2, 6), array([0, 1]))
    """
    n, length = whole("make_sequences: n", n, 1), whole("make_sequences: length", length, 2)
    symbols = whole("make_sequences: symbols", symbols, 3)
    rng = np.random.default_rng(rng)
    y = np.arange(n) % 2
    X = rng.integers(symbols - 2, size=(n, length))
    places = np.sort(rng.permuted(np.tile(np.arange(length), (n, 1)), axis=1)[:, :2], axis=1)
    markers = np.array([[symbols - 2, symbols - 1], [symbols - 1, symbols - 2]])[y]
    np.put_along_axis(X, places, markers, axis=1)
    return X, y


def make_year_prediction_like(rows: int = 5000, rng: Any = None) -> YearPrediction:
    """Synthetic songs with the schema of YearPredictionMSD, to try code without the file; never for results.

    Songs come from artists, 18 each on average. An artist's middle year is 2011 less a gamma variable (shape 1.4,
    mean 12.6), and songs are from years around it. A feature is Gaussian, with the mean, the standard deviation and the
    correlation with the year that the data set has; 30 % of its variance is the artist's own. So a model that has
    heard an artist's songs knows more of the others, unless the split is by artist, as it is here.

    What the data set has beyond that is missing: other correlations between features, tails, and non-linear effects.

    Parameters
    ----------
    rows : int, default=5000
        At least 10.
    rng : int or numpy.random.Generator, optional

    Returns
    -------
    YearPrediction
        With `artist`; rows are split in the official proportion, and no artist is on both sides.

    Examples
    --------
    >>> songs = make_year_prediction_like(1000, rng=0)
    >>> songs.X.shape, songs.X[songs.test].shape, songs.split
    ((1000, 90), (100, 90), 'synthetic, split by artist')
    """
    rows = whole("make_year_prediction_like: rows", rows, 10)
    rng = np.random.default_rng(rng)
    border = training_rows(rows)
    training_artists = _artists(border, rng)
    artist = np.concatenate((training_artists, training_artists[-1] + 1 + _artists(rows - border, rng)))
    artists = artist[-1] + 1
    middle = 2011 - rng.gamma(1.4, 9, artists)
    year = np.clip(np.round(middle[artist] + rng.normal(0, 3, rows)), 1922, 2011).astype(np.int64)
    score = (year - year.mean()) / max(year.std(), 1)
    rest = 1 - CORRELATION_WITH_YEAR**2 - SHARE_OF_THE_ARTIST
    X = rng.normal(size=(rows, len(MEAN)))
    X *= np.sqrt(rest)
    X += math.sqrt(SHARE_OF_THE_ARTIST) * rng.normal(size=(artists, len(MEAN))).take(artist, 0)
    X += score[:, None] * CORRELATION_WITH_YEAR
    X *= STANDARD_DEVIATION
    X += MEAN
    return YearPrediction(X, year, slice(0, border), slice(border, rows), "synthetic, split by artist", artist)


def _artists(songs: int, rng: np.random.Generator) -> np.ndarray:
    """The artist of each song: 0, 1, ..., each for a number of songs that is drawn."""
    first = rng.random(songs) < 1 / SONGS_PER_ARTIST
    first[0] = False
    return np.cumsum(first)
