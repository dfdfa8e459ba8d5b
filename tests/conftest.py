"""The seed of all random tests, and a guard for the global switches."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from tinygrad_ml.graph import is_recording


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads for small matrices only wait for each other."""
    with threadpool_limits(1):
        yield


def pytest_addoption(parser: Any) -> None:
    parser.addoption(
        "--seed",
        type=int,
        default=int(os.environ.get("TEST_SEED", "0")),
        help="seed of the random tests (default: the environment variable TEST_SEED, or 0)",
    )


def pytest_report_header(config: Any) -> str:
    return f"seed of the random tests: --seed={config.getoption('--seed')}"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: Any, call: Any) -> Iterator[None]:
    outcome: Any = yield
    report = outcome.get_result()
    if report.failed:
        report.sections.append(("random numbers", f"drawn with --seed={item.config.getoption('--seed')}"))


@pytest.fixture
def make_rng(request: Any) -> Callable[[str], np.random.Generator]:
    """Random numbers that depend on the seed and on a name only, not on which tests run before."""
    seed = request.config.getoption("--seed")
    return lambda name: np.random.default_rng([seed, zlib.crc32(name.encode())])


@pytest.fixture
def rng(request: Any, make_rng: Any) -> np.random.Generator:
    return make_rng(request.node.name)


@pytest.fixture(autouse=True)
def _recording_is_left_on() -> Iterator[None]:
    yield
    assert is_recording(), "the test left recording switched off"
