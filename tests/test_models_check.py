"""All derivatives by hand against all witnesses, and the table of `python -m models check`."""

from __future__ import annotations

import functools
import inspect
import json
import re
import types

import numpy as np
import pytest

import models
from models import check, least_squares, logistic_regression, multilayer_perceptron, softmax_regression
from models.__main__ import main, table
from tinygrad_ml.gradcheck import Verdict

CASES = [case for name in check.MODELS for case in check.cases(name)]


@pytest.fixture
def few_samples(monkeypatch):
    """For speed, where it does not matter that models work on so many samples at a time."""
    monkeypatch.setattr(check, "_MANY", 24)


@pytest.mark.parametrize("case", CASES, ids=lambda case: repr(case.model))
def test_all_witnesses_agree(case, rng):
    report = check.check_case(case, int(rng.integers(2**32)))
    assert report.ok, report
    for row in report.rows:
        witnesses = check.EXACT[:2] if row.name.split("[")[0].endswith("by layers") else check.EXACT
        for a in witnesses:
            assert all(row.digits(a, b) >= 12 for b in witnesses)
            if len(witnesses) == 3:
                assert row.digits(a, "finite differences") > 9


@pytest.mark.usefixtures("few_samples")
def test_every_model_and_array_has_its_rows():
    assert sorted(check.MODELS) == sorted(models.layered.__all__)
    report = check.check_case(check.cases("MultilayerPerceptron")[-1], 0)
    assert [row.name for row in report.rows] == [
        *(f"gradient[{k}]" for k in range(3)),
        *(f"Hessian product[{k}]" for k in range(3)),
        "loss by layers",
        *(f"gradient by layers[{k}]" for k in range(3)),
        *(f"Hessian product by layers[{k}]" for k in range(3)),
    ]  # fmt: skip
    assert [row.shape for row in report.rows[:3]] == [(5, 5), (6, 4), (5, 3)]
    linear = check.check_case(check.cases("SoftmaxRegression")[0], 0)
    assert [row.name for row in linear.rows][:3] == ["gradient", "Hessian product", "Hessian"]


# Planted errors: each is a piece of a model's source and what a slip makes of it


def planted(module, old, new):
    """The module with an error in it."""
    source = inspect.getsource(module)
    assert source.count(old) == 1, f"{source.count(old)} times in {module.__name__}: {old}"
    wrong = types.ModuleType(module.__name__)
    wrong.__package__ = module.__package__
    exec(compile(source.replace(old, new), module.__file__, "exec"), vars(wrong))
    return wrong


