"""Training: one call that fits a module to data, and what happened in it."""

from . import checkpoints
from .callbacks import Callback, EarlyStopping
from .checkpoints import Checkpoint
from .evaluation import accuracy, evaluate
from .fit import fit
from .history import History
from .run import Run

__all__ = ["Callback", "Checkpoint", "EarlyStopping", "History", "Run", "accuracy", "checkpoints", "evaluate", "fit"]
