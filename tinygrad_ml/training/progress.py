"""A bar that tells how far a run is."""

from __future__ import annotations

import sys
from typing import Any


class Progress:
    """tqdm's bar over steps, loaded where it shows.

    Parameters
    ----------
    show : bool, optional
        By default where the standard error is a terminal.
    """

    def __init__(self, show: bool | None) -> None:
        # Programs without a console have no standard error.
        self._show = sys.stderr is not None and sys.stderr.isatty() if show is None else show
        self._bar: Any = None

    def begin(self, total: int | None, done: int) -> None:
        """Show the bar, of `total` steps if that is known."""
        if self._show:
            from tqdm import tqdm

            self._bar = tqdm(total=total, initial=done, unit="step", dynamic_ncols=True)

    def advance(self, loss: float) -> None:
        """A step is done."""
        if self._bar is not None and self._bar.update():
            self._bar.set_postfix_str(f"loss {loss:.4g}", refresh=False)

    def epoch(self, record: dict[str, Any]) -> None:
        """An epoch is done."""
        if self._bar is not None:
            losses = [f"{name.replace('_', ' ')} {record[name]:.4g}" for name in record if name.endswith("loss")]
            self._bar.set_description_str(f"epoch {record['epoch']}", refresh=False)
            self._bar.set_postfix_str(", ".join(losses))

    def end(self) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._bar.close()
