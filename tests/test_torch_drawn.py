"""Layers, losses and schedules with drawn arguments: PyTorch's answers, derivatives and refusals."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest

import tinygrad_ml as tg

torch = pytest.importorskip("torch")


class Case(NamedTuple):
    """A layer, and what it is called with: numbers that get a gradient, and masks or labels that get none."""

    kind: str
    args: tuple[Any, ...]
    keywords: dict[str, Any]
    inputs: tuple[Any, ...]
    call: dict[str, Any] = {}
    twice: bool = False

    def __repr__(self) -> str:
        arguments = [*map(repr, self.args), *(f"{k}={v!r}" for k, v in self.keywords.items())]
        shapes = [None if x is None else (x.shape, x.dtype.name) for x in self.inputs if not isinstance(x, tuple)]
        return f"{self.kind}({', '.join(arguments)}) of {shapes}, {self.call}"


class Draw:
    """What random cases are made of."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def up_to(self, most: int, least: int = 1) -> int:
        return int(self.rng.integers(least, most + 1))

    def one(self, *choices: Any) -> Any:
        return choices[self.rng.integers(len(choices))]

    def sizes(self, rank: int, most: int, least: int = 1) -> Any:
        """An int, or one for each axis."""
        several = tuple(self.up_to(most, least) for _ in range(rank))
        return self.one(self.up_to(most, least), several)

    def normal(self, *shape: int) -> np.ndarray:
        return self.rng.normal(size=shape)

    def in_memory(self, x: np.ndarray) -> np.ndarray:
        """The same numbers in another order in memory."""
        samples_last = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 0, -1)), -1, 0)
        return self.one(
            x, np.asfortranarray(x), np.repeat(x, 2, -1)[..., ::2], np.flip(np.flip(x).copy()), samples_last
        )


def convolution(draw: Draw) -> Case:
    rank, groups = draw.one(1, 2, 2), draw.one(1, 1, 2, 3)
    padding = draw.one(0, draw.sizes(rank, 4, 0), "same", "valid")
    keywords = {
        "stride": draw.one(1, draw.sizes(rank, 3)), "padding": padding, "dilation": draw.sizes(rank, 3),
        "groups": groups, "bias": draw.one(True, False),
        "padding_mode": draw.one("zeros", "zeros", "reflect", "replicate", "circular"),
    }  # fmt: skip
    channels = groups * draw.up_to(3), groups * draw.up_to(4)
    lengths = [draw.up_to(12) for _ in range(rank)]
    shape = (*draw.one((), (0,), (1,), (2,), (5,)), channels[0] + draw.one(0, 0, 0, 0, 1), *lengths)
    x = draw.in_memory(draw.normal(*shape))
    return Case(f"Conv{rank}d", (*channels, draw.sizes(rank, 4)), keywords, (x,), twice=True)


def pooling(draw: Draw) -> Case:
    kind = draw.one("MaxPool2d", "AvgPool2d")
    keywords: dict[str, Any] = {"stride": draw.one(None, draw.sizes(2, 4)), "ceil_mode": draw.one(True, False)}
    if kind == "AvgPool2d":
        keywords |= {"count_include_pad": draw.one(True, False), "divisor_override": draw.one(None, None, 3, -2)}
    elif draw.one(True, False):
        keywords["dilation"] = draw.sizes(2, 3)
    if "dilation" not in keywords:  # with it some windows see only padding, and PyTorch sends their gradient anywhere
        keywords["padding"] = draw.sizes(2, 2, 0)
    shape = (*draw.one((), (0,), (1,), (3,)), draw.up_to(3), draw.up_to(12), draw.up_to(12))
    return Case(kind, (draw.sizes(2, 4),), keywords, (draw.in_memory(draw.normal(*shape)),), twice=True)


