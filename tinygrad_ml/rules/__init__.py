"""The rules, one file a family. `special` is loaded at the first use of a `scipy.special` function."""

from . import elementwise, fft, indexing, linalg, plain, products, reduction, shape  # noqa: F401
