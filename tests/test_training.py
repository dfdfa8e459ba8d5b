"""Training: the loop against loops written out, the same bits after any interruption, what users are told."""

from __future__ import annotations

import csv
import gc
import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_ml as tg
from tinygrad_ml import nn, optim
from tinygrad_ml.functional import cross_entropy, mse_loss
from tinygrad_ml.optim import lr_scheduler
from tinygrad_ml.training import (
    Callback,
    Checkpoint,
    EarlyStopping,
    History,
    accuracy,
    checkpoints,
    evaluate,
    fit,
)

ROOT = Path(__file__).parents[1]
ROWS, FEATURES, CLASSES, BATCH = 37, 40, 3, 8
BATCHES = math.ceil(ROWS / BATCH)


@pytest.fixture(autouse=True)
def _seed_for_other_processes(request: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("TEST_SEED", str(request.config.getoption("--seed")))


class Net(nn.Module):
    """With all that has a state: parameters, buffers, a generator."""

    def __init__(self, rng: Any = 0, dropout: float = 0.3, dtype: Any = np.float64) -> None:
        self.first = nn.Linear(FEATURES, 8, rng=rng, dtype=dtype)
        self.norm = nn.BatchNorm1d(8, dtype=dtype)
        self.dropout = nn.Dropout(dropout, rng=rng)
        self.last = nn.Linear(8, CLASSES, rng=rng, dtype=dtype)

    def forward(self, x: Any) -> Any:
        return self.last(self.dropout(np.tanh(self.norm(self.first(x)))))


def table(seed: int = 0, dtype: Any = np.float64) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng([int(os.environ.get("TEST_SEED", "0")), seed])
    return rng.normal(size=(ROWS, FEATURES)).astype(dtype), rng.integers(CLASSES, size=ROWS)


def batches_in_order(size: int = BATCH) -> list[tuple[np.ndarray, np.ndarray]]:
    X, y = table()
    return [(X[i : i + size], y[i : i + size]) for i in range(0, ROWS, size)]


def adam(module: nn.Module) -> optim.Optimizer:
    return optim.Adam(module.parameters(), lr=0.01)


def assert_same(one: Any, other: Any) -> None:
    """To the bit, at any depth."""
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            assert_same(a, b)
    elif isinstance(one, np.ndarray):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    else:
        assert one == other or (one != one and other != other)


# The loop


def test_it_does_what_a_loop_written_out_does():
    X, y = table()
    one, other = Net(), Net()
    history = fit(one, cross_entropy, adam(one), (X, y), epochs=3, batch_size=BATCH, rng=5)
    optimizer, rng, losses = adam(other), np.random.default_rng(5), []
    for _ in range(3):
        order = rng.permutation(ROWS)
        for start in range(0, ROWS, BATCH):
            rows = order[start : start + BATCH]
            optimizer.zero_grad()
            loss = cross_entropy(other(X[rows]), y[rows])
            loss.backward()
            optimizer.step()
            losses.append((float(loss), len(rows)))
    assert_same(one.state_dict(), other.state_dict())
    assert history.steps["loss"] == [loss for loss, _ in losses]
    assert history.steps["step"] == list(range(1, 3 * BATCHES + 1))
    assert history.steps["epoch"] == [e for e in (1, 2, 3) for _ in range(BATCHES)]
    for epoch, mean in enumerate(history["loss"]):
        of_epoch = losses[epoch * BATCHES : (epoch + 1) * BATCHES]
        np.testing.assert_allclose(mean, sum(loss * rows for loss, rows in of_epoch) / ROWS, rtol=1e-14)


@pytest.mark.parametrize("clip", [{}, {"clip_norm": 0.5}, {"clip_value": 0.02}], ids=["none", "norm", "value"])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_it_follows_pytorch(clip: dict[str, float], accumulate: int):
    torch = pytest.importorskip("torch")
    X, y = table()
    ours = Net(dropout=0.0)
    theirs = torch.nn.Sequential(
        torch.nn.Linear(FEATURES, 8), torch.nn.BatchNorm1d(8), torch.nn.Tanh(), torch.nn.Linear(8, CLASSES)
    ).double()
    renamed = {"first": "0", "norm": "1", "last": "3"}
    state = {name: torch.from_numpy(value.copy()) for name, value in ours.state_dict().items()}
    theirs.load_state_dict({renamed[n.split(".")[0]] + "." + n.split(".")[1]: value for n, value in state.items()})
    sgd = optim.SGD(ours.parameters(), lr=0.5, momentum=0.9)
    schedule = lr_scheduler.StepLR(sgd, 2)
    sizes = batches_in_order()[:4]
    history = fit(
        ours, cross_entropy, sgd, sizes, epochs=5, scheduler=schedule, accumulate=accumulate, **clip  # type: ignore[arg-type]
    )  # fmt: skip
    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.5, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2)
    norms = []
    for _ in range(5):
        for i in range(0, len(sizes), accumulate):
            optimizer.zero_grad()
            for inputs, targets in sizes[i : i + accumulate]:
                out = theirs(torch.from_numpy(inputs))
                (torch.nn.functional.cross_entropy(out, torch.from_numpy(targets)) / accumulate).backward()
            if "clip_norm" in clip:
                norms.append(float(torch.nn.utils.clip_grad_norm_(theirs.parameters(), 0.5)))
            if "clip_value" in clip:
                torch.nn.utils.clip_grad_value_(theirs.parameters(), 0.02)
            optimizer.step()
        scheduler.step()
    for name, value in ours.state_dict().items():
        head, tail = name.split(".")
        np.testing.assert_allclose(value, theirs.state_dict()[f"{renamed[head]}.{tail}"].numpy(), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(history["lr"], [0.5, 0.5, 0.05, 0.05, 0.005], rtol=1e-12)
    if norms:
        np.testing.assert_allclose(history.steps["gradient_norm"], norms, rtol=1e-9)


def test_accumulated_batches_are_as_one_large_batch():
    losses = {}
    for size, accumulate in ((ROWS, 1), (BATCH, BATCHES), (BATCH, 100)):
        module = nn.Linear(FEATURES, CLASSES, rng=0)
        optimizer = optim.SGD(module.parameters(), lr=0.1)
        history = fit(module, cross_entropy, optimizer, batches_in_order(size), epochs=4, accumulate=accumulate)
        losses[size, accumulate] = [*history.steps["loss"], *module.weight.numpy().ravel()]
    whole, *parts = losses.values()
    for part in parts:
        np.testing.assert_allclose(part, whole, rtol=1e-12)


@pytest.mark.parametrize("rows", [2, 4])
def test_lists_of_numbers_are_arrays(rows: int):
    # A tuple of lists was taken for batches, so that two rows were an input and its target.
    X, y = table()[0][:rows], np.arange(rows) % CLASSES
    found = []
    for data in ((X.tolist(), y.tolist()), (X, y.tolist()), (X, y), [[X, y]], ([X, y],)):
        module = nn.Linear(FEATURES, CLASSES, rng=0)
        fit(module, cross_entropy, adam(module), data, epochs=2)
        found.append(module.state_dict())
    for state in found[1:]:
        np.testing.assert_allclose(state["weight"], found[0]["weight"], rtol=1e-9)


def test_a_long_run_keeps_no_more_than_its_history():
    class Size(Callback):
        def on_step_end(self, run: Any) -> None:
            if run.step in (50, 250):
                sizes.append(tracemalloc.get_traced_memory()[0])

    sizes: list[int] = []
    module = Net()
    gc.disable()
    tracemalloc.start()
    try:
        fit(module, cross_entropy, adam(module), table(), steps=250, batch_size=BATCH, clip_norm=1.0, callbacks=Size())
    finally:
        tracemalloc.stop()
        gc.enable()
    # The history is 300 of it. The interpreter keeps freed tuples, up to 2,000 of each length, which is as much again.
    assert (sizes[1] - sizes[0]) / 200 < 1000, "bytes a step; a batch has 2,560"


def test_an_epochs_last_step_accumulates_what_is_left():
    module = nn.Linear(FEATURES, CLASSES, rng=0)
    history = fit(module, cross_entropy, adam(module), batches_in_order(), epochs=2, accumulate=2)
    assert history["step"] == [3, 6]


@pytest.mark.parametrize(
    ("limits", "steps", "epochs"),
    [
        ({"epochs": 2}, 2 * BATCHES, 2),
        ({"steps": 7}, 7, 2),
        ({"steps": BATCHES}, BATCHES, 1),
        ({"epochs": 1, "steps": 7}, BATCHES, 1),
        ({"epochs": 3, "steps": 7}, 7, 2),
        ({"epochs": 0}, 0, 0),
    ],
    ids=str,
)
def test_epochs_and_steps_limit_the_run(limits: dict[str, int], steps: int, epochs: int):
    module = Net()
    history = fit(module, cross_entropy, adam(module), table(), batch_size=BATCH, rng=0, **limits)  # type: ignore[arg-type]
    assert len(history.steps.get("loss", [])) == steps
    assert len(history) == epochs
    assert history.epochs.get("step", []) == [min((i + 1) * BATCHES, steps) for i in range(epochs)]


def test_a_module_of_several_inputs():
    class Product(nn.Module):
        def __init__(self) -> None:
            self.weight = nn.Parameter(np.zeros(6))

        def forward(self, x: Any, scale: Any) -> Any:
            return (x * self.weight).sum(1) * scale

    X = table()[0][:, :6]
    scale = np.linspace(1, 2, ROWS)
    truth = np.arange(6) - 2.0
    module = Product()
    optimizer = optim.LBFGS(module.parameters(), max_iter=50)
    history = fit(module, mse_loss, optimizer, (X, scale, (X @ truth) * scale), steps=1, batch_size=ROWS)
    np.testing.assert_allclose(module.weight.numpy(), truth, atol=1e-4)
    assert math.isnan(history["lr"][0])


def test_float32_stays_float32():
    module = Net(dtype=np.float32)
    fit(module, cross_entropy, adam(module), table(dtype=np.float32), epochs=1, accumulate=2, clip_norm=1.0)
    assert {p.data.dtype for p in module.parameters()} | {p.grad.dtype for p in module.parameters()} == {
        np.dtype(np.float32)
    }


# Validation


def test_the_validation_is_measured_in_evaluation_mode_without_recording():
    module, modes, seen = Net(), [], []

    def watched(outputs: Any, targets: Any) -> Any:
        modes.append(module.dropout.training)
        seen.append(isinstance(outputs, tg.Tensor) and outputs.requires_grad)
        return cross_entropy(outputs, targets)

    module.norm.eval()
    X, y = table(1)
    history = fit(
        module, watched, adam(module), table(), epochs=2, batch_size=BATCH, validation=(X, y), metrics=[accuracy]
    )
    assert modes == seen == ([True] * BATCHES + [False] * BATCHES) * 2
    assert module.training and module.dropout.training and not module.norm.training  # as before
    module.eval()
    outputs = module(X).numpy()
    np.testing.assert_allclose(history["validation_loss"][-1], float(cross_entropy(outputs, y)), rtol=1e-13)
    assert history["validation_accuracy"][-1] == np.mean(outputs.argmax(1) == y)


def test_the_validation_changes_nothing():
    def trained(**options: Any) -> dict[str, Any]:
        module = Net()
        fit(module, cross_entropy, adam(module), table(), epochs=3, batch_size=BATCH, rng=0, **options)
        return module.state_dict()

    assert_same(trained(validation=table(1), metrics={"accuracy": accuracy}), trained())


def test_evaluate_gives_the_modes_back_after_an_error():
    module = Net()
    module.norm.eval()
    with pytest.raises(ValueError, match=f"in_features={FEATURES}"):
        evaluate(module, cross_entropy, (np.ones((3, 1)), np.zeros(3, int)))
    assert module.training and module.last.training and not module.norm.training


# Schedulers


def test_plateau_gets_the_validations_loss():
    class Spy(lr_scheduler.ReduceLROnPlateau):
        def step(self, metrics: Any) -> None:
            seen.append(metrics)
            super().step(metrics)

    for validation, column in ((table(1), "validation_loss"), (None, "loss")):
        seen: list[float] = []
        module = Net()
        optimizer = adam(module)
        scheduler = Spy(optimizer)
        history = fit(
            module, cross_entropy, optimizer, table(), epochs=3, validation=validation, scheduler=scheduler,
            schedule="step",
        )  # fmt: skip
        assert seen == history[column]


def test_schedules_by_step_and_by_epoch():
    for schedule, expected in (("step", [1, 0.5, 0.25, 0.125, 0.0625, 0.03125]), ("epoch", [1, 1, 1, 1, 1, 0.5])):
        module = Net()
        optimizer = optim.SGD(module.parameters(), lr=1.0)
        schedulers = [lr_scheduler.ExponentialLR(optimizer, 0.5)]
        history = fit(
            module, cross_entropy, optimizer, batches_in_order(), steps=6, scheduler=schedulers, schedule=schedule
        )
        assert history.steps["lr"] == expected


# Callbacks


def test_callbacks_are_called_in_order():
    class Diary(Callback):
        def __getattribute__(self, name: str) -> Any:
            if name.startswith("on_"):
                return lambda run: calls.append((name[3:], run.epoch, run.step))
            return super().__getattribute__(name)

        def on_step_end(self, run: Any) -> None:
            """Declared, so that it is called."""

    calls: list[tuple[str, int, int]] = []
    module = Net()
    fit(module, cross_entropy, adam(module), batches_in_order(20), epochs=2, callbacks=[Diary()])
    assert calls == [
        ("fit_begin", 1, 0),
        ("epoch_begin", 1, 0),
        ("step_end", 1, 1),
        ("step_end", 1, 2),
        ("epoch_end", 1, 2),
        ("epoch_begin", 2, 2),
        ("step_end", 2, 3),
        ("step_end", 2, 4),
        ("epoch_end", 2, 4),
        ("fit_end", 3, 4),
    ]


@pytest.mark.parametrize(("when", "steps"), [("on_step_end", 2), ("on_epoch_end", BATCHES), ("on_fit_begin", 0)])
def test_callbacks_may_stop_the_run(when: str, steps: int):
    callback = Callback()
    stopping = type("Stop", (Callback,), {when: lambda self, run: run.step >= min(steps, 2) and run.stop()})()
    module = Net()
    history = fit(module, cross_entropy, adam(module), batches_in_order(), epochs=9, callbacks=[callback, stopping])
    assert len(history.steps.get("step", [])) == steps


def test_a_function_is_called_after_every_epoch():
    module, seen = Net(), []
    fit(
        module,
        cross_entropy,
        adam(module),
        table(),
        epochs=3,
        callbacks=lambda run: seen.append(run.history["loss"][-1]),
    )
    assert len(seen) == 3 and len(set(seen)) == 3


@pytest.mark.parametrize(
    ("scores", "options", "best", "stopped"),
    [
        ([5, 4, 3, 4, 5, 1, 1], {"patience": 2}, 3, 5),
        ([5, 4, 3, 4, 2, 4, 5], {"patience": 2}, 5, 7),
        ([5, 4, 3, 2.95, 2.9, 2.0, 1], {"patience": 2, "min_delta": 0.2}, 3, 5),
        ([1, 2, 3, 2, 3, 1, 9], {"patience": 2, "mode": "max"}, 3, 5),
        ([math.nan, 5, math.nan, math.nan, 1, 1, 1], {"patience": 2}, 2, 4),
        ([5, 4, 3, 2, 1, 2, 3], {"patience": 3}, 5, None),
    ],
    ids=str,
)
@pytest.mark.parametrize("restore_best", [True, False])
def test_early_stopping(
    scores: list[float], options: dict[str, Any], best: int, stopped: int | None, restore_best: bool
):
    left = iter(scores)
    options = {"mode": "min", **options}
    stopper = EarlyStopping(monitor="validation_score", restore_best=restore_best, **options)
    module, states = Net(), []
    history = fit(
        module, cross_entropy, adam(module), table(), epochs=len(scores), validation=table(1),
        metrics={"score": lambda outputs, targets: next(left)}, early_stopping=stopper,
        callbacks=lambda run: states.append(run.module.state_dict()),
    )  # fmt: skip
    assert len(history) == (stopped or len(scores))
    assert (stopper.best, stopper.best_epoch, stopper.stopped_epoch) == (scores[best - 1], best, stopped)
    assert_same(module.state_dict(), states[best - 1 if restore_best else -1])


def test_early_stopping_begins_anew_in_every_fit():
    stopper = EarlyStopping(1, monitor="validation_score", mode="min")
    for _ in range(2):
        left, module = iter([1, 2, 3]), Net()
        history = fit(
            module, cross_entropy, adam(module), table(), epochs=3, validation=table(1),
            metrics={"score": lambda outputs, targets, left=left: next(left)}, early_stopping=stopper,
        )  # fmt: skip
        assert len(history) == 2


# NaN and infinity


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_loss_that_is_not_finite_is_named_before_the_parameters_change(accumulate: int):
    batches = batches_in_order()
    batches[2] = (np.where(np.arange(FEATURES) == 1, np.nan, batches[2][0]), batches[2][1])
    module, reference = (nn.Linear(FEATURES, CLASSES, rng=0) for _ in range(2))
    step = 3 if accumulate == 1 else 2
    message = (
        rf"in step {step}, epoch 1, the loss is nan; not finite in the batch are input 0; .*gradients of weight \("
    )
    with pytest.raises(FloatingPointError, match=message):
        fit(module, cross_entropy, adam(module), batches, epochs=1, accumulate=accumulate)
    fit(reference, cross_entropy, adam(reference), batches[:2], epochs=1, accumulate=accumulate)
    assert_same(module.state_dict(), reference.state_dict())


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_gradient_that_is_not_finite_is_named_before_the_parameters_change(value: float):
    @tg.primitive
    def copied(x: Any) -> Any:
        return x + 0.0

    calls: list[int] = []

    def rule(g: Any, ans: Any, x: Any) -> Any:
        calls.append(1)
        return np.where(np.arange(g.size).reshape(g.shape) == 1, value if len(calls) == 4 else g, g)

    tg.defvjp(copied, rule)

    class Faulty(nn.Module):
        def __init__(self) -> None:
            self.inner = nn.Linear(FEATURES, CLASSES, rng=0)
            self.offset = nn.Parameter(np.zeros(CLASSES))

        def forward(self, x: Any) -> Any:
            return self.inner(x) + copied(self.offset)

    module, reference = Faulty(), Faulty()
    with pytest.raises(FloatingPointError, match=r"in step 4, epoch 2, .* gradient of offset \(1 of 3 elements\)"):
        fit(module, cross_entropy, adam(module), batches_in_order(13), epochs=2)
    calls.clear()
    fit(reference, cross_entropy, adam(reference), batches_in_order(13), epochs=1)
    assert_same(module.state_dict(), reference.state_dict())


def test_parameters_that_only_the_optimizer_has_are_named_too():
    module, scale = nn.Linear(FEATURES, CLASSES, rng=0), nn.Parameter(np.inf)
    optimizer = optim.SGD([*module.parameters(), scale])
    with pytest.raises(
        FloatingPointError, match="the loss is inf; not finite are the parameters parameter 2 of the opt"
    ):
        fit(module, lambda out, y: cross_entropy(out, y) * scale, optimizer, table(), epochs=1)


@pytest.mark.parametrize("steps", [1, 2], ids=["the last step", "an earlier one"])
def test_parameters_that_a_step_makes_infinite_are_named_and_not_saved(steps: int, tmp_path: Path):
    # Gradients and losses were looked at, so that what the last step did to the parameters was not.
    module = nn.Linear(FEATURES, 1, bias=False, rng=0)
    path, y = tmp_path / "run.npz", np.zeros(2)
    with (
        np.errstate(over="ignore"),
        pytest.raises(
            FloatingPointError,
            match=r"after step 1, epoch 1, not finite are the parameters weight \(40 of 40 elements\)",
        ),
    ):
        fit(module, lambda out, y: 10 * out.sum(), optim.SGD(module.parameters(), lr=1e308),
            [(np.ones((2, FEATURES)), y)] * 2, steps=steps, checkpoint=Checkpoint(path, every_steps=1))  # fmt: skip
    assert not path.exists()


def test_gradients_whose_squares_overflow_are_no_error():
    module = nn.Linear(FEATURES, 1, rng=0)
    before = module.weight.numpy().copy()
    fit(module, lambda out, y: (out * 1e200).mean(), optim.SGD(module.parameters(), lr=1e-200), table(), steps=1)
    assert np.isfinite(module.weight.numpy()).all() and (module.weight.numpy() != before).any()


# The same bits after an interruption


class Killed(Exception):
    pass


class KillAt(Callback):
    def __init__(self, step: int, kill: Callable[[], Any]) -> None:
        self.step, self.kill = step, kill

    def on_step_end(self, run: Any) -> None:
        if run.step == self.step:
            self.kill()


def die() -> None:
    raise Killed


def one_cycle(optimizer: Any) -> Any:
    return lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=100)