LS, LR, SR, MLP = least_squares, logistic_regression, softmax_regression, multilayer_perceptron
NAMES = {
    LS: "LeastSquaresClassifier", LR: "LogisticRegression", SR: "SoftmaxRegression", MLP: "MultilayerPerceptron",
}  # fmt: skip
BUGS = [
    # module, what it says, what it says with the error, the rows that fail
    (LS, "gradient = _transposed_product(X, pull)", "gradient = -_transposed_product(X, pull)", ["gradient"]),
    (LS, "gradient[:-1] += self.alpha * w", "gradient[:-1] -= self.alpha * w", ["gradient"]),
    (LS, "gradient[:-1] += self.alpha * w", "gradient[:-1] += self.alpha / 2 * w", ["gradient"]),
    (LS, "gradient[:-1] += self.alpha * w", "gradient += self.alpha * parameters", ["gradient"]),
    (LS, "[rows.sum(axis=0)]", "[rows.sum(axis=1)[:3]]", ["gradient", "Hessian product"]),
    (LS, "pull = residual if weight is None else", "pull = residual if True else", ["gradient"]),
    (LS, "product[:-1] += self.alpha * vector[:-1]", "product += self.alpha * vector", ["Hessian product"]),
    (LS, "change = X @ vector[:-1] + vector[-1]", "change = X @ vector[:-1] - vector[-1]", ["Hessian product"]),
    (LS, "np.kron(hessian, np.eye(parameters.shape[1]))", "np.kron(np.eye(parameters.shape[1]), hessian)", ["Hessian"]),
    (LR, "gradient[:-1] += residual @ x", "gradient[:-1] -= residual @ x", ["gradient"]),
    (LR, "gradient[:-1] += residual @ x", "gradient[:-1] += residual[::-1] @ x", ["gradient"]),
    (LR, "gradient /= own", "pass", ["gradient"]),
    (LR, "gradient[:-1] += decay * w", "gradient[:-1] += 2 * decay * w", ["gradient"]),
    (LR, "residual *= weight[rows]", "pass", ["gradient"]),
    (LR, "residual *= half  # half of p - t", "residual *= -half", ["gradient"]),
    (LR, "product /= total", "product /= len(X)", ["Hessian product"]),
    (LR, "product[:-1] += vector[:-1] / (self.C * total)", "product[:-1] -= vector[:-1] / (self.C * total)",
     ["Hessian product"]),
    (LR, "hessian += xbar.T @ xbar", "hessian += xbar.T @ xbar[::-1]", ["Hessian"]),
    (SR, "p[codes, samples] = -others", "p[codes, samples] = others", ["gradient"]),
    (SR, "gradient[:-1] += (p @ x).T", "gradient[:-1] += (p[:, ::-1] @ x).T", ["gradient"]),
    (SR, "gradient /= samples_weigh", "pass", ["gradient"]),
    (SR, "gradient[-1] += p.sum(axis=1)", "gradient[-1] += p.sum(axis=0)[:3]", ["gradient"]),
    (SR, "gradient[:-1] += penalty * W", "gradient[:-1] += penalty / 2 * W", ["gradient"]),
    (SR, "change -= np.sum(p * change, axis=0)", "change += np.sum(p * change, axis=0)", ["Hessian product"]),
    (SR, "product[:-1] += (change @ x).T", "product[:-1] += (change @ x).T[::-1]", ["Hessian product"]),
    (SR, "product[:-1] += vector[:-1] / self.C", "product += vector / self.C", ["Hessian product"]),
    (SR, "blocks[d, c] = blocks[c, d]", "blocks[d, c] = -blocks[c, d]", ["Hessian"]),
    (MLP, "np.sum(delta, axis=0, out=gradient[k][-1])", "gradient[k][-1] = delta.sum(axis=1)[: delta.shape[1]]",
     ["gradient[0]", "gradient[1]", "gradient[2]"]),
    (MLP, "delta *= slope(h[k])", "pass", ["gradient[0]", "gradient[1]"]),
    (MLP, "delta = delta @ w.T\n", "delta = -delta @ w.T\n", ["gradient[1]"]),
    (MLP, "gradient[k][:-1] += strength * w", "gradient[k][:-1] += 2 * strength * w",
     ["gradient[0]", "gradient[1]", "gradient[2]"]),
    (MLP, "lambda h: 1 - h * h,", "lambda h: 1 + h * h,",
     ["gradient[0]", "gradient[1]", *(f"Hessian product[{k}]" for k in range(3))]),
    (MLP, "lambda h: 2 * h * (h * h - 1)", "lambda h: 2 * h * (1 - h * h)",
     ["Hessian product[0]", "Hessian product[1]"]),
    (MLP, "Rdelta @ w.T + delta @ v.T", "Rdelta @ w.T", ["Hessian product[0]", "Hessian product[1]"]),
    (MLP, "Rh[k].T @ delta + h[k].T @ Rdelta", "h[k].T @ Rdelta", ["Hessian product[1]", "Hessian product[2]"]),
    (MLP, "+ strength * v", "- strength * v", [f"Hessian product[{k}]" for k in range(3)]),
    (MLP, "np.sum(p * Rz[-1], axis=1, keepdims=True)", "np.sum(p * Rz[-1], axis=0, keepdims=True)",
     [f"Hessian product[{k}]" for k in range(3)]),
    (MLP, "Rh[k] @ W[:-1] + h[k] @ V[:-1] + V[-1]", "Rh[k] @ W[:-1] + h[k] @ V[:-1]",
     [f"Hessian product[{k}]" for k in range(3)]),
]  # fmt: skip


