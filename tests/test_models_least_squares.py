"""Classification by least squares: exact minima, of any rank and scale, and gradient descent to the same."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression, RidgeClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks

from models import LeastSquaresClassifier
from models.minimum_norm import ridge


@parametrize_with_checks([LeastSquaresClassifier()])
def test_the_contract_of_scikit_learn(estimator, check, monkeypatch):
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")  # without it one check skips itself
    check(estimator)


def toy(rng, n=60, n_features=4, n_classes=2):
    X = rng.standard_normal((n, n_features))
    return X, rng.permutation(np.arange(n) % n_classes)


# The minimum


def exact(X, y, alpha=0.0):
    """The solution of the normal equations in rational arithmetic, which does not round."""
    rows = [[*map(Fraction, row), Fraction(1)] for row in X.tolist()]
    targets = [Fraction(value) for value in y.tolist()]
    d = len(rows[0])
    M = [
        [sum(row[j] * row[k] for row in rows) + (Fraction(alpha) if j == k < d - 1 else 0) for k in range(d)]
        + [sum(row[j] * t for row, t in zip(rows, targets, strict=True))]
        for j in range(d)
    ]
    for c in range(d):
        pivot = next(r for r in range(c, d) if M[r][c])
        M[c], M[pivot] = M[pivot], M[c]
        M[c] = [value / M[c][c] for value in M[c]]
        for r in range(d):
            if r != c:
                M[r] = [a - M[r][c] * b for a, b in zip(M[r], M[c], strict=True)]
    return np.array([float(row[d]) for row in M])


def nearly_repeated(X):
    return np.column_stack((X, X[:, 0] + 1e-6 * X[::-1, 0]))


#: What is made of 30 x 5 normal numbers, alpha, and the relative error to which every coefficient is right.
DATA = {
    "well": (lambda X: X, 0.0, 1e-11),
    "well, with a penalty": (lambda X: X, 1.0, 1e-12),
    "units from 1e-12 to 1e12": (lambda X: X * np.logspace(-12, 12, 5), 0.0, 1e-10),
    "far from 0": (lambda X: X + 1e6, 0.0, 1e-10),
    "nearly collinear": (nearly_repeated, 0.0, 1e-6),
    "nearly collinear, with a penalty": (nearly_repeated, 1e-8, 1e-6),
    "powers": (lambda X: np.vander(np.linspace(0, 1, 30), 8)[:, :-1], 0.0, 1e-8),
    "Hilbert's matrix": (lambda X: 1 / (np.arange(30)[:, None] + np.arange(6) + 1.0), 0.0, 1e-9),
}


@pytest.mark.parametrize("name", DATA)
def test_coefficients_are_exact_on_ill_conditioned_data(name, rng):
    make, alpha, tolerance = DATA[name]
    X, y = make(rng.standard_normal((30, 5))), rng.permutation(np.repeat([-1.0, 1.0], 15))
    model = LeastSquaresClassifier(alpha).fit(X, y)
    np.testing.assert_allclose(model.parameters_, exact(X, y, alpha), rtol=tolerance)


def test_the_normal_equations_would_not_do(rng):
    """The cases are hard enough to tell a solver that squares the condition."""
    for name in ("far from 0", "nearly collinear", "powers"):
        make, _, tolerance = DATA[name]
        X, y = make(rng.standard_normal((30, 5))), rng.permutation(np.repeat([-1.0, 1.0], 15))
        extended = np.column_stack((X, np.ones(30)))
        theta = np.linalg.solve(extended.T @ extended, extended.T @ y)
        assert not np.allclose(theta, exact(X, y), rtol=tolerance, atol=0)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("alpha", [0.0, 1e-3, 1.0, 100.0])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_coefficients_are_those_of_scikit_learn(n_classes, alpha, weighted, rng):
    X, y = toy(rng, n_classes=n_classes)
    weight = rng.uniform(0.1, 3, len(X)) if weighted else None
    reference = RidgeClassifier(alpha, solver="svd").fit(X, y, weight)
    model = LeastSquaresClassifier(alpha).fit(X, y, weight)
    assert model.coef_.shape == ((1, 4) if n_classes == 2 else (3, 4))
    np.testing.assert_allclose(model.coef_, np.atleast_2d(reference.coef_), rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(model.intercept_, reference.intercept_, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(model.decision_function(X), reference.decision_function(X), rtol=1e-9, atol=1e-11)
    np.testing.assert_array_equal(model.predict(X), reference.predict(X))
    assert model.intercept_.shape == (len(model.coef_),)


@pytest.mark.parametrize(("n", "kind"), [
    (40, "repeated"), (40, "scaled"), (40, "constant"), (40, "zero"), (40, "sum"), (3, "wide"), (40, "all constant"),
])  # fmt: skip
def test_of_many_minima_the_smallest(n, kind, rng):
    X, y = rng.standard_normal((n, 4)), np.where(np.arange(n) % 3, 1.0, -1.0)
    extra = {
        "repeated": X[:, :2], "scaled": 1e3 * X[:, :1], "constant": np.full((n, 1), 0.1), "zero": np.zeros((n, 2)),
        "sum": X @ np.ones((4, 1)), "wide": rng.standard_normal((n, 9)), "all constant": X,
    }[kind]  # fmt: skip
    X = np.full((n, 4), 0.3) if kind == "all constant" else np.column_stack((X, extra))
    model = LeastSquaresClassifier().fit(X, y)
    centred = X - X.mean(axis=0)
    centred[np.abs(centred) < 1e-12] = 0
    expected = np.linalg.pinv(centred, rcond=1e-12) @ (y - y.mean())
    np.testing.assert_allclose(model.coef_[0], expected, atol=1e-12)
    np.testing.assert_allclose(
        model.decision_function(X), X @ expected + y.mean() - X.mean(axis=0) @ expected, atol=1e-12
    )
    np.testing.assert_allclose(model.decision_function(X), LinearRegression().fit(X, y).predict(X), atol=1e-12)
    np.testing.assert_allclose(model.gradient(model.parameters_, X, y), 0, atol=1e-9)


def test_the_rank_does_not_depend_on_units(rng):
    X, y = toy(rng)
    X[:, 3] = X[:, 0] + X[:, 1]
    plain = LeastSquaresClassifier().fit(X, y)
    scaled = LeastSquaresClassifier().fit(X * [1e-9, 1, 1e9, 1], y)
    np.testing.assert_allclose(scaled.decision_function(X * [1e-9, 1, 1e9, 1]), plain.decision_function(X), atol=1e-6)


@pytest.mark.parametrize("shape", [(30,), (30, 3)])
def test_ridge_with_weights_counts_rows(shape, rng):
    X, Y, weights = rng.standard_normal((30, 4)), rng.standard_normal(shape), rng.integers(0, 4, 30)
    repeated = ridge(np.repeat(X, weights, axis=0), np.repeat(Y, weights, axis=0), 0.5)
    np.testing.assert_allclose(ridge(X, Y, 0.5, weights.astype(float)), repeated, atol=1e-13)


def test_more_classes_are_fitted_one_against_the_rest(rng):
    X, y = toy(rng, n_classes=4)
    model = LeastSquaresClassifier(0.5).fit(X, y)
    assert model.parameters_.shape == (5, 4)
    for c in range(4):
        one = LeastSquaresClassifier(0.5).fit(X, y == c)
        np.testing.assert_allclose(model.parameters_[:, c], one.parameters_, atol=1e-13)
    np.testing.assert_array_equal(model.predict(X), model.decision_function(X).argmax(axis=1))


# Gradient descent


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("alpha", [0.0, 2.0])
def test_descent_ends_where_the_normal_equations_do(alpha, n_classes, weighted, rng):
    X, y = toy(rng, n_classes=n_classes)
    weight = rng.uniform(0.1, 3, len(X)) if weighted else None
    expected = LeastSquaresClassifier(alpha).fit(X, y, weight)
    model = LeastSquaresClassifier(alpha, solver="gd", tol=1e-11).fit(X, y, weight)
    np.testing.assert_allclose(model.parameters_, expected.parameters_, atol=1e-12)
    assert expected.n_iter_ == 1 and not hasattr(expected, "loss_curve_")
    assert 1 < model.n_iter_ == len(model.loss_curve_) < 1000
    assert np.all(np.diff(model.loss_curve_[:10]) < 0)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_rate_is_one_over_the_largest_curvature(n_classes, rng):
    X, y = toy(rng, n_classes=n_classes)
    targets = 2.0 * y - 1 if n_classes == 2 else np.where(y[:, None] == np.arange(3), 1.0, -1.0)
    model = LeastSquaresClassifier(0.5, solver="gd")
    start = model.initial_parameters(X, targets)
    largest = np.linalg.eigvalsh(model.hessian(start, X, targets)).max()
    steps = list(itertools.islice(model.steps(X, y), 3))
    np.testing.assert_allclose(steps[0], -model.gradient(start, X, targets) / largest, rtol=1e-12)
    slower = next(LeastSquaresClassifier(0.5, solver="gd", learning_rate=0.5 / largest).steps(X, y))
    np.testing.assert_allclose(slower, steps[0] / 2, rtol=1e-12)
    again = next(model.steps(X, y, parameters=steps[1]))
    np.testing.assert_array_equal(again, steps[2])


def test_a_rate_that_diverges_warns_and_leaves_finite_parameters(rng):
    X, y = toy(rng)
    with pytest.warns(ConvergenceWarning, match="^LeastSquaresClassifier: the loss became .*; lower learning_rate"):
        model = LeastSquaresClassifier(solver="gd", learning_rate=1.0, max_iter=10_000).fit(X, y)
    assert np.isfinite(model.parameters_).all() and np.isfinite(model.predict(X)).all()
    with pytest.warns(ConvergenceWarning, match="the gradient's largest element is .* after max_iter=3 updates"):
        LeastSquaresClassifier(solver="gd", max_iter=3).fit(X, y)


# Functions of (parameters, X, y): the witnesses against them are in test_models_check.py


def test_the_values_of_a_small_example():
    X, y, theta = np.array([[1.0, 0.0], [0.0, 2.0]]), np.array([1, -1]), np.array([1.0, 2.0, 3.0])
    model = LeastSquaresClassifier(10.0)  # the scores are 4 and 7, the residuals 3 and 8
    assert model.loss(theta, X, y) == (9 + 64) / 2 + 10 / 2 * (1 + 4)
    np.testing.assert_array_equal(model.gradient(theta, X, y), [3 + 10, 16 + 20, 11])
    np.testing.assert_array_equal(model.hessian(theta, X, y), [[1 + 10, 0, 1], [0, 4 + 10, 2], [1, 2, 2]])
    np.testing.assert_array_equal(model.hessian_product(theta, np.array([1.0, 1, 1]), X, y), [12, 16, 5])
    assert model.loss(theta, X, y, [2.0, 0.0]) == 9 + 25
    np.testing.assert_array_equal(model.gradient(theta, X, y, [2.0, 0.0]), [6 + 10, 20, 6])


def test_the_hessian_is_the_derivative_of_the_gradient_for_many_columns(rng):
    X, Y = rng.standard_normal((20, 3)), rng.choice([-1.0, 1.0], (20, 2))
    model, weight = LeastSquaresClassifier(0.5), rng.uniform(0, 2, 20)
    theta = rng.standard_normal((4, 2))
    columns = [
        (model.gradient(theta + e.reshape(4, 2), X, Y, weight) - model.gradient(theta, X, Y, weight)).ravel()
        for e in np.eye(8)
    ]  # linear in theta, so that the difference is the derivative
    np.testing.assert_allclose(model.hessian(theta, X, Y, weight), np.transpose(columns), atol=1e-12)


@pytest.mark.parametrize(
    "labels", [["a", "b", "c"], [-1, 7, 9], [2.0, 3.0, 5.0], np.array(["a", "b", "c"], object), [False, True]], ids=str
)
def test_labels_of_any_type(labels, rng):
    X, y = toy(rng, n_classes=len(labels))
    model = LeastSquaresClassifier().fit(X, np.asarray(labels)[y])
    np.testing.assert_array_equal(model.classes_, labels)
    np.testing.assert_array_equal(model.predict(X), np.asarray(labels)[LeastSquaresClassifier().fit(X, y).predict(X)])


@pytest.mark.parametrize(("arguments", "message"), [
    ({"solver": "lbfgs"}, "solver must be one of normal, gd, got 'lbfgs'"),
    ({"alpha": -1.0}, "alpha must be a number of at least 0, got -1.0"),
    ({"learning_rate": 0.0}, "learning_rate must be a number above 0, got 0.0"),
    ({"max_iter": 0}, "max_iter must be an integer of at least 1, got 0"),
    ({"tol": None}, "tol must be a number of at least 0, got None"),
])  # fmt: skip
def test_arguments_that_make_no_sense(arguments, message):
    with pytest.raises(ValueError, match=f"^LeastSquaresClassifier: {message}$"):
        LeastSquaresClassifier(**arguments).fit([[0.0], [1.0]], [0, 1])


def test_bad_data(rng):
    X, y = toy(rng)
    signs, theta = 2.0 * y - 1, np.zeros(5)
    model = LeastSquaresClassifier()
    with pytest.raises(
        ValueError, match="^LeastSquaresClassifier: all samples are of one class, 'ham'; there must be two"
    ):
        model.fit(X, ["ham"] * len(X))
    with pytest.raises(ValueError, match="Input X contains NaN"):
        model.fit(np.where(X > 2, np.nan, X), y)
    with pytest.raises(
        ValueError, match=r"^LeastSquaresClassifier.loss: y has values such as .*, and `fit` takes labels"
    ):
        model.loss(theta, X, y)
    for parameters, targets in ((theta, np.stack((signs, signs), axis=1)), (np.zeros((5, 3)), signs)):
        with pytest.raises(
            ValueError,
            match=r"^LeastSquaresClassifier.gradient: y has shape .* and parameters .*; both must have a col",
        ):
            model.gradient(parameters, X, targets)
    with pytest.raises(ValueError, match=r"parameters have shape \(4,\), and must be \(5,\) or \(5, n_classes\)"):
        model.hessian(theta[1:], X, signs)
    with pytest.raises(ValueError, match='steps are those of solver="gd" or "sgd", and it is \'normal\''):
        model.steps(X, y)
