"""The picture of a ladder of finite differences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from .numeric import Slope
    from .report import Row


def draw_trace(row: Row, ax: Axes | None = None) -> Axes:
    """The error of each central difference of `row` against its step, on logarithmic axes."""
    trace = row.trace
    assert trace is not None
    if ax is None:
        import matplotlib.pyplot as plt

        _, ax = plt.subplots()
    is_settled = bool(np.isfinite(trace.value))
    value = trace.value if is_settled else 0.0
    # What is exactly right has no place on a logarithmic axis: it stands where the last bit would be wrong.
    floor = float(np.spacing(max(abs(value), np.finfo(float).tiny)))
    steps = [rung.step for rung in trace.rungs]
    errors = [max(abs(rung.slope - value), floor) for rung in trace.rungs]
    label = "|central difference - extrapolated value|" if is_settled else "|central difference|"
    ax.loglog(steps, errors, "o-", color="C0", label=label)
    ax.loglog(steps, [max(rung.noise, floor) for rung in trace.rungs], "--", color="C7", label="its rounding error")
    if is_settled:
        _mark_what_was_chosen(ax, trace, floor)
        _mark_witnesses(ax, row.witnesses, value, floor)
    ax.set(xlabel="step", ylabel="error of the directional derivative", title=f"{row.name}: {row.verdict}")
    ax.legend(fontsize="small")
    return ax


def _mark_what_was_chosen(ax: Axes, trace: Slope, floor: float) -> None:
    if np.isfinite(trace.step):
        ax.axvline(trace.step, color="C2", linestyle=":", label=f"chosen step: {trace.step:.1e}")
    if np.isfinite(trace.bound):
        ax.axhline(max(trace.bound, floor), color="C2", label=f"bound of the extrapolated value: {trace.bound:.1e}")


def _mark_witnesses(ax: Axes, witnesses: dict[str, float], value: float, floor: float) -> None:
    others = {name: found for name, found in witnesses.items() if name != "finite differences"}
    for colour, (name, found) in zip(("C3", "C1", "C4"), others.items(), strict=False):
        distance = abs(found - value)
        if np.isfinite(distance):
            label = f"{name}: {distance:.1e} away"
            ax.axhline(max(distance, floor), color=colour, linestyle="-.", label=label)