def normalization(draw: Draw) -> Case:
    affine, eps = draw.one(True, False), draw.one(1e-5, 0.1)
    if draw.one(True, False):
        shape = (*draw.one((), (0,), (4,), (2, 3)), *draw.one((3,), (2, 4)))
        axes = shape[-1:] if len(shape) == 1 or shape[-2] == 0 else shape[-draw.up_to(2) :]
        return Case(
            "LayerNorm", (axes,), {"eps": eps, "elementwise_affine": affine}, (draw.normal(*shape),), twice=True
        )
    rank, channels = draw.one(1, 2), draw.up_to(3)
    keywords = {
        "eps": eps, "momentum": draw.one(0.1, None, 0.0, 1.0), "affine": affine,
        "track_running_stats": draw.one(True, False),
    }  # fmt: skip
    shape = (draw.up_to(5), channels, 2, 3)[: draw.one(2, 3) if rank == 1 else 4]
    return Case(f"BatchNorm{rank}d", (channels,), keywords, (draw.in_memory(draw.normal(*shape)),), twice=True)


def linear(draw: Draw) -> Case:
    features = draw.up_to(20)
    shape = (*draw.one((), (0,), (127,), (128,), (300,), (2, 64), (2, 3, 4)), features)
    keywords = {"bias": draw.one(True, False)}
    return Case("Linear", (features, draw.up_to(9)), keywords, (draw.in_memory(draw.normal(*shape)),), twice=True)


def recurrent(draw: Draw) -> Case:
    kind, sizes, layers = draw.one("RNN", "GRU", "LSTM"), (draw.up_to(4), draw.up_to(4)), draw.up_to(3)
    keywords = {
        "num_layers": layers, "bias": draw.one(True, False), "batch_first": draw.one(True, False),
        "bidirectional": draw.one(True, False),
    }  # fmt: skip
    if kind == "RNN":
        keywords["nonlinearity"] = draw.one("tanh", "relu")
    time, batch = draw.up_to(6), draw.one((), (1,), (3,), (0,))
    shape = (*batch, time) if keywords["batch_first"] else (time, *batch)
    first = (layers * (1 + keywords["bidirectional"]), *batch, sizes[1] + draw.one(0, 0, 0, 0, 1))
    state = (draw.normal(*first), draw.normal(*first)) if kind == "LSTM" else draw.normal(*first)
    return Case(kind, sizes, keywords, (draw.normal(*shape, sizes[0]), *draw.one((), (state,))))


def attention(draw: Draw) -> Case:
    heads, batch, targets, sources = draw.up_to(3), draw.one((), (1,), (3,)), draw.up_to(5), draw.up_to(5)
    width = heads * draw.up_to(3)
    kdim, vdim = draw.one((None, None), (draw.up_to(5), draw.up_to(5)), (None, draw.up_to(5)))
    first = draw.one(True, False)
    keywords = {
        "bias": draw.one(True, False), "add_bias_kv": draw.one(True, False), "add_zero_attn": draw.one(True, False),
        "kdim": kdim, "vdim": vdim, "batch_first": first,
    }  # fmt: skip
    inputs = [
        draw.normal(*((*batch, time) if first else (time, *batch)), features)
        for time, features in ((targets, width), (sources, kdim or width), (sources, vdim or width))
    ]
    attn_mask, padding = masks(draw, targets, sources, heads, batch)
    call = {
        "need_weights": draw.one(True, False), "average_attn_weights": draw.one(True, False), "attn_mask": attn_mask,
        "key_padding_mask": padding,
    }  # fmt: skip
    return Case("MultiheadAttention", (width, heads), keywords, tuple(inputs), call)


def encoder(draw: Draw) -> Case:
    heads, batch, time = draw.up_to(3), draw.one((), (1,), (3,)), draw.up_to(5)
    width, first = heads * draw.up_to(3), draw.one(True, False)
    keywords = {
        "dim_feedforward": draw.up_to(6), "dropout": 0.0, "activation": draw.one("relu", "gelu"),
        "layer_norm_eps": draw.one(1e-5, 0.1), "batch_first": first, "norm_first": draw.one(True, False),
        "bias": draw.one(True, False),
    }  # fmt: skip
    src_mask, padding = masks(draw, time, time, heads, batch)
    x = draw.normal(*((*batch, time) if first else (time, *batch)), width)
    call = {"src_mask": src_mask, "src_key_padding_mask": padding}
    return Case("TransformerEncoderLayer", (width, heads), keywords, (x,), call)


