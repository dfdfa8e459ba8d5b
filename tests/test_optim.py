"""Optimizers and schedules: PyTorch's trajectories, the same bits after a resume, one vector behind many arrays."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_ml as tg
from tinygrad_ml import optim
from tinygrad_ml.optim import lr_scheduler

SHAPES = ((3, 4), (5,), (), (2, 1, 2))
STEPS = 50

OPTIMIZERS: dict[str, tuple[str, dict[str, Any]]] = {
    "SGD": ("SGD", {"lr": 0.1}),
    "SGD default rate": ("SGD", {}),
    "SGD momentum": ("SGD", {"lr": 0.05, "momentum": 0.9}),
    "SGD dampening": ("SGD", {"lr": 0.05, "momentum": 0.9, "dampening": 0.3}),
    "SGD nesterov": ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True}),
    "SGD weight_decay": ("SGD", {"lr": 0.05, "weight_decay": 0.1}),
    "SGD all": ("SGD", {"lr": 0.05, "momentum": 0.8, "nesterov": True, "weight_decay": 0.1, "maximize": True}),
    "Adam": ("Adam", {"lr": 0.05}),
    "Adam defaults": ("Adam", {}),
    "Adam betas eps": ("Adam", {"lr": 0.05, "betas": (0.8, 0.95), "eps": 1e-3}),
    "Adam weight_decay": ("Adam", {"lr": 0.05, "weight_decay": 0.1}),
    "Adam amsgrad": ("Adam", {"lr": 0.05, "amsgrad": True, "betas": (0.9, 0.7)}),
    "Adam maximize": ("Adam", {"lr": 0.05, "maximize": True, "weight_decay": 0.1}),
    "AdamW": ("AdamW", {"lr": 0.05}),
    "AdamW weight_decay": ("AdamW", {"lr": 0.05, "weight_decay": 0.3}),
    "AdamW all": ("AdamW", {"lr": 0.05, "betas": (0.8, 0.7), "amsgrad": True, "maximize": True}),
    "RMSprop": ("RMSprop", {}),
    "RMSprop alpha eps": ("RMSprop", {"lr": 0.02, "alpha": 0.8, "eps": 1e-3}),
    "RMSprop weight_decay": ("RMSprop", {"weight_decay": 0.1}),
    "RMSprop centered": ("RMSprop", {"lr": 0.002, "centered": True}),
    "RMSprop momentum": ("RMSprop", {"lr": 0.002, "momentum": 0.9}),
    "RMSprop all": ("RMSprop", {"lr": 0.001, "momentum": 0.5, "centered": True, "weight_decay": 0.1, "maximize": True}),
    "Adagrad": ("Adagrad", {}),
    "Adagrad lr_decay": ("Adagrad", {"lr": 0.3, "lr_decay": 0.1}),
    "Adagrad initial": ("Adagrad", {"lr": 0.3, "initial_accumulator_value": 0.5, "eps": 1e-4}),
    "Adagrad all": ("Adagrad", {"lr": 0.3, "lr_decay": 0.01, "weight_decay": 0.1, "maximize": True}),
}


def slope(p: np.ndarray, i: int, step: int) -> np.ndarray:
    """A gradient as of a minibatch: of a curved function, and another in every step."""
    return np.asarray(np.sin(1.3 * p + i) + 0.5 * p + 0.3 * np.cos(step + np.arange(p.size).reshape(p.shape)))


def everywhere(i: int, step: int) -> bool:
    return True


def here_and_there(i: int, step: int) -> bool:
    """Parameter 0 always, 1 from step 3 on, 2 in every other step, 3 never."""
    return (True, step >= 3, step % 2 == 0, False)[i]


def draw(rng: np.random.Generator) -> list[np.ndarray]:
    return [np.asarray(rng.normal(size=shape)) for shape in SHAPES]


def parameters(arrays: list[np.ndarray]) -> list[Any]:
    return [tg.nn.Parameter(array.copy()) for array in arrays]


def walk(
    optimizer: Any,
    params: list[Any],
    steps: range,
    present: Callable[[int, int], bool] = everywhere,
    schedule: Any = None,
) -> list[list[np.ndarray]]:
    """Take steps, and note the parameters after each."""
    path = []
    for step in steps:
        for i, p in enumerate(params):
            p.grad = slope(np.asarray(p.data), i, step) if present(i, step) else None
        optimizer.step()
        if schedule is not None:
            schedule(step)
        path.append([np.array(p.data) for p in params])
    return path


def walk_torch(
    torch: Any,
    make: Any,
    arrays: list[np.ndarray],
    present: Callable[[int, int], bool] = everywhere,
    schedule: Any = None,
) -> list[list[np.ndarray]]:
    theirs = [torch.tensor(array, requires_grad=True) for array in arrays]
    optimizer = make(theirs)
    advance = schedule(optimizer) if schedule else None
    path = []
    for step in range(STEPS):
        for i, p in enumerate(theirs):
            p.grad = torch.tensor(slope(p.detach().numpy(), i, step)) if present(i, step) else None
        optimizer.step()
        if advance is not None:
            advance(step)
        path.append([p.detach().numpy().copy() for p in theirs])
    return path


def assert_same_path(ours: Any, theirs: Any) -> None:
    moved = False
    for step, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        for x, y in zip(a, b, strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-9, err_msg=f"step {step}")
        moved |= any(np.any(x != x0) for x, x0 in zip(a, ours[0], strict=True))
    assert moved


def assert_equal(ours: Any, theirs: Any) -> None:
    for a, b in zip(ours, theirs, strict=True):
        for x, y in zip(a, b, strict=True):
            np.testing.assert_array_equal(x, y)


# The trajectories.


@pytest.mark.parametrize("present", [everywhere, here_and_there])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_fifty_steps_are_pytorchs(name: str, present: Any, rng: np.random.Generator) -> None:
    torch: Any = pytest.importorskip("torch")
    kind, options = OPTIMIZERS[name]
    arrays = draw(rng)
    ours = parameters(arrays)
    path = walk(getattr(optim, kind)(ours, **options), ours, range(STEPS), present)
    assert_same_path(path, walk_torch(torch, lambda p: getattr(torch.optim, kind)(p, **options), arrays, present))


@pytest.mark.parametrize("kind", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad"])
def test_groups_have_their_own_options(kind: str, rng: np.random.Generator) -> None:
    torch: Any = pytest.importorskip("torch")
    arrays = draw(rng)

    def make(module: Any, p: list[Any]) -> Any:
        groups = [{"params": p[:2], "lr": 0.03}, {"params": p[2:3], "weight_decay": 0.2}]
        optimizer = getattr(module, kind)(groups, lr=0.01)
        optimizer.add_param_group({"params": p[3], "lr": 0.05})
        return optimizer

    ours = parameters(arrays)
    path = walk(make(optim, ours), ours, range(STEPS))
    assert_same_path(path, walk_torch(torch, lambda p: make(torch.optim, p), arrays))


def test_a_network_learns_as_in_pytorch(rng: np.random.Generator) -> None:
    torch: Any = pytest.importorskip("torch")
    X, y = rng.normal(size=(20, 6)), rng.integers(0, 3, 20)
    ours = tg.nn.Sequential(tg.nn.Linear(6, 8, rng=0), np.tanh, tg.nn.Linear(8, 3, rng=1))
    theirs = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3)).double()
    theirs.load_state_dict({name: torch.tensor(array) for name, array in ours.state_dict().items()})
    mine, other = optim.Adam(ours.named_parameters(), lr=0.01), torch.optim.Adam(theirs.parameters(), lr=0.01)
    for _ in range(STEPS):
        mine.zero_grad()
        loss = tg.functional.cross_entropy(ours(X), y)
        loss.backward()
        norm = optim.clip_grad_norm(ours.parameters(), 0.5)
        mine.step()
        other.zero_grad()
        expected = torch.nn.functional.cross_entropy(theirs(torch.tensor(X)), torch.tensor(y))
        expected.backward()
        assert norm == pytest.approx(torch.nn.utils.clip_grad_norm_(theirs.parameters(), 0.5).item(), rel=1e-9)
        other.step()
        assert loss.item() == pytest.approx(expected.item(), rel=1e-9)
    assert loss.item() < 0.9


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_float32_stays_float32(name: str, rng: np.random.Generator) -> None:
    kind, options = OPTIMIZERS[name]
    arrays = draw(rng)
    single, double = parameters([a.astype(np.float32) for a in arrays]), parameters(arrays)
    optimizer = getattr(optim, kind)(single, **options)
    path = walk(optimizer, single, range(3))
    assert all(array.dtype == np.float32 for arrays in path for array in arrays)
    kept = [a for state in optimizer.state_dict()["state"].values() for key, a in state.items() if key != "step"]
    assert all(array.dtype == np.float32 for array in kept)
    for a, b in zip(path[-1], walk(getattr(optim, kind)(double, **options), double, range(3))[-1], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


def test_single_and_double_precision_in_one_group(rng: np.random.Generator) -> None:
    arrays = draw(rng)
    mixed = parameters([arrays[0].astype(np.float32), *arrays[1:]])
    alone = parameters(arrays[1:])
    walk(optim.Adam(mixed), mixed, range(5))
    optimizer = optim.Adam(alone)
    for step in range(5):
        for i, p in enumerate(alone, start=1):
            p.grad = slope(np.asarray(p.data), i, step)
        optimizer.step()
    assert mixed[0].dtype == np.float32
    assert_equal([[p.data for p in mixed[1:]]], [[p.data for p in alone]])


# One vector.


def numpy_calls(monkeypatch: pytest.MonkeyPatch, count: int) -> int:
    """How many NumPy functions a step of `count` parameters calls to update them."""
    calls = []
    params = parameters([np.ones(2)] * count)
    optimizer = optim.Adam(params)
    for p in params:
        p.grad = np.ones(2)
    with monkeypatch.context() as patch:
        for name in ("sqrt", "multiply", "divide"):
            function = getattr(np, name)
            patch.setattr(np, name, lambda *a, f=function, **k: calls.append(f) or f(*a, **k))
        optimizer.step()
        calls.clear()
        optimizer.step()
    return len(calls)


def test_an_update_makes_as_many_calls_for_many_parameters_as_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert numpy_calls(monkeypatch, 30) == numpy_calls(monkeypatch, 1) > 2


def test_parameters_are_views_of_one_vector(rng: np.random.Generator) -> None:
    params = parameters(draw(rng))
    walk(optim.SGD(params), params, range(1))
    whole = params[0].data.base
    assert whole is not None and all(p.data.base is whole for p in params)


def assign(params: list[Any], optimizer: Any) -> None:
    for p in params:
        p.data = np.array(p.data)


def load(params: list[Any], optimizer: Any) -> None:
    for p in params:
        p.data[...] = np.array(p.data)


def take_over(params: list[Any], optimizer: Any) -> None:
    """Another optimizer makes the parameters views of its own vector; the rate is too small for any bit."""
    other = optim.SGD(params, lr=1e-300)
    other.step()


@pytest.mark.parametrize("disturb", [assign, load, take_over])
@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_a_lost_view_is_found_again(kind: str, disturb: Any, rng: np.random.Generator) -> None:
    arrays = draw(rng)
    left, disturbed = parameters(arrays), parameters(arrays)
    a, b = (getattr(optim, kind)(p, lr=0.01) for p in (left, disturbed))
    for step in range(4):
        assert_equal(walk(a, left, range(step, step + 1)), walk(b, disturbed, range(step, step + 1)))
        disturb(disturbed, b)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_vectors_begin_on_a_cache_line(dtype: Any, rng: np.random.Generator) -> None:
    parameters = [tg.nn.Parameter(rng.normal(size=shape).astype(dtype)) for shape in SHAPES]
    optimizer = optim.Adam(parameters)
    for parameter in parameters:
        parameter.grad = np.ones_like(parameter.data)
    optimizer.step()
    [[block]] = optimizer._blocks
    vectors = [block.data, block.gradient, block.work, *block.state.values()]
    assert len(vectors) == 5
    for vector in vectors:
        assert vector.ctypes.data % 64 == 0
        assert vector.shape == (sum(parameter.size for parameter in parameters),)
        assert vector.dtype == dtype


@pytest.mark.parametrize("rate", [-0.1, float("nan"), float("inf")])
def test_a_rate_that_became_wrong_is_refused(rate: float) -> None:
    first, second = tg.nn.Parameter([1.0]), tg.nn.Parameter([2.0])
    optimizer = optim.SGD([{"params": [("a", first)]}, {"params": [("b", second)]}], lr=0.1)
    first.grad, second.grad = np.ones(1), np.ones(1)
    optimizer.param_groups[1]["lr"] = rate
    with pytest.raises(ValueError, match=rf"SGD: lr must be 0 or more, got {rate} for parameter 'b' of shape \(1,\)"):
        optimizer.step()
    assert (first.data, second.data) == ([1.0], [2.0])


def test_an_assigned_array_is_where_the_next_step_begins() -> None:
    w = tg.nn.Parameter([1.0, 2.0])
    optimizer = optim.SGD([w], lr=0.5)
    w.grad = np.ones(2)
    optimizer.step()
    w.data = np.array([10.0, 20.0])
    optimizer.step()
    assert w.data.tolist() == [9.5, 19.5]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_copy_goes_on_by_itself(name: str, copied: Any, rng: np.random.Generator) -> None:
    kind, options = OPTIMIZERS[name]
    params = parameters(draw(rng))
    optimizer = getattr(optim, kind)(params, **options)
    walk(optimizer, params, range(3), here_and_there)
    twins, twin = copied((params, optimizer))
    before = [np.array(p.data) for p in params]
    path = walk(twin, twins, range(3, 8))
    assert_equal([[p.data for p in params]], [before])
    assert_equal(walk(optimizer, params, range(3, 8)), path)


def test_a_frozen_parameter_is_left_alone() -> None:
    free, frozen = tg.nn.Parameter([1.0]), tg.nn.Parameter([1.0], requires_grad=False)
    optimizer = optim.AdamW([free, frozen], lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        (free * frozen).sum().backward()
        optimizer.step()
    assert frozen.data.tolist() == [1.0] and free.data[0] < 0.8 and 1 not in optimizer.state_dict()["state"]


def test_gradients_that_can_be_differentiated_are_taken(rng: np.random.Generator) -> None:
    w = tg.nn.Parameter([3.0, 4.0])
    (w * w).sum().backward(create_graph=True)
    optim.SGD([w], lr=0.25).step()
    assert w.data.tolist() == [1.5, 2.0]


def test_a_gradient_that_is_not_finite_is_no_error() -> None:
    w = tg.nn.Parameter([1.0, 1.0])
    w.grad = np.array([np.nan, 1.0])
    optim.SGD([w], lr=0.5).step()
    assert np.isnan(w.data[0]) and w.data[1] == 0.5


def test_centered_rmsprop_of_an_unchanging_gradient_stays_finite() -> None:
    # The running variance is 0 and was rounded below it, whose root was NaN.
    w = tg.nn.Parameter(np.linspace(0.1, 3, 50))
    optimizer = optim.RMSprop([w], lr=1e-12, alpha=0.5, centered=True)
    slopes = np.linspace(0.1, 3, 50) / 3
    for _ in range(200):
        w.grad = slopes
        optimizer.step()
    assert np.all(np.isfinite(w.data))


# Closures.


def test_a_closure_is_called_with_gradients_on() -> None:
    w = tg.nn.Parameter([2.0])
    optimizer = optim.SGD([w], lr=0.5)

    def closure() -> Any:
        optimizer.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        return loss

    with tg.no_grad():
        assert optimizer.step(closure).item() == 4.0
    assert w.data.tolist() == [0.0]


# Resuming.


@pytest.mark.parametrize("present", [everywhere, here_and_there])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_resumed_run_has_the_same_bits(name: str, present: Any, rng: np.random.Generator) -> None:
    kind, options = OPTIMIZERS[name]
    arrays = draw(rng)
    params = parameters(arrays)
    optimizer = getattr(optim, kind)(params, **options)
    walk(optimizer, params, range(7), present)
    state, values = pickle.loads(pickle.dumps(optimizer.state_dict())), [np.array(p.data) for p in params]
    expected = walk(optimizer, params, range(7, 20), present)
    resumed = parameters(values)
    other = getattr(optim, kind)(resumed)
    other.load_state_dict(state)
    assert_equal(walk(other, resumed, range(7, 20), present), expected)
    assert other.param_groups[0]["lr"] == optimizer.param_groups[0]["lr"]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_state_dict_is_a_copy(name: str, rng: np.random.Generator) -> None:
    kind, options = OPTIMIZERS[name]
    params = parameters(draw(rng))
    optimizer = getattr(optim, kind)(params, **options)
    walk(optimizer, params, range(2))
    state = optimizer.state_dict()
    before = copy.deepcopy(state)
    walk(optimizer, params, range(2, 4))
    assert state["param_groups"] == before["param_groups"] and state["state"].keys() == before["state"].keys()
    for number, own in state["state"].items():
        assert own.keys() == before["state"][number].keys()
        for key, value in own.items():
            np.testing.assert_array_equal(value, before["state"][number][key])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_state_of_pytorchs_optimizer_is_taken(name: str, rng: np.random.Generator) -> None:
    torch: Any = pytest.importorskip("torch")
    kind, options = OPTIMIZERS[name]
    arrays = draw(rng)
    theirs = [torch.tensor(array, requires_grad=True) for array in arrays]
    optimizer = getattr(torch.optim, kind)(theirs, **options)

    def step_theirs(step: int) -> None:
        for i, p in enumerate(theirs):
            p.grad = torch.tensor(slope(p.detach().numpy(), i, step))
        optimizer.step()

    for step in range(5):
        step_theirs(step)
    ours = parameters([p.detach().numpy() for p in theirs])
    other = getattr(optim, kind)(ours)
    other.load_state_dict(optimizer.state_dict())
    path = walk(other, ours, range(5, 15))
    for step in range(5, 15):
        step_theirs(step)
    for p, t in zip(path[-1], theirs, strict=True):
        np.testing.assert_allclose(p, t.detach().numpy(), rtol=1e-9, atol=1e-9)


# Schedules.


def milestone_function(epoch: int) -> float:
    return 0.97**epoch * (1 + 0.2 * (epoch % 3))


SCHEDULES: dict[str, Callable[[Any, Any], Any]] = {
    "StepLR": lambda s, o: s.StepLR(o, 7),
    "StepLR gamma": lambda s, o: s.StepLR(o, 4, gamma=0.8),
    "MultiStepLR": lambda s, o: s.MultiStepLR(o, [30, 10, 11], gamma=0.5),
    "MultiStepLR twice": lambda s, o: s.MultiStepLR(o, [5, 5, 20], gamma=0.5),
    "ExponentialLR": lambda s, o: s.ExponentialLR(o, 0.95),
    "LinearLR": lambda s, o: s.LinearLR(o),
    "LinearLR down": lambda s, o: s.LinearLR(o, start_factor=1.0, end_factor=0.2, total_iters=20),
    "CosineAnnealingLR": lambda s, o: s.CosineAnnealingLR(o, 60),
    "CosineAnnealingLR eta_min": lambda s, o: s.CosineAnnealingLR(o, 9, eta_min=0.001),
    "LambdaLR": lambda s, o: s.LambdaLR(o, milestone_function),
    "LambdaLR each": lambda s, o: s.LambdaLR(o, [milestone_function, lambda epoch: 1 / (1 + epoch)]),
    "OneCycleLR": lambda s, o: s.OneCycleLR(o, max_lr=0.1, total_steps=STEPS),
    "OneCycleLR linear": lambda s, o: s.OneCycleLR(o, 0.1, total_steps=60, anneal_strategy="linear", pct_start=0.5),
    "OneCycleLR three_phase": lambda s, o: s.OneCycleLR(
        o, [0.1, 0.05], epochs=10, steps_per_epoch=6, three_phase=True, div_factor=10.0, final_div_factor=100.0
    ),
    "OneCycleLR momentum": lambda s, o: s.OneCycleLR(
        o, 0.1, total_steps=60, base_momentum=[0.7, 0.8], max_momentum=0.9
    ),
    "OneCycleLR fixed momentum": lambda s, o: s.OneCycleLR(o, 0.1, total_steps=60, cycle_momentum=False),
    "SequentialLR": lambda s, o: s.SequentialLR(
        o, [s.LinearLR(o, 0.1, total_iters=5), s.CosineAnnealingLR(o, 20), s.ExponentialLR(o, 0.9)], milestones=[5, 25]
    ),
    "ReduceLROnPlateau": lambda s, o: s.ReduceLROnPlateau(o, patience=2, cooldown=1, factor=0.5),
    "ReduceLROnPlateau max abs": lambda s, o: s.ReduceLROnPlateau(
        o, mode="max", threshold_mode="abs", threshold=0.05, patience=1, min_lr=[0.002, 0.004], factor=0.7
    ),
    "ReduceLROnPlateau max": lambda s, o: s.ReduceLROnPlateau(o, mode="max", threshold=0.2, patience=3),
    "ReduceLROnPlateau min abs": lambda s, o: s.ReduceLROnPlateau(
        o, threshold_mode="abs", threshold=0.3, patience=1, factor=0.2, eps=1e-4
    ),
}


def measure(step: int) -> float:
    return float(2 / (1 + step) + 0.3 * np.sin(step))


def advance(schedule: Any, step: int) -> None:
    if type(schedule).__name__ == "ReduceLROnPlateau":
        schedule.step(measure(step))
    else:
        schedule.step()


def groups(p: list[Any]) -> list[dict[str, Any]]:
    return [{"params": p[:2]}, {"params": p[2:], "lr": 0.02}]


@pytest.mark.filterwarnings("ignore::UserWarning:torch")
@pytest.mark.parametrize("kind", ["SGD", "AdamW"])
@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_are_pytorchs(name: str, kind: str, rng: np.random.Generator) -> None:
    torch: Any = pytest.importorskip("torch")
    arrays = draw(rng)
    options = {"lr": 0.05, "momentum": 0.9} if kind == "SGD" else {"lr": 0.05}
    ours = parameters(arrays)
    optimizer = getattr(optim, kind)(groups(ours), **options)
    schedule = SCHEDULES[name](lr_scheduler, optimizer)
    rates = [schedule.get_last_lr()]

    def step_ours(step: int) -> None:
        advance(schedule, step)
        rates.append(schedule.get_last_lr())

    path = walk(optimizer, ours, range(STEPS), schedule=step_ours)
    expected: list[Any] = []

    def scheduled(optimizer: Any) -> Any:
        theirs = SCHEDULES[name](torch.optim.lr_scheduler, optimizer)
        expected.append([group["lr"] for group in optimizer.param_groups])

        def step_theirs(step: int) -> None:
            advance(theirs, step)
            expected.append([group["lr"] for group in optimizer.param_groups])

        return step_theirs

    assert_same_path(
        path, walk_torch(torch, lambda p: getattr(torch.optim, kind)(groups(p), **options), arrays, schedule=scheduled)
    )
    np.testing.assert_allclose(rates[:STEPS], expected[:STEPS], rtol=1e-12, atol=1e-15)
    assert len(set(map(tuple, rates))) > 2


def test_two_schedules_multiply(rng: np.random.Generator) -> None:
    torch: Any = pytest.importorskip("torch")

    def rates(module: Any, optimizer: Any) -> list[float]:
        schedules = [module.LinearLR(optimizer, 0.1, total_iters=4), module.ExponentialLR(optimizer, 0.9)]
        out = []
        for _ in range(10):
            optimizer.step()
            for schedule in schedules:
                schedule.step()
            out.append(optimizer.param_groups[0]["lr"])
        return out

    w, t = tg.nn.Parameter([1.0]), torch.ones(1, requires_grad=True)
    w.grad, t.grad = np.ones(1), torch.ones(1)
    ours = rates(lr_scheduler, optim.SGD([w], lr=1.0))
    theirs = rates(torch.optim.lr_scheduler, torch.optim.SGD([t], lr=1.0))
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_resumed_schedule_has_the_same_bits(name: str, rng: np.random.Generator) -> None:
    params = parameters(draw(rng))
    optimizer = optim.SGD(groups(params), lr=0.05, momentum=0.9)
    schedule = SCHEDULES[name](lr_scheduler, optimizer)
    walk(optimizer, params, range(13), schedule=lambda step: advance(schedule, step))
    states = pickle.loads(pickle.dumps((optimizer.state_dict(), schedule.state_dict())))
    values = [np.array(p.data) for p in params]
    expected = walk(optimizer, params, range(13, STEPS), schedule=lambda step: advance(schedule, step))
    resumed = parameters(values)
    other = optim.SGD(groups(resumed), lr=0.05, momentum=0.9)
    twin = SCHEDULES[name](lr_scheduler, other)
    other.load_state_dict(states[0])
    twin.load_state_dict(states[1])
    assert_equal(walk(other, resumed, range(13, STEPS), schedule=lambda step: advance(twin, step)), expected)
    assert twin.get_last_lr() == schedule.get_last_lr()


def test_a_schedule_goes_on_from_last_epoch() -> None:
    optimizer = optim.SGD([tg.nn.Parameter([1.0])], lr=1.0)
    schedule = lr_scheduler.StepLR(optimizer, 3)
    for _ in range(4):
        schedule.step()
    expected = lr_scheduler.rates(copy.deepcopy(schedule), 5)
    optimizer.param_groups[0]["lr"] = schedule.get_last_lr()[0]
    assert lr_scheduler.rates(lr_scheduler.StepLR(optimizer, 3, last_epoch=3), 5) == expected


# LBFGS.


def least_squares(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return rng.normal(size=(20, 6)), rng.normal(size=20)


def test_lbfgs_takes_scipys_way(rng: np.random.Generator) -> None:
    from scipy.optimize import minimize

    A, b = least_squares(rng)
    start = rng.normal(size=6)
    weights, offset = tg.nn.Parameter(start[:5].copy()), tg.nn.Parameter(start[5:].copy())

    def closure() -> Any:
        weights.grad = offset.grad = None
        loss = np.sum(np.logaddexp(0, A @ np.concatenate([weights, offset]) - b) ** 2)
        loss.backward()
        return loss

    def value(x: np.ndarray) -> Any:
        z = A @ x - b
        return np.sum(np.logaddexp(0, z) ** 2), A.T @ (2 * np.logaddexp(0, z) / (1 + np.exp(-z)))

    optimizer = optim.LBFGS([weights, offset], max_iter=5, history_size=4)
    assert optimizer.result is None
    x = start
    for _ in range(2):  # a second step begins anew
        found = minimize(
            value, x, jac=True, method="L-BFGS-B",
            options={"maxiter": 5, "maxfun": 6, "gtol": 1e-7, "ftol": 1e-9, "maxcor": 4},
        )  # fmt: skip
        first = value(x)[0]
        x = found.x
        assert optimizer.step(closure).item() == pytest.approx(first, rel=1e-12)
        np.testing.assert_allclose(np.concatenate([weights.data, offset.data]), x, rtol=1e-9)
        assert (optimizer.result.nit, optimizer.result.success) == (found.nit, found.success)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_lbfgs_finds_the_minimum_that_pytorch_finds(dtype: Any, rng: np.random.Generator) -> None:
    torch: Any = pytest.importorskip("torch")
    A, b = (array.astype(dtype) for array in least_squares(rng))
    w, t = tg.nn.Parameter(np.zeros(6, dtype)), torch.zeros(6, dtype=torch.float64, requires_grad=True)
    idle = tg.nn.Parameter(np.ones(2, dtype))
    optimizer = optim.LBFGS([("w", w), ("idle", idle)], max_iter=50, tolerance_change=0.0)
    other = torch.optim.LBFGS([t], max_iter=100, line_search_fn="strong_wolfe", tolerance_change=0.0)

    def closure() -> Any:
        optimizer.zero_grad()
        loss = np.mean((A @ w - b) ** 2) + 0.1 * np.sum(w * w)
        loss.backward()
        return loss

    def closure_torch() -> Any:
        other.zero_grad()
        loss = ((torch.tensor(A).double() @ t - torch.tensor(b).double()) ** 2).mean() + 0.1 * (t * t).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    other.step(closure_torch)
    assert w.dtype == dtype and idle.data.tolist() == [1.0, 1.0]
    tolerance = 1e-6 if dtype == np.float64 else 1e-4
    np.testing.assert_allclose(w.data, t.detach().numpy(), rtol=tolerance, atol=tolerance)


def test_lbfgs_leaves_the_parameters_when_the_closure_fails() -> None:
    w = tg.nn.Parameter([3.0])
    optimizer = optim.LBFGS([w])
    calls = []

    def closure() -> Any:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        optimizer.zero_grad()
        loss = (w**4).sum()
        loss.backward()
        return loss

    with pytest.raises(KeyboardInterrupt):
        optimizer.step(closure)
    assert w.data.tolist() == [3.0]


def test_a_resumed_lbfgs_has_the_same_bits() -> None:
    def run(steps: int, start: Any, state: Any = None) -> Any:
        w = tg.nn.Parameter(start)
        optimizer = optim.LBFGS([w], max_iter=3)
        if state is not None:
            optimizer.load_state_dict(state)

        def closure() -> Any:
            optimizer.zero_grad()
            loss = (1 - w[0]) ** 2 + 100 * (w[1] - w[0] ** 2) ** 2
            loss.backward()
            return loss

        for _ in range(steps):
            optimizer.step(closure)
        return np.array(w.data), optimizer.state_dict()

    start = np.array([-1.2, 1.0])
    middle, state = run(2, start.copy())
    np.testing.assert_array_equal(run(3, middle.copy(), state)[0], run(5, start.copy())[0])


# Clipping.


@pytest.mark.parametrize("max_norm", [0.0, 0.1, 3.0, 1e3, np.inf])
@pytest.mark.parametrize("norm_type", [1.0, 2.0, 3.0, np.inf])
def test_clipped_norms_are_pytorchs(norm_type: float, max_norm: float, rng: np.random.Generator) -> None:
    torch: Any = pytest.importorskip("torch")
    arrays = draw(rng)
    ours, theirs = parameters(arrays), [torch.tensor(a, requires_grad=True) for a in arrays]
    for i, (p, t) in enumerate(zip(ours, theirs, strict=True)):
        if i != 1:
            p.grad, t.grad = arrays[i].copy(), torch.tensor(arrays[i])
    norm = optim.clip_grad_norm(ours, max_norm, norm_type)
    expected = torch.nn.utils.clip_grad_norm_(theirs, max_norm, norm_type)
    assert isinstance(norm, float) and norm == pytest.approx(expected.item(), rel=1e-12)
    assert ours[1].grad is None
    for p, t in zip(ours, theirs, strict=True):
        if t.grad is not None:
            np.testing.assert_allclose(p.grad, t.grad.numpy(), rtol=1e-12)


def test_clipped_values(rng: np.random.Generator) -> None:
    params = parameters(draw(rng))
    for p in params[1:]:
        p.grad = 5 * np.array(p.data)
    expected = [np.minimum(np.maximum(5 * p.data, -0.7), 0.7) for p in params[1:]]
    optim.clip_grad_value(iter(params), 0.7)
    assert params[0].grad is None
    assert_equal([[p.grad for p in params[1:]]], [expected])


def test_clipping_keeps_single_precision_and_takes_one_tensor() -> None:
    w = tg.Tensor(np.ones(4, np.float32), requires_grad=True)
    w.grad = np.ones(4, np.float32)
    assert optim.clip_grad_norm(w, 1.0) == 2.0 and w.grad.dtype == np.float32
    optim.clip_grad_value(w, 0.1)
    assert w.grad.dtype == np.float32 and w.grad.max() == np.float32(0.1)
    assert optim.clip_grad_norm([], 1.0) == 0.0


def test_clipping_of_gradients_that_are_not_finite() -> None:
    a, b = tg.nn.Parameter([1.0]), tg.nn.Parameter([1.0, 1.0])
    a.grad, b.grad = np.ones(1), np.array([np.inf, 1.0])
    with pytest.raises(ValueError, match=r"the norm is inf; not finite are the gradients 1 \(shape \(2,\)\)"):
        optim.clip_grad_norm([a, b], 1.0, error_if_nonfinite=True)
    assert optim.clip_grad_norm([a, b], 1.0) == np.inf
    np.testing.assert_array_equal(np.append(a.grad, b.grad), [0, np.nan, 0])


# What is refused.

W = tg.nn.Parameter(np.ones((2, 3)))
NAMED = [("first.weight", W), ("first.bias", tg.nn.Parameter(np.ones(2)))]


@pytest.mark.parametrize(
    ("error", "message", "make"),
    [
        (TypeError, "SGD: params must be a list of parameters, got Parameter; pass model.param", lambda: optim.SGD(W)),
        (TypeError, "params must be a list of parameters, got Linear", lambda: optim.SGD(tg.nn.Linear(2, 3))),
        (ValueError, "Adam: the list of parameters is empty; pass model.parameters", lambda: optim.Adam([])),
        (ValueError, "Adam: group 1 has no parameters", lambda: optim.Adam([{"params": [W]}, {"params": []}])),
        (TypeError, "parameter 1 must be a Parameter or a Tensor, got ndarray", lambda: optim.SGD([W, np.ones(2)])),
        (TypeError, "parameter 'a' must be a Parameter", lambda: optim.SGD([("a", 1.0)])),
        (TypeError, r"parameter 0 of shape \(2, 3\) was computed from other", lambda: optim.SGD([W * 2])),
        (TypeError, r"parameter 'n' of shape \(2,\) is a ndarray of int64; optimizers change NumPy arrays of real",
         lambda: optim.SGD([("n", tg.Tensor([1, 2]))])),
        (ValueError, r"parameter 1 of shape \(2, 3\) was given before, as parameter 0", lambda: optim.SGD([W, W])),
        (ValueError, r"parameter 'b' of shape \(2, 3\) was given before, as parameter 'first.weight'",
         lambda: optim.SGD([{"params": NAMED}, {"params": [("b", W)]}])),
        (ValueError, r"SGD: lr must be 0 or more, got -0.1 for parameter 'first.weight' of shape \(2, 3\) and 1 more",
         lambda: optim.SGD(NAMED, lr=-0.1)),
        (ValueError, r"Adam: lr must be 0 or more, got nan for parameter 0 of shape \(2, 3\)",
         lambda: optim.Adam([W], lr=float("nan"))),
        (TypeError, r"SGD: lr must be a number, got None for parameter 0 of shape \(2, 3\)",
         lambda: optim.SGD([W], lr=None)),
        (TypeError, "Adam: eps must be a number, got 'small'", lambda: optim.Adam([W], eps="small")),
        (ValueError, r"SGD: lr must be 0 or more, got -1 for parameter 'first.bias' of shape \(2,\)",
         lambda: optim.SGD([{"params": [W]}, {"params": NAMED[1:], "lr": -1}])),
        (ValueError, "SGD: momentum must be 0 or more, got -1", lambda: optim.SGD([W], momentum=-1)),
        (ValueError, "SGD: weight_decay must be 0 or more", lambda: optim.SGD([W], weight_decay=-1)),
        (ValueError, "SGD: nesterov needs a momentum above 0 and no dampening, got momentum=0.0 and dampening=0.0",
         lambda: optim.SGD([W], nesterov=True)),
        (ValueError, "Adam: eps must be 0 or more", lambda: optim.Adam([W], eps=-1)),
        (ValueError, r"AdamW: betas must be two numbers from 0 to below 1, got \(0.9, 1.0\)",
         lambda: optim.AdamW([W], betas=(0.9, 1.0))),
        (ValueError, "RMSprop: alpha must be between 0 and 1, got 1.5", lambda: optim.RMSprop([W], alpha=1.5)),
        (ValueError, "Adagrad: lr_decay must be 0 or more", lambda: optim.Adagrad([W], lr_decay=-1)),
        (ValueError, "Adagrad: initial_accumulator_value must be",
         lambda: optim.Adagrad([W], initial_accumulator_value=-1)),
        (ValueError, "LBFGS: max_iter must be 1 or more, got 0", lambda: optim.LBFGS([W], max_iter=0)),
        (ValueError, "LBFGS: all parameters are one vector",
         lambda: optim.LBFGS([{"params": [W]}, {"params": NAMED[1:]}])),
        (ValueError, "SGD: group 0 has the unknown option learning_rate; known are lr, momentum",
         lambda: optim.SGD([{"params": [W], "learning_rate": 1.0}])),
        (TypeError, 'SGD: a group is a dict with the key "params"', lambda: optim.SGD([{"weights": [W]}])),
        (TypeError, "LBFGS.step: needs a closure", lambda: optim.LBFGS([W]).step()),
        (TypeError, "LBFGS.step: the closure must return the loss, a single number, got None",
         lambda: optim.LBFGS([W]).step(lambda: None)),
        (RuntimeError, "LBFGS.step: no parameter has a gradient", lambda: optim.LBFGS([W]).step(lambda: 1.0)),
        (RuntimeError,
         r"SGD.step: no parameter has a gradient \(parameter 'first.weight' of shape \(2, 3\) and 1 more\)\. Call"
         r" loss.backward\(\) before", lambda: optim.SGD(NAMED).step()),
        (RuntimeError, "All are frozen", lambda: optim.SGD([tg.nn.Parameter([1.0], requires_grad=False)]).step()),
        (ValueError, "clip_grad_norm: max_norm must be 0 or more, got -1", lambda: optim.clip_grad_norm([W], -1)),
        (ValueError, "clip_grad_norm: norm_type must be positive", lambda: optim.clip_grad_norm([W], 1, 0)),
        (TypeError, "clip_grad_norm: takes a list of parameters, got Linear; pass model.parameters",
         lambda: optim.clip_grad_norm(tg.nn.Linear(2, 3), 1)),
        (TypeError, "clip_grad_value: parameter 0 must be a Tensor, got float",
         lambda: optim.clip_grad_value([1.0], 1)),
        (ValueError, "clip_grad_value: clip_value must be 0 or more", lambda: optim.clip_grad_value([W], -1)),
    ],
)  # fmt: skip
def test_wrong_arguments_are_refused(error: Any, message: str, make: Any) -> None:
    with pytest.raises(error, match=message):
        make()


S = lr_scheduler


@pytest.mark.parametrize(
    ("error", "message", "make"),
    [
        (TypeError, "StepLR: takes an optimizer first, got Parameter", lambda o: S.StepLR(W, 3)),
        (ValueError, "StepLR: step_size must be a whole number from 1, got 0", lambda o: S.StepLR(o, 0)),
        (ValueError, "StepLR: last_epoch=3 goes on with an earlier schedule, but group 0 has no initial_lr",
         lambda o: S.StepLR(o, 2, last_epoch=3)),
        (ValueError, "LinearLR: start_factor must be above 0", lambda o: S.LinearLR(o, 0.0)),
        (ValueError, "LinearLR: end_factor must be between 0 and 1, got 2", lambda o: S.LinearLR(o, end_factor=2)),
        (ValueError, "CosineAnnealingLR: T_max must be", lambda o: S.CosineAnnealingLR(o, 2.5)),
        (ValueError, "CosineAnnealingLR: T_max must be a whole number from 1, got inf",
         lambda o: S.CosineAnnealingLR(o, np.inf)),
        (ValueError, "StepLR: step_size must be a whole number from 1, got '3'", lambda o: S.StepLR(o, "3")),
        (ValueError, r"MultiStepLR: milestones must be a list of whole numbers, got \[1.5\]",
         lambda o: S.MultiStepLR(o, [1.5])),
        (ValueError, "MultiStepLR: milestones must be a list of whole numbers, got 3", lambda o: S.MultiStepLR(o, 3)),
        (TypeError, "LambdaLR: lr_lambda must be a function of the epoch, or a list, got 0.5",
         lambda o: S.LambdaLR(o, 0.5)),
        (ValueError, "OneCycleLR: div_factor divides the rate and must be positive, got 0",
         lambda o: S.OneCycleLR(o, 1.0, 9, div_factor=0)),
        (ValueError, "OneCycleLR: final_div_factor divides", lambda o: S.OneCycleLR(o, 1.0, 9, final_div_factor=-1)),
        (ValueError, r"SequentialLR: milestones must increase, got \[5, 2\]",
         lambda o: S.SequentialLR(o, [S.StepLR(o, 2) for _ in range(3)], [5, 2])),
        (ValueError, "SequentialLR.load_state_dict: the state is of 0 schedules one after the other, and here are 1",
         lambda o: S.SequentialLR(o, [S.StepLR(o, 2)], []).load_state_dict(S.StepLR(o, 2).state_dict())),
        (ValueError, "LambdaLR: lr_lambda has 2 values for 1 groups", lambda o: S.LambdaLR(o, [abs, abs])),
        (ValueError, "OneCycleLR: give total_steps, or both", lambda o: S.OneCycleLR(o, 1.0, epochs=3)),
        (ValueError, "OneCycleLR: pct_start is a part", lambda o: S.OneCycleLR(o, 1.0, 9, pct_start=30)),
        (ValueError, "OneCycleLR: anneal_strategy must be 'cos' or 'linear', got 'exp'",
         lambda o: S.OneCycleLR(o, 1.0, 9, anneal_strategy="exp")),
        (ValueError, "OneCycleLR: Adagrad has neither momentum nor betas; pass cycle_momentum=False",
         lambda o: S.OneCycleLR(optim.Adagrad([W]), 1.0, 9)),
        (ValueError, "OneCycleLR: step 3 of a schedule of 2 steps; give it more total_steps",
         lambda o: S.rates(S.OneCycleLR(o, 1.0, 2), 4)),
        (ValueError, "ReduceLROnPlateau: mode must be 'min' or 'max', got 'low'",
         lambda o: S.ReduceLROnPlateau(o, mode="low")),
        (ValueError, "ReduceLROnPlateau: factor must be from 0 to below 1, got 1.0",
         lambda o: S.ReduceLROnPlateau(o, factor=1.0)),
        (ValueError, "StepLR: LBFGS finds its steps' lengths itself", lambda o: S.StepLR(optim.LBFGS([W]), 2)),
        (ValueError, "SequentialLR: 1 schedules need 0 milestones between them, got 1",
         lambda o: S.SequentialLR(o, [S.StepLR(o, 2)], [3])),
        (ValueError, "SequentialLR: schedule 0 is of another optimizer",
         lambda o: S.SequentialLR(o, [S.StepLR(optim.SGD([W]), 2)], [])),
        (TypeError, "SequentialLR: schedule 0 must step by itself, and ReduceLROnPlateau does not",
         lambda o: S.SequentialLR(o, [S.ReduceLROnPlateau(o)], [])),
        (ValueError, "StepLR.load_state_dict: expected the keys base_lrs, gamma, last_epoch, step_size, got",
         lambda o: S.StepLR(o, 2).load_state_dict(S.ExponentialLR(o, 0.5).state_dict())),
    ],
)  # fmt: skip
def test_wrong_schedules_are_refused(error: Any, message: str, make: Any) -> None:
    with pytest.raises(error, match=message):
        make(optim.SGD([W], momentum=0.9))


def test_a_group_added_after_the_schedule_is_refused() -> None:
    optimizer = optim.SGD([W])
    schedule = lr_scheduler.StepLR(optimizer, 2)
    optimizer.add_param_group({"params": NAMED[1:]})
    with pytest.raises(RuntimeError, match="the optimizer has 2 groups, and had 1 when the schedule was made"):
        schedule.step()


def test_a_state_of_other_parameters_is_refused() -> None:
    a, b = tg.nn.Parameter([1.0, 2.0]), tg.nn.Parameter([1.0])
    a.grad, b.grad = np.ones(2), np.ones(1)
    optimizer = optim.Adam([a])
    optimizer.step()
    state = optimizer.state_dict()
    with pytest.raises(ValueError, match=r"the state is for groups of \[1\] parameters, this optimizer has .* \[2\]"):
        optim.Adam([a, b]).load_state_dict(state)
    with pytest.raises(ValueError, match=r"exp_avg for parameter 'w' of shape \(1,\) has shape \(2,\)"):
        optim.Adam([("w", b)]).load_state_dict(state)
    state["param_groups"][0]["lr"] = -1
    with pytest.raises(ValueError, match="lr must be 0 or more, got -1"):
        optim.Adam([a]).load_state_dict(state)


def test_a_parameter_that_changed_its_kind_is_refused() -> None:
    w = tg.nn.Parameter([1.0, 2.0])
    w.grad = np.ones(2)
    optimizer = optim.SGD([("w", w)])
    optimizer.step()
    w.grad, w.requires_grad = None, False
    w.data = np.ones(2, np.float32)
    w.grad = np.ones(2, np.float32)
    with pytest.raises(RuntimeError, match=r"parameter 'w' of shape \(2,\) has become float32 .* make a new optimizer"):
        optimizer.step()


def test_a_parameter_that_changed_its_kind_before_the_first_step_is_refused() -> None:
    """The one vector was laid out in the first parameter's precision, and the others became of that, too."""
    model = tg.nn.Sequential(tg.nn.Linear(2, 2), tg.nn.Linear(2, 1))
    optimizer = optim.SGD(model.named_parameters())
    model[1].to(np.float32)
    np.sum(model(np.ones((3, 2)))).backward()
    message = r"parameter '1.weight' of shape \(1, 2\) is of float32, and parameter '0.weight' .* of float64"
    with pytest.raises(RuntimeError, match=message):
        optimizer.step()
    assert [p.dtype for p in model.parameters()] == [np.float64] * 2 + [np.float32] * 2


