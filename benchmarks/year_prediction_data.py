"""A file of the size of YearPredictionMSD: how long it takes to load, once and again, and what an experiment needs.

``python -m benchmarks data [--rows N] [--json FILE]`` writes synthetic songs in the format of the data set to a
temporary folder, and measures the seconds and the peak memory of processes that use it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tinygrad_ml.data import make_year_prediction_like

ROOT = Path(__file__).parents[1]
ROWS = 515_345
#: The largest peak memory of the experiment, in megabytes.
MARK = 1500

LOAD = "from tinygrad_ml.data import load_year_prediction_msd as load; data = load({path!r}, progress=False)"
#: What is done with the file, each in a process of its own; the order counts, as the first load leaves the binary file.
STEPS = {
    "import of tinygrad_ml.data": "import tinygrad_ml.data",
    "first load, parses": LOAD,
    "second load, maps": LOAD,
    "second load, and a pass through all": LOAD + "; data.X.sum()",
    "pandas.read_csv": "import pandas; pandas.read_csv({path!r}, header=None)",
}
CENTURY = "century --data, the whole experiment"


#: A small process that runs another and tells its seconds and its peak. Were that started from here, what this process
#: has in memory would count as its own.
LAUNCHER = """
import json, resource, subprocess, sys, time
start = time.perf_counter()
status = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL)
print(json.dumps([time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss]))
sys.exit(status)
"""


@dataclass(frozen=True)
class Measured:
    """A process: its seconds and the most memory it had, in megabytes."""

    step: str
    seconds: float
    peak: float


def write_songs(path: str | Path, rows: int, seed: int = 0) -> None:
    """Synthetic songs in lines ``year,feature,...,feature`` with five decimals, as the data set has them."""
    songs = make_year_prediction_like(rows, seed)
    line = "%d" + ",%.5f" * songs.X.shape[1] + "\n"
    with open(path, "w", encoding="ascii") as file:
        for year, features in zip(songs.year, songs.X, strict=True):
            file.write(line % (year, *features.tolist()))


def measured(step: str, command: Sequence[str]) -> Measured:
    """Run a command to its end.

    Raises
    ------
    subprocess.CalledProcessError
        Where it fails; its output is then on the terminal.
    """
    done = subprocess.run([sys.executable, "-c", LAUNCHER, *command], cwd=ROOT, stdout=subprocess.PIPE, check=True)
    seconds, peak = json.loads(done.stdout)
    return Measured(step, seconds, peak * (1 if sys.platform == "darwin" else 1024) / 1e6)


def measure(rows: int, quick: bool = False) -> list[Measured]:
    """All steps with a file of so many rows."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "songs.txt"
        write = f"from benchmarks.year_prediction_data import write_songs; write_songs({str(path)!r}, {rows})"
        found.append(measured("writing the file", [sys.executable, "-c", write]))
        for step, code in STEPS.items():
            if step.startswith("pandas") and not _is_installed("pandas"):
                continue
            found.append(measured(step, [sys.executable, "-c", code.format(path=str(path))]))
        command = ["-m", "experiments", "run", "century", "--data", str(path), "--out", str(Path(folder) / "results")]
        found.append(measured(CENTURY, [sys.executable, *command, *(["--quick"] if quick else [])]))
    return found


def _is_installed(module: str) -> bool:
    return subprocess.run([sys.executable, "-c", f"import {module}"], capture_output=True, check=False).returncode == 0


def table(found: Sequence[Measured]) -> str:
    rows = [f"{'step':38}{'seconds':>9}{'peak MB':>9}"]
    for one in found:
        mark = f"  <= {MARK}: {'yes' if one.peak <= MARK else 'NO'}" if one.step == CENTURY else ""
        rows.append(f"{one.step:38}{one.seconds:9.2f}{one.peak:9.0f}{mark}")
    return "\n".join(rows)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks data", description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS, help="of the file (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="run the experiment with --quick")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    options = parser.parse_args(arguments)
    found = measure(options.rows, options.quick)
    print(f"{options.rows:,} synthetic songs; each step is a whole process, imports included; one thread\n")
    print(table(found))
    if options.json:
        figures = {"rows": options.rows, "mark": MARK, "steps": [asdict(one) for one in found]}
        options.json.write_text(json.dumps(figures, indent=1) + "\n")
    return 0 if found[-1].peak <= MARK else 1
