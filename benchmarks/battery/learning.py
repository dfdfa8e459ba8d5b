"""Losses and layers of machine learning, their gradients by hand."""

from __future__ import annotations

import functools

import numpy as np
from scipy import special

from .problem import Array, Problem, normal, uniform
from .scaling import logsumexp

LIKELIHOOD = functools.partial(Problem, kind="likelihood")
LAYER = functools.partial(Problem, kind="layer")
KINKED = functools.partial(Problem, kind="away from a kink")

ROWS, FEATURES, CLASSES, HIDDEN = 30, 4, 3, 6
X = normal(60, ROWS, FEATURES)
LABELS = np.random.default_rng(61).integers(CLASSES, size=ROWS)
ONE_HOT = np.eye(CLASSES)[LABELS]
SIGNS = np.where(LABELS == 0, -1.0, 1.0)
TARGETS, COUNTS = normal(62, ROWS), np.random.default_rng(63).poisson(2.0, ROWS).astype(float)
WEIGHTS = normal(64, ROWS, FEATURES)
SAMPLE = normal(65, 40) + 2.0 * (np.arange(40) % 2)
IMAGE, KERNEL, UPSTREAM = normal(66, 7, 8), normal(67, 3, 3), normal(68, 5, 6)
SEQUENCE = normal(69, 6, 3)


