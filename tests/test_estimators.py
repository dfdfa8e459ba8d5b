"""Modules as estimators: scikit-learn's contract, what is learned, and what is refused."""

import functools
import pickle

import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris, make_classification
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import tinygrad_ml as tg
from tinygrad_ml.estimators import NeuralClassifier, NeuralRegressor

BOTH = [NeuralClassifier, NeuralRegressor]


@parametrize_with_checks([NeuralClassifier(), NeuralRegressor()])
def test_the_contract_of_scikit_learn(estimator, check, monkeypatch):
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")  # without it one check skips itself
    check(estimator)


def linear(n_features, n_outputs, rng):
    return tg.nn.Linear(n_features, n_outputs, rng=rng)


def lbfgs(parameters):
    return tg.optim.LBFGS(parameters, max_iter=200, tolerance_grad=1e-9, tolerance_change=1e-14)


def toy(kind, rng, n=60):
    X = rng.standard_normal((n, 3))
    y = (X[:, 0] > X[:, 1]).astype(int) if kind is NeuralClassifier else X[:, 0] - X[:, 1]
    return X, y


# What is learned


def test_a_linear_regressor_finds_the_least_squares(rng):
    X, Y = rng.standard_normal((50, 4)), rng.standard_normal((50, 3))
    model = NeuralRegressor(linear, optimizer=lbfgs, batch_size=50, max_epochs=3).fit(X, Y)
    np.testing.assert_allclose(model.predict(X), LinearRegression().fit(X, Y).predict(X), atol=1e-6)


def test_a_linear_classifier_finds_the_most_likely_weights(rng):
    X, y = make_classification(100, 5, n_informative=3, n_classes=3, flip_y=0.3, random_state=0)
    reference = LogisticRegression(C=1e9, max_iter=5000, tol=1e-10).fit(X, y)
    model = NeuralClassifier(linear, optimizer=lbfgs, batch_size=100, max_epochs=3).fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X), reference.predict_proba(X), atol=1e-4)


def test_a_loss_of_ones_own(rng):
    X = rng.standard_normal((101, 1))
    y = np.exp(rng.standard_normal(101))

    def absolute(outputs, targets):
        return np.abs(outputs - targets).mean()

    class Constant(tg.nn.Module):
        def __init__(self):
            self.value = tg.nn.Parameter([0.0])

        def forward(self, x):
            return np.zeros((len(x), 1)) + self.value

    model = NeuralRegressor(Constant(), loss=absolute, learning_rate=0.01, batch_size=101, max_epochs=500).fit(X, y)
    assert model.predict(X[:1]) == pytest.approx(np.median(y), abs=0.02)


def test_digits():
    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X / 16, y, random_state=0, stratify=y)
    model = NeuralClassifier(learning_rate=3e-3, max_epochs=15, random_state=0, dtype=np.float32).fit(X, y)
    assert model.score(X_test, y_test) > 0.96


@pytest.mark.parametrize("optimizer", ["adagrad", "adam", "adamw", "rmsprop", "sgd"])
def test_optimizers_by_name(optimizer, rng):
    X, y = toy(NeuralClassifier, rng)
    model = NeuralClassifier(optimizer=optimizer, learning_rate=0.05, random_state=0).fit(X, y)
    assert type(model.optimizer_).__name__.lower() == optimizer
    assert model.history_["loss"][-1] < 0.5 * model.history_["loss"][0]


@pytest.mark.parametrize(
    "labels", [["ham", "spam"], [True, False], [-1, 7], [2.0, 1.0], np.array(["a", "b"], object)], ids=str
)
def test_labels_of_any_type(labels, rng):
    X, y = toy(NeuralClassifier, rng)
    labels = np.asarray(labels)
    model = NeuralClassifier(learning_rate=0.05, random_state=0).fit(X, labels[y])
    np.testing.assert_array_equal(model.classes_, np.unique(labels))
    assert model.predict(X).dtype == labels.dtype
    assert model.score(X, labels[y]) > 0.9


