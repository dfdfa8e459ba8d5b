"""What logistic and softmax regression have in common: scikit-learn's contract, derivatives, solvers, bad input."""

import itertools

import numpy as np
import pytest
import sklearn.linear_model
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.estimator_checks import parametrize_with_checks

import tinygrad_ml as tg
from models import LogisticRegression, SoftmaxRegression, layered
from tinygrad_ml.gradcheck import check_model

MODELS = [LogisticRegression, SoftmaxRegression]
N_CLASSES = {LogisticRegression: 2, SoftmaxRegression: 4}
VARIANTS = [
    pytest.param(kind, options, id=f"{kind.__name__}-{options}")
    for kind, options in [
        (LogisticRegression, {}),
        (LogisticRegression, {"C": 0.3}),
        (SoftmaxRegression, {}),
        (SoftmaxRegression, {"C": 0.3}),
        (SoftmaxRegression, {"C": 0.3, "reduction": "sum"}),
    ]
]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks([LogisticRegression(), SoftmaxRegression()])
def test_the_contract_of_scikit_learn(estimator, check, monkeypatch):
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")  # without it one check skips itself
    check(estimator)


def toy(kind, rng, n=120, n_features=4):
    """Noisy classes, which no hyperplane tells apart, and some parameters."""
    n_classes = N_CLASSES[kind]
    X = rng.standard_normal((n, n_features))
    y = (np.argsort(np.argsort(X[:, 0] + 2 * rng.standard_normal(n))) * n_classes) // n
    shape = (n_features + 1,) if kind is LogisticRegression else (n_features + 1, n_classes)
    return X, y, rng.standard_normal(shape)


class Weighted:
    """A model whose samples have weights."""

    def __init__(self, model, weight):
        self.model, self.weight = model, weight

    def loss(self, parameters, X, y):
        return self.model.loss(parameters, X, y, self.weight)

    def gradient(self, parameters, X, y):
        return self.model.gradient(parameters, X, y, self.weight)


# Derivatives


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind, options", VARIANTS)
def test_all_witnesses_agree_on_the_gradient(kind, options, weighted, rng):
    X, y, theta = toy(kind, rng)
    model = kind(**options)
    subject = Weighted(model, rng.uniform(0, 3, len(X))) if weighted else model
    report = check_model(subject, X, y, theta, rng=rng)
    assert report.ok, report
    assert list(report.rows[0].witnesses) == ["analytic", "engine", "complex step", "finite differences"]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("at", ["random", "zero"])
@pytest.mark.parametrize("n", [30, 1100])
@pytest.mark.parametrize("kind, options", VARIANTS)
def test_derivatives_are_those_of_the_engine(kind, options, n, at, weighted, rng):
    X, y, theta = toy(kind, rng, n)
    theta = theta if at == "random" else 0 * theta
    model, vector = kind(**options), rng.standard_normal(theta.shape)
    weight = rng.uniform(0, 3, n) if weighted else None

    def loss(parameters):
        return model.loss(parameters, X, y, weight)

    def close(actual, desired):
        np.testing.assert_allclose(actual, desired, rtol=0, atol=1e-12 * np.abs(desired).max())

    value, gradient = model.loss_gradient(theta, X, y, weight)
    assert value == pytest.approx(loss(theta), rel=1e-13)
    close(gradient, tg.grad(loss)(theta))
    close(model.gradient(theta, X, y, weight), gradient)
    hessian = model.hessian(theta, X, y, weight)
    close(hessian, tg.hessian(loss)(theta).reshape(hessian.shape))
    close(model.hessian_product(theta, vector, X, y, weight), tg.hvp(loss, (theta,), (vector,))[0])
    close((hessian @ vector.ravel()).reshape(theta.shape), model.hessian_product(theta, vector, X, y, weight))


@pytest.mark.parametrize("kind, options", VARIANTS)
def test_weights_count_samples(kind, options, rng):
    X, y, theta = toy(kind, rng)
    weight = rng.integers(0, 4, len(X))
    model = kind(**options)
    often = np.repeat(np.arange(len(X)), weight)
    for method in ("loss", "gradient", "hessian"):
        counted = getattr(model, method)(theta, X, y, weight)
        np.testing.assert_allclose(counted, getattr(model, method)(theta, X[often], y[often]), rtol=1e-10, atol=1e-13)
    fitted = kind(**{"C": 1.0, **options}, solver="newton", tol=1e-10).fit(X, y, weight)
    repeated = kind(**{"C": 1.0, **options}, solver="newton", tol=1e-10).fit(X[often], y[often])
    np.testing.assert_allclose(fitted.parameters_, repeated.parameters_, atol=1e-8)


