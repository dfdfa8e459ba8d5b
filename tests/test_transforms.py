"""grad, vjp, jvp, jacobian, hessian, hvp: against derivatives on paper, NumPy and each other."""

from __future__ import annotations

import math
from collections import OrderedDict, defaultdict, namedtuple

import numpy as np
import pytest

import tinygrad_ml as tg
from tinygrad_ml import functional

RNG = np.random.default_rng(0)
X, Y, W = RNG.normal(size=(40, 5)), (RNG.random(40) > 0.5) * 1.0, RNG.normal(size=5)


def logistic_loss(w):
    z = np.matmul(X, w)
    return np.mean(np.log1p(np.exp(-np.abs(z))) + np.maximum(z, 0) - Y * z)


def logistic_gradient(w):
    return X.T @ (1 / (1 + np.exp(-X @ w)) - Y) / len(Y)


def logistic_hessian(w):
    p = 1 / (1 + np.exp(-X @ w))
    return X.T @ (X * (p * (1 - p))[:, None]) / len(Y)


TANH_DERIVATIVES = [
    math.tanh,
    lambda x: 1 - math.tanh(x) ** 2,
    lambda x: -2 * math.tanh(x) * (1 - math.tanh(x) ** 2),
    lambda x: (6 * math.tanh(x) ** 2 - 2) * (1 - math.tanh(x) ** 2),
    lambda x: (16 - 24 * math.tanh(x) ** 2) * math.tanh(x) * (1 - math.tanh(x) ** 2),
]


@pytest.mark.parametrize("order", range(5))
@pytest.mark.parametrize("x", [-2.0, -0.3, 0.0, 0.7, 3.0])
def test_derivatives_of_tanh_of_any_order(order, x):
    f = np.tanh
    for _ in range(order):
        f = tg.grad(f)
    assert f(x) == pytest.approx(TANH_DERIVATIVES[order](x), abs=1e-9)


def test_gradient_and_value():
    value, gradient = tg.value_and_grad(logistic_loss)(W)
    assert value == pytest.approx(logistic_loss(W))
    assert type(gradient) is np.ndarray
    np.testing.assert_allclose(gradient, logistic_gradient(W), rtol=1e-12)


def test_several_arguments_and_keywords():
    def f(x, y, *, scale):
        return np.sum(x * y) * scale

    x, y = np.array([1.0, 2.0]), np.array([3.0, 5.0])
    gx, gy = tg.grad(f, argnums=(0, 1))(x, y, scale=2.0)
    np.testing.assert_array_equal(gx, 2 * y)
    np.testing.assert_array_equal(gy, 2 * x)
    np.testing.assert_array_equal(tg.grad(f, argnums=-1)(x, y, scale=2.0), 2 * x)
    np.testing.assert_array_equal(tg.grad(f, argnums=1)(x, y, scale=1.0), x)


Layer = namedtuple("Layer", "weight bias")


def test_argnums_may_be_a_numpy_integer():
    """Only Python's own integers were taken for a single argument."""
    assert tg.grad(np.multiply, np.int64(1))(2.0, 3.0) == 2.0
    assert tg.jacobian(np.multiply, np.int64(0))(2.0, 3.0) == 3.0


def test_trees_of_arrays():
    parameters = {
        "layers": [Layer(RNG.normal(size=(5, 3)), np.zeros(3)), Layer(RNG.normal(size=(3, 1)), np.ones(1))],
        "scale": (2.0,),
        "unused": np.ones(2),
        "none": None,
    }

    def f(p):
        h = X
        for layer in p["layers"]:
            h = np.tanh(h @ layer.weight + layer.bias)
        return np.mean(h) * p["scale"][0]

    gradient = tg.grad(f)(parameters)
    assert list(gradient) == list(parameters)
    assert isinstance(gradient["layers"][0], Layer)
    assert isinstance(gradient["scale"], tuple)
    assert gradient["none"] is None
    np.testing.assert_array_equal(gradient["unused"], np.zeros(2))
    for layer, g in zip(parameters["layers"], gradient["layers"], strict=True):
        for array, ga in zip(layer, g, strict=True):
            assert type(ga) is np.ndarray
            array.flat[0] += 1e-6
            up = f(parameters)
            array.flat[0] -= 2e-6
            down = f(parameters)
            array.flat[0] += 1e-6
            assert ga.flat[0] == pytest.approx((up - down) / 2e-6, rel=1e-6)