def test_a_loaded_state_follows_a_change_of_precision() -> None:
    w = tg.nn.Parameter([1.0, 2.0])
    w.grad = np.ones(2)
    first, then = optim.Adam([w]), optim.Adam([w])
    first.step()
    then.load_state_dict(first.state_dict())
    model = tg.nn.Module()
    model.w = w  # type: ignore[attr-defined]
    model.to(np.float32)
    then.step()
    assert w.dtype == then.state_dict()["state"][0]["exp_avg"].dtype == np.float32


@pytest.mark.parametrize("kind", ["Adam", "AdamW"])
def test_a_state_of_the_other_kind_of_decay_is_refused(kind: str) -> None:
    """PyTorch's Adam of decoupled decay is AdamW, and was taken for Adam."""
    torch: Any = pytest.importorskip("torch")
    x, own = torch.ones(2, requires_grad=True), kind == "AdamW"
    for options in ({}, {"decoupled_weight_decay": True}):
        state = torch.optim.Adam([x], weight_decay=0.1, **options).state_dict()
        optimizer = getattr(optim, kind)([tg.nn.Parameter([1.0, 2.0])])
        if bool(options) == own:
            optimizer.load_state_dict(state)
        else:
            other = "Adam" if own else "AdamW"
            with pytest.raises(
                ValueError, match=f"{kind}: decoupled_weight_decay={not own} .* is the decay of {other};"
            ):
                optimizer.load_state_dict(state)