SCENARIOS: dict[str, dict[str, Any]] = {
    "Adam": {},
    "SGD with everything": {
        "optimizer": lambda p: optim.SGD(p, lr=np.float64(0.1), momentum=0.9),
        "scheduler": lambda o: [lr_scheduler.StepLR(o, 2), lr_scheduler.ReduceLROnPlateau(o, patience=0)],
        "options": {"clip_norm": 0.3, "early_stopping": 2, "metrics": [accuracy]},
        "validate": True,
    },
    "a schedule of steps": {"scheduler": one_cycle, "options": {"schedule": "step"}},
    "accumulated": {"options": {"accumulate": 2, "clip_value": 0.1}},
    "RMSprop": {"optimizer": lambda p: optim.RMSprop(p, centered=True, momentum=0.5)},
    "one generator for all": {"shares": True},
    "Mersenne Twister": {"bits": np.random.MT19937},
    "float32": {"dtype": np.float32},
    "weights in Fortran order": {"fortran": True},
    "L-BFGS": {"optimizer": lambda p: optim.LBFGS(p, max_iter=2), "dropout": 0.0},
}


def train(
    name: str, checkpoint: Any = None, callbacks: Any = (), epochs: int = 3, loss: Any = cross_entropy, **more: Any
):
    """A run of a scenario, from new objects, and all that it left."""
    scenario = SCENARIOS[name]
    generator = np.random.Generator(scenario.get("bits", np.random.PCG64)(3))
    dtype = scenario.get("dtype", np.float64)
    module = Net(generator if scenario.get("shares") else 1, scenario.get("dropout", 0.3), dtype)
    if scenario.get("fortran"):
        module.first.weight.data = np.asfortranarray(module.first.weight.data)
    optimizer = scenario.get("optimizer", lambda p: optim.Adam(p, lr=0.05))(module.parameters())
    made = scenario.get("scheduler", lambda o: None)(optimizer)
    history = fit(
        module, loss, optimizer, table(dtype=dtype), epochs=epochs, batch_size=BATCH, rng=generator,
        validation=table(1, dtype) if scenario.get("validate") else None, scheduler=made, checkpoint=checkpoint,
        callbacks=callbacks, **{**scenario.get("options", {}), **more},
    )  # fmt: skip
    columns = history.state_dict()
    columns["epochs"].pop("seconds", None)
    schedules = [s.state_dict() for s in (made if isinstance(made, list) else [made] if made else [])]
    return {
        "module": module.state_dict(),
        "optimizer": optimizer.state_dict(),
        "schedules": schedules,
        "history": columns,
        "generators": [generator.bit_generator.state, module.dropout._rng.bit_generator.state],
    }


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_killed_run_resumes_to_the_same_bits(name: str, tmp_path: Path):
    whole = train(name)
    per_epoch = BATCHES if name != "accumulated" else math.ceil(BATCHES / 2)
    assert whole["history"]["steps"]["step"].size > per_epoch + 1
    for every_steps, at in ((None, 1), (None, per_epoch + 1), (1, per_epoch), (2, per_epoch - 1), (2, per_epoch + 1)):
        path = tmp_path / f"{every_steps}-{at}.npz"
        checkpoint = Checkpoint(path, every_steps=every_steps)
        with pytest.raises(Killed):
            train(name, checkpoint, [KillAt(at, die)])
        saved_before = per_epoch if every_steps is None else min(per_epoch, every_steps)
        assert path.exists() == (saved_before < at)
        assert_same(train(name, checkpoint), whole)
        assert_same(train(name, checkpoint), whole)  # a finished run only reads
    assert len(list(tmp_path.iterdir())) == 5


