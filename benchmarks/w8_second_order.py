"""W8: Hessian, and Hessian-vector product, of the mean logistic loss: 90 parameters, 10,000 rows."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .harness import Step, Workload, seconds
from .peers import load_jax, load_torch


class Problem(NamedTuple):
    X: np.ndarray
    y: np.ndarray
    w: np.ndarray
    v: np.ndarray


def problem(rows: int = 10_000, columns: int = 90) -> Problem:
    rng = np.random.default_rng(0)
    X, w, v = rng.normal(size=(rows, columns)), rng.normal(size=columns) * 0.1, rng.normal(size=columns)
    return Problem(X, (rng.random(rows) < 0.5).astype(float), w, v)


def small() -> Problem:
    return problem(30, 4)


def hand_hessian(problem: Problem) -> Step:
    X, w, n = problem.X, problem.w, len(problem.X)
    p, q, H = np.empty(n), np.empty(n), np.empty((len(w), len(w)))
    weighted = np.empty_like(X)

    def step() -> Any:
        _curvature(X, w, p, q)
        np.multiply(X, q[:, None], out=weighted)
        np.matmul(X.T, weighted, out=H)
        return (H,)

    return step


def hand_product(problem: Problem) -> Step:
    X, w, v, n = problem.X, problem.w, problem.v, len(problem.X)
    p, q, product = np.empty(n), np.empty(n), np.empty_like(w)

    def step() -> Any:
        _curvature(X, w, p, q)
        np.matmul(X, v, out=p)
        np.multiply(p, q, out=p)
        np.matmul(X.T, p, out=product)
        return (product,)

    return step


def _curvature(X: np.ndarray, w: np.ndarray, p: np.ndarray, q: np.ndarray) -> None:
    """Leave the second derivative of the loss in z = Xw, which is p (1 - p) / n, in `q`."""
    np.matmul(X, w, out=p)
    np.negative(p, out=p)
    np.exp(p, out=p)
    np.add(p, 1.0, out=p)
    np.reciprocal(p, out=p)
    np.subtract(1.0, p, out=q)
    np.multiply(q, p, out=q)
    np.divide(q, len(X), out=q)


def _ours(problem: Problem) -> Any:
    import tinygrad_ml as tg

    return lambda w: tg.functional.binary_cross_entropy_with_logits(problem.X @ w, problem.y)


def our_hessian(problem: Problem) -> Step:
    import tinygrad_ml as tg

    hessian = tg.hessian(_ours(problem))
    return lambda: (hessian(problem.w),)


def our_product(problem: Problem) -> Step:
    import tinygrad_ml as tg

    loss_of = _ours(problem)
    return lambda: tg.hvp(loss_of, (problem.w,), (problem.v,))


def _pytorch(problem: Problem) -> Any:
    torch = load_torch()
    X, y, w, v = map(torch.from_numpy, problem)
    return torch, lambda w: torch.nn.functional.binary_cross_entropy_with_logits(X @ w, y), w, v


def pytorch_hessian(problem: Problem) -> Step:
    torch, loss_of, w, _ = _pytorch(problem)
    hessian = torch.func.hessian(loss_of)
    return lambda: (hessian(w),)


def pytorch_product(problem: Problem) -> Step:
    torch, loss_of, w, v = _pytorch(problem)

    def step() -> Any:
        leaf = w.detach().requires_grad_()
        (g,) = torch.autograd.grad(loss_of(leaf), leaf, create_graph=True)
        return torch.autograd.grad(g, leaf, v)

    return step


def _jax(problem: Problem) -> Any:
    jax = load_jax()
    X, y, w, v = map(jax.numpy.asarray, problem)

    def loss_of(w: Any, X: Any, y: Any) -> Any:
        z = X @ w
        return jax.numpy.mean(jax.nn.softplus(z) - y * z)

    return jax, loss_of, w, v, X, y


def jax_hessian(problem: Problem) -> Step:
    jax, loss_of, w, _, X, y = _jax(problem)
    hessian = jax.jit(jax.hessian(loss_of))
    return lambda: (hessian(w, X, y).block_until_ready(),)


def jax_product(problem: Problem) -> Step:
    jax, loss_of, w, v, X, y = _jax(problem)
    product = jax.jit(lambda w, v, X, y: jax.jvp(lambda w: jax.grad(loss_of)(w, X, y), (w,), (v,))[1])
    return lambda: (product(w, v, X, y).block_until_ready(),)


def _autograd(problem: Problem) -> Any:
    import autograd.numpy as anp

    def loss_of(w: Any) -> Any:
        z = anp.dot(problem.X, w)
        # 6 times as fast as logaddexp(0, z), and maximum is only taken away from its kink
        return anp.mean(anp.log1p(anp.exp(-anp.abs(z))) + anp.maximum(z, 0) - problem.y * z)

    return loss_of


def autograd_hessian(problem: Problem) -> Step:
    from autograd import hessian

    hessian_of = hessian(_autograd(problem))
    return lambda: (hessian_of(problem.w),)


def autograd_product(problem: Problem) -> Step:
    from autograd import hessian_vector_product

    product = hessian_vector_product(_autograd(problem))
    return lambda: (product(problem.w, problem.v),)


WORKLOADS = [
    Workload(
        title="W8 Hessian of the logistic loss, 90 parameters, 10,000 rows",
        mark=5.0,
        contenders={
            "hand": hand_hessian, "tinygrad_ml": our_hessian, "PyTorch": pytorch_hessian, "JAX jit": jax_hessian,
            "autograd": autograd_hessian,
        },
        problem=problem,
        small=small,
        measure=seconds,
    ),
    Workload(
        title="W8 Hessian-vector product of the same",
        mark=2.2,
        contenders={
            "hand": hand_product, "tinygrad_ml": our_product, "PyTorch": pytorch_product, "JAX jit": jax_product,
            "autograd": autograd_product,
        },
        problem=problem,
        small=small,
        measure=seconds,
    ),
]  # fmt: skip
