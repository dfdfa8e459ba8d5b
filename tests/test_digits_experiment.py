"""The experiment digits: its numbers against plain NumPy and scikit-learn."""

import csv
import json

import numpy as np
import pytest
from scipy.special import log_softmax, softmax
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from threadpoolctl import threadpool_limits
from tinygrad_ml.models import SoftmaxRegression

from experiments import Setting, digits
from experiments.digits import factors, networks
from experiments.report import finished, write_report


@pytest.fixture(scope="module")
def setting(tmp_path_factory):
    """Of a run that has come to its end."""
    folder = tmp_path_factory.mktemp("results") / "digits"
    folder.mkdir()
    setting = Setting(folder, seed=3, quick=True)
    with threadpool_limits(1):
        article = digits.run(setting)
    article.finish({"version": "1", "seed": 3, "quick": True, "data": None})
    return setting


@pytest.fixture
def metrics(setting):
    return finished(setting.out)


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_the_training_is_that_of_the_sheet(reduction, setting, metrics):
    X, y = load_digits(return_X_y=True)
    split = train_test_split(X, y, test_size=0.25, random_state=setting.random_state("split"), stratify=y)
    x, x_test, t, t_test = (np.insert(part, 0, 1.0, axis=1) if part.ndim == 2 else np.eye(10)[part] for part in split)
    theta = np.zeros((65, 10))
    for _ in range(metrics["steps"]):
        gradient = x.T @ (softmax(x @ theta, axis=1) - t)
        theta -= 0.001 * (gradient if reduction == "sum" else gradient / len(x))
    found = metrics[reduction]
    for name, pixels, labels in (("training", x, t), ("test", x_test, t_test)):
        scores = pixels @ theta
        loss = -np.mean(np.sum(labels * log_softmax(scores, axis=1), axis=1))
        right = np.mean(np.argmax(scores, axis=1) == np.argmax(labels, axis=1))
        # The leaps of the sum magnify rounding errors.
        assert found[f"{name}_loss"] == pytest.approx(loss, rel=1e-6 if reduction == "sum" else 1e-12)
        assert found[f"{name}_accuracy"] == pytest.approx(right, abs=1e-3 if reduction == "sum" else 1e-12)
    assert metrics["learning_rate"] == 0.001


def test_the_mean_descends_and_the_sum_leaps(metrics):
    assert metrics["mean"]["steps_up"] == 0 < metrics["sum"]["steps_up"]
    assert metrics["mean"]["largest_difference_to_the_engine"] < 1e-15
    assert 0.001 < 2 / metrics["curvature"], "else the text would be wrong"


def test_the_gradient_is_right_and_so_is_every_factor(metrics):
    gradient = metrics["gradient"]
    assert gradient["verdict"] == "PASS" and gradient["factors_within_bounds"]
    assert gradient["largest_difference_to_the_engine"] < 1e-14
    assert gradient["verified_to"] < 1e-9


def test_a_wrong_factor_is_found(rng):
    scores = rng.normal(size=4)
    right = SoftmaxRegression.dp_dg(softmax(scores))
    assert factors.check_factor(lambda g: np.exp(g) / np.sum(np.exp(g)), scores, right, rng)[4]
    wrong = right + np.diag([0, 1e-6, 0, 0])
    row = factors.check_factor(lambda g: np.exp(g) / np.sum(np.exp(g)), scores, wrong, rng)
    assert not row[4] and row[5] == pytest.approx(1e-6)


def test_the_minimum_is_scikit_learns(metrics):
    rows = metrics["side_by_side"]
    assert rows["by hand, Newton"]["difference"] < 1e-9
    assert rows["by the engine, L-BFGS"]["difference"] < 0.2
    assert len({row["test_accuracy"] for row in rows.values()}) == 1
    assert rows["by hand, Newton"]["objective"] <= rows["by the engine, L-BFGS"]["objective"]


def test_networks_learn(metrics):
    assert metrics["layers"].keys() == {"perceptron", "convolutional"}
    assert all(row["test_accuracy"] > 0.6 for row in metrics["layers"].values()), "after three epochs"
    assert metrics["layers"]["perceptron"]["parameters"] == 65 * 128 + 129 * 10
    assert networks.interval(0, 10) == "0.0% to 30.8%"  # 1 - 0.025^(1/10)


def test_files_and_the_report(setting, metrics):
    names = {path.name for path in setting.out.iterdir()}
    assert {
        f"{name}.{kind}" for name in ("curves", "confusion", "weights", "layers") for kind in ("png", "svg")
    } <= names
    with open(setting.out / "final.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert float(rows[3]["accuracy"]) == metrics["mean"]["test_accuracy"]
    assert (rows[3]["loss"], rows[3]["split"], rows[3]["of"]) == ("mean", "test", "450")
    page = write_report(setting.out.parent, ["digits"]).read_text()
    assert f"<em>{metrics['mean']['test_accuracy']:.2%}</em>" in page
    texts = json.loads((setting.out / "article.json").read_text())
    assert "nan" not in str(texts).replace("nanometre", "")
