"""The models composed of layers: scikit-learn's contract, and the same answers as by hand."""

import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.estimator_checks import parametrize_with_checks

import models
from models import layered
from tinygrad_ml import tree

SMALL = {"MultilayerPerceptron": {"hidden_layer_sizes": (10,), "tol": 1e-2}}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks([getattr(layered, name)(**SMALL.get(name, {})) for name in layered.__all__])
def test_the_contract_of_scikit_learn(estimator, check, monkeypatch):
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")  # without it one check skips itself
    check(estimator)


#: A model, its options, how many classes.
VARIANTS = [
    ("LeastSquaresClassifier", {}, 2),
    ("LeastSquaresClassifier", {"alpha": 2.0}, 3),
    ("LogisticRegression", {}, 2),
    ("LogisticRegression", {"C": 0.3}, 2),
    ("SoftmaxRegression", {}, 3),
    ("SoftmaxRegression", {"C": 0.3}, 3),
    ("SoftmaxRegression", {"C": 0.3, "reduction": "sum"}, 3),
    ("MultilayerPerceptron", {"hidden_layer_sizes": (), "random_state": 0}, 3),
    ("MultilayerPerceptron", {"hidden_layer_sizes": (6, 5), "alpha": 0.3, "activation": "tanh", "random_state": 0}, 3),
    ("MultilayerPerceptron", {"hidden_layer_sizes": (6, 5), "alpha": 0.3, "random_state": 0}, 2),
]
ALL = pytest.mark.parametrize(("name", "options", "n_classes"), VARIANTS, ids=lambda value: str(value))


def both(name, **options):
    return getattr(models, name)(**options), getattr(layered, name)(**options)


def toy(rng, n_classes, n=60):
    """Noisy classes, which no hyperplane tells apart."""
    X = rng.standard_normal((n, 4))
    return X, (np.argsort(np.argsort(X[:, 0] + 2 * rng.standard_normal(n))) * n_classes) // n


def targets(model, y, n_classes):
    model.classes_ = np.arange(n_classes)
    return model._targets(y)


def close(one, other, rtol=1e-11, atol=1e-13):
    one, other = ([x] if isinstance(x, np.ndarray) else x for x in (one, other))
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=atol)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n", [60, 2100])
@ALL
def test_loss_and_derivatives_are_those_by_hand(name, options, n_classes, n, weighted, rng):
    X, y = toy(rng, n_classes, n)
    by_hand, by_layers = both(name, **options)
    y, weight = targets(by_hand, y, n_classes), rng.uniform(0, 2, n) if weighted else None
    start = by_hand.initial_parameters(X, y)
    close(by_layers.initial_parameters(X, y), start, rtol=0, atol=0)
    leaves, rebuild = tree.flatten(start)
    parameters, vector = (rebuild([rng.standard_normal(leaf.shape) for leaf in leaves]) for _ in range(2))
    for at in (start, parameters):
        loss, gradient = by_layers.loss_gradient(at, X, y, weight)
        expected, expected_gradient = by_hand.loss_gradient(at, X, y, weight)
        assert loss == pytest.approx(expected, rel=1e-12) == by_layers.loss(at, X, y, weight)
        close(gradient, expected_gradient, atol=1e-12 * n)
        close(by_layers.gradient(at, X, y, weight), gradient, rtol=0, atol=0)
    product = by_layers.hessian_product(parameters, vector, X, y, weight)
    close(product, by_hand.hessian_product(parameters, vector, X, y, weight), rtol=1e-10, atol=1e-12 * n)
    if hasattr(by_hand, "hessian"):
        hessian = by_layers.hessian(parameters, X, y, weight)
        close(hessian, by_hand.hessian(parameters, X, y, weight), rtol=1e-10, atol=1e-12 * n)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("solver", ["gd", "sgd"])
