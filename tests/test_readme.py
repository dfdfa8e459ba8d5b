"""The examples of the README print what it says."""

import contextlib
import doctest
import io
import re
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"
TEXT = README.read_text(encoding="utf-8")
#: Blocks of code without prompts: whole scripts, which print one number.
SCRIPTS = [block for block in re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL) if ">>>" not in block]


def test_the_examples_of_the_readme_print_what_it_says() -> None:
    result = doctest.testfile(str(README), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.attempted > 10
    assert result.failed == 0


@pytest.mark.parametrize(
    ("words", "least", "most"),
    [("nn.GELU", 0.97, 1.0), ("nn.Conv2d", 0.985, 1.0), ("nn.GRU", 0.0, 0.05)],
    ids=["perceptron", "convolutions", "sequences"],
)
def test_the_scripts_of_the_readme_learn_what_it_says(words: str, least: float, most: float) -> None:
    (script,) = [script for script in SCRIPTS if words in script]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(script, "README.md", "exec"), {"__name__": "readme"})
    assert least <= float(printed.getvalue()) <= most


def test_the_first_script_is_short() -> None:
    assert len(SCRIPTS) == 3
    assert len([line for line in SCRIPTS[0].splitlines() if line]) < 15


def test_every_file_the_readme_links_to_is_there() -> None:
    targets = [part.split(")")[0] for part in re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL).split("](")[1:]]
    assert targets
    assert all((README.parent / target).is_file() for target in targets if "://" not in target)
