"""Minibatches, splits, standardisation and the data sets that are made or at hand."""

import itertools
import sys
import tracemalloc

import numpy as np
import pytest
import sklearn.datasets
from scipy.sparse import csr_array
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

import tinygrad_ml as tg
from tinygrad_ml.data import (
    load_digits,
    make_sequences,
    make_spirals,
    make_year_prediction_like,
    standardize,
    train_validation_test_split,
    year_moments,
)


def numbered(rows):
    """A row knows its number, in two arrays of different shape and kind."""
    number = np.arange(rows)
    return number[:, None] + np.array([0.0, 0.25, 0.5]), number


def on_file(array, path):
    mapped = np.memmap(path, array.dtype, "w+", shape=array.shape)
    mapped[:] = array
    return mapped


def minibatches_module():
    return sys.modules["tinygrad_ml.data.minibatches"]  # the package has a function of the same name


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of 10 rows of `numbered`, and about 4 blocks at once."""
    module = minibatches_module()
    monkeypatch.setattr(module, "BLOCK_BYTES", 240)
    monkeypatch.setattr(module, "POOL_BYTES", 960)


@pytest.mark.parametrize("kind", ["memory", "file", "view of a file"])
@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("drop_last", [True, False])
@pytest.mark.parametrize(("rows", "size"), [(100, 10), (103, 10), (103, 7), (103, 50), (103, 103), (12, 1), (9, 9)])
def test_batches_hold_each_row_once(rows, size, drop_last, shuffle, kind, rng, tmp_path, small_blocks):
    X, y = numbered(rows)
    if kind != "memory":
        X = on_file(X, tmp_path / "X")
    if kind == "view of a file":
        X = np.asarray(X)
    batches = tg.data.minibatches(X, y, batch_size=size, shuffle=shuffle, drop_last=drop_last, rng=rng)
    for _ in range(2):
        parts = list(batches)
        full, rest = divmod(rows, size)
        assert [len(part) for _, part in parts] == [size] * full + [rest] * (rest > 0 and not drop_last)
        assert len(batches) == len(parts)
        order = np.concatenate([part for _, part in parts])
        assert len(np.unique(order)) == len(order)
        assert np.array_equal(np.concatenate([part for part, _ in parts]), np.asarray(X)[order])
        assert np.array_equal(order, np.arange(len(order))) == (not shuffle)
        assert all(type(array) is np.ndarray for part in parts for array in part)


def order_of(batches):
    return np.concatenate([rows for _, rows in batches])


@pytest.mark.parametrize("kind", ["memory", "file"])
def test_the_order_is_new_each_time_and_the_same_for_the_same_seed(kind, tmp_path, small_blocks):
    X, y = numbered(100)
    if kind == "file":
        X = on_file(X, tmp_path / "X")
    batches, again = (tg.data.minibatches(X, y, batch_size=8, rng=3) for _ in range(2))
    first, second = order_of(batches), order_of(batches)
    assert not np.array_equal(first, second)
    assert np.array_equal(order_of(again), first) and np.array_equal(order_of(again), second)


@pytest.mark.parametrize("kind", ["memory", "file"])
def test_an_epoch_that_was_left_is_repeated_to_the_same_bits(kind, tmp_path, small_blocks):
    X, y = numbered(100)
    if kind == "file":
        X = on_file(X, tmp_path / "X")
    batches = tg.data.minibatches(X, y, batch_size=8, rng=3)
    list(batches)
    state = batches.rng.bit_generator.state
    wanted = [order_of(batches), order_of(batches)]

    resumed = tg.data.minibatches(X, y, batch_size=8, rng=99)
    resumed.rng.bit_generator.state = state
    for _ in itertools.islice(resumed, 3):
        pass
    left = resumed.rng.bit_generator.state
    resumed.rng.bit_generator.state = state
    assert np.array_equal(order_of(resumed), wanted[0])
    assert resumed.rng.bit_generator.state == left
    assert np.array_equal(order_of(resumed), wanted[1])


def test_two_iterations_at_a_time_do_not_disturb_each_other():
    X, y = numbered(20)
    batches = tg.data.minibatches(X, y, batch_size=4, rng=0)
    both = list(zip(batches, batches, strict=True))
    for side in (0, 1):
        assert np.array_equal(np.sort(order_of(pair[side] for pair in both)), np.arange(20))


def gaps_in_pools(batches):
    """Where the rows that 40 at a time are drawn from do not follow each other."""
    return [int(np.sum(np.diff(np.sort(pool)) > 1)) for pool in order_of(batches).reshape(-1, 40)]


def test_files_are_read_in_blocks_from_all_places(rng, tmp_path, small_blocks):
    X, y = numbered(1000)
    gaps = gaps_in_pools(tg.data.minibatches(on_file(X, tmp_path / "X"), y, batch_size=10, rng=rng))
    assert max(gaps) <= 4, "40 rows are from 4 blocks, one of which may lie around the end"
    assert np.mean(gaps) > 2, "blocks that are read together are seldom neighbours"


def test_a_file_larger_than_memory_would_do(rng, tmp_path):
    path, rows = tmp_path / "X", 750_000
    with open(path, "wb") as file:
        file.truncate(rows * 100 * 8)  # 600 MB, of which the disk holds none
    batches = tg.data.minibatches(np.memmap(path, "f8", "r", shape=(rows, 100)), np.arange(rows), rng=rng)
    pool = minibatches_module().POOL_BYTES
    tracemalloc.start()
    seen = sum(len(y) for _, y in itertools.islice(batches, 3 * pool // (32 * 100 * 8)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seen * 100 * 8 > 2.9 * pool
    assert pool < peak < 3 * pool


def test_rows_in_memory_are_not_taken_from_blocks(rng, small_blocks):
    assert min(gaps_in_pools(tg.data.minibatches(*numbered(1000), batch_size=10, rng=rng))) > 20


def test_the_rows_that_come_last_from_a_file_are_others_each_time(tmp_path, small_blocks):
    X, y = numbered(84)
    batches = tg.data.minibatches(on_file(X, tmp_path / "X"), y, batch_size=4, rng=0)
    assert len(np.unique(np.concatenate([list(batches)[-1][1] for _ in range(50)]))) > 42


def test_all_orders_are_possible_in_memory(rng):
    batches = tg.data.minibatches([0, 1, 2], batch_size=3, rng=rng)
    counts = np.unique([next(iter(batches))[0] for _ in range(3000)], axis=0, return_counts=True)[1]
    assert len(counts) == 6
    assert np.sum((counts - 500.0) ** 2 / 500) < 25.7, (
        "chi squared with 5 degrees of freedom exceeds this 1 time in 10^4"
    )


def test_without_shuffling_batches_are_views():
    X, y = numbered(10)
    for part, _ in tg.data.minibatches(X, y, batch_size=4, shuffle=False):
        assert np.shares_memory(part, X)


def test_any_arrays_in_batches():
    images, names, weights = np.zeros((5, 1, 2, 2), np.float32), ["a", "b", "c", "d", "e"], np.arange(5)
    (first, text, w), _ = tg.data.minibatches(images, names, weights, batch_size=3, rng=1)
    assert first.shape == (3, 1, 2, 2) and first.dtype == np.float32
    assert list(text) == [names[i] for i in w]


def test_batches_tell_what_they_are():
    assert repr(tg.data.minibatches(*numbered(10), batch_size=4)) == (
        "Minibatches(3 of 4 rows from arrays (10, 3), (10,))"
    )


@pytest.mark.parametrize(
    ("arrays", "options", "error", "message"),
    [
        ((), {}, ValueError, r"minibatches: there are no arrays; give at least one, such as minibatches\(X, y\)"),
        (
            (np.ones((3, 2)), np.ones(4)),
            {},
            ValueError,
            r"shapes \(3, 2\), \(4,\), and their first axes must be of one",
        ),
        ((np.ones((0, 2)),), {}, ValueError, r"shapes \(0, 2\), and no rows"),
        ((np.float64(1),), {}, ValueError, r"shapes \(\), and each must have rows"),
        (
            (csr_array(np.eye(3)), np.ones(3)),
            {},
            ValueError,
            r"shapes \(\), \(3,\), .* of a sparse matrix take toarray",
        ),
        ((np.ma.masked_equal([1, 2, 3], 2),), {}, ValueError, "masked values would count as the others; fill them"),
        ((np.ones(3),), {"batch_size": 0}, ValueError, "batch_size must be a whole number from 1, got 0"),
        ((np.ones(3),), {"batch_size": 1.5}, ValueError, "batch_size must be a whole number from 1, got 1.5"),
        ((np.ones(3),), {"batch_size": 4, "drop_last": True}, ValueError, r"leaves no batch: 3 rows and batch_size=4"),
    ],
)
def test_wrong_arguments_of_minibatches(arrays, options, error, message):
    with pytest.raises(error, match=message):
        tg.data.minibatches(*arrays, **options)


@pytest.mark.parametrize(
    ("rows", "validation", "test", "sizes"),
    [
        (10, 0.2, 0.2, (6, 2, 2)),
        (100, 0.07, 0.29, (64, 7, 29)),
        (100, 10, 0.25, (65, 10, 25)),
        (7, 1, 2, (4, 1, 2)),
        (10, 0, 0.3, (7, 0, 3)),
        (10, 0.3, 0.0, (7, 3, 0)),
        (10, 0, 0, (10, 0, 0)),
        (10, np.int64(2), np.float32(0.5), (3, 2, 5)),
    ],
)
def test_parts_have_their_sizes_and_hold_each_row_once(rows, validation, test, sizes, rng):
    X, y = numbered(rows)
    parts = train_validation_test_split(X, y, validation=validation, test=test, rng=rng)
    assert tuple(len(number) for _, number in parts) == sizes
    assert np.array_equal(np.sort(np.concatenate([number for _, number in parts])), y)
    for values, number in parts:
        assert np.array_equal(values, X[number])
        assert np.all(np.diff(number) > 0), "rows keep their order"


def test_splits_depend_on_the_seed_only():
    y = np.arange(50)
    tests = [train_validation_test_split(y, rng=seed)[2][0] for seed in (1, 1, 2, np.random.default_rng(1))]
    assert np.array_equal(tests[0], tests[1]) and np.array_equal(tests[0], tests[3])
    assert not np.array_equal(tests[0], tests[2])


def test_stratified_parts_have_the_classes_in_the_same_shares(rng):
    y = rng.permutation(np.repeat(["few", "some", "many"], [20, 60, 120]))
    for (labels,), expected in zip(
        train_validation_test_split(y, validation=0.25, test=0.1, stratify=y, rng=rng),
        ([13, 39, 78], [5, 15, 30], [2, 6, 12]),
        strict=True,
    ):
        assert [int(np.sum(labels == name)) for name in ("few", "some", "many")] == expected


def test_a_group_is_in_one_part_only(rng):
    groups = rng.integers(20, size=300)
    parts = train_validation_test_split(groups, validation=0.2, test=3, groups=groups, rng=rng)
    members = [set(part.tolist()) for (part,) in parts]
    assert [len(m) for m in members] == [13, 4, 3]
    assert len(set.union(*members)) == 20 and sum(len(part) for (part,) in parts) == 300


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"validation": 0.5, "test": 0.5},
            ValueError,
            "validation=0.5 and test=0.5 are 5 and 5 of 10 rows, and leave no",
        ),
        ({"validation": 0.01}, ValueError, "validation=0.01 of 10 rows is none; give 0 where"),
        ({"test": 1.0}, ValueError, "test=1.0 is no fraction; give 0 <= test < 1, or an int"),
        ({"test": float("nan")}, ValueError, "test=nan is no fraction"),
        ({"test": -1}, ValueError, "test=-1 is no number of rows; give 0 or more"),
        ({"test": "2"}, TypeError, "test='2' must be a fraction of the rows or a number of them"),
        ({"validation": True}, TypeError, "validation=True must be a fraction"),
        (
            {"stratify": np.ones(3)},
            ValueError,
            r"stratify has shape \(3,\), and must have one label for each row: \(10,\)",
        ),
        ({"groups": np.ones((10, 1))}, ValueError, r"groups has shape \(10, 1\)"),
        ({"groups": np.ones(10), "stratify": np.ones(10)}, ValueError, "give stratify or groups, not both"),
        ({"groups": np.arange(10) // 4, "test": 2}, ValueError, "1 and 2 of 3 groups, and leave none for training"),
        ({"stratify": [0] * 9 + [1]}, ValueError, "no test part of 2 rows can be stratified: .*only 1 member"),
    ],
)
def test_wrong_arguments_of_splits(options, error, message):
    with pytest.raises(error, match=f"train_validation_test_split: .*{message}"):
        train_validation_test_split(np.arange(10), **options)


def test_arrays_to_split_must_be_aligned():
    with pytest.raises(ValueError, match=r"train_validation_test_split: .*\(3,\), \(4,\)"):
        train_validation_test_split(np.ones(3), np.ones(4))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_only_the_first_array_tells_the_scale(dtype, rng):
    train, test = (rng.normal(5, 3, size=(n, 4)).astype(dtype) for n in (50, 20))
    scaled, scaled_test = standardize(train, test)
    mean, deviation = train.mean(0, dtype=np.float64), train.std(0, dtype=np.float64)
    for part, result in ((train, scaled), (test, scaled_test)):
        assert result.dtype == dtype
        assert np.allclose(result, (part - mean) / deviation, rtol=0, atol=20 * np.finfo(dtype).eps)


def test_constant_columns_stay_finite():
    scaled, test = standardize(np.full((4, 2), 7.0), np.array([[7.0, 8.0]]))
    assert np.array_equal(scaled, np.zeros((4, 2))) and np.array_equal(test, [[0.0, 1.0]])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ((np.ones(3),), r"shapes \(3,\), and each must be \(rows, columns\); a single column y is y\[:, None\]"),
        ((np.ones((3, 2)), np.ones((3, 4))), r"shapes \(3, 2\), \(3, 4\), and must have equally many columns"),
    ],
)
def test_wrong_arguments_of_standardize(arrays, message):
    with pytest.raises(ValueError, match=message):
        standardize(*arrays)


def test_digits():
    bunch = sklearn.datasets.load_digits()
    X, y = load_digits()
    assert np.array_equal(X * 16, bunch.data) and np.array_equal(y, bunch.target)
    assert (X.min(), X.max()) == (0, 1)
    images, labels = load_digits(images=True)
    assert np.array_equal(images[:, 0] * 16, bunch.images) and np.array_equal(labels, y)


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_spirals_follow_their_formula(classes, rng):
    X, y = make_spirals(100, classes, noise=0, rng=rng)
    radius = np.hypot(X[:, 0], X[:, 1])
    assert radius.max() <= 1 and np.array_equal(y, np.arange(100) % classes)
    turns = np.arctan2(X[:, 1], X[:, 0]) / (2 * np.pi) - radius - y / classes
    assert np.allclose(turns, np.round(turns), atol=1e-12)


def test_spirals_need_more_than_straight_lines(rng):
    X, y = make_spirals(600, rng=rng)
    half = slice(None, 300), slice(300, None)
    straight, near = (
        model.fit(X[half[0]], y[half[0]]).score(X[half[1]], y[half[1]])
        for model in (LogisticRegression(), KNeighborsClassifier(5))
    )
    assert straight < 0.7 and near > 0.85


def test_noise_of_spirals_is_gaussian_on_both_coordinates():
    clean, noisy = (make_spirals(20_000, noise=noise, rng=5)[0] for noise in (0, 0.2))
    assert np.allclose((noisy - clean).std(0), 0.2, rtol=0.03)


@pytest.mark.parametrize(("n", "length", "symbols"), [(10, 2, 3), (501, 12, 8)])
def test_sequences_have_their_markers_once_in_the_order_of_the_class(n, length, symbols, rng):
    X, y = make_sequences(n, length, symbols, rng)
    assert X.shape == (n, length) and X.min() >= 0
    places = []
    for row, label in zip(X.tolist(), y, strict=True):
        assert max(row) == symbols - 1 and row.count(symbols - 1) == row.count(symbols - 2) == 1
        assert (row.index(symbols - 1) < row.index(symbols - 2)) == label
        places.append(row.index(symbols - 1))
    assert np.sum(y) == n // 2
    assert set(places) == set(range(length)), "markers stand anywhere"


def test_symbols_that_are_no_markers_are_all_as_frequent(rng):
    X, _ = make_sequences(2000, 20, 6, rng)
    counts = np.bincount(X.ravel(), minlength=6)
    assert np.array_equal(counts[4:], [2000, 2000])
    assert np.allclose(counts[:4], 9000, rtol=0.05)


@pytest.fixture(scope="module")
def songs():
    return make_year_prediction_like(40_000, rng=7)


def test_synthetic_songs_have_the_schema(songs):
    assert songs.X.shape == (40_000, 90) and songs.year.dtype == np.int64 and len(songs) == 40_000
    assert songs.year.min() >= 1922 and songs.year.max() == 2011
    assert 0.7 < np.mean(songs.year > 1990) < 0.9
    assert np.bincount(songs.year)[2011] < 0.05 * len(songs), "no heap in the last year"
    assert np.median(songs.year) > songs.year.mean(), "skewed to the present"
    assert songs.train.stop == songs.test.start == 35_993, "40,000 rows of 515,345 at row 463,715"
    assert "synthetic" in repr(songs)


def test_synthetic_songs_have_the_moments(songs):
    standard = (songs.X - year_moments.MEAN) / year_moments.STANDARD_DEVIATION
    score = (songs.year - songs.year.mean()) / songs.year.std()
    assert np.abs(standard.mean(0)).max() < 0.06
    assert np.abs(standard.std(0) - 1).max() < 0.04
    correlation = score @ (standard - standard.mean(0)) / len(score) / standard.std(0)
    assert np.abs(correlation - year_moments.CORRELATION_WITH_YEAR).max() < 0.06
    assert np.abs(np.corrcoef(standard.T) - year_moments.CORRELATION).max() < 0.08


def _equally_wide(X):
    """Standardised songs, each divided by its root mean square over uncorrelated directions."""
    standard = (X - year_moments.MEAN) / year_moments.STANDARD_DEVIATION
    square = np.sum(standard @ np.linalg.inv(year_moments.CORRELATION) * standard, axis=1) / X.shape[1]
    return standard / np.sqrt(square)[:, None], square


def test_synthetic_songs_are_wide_or_narrow(songs):
    _, square = _equally_wide(songs.X)
    assert np.log(square).std() == pytest.approx(year_moments.SPREAD_OF_LOG_WIDTH, rel=0.1)


def test_the_spread_of_synthetic_features_changes_with_the_time(songs):
    standard, _ = _equally_wide(songs.X)
    time = np.tanh((songs.year - 1997) / 8)
    time = (time - time.mean()) / time.std()
    around = standard - np.outer(time, time @ standard / len(time))
    growth = np.polyfit(time, np.log(np.abs(around)), 1)[0]
    slope, offset = np.polyfit(year_moments.GROWTH_OF_SPREAD, growth, 1)
    assert np.corrcoef(year_moments.GROWTH_OF_SPREAD, growth)[0, 1] > 0.95
    assert slope == pytest.approx(1, abs=0.1) and abs(offset) < 0.02


def test_no_straight_line_tells_synthetic_centuries_apart_best(songs):
    others = make_year_prediction_like(40_000, rng=8)
    standard, of_others = (_equally_wide(data.X)[0] for data in (songs, others))
    linear, quadratic = (
        model.fit(standard, songs.year > 2000).score(of_others, others.year > 2000)
        for model in (LinearDiscriminantAnalysis(), QuadraticDiscriminantAnalysis())
    )
    assert 0.7 < linear < quadratic - 0.005


def test_synthetic_artists_are_on_one_side_and_tell_about_the_year(songs):
    train, test = (set(songs.artist[part].tolist()) for part in (songs.train, songs.test))
    assert not train & test
    assert train | test == set(range(len(train | test)))
    assert len(songs.artist) / len(train | test) == pytest.approx(18, rel=0.1)
    by_artist, by_row = (
        LinearRegression().fit(songs.X[part], songs.year[part]).score(songs.X[songs.test], songs.year[songs.test])
        for part in (songs.train, slice(None))
    )
    assert by_artist > 0.15, "the features tell about the year"
    neighbours = KNeighborsClassifier(1).fit(songs.X[:6000:2] / year_moments.STANDARD_DEVIATION, songs.artist[:6000:2])
    found = neighbours.score(songs.X[1:1000:2] / year_moments.STANDARD_DEVIATION, songs.artist[1:1000:2])
    assert found > 0.25, "songs of an artist resemble each other; guessing would find one of 170"
    assert by_row > by_artist


@pytest.mark.parametrize("rows", [10, 11, 37])
def test_few_synthetic_songs(rows, rng):
    for _ in range(100):
        data = make_year_prediction_like(rows, rng)
        assert len(data.X) == rows and np.isfinite(data.X).all()
        assert not set(data.artist[data.train]) & set(data.artist[data.test])
        assert set(data.artist) == set(range(data.artist.max() + 1))


@pytest.mark.parametrize(
    ("make", "arguments", "message"),
    [
        (make_spirals, {"n": 0}, "make_spirals: n must be a whole number from 1, got 0"),
        (make_spirals, {"classes": 0}, "make_spirals: classes must be a whole number from 1, got 0"),
        (make_spirals, {"classes": 1.5}, "make_spirals: classes must be a whole number from 1, got 1.5"),
        (make_spirals, {"noise": -0.1}, "make_spirals: noise=-0.1 must be at least 0"),
        (make_sequences, {"n": -1}, "make_sequences: n must be a whole number from 1, got -1"),
        (make_sequences, {"length": 1}, "make_sequences: length must be a whole number from 2, got 1"),
        (make_sequences, {"symbols": 2}, "make_sequences: symbols must be a whole number from 3, got 2"),
        (
            make_year_prediction_like,
            {"rows": 9},
            "make_year_prediction_like: rows must be a whole number from 10, got 9",
        ),
    ],
)
def test_sizes_that_make_no_data(make, arguments, message):
    with pytest.raises(ValueError, match=message):
        make(**arguments)


@pytest.mark.parametrize("make", [make_spirals, make_sequences])
def test_made_data_depend_on_the_seed_only(make):
    first, same, other = (make(50, rng=seed)[0] for seed in (1, 1, 2))
    assert np.array_equal(first, same) and not np.array_equal(first, other)
