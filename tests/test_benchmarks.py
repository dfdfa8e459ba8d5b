"""Every workload at a small size: our results are those of NumPy written by hand. Nothing is timed."""

from __future__ import annotations

import dataclasses
import importlib
import subprocess
import sys

import numpy as np
import pytest

from benchmarks import harness, year_prediction_data
from tinygrad_ml.data import load_year_prediction_msd, make_year_prediction_like

WORKLOADS = [workload for name in harness.FILES for workload in harness.load(name)]


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.title)
def test_agrees_with_hand(workload: harness.Workload) -> None:
    own = [name for name in ("hand", harness.OURS, harness.ANALYTIC) if name in workload.contenders]
    contenders = {name: workload.contenders[name] for name in own}
    steps = harness.prepare(dataclasses.replace(workload, contenders=contenders), workload.small())
    assert list(steps) == own and own[:2] == ["hand", harness.OURS]


def test_a_wrong_gradient_is_not_timed() -> None:
    workload = harness.load("W5")[0]

    def wrong(x):  # type: ignore[no-untyped-def]
        loss, gradient = workload.contenders["hand"](x)()
        return lambda: (loss, gradient * 1.000001)

    contenders = {"hand": workload.contenders["hand"], harness.OURS: wrong}
    with pytest.raises(AssertionError, match="W5"):
        harness.prepare(dataclasses.replace(workload, contenders=contenders), workload.small())


def test_peers_that_are_not_installed_are_left_out() -> None:
    workload = harness.load("W5")[0]

    def absent(x):  # type: ignore[no-untyped-def]
        raise ImportError

    contenders = {**{name: workload.contenders[name] for name in ("hand", harness.OURS)}, "MyGrad": absent}
    steps = harness.prepare(dataclasses.replace(workload, contenders=contenders), workload.small())
    assert list(steps) == ["hand", harness.OURS]


def test_table_marks_what_is_missed_and_what_is_missing() -> None:
    values = {"hand": 1.0, harness.OURS: 2.0}
    line = {
        "title": "W0 x",
        "unit": "ratio",
        "hand": 0.001,
        "values": values,
        "marks": {harness.OURS: 1.5},
        "met": False,
    }
    table = harness.table([line]).splitlines()
    assert len(table[0]) == len(table[1])
    assert table[1].split() == ["W0", "x", "1", "ms", "2.00", "-", "-", "-", "-", "-", "<=", "1.50", "NO"]


@pytest.mark.parametrize("ours, analytic, met", [(1.0, 0.6, True), (1.01, 0.5, False), (0.5, 0.61, False)])
def test_both_marks_must_be_met(ours: float, analytic: float, met: bool) -> None:
    times = {"hand": [2.0, 3.0], harness.OURS: [9.0, 2 * ours], harness.ANALYTIC: [2 * analytic]}
    workload = dataclasses.replace(harness.load("W2")[-1], measure=lambda workload, rounds: times)
    line = harness.figures(workload, 2)
    assert line["met"] is met
    assert f"<= {workload.mark:.2f}, {workload.analytic_mark:.2f}" in harness.table([line])


@pytest.mark.parametrize(
    "module", ["harness", "gradcheck_rates", "blame_rates", "year_prediction_fit", "year_prediction_data"]
)
def test_what_the_command_line_calls_is_there(module):
    assert callable(importlib.import_module(f"benchmarks.{module}").main)


def test_the_file_of_songs_is_in_the_format_of_the_data_set(tmp_path):
    year_prediction_data.write_songs(tmp_path / "songs.txt", 300)
    read, made = load_year_prediction_msd(tmp_path / "songs.txt"), make_year_prediction_like(300, 0)
    assert np.array_equal(read.year, made.year)
    np.testing.assert_allclose(read.X, made.X, atol=5.1e-6)


def test_memory_is_that_of_the_process_alone():
    held_here = np.ones(40_000_000)
    small, large = (
        year_prediction_data.measured("", [sys.executable, "-c", f"bytearray({size})"]).peak
        for size in (1, 200_000_000)
    )
    assert small < 50 and 200 < large < 250
    del held_here


def test_a_step_that_fails_is_no_figure(capfd):
    with pytest.raises(subprocess.CalledProcessError, match="status 3"):
        year_prediction_data.measured("", [sys.executable, "-c", "raise SystemExit(3)"])


@pytest.mark.parametrize(("peak", "verdict"), [(900.0, "yes"), (1600.0, "NO")])
def test_the_mark_is_for_the_experiment(peak, verdict):
    lines = year_prediction_data.table(
        [year_prediction_data.Measured(name, 1.0, peak) for name in ("first load", year_prediction_data.CENTURY)]
    ).splitlines()
    assert lines[-1].endswith(f"<= 1500: {verdict}") and "<=" not in lines[-2]


def test_all_fits_reach_one_minimum(capsys):
    from benchmarks import year_prediction_fit

    assert year_prediction_fit.main(["--rows", "2000", "--rounds", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("1,799 rows of 90 features") or lines[0].startswith("1,800 rows of 90 features")
    tight = [line.split() for line in lines if "1e-08" in line]
    assert len(tight) == 4
    assert all(float(line[-2]) < 1e-9 for line in tight)  # above the lowest loss
