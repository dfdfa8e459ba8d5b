"""A small data set that scikit-learn has with it, and columns of one scale."""

from __future__ import annotations

from typing import Any

import numpy as np


def load_digits(images: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Handwritten digits, 1,797 images of 8 x 8 pixels, as scikit-learn has them with it.

    Parameters
    ----------
    images : bool, default=False
        Whether to shape the pixels for convolutions.

    Returns
    -------
    X : array of shape (1797, 64) or (1797, 1, 8, 8)
        The darkness of pixels, from 0 to 1.
    y : array of shape (1797,)
        The digits, 0 to 9.

    Examples
    --------
    >>> X, y = load_digits()
    >>> X.shape, y.shape
    ((1797, 64), (1797,))
    >>> load_digits(images=True)[0].shape
    (1797, 1, 8, 8)
    """
    import sklearn.datasets

    pixels, digits = sklearn.datasets.load_digits(return_X_y=True)
    X = pixels / 16.0
    return X.reshape(-1, 1, 8, 8) if images else X, digits


def standardize(train: Any, *others: Any) -> tuple[np.ndarray, ...]:
    """Columns shifted and scaled so that each has mean 0 and variance 1 in the first array.

    The others are shifted and scaled alike, by what the first array tells: so nothing of the test rows enters training.
    It is scikit-learn's `StandardScaler`: constant columns become 0 in the first array, and float32 stays float32.

    Parameters
    ----------
    train : array-like of shape (n_samples, n_features)
    *others : array-like of shape (n_other_samples, n_features)

    Returns
    -------
    tuple of array
        `train` and the others.

    Raises
    ------
    ValueError
        Where an array is not of rows and columns, or the columns differ in number.

    Examples
    --------
    >>> import numpy as np
    >>> train, test = standardize(np.array([[1.0], [3.0]]), np.array([[5.0]]))
    >>> train.ravel(), test.ravel()
    (array([-1.,  1.]), array([3.]))
    """
    from sklearn.preprocessing import StandardScaler

    arrays = [np.asarray(array) for array in (train, *others)]
    shapes = ", ".join(str(array.shape) for array in arrays)
    if any(array.ndim != 2 for array in arrays):
        raise ValueError(
            f"standardize: the arrays have shapes {shapes}, and each must be (rows, columns); "
            "a single column y is y[:, None]"
        )
    if len({array.shape[1] for array in arrays}) > 1:
        raise ValueError(f"standardize: the arrays have shapes {shapes}, and must have equally many columns")
    scaler = StandardScaler().fit(arrays[0])
    return tuple(scaler.transform(array) for array in arrays)
