"""The search for neighbours: against every distance calculated, where rounding and ties make it hard, and in memory."""

from __future__ import annotations

import tracemalloc
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.neighbors import NearestNeighbors

from models import neighbors
from models.neighbors import BruteForce, KDTree, choose, make_search, without_themselves

ALGORITHMS = ("brute", "kd_tree")


def grid(side: int, d: int) -> np.ndarray:
    return np.stack(np.meshgrid(*[np.arange(side)] * d), axis=-1).reshape(-1, d).astype(float)


def gaussian(n: int, d: int, queries: int = 60) -> Any:
    return lambda rng: (rng.normal(size=(n, d)), rng.normal(size=(queries, d)))


def on_a_grid(rng: np.random.Generator) -> Any:
    points = rng.permutation(grid(12, 2))
    return points, np.concatenate((points[:40], points[:40] + 0.5, points[:10] + 30))


def on_a_grid_in_space(rng: np.random.Generator) -> Any:
    return rng.permutation(grid(6, 3)), grid(4, 3) + 1


def many_duplicates(rng: np.random.Generator) -> Any:
    return rng.integers(0, 3, size=(300, 2)).astype(float), grid(4, 2)


def binary(rng: np.random.Generator) -> Any:
    return rng.integers(0, 2, size=(300, 20)).astype(float), rng.integers(0, 2, size=(50, 20)).astype(float)


def one_place(rng: np.random.Generator) -> Any:
    return np.full((100, 3), 0.1), rng.normal(size=(20, 3))


def far_from_the_origin(rng: np.random.Generator) -> Any:
    X = 1e8 + rng.normal(size=(500, 5))
    return X, np.concatenate((X[:30], 1e8 + rng.normal(size=(30, 5))))


def far_from_each_other(rng: np.random.Generator) -> Any:
    """Single precision sees only the distance between the clusters."""
    centres = np.array([[-1e6, 0, 1e6], [1e6, 1e6, 0], [0.0, 0, 0]])
    X = centres[rng.integers(3, size=600)] + rng.normal(size=(600, 3))
    return X, X[:50] + rng.normal(size=(50, 3))


def with_an_outlier(rng: np.random.Generator) -> Any:
    X, queries = gaussian(400, 12)(rng)
    X[17] = 1e9
    return X, np.concatenate((queries, X[16:18]))


def features_of_different_sizes(rng: np.random.Generator) -> Any:
    X, queries = gaussian(400, 12)(rng)
    return X * 10.0 ** np.arange(-6, 6), queries * 10.0 ** np.arange(-6, 6)


def close_to_one_another(rng: np.random.Generator) -> Any:
    """A few units in the last place apart, and with many of the same distances."""
    return 1 + rng.integers(0, 40, size=(400, 4)) * 2.0**-52, 1 + rng.integers(0, 40, size=(40, 4)) * 2.0**-52


DATA = {
    "line": gaussian(500, 1),
    "plane": gaussian(1000, 2),
    "space": gaussian(700, 3),
    "8 features": gaussian(300, 8),
    "10 features": gaussian(600, 10),
    "90 features": gaussian(2000, 90),
    "few points": gaussian(7, 2),
    "one point": gaussian(1, 2),
    "grid": on_a_grid,
    "grid in space": on_a_grid_in_space,
    "many duplicates": many_duplicates,
    "binary": binary,
    "one place": one_place,
    "far from the origin": far_from_the_origin,
    "far from each other": far_from_each_other,
    "with an outlier": with_an_outlier,
    "features of different sizes": features_of_different_sizes,
    "close to one another": close_to_one_another,
}


