"""The pytest fixture `assert_gradient`: a gradient check whose random directions are drawn anew in every run.

::

    def test_gradient_of_my_loss(assert_gradient):
        assert_gradient(loss, x, gradient=gradient_of_loss)

The report of a failure prints the seed; ``pytest --gradcheck-seed N`` runs with that seed again.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("tinygrad_ml", "gradient checks")
    group.addoption(
        "--gradcheck-seed",
        type=_seed,
        default=None,
        metavar="N",
        help="seed of the directions that assert_gradient draws (default: another one in each test)",
    )


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a whole number from 0, not {text!r}")
    return int(text)


@pytest.fixture
def assert_gradient(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """`tinygrad_ml.gradcheck.assert_gradient`, with the seed of ``--gradcheck-seed`` where none is given."""
    from .gradcheck.testing import assert_gradient as check

    given = request.config.getoption("--gradcheck-seed")

    def assert_gradient(
        f: Callable[..., Any], x: Any, gradient: Any = None, order: int = 1, directions: int = 3, rng: Any = None
    ) -> Any:
        __tracebackhide__ = True
        return check(f, x, gradient, order, directions, given if rng is None else rng)

    return assert_gradient