def masks(draw: Draw, targets: int, sources: int, heads: int, batch: tuple[int, ...]) -> Iterator[Any]:
    """Boolean or added masks of which no row is closed, or none."""
    added = draw.one(True, False)
    for shape in (draw.one((targets, sources), (sum(batch or (1,)) * heads, targets, sources)), (*batch, sources)):
        closed = draw.rng.random(shape) < 0.4
        closed[..., 0] = False
        yield draw.one(None, draw.normal(*shape) if added else closed)


def classification(draw: Draw) -> Case:
    kind, classes, batch = draw.one("CrossEntropyLoss", "NLLLoss"), draw.up_to(5), draw.one((), (0,), (1,), (4,))
    after = draw.one((), (3,), (2, 1, 3)) if batch else ()
    ignored = draw.one(-100, 0, classes + 2)
    keywords: dict[str, Any] = {"reduction": draw.one("mean", "sum", "none"), "ignore_index": ignored}
    if draw.one(True, False):
        keywords["weight"] = draw.rng.uniform(0.1, 2, classes)
    labels = draw.rng.integers(0, classes + draw.one(0, 0, 0, 0, 1), (*batch, *after))
    labels = np.asarray(np.where(draw.rng.random(labels.shape) < 0.2, ignored, labels))
    logits = draw.normal(*batch, classes, *after) * draw.one(1, 30)
    if kind == "NLLLoss":
        return Case(kind, (), keywords, (-np.abs(logits), labels))
    keywords["label_smoothing"] = draw.one(0.0, 0.1, 1.0)
    if draw.one(True, False, False):
        return Case(kind, (), keywords, (logits, np.abs(draw.normal(*logits.shape))))
    return Case(kind, (), keywords, (logits, labels))


def regression(draw: Draw) -> Case:
    kind = draw.one(
        "BCELoss", "BCEWithLogitsLoss", "MSELoss", "L1Loss", "SmoothL1Loss", "HuberLoss", "KLDivLoss",
        "CosineEmbeddingLoss",
    )  # fmt: skip
    shape = draw.one((), (3,), (0, 2), (4, 3), (2, 1, 3))
    x, y = draw.normal(*shape), draw.normal(*shape)
    keywords: dict[str, Any] = {"reduction": draw.one("mean", "sum", "none")}
    if kind.startswith("BCE"):
        x, y = np.asarray(1 / (1 + np.exp(-x)) if kind == "BCELoss" else 30 * x), np.asarray(draw.rng.random(shape))
        for name in ("weight", "pos_weight")[: 1 + (kind == "BCEWithLogitsLoss")]:
            keywords[name] = draw.one(None, draw.rng.uniform(0.1, 2, shape), draw.rng.uniform(0.1, 2, shape[-1:]))
    if kind == "SmoothL1Loss":
        keywords["beta"] = draw.one(1.0, 0.3, 0.0, -1.0)
    if kind == "HuberLoss":
        keywords["delta"] = draw.one(1.0, 0.3, 0.0)
    if kind == "KLDivLoss":
        keywords = {"reduction": draw.one("mean", "batchmean", "sum", "none"), "log_target": draw.one(True, False)}
        y = y if keywords["log_target"] else np.asarray(np.abs(y))
    if kind == "CosineEmbeddingLoss":
        keywords["margin"] = draw.one(0.0, 0.3, -0.4)
        x, y = draw.rng.integers(-1, 2, (4, 3)).astype(float), draw.rng.integers(-1, 2, (4, 3)).astype(float)
        return Case(kind, (), keywords, (x, y, draw.rng.choice([-1, 1], 4)))
    return Case(kind, (), keywords, (x, y))


