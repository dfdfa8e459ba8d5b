"""Data sets made from random numbers, by recipes that scikit-learn has not."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..counts import whole
from .year_moments import (
    CORRELATION,
    CORRELATION_WITH_YEAR,
    GROWTH_OF_SPREAD,
    MEAN,
    SPREAD_OF_LOG_WIDTH,
    STANDARD_DEVIATION,
)
from .year_prediction import YearPrediction, training_rows

SONGS_PER_ARTIST = 18
FIRST_YEAR, LAST_YEAR = 1922, 2011
SHARE_OF_THE_ARTIST = 0.3
#: Over the years that songs are drawn from: of `_time_of_change` the mean, the standard deviation and the correlation
#: with the year, from 20 million draws.
TIME_MEAN, TIME_STANDARD_DEVIATION, TIME_WITH_YEAR = 0.1981, 0.6819, 0.9179


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
    mean 12.6), and songs are from years around it. The features of a song of the time t are

    ``mean + deviation * (t * loading + spread(t) * width * (artist + song))``

    with Gaussian vectors for the artist (30 % of the variance) and the song, and with the means, the standard
    deviations, the correlations with each other and those with the year that the data set has. So a model that has
    heard an artist's songs knows more of the others, unless the split is by artist, as it is here.

    Three things that the data set shows beyond these moments are made like it, and reward a model that is not linear:
    most of the change falls into the years around 1997 (t is ``tanh((year - 1997) / 8)``, standardised), the spread of
    each feature changes with the time by some per cent, and a song may be wide or narrow in all features (log-normal).
    Everything else that the data set has is missing.

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
    middle = LAST_YEAR - rng.gamma(1.4, 9, artists)
    year = np.round(middle[artist] + rng.normal(0, 3, rows)).astype(np.int64)
    # What would come after the last year is as long before it, lest it become the most frequent.
    year = np.clip(np.where(year > LAST_YEAR, 2 * LAST_YEAR - year, year), FIRST_YEAR, LAST_YEAR)
    time = _time_of_change(year)[:, None]
    loading = CORRELATION_WITH_YEAR / TIME_WITH_YEAR
    X = rng.normal(0, math.sqrt(1 - SHARE_OF_THE_ARTIST), (rows, len(MEAN)))
    X += rng.normal(0, math.sqrt(SHARE_OF_THE_ARTIST), (artists, len(MEAN))).take(artist, 0)
    # The variance of a song is log-normal of mean 1.
    X *= np.exp(rng.normal(-(SPREAD_OF_LOG_WIDTH**2) / 4, SPREAD_OF_LOG_WIDTH / 2, (rows, 1)))
    X = X @ np.linalg.cholesky(CORRELATION - np.outer(loading, loading)).T
    # The mean of exp(2 a t) over the time t, of mean 0 and variance 1, is 1 + 2 a^2 for small a.
    X *= np.exp(time * GROWTH_OF_SPREAD) / np.sqrt(1 + 2 * GROWTH_OF_SPREAD**2)
    X += time * loading
    X *= STANDARD_DEVIATION
    X += MEAN
    return YearPrediction(X, year, slice(0, border), slice(border, rows), "synthetic, split by artist", artist)


def _time_of_change(year: np.ndarray) -> np.ndarray:
    """How far the sound has changed from the old to the new, standardised."""
    return (np.tanh((year - 1997) / 8) - TIME_MEAN) / TIME_STANDARD_DEVIATION


def _artists(songs: int, rng: np.random.Generator) -> np.ndarray:
    """The artist of each song: 0, 1, ..., each for a number of songs that is drawn."""
    first = rng.random(songs) < 1 / SONGS_PER_ARTIST
    first[0] = False
    return np.cumsum(first)
