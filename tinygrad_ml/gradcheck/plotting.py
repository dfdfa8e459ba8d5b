"""The picture of a ladder of finite differences."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from .numeric import Slope
    from .report import Row

_LAST_BIT = 2.0**-52


def draw_trace(row: Row, ax: Axes | None = None) -> Axes:
    """The error of each central difference of `row` against its step, on logarithmic axes."""
    trace = row.trace
    assert trace is not None
    if ax is None:
        import matplotlib.pyplot as plt

        _, ax = plt.subplots()
    is_settled = math.isfinite(trace.value)
    steps = [rung.step for rung in trace.rungs]
    errors = [abs(rung.slope - trace.value) if is_settled else abs(rung.slope) for rung in trace.rungs]
    noises = [rung.noise for rung in trace.rungs]
    # What is 0 has no place on a logarithmic axis: it stands with the lowest of the others.
    floor = min([y for y in (*errors, *noises, trace.bound) if y > 0], default=_LAST_BIT)
    label = "|central difference - extrapolated value|" if is_settled else "|central difference|"
    ax.loglog(steps, [max(error, floor) for error in errors], "o-", color="C0", label=label)
    ax.loglog(steps, [max(noise, floor) for noise in noises], "--", color="C7", label="its rounding error")
    if is_settled:
        _mark_what_was_chosen(ax, trace, floor)
    # The witnesses may tell of this array alone where the differences moved all of them.
    is_alone = row.witnesses.get("finite differences") == trace.value
    if is_alone:
        _mark_witnesses(ax, row, trace.value, floor)
    others = "" if is_alone or not is_settled else ", moved with the others"
    what = "error of the directional derivative" if is_settled else "directional derivative"
    ax.set(xlabel="step", ylabel=what, title=f"{row.name}{others}: {row.verdict}")
    low, high = ax.get_ylim()
    ax.set_ylim(low, high * (high / low) ** 0.6)  # room for the legend
    ax.legend(fontsize="small", loc="upper left")
    return ax


def _mark_what_was_chosen(ax: Axes, trace: Slope, floor: float) -> None:
    if math.isfinite(trace.step):
        ax.axvline(trace.step, color="C2", linestyle=":", label=f"chosen step: {trace.step:.1e}")
    if math.isfinite(trace.bound):
        ax.axhline(max(trace.bound, floor), color="C2", label=f"bound of the extrapolated value: {trace.bound:.1e}")


def _mark_witnesses(ax: Axes, row: Row, value: float, floor: float) -> None:
    others = {name: found for name, found in row.witnesses.items() if name != "finite differences"}
    for colour, (name, found) in zip(("C3", "C1", "C4"), others.items(), strict=False):
        distance = abs(found - value)
        if math.isfinite(distance):
            label = f"{name}: {distance:.1e} away"
            ax.axhline(max(distance, floor), color=colour, linestyle="-.", label=label)
