"""Products of vectors, matrices and tensors; convolution."""

from __future__ import annotations

import functools
import math
import string
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..kin import foreign, kin
from ..primitive import Primitive, composite, define


def swap(x: Any) -> Any:
    """The matrices of a stack, transposed."""
    return np.swapaxes(x, -1, -2)


def conjugate(x: Any) -> Any:
    """The conjugate of complex arrays; a real one is left alone, so that a complex step may pass."""
    return np.conjugate(x) if np.iscomplexobj(x) else x


def _matmul_left(g: Any, ans: Any, x: Any, y: Any) -> Any:
    if y.ndim == 1:
        return g * y if x.ndim == 1 else g[..., None] * y
    if x.ndim == 1:
        return np.matmul(y, g[..., None])[..., 0]
    return np.matmul(g, swap(y))


def _matmul_right(g: Any, ans: Any, x: Any, y: Any) -> Any:
    if x.ndim == 1:
        return g * x if y.ndim == 1 else x[:, None] * g[..., None, :]
    if y.ndim == 1:
        return np.matmul(x.T, g) if x.ndim == 2 else np.matmul(swap(x), g[..., None])[..., 0]
    if y.ndim == 2 and x.ndim > 2:  # one product instead of one a matrix of the stack
        rows = math.prod(x.shape[:-1])  # not -1, which is ambiguous for arrays without elements
        return np.matmul(x.reshape(rows, x.shape[-1]).T, g.reshape(rows, g.shape[-1]))
    if type(g) is type(x) is np.ndarray and g.ndim == 2 and g.flags.fnc and x.flags.c_contiguous:
        return np.matmul(g.T, x).T  # faster than by two matrices that lie across memory, as behind a cross-entropy
    return np.matmul(swap(x), g)


define(np.matmul, _matmul_left, _matmul_right)


@composite(np.dot)
def _dot(a: Any, b: Any, out: Any = None) -> Any:
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return np.multiply(a, b)
    if np.ndim(b) == 1 or np.ndim(a) <= 2 and np.ndim(b) == 2:
        return np.matmul(a, b)
    return np.tensordot(a, b, axes=(-1, -2))


@composite(np.vdot)
def _vdot(a: Any, b: Any) -> Any:
    return np.matmul(conjugate(np.ravel(a)), np.ravel(b))


@composite(np.vecdot)
def _vecdot(a: Any, b: Any) -> Any:
    return np.sum(conjugate(a) * b, axis=-1)


@composite(np.matvec)
def _matvec(a: Any, x: Any) -> Any:
    return np.matmul(a, x[..., None])[..., 0]


@composite(np.vecmat)
def _vecmat(x: Any, a: Any) -> Any:
    return np.matmul(conjugate(x)[..., None, :], a)[..., 0, :]


@composite(np.inner)
def _inner(a: Any, b: Any) -> Any:
    return np.multiply(a, b) if np.ndim(a) == 0 or np.ndim(b) == 0 else np.tensordot(a, b, axes=(-1, -1))


@composite(np.outer)
def _outer(a: Any, b: Any, out: Any = None) -> Any:
    return np.ravel(a)[:, None] * np.ravel(b)


@composite(np.kron)
def _kron(a: Any, b: Any) -> Any:
    ndim = max(np.ndim(a), np.ndim(b))
    shape_a = (1,) * (ndim - np.ndim(a)) + np.shape(a)
    shape_b = (1,) * (ndim - np.ndim(b)) + np.shape(b)
    spread_a = np.reshape(a, [n for k in shape_a for n in (k, 1)])
    spread_b = np.reshape(b, [n for k in shape_b for n in (1, k)])
    return np.reshape(spread_a * spread_b, [n * m for n, m in zip(shape_a, shape_b, strict=True)])


@composite(np.tensordot)
def _tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """As one matrix product, with the contracted axes last in `a` and first in `b`."""
    shape_a, shape_b = np.shape(a), np.shape(b)
    if isinstance(axes, (int, np.integer)):
        last, first = list(range(len(shape_a) - axes, len(shape_a))), list(range(axes))
    else:
        last, first = ([int(k)] if isinstance(k, (int, np.integer)) else list(k) for k in axes)
    last, first = [k % len(shape_a) for k in last], [k % len(shape_b) for k in first]
    if [shape_a[k] for k in last] != [shape_b[k] for k in first]:
        raise ValueError(f"tensordot: shapes {shape_a} and {shape_b} do not match along axes {last} and {first}")
    rest_a = [k for k in range(len(shape_a)) if k not in last]
    rest_b = [k for k in range(len(shape_b)) if k not in first]
    n = int(np.prod([shape_a[k] for k in last]))
    left, right = [shape_a[k] for k in rest_a], [shape_b[k] for k in rest_b]
    matrix_a = np.reshape(np.transpose(a, rest_a + last), (int(np.prod(left)), n))
    matrix_b = np.reshape(np.transpose(b, first + rest_b), (n, int(np.prod(right))))
    return np.reshape(np.matmul(matrix_a, matrix_b), left + right)


@composite(np.linalg.multi_dot)
def _multi_dot(arrays: Sequence[Any], *, out: Any = None) -> Any:
    if len(arrays) < 2:
        raise ValueError(f"multi_dot: needs at least two arrays, got {len(arrays)}")
    shape = np.shape(arrays[0])[:-1] + np.shape(arrays[-1])[1:]
    first = np.reshape(arrays[0], (1, -1)) if np.ndim(arrays[0]) == 1 else arrays[0]
    last = np.reshape(arrays[-1], (-1, 1)) if np.ndim(arrays[-1]) == 1 else arrays[-1]
    return np.reshape(chain_product(first, *arrays[1:-1], last), shape)