@pytest.mark.usefixtures("few_samples")
@pytest.mark.parametrize(("module", "old", "new", "failing"), BUGS, ids=[f"{NAMES[bug[0]]}: {bug[2]}" for bug in BUGS])
def test_planted_errors_are_found_and_named(module, old, new, failing, capsys, monkeypatch, tmp_path):
    name = NAMES[module]
    right = check.cases(name)[1 if name == "SoftmaxRegression" else -1]
    wrong = getattr(planted(module, old, new), name)(**right.model.get_params())
    monkeypatch.setattr(check, "cases", lambda name: [right._replace(model=wrong)])
    monkeypatch.setattr(check, "check_model", functools.partial(check.check_model, directions=1))  # for speed
    assert main(["check", name, "--seed", "0", "--json", str(tmp_path / "check.json")]) == 1
    printed = capsys.readouterr().out
    assert "FAIL in 1 of 1 models; --seed 0" in printed and f"\n{name}(" in printed
    (report,) = json.loads((tmp_path / "check.json").read_text())["reports"]
    by_hand = [row for row in report["rows"] if "by layers" not in row["name"] and "loss_gradient" not in row["name"]]
    assert [row["name"] for row in by_hand if not row["ok"]] == failing
    for row in by_hand:
        if row["ok"]:
            continue
        assert re.search(rf"^FAIL +{re.escape(row['name'])} ", printed, re.MULTILINE)
        assert row["digits"]["engine~complex step"] >= 12 > row["digits"]["analytic~engine"]
        assert row["worst"]["given"] != row["worst"]["expected"]
        assert f"{row['name']}{row['worst']['index']}: gradient" in printed


HIDDEN = [
    # These are seen where samples have no weights, or are more than a model works on at a time.
    (LS, "pull = residual if weight is None", "pull = 2 * residual if weight is None", "gradient without weights"),
    (LS, "(extended if weight is None", "(-extended if weight is None", "Hessian without weights"),
    (LR, "float(len(X) if weight is None", "float(len(X) + 1 if weight is None", "gradient without weights"),
    (LR, "residual *= weight[rows]", "residual *= weight[: len(x)]", "gradient"),
    (LR, "gradient[-1] += np.add.reduce(residual)", "gradient[-1] = np.add.reduce(residual)", "gradient"),
    (SR, "p if weight is None", "2 * p if weight is None", "Hessian without weights"),
    (SR, "losses *= weight[first : first + BLOCK]", "losses *= weight[: len(x)]", "loss of loss_gradient"),
    (SR, "product[-1] += change.sum(axis=1)", "product[-1] = change.sum(axis=1)", "Hessian product"),
    (MLP, "np.full((len(y), 1), 1 / len(y))", "np.full((len(y), 1), 2 / len(y))", "gradient without weights[0]"),
]


@pytest.mark.parametrize(("module", "old", "new", "failing"), HIDDEN, ids=[f"{NAMES[b[0]]}: {b[2]}" for b in HIDDEN])
def test_errors_in_what_few_weighted_samples_do_not_reach(module, old, new, failing, monkeypatch):
    """The table was of 24 samples with weights, and passed whatever stood in the other branches."""
    case = check.cases(NAMES[module])[0]
    wrong = getattr(planted(module, old, new), NAMES[module])(**case.model.get_params())
    monkeypatch.setattr(check, "check_model", functools.partial(check.check_model, directions=1))  # for speed
    report = check.check_case(case._replace(model=wrong), 0)
    assert failing in [row.name for row in report.rows if not row.ok]
    assert failing in table([report])


@pytest.mark.usefixtures("few_samples")
def test_the_place_of_an_error_in_one_element():
    class Wrong(models.MultilayerPerceptron):
        def loss_gradient(self, parameters, X, y, sample_weight=None):
            loss, gradient = super().loss_gradient(parameters, X, y, sample_weight)
            gradient[1][2, 3] *= 1 + 1e-10
            return loss, gradient

    case = check.cases("MultilayerPerceptron")[-1]
    report = check.check_case(case._replace(model=Wrong(**case.model.get_params())), 0)
    (row,) = [row for row in report.rows if not row.ok]
    assert row.name == "gradient of loss_gradient[1]" and row.worst.index == (2, 3)
    assert row.worst.given == pytest.approx(row.worst.expected, rel=2e-10)
    assert "digits, not to 12" in row.reason


class Bent(models.LogisticRegression):
    """With a loss that no witness but finite differences can follow."""

    def loss(self, parameters, X, y, sample_weight=None):
        return float(super().loss(np.real(np.asarray(parameters)).astype(float), X, y, sample_weight))


class OfAnotherShape(models.LogisticRegression):
    def gradient(self, parameters, X, y, sample_weight=None):
        return super().gradient(parameters, X, y, sample_weight)[:-1]


class OfAnotherStructure(models.LogisticRegression):
    def hessian_product(self, parameters, vector, X, y, sample_weight=None):
        return [super().hessian_product(parameters, vector, X, y, sample_weight)]


