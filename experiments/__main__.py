"""The command line: ``python -m experiments run NAME...|all``, and without arguments a list."""

from __future__ import annotations

import argparse
import difflib
import importlib.util
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from . import EXPERIMENTS, READS_DATA
from .setting import Setting

#: Where the modules of the experiments are.
PACKAGE = __package__
BACKENDS = ("loky", "threading", "dask")


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the arguments ask for and return the exit status."""
    try:
        return _main(argv)
    except KeyboardInterrupt:  # before the first experiment, or while the report is written
        return _interrupted()


def _main(argv: Sequence[str] | None) -> int:
    parser = _parser()
    options = parser.parse_args(argv)
    if options.command is None:
        _say(f"Run them with: {_command()} run NAME...|all\n\n{_listing()}")
        return 0
    names = _names(parser, options.names)
    if options.data is not None and not options.data.is_file():
        is_folder = options.data.is_dir()
        parser.error(f"--data: {options.data} is a folder" if is_folder else f"--data: there is no file {options.data}")
    if options.backend == "dask" and importlib.util.find_spec("distributed") is None:
        parser.error("--backend dask needs Dask's scheduler: pip install 'tinygrad_ml[distributed]'")
    out: Path = options.out
    settings = [
        Setting(out / name, options.seed, options.quick, options.data, options.jobs, options.backend) for name in names
    ]
    for setting in settings:
        try:
            _check_writable(setting.out)
        except OSError as error:
            print(f"experiments: cannot write to {setting.out}: {error.strerror or error}", file=sys.stderr)
            return 1
    if options.data is not None and not set(names) & set(READS_DATA):
        print(f"experiments: --data is for {', '.join(READS_DATA)} and changes nothing here", file=sys.stderr)
    # Loading Matplotlib takes a moment, for which neither a list nor an error waits.
    from .report import write_report
    from .runner import run_all

    status = 0
    try:
        for outcome in run_all(settings, options.jobs, PACKAGE, options.force):
            if outcome.error is not None:
                status = 1
                print(f"experiments: {outcome.name}: {outcome.error}", file=sys.stderr)
            elif outcome.is_old:
                _say(f"{outcome.name:14} done before; --force does it again")
            else:
                _say(f"{outcome.name:14} {outcome.seconds:.1f} s")
    except KeyboardInterrupt:
        status = _interrupted()
    if report := write_report(out, list(EXPERIMENTS)):
        _say(f"wrote {report}")
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=_command(),
        description="Run experiments and write a report of them; without arguments, list what there is.",
        epilog=f"experiments:\n{_listing()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    run = parser.add_subparsers(dest="command", metavar="run").add_parser(
        "run",
        help="run experiments",
        epilog=f"experiments:\n{_listing()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    run.add_argument("names", nargs="+", metavar="NAME", help="the experiments to run, or all")
    run.add_argument("--out", type=Path, default=Path("results"), help="folder for the files (default: results)")
    run.add_argument("--seed", type=_integer(0, 2**32 - 1), default=0, help="of all randomness (default: 0)")
    run.add_argument("--quick", action="store_true", help="smaller experiments, a few seconds each")
    run.add_argument(
        "--jobs", type=_integer(1), default=_cores(), help="processes at a time (default: %(default)s, the cores)"
    )
    run.add_argument("--data", type=Path, help=f"file of real data, for {', '.join(READS_DATA)}")
    run.add_argument("--force", action="store_true", help="do again what is done")
    run.add_argument(
        "--backend",
        choices=BACKENDS,
        default=BACKENDS[0],
        help="what runs the trials of sweep; dask starts a cluster here, or joins that of $DASK_SCHEDULER_ADDRESS "
        "(default: %(default)s)",
    )
    return parser


def _command() -> str:
    return f"python -m {PACKAGE}"


def _listing() -> str:
    return "\n".join(f"  {name:14} {what}" for name, what in EXPERIMENTS.items())


def _names(parser: argparse.ArgumentParser, asked: Sequence[str]) -> list[str]:
    """The experiments asked for, each once, in the order of the report."""
    for name in asked:
        if name != "all" and name not in EXPERIMENTS:
            near = difflib.get_close_matches(name, [*EXPERIMENTS, "all"], n=1, cutoff=0)
            parser.error(f"there is no experiment {name!r}; the nearest is {near[0]!r}")
    return [name for name in EXPERIMENTS if name in asked or "all" in asked]


def _check_writable(folder: Path) -> None:
    """Make `folder` where it is missing, and raise OSError before any work where it cannot be written to."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass


def _interrupted() -> int:
    print("\nexperiments: interrupted; run it again to do what is missing", file=sys.stderr)
    return 130


def _say(text: str) -> None:
    """Print; where whoever read it has seen enough, like `head`, the work goes on without."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _integer(low: int, high: int | None = None) -> Callable[[str], int]:
    def integer(text: str) -> int:
        value = int(text)
        if value < low or (high is not None and value > high):
            raise argparse.ArgumentTypeError(f"must be at least {low}" + (f" and at most {high}" if high else ""))
        return value

    return integer


if __name__ == "__main__":
    sys.exit(main())
