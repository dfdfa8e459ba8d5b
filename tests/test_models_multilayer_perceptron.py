"""The multilayer perceptron: backpropagation and the R-operator against other libraries, solvers, bad input."""

import itertools

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks

from models import MultilayerPerceptron, SoftmaxRegression

HIDDEN = [(), (7,), (6, 5), (5, 4, 3)]
ACTIVATIONS = ["relu", "tanh"]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks([MultilayerPerceptron((10,), tol=1e-2)])
def test_the_contract_of_scikit_learn(estimator, check, monkeypatch):
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")  # without it one check skips itself
    check(estimator)


def toy(rng, hidden=(), n=40, n_features=4, n_classes=3):
    X = rng.standard_normal((n, n_features))
    y = rng.permutation(np.arange(n) % n_classes)
    sizes = (n_features, *hidden, n_classes)
    return X, y, [rng.standard_normal((a + 1, b)) for a, b in itertools.pairwise(sizes)]


# Derivatives


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("hidden", HIDDEN, ids=str)
def test_loss_and_gradient_are_those_of_pytorch(hidden, activation, weighted, rng):
    torch = pytest.importorskip("torch")
    X, y, parameters = toy(rng, hidden)
    weight = rng.uniform(0.1, 2, len(X)) if weighted else None
    model = MultilayerPerceptron(hidden, activation=activation, alpha=0.3)

    def loss_of(*arrays):
        h = torch.tensor(X)
        for k, W in enumerate(arrays):
            z = h @ W[:-1] + W[-1]
            h = {"relu": torch.relu, "tanh": torch.tanh}[activation](z) if k + 1 < len(arrays) else z
        losses = torch.nn.functional.cross_entropy(h, torch.tensor(y), reduction="none")
        a = torch.ones(len(X)) if weight is None else torch.tensor(weight)
        penalty = sum((W[:-1] ** 2).sum() for W in arrays)
        return ((a * losses).sum() + 0.3 / 2 * penalty) / a.sum()

    tensors = tuple(torch.tensor(W, requires_grad=True) for W in parameters)
    vector = [rng.standard_normal(W.shape) for W in parameters]
    loss, product = torch.autograd.functional.hvp(loss_of, tensors, tuple(map(torch.tensor, vector)))
    gradient = torch.autograd.grad(loss_of(*tensors), tensors)
    ours = model.loss_gradient(parameters, X, y, weight)
    assert ours[0] == pytest.approx(float(loss), rel=1e-13) == model.loss(parameters, X, y, weight)
    for one, other, alone in zip(ours[1], gradient, model.gradient(parameters, X, y, weight), strict=True):
        np.testing.assert_allclose(one, other.numpy(), rtol=1e-11, atol=1e-14)
        np.testing.assert_array_equal(one, alone)
    for one, other in zip(model.hessian_product(parameters, vector, X, y, weight), product, strict=True):
        np.testing.assert_allclose(one, other.numpy(), rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("hidden", HIDDEN[1:], ids=str)
def test_loss_and_gradient_are_those_of_scikit_learn(hidden, activation, weighted, rng):
    X, y, _ = toy(rng, hidden)
    weight = rng.uniform(0.1, 2, len(X)) if weighted else None
    # A step of rate 1 without momentum is the gradient with the sign changed.
    reference = MLPClassifier(
        hidden, activation=activation, alpha=0.3, solver="sgd", learning_rate_init=1.0, momentum=0.0,
        nesterovs_momentum=False, batch_size=len(X), shuffle=False, random_state=0,
    )  # fmt: skip
    reference.partial_fit(X, y, classes=np.arange(3), sample_weight=weight)
    before = [np.vstack((w, b)) for w, b in zip(reference.coefs_, reference.intercepts_, strict=True)]
    reference.partial_fit(X, y, sample_weight=weight)
    after = [np.vstack((w, b)) for w, b in zip(reference.coefs_, reference.intercepts_, strict=True)]
    model = MultilayerPerceptron(hidden, activation=activation, alpha=0.3)
    loss, gradient = model.loss_gradient(before, X, y, weight)
    assert loss == pytest.approx(reference.loss_, rel=1e-12)
    for g, a, b in zip(gradient, before, after, strict=True):
        np.testing.assert_allclose(g, a - b, rtol=1e-9, atol=1e-13)


def test_without_hidden_layers_it_is_softmax_regression(rng):
    X, y, (W,) = toy(rng)
    model, softmax = MultilayerPerceptron((), alpha=0.5), SoftmaxRegression(C=2.0)
    V = rng.standard_normal(W.shape)
    assert model.loss([W], X, y) == pytest.approx(softmax.loss(W, X, y), rel=1e-14)
    np.testing.assert_allclose(model.gradient([W], X, y)[0], softmax.gradient(W, X, y), atol=1e-15)
    np.testing.assert_allclose(
        model.hessian_product([W], [V], X, y)[0], softmax.hessian_product(W, V, X, y), atol=1e-14
    )
    fitted = MultilayerPerceptron((), alpha=0.5, tol=1e-8).fit(X, y)
    np.testing.assert_allclose(
        fitted.predict_proba(X), SoftmaxRegression(2.0, tol=1e-8).fit(X, y).predict_proba(X), atol=1e-6
    )


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_hessian_product_is_symmetric_and_linear(activation, rng):
    X, y, parameters = toy(rng, (5, 4))
    model = MultilayerPerceptron((5, 4), activation=activation, alpha=0.3)
    U, V = ([rng.standard_normal(W.shape) for W in parameters] for _ in range(2))

    def product(vector):
        return model._ravel(model.hessian_product(parameters, vector, X, y))

    u, v = model._ravel(U), model._ravel(V)
    assert u @ product(V) == pytest.approx(v @ product(U), rel=1e-10)
    both = [2 * a - 3 * b for a, b in zip(U, V, strict=True)]
    np.testing.assert_allclose(product(both), 2 * product(U) - 3 * product(V), atol=1e-12)


def test_logits_of_any_size(rng):
    X, y, parameters = toy(rng, (5,))
    model = MultilayerPerceptron((5,), alpha=0.0)
    parameters[1] *= 1e5
    loss, gradient = model.loss_gradient(parameters, X, y)
    assert np.isfinite(loss) and all(np.isfinite(g).all() for g in gradient)
    shifted = [parameters[0], parameters[1].copy()]
    shifted[1][-1] += 1e6
    assert model.loss(shifted, X, y) == pytest.approx(loss, rel=1e-9)


def test_the_derivative_of_relu_at_0_is_0():
    X, y = np.array([[1.0]]), np.array([1])
    parameters = [np.array([[1.0], [-1.0]]), np.array([[1.0, 2.0], [0.0, 0.0]])]
    assert not MultilayerPerceptron((1,), alpha=0.0).gradient(parameters, X, y)[0].any()


# Training


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_it_learns_what_no_hyperplane_tells_apart(activation):
    X = np.array(list(itertools.product([0.0, 1.0], repeat=3)))
    y = np.where(X.sum(axis=1) % 2, "odd", "even")
    model = MultilayerPerceptron((12,), activation=activation, random_state=1).fit(X, y)
    assert model.score(X, y) == 1 and model.predict_proba(X).max(axis=1).min() > 0.9
    np.testing.assert_array_equal(model.predict(X), model.classes_[(model.decision_function(X) > 0).astype(int)])


def test_digits():
    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X / 16, y, test_size=0.25, random_state=0)
    model = MultilayerPerceptron((32,), alpha=1.0, max_iter=200, tol=1e-3, random_state=0).fit(X, y)
    assert model.score(X_test, y_test) > 0.96
    assert model.decision_function(X_test).shape == (len(y_test), 10)
    np.testing.assert_allclose(model.predict_proba(X_test).sum(axis=1), 1)
    assert [W.shape for W in model.coefs_] == [(64, 32), (32, 10)] and [b.shape for b in model.intercepts_] == [
        (32,),
        (10,),
    ]


