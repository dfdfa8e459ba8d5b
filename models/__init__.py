"""The estimators, one a file, each with its derivatives by hand. Installed as `tinygrad_ml.models`.

`layered` has those that learn by gradients once more, composed of layers. The others import nothing of `tinygrad_ml`.
"""

from __future__ import annotations

import importlib
from typing import Any

from .k_nearest_density import KNearestDensity
from .k_neighbors import KNeighborsClassifier
from .least_squares import LeastSquaresClassifier
from .logistic_regression import LogisticRegression
from .multilayer_perceptron import MultilayerPerceptron
from .softmax_regression import SoftmaxRegression

__all__ = [
    "KNearestDensity",
    "KNeighborsClassifier",
    "LeastSquaresClassifier",
    "LogisticRegression",
    "MultilayerPerceptron",
    "SoftmaxRegression",
    "layered",
]


def __getattr__(name: str) -> Any:
    if name == "layered":  # loads tinygrad_ml, which only those need who ask for it
        return importlib.import_module(".layered", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
