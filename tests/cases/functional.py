"""Our own functions: activations, softmax, losses."""

from typing import Any

import numpy as np

import tinygrad_ml as tg
from tinygrad_ml import functional
from tinygrad_ml.functional import pooling, recurrent
from tinygrad_ml.functional.normalization import normalize
from tinygrad_ml.functional.windows import windows

from ..case import Case, Sampler, between, case, distinct, nonzero, normal, positive

LABELS = np.array([0, 2, 1, 3, 2])
WEIGHT = np.array([1.0, 0.5, 2.0, 0.25])
SOFT = np.random.default_rng(0).dirichlet(np.ones(4), size=5)
SIGNS = np.array([[1.0, -1.0, 1.0, -1.0]] * 3)
BINARY = np.array([[0.0, 1.0, 0.3], [1.0, 0.0, 0.9]])


def about_zero(*shape: int) -> Sampler:
    return between(-0.1, 0.1, *shape)


def about_even(*shape: int) -> Sampler:
    """Near -2, 0 or 2: far from the kinks of a Huber loss at 0.7 and at 1."""
    return lambda rng: about_zero(*shape)(rng) + rng.choice([-2.0, 0.0, 2.0], shape)


def sequence(gates: int, *state: int) -> tuple[Sampler, ...]:
    """What a recurrent operation takes: 3 steps of 2 samples of 2 numbers, for 3 hidden units.

    Small enough to stay away from the poles of tanh when the numbers are complex.
    """
    weights = between(-0.5, 0.5, gates * 3, 2), between(-0.5, 0.5, gates * 3, 3)
    biases = between(-0.5, 0.5, gates * 3), between(-0.5, 0.5, gates * 3)
    return between(-1, 1, 3, 2, 2), between(-1, 1, *state, 2, 3), *weights, *biases


#: Units that are switched on or off by their bias, far from the kink.
SWITCHED: tuple[Sampler, ...] = (
    between(-1, 1, 3, 2, 2),
    between(-1, 1, 2, 3),
    between(-0.3, 0.3, 3, 2),
    between(-0.1, 0.1, 3, 3),
    lambda rng: rng.permutation([-4.0, 4.0, 4.0]),
    between(-0.3, 0.3, 3),
)
IMAGE = np.arange(16.0).reshape(1, 1, 4, 4) % 7
MASK = np.array([[True, False, True], [False, False, False]])


def at_maxima(x: Any) -> Any:
    """What the second derivative of a pooling is made of: elements of x, where those of another array are largest."""
    at = windows("pooling", (4, 4), (2, 2), (1, 1), ((0, 0), (0, 0)), (1, 1))
    hits = tuple(pooling._winners(IMAGE, functional.max_pool2d(IMAGE, 2, stride=1), at))
    return np.sin(pooling._maxima_selected(x, hits, at))


