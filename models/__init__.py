"""The estimators, one a file, each with its derivatives by hand. Installed as `tinygrad_ml.models`."""

from .least_squares import LeastSquaresClassifier
from .logistic_regression import LogisticRegression
from .multilayer_perceptron import MultilayerPerceptron

__all__ = ["LeastSquaresClassifier", "LogisticRegression", "MultilayerPerceptron"]
