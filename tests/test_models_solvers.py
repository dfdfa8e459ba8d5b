"""The solvers that models share: the updates they make, where they end, and what they warn of."""

import itertools

import numpy as np
import pytest
from scipy.special import expit
from sklearn.exceptions import ConvergenceWarning

from models import solvers
from models.solvers import Step


def quadratic(H, minimum):
    """``1/2 (x - minimum)' H (x - minimum)`` and its gradient."""

    def loss_gradient(x):
        gradient = H @ (x - minimum)
        return float((x - minimum) @ gradient / 2), gradient

    return loss_gradient


def positive_definite(n, rng):
    A = rng.standard_normal((n, n))
    return A @ A.T + np.eye(n)


def bowl(x):
    """``sqrt(1 + x^2)``, from which Newton's whole steps flee where x is above 1: to ``-x^3``."""
    root = np.sqrt(1 + x @ x)
    return float(root), x / root


def bowl_hessian(x):
    return (1 + x @ x) ** -1.5 * np.eye(1)


# Step by step


def test_gradient_descent_shrinks_the_distance_by_a_known_factor(rng):
    minimum = rng.standard_normal(3)
    steps = solvers.gradient_descent(quadratic(2 * np.eye(3), minimum), np.zeros(3), 0.1)
    for k, step in enumerate(itertools.islice(steps, 20)):
        np.testing.assert_allclose(step.parameters - minimum, -(0.8 ** (k + 1)) * minimum, rtol=1e-12)
        np.testing.assert_allclose(step.gradient, -2 * 0.8**k * minimum, rtol=1e-12)
        assert step.loss == pytest.approx(0.8 ** (2 * k) * minimum @ minimum, rel=1e-12)


@pytest.mark.parametrize("n, batch_size", [(10, 3), (12, 4), (5, 1), (4, 4), (3, 100)])
def test_stochastic_descent_takes_the_batches_of_a_shuffled_epoch(n, batch_size):
    seen = []

    def loss_gradient(x, rows):
        seen.append(rows)
        return 0.0, np.ones(1)

    steps = solvers.stochastic_gradient_descent(
        loss_gradient, np.zeros(1), 1.0, n, batch_size, np.random.RandomState(3)
    )
    taken = list(itertools.islice(steps, 9))
    assert [step.parameters.item() for step in taken] == [-1.0 * k for k in range(1, 10)]
    rng, expected = np.random.RandomState(3), []
    size = min(n, batch_size)
    while len(expected) < 9:
        order = rng.permutation(n)
        batches = [order[i : i + size] for i in range(0, n, size)]
        expected += [batch for batch in batches if len(batch) == size]
    np.testing.assert_array_equal(seen, expected[:9])


@pytest.mark.parametrize("shape", [(3,), (2, 3)])
def test_every_step_is_an_array_of_its_own(shape, rng):
    start = rng.standard_normal(shape)
    whole = solvers.gradient_descent(lambda x: (0.0, x), start, 0.5)
    parts = solvers.stochastic_gradient_descent(lambda x, rows: (0.0, x), start, 0.5, 5, 2, np.random.RandomState(0))
    for steps in (whole, parts):
        arrays = [start, *(step.parameters for step in itertools.islice(steps, 3))]
        assert not any(np.shares_memory(a, b) for a, b in itertools.combinations(arrays, 2))
        for k, array in enumerate(arrays):
            np.testing.assert_array_equal(array, start / 2**k)


# Where descent ends


def test_descent_ends_where_the_gradient_is_within_tol(rng):
    minimum = rng.standard_normal(3)
    steps = solvers.gradient_descent(quadratic(np.eye(3), minimum), np.zeros(3), 0.5)
    solution = solvers.descend("M", steps, np.zeros(3), 100, tol=1e-6)
    size = np.abs(minimum).max()
    assert solution.n_iter == np.ceil(np.log2(size / 1e-6)) == len(solution.loss_curve)
    np.testing.assert_allclose(solution.parameters, minimum, atol=1e-6)
    assert solution.loss_curve[0] == pytest.approx(minimum @ minimum / 2)


def test_the_start_may_be_the_minimum():
    for solution in (
        solvers.descend("M", solvers.gradient_descent(bowl, np.zeros(1), 1.0), np.zeros(1), 10, tol=1e-9),
        solvers.lbfgs("M", bowl, np.zeros(1), 10, 1e-9),
        solvers.newton("M", bowl, bowl_hessian, np.zeros(1), 10, 1e-9),
    ):
        assert solution.n_iter == 0
        assert solution.parameters.tolist() == [0.0]