def test_the_first_of_schedules_in_a_row_begins_where_pytorchs_does() -> None:
    """A schedule over one cycle sets the rate in the beginning, and that of the schedule before it is this, too."""
    torch: Any = pytest.importorskip("torch")
    found = []
    for library, parameter in ((tg, tg.nn.Parameter([0.0])), (torch, torch.zeros(1, requires_grad=True))):
        optimizer, kinds = library.optim.SGD([parameter], lr=1.0), library.optim.lr_scheduler
        parts = [kinds.StepLR(optimizer, 2), kinds.OneCycleLR(optimizer, 0.1, 10)]
        schedule = kinds.SequentialLR(optimizer, parts, [3])
        rates = []
        for _ in range(12):
            rates.append(optimizer.param_groups[0]["lr"])
            parameter.grad = np.ones(1) if library is tg else torch.ones(1)
            optimizer.step()
            schedule.step()
        found.append(rates)
    np.testing.assert_allclose(*found, rtol=1e-12)


def test_repr_tells_the_options() -> None:
    text = repr(optim.SGD([{"params": [W]}, {"params": NAMED[1:], "lr": 0.5}], lr=0.1))
    assert "group 0: 1 parameters, 6 numbers; lr=0.1" in text and "group 1: 1 parameters, 2 numbers; lr=0.5" in text
