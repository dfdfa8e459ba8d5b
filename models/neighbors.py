"""The k nearest neighbours of points: by brute force and by a k-d tree, both exact, with ties in training order.

A distance is the square root of the sum of the squared float64 differences, of every candidate that matters and not of
an expansion that cancels: points that coincide are at distance 0 however far they lie from the origin. Neighbours are
ordered by that distance, and where two are the same to the last bit by their place in the training set; so both
algorithms find the same neighbours in the same order, whatever else is asked at the same time.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from scipy.spatial import cKDTree

ALGORITHMS = ("auto", "brute", "kd_tree")

#: More candidates than neighbours, so that rounding and a few ties rarely leave open which are the nearest.
_SPARE = 4
#: Bytes of the largest temporary array, as far as a single query allows.
_BLOCK_BYTES = 2**25
#: Differences at a time: they stay in the cache.
_DIFFERENCES_AT_ONCE = 2**16
#: The tree's own distances are right to a few units in the last place for each level; this is far above that.
_TREE_MARGIN = 1e-12
#: Squares of what lies between are neither lost nor infinite.
_SMALL, _LARGE = 1e-140, 1e150


class Search(Protocol):
    """Finds neighbours among the points it was made of."""

    X: np.ndarray

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Distances and indices of the `k` nearest points; each of shape (n_queries, k), nearest first."""


def make_search(X: np.ndarray, algorithm: str) -> Search:
    """The search by `algorithm`, which is not "auto", among the rows of `X`."""
    return KDTree(X) if algorithm == "kd_tree" else BruteForce(X)


def choose(algorithm: str, X: np.ndarray) -> str:
    """What "auto" stands for, by the shape of `X`; other algorithms stand for themselves.

    Measured with Gaussian points and queries from the same distribution: the tree is 1.1 to 7 times as fast for up to 4
    features, and for 5 and 6 where there are thousands of points; with 10 features it takes 2 to 5 times as long.
    """
    if algorithm != "auto":
        return algorithm
    n, d = X.shape
    return "kd_tree" if d <= (6 if n >= 5000 else 4) else "brute"


