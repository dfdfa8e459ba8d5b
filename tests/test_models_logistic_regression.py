"""Logistic regression: exact numbers at the extremes, derivatives, and the course's own loop."""

import itertools

import mpmath
import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from models import LogisticRegression

#: Logits, from where nothing is special to far beyond where exp overflows.
LOGITS = [0.0, 1e-8, 0.3, 1.0, 20.0, 36.0, 37.0, 40.0, 709.0, 710.0, 746.0, 1e4, 1e300]


def exact(z, t):
    """The loss of one sample, ``p - t`` and ``p (1 - p)``, with 400 digits."""
    with mpmath.workdps(400):
        p = 1 / (1 + mpmath.exp(-mpmath.mpf(z))) if z > -1e6 else mpmath.mpf(0)
        rest = 1 / (1 + mpmath.exp(mpmath.mpf(z))) if z < 1e6 else mpmath.mpf(0)
        wrong = rest if t else p  # the probability of the other class
        right = p if t else rest
        loss = -mpmath.log(right) if right else abs(mpmath.mpf(z))
        return float(loss), float(-wrong if t else wrong), float(p * rest)


def close(actual, desired):
    """To the last digits, but where the number is so small that it has fewer."""
    np.testing.assert_allclose(actual, desired, rtol=2e-15, atol=1e-300)


@pytest.mark.parametrize("t", [0, 1])
@pytest.mark.parametrize("z", [*LOGITS, *(-z for z in LOGITS)])
def test_one_sample_is_right_to_the_last_digits(z, t):
    model, theta, X, y = LogisticRegression(), np.array([z, 0.0]), np.ones((1, 1)), np.array([t])
    loss, residual, curvature = exact(z, t)
    close(model.loss(theta, X, y), loss)
    close(model.loss_gradient(theta, X, y)[0], loss)
    close(model.gradient(theta, X, y), [residual, residual])
    close(model.hessian(theta, X, y), np.full((2, 2), curvature))
    close(model.hessian_product(theta, np.array([1.0, 0.0]), X, y), [curvature, curvature])


def test_extremes_beside_ordinary_samples():
    """Logits of +-1e4 on the right and on the wrong side."""
    X = np.array([[1e4], [1e4], [-1e4], [-1e4], [0.5]])
    y, theta = np.array([0, 1, 0, 1, 1]), np.array([1.0, 0.0])
    model = LogisticRegression()
    losses, residuals, _ = np.transpose([exact(z, t) for z, t in zip(X[:, 0], y, strict=True)])
    assert model.loss(theta, X, y) == pytest.approx(losses.mean(), rel=1e-15)
    loss, gradient = model.loss_gradient(theta, X, y)
    assert loss == pytest.approx(losses.mean(), rel=1e-15)
    close(gradient, [residuals @ X[:, 0] / 5, residuals.mean()])


def test_probabilities_are_right_where_the_other_rounds_to_one(rng):
    model = LogisticRegression(solver="gd", max_iter=1, tol=np.inf).fit([[0.0], [1.0]], [0, 1])
    model.coef_, model.intercept_ = np.ones((1, 1)), np.zeros(1)
    for z in (z for z in (*LOGITS, *(-z for z in LOGITS)) if abs(z) < 1e6):
        with mpmath.workdps(50):
            expected = [float(1 / (1 + mpmath.exp(mpmath.mpf(s)))) for s in (z, -z)]
        close(model.predict_proba([[z]])[0], expected)


def test_the_loop_of_the_course(rng):
    """Minibatch descent as a course on music describes it, written with its global random numbers and separate bias."""
    X, t = rng.standard_normal((250, 4)), rng.integers(0, 2, 250)
    state = np.random.get_state()
    np.random.seed(7)
    w, b, count, expected = np.zeros(4), 0.0, 0, []
    while count < 11:
        order = np.random.permutation(len(X))
        shuffled, labels = X[order], t[order]
        for i in range(0, len(X), 60):
            x, y = shuffled[i : i + 60], labels[i : i + 60]
            if len(x) != 60:
                continue
            p = 1 / (1 + np.exp(-(x @ w + b)))
            w = w - 0.5 * x.T @ (p - y) / len(y)
            b = b - 0.5 * np.mean(p - y)
            expected.append(np.append(w, b))
            count += 1
            if count >= 11:
                break
    np.random.set_state(state)
    model = LogisticRegression(solver="sgd", learning_rate=0.5, batch_size=60, max_iter=11, random_state=7)
    taken = list(itertools.islice(model.steps(X, t), 11))
    np.testing.assert_allclose(taken, expected, rtol=1e-12)
    model.fit(X, t)
    np.testing.assert_array_equal(model.parameters_, taken[-1])
    assert model.n_iter_ == len(model.loss_curve_) == 11


def test_a_rate_that_is_much_too_high_warns(rng):
    """The course's learning rate of 5, of which the loss climbs above that of ignorance."""
    X = rng.standard_normal((500, 90))
    t = (X[:, 0] + 3 * rng.standard_normal(500) > 0).astype(int)
    model = LogisticRegression(solver="sgd", learning_rate=5, random_state=0, max_iter=100)
    with pytest.warns(
        ConvergenceWarning, match=r"^LogisticRegression: the loss rose from 0\.6931 to .* lower learning_rat"
    ):
        model.fit(X, t)
    assert np.isfinite(model.parameters_).all()


@pytest.mark.parametrize("y", [[0, 2], [0.5, 1.0], [-1, 1], ["a", "b"], [[0], [1]], [np.nan, 1.0]], ids=str)
@pytest.mark.parametrize("method", ["loss", "gradient", "loss_gradient", "hessian", "hessian_product"])
def test_targets_that_are_not_0_and_1(method, y):
    arguments = [np.zeros(3), *([np.ones(3)] if method == "hessian_product" else []), np.ones((2, 2)), np.array(y)]
    message = rf"^LogisticRegression.{method}: y has shape .* values such as .* and values 0 and 1, and `fit` takes"
    with pytest.raises(ValueError, match=message):
        getattr(LogisticRegression(), method)(*arguments)


def test_three_classes_are_refused():
    message = "^Only binary classification is supported. .* multiclass: 3 classes; SoftmaxRegression takes any number$"
    with pytest.raises(ValueError, match=message):
        LogisticRegression().fit([[0.0], [1.0], [2.0]], ["a", "b", "c"])
