"""Our own functions: activations, softmax, losses."""

import numpy as np

import tinygrad_ml as tg
from tinygrad_ml import functional

from ..case import Case, Sampler, between, case, nonzero, normal, positive

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