def test_interruptions_in_a_row_end_in_the_same_bits(tmp_path: Path):
    whole = train("SGD with everything")
    checkpoint = Checkpoint(tmp_path / "run.npz", every_steps=1)
    last = int(whole["history"]["steps"]["step"][-1])
    for step in range(2, last + 1):
        with pytest.raises(Killed):
            train("SGD with everything", checkpoint, [KillAt(step, die)])
    assert_same(train("SGD with everything", checkpoint), whole)


@pytest.mark.parametrize("steps", [3, BATCHES, 7])
def test_a_run_cut_by_steps_goes_on_amidst_the_epoch(steps: int, tmp_path: Path):
    path = tmp_path / "run.npz"
    cut = train("Adam", path, steps=steps)
    assert_same(train("Adam", path, steps=steps), cut)
    assert_same(train("Adam", path), train("Adam"))


def test_without_resume_a_checkpoint_is_replaced(tmp_path: Path):
    path = tmp_path / "deep" / "run.npz"
    train("Adam", path, epochs=1)
    assert_same(train("Adam", path, epochs=2, resume=False), train("Adam", epochs=2))
    assert_same(train("Adam", path), train("Adam"))


def test_a_loss_that_is_learned_and_random_resumes(tmp_path: Path):
    class Scaled(nn.Module):
        def __init__(self) -> None:
            self.scale, self.dropout = nn.Parameter(1.0), nn.Dropout(rng=0)

        def forward(self, outputs: Any, targets: Any) -> Any:
            modes.append(self.dropout.training)
            return cross_entropy(self.dropout(outputs) * self.scale, targets) + self.scale**2

    def trained(checkpoint: Any = None, callbacks: Any = ()) -> list[Any]:
        module, loss = Net(), Scaled().eval()
        optimizer = optim.Adam([*module.parameters(), *loss.parameters()], lr=0.1)
        fit(module, loss, optimizer, batches_in_order(), epochs=2, validation=batches_in_order(ROWS),
            checkpoint=checkpoint, callbacks=callbacks)  # fmt: skip
        assert not loss.training
        return [module.state_dict(), loss.state_dict()]

    modes: list[bool] = []
    whole = trained()
    assert modes == ([True] * BATCHES + [False]) * 2
    with pytest.raises(Killed):
        trained(tmp_path / "run.npz", [KillAt(BATCHES + 1, die)])
    assert_same(trained(tmp_path / "run.npz"), whole)