def answer(library: Any, case: Case, state: dict[str, Any] | None, rng: np.random.Generator) -> Any:
    """The layer, its inputs and its outputs, or the error that it raises."""
    numbers = torch.tensor if library is torch else np.asarray
    leaf = (
        (lambda x: torch.tensor(x.copy(), requires_grad=True))
        if library is torch
        else (lambda x: tg.Tensor(x, requires_grad=True))
    )

    def given(x: Any, convert: Callable[[Any], Any]) -> Any:
        if isinstance(x, tuple):
            return tuple([given(part, convert) for part in x])
        return convert(x) if isinstance(x, np.ndarray) and x.dtype.kind == "f" else numbers(x)

    try:
        keywords = {k: numbers(v) if isinstance(v, np.ndarray) else v for k, v in case.keywords.items()}
        layer = getattr(library.nn, case.kind)(*case.args, **keywords)
        if library is torch:
            layer.double()
        if state is None:
            state = {k: rng.uniform(0.2, 1, v.shape) if v.ndim else v for k, v in layer.state_dict().items()}
            state |= {
                k: v for k, v in layer.state_dict().items() if k.endswith("weight") and case.kind.endswith("Loss")
            }
        layer.load_state_dict({k: numbers(v) for k, v in state.items()})
        inputs = [given(x, leaf) for x in case.inputs]
        call = {k: numbers(v) if isinstance(v, np.ndarray) else v for k, v in case.call.items()}
        out = layer(*inputs, **call)
    except (ValueError, TypeError, RuntimeError, IndexError) as error:
        return error, state
    return (layer, list(_flat(inputs)), list(_flat([out]))), state


def _flat(parts: Any) -> Iterator[Any]:
    for part in parts:
        if isinstance(part, (tuple, list)):
            yield from _flat(part)
        elif part is not None:
            yield part


def assert_close(actual: Any, expected: Any, case: Case) -> None:
    actual, expected = np.asarray(getattr(actual, "data", actual)), expected.detach().numpy()
    size = float(np.max(np.abs(expected), initial=0.1))
    np.testing.assert_allclose(actual, expected, rtol=1e-10, atol=1e-10 * size, err_msg=repr(case))


def assert_same_derivatives(ours: Any, theirs: Any, case: Case, rng: np.random.Generator) -> None:
    """The gradients of a weighted sum of squares of the outputs, and of a weighted sum of those where asked."""
    (layer, inputs, outs), (other, others, expected) = ours, theirs
    assert [name for name, _ in layer.named_parameters()] == [name for name, _ in other.named_parameters()], case
    leaves = [x for x in inputs if getattr(x, "requires_grad", False)] + layer.parameters()
    twins = [x for x in others if x.requires_grad] + list(other.parameters())
    loss, target = 0, 0
    for out, value in zip(outs, expected, strict=True):
        assert_close(out, value, case)
        weights = rng.normal(size=out.shape)
        loss, target = loss + np.sum(out * out * weights), target + (value * value * torch.tensor(weights)).sum()
    loss.backward(create_graph=case.twice)
    theirs = torch.autograd.grad(target, twins, create_graph=case.twice, allow_unused=True)
    gradients = [leaf.grad for leaf in leaves]
    for gradient, value in zip(gradients, theirs, strict=True):
        if value is not None:
            assert_close(gradient, value, case)
    if case.twice:
        loss, target = 0, 0
        for leaf, gradient, value in zip(leaves, gradients, theirs, strict=True):
            leaf.grad = None
            weights = rng.normal(size=leaf.shape)
            loss, target = loss + np.sum(gradient * weights), target + (value * torch.tensor(weights)).sum()
        loss.backward()
        for leaf, value in zip(leaves, torch.autograd.grad(target, twins, allow_unused=True), strict=True):
            found = np.zeros(leaf.shape) if leaf.grad is None else leaf.grad
            assert_close(found, torch.zeros(leaf.shape) if value is None else value, case)
    for name, value in layer.state_dict().items():
        assert_close(value, other.state_dict()[name], case)