def test_without_tol_all_updates_are_made():
    solution = solvers.descend("M", solvers.gradient_descent(bowl, np.ones(1), 0.1), np.ones(1), 7)
    assert solution.n_iter == len(solution.loss_curve) == 7
    expected = np.ones(1)
    for _ in range(7):
        expected = expected - 0.1 * bowl(expected)[1]
    np.testing.assert_array_equal(solution.parameters, expected)


def test_descent_that_is_too_slow_warns():
    steps = solvers.gradient_descent(bowl, np.ones(1), 1e-3)
    message = (
        "^M: the gradient's largest element is 0.71 after max_iter=5 updates, above tol=1e-06; raise max_iter or "
        "learning_rate, or standardise X$"
    )
    with pytest.warns(ConvergenceWarning, match=message):
        assert solvers.descend("M", steps, np.ones(1), 5, tol=1e-6).n_iter == 5


@pytest.mark.parametrize("tol", [None, 1e-6])
def test_descent_that_overflows_keeps_the_last_finite_parameters(tol):
    with pytest.warns(
        ConvergenceWarning, match="^M: the loss became inf after .* lower learning_rate, or standardise X$"
    ):
        steps = solvers.gradient_descent(quadratic(np.eye(2), np.ones(2)), np.zeros(2), 1e20)
        solution = solvers.descend("M", steps, np.zeros(2), 1000, tol)
    loss, gradient = quadratic(np.eye(2), np.ones(2))(solution.parameters)
    assert np.isfinite(loss) and np.isfinite(gradient).all() and np.isfinite(solution.loss_curve).all()
    assert 1e100 < loss


@pytest.mark.parametrize(
    "poison", [Step(np.ones(2), np.nan, np.ones(2)), Step(np.ones(2), 1.0, np.array([1.0, np.inf]))], ids=str
)
def test_not_a_number_ends_descent_at_what_came_before(poison):
    steps = [Step(np.full(2, 5.0), 3.0, np.ones(2)), Step(np.full(2, np.nan), 2.0, np.ones(2)), poison]
    with pytest.warns(ConvergenceWarning, match="the loss became .* after 2 updates"):
        solution = solvers.descend("M", steps, np.zeros(2), 1000)
    np.testing.assert_array_equal(solution.parameters, [5, 5])
    assert solution.loss_curve == [3, 2]


def test_the_last_update_is_judged_too():
    steps = [Step(np.full(1, np.inf), 3.0, np.ones(1)), Step(np.full(1, np.nan), np.nan, np.ones(1))]
    with pytest.warns(ConvergenceWarning, match="after 1 updates"):
        assert solvers.descend("M", steps, np.zeros(1), 1).parameters.tolist() == [0.0]


def test_a_loss_that_rises_warns():
    steps = solvers.gradient_descent(quadratic(np.eye(1), np.ones(1)), np.zeros(1), 2.1)
    with pytest.warns(
        ConvergenceWarning, match="^M: the loss rose from 0.5 to 17.08 in 20 updates; lower learning_rate, o"
    ):
        solvers.descend("M", steps, np.zeros(1), 20)


# Quasi-Newton and Newton


@pytest.mark.parametrize("n", [1, 5, 30])
def test_the_minimum_of_a_quadratic(n, rng):
    H, minimum = positive_definite(n, rng), rng.standard_normal(n)
    found = solvers.newton("M", quadratic(H, minimum), lambda x: H, np.zeros(n), 3, 1e-10)
    assert found.n_iter == 1
    np.testing.assert_allclose(found.parameters, minimum, atol=1e-10)
    found = solvers.lbfgs("M", quadratic(H, minimum), np.zeros(n), 500, 1e-8)
    assert 1 <= found.n_iter
    np.testing.assert_allclose(found.parameters, minimum, atol=1e-7)


@pytest.mark.parametrize("start", [0.5, 2.0, -30.0, 1e4])
def test_newton_shortens_steps_that_lead_away(start):
    losses = []

    def noting(x):
        losses.append(bowl(x)[0])
        return bowl(x)

    solution = solvers.newton("M", noting, bowl_hessian, np.array([start]), 100, 1e-10)
    assert abs(solution.parameters.item()) <= 1e-10
    assert solution.n_iter < 60
    if abs(start) > 1:
        assert max(losses) > losses[0]  # so a whole step would have led away


