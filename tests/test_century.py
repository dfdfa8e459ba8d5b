"""The experiment `century`: each part against the sheet's own numbers, NumPy by hand, or scikit-learn."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import sklearn.linear_model
from scipy.stats import binom

from experiments import Article, Setting, century
from experiments.century import comparison, descent, gradient, layers, producer_effect, songs
from tinygrad_ml.data import YearPrediction, load_year_prediction_msd, make_year_prediction_like

GENUINE = Path(__file__).parents[2] / "shared/data/YearPredictionMSD-5000.txt"


@pytest.fixture(scope="module")
def some_songs():
    return songs.split(make_year_prediction_like(3000, rng=5), np.random.default_rng(6))


@pytest.fixture
def without_pictures(monkeypatch):
    """Articles note the captions of figures, and draw none."""
    monkeypatch.setattr(Article, "figure", lambda self, name, figure, caption: self._add("figure", text=caption))


def run(folder: Path, **options) -> Article:
    folder = folder / "century"
    folder.mkdir(parents=True)
    return century.run(Setting(folder, quick=True, **options))


def words(article: Article, kind: str) -> list[str]:
    return [block["text"] for block in article._blocks if block["kind"] == kind]


# Songs


def test_the_year_2000_is_of_the_last_century():
    assert songs.century(np.array([1922, 2000, 2001, 2011])).tolist() == [0, 0, 1, 1]


def test_the_validation_songs_of_the_whole_file_are_50_000():
    assert round(songs.VALIDATION_SHARE * 463_715) == 50_000


def test_parts_have_every_row_once_and_the_scale_of_the_training_part(rng):
    X, year = rng.normal(3, 2, (1000, 4)), rng.integers(1990, 2011, 1000)
    X[:, 0] = np.arange(1000)
    data = YearPrediction(X, year, slice(0, 900), slice(900, 1000), "")
    found = songs.split(data, rng)
    assert [len(part) for part in found.parts.values()] == [803, 97, 100]
    row = {name: np.round(part.X[:, 0] * found.deviation[0] + found.mean[0]) for name, part in found.parts.items()}
    assert sorted(np.concatenate((row["training"], row["validation"]))) == list(range(900))
    assert row["test"].tolist() == list(range(900, 1000))
    for name, part in found.parts.items():
        rows = row[name].astype(int)
        assert np.array_equal(part.t, year[rows] > 2000)
        trained_with = X[row["training"].astype(int)]
        np.testing.assert_allclose(part.X, (X[rows] - trained_with.mean(0)) / trained_with.std(0), atol=1e-12)
    assert np.mean(row["validation"]) == pytest.approx(450, abs=100), "drawn from all over the training rows"


@pytest.mark.parametrize("block", [1, 77])
def test_what_is_split_is_read_in_blocks(block, monkeypatch):
    data = make_year_prediction_like(500, rng=5)
    whole = songs.split(data, np.random.default_rng(1))
    monkeypatch.setattr(songs, "BLOCK", block)
    in_blocks = songs.split(data, np.random.default_rng(1))
    for one, other in zip(whole.parts.values(), in_blocks.parts.values(), strict=True):
        np.testing.assert_allclose(one.X, other.X, atol=1e-12)
        assert np.array_equal(one.t, other.t)


@pytest.mark.parametrize(("part", "rows"), [("training", slice(0, 90)), ("test", slice(90, 100))])
def test_parts_without_both_centuries_are_named(part, rows, rng):
    year = np.tile([1990, 2005], 50)
    year[rows] = 1990
    data = YearPrediction(rng.normal(size=(100, 3)), year, slice(0, 90), slice(90, 100), "")
    with pytest.raises(ValueError, match=f"the {part} part has .* of 100 songs, and not both centuries"):
        songs.split(data, rng)


# Prediction, cost, derivative


def test_the_examples_of_the_sheet():
    w, b, X, t, h = np.zeros(90), 1, np.ones([2, 90]), np.array([1, 1]), 1e-5
    y = gradient.pred(w, b, X)
    np.testing.assert_allclose(y, [0.73105858, 0.73105858], atol=5e-9)
    dw, db = gradient.derivative_cost(X, y, t)
    assert db == pytest.approx(-0.2689414213699951, abs=1e-15)
    np.testing.assert_allclose(dw, np.full(90, -0.26894142), atol=5e-9)
    by_differences = (gradient.cost(w, b + h, X, t) - gradient.cost(w, b, X, t)) / h
    assert by_differences == pytest.approx(-0.26894043830827385, abs=1e-10)
    assert abs(db - by_differences) == pytest.approx(9.830617212491788e-07, abs=1e-10)


def test_cost_and_derivative_are_those_of_the_sheets_formulas(rng):
    X, t, w, b = rng.normal(size=(7, 3)), np.array([0, 1, 1, 0, 1, 0, 0]), rng.normal(size=3), 0.3
    loss, dw, db = 0.0, np.zeros(3), 0.0
    for x_n, t_n in zip(X, t, strict=True):
        y_n = 1 / (1 + math.exp(-(w @ x_n + b)))
        loss += (-t_n * math.log(y_n) - (1 - t_n) * math.log(1 - y_n)) / 7
        by_z = (y_n - t_n) / (7 * y_n * (1 - y_n)) * y_n * (1 - y_n)
        dw += by_z * x_n
        db += by_z
    assert gradient.cost(w, b, X, t) == pytest.approx(loss, rel=1e-13)
    found = gradient.derivative_cost(X, gradient.pred(w, b, X), t)
    np.testing.assert_allclose(found[0], dw, rtol=1e-12)
    assert found[1] == pytest.approx(db, rel=1e-12)


@pytest.mark.parametrize(("z", "t", "loss"), [(40, 0, 40), (40, 1, 4.248354255291589e-18), (-1e4, 1, 1e4), (1e4, 1, 0)])
def test_cost_of_sure_predictions(z, t, loss):
    X, t = np.array([[float(z)]]), np.array([t])
    assert gradient.cost(np.ones(1), 0.0, X, t) == pytest.approx(loss, rel=1e-14)


@pytest.mark.parametrize("is_central", [False, True])
def test_differences_are_one_number_at_a_time(is_central):
    found = gradient.differences(lambda x: float(x[0] ** 2 + 3 * x[1]), np.array([2.0, 5.0]), 1e-3, is_central)
    np.testing.assert_allclose(found, [4.0 if is_central else 4.001, 3.0], rtol=1e-9)


# Descent


def descend(X, t, w, b, mu, batch_size, updates, seed):
    """The sheet's loop, to the letter: it writes into the w that it is handed."""
    rng, done = np.random.RandomState(seed), 0
    while True:
        order = rng.permutation(len(X))
        for i in range(0, len(X), batch_size):
            rows = order[i : i + batch_size]
            if len(rows) != batch_size:
                continue
            residual = 1 / (1 + np.exp(-(X[rows] @ w + b))) - t[rows]
            w -= mu * residual @ X[rows] / batch_size
            b -= mu * np.mean(residual)
            done += 1
            if done == updates:
                return w, b


