"""The command line: ``python -m experiments [NAME] [--out DIR] [--seed N] [--steps N]``."""

from __future__ import annotations

import argparse
import difflib
import importlib
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from . import EXPERIMENTS


def main(argv: Sequence[str] | None = None) -> int:
    """Run what the arguments ask for and return the exit status."""
    listing = "\n".join(f"  {name:10} {what}" for name, what in EXPERIMENTS.items())
    parser = argparse.ArgumentParser(
        prog="experiments",
        description="Run an experiment; without a name, list what there is.",
        epilog=f"experiments:\n{listing}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", nargs="?", help="the experiment to run")
    parser.add_argument("--out", type=Path, default=Path("results"), help="folder for the files (default: results)")
    parser.add_argument("--seed", type=_integer(0, 2**32 - 1), default=0, help="of the split (default: 0)")
    parser.add_argument("--steps", type=_integer(1), default=1000, help="training steps (default: 1000)")
    options = parser.parse_args(argv)
    if options.name is None:
        print(f"Run one with: python -m {__package__} NAME\n\n{listing}")
        return 0
    if options.name not in EXPERIMENTS:
        near = difflib.get_close_matches(options.name, EXPERIMENTS, n=1, cutoff=0)
        parser.error(f"there is no experiment {options.name!r}; the nearest is {near[0]!r}")
    try:
        _check_writable(options.out)
        importlib.import_module(f".{options.name}", __package__).run(options.out, options.seed, options.steps)
    except OSError as error:
        print(f"experiments: cannot write to {options.out}: {error.strerror or error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nexperiments: interrupted", file=sys.stderr)
        return 130
    return 0


def _check_writable(folder: Path) -> None:
    """Make `folder` where it is missing, and raise OSError before any work where it cannot be written to."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass


def _integer(low: int, high: int | None = None) -> Callable[[str], int]:
    def integer(text: str) -> int:
        value = int(text)
        if value < low or (high is not None and value > high):
            raise argparse.ArgumentTypeError(f"must be at least {low}" + (f" and at most {high}" if high else ""))
        return value

    return integer


if __name__ == "__main__":
    sys.exit(main())
