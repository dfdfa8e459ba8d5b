"""The experiment sweep: the same numbers by every backend, on a cluster too."""

import sys

import numpy as np
import pytest
from sklearn.model_selection import cross_val_score
from threadpoolctl import threadpool_limits

import tinygrad_ml as tg
from experiments import Setting, sweep


def run(folder, **options):
    folder.mkdir()
    setting = Setting(folder, quick=True, **options)
    with threadpool_limits(1):
        article = sweep.run(setting)
    article.finish({})
    return {path.name: path.read_bytes() for path in folder.iterdir()}, article.metrics


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    return run(tmp_path_factory.mktemp("alone") / "sweep")


def test_the_scores_are_those_of_cross_validation(alone):
    _, metrics = alone
    setting = Setting(None)
    X, y = tg.data.load_digits()
    X, X_test, y, y_test = sweep.train_test_split(
        X, y, test_size=0.25, random_state=setting.random_state("split"), stratify=y
    )
    model = tg.estimators.NeuralClassifier(
        hidden=(64,), learning_rate=0.01, batch_size=64, max_epochs=3, random_state=setting.random_state("start")
    )
    folds = sweep.StratifiedKFold(2, shuffle=True, random_state=setting.random_state("folds"))
    np.testing.assert_array_equal(metrics["scores"][3], cross_val_score(model, X, y, cv=folds))
    assert metrics["best"] == {"hidden": [64], "learning_rate": 0.01}
    assert metrics["test_accuracy"] == model.fit(X, y).score(X_test, y_test) > metrics["default_test_accuracy"]


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_processes_and_threads_find_the_same(backend, alone, tmp_path):
    assert run(tmp_path / "sweep", backend=backend, jobs=2)[0] == alone[0]


@pytest.mark.filterwarnings("default")  # those of Dask
def test_a_cluster_finds_the_same_here_and_at_an_address(alone, tmp_path):
    distributed = pytest.importorskip("distributed")
    import dask

    assert run(tmp_path / "sweep", backend="dask", jobs=2)[0] == alone[0]
    cluster = distributed.LocalCluster(
        processes=False, n_workers=2, threads_per_worker=1, dashboard_address=None, protocol="tcp"
    )
    with cluster, dask.config.set({"scheduler-address": cluster.scheduler_address}):
        (tmp_path / "again").mkdir()
        assert run(tmp_path / "again" / "sweep", backend="dask")[0] == alone[0]


def test_the_missing_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    setting = Setting(tmp_path, quick=True, backend="dask")
    with pytest.raises(ImportError, match=r"the backend dask needs .* pip install 'tinygrad_ml\[distributed\]'"):
        sweep.run(setting)
