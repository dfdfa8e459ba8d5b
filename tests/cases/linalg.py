"""Linear algebra. Functions that read one triangle of their matrix are also given one that is not symmetric."""

import numpy as np

from ..case import Sampler, between, case, nonzero, normal, positive, regular, spd

inf = np.inf
L = np.linalg
EYE = np.eye(4)
ABOVE = np.tri(3, k=-1).T


def squared(values: np.ndarray, *vectors: np.ndarray) -> tuple[np.ndarray, ...]:
    """Singular or eigenvalues, and vectors without their free signs."""
    return (values, *(v * v for v in vectors))


def graded(*shape: int) -> Sampler:
    """Every slice along every axis twice as large as the one before, so that no two have nearly the same norm."""

    def sample(rng: np.random.Generator) -> np.ndarray:
        return (
            rng.uniform(1.0, 1.2, size=shape)
            * rng.choice([-1, 1], size=shape)
            * 2.0 ** np.indices(shape).sum(axis=0)
            / 4
        )

    return sample


def lower(*shape: int) -> Sampler:
    """Lower triangles of symmetric matrices with the eigenvalues -2, 1, 4, ...; zeros above."""
    return lambda rng: np.tril(3 * spd(*shape)(rng) - 5 * np.eye(shape[-1]))


def unordered(w: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, ...]:
    """Eigenvalues and eigenvectors as functions that depend neither on their order nor on signs."""
    return np.sum(w**3, axis=-1), np.sum(v * v * w[..., None, :], axis=-1)


