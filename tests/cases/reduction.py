"""Reductions, and running ones."""

import numpy as np

from ..case import Case, case, distinct, nonzero, normal, positive


def with_nan(function):
    """`function` of an array in which two elements are NaN and no gradient reaches them."""
    mask = np.zeros((3, 4), bool)
    mask[0, 1] = mask[2, 3] = True
    return lambda x: function(np.where(mask, np.nan, x))


def with_zeros(*places: int):
    """An array of 3 x 4 of which row 1 is zero at `places`."""

    def sample(rng: np.random.Generator) -> np.ndarray:
        x = rng.uniform(0.5, 2.0, size=(3, 4))
        x[1, list(places)] = 0
        return x

    return sample


AXES = [
    ("", {}),
    (" axis=0", {"axis": 0}),
    (" axis=-1 keepdims", {"axis": -1, "keepdims": True}),
    (" axis=(0, 2)", {"axis": (0, 2)}),
    (" axis=(-1, 0) keepdims", {"axis": (-1, 0), "keepdims": True}),
]


def along_axes(name: str, function, sampler, **options) -> list[Case]:
    return [
        case(f"{name}{label}", lambda x, keywords=keywords: function(x, **keywords), sampler, **options)
        for label, keywords in AXES
    ]


CASES: list[Case] = [
    *along_axes("sum", np.sum, normal(2, 3, 4), complex=True),
    case("sum where", lambda x: np.sum(x, axis=0, where=np.arange(4) % 2 == 0), normal(3, 4), complex=True),
    case("sum initial", lambda x: np.sum(x, initial=3.0), normal(3, 4), complex=True),
    *along_axes("mean", np.mean, normal(2, 3, 4), complex=True),
    case("mean where", lambda x: np.mean(x, axis=1, where=np.arange(4) != 2), normal(3, 4), complex=True),
    *along_axes("prod", np.prod, nonzero(2, 3, 4), complex=True),
    case("prod with a zero", lambda x: np.prod(x, axis=1), with_zeros(2), complex=True),
    case("prod with two zeros", lambda x: np.prod(x, axis=1), with_zeros(0, 2), complex=True),
    *along_axes("var", np.var, normal(2, 3, 4), complex=True),
    case("var ddof", lambda x: np.var(x, axis=1, ddof=1), normal(3, 4), complex=True),
    case("var correction", lambda x: np.var(x, axis=0, correction=1), normal(3, 4), complex=True),
    *along_axes("std", np.std, distinct(2, 3, 4), complex=True),
    case("std ddof", lambda x: np.std(x, axis=1, ddof=1), distinct(3, 4), complex=True),
    case("std correction", lambda x: np.std(x, axis=0, correction=1), distinct(3, 4), complex=True),
    *along_axes("max", np.max, distinct(2, 3, 4)),
    *along_axes("min", np.min, distinct(2, 3, 4)),
    case("amax", lambda x: np.amax(x, axis=0), distinct(3, 4)),
    case("amin", lambda x: np.amin(x, axis=1), distinct(3, 4)),
    case("nanmax", with_nan(lambda x: np.nanmax(x, axis=0)), distinct(3, 4)),
    case("nanmin", with_nan(lambda x: np.nanmin(x)), distinct(3, 4)),
    case("nansum", with_nan(lambda x: np.nansum(x, axis=1, keepdims=True)), normal(3, 4), complex=True),
    case("nanmean", with_nan(lambda x: np.nanmean(x, axis=0)), normal(3, 4), complex=True),
    case("nanmean all", with_nan(lambda x: np.nanmean(x)), normal(3, 4), complex=True),
    case("nanprod", with_nan(lambda x: np.nanprod(x, axis=0)), nonzero(3, 4), complex=True),
    case("nancumsum", with_nan(lambda x: np.nancumsum(x, axis=0)), normal(3, 4), complex=True),
    case("nancumprod", with_nan(lambda x: np.nancumprod(x, axis=1)), nonzero(3, 4), complex=True),
    case("nanvar", with_nan(lambda x: np.nanvar(x, axis=1, ddof=1)), normal(3, 4)),
    case("nanstd", with_nan(lambda x: np.nanstd(x, axis=0)), distinct(3, 4)),
    case("ptp", lambda x: np.ptp(x, axis=0), distinct(3, 4)),
    case("average", lambda x: np.average(x, axis=0), normal(3, 4), complex=True),
    case("average weights", lambda x, w: np.average(x, weights=w), normal(3, 4), positive(3, 4), complex=True),
    case("average weights of an axis", lambda x, w: np.average(x, 1, w), normal(3, 4), positive(4), complex=True),
    case(
        "average weights of two axes",
        lambda x, w: np.average(x, axis=(2, 0), weights=w, keepdims=True),
        normal(2, 3, 4),
        positive(4, 2),
        complex=True,
    ),
    case("trace", lambda x: np.trace(x), normal(3, 4), complex=True),
    case("trace offset axes", lambda x: np.trace(x, 1, 2, 0), normal(3, 2, 4), complex=True),
    case("cumsum", lambda x: np.cumsum(x), normal(3, 4), complex=True, elementwise=True),
    case("cumsum axis=-1", lambda x: np.cumsum(x, axis=-1), normal(3, 4), complex=True),
    case("cumsum axis=0", lambda x: np.cumsum(x, 0), normal(3, 4), complex=True),
    case("cumprod", lambda x: np.cumprod(x), nonzero(2, 3), complex=True, elementwise=True),
    case("cumprod axis=0", lambda x: np.cumprod(x, axis=0), nonzero(3, 4), complex=True),
    case("cumprod with a zero", lambda x: np.cumprod(x, axis=1), with_zeros(1), complex=True),
    case("cumprod with two zeros", lambda x: np.cumprod(x, axis=-1), with_zeros(1, 2), complex=True),
    case("cumulative_sum", lambda x: np.cumulative_sum(x, axis=1, include_initial=True), normal(3, 4), complex=True),
    case("cumulative_prod", lambda x: np.cumulative_prod(x, axis=0), nonzero(3, 4), complex=True),
    *along_axes("median", np.median, distinct(2, 3, 4)),
    *along_axes("quantile", lambda x, **k: np.quantile(x, 0.3, **k), distinct(2, 3, 4)),
    *[
        case(f"quantile {method}", lambda x, m=method: np.quantile(x, [0.1, 0.62], axis=1, method=m), distinct(3, 7))
        for method in ("linear", "lower", "higher", "nearest", "midpoint", "hazen", "weibull", "median_unbiased")
    ],
    case("percentile", lambda x: np.percentile(x, [[10, 35.5], [50, 99]], axis=0), distinct(5, 3)),
]
