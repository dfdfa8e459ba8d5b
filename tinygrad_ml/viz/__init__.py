"""Pictures: the graph of a computation, learning curves, decision boundaries, confusion matrices."""

from .boundaries import plot_decision_boundary
from .confusion import plot_confusion_matrix
from .curves import plot_history
from .dot import to_dot
from .graph import draw_graph

__all__ = ["draw_graph", "plot_confusion_matrix", "plot_decision_boundary", "plot_history", "to_dot"]
