"""Modules as scikit-learn estimators."""

from .classifier import NeuralClassifier
from .regressor import NeuralRegressor

__all__ = ["NeuralClassifier", "NeuralRegressor"]
