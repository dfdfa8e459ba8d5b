"""Reading elements out of arrays, in order or out of it."""

import numpy as np

from ..case import between, case, distinct, normal

_MASK = np.array([[True, False, True], [False, True, True]])
_ROWS, _COLUMNS = np.array([0, 2, 2, -1]), np.array([[1], [0]])
_TURNS = np.array([0.0, 6.5, 2.2, -6.3, 0.2])
_GRID = np.array([0.0, 0.4, 1.1, 1.5, 2.3])
_APART = np.array([0.0, 0.95, 4.0])  # from left of the grid to its second interval and to its right


def _increasing(rng: np.random.Generator) -> np.ndarray:
    return _GRID + rng.uniform(0, 0.2, size=5)


CASES = [
    case("x[i]", lambda x: x[1], normal(3, 4), complex=True),
    case("x[i, j]", lambda x: x[1, -1], normal(3, 4), complex=True),
    case("x[slice]", lambda x: x[1:], normal(3, 4), complex=True),
    case("x[::-2]", lambda x: x[..., ::-2], normal(3, 4), complex=True),
    case("x[..., None, i]", lambda x: x[..., None, 1], normal(2, 3), complex=True),
    case("x[empty slice]", lambda x: x[2:2], normal(3, 4), complex=True),
    case("x[()]", lambda x: x[()], normal(3), complex=True, elementwise=True),
    case("x[mask]", lambda x: x[_MASK], normal(2, 3), complex=True),
    case("x[:, mask]", lambda x: x[:, _MASK], normal(2, 2, 3), complex=True),
    case("x[rows]", lambda x: x[_ROWS], normal(3, 4), complex=True),
    case("x[many rows]", lambda x: x[np.arange(-3, 90) % 3 - 1], normal(3, 4), complex=True),
    case("x[list]", lambda x: x[[0, 0, 1]], normal(3), complex=True),
    case("x[:, rows]", lambda x: x[:, _ROWS], normal(2, 3), complex=True),
    case("x[rows, columns]", lambda x: x[_ROWS, _COLUMNS], normal(3, 2), complex=True),
    case("x[rows, :, columns]", lambda x: x[_ROWS, :, _COLUMNS], normal(3, 2, 2), complex=True),
    case("x[i, None, rows]", lambda x: x[1, None, _ROWS, ..., 0], normal(2, 3, 2), complex=True),
    case("x[mask, j]", lambda x: x[np.array([True, False, True]), 1], normal(3, 2), complex=True),
    case("take", lambda x: np.take(x, [[0, 5], [-1, 5]]), normal(2, 3), complex=True),
    case("take axis=1", lambda x: np.take(x, _ROWS, axis=1), normal(2, 3), complex=True),
    case("take booleans as numbers", lambda x: np.take(x, [True, False, True], axis=-1), normal(2, 3), complex=True),
    case("take axis=0 scalar", lambda x: np.take(x, 1, axis=0), normal(2, 3), complex=True),
    case("take axis=-1 mode='wrap'", lambda x: np.take(x, [4, -5], axis=-1, mode="wrap"), normal(2, 3), complex=True),
    case("take mode='clip'", lambda x: np.take(x, [4, -5, 9], mode="clip"), normal(2, 3), complex=True),
    case("take_along_axis", lambda x: np.take_along_axis(x, _MASK + 0, axis=-1), normal(2, 3), complex=True),
    case(
        "take_along_axis axis=0",
        lambda x: np.take_along_axis(x, np.array([[1], [1]]), axis=0),
        normal(2, 3),
        complex=True,
    ),
    case("take_along_axis axis=None", lambda x: np.take_along_axis(x, _ROWS, axis=None), normal(2, 3), complex=True),
    case("unique", lambda x: np.unique(np.concatenate([x, x]), return_counts=True), distinct(4)),
    case("unique axis=1", lambda x: np.unique(x[:, [0, 1, 0, 2]], axis=1), distinct(2, 3)),
    case("bincount weights", lambda w: np.bincount([2, 0, 2, 5], w, minlength=8), normal(4)),
    case("sort", lambda x: np.sort(x), distinct(3, 4)),
    case("sort axis=0 stable", lambda x: np.sort(x, axis=0, stable=True), distinct(3, 4)),
    case("sort axis=None", lambda x: np.sort(x, axis=None, kind="heapsort"), distinct(3, 4)),
    case("partition", lambda x: np.partition(x, 2)[..., 2], distinct(3, 4)),
    case("partition axis=0", lambda x: np.sort(np.partition(x, (1, 3), axis=0)[:2], axis=0), distinct(5, 2)),
    case("partition axis=None", lambda x: np.partition(x, 4, axis=None)[4], distinct(3, 4)),
    case("compress", lambda x: np.compress([True, False, True], x), normal(2, 3), complex=True),
    case("compress axis=1", lambda x: np.compress([False, True], x, axis=1), normal(2, 3), complex=True),
    case("extract", lambda x: np.extract(_MASK, x), normal(2, 3), complex=True),
    case("select", lambda x, y: np.select([x > 1, _MASK], [x, y * x], y), distinct(2, 3), normal(2, 3)),
    case("select default=0", lambda x: np.select([_MASK], [x]), normal(2, 3), complex=True),
    case("choose", lambda x, y: np.choose(_MASK + 0, [x, y]), normal(2, 3), normal(3), complex=True),
    case(
        "choose mode='wrap'",
        lambda x, y: np.choose([3, -2, 5], [x, y], mode="wrap"),
        normal(3),
        normal(1),
        complex=True,
    ),
    case("choose out of an array", lambda x: np.choose([2, 0, 1, 0], x), normal(3, 4), complex=True),
    case("diag", lambda x: np.diag(x), normal(3), complex=True),
    case("diag k=-1", lambda x: np.diag(x, -1), normal(3), complex=True),
    case("diag of a matrix", lambda x: np.diag(x), normal(3, 4), complex=True),
    case("diag of a matrix k=2", lambda x: np.diag(x, k=2), normal(3, 4), complex=True),
    case("diagonal", lambda x: np.diagonal(x), normal(4, 3), complex=True),
    case("diagonal offset=-1 axes (2, 0)", lambda x: np.diagonal(x, -1, 2, 0), normal(3, 2, 4), complex=True),
    case("diagonal axis1=-2 axis2=-1", lambda x: np.diagonal(x, axis1=-2, axis2=-1), normal(2, 3, 4), complex=True),
    case("diagflat", lambda x: np.diagflat(x, 1), normal(2, 2), complex=True),
    case("tril", lambda x: np.tril(x), normal(2, 3, 4), complex=True),
    case("tril k=-1", lambda x: np.tril(x, -1), normal(4, 3), complex=True),
    case("triu", lambda x: np.triu(x), normal(3, 4), complex=True),
    case("triu k=1", lambda x: np.triu(x, k=1), normal(3, 4), complex=True),
    case("diff", lambda x: np.diff(x), normal(2, 4), complex=True),
    case("diff n=2 axis=0", lambda x: np.diff(x, n=2, axis=0), normal(4, 2), complex=True),
    case("diff n=0", lambda x: np.diff(x, n=0) * 2, normal(4), complex=True),
    case("diff prepend append", lambda x, y: np.diff(x, prepend=0, append=y), normal(2, 3), normal(2, 2), complex=True),
    case("ediff1d", lambda x: np.ediff1d(x), normal(2, 3), complex=True),
    case("ediff1d with ends", lambda x, y: np.ediff1d(x, to_end=y, to_begin=[1.0]), normal(4), normal(2), complex=True),
    case("gradient", lambda x: np.gradient(x), normal(5), complex=True),
    case("gradient of a matrix", lambda x: np.gradient(x, 0.5), normal(3, 4), complex=True),
    case("gradient edge_order=2", lambda x: np.gradient(x, 2.0, 0.5, edge_order=2), normal(3, 4), complex=True),
    case("gradient axis=0", lambda x: np.gradient(x, axis=0), normal(3, 4), complex=True),
    case(
        "gradient coordinates",
        lambda x: np.gradient(x, _GRID.astype(x.real.dtype), axis=-1, edge_order=2),
        normal(2, 5),
        complex=True,
    ),
    case("gradient moving coordinates", lambda x, t: np.gradient(x, t), normal(5), _increasing),
    case("trapezoid", lambda y: np.trapezoid(y), normal(2, 4), complex=True),
    case(
        "trapezoid dx axis=0", lambda y, dx: np.trapezoid(y, dx=dx, axis=0), normal(3, 2), between(0.5, 1), complex=True
    ),
    case("trapezoid x", lambda y, x: np.trapezoid(y, x), normal(2, 4), normal(4), complex=True),
    case("trapezoid x of y's shape", lambda y, x: np.trapezoid(y, x, axis=0), normal(3, 2), normal(3, 2), complex=True),
    case("interp", lambda fp: np.interp([-1.0, 0.2, 1.3, 9.0], _GRID, fp), normal(5)),
    case("interp inside", lambda x, xp, fp: np.interp(x, xp, fp), between(0.65, 1.05, 2, 3), _increasing, normal(5)),
    case(
        "interp left right",
        lambda x, fp: np.interp(x + _APART, _GRID, fp, 7.0, -7.0),
        between(-0.5, -0.2, 3),
        normal(5),
    ),
    case("interp period", lambda x, fp: np.interp(x, _GRID, fp, period=3), between(5.6, 5.9, 3), normal(5)),
    case("unwrap", lambda p: np.unwrap(p + _TURNS), between(0, 0.3, 2, 5)),
    case("unwrap axis=0 period", lambda p: np.unwrap(p + _TURNS[:, None], axis=0, period=2), between(0, 0.3, 5, 2)),
]
