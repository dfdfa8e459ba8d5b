"""Linear algebra, transforms and special functions where they are singular, degenerate, extreme or undefined."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.special as sp

import tinygrad_ml as tg


def gradients(f: Callable[..., Any], *arrays: np.ndarray) -> list[np.ndarray]:
    tensors = [tg.Tensor(a, requires_grad=True) for a in arrays]
    f(*tensors).backward()
    return [t.grad for t in tensors]


def derivative(f: Callable[[Any], Any], x: float, order: int) -> float:
    t = tg.Tensor(x, requires_grad=True)
    y = f(t)
    for _ in range(order):
        t.zero_grad()
        y.backward(create_graph=True)
        y = t.grad
    return float(y)


@pytest.mark.parametrize(
    ("a", "expected"),
    [
        ([[1.0, 2.0], [2.0, 4.0]], [[4.0, -2.0], [-2.0, 1.0]]),
        ([[0.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]),
        (np.diag([2.0, 3.0, 0.0]), np.diag([0.0, 0.0, 6.0])),
        (np.diag([2.0, 0.0, 0.0]), np.zeros((3, 3))),
    ],
)
def test_gradient_of_det_is_the_cofactors_also_of_singular_matrices(a: Any, expected: Any) -> None:
    np.testing.assert_allclose(gradients(np.linalg.det, np.array(a))[0], expected, atol=1e-14)


@pytest.mark.parametrize("f", [np.linalg.eigvalsh, lambda a: np.linalg.eigh(a)[0], lambda a: np.linalg.svd(a)[1]])
def test_values_alone_have_a_gradient_where_they_coincide(f: Any) -> None:
    np.testing.assert_allclose(gradients(lambda a: np.sum(f(a) ** 2), 3 * np.eye(3))[0], 6 * np.eye(3), atol=1e-13)


@pytest.mark.parametrize("ord", [None, 1, 2, 3, np.inf, -np.inf])
def test_norm_at_zero_has_the_gradient_zero(ord: Any) -> None:
    np.testing.assert_array_equal(gradients(lambda x: np.linalg.norm(x, ord), np.zeros(3))[0], np.zeros(3))


def test_infinite_norm_splits_ties_evenly() -> None:
    (g,) = gradients(lambda x: np.linalg.norm(x, np.inf), np.array([2.0, -2.0, 1.0]))
    np.testing.assert_array_equal(g, [0.5, -0.5, 0.0])


def test_functions_of_one_triangle_leave_their_gradient_there() -> None:
    a = np.array([[4.0, 1.0], [1.0, 3.0]])
    for f in (np.linalg.cholesky, np.linalg.eigvalsh):
        assert gradients(lambda a, f=f: f(a)[..., 0].sum(), a)[0][0, 1] == 0
    assert gradients(lambda a: np.linalg.cholesky(a, upper=True).sum(), a)[0][1, 0] == 0


@pytest.mark.parametrize("f", [np.linalg.svd, np.linalg.qr, np.linalg.eigh, np.linalg.eig, np.linalg.slogdet])
def test_several_results_come_in_numpys_named_tuple(f: Any) -> None:
    a = np.array([[2.0, 1.0], [1.0, 3.0]])
    assert f(tg.Tensor(a, requires_grad=True))._fields == f(a)._fields


def test_lstsq_answers_numpys_tuple() -> None:
    a, b = np.array([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]]), np.array([1.0, 2.0, 4.0])
    x, residuals, rank, s = np.linalg.lstsq(tg.Tensor(a, requires_grad=True), tg.Tensor(b, requires_grad=True))
    expected = np.linalg.lstsq(a, b)
    assert rank == expected[2]
    for actual, array in zip((x, residuals, s), (expected[0], expected[1], expected[3]), strict=True):
        np.testing.assert_allclose(actual.data, array, rtol=1e-14)


A = np.arange(12.0).reshape(4, 3)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: np.linalg.norm(x[0], 0), TypeError, "ord=0 counts .* no derivative; use np.count_nonzero"),
        (lambda x: np.linalg.norm(x, 3), ValueError, "ord=3 is none of the norms of a matrix"),
        (lambda x: np.linalg.norm(x[0], "nuc"), ValueError, "no norm of a vector has ord='nuc'"),
        (lambda x: np.linalg.norm(x[None], 1), ValueError, r"give one axis or two, not \(0, 1, 2\)"),
        (
            lambda x: np.linalg.qr(x, mode="complete"),
            TypeError,
            r"mode='complete' .* shape \(4, 3\) .*use mode='reduced' or 'r'",
        ),
        (lambda x: np.linalg.svd(x)[0].sum().backward(), TypeError, r"full_matrices=True .*\(4, 3\).*=False"),
        (lambda x: np.linalg.outer(x, x), ValueError, r"outer: expected vectors, got shapes \(4, 3\)"),
        (lambda x: np.linalg.tensorinv(x, ind=0), ValueError, "tensorinv: ind must be positive, got 0"),
        (lambda x: sp.jv(x, 1.0), TypeError, "jv: no derivative is known .* argument 0"),
        (lambda x: sp.gammainc(x, x), TypeError, "gammainc: no derivative is known .* argument 0"),
        (lambda x: sp.i0e(x + 0j), TypeError, "not supported for the input types"),
        (lambda x: sp.ive(1, x + 1j).real.sum().backward(), TypeError, "no derivative for complex x"),
        (lambda x: sp.digamma(x + 1j).real.sum().backward(), TypeError, "digamma: .* complex arguments"),
    ],
)
def test_what_has_no_derivative_says_so(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call(tg.Tensor(A, requires_grad=True))


#: Functions, their twin in mpmath, and where they are difficult.
EXTREMES: list[tuple[Any, str, list[float]]] = [
    (sp.expit, "lambda x: 1 / (1 + mp.exp(-x))", [-40.0, 40.0]),
    (sp.log_expit, "lambda x: -mp.log(1 + mp.exp(-x))", [-40.0, 40.0]),
    (sp.exprel, "lambda x: (mp.exp(x) - 1) / x", [-50.0, 1e-8, 20.0]),
    (sp.erfcx, "lambda x: mp.exp(x * x) * mp.erfc(x)", [-2.0, 0.0, 15.0, 19.9, 20.1, 1000.0]),
    (sp.log_ndtr, "lambda x: mp.log(mp.erfc(-x / mp.sqrt(2)) / 2)", [-30.0, -0.1, 0.1, 12.0]),
    (sp.ndtri, "lambda p: mp.sqrt(2) * mp.erfinv(2 * p - 1)", [1e-5]),
    (sp.gamma, "mp.gamma", [-2.5, 0.1]),
    (sp.rgamma, "mp.rgamma", [-3.0, 0.0, 0.49, 0.51, 20.0]),
    (sp.digamma, "mp.digamma", [-3.5, 1e-3, 1e4]),
    (sp.j0, "lambda x: mp.besselj(0, x)", [0.0, 1e-5, -20.0]),
    (sp.j1, "lambda x: mp.besselj(1, x)", [0.0, 1e-5, -20.0]),
    (sp.i0, "lambda x: mp.besseli(0, x)", [0.0, 1e-5, -20.0]),
    (sp.i1, "lambda x: mp.besseli(1, x)", [0.0, 1e-5, -20.0]),
    (sp.i1e, "lambda x: mp.besseli(1, x) * mp.exp(-abs(x))", [1e-5, 300.0]),
    (lambda x: sp.jv(3, x), "lambda x: mp.besselj(3, x)", [0.0]),
]


@pytest.mark.parametrize(
    ("f", "twin", "x"), [pytest.param(f, twin, x, id=f"{twin} at {x}") for f, twin, xs in EXTREMES for x in xs]
)
def test_special_functions_at_extreme_points(f: Any, twin: str, x: float) -> None:
    mp = pytest.importorskip("mpmath").mp.clone()
    mp.dps = 60
    reference = eval(twin, {"mp": mp})
    for order in (1, 2, 3):
        expected = float(mp.diff(reference, mp.mpf(x), order))
        assert derivative(f, x, order) == pytest.approx(expected, rel=1e-8, abs=1e-60)


def test_log_ndtr_stays_finite_where_its_parts_do_not() -> None:
    assert derivative(sp.log_ndtr, 40.0, 2) == 0
    assert derivative(sp.log_ndtr, -1e5, 2) == pytest.approx(-1, rel=1e-9)


def test_products_with_a_logarithm_at_zero() -> None:
    """x log(y) is 0 at x = y = 0, where log(y) alone is not finite."""
    zero = np.zeros(())
    assert [float(g) for g in gradients(sp.xlogy, zero, zero)] == [0, 0]
    assert [float(g) for g in gradients(sp.xlog1py, zero, zero - 1)] == [0, 0]


def complex_loss(z: Any) -> Any:
    return (z.real**2 + 0.3 * z.imag**3).sum()


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (np.linalg.inv, "linalg.inv"),
        (np.linalg.det, "linalg.det"),
        (np.linalg.pinv, "linalg.pinv"),
        (np.linalg.qr, "linalg.qr"),
        (np.linalg.slogdet, "linalg.slogdet"),
        (lambda a: np.linalg.norm(a, "nuc", (1, 2)) + 0j, "linalg.norm(a, 'nuc', (1, 2)) + 0j"),
        (lambda a: np.linalg.cholesky(a @ a.conj().swapaxes(1, 2)), "linalg.cholesky(a @ a.mH)"),
        (lambda a: np.linalg.eigvalsh(a + a.conj().swapaxes(1, 2)) + 0j, "linalg.eigvalsh(a + a.mH) + 0j"),
        (np.fft.fft2, "fft.fft2"),
        (lambda a: np.fft.irfftn(a) + 0j, "fft.irfftn(a) + 0j"),
        (lambda a: np.fft.hfft(a, 5) + 0j, "fft.hfft(a, 5) + 0j"),
    ],
)
def test_complex_gradients_are_pytorchs(ours: Any, theirs: str) -> None:
    torch: Any = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    a = rng.normal(size=(2, 3, 3)) + 1j * rng.normal(size=(2, 3, 3))

    def total(parts: Any) -> Any:
        parts = parts if isinstance(parts, tuple) else (parts,)
        return sum(complex_loss(z) if "complex" in str(z.dtype) else (z**2).sum() for z in parts)

    (actual,) = gradients(lambda a: total(ours(a)), a)
    t = torch.tensor(a, requires_grad=True)
    expression = theirs if "(" in theirs else f"{theirs}(a)"
    total(eval(f"torch.{expression}", {"torch": torch, "a": t})).backward()
    np.testing.assert_allclose(actual, t.grad.resolve_conj().numpy(), rtol=1e-10, atol=1e-12)