def all_distances(queries: np.ndarray, X: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    distances = cdist(queries, X)
    indices = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(distances, indices, axis=1), indices


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("name", DATA)
def test_neighbours_are_those_of_all_distances(name, algorithm, make_rng):
    X, queries = DATA[name](make_rng(name))
    search = make_search(X, algorithm)
    for k in sorted({1, 2, 5, 16, 40, len(X) // 2, len(X)}):
        if 0 < k <= len(X):
            distances, indices = search.search(queries, k)
            expected = all_distances(queries, X, k)
            np.testing.assert_array_equal(indices, expected[1])
            np.testing.assert_allclose(distances, expected[0], rtol=1e-14)


@pytest.mark.parametrize("name", DATA)
def test_both_algorithms_agree_to_the_last_bit(name, make_rng):
    X, queries = DATA[name](make_rng(name))
    k = min(16, len(X))
    for ours, theirs in zip(BruteForce(X).search(queries, k), KDTree(X).search(queries, k), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("name", DATA)
def test_distances_are_those_of_scikit_learn(name, algorithm, make_rng):
    X, queries = DATA[name](make_rng(name))
    k = min(16, len(X))
    theirs = NearestNeighbors(n_neighbors=k, algorithm="kd_tree").fit(X).kneighbors(queries)[0]
    np.testing.assert_allclose(make_search(X, algorithm).search(queries, k)[0], theirs, rtol=1e-13)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("scale", [2.0**-600, 2.0**-1000, 2.0**600, 2.0**1000])
def test_squares_that_underflow_or_overflow(algorithm, scale, rng):
    X, queries = rng.normal(size=(300, 7)), rng.normal(size=(20, 7))
    distances, indices = make_search(X * scale, algorithm).search(queries * scale, 6)
    expected = all_distances(queries, X, 6)
    np.testing.assert_array_equal(indices, expected[1])
    np.testing.assert_allclose(distances / scale, expected[0], rtol=1e-14)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("away", [1e14, 1e17, 1e40, 1e200])
def test_queries_from_where_all_points_are_one(algorithm, away, rng):
    X = rng.normal(size=(200, 3))
    queries = np.full((4, 3), away) * [[1], [-1], [1], [-1]]
    distances, indices = make_search(X, algorithm).search(queries, 5)
    if away > 1e16:
        np.testing.assert_array_equal(indices, np.tile(np.arange(5), (4, 1)))  # all at the same distance
    np.testing.assert_allclose(distances, away * np.sqrt(3), rtol=1e-13)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_distances_beyond_the_largest_number_are_infinite(algorithm):
    X = np.array([[-1.7e308], [1.7e308], [1.6e308]] * 20)
    distances, indices = make_search(X, algorithm).search(X[:2], 41)
    np.testing.assert_array_equal(indices[0, :20], np.arange(0, 60, 3))
    assert np.all(distances[0, :20] == 0)
    np.testing.assert_array_equal(distances[0, 20:], np.inf)
    np.testing.assert_array_equal(indices[0, 20:22], [1, 2])


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("offset", [0, 1e8, -1e15])
def test_points_that_coincide_are_at_distance_0(algorithm, offset, rng):
    X = offset + rng.normal(size=(500, 30))
    distances, indices = make_search(X, algorithm).search(X, 1)
    assert np.all(distances == 0)
    assert np.all(X[indices[:, 0]] == X)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_answer_does_not_depend_on_the_blocks(algorithm, rng, monkeypatch):
    X, queries = many_duplicates(rng)
    expected = make_search(X, algorithm).search(queries, 9)
    monkeypatch.setattr(neighbors, "_BLOCK_BYTES", 4000)
    monkeypatch.setattr(neighbors, "_DIFFERENCES_AT_ONCE", 100)
    for ours, theirs in zip(make_search(X, algorithm).search(queries, 9), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("name", ["plane", "one place"])
def test_memory_is_bounded(algorithm, name, make_rng, monkeypatch):
    X = np.tile(DATA[name](make_rng(name))[0], (10, 1))[:2000]
    queries = X[:1000]
    search = make_search(X, algorithm)
    search.search(queries[:1], 3)
    monkeypatch.setattr(neighbors, "_BLOCK_BYTES", 2**17)
    monkeypatch.setattr(neighbors, "_DIFFERENCES_AT_ONCE", 2**14)
    tracemalloc.start()
    search.search(queries, 3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12 * 2**17 + 16 * 3 * len(queries) < 8 * len(X) * len(queries) / 4  # some blocks, and the answer


# The bounds


def exact_bounds(bounds: Any, queries: np.ndarray, X: np.ndarray) -> Any:
    """What the bounds must not exceed, ||x||^2 - 2 q.x in the coordinates of the bounds, in rational numbers."""
    scale, centre = Fraction(bounds.scale), [Fraction(c) for c in bounds.centre]
    points, origins = (
        [[(Fraction(value) - c) * scale for value, c in zip(row, centre, strict=True)] for row in array]
        for array in (X, queries)
    )
    return [[sum(x * x - 2 * q * x for q, x in zip(o, p, strict=True)) for p in points] for o in origins]


def excess(bounds: Any, queries: np.ndarray, X: np.ndarray) -> float:
    found = bounds.of(queries)[:, : len(X)]
    exact = exact_bounds(bounds, queries, X)
    return max(float(Fraction(float(f)) - e) for f, e in zip(found.ravel(), sum(exact, []), strict=True))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["plane", "90 features", "far from the origin", "with an outlier", "grid"])
def test_bounds_are_never_above_the_exact_value(name, dtype, make_rng):
    X, queries = (array[:16] for array in DATA[name](make_rng(name)))
    queries = np.concatenate((queries[:5], X[:3], 1e6 * queries[:2], X.mean(axis=0, keepdims=True)))
    assert excess(neighbors._LowerBounds(X, dtype), queries, X) <= 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_without_the_margin_they_would_be(dtype, make_rng):
    X, queries = (array[:16] for array in DATA["90 features"](make_rng("bounds")))
    bounds = neighbors._LowerBounds(X, dtype)
    bounds.factors[-1] = 0
    bounds.factors[-2, : len(X)] /= 1 - bounds.margin
    assert excess(bounds, queries, X) > 0


def test_ties_beyond_the_candidates_are_settled_by_all_that_are_near(rng, monkeypatch):
    X, queries = on_a_grid(rng)
    calls = []
    settle = BruteForce.search_within
    monkeypatch.setattr(
        BruteForce, "search_within", lambda self, q, *args: calls.append(len(q)) or settle(self, q, *args)
    )
    BruteForce(X).search(queries, 5)
    assert 0 < sum(calls) <= len(queries)
    calls.clear()
    BruteForce(rng.normal(size=(500, 10))).search(rng.normal(size=(50, 10)), 5)
    assert sum(calls) == 0


# The rest


def test_auto_is_a_tree_where_there_are_few_features():
    def chosen(n: int, d: int) -> str:
        return choose("auto", np.empty((n, d)))

    assert [chosen(100, d) for d in (1, 4, 5, 6)] == ["kd_tree", "kd_tree", "brute", "brute"]
    assert [chosen(5000, d) for d in (4, 6, 7, 90)] == ["kd_tree", "kd_tree", "brute", "brute"]
    assert choose("kd_tree", np.empty((10, 90))) == "kd_tree"


def test_points_without_themselves():
    distances = np.array([[0.0, 1, 2], [0, 0, 3], [0, 0, 0]])
    indices = np.array([[0, 4, 5], [0, 1, 2], [0, 1, 3]])  # the last is a duplicate of three that come before it
    ours = without_themselves(distances, indices)
    np.testing.assert_array_equal(ours[0], [[1, 2], [0, 3], [0, 0]])
    np.testing.assert_array_equal(ours[1], [[4, 5], [0, 2], [0, 1]])