@pytest.mark.parametrize("solver", ["gd", "sgd"])
def test_fit_makes_the_steps_of_the_loop(solver, rng):
    X, y, parameters = toy(rng, (6,), n=50)
    model = MultilayerPerceptron(
        (6,), solver=solver, batch_size=20, max_iter=7, tol=0, learning_rate=0.3, alpha=0.1, random_state=3
    )
    expected, losses = [W.copy() for W in parameters], []
    if solver == "gd":
        batches = [np.arange(50)] * 7
    else:  # two batches an epoch: the last ten rows are skipped
        shuffle = np.random.RandomState(3)
        batches = [rows for _ in range(4) for rows in shuffle.permutation(50)[:40].reshape(2, 20)]
    for rows, found in zip(batches, itertools.islice(model.steps(X, y, parameters=parameters), 7), strict=False):
        part = MultilayerPerceptron((6,), alpha=0.1 * len(rows) / 50)  # the penalty is that of all data
        loss, gradient = part.loss_gradient(expected, X[rows], y[rows])
        losses.append(loss)
        expected = [W - 0.3 * g for W, g in zip(expected, gradient, strict=True)]
        for W, V in zip(found, expected, strict=True):
            np.testing.assert_allclose(W, V, rtol=1e-10, atol=1e-13)
    if solver == "gd":
        with pytest.warns(ConvergenceWarning, match="^MultilayerPerceptron: the gradient's largest element is"):
            model.fit(X, y)
    else:
        model.fit(X, y)
    assert model.n_iter_ == len(model.loss_curve_) == 7
    last = list(itertools.islice(model.steps(X, y), 7))[-1]
    for W, V in zip(model.parameters_, last, strict=True):
        np.testing.assert_array_equal(W, V)