def _chain(*matrices: Any) -> Any:
    if foreign(matrices[0]) is None:
        return np.linalg.multi_dot(matrices)
    return functools.reduce(np.matmul, matrices)  # other libraries do not have it


chain_product: Primitive = define(
    _chain,
    lambda i, g, ans, *matrices: (
        chain_product(*[swap(m) for m in matrices[:i][::-1]], g, *[swap(m) for m in matrices[:i:-1]])
        if len(matrices) > 1
        else g
    ),
    variadic=True,
    name="multi_dot",
)


@composite(np.cross)
def _cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Any:
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = np.moveaxis(a, axisa, -1), np.moveaxis(b, axisb, -1)
    if a.shape[-1] != 3 or b.shape[-1] != 3:
        raise ValueError(f"cross: needs vectors of 3 elements, got {a.shape[-1]} and {b.shape[-1]}")
    return np.moveaxis(cross(a, b), -1, axisc)


cross = define(
    lambda a, b: np.cross(a, b),
    lambda g, ans, a, b: np.cross(b, g),
    lambda g, ans, a, b: np.cross(g, a),
    name="cross",
    broadcasts=True,
)


@composite(np.einsum)
def _einsum(*operands: Any, out: Any = None, optimize: Any = False, **options: Any) -> Any:
    if options:
        raise TypeError(f"einsum: {next(iter(options))}= is not supported on Tensors")
    if not isinstance(operands[0], str):
        operands = _from_sublists(operands)
    subscripts, *arrays = operands
    return einsum(*arrays, subscripts=_explicit(subscripts, arrays), optimize=optimize)


def _from_sublists(operands: Sequence[Any]) -> tuple[Any, ...]:
    """``einsum(a, [0, 1], b, [1, 2], [0, 2])`` as ``einsum("ab,bc->ac", a, b)``."""
    arrays = operands[0 : len(operands) // 2 * 2 : 2]
    lists = operands[1 : len(operands) // 2 * 2 : 2]

    def text(labels: Sequence[Any]) -> str:
        return "".join("..." if label is Ellipsis else string.ascii_letters[label] for label in labels)

    subscripts = ",".join(map(text, lists))
    if len(operands) % 2:
        subscripts += "->" + text(operands[-1])
    return (subscripts, *arrays)


def _explicit(subscripts: str, arrays: Sequence[Any]) -> str:
    """The subscripts with an output, and with letters for every ellipsis."""
    inputs, arrow, output = subscripts.replace(" ", "").partition("->")
    parts = inputs.split(",")
    if len(parts) != len(arrays):
        raise ValueError(f"einsum: {subscripts!r} is for {len(parts)} arrays, got {len(arrays)}")
    if not arrow:
        letters = inputs.replace(",", "").replace(".", "")
        output = ("..." if "..." in inputs else "") + "".join(c for c in sorted(set(letters)) if letters.count(c) == 1)
    free = [c for c in string.ascii_letters if c not in subscripts]
    dotted = [np.ndim(a) - len(part.replace("...", "")) for part, a in zip(parts, arrays, strict=True)]
    longest = max([n for part, n in zip(parts, dotted, strict=True) if "..." in part], default=0)
    dots = "".join(free[:longest])
    parts = [part.replace("...", dots[longest - n :]) for part, n in zip(parts, dotted, strict=True)]
    return ",".join(parts) + "->" + output.replace("...", dots)


def _einsum_rule(i: int, g: Any, ans: Any, *arrays: Any, subscripts: str, optimize: Any) -> Any:
    """The product of `g` with all other arrays, summed to the subscripts of array `i`."""
    inputs, _, output = subscripts.partition("->")
    parts = inputs.split(",")
    others = [a for k, a in enumerate(arrays) if k != i]
    labels = [part for k, part in enumerate(parts) if k != i]
    free = [c for c in string.ascii_letters if c not in subscripts]
    target = ""
    for letter, n in zip(parts[i], arrays[i].shape, strict=True):
        if letter in target:  # a diagonal: the gradient is zero off it
            fresh = free.pop()
            others.append(kin(g, np.eye, n, dtype=g.dtype))
            labels.append(letter + fresh)
            letter = fresh
        elif not any(letter in part for part in (output, *labels)):  # summed in array i alone
            others.append(kin(g, np.ones, n, dtype=g.dtype))
            labels.append(letter)
        target += letter
    return np.einsum(",".join([output, *labels]) + "->" + target, g, *others, optimize=optimize)


einsum = define(
    lambda *arrays, subscripts, optimize: np.einsum(subscripts, *arrays, optimize=optimize),
    _einsum_rule,
    variadic=True,
    broadcasts=True,
    name="einsum",
)


@composite(np.convolve)
def _convolve(a: Any, v: Any, mode: str = "full") -> Any:
    full = convolve(np.ravel(a), np.ravel(v))
    long, short = max(np.size(a), np.size(v)), min(np.size(a), np.size(v))
    if mode == "full":
        return full
    if mode == "same":
        return full[(short - 1) // 2 :][:long]
    if mode == "valid":
        return full[short - 1 : long]
    raise ValueError(f"convolve: mode must be 'full', 'same' or 'valid', got {mode!r}")


convolve = define(
    lambda a, v: np.convolve(a, v),
    lambda g, ans, a, v: np.convolve(g, v[::-1], "valid"),
    lambda g, ans, a, v: np.convolve(g, a[::-1], "valid"),
    name="convolve",
)


@composite(np.correlate)
def _correlate(a: Any, v: Any, mode: Any = "valid") -> Any:
    a, v = np.ravel(a), np.ravel(v)
    if v.size > a.size:
        return conjugate(np.convolve(conjugate(a)[::-1], v, mode))[::-1]
    return np.convolve(a, conjugate(v)[::-1], mode)
