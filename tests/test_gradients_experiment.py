"""The experiment gradients: nothing is left out of the audit, and what is wrong is found."""

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import tinygrad_ml as tg
from experiments import Setting, gradients
from experiments.gradients import step_sizes
from experiments.gradients.layers import LAYERS, LOSSES, check_layer
from tinygrad_ml import nn


@pytest.fixture(scope="module")
def article(tmp_path_factory):
    with threadpool_limits(1):
        return gradients.run(Setting(tmp_path_factory.mktemp("gradients"), quick=True))


def test_all_that_was_checked_passes(article):
    for what in ("models", "layers"):
        assert article.metrics[what]["passed"] == article.metrics[what]["checked"] > 3
    assert article.metrics["models"]["largest_disagreement"] < 1e-12
    assert article.metrics["layers"]["largest_distance"] < 1e-13
    assert article.metrics["layers"]["verified_to"] < 1e-8


def test_every_layer_and_loss_is_audited():
    assert {*LAYERS, *LOSSES, "Embedding"} == set(nn.__all__) - {"Module", "Parameter", "init"}


@pytest.mark.parametrize("name", ["MaxPool2d", "LSTM", "Embedding", "CosineEmbeddingLoss"])
def test_layers_pass_one_by_one(name, tmp_path):
    assert check_layer(name, Setting(tmp_path, seed=1)).verdict == "PASS"


def test_a_layer_with_a_wrong_rule_fails(tmp_path, monkeypatch):
    # Of np.tanh itself it would be the rule everywhere, also in the tests that follow.
    wrong = tg.primitive(lambda x: np.tanh(x), lambda g, ans, x: g * (1 - ans))

    class Wrong(nn.Module):
        def forward(self, x):
            return wrong(x)

    monkeypatch.setitem(LAYERS, "Tanh", (lambda rng: Wrong(), (4, 3)))
    assert check_layer("Tanh", Setting(tmp_path)).verdict == "FAIL"


def test_the_valleys_are_where_theory_expects_them(article):
    steps = article.metrics["steps"]
    for name, order in (("forward", 1), ("central", 2), ("extrapolated", 4)):
        expected = 2.0 ** (-53 / (order + 1))
        assert expected / 30 < steps[name]["best_step"] < expected * 30
    errors = [steps[name]["error"] for name in ("forward", "central", "extrapolated", "complex step")]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > 1e-10 and errors[-1] < 1e-15
    assert article.metrics["derivative"]["error"] <= article.metrics["derivative"]["bound"] < 1e-10


def test_the_slope_of_the_textbook_function_is_that_of_the_engine():
    slope = tg.grad(step_sizes.textbook)(1.5)
    assert slope == pytest.approx(float(step_sizes.slope_of_textbook(np.longdouble(1.5))), rel=1e-15)
    assert slope == pytest.approx(4.05342789389862, rel=1e-14)  # Squire and Trapp's table


def test_the_planted_bug_is_found_and_nothing_else(article):
    bug = article.metrics["bug"]
    assert bug["verdict"] == "FAIL" and bug["blamed"] == ["squash"] and bug["blamed_without_bug"] == []
    assert bug["loss_with_bug"] < 2, "the wrong gradient trains, which is why it has to be looked for"