def test_the_start_is_drawn_from_the_seed(rng):
    X, y, _ = toy(rng, n=30)
    first, second, other = (MultilayerPerceptron((200,), random_state=s).initial_parameters(X, y) for s in (0, 0, 1))
    for W, V, U in zip(first, second, other, strict=True):
        np.testing.assert_array_equal(W, V)
        assert (W[:-1] != U[:-1]).all() and not W[-1].any()
    assert 0.95 < np.abs(first[0]).max() / np.sqrt(6 / 204) <= 1


def test_weights_count_samples(rng):
    X, y, parameters = toy(rng, (5,))
    weight = rng.integers(0, 4, len(X))
    model = MultilayerPerceptron((5,), alpha=0.3)
    repeated = np.repeat(X, weight, axis=0), np.repeat(y, weight)
    weighted, counted = (model.loss_gradient(parameters, *data) for data in ((X, y, weight), repeated))
    assert weighted[0] == pytest.approx(counted[0], rel=1e-13)
    for g, h in zip(weighted[1], counted[1], strict=True):
        np.testing.assert_allclose(g, h, atol=1e-14)


@pytest.mark.parametrize("solver", ["gd", "sgd"])
def test_a_rate_that_diverges_warns_and_leaves_finite_parameters(solver, rng):
    X, y, _ = toy(rng)
    model = MultilayerPerceptron((5,), alpha=100.0, solver=solver, learning_rate=10.0, random_state=0)
    with pytest.warns(ConvergenceWarning, match="^MultilayerPerceptron: the loss became .*; lower learning_rate"):
        model.fit(X, y)
    assert all(np.isfinite(W).all() for W in model.parameters_) and np.isfinite(model.predict_proba(X)).all()


def test_too_few_iterations_warn(rng):
    X, y, _ = toy(rng)
    with pytest.warns(ConvergenceWarning, match='^MultilayerPerceptron: solver="lbfgs" stopped after 2 iterations'):
        MultilayerPerceptron((5,), max_iter=2, random_state=0).fit(X, y)


