"""Discrete Fourier transforms, of real input and as real output."""

import numpy as np

from ..case import case, normal

F = np.fft


def parts(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.real(z), np.imag(z)


CASES = [
    case("fft", lambda x: parts(F.fft(x)), normal(5), complex=True),
    case("fft complex", lambda x, y: parts(F.fft(x + 1j * y)), normal(2, 4), normal(2, 4)),
    case("fft longer axis=0 ortho", lambda x: parts(F.fft(x, 6, 0, "ortho")), normal(4, 2), complex=True),
    case(
        "fft shorter axis=-2 forward",
        lambda x: parts(F.fft(x, n=3, axis=-2, norm="forward")),
        normal(4, 2),
        complex=True,
    ),
    case("ifft", lambda x: parts(F.ifft(x)), normal(5), complex=True),
    case("ifft longer forward", lambda x: parts(F.ifft(x, n=7, norm="forward")), normal(2, 5), complex=True),
    case("rfft even", lambda x: parts(F.rfft(x)), normal(6)),
    case("rfft odd axis=0 ortho", lambda x: parts(F.rfft(x, axis=0, norm="ortho")), normal(5, 2)),
    case("rfft shorter", lambda x: parts(F.rfft(x, n=4)), normal(2, 6)),
    case("rfft longer", lambda x: parts(F.rfft(x, n=7)), normal(2, 6)),
    case("irfft", lambda x, y: F.irfft(x + 1j * y), normal(2, 4), normal(2, 4), complex=True),
    case("irfft odd ortho", lambda x, y: F.irfft(x + 1j * y, n=7, norm="ortho"), normal(4), normal(4), complex=True),
    case("irfft shorter axis=0 forward", lambda x: F.irfft(x, n=4, axis=0, norm="forward"), normal(5, 2), complex=True),
    case("irfft longer", lambda x, y: F.irfft(x + 1j * y, n=10), normal(4), normal(4), complex=True),
    case("hfft", lambda x, y: F.hfft(x + 1j * y), normal(4), normal(4), complex=True),
    case("hfft n axis norm", lambda x: F.hfft(x, n=5, axis=0, norm="ortho"), normal(4, 2), complex=True),
    case("ihfft", lambda x: parts(F.ihfft(x)), normal(6)),
    case("ihfft n axis norm", lambda x: parts(F.ihfft(x, n=5, axis=0, norm="forward")), normal(4, 2)),
    case("fft2", lambda x: parts(F.fft2(x)), normal(2, 3, 4), complex=True),
    case(
        "ifft2 s axes norm",
        lambda x: parts(F.ifft2(x, s=(3, 3), axes=(0, 1), norm="ortho")),
        normal(2, 4, 2),
        complex=True,
    ),
    case("rfft2", lambda x: parts(F.rfft2(x)), normal(2, 3, 4)),
    case("irfft2", lambda x, y: F.irfft2(x + 1j * y), normal(2, 3, 3), normal(2, 3, 3), complex=True),
    case("fftn", lambda x: parts(F.fftn(x)), normal(2, 3, 2), complex=True),
    case("fftn s=(-1, 2) axes", lambda x: parts(F.fftn(x, s=(-1, 2), axes=(2, 0))), normal(3, 2, 2), complex=True),
    case("ifftn axes=(0,) ortho", lambda x: parts(F.ifftn(x, axes=(0,), norm="ortho")), normal(3, 2), complex=True),
    case("rfftn", lambda x: parts(F.rfftn(x)), normal(2, 3, 4)),
    case("rfftn s axes norm", lambda x: parts(F.rfftn(x, s=(3, 5), axes=(1, 0), norm="forward")), normal(4, 2)),
    case("irfftn", lambda x, y: F.irfftn(x + 1j * y), normal(2, 3), normal(2, 3), complex=True),
    case("irfftn s=(3, -1)", lambda x: F.irfftn(x, s=(3, -1), axes=(0, 1), norm="ortho"), normal(2, 5), complex=True),
    case("fftshift", F.fftshift, normal(4, 5), complex=True),
    case("fftshift axes=1", lambda x: F.fftshift(x, axes=1), normal(4, 5), complex=True),
    case("ifftshift", F.ifftshift, normal(4, 5), complex=True),
    case("ifftshift axes=(0, -1)", lambda x: F.ifftshift(x, axes=(0, -1)), normal(3, 2, 5), complex=True),
]
