"""The estimators, one a file; there is none yet. Installed as `tinygrad_ml.models`."""
