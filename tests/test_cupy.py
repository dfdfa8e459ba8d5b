"""The op table, and a training, on a GPU: where CuPy and a device are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_ml as tg
from tinygrad_ml import functional as F

from .case import Case
from .foreign import check_row
from .op_table import CASES

cupy = pytest.importorskip("cupy")


def _has_device() -> bool:
    try:
        return bool(cupy.cuda.runtime.getDeviceCount())
    except cupy.cuda.runtime.CUDARuntimeError:
        return False


pytestmark = pytest.mark.skipif(not _has_device(), reason="no CUDA device")

_NO_UFUNC = "CuPy does not have the ufunc"
_NO_NEIGHBOUR = "the derivative is by a ufunc that CuPy does not have"
_NO_KEYWORD = "CuPy's function does not know the keyword"
_NO_METHOD = "CuPy's quantile does not know the method"

#: Rows that CuPy 14 refuses, and why.
REFUSED = {
    **dict.fromkeys(
        [
            "special.erfi", "special.dawsn", "special.ndtri_exp", "special.powm1", "special.wofz", "special.jv",
            "special.yv", "special.iv", "special.ive", "special.kn", "special.kv", "special.kve", "special.betaincc",
            "special.betainccinv", "special.hyp0f1", "special.hyp1f1", "special.hyp2f1",
        ],
        _NO_UFUNC,
    ),
    **dict.fromkeys(["special.exprel", "special.j1", "special.i1", "special.i1e"], _NO_NEIGHBOUR),
    **dict.fromkeys(
        ["sum where", "sum initial", "mean where", "var correction", "std correction", "pinv rtol", "cholesky upper"],
        _NO_KEYWORD,
    ),
    **dict.fromkeys(["quantile hazen", "quantile weibull", "quantile median_unbiased"], _NO_METHOD),
    "percentile": "CuPy takes no matrix of percentages",
    "sort axis=None": "CuPy has no heapsort",
    "solve stretched matrix": "CuPy stretches no matrix",
}  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=str)
def test_rows_of_the_op_table(case: Case, make_rng: Any) -> None:
    def check() -> None:
        check_row(case, make_rng(case.name), cupy.asarray, cupy.asnumpy)

    if case.name not in REFUSED:
        check()
        return
    with pytest.raises((TypeError, ValueError)):
        check()


def test_refused_rows_are_in_the_table() -> None:
    assert set(REFUSED) <= {case.name for case in CASES}


def test_training_is_numpys(rng: np.random.Generator) -> None:
    images, labels = rng.normal(size=(32, 1, 8, 8)), rng.integers(0, 3, 32)
    start = [rng.normal(size=shape) / 3 for shape in ((4, 1, 3, 3), (4,), (3, 36), (3,))]
    losses = []
    for kind in (np.asarray, cupy.asarray):
        w, b, v, c = parameters = [tg.Tensor(kind(a.copy()), requires_grad=True) for a in start]
        x, y = kind(images), kind(labels)
        losses.append([])
        for _ in range(5):
            hidden = F.max_pool2d(tg.relu(F.conv2d(x, w, b)), 2).reshape(32, 36)
            loss = F.cross_entropy(F.linear(hidden, v, c), y)
            loss.backward()
            losses[-1].append(loss.item())
            for parameter in parameters:
                parameter.data -= 0.5 * parameter.grad
                parameter.zero_grad()
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-8)
    assert losses[1][-1] < losses[1][0]
