"""The rows of the op table on arrays of other libraries, held against NumPy."""

from __future__ import annotations

from collections.abc import Callable
from types import CellType, FunctionType
from typing import Any

import numpy as np

import tinygrad_ml as tg

from .case import Case
from .numeric import direction
from .test_rules import inner, leaves, parts, second_order, weights

Convert = Callable[[Any], Any]


def with_constants(function: Any, convert: Convert) -> Any:
    """`function` of a test with NumPy's arrays converted among its module's names, its defaults and its closure."""
    if not isinstance(function, FunctionType) or not function.__module__.startswith("tests."):
        return function
    names = {name: _converted(value, convert) for name, value in function.__globals__.items()}
    defaults = _converted(function.__defaults__, convert)
    cells = [CellType(_converted(cell.cell_contents, convert)) for cell in function.__closure__ or ()]
    return FunctionType(function.__code__, names, function.__name__, defaults, tuple(cells))


def _converted(value: Any, convert: Convert) -> Any:
    if type(value) is np.ndarray:
        return convert(value)
    if type(value) is dict:
        return {name: _converted(part, convert) for name, part in value.items()}
    return tuple([_converted(part, convert) for part in value]) if type(value) is tuple else value


def check_row(case: Case, rng: np.random.Generator, convert: Convert, back: Convert, constants: bool = True) -> None:
    """The result and the gradients of a row are of the same kind as its arguments, and equal to NumPy's.

    `convert` makes the other library's arrays of NumPy's, also of the row's own constants if wanted, and `back` undoes
    it.
    """
    arrays = case.sample(rng)
    vs = weights(rng, case.function, arrays)
    xs = leaves(arrays)
    expected = inner(vs, parts(case.function(*xs)))
    expected.backward()
    function = with_constants(case.function, convert) if constants else case.function
    kind = type(convert(np.zeros(1)))
    ys = [tg.Tensor(convert(a), requires_grad=True) for a in arrays]
    outs = parts(function(*ys))
    assert all(type(out.data) is kind for out in outs), "the result is of another kind"
    loss = inner([convert(v) for v in vs], outs)
    np.testing.assert_allclose(back(loss.data), expected.data, rtol=1e-9, atol=1e-12)
    loss.backward()
    for x, y in zip(xs, ys, strict=True):
        assert type(y.grad) is kind, "the gradient is of another kind"
        assert y.grad.shape == x.shape and y.grad.dtype == x.dtype
        scale = np.max(np.abs(x.grad), initial=1e-3)
        np.testing.assert_allclose(back(y.grad), x.grad, rtol=1e-9, atol=1e-9 * scale)


def check_second_order(case: Case, rng: np.random.Generator, convert: Convert, back: Convert) -> None:
    """The gradients of a row's gradients are NumPy's."""
    arrays = case.sample(rng)
    vs, ws = weights(rng, case.function, arrays), [direction(rng, a) for a in arrays]
    expected = second_order(case.function, arrays, vs, ws)
    converted = [[convert(a) for a in group] for group in (arrays, vs, ws)]
    for actual, plain in zip(second_order(with_constants(case.function, convert), *converted), expected, strict=True):
        scale = np.max(np.abs(plain), initial=1e-3)
        np.testing.assert_allclose(back(actual), plain, rtol=1e-8, atol=1e-8 * scale)
