"""Losses as modules: a function of `tinygrad_ml.functional` with its arguments chosen."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import functional
from .module import Module


class _Loss(Module):
    """A loss that keeps its reduction."""

    _reductions: tuple[str, ...] = ("mean", "sum", "none")

    def __init__(self, reduction: str = "mean") -> None:
        if reduction not in self._reductions:
            known = ", ".join(map(repr, self._reductions[:-1]))
            raise ValueError(
                f"{type(self).__name__}: reduction must be {known} or {self._reductions[-1]!r}, got {reduction!r}"
            )
        self.reduction = reduction

    def _register(self, name: str, weight: Any) -> None:
        """Weights belong to the state, as in PyTorch, and follow `to`."""
        array = None if weight is None else np.asarray(weight)
        self.register_buffer(name, array if array is None or array.dtype.kind == "f" else array.astype(float))

    def extra_repr(self) -> str:
        return ", ".join(
            f"{name}={value}" for name, value in vars(self).items() if isinstance(value, (str, int, float))
        )


class CrossEntropyLoss(_Loss):
    """`tinygrad_ml.functional.cross_entropy` of logits and labels, or probabilities of classes.

    Parameters
    ----------
    weight : array of shape (n_classes,), optional
    ignore_index : int, default=-100
    reduction : {"mean", "sum", "none"}
    label_smoothing : float, default=0.0

    Examples
    --------
    >>> import numpy as np
    >>> loss = CrossEntropyLoss()
    >>> round(float(loss(np.array([[2.0, 0.0], [0.0, 0.0]]), np.array([0, 1]))), 4)
    0.41
    """

    weight: np.ndarray | None

    def __init__(
        self, weight: Any = None, ignore_index: int = -100, reduction: str = "mean", label_smoothing: float = 0.0
    ) -> None:
        super().__init__(reduction)
        self._register("weight", weight)
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing

    def forward(self, input: Any, target: Any) -> Any:
        return functional.cross_entropy(
            input, target, self.reduction, self.weight, self.ignore_index, self.label_smoothing
        )


class NLLLoss(_Loss):
    """`tinygrad_ml.functional.nll_loss` of log-probabilities and labels.

    Parameters
    ----------
    weight : array of shape (n_classes,), optional
    ignore_index : int, default=-100
    reduction : {"mean", "sum", "none"}

    Examples
    --------
    >>> import numpy as np
    >>> float(NLLLoss()(np.log([[0.5, 0.5], [0.2, 0.8]]), np.array([0, 1])).round(4))
    0.4581
    """

    weight: np.ndarray | None

    def __init__(self, weight: Any = None, ignore_index: int = -100, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self._register("weight", weight)
        self.ignore_index = ignore_index

    def forward(self, input: Any, target: Any) -> Any:
        return functional.nll_loss(input, target, self.reduction, self.weight, self.ignore_index)


class BCELoss(_Loss):
    """`tinygrad_ml.functional.binary_cross_entropy` of probabilities.

    Parameters
    ----------
    weight : array, optional
        Multiplies the losses.
    reduction : {"mean", "sum", "none"}

    Examples
    --------
    >>> import numpy as np
    >>> float(BCELoss()(np.array([0.5, 0.5]), np.array([0.0, 1.0])).round(4))
    0.6931
    """

    weight: np.ndarray | None

    def __init__(self, weight: Any = None, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self._register("weight", weight)

    def forward(self, input: Any, target: Any) -> Any:
        return functional.binary_cross_entropy(input, target, self.reduction, self.weight)


class BCEWithLogitsLoss(_Loss):
    """`tinygrad_ml.functional.binary_cross_entropy_with_logits`.

    Parameters
    ----------
    weight : array, optional
        Multiplies the losses.
    reduction : {"mean", "sum", "none"}
    pos_weight : array, optional
        Multiplies the positive parts of the losses.

    Examples
    --------
    >>> import numpy as np
    >>> float(BCEWithLogitsLoss()(np.array([0.0, 1e4]), np.array([0.0, 1.0])).round(4))
    0.3466
    """

    weight: np.ndarray | None
    pos_weight: np.ndarray | None

    def __init__(self, weight: Any = None, reduction: str = "mean", pos_weight: Any = None) -> None:
        super().__init__(reduction)
        self._register("weight", weight)
        self._register("pos_weight", pos_weight)

    def forward(self, input: Any, target: Any) -> Any:
        return functional.binary_cross_entropy_with_logits(input, target, self.reduction, self.pos_weight, self.weight)


class MSELoss(_Loss):
    """`tinygrad_ml.functional.mse_loss`, the squared difference.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}

    Examples
    --------
    >>> import numpy as np
    >>> float(MSELoss()(np.array([1.0, 2.0]), np.array([0.0, 0.0])))
    2.5
    """

    def forward(self, input: Any, target: Any) -> Any:
        return functional.mse_loss(input, target, self.reduction)


class L1Loss(_Loss):
    """`tinygrad_ml.functional.l1_loss`, the absolute difference.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}

    Examples
    --------
    >>> import numpy as np
    >>> float(L1Loss()(np.array([1.0, 2.0]), np.array([0.0, 4.0])))
    1.5
    """

    def forward(self, input: Any, target: Any) -> Any:
        return functional.l1_loss(input, target, self.reduction)


class SmoothL1Loss(_Loss):
    """`tinygrad_ml.functional.smooth_l1_loss`.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}
    beta : float, default=1.0

    Examples
    --------
    >>> import numpy as np
    >>> SmoothL1Loss(reduction="none", beta=2.0)(np.array([1.0, 3.0]), np.array([0.0, 0.0]))
    array([0.25, 2.  ])
    """

    def __init__(self, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction)
        self.beta = beta

    def forward(self, input: Any, target: Any) -> Any:
        return functional.smooth_l1_loss(input, target, self.reduction, self.beta)


class HuberLoss(_Loss):
    """`tinygrad_ml.functional.huber_loss`.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}
    delta : float, default=1.0

    Examples
    --------
    >>> import numpy as np
    >>> HuberLoss(reduction="none")(np.array([0.5, 3.0]), np.array([0.0, 0.0]))
    array([0.125, 2.5  ])
    """

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction)
        self.delta = delta

    def forward(self, input: Any, target: Any) -> Any:
        return functional.huber_loss(input, target, self.reduction, self.delta)


class KLDivLoss(_Loss):
    """`tinygrad_ml.functional.kl_div` of log-probabilities from probabilities.

    Parameters
    ----------
    reduction : {"mean", "batchmean", "sum", "none"}
    log_target : bool, default=False

    Examples
    --------
    >>> import numpy as np
    >>> loss = KLDivLoss(reduction="batchmean")
    >>> float(loss(np.log([[0.5, 0.5]]), np.array([[1.0, 0.0]])).round(4))
    0.6931
    """

    _reductions = ("mean", "batchmean", "sum", "none")

    def __init__(self, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__(reduction)
        self.log_target = log_target

    def forward(self, input: Any, target: Any) -> Any:
        return functional.kl_div(input, target, self.reduction, self.log_target)


class HingeLoss(_Loss):
    """`tinygrad_ml.functional.hinge_loss`, the loss of a support vector machine; PyTorch has none of this name.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}

    Examples
    --------
    >>> import numpy as np
    >>> float(HingeLoss()(np.array([2.0, 0.5]), np.array([1, -1])))
    0.75
    """

    def forward(self, input: Any, target: Any) -> Any:
        return functional.hinge_loss(input, target, self.reduction)


class CosineEmbeddingLoss(_Loss):
    """`tinygrad_ml.functional.cosine_embedding_loss` of pairs that shall be alike (1) or not (-1).

    Parameters
    ----------
    margin : float, default=0.0
    reduction : {"mean", "sum", "none"}

    Examples
    --------
    >>> import numpy as np
    >>> float(CosineEmbeddingLoss()(np.array([[1.0, 0.0]]), np.array([[0.0, 2.0]]), np.array([1])))
    1.0
    """

    def __init__(self, margin: float = 0.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = margin

    def forward(self, input1: Any, input2: Any, target: Any) -> Any:
        return functional.cosine_embedding_loss(input1, input2, target, self.reduction, self.margin)