class Raising(models.LogisticRegression):
    def hessian(self, parameters, X, y, sample_weight=None):
        raise IndexError("axis 2 is out of bounds")


class OfAnotherAxis(models.LogisticRegression):
    """What all else is compared with raises, too: that ended the command with a traceback."""

    def _loss_gradient(self, parameters, X, y, weight, total=None):
        return 0.0, X.T @ parameters


@pytest.mark.parametrize(("kind", "name", "reason"), [
    (Bent, "gradient", "not to be checked by the engine and the complex step"),
    (OfAnotherShape, "gradient", r"the gradient of parameters has shape \(4,\), and parameters itself \(5,\)"),
    (OfAnotherStructure, "Hessian product", "has another structure than the arguments"),
    (Raising, "Hessian", "raised IndexError: axis 2 is out of bounds"),
    (OfAnotherAxis, "gradient", "matmul: Input operand 1 has a mismatch"),
    (OfAnotherAxis, "gradient of loss_gradient", "matmul: Input operand 1 has a mismatch"),
    (OfAnotherAxis, "gradient by layers", "matmul: Input operand 1 has a mismatch"),
])  # fmt: skip
@pytest.mark.usefixtures("few_samples")
def test_what_cannot_be_compared_fails_and_says_why(kind, name, reason):
    case = check.cases("LogisticRegression")[0]
    report = check.check_case(case._replace(model=kind()), 0)
    row = next(row for row in report.rows if row.name == name)
    assert row.verdict is Verdict.FAIL and re.search(reason, row.reason), row.reason
    assert row.name in table([report])


# The command


@pytest.mark.usefixtures("few_samples")
def test_the_command_prints_one_table(capsys, tmp_path):
    assert (
        main(["check", "LogisticRegression", "SoftmaxRegression", "--seed", "3", "--json", str(tmp_path / "a.json")])
        == 0
    )
    printed = capsys.readouterr().out
    lines = printed.splitlines()
    assert [line for line in lines if line.startswith(("Log", "Soft"))] == [
        repr(case.model) for name in ("LogisticRegression", "SoftmaxRegression") for case in check.cases(name)
    ]
    rows = [line for line in lines if line.startswith("PASS ")]
    assert len(rows) == 5 * 6 and len({len(line.rstrip("-. ")) > 0 for line in rows}) == 1
    gradient = next(line for line in rows if " gradient  " in line).split()
    assert len(gradient) == 2 + 4 + 6
    assert all(float(digits) >= 12 for digits in (gradient[6], gradient[7], gradient[9]))
    assert lines[-1] == "PASS: all witnesses agree; --seed 3 repeats this check"
    written = json.loads((tmp_path / "a.json").read_text())
    assert written["seed"] == 3 and [report["ok"] for report in written["reports"]] == [True] * 5
    row = written["reports"][0]["rows"][0]
    assert row["name"] == "gradient" and row["digits"]["analytic~engine"] >= 12


@pytest.mark.usefixtures("few_samples")
def test_a_seed_repeats_the_table(capsys):
    outputs = []
    for seed in ("7", "7", "8"):
        main(["check", "LeastSquaresClassifier", "--seed", seed])
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1] and outputs[0] != outputs[2]


@pytest.mark.parametrize(("argv", "message"), [
    (["check", "LogisticRegresion"], "there is no model 'LogisticRegresion'; the nearest is 'LogisticRegression'"),
    (["check", "--seed", "-1"], "must be a whole number from 0, not '-1'"),
    ([], "the following arguments are required: command"),
])  # fmt: skip
def test_bad_arguments(argv, message, capsys):
    with pytest.raises(SystemExit) as error:
        main(argv)
    assert error.value.code == 2 and message in capsys.readouterr().err


def test_an_interrupt_ends_without_a_traceback(capsys, monkeypatch):
    def interrupted(case, seed):
        raise KeyboardInterrupt

    monkeypatch.setattr(check, "check_case", interrupted)
    assert main(["check"]) == 130
    assert capsys.readouterr().err == "\nmodels: interrupted\n"


@pytest.mark.usefixtures("few_samples")
def test_a_file_that_cannot_be_written(capsys, tmp_path):
    assert main(["check", "LogisticRegression", "--json", str(tmp_path / "missing" / "a.json")]) == 2
    assert "cannot write" in capsys.readouterr().err