def test_probabilities_and_their_logarithms(rng):
    X, y = toy(NeuralClassifier, rng)
    model = NeuralClassifier(max_epochs=2).fit(1000 * X, y)
    logits = model.module_(1000 * X).numpy()
    np.testing.assert_allclose(model.predict_proba(1000 * X).sum(axis=1), 1)
    log_odds = np.subtract(*model.predict_log_proba(1000 * X).T)
    np.testing.assert_allclose(log_odds, np.subtract(*logits.T), rtol=1e-10)
    np.testing.assert_array_equal(model.predict(1000 * X), model.classes_[logits.argmax(1)])


def test_predictions_have_the_shape_of_the_targets(rng):
    X = rng.standard_normal((20, 2))
    for shape in [(20,), (20, 1), (20, 3)]:
        y = rng.standard_normal(shape)
        assert NeuralRegressor(max_epochs=1).fit(X, y).predict(X).shape == shape


def test_large_data_are_predicted_in_parts(rng):
    X = rng.standard_normal((2500, 3))
    y = X[:, 0]
    model = NeuralRegressor(max_epochs=1).fit(X, y)
    np.testing.assert_allclose(model.predict(X), model.module_(X).numpy()[:, 0], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("kind", BOTH)
def test_single_precision_throughout(kind, rng):
    X, y = toy(kind, rng)
    model = kind(linear, dtype=np.float32, max_epochs=2).fit(X, y)
    assert {p.dtype for p in model.module_.parameters()} == {np.dtype("f4")}
    outputs = model.predict_proba(X) if kind is NeuralClassifier else model.predict(X)
    assert outputs.dtype == np.float32


# How it is trained


class Noting(tg.nn.Module):
    """Keeps the sizes of its batches, by whether it is in training."""

    def __init__(self, n_features, n_outputs, rng):
        self.layer = tg.nn.Linear(n_features, n_outputs, rng=rng)
        self.seen = {True: [], False: []}

    def forward(self, x):
        self.seen[self.training].append(len(x))
        return self.layer(x)


def test_batches_are_of_nearly_equal_sizes(rng):
    X, y = toy(NeuralRegressor, rng, 65)
    model = NeuralRegressor(Noting, max_epochs=1).fit(X, y)
    assert model.module_.seen == {True: [22, 22, 21], False: []}
    model.predict(X)
    assert model.module_.seen[False] == [65]


def test_the_module_is_left_in_evaluation_mode(rng):
    # Training gives modules their modes back, and a new module's is that of training.
    def with_dropout(n_features, n_outputs, rng):
        return tg.nn.Sequential(tg.nn.Dropout(0.5, rng=rng), tg.nn.Linear(n_features, n_outputs, rng=rng))

    X, y = toy(NeuralRegressor, rng)
    model = NeuralRegressor(with_dropout, max_epochs=1, validation_fraction=0.5).fit(X, y)
    for _ in range(2):
        np.testing.assert_array_equal(model.module_(X).numpy()[:, 0], model.predict(X))
        model.partial_fit(X, y)


def test_what_is_held_out_is_not_trained_with(rng):
    X, y = toy(NeuralRegressor, rng, 100)
    model = NeuralRegressor(Noting, validation_fraction=0.2, batch_size=80, max_epochs=4).fit(X, y)
    assert model.module_.seen == {True: [80] * 4, False: [20] * 4}
    assert {name: len(losses) for name, losses in model.history_.items()} == {"loss": 4, "validation_loss": 4}


def test_every_class_has_its_share_of_what_is_held_out(rng):
    labels = []

    def loss(outputs, targets):
        if not outputs.requires_grad:
            labels.extend(targets)
        return tg.functional.cross_entropy(outputs, targets)

    X, y = rng.standard_normal((100, 2)), np.repeat([0, 1], [90, 10])
    NeuralClassifier(loss=loss, validation_fraction=0.2, max_epochs=1).fit(X, y)
    assert np.bincount(labels).tolist() == [18, 2]


@pytest.mark.parametrize("fraction", [0.0, 0.25])
def test_early_stopping_returns_to_the_best_weights(fraction, rng):
    X, y = rng.standard_normal((40, 5)), rng.standard_normal(40)
    model = NeuralRegressor(
        Noting, learning_rate=1.0, validation_fraction=fraction, patience=3, random_state=0, max_epochs=500
    ).fit(X, y)
    watched = model.history_["validation_loss" if fraction else "loss"]
    assert len(watched) < 500
    assert len(watched) - 1 - np.argmin(watched) == 3
    again = NeuralRegressor(
        Noting,
        learning_rate=1.0,
        validation_fraction=fraction,
        random_state=0,
        max_epochs=int(np.argmin(watched)) + 1,
    ).fit(X, y)
    np.testing.assert_array_equal(model.predict(X), again.predict(X))


@pytest.mark.parametrize("kind", BOTH)
def test_a_seed_repeats_everything(kind, rng):
    X, y = toy(kind, rng)
    first, second, other = (kind(max_epochs=3, random_state=seed).fit(X, y) for seed in (1, 1, 2))
    assert first.history_ == second.history_ != other.history_


@pytest.mark.parametrize("kind", BOTH)
def test_partial_fit_is_one_epoch(kind, rng):
    X, y = toy(kind, rng)
    whole = kind(max_epochs=4, random_state=0).fit(X, y)
    parts = kind(random_state=0)
    for _ in range(4):
        parts.partial_fit(X, y)
    assert parts.history_ == whole.history_
    np.testing.assert_array_equal(parts.predict(X), whole.predict(X))


def test_partial_fit_with_classes_to_come(rng):
    X = rng.standard_normal((10, 2))
    model = NeuralClassifier().partial_fit(X, ["a"] * 10, classes=["b", "a", "c"])
    assert model.predict_proba(X).shape == (10, 3)
    model.partial_fit(X, ["c"] * 10)
    with pytest.raises(ValueError, match=r"y has the labels \['d'\], which are not among .* \['a', 'b', 'c'\]"):
        model.partial_fit(X, ["d"] * 10)
    with pytest.raises(ValueError, match=r"called with classes \['a', 'd'\].*were \['a', 'b', 'c'\]; leave classes"):
        model.partial_fit(X, ["a"] * 10, classes=["a", "d"])


@pytest.mark.parametrize("kind", BOTH)
def test_warm_start_goes_on(kind, rng):
    X, y = toy(kind, rng)
    model = kind(max_epochs=20, warm_start=True, random_state=0).fit(X, y)
    before = model.history_["loss"][-1]
    model.fit(X, y)
    assert len(model.history_["loss"]) == 40
    assert model.history_["loss"][20] < 1.1 * before
    model.set_params(warm_start=False).fit(X, y)
    assert len(model.history_["loss"]) == 20


def test_a_given_module_is_where_training_starts_and_stays_as_it_is(rng):
    X, y = toy(NeuralRegressor, rng)
    start = tg.nn.Linear(3, 1, rng=0)
    before = start.state_dict()
    model = NeuralRegressor(start, optimizer="sgd", learning_rate=1e-9, max_epochs=1).fit(X, y)
    np.testing.assert_allclose(model.predict(X), start(X).numpy()[:, 0], atol=1e-6)
    assert model.module_ is not start
    assert all(np.array_equal(before[name], array) for name, array in start.state_dict().items())


def test_progress_is_shown_when_asked_for(rng, capsys):
    X, y = toy(NeuralRegressor, rng)
    NeuralRegressor(max_epochs=2).fit(X, y)
    assert capsys.readouterr() == ("", "")
    NeuralRegressor(max_epochs=2, verbose=True).fit(X, y)
    assert "epoch 2: 100%" in capsys.readouterr().err


# Weights of samples


def weighted_toy(kind, rng):
    X, y = toy(kind, rng, 40)
    return X, (y + (rng.random(40) < 0.3)) % 2 if kind is NeuralClassifier else y + rng.normal(size=40)


@pytest.mark.parametrize("kind", BOTH)
def test_weighted_samples_have_the_optimum_of_scikit_learn(kind, rng):
    X, y = weighted_toy(kind, rng)
    weights = rng.integers(0, 4, 40)
    model = kind(linear, optimizer=lbfgs, batch_size=50, max_epochs=3)
    if kind is NeuralClassifier:
        reference = LogisticRegression(C=1e9, max_iter=5000, tol=1e-10).fit(X, y, weights)
        answers = [m.predict_proba(X) for m in (model.fit(X, y, weights), model.fit(X, y, 1e6 * weights), reference)]
    else:
        reference = LinearRegression().fit(X, y, weights)
        answers = [m.predict(X) for m in (model.fit(X, y, weights), model.fit(X, y, 1e6 * weights), reference)]
    for answer in answers[:2]:
        np.testing.assert_allclose(answer, answers[2], atol=1e-4)


@pytest.mark.parametrize("scale", [1e-310, 1e308])
def test_only_the_ratios_of_weights_matter(scale, rng):
    # The sum of large weights is infinite, and all of them became zero.
    X, y = weighted_toy(NeuralRegressor, rng)
    ones, scaled = (
        NeuralRegressor(max_epochs=2, random_state=0).fit(X, y, weights) for weights in (None, scale + 0 * y)
    )
    np.testing.assert_allclose(scaled.predict(X), ones.predict(X), rtol=1e-9)


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_weight_of_zero_is_as_if_a_sample_were_not_there(method, kind, rng):
    X, y = weighted_toy(kind, rng)
    weights = rng.random(40) * (np.arange(40) % 3 > 0)
    model, other = (kind(batch_size=7, max_epochs=3, validation_fraction=0.2, random_state=0) for _ in range(2))
    getattr(model, method)(X, y, sample_weight=weights)
    chosen = weights > 0
    getattr(other, method)(X[chosen], y[chosen], sample_weight=weights[chosen])
    assert model.history_ == other.history_
    np.testing.assert_array_equal(model.predict(X), other.predict(X))


def test_minibatches_have_the_weighted_gradient_on_average(rng):
    X, y, weights = rng.normal(size=(40, 3)), rng.normal(size=40), rng.random(40)
    start = tg.nn.Linear(3, 1, bias=False, rng=0)
    model = NeuralRegressor(start, optimizer="sgd", learning_rate=1e-7, batch_size=4, max_epochs=1)
    model.fit(X, y, weights)
    residual = X @ start.weight.numpy()[0] - y
    gradient = 2 * (weights * residual) @ X / weights.sum()
    moved = (model.module_.weight.numpy() - start.weight.numpy())[0] / -1e-7
    np.testing.assert_allclose(moved, 10 * gradient, rtol=1e-4)


def test_what_is_held_out_is_weighted_too(rng):
    X, y, weights = rng.normal(size=(40, 3)), rng.normal(size=40), rng.random(40)
    model = NeuralRegressor(linear, validation_fraction=0.5, optimizer="sgd", learning_rate=1e-12, max_epochs=1)
    held_out = []

    def squares(outputs, targets, reduction):
        if not outputs.requires_grad:
            held_out.extend(targets[:, 0])
        return tg.functional.mse_loss(outputs, targets, reduction)

    model.set_params(loss=squares, batch_size=40).fit(X, y, weights)
    losses, is_held_out = (model.predict(X) - y) ** 2, np.isin(y, held_out)
    for name, part in (("loss", ~is_held_out), ("validation_loss", is_held_out)):
        np.testing.assert_allclose(model.history_[name], [np.average(losses[part], weights=weights[part])], rtol=1e-9)


@pytest.mark.parametrize(
    "loss",
    [tg.functional.mse_loss, tg.nn.MSELoss(), functools.partial(tg.functional.huber_loss, delta=1e9)],
    ids=["function", "module", "partial"],
)
def test_losses_that_can_be_weighted(loss, rng):
    X, Y, weights = rng.normal(size=(40, 3)), rng.normal(size=(40, 2)), rng.random(40)
    model = NeuralRegressor(linear, loss=loss, optimizer=lbfgs, batch_size=40, max_epochs=3, dtype=np.float64)
    np.testing.assert_allclose(
        model.fit(X, Y, weights).predict(X), LinearRegression().fit(X, Y, weights).predict(X), atol=1e-5
    )
    assert getattr(loss, "reduction", "mean") == "mean"


@pytest.mark.parametrize(
    ("arguments", "weights", "error", "message"),
    [
        ({}, [-1] + [1] * 39, ValueError, "sample_weight must not be negative, nor zero for all .* from -1 to 1"),
        ({"loss": lambda outputs, targets: 0}, [1] * 40, TypeError, "loss must take reduction='none', as .* got <func"),
        ({"loss": np.add}, [1] * 40, TypeError, "loss must take reduction='none', as .* got <ufunc 'add'>"),
        (
            {"loss": lambda outputs, targets, reduction: outputs.mean()},
            [1] * 40,
            ValueError,
            r"reduction='none' the loss of 20 samples must have that many rows, got shape \(\)",
        ),
    ],
)
@pytest.mark.parametrize("kind", BOTH)
def test_weights_that_make_no_sense(kind, arguments, weights, error, message, rng):
    with pytest.raises(error, match=f"{kind.__name__}: .*{message}"):
        kind(**arguments).fit(*weighted_toy(kind, rng), weights)


@pytest.mark.parametrize("kind", BOTH)
def test_some_sample_must_have_a_weight(kind, rng):
    with pytest.raises(ValueError, match="zero"):  # scikit-learn's message, or ours under its older versions
        kind().fit(*weighted_toy(kind, rng), np.zeros(40))


def test_weights_go_through_a_pipeline_and_a_search(rng):
    X, y = weighted_toy(NeuralClassifier, rng)
    weights = rng.integers(1, 3, 40)
    with config_context(enable_metadata_routing=True):
        model = NeuralClassifier(max_epochs=2, random_state=0)
        model.set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        search = GridSearchCV(make_pipeline(model), {"neuralclassifier__hidden": [(2,)]}, cv=2)
        search.fit(X, y, sample_weight=weights)
    alone = NeuralClassifier(hidden=(2,), max_epochs=2, random_state=0).fit(X, y, weights)
    np.testing.assert_array_equal(search.predict_proba(X), alone.predict_proba(X))


# With the rest of scikit-learn


@pytest.mark.parametrize("kind", BOTH)
def test_a_pickle_predicts_and_trains_on_the_same(kind, rng):
    X, y = toy(kind, rng)
    model = kind(linear, max_epochs=3, random_state=0).fit(X, y)
    twin = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(twin.predict(X), model.predict(X))
    np.testing.assert_array_equal(twin.partial_fit(X, y).predict(X), model.partial_fit(X, y).predict(X))


def test_a_grid_search_over_a_pipeline():
    X, y = load_iris(return_X_y=True)
    pipeline = make_pipeline(StandardScaler(), NeuralClassifier(max_epochs=15, random_state=0))
    grid = {"neuralclassifier__learning_rate": [1e-6, 1e-2], "neuralclassifier__hidden": [(), (8, 8)]}
    search = GridSearchCV(pipeline, grid, cv=3).fit(X, np.array(["setosa", "versicolor", "virginica"])[y])
    assert search.best_params_["neuralclassifier__learning_rate"] == 1e-2
    assert search.best_score_ > 0.9


@pytest.mark.parametrize("kind", BOTH)
def test_a_clone_has_the_arguments_and_no_weights(kind, rng):
    model = kind(linear, hidden=(3, 4), loss=tg.functional.huber_loss, patience=4, dtype=np.float32)
    twin = clone(model.set_params(loss=None).fit(*toy(kind, rng)))
    assert twin.get_params() == model.get_params()
    assert not hasattr(twin, "module_")


# What is refused


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"batch_size": 0}, ValueError, "batch_size must be a whole number from 1, got 0"),
        ({"max_epochs": 1.5}, ValueError, "max_epochs must be a whole number from 1, got 1.5"),
        ({"patience": 0}, ValueError, "patience, where it is not None, must be a whole number from 1, got 0"),
        ({"validation_fraction": 1}, ValueError, "validation_fraction must be at least 0 and less than 1, got 1"),
        ({"hidden": (3, 0)}, ValueError, r"every width in hidden=\(3, 0\) must be a whole number from 1, got 0"),
        ({"hidden": 3}, ValueError, "hidden must be a tuple of widths, got 3"),
        ({"dtype": int}, ValueError, "dtype must be a floating-point type such as np.float32, got <class 'int'>"),
        ({"module": "mlp"}, TypeError, "module must be a tinygrad_ml.nn.Module, or a function .* got 'mlp'"),
        (
            {"module": lambda *_: np.tanh},
            TypeError,
            r"module\(.*\) must return a .*Module, returned ufunc",
        ),
        ({"learning_rate": -1}, ValueError, "learning_rate must be a number of at least 0, got -1"),
        ({"tol": "a"}, ValueError, "tol must be a number of at least 0, got 'a'"),
        ({"validation_fraction": None}, ValueError, "validation_fraction must be at least 0 and less than 1, got None"),
        ({"loss": tg.nn.MSELoss}, TypeError, "loss must be a function .* got <class"),
        ({"optimizer": "adm"}, ValueError, "optimizer must be one of 'adagrad', 'adam', .* got 'adm'"),
        ({"loss": "mse"}, TypeError, "loss must be a function .* got 'mse'"),
    ],
)
@pytest.mark.parametrize("kind", BOTH)
def test_arguments_that_make_no_sense(kind, arguments, error, message, rng):
    for name in ("fit", "partial_fit"):
        with pytest.raises(error, match=f"{kind.__name__}: {message}"):
            getattr(kind(**arguments), name)(*toy(kind, rng))