@pytest.mark.parametrize("dtype", [np.float32, np.int64, bool])
@pytest.mark.parametrize("kind", MODELS)
def test_data_of_other_dtypes(kind, dtype, rng):
    X, y, theta = toy(kind, rng)
    X = (2 * X).astype(dtype)
    model = kind()
    for method in ("loss", "gradient", "hessian"):
        expected = getattr(model, method)(theta, X.astype(float), y)
        np.testing.assert_allclose(getattr(model, method)(theta, X, y), expected, rtol=1e-6, atol=1e-7)


# Solvers


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("C", [0.01, 1.0, 100.0, np.inf])
@pytest.mark.parametrize("solver", ["lbfgs", "newton", "gd"])
@pytest.mark.parametrize("kind", MODELS)
def test_coefficients_are_those_of_scikit_learn(kind, solver, C, weighted, rng):
    X, y, _ = toy(kind, rng, 300)
    weight = rng.uniform(0.1, 3, len(X)) if weighted else None
    reference = sklearn.linear_model.LogisticRegression(C=C, tol=1e-10, max_iter=10_000).fit(X, y, weight)
    model = kind(C, solver=solver, tol=1e-8, max_iter=10_000, learning_rate=0.5).fit(X, y, weight)
    np.testing.assert_allclose(model.coef_, reference.coef_, rtol=0, atol=1e-6)
    np.testing.assert_allclose(model.intercept_, reference.intercept_, rtol=0, atol=1e-6)
    np.testing.assert_allclose(model.predict_proba(X), reference.predict_proba(X), atol=1e-6)
    np.testing.assert_allclose(model.decision_function(X), reference.decision_function(X), atol=1e-5)
    np.testing.assert_array_equal(model.predict(X), reference.predict(X))


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_the_sum_has_the_minimum_of_the_mean(reduction, rng):
    X, y, _ = toy(SoftmaxRegression, rng)
    reference = sklearn.linear_model.LogisticRegression(C=2.0, tol=1e-10, max_iter=10_000).fit(X, y)
    for solver, rate in (("newton", None), ("lbfgs", None), ("gd", 0.5 if reduction == "mean" else 0.5 / len(X))):
        model = SoftmaxRegression(2.0, reduction=reduction, solver=solver, tol=1e-6, max_iter=10_000)
        model.set_params(**{} if rate is None else {"learning_rate": rate}, tol=1e-8 if reduction == "mean" else 1e-6)
        np.testing.assert_allclose(model.fit(X, y).coef_, reference.coef_, rtol=0, atol=1e-6)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind, options", VARIANTS)