def test_descent_is_the_loop_of_the_sheet_but_leaves_its_start_alone(some_songs, rng):
    start = rng.normal(size=91)
    before = start.copy()
    found = descent.run_gradient_descent(some_songs.train, some_songs.validation, start, 0.3, 700, 25, every=5, seed=3)
    w, b = descend(some_songs.train.X, some_songs.train.t, start[:-1].copy(), start[-1], 0.3, 700, 25, 3)
    np.testing.assert_allclose(found.theta, [*w, b], rtol=1e-9, atol=1e-12)
    assert np.array_equal(start, before)
    assert found.updates == [0, 5, 10, 15, 20, 25] and len(found.thetas) == 6
    z = some_songs.validation.X @ w + b
    assert found.last == pytest.approx(np.mean(np.logaddexp(0, z) - some_songs.validation.t * z), rel=1e-9)
    assert descent.accuracy(found.theta, some_songs.validation) == np.mean((z >= 0) == some_songs.validation.t)


def test_shared_runs_are_those_of_the_sheet(some_songs, rng):
    train, start = some_songs.train, rng.normal(size=91)
    runs = descent.shared(some_songs, start, [{"mu": 0.1}, {"mu": 0.5}, {"mu": 1}], seed=8)
    w0, b0 = start[:-1].copy(), start[-1]
    for k, (mu, found) in enumerate(zip((0.1, 0.5, 1), runs, strict=True)):
        np.testing.assert_allclose(found.thetas[0], [*w0, b0], rtol=1e-9, atol=1e-12)
        _, b = descend(train.X, train.t, w0, b0, mu, 100, 100, 8 + k)
        np.testing.assert_allclose(found.theta, [*w0, b], rtol=1e-9, atol=1e-12)