@pytest.mark.parametrize("kind", BOTH)
def test_a_module_with_other_outputs(kind, rng):
    wrong = tg.nn.Linear(3, 5)
    with pytest.raises(ValueError, match=r"with outputs of shape \(32, 5\); they must be \(32, [12]\), so let"):
        kind(wrong).fit(*toy(kind, rng, 32))


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning", "ignore:invalid:RuntimeWarning")
def test_a_loss_that_runs_away(rng):
    X, y = toy(NeuralRegressor, rng)
    model = NeuralRegressor(optimizer="sgd", learning_rate=100)
    message = r"NeuralRegressor: in step \d+, epoch \d+, .*; standardise X and y, or lower learning_rate=100"
    with pytest.raises(FloatingPointError, match=message):
        model.fit(X, y)
    assert all(np.isfinite(loss) for loss in model.history_["loss"])
    assert all(np.isfinite(parameter.numpy()).all() for parameter in model.module_.parameters())


def test_other_data_at_a_warm_start(rng):
    X = rng.standard_normal((20, 2))
    model = NeuralClassifier(warm_start=True, max_epochs=1).fit(X, np.arange(20) % 2)
    with pytest.raises(ValueError, match=r"y has the labels \[2\], which are not among the classes \[0, 1\]"):
        model.fit(X, np.arange(20) % 3)
    model = NeuralRegressor(warm_start=True, max_epochs=1).fit(X, X)
    with pytest.raises(ValueError, match="y has 1 outputs, and had 2 in the first fit; fit with warm_start=False"):
        model.fit(X, X[:, 0])
