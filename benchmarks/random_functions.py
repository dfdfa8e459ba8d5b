"""Random scalar functions with their gradients, and wrong gradients made of right ones.

A function is a list of steps. Each has a vector-Jacobian product of its own, and a reverse sweep over the list
gives the gradient: nothing here knows the package's engine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .battery import Problem
from .battery.problem import Array

Rng = np.random.Generator
#: Of steps, which may be a kinked one.
KINKED_SHARE = 0.2
WIDTHS = (1, 3, 8, 20, 60)


@dataclass(frozen=True)
class Step:
    """One operation: ``forward(*inputs)``, and ``backward(g, out, *inputs)`` with one gradient an input."""

    forward: Callable[..., Any]
    backward: Callable[..., tuple[Any, ...]]
    inputs: tuple[int, ...]


class Program:
    """Steps in order. Values 0, 1, ... are the arguments, and each step appends its own."""

    def __init__(self, arguments: int) -> None:
        self.arguments = arguments
        self.steps: list[Step] = []

    def _values(self, arrays: tuple[Array, ...]) -> list[Any]:
        values = list(arrays)
        for step in self.steps:
            values.append(step.forward(*[values[k] for k in step.inputs]))
        return values

    def __call__(self, *arrays: Array) -> Any:
        return self._values(arrays)[-1]

    def gradient(self, *arrays: Array) -> Any:
        """The gradients at `arrays`: one array, or a tuple where the program has several arguments."""
        values = self._values(arrays)
        gradients: list[Any] = [np.zeros_like(value) for value in values]
        gradients[-1] = np.ones_like(values[-1])
        for k, step in reversed(list(enumerate(self.steps, start=self.arguments))):
            found = step.backward(gradients[k], values[k], *[values[i] for i in step.inputs])
            for i, g in zip(step.inputs, found, strict=True):
                gradients[i] = gradients[i] + g
        return tuple(gradients[: self.arguments]) if self.arguments > 1 else gradients[0]


# Real parts decide every branch, so that all of this takes complex numbers too.


def _absolute(x: Array) -> Array:
    return np.where(np.real(x) > 0, x, -x)


def _relu(x: Array) -> Array:
    return np.where(np.real(x) > 0, x, 0 * x)


def _softplus(x: Array) -> Array:
    return _relu(x) + np.log1p(np.exp(-_absolute(x)))


def _sigmoid(x: Array) -> Array:
    return (1 + np.tanh(x / 2)) / 2


def _shares(x: Array) -> Array:
    e = np.exp(x - np.max(np.real(x)))
    return e / np.sum(e)


def _logsumexp(x: Array) -> Array:
    m = np.max(np.real(x))
    return m + np.log(np.sum(np.exp(x - m)))


#: The function, and its derivative from ``(out, x)``.
SMOOTH: list[tuple[Callable[[Any], Any], Callable[[Any, Any], Any]]] = [
    (np.tanh, lambda y, x: 1 - y * y),
    (np.sin, lambda y, x: np.cos(x)),
    (lambda x: np.exp(np.sin(x)), lambda y, x: y * np.cos(x)),
    (lambda x: np.exp(x / 4), lambda y, x: y / 4),
    (_sigmoid, lambda y, x: y * (1 - y)),
    (_softplus, lambda y, x: _sigmoid(x)),
    (lambda x: x * x, lambda y, x: 2 * x),
    (lambda x: x * x * x, lambda y, x: 3 * x * x),
    (lambda x: 1 / (1 + x * x), lambda y, x: -2 * x * y * y),
    (lambda x: np.log1p(x * x), lambda y, x: 2 * x / (1 + x * x)),
    (lambda x: np.sqrt(1 + x * x), lambda y, x: x / y),
    (np.arctan, lambda y, x: 1 / (1 + x * x)),
]
KINKED: list[tuple[Callable[[Any], Any], Callable[[Any, Any], Any]]] = [
    (_absolute, lambda y, x: np.where(x > 0, 1, -1).astype(x.dtype)),
    (_relu, lambda y, x: (x > 0).astype(x.dtype)),
    (lambda x: x + _relu(x), lambda y, x: 1 + (x > 0).astype(x.dtype)),
]


class Builder:
    """Grows a program step by step, with the values at one point at hand to keep them of order one."""

    def __init__(self, arrays: tuple[Array, ...], rng: Rng) -> None:
        self.program, self.values, self.rng = Program(len(arrays)), list(arrays), rng
        self.dtype = arrays[0].dtype

    def draw(self, *shape: int) -> Array:
        return self.constant(self.rng.normal(size=shape))

    def constant(self, value: Any) -> Any:
        """In the precision of the arguments, so that single and double precision compute the same function."""
        return np.asarray(value).astype(self.dtype)[()]

    def add(self, forward: Any, backward: Any, *inputs: int) -> int:
        self.program.steps.append(Step(forward, backward, inputs))
        self.values.append(forward(*[self.values[k] for k in inputs]))
        return len(self.values) - 1

    def elementwise(self, k: int, table: list[tuple[Any, Any]]) -> int:
        f, derivative = table[self.rng.integers(len(table))]
        return self.add(f, lambda g, y, x: (g * derivative(y, x),), k)

    def times(self, k: int, factor: Any) -> int:
        factor = self.constant(factor)
        return self.add(lambda x: factor * x, lambda g, y, x: (factor * g,), k)

    def tamed(self, k: int) -> int:
        """`k`, rescaled where its values have grown or shrunk out of 0.1 .. 10."""
        rms = _rms(self.values[k])
        return k if 0.1 <= rms <= 10 or rms == 0 else self.times(k, 1 / rms)

    def enter(self, k: int, scale: Any, offset: Any) -> int:
        """Argument `k` as a vector of numbers of order one."""
        factor, shift = self.constant(1 / scale), self.constant(offset)
        return self.add(
            lambda x: np.reshape(x * factor - shift, -1),
            lambda g, y, x: (np.reshape(g, np.shape(x)) * factor,),
            k,
        )

    def affine(self, k: int, width: int) -> int:
        A, b = self.draw(width, self.values[k].size), self.draw(width)
        A *= self.constant(1 / np.sqrt(A.shape[1]))
        return self.add(lambda x: A @ x + b, lambda g, y, x: (A.T @ g,), k)

    def solve(self, k: int, condition: float) -> int:
        """The solution of a linear system whose singular values fall from 1 to ``1 / condition``."""
        n = self.values[k].size
        u, _, v = np.linalg.svd(self.rng.normal(size=(n, n)))
        A = self.constant((u * np.logspace(0, -np.log10(condition), n)) @ v)
        return self.add(lambda x: np.linalg.solve(A, x), lambda g, y, x: (np.linalg.solve(A.T, g),), k)

    def cumsum(self, k: int) -> int:
        return self.add(np.cumsum, lambda g, y, x: (np.cumsum(g[::-1])[::-1],), k)

    def softmax(self, k: int) -> int:
        # Saturated, it would leave a gradient of rounding errors.
        k = self.times(k, min(1.0, 4 / np.max(np.abs(self.values[k]), initial=1e-300)))
        n = self.values[k].size  # the shares times n are of order one
        return self.add(lambda x: n * _shares(x), lambda g, y, x: (y * (g - np.sum(g * y) / n),), k)

    def normalise(self, k: int) -> int:
        def parts(x: Array) -> tuple[Array, Array]:
            centred = x - np.mean(x)
            sigma = np.sqrt(np.mean(centred * centred) + 2.0**-10)
            return centred / sigma, sigma

        def backward(g: Array, y: Array, x: Array) -> tuple[Array]:
            return ((g - np.mean(g) - y * np.mean(g * y)) / parts(x)[1],)

        return self.add(lambda x: parts(x)[0], backward, k)

    def layer(self, k: int) -> int:
        """One random layer on a vector."""
        n = self.values[k].size
        if self.rng.random() < KINKED_SHARE / 4:  # a function has about four layers
            return self.elementwise(k, KINKED)
        choice = self.rng.choice(
            ["affine", "elementwise", "cumsum", "softmax", "normalise", "gate", "solve", "stiff"],
            p=[0.2, 0.48, 0.07, 0.06, 0.06, 0.06, 0.05, 0.02],
        )
        if choice == "affine":
            return self.affine(k, int(self.rng.choice(WIDTHS)))
        if choice == "solve" and n <= 100:
            return self.solve(k, 10.0)
        if choice == "stiff" and n <= 100 and self.dtype == np.float64:
            return self.solve(k, 1e6)
        if choice == "cumsum":
            return self.cumsum(k)
        if choice == "softmax" and n > 2:  # of one number they are constant
            return self.softmax(k)
        if choice == "normalise" and n > 2:
            return self.normalise(k)
        if choice == "gate":
            return self.product(k, self.elementwise(k, SMOOTH))
        return self.elementwise(k, SMOOTH)

    def product(self, i: int, j: int) -> int:
        return self.add(lambda x, y: x * y, lambda g, out, x, y: (g * y, g * x), i, j)

    def joined(self, i: int, j: int) -> int:
        """Two vectors in one: their sum, product, quotient or concatenation."""
        choice = self.rng.integers(4)
        if choice == 3:
            n = self.values[i].size
            return self.add(lambda x, y: np.concatenate([x, y]), lambda g, out, x, y: (g[:n], g[n:]), i, j)
        if self.values[i].size != self.values[j].size:
            width = int(self.rng.choice(WIDTHS))
            i, j = self.affine(i, width), self.affine(j, width)
        if choice == 0:
            return self.add(lambda x, y: x + y, lambda g, out, x, y: (g, g), i, j)
        if choice == 1:
            return self.product(i, j)
        return self.add(
            lambda x, y: x / (1 + y * y),
            lambda g, out, x, y: (g / (1 + y * y), -2 * g * out * y / (1 + y * y)),
            i,
            j,
        )

    def applied(self, i: int, j: int) -> int:
        """Argument `i`, a matrix, times a vector of its width made of vector `j`."""
        rows, columns = self.values[i].shape
        j = j if self.values[j].size == columns else self.affine(j, columns)
        factor = self.constant(1 / (_rms(self.values[i]) * np.sqrt(columns)))
        return self.add(
            lambda A, x: A @ x * factor,
            lambda g, out, A, x: (np.outer(g, x) * factor, A.T @ g * factor),
            i,
            j,
        )

    def reduced(self, k: int) -> int:
        """A scalar of order one."""
        n = self.values[k].size
        choice = self.rng.choice(["weighted", "squares", "logsumexp", "form", "long"], p=[0.3, 0.2, 0.2, 0.25, 0.05])
        w = self.draw(n)
        if choice == "squares":
            return self.add(lambda x: w @ (x * x), lambda g, y, x: (2 * g * w * x,), k)
        if choice == "logsumexp":
            return self.add(_logsumexp, lambda g, y, x: (g * _shares(x),), k)
        if choice == "form":
            k = k if n <= max(WIDTHS) else self.affine(k, max(WIDTHS))
            A = self.draw(self.values[k].size, self.values[k].size)
            return self.add(lambda x: x @ (A @ x), lambda g, y, x: (g * (A @ x + A.T @ x),), k)
        if choice == "long":  # 1e3 to 1e5 terms
            k = k if n <= max(WIDTHS) else self.affine(k, max(WIDTHS))
            c = self.draw(max(1, int(10 ** self.rng.uniform(3, 5) / self.values[k].size)))
            return self.add(
                lambda x: np.sum(np.sin(np.multiply.outer(c, x))),
                lambda g, y, x: (g * (c @ np.cos(np.multiply.outer(c, x))),),
                k,
            )
        return self.add(lambda x: w @ x, lambda g, y, x: (g * w,), k)

    def offset(self, k: int, value: float) -> int:
        shift = self.constant(value)
        return self.add(lambda x: x + shift, lambda g, y, x: (g,), k)


def _rms(x: Any) -> float:
    return float(np.sqrt(np.mean(np.square(x, dtype=np.float64))))


def _shape(rng: Rng) -> tuple[int, ...]:
    """Of 1 to about 2,000 elements, in 0 to 3 dimensions."""
    size = int(10 ** rng.uniform(0, 3.3))
    dimensions = rng.integers(4)
    if dimensions == 0:
        return () if rng.random() < 0.3 else (size,)
    if dimensions == 1:
        return (size,)
    first = int(rng.integers(1, max(2, int(size**0.5) + 1)))
    return (first, max(1, size // first)) if dimensions == 2 else (2, first, max(1, size // (2 * first)))


def random_problem(rng: Rng, dtype: Any = np.float64) -> Problem:
    """A random function of 1 to 3 arrays, smooth at its point but for kinks nearby, with its gradient.

    Input scales are 10**-5 .. 10**5, in one array of seven of another size for each element; output scales
    10**-6 .. 10**6; in one of seven functions each, an offset of 10**-6 .. 10**6 times the numbers' own size
    is added to an argument or to the output (10**-2 .. 10**2 in single precision).
    """
    dtype = np.dtype(dtype)
    reach = 6 if dtype == np.float64 else 2
    shapes = [_shape(rng)] * int(rng.integers(1, 4))
    shapes = [shape if rng.random() < 0.3 else _shape(rng) for shape in shapes]
    arrays, scales, offsets = [], [], []
    for shape in shapes:
        scale: Any = 10 ** rng.uniform(-5, 5)
        if rng.random() < 1 / 7:
            scale = scale * 10 ** rng.uniform(-reach / 2, reach / 2, size=shape)
        offset = 10 ** rng.uniform(-reach, reach) if rng.random() < 1 / 7 else 0.0
        arrays.append(np.asarray(scale * (rng.normal(size=shape) + offset)).astype(dtype))
        scales.append(scale)
        offsets.append(offset)

    build = Builder(tuple(arrays), rng)
    vectors = [build.enter(k, scales[k], offsets[k]) for k in range(len(arrays))]
    for k, array in enumerate(arrays[1:], start=1):
        if array.ndim == 2 and np.ndim(scales[k]) == 0 and not offsets[k] and rng.random() < 0.5:
            vectors[k - 1] = build.applied(k, vectors[k - 1])
    vectors = [build.tamed(build.layer(k)) for k in vectors]
    last = vectors[0]
    for k in vectors[1:]:
        last = build.tamed(build.joined(last, k))
    for _ in range(rng.integers(4)):
        last = build.tamed(build.layer(last))
    last = build.reduced(last)
    last = build.times(last, 1 / (abs(float(build.values[last])) or 1.0))
    if rng.random() < 1 / 7:
        last = build.offset(last, 10 ** rng.uniform(-reach, reach))
    build.times(last, 10 ** rng.uniform(-6, 6))
    x = tuple(arrays) if len(arrays) > 1 else arrays[0]
    return Problem("random", build.program, x, build.program.gradient, f"random {dtype.name}")


#: Of size 1e-9 .. 1e-1, and mistakes that people make.
SIZED = ("element", "all")
MISTAKES = ("sign", "swapped", "factor", "transposed", "argument")


def plant(problem: Problem, size: float, where: str, rng: Rng) -> Problem | None:
    """`problem` with a wrong gradient.

    Parameters
    ----------
    problem : Problem
    size : float
        For "element" times the root mean square of one of the gradient's arrays; for "all" times the gradient;
        the others have a size of their own.
    where : str
        "element": added to one element of one array. "all": every array times ``1 + size``. "sign": one array
        with the other sign; "swapped": the largest and the smallest element of an array, exchanged; "factor": an
        array twice as large; "transposed": an array laid out as its transpose; "argument": the gradients
        of two arguments of one shape, exchanged.
    rng : Generator

    Returns
    -------
    Problem or None
        None where the gradient has no room for such a mistake, as a vector has no transpose.
    """
    right = [np.asarray(g) for g in problem.gradients(*problem.arrays)]
    present = [k for k, g in enumerate(right) if np.any(g)]
    if not present:
        return None
    k = int(rng.choice(present))
    wrong = [g.copy() for g in right]
    g = right[k]
    if where == "element":
        index = np.unravel_index(rng.integers(g.size), g.shape)
        wrong[k][index] += rng.choice([-1, 1]) * size * _rms(g)
    elif where == "all":
        wrong = [h * h.dtype.type(1 + size) for h in right]
    elif where == "sign":
        wrong[k] = -g
    elif where == "swapped":
        wrong[k].flat[[np.argmax(g), np.argmin(g)]] = g.min(), g.max()
    elif where == "factor":
        wrong[k] = 2 * g
    elif where == "transposed":
        wrong[k] = np.reshape(g.T, g.shape)
    elif where == "argument":
        others = [j for j in range(len(right)) if j != k and right[j].shape == g.shape]
        if not others:
            return None
        wrong[k], wrong[others[0]] = right[others[0]], g
    else:
        raise ValueError(f"plant: where={where!r} is none of {', '.join((*SIZED, *MISTAKES))}")
    if where in MISTAKES and _rms(wrong[k] - g) < 0.1 * _rms(g):
        return None
    errors = [w - r for w, r in zip(wrong, right, strict=True)]

    def gradient(*arrays: Array) -> Any:
        found = tuple(h + error for h, error in zip(problem.gradients(*arrays), errors, strict=True))
        return found if isinstance(problem.x, tuple) else found[0]

    return replace(problem, gradient=gradient)