def test_trees_keep_their_types():
    """Every dict came back as a plain one, and hvp gave a namedtuple all its fields in one."""
    ordered = OrderedDict(b=np.array([2.0]), a=np.array([3.0]))
    grouped = defaultdict(list, {"w": [np.array([1.0]), 2.0]})
    for tree in (ordered, grouped):
        gradient = tg.grad(lambda p: np.sum(p["b"] * p["a"]) if "a" in p else np.sum(p["w"][0]))(tree)
        assert type(gradient) is type(tree)
        assert list(gradient) == list(tree)
    Pair = namedtuple("Pair", "w b")
    product = tg.hvp(lambda w, b: w**2 * b, Pair(2.0, 3.0), Pair(1.0, 0.0))
    assert type(product) is Pair
    assert product == (6.0, 4.0)


def test_arguments_are_not_changed_and_gradients_are_not_shared():
    x = np.array([1.0, 2.0])
    x.flags.writeable = False
    gx, gy = tg.grad(lambda x, y: np.sum(x + y), argnums=(0, 1))(x, x)
    gx[0] = 7
    assert gy[0] == 1


def test_vjp_is_the_transposed_jacobian():
    A, v = RNG.normal(size=(3, 4)), RNG.normal(size=3)
    out, pullback = tg.vjp(lambda x: np.sin(A @ x), np.arange(4.0))
    np.testing.assert_allclose(out, np.sin(A @ np.arange(4.0)))
    (gradient,) = pullback(v)
    np.testing.assert_allclose(gradient, A.T @ (v * np.cos(A @ np.arange(4.0))))
    np.testing.assert_allclose(pullback(2 * v)[0], 2 * gradient)


def test_vjp_of_a_tree_of_results():
    out, pullback = tg.vjp(lambda p, y: {"sum": p["x"] + y, "product": p["x"] * y}, {"x": np.array([1.0, 2.0])}, 3.0)
    np.testing.assert_array_equal(out["product"], [3, 6])
    gradient, gy = pullback({"sum": np.array([1.0, 0.0]), "product": np.array([0.0, 1.0])})
    np.testing.assert_array_equal(gradient["x"], [1, 3])
    assert gy == 1 + 2