CASES = [
    case("inv", L.inv, regular(3, 3), complex=True),
    case("inv batch", L.inv, regular(2, 3, 3), complex=True),
    case("pinv", L.pinv, regular(4, 3), complex=True),
    case("pinv wide batch rcond", lambda a: L.pinv(a, rcond=1e-10), regular(2, 3, 4)),
    case("pinv rtol", lambda a: L.pinv(a, rtol=1e-6), regular(4, 3), complex=True),
    case("pinv hermitian, of the lower triangle", lambda a: L.pinv(a, hermitian=True), lower(3, 3)),
    case("det", L.det, regular(3, 3), complex=True),
    case("det batch", L.det, regular(2, 3, 3), complex=True),
    case("slogdet", L.slogdet, regular(3, 3), complex=True),
    case("slogdet batch", lambda a: L.slogdet(a)[1], regular(2, 3, 3), complex=True),
    case("solve", L.solve, regular(3, 3), normal(3, 2), complex=True),
    case("solve vector", L.solve, regular(3, 3), normal(3), complex=True),
    case("solve batch", L.solve, regular(2, 3, 3), normal(2, 3, 2), complex=True),
    case("solve stretched matrix", L.solve, regular(3, 3), normal(2, 3, 2), complex=True),
    case("solve batch of matrices, one vector", L.solve, regular(2, 3, 3), normal(3), complex=True),
    case("lstsq", lambda a, b: L.lstsq(a, b)[0], regular(4, 3), normal(4, 2), complex=True),
    case(
        "lstsq vector, all results",
        lambda a, b: (*L.lstsq(a, b)[:2], L.lstsq(a, b)[3]),
        regular(4, 3),
        normal(4),
        complex=True,
    ),
    case("lstsq residuals", lambda a, b: L.lstsq(a, b)[1], regular(4, 3), normal(4, 2), complex=True),
    case("lstsq wide", lambda a, b: L.lstsq(a, b, rcond=1e-8)[0], regular(3, 4), normal(3, 2), complex=True),
    case("tensorinv", lambda a: L.tensorinv(a.reshape(2, 2, 4), ind=2), regular(4, 4), complex=True),
    case("tensorsolve", lambda a, b: L.tensorsolve(a.reshape(2, 2, 4), b), regular(4, 4), normal(2, 2), complex=True),
    case(
        "tensorsolve axes",
        lambda a, b: L.tensorsolve(a.reshape(2, 4, 2), b, axes=(1,)),
        regular(4, 4),
        normal(2, 2),
        complex=True,
    ),
    case("matrix_power 5", lambda a: L.matrix_power(a, 5), regular(3, 3), complex=True),
    case("matrix_power -2 batch", lambda a: L.matrix_power(a, -2), regular(2, 3, 3), complex=True),
    case("matrix_power 0", lambda a: L.matrix_power(a, 0), regular(3, 3), complex=True),
    case("cholesky", L.cholesky, spd(3, 3), complex=True),
    case("cholesky batch", L.cholesky, spd(2, 3, 3), complex=True),
    case("cholesky upper", lambda a: L.cholesky(a, upper=True), spd(3, 3), complex=True),
    case("cholesky lower triangle only", lambda a, x: L.cholesky(a + ABOVE * x), spd(3, 3), nonzero(1, 1)),
    *[
        case(
            f"qr {shape}",
            lambda a: L.qr(a + EYE[: a.shape[-2], : a.shape[-1]]),
            between(-0.3, 0.3, *shape),
            complex=True,
        )
        for shape in [(4, 3), (2, 3, 3), (2, 3, 4)]
    ],
    case("qr complete wide", lambda a: L.qr(a + EYE[:2, :3], mode="complete"), between(-0.3, 0.3, 2, 3), complex=True),
    case("qr r", lambda a: L.qr(a + EYE[:, :3], mode="r"), between(-0.3, 0.3, 4, 3), complex=True),
    case("qr wide Q", lambda a: L.qr(a + EYE[:2, :3])[0], between(-0.3, 0.3, 2, 3), complex=True),
    case("eigh", lambda a: squared(*L.eigh(a)), spd(3, 3)),
    case("eigh U batch", lambda a: squared(*L.eigh(a, UPLO="U")), spd(2, 3, 3)),
    case("eigh vectors", lambda a: L.eigh(a)[1] ** 2, spd(3, 3)),
    case("eigvalsh", L.eigvalsh, spd(3, 3), complex=True),
    case("eigvalsh U batch", lambda a: L.eigvalsh(a, UPLO="U"), spd(2, 3, 3), complex=True),
    case("eig", lambda a: unordered(*L.eig(a)), spd(3, 3)),
    case("eig batch, not symmetric", lambda a, d: unordered(*L.eig(a @ d @ L.inv(a))), regular(2, 3, 3), spd(3, 3)),
    case("eig vectors", lambda a: np.sum(L.eig(a)[1] ** 4), spd(3, 3)),
    case("eigvals batch", lambda a: np.sum(L.eigvals(a) ** 3, axis=-1), spd(2, 3, 3), complex=True),
    case("svd", lambda a: squared(*(L.svd(a)[k] for k in (1, 0, 2))), regular(3, 3)),
    case("svd tall", lambda a: (L.svd(a, full_matrices=False)[0] ** 2, L.svd(a)[1]), regular(4, 3)),
    case("svd wide batch", lambda a: L.svd(a, full_matrices=False)[2] ** 2, regular(2, 3, 4)),
    case("svd full, values", lambda a: L.svd(a)[1], regular(4, 3), complex=True),
    case("svd compute_uv=False", lambda a: L.svd(a, compute_uv=False), regular(3, 4), complex=True),
    case("svd hermitian, of the lower triangle", lambda a: L.svd(a, hermitian=True)[1], lower(3, 3)),
    case("svdvals batch", L.svdvals, regular(2, 4, 3), complex=True),
    case("cond", L.cond, regular(3, 3)),
    case("cond -2 batch", lambda a: L.cond(a, -2), regular(2, 3, 4)),
    case("cond fro", lambda a: L.cond(a, "fro"), regular(3, 3)),
    case("norm", L.norm, normal(3, 4), complex=True, elementwise=True),
    case("norm keepdims", lambda x: L.norm(x, keepdims=True), normal(2, 3, 4), complex=True),
    case("norm axis=1", lambda x: L.norm(x, axis=1), normal(3, 4), complex=True),
    case("norm axis=(0, -1)", lambda x: L.norm(x, axis=(0, -1)), normal(2, 3, 4), complex=True),
    *[case(f"norm vector {p}", lambda x, p=p: L.norm(x, p), graded(4)) for p in (1, 2, 3, 2.5, 0.5, -1, inf, -inf)],
    case("norm 3 axis=-2 keepdims", lambda x: L.norm(x, 3, axis=-2, keepdims=True), nonzero(2, 3, 4), complex=True),
    case("norm inf axis=0", lambda x: L.norm(x, inf, axis=0), graded(3, 4)),
    *[case(f"norm matrix {p}", lambda x, p=p: L.norm(x, p), regular(3, 4)) for p in ("fro", "nuc", 2, -2)],
    *[case(f"norm matrix {p}", lambda x, p=p: L.norm(x, p), graded(3, 4)) for p in (1, -1, inf, -inf)],
    *[
        case(
            f"norm {p} axis=(2, -2) keepdims",
            lambda x, p=p: L.norm(x, p, (2, -2), keepdims=True),
            regular(2, 3, 2),
            complex=True,
        )
        for p in ("nuc", 2, -2)
    ],
    *[
        case(f"norm {p} axis=(2, 0) keepdims", lambda x, p=p: L.norm(x, p, (2, 0), keepdims=True), graded(2, 2, 3))
        for p in ("fro", 1, -1, inf, -inf)
    ],
    case("matrix_norm", L.matrix_norm, normal(2, 3, 4), complex=True),
    case(
        "matrix_norm nuc keepdims", lambda x: L.matrix_norm(x, ord="nuc", keepdims=True), regular(2, 3, 4), complex=True
    ),
    case("vector_norm", L.vector_norm, normal(2, 3), complex=True),
    case(
        "vector_norm 3 axis=(0, 2) keepdims",
        lambda x: L.vector_norm(x, ord=3, axis=(0, 2), keepdims=True),
        nonzero(2, 3, 2),
    ),
    case("vector_norm 1 axis=-1", lambda x: L.vector_norm(x, ord=1, axis=-1), nonzero(2, 3), complex=True),
    case("linalg.matrix_transpose", L.matrix_transpose, normal(2, 3, 4), complex=True),
    case("linalg.trace offset", lambda x: L.trace(x, offset=1), normal(2, 3, 4), complex=True),
    case("linalg.diagonal offset", lambda x: L.diagonal(x, offset=-1), normal(2, 3, 4), complex=True),
    case("linalg.matmul", L.matmul, normal(2, 3, 4), normal(4, 2), complex=True),
    case("linalg.outer", L.outer, normal(3), normal(2), complex=True),
    case("linalg.cross", L.cross, normal(2, 3), normal(2, 3), complex=True),
    case("linalg.tensordot axes=1", lambda x, y: L.tensordot(x, y, axes=1), normal(2, 3), normal(3, 2), complex=True),
    case("linalg.vecdot axis=0", lambda x, y: L.vecdot(x, y, axis=0), normal(3, 2), positive(3, 2), complex=True),
]