def test_newton_ends_where_rounding_decides(rng):
    """The loss of 1e6 does not tell steps below 1e-5 apart; the gradient does."""
    H, minimum = positive_definite(4, rng), rng.standard_normal(4)

    def loss_gradient(x):
        loss, gradient = quadratic(H, minimum)(x)
        return loss + 1e6, gradient + 1e-13 * np.sin(1e20 * x)  # which does not vanish anywhere

    solution = solvers.newton("M", loss_gradient, lambda x: H, minimum + 1e-7, 100, 0.0)
    np.testing.assert_allclose(solution.parameters, minimum, atol=1e-12)
    assert solution.n_iter < 10


@pytest.mark.parametrize("scales", [(1, 1, 1), (1e-6, 1, 1e8)], ids=str)
@pytest.mark.parametrize("columns", ["repeated", "constant", "zero", "sum"])
def test_newton_where_the_hessian_is_singular(columns, scales, rng):
    X = rng.standard_normal((40, 3)) * scales
    extra = {
        "repeated": X[:, :1],
        "constant": np.full((40, 1), 1e6),
        "zero": np.zeros((40, 1)),
        "sum": X @ np.ones((3, 1)),
    }
    X = np.column_stack((X, extra[columns], np.ones(40)))
    X_given, t = X.copy(), rng.integers(0, 2, 40)

    def loss_gradient(w):
        z = X @ w
        return np.mean(np.logaddexp(0, z) - t * z), X.T @ (expit(z) - t) / 40

    def hessian(w):
        p = expit(X @ w)
        return X.T @ (X * (p * (1 - p))[:, None]) / 40

    solution = solvers.newton("M", loss_gradient, hessian, np.zeros(5), 20, 1e-9 * max(scales))
    assert solution.n_iter < 10
    # The same loss with columns of one scale, and by other means.
    X /= np.where(X.any(axis=0), np.abs(X).max(axis=0), 1)
    expected = solvers.lbfgs("M", loss_gradient, np.zeros(5), 1000, 1e-9)
    reached = np.mean(np.logaddexp(0, scores := X_given @ solution.parameters) - t * scores)
    assert reached == pytest.approx(loss_gradient(expected.parameters)[0], abs=1e-12)


@pytest.mark.parametrize("solver", ["lbfgs", "newton"])
def test_too_few_iterations_warn(solver, rng):
    H = np.diag(10.0 ** np.arange(5))

    def steep(x):
        loss, gradient = quadratic(H, np.ones(5))(x)
        return float(np.exp(loss / 1e4)), np.exp(loss / 1e4) * gradient / 1e4

    def hessian(x):
        loss, gradient = quadratic(H, np.ones(5))(x)
        return np.exp(loss / 1e4) * (H / 1e4 + np.outer(gradient, gradient) / 1e8)

    more = (hessian,) if solver == "newton" else ()
    message = (
        rf'^M: solver="{solver}" stopped after 1 iterations \(max_iter=1\) where the gradient.s largest element is .*, '
        "above tol=1e-12; standardise X, raise max_iter or penalise more$"
    )
    with pytest.warns(ConvergenceWarning, match=message):
        getattr(solvers, solver)("M", steep, *more, np.zeros(5), 1, 1e-12)


@pytest.mark.parametrize("solver", ["lbfgs", "newton"])
def test_a_direction_in_which_nothing_falls_warns(solver):
    """A gradient of the wrong sign, which no line search survives."""
    more = (bowl_hessian,) if solver == "newton" else ()
    with pytest.warns(ConvergenceWarning, match=f'^M: solver="{solver}" found no lower loss after . iterations'):
        found = getattr(solvers, solver)("M", lambda x: (bowl(x)[0], -bowl(x)[1]), *more, np.ones(1), 50, 1e-9)
    assert bowl(found.parameters)[0] <= bowl(np.ones(1))[0]


@pytest.mark.parametrize("solver", ["lbfgs", "newton"])
@pytest.mark.parametrize("loss", [np.inf, np.nan])
def test_no_finite_loss_to_begin_with_warns(solver, loss):
    more = (bowl_hessian,) if solver == "newton" else ()
    start = np.ones(1)
    with pytest.warns(
        ConvergenceWarning, match=rf"^M: the loss became {loss}, and the parameters are those of the start"
    ):
        found = getattr(solvers, solver)("M", lambda x: (loss, x * loss), *more, start, 50, 1e-9)
    assert found.parameters.tolist() == [1.0] and found.n_iter == 0