def test_what_callbacks_have_frozen_stays_frozen(tmp_path: Path):
    class Freeze(Callback):
        def on_epoch_begin(self, run: Any) -> None:
            run.module.norm.training = run.epoch == 1
            run.module.first.requires_grad_(run.epoch != 2)

    whole = train("weights in Fortran order", callbacks=[Freeze()])
    checkpoint = Checkpoint(tmp_path / "run.npz", every_steps=1)
    for at in (BATCHES + 2, BATCHES + 4, 2 * BATCHES + 2):
        with pytest.raises(Killed):
            train("weights in Fortran order", checkpoint, [Freeze(), KillAt(at, die)])
    assert_same(train("weights in Fortran order", checkpoint, [Freeze()]), whole)


def test_early_stopping_is_final(tmp_path: Path):
    path = tmp_path / "run.npz"
    stopping = {"early_stopping": EarlyStopping(1, monitor="step", mode="min")}  # which only grows
    first = train("Adam", path, **stopping)
    assert first["history"]["epochs"]["epoch"].tolist() == [1, 2]
    assert_same(train("Adam", path, epochs=9, **stopping), first)


def test_the_patience_that_is_left_survives(tmp_path: Path):
    checkpoint = Checkpoint(tmp_path / "run.npz")

    def stopping() -> EarlyStopping:
        return EarlyStopping(2, monitor="step", mode="min")

    with pytest.raises(Killed):
        train("Adam", checkpoint, [KillAt(2 * BATCHES + 1, die)], early_stopping=stopping())
    resumed = train("Adam", checkpoint, epochs=9, early_stopping=stopping())
    assert_same(resumed, train("Adam", epochs=9, early_stopping=stopping()))
    assert resumed["history"]["epochs"]["epoch"].tolist() == [1, 2, 3]


