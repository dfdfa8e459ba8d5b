"""A module as text: a tree of its layers, and a table of its shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..graph import no_grad

if TYPE_CHECKING:
    from .module import Module


def tree(module: Module, above: tuple[Module, ...] = ()) -> str:
    """One line for each module, what is inside indented, and for each own parameter its shape.

    A module that is `above` itself is not opened again.
    """
    if any(module is other for other in above):
        return f"{type(module).__name__}(...)"
    own = [f"{name} {parameter.shape}" for name, parameter in module.own_parameters()]
    head = ", ".join(filter(None, [module.extra_repr(), *own]))
    children = module.named_children()
    if not children:
        return f"{type(module).__name__}({head})"
    lines = [f"  ({name}): " + tree(child, (*above, module)).replace("\n", "\n  ") for name, child in children]
    return "\n".join([f"{type(module).__name__}({head}", *lines, ")"])


def table(module: Module, input_shape: Any, dtype: Any) -> str:
    """The modules with the shapes of their outputs and the numbers of their parameters."""
    shapes = _output_shapes(module, input_shape, dtype) if input_shape is not None else {}
    counted: set[int] = set()
    rows = [["module", "kind", "output", "parameters"]]
    for name, part in module.named_modules():
        new = [p for _, p in part.own_parameters() if id(p) not in counted]
        counted.update(map(id, new))
        rows.append([name or "(whole)", type(part).__name__, shapes.get(id(part), ""), f"{sum(p.size for p in new):,}"])
    parameters = list({id(p): p for part in module.modules() for _, p in part.own_parameters()}.values())
    frozen = sum(p.size for p in parameters if not p.requires_grad)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join([*[c.ljust(w) for c, w in zip(row[:3], widths, strict=False)], row[3].rjust(widths[3])])
        for row in rows
    ]
    total = f"{sum(p.size for p in parameters):,} parameters" + (f", {frozen:,} of them frozen" if frozen else "")
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:], total])


def _output_shapes(module: Module, input_shape: Any, dtype: Any) -> dict[int, str]:
    """The shape of what each module answers, when the whole is called with zeros in evaluation."""
    shapes: dict[int, str] = {}
    modules = module.modules()
    training = [part.training for part in modules]
    several = isinstance(input_shape, list)
    inputs = [np.zeros(shape, dtype) for shape in (input_shape if several else [input_shape])]
    forwards = [vars(part).get("forward") for part in modules]
    for part in modules:
        part.forward = _noting(part, shapes)  # type: ignore[method-assign]
    try:
        module.eval()
        with no_grad():
            module(*inputs)
    finally:
        for part, mode, forward in zip(modules, training, forwards, strict=True):
            part.training = mode
            if forward is None:
                del vars(part)["forward"]
            else:
                vars(part)["forward"] = forward
    return shapes


def _noting(module: Module, shapes: dict[int, str]) -> Any:
    forward = module.forward

    def noted(*args: Any, **kwargs: Any) -> Any:
        out = forward(*args, **kwargs)
        shapes[id(module)] = _described(out)
        return out

    return noted


def _described(out: Any) -> str:
    if isinstance(out, (tuple, list)):
        return ", ".join(map(_described, out))
    return str(np.shape(out))
