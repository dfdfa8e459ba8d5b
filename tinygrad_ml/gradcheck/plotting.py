"""The picture of a ladder of finite differences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from .report import Row


def draw_trace(row: Row, ax: Axes | None = None) -> Axes:
    """The error of each central difference of `row` against its step, on logarithmic axes."""
    trace = row.trace
    assert trace is not None
    if ax is None:
        import matplotlib.pyplot as plt

        _, ax = plt.subplots()
    # What is exactly right has no place on a logarithmic axis: it stands where the last bit would be wrong.
    floor = float(np.spacing(max(abs(trace.value), np.finfo(float).tiny)))
    steps = [rung.step for rung in trace.rungs]
    errors = [max(abs(rung.slope - trace.value), floor) for rung in trace.rungs]
    ax.loglog(steps, errors, "o-", color="C0", label="|central difference - extrapolated value|")
    ax.loglog(steps, [max(rung.noise, floor) for rung in trace.rungs], "--", color="C7", label="its rounding error")
    ax.axvline(trace.step, color="C2", linestyle=":", label=f"chosen step {trace.step:.1e}")
    ax.axhline(max(trace.bound, floor), color="C2", label=f"bound of the extrapolated value {trace.bound:.1e}")
    others = {name: value for name, value in row.witnesses.items() if name != "finite differences"}
    for colour, (name, value) in zip(("C3", "C1", "C4"), others.items(), strict=False):
        distance = abs(value - trace.value)
        if np.isfinite(distance):
            label = f"{name}: {distance:.1e} away"
            ax.axhline(max(distance, floor), color=colour, linestyle="-.", label=label)
    ax.set(xlabel="step", ylabel="error of the directional derivative", title=f"{row.name}: {row.verdict}")
    ax.legend(fontsize="small")
    return ax
