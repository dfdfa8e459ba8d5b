"""Rows for training, for choosing between models, and for the last judgement."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np

from .aligned import aligned

NAME = "train_validation_test_split"
Part = tuple[np.ndarray, ...]


def train_validation_test_split(
    *arrays: Any,
    validation: float = 0.2,
    test: float = 0.2,
    stratify: Any = None,
    groups: Any = None,
    rng: Any = None,
) -> tuple[Part, Part, Part]:
    """Three parts of the rows, at random; within each part rows keep their order.

    Parameters
    ----------
    *arrays : array-like
        Of one length.
    validation, test : float or int, default=0.2
        A fraction of all rows (rounded), or a number of rows; 0 for none. With `groups`, of groups in place of rows.
    stratify : array-like of shape (n_samples,), optional
        Labels of classes; each part has every class in the same share.
    groups : array-like of shape (n_samples,), optional
        Rows of one group go to one part: all songs of an artist, all images of a patient.
    rng : int or numpy.random.Generator, optional

    Returns
    -------
    train, validation, test : tuple of array
        Each with one part for each array.

    Raises
    ------
    ValueError
        Where nothing is left for training, a part would have no rows, or a class has too few.

    Examples
    --------
    >>> import numpy as np
    >>> X, y = np.arange(20.0).reshape(10, 2), np.arange(10) % 2
    >>> (X_train, y_train), (X_val, y_val), (X_test, y_test) = train_validation_test_split(X, y, stratify=y, rng=0)
    >>> len(X_train), sorted(y_val), sorted(y_test)
    (6, [np.int64(0), np.int64(1)], [np.int64(0), np.int64(1)])
    """
    converted = aligned(NAME, arrays)
    rows = len(converted[0])
    if stratify is not None and groups is not None:
        raise ValueError(f"{NAME}: give stratify or groups, not both")
    labels = _labels("stratify", stratify, rows)
    group_of = _labels("groups", groups, rows)
    unit = "rows" if group_of is None else "groups"
    members = rows if group_of is None else len(np.unique(group_of))
    n_test, n_validation = (
        _count(name, size, members, unit) for name, size in (("test", test), ("validation", validation))
    )
    if n_test + n_validation >= members:
        raise ValueError(
            f"{NAME}: validation={validation} and test={test} are {n_validation} and {n_test} of {members} {unit}, "
            "and leave none for training; make them smaller"
        )
    # scikit-learn has no use for a Generator, but shares the stream of one.
    random_state = np.random.RandomState(np.random.default_rng(rng).bit_generator)
    rest, tested = _split(np.arange(rows), n_test, "test", labels, group_of, random_state)
    trained, validated = _split(rest, n_validation, "validation", labels, group_of, random_state)
    train, held_out, last = (tuple(array.take(i, 0) for array in converted) for i in (trained, validated, tested))
    return train, held_out, last


def _split(
    rows: np.ndarray, count: int, name: str, labels: Any, groups: Any, random_state: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray]:
    """Those of `rows` that stay, and those of a part of `count` rows or groups."""
    from sklearn.model_selection import GroupShuffleSplit, ShuffleSplit, StratifiedShuffleSplit

    if count == 0:
        return rows, rows[:0]
    splitter = (
        GroupShuffleSplit if groups is not None else StratifiedShuffleSplit if labels is not None else ShuffleSplit
    )
    shuffle = splitter(n_splits=1, test_size=count, random_state=random_state)
    try:
        stay, go = next(
            shuffle.split(rows, None if labels is None else labels[rows], None if groups is None else groups[rows])
        )
    except ValueError as error:
        raise ValueError(f"{NAME}: no {name} part of {count} rows can be stratified: {error}") from error
    return rows[np.sort(stay)], rows[np.sort(go)]


def _labels(name: str, labels: Any, rows: int) -> np.ndarray | None:
    if labels is None:
        return None
    array = np.asarray(labels)
    if array.shape != (rows,):
        raise ValueError(f"{NAME}: {name} has shape {array.shape}, and must have one label for each row: ({rows},)")
    return array


def _count(name: str, size: Any, members: int, unit: str) -> int:
    if isinstance(size, Integral) and not isinstance(size, bool):
        if size < 0:
            raise ValueError(f"{NAME}: {name}={size} is no number of {unit}; give 0 or more")
        return int(size)
    if not isinstance(size, float | np.floating):
        raise TypeError(f"{NAME}: {name}={size!r} must be a fraction of the {unit} or a number of them")
    if not 0 <= size < 1:
        raise ValueError(
            f"{NAME}: {name}={size} is no fraction; give 0 <= {name} < 1, or an int for a number of {unit}"
        )
    count = round(members * float(size))
    if size > 0 and count == 0:
        raise ValueError(f"{NAME}: {name}={size} of {members} {unit} is none; give 0 where that is meant, or more")
    return count