def test_batches_without_a_length_resume(tmp_path: Path):
    class Stream:
        def __init__(self) -> None:
            self.rng = np.random.default_rng(0)

        def __iter__(self) -> Any:
            for _ in range(4):
                chosen = self.rng.integers(ROWS, size=BATCH)  # drawn on the way
                yield X[chosen], y[chosen]

    def trained(callbacks: Any = (), checkpoint: Any = None) -> dict[str, Any]:
        module = Net()
        fit(module, cross_entropy, adam(module), Stream(), epochs=3, callbacks=callbacks, checkpoint=checkpoint)
        return module.state_dict()

    X, y = table()
    for at in (4, 5, 7):
        checkpoint = Checkpoint(tmp_path / f"{at}.npz", every_steps=1)
        with pytest.raises(Killed):
            trained([KillAt(at, die)], checkpoint)
        assert_same(trained(checkpoint=checkpoint), trained())


def announce() -> None:
    print("here", flush=True)
    time.sleep(60)


def hang_amidst_writing() -> None:
    """The next checkpoint is written halfway."""
    write, calls = np.lib.format.write_array, []

    def slow(file: Any, array: Any, **options: Any) -> None:
        write(file, array, **options)
        calls.append(1)
        if len(calls) == 5:
            announce()

    np.lib.format.write_array = slow


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="the system has no SIGKILL")
@pytest.mark.parametrize(("step", "kill"), [(8, "announce"), (6, "hang_amidst_writing")])
def test_a_process_that_is_killed_resumes_to_the_same_bits(step: int, kill: str, tmp_path: Path):
    path = tmp_path / "run.npz"
    code = (
        "import sys; from tests import test_training as t\n"
        f"t.train('SGD with everything', t.Checkpoint(sys.argv[1], every_steps=2), [t.KillAt({step}, t.{kill})])"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "here\n"
        finally:
            process.kill()
    assert process.returncode == -signal.SIGKILL
    assert checkpoints.read(path)["position"]["steps"] == (6 if kill == "announce" else 5)
    assert len(list(tmp_path.iterdir())) == (1 if kill == "announce" else 2)
    assert_same(train("SGD with everything", Checkpoint(path, every_steps=2)), train("SGD with everything"))
    assert list(tmp_path.iterdir()) == [path], "what was half-written is gone"


# Ctrl-C


def interrupting(at: int, times: int = 1) -> Callable[..., Any]:
    """A loss amidst whose computation someone presses Ctrl-C."""
    calls: list[int] = []

    def loss(outputs: Any, targets: Any) -> Any:
        calls.append(1)
        if len(calls) == at:
            for _ in range(times):
                signal.raise_signal(signal.SIGINT)
        return cross_entropy(outputs, targets)

    return loss


def test_ctrl_c_waits_for_the_end_of_the_step(tmp_path: Path):
    path = tmp_path / "run.npz"
    with pytest.raises(KeyboardInterrupt):
        train("Adam", path, loss=interrupting(7))
    saved = checkpoints.read(path)
    assert (saved["position"]["steps"], saved["position"]["batches"]) == (7, 7 - BATCHES)
    assert_same(saved["module"], train("Adam", steps=7)["module"])
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert_same(train("Adam", path), train("Adam"))


def test_ctrl_c_at_an_epochs_end_saves_the_epoch(tmp_path: Path):
    path = tmp_path / "run.npz"
    with pytest.raises(KeyboardInterrupt):
        train("Adam", Checkpoint(path, every_epochs=100),
              callbacks=lambda run: run.epoch == 2 and signal.raise_signal(signal.SIGINT))  # fmt: skip
    assert checkpoints.read(path)["position"]["epochs"] == 2
    assert_same(train("Adam", path), train("Adam"))


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_leaves_a_module_to_go_on_with(times: int):
    module, reference = Net(dropout=0.0), Net(dropout=0.0)
    module.norm.eval()
    with pytest.raises(KeyboardInterrupt):
        fit(module, interrupting(2, times), adam(module), batches_in_order(), epochs=3)
    reference_steps = 2 if times == 1 else 1  # the second press does not wait
    fit(reference, cross_entropy, adam(reference), batches_in_order(), steps=reference_steps)
    assert_same([p.numpy() for p in module.parameters()], [p.numpy() for p in reference.parameters()])
    assert module.training and not module.norm.training
    fit(module, cross_entropy, adam(module), batches_in_order(), epochs=1)


def test_ctrl_c_at_the_very_end_is_not_lost():
    class Press(Callback):
        def on_fit_end(self, run: Any) -> None:
            signal.raise_signal(signal.SIGINT)

    module = Net()
    with pytest.raises(KeyboardInterrupt):
        fit(module, cross_entropy, adam(module), table(), epochs=1, callbacks=Press())


def test_it_runs_in_a_thread_and_leaves_others_handlers_alone():
    results: list[History] = []

    def work() -> None:
        module = Net()
        results.append(fit(module, cross_entropy, adam(module), table(), epochs=1))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    mine = signal.signal(signal.SIGINT, lambda number, frame: handled.append(number))
    handled: list[int] = []
    try:
        module = Net()
        results.append(fit(module, interrupting(1), adam(module), table(), epochs=1))
    finally:
        signal.signal(signal.SIGINT, mine)
    assert [len(history) for history in results] == [1, 1] and handled == [signal.SIGINT]


# Checkpoints


def test_a_checkpoint_gives_back_what_it_got(tmp_path: Path):
    tree = {
        "numbers": [1, -(2**100), 0.1, math.inf, True, None, "text"],
        "scalars": (np.float32(0.1), np.int64(3), np.bool_(True), np.float64(2.5)),
        "arrays": {0: np.arange(6.0).reshape(2, 3), "a/b": np.array(2), "a": {"b": np.zeros(0, np.float32)}},
        "structure": np.ones(1),
        "empty": [{}, [], ()],
    }
    checkpoints.write(tmp_path / "tree.npz", tree)
    assert_same(checkpoints.read(tmp_path / "tree.npz"), tree)
    with np.load(tmp_path / "tree.npz", allow_pickle=False) as arrays:
        assert "arrays/0" in arrays.files


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"a": [1, {"b": print}]}, "a/1/b is a builtin_function_or_method, which cannot be saved without pickles"),
        ({"a": np.array([None])}, "a is a ndarray, which cannot"),
        ({(1, 2): 3}, r"the state has the key \(1, 2\); keys must be strings"),
    ],
)
def test_what_a_checkpoint_cannot_keep(tree: Any, message: str, tmp_path: Path):
    with pytest.raises(TypeError, match=message):
        checkpoints.write(tmp_path / "tree.npz", tree)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (lambda path: train("RMSprop", path), "optimizer: it has Adam, this run RMSprop"),
        (lambda path: train("a schedule of steps", path), "schedulers: it has none, this run OneCycleLR"),
        (lambda path: train("Adam", path, early_stopping=3), "callbacks: it has none, this run EarlyStopping"),
        (lambda path: train("Mersenne Twister", path), "random generators .*'PCG64'.* have .*'MT19937'"),
        (lambda path: other_model(path), r"unknown: first.weight \(8, 40\)"),
        (lambda path: np.savez(path, a=1) or train("Adam", path), "has arrays but is no checkpoint"),
        (lambda path: (path.write_bytes(b""), train("Adam", path)), "run.npz is no .npz file of arrays"),
        (lambda path: (os.truncate(path, 999), train("Adam", path)), "is no .npz file of arrays"),
    ],
    ids=["optimizer", "scheduler", "callback", "generator", "module", "weights", "empty", "cut"],
)
def test_a_checkpoint_of_another_run_is_refused(other: Callable[..., Any], message: str, tmp_path: Path):
    train("Adam", tmp_path / "run.npz", epochs=1)
    with pytest.raises(ValueError, match=message):
        other(tmp_path / "run.npz")


