"""Functions without rules: those that have no derivative by nature answer with plain arrays; for others, advice."""

from __future__ import annotations

import numpy as np

from ..primitive import ADVICE, PLAIN

PLAIN.update({
    # comparisons and logic
    np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal,
    np.logical_and, np.logical_or, np.logical_xor, np.logical_not,
    np.isfinite, np.isinf, np.isnan, np.signbit, np.isneginf, np.isposinf, np.isclose, np.allclose,
    np.array_equal, np.array_equiv, np.isreal, np.iscomplex, np.isrealobj, np.iscomplexobj,
    np.all, np.any, np.isin,
    np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.invert, np.left_shift, np.right_shift,
    # steps
    np.sign, np.floor, np.ceil, np.trunc, np.rint, np.fix, np.round, np.around, np.floor_divide, np.spacing,
    # indices and counts
    np.argmax, np.argmin, np.nanargmax, np.nanargmin, np.argsort, np.argpartition, np.lexsort,
    np.argwhere, np.nonzero, np.flatnonzero, np.count_nonzero, np.searchsorted, np.digitize,
    # shapes and types
    np.shape, np.size, np.ndim, np.result_type, np.can_cast, np.min_scalar_type, np.common_type,
    np.shares_memory, np.may_share_memory,
    np.zeros_like, np.ones_like, np.empty_like,
    np.diag_indices_from, np.tril_indices_from, np.triu_indices_from,
    # printing
    np.array2string, np.array_repr, np.array_str,
})  # fmt: skip

_WRITES = (np.put, np.place, np.putmask, np.copyto, np.put_along_axis, np.fill_diagonal)
ADVICE.update(dict.fromkeys(_WRITES, "It writes in place; compute a new array with np.where(mask, values, x)."))
_LOOPS = (np.apply_along_axis, np.apply_over_axes, np.piecewise)
ADVICE.update(dict.fromkeys(_LOOPS, "Write it with whole arrays, or with np.stack over a loop."))