DRAWS: list[tuple[Callable[[Draw], Case], int]] = [
    (convolution, 100), (pooling, 100), (normalization, 60), (linear, 30), (recurrent, 30), (attention, 40),
    (encoder, 20), (classification, 100), (regression, 100),
]  # fmt: skip


@pytest.mark.parametrize(("draw_case", "count"), DRAWS, ids=[draw.__name__ for draw, _ in DRAWS])
@pytest.mark.filterwarnings("ignore")  # PyTorch's: of even kernels, of masks, of means of nothing
def test_drawn_arguments(draw_case: Callable[[Draw], Case], count: int, rng: np.random.Generator) -> None:
    draw, answered = Draw(rng), 0
    for _ in range(count):
        case = draw_case(draw)
        ours, state = answer(tg, case, None, rng)
        theirs, _ = answer(torch, case, state, rng)
        refused = isinstance(ours, Exception), isinstance(theirs, Exception)
        assert refused[0] == refused[1], f"{case}: {ours!r} here, {theirs!r} in PyTorch"
        if not any(refused):
            assert_same_derivatives(ours, theirs, case, rng)
            answered += 1
    assert answered > count / 3


def schedule(draw: Draw, groups: int, inside: bool = False) -> tuple[str, Any]:
    """The name and the arguments of a schedule, or several in a row."""
    kinds = ["StepLR", "MultiStepLR", "ExponentialLR", "LinearLR", "CosineAnnealingLR", "LambdaLR", "OneCycleLR"]
    kind = draw.one(*kinds, *([] if inside else ["ReduceLROnPlateau", "SequentialLR"]))
    each = [draw.one(0.1, 0.02) for _ in range(groups)]
    options: dict[str, Any] = {
        "StepLR": {"step_size": draw.up_to(8), "gamma": draw.one(0.1, 0.7)},
        "MultiStepLR": {"milestones": sorted(draw.up_to(40) for _ in range(4)), "gamma": 0.6},
        "ExponentialLR": {"gamma": 0.95},
        "LinearLR": {"start_factor": draw.one(0.1, 1.0), "end_factor": draw.one(0.0, 0.5, 1.0), "total_iters": 9},
        "CosineAnnealingLR": {"T_max": draw.one(1, 7, 50), "eta_min": 0.0 if inside else 1e-9},
        "LambdaLR": {"lr_lambda": draw.one(lambda epoch: 0.9**epoch, [lambda epoch: 1 / (1 + epoch)] * groups)},
        "OneCycleLR": {
            "max_lr": draw.one(0.1, each), "total_steps": 51, "pct_start": draw.one(0.3, 0.05, 0.9),
            "anneal_strategy": draw.one("cos", "linear"), "three_phase": draw.one(True, False),
            "cycle_momentum": draw.one(True, False), "final_div_factor": draw.one(1e4, 10.0),
        },
        "ReduceLROnPlateau": {
            "mode": draw.one("min", "max"), "factor": draw.one(0.5, 0.1), "patience": draw.up_to(5, 0),
            "threshold_mode": draw.one("rel", "abs"), "threshold": draw.one(1e-4, 0.1), "cooldown": draw.up_to(3, 0),
            "min_lr": draw.one(0.0, [rate / 10 for rate in each]),
        },
        "SequentialLR": ([], []),
    }  # fmt: skip
    if kind == "SequentialLR":
        milestones = sorted({draw.up_to(45) for _ in range(draw.up_to(2))})
        return kind, ([schedule(draw, groups, inside=True) for _ in range(len(milestones) + 1)], milestones)
    return kind, options[kind]


def scheduled(library: Any, optimizer: Any, drawn: tuple[str, Any]) -> Any:
    kind, options = drawn
    make = getattr(library.optim.lr_scheduler, kind)
    if kind == "SequentialLR":
        return make(optimizer, [scheduled(library, optimizer, part) for part in options[0]], options[1])
    return make(optimizer, **options)