@pytest.mark.parametrize(
    "f",
    [np.sin, lambda x: np.linalg.norm(x) * x, lambda x: np.stack([x[0] * x[1], x[1] ** 3]), lambda x: x @ x,
     lambda x: np.cumsum(x)[::-1], lambda x: np.ones(2)],
)  # fmt: skip
def test_jvp_is_the_jacobian_times_the_tangent(f):
    x, u = np.array([0.5, 2.0, -1.0]), np.array([1.0, -2.0, 0.5])
    out, change = tg.jvp(f, (x,), (u,))
    np.testing.assert_allclose(out, f(x))
    np.testing.assert_allclose(change, (f(x + 1e-6 * u) - f(x - 1e-6 * u)) / 2e-6, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(change, tg.jacobian(f)(x) @ u, rtol=1e-12)


def test_jvp_of_several_arguments():
    out, change = tg.jvp(lambda x, y: x * y, (np.array([1.0, 2.0]), 3.0), (np.array([1.0, 0.0]), 10.0))
    np.testing.assert_array_equal(change, [3 + 10, 20])


def test_jvp_of_a_gradient_is_the_hessian_times_the_tangent():
    _, change = tg.jvp(tg.grad(logistic_loss), (W,), (np.arange(5.0),))
    np.testing.assert_allclose(change, logistic_hessian(W) @ np.arange(5.0), rtol=1e-10)


def test_complex_jvp_and_vjp():
    z, u = np.array([1 + 2j, 0.5 - 1j]), np.array([0.3 - 1j, 2.0 + 0j])
    _, change = tg.jvp(np.exp, (z,), (u,))
    np.testing.assert_allclose(change, np.exp(z) * u)
    _, pullback = tg.vjp(np.exp, z)
    np.testing.assert_allclose(pullback(u)[0], np.conj(np.exp(z)) * u)
    np.testing.assert_allclose(tg.grad(lambda z: np.sum(np.abs(z) ** 2))(z), 2 * z)  # uphill, as in PyTorch


JACOBIANS = {
    "elementwise": lambda x: np.exp(x) * x - 1 / x + np.where(x > 0, x**3, np.sin(x)),
    "matmul": lambda x: np.tanh(X[:, :4] @ x) @ X,
    "matrices": lambda x: np.matmul(np.reshape(x, (2, 2)), np.reshape(x, (2, 2)).T),
    "reductions": lambda x: np.sum(x[:, None] * x, axis=0) + np.mean(x) + np.sum(x[:, None] * x, axis=1, keepdims=True),
    "indexing": lambda x: x[[0, 0, 2]] * x[1:4] + x[..., None][0] + x[None, ::-1][0, :3],
    "running": lambda x: np.cumsum(x) + np.flip(x) + np.cumsum(x[None], axis=1)[0],
    "solve": lambda x: np.linalg.solve(np.reshape(x, (2, 2)), np.array([1.0, 2.0])),
    "inverse": lambda x: np.linalg.inv(np.reshape(x, (2, 2))) @ np.moveaxis(np.reshape(x, (2, 1, 2)), 1, 0)[0],
    "split": lambda x: np.split(x, 2)[0] * np.split(x, [1])[0],
    "one by one": lambda x: np.cumprod(x) + np.sort(x),
    "a number": lambda x: np.sum(x**2),
    "constant": lambda x: np.ones((2, 3)),
    "softmax": lambda x: tg.softmax(x),
    "cross-entropy": lambda x: functional.cross_entropy(np.reshape(x, (2, 2)), np.array([0, 1]), reduction="none"),
    "concatenate": lambda x: np.concatenate([x, x**2])[:, None] * np.ones(2),
}


@pytest.mark.parametrize("name", JACOBIANS)
def test_jacobian(name):
    f, x = JACOBIANS[name], np.array([0.5, 2.0, -1.0, 1.5])
    jacobian = tg.jacobian(f)(x)
    assert type(jacobian) is np.ndarray
    assert jacobian.shape == np.shape(f(x)) + x.shape
    for i, unit in enumerate(np.eye(4) * 1e-6):
        np.testing.assert_allclose(jacobian[..., i], (f(x + unit) - f(x - unit)) / 2e-6, rtol=1e-6, atol=1e-8)


def test_jacobian_of_trees():
    blocks = tg.jacobian(lambda p: (p["a"] * p["b"], np.sum(p["a"])))({"a": np.array([1.0, 2.0]), "b": 3.0})
    np.testing.assert_array_equal(blocks[0]["a"], np.diag([3.0, 3.0]))
    np.testing.assert_array_equal(blocks[0]["b"], [1.0, 2.0])
    np.testing.assert_array_equal(blocks[1]["a"], [1.0, 1.0])
    np.testing.assert_array_equal(blocks[1]["b"], 0.0)


@pytest.mark.parametrize("name", [name for name in JACOBIANS if name != "one by one"])
def test_jacobian_takes_all_rows_together(name):
    calls = []
    same = tg.primitive(lambda x: x + 0, lambda g, ans, x: calls.append(type(g)) or g)
    f, x = JACOBIANS[name], np.array([0.5, 2.0, -1.0, 1.5])
    tg.jacobian(lambda x: f(same(x)))(x)
    assert len(calls) == (name != "constant")


@pytest.mark.parametrize(
    "rule",
    [
        lambda g, ans, x: 2 * float(g),
        lambda g, ans, x: 2 * g.item(),
        lambda g, ans, x: 2 * g if g else np.zeros(()),
        lambda g, ans, x: np.array(2 * g.tolist()),
        lambda g, ans, x: np.zeros(x.shape),
    ],
)
def test_jacobian_with_rules_that_look_into_the_gradient_or_ignore_it(rule):
    """All rows together are no number and no truth value, and a rule may answer an array where rows are expected."""
    double = tg.primitive(lambda x: 2 * x, rule)
    expected = tg.grad(double)(3.0) * np.array([1.0, 2.0])
    jacobian = tg.jacobian(lambda x: double(x) * np.array([1.0, 2.0]))(3.0)
    np.testing.assert_array_equal(jacobian, expected)


def test_logsumexp_of_nothing_is_flat():
    """exp(x - logsumexp) was exp(-inf + inf): NaN, and a warning."""
    assert tg.grad(tg.logsumexp)(np.array([-np.inf, -np.inf])).tolist() == [0, 0]


def test_hessian():
    hessian = tg.hessian(logistic_loss)(W)
    assert type(hessian) is np.ndarray
    np.testing.assert_allclose(hessian, logistic_hessian(W), rtol=1e-10)
    blocks = tg.hessian(lambda p: np.sum(p["a"] ** 2) * p["b"])({"a": np.array([1.0, 2.0]), "b": 3.0})
    np.testing.assert_array_equal(blocks["a"]["a"], np.diag([6.0, 6.0]))
    np.testing.assert_array_equal(blocks["a"]["b"], [2.0, 4.0])
    np.testing.assert_array_equal(blocks["b"]["b"], 0.0)


def test_hessian_of_two_arguments():
    blocks = tg.hessian(lambda x, y: np.sum(x * x * y), argnums=(0, 1))(np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    np.testing.assert_array_equal(blocks[0][0], np.diag([6.0, 8.0]))
    np.testing.assert_array_equal(blocks[0][1], np.diag([2.0, 4.0]))
    np.testing.assert_array_equal(blocks[1][1], np.zeros((2, 2)))


def test_hvp():
    v = np.arange(5.0)
    np.testing.assert_allclose(tg.hvp(logistic_loss, W, v), logistic_hessian(W) @ v, rtol=1e-10)
    (product,) = tg.hvp(logistic_loss, (W,), (v,))
    np.testing.assert_allclose(product, logistic_hessian(W) @ v, rtol=1e-10)
    tree = tg.hvp(lambda p: np.sum(p["a"] ** 3) + p["b"] ** 2, {"a": W, "b": 1.0}, {"a": v, "b": 2.0})
    np.testing.assert_allclose(tree["a"], 6 * W * v)
    assert tree["b"] == 4.0


def test_third_derivative_tensor():
    third = tg.jacobian(tg.jacobian(tg.grad(lambda x: np.prod(x))))(np.array([2.0, 3.0, 5.0]))
    expected = np.zeros((3, 3, 3))
    for i, j, k in ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)):
        expected[i, j, k] = 1
    np.testing.assert_allclose(third, expected)


