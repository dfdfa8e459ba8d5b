"""The command line of the experiments, how they are run, and the report."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import tinygrad_ml as tg
from experiments import EXPERIMENTS, Article, Setting, __main__, drawing, formulas, report, runner

ROOT = Path(__file__).parents[1]

#: Experiments of no interest but to the runner: two that end well, one that fails, one that dies, one without end.
LABORATORY = {
    "__init__": "",
    "first": """
        import numpy as np
        from experiments import Article, drawing
        TITLE = "First"
        def run(setting):
            article = Article(setting, TITLE)
            numbers = setting.rng("numbers").normal(size=(200, 200))
            article.metrics["trace"] = np.trace(np.linalg.inv(numbers @ numbers.T))
            article.question("What is *noise*?")
            figure, axes = drawing.panels()
            axes.plot(numbers[0], label="noise")
            axes.legend()
            article.figure("noise", figure, "Noise.")
            article.table("numbers", numbers[:5, :3], ["a", "b", "c"], "Numbers.")
            return article
    """,
    "second": """
        from experiments import Article
        def run(setting):
            article = Article(setting, "Second")
            article.metrics["draw"] = setting.rng("numbers").random()
            return article
    """,
    "failing": """
        def run(setting):
            return {}["key"]
    """,
    "wrong": """
        def run(setting):
            raise ValueError("songs.txt, line 3: column 5 is 'x', which is no number")
    """,
    "dying": """
        import os
        def run(setting):
            os._exit(7)
    """,
    "endless": """
        import time
        from tinygrad_ml.files import replacing
        def run(setting):
            with replacing(setting.out / "half.txt") as unfinished:
                unfinished.write_text("half")
                (setting.out / "started").touch()
                time.sleep(60)
    """,
}


@pytest.fixture
def laboratory(tmp_path, monkeypatch):
    """The folder that holds the package of the experiments above."""
    folder = tmp_path / "packages"
    (folder / "laboratory").mkdir(parents=True)
    for name, code in LABORATORY.items():
        (folder / "laboratory" / f"{name}.py").write_text(re.sub("^        ", "", code, flags=re.MULTILINE))
    monkeypatch.syspath_prepend(folder)
    for name in [name for name in sys.modules if name.split(".")[0] == "laboratory"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(__main__, "EXPERIMENTS", dict.fromkeys(list(LABORATORY)[1:], "for tests"))
    monkeypatch.setattr(__main__, "PACKAGE", "laboratory")
    return folder


def command(laboratory, *arguments):
    """The command line, with the experiments of the laboratory."""
    names = list(LABORATORY)[1:]
    script = laboratory / "command.py"
    script.write_text(
        f"import sys\nsys.path[:0] = [{str(laboratory)!r}, {str(ROOT)!r}]\n"
        "from experiments import __main__ as command\n"
        f"command.EXPERIMENTS, command.PACKAGE = dict.fromkeys({names!r}, ''), 'laboratory'\n"
        "if __name__ == '__main__':\n    sys.exit(command.main(sys.argv[1:]))\n"
    )
    return [sys.executable, str(script), "run", *arguments]


def contents(path):
    files = [path] if path.is_file() else sorted(path.iterdir())
    return {file.name: file.read_bytes() for file in files}


# The command line


def test_without_arguments_the_experiments_are_listed(capsys):
    assert __main__.main([]) == 0
    out = capsys.readouterr().out
    assert all(name in out and what in out for name, what in EXPERIMENTS.items())


def test_the_command_of_the_readme_starts_in_a_checkout_and_installed(tmp_path):
    for package, folder in (("experiments", ROOT), ("tinygrad_ml.experiments", tmp_path)):
        done = subprocess.run([sys.executable, "-m", package], cwd=folder, capture_output=True, text=True, check=True)
        assert f"python -m {package} run NAME" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["digits"], "invalid choice: 'digits'"),
        (["run"], "the following arguments are required: NAME"),
        (["run", "digist"], "there is no experiment 'digist'; the nearest is 'digits'"),
        (["run", "digits", "knm"], "there is no experiment 'knm'; the nearest is 'knn'"),
        (["run", "al"], "there is no experiment 'al'; the nearest is 'all'"),
        (["run", "digits", "--seed", "-1"], "--seed: must be at least 0"),
        (["run", "digits", "--seed", "many"], "--seed: invalid integer value: 'many'"),
        (["run", "digits", "--jobs", "0"], "--jobs: must be at least 1"),
        (["run", "sweep", "--backend", "ray"], "--backend: invalid choice: 'ray'"),
        (["run", "century", "--data", "missing.txt"], "--data: there is no file missing.txt"),
        (["run", "century", "--data", str(ROOT)], f"--data: {ROOT} is a folder"),
    ],
)
def test_wrong_arguments_are_named(arguments, message, capsys):
    with pytest.raises(SystemExit) as stop:
        __main__.main(arguments)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_the_missing_extra_of_the_dask_backend_is_named(capsys, monkeypatch):
    monkeypatch.setattr(__main__.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit) as stop:
        __main__.main(["run", "sweep", "--backend", "dask"])
    assert stop.value.code == 2
    assert "--backend dask needs Dask's scheduler: pip install 'tinygrad_ml[distributed]'" in capsys.readouterr().err


def test_data_that_no_experiment_reads_are_remarked(laboratory, tmp_path, capsys):
    path = tmp_path / "songs.txt"
    path.touch()
    assert __main__.main(["run", "second", "--data", str(path), "--out", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().err == "experiments: --data is for century and changes nothing here\n"


@pytest.mark.parametrize("blocked", ["out", "out/first"])
def test_a_folder_that_cannot_be_written_to_is_named_before_any_work(blocked, laboratory, tmp_path, capsys):
    path = tmp_path / blocked
    path.parent.mkdir(exist_ok=True)
    path.touch()
    assert __main__.main(["run", "second", "first", "--out", str(tmp_path / "out")]) == 1
    assert f"experiments: cannot write to {tmp_path / 'out' / 'first'}: " in capsys.readouterr().err
    assert not (tmp_path / "out" / "second" / "metrics.json").exists()


# Running


def test_what_is_done_is_skipped_until_it_shall_be_done_again_or_otherwise(laboratory, tmp_path, capsys):
    def run(*arguments):
        assert __main__.main(["run", "second", "--out", str(tmp_path / "out"), *arguments]) == 0
        return "done before" in capsys.readouterr().out

    path = tmp_path / "out" / "second" / "metrics.json"
    assert [run(), run(), run("--force"), run("--seed", "1"), run("--seed", "1"), run()] == [False, True] * 1 + [
        False,
        False,
        True,
        False,
    ]
    assert json.loads(path.read_text()) == {
        "experiment": "second",
        "version": tg.__version__,
        "seed": 0,
        "quick": False,
        "data": None,
        "draw": Setting(Path("second")).rng("numbers").random(),
    }
    assert not run("--quick") and json.loads(path.read_text())["quick"]
    path.write_text("{")
    assert not run("--quick"), "half a file is no sign of an end"


def test_other_data_make_another_run(tmp_path, monkeypatch):
    path = tmp_path / "songs.txt"
    path.write_text("1")
    folder = tmp_path / "century"
    folder.mkdir()
    setting = Setting(folder, data=path)
    article = Article(setting, "Songs")
    article.finish(runner.identity(setting))
    assert runner.is_done(setting)
    assert not runner.is_done(Setting(folder))
    path.write_text("12")
    assert not runner.is_done(setting)
    monkeypatch.setattr(tg, "__version__", "99")
    assert not runner.is_done(Setting(folder, data=path))


def test_one_after_another_or_side_by_side_the_numbers_are_the_same_and_what_fails_loses_no_other(
    laboratory, tmp_path, capsys
):
    names = ["first", "second", "failing", "wrong"]
    for jobs, more in (("1", []), ("2", ["dying"])):
        out = tmp_path / jobs
        assert __main__.main(["run", *names, *more, "--jobs", jobs, "--seed", "3", "--out", str(out)]) == 1
        errors = capsys.readouterr().err
        assert "experiments: wrong: songs.txt, line 3: column 5 is 'x', which is no number\n" in errors
        assert f"experiments: failing: KeyError: 'key' (see {out / 'failing' / 'traceback.txt'})\n" in errors
        assert 'return {}["key"]' in (out / "failing" / "traceback.txt").read_text()
        assert ("experiments: dying: its process ended with exit code 7\n" in errors) == bool(more)
        assert all(title in (out / "report.html").read_text() for title in ("First", "Second"))
    for name in ("first", "second", "report.html"):
        one, two = contents(tmp_path / "1" / name), contents(tmp_path / "2" / name)
        assert one and one == two


@pytest.mark.skipif(os.name == "nt", reason="signals of Unix")
@pytest.mark.parametrize("jobs", [1, 2])
def test_an_interrupt_keeps_what_is_finished(jobs, laboratory, tmp_path):
    out = tmp_path / "out"
    process = subprocess.Popen(
        command(laboratory, "second", "endless", "--out", str(out), "--jobs", str(jobs)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    awaited = [out / "second" / "metrics.json", out / "endless" / "started"]
    _await(lambda: all(path.exists() for path in awaited))
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all processes of the group
    printed, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert errors == "\nexperiments: interrupted; run it again to do what is missing\n"
    assert "wrote" in printed and "Second" in (out / "report.html").read_text()
    assert sorted(path.name for path in (out / "endless").iterdir()) == ["started"], "nothing half is left"


def test_an_interrupt_before_the_first_experiment_is_no_traceback(capsys, monkeypatch):
    """Matplotlib is imported outside of what had caught the interrupt of a run."""

    def interrupted(argv):
        raise KeyboardInterrupt

    monkeypatch.setattr(__main__, "_main", interrupted)
    assert __main__.main(["run", "first"]) == 130
    assert capsys.readouterr().err == "\nexperiments: interrupted; run it again to do what is missing\n"


@pytest.mark.skipif(os.name == "nt", reason="pipes of Unix")
def test_a_reader_that_leaves_ends_no_run(laboratory, tmp_path):
    """The first line after `head` had left raised BrokenPipeError, and took the later experiments and the report."""
    reader, writer = os.pipe()
    os.close(reader)
    out = tmp_path / "out"
    done = subprocess.run(
        command(laboratory, "first", "second", "--out", str(out), "--jobs", "1"),
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Second" in (out / "report.html").read_text()


@pytest.mark.skipif(os.name == "nt", reason="signals of Unix")
def test_a_run_that_is_killed_takes_its_processes_with_it_and_goes_on_when_run_again(laboratory, tmp_path, capsys):
    out = tmp_path / "out"
    process = subprocess.Popen(command(laboratory, "second", "endless", "--out", str(out), "--jobs", "2"))
    awaited = [out / "second" / "metrics.json", out / "endless" / "started"]
    _await(lambda: all(path.exists() for path in awaited))
    process.kill()
    process.wait()
    _await(lambda: [path.name for path in (out / "endless").iterdir()] == ["started"])
    assert __main__.main(["run", "second", "--out", str(out)]) == 0
    assert "second         done before" in capsys.readouterr().out


def _await(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def test_where_the_package_is_not_installed_it_is_told_how_to(laboratory, tmp_path, capsys, monkeypatch):
    (laboratory / "laboratory" / "first.py").write_text("from tinygrad_ml.models import check")
    monkeypatch.setitem(sys.modules, "tinygrad_ml.models", None)
    assert __main__.main(["run", "first", "--out", str(tmp_path / "out")]) == 1
    assert "in a checkout, install it first by pip install -e .\n" in capsys.readouterr().err


# What an experiment is told and leaves


def test_random_numbers_depend_on_the_seed_and_the_name_only(tmp_path):
    draws = {
        (seed, name): Setting(tmp_path, seed=seed).rng(name).random() for seed in (0, 1) for name in ("split", "start")
    }
    assert len(set(draws.values())) == 4
    again = Setting(tmp_path / "other", seed=1, quick=True, jobs=5)
    again.rng("something else").random()
    assert again.rng("start").random() == draws[1, "start"]
    assert again.random_state("start") == Setting(tmp_path, seed=1).random_state("start")


def test_bars_are_for_terminals_only(tmp_path, capsys):
    assert list(Setting(tmp_path).progress(range(3), "counting")) == [0, 1, 2]
    assert capsys.readouterr() == ("", "")


@pytest.fixture
def article(tmp_path):
    (tmp_path / "knn").mkdir()
    return Article(Setting(tmp_path / "knn"), "Neighbours of $k = 5$")


def finish(article):
    article.finish({"experiment": "knn", "version": "1", "seed": 7, "quick": True, "data": None})
    path = report.write_report(article.folder.parent, ["knn", "digits"])
    return path.read_text(encoding="utf-8")


def test_tables_keep_all_digits_on_disk_and_few_in_the_report(article):
    rows = [["a *b*", 1 / 3, np.int64(12345), None, np.nan], ["<", -2e-9, 1, True, -np.inf]]
    article.table("numbers", rows, ["name", "x", "n", "known", "limit"], "Some.", formats={"n": ",d"})
    page = finish(article)
    with open(article.folder / "numbers.csv", newline="") as file:
        assert list(csv.reader(file)) == [
            ["name", "x", "n", "known", "limit"],
            ["a *b*", repr(1 / 3), "12345", "", "nan"],
            ["<", "-2e-09", "1", "True", "-inf"],
        ]
    for cell in ("a <em>b</em>", "&lt;", "0.3333", "12,345", "−2 × 10<sup>−9</sup>", "–", "yes", "undefined", "−∞"):
        assert f">{cell}<" in page


def test_figures_are_written_twice_and_stand_in_the_report_with_their_caption_as_text(article):
    figure, axes = drawing.panels()
    axes.plot([1, 2], label="line")
    article.figure("line", figure, "A line of $x$ & `y`.")
    page = finish(article)
    assert (article.folder / "line.png").read_bytes().startswith(b"\x89PNG")
    assert ElementTree.parse(article.folder / "line.svg").getroot().tag.endswith("svg")
    assert "alt='A line of x &amp; y.'" in page and "data:image/svg+xml;base64," in page


def test_a_figure_is_drawn_once_for_each_file(article, monkeypatch):
    """`Figure.savefig` draws all twice, the first time for the layout only: half the time of a quick run."""
    figure, axes = drawing.panels()
    draws, draw = [], type(axes).draw
    monkeypatch.setattr(type(axes), "draw", lambda *arguments: (draws.append(1), draw(*arguments)))
    article.figure("line", figure, "A line.")
    assert len(draws) == 2


def test_numbers_of_texts_have_a_true_minus():
    """Texts are formatted by Python, which writes a hyphen, and stood beside tables with a minus."""
    assert (
        report.inline("-0.28 points, (-1), 1-2, 64-64, `x[-1]`") == "−0.28 points, (−1), 1-2, 64-64, <code>x[-1]</code>"
    )


def test_a_figure_that_is_large_as_svg_stands_in_the_report_as_png(article, monkeypatch):
    monkeypatch.setattr(report, "_LARGEST_SVG", 1000)
    figure, axes = drawing.panels()
    axes.plot([1, 2])
    article.figure("line", figure, "A line.")
    assert "data:image/png;base64," in finish(article)


def test_metrics_are_written_last_and_hold_numbers_only(article):
    article.metrics.update(accuracy=np.float64(0.5), curve=np.arange(3), bad=np.inf, nested={"a": (1, None)})
    finish(article)
    metrics = json.loads((article.folder / "metrics.json").read_text())
    assert metrics["curve"] == [0, 1, 2] and metrics["bad"] is None and metrics["nested"] == {"a": [1, None]}
    assert list(metrics)[:5] == ["experiment", "version", "seed", "quick", "data"]


@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        (lambda a: a.table("t", [[1, 2]], ["a"], ""), ValueError, "table t: 1 columns, and 2 cells in [1, 2]"),
        (
            lambda a: a.table("t", [[1]], ["a"], "", formats={"b": ".1f"}),
            ValueError,
            "table t: formats names ['b']; the columns are ['a']",
        ),
        (lambda a: [a.table("t", [[1]], ["a"], "") for _ in "12"], ValueError, "there is a table 't' already"),
        (lambda a: a.table("t", [[object]], ["a"], ""), TypeError, "is no text, number, list or dict"),
        (lambda a: (a.metrics.update(seed=1), finish(a)), ValueError, "['seed'] say under what the numbers were found"),
        (lambda a: (a.formula(r"\frac{1"), finish(a)), ValueError, r"formula '\\dfrac{1': "),
        (lambda a: drawing.styles(7), ValueError, "styles: there are 6 that are told apart, got 7"),
    ],
)
def test_mistakes_of_an_experiment_are_named(spoil, error, message, article):
    with pytest.raises(error, match=re.escape(message)):
        spoil(article)


class Links(HTMLParser):
    """The anchors, what links to them, and all that would be loaded."""

    def __init__(self, page):
        super().__init__()
        self.ids, self.links, self.loaded, self.open = [], [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.ids += [attributes["id"]] if "id" in attributes else []
        if tag == "a":
            self.links.append(attributes["href"])
        self.loaded += [attributes[key] for key in ("src", "data") if key in attributes]
        self.loaded += [attributes["href"]] if tag == "link" else []
        if tag not in ("meta", "link", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        assert tag == "path"

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_report_is_one_page_with_everything_inside(article):
    article.question("What is *asked*?")
    article.section("First part")
    article.text("Since $x_1 < x_2$, `a < b`.")
    article.formula(r"\frac{\partial p_c}{\partial g_k}", "a < b")
    article.code("x <- 1")
    figure, axes = drawing.panels()
    article.figure("empty", figure, "Empty.")
    article.answer("An answer.")
    page = finish(article)
    links = Links(page)
    assert not links.open, "every element is closed"
    assert len(set(links.ids)) == len(links.ids)
    assert {link.removeprefix("#") for link in links.links} <= set(links.ids)
    assert all(target.startswith("data:") for target in links.loaded) and "url(" not in page and "@import" not in page
    assert "Seed 7, tinygrad_ml 1" in page and "A quick run" in page
    assert page.index("What is <em>asked</em>?") < page.index("x &lt;- 1") < page.index("An answer.")
    assert report.write_report(article.folder, ["knn"]) is None, "nothing finished, no report"


def test_formulas_are_outlines_on_the_line_of_the_text():
    high, low = (formulas.svg(tex) for tex in (r"x", r"x_{y_z}"))
    sink = [float(re.search(r"vertical-align:(-?[\d.]+)em", picture)[1]) for picture in (high, low)]
    assert sink[1] < sink[0] <= 0
    element = ElementTree.fromstring(low)
    assert element.get("aria-label") == "x_{y_z}" and element[0].get("fill") == "currentColor"