def other_model(path: Path) -> None:
    module = nn.Linear(FEATURES, CLASSES)
    before = module.state_dict()
    try:
        fit(module, cross_entropy, adam(module), table(), epochs=1, checkpoint=path)
    finally:
        assert_same(module.state_dict(), before)


def test_less_data_than_the_checkpoint_has_seen_is_refused(tmp_path: Path):
    checkpoint = Checkpoint(tmp_path / "run.npz", every_steps=1)
    module = Net()
    fit(module, cross_entropy, adam(module), batches_in_order(), steps=4, checkpoint=checkpoint)
    with pytest.raises(ValueError, match="written after 4 batches of epoch 1, and the data has 2"):
        fit(module, cross_entropy, adam(module), batches_in_order(20), epochs=1, checkpoint=checkpoint)


# History


@pytest.fixture
def history() -> History:
    module = Net()
    return fit(
        module, cross_entropy, adam(module), table(), epochs=12, batch_size=BATCH, rng=0, validation=table(1),
        metrics={"accuracy": accuracy, "nothing": lambda outputs, targets: math.nan},
    )  # fmt: skip


def test_history_as_csv(history: History, tmp_path: Path):
    for per, columns in (("epoch", history.epochs), ("step", history.steps)):
        history.to_csv(tmp_path / "out.csv", per)
        with open(tmp_path / "out.csv", newline="", encoding="utf-8") as file:
            names, *lines = csv.reader(file)
        assert names == list(columns)
        np.testing.assert_array_equal(np.array(lines, float), np.array(list(columns.values())).T)
    with pytest.raises(ValueError, match="per must be 'epoch' or 'step', got 'batch'"):
        history.to_csv(tmp_path / "out.csv", "batch")


