"""`assert_gradient` and the pytest fixture of that name, on right and wrong gradients."""

from __future__ import annotations

import importlib
import inspect
import os
import re
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import numpy as np
import pytest

from tinygrad_ml.gradcheck import check, testing
from tinygrad_ml.gradcheck.report import Report

ROOT = Path(__file__).parents[1]


def sum_of_cubes(x):
    return np.sum(x**3)


def right(x):
    return 3 * x**2


def wrong(x):
    return 3.01 * x**2


POINT = np.array([1.0, -2.0, 0.5])


class TestAssertGradient:
    @pytest.mark.parametrize("gradient", [None, right, right(POINT)], ids=["engine", "callable", "arrays"])
    def test_answers_the_report_of_a_right_gradient(self, gradient):
        report = testing.assert_gradient(sum_of_cubes, POINT, gradient)
        assert isinstance(report, Report) and report.ok

    def test_the_message_of_a_wrong_one_is_the_report(self):
        with pytest.raises(AssertionError) as raised:
            testing.assert_gradient(sum_of_cubes, POINT, wrong, rng=5)
        assert str(raised.value) == str(check.check_gradient(sum_of_cubes, POINT, wrong, rng=5))
        assert "FAIL" in str(raised.value) and "rng=5 repeats this check" in str(raised.value)

    def test_takes_the_arguments_of_check_gradient(self):
        taken = inspect.signature(testing.assert_gradient).parameters
        offered = inspect.signature(check.check_gradient).parameters
        assert [(p.name, p.default) for p in taken.values()] == [(p.name, p.default) for p in offered.values()]

    def test_hands_every_argument_on(self, monkeypatch):
        handed = []

        def record(*args, **kwargs):
            bound = inspect.signature(check.check_gradient).bind(*args, **kwargs)
            handed.append(dict(bound.arguments))
            return Report("", [], 0)

        monkeypatch.setattr(testing, "check_gradient", record)
        given = {"f": sum_of_cubes, "x": POINT, "gradient": right, "order": 2, "directions": 7, "rng": 3}
        with pytest.raises(AssertionError, match="nothing was checked"):
            testing.assert_gradient(**given)
        assert handed == [given]


SUITE = """
import numpy as np
import pytest

def sum_of_cubes(x):
    return np.sum(x**3)

def test_right(assert_gradient):
    report = assert_gradient(sum_of_cubes, np.ones(3), lambda x: 3 * x**2)
    print("seed of right:", report.seed)

def test_engine(assert_gradient):
    assert_gradient(sum_of_cubes, np.ones(3))

def test_wrong(assert_gradient):
    assert_gradient(sum_of_cubes, np.ones(3), lambda x: 3.01 * x**2)

def test_seeded(assert_gradient):
    assert assert_gradient(sum_of_cubes, np.ones(3), rng=77).seed == 77
"""


@pytest.fixture
def run_pytest(tmp_path):
    """Runs SUITE in a folder of its own with no plugin but ours."""
    (tmp_path / "test_suite.py").write_text(SUITE, encoding="utf-8")

    def run(*options):
        environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT)}
        environment.pop("PYTEST_ADDOPTS", None)
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "tinygrad_ml.pytest_plugin",
            "-p",
            "no:cacheprovider",
            *options,
        ]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)

    return run


class TestFixture:
    def test_fails_on_a_wrong_gradient_and_passes_on_a_right_one(self, run_pytest):
        done = run_pytest("-rA")
        assert done.returncode == 1
        outcomes = dict(
            reversed(found) for found in re.findall(r"^(PASSED|FAILED) test_suite.py::(\w+)", done.stdout, re.M)
        )
        expected = {"test_right": "PASSED", "test_engine": "PASSED", "test_wrong": "FAILED", "test_seeded": "PASSED"}
        assert outcomes == expected
        assert re.search(r"^E +AssertionError: .*FAIL", done.stdout, re.M), "the report is the message"
        assert re.search(r"rng=(\d+) repeats this check", done.stdout)
        assert re.search(r"test_suite\.py:\d+: AssertionError", done.stdout), "the user's own line is shown"
        assert not re.search(r"(testing|pytest_plugin)\.py:\d+", done.stdout), "and none of ours"

    def test_draws_another_seed_in_each_run_or_the_one_given(self, run_pytest):
        def seed(*options):
            return re.findall(r"^seed of right: (\d+)", run_pytest("-k", "right", "-rP", *options).stdout, re.M)

        first, second = seed(), seed()
        assert len(first) == len(second) == 1 and first != second
        assert seed("--gradcheck-seed", "41") == ["41"]

    def test_a_seed_that_is_given_in_the_test_wins(self, run_pytest):
        assert run_pytest("-k", "seeded", "--gradcheck-seed", "41").returncode == 0

    @pytest.mark.parametrize("seed", ["-1", "1.5", "x", "²"])
    def test_a_wrong_seed_is_an_error(self, run_pytest, seed):
        done = run_pytest(f"--gradcheck-seed={seed}")
        assert done.returncode == 4 and f"must be a whole number from 0, not '{seed}'" in done.stderr

    def test_describes_itself(self, run_pytest):
        assert "--gradcheck-seed=N" in run_pytest("--help").stdout
        assert "assert_gradient" in run_pytest("--fixtures").stdout


def test_the_entry_point_names_the_plugin():
    config = ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    ((name, module),) = [line.split(" = ") for line in config["options.entry_points"]["pytest11"].strip().splitlines()]
    assert name == "tinygrad_ml" and hasattr(importlib.import_module(module), "assert_gradient")


def test_loading_the_plugin_loads_no_checker():
    code = "import sys, tinygrad_ml.pytest_plugin; print(*[name for name in sys.modules if 'gradcheck' in name])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
