"""Parameters that step together, in one vector."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..record import raw

_LINE = 64


class Block:
    """Parameters of one dtype in one vector, of which each parameter's array is a view.

    A step over all of them is then a step over one array. What they share is equal for all: how many steps they
    have made and which arrays the optimizer keeps for them. When some of them step and others do not, the block is
    parted for good.

    Parameters
    ----------
    parameters : list of Tensor
    labels : list of str
        What error messages call them.
    steps : int
        How many steps they have made.
    state : dict of str to array
        The optimizer's own vectors, such as a running mean of the gradients.

    Attributes
    ----------
    data, gradient, work : arrays of shape (n,)
        The parameters, a copy of their gradients, and room to calculate in.
    """

    def __init__(
        self, parameters: list[Any], labels: list[str], steps: int = 0, state: dict[str, np.ndarray] | None = None
    ) -> None:
        self.parameters = parameters
        self.labels = labels
        self.steps = steps
        self.state = state or {}
        #: For each parameter, its part of `data` and of `gradient`.
        self._places: list[tuple[np.ndarray, np.ndarray]] = []

    data: np.ndarray
    gradient: np.ndarray
    work: np.ndarray

    def __getstate__(self) -> dict[str, Any]:
        """A copy of a view is no view of the copy, so the vector is laid out anew."""
        return {name: getattr(self, name) for name in ("parameters", "labels", "steps", "state")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def attach(self) -> None:
        """Make each parameter's array a view again, where it is not or another was assigned."""
        if not self._places:
            self._lay_out()
        for parameter, (view, _), label in zip(self.parameters, self._places, self.labels, strict=True):
            array = parameter._data
            if array is not view:
                if array.shape != view.shape or array.dtype != view.dtype:
                    raise RuntimeError(
                        f"step: {label} has become {array.dtype} of shape {array.shape} since its first step, from "
                        f"{view.dtype} of shape {view.shape}; make a new optimizer after changing a model"
                    )
                view[...] = array
                parameter._data = view

    def gather(self) -> bool:
        """Copy the gradients into `gradient`, and see that `data` is the parameters'.

        Returns
        -------
        Whether all parameters have gradients.
        """
        if not self._places:
            if any([parameter._grad is None for parameter in self.parameters]):
                return False
            self._lay_out()
        for parameter, (view, place) in zip(self.parameters, self._places, strict=True):
            gradient = parameter._grad
            if gradient is None:
                return False
            if parameter._data is not view:
                self.attach()
            # For few parameters and for many faster than one call of np.concatenate.
            place[...] = gradient if type(gradient) is np.ndarray else np.asarray(raw(gradient))
        return True

    def slot(self, name: str, value: float = 0.0) -> np.ndarray:
        """The optimizer's vector of this name, at first filled with `value`."""
        if name not in self.state:
            self.state[name] = _vector(self.data.size, self.data.dtype)
            self.state[name].fill(value)
        return self.state[name]

    def parted(self, first: list[bool]) -> tuple[Block, Block]:
        """Two blocks: of the parameters that are marked, and of the others."""
        return self._part(first), self._part([not marked for marked in first])

    def _part(self, chosen: list[bool]) -> Block:
        mask = np.repeat(chosen, [parameter.size for parameter in self.parameters])
        return Block(
            [parameter for parameter, wanted in zip(self.parameters, chosen, strict=True) if wanted],
            [label for label, wanted in zip(self.labels, chosen, strict=True) if wanted],
            self.steps,
            {name: vector[mask] for name, vector in self.state.items()},
        )

    def pieces(self) -> list[tuple[Any, dict[str, np.ndarray]]]:
        """Each parameter with copies of its parts of the state."""
        out = []
        start = 0
        for parameter in self.parameters:
            stop = start + parameter.size
            out.append(
                (parameter, {name: v[start:stop].reshape(parameter.shape).copy() for name, v in self.state.items()})
            )
            start = stop
        return out

    def _lay_out(self) -> None:
        size, dtype = sum([parameter.size for parameter in self.parameters]), self.parameters[0].dtype
        for parameter, label in zip(self.parameters, self.labels, strict=True):
            if parameter.dtype != dtype:
                raise RuntimeError(
                    f"step: {label} is of {parameter.dtype}, and {self.labels[0]} of {dtype}, since one of them was "
                    "changed; make a new optimizer after changing a model"
                )
        self.state = {name: vector.astype(dtype, copy=False) for name, vector in self.state.items()}
        self.data, self.gradient, self.work = [_vector(size, dtype) for _ in range(3)]
        np.concatenate([parameter._data for parameter in self.parameters], axis=None, out=self.data)
        start = 0
        for parameter in self.parameters:
            stop = start + parameter.size
            view, place = [vector[start:stop].reshape(parameter.shape) for vector in (self.data, self.gradient)]
            self._places.append((view, place))
            parameter._data = view
            start = stop


def _vector(size: int, dtype: Any) -> np.ndarray:
    """A vector without values, which begins with a line of the cache: there, vector instructions are faster."""
    spare = _LINE // dtype.itemsize
    room = np.empty(size + spare, dtype)
    start = -room.__array_interface__["data"][0] % _LINE // dtype.itemsize
    return room[start : start + size]
