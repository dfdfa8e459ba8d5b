"""Experiments, one a file. Run as ``python -m experiments`` in a checkout, installed as `tinygrad_ml.experiments`."""

#: What can be run: each name is a module with ``run(out, seed, steps)``.
EXPERIMENTS = {
    "digits": "softmax regression on scikit-learn's handwritten digits",
}
