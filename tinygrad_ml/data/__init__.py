"""Data sets, their splits, and minibatches of them."""

from .datasets import load_digits, standardize
from .gaussian_classes import GaussianClasses
from .minibatches import Minibatches, minibatches
from .splits import train_validation_test_split
from .synthetic import make_sequences, make_spirals, make_year_prediction_like
from .year_prediction import YearPrediction, load_year_prediction_msd

__all__ = [
    "GaussianClasses",
    "Minibatches",
    "YearPrediction",
    "load_digits",
    "load_year_prediction_msd",
    "make_sequences",
    "make_spirals",
    "make_year_prediction_like",
    "minibatches",
    "standardize",
    "train_validation_test_split",
]