def softmax_rows(z: Array) -> Array:
    e = np.exp(z - np.max(z, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def logistic_loss(w: Array, b: Array) -> Array:
    return np.mean(np.log1p(np.exp(-SIGNS * (X @ w + b))))


def logistic_loss_gradient(w: Array, b: Array) -> tuple[Array, Array]:
    g = -SIGNS * special.expit(-SIGNS * (X @ w + b)) / ROWS
    return X.T @ g, g.sum()


def softmax_loss(W: Array) -> Array:
    """Mean cross entropy of softmax regression."""
    z = X @ W
    return np.mean(np.log(np.sum(np.exp(z), axis=1)) - np.sum(z * ONE_HOT, axis=1))


def poisson_loss(w: Array) -> Array:
    """Mean of rate - count log(rate), rate = exp(Xw)."""
    return np.mean(np.exp(X @ w) - COUNTS * (X @ w))


def mixture_loss(logits: Array, means: Array, log_scales: Array) -> Array:
    """-sum_i log sum_k pi_k N(x_i; mu_k, sigma_k), pi = softmax(logits)."""
    z = (SAMPLE[:, None] - means) / np.exp(log_scales)
    joint = logits - logsumexp(logits) - log_scales - 0.5 * z * z
    return -np.sum(np.log(np.sum(np.exp(joint), axis=1))) + 0.5 * len(SAMPLE) * np.log(2 * np.pi)


def mixture_loss_gradient(logits: Array, means: Array, log_scales: Array) -> tuple[Array, Array, Array]:
    """With responsibilities r = softmax of the joint over k."""
    scales = np.exp(log_scales)
    z = (SAMPLE[:, None] - means) / scales
    r = softmax_rows(logits - log_scales - 0.5 * z * z)
    return len(SAMPLE) * softmax_rows(logits) - r.sum(0), -np.sum(r * z, axis=0) / scales, -np.sum(r * (z * z - 1), 0)


def ridge_loss(w: Array) -> Array:
    return np.mean((X @ w - TARGETS) ** 2) + 0.1 * (w @ w)


def gaussian_process_loss(length: Array) -> Array:
    """Half of y^T K^-1 y + log det K, K = exp(-d^2 / 2 l^2) + I / 10."""
    K = np.exp(-0.5 * DISTANCES / length**2) + 0.1 * np.eye(ROWS)
    return 0.5 * (TARGETS @ np.linalg.solve(K, TARGETS)) + 0.5 * np.log(np.linalg.det(K))


def gaussian_process_loss_gradient(length: Array) -> Array:
    """tr((K^-1 - a a^T) dK/dl) / 2, a = K^-1 y."""
    kernel = np.exp(-0.5 * DISTANCES / length**2)
    inverse = np.linalg.inv(kernel + 0.1 * np.eye(ROWS))
    a = inverse @ TARGETS
    return 0.5 * np.sum((inverse - np.outer(a, a)) * kernel * DISTANCES) / length**3


DISTANCES = np.sum((X[:, None] - X) ** 2, axis=2)


def mlp_loss(W1: Array, b1: Array, W2: Array, b2: Array) -> Array:
    """Mean cross entropy of one hidden layer with tanh."""
    z = np.tanh(X @ W1 + b1) @ W2 + b2
    return np.mean(np.log(np.sum(np.exp(z), axis=1)) - np.sum(z * ONE_HOT, axis=1))


def mlp_loss_gradient(W1: Array, b1: Array, W2: Array, b2: Array) -> tuple[Array, ...]:
    hidden = np.tanh(X @ W1 + b1)
    dz = (softmax_rows(hidden @ W2 + b2) - ONE_HOT) / ROWS
    dh = (dz @ W2.T) * (1.0 - hidden**2)
    return X.T @ dh, dh.sum(0), hidden.T @ dz, dz.sum(0)


def convolved(image: Array, kernel: Array) -> np.float64:
    """Cross-correlation without padding, times an upstream gradient."""
    rows, columns = UPSTREAM.shape
    return sum(
        kernel[i, j] * np.sum(UPSTREAM * image[i : i + rows, j : j + columns]) for i in range(3) for j in range(3)
    )


def convolved_gradient(image: Array, kernel: Array) -> tuple[Array, Array]:
    """The image's gradient is the full convolution of upstream with the kernel."""
    windows = np.lib.stride_tricks.sliding_window_view(image, UPSTREAM.shape)
    padded = np.lib.stride_tricks.sliding_window_view(np.pad(UPSTREAM, 2), (3, 3))
    return np.einsum("ijkl,kl->ij", padded, kernel[::-1, ::-1]), np.einsum("ijkl,kl->ij", windows, UPSTREAM)


def normalised(x: Array, scale: Array, shift: Array, axis: int) -> Array:
    centred = x - np.mean(x, axis=axis, keepdims=True)
    standard = centred / np.sqrt(np.mean(centred**2, axis=axis, keepdims=True) + 1e-5)
    return np.sum(WEIGHTS * (standard * scale + shift))


def normalised_gradient(x: Array, scale: Array, shift: Array, axis: int) -> tuple[Array, Array, Array]:
    """dx = (g - mean(g) - s mean(g s)) / sigma, s the standardised input, g the gradient at it."""
    centred = x - x.mean(axis, keepdims=True)
    sigma = np.sqrt(np.mean(centred**2, axis=axis, keepdims=True) + 1e-5)
    s, g = centred / sigma, WEIGHTS * scale
    dx = (g - g.mean(axis, keepdims=True) - s * np.mean(g * s, axis=axis, keepdims=True)) / sigma
    return dx, np.sum(WEIGHTS * s, axis=0), np.sum(WEIGHTS, axis=0)


def attention(Q: Array, K: Array, V: Array) -> Array:
    """Sum of squares of softmax(Q K^T / sqrt(d)) V."""
    z = Q @ K.T / np.sqrt(3.0)
    e = np.exp(z - np.max(np.real(z), axis=1, keepdims=True))
    return np.sum((e / np.sum(e, axis=1, keepdims=True) @ V) ** 2)


def attention_gradient(Q: Array, K: Array, V: Array) -> tuple[Array, Array, Array]:
    P = softmax_rows(Q @ K.T / np.sqrt(3.0))
    dy = 2.0 * (P @ V)
    dP = dy @ V.T
    dz = P * (dP - np.sum(P * dP, axis=1, keepdims=True)) / np.sqrt(3.0)
    return dz @ K, dz.T @ Q, P.T @ dy


def recurrent(W: Array, U: Array) -> np.float64:
    """The sum of the last state of h <- tanh(W h + U x)."""
    h = np.zeros(3)
    for x in SEQUENCE:
        h = np.tanh(W @ h + U @ x)
    return np.sum(h)


def recurrent_gradient(W: Array, U: Array) -> tuple[Array, Array]:
    states = [np.zeros(3)]
    for x in SEQUENCE:
        states.append(np.tanh(W @ states[-1] + U @ x))
    dW, dU, dh = np.zeros_like(W), np.zeros_like(U), np.ones(3)
    for k in range(len(SEQUENCE), 0, -1):
        dz = dh * (1.0 - states[k] ** 2)
        dW, dU, dh = dW + np.outer(dz, states[k - 1]), dU + np.outer(dz, SEQUENCE[k - 1]), W.T @ dz
    return dW, dU


def soft_nearest(centres: Array) -> Array:
    """Soft distance of every row to its nearest centre: -log sum_k exp(-d_ik)."""
    d = np.sum((X[:, None] - centres) ** 2, axis=2)
    return -np.sum(np.log(np.sum(np.exp(-d), axis=1)))


def soft_nearest_gradient(centres: Array) -> Array:
    shares = softmax_rows(-np.sum((X[:, None] - centres) ** 2, axis=2))
    return 2.0 * (shares.sum(0)[:, None] * centres - shares.T @ X)


def huber(x: Array) -> Array:
    size = np.where(np.real(x) > 0, x, -x)
    return np.sum(np.where(np.real(size) < 1.0, 0.5 * x * x, size - 0.5))


def hinge_loss(w: Array) -> Array:
    return np.mean(np.maximum(0.0, 1.0 - SIGNS * (X @ w)))


def hinge_loss_gradient(w: Array) -> Array:
    return -X.T @ (SIGNS * (SIGNS * (X @ w) < 1.0)) / ROWS


def relu(x: Array) -> Array:
    return np.sum(np.maximum(x, 0.0) ** 2 + np.maximum(x, 0.0))


def relu_gradient(x: Array) -> Array:
    return np.where(x > 0, 2.0 * x + 1.0, 0.0)


OFF_KINK = np.where(normal(70, 12) > 0, 1.0, -1.0) * uniform(71, 0.3, 2.0, 12)
NORMALISER = (X, uniform(72, 0.5, 1.5, FEATURES), normal(73, FEATURES))

PROBLEMS = [
    LIKELIHOOD("logistic regression", logistic_loss, (normal(74, FEATURES), np.array(0.3)), logistic_loss_gradient),
    LIKELIHOOD(
        "softmax regression",
        softmax_loss,
        normal(75, FEATURES, CLASSES),
        lambda W: X.T @ (softmax_rows(X @ W) - ONE_HOT) / ROWS,
    ),
    LIKELIHOOD(
        "Poisson regression",
        poisson_loss,
        0.3 * normal(76, FEATURES),
        lambda w: X.T @ (np.exp(X @ w) - COUNTS) / ROWS,
    ),
    LIKELIHOOD(
        "Gaussian mixture",
        mixture_loss,
        (normal(77, 2), np.array([-0.2, 2.1]), np.array([0.1, -0.2])),
        mixture_loss_gradient,
    ),
    LIKELIHOOD(
        "ridge regression",
        ridge_loss,
        normal(78, FEATURES),
        lambda w: 2.0 * X.T @ (X @ w - TARGETS) / ROWS + 0.2 * w,
    ),
    LIKELIHOOD("Gaussian process", gaussian_process_loss, np.array(1.7), gaussian_process_loss_gradient),
    LAYER(
        "perceptron of two layers",
        mlp_loss,
        (normal(79, FEATURES, HIDDEN), normal(80, HIDDEN), normal(81, HIDDEN, CLASSES), normal(82, CLASSES)),
        mlp_loss_gradient,
    ),
    LAYER("convolution in two dimensions", convolved, (IMAGE, KERNEL), convolved_gradient),
    LAYER(
        "layer norm",
        functools.partial(normalised, axis=1),
        NORMALISER,
        functools.partial(normalised_gradient, axis=1),
    ),
    LAYER(
        "batch norm",
        functools.partial(normalised, axis=0),
        NORMALISER,
        functools.partial(normalised_gradient, axis=0),
    ),
    LAYER("attention", attention, (normal(83, 4, 3), normal(84, 5, 3), normal(85, 5, 2)), attention_gradient),
    LAYER("recurrent network", recurrent, (normal(86, 3, 3), normal(87, 3, 3)), recurrent_gradient),
    LAYER("soft distance to centres", soft_nearest, normal(88, CLASSES, FEATURES), soft_nearest_gradient),
    KINKED("1-norm", lambda x: np.sum(np.abs(x)), OFF_KINK, np.sign),
    KINKED("Huber", huber, OFF_KINK, lambda x: np.clip(x, -1.0, 1.0)),
    KINKED("hinge", hinge_loss, normal(89, FEATURES), hinge_loss_gradient),
    KINKED("relu", relu, OFF_KINK, relu_gradient),
    KINKED("relu, 1e-3 away", relu, np.append(OFF_KINK, [1e-3, -1e-3]), relu_gradient),
    KINKED("relu, 1e-6 away", relu, np.append(OFF_KINK, [1e-6, -1e-6]), relu_gradient),
    KINKED(
        "maximum of two, 1e-4 away",
        lambda x, y: np.sum(np.maximum(x, y) * WEIGHTS[0, 0]),
        (OFF_KINK, OFF_KINK + 1e-4),
        lambda x, y: (WEIGHTS[0, 0] * (x > y), WEIGHTS[0, 0] * (y > x)),
    ),
]
