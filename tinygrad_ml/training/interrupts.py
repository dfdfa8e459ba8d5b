"""Ctrl-C that waits for the end of a step."""

from __future__ import annotations

import signal
import threading
from typing import Any


class Interrupts:
    """Notes a first Ctrl-C instead of raising `KeyboardInterrupt` amidst a step; a second one raises at once.

    Only in the main thread, and where nobody else has taken hold of the signal.
    """

    def __init__(self) -> None:
        self.noted = False
        self._is_installed = False

    def __enter__(self) -> Interrupts:
        if (
            threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        ):
            signal.signal(signal.SIGINT, self._note)
            self._is_installed = True
        return self

    def _note(self, number: int, frame: Any) -> None:
        if self.noted:
            raise KeyboardInterrupt
        self.noted = True

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        if self._is_installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if error is None:
            self.raise_noted()

    def raise_noted(self) -> None:
        """Raise what was noted, where it does no harm."""
        if self.noted:
            raise KeyboardInterrupt