# Bad input


@pytest.mark.parametrize(("arguments", "message"), [
    ({"hidden_layer_sizes": 5}, r"hidden_layer_sizes must be a sequence of integers of at least 1, as \(100, 50\), or"),
    ({"hidden_layer_sizes": (5, 0)}, r"hidden_layer_sizes must be .* got \(5, 0\)"),
    ({"hidden_layer_sizes": (5.0,)}, r"hidden_layer_sizes must be .* got \(5.0,\)"),
    ({"activation": "logistic"}, "activation must be one of relu, tanh, got 'logistic'"),
    ({"solver": "newton"}, "solver must be one of lbfgs, gd, sgd, got 'newton'"),
    ({"alpha": -0.1}, "alpha must be a number of at least 0, got -0.1"),
    ({"batch_size": 0}, "batch_size must be an integer of at least 1, got 0"),
])  # fmt: skip
def test_arguments_that_make_no_sense(arguments, message):
    with pytest.raises(ValueError, match=f"^MultilayerPerceptron: {message}"):
        MultilayerPerceptron(**arguments).fit([[0.0], [1.0]], [0, 1])


@pytest.mark.parametrize("y", [[0, 1, 3], [-1, 0, 1], [0.0, 1.0, 2.0], ["a", "b", "c"], [[0], [1], [2]]], ids=str)
def test_targets_that_are_no_numbers_of_classes(y):
    parameters, X = [np.zeros((3, 3))], np.zeros((3, 2))
    with pytest.raises(
        ValueError,
        match=r"^MultilayerPerceptron.gradient: y has shape .* and the integers 0 to 2, and `fit` takes labels",
    ):
        MultilayerPerceptron(()).gradient(parameters, X, np.array(y))


def test_parameters_of_other_shapes(rng):
    X, y, parameters = toy(rng, (5,))
    model = MultilayerPerceptron((5,))
    message = (
        r"^MultilayerPerceptron.{}: parameters have the shapes .*, and must be a list of arrays of \(5, 5\), \(6, n_cl"
    )
    for wrong in (
        parameters[:1],
        [parameters[0], parameters[1][:-1]],
        [parameters[0].T[:, :3], parameters[1]],
        parameters * 2,
    ):
        with pytest.raises(ValueError, match=message.format("loss")):
            model.loss(wrong, X, y)
        with pytest.raises(ValueError, match=message.format("steps")):
            model.set_params(solver="gd").steps(X, y, parameters=wrong)
    with pytest.raises(
        ValueError, match="^MultilayerPerceptron.hessian_product: vector has arrays of the shapes .*, and must"
    ):
        model.hessian_product(parameters, parameters[:1], X, y)
    with pytest.raises(ValueError, match="activation must be one of relu, tanh"):
        MultilayerPerceptron((5,), activation="sin").loss(parameters, X, y)


def test_one_class_and_nan(rng):
    X, y, _ = toy(rng)
    with pytest.raises(
        ValueError, match="^MultilayerPerceptron: all samples are of one class, 'ham'; there must be two"
    ):
        MultilayerPerceptron().fit(X, ["ham"] * len(X))
    with pytest.raises(ValueError, match="Input X contains NaN"):
        MultilayerPerceptron().fit(np.where(X > 1, np.nan, X), y)


@pytest.mark.parametrize("labels", [["a", "b", "c"], [-1, 7, 8], [2.0, 3.0, 5.0], [False, True]], ids=str)
def test_labels_of_any_type(labels, rng):
    X, y, _ = toy(rng, n_classes=len(labels))
    model = MultilayerPerceptron((8,), solver="sgd", max_iter=50, random_state=0).fit(X, np.asarray(labels)[y])
    np.testing.assert_array_equal(model.classes_, labels)
    np.testing.assert_array_equal(model.predict(X), np.asarray(labels)[model.predict_proba(X).argmax(axis=1)])
