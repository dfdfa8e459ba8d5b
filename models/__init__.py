"""The estimators, one a file, each with its derivatives by hand. Installed as `tinygrad_ml.models`."""

from .logistic_regression import LogisticRegression
from .softmax_regression import SoftmaxRegression

__all__ = ["LogisticRegression", "SoftmaxRegression"]
