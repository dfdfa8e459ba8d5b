"""The graph of a computation in the language of Graphviz."""

from __future__ import annotations

from typing import Any

from .boxes import record
from .style import EDGES, FILLS


def to_dot(what: Any, *args: Any, module: Any = None, limit: int = 200) -> str:
    """The graph of a computation as Graphviz DOT text.

    Parameters
    ----------
    what, *args, module, limit
        As for `draw_graph`.

    Returns
    -------
    str
        For ``dot -Tsvg``, or for the Python package ``graphviz``.

    Examples
    --------
    >>> import numpy as np
    >>> print(to_dot(lambda x: np.sum(x**2), np.ones(3)))
    digraph computation {
      node [shape=box, style="rounded,filled", fontname="Helvetica"];
      n0 [label="x\\n3", fillcolor="#D9EAF6", color="#0072B2"];
      n1 [label="power(·, 2)\\n3", fillcolor="#F5F5F5", color="#8A8A8A"];
      n2 [label="sum\\n= 3", fillcolor="#FCEFD2", color="#E69F00"];
      n0 -> n1;
      n1 -> n2;
    }
    """
    boxes, arrows = record(what, args, module, limit, "to_dot")
    lines = ["digraph computation {", '  node [shape=box, style="rounded,filled", fontname="Helvetica"];']
    for i, box in enumerate(boxes):
        label = r"\n".join(_escaped(line) for line in (box.title, box.detail) if line)
        lines.append(f'  n{i} [label="{label}", fillcolor="{FILLS[box.kind]}", color="{EDGES[box.kind]}"];')
    lines += [f"  n{source} -> n{target};" for source, target in arrows]
    return "\n".join([*lines, "}"])


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