class BruteForce:
    """Compares every query with every point, in NumPy and in blocks of bounded memory.

    A matrix product in single precision gives lower bounds of all distances, see `_LowerBounds`. The points with the
    smallest are the candidates, whose distances are then calculated from differences. Where the bounds of all other
    points are above the k-th of these distances, the candidates are proven to have all neighbours among them. Where
    they are not, as with many ties, bounds in double precision tell which points may lie within that distance, and all
    of them become candidates.

    Parameters
    ----------
    X : array of float64, of shape (n_points, n_features)
    """

    def __init__(self, X: np.ndarray) -> None:
        self.X = X

    @cached_property
    def _coarse(self) -> _LowerBounds:
        return _LowerBounds(self.X, np.float32)

    @cached_property
    def _fine(self) -> _LowerBounds:
        return _LowerBounds(self.X, np.float64)

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Distances and indices of the `k` nearest points; each of shape (n_queries, k), nearest first."""
        n = len(self.X)
        if k + _SPARE > n or not self._coarse.is_of_use:  # all points are candidates
            return self.search_within(queries, k, np.full(len(queries), np.inf))
        found = _Found(len(queries), k)
        for rows in _blocks(len(queries), 4 * n):
            limits, *nearest = self._search_candidates(queries[rows], k)
            found.put(rows, *nearest)
            is_open = limits <= self._coarse.thresholds(queries[rows], nearest[0][:, -1])
            if np.any(is_open):
                again = rows.start + np.flatnonzero(is_open)
                found.put(again, *self.search_within(queries[again], k, found.distances[again, -1]))
        return found.distances, found.indices

    def _search_candidates(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The nearest of the points with the smallest bounds, after limits that the bounds of all others exceed."""
        bounds = self._coarse.of(queries)
        limits = _limits(bounds, k + _SPARE)
        return limits, *self._nearest_of(queries, k, bounds[:, : len(self.X)] <= limits[:, None])

    def search_within(self, queries: np.ndarray, k: int, radius: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As `search`, where it is known that at least `k` points are not farther from each query than its radius."""
        n = len(self.X)
        found = _Found(len(queries), k)
        for rows in _blocks(len(queries), 8 * n):
            if np.all(np.isinf(radius[rows])):
                is_candidate = np.ones((len(queries[rows]), n), bool)
            else:
                thresholds = self._fine.thresholds(queries[rows], radius[rows])
                is_candidate = self._fine.of(queries[rows])[:, :n] <= thresholds[:, None]
            found.put(rows, *self._nearest_of(queries[rows], k, is_candidate))
        return found.distances, found.indices

    def _nearest_of(self, queries: np.ndarray, k: int, is_candidate: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The `k` nearest of the candidates, of which each query has as many at least."""
        if len(queries) > 1 and 32 * np.count_nonzero(is_candidate) > _BLOCK_BYTES:  # they may be many more than k
            half = len(queries) // 2
            parts = [self._nearest_of(queries[part], k, is_candidate[part]) for part in np.s_[:half, half:]]
            return tuple(map(np.concatenate, zip(*parts, strict=True)))  # type: ignore[return-value]
        rows, columns = np.divmod(np.flatnonzero(is_candidate), is_candidate.shape[1])
        distances = distances_between(queries, self.X, rows, columns[:, None])[:, 0]
        # A table with a line for each query, in the order of the points and filled up with what is never near.
        counts = np.bincount(rows, minlength=len(queries))
        place = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
        table = np.full((len(queries), counts.max()), np.inf)
        table[rows, place] = distances
        points = np.zeros(table.shape, np.intp)
        points[rows, place] = columns
        return _first(table, points, k)


class _LowerBounds:
    """Lower bounds of the squared distances between queries and points, all of them by one matrix product.

    With points and queries relative to the points' mean, |q - x|^2 = |q|^2 + (|x|^2 - 2 q.x), of which the
    bracket is left to rank. Let u be the unit roundoff and d the number of features. Rounding q and x to the format
    costs at most 2u |q||x| (2 + u), the dot product of d + 2 terms at most (d + 2) u / (1 - (d + 2) u) times the
    sum of their magnitudes (Higham, Accuracy and Stability of Numerical Algorithms, 2002, section 3.1), and |x|^2
    itself as much of |x|^2. All of it stays below

        g (|x|^2 + 2 |q||x|),   g = 4 (d + 8) u,

    as long as d u is at most 1/40; this margin is subtracted within the same product:

        bound = [-2 x, (1 - g) |x|^2, -2 g |x|] . [q, 1, |q|].

    Each point has a margin of its own size, so that an outlier does not spoil the others'. All is scaled by a power of
    two, which rounds nothing, to norms of at most 1.

    Parameters
    ----------
    X : array of shape (n_points, n_features)
    dtype : np.float32 or np.float64
        The format of the product.
    """

    def __init__(self, X: np.ndarray, dtype: Any) -> None:
        n, d = X.shape
        self.margin = 2 * (d + 8) * float(np.finfo(dtype).eps)
        with np.errstate(over="ignore", invalid="ignore"):
            self.centre = X.mean(axis=0)
            centred = X - self.centre
            norms = np.sqrt(np.einsum("ij,ij->i", centred, centred))
        extent = float(np.max(norms))
        # Not for coincident points, and not where squares are lost or infinite: then nothing is known of distances.
        self.is_of_use = _SMALL < extent < _LARGE and self.margin < 0.1
        self.scale = 2.0 ** -np.ceil(np.log2(extent)) if self.is_of_use else 0.0
        if not self.is_of_use:
            centred, norms = np.zeros_like(X), np.zeros(n)
        norms *= self.scale
        # Groups are of a power of two of points: `_limits`. Those that fill up the last are farther than any other.
        self.factors = np.zeros((d + 2, -(-n // _LARGEST_GROUP) * _LARGEST_GROUP), dtype)
        np.multiply(centred.T, -2 * self.scale, out=self.factors[:d, :n], casting="same_kind")
        self.factors[d, :n] = (1 - self.margin) * norms**2
        self.factors[d, n:] = np.finfo(dtype).max
        # Not less than what underflows in the product.
        self.factors[d + 1, :n] = -2 * self.margin * np.maximum(norms, 1e-12)
        self.largest_query = 1e15

    def _scaled(self, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The queries in the points' coordinates, their norms, and which of them are in range."""
        with np.errstate(over="ignore", invalid="ignore"):
            q = (queries - self.centre) * self.scale
            norms = np.sqrt(np.einsum("ij,ij->i", q, q))
        in_range = (norms < self.largest_query) & self.is_of_use
        q[~in_range] = 0
        return q, np.where(in_range, norms, 0), in_range

    def of(self, queries: np.ndarray) -> np.ndarray:
        """Lower bounds less the query's own square, of shape (n_queries, n_points and what fills up the last group)."""
        q, norms, _ = self._scaled(queries)
        d = q.shape[1]
        factors = np.empty((len(q), d + 2), self.factors.dtype)
        factors[:, :d] = q
        factors[:, d] = 1
        factors[:, d + 1] = np.maximum(norms, 1e-12)
        return factors @ self.factors

    def thresholds(self, queries: np.ndarray, distances: np.ndarray) -> np.ndarray:
        """For each query the number that a bound exceeds only if its point is farther than `distances`."""
        q, norms, in_range = self._scaled(queries)
        margin = 4 * (q.shape[1] + 8) * np.finfo(np.float64).eps
        with np.errstate(over="ignore"):
            farthest = (1 + margin) * (distances * self.scale) ** 2 - (1 - margin) * norms**2
        return np.where(in_range, farthest, np.inf)


#: Of the groups in `_limits`.
_LARGEST_GROUP = 64


def _limits(bounds: np.ndarray, k: int) -> np.ndarray:
    """For each row a limit that at least `k` of its numbers do not exceed, and not many more.

    The k-th smallest of the minima of groups is such a limit: minima are cheap to find, and few to select among. Column
    j is in group j % n_groups, so that minima are taken of rows that are contiguous.
    """
    n_rows, n = bounds.shape
    size = _LARGEST_GROUP
    while size > 1 and n // size < 4 * k:
        size //= 2
    minima = bounds.reshape(n_rows, size, n // size).min(axis=1)
    return np.partition(minima, k - 1, axis=1)[:, k - 1]  # type: ignore[no-any-return]


def _first(distances: np.ndarray, points: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The `k` smallest distances of each row in order, and their points; those at the same distance stay in order."""
    if distances.shape[1] > 8 * k:  # sorting all would take longer than finding which to sort
        kth = np.partition(distances, k - 1, axis=1)[:, k - 1 : k]
        nearer, tied = distances < kth, distances == kth
        tied &= np.cumsum(tied, axis=1) <= k - np.count_nonzero(nearer, axis=1)[:, None]
        is_kept = nearer | tied
        distances, points = distances[is_kept].reshape(-1, k), points[is_kept].reshape(-1, k)
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(distances, order, axis=1), np.take_along_axis(points, order, axis=1)


class KDTree:
    """Searches SciPy's k-d tree, and puts its answers in order.

    The tree leaves open which of several points at the same distance it returns, and in which order. So it is asked for
    one neighbour more: where that one is farther than the k-th, nothing is missing. Where it is not, it is asked for
    more, and in the end brute force settles the ties.

    Parameters
    ----------
    X : array of float64, of shape (n_points, n_features)
    """

    def __init__(self, X: np.ndarray) -> None:
        self.X = X
        self._tree = cKDTree(X, leafsize=10)
        self._brute_force = BruteForce(X)

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Distances and indices of the `k` nearest points; each of shape (n_queries, k), nearest first."""
        found = _Found(len(queries), k)
        is_open = np.ones(len(queries), bool)
        for rows in _blocks(len(queries), 8 * (k + 1)):
            is_open[rows], *nearest = self._search_candidates(queries[rows], k, k + 1)
            found.put(rows, *nearest)
        for wanted in (2 * k + 8, 4 * k + 32):
            open_rows = np.flatnonzero(is_open)
            for part in _blocks(len(open_rows), 8 * wanted):
                again = open_rows[part]
                is_open[again], *nearest = self._search_candidates(queries[again], k, wanted)
                found.put(again, *nearest)
        again = np.flatnonzero(is_open)
        if len(again):
            found.put(again, *self._brute_force.search_within(queries[again], k, found.distances[again, -1]))
        return found.distances, found.indices

    def _search_candidates(self, queries: np.ndarray, k: int, wanted: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The nearest of those that the tree returns, after the mask of the queries for which others may be nearer."""
        n = len(self.X)
        wanted = min(wanted, n)
        with np.errstate(over="ignore"):
            rough, candidates = (found.reshape(-1, wanted) for found in self._tree.query(queries, wanted))
        is_missing = candidates == n  # the tree's answer where distances overflow
        candidates[is_missing] = 0
        distances = distances_between(queries, self.X, np.arange(len(queries)), candidates)
        distances[is_missing] = np.inf
        mixed = np.flatnonzero(np.any(distances[:, 1:] <= distances[:, :-1], axis=1))
        order = np.lexsort((candidates[mixed], distances[mixed]))
        for array in (distances, candidates):
            array[mixed] = np.take_along_axis(array[mixed], order, axis=1)
        if wanted == n:
            is_open = is_missing.any(axis=1)
        else:
            farthest = rough[:, -1]
            is_open = ~(distances[:, k - 1] < (1 - _TREE_MARGIN) * farthest)
            is_open |= ~((farthest > _SMALL) & (farthest < _LARGE))
        return is_open, distances[:, :k], candidates[:, :k]


def distances_between(queries: np.ndarray, X: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """The distances of ``queries[rows[i]]`` from ``X[columns[i, j]]``, of a pair the same whatever the others are.

    Parameters
    ----------
    queries, X : arrays of shape (n_queries, n_features) and (n_points, n_features)
    rows : array of int, of shape (n,)
    columns : array of int, of shape (n, n_columns)

    Returns
    -------
    array of shape (n, n_columns)
    """
    d = X.shape[1]
    distances = np.empty(columns.shape)
    step = max(1, _DIFFERENCES_AT_ONCE // (columns.shape[1] * max(8, d)))
    room = np.empty((min(step, len(rows)), columns.shape[1], d)), np.empty((min(step, len(rows)), 1, d))
    with np.errstate(over="ignore"):
        for start in range(0, len(rows), step):
            part = slice(start, start + step)
            x, q = (array[: len(rows[part])] for array in room)
            X.take(columns[part], axis=0, out=x, mode="clip")  # the mode that needs no copy
            queries.take(rows[part, None], axis=0, out=q, mode="clip")
            norms = np.sqrt(_squares(x, q), out=distances[part])
            if not (norms.min() > _SMALL and norms.max() < _LARGE):
                extreme = np.nonzero(~((norms > _SMALL) & (norms < _LARGE)))
                i, j = extreme[0] + start, extreme[1]
                norms[extreme] = _norms_with_care(X[columns[i, j]] - queries[rows[i]])
    return distances


def _squares(x: np.ndarray, q: np.ndarray) -> np.ndarray:
    """The sums of (x - q)^2 over the last axis, added in an order that depends on its length only; overwrites `x`."""
    d = x.shape[-1]
    if d <= 8:
        total = np.zeros(x.shape[:-1])
        for feature in range(d):
            difference = x[..., feature] - q[..., feature]
            difference *= difference
            total += difference
        return total
    x -= q
    differences = x.reshape(-1, d)
    return np.einsum("ij,ij->i", differences, differences).reshape(x.shape[:-1])  # type: ignore[no-any-return]


def _norms_with_care(differences: np.ndarray) -> np.ndarray:
    """The norm of each row, where squares would underflow or overflow; 0 only of zeros."""
    largest = np.max(np.abs(differences), axis=1)
    is_plain = (largest > 0) & (largest < np.inf)
    ratios = differences[is_plain] / largest[is_plain, None]
    largest[is_plain] *= np.sqrt(np.einsum("ij,ij->i", ratios, ratios))
    return largest


def _blocks(n: int, bytes_each: int) -> Iterator[slice]:
    """Slices of 0..n that take so many bytes each, as many as a block may have."""
    step = max(1, _BLOCK_BYTES // bytes_each)
    for start in range(0, n, step):
        yield slice(start, min(start + step, n))


class _Found:
    """What a search has found so far."""

    def __init__(self, n_queries: int, k: int) -> None:
        self.distances = np.empty((n_queries, k))
        self.indices = np.empty((n_queries, k), np.intp)

    def put(self, rows: Any, distances: np.ndarray, indices: np.ndarray) -> None:
        self.distances[rows] = distances
        self.indices[rows] = indices


def without_themselves(distances: np.ndarray, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Neighbours of the points themselves, less each point; where duplicates have pushed it out, less the last.

    Parameters
    ----------
    distances, indices : arrays of shape (n_points, k + 1)
        Row i is of point i.

    Returns
    -------
    distances, indices : arrays of shape (n_points, k)
    """
    is_kept = indices != np.arange(len(indices))[:, None]
    is_kept[is_kept.all(axis=1), -1] = False
    shape = (len(indices), indices.shape[1] - 1)
    return distances[is_kept].reshape(shape), indices[is_kept].reshape(shape)


class InvalidParameter(ValueError, TypeError):
    """Scikit-learn's estimators, too, raise an error that is both for a parameter that is not one of those allowed."""


def check_choice(name: str, parameter: str, value: Any, choices: tuple[str, ...]) -> None:
    if not (isinstance(value, str) and value in choices):
        listed = ", ".join(map(repr, choices))
        raise InvalidParameter(f"{name}: {parameter} must be one of {listed}, got {value!r}")


def check_n_neighbors(name: str, value: Any, n_points: int | None = None, whose: str = "training points") -> int:
    """`value` as int, if it is an integer from 1 to `n_points`."""
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < 1:
        raise InvalidParameter(f"{name}: n_neighbors must be an integer of at least 1, got {value!r}")
    if n_points is not None and value > n_points:
        raise ValueError(
            f"{name}: n_neighbors={value} is more than the {n_points} {whose}; ask for fewer neighbours or fit more "
            f"points (n_samples = {n_points})"
        )
    return int(value)


def several_n_neighbors(name: str, given: Any, default: Any) -> tuple[list[int], bool]:
    """The numbers of neighbours that are asked for, and whether it is a single one and no sequence."""
    if given is None:
        given = default
    is_single = np.ndim(given) == 0
    values = [given] if is_single else list(given)
    if not values:
        raise InvalidParameter(f"{name}: n_neighbors is an empty sequence; name at least one number")
    return [check_n_neighbors(name, value) for value in values], is_single