# Intervals and chance


@pytest.mark.parametrize(("right", "n"), [(0, 10), (7, 10), (350, 500), (36_700, 50_000)])
def test_wilson_solves_its_equation(right, n):
    """The ends are where the distance to the accuracy is 1.96 standard deviations of the end."""
    for end in comparison.wilson(right, n):
        if 0 < end < 1:
            deviation = math.sqrt(end * (1 - end) / n)
            assert abs(right / n - end) / deviation == pytest.approx(1.959963984540054, rel=1e-9)


def test_mcnemar_counts_songs_on_which_models_differ(rng):
    first, second = rng.random(500) < 0.8, rng.random(500) < 0.75
    only_first, only_second, p = comparison.mcnemar(first, second)
    assert only_first - only_second == first.sum() - second.sum()
    n = only_first + only_second
    tail = binom.cdf(min(only_first, only_second), n, 0.5)
    assert p == pytest.approx(min(1, 2 * tail), rel=1e-9)
    assert comparison.mcnemar(first, first) == (0, 0, 1.0)


def test_interval_by_groups_knows_that_songs_of_an_artist_are_alike(rng):
    alone = rng.random(900) < 0.7
    low, high = comparison.by_groups(alone, np.arange(900), rng)
    assert (low, high) == pytest.approx(comparison.wilson(alone.sum(), 900), abs=0.005)
    low, high = comparison.by_groups(np.repeat(alone[:90], 10), np.repeat(np.arange(90), 10), rng)
    assert (low, high) == pytest.approx(comparison.wilson(alone[:90].sum(), 90), abs=0.02)


# The producer effect


def test_a_random_split_promises_too_much_and_one_by_artist_does_not():
    found = producer_effect.measure(2000, 3000, 4, np.random.default_rng(1))
    gap = {key: np.mean(values[:, 0] - values[:, 1]) for key, values in found.items()}
    assert gap["nearest neighbour", "songs at random"] > 0.06
    assert abs(gap["nearest neighbour", "by artist"]) < 0.06
    assert gap["nearest neighbour", "songs at random"] > gap["nearest neighbour", "by artist"] + 0.05


# Layers


def test_batches_make_about_400_updates_an_epoch():
    assert [layers.batch_size(n) for n in (4000, 40_000, 413_715)] == [64, 100, 1024]


def test_a_network_learns_what_no_straight_line_tells(rng):
    def part(n):
        X = rng.normal(size=(n, 2))
        return songs.Part(X, (X[:, 0] * X[:, 1] > 0).astype(float))

    data = songs.Songs(part(3000), part(500), part(1000), np.zeros(2), np.ones(2))
    found = layers.train(data, (32,), 0.0, 15, rng)
    right = comparison.judge({"layers": found.logits}, data)["layers"]["test"]
    linear = sklearn.linear_model.LogisticRegression().fit(data.train.X, data.train.t)
    assert right.mean() > 0.9 and linear.score(data.test.X, data.test.t) < 0.7


# The whole experiment


@pytest.fixture(scope="module")
def solved(tmp_path_factory):
    return run(tmp_path_factory.mktemp("solved"))