def test_nested_with_closures_does_not_confuse_perturbations():
    outer = tg.grad(lambda x: x * tg.grad(lambda y: x * y)(2.0))(3.0)  # d/dx x * x
    assert type(outer) is not tg.Tensor
    assert outer == 6.0
    assert tg.grad(lambda x: x * tg.grad(lambda y: x + y)(2.0))(3.0) == 1.0
    assert tg.grad(lambda y: tg.grad(lambda x: x * x * y)(3.0))(2.0) == 6.0
    assert tg.grad(lambda x: tg.grad(lambda y: y * y)(x) * x)(3.0) == 12.0


def test_a_derivative_inside_a_loss_reaches_the_parameters():
    """As in physics-informed networks: the loss contains the network's derivative."""
    w = tg.Tensor([1.5], requires_grad=True)
    slope = tg.grad(lambda x: np.sum(np.sin(w * x)))(0.5)
    (slope**2).backward()
    c, s = math.cos(0.75), math.sin(0.75)
    assert w.grad[0] == pytest.approx(2 * 1.5 * c * (c - 0.75 * s))


def test_parameters_in_a_closure_get_no_gradient():
    w = tg.Tensor([1.5], requires_grad=True)
    tg.grad(lambda x: np.sum(w * x))(2.0)
    assert w.grad is None


def test_works_under_no_grad():
    with tg.no_grad():
        assert tg.grad(np.sin)(0.0) == 1.0
        assert tg.hessian(lambda x: np.sum(x**2))(np.ones(2)).tolist() == [[2, 0], [0, 2]]

    @tg.no_grad()
    def constant(x):
        return x * 3

    assert tg.grad(lambda x: constant(x) * x)(2.0) == 6.0


def test_jvp_works_under_no_grad():
    """The pullback was pulled back under the caller's no_grad, so that nothing was recorded and the tangent was 0."""
    with tg.no_grad():
        _, tangent = tg.jvp(np.exp, (np.array([0.0, 1.0]),), (np.array([2.0, 1.0]),))
    np.testing.assert_allclose(tangent, [2, np.e])


