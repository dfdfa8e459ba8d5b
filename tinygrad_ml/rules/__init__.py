"""The rules, one file a family. `special` is loaded at the first use of a `scipy.special` function."""

from . import decompositions, elementwise, fft, indexing, linalg, norms, plain, products, reduction, shape  # noqa: F401
