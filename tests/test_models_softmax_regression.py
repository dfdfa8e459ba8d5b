"""Softmax regression: the factors of the chain rule, numbers at the extremes, and the exercise's descent."""

import itertools

import mpmath
import numpy as np
import pytest
from scipy.special import log_softmax
from sklearn.datasets import load_digits

from models import LogisticRegression, SoftmaxRegression
from models.softmax_regression import softmax


def sample(rng, n_features=4, n_classes=3):
    return (
        rng.standard_normal(n_features),
        int(rng.integers(n_classes)),
        rng.standard_normal((n_features + 1, n_classes)),
    )


def jacobian(f, at, step=1e-6):
    """By central differences, with the axes of the answer first."""
    columns = []
    for index in np.ndindex(at.shape):
        change = np.zeros_like(at)
        change[index] = step
        columns.append((f(at + change) - f(at - change)) / (2 * step))
    return np.moveaxis(np.array(columns).reshape(*at.shape, *np.shape(columns[0])), range(at.ndim), range(-at.ndim, 0))


# The factors of the chain rule


def test_each_factor_is_the_derivative_it_is_called(rng):
    x, y, theta = sample(rng)
    g = np.append(x, 1) @ theta
    p = softmax(g)
    close = {"rtol": 1e-6, "atol": 1e-8}
    np.testing.assert_allclose(SoftmaxRegression.dL_dp(p, y), jacobian(lambda p: -np.log(p[y]), p), **close)
    np.testing.assert_allclose(SoftmaxRegression.dp_dg(p), jacobian(softmax, g), **close)
    factor = SoftmaxRegression.dg_dtheta(x, 3)
    assert factor.shape == (3, 5, 3)
    np.testing.assert_allclose(factor, jacobian(lambda theta: np.append(x, 1) @ theta, theta), **close)


@pytest.mark.parametrize("n_classes", [2, 3, 10])
def test_their_product_is_the_gradient(n_classes, rng):
    x, y, theta = sample(rng, 6, n_classes)
    model = SoftmaxRegression()
    p = softmax(np.append(x, 1) @ theta)
    chained = np.einsum("c,cd,djk->jk", model.dL_dp(p, y), model.dp_dg(p), model.dg_dtheta(x, n_classes))
    np.testing.assert_allclose(chained, model.gradient(theta, x[None], np.array([y])), rtol=1e-12, atol=1e-15)


def test_the_gradient_has_no_point_where_the_factors_are_infinite():
    p = np.array([1.0, 0.0])
    assert SoftmaxRegression.dL_dp(p, 1).tolist() == [0, -np.inf]
    theta = np.array([[1e4, -1e4], [0.0, 0.0]])
    gradient = SoftmaxRegression().gradient(theta, np.ones((1, 1)), np.array([1]))
    assert gradient.tolist() == [[1, -1], [1, -1]]


# Numbers


@pytest.mark.parametrize("logits", [
    (0, 0, 0), (1, 2, 3), (40, 0, -40), (1e4, 0, -1e4), (1e4, 1e4, 1e4), (-1e4, -1e4, -1e4 - 1), (745, 0, 1),
    (1e300, 0, 0),
], ids=str)  # fmt: skip
@pytest.mark.parametrize("y", [0, 1, 2])
def test_one_sample_at_the_extremes(logits, y):
    with mpmath.workdps(50):
        top = mpmath.mpf(max(logits))
        e = [mpmath.exp(max(mpmath.mpf(g) - top, -(10**6))) for g in logits]
        p = [float(value / sum(e)) for value in e]
        loss = float(mpmath.log(sum(e)) + top - mpmath.mpf(logits[y]))
        rest = float(sum(value for c, value in enumerate(e) if c != y) / sum(e))
    residual = [-rest if c == y else p[c] for c in range(3)]
    theta, X, codes = np.array([logits, [0.0] * 3], float), np.ones((1, 1)), np.array([y])
    model = SoftmaxRegression()
    assert model.loss(theta, X, codes) == pytest.approx(loss, rel=1e-15, abs=1e-15)
    assert model.loss_gradient(theta, X, codes)[0] == pytest.approx(loss, rel=2e-15, abs=1e-300)
    np.testing.assert_allclose(model.gradient(theta, X, codes), [residual, residual], rtol=1e-15, atol=1e-300)