def options_of(draw: Draw, kind: str) -> dict[str, Any]:
    options = {"lr": draw.one(0.001, 0.02), "weight_decay": draw.one(0.0, 0.1), "maximize": draw.one(False, True)}
    momentum = draw.one(0.0, 0.5, 0.9)
    own: dict[str, dict[str, Any]] = {
        "SGD": {"momentum": momentum, "nesterov": momentum > 0 and draw.one(True, False)},
        "Adam": {"betas": draw.one((0.9, 0.999), (0.8, 0.7)), "amsgrad": draw.one(True, False)},
        "AdamW": {"betas": draw.one((0.9, 0.999), (0.8, 0.7)), "eps": draw.one(1e-8, 1e-3)},
        "RMSprop": {"lr": 0.001, "alpha": draw.one(0.99, 0.5), "momentum": momentum, "centered": draw.one(True, False)},
    }
    return options | own[kind]


@pytest.mark.parametrize("kind", ["SGD", "Adam", "AdamW", "RMSprop"])
@pytest.mark.filterwarnings("ignore")  # PyTorch's: of steps without any gradient
def test_drawn_schedules(kind: str, rng: np.random.Generator) -> None:
    """Rates, momenta and parameters after each of 50 steps; and the same bits from half of them on."""
    draw = Draw(rng)
    for _ in range(8):
        groups = draw.up_to(2)
        own = [options_of(draw, kind) for _ in range(groups)]
        drawn = [schedule(draw, groups), *draw.one([], [schedule(draw, groups, inside=True)])]
        if repr(drawn).count("OneCycleLR") > 1:
            continue  # in PyTorch a second one takes the groups' peaks from the first
        start, slopes = draw.normal(groups, 3), draw.normal(50, groups, 3)
        absent, measure = draw.rng.random((50, groups)) < draw.one(0.0, 0.3), draw.normal(50)
        absent[:, 0] = False

        def begin(library: Any, own: Any = own, drawn: Any = drawn, start: Any = start) -> Any:
            leaf = (lambda x: torch.tensor(x.copy(), requires_grad=True)) if library is torch else tg.nn.Parameter
            leaves = [leaf(x.copy()) for x in start]
            parts = [{"params": [p], **options} for p, options in zip(leaves, own, strict=True)]
            optimizer = getattr(library.optim, kind)(parts)
            return leaves, optimizer, [scheduled(library, optimizer, part) for part in drawn]

        def walk(
            run: Any, steps: range, slopes: Any = slopes, absent: Any = absent, measure: Any = measure
        ) -> list[list[np.ndarray]]:
            leaves, optimizer, schedules = run
            path = []
            for step in steps:
                for i, p in enumerate(leaves):
                    slope = slopes[step, i] + np.sin(p.detach().numpy())
                    p.grad = None if absent[step, i] else torch.tensor(slope) if type(p) is torch.Tensor else slope
                optimizer.step()
                for part in schedules:
                    part.step(*[measure[step]] * (type(part).__name__ == "ReduceLROnPlateau"))
                path.append([
                    *[p.detach().numpy().copy() for p in leaves],
                    [(g["lr"], g.get("betas", [g.get("momentum")])[0]) for g in optimizer.param_groups],
                ])  # fmt: skip
            return path

        run = begin(tg)
        path = walk(run, range(50))
        for step, (ours, theirs) in enumerate(zip(path, walk(begin(torch), range(50)), strict=True)):
            for a, b in zip(ours, theirs, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9, err_msg=f"step {step}: {own}, {drawn}")
        half = begin(tg)
        walk(half, range(25))
        states = pickle.loads(pickle.dumps([part.state_dict() for part in (half[1], *half[2])]))
        resumed = begin(tg)
        for p, q in zip(resumed[0], half[0], strict=True):
            p.data[...] = q.data
        for part, state in zip((resumed[1], *resumed[2]), states, strict=True):
            part.load_state_dict(state)
        for ours, same in zip(walk(resumed, range(25, 50)), path[25:], strict=True):
            for a, b in zip(ours, same, strict=True):
                np.testing.assert_array_equal(a, b, err_msg=f"{own}, {drawn}")
