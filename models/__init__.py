"""The estimators, one a file. Installed as `tinygrad_ml.models`."""

from .k_nearest_density import KNearestDensity
from .k_neighbors import KNeighborsClassifier

__all__ = ["KNearestDensity", "KNeighborsClassifier"]
