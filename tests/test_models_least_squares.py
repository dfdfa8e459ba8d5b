"""Classification by least squares."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from models import LeastSquaresClassifier, MultilayerPerceptron


@parametrize_with_checks([LeastSquaresClassifier(), MultilayerPerceptron()])
def test_the_contract_of_scikit_learn(estimator, check, monkeypatch):
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")  # without it one check skips itself
    check(estimator)