def test_history_as_json(history: History, tmp_path: Path):
    history.epochs["validation_accuracy"][0] = np.float32(0.5)  # as of a callback
    history.to_json(tmp_path / "out.json")
    read = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert read["epochs"].pop("validation_nothing") == [None] * 12
    assert read == {
        "epochs": {name: column for name, column in history.epochs.items() if name != "validation_nothing"},
        "steps": history.steps,
    }


def test_history_never_leaves_half_a_file(history: History, tmp_path: Path, monkeypatch: Any):
    path = tmp_path / "out.json"
    path.write_text("before")
    monkeypatch.setattr(os, "replace", lambda *paths: die())
    with pytest.raises(Killed):
        history.to_json(path)
    assert path.read_text() == "before" and list(tmp_path.iterdir()) == [path]


def test_history_prints_as_a_small_table(history: History):
    lines = repr(history).splitlines()
    assert lines[0].split() == list(history.epochs)
    assert [line.split()[0] for line in lines[1:]] == ["1", "2", "3", "4", "...", "9", "10", "11", "12"]
    assert len({len(line) for line in lines}) == 1
    assert lines[1].split()[2] == f"{history['loss'][0]:.4g}"
    assert repr(History()) == "History of no epochs and 0 steps"


def test_history_draws_itself(history: History):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    try:
        panels = history.plot()
        assert [panel.get_ylabel() for panel in panels] == ["loss", "accuracy", "nothing"]
        drawn = [line.get_ydata() for panel in panels for line in panel.lines]
        np.testing.assert_array_equal(drawn[:2], [history["loss"], history["validation_loss"]])
        np.testing.assert_array_equal(drawn[2], history["validation_accuracy"])
        assert history.plot(panels) == panels
    finally:
        plt.close("all")
    with pytest.raises(ValueError, match="the history is empty; train for an epoch first"):
        History().plot()


def test_history_knows_its_columns(history: History):
    with pytest.raises(KeyError, match="no column 'accuracy' of epochs; there are epoch, step, loss"):
        history["accuracy"]
    with pytest.raises(ValueError, match="expected epoch, step.*, got epoch"):
        history.add_epoch({"epoch": 13})


# The bar


def test_the_bar_shows_in_terminals_only(capsys: Any, monkeypatch: Any):
    def shown(progress: bool | None) -> str:
        module = Net()
        fit(module, cross_entropy, adam(module), table(), epochs=2, batch_size=BATCH, progress=progress)
        return capsys.readouterr().err

    assert shown(None) == shown(False) == ""
    bar = shown(True)
    assert f"{2 * BATCHES}/{2 * BATCHES}" in bar and "epoch 2" in bar and "loss" in bar
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert "epoch 2" in shown(None)
    with monkeypatch.context() as without:
        without.setattr(sys, "stderr", None)
        shown(None)


# Errors

LINE = nn.Linear(FEATURES, CLASSES, rng=0)
SGD = optim.SGD(LINE.parameters(), lr=0.1)
OTHER = optim.SGD(nn.Linear(1, 1).parameters(), lr=0.1)


def call(module: Any = LINE, loss: Any = cross_entropy, optimizer: Any = SGD, data: Any = None, **options: Any) -> Any:
    return fit(module, loss, optimizer, table() if data is None else data, **{"epochs": 1, **options})


class NoTensor(nn.Module):
    def __init__(self) -> None:
        self.inner = LINE

    def forward(self, x: Any) -> Any:
        return self.inner(x).numpy()