def test_everything_is_answered_by_the_numbers(solved):
    article, folder = solved, solved.folder
    asked = " ".join(words(article, "question"))
    for part in ("1 (a)", "1 (b)", "1 (c)", *(f"2 ({letter})" for letter in "abcefghi"), "(c), (d)"):
        assert part in asked
    assert "not real songs" in words(article, "text")[0]

    kinds = [block["kind"] for block in article._blocks if block["kind"] in ("question", "answer")]
    assert "question question" not in " ".join(kinds) and kinds[-1] == "answer", "2 (a), (b) and (e) had only code"

    metrics = article.metrics
    again = songs.split(*(lambda s: (songs.load(s), s.rng("split")))(Setting(folder, quick=True)))
    reference = sklearn.linear_model.LogisticRegression(max_iter=500).fit(again.train.X, again.train.t)
    for name in ("scikit-learn", "ours, by L-BFGS"):
        for part, rows in again.parts.items():
            found = metrics["accuracy"][name][part]
            assert found["accuracy"] == pytest.approx(reference.score(rows.X, rows.t), abs=1e-3)
            assert found["interval"][0] < found["accuracy"] < found["interval"][1]
    assert metrics["scikit_learn"]["largest_difference_of_weights"] < 1e-3
    many = metrics["accuracy"]["SGD, many updates"]["training"]["accuracy"]
    assert many == pytest.approx(reference.score(again.train.X, again.train.t), abs=0.02)

    example = metrics["gradient_checks"]["example"]
    assert example["db"] == pytest.approx(-0.2689414, abs=1e-7)
    assert all(check["verdict"] == "PASS" for check in metrics["gradient_checks"].values())
    assert all(check["worst_error_to_model"] < 1e-14 for check in metrics["gradient_checks"].values())
    losses = {rate: of_rate["loss"] for rate, of_rate in metrics["learning_rates"].items()}
    assert losses["0.1"][-1] < losses["0.005"][-1] < math.log(2) < losses["5"][-1]
    chosen = min(metrics["grid"], key=lambda cell: cell["loss"][-1])
    assert metrics["chosen"] == {key: chosen[key] for key in ("rate", "batch_size")}
    assert len({cell["loss"][0] for cell in metrics["grid"]}) == 1, "all start alike"
    assert len({cell["loss_as_on_the_sheet"][0] for cell in metrics["grid"]}) == 9, "those of the sheet do not"
    assert metrics["reported_by_the_sheet"]["SGD (reported)"]["test"] == pytest.approx(0.7073, abs=5e-5)

    article.finish({})
    pictures = {path.stem for path in folder.glob("*.svg")}
    assert pictures == {path.stem for path in folder.glob("*.png")} and len(pictures) == 9
    table = (folder / "accuracy.csv").read_text()
    assert "scikit-learn (reported),0.7323979" in table and "0.7265736" in table
    assert json.loads((folder / "metrics.json").read_text())["chosen"]


def test_the_same_seed_gives_the_same_numbers(solved, tmp_path, without_pictures):
    again = run(tmp_path)
    assert again.metrics == solved.metrics
    assert words(again, "answer") == words(solved, "answer")


def test_a_file_of_few_songs_is_too_small(tmp_path):
    """The table of the first and the last five rows was made before anything else, and raised IndexError."""
    made = make_year_prediction_like(300, rng=3)
    path = tmp_path / "songs.csv"
    np.savetxt(path, np.column_stack((made.year, made.X))[:3], fmt=["%d"] + ["%.5f"] * 90, delimiter=",")
    with pytest.raises(ValueError, match="part has . of 3 songs, and not both centuries; give a file with more songs"):
        run(tmp_path, data=path)


def test_another_seed_gives_other_songs():
    first, other = (songs.load(Setting(Path(), seed=seed, quick=True)) for seed in (0, 1))
    assert not np.array_equal(first.year, other.year)


def test_a_file_takes_the_place_of_synthetic_songs(tmp_path, without_pictures):
    made = make_year_prediction_like(2000, rng=3)
    path = tmp_path / "songs.csv"
    np.savetxt(path, np.column_stack((made.year, made.X)), fmt=["%d"] + ["%.5f"] * 90, delimiter=",")
    article = run(tmp_path, data=path)
    assert article.metrics["songs"]["source"] == "songs.csv"
    assert (article.metrics["songs"]["training_rows"], article.metrics["songs"]["test_rows"]) == (1800, 200)
    answers = " ".join(words(article, "answer"))
    assert "in the official proportion" in answers and "an artist may be on both sides" in answers
    assert "test_interval_by_artists" not in article.metrics


@pytest.mark.skipif(not GENUINE.exists(), reason="the file of 5,000 genuine songs is not there")
def test_genuine_songs(tmp_path, without_pictures):
    path = tmp_path / "genuine.txt"
    path.write_bytes(GENUINE.read_bytes())
    article = run(tmp_path, data=path)
    data = load_year_prediction_msd(path)
    assert article.metrics["songs"]["rows"] == 5000 and article.metrics["songs"]["training_rows"] == data.train.stop
    accuracy = {name: of_parts["test"]["accuracy"] for name, of_parts in article.metrics["accuracy"].items()}
    assert accuracy["scikit-learn"] == pytest.approx(0.7266, abs=0.06), "as on the sheet"
    verdict = article.metrics["layers_against_linear"]
    gain = accuracy["layers"] - accuracy["scikit-learn"]
    assert verdict["gain"] == pytest.approx(gain) and verdict["beats"] == (gain > 0)
    assert ("layers add nothing" in words(article, "answer")[-1]) == (gain <= 0)
