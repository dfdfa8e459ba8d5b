"""Least squares by orthogonal transformations, for data of any rank and any scale."""

from __future__ import annotations

from typing import Any

import numpy as np

_EPS = float(np.finfo(np.float64).eps)


def ridge(X: np.ndarray, Y: np.ndarray, alpha: float = 0.0, weights: np.ndarray | None = None) -> np.ndarray:
    """The minimiser of ``1/2 sum_i s_i |x_i w + b - y_i|^2 + alpha/2 |w|^2``, the one of least |w| if there are many.

    The normal equations ``(X^T X + alpha I) w = X^T y`` square the condition number and are not formed. With both
    sides centred b drops out; a QR decomposition (Householder) makes of the rows as many as there are columns, and the
    singular value decomposition ``U S V^T`` of the triangle gives ``w = V S / (S^2 + alpha) U^T y`` (Golub & Van Loan
    2013, sections 5.5 and 6.1).

    Without alpha the predictions do not depend on the units of the features, and the rank, decided by rounding, shall
    not either: where there are more samples than features, the columns are divided by their lengths first. Of the w
    that comes out of it what the predictions do not see, its part in the null space, is taken away.

    Parameters
    ----------
    X : array of shape (n_samples, n_features)
    Y : array of shape (n_samples,) or (n_samples, n_targets)
    alpha : float, default=0
    weights : array of shape (n_samples,), optional

    Returns
    -------
    array of shape (n_features + 1,) or (n_features + 1, n_targets)
        w, and b in the last row.

    Examples
    --------
    >>> ridge(np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]]), np.array([1.0, 3.0, 5.0])).round(12)
    array([1., 1., 1.])
    """
    features: int = X.shape[1]
    A, x_mean = _centred(X, weights)
    B, y_mean = _centred(Y.reshape(len(Y), -1), weights)
    lengths = np.linalg.norm(A, axis=0)
    spread = np.sqrt(len(A) if weights is None else np.sum(weights))
    A[:, lengths <= 8 * _EPS * spread * np.abs(x_mean)] = 0  # a constant feature, and rounding
    is_scaled = alpha == 0 and len(A) > features
    scale = np.where(lengths > 0, lengths, 1) if is_scaled else np.ones(features)
    R: Any = np.linalg.qr(np.hstack((A / scale, B)), mode="r")
    U, S, Vt = np.linalg.svd(R[:, :features], full_matrices=False)
    kept = S > _EPS * max(X.shape) * np.max(S, initial=0)
    filtered = S[kept] / (S[kept] ** 2 + alpha)
    w = Vt[kept].T @ (filtered[:, None] * (U[:, kept].T @ R[:, features:])) / scale[:, None]
    if is_scaled and not kept.all():
        unseen = Vt[~kept].T / scale[:, None]
        w -= unseen @ np.linalg.lstsq(unseen, w)[0]
    theta = np.vstack((w, y_mean - x_mean @ w))
    return theta.reshape(features + 1, *Y.shape[1:])


def _centred(A: np.ndarray, weights: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """The rows times the roots of their weights, without the weighted mean; and the mean.

    The second pass takes away the rounding error of the first mean, which far from 0 is larger than what it leaves.
    """
    mean = np.average(A, axis=0, weights=weights)
    A = A - mean
    rest = np.average(A, axis=0, weights=weights)
    A -= rest
    if weights is not None:
        A *= np.sqrt(weights)[:, None]
    return A, mean + rest
