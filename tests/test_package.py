"""What is installed, and what an import costs."""

import subprocess
import sys
from configparser import ConfigParser
from importlib import metadata
from pathlib import Path

import tinygrad_ml as tg

ROOT = Path(__file__).parents[1]


def setup():
    config = ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    return config


def test_every_package_is_named_in_setup_cfg():
    options = setup()["options"]
    moved = dict(line.split(" = ") for line in options["package_dir"].strip().splitlines())
    homes = {"tinygrad_ml": "tinygrad_ml", **moved}
    assert set(moved.values()) == {"models", "experiments"}
    found = {
        ".".join([package, *path.parent.relative_to(ROOT / home).parts])
        for package, home in homes.items()
        for path in (ROOT / home).glob("**/__init__.py")
    }
    assert set(options["packages"].split()) == found


def test_type_checkers_are_told_of_the_annotations():
    assert (ROOT / "tinygrad_ml/py.typed").is_file()
    assert setup()["options.package_data"]["tinygrad_ml"] == "py.typed"


def test_the_installed_version_is_the_one_the_package_tells():
    assert metadata.version("tinygrad_ml") == tg.__version__


def test_the_import_loads_nothing_heavy():
    heavy = {"scipy", "sklearn", "matplotlib", "tqdm", "dask", "torch"}
    code = f"import sys, tinygrad_ml; print(*{heavy!r} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
