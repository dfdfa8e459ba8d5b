"""``python -m tinygrad_ml.gradcheck``: what it checks, what it writes, its exit status and what it says of mistakes."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tinygrad_ml.gradcheck import __main__ as command
from tinygrad_ml.gradcheck import targets
from tinygrad_ml.gradcheck.report import Report, Row, Verdict

ROOT = Path(__file__).parents[1]

FUNCTIONS = '''
import numpy as np

def sum_of_cubes(x):
    return np.sum(x**3)

def right(x):
    return 3 * x**2

def wrong(x):
    return 3.01 * x**2

def affine(W, x, b=0.0):
    return np.sum(np.tanh(W @ x)) + b

def many(*arrays):
    return sum(np.sum(a**2) for a in arrays)

def keyword(x, *, power):
    return np.sum(x**power)

def picky(x):
    if x.shape != (2, 3):
        raise ValueError("I take a matrix of 2 x 3")
    return np.sum(x**2)

def domain(x):
    return np.sum(np.log(x))

def vectors(x):
    return np.sin(x)

def crooked_gradient(x):
    raise RuntimeError("the gradient gave up")

class Holder:
    @staticmethod
    def squares(x):
        return np.sum(x**2)

    class Inner:
        @staticmethod
        def fourths(x):
            return np.sum(x**4)

class Affine:
    """A callable object."""
    def __call__(self, x):
        return np.sum(2 * x)

affine_object = Affine()
number = 3.0
'''

MODELS = '''
import numpy as np

class Logistic:
    """A binary logistic regression."""

    def __init__(self, penalty=0.1):
        self.penalty = penalty

    def initial_parameters(self, X, y):
        return {"weights": np.full(X.shape[1], 0.1), "intercept": np.array(0.2)}

    def loss(self, parameters, X, y):
        z = X @ parameters["weights"] + parameters["intercept"]
        return np.mean(np.logaddexp(0, z) - y * z) + self.penalty * np.sum(parameters["weights"] ** 2)

    def gradient(self, parameters, X, y):
        z = X @ parameters["weights"] + parameters["intercept"]
        off = (1 / (1 + np.exp(-z)) - y) / len(y)
        weights = X.T @ off + 2 * self.penalty * parameters["weights"]
        return {"weights": weights, "intercept": np.sum(off)}

class Needy(Logistic):
    def __init__(self, penalty):
        super().__init__(penalty)

instance = Needy(0.5)
homeless = Needy(0.5)
homeless.initial_parameters = None
'''


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with the modules `functions`, `models`, `package.losses`, `broken` and `needy`; the current one."""
    files = {
        "functions.py": FUNCTIONS,
        "models.py": MODELS,
        "package/__init__.py": "",
        "package/losses.py": FUNCTIONS,
        "broken.py": "\n1 / 0\n",
        "exits.py": "raise SystemExit('bye')\n",
        "gone.py": "raise ModuleNotFoundError('install it')\n",
        "needy.py": "import a_module_that_is_not_there\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    names = {name.removesuffix(".py").replace("/", ".").removesuffix(".__init__") for name in files}
    importlib.invalidate_caches()
    yield tmp_path
    for name in names:
        sys.modules.pop(name, None)


@pytest.fixture
def run(project, capsys):
    """Runs the command; answers its exit status, and what it wrote to the standard output and to the error output."""

    def run(*argv: str) -> tuple[int, str, str]:
        try:
            status = command.main(list(argv))
        except SystemExit as exit:
            status = exit.code
        said = capsys.readouterr()
        assert "Traceback" not in said.out + said.err
        return status, said.out, said.err

    return run


@pytest.fixture
def checked(monkeypatch):
    """What the check is called with, instead of a check."""
    calls = []

    def check_gradient(f, x, gradient=None, order=1, directions=3, rng=None):
        calls.append({"x": x, "gradient": gradient, "order": order, "directions": directions, "rng": rng})
        return Report("gradient", [Row("x", (), "float64", Verdict.PASS)], rng)

    def check_model(model, X, y, *, directions=3, rng=None):
        calls.append({"model": model, "X": X, "y": y, "directions": directions, "rng": rng})
        return Report("model", [Row("x", (), "float64", Verdict.PASS)], rng)

    monkeypatch.setattr(command, "check_gradient", check_gradient)
    monkeypatch.setattr(command, "check_model", check_model)
    return calls


class TestVerdicts:
    @pytest.mark.parametrize(
        "options",
        [
            "functions:sum_of_cubes",
            "functions:sum_of_cubes --gradient functions:right",
            "functions:sum_of_cubes --gradient package.losses:right --shape 3,4",
            "functions:sum_of_cubes --dtype float32",
            "functions:sum_of_cubes --order 2",
            "functions:affine --shape 3,4 --shape 4",
            "functions:affine --shape 3,4 --shape (4) --shape scalar",
            "functions:many --shape 2 --shape () --shape 3,1",
            "functions:many",
            "functions:Holder.squares",
            "functions:Holder.Inner.fourths",
            "functions:affine_object",
            "package.losses:sum_of_cubes",
            "numpy:linalg.norm",
            "models:Logistic",
            "models:Logistic --shape 7,2",
            "models:instance",
        ],
    )
    def test_a_right_gradient_gives_0(self, run, rng, options):
        status, out, err = run(*options.split(), "--seed", str(rng.integers(2**32)))
        assert (status, err) == (0, "")
        assert "PASS" in out.splitlines()[0]

    @pytest.mark.parametrize("options", ["", "--order 2", "--shape 4 --directions 1", "--dtype float32"])
    def test_a_wrong_one_gives_1(self, run, options):
        status, out, err = run("functions:sum_of_cubes", "--gradient", "functions:wrong", *options.split())
        assert (status, err) == (1, "")
        assert "FAIL" in out.splitlines()[0]

    def test_a_wrong_model_gives_1(self, run, project):
        wrong = MODELS.replace("np.sum(off)}", "1.01 * np.sum(off)}")
        (project / "models.py").write_text(wrong, encoding="utf-8")
        status, out, _ = run("models:Logistic")
        assert status == 1 and "FAIL" in out.splitlines()[0]
        assert re.search(r"^FAIL +intercept", out, re.M) and re.search(r"^PASS +weights", out, re.M)

    def test_a_point_outside_the_domain_is_said_to_be_one(self, run):
        status, out, err = run("functions:domain", "--shape", "20", "--seed", "1")
        assert (status, err) == (1, "")
        assert "NONFINITE" in out.splitlines()[0] and "if these are outside its domain, give others with --data" in out

    def test_the_seed_repeats_all_of_it(self, run):
        _, first, _ = run("functions:sum_of_cubes")
        seed = re.search(r"--seed (\d+) draws the same again", first)[1]
        assert f"rng={seed} repeats this check" in first
        assert run("functions:sum_of_cubes", "--seed", seed)[1] == first
        assert run("functions:sum_of_cubes")[1] != first


class TestArguments:
    @pytest.mark.parametrize(
        "options, shapes",
        [
            ("functions:sum_of_cubes", [(5,)]),
            ("functions:sum_of_cubes --shape scalar", [()]),
            ("functions:sum_of_cubes --shape ()", [()]),
            ("functions:sum_of_cubes --shape 3", [(3,)]),
            ("functions:sum_of_cubes --shape 3,", [(3,)]),
            ("functions:sum_of_cubes --shape (3,4,2)", [(3, 4, 2)]),
            ("functions:affine", [(5,), (5,)]),
            ("functions:affine --shape 3,4 --shape 4 --shape scalar", [(3, 4), (4,), ()]),
            ("functions:many", [(5,)]),
            ("functions:many --shape 2 --shape 3", [(2,), (3,)]),
            ("numpy:multiply", [(5,), (5,)]),
            ("functions:affine_object", [(5,)]),
        ],
    )
    def test_are_drawn_of_the_shapes_given(self, run, checked, options, shapes):
        assert run(*options.split())[0] == 0
        (call,) = checked
        drawn = call["x"] if len(shapes) > 1 else (call["x"],)
        assert [np.shape(x) for x in drawn] == shapes
        assert all(x.dtype == np.float64 for x in drawn)

    def test_are_drawn_standard_normal(self, run, checked):
        run("functions:sum_of_cubes", "--shape", "200,100")
        x = checked[0]["x"].ravel()
        # The standard error of a mean of 20,000 is 1/141, that of their mean square 1/100: five of each.
        assert abs(np.mean(x)) < 5 / 141 and abs(np.mean(x**2) - 1) < 5 / 100

    def test_do_not_follow_the_directions_drawn_from_the_same_seed(self, run, checked):
        run("functions:sum_of_cubes", "--shape", "1000", "--seed", "3")
        directions = np.random.default_rng(checked[0]["rng"]).standard_normal(1000)
        assert abs(np.corrcoef(checked[0]["x"], directions)[0, 1]) < 0.2

    def test_of_the_same_seed_are_the_same(self, run, checked):
        for seed in ("3", "3", "4"):
            run("functions:affine", "--seed", seed)
        first, again, other = [call["x"] for call in checked]
        np.testing.assert_array_equal(first, again)
        assert not np.any(np.equal(first, other)) and not np.any(np.equal(*first))

    def test_options_reach_the_check(self, run, checked):
        options = "--order 2 --directions 7 --seed 11 --dtype float32 --gradient functions:right"
        run("functions:sum_of_cubes", *options.split())
        (call,) = checked
        assert (call["order"], call["directions"], call["rng"]) == (2, 7, 11)
        assert call["gradient"].__name__ == "right" and call["x"].dtype == np.float32

    def test_of_a_model(self, run, checked):
        run("models:Logistic")
        run(*"models:instance --shape 11,2 --dtype float32 --directions 7 --seed 3".split())
        first, second = checked
        assert first["X"].shape == (20, 5) and first["X"].dtype == np.float64
        assert second["X"].shape == (11, 2) and second["X"].dtype == np.float32
        assert second["model"].penalty == 0.5 and (second["directions"], second["rng"]) == (7, 3)
        for call in checked:
            assert call["y"].shape == (len(call["X"]),) and set(call["y"]) == {0, 1}

    def test_of_a_model_depend_on_the_seed(self, run, checked):
        for seed in ("1", "1", "2"):
            run("models:Logistic", "--seed", seed)
        first, again, other = checked
        np.testing.assert_array_equal(first["X"], again["X"])
        np.testing.assert_array_equal(first["y"], again["y"])
        assert not np.array_equal(first["X"], other["X"]) and not np.array_equal(first["y"], other["y"])

    def test_are_read_from_a_file(self, run, checked, project):
        arrays = {"W": np.ones((2, 3)), "x": np.arange(3.0), "unused": np.zeros(1)}
        np.savez(project / "data.npz", **arrays)
        assert run("functions:affine", "--data", "data.npz")[0] == 0
        np.savez(project / "more.npz", b=np.float32(4.0), **arrays)
        assert run("functions:affine", "--data", "more.npz", "--dtype", "float64")[0] == 0
        two, three = [call["x"] for call in checked]
        assert len(two) == 2 and len(three) == 3
        np.testing.assert_array_equal(two[0], arrays["W"])
        np.testing.assert_array_equal(three[1], arrays["x"])
        assert three[2] == 4.0 and three[2].dtype == np.float64

    def test_are_read_from_a_file_of_one_array(self, run, checked, project):
        np.save(project / "x.npy", np.arange(4.0))
        assert run("functions:sum_of_cubes", "--data", "x.npy")[0] == 0
        np.testing.assert_array_equal(checked[0]["x"], np.arange(4.0))

    def test_of_a_model_are_read_from_a_file(self, run, checked, project):
        np.savez(project / "data.npz", X=np.ones((3, 2), np.float32), y=np.array([0, 1, 1]))
        assert run("models:Logistic", "--data", "data.npz", "--dtype", "float64")[0] == 0
        assert checked[0]["X"].dtype == np.float64 and checked[0]["y"].tolist() == [0, 1, 1]
        assert checked[0]["y"].dtype.kind == "i", "labels stay integers"

    def test_a_function_that_writes_into_its_argument_does_not_change_what_is_checked(self, run, checked, project):
        (project / "package/losses.py").write_text("def f(x):\n    x *= 0\n    return x.sum()\n", encoding="utf-8")
        run("package.losses:f", "--seed", "1")
        assert np.all(checked[0]["x"] != 0)


class TestFiles:
    def test_are_written(self, run, project):
        (project / "report.json").write_text("an older one", encoding="utf-8")
        status, out, _ = run(
            *"functions:sum_of_cubes --seed 1 --json report.json --html report.html --plot steps.png".split()
        )
        assert status == 0
        read = json.loads((project / "report.json").read_text(encoding="utf-8"))
        assert read["seed"] == 1 and read["rows"][0]["shape"] == [5] and read["ok"] is True
        page = (project / "report.html").read_text(encoding="utf-8")
        assert page.startswith("<!doctype html>") and "<table" in page and page.rstrip().endswith("</html>")
        assert (project / "steps.png").read_bytes().startswith(b"\x89PNG")
        assert not [path for path in project.iterdir() if path.name.startswith(".")], "nothing unfinished is left"

    @pytest.mark.parametrize("name, start", [("a.svg", b"<?xml"), ("a.pdf", b"%PDF"), ("a", b"\x89PNG")])
    def test_plots_are_of_the_kind_of_their_name(self, run, project, name, start):
        assert run("functions:sum_of_cubes", "--plot", name)[0] == 0
        assert (project / name).read_bytes().startswith(start)

    def test_of_a_wrong_gradient_are_written_too(self, run, project):
        status, _, _ = run(*"functions:sum_of_cubes --gradient functions:wrong --json a.json --plot a.png".split())
        assert status == 1 and (project / "a.png").exists()
        assert json.loads((project / "a.json").read_text(encoding="utf-8"))["verdict"] == "FAIL"

    def test_that_fail_leave_the_older_ones(self, run, project, checked):
        (project / "a.png").write_text("older", encoding="utf-8")
        status, _, err = run(*"functions:sum_of_cubes --plot a.png".split())
        assert status == 2 and "cannot write a.png: plot: the rows have no trace" in err
        assert (project / "a.png").read_text(encoding="utf-8") == "older"
        assert not [path for path in project.iterdir() if path.name.startswith(".")]

    def test_have_the_permissions_of_other_files(self, run, project):
        (project / "other").write_text("", encoding="utf-8")
        run(*"functions:sum_of_cubes --json a.json".split())
        assert (project / "a.json").stat().st_mode == (project / "other").stat().st_mode


MISTAKES = {
    "no colon": ("functions", ("'functions'", "package.module:name", "functions:name")),
    "no name": ("functions:", ("'functions:'", "package.module:name")),
    "no module": (":right", ("':right'", "package.module:name")),
    "a file": ("functions.py:right", ("write package.module:name", "functions:right")),
    "a path": ("package/losses.py:right", ("package.losses:right",)),
    "unknown module": ("funtions:right", ("no module 'funtions'", "did you mean 'functions'?")),
    "unknown module, nothing near": ("zzzzzzz:right", ("no module 'zzzzzzz'", "this folder has", "'functions'")),
    "unknown submodule": ("package.loses:right", ("no module 'package.loses'", "did you mean 'losses'?")),
    "a submodule of a module": ("functions.sub:right", ("'functions.sub'", "functions is not a package")),
    "module that fails": ("broken:f", ("importing broken", "ZeroDivisionError: division by zero", "broken.py:2")),
    "module that exits": ("exits:f", ("importing exits", "SystemExit: bye")),
    "missing module without a name": ("gone:f", ("importing gone raises ModuleNotFoundError: install it", "gone.py:1")),
    "unknown submodule, nothing near": ("package.zzz:f", ("no module 'package.zzz'", "package has 'losses'")),
    "missing dependency": ("needy:f", ("cannot import needy", "'a_module_that_is_not_there'", "not installed")),
    "unknown name": ("functions:rihgt", ("functions has no 'rihgt'", "did you mean 'right'")),
    "unknown name, nothing near": ("models:zzz", ("models has no 'zzz'", "it has", "'Logistic'")),
    "unknown inner name": ("functions:Holder.sqares", ("functions.Holder has no 'sqares'", "'squares'")),
    "not callable": ("functions:number", ("functions:number is of type float", "cannot be called", "loss(parameters")),
    "class that is no model": ("functions:Holder", ("is the class Holder", "name a function, or a model")),
    "class with arguments": ("models:Needy", ("models:Needy cannot be made", "TypeError", "'penalty'", "an object")),
    "keyword": ("functions:keyword", ("functions:keyword requires the keyword 'power'", "wrap it")),
    "too many shapes": ("functions:right --shape 2 --shape 3", ("takes 1 argument(s) (x)", "given 2 time(s)")),
    "too few shapes": ("functions:affine --shape 2", ("takes 2 to 3 argument(s) (W, x, b)", "given 1 time(s)")),
    "f raises": (
        "functions:picky",
        ("functions:picky raises ValueError: I take a matrix of 2 x 3", "functions.py:", "x (5,)", "--shape 3,5"),
    ),
    "f raises for two arguments": (
        "functions:affine --shape 2,3 --shape 4",
        ("raises ValueError", "W (2, 3), x (4,)", "--shape 3,5 --shape 5"),
    ),
    "f returns a vector": ("functions:vectors", ("cannot check functions:vectors", "(5,)")),
    "gradient unknown": ("functions:right --gradient functions:lef", ("functions has no 'lef'",)),
    "gradient not callable": (
        "functions:sum_of_cubes --gradient functions:number",
        ("--gradient functions:number is of type float", "must be a function"),
    ),
    "gradient raises": (
        "functions:sum_of_cubes --gradient functions:crooked_gradient",
        ("cannot check functions:sum_of_cubes", "the gradient gave up"),
    ),
    "gradient of a model": (
        "models:Logistic --gradient functions:right",
        ("--gradient is for functions", "models:Logistic"),
    ),
    "order of a model": ("models:Logistic --order 2", ("--order 2 is for functions",)),
    "shapes of a model": ("models:Logistic --shape 3,2 --shape 3", ("--shape was given 2 times", "that of X")),
    "scalar for a model": ("models:Logistic --shape scalar", ("samples first", "--shape 20,5")),
    "model that raises": ("models:Logistic --shape 7", ("cannot check models:Logistic with X (7,) and y (7,)",)),
    "model without parameters": ("models:homeless", ("cannot check models:homeless", "initial_parameters(X, y)")),
    "no data": ("functions:right --data no.npz", ("cannot read arrays from no.npz: No such file", "numpy.savez")),
    "data that are none": ("functions:right --data functions.py", ("cannot read arrays from functions.py",)),
    "data without the argument": ("functions:affine --data y.npz", ("'W'", "y.npz has no array", "it has 'y'")),
    "data without X": ("models:Logistic --data y.npz", ("'X' and 'y'", "y.npz has no 'X'")),
    "one array for two": ("functions:affine --data y.npy", ("y.npy holds one array", "'W', 'x'", "numpy.savez")),
    "one array for a model": ("models:Logistic --data y.npy", ("y.npy holds one array", "'X', 'y'")),
    "pickled data": ("functions:right --data pickle.npy", ("cannot read arrays from pickle.npy",)),
    "wrong data": ("functions:picky --data x.npz", ("functions:picky raises ValueError", "the file must hold")),
    "shape and data": ("functions:right --shape 3 --data y.npy", ("--shape draws", "--data reads", "one of the two")),
    "shape and data of a model": ("models:Logistic --shape 3 --data x.npz", ("one of the two",)),
    "no folder": ("functions:right --json no/a.json", ("cannot write no/a.json", "no folder no")),
    "a folder": ("functions:sum_of_cubes --json package", ("cannot write package", "directory")),
    "no such picture": ("functions:sum_of_cubes --plot a.xyz", ("cannot write a.xyz", "'xyz'", "png")),
    "shape that is none": ("functions:right --shape 3x4", ("'3x4' is no shape", "3,4", "scalar")),
    "shape of zero": ("functions:right --shape 3,0", ("'3,0' is no shape",)),
    "empty shape": ("functions:right --shape=", ("'' is no shape",)),
    "negative seed": ("functions:right --seed=-1", ("whole number from 0", "'-1'")),
    "no directions": ("functions:right --directions 0", ("whole number from 1", "'0'")),
    "third order": ("functions:right --order 3", ("--order", "3")),
    "half precision": ("functions:right --dtype float16", ("--dtype", "float16")),
    "nothing": ("", ("package.module:name",)),
}


@pytest.mark.parametrize("options, words", MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_explained_and_gives_2(run, project, options, words):
    np.savez(project / "y.npz", y=np.zeros(3))
    np.savez(project / "x.npz", x=np.zeros(3))
    np.save(project / "y.npy", np.zeros(3))
    np.save(project / "pickle.npy", np.array([{}, {}]), allow_pickle=True)
    status, _, err = run(*options.split())
    assert status == 2
    for word in words:
        assert word in err
    assert not [path for path in project.iterdir() if path.name.startswith(".")]


def test_an_interruption_gives_130(run, monkeypatch):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "check_gradient", interrupted)
    assert run("functions:sum_of_cubes")[::2] == (130, "\ngradcheck: interrupted\n")


@pytest.mark.parametrize("count, f", [(1, np.sin), (2, np.arctan2), (1, len)], ids=["sin", "arctan2", "len"])
def test_built_in_functions_tell_how_many_arguments_they_take(rng, count, f):
    assert len(targets.draw_arguments(f, "f", [], None, rng)) == count


def test_help_explains_the_options(run):
    status, out, _ = run("--help")
    options = "--shape --gradient --data --order --directions --seed --dtype --json --plot --html"
    assert status == 0 and all(option in out for option in options.split())


def test_as_a_process_from_the_users_folder(project):
    """The current directory is on the path even where Python was told to leave it out."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1"}
    for gradient, status in (("right", 0), ("wrong", 1), ("missing", 2)):
        options = ["functions:sum_of_cubes", "--gradient", f"functions:{gradient}"]
        argv = [sys.executable, "-m", "tinygrad_ml.gradcheck", *options]
        done = subprocess.run(argv, cwd=project, env=environment, capture_output=True, text=True)
        assert done.returncode == status
        assert done.stdout.startswith("gradient") == (status != 2)
        assert done.stderr == "" if status != 2 else done.stderr.startswith("gradcheck: functions has no 'missing'")