ERRORS: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: call(module=print), TypeError, r"module must be a tinygrad_ml.nn.Module, got builtin"),
    (lambda: call(loss="mse"), TypeError, r"loss must be a function of \(outputs, targets\), got str"),
    (lambda: call(loss=nn.MSELoss), TypeError, r"loss must be a function of .* got the class MSELoss"),
    (lambda: call(optimizer=optim.Adam), TypeError, r"optimizer must be one of tinygrad_ml.optim, .* the class Adam"),
    (lambda: call(optimizer=OTHER), ValueError, "SGD has none of the parameters of Linear; make it from"),
    (lambda: call(epochs=None), ValueError, "say how long to train, by epochs= or steps="),
    (lambda: call(epochs=-1), ValueError, "epochs must be a whole number from 0, got -1"),
    (lambda: call(steps=1.5), ValueError, "steps must be a whole number from 0, got 1.5"),
    (lambda: call(accumulate=0), ValueError, "accumulate must be a whole number from 1, got 0"),
    (lambda: call(clip_norm=0), ValueError, "clip_norm must be a positive number, got 0"),
    (lambda: call(clip_value="1"), ValueError, "clip_value must be a positive number, got '1'"),
    (lambda: call(optimizer=optim.LBFGS(LINE.parameters()), clip_norm=1), ValueError, "LBFGS searches along"),
    (lambda: call(schedule="batch"), ValueError, "schedule must be 'epoch' or 'step', got 'batch'"),
    (lambda: call(scheduler=lr_scheduler.StepLR(OTHER, 1)), ValueError, "this optimizer, as .* got StepLR of another"),
    (lambda: call(scheduler=lr_scheduler.StepLR), ValueError, "of this optimizer, as .* got the class StepLR"),
    (lambda: call(metrics=[accuracy]), ValueError, r"pass validation=\(X, y\) too"),
    (lambda: call(metrics=[accuracy] * 2, validation=table()), ValueError, "names must differ.*got accuracy"),
    (lambda: call(metrics={"loss": accuracy}, validation=table()), ValueError, "not be 'loss'"),
    (lambda: call(metrics={"a": 1}, validation=table()), TypeError, "a must be a function of .* got int"),
    (lambda: call(metrics={"a": lambda out, y: out[:, 0]}, validation=table()), TypeError,
     r"metrics: a must return a number for all rows together, got shape \(37,\)"),
    (lambda: call(metrics={"a": print}, validation=table()), TypeError, "metrics: a must return a .* got NoneType"),
    (lambda: call(callbacks=3), TypeError, "callback 0 must be a Callback or a function of the run, got int"),
    (lambda: call(callbacks=[Callback]), TypeError, "callback 0 must be .* got the class Callback; make one"),
    (lambda: call(callbacks=[3]), TypeError, "callback 0 must be a Callback or a function of the run, got int"),
    (lambda: call(early_stopping=0), ValueError, "EarlyStopping: patience must be a whole number from 1, got 0"),
    (lambda: call(early_stopping="3"), ValueError, "EarlyStopping: patience must be a whole number from 1, got '3'"),
    (lambda: call(epochs=math.nan), ValueError, "epochs must be a whole number from 0, got nan"),
    (lambda: call(epochs=True), ValueError, "epochs must be a whole number from 0, got True"),
    (lambda: EarlyStopping(min_delta=-1), ValueError, "min_delta must be 0 or more, got -1"),
    (lambda: EarlyStopping(mode="less"), ValueError, "mode must be 'min' or 'max', got 'less'"),
    (lambda: EarlyStopping(monitor="validation_accuracy"), ValueError, "less or more of 'validation_accuracy' better"),
    (lambda: call(early_stopping=EarlyStopping(monitor="auc", mode="max")), ValueError, "no column 'auc' to"),
    (lambda: call(checkpoint=""), ValueError, "must end in .npz, got"),
    (lambda: call(checkpoint="run.pt"), ValueError, "must end in .npz, got run.pt"),
    (lambda: Checkpoint("a.npz", every_steps=0), ValueError, "every_steps must be a whole number from 1, got 0"),
    (lambda: call(data=3), TypeError, r"data must be a tuple of arrays \(X, y\), or an iterable .* got int"),
    (lambda: call(data=table()[0]), TypeError, "data must be a tuple of arrays .* got ndarray"),
    (lambda: call(data=iter([])), TypeError, "data is a list_iterator, which can be gone through only once"),
    (lambda: call(data=[]), ValueError, "data had no batches in epoch 1"),
    (lambda: call(data=list(table())), TypeError, r"each batch must be a tuple .* got ndarray; pass arrays as a tuple"),
    (lambda: call(data=[(1,)]), TypeError, "got tuple of 1; pass"),
    (lambda: call(data=(np.ones((3, 2)), np.ones(4))), ValueError, r"have shapes \(3, 2\), \(4,\)"),
    (lambda: call(batch_size=0), ValueError, "batch_size must be a whole number from 1, got 0"),
    (lambda: call(validation=[]), ValueError, "fit: validation has no rows; pass at least one"),
    (lambda: evaluate(LINE, cross_entropy, []), ValueError, "evaluate: data has no rows; pass at least one"),
    (lambda: evaluate(LINE, cross_entropy, [(1,)]), TypeError, "evaluate: data: each batch must be .* got tuple of 1"),
    (lambda: evaluate(LINE, lambda out, y: out, table()), TypeError,
     r"loss must return a number for all rows together, got shape \(37, 3\)"),
    (lambda: evaluate(LINE, cross_entropy, 3), TypeError, "evaluate: data must be a tuple of arrays .* got int"),
    (lambda: call(loss=lambda out, y: out), TypeError, r"a single real number, got shape \(32, 3\)"),
    (lambda: call(loss=lambda out, y: out[:1, 0]), TypeError, r"a single real number, got shape \(1,\), float64; take"),
    (lambda: call(loss=lambda out, y: 1.0), TypeError, "a Tensor of a single real number, got float"),
    (lambda: call(data=(table()[0] * 1j, table()[1])), TypeError, r"single real number, got shape \(\), complex128"),
    (lambda: call(module=NoTensor()), TypeError, "a single real number, got .*float.*see that the module"),
    (lambda: accuracy(np.ones(3), np.ones(3)), ValueError, r"the shapes \(3,\) and \(3,\)"),
]  # fmt: skip


@pytest.mark.parametrize(("wrong", "kind", "message"), ERRORS, ids=[message[:40] for *_, message in ERRORS])
def test_errors_tell_what_to_do(wrong: Callable[[], Any], kind: type[Exception], message: str):
    with pytest.raises(kind, match=message):
        wrong()
