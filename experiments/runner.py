"""Runs experiments, one after another or side by side, and skips those that are done."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from time import perf_counter
from typing import Any

import matplotlib
from threadpoolctl import threadpool_limits

import tinygrad_ml

from . import READS_DATA
from .article import METRICS
from .drawing import STYLE
from .report import finished
from .setting import Setting

TRACEBACK = "traceback.txt"


@dataclass(frozen=True)
class Outcome:
    """How an experiment ended: without `error`, well."""

    name: str
    seconds: float = 0.0
    error: str | None = None
    is_old: bool = False


def identity(setting: Setting) -> dict[str, Any]:
    """On what the numbers of an experiment depend; what was done under the same identity need not be done again."""
    data = None
    if setting.data is not None and setting.out.name in READS_DATA:
        status = setting.data.stat()
        data = {"file": str(setting.data), "bytes": status.st_size, "modified_ns": status.st_mtime_ns}
    return {
        "experiment": setting.out.name,
        "version": tinygrad_ml.__version__,
        "seed": setting.seed,
        "quick": setting.quick,
        "data": data,
    }


def is_done(setting: Setting) -> bool:
    """Whether the folder holds this experiment, finished under the same identity."""
    metrics = finished(setting.out)
    return metrics is not None and all(metrics.get(key, ...) == value for key, value in identity(setting).items())


def run_all(settings: Sequence[Setting], jobs: int, package: str, force: bool) -> Iterator[Outcome]:
    """Run the experiments whose folders the settings name, in up to `jobs` processes, and tell how each ended.

    Parameters
    ----------
    settings : sequence of Setting
    jobs : int
        With 1 all runs here; the numbers are the same.
    package : str
        Where the modules of the experiments are.
    force : bool
        Whether to do again what is done.
    """
    todo = []
    for setting in settings:
        if not force and is_done(setting):
            yield Outcome(setting.out.name, is_old=True)
        else:
            todo.append(setting)
    processes = min(jobs, len(todo))
    if processes > 1:
        yield from _side_by_side([replace(setting, jobs=jobs // processes) for setting in todo], processes, package)
    else:
        for setting in todo:
            yield _timed(setting, package)


def _perform(setting: Setting, package: str) -> str | None:
    """Run one experiment and answer what went wrong, if anything."""
    # From here on the folder is not that of a finished experiment, even where an older one was.
    (setting.out / METRICS).unlink(missing_ok=True)
    try:
        # The number of threads changes the order of sums, and so the last bits.
        with matplotlib.rc_context(STYLE), threadpool_limits(1):
            module: Any = importlib.import_module(f".{setting.out.name}", package)
            module.run(setting).finish(identity(setting))
    except Exception as error:
        (setting.out / TRACEBACK).write_text(traceback.format_exc(), encoding="utf-8")
        if isinstance(error, ModuleNotFoundError) and (error.name or "").startswith("tinygrad_ml."):
            return f"{error}: in a checkout, install it first by pip install -e ."
        if isinstance(error, (ValueError, OSError, ImportError)):
            return str(error)
        return f"{type(error).__name__}: {error} (see {setting.out / TRACEBACK})"
    (setting.out / TRACEBACK).unlink(missing_ok=True)
    return None


def _timed(setting: Setting, package: str) -> Outcome:
    start = perf_counter()
    error = _perform(setting, package)
    return Outcome(setting.out.name, perf_counter() - start, error)


def _side_by_side(settings: Sequence[Setting], processes: int, package: str) -> Iterator[Outcome]:
    """Each experiment in a process of its own, so that one that dies takes none with it."""
    # Forked processes would inherit the locks of threads that they do not have.
    context = multiprocessing.get_context("spawn")
    waiting, free = list(settings), list(range(processes))
    running: dict[Connection, tuple[Any, Setting]] = {}
    try:
        while waiting or running:
            while waiting and free:
                setting = replace(waiting.pop(0), slot=free.pop(0))
                ours, theirs = context.Pipe(duplex=False)
                process = context.Process(target=_in_a_process, args=(setting, package, theirs, sys.path))
                with _ignoring_interrupts():
                    process.start()
                theirs.close()
                running[ours] = process, setting
            for connection in wait(list(running)):
                assert isinstance(connection, Connection)
                process, setting = running.pop(connection)
                outcome = _received(connection, process, setting)
                free.append(setting.slot)
                yield outcome
    finally:
        for process, _ in running.values():
            process.terminate()
        for connection, (process, _) in running.items():
            process.join()
            connection.close()


def _received(connection: Connection, process: Any, setting: Setting) -> Outcome:
    try:
        outcome: Outcome = connection.recv()
    except EOFError:
        process.join()
        outcome = Outcome(setting.out.name, error=f"its process ended with exit code {process.exitcode}")
    connection.close()
    process.join()
    return outcome


def _in_a_process(setting: Setting, package: str, connection: Connection, path: Sequence[str]) -> None:
    signal.signal(signal.SIGTERM, _leave)
    threading.Thread(target=_leave_with_the_parent, daemon=True).start()
    sys.path[:] = path
    connection.send(_timed(setting, package))


@contextmanager
def _ignoring_interrupts() -> Iterator[None]:
    """Ctrl-C reaches all processes of a terminal, and shall be left to the first of them, which stops the others."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _leave(*_: Any) -> None:
    sys.exit(1)


def _leave_with_the_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
