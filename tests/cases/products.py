"""Products of vectors, matrices and tensors; convolution."""

import numpy as np

from ..case import Case, Sampler, case, normal


def of_shapes(name: str, function, *pairs: tuple[tuple[int, ...], ...], **options) -> list[Case]:
    """A row for each pair of shapes."""
    return [
        case(f"{name} {' '.join(map(str, pair))}", function, *[normal(*s) for s in pair], **options) for pair in pairs
    ]


def einsum(subscripts: str, *samplers: Sampler, **keywords) -> Case:
    name = f"einsum {subscripts}" + "".join(f" {k}={v}" for k, v in keywords.items())
    return case(name, lambda *arrays: np.einsum(subscripts, *arrays, **keywords), *samplers, complex=True)


CASES: list[Case] = [
    *of_shapes(
        "matmul", np.matmul,
        ((3, 4), (4, 2)), ((4,), (4,)), ((4,), (4, 2)), ((3, 4), (4,)), ((2, 3, 4), (4, 5)), ((2, 3, 4), (2, 4, 5)),
        ((3, 4), (2, 4, 5)), ((4,), (2, 4, 5)), ((2, 3, 4), (4,)), ((5, 1, 3, 4), (2, 4, 2)), complex=True,
    ),
    *of_shapes(
        "dot", np.dot,
        ((3, 4), (4, 2)), ((4,), (4,)), ((), (3, 4)), ((3,), ()), ((2, 3, 4), (4,)), ((3, 4), (4,)), ((4,), (4, 2)),
        ((2, 3, 4), (5, 4, 2)), ((4,), (2, 4, 3)), complex=True,
    ),
    *of_shapes("vdot", np.vdot, ((4,), (4,)), ((2, 3), (3, 2)), complex=True),
    *of_shapes("vecdot", np.vecdot, ((3, 4), (3, 4)), ((2, 3, 4), (4,)), complex=True),
    *of_shapes("matvec", np.matvec, ((3, 4), (4,)), ((2, 3, 4), (4,)), complex=True),
    *of_shapes("vecmat", np.vecmat, ((3,), (3, 4)), ((2, 3), (2, 3, 4)), complex=True),
    *of_shapes("inner", np.inner, ((4,), (4,)), ((3, 4), (2, 4)), ((), (3,)), ((2, 3, 4), (4,)), complex=True),
    *of_shapes("outer", np.outer, ((3,), (4,)), ((2, 2), (3,)), complex=True),
    *of_shapes("kron", np.kron, ((2, 3), (3, 2)), ((3,), (2,)), ((2,), (2, 3)), ((2, 3, 2), (2, 2)), complex=True),
    *of_shapes("tensordot", np.tensordot, ((2, 3, 4), (3, 4, 5)), ((3, 4), (3, 4)), complex=True),
    case("tensordot axes=0", lambda a, b: np.tensordot(a, b, axes=0), normal(2), normal(3), complex=True),
    case(
        "tensordot axes=lists", lambda a, b: np.tensordot(a, b, ([0, -1], [1, 0])), normal(2, 3, 4), normal(4, 2, 5),
        complex=True,
    ),
    case("tensordot axes=ints", lambda a, b: np.tensordot(a, b, (-1, 1)), normal(2, 3), normal(4, 3), complex=True),
    einsum("ij,jk->ik", normal(3, 4), normal(4, 2)),
    einsum("ij,jk", normal(3, 4), normal(4, 2)),
    einsum("ba", normal(3, 4)),
    einsum("ii", normal(3, 3)),
    einsum("ii->i", normal(3, 3)),
    einsum("iij,j->i", normal(3, 3, 2), normal(2)),
    einsum("ij->", normal(3, 4)),
    einsum("ij,ik->j", normal(3, 4), normal(3, 2)),
    einsum("ij,jk,kl->il", normal(2, 3), normal(3, 4), normal(4, 2)),
    einsum("ij,jk,kl->il", normal(2, 3), normal(3, 4), normal(4, 2), optimize=True),
    einsum("bij,bjk->bik", normal(2, 3, 4), normal(2, 4, 2)),
    einsum("...ij,...j->...i", normal(2, 3, 4), normal(4)),
    einsum("...ij,...jk", normal(5, 1, 3, 4), normal(2, 4, 2)),
    einsum("i...,i...->...", normal(3, 2, 4), normal(3, 4)),
    case(
        "einsum sublists", lambda a, b: np.einsum(a, [0, 1], b, [1, 2], [2, 0]), normal(3, 4), normal(4, 2),
        complex=True,
    ),
    case("einsum repeated operand", lambda a: np.einsum("ij,kj->ik", a, a), normal(3, 4), complex=True),
    *of_shapes("cross", np.cross, ((3,), (3,)), ((4, 3), (4, 3)), ((2, 1, 3), (4, 3)), complex=True),
    case("cross axis", lambda a, b: np.cross(a, b, axis=0), normal(3, 4), normal(3, 4), complex=True),
    case(
        "cross axes", lambda a, b: np.cross(a, b, axisa=0, axisb=-1, axisc=0), normal(3, 4), normal(4, 3), complex=True
    ),
    *of_shapes(
        "multi_dot", lambda *m: np.linalg.multi_dot(m),
        ((2, 3), (3, 4), (4, 2)), ((3,), (3, 4), (4, 2)), ((2, 3), (3, 4), (4,)), ((3,), (3, 4), (4, 5), (5,)),
        ((2, 3), (3, 2)), complex=True,
    ),
    *[
        case(f"{name} {mode} {n} {m}", lambda a, v, f=f, mode=mode: f(a, v, mode), normal(n), normal(m), complex=True)
        for name, f in (("convolve", np.convolve), ("correlate", np.correlate))
        for mode in ("full", "same", "valid")
        for n, m in ((7, 3), (3, 7), (6, 4), (4, 6), (5, 5), (4, 1))
    ],
]  # fmt: skip