CASES: list[Case] = [
    case("relu", tg.relu, nonzero(3, 4), elementwise=True, complex=True),
    case("leaky_relu", tg.leaky_relu, nonzero(3, 4), elementwise=True, complex=True),
    case("leaky_relu slope", lambda x: tg.leaky_relu(x, 0.3), nonzero(3, 4), elementwise=True),
    case("elu", tg.elu, nonzero(3, 4), elementwise=True, complex=True),
    case("elu alpha", lambda x: tg.elu(x, alpha=0.5), nonzero(3, 4), elementwise=True),
    case("gelu", tg.gelu, normal(3, 4), elementwise=True, complex=True),
    case("gelu tanh", lambda x: tg.gelu(x, approximate="tanh"), normal(3, 4), complex=True, elementwise=True),
    case("silu", tg.silu, normal(3, 4), elementwise=True, complex=True),
    case("softplus", tg.softplus, nonzero(3, 4), elementwise=True, complex=True),
    case("softplus beta", lambda x: tg.softplus(x, beta=3.0), nonzero(3, 4), complex=True, elementwise=True),
    case("sigmoid", tg.sigmoid, normal(3, 4), elementwise=True, complex=True),
    case("functional tanh", tg.tanh, normal(3, 4), elementwise=True, complex=True),
    case("softmax", tg.softmax, normal(3, 4), complex=True),
    case("softmax axis=0", lambda x: tg.softmax(x, axis=0), normal(3, 4)),
    case("softmax of a stack", lambda x: tg.softmax(x, axis=1), normal(2, 3, 4)),
    case("log_softmax", tg.log_softmax, normal(3, 4), complex=True),
    case("log_softmax axis=0", lambda x: tg.log_softmax(x, axis=0), normal(3, 4)),
    case("logsumexp", tg.logsumexp, normal(3, 4), complex=True),
    case("logsumexp axis", lambda x: tg.logsumexp(x, axis=-1), normal(3, 4), complex=True),
    case(
        "logsumexp axes keepdims", lambda x: tg.logsumexp(x, axis=(0, 2), keepdims=True), normal(2, 3, 4), complex=True
    ),
    *[
        case(
            f"cross_entropy {' '.join(f'{k}={v}' for k, v in keywords.items() if k != 'weight')}"
            f"{' weight' if 'weight' in keywords else ''}",
            lambda z, keywords=keywords: functional.cross_entropy(z, LABELS, **keywords),
            normal(5, 4),
            complex=True,
        )
        for keywords in (
            {},
            {"reduction": "sum"},
            {"reduction": "none"},
            {"weight": WEIGHT},
            {"ignore_index": 2},
            {"label_smoothing": 0.1},
            {"reduction": "none", "weight": WEIGHT, "ignore_index": 1, "label_smoothing": 0.2},
        )
    ],
    case("cross_entropy of one row", lambda z: functional.cross_entropy(z, 2), normal(4), complex=True),
    case(
        "cross_entropy of maps",
        lambda z: functional.cross_entropy(z, LABELS[:4].reshape(2, 2)),
        normal(2, 4, 2),
        complex=True,
    ),
    case("cross_entropy soft", lambda z: functional.cross_entropy(z, SOFT), normal(5, 4), complex=True),
    case(
        "cross_entropy soft weight",
        lambda z: functional.cross_entropy(z, SOFT, weight=WEIGHT),
        normal(5, 4),
        complex=True,
    ),
    case("cross_entropy in the targets", functional.cross_entropy, normal(5, 4), between(0, 1, 5, 4)),
    *[
        case(
            f"binary_cross_entropy_with_logits {reduction}",
            lambda z, r=reduction: functional.binary_cross_entropy_with_logits(z, BINARY, r),
            normal(2, 3),
            complex=True,
        )
        for reduction in ("mean", "sum", "none")
    ],
    case(
        "binary_cross_entropy_with_logits in the targets",
        functional.binary_cross_entropy_with_logits,
        normal(2, 3),
        between(0, 1, 2, 3),
    ),
    case(
        "binary_cross_entropy_with_logits pos_weight",
        lambda z: functional.binary_cross_entropy_with_logits(z, BINARY, pos_weight=np.array([1.0, 2.0, 0.5])),
        normal(2, 3),
    ),
    case("mse_loss", functional.mse_loss, normal(3, 4), normal(3, 4), complex=True),
    case(
        "mse_loss none",
        lambda a, b: functional.mse_loss(a, b, reduction="none"),
        normal(3, 4),
        normal(3, 4),
        complex=True,
        elementwise=True,
    ),
    case("huber_loss", lambda a, b: functional.huber_loss(a, b, delta=0.7), about_even(3, 4), about_zero(3, 4)),
    case(
        "huber_loss sum",
        lambda a, b: functional.huber_loss(a, b, reduction="sum"),
        about_even(3, 4),
        about_zero(3, 4),
    ),
    case("rnn_tanh", recurrent.rnn_tanh, *sequence(1), complex=True),
    case("rnn_relu", recurrent.rnn_relu, *SWITCHED, complex=True),
    case("lstm", recurrent.lstm, *sequence(4, 2), complex=True),
    case("gru", recurrent.gru, *sequence(3), complex=True),
    case(
        "scaled_dot_product_attention",
        functional.scaled_dot_product_attention,
        normal(2, 2, 4),
        normal(2, 3, 4),
        normal(2, 3, 5),
        complex=True,
    ),
    case(
        "scaled_dot_product_attention attn_mask",
        lambda q, k, v: functional.scaled_dot_product_attention(q, k, v, MASK, scale=0.7),
        normal(2, 2, 4),
        normal(2, 3, 4),
        normal(2, 3, 5),
    ),
    case(
        "scaled_dot_product_attention in the mask",
        functional.scaled_dot_product_attention,
        normal(2, 4),
        normal(3, 4),
        normal(3, 5),
        normal(2, 3),
    ),
    case(
        "conv1d",
        lambda x, w, b: np.sin(functional.conv1d(x, w, b)),
        normal(2, 2, 5),
        normal(3, 2, 2),
        normal(3),
        complex=True,
    ),
    case("conv1d of one sample, without bias", lambda x, w: functional.conv1d(x, w), normal(2, 5), normal(3, 2, 2)),
    case(
        "conv2d stride padding dilation groups",
        lambda x, w, b: functional.conv2d(x, w, b, stride=(2, 1), padding=1, dilation=(1, 2), groups=2),
        normal(2, 4, 4, 5),
        normal(2, 2, 3, 2),
        normal(2),
        complex=True,
    ),
    case(
        "conv2d same",
        lambda x, w: functional.conv2d(x, w, padding="same"),
        normal(1, 2, 3, 4),
        normal(2, 2, 2, 3),
        complex=True,
    ),
    case("max_pool2d", lambda x: np.sin(functional.max_pool2d(x, 2)), distinct(2, 1, 4, 5), complex=True),
    case(
        "max_pool2d overlapping",
        lambda x: np.sin(functional.max_pool2d(x, (3, 2), stride=(2, 1), padding=1, ceil_mode=True)),
        distinct(1, 2, 4, 4),
        complex=True,
    ),
    case("elements that were the maxima of windows", at_maxima, normal(1, 1, 4, 4)),
    case("avg_pool2d", lambda x: np.sin(functional.avg_pool2d(x, 2)), normal(2, 2, 4, 5), complex=True),
    case(
        "avg_pool2d overlapping",
        lambda x: np.sin(functional.avg_pool2d(x, 3, stride=2, padding=1, ceil_mode=True, count_include_pad=False)),
        normal(1, 2, 4, 4),
        complex=True,
    ),
    case("normalize", lambda x: normalize(x, (0, 2), 0.1), normal(3, 2, 2), complex=True),
    case("mean of normalize", lambda x: normalize(x, (0,))[1], normal(4, 2)),
    case("variance of normalize", lambda x: normalize(x, (0,))[2], normal(4, 2)),
    case(
        "batch_norm",
        lambda x, w, b: functional.batch_norm(x, None, None, w, b, training=True),
        normal(4, 2, 3),
        normal(2),
        normal(2),
        complex=True,
    ),
    case(
        "batch_norm with running statistics",
        lambda x, w, b: functional.batch_norm(x, np.array([0.5, -1.0]), np.array([2.0, 0.5]), w, b),
        normal(4, 2, 3),
        normal(2),
        normal(2),
        float32=False,
    ),
    case(
        "layer_norm",
        lambda x, w, b: functional.layer_norm(x, (2, 3), w, b),
        normal(2, 2, 3),
        normal(2, 3),
        normal(2, 3),
        complex=True,
    ),
    *[
        case(
            f"nll_loss {name}",
            lambda z, keywords=keywords: functional.nll_loss(z, LABELS, **keywords),
            normal(5, 4),
            complex=True,
        )
        for name, keywords in {
            "": {},
            "none": {"reduction": "none"},
            "all": {"weight": WEIGHT, "ignore_index": 2},
        }.items()
    ],
    case("nll_loss of maps", lambda z: functional.nll_loss(z, LABELS[:4].reshape(2, 2)), normal(2, 4, 2)),
    case(
        "binary_cross_entropy",
        functional.binary_cross_entropy,
        between(0.1, 0.9, 2, 3),
        between(0.1, 0.9, 2, 3),
        complex=True,
    ),
    case(
        "binary_cross_entropy weight",
        lambda p: functional.binary_cross_entropy(p, BINARY, "none", weight=np.array([1.0, 2.0, 0.5])),
        between(0.1, 0.9, 2, 3),
        complex=True,
    ),
    case(
        "binary_cross_entropy_with_logits weight",
        lambda z: functional.binary_cross_entropy_with_logits(z, BINARY, weight=np.array([1.0, 2.0, 0.5])),
        normal(2, 3),
        complex=True,
    ),
    case("l1_loss", functional.l1_loss, about_even(3, 4), lambda rng: about_zero(3, 4)(rng) + 1, complex=True),
    case(
        "smooth_l1_loss",
        lambda a, b: functional.smooth_l1_loss(a, b, beta=0.7),
        about_even(3, 4),
        about_zero(3, 4),
    ),
    case("kl_div", functional.kl_div, normal(3, 4), positive(3, 4), complex=True),
    case(
        "kl_div log_target",
        lambda a, b: functional.kl_div(a, b, "batchmean", log_target=True),
        normal(3, 4),
        normal(3, 4),
        complex=True,
    ),
    case("hinge_loss", lambda z: functional.hinge_loss(z, SIGNS), about_even(3, 4), complex=True),
    case(
        "cosine_embedding_loss",
        lambda a, b: functional.cosine_embedding_loss(a, b, SIGNS[0], margin=-1.5),
        normal(4, 5),
        normal(4, 5),
        complex=True,
    ),
    case("linear", functional.linear, normal(5, 3), normal(4, 3), normal(4), complex=True),
    case("linear of a vector", functional.linear, normal(3), normal(4, 3), normal(4), complex=True),
    case("linear of a stack", functional.linear, normal(2, 5, 3), normal(4, 3), normal(4)),
    case("linear without bias", functional.linear, normal(5, 3), normal(4, 3)),
]