def test_adding_to_all_scores_changes_nothing(rng):
    X, y, theta = rng.standard_normal((50, 4)), rng.integers(0, 3, 50), rng.standard_normal((5, 3))
    shifted = theta + np.array([0, 0, 0, 0, 1e6])[:, None]
    for reduction in ("mean", "sum"):
        model = SoftmaxRegression(reduction=reduction)
        assert model.loss(shifted, X, y) == pytest.approx(model.loss(theta, X, y), rel=1e-9)
        np.testing.assert_allclose(model.gradient(shifted, X, y), model.gradient(theta, X, y), atol=1e-8)


@pytest.mark.parametrize("n", [1, 1023, 1024, 1025, 2500])
def test_the_sum_and_the_mean_of_samples_in_any_number(n, rng):
    X, y, theta = rng.standard_normal((n, 4)), rng.integers(0, 3, n), rng.standard_normal((5, 3))
    g = X @ theta[:-1] + theta[-1]
    losses = -log_softmax(g, axis=1)[np.arange(n), y]
    residual = np.exp(log_softmax(g, axis=1)) - np.eye(3)[y]
    gradient = np.vstack((X.T @ residual, residual.sum(axis=0)))
    for reduction, total in (("sum", 1), ("mean", n)):
        model = SoftmaxRegression(reduction=reduction)
        loss, ours = model.loss_gradient(theta, X, y)
        assert loss == pytest.approx(losses.sum() / total, rel=1e-13) == model.loss(theta, X, y)
        np.testing.assert_allclose(ours, gradient / total, rtol=1e-11, atol=1e-13)


def test_two_classes_are_logistic_regression(rng):
    X = rng.standard_normal((80, 3))
    y = np.where(X[:, 0] + rng.standard_normal(80) > 0, "yes", "no")
    two = SoftmaxRegression(C=0.5, solver="newton", tol=1e-10).fit(X, y)
    one = LogisticRegression(C=1.0, solver="newton", tol=1e-10).fit(X, y)  # ||W||^2 is half of ||w||^2
    assert two.coef_.shape == (1, 3) and two.intercept_.shape == (1,) and two.parameters_.shape == (4, 2)
    np.testing.assert_allclose(two.coef_, one.coef_, atol=1e-9)
    np.testing.assert_allclose(two.predict_proba(X), one.predict_proba(X), atol=1e-9)
    np.testing.assert_allclose(two.decision_function(X), one.decision_function(X), atol=1e-8)


@pytest.mark.parametrize("solver", ["lbfgs", "newton", "gd"])
@pytest.mark.parametrize("C", [1.0, np.inf])
def test_parameters_of_classes_sum_to_zero(solver, C, rng):
    X, y = rng.standard_normal((90, 3)), rng.integers(0, 3, 90)
    X = np.column_stack((X, X[:, 0], np.full(90, 3.0)))
    model = SoftmaxRegression(C, solver=solver, tol=1e-4, learning_rate=0.05).fit(X, y)
    np.testing.assert_allclose(model.parameters_.sum(axis=1), 0, atol=1e-10)


def test_the_descent_of_the_exercise():
    """Over the summed loss of digits, as the exercise has it, against a descent written with one-hot rows."""
    X, y = load_digits(return_X_y=True)
    X, y = X[:300] / 16, y[:300]
    onehot, W, b, expected = np.eye(10)[y], np.zeros((64, 10)), np.zeros(10), []
    for _ in range(20):
        e = np.exp(X @ W + b)
        residual = e / e.sum(axis=1, keepdims=True) - onehot
        W, b = W - 0.001 * X.T @ residual, b - 0.001 * residual.sum(axis=0)
        expected.append(np.vstack((W, b)))
    model = SoftmaxRegression(reduction="sum", solver="gd", learning_rate=0.001)
    np.testing.assert_allclose(list(itertools.islice(model.steps(X, y), 20)), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("y", [[0, 3], [-1, 1], [0.0, 1.0], ["a", "b"], [[0], [1]], [True, False]], ids=str)
@pytest.mark.parametrize("method", ["loss", "gradient", "loss_gradient", "hessian", "hessian_product"])
def test_targets_that_are_no_numbers_of_classes(method, y):
    theta = np.zeros((3, 3))
    arguments = [theta, *([theta] if method == "hessian_product" else []), np.ones((2, 2)), np.array(y)]
    message = rf"^SoftmaxRegression.{method}: y has shape .* dtype .* values such as .* the integers 0 to 2, and `fit`"
    with pytest.raises(ValueError, match=message):
        getattr(SoftmaxRegression(), method)(*arguments)


def test_another_reduction_is_refused():
    with pytest.raises(ValueError, match="^SoftmaxRegression: reduction must be mean or sum, got 'none'$"):
        SoftmaxRegression(reduction="none").fit([[0.0], [1.0]], [0, 1])
