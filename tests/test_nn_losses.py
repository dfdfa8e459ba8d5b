"""Losses as modules beside PyTorch's, under the gradient checker, and what they refuse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import tinygrad_ml as tg
from tinygrad_ml import functional, nn
from tinygrad_ml.gradcheck import check_gradient, check_module

LABELS = np.array([0, 2, 1, 3, 2])
MAPS = np.array([[[0, 1, 2], [3, 3, 0]], [[2, 1, 1], [0, 2, 3]]])
WEIGHT = np.array([1.0, 0.5, 2.0, 0.25])
SIGNS = np.array([1.0, -1.0, 1.0, -1.0, -1.0])
REDUCTIONS = ("mean", "sum", "none")


def real(*shape: int) -> Any:
    return lambda rng: rng.normal(size=shape)


def probabilities(*shape: int) -> Any:
    return lambda rng: rng.uniform(0.02, 0.98, size=shape)


def distributions(*shape: int) -> Any:
    return lambda rng: rng.dirichlet(np.ones(shape[-1]), size=shape[:-1])


def exactly(array: Any) -> Any:
    return lambda rng: np.array(array)


@dataclass(frozen=True)
class Case:
    """A loss, its arguments, and where inputs and target come from; of floating targets the gradient is compared."""

    loss: str
    arguments: dict[str, Any]
    samplers: tuple[Any, ...]
    target_gradient: bool = False


def case(loss: str, arguments: dict[str, Any], *samplers: Any, **options: Any) -> Case:
    return Case(loss, arguments, samplers, **options)


CASES = {
    "cross entropy": case("CrossEntropyLoss", {}, real(5, 4), exactly(LABELS)),
    "cross entropy weight": case("CrossEntropyLoss", {"weight": WEIGHT}, real(5, 4), exactly(LABELS)),
    "cross entropy ignored": case("CrossEntropyLoss", {"ignore_index": 2}, real(5, 4), exactly(LABELS)),
    "cross entropy -100": case("CrossEntropyLoss", {}, real(3, 4), exactly([1, -100, 2])),
    "cross entropy smoothed": case("CrossEntropyLoss", {"label_smoothing": 0.1}, real(5, 4), exactly(LABELS)),
    "cross entropy all": case(
        "CrossEntropyLoss", {"weight": WEIGHT, "ignore_index": 1, "label_smoothing": 0.2},
        real(2, 4, 2, 3), exactly(MAPS),
    ),
    "cross entropy soft": case(
        "CrossEntropyLoss", {"weight": WEIGHT, "label_smoothing": 0.2}, real(5, 4), distributions(5, 4),
        target_gradient=True,
    ),
    "nll": case("NLLLoss", {}, real(5, 4), exactly(LABELS)),
    "nll weight": case("NLLLoss", {"weight": WEIGHT}, real(5, 4), exactly(LABELS)),
    "nll ignored": case("NLLLoss", {"ignore_index": 2}, real(5, 4), exactly(LABELS)),
    "nll -100": case("NLLLoss", {"weight": WEIGHT}, real(3, 4), exactly([1, -100, 2])),
    "nll of maps": case("NLLLoss", {"weight": WEIGHT, "ignore_index": 0}, real(2, 4, 2, 3), exactly(MAPS)),
    "nll of one row": case("NLLLoss", {"weight": WEIGHT}, real(4), exactly(2)),
    "bce": case("BCELoss", {}, probabilities(5, 4), probabilities(5, 4), target_gradient=True),
    "bce weight": case("BCELoss", {"weight": WEIGHT}, probabilities(5, 4), probabilities(5, 4), target_gradient=True),
    "bce certain": case("BCELoss", {}, exactly([0.0, 1.0, 0.0, 1.0]), exactly([0.0, 1.0, 1.0, 0.0])),
    "bce logits": case("BCEWithLogitsLoss", {}, real(5, 4), probabilities(5, 4), target_gradient=True),
    "bce logits weight": case("BCEWithLogitsLoss", {"weight": WEIGHT}, real(5, 4), probabilities(5, 4)),
    "bce logits pos_weight": case(
        "BCEWithLogitsLoss", {"pos_weight": WEIGHT}, real(5, 4), probabilities(5, 4), target_gradient=True
    ),
    "bce logits all": case(
        "BCEWithLogitsLoss", {"pos_weight": WEIGHT, "weight": np.array([[2.0], [1.0], [0.5], [3.0], [1.5]])},
        real(5, 4), probabilities(5, 4),
    ),
    "mse": case("MSELoss", {}, real(5, 4), real(5, 4), target_gradient=True),
    "l1": case("L1Loss", {}, real(5, 4), real(5, 4), target_gradient=True),
    "l1 of equals": case("L1Loss", {}, exactly([1.0, 2.0]), exactly([1.0, 0.0]), target_gradient=True),
    "smooth l1": case("SmoothL1Loss", {}, real(5, 4), real(5, 4), target_gradient=True),
    "smooth l1 beta": case("SmoothL1Loss", {"beta": 0.3}, real(5, 4), real(5, 4), target_gradient=True),
    "smooth l1 beta 0": case("SmoothL1Loss", {"beta": 0.0}, real(5, 4), real(5, 4), target_gradient=True),
    "huber": case("HuberLoss", {}, real(5, 4), real(5, 4), target_gradient=True),
    "huber delta": case("HuberLoss", {"delta": 0.3}, real(5, 4), real(5, 4), target_gradient=True),
    "kl": case("KLDivLoss", {}, real(5, 4), distributions(5, 4), target_gradient=True),
    "kl of zeros": case("KLDivLoss", {}, real(2, 2), exactly([[0.0, 1.0], [0.5, 0.5]])),
    "kl batchmean": case(
        "KLDivLoss", {"reduction": "batchmean"}, real(5, 4), distributions(5, 4), target_gradient=True
    ),
    "kl log_target": case("KLDivLoss", {"log_target": True}, real(5, 4), real(5, 4), target_gradient=True),
    "kl log_target batchmean": case(
        "KLDivLoss", {"log_target": True, "reduction": "batchmean"}, real(5, 4), real(5, 4)
    ),
    "cosine": case("CosineEmbeddingLoss", {}, real(5, 4), real(5, 4), exactly(SIGNS)),
    "cosine margin": case("CosineEmbeddingLoss", {"margin": -0.5}, real(5, 4), real(5, 4), exactly(SIGNS)),
    "cosine of zeros": case("CosineEmbeddingLoss", {}, exactly(np.zeros((5, 4))), real(5, 4), exactly(np.ones(5))),
    "cosine of one pair": case("CosineEmbeddingLoss", {"margin": -0.9}, real(4), real(4), exactly(-1.0)),
}  # fmt: skip
EACH = [
    pytest.param(name, reduction, id=f"{name} {reduction}")
    for name in CASES
    for reduction in ((CASES[name].arguments["reduction"],) if "reduction" in CASES[name].arguments else REDUCTIONS)
]


def make(name: str, **more: Any) -> Any:
    return getattr(nn, CASES[name].loss)(**{**CASES[name].arguments, **more})


def assert_close(actual: Any, expected: Any) -> None:
    expected = np.asarray(expected)
    size = float(np.max(np.abs(expected), initial=0.0)) or 1.0
    np.testing.assert_allclose(actual, expected, rtol=1e-10, atol=1e-12 * size)


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides:UserWarning")
@pytest.mark.parametrize(("name", "reduction"), EACH)
def test_values_and_gradients_are_pytorchs(name: str, reduction: str, rng: np.random.Generator) -> None:
    torch: Any = pytest.importorskip("torch")
    example = CASES[name]
    arrays = [sampler(rng) for sampler in example.samplers]
    wanted = [a.dtype.kind == "f" and (i < len(arrays) - 1 or example.target_gradient) for i, a in enumerate(arrays)]
    ours = [tg.Tensor(a, requires_grad=w) for a, w in zip(arrays, wanted, strict=True)]
    theirs = [torch.tensor(a, requires_grad=w) for a, w in zip(arrays, wanted, strict=True)]
    options = {k: torch.tensor(v) if isinstance(v, np.ndarray) else v for k, v in example.arguments.items()}
    loss = make(name, reduction=reduction)(*ours)
    expected = getattr(torch.nn, example.loss)(**{**options, "reduction": reduction})(*theirs)
    assert loss.shape == tuple(expected.shape)
    assert_close(loss.data, expected.detach())
    v = rng.normal(size=loss.shape)
    loss.backward(v)
    expected.backward(torch.tensor(v))
    for x, t, want in zip(ours, theirs, wanted, strict=True):
        if want:
            assert_close(x.grad, t.grad)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_the_hinge_loss_is_a_ranking_loss_of_pytorch(reduction: str, rng: np.random.Generator) -> None:
    torch: Any = pytest.importorskip("torch")
    z = rng.normal(size=5)
    x, t = tg.Tensor(z, requires_grad=True), torch.tensor(z, requires_grad=True)
    loss = nn.HingeLoss(reduction)(x, SIGNS)
    ranking = torch.nn.MarginRankingLoss(margin=1.0, reduction=reduction)
    expected = ranking(t, torch.zeros(5, dtype=torch.float64), torch.tensor(SIGNS))
    assert_close(loss.data, expected.detach())
    v = rng.normal(size=loss.shape)
    loss.backward(v)
    expected.backward(torch.tensor(v))
    assert_close(x.grad, t.grad)


def test_the_hinge_loss_at_its_kink_has_no_slope() -> None:
    x = tg.Tensor([1.0, -1.0, 0.0], requires_grad=True)
    nn.HingeLoss("sum")(x, np.array([1, -1, 1])).backward()
    assert x.grad.tolist() == [0, 0, -1]


# The gradient checker.

LAST = {"bce": tg.sigmoid, "bce weight": tg.sigmoid, "nll": tg.log_softmax, "nll weight": tg.log_softmax}


@pytest.mark.parametrize(
    "name",
    ["cross entropy", "cross entropy smoothed", "cross entropy soft", "nll", "nll weight", "bce", "bce weight",
     "bce logits", "bce logits all", "mse", "l1", "smooth l1 beta", "huber", "kl batchmean", "kl log_target"],
)  # fmt: skip
def test_a_model_under_each_loss_passes_the_check(name: str, make_rng: Any) -> None:
    rng = make_rng(name)
    *_, target = (sampler(rng) for sampler in CASES[name].samplers)
    model = nn.Sequential(nn.Linear(3, 4, rng=rng), LAST.get(name, np.tanh))
    report = check_module(model, make(name), rng.normal(size=(5, 3)), target, directions=1, rng=0)
    assert report.ok and {row.name for row in report.rows} == {"0.weight", "0.bias"}, report


def test_models_under_hinge_and_cosine_losses_pass_the_check(rng: np.random.Generator) -> None:
    X, other = rng.normal(size=(5, 3)), rng.normal(size=(5, 4))
    margins = nn.Sequential(nn.Linear(3, 1, rng=rng), np.ravel)
    assert check_module(margins, nn.HingeLoss(), X, SIGNS, directions=1, rng=0).ok
    cosine = nn.CosineEmbeddingLoss(margin=-1.5)
    assert check_module(nn.Linear(3, 4, rng=rng), lambda out: cosine(out, other, SIGNS), X, directions=1, rng=0).ok


@pytest.mark.parametrize(
    ("function", "shapes"),
    [
        (functional.binary_cross_entropy, ((2, 3), (2, 3))),
        (lambda p: functional.binary_cross_entropy(p, np.eye(2, 3)), ((2, 3),)),
        (lambda x, w, b: np.sum(functional.linear(x, w, b) ** 2), ((4, 3), (2, 3), (2,))),
    ],
    ids=["binary_cross_entropy", "binary_cross_entropy of constant targets", "linear"],
)
def test_second_derivatives_pass_the_check(function: Any, shapes: Any, rng: np.random.Generator) -> None:
    x = tuple(rng.uniform(0.2, 0.8, size=shape) for shape in shapes)
    report = check_gradient(function, x if len(x) > 1 else x[0], order=2, directions=1, rng=0)
    assert report.ok, report


# Precision, state, repr.


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", CASES)
def test_single_precision_stays(name: str, reduction: str, rng: np.random.Generator) -> None:
    arrays = [sampler(rng) for sampler in CASES[name].samplers]
    single = [a.astype(np.float32) if a.dtype.kind == "f" else a for a in arrays]
    x = tg.Tensor(single[0], requires_grad=True)
    loss = make(name, reduction=reduction)(x, *single[1:])
    np.sum(loss).backward()
    assert loss.dtype == x.grad.dtype == np.float32


def test_weights_are_state_that_travels_to_pytorch() -> None:
    torch: Any = pytest.importorskip("torch")
    for name, arguments in {
        "CrossEntropyLoss": {"weight": WEIGHT},
        "NLLLoss": {"weight": WEIGHT},
        "BCELoss": {"weight": WEIGHT},
        "BCEWithLogitsLoss": {"weight": WEIGHT, "pos_weight": 2 * WEIGHT},
    }.items():
        ours = getattr(nn, name)(**arguments)
        theirs = getattr(torch.nn, name)(**{k: torch.ones(4, dtype=torch.float64) for k in arguments})
        theirs.load_state_dict({k: torch.tensor(v) for k, v in ours.state_dict().items()})
        assert {k: v.tolist() for k, v in theirs.state_dict().items()} == {k: v.tolist() for k, v in arguments.items()}
        other = getattr(nn, name)(**{k: np.zeros(4) for k in arguments})
        other.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
        assert other.weight.tolist() == WEIGHT.tolist()
        assert getattr(nn, name)().state_dict() == {}


def test_repr_tells_the_arguments() -> None:
    assert repr(nn.CrossEntropyLoss(label_smoothing=0.1)) == (
        "CrossEntropyLoss(reduction=mean, ignore_index=-100, label_smoothing=0.1)"
    )
    assert repr(nn.HuberLoss(delta=2.0)) == "HuberLoss(reduction=mean, delta=2.0)"


# A label that is ignored, and values at the edge.


def test_all_labels_ignored_in_a_sum_cost_nothing() -> None:
    z = tg.Tensor(np.ones((2, 3)), requires_grad=True)
    for loss in (nn.CrossEntropyLoss(reduction="sum"), nn.NLLLoss(reduction="sum")):
        z.zero_grad()
        out = loss(z, np.array([-100, -100]))
        out.backward()
        assert out.item() == 0 and not z.grad.any()


def test_an_impossible_class_that_is_ignored_leaves_no_nan() -> None:
    z = tg.Tensor(np.array([[-np.inf, 0.0], [0.0, 0.0]]), requires_grad=True)
    nn.NLLLoss(ignore_index=0)(z, np.array([0, 1])).backward()
    assert np.array_equal(z.grad, [[0, 0], [0, -1]])


def test_kl_of_an_impossible_class_leaves_no_nan() -> None:
    z = tg.Tensor(np.array([[-np.inf, 0.0]]), requires_grad=True)
    loss = nn.KLDivLoss("sum")(z, np.array([[0.0, 1.0]]))
    loss.backward()
    assert loss.item() == 0 and np.array_equal(z.grad, [[0, -1]])


def test_the_cosine_of_a_row_of_zeros_is_zero() -> None:
    x = tg.Tensor(np.zeros((2, 3)), requires_grad=True)
    loss = nn.CosineEmbeddingLoss(reduction="none")(x, np.ones((2, 3)), np.array([1, -1]))
    loss.sum().backward()
    assert loss.data.tolist() == [1, 0] and np.all(np.isfinite(x.grad))


# What is refused.

Z = np.ones((3, 4))
PAIRS = ["BCELoss", "BCEWithLogitsLoss", "MSELoss", "L1Loss", "SmoothL1Loss", "HuberLoss", "KLDivLoss", "HingeLoss"]


@pytest.mark.parametrize("shapes", [((3,), (3, 1)), ((3, 1), (3,)), ((2, 3), (3,)), ((3,), ()), ((2, 3), (3, 2))])
@pytest.mark.parametrize("loss", PAIRS)
def test_shapes_that_differ_are_refused(loss: str, shapes: Any) -> None:
    with pytest.raises(ValueError, match="they must be the same, because broadcasting would compare every") as caught:
        getattr(nn, loss)()(*(np.ones(shape) for shape in shapes))
    assert f"has shape {shapes[0]}" in str(caught.value) and str(shapes[1]) in str(caught.value)


@pytest.mark.parametrize("loss", [*PAIRS, "CrossEntropyLoss", "NLLLoss", "CosineEmbeddingLoss"])
def test_an_unknown_reduction_is_refused(loss: str) -> None:
    with pytest.raises(ValueError, match=f"{loss}: reduction must be 'mean', .* or 'none', got 'average'"):
        getattr(nn, loss)(reduction="average")


@pytest.mark.parametrize(
    ("message", "call"),
    [
        ("nll_loss: input must have an axis of classes", lambda: functional.nll_loss(1.0, 0)),
        (r"nll_loss: input of shape \(3, 4\) needs integer labels of shape \(3,\), got int64 of shape \(3, 1\)",
         lambda: nn.NLLLoss()(Z, np.zeros((3, 1), int))),
        (r"nll_loss: .* got float64 of shape \(3,\); for probabilities of classes use cross_entropy",
         lambda: nn.NLLLoss()(Z, np.zeros(3))),
        (r"nll_loss: label 4 is out of range for 4 classes \(0 to 3\); use ignore_index",
         lambda: nn.NLLLoss()(Z, np.array([0, 1, 4]))),
        ("nll_loss: label -1 is out of range", lambda: nn.NLLLoss()(Z, np.array([0, -100, -1]))),
        (r"nll_loss: weight must have shape \(4,\), one a class, got \(3,\)",
         lambda: nn.NLLLoss(weight=np.ones(3))(Z, np.array([0, 1, 2]))),
        ("nll_loss: reduction must be 'mean', 'sum' or 'none', got 'x'",
         lambda: functional.nll_loss(Z, np.array([0, 1, 2]), "x")),
        (r"cross_entropy: weight must have shape \(4,\)",
         lambda: nn.CrossEntropyLoss(weight=np.ones(3))(Z, np.array([0, 1, 2]))),
        ("binary_cross_entropy: input must be probabilities between 0 and 1, got values from -1.0 to 2.0; for logits",
         lambda: nn.BCELoss()(np.array([-1.0, 2.0]), np.ones(2))),
        ("binary_cross_entropy: input must be probabilities .* got values from nan",
         lambda: nn.BCELoss()(np.array([np.nan]), np.ones(1))),
        (r"binary_cross_entropy: weight of shape \(3,\) does not stretch to the targets' shape \(3, 4\)",
         lambda: nn.BCELoss(weight=np.ones(3))(Z, Z)),
        (r"binary_cross_entropy_with_logits: weight of shape \(2, 3, 4\) does not stretch",
         lambda: nn.BCEWithLogitsLoss(weight=np.ones((2, 3, 4)))(Z, Z)),
        (r"binary_cross_entropy_with_logits: pos_weight of shape \(3,\) does not stretch",
         lambda: nn.BCEWithLogitsLoss(pos_weight=np.ones(3))(Z, Z)),
        ("cross_entropy: ignore_index=2 is a class label, and the labels are probabilities",
         lambda: functional.cross_entropy(Z, Z, ignore_index=2)),
        ("smooth_l1_loss: beta must be 0 or more, got -1", lambda: nn.SmoothL1Loss(beta=-1)(Z, Z)),
        ("huber_loss: delta must be positive, got 0", lambda: nn.HuberLoss(delta=0)(Z, Z)),
        ("kl_div: reduction must be 'mean', 'batchmean', 'sum' or 'none', got 'x'",
         lambda: functional.kl_div(Z, Z, "x")),
        (r"hinge_loss: targets must be -1 or 1, got 0.0; of labels 0 and 1 make 2 \* target - 1",
         lambda: nn.HingeLoss()(np.ones(2), np.array([0, 1]))),
        ("cosine_embedding_loss: targets must be -1 or 1, got 0.0",
         lambda: nn.CosineEmbeddingLoss()(Z, Z, np.array([0, 1, 1]))),
        (r"cosine_embedding_loss: inputs of shape \(3, 4\) and target of shape \(3, 1\) do not match",
         lambda: nn.CosineEmbeddingLoss()(Z, Z, np.ones((3, 1)))),
        (r"cosine_embedding_loss: input1 has shape \(3, 4\) and input2 \(4,\)",
         lambda: nn.CosineEmbeddingLoss()(Z, Z[0], np.ones(3))),
        (r"linear: input has shape \(5, 2\), and its last axis must be the in_features of weight \(4, 3\)",
         lambda: functional.linear(np.ones((5, 2)), np.ones((4, 3)))),
        (r"linear: weight must have the shape \(out_features, in_features\), got \(3,\)",
         lambda: functional.linear(np.ones((5, 3)), np.ones(3))),
        (r"linear: bias must have shape \(4,\), one an output, got \(1,\)",
         lambda: functional.linear(np.ones((5, 3)), np.ones((4, 3)), np.ones(1))),
    ],
)  # fmt: skip
def test_wrong_arguments_are_refused(message: str, call: Any) -> None:
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:invalid value")
def test_the_mean_of_nothing_is_not_a_number() -> None:
    """Those that are one operation answered 0, and the others NaN, as PyTorch does."""
    none = np.ones((0, 3))
    assert np.isnan(functional.cross_entropy(none, np.ones(0, int)))
    assert np.isnan(functional.binary_cross_entropy_with_logits(none, none))
    assert np.isnan(functional.mse_loss(none, none))


def test_orthogonal_vectors_are_moved_apart(rng: np.random.Generator) -> None:
    """At the margin the cosine loss has the derivative of its rising side, as in PyTorch: without it they stay."""
    torch: Any = pytest.importorskip("torch")
    x, y = np.array([[1.0, 0.0], [0.0, 0.0]]), np.array([[0.0, 2.0], [1.0, 1.0]])
    ours, theirs = tg.Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    functional.cosine_embedding_loss(ours, y, np.array([-1, -1])).backward()
    torch.nn.functional.cosine_embedding_loss(theirs, torch.tensor(y), torch.tensor([-1, -1])).backward()
    assert_close(ours.grad, theirs.grad)
    np.testing.assert_allclose(ours.grad[0], [0, 0.5], rtol=1e-10)


@pytest.mark.parametrize("shape", [(3,), (5, 3), (2, 5, 3), (0, 3)])
@pytest.mark.parametrize("bias", [True, False])
def test_linear_is_pytorchs(shape: Any, bias: bool, rng: np.random.Generator) -> None:
    torch: Any = pytest.importorskip("torch")
    arrays = [rng.normal(size=s) for s in (shape, (4, 3), *([(4,)] if bias else []))]
    ours, theirs = (
        [tg.Tensor(a, requires_grad=True) for a in arrays],
        [torch.tensor(a, requires_grad=True) for a in arrays],
    )
    out, expected = functional.linear(*ours), torch.nn.functional.linear(*theirs)
    assert_close(out.data, expected.detach())
    v = rng.normal(size=out.shape)
    out.backward(v)
    expected.backward(torch.tensor(v))
    for x, t in zip(ours, theirs, strict=True):
        assert_close(x.grad, t.grad)