def test_minibatches_add_up_to_the_whole_penalty_included(kind, options, weighted, rng):
    X, y, theta = toy(kind, rng, 120)
    weight = rng.permutation(np.repeat([1.0, 3.0], 60)) if weighted else None
    # One epoch with a rate of almost nothing: the parameters hardly move between its batches.
    model = kind(**options, solver="sgd", batch_size=30, learning_rate=1e-9, random_state=0)
    moved = list(itertools.islice(model.steps(X, y, weight, theta), 4))[-1]
    order = np.random.RandomState(0).permutation(120)
    expected = 0.0
    for rows in order.reshape(4, 30):
        part = None if weight is None else weight[rows]
        without = kind(**{**options, "C": np.inf})
        expected = expected + without.gradient(theta, X[rows], y[rows], part)
        share = 30 if weight is None else part.sum()
        total = 120 if weight is None else weight.sum()
        full_penalty = model.gradient(theta, X, y, weight) - without.gradient(theta, X, y, weight)
        expected = expected + full_penalty * (share / total if options.get("reduction") == "sum" else 1)
    np.testing.assert_allclose((theta - moved) / 1e-9, expected, rtol=1e-4, atol=1e-5)
    if weight is None:
        times = 1 if options.get("reduction") == "sum" else 4
        np.testing.assert_allclose(expected, times * model.gradient(theta, X, y), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("solver", ["gd", "sgd"])
@pytest.mark.parametrize("kind, options", VARIANTS)
def test_fit_consumes_the_steps(kind, options, solver, rng):
    X, y, theta = toy(kind, rng)
    labels = np.array(["w", "x", "y", "z"])[y]
    rate = 1e-3 if "reduction" in options else 0.1
    model = kind(**options, solver=solver, batch_size=50, max_iter=5, tol=0, learning_rate=rate, random_state=1)
    taken = list(itertools.islice(model.steps(X, labels), 5))
    if solver == "gd":
        with pytest.warns(
            ConvergenceWarning, match=rf"^{kind.__name__}: the gradient's largest element is .* max_iter=5"
        ):
            model.fit(X, labels)
        losses = [kind(**options).loss(parameters, X, y) for parameters in (0 * theta, *taken[:4])]
        np.testing.assert_allclose(model.loss_curve_, losses, rtol=1e-12)
    else:
        model.fit(X, labels)
    np.testing.assert_array_equal(model.parameters_, taken[-1])
    assert model.n_iter_ == len(model.loss_curve_) == 5
    again = next(model.steps(X, labels, parameters=taken[2]))
    if solver == "gd":
        np.testing.assert_array_equal(again, taken[3])


def test_solvers_that_end_have_no_curve(rng):
    X, y, _ = toy(LogisticRegression, rng)
    assert not hasattr(LogisticRegression().fit(X, y), "loss_curve_")


@pytest.mark.parametrize("kind", MODELS)
def test_batches_larger_than_the_data_are_all_of_it(kind, rng):
    X, y, _ = toy(kind, rng, 20)
    whole = kind(solver="sgd", batch_size=10_000, max_iter=30, random_state=0).fit(X, y)
    expected = list(itertools.islice(kind(solver="gd").steps(X, y), 30))[-1]
    np.testing.assert_allclose(whole.parameters_, expected, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("kind", MODELS)
def test_samples_of_no_weight_are_in_no_batch(kind, rng):
    X, y, _ = toy(kind, rng)
    weight = np.ones(len(X))
    weight[5:60] = 0
    X[5:60] = 1e5
    model = kind(solver="sgd", batch_size=10, max_iter=50, random_state=0).fit(X, y, weight)
    expected = kind(solver="sgd", batch_size=10, max_iter=50, random_state=0).fit(X[weight > 0], y[weight > 0])
    np.testing.assert_allclose(model.parameters_, expected.parameters_, rtol=1e-10)


@pytest.mark.parametrize("solver", ["lbfgs", "newton", "gd"])
@pytest.mark.parametrize("kind", MODELS)
def test_classes_that_are_separated_warn_and_do_not_blow_up(kind, solver, rng):
    n_classes = N_CLASSES[kind]
    y = np.repeat(np.arange(n_classes), 20)
    X = np.column_stack((np.cos(2 * np.pi * y / n_classes), np.sin(2 * np.pi * y / n_classes)))
    X = X + rng.uniform(-0.2, 0.2, X.shape)
    model = kind(solver=solver, learning_rate=1.0, tol=0.01)
    with pytest.warns(ConvergenceWarning, match=f"^{kind.__name__}: the classes can be told apart without .*; set C$"):
        model.fit(X, y)
    assert np.abs(model.parameters_).max() < 1e3
    assert model.score(X, y) == 1
    with pytest.warns(ConvergenceWarning):
        tight = kind(solver=solver, learning_rate=1.0, tol=0, max_iter=200).fit(X, y)
    assert np.isfinite(tight.parameters_).all() and np.abs(tight.parameters_).max() < 1e6
    assert kind(C=10.0, solver=solver, learning_rate=1.0).fit(X, y).score(X, y) == 1  # and does not warn


@pytest.mark.parametrize("solver", ["gd", "sgd"])
@pytest.mark.parametrize("kind", MODELS)
def test_a_rate_that_diverges_warns_and_leaves_finite_parameters(kind, solver, rng):
    X, y, _ = toy(kind, rng)
    model = kind(C=1e-3, solver=solver, learning_rate=10.0)
    with pytest.warns(
        ConvergenceWarning, match=f"^{kind.__name__}: the loss became .*; lower learning_rate, or standardi"
    ):
        model.fit(X, y)
    assert np.isfinite(model.parameters_).all() and np.isfinite(model.predict_proba(X)).all()
    assert np.isfinite(model.loss_curve_).all()


@pytest.mark.parametrize("solver", ["lbfgs", "newton"])
@pytest.mark.parametrize("kind", MODELS)
def test_too_few_iterations_warn(kind, solver, rng):
    X, y, _ = toy(kind, rng)
    with pytest.warns(ConvergenceWarning, match=f'^{kind.__name__}: solver="{solver}" stopped after 1 iterations'):
        kind(solver=solver, max_iter=1, tol=1e-12).fit(X, y)


@pytest.mark.parametrize("solver", ["lbfgs", "newton"])
@pytest.mark.parametrize("columns", ["constant", "zero", "repeated"])
@pytest.mark.parametrize("kind", MODELS)
def test_columns_that_tell_nothing(kind, columns, solver, rng):
    X, y, _ = toy(kind, rng)
    extra = {"constant": np.full(len(X), 7.0), "zero": np.zeros(len(X)), "repeated": X[:, 0]}[columns]
    wide = kind(solver=solver, tol=1e-7).fit(np.column_stack((X, extra)), y)
    narrow = kind(solver=solver, tol=1e-7).fit(X, y)
    assert np.abs(wide.parameters_).max() < 10
    np.testing.assert_allclose(wide.predict_proba(np.column_stack((X, extra))), narrow.predict_proba(X), atol=1e-5)


# Labels and bad input


@pytest.mark.parametrize(
    "labels",
    [["a", "b", "c", "d"], [-1, 7, 8, 9], [2.0, 3.0, 5.0, 7.0], np.array(["a", "b", "c", "d"], object), [False, True]],
    ids=str,
)
@pytest.mark.parametrize("kind", MODELS)
def test_labels_of_any_type(kind, labels, rng):
    X, y, _ = toy(kind, rng)
    labels = np.asarray(labels)
    y %= len(labels)
    model = kind(C=1.0).fit(X, labels[y])
    np.testing.assert_array_equal(model.classes_, labels[: y.max() + 1])
    assert model.predict(X).dtype == labels.dtype
    np.testing.assert_array_equal(model.predict(X), labels[model.predict_proba(X).argmax(axis=1)])


@pytest.mark.parametrize("argument, value, message", [
    ("solver", "adam", r"solver must be one of lbfgs, newton, gd, sgd, got 'adam'"),
    ("C", 0, "C must be a number above 0, got 0"),
    ("C", -1.0, "C must be a number above 0, got -1.0"),
    ("C", np.nan, "C must be a number above 0, got nan"),
    ("C", "1", "C must be a number above 0, got '1'"),
    ("learning_rate", 0.0, "learning_rate must be a number above 0, got 0.0"),
    ("batch_size", 0, "batch_size must be an integer of at least 1, got 0"),
    ("batch_size", 2.0, "batch_size must be an integer of at least 1, got 2.0"),
    ("max_iter", 0, "max_iter must be an integer of at least 1, got 0"),
    ("tol", -1e-3, "tol must be a number of at least 0, got -0.001"),
    ("tol", None, "tol must be a number of at least 0, got None"),
])  # fmt: skip
@pytest.mark.parametrize("kind", MODELS)
def test_arguments_that_make_no_sense(kind, argument, value, message):
    model = kind(**{"solver": "gd", argument: value})
    for use in (model.fit, model.steps):
        with pytest.raises(ValueError, match=f"^{kind.__name__}: {message}$"):
            use([[0.0], [1.0]], [0, 1])


@pytest.mark.parametrize("weight, message", [
    ([1.0, 2.0], r"sample_weight has shape \(2,\), and must be \(3,\) like y"),
    (np.ones((3, 1)), r"sample_weight has shape \(3, 1\), and must be \(3,\) like y"),
    ([1.0, -1.0, 2.0], "sample_weight must be finite and not negative, got values from -1.0 to 2.0"),
    ([1.0, np.nan, 2.0], "sample_weight must be finite and not negative, got values from nan to nan"),
    (np.zeros(3), "sample_weight is zero for all samples; at least one must count"),
])  # fmt: skip
@pytest.mark.parametrize("kind", MODELS)
def test_weights_that_make_no_sense(kind, weight, message):
    X, y = np.arange(3.0)[:, None], np.array([0, 1, 0])
    with pytest.raises(ValueError, match=f"^{kind.__name__}: {message}$"):
        kind().fit(X, y, weight)
    with pytest.raises(ValueError, match=f"^{kind.__name__}.gradient: {message}$"):
        kind().gradient(kind().initial_parameters(X, y), X, y, weight)


@pytest.mark.parametrize("kind", MODELS)
def test_one_class_is_refused(kind):
    X = np.arange(3.0)[:, None]
    message = f"^{kind.__name__}: all samples are of one class, 'ham'; there must be two or more$"
    with pytest.raises(ValueError, match=message):
        kind().fit(X, ["ham"] * 3)
    with pytest.raises(ValueError, match=message):
        kind().fit(X, ["ham", "ham", "spam"], [1, 1, 0])


@pytest.mark.parametrize("solver", ["lbfgs", "newton"])
@pytest.mark.parametrize("kind", MODELS)
def test_steps_are_those_of_descent(kind, solver):
    with pytest.raises(
        ValueError, match=f"""^{kind.__name__}: steps are those of solver="gd" or "sgd", and it is '{solver}'$"""
    ):
        kind(solver=solver).steps([[0.0], [1.0]], [0, 1])


@pytest.mark.parametrize("method", ["loss", "gradient", "loss_gradient", "hessian", "hessian_product"])
@pytest.mark.parametrize("kind", MODELS)
def test_shapes_that_do_not_match(kind, method, rng):
    X, y, theta = toy(kind, rng)
    name, call = f"^{kind.__name__}.{method}", getattr(kind(), method)
    vector = [theta] if method == "hessian_product" else []
    expected = r"\(6,\)" if kind is LogisticRegression else r"\(6, n_classes\)"
    with pytest.raises(
        ValueError, match=rf"{name}: parameters have shape .*, and must be {expected}: a row for each of the 5"
    ):
        call(theta, *vector, np.ones((120, 5)), y)
    with pytest.raises(ValueError, match=rf"{name}: parameters have shape \(\), and must be"):
        call(np.float64(3), *[np.float64(3) for _ in vector], X, y)
    with pytest.raises(
        ValueError, match=rf"{name}: X and y have shapes \(120, 4\) and \(119,\); they must be \(n_samples,"
    ):
        call(theta, *vector, X, y[1:])
    with pytest.raises(ValueError, match=rf"{name}: X and y have shapes \(120,\) and \(120,\); they must be"):
        call(theta, *vector, X[:, 0], y)


@pytest.mark.parametrize("method", ["loss", "gradient", "loss_gradient", "hessian"])
@pytest.mark.parametrize("kind", MODELS)
def test_parameters_are_an_array(kind, method, rng):
    X, y, theta = toy(kind, rng)
    with pytest.raises(
        TypeError, match=f"^{kind.__name__}.{method}: parameters must be an array, got list; use np.asarray$"
    ):
        getattr(kind(), method)(theta.tolist(), X, y)


@pytest.mark.parametrize("kind", MODELS)
def test_a_vector_of_another_shape(kind, rng):
    X, y, theta = toy(kind, rng)
    message = rf"^{kind.__name__}.hessian_product: vector has shape .*, and must be shaped like the parameters, "
    with pytest.raises(ValueError, match=message):
        kind().hessian_product(theta, theta[1:], X, y)


@pytest.mark.parametrize("kind", MODELS)
def test_steps_from_parameters_of_another_shape(kind, rng):
    X, y, theta = toy(kind, rng)
    with pytest.raises(ValueError, match=f"^{kind.__name__}.steps: parameters have shape .*, and must be"):
        kind(solver="gd").steps(X, y, parameters=theta[1:])


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind, options", VARIANTS)
def test_many_rows_block_by_block_by_layers_too(kind, options, weighted, rng):
    X, y, theta = toy(kind, rng, 4500)
    weight = rng.uniform(0, 3, len(X)) if weighted else None
    by_layers = getattr(layered, kind.__name__)(**options)
    loss, gradient = kind(**options).loss_gradient(theta, X, y, weight)
    for model in (kind(**options), by_layers):
        assert model.loss(theta, X, y, weight) == pytest.approx(loss, rel=1e-12)
    theirs = by_layers.loss_gradient(theta, X, y, weight)
    assert theirs[0] == pytest.approx(loss, rel=1e-12)
    np.testing.assert_allclose(theirs[1], gradient, rtol=0, atol=1e-12 * np.abs(gradient).max())
