"""NaN and infinity found before they get into the parameters."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..record import raw

Named = list[tuple[str, Any]]


def require_finite_gradients(parameters: Named, where: Callable[[], str]) -> None:
    """Refuse gradients that are not finite.

    Raises
    ------
    FloatingPointError
        With the parameters' names and what `where` tells.
    """
    total = 0.0
    for _, parameter in parameters:
        gradient = parameter._grad
        if type(gradient) is np.ndarray:
            total += abs(np.vdot(gradient, gradient))  # one pass, no warnings; it may overflow, so it is but a hint
        elif gradient is not None:
            total = math.nan
    if math.isfinite(total):
        return
    if wrong := _not_finite(parameters, "_grad"):
        raise FloatingPointError(
            f"fit: {where()}, not finite is the gradient of {', '.join(wrong)}; the parameters are as before the step. "
            "Try a smaller learning rate or clip_norm, or find the operation with np.errstate(all='raise')"
        )


def require_finite_parameters(parameters: Named, where: str) -> None:
    """Refuse parameters that a step with finite gradients has made infinite: no later loss may be there to tell.

    Raises
    ------
    FloatingPointError
        With the parameters' names and `where`.
    """
    if wrong := _not_finite(parameters, "_data"):
        raise FloatingPointError(
            f"fit: {where}, not finite are the parameters {', '.join(wrong)}, though all gradients were; "
            "try a smaller learning rate, and look at its schedule"
        )


def error_of_loss(value: float, loss: Any, batch: tuple[Any, ...], parameters: Named, where: str) -> FloatingPointError:
    """What to raise where the loss is not finite: with what else is not."""
    if loss.requires_grad:
        with np.errstate(all="ignore"):
            loss.backward()
    found = [
        f"not finite {verb} {', '.join(names)}"
        for verb, names in (
            ("in the batch are", _not_finite_parts(batch)),
            ("are the parameters", _not_finite(parameters, "_data")),
            ("are the gradients of", _not_finite(parameters, "_grad")),
        )
        if names
    ]
    return FloatingPointError(
        f"fit: {where}, the loss is {value}; {'; '.join(found) or 'the batch, parameters and gradients are finite'}. "
        "The parameters are as before the step. Look at the data, or try a smaller learning rate"
    )


def _not_finite(parameters: Named, slot: str) -> list[str]:
    out = []
    for name, parameter in parameters:
        values = getattr(parameter, slot)
        if values is not None:
            count = np.size(values) - int(np.count_nonzero(np.isfinite(np.asarray(raw(values)))))
            if count:
                out.append(f"{name} ({count} of {np.size(values)} elements)")
    return out


def _not_finite_parts(batch: tuple[Any, ...]) -> list[str]:
    names = [f"input {i}" for i in range(len(batch) - 1)] + ["the targets"]
    arrays = [np.asarray(raw(part)) for part in batch]
    return [
        name
        for name, array in zip(names, arrays, strict=True)
        if array.dtype.kind in "fc" and not np.isfinite(array).all()
    ]