@ALL
def test_optimizers_make_the_steps_by_hand(name, options, n_classes, solver, weighted, rng):
    if solver == "sgd" and name == "LeastSquaresClassifier":
        solver = "gd"  # it has no other
    X, y = toy(rng, n_classes)
    weight = rng.uniform(0.1, 2, len(X)) if weighted else None
    options = {**options, "solver": solver, "max_iter": 12, "tol": 0}
    if solver == "sgd":
        options |= {"batch_size": 25, "random_state": 5}
    if options.get("reduction") == "sum":
        options["learning_rate"] = 1e-3
    models_ = both(name, **options)
    for ours, theirs in itertools.islice(zip(*(model.steps(X, y, weight) for model in models_), strict=True), 12):
        close(ours, theirs, rtol=1e-9)
    for model in models_:
        if solver == "gd":
            with pytest.warns(ConvergenceWarning, match=f"^{name}: the gradient's largest element is"):
                model.fit(X, y, weight)
        else:
            model.fit(X, y, weight)
    by_hand, by_layers = models_
    close(by_layers.parameters_, by_hand.parameters_, rtol=1e-9)
    close(by_layers.parameters_, ours, rtol=1e-9)
    np.testing.assert_allclose(by_layers.loss_curve_, by_hand.loss_curve_, rtol=1e-10)


@pytest.mark.parametrize(("name", "options", "n_classes", "solver"), [
    ("LeastSquaresClassifier", {"alpha": 2.0}, 3, "normal"),
    ("LeastSquaresClassifier", {}, 2, "normal"),
    *itertools.chain.from_iterable(
        ((name, {"C": 0.5}, n_classes, solver) for solver in ("lbfgs", "newton"))
        for name, n_classes in (("LogisticRegression", 2), ("SoftmaxRegression", 3))
    ),
    ("MultilayerPerceptron", {"hidden_layer_sizes": (), "alpha": 2.0, "random_state": 0}, 3, "lbfgs"),
])  # fmt: skip
def test_solvers_end_where_those_by_hand_do(name, options, n_classes, solver, rng):
    X, y = toy(rng, n_classes)
    labels = np.array(["ham", "jam", "spam"])[y]
    by_hand, by_layers = (model.fit(X, labels) for model in both(name, **options, solver=solver, tol=1e-8))
    close(by_layers.parameters_, by_hand.parameters_, rtol=0, atol=1e-6 if solver == "lbfgs" else 1e-9)
    np.testing.assert_array_equal(by_layers.predict(X), by_hand.predict(X))
    assert by_layers.n_iter_ >= 1


def test_the_perceptron_learns_what_no_hyperplane_tells_apart():
    X = np.array(list(itertools.product([0.0, 1.0], repeat=3)))
    y = X.sum(axis=1) % 2
    assert layered.MultilayerPerceptron((12,), activation="tanh", random_state=1).fit(X, y).score(X, y) == 1


@pytest.mark.parametrize("name", ["LogisticRegression", "SoftmaxRegression", "MultilayerPerceptron"])
def test_too_few_iterations_and_rates_that_diverge_warn(name, rng):
    X, y = toy(rng, 2)
    penalty = {"alpha": 1e3} if name == "MultilayerPerceptron" else {"C": 1e-4}
    with pytest.warns(ConvergenceWarning, match=f'^{name}: solver="lbfgs" stopped after 1 iterations'):
        getattr(layered, name)(max_iter=1, tol=1e-12).fit(X, y)
    with pytest.warns(ConvergenceWarning, match=f"^{name}: the loss became .*; lower learning_rate"):
        model = getattr(layered, name)(**penalty, solver="gd", learning_rate=10.0).fit(X, y)
    leaves, _ = tree.flatten(model.parameters_)
    assert all(np.isfinite(leaf).all() for leaf in leaves)


def test_bad_input_is_refused_as_by_hand(rng):
    X, y = toy(rng, 2)
    with pytest.raises(
        ValueError, match=r"^LogisticRegression.loss: y has shape .* and values such as .*; it must have"
    ):
        layered.LogisticRegression().loss(np.zeros(5), X, y + 1)
    with pytest.raises(ValueError, match=r"^SoftmaxRegression.gradient: parameters have shape \(5,\), and must be"):
        layered.SoftmaxRegression().gradient(np.zeros(5), X, y)


def test_models_by_hand_import_nothing_of_the_engine():
    program = (
        "import sys, models; assert not [name for name in sys.modules if name.startswith('tinygrad_ml')]; "
        "models.layered.LogisticRegression; assert 'tinygrad_ml' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(models.__file__).parents[1])
    with pytest.raises(AttributeError, match="has no attribute 'layred'"):
        _ = models.layred
