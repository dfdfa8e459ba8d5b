"""The command line: ``python -m tinygrad_ml.gradcheck package.module:name``."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import secrets
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..files import replacing
from . import targets
from .check import check_gradient
from .report import Report
from .targets import Shape, UsageError
from .three_way import check_model

_EPILOG = """\
A function is called with arrays drawn standard normal, or with the arrays in
a file that have the names of its arguments. A model is an object, or a class
that can be made without arguments, with loss(parameters, X, y) and
gradient(parameters, X, y).

The exit status is 0 where the gradient is right, 1 where it is not, and 2 where
it could not be checked.

examples, with m for python -m tinygrad_ml.gradcheck:
  m package.losses:huber --shape 20 --shape 20
  m package.losses:huber --gradient package.losses:huber_gradient
  m package.models:LogisticRegression --shape 100,8 --plot steps.png
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Check what the arguments name, print the report, and return the exit status."""
    options = _parser().parse_args(argv)
    if os.getcwd() not in sys.path and "" not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        _check_options(options)
        found = targets.find(options.target)
        report = (_check_model if targets.is_model(found) else _check_function)(found, options)
        print(report)
        _write_files(report, options)
    except UsageError as error:
        print(f"gradcheck: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ngradcheck: interrupted", file=sys.stderr)
        return 130
    return 0 if report.ok else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tinygrad_ml.gradcheck",
        description="Check the gradient of a function or of a model.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("target", metavar="package.module:name", help="the function or the model; the name may be dotted")
    add(
        "--shape",
        type=_shape,
        action="append",
        default=[],
        help="3,4 or scalar, once for each argument (default: 5), or once for X of a model (default: 20,5)",
    )
    add("--gradient", metavar="package.module:name", help="the analytic gradient of a function (default: the engine's)")
    add("--data", type=Path, metavar="FILE", help="an .npz file with the arguments by name, or an .npy file")
    add("--order", type=int, choices=(1, 2), default=1, help="2 checks the derivative of the derivative too")
    add("--directions", type=_integer(1), default=3, metavar="N", help="how many random directions (default: 3)")
    add("--seed", type=_integer(0), metavar="N", help="repeats a check (default: drawn, and printed)")
    add("--dtype", choices=("float32", "float64"), help="of the arguments (default: float64, or that of the data)")
    add("--json", type=Path, metavar="FILE", help="write the report as JSON")
    add("--plot", type=Path, metavar="FILE", help="draw error against step size; .png, .svg or .pdf")
    add("--html", type=Path, metavar="FILE", help="write the report as a page")
    return parser


def _check_options(options: argparse.Namespace) -> None:
    """Say before any work what cannot be: options that exclude each other, a file that has nowhere to go."""
    if options.data and options.shape:
        raise UsageError("--shape draws the arguments and --data reads them; give one of the two")
    for path in (options.json, options.html, options.plot):
        if path is not None and not path.parent.is_dir():
            raise UsageError(f"cannot write {path}: there is no folder {path.parent}")


def _check_function(f: Any, options: argparse.Namespace) -> Report:
    target = options.target
    f = targets.require_function(f, target)
    gradient = options.gradient and targets.find(options.gradient)
    if gradient is not None and not callable(gradient):
        raise UsageError(f"--gradient {options.gradient} is of type {type(gradient).__name__}, and must be a function")
    seed, rng = _seed(options)
    if options.data:
        arguments = targets.read_arguments(f, target, options.data, options.dtype)
    else:
        arguments = targets.draw_arguments(f, target, options.shape, options.dtype, rng)
    x = tuple(arguments.values())
    shapes = ", ".join(f"{name} {np.shape(value)}" for name, value in arguments.items())
    try:
        with np.errstate(all="ignore"):
            f(*(np.copy(value)[()] for value in x))
    except Exception as error:
        advice = (
            "the file must hold what it takes"
            if options.data
            else f"give --shape once for each argument, for example {_example(arguments)}"
        )
        raise UsageError(f"{target} raises {targets.told(error)} for {shapes}; {advice}") from None
    with _clear_errors(target):
        report = check_gradient(
            f, x[0] if len(x) == 1 else x, gradient, order=options.order, directions=options.directions, rng=seed
        )
    if not options.data:
        report.notes.append(f"drawn standard normal: {shapes}; --seed {seed} draws the same again")
        if report.verdict == "NONFINITE":
            report.notes.append("if these are outside its domain, give others with --data")
    return report


def _check_model(found: Any, options: argparse.Namespace) -> Report:
    target = options.target
    for name, given in (("--gradient", options.gradient), ("--order 2", options.order == 2)):
        if given:
            raise UsageError(f"{name} is for functions, and {target} is a model, which brings its own gradient")
    if len(options.shape) > 1:
        raise UsageError(f"--shape was given {len(options.shape)} times; {target} is a model and takes one, that of X")
    model = targets.make_model(found, target)
    seed, rng = _seed(options)
    if options.data:
        data = targets.read_arrays(options.data, options.dtype, ["X", "y"])
        for name in ("X", "y"):
            if name not in data:
                raise UsageError(
                    f"{target} is a model and needs arrays named 'X' and 'y'; {options.data} has no {name!r}"
                )
        X, y = data["X"], data["y"]
    else:
        shape = options.shape[0] if options.shape else targets.DEFAULT_MODEL_SHAPE
        if not shape:
            raise UsageError("--shape of a model is that of X, samples first, and cannot be scalar; try --shape 20,5")
        X = targets.drawn(shape, options.dtype, rng)
        y = rng.permutation(np.arange(shape[0]) % 2)
    with _clear_errors(f"{target} with X {X.shape} and y {y.shape}"):
        report = check_model(model, X, y, directions=options.directions, rng=seed)
    if not options.data:
        report.notes.append(
            f"drawn: X {X.shape} standard normal, y of labels 0 and 1; --seed {seed} draws the same again"
        )
    return report


def _seed(options: argparse.Namespace) -> tuple[int, np.random.Generator]:
    """The seed of the check, and random numbers for the arguments that have nothing to do with its directions."""
    seed = secrets.randbits(32) if options.seed is None else options.seed
    return seed, np.random.default_rng(np.random.SeedSequence(seed).spawn(1)[0])


@contextlib.contextmanager
def _clear_errors(what: str) -> Iterator[None]:
    try:
        with np.errstate(all="ignore"):  # the verdict tells of what is not finite
            yield
    except Exception as error:
        raise UsageError(f"cannot check {what}: {targets.told(error)}") from None


def _write_files(report: Report, options: argparse.Namespace) -> None:
    page = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="color-scheme" content="light dark">'
    )
    if options.json:
        text = json.dumps(report.to_dict(), indent=2, allow_nan=False) + "\n"
        _write(options.json, lambda path: path.write_text(text, encoding="utf-8"))
    if options.html:
        text = f"{page}<title>gradcheck</title></head>\n<body>\n{report._repr_html_()}\n</body></html>\n"
        _write(options.html, lambda path: path.write_text(text, encoding="utf-8"))
    if options.plot:
        _write(options.plot, lambda path: _draw(report, path, options.plot.suffix.lstrip(".") or "png"))


def _draw(report: Report, path: Path, kind: str) -> None:
    from matplotlib.figure import Figure

    figure = Figure(layout="constrained")
    report.plot(ax=figure.add_subplot())
    figure.savefig(path, format=kind, dpi=150)


def _write(path: Path, write: Callable[[Path], Any]) -> None:
    try:
        with replacing(path) as unfinished:
            write(unfinished)
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot write {path}: {getattr(error, 'strerror', None) or error}") from None


def _example(arguments: dict[str, Any]) -> str:
    """Options for other shapes than were tried."""
    return " ".join(["--shape 3,5", *["--shape 5"] * (len(arguments) - 1)])


def _shape(text: str) -> Shape:
    if text in ("scalar", "()"):
        return ()
    inner = text.strip().removeprefix("(").removesuffix(")")
    try:
        shape = tuple(int(part) for part in inner.removesuffix(",").split(","))
    except ValueError:
        shape = (0,)
    if min(shape) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no shape: write whole numbers from 1, as 3,4, or scalar")
    return shape


def _integer(low: int) -> Callable[[str], int]:
    def integer(text: str) -> int:
        if not text.isdecimal() or int(text) < low:
            raise argparse.ArgumentTypeError(f"must be a whole number from {low}, not {text!r}")
        return int(text)

    return integer


if __name__ == "__main__":
    sys.exit(main())
