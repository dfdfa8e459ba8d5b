"""How often `gradcheck.blame` names exactly the operation that is wrong: ``python -m benchmarks blame [seed]``.

Random computations of 30 to 200 operations are recorded, and errors are planted in the rules of some of these. Right
operations that are blamed, and wrong ones that are not, are counted.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.special as sp

import tinygrad_ml as tg
from tinygrad_ml.gradcheck.blame import blame
from tinygrad_ml.gradcheck.complex_step import operations
from tinygrad_ml.gradcheck.trial import conform
from tinygrad_ml.graph import Node, next_order, watching

Rng = np.random.Generator
Functions = list[Callable[..., Any]]

# Random computations

_ELEMENTWISE: Functions = [
    np.sin, np.cos, np.tanh, np.arctan, np.arcsinh, np.square, np.abs, np.negative, tg.sigmoid, tg.softplus, tg.relu,
    tg.silu, tg.gelu, tg.elu, sp.erf, sp.expit, np.sinc, np.cbrt,
    lambda x: np.exp(0.3 * x), lambda x: np.expm1(0.3 * x), lambda x: np.log(x * x + 0.5), lambda x: np.log1p(x * x),
    lambda x: np.sqrt(x * x + 0.3), lambda x: np.reciprocal(x * x + 1), lambda x: x**3, lambda x: (x * x + 0.2) ** 0.7,
    lambda x: np.cosh(0.5 * x), lambda x: np.arcsin(0.9 * np.tanh(x)), lambda x: np.clip(x, -1.5, 1.5),
    lambda x: sp.gammaln(x * x + 0.7), lambda x: sp.j0(x), lambda x: 2.5 - x, lambda x: 1 / (x * x + 2),
]  # fmt: skip
_ROWS: Functions = [
    tg.softmax, tg.log_softmax, np.sort, lambda x: np.cumsum(x, axis=-1), lambda x: np.flip(x, -1),
    lambda x: x - np.mean(x, axis=-1, keepdims=True), lambda x: np.roll(x, 1, axis=-1), lambda x: x[..., ::-1],
    lambda x: np.cumprod(0.5 * x, axis=-1), lambda x: np.take(x, [2, 0, 1, 1], axis=-1),
    lambda x: np.concatenate([x[..., :2], x[..., 1:3]], axis=-1), lambda x: np.tril(x) if x.ndim > 1 else x * 0.5,
]  # fmt: skip
_REDUCTIONS: Functions = [
    np.sum, np.mean, np.max, np.min, np.var, np.std, np.prod, tg.logsumexp, np.linalg.norm, np.median
]  # fmt: skip
_BINARY: Functions = [
    np.add, np.subtract, np.multiply, np.maximum, np.minimum, np.hypot, np.logaddexp,
    lambda x, y: np.arctan2(x, y * y + 0.2), lambda x, y: x / (y * y + 1), lambda x, y: np.where(x.data > 0, x, y),
    lambda x, y: (x * x + 0.1) ** (0.5 * y), lambda x, y: np.stack([x + y, y * 0.5 + x])[1],
    lambda x, y: tg.functional.huber_loss(x + y, x * y, "none"), lambda x, y: sp.xlogy(x, y * y + 0.1),
]  # fmt: skip
_MATRIX: Functions = [
    lambda a: np.linalg.inv(3 * np.eye(4) + 0.5 * np.tanh(a)),
    lambda a: np.linalg.cholesky(a @ a.T + np.eye(4)),
    lambda a: np.linalg.qr(a + 2 * np.eye(4))[1],
    lambda a: np.linalg.svdvals(a + np.diag([1.0, 3.0, 6.0, 10.0])),
    lambda a: np.linalg.eigvalsh(a + a.T + np.diag([1.0, 5.0, 10.0, 15.0])),
    lambda a: np.linalg.slogdet(a + 4 * np.eye(4))[1],
    lambda a: np.linalg.det(0.3 * a + np.eye(4)),
    lambda a: np.einsum("ij,kj->ik", a, a),
    lambda a: a.T,
    np.diagonal,
    np.trace,
    lambda a: np.reshape(a, (2, 8)).reshape(8, 2)[:4, :] @ np.ones((2, 4)),
    lambda a: tg.functional.cross_entropy(a, np.array([0, 3, 1, 1])),
    lambda a: tg.functional.binary_cross_entropy_with_logits(a, np.full((4, 4), 0.3)),
]
_SHAPES = ((4,), (4, 4), (3, 4), (1, 4), (3, 1), ())


def random_computation(rng: Rng, length: int) -> tuple[list[tg.Tensor], Callable[..., Any]]:
    """Leaves, and a function of them that records about `length` operations; the same ones at every call."""
    leaves = [tg.Tensor(rng.normal(size=shape), requires_grad=True) for shape in (*_SHAPES, (4, 4), (4,))]
    seed = int(rng.integers(2**63))

    def compute(*leaves: tg.Tensor) -> Any:
        return _compute(np.random.default_rng(seed), list(leaves), length)

    return leaves, compute


def _compute(rng: Rng, pool: list[Any], length: int) -> Any:
    first = len(pool)
    unused = set(range(first))

    def pick(fits: Callable[..., bool] = lambda x: True) -> Any:
        places = [k for k, x in enumerate(pool) if fits(x)]
        fresh = [k for k in places if k in unused or k > len(pool) - 8]
        k = int(rng.choice(fresh if fresh and rng.random() < 0.7 else places))
        unused.discard(k)
        return pool[k]

    start = next_order()
    while True:
        choice = rng.random()
        if choice < 0.35:
            out = _one_of(rng, _ELEMENTWISE)(pick())
        elif choice < 0.5:
            out = _one_of(rng, _ROWS)(pick(lambda x: x.ndim and x.shape[-1] == 4))
        elif choice < 0.6:
            axis = int(rng.integers(2))
            x = pick(lambda x: x.ndim == 2 and min(x.shape) > 1)
            out = _one_of(rng, _REDUCTIONS)(x, axis=axis, keepdims=True)
        elif choice < 0.85:
            x = pick()
            out = _one_of(rng, _BINARY)(x, pick(lambda y, shape=x.shape: _fits(shape, y.shape)))
        elif choice < 0.9:
            out = pick(lambda x: x.ndim == 2 and x.shape[1] == 4) @ pick(lambda x: x.shape in ((4, 4), (4,)))
        else:
            out = _one_of(rng, _MATRIX)(pick(lambda x: x.shape == (4, 4)))
        size = float(np.max(np.abs(out.data)))
        if size > 10:
            out = out * (3 / size)
        pool.append(out)
        unused.add(len(pool) - 1)
        if start - out._node.order >= length + len(pool) // 8:
            break
    total: Any = 0.0
    for k in sorted(unused):
        total = total + np.sum(pool[k] * rng.normal(size=pool[k].shape))
    return total


def _one_of(rng: Rng, functions: Functions) -> Callable[..., Any]:
    return functions[rng.integers(len(functions))]


def _fits(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(a, b) != (4, 4, 4)
    except ValueError:
        return False


def recorded(root: tg.Tensor) -> list[Node]:
    """The operations in the graph of a tensor."""
    return [node for node in operations(root._node) if isinstance(node, Node)]


# Planted errors


@dataclass
class Bug:
    """An error that was planted in a rule.

    Attributes
    ----------
    kind : str
    size : float
        Relative.
    node : Node
    input : int
    """

    kind: str
    size: float
    node: Node
    input: int


def _factor(pulled: Any, size: float, rng: Rng) -> Any:
    return pulled * (1 + size * rng.choice([-1, 1]))


def _one_element(pulled: Any, size: float, rng: Rng) -> Any:
    """The largest elements are as good as any, but a change of what is 0 is none."""
    wrong = np.array(pulled)
    places = np.flatnonzero(np.abs(wrong) > 1e-3 * np.max(np.abs(wrong)))
    wrong.reshape(-1)[rng.choice(places)] *= 1 + size * rng.choice([-1, 1])
    return wrong


def _wrong_rule(kind: str, size: float, node: Node, k: int, rule: Callable[..., Any], seed: int) -> Any:
    """A rule with an error, or None where an error of this kind makes no difference here."""
    _, _, i, like = node.edges[k]
    shape = np.shape(node.details.args[i])  # type: ignore[union-attr, index]
    several = node.primitive.outputs

    def wrong(g: Any, *saved: Any, **kwargs: Any) -> Any:
        rng = np.random.default_rng(seed)
        if kind == "a term of the sum dropped":
            g = list(g) if several else np.array(g)
            places = [n for n, part in enumerate(g) if part is not None] if several else []
            part = np.array(g[places[0]]) if several else g
            part.reshape(-1)[seed % part.size] = 0
            if several:
                g[places[0]] = part
        if kind == "arguments swapped":
            saved = (saved[0], saved[2], saved[1], *saved[3:])
        pulled = rule(g, *saved, **kwargs)
        if kind == "factor":
            return _factor(pulled, size, rng)
        if kind == "sign":
            return -pulled
        if kind == "one element":
            return _one_element(pulled, size, rng)
        if kind == "a term of the broadcast sum missing":
            pulled = np.array(pulled)
            lead = pulled.ndim - len(shape)
            axis = 0 if lead else next(n for n, length in enumerate(shape) if length != pulled.shape[n])
            pulled[(slice(None),) * axis + (0,)] = 0
        if kind == "not transposed":
            return np.swapaxes(pulled, -1, -2)
        return pulled

    return wrong


KINDS = (
    "factor", "one element", "sign", "arguments swapped", "a term of the broadcast sum missing",
    "a term of the sum dropped", "not transposed",
)  # fmt: skip


def _makes_a_difference(node: Node, k: int, wrong: Any, rng: Rng) -> bool:
    """Whether the wrong rule answers otherwise than the right one; a user would not call the same an error."""
    _, rule, _, like = node.edges[k]
    details, primitive = node.details, node.primitive
    g: Any
    if primitive.outputs:
        used = [part.dtype.kind == "f" for part in details.ans]  # type: ignore[union-attr]
        g = [rng.normal(size=p.shape) if u else None for p, u in zip(details.ans, used, strict=True)]  # type: ignore[union-attr]
    else:
        g = rng.normal(size=np.shape(details.ans))[()]  # type: ignore[union-attr]
    kwargs = node.kwargs or {}
    try:
        with np.errstate(all="ignore"):
            right, other = rule(g, *node.saved, **kwargs), wrong(g, *node.saved, **kwargs)
    except (ValueError, IndexError, StopIteration, TypeError, AttributeError):
        return False
    if np.shape(right) != np.shape(other) or not np.all(np.isfinite(other)):
        return False
    shape, dtype = like
    right, other = (conform(answer, shape, dtype, primitive.broadcasts) for answer in (right, other))
    return bool(np.max(np.abs(right - other), initial=0) > 2e-10 * np.max(np.abs(right), initial=0))


def plant(rng: Rng, root: tg.Tensor, count: int) -> list[Bug]:
    """Plant errors in the rules of `count` operations."""
    nodes = [node for node in recorded(root) if node.cache is None]
    bugs: list[Bug] = []
    while len(bugs) < count:
        kind = str(rng.choice(KINDS))
        bug = _plant_one(rng, nodes, kind, 10.0 ** -int(rng.integers(1, 10)) if kind in KINDS[:2] else 1.0)
        if bug is not None:
            bugs.append(bug)
            nodes = [node for node in nodes if node is not bug.node]
    return bugs


def _plant_one(rng: Rng, nodes: list[Node], kind: str, size: float) -> Bug | None:
    """Plant an error of this kind in some operation where it makes a difference, if there is one."""
    for n in rng.permutation(len(nodes)):
        node = nodes[n]
        k = int(rng.integers(len(node.edges)))
        parent, rule, i, like = node.edges[k]
        wrong = _wrong_rule(kind, size, node, k, rule, int(rng.integers(2**31)))
        if _makes_a_difference(node, k, wrong, rng):
            node.edges = (*node.edges[:k], (parent, wrong, i, like), *node.edges[k + 1 :])
            return Bug(kind, size, node, i)
    return None


# Rates


@dataclass
class Rates:
    """What `blame_rates` counted."""

    planted: Counter[str] = field(default_factory=Counter)
    named: Counter[str] = field(default_factory=Counter)
    missed: list[str] = field(default_factory=list)
    sound: int = 0
    innocents: list[str] = field(default_factory=list)
    untestable: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        lines = [f"{'planted':40}{'bugs':>6}{'named':>8}"]
        lines += [f"{kind:40}{n:6}{self.named[kind] / n:8.1%}" for kind, n in sorted(self.planted.items())]
        total, named = self.planted.total(), self.named.total()
        lines.append(f"{'all':40}{total:6}{named / total:8.1%}")
        lines.append(f"innocents blamed: {len(self.innocents)} of {self.sound} sound operations")
        lines += [f"untestable: {reason} ({n})" for reason, n in self.untestable.most_common()]
        return "\n".join(lines)


def blame_rates(rng: Rng, graphs: int = 240, bugs: int = 4) -> Rates:
    """Plant `bugs` errors in each of `graphs` random computations, and see whom `blame` names."""
    rates = Rates()
    for _ in range(graphs):
        leaves, compute = random_computation(rng, int(30 * (200 / 30) ** rng.random()))
        with watching():
            root = compute(*leaves)
        planted = plant(rng, root, bugs)
        found = blame(root, rng=rng)
        score(rates, planted, found, len(recorded(root)))
    return rates


def score(rates: Rates, planted: list[Bug], found: Any, count: int) -> None:
    """Add to the rates who was planted and who was found in one graph."""
    rates.sound += count - len(planted)
    rates.untestable.update(found.untestable)
    accused = Counter([(culprit.operation, culprit.input) for culprit in found])
    for bug in planted:
        label = f"{bug.kind} {bug.size:.0e}" if bug.size < 1 else bug.kind
        rates.planted[label] += 1
        name = (bug.node.primitive.name, bug.node.primitive.argument_name(bug.input))
        if accused[name]:
            accused[name] -= 1
            rates.named[label] += 1
        else:
            rates.missed.append(f"{label} in {name[0]}, {name[1]}")
    rates.innocents += [str(name) for name in accused.elements()]


def large_computation(x: Any, w: Any) -> Any:
    """200 operations on matrices."""
    for _ in range(22):
        x = np.tanh(x @ w)
        x = np.sqrt(x * x + 1) * np.exp(-0.1 * x) + np.sin(x)
    return np.mean(x)


def cost(rng: Rng, rows: int = 1000, columns: int = 100) -> tuple[float, float]:
    """The time of `blame` in forward passes of 200 operations, on plain arrays and as they are recorded for it."""
    x, w = rng.normal(size=(rows, columns)), rng.normal(size=(columns, columns)) / np.sqrt(columns)
    leaf = tg.Tensor(w, requires_grad=True)

    def watched() -> Any:
        with watching():
            return large_computation(x, leaf)

    def best(f: Callable[[], Any]) -> float:
        times = []
        for _ in range(3):
            start = time.perf_counter()
            f()
            times.append(time.perf_counter() - start)
        return min(times)

    root = watched()
    taken = best(lambda: blame(root, rng=rng))
    return taken / best(lambda: large_computation(x, w)), taken / best(watched)


def main(arguments: list[str]) -> int:
    seed = int(arguments[0]) if arguments else int(np.random.SeedSequence().generate_state(1)[0])
    print(f"seed {seed}")
    print(blame_rates(np.random.default_rng(seed)))
    plain, recorded = cost(np.random.default_rng(seed))
    print(f"200 operations on large arrays: the time of {plain:.1f} forwards, {recorded:.1f} recorded ones")
    return 0
