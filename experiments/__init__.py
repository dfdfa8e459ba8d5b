"""Experiments. Run as ``python -m experiments`` in a checkout, installed as `tinygrad_ml.experiments`.

An experiment is a module or a package with a ``TITLE`` and a function ``run(setting)`` that takes a `Setting` and
returns an `Article`: figures, tables, numbers, and the text around them. It imports models from `tinygrad_ml.models`,
which is there wherever the package is installed, be it as a link to a checkout.
"""

from .article import Article
from .setting import Setting

#: What can be run, in the order of the report: the module of each name, and what it is about.
EXPERIMENTS = {
    "knn": "k nearest neighbours: decision boundaries and densities",
    "least_squares": "linear least squares as a classifier, and what outliers do to it",
    "digits": "softmax regression on handwritten digits, its gradient by hand, and what layers add",
    "century": "the century of a song from its sound: logistic regression by minibatches",
    "gradients": "every gradient here, checked by three witnesses",
    "sweep": "a search for hyperparameters on one machine or on a cluster",
}

#: The experiments that read the file given as ``--data``.
READS_DATA = ("century",)

__all__ = ["EXPERIMENTS", "READS_DATA", "Article", "Setting"]