def test_float32_stays_float32():
    x = np.array([0.5, 1.5], np.float32)
    assert tg.grad(lambda x: np.sum(np.tanh(x) ** 2))(x).dtype == np.float32
    assert tg.jacobian(np.exp)(x).dtype == np.float32
    assert tg.hessian(lambda x: np.sum(np.exp(x)))(x).dtype == np.float32


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: tg.grad(np.sin)(1), TypeError, ["grad: argument 0", "int64", "1.0"]),
        (lambda: tg.grad(lambda p: p["w"][0] * 1.0)({"w": [2]}), TypeError, ["argument 0['w'][0]"]),
        (lambda: tg.grad(np.sin)(np.ones(3)), TypeError, ["grad", "single real number", "(3,)", "jacobian"]),
        (lambda: tg.grad(lambda x: x * 1j)(1.0), TypeError, ["complex128"]),
        (lambda: tg.grad(lambda x: [x])(1.0), TypeError, ["list"]),
        (lambda: tg.grad(np.argmax)(np.ones(3)), TypeError, ["grad", "np.int64(0)", "argmax"]),
        (lambda: tg.grad(np.sin, argnums=1)(1.0), TypeError, ["argnums", "argument 1", "1 were given"]),
        (lambda: tg.grad(np.multiply, argnums=(0, -2))(1.0, 2.0), ValueError, ["grad", "argument 0 twice"]),
        (lambda: tg.grad(lambda x: math.sin(x) * x)(1.0), TypeError, ["float()", "np.*"]),
        (lambda: tg.grad(lambda x: np.sum(np.asarray(x)))(np.ones(2)), TypeError, ["plain array", "x.detach()"]),
        (lambda: tg.vjp(np.sin, np.ones(3))[1](np.ones(2)), ValueError, ["vjp: gradient", "(2,)", "(3,)"]),
        (lambda: tg.vjp(np.sin, 1.0)[1]((1.0, 2.0)), ValueError, ["1 gradients", "got 2"]),
        (lambda: tg.jvp(np.sin, (np.ones(3),), (np.ones(2),)), ValueError, ["jvp: direction 0", "(2,)", "(3,)"]),
        (lambda: tg.jvp(np.sin, (1.0,), (1j,)), TypeError, ["jvp: direction 0", "complex", "float64"]),
        (lambda: tg.jvp(np.sin, (1.0,), (1.0, 2.0)), ValueError, ["1 arrays", "2"]),
        (lambda: tg.hvp(np.sum, (np.ones(3),), (np.ones(2),)), ValueError, ["hvp: direction 0", "(2,)", "(3,)"]),
        (lambda: tg.jacobian(np.exp)(1j), TypeError, ["jacobian", "real"]),
        (lambda: tg.defvjp(np.ediff1d, 3), TypeError, ["defvjp", "rule 0", "3"]),
        (lambda: tg.primitive(np.copy, "x"), TypeError, ["primitive", "rule 0"]),
    ],
)
def test_errors(call, kind, words):
    with pytest.raises(kind) as caught:
        call()
    for word in words:
        assert word in str(caught.value)


def test_a_users_primitive():
    @tg.primitive
    def slow_square(x):
        out = np.empty_like(x)
        for i, value in enumerate(x):  # may write in place: it is never looked into
            out[i] = value * value
        return out

    with pytest.raises(TypeError, match="slow_square: no derivative is known with respect to argument 0"):
        tg.grad(lambda x: np.sum(slow_square(x)))(np.ones(2))
    assert tg.defvjp(slow_square, lambda g, ans, x: g * 2 * x) is slow_square
    x = np.array([1.0, 3.0])
    np.testing.assert_array_equal(slow_square(x), [1, 9])
    np.testing.assert_array_equal(tg.grad(lambda x: np.sum(slow_square(x)))(x), 2 * x)
    np.testing.assert_array_equal(tg.hessian(lambda x: np.sum(slow_square(x)))(x), 2 * np.eye(2))


def test_a_users_primitive_may_return_several_arrays_or_a_number():
    sincos = tg.primitive(
        lambda x: (np.sin(x), np.cos(x)),
        lambda g, ans, x: (0 if g[0] is None else g[0] * ans[1]) - (0 if g[1] is None else g[1] * ans[0]),
        outputs=True,
    )
    x = np.array([0.3, 1.0])
    np.testing.assert_allclose(tg.grad(lambda x: np.sum(sincos(x)[0] * sincos(x)[1]))(x), np.cos(2 * x))
    np.testing.assert_allclose(tg.grad(lambda x: np.sum(sincos(x)[1]))(x), -np.sin(x))
    np.testing.assert_allclose(tg.hessian(lambda x: np.sum(sincos(x)[0]))(x), np.diag(-np.sin(x)))
    total = tg.primitive(lambda x: float(np.sum(x)), lambda g, ans, x: g * np.ones_like(x))
    np.testing.assert_array_equal(tg.grad(total)(x), [1, 1])
