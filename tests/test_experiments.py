"""The command line of the experiments, and what they write."""

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from experiments import EXPERIMENTS, __main__, digits, report

ROOT = Path(__file__).parents[1]


def test_digits_learns_and_writes_its_figure_and_numbers(tmp_path, capsys):
    assert __main__.main(["digits", "--steps", "200", "--out", str(tmp_path / "new" / "folder")]) == 0
    folder = tmp_path / "new" / "folder"
    assert sorted(path.name for path in folder.iterdir()) == ["digits.png", "digits.svg", "metrics.json"]
    metrics = json.loads((folder / "metrics.json").read_text())
    assert (metrics["training_images"], metrics["test_images"]) == (1347, 450)
    assert metrics["test_accuracy"] > 0.93
    assert metrics["training_loss"] < metrics["test_loss"] < 0.35
    out, err = capsys.readouterr()
    assert f"test accuracy {metrics['test_accuracy']:.4f}" in out
    assert "digits:" not in err, "the progress bar is for terminals only"
    assert (folder / "digits.png").read_bytes().startswith(b"\x89PNG")
    assert ElementTree.parse(folder / "digits.svg").getroot().tag.endswith("svg")


def test_the_same_seed_gives_the_same_numbers_and_another_seed_another_split(tmp_path):
    first, again, other = (digits.run(tmp_path, seed=seed, steps=5) for seed in (0, 0, 1))
    assert first == again
    assert first["training_loss"] != other["training_loss"]


def test_the_loss_starts_at_that_of_guessing_and_falls_at_every_step(tmp_path, monkeypatch):
    curves = []
    monkeypatch.setattr(digits, "draw_curves", lambda path, title, caption, loss, accuracy: curves.append(loss) or [])
    digits.run(tmp_path, steps=50)
    training = curves[0]["training"]
    assert training[0] == pytest.approx(2.302585, abs=1e-6)  # log 10
    assert all(after < before for before, after in zip(training, training[1:], strict=False))


def test_without_a_name_the_experiments_are_listed(capsys):
    assert __main__.main([]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in EXPERIMENTS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["digist"], "there is no experiment 'digist'; the nearest is 'digits'"),
        (["digits", "--steps", "0"], "--steps: must be at least 1"),
        (["digits", "--seed", "-1"], "--seed: must be at least 0"),
        (["digits", "--steps", "many"], "--steps: invalid integer value: 'many'"),
    ],
)
def test_wrong_arguments_are_named(arguments, message, capsys):
    with pytest.raises(SystemExit) as stop:
        __main__.main(arguments)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_to_is_named_before_any_work(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(digits, "run", lambda *_: pytest.fail("trained for nothing"))
    blocked = tmp_path / "file"
    blocked.touch()
    assert __main__.main(["digits", "--out", str(blocked)]) == 1
    assert capsys.readouterr().err == f"experiments: cannot write to {blocked}: File exists\n"


def test_an_interrupt_ends_without_a_traceback(tmp_path, capsys, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(digits, "run", interrupted)
    assert __main__.main(["digits", "--out", str(tmp_path)]) == 130
    assert capsys.readouterr().err == "\nexperiments: interrupted\n"


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "metrics.json"
    report.write_json(path, {"steps": 1})
    with pytest.raises(ZeroDivisionError), report.replacing(path) as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    assert json.loads(path.read_text()) == {"steps": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_the_command_of_the_readme_starts():
    done = subprocess.run([sys.executable, "-m", "experiments"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "python -m experiments NAME" in done.stdout
