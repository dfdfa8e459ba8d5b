"""Ways to the minimum of a loss that is a function of one array of parameters.

Two are endless generators, so that whoever follows a curve decides when it ends: `gradient_descent` and
`stochastic_gradient_descent`. They yield a `Step` an update, and `descend` consumes them. Two end by themselves:
`lbfgs` and `newton`. All that end answer with a `Solution`, which is finite, and warn where it is not the minimum.

A loss and its gradient come from one function, ``loss_gradient(parameters)``; that of the minibatches takes the rows
too: ``loss_gradient(parameters, rows)``. Parameters are an array of any shape for the generators, and a vector for
`lbfgs` and `newton`.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np
import scipy.linalg
import scipy.optimize
from sklearn.exceptions import ConvergenceWarning

LossGradient = Callable[[np.ndarray], tuple[float, np.ndarray]]
BatchLossGradient = Callable[[np.ndarray, np.ndarray], tuple[float, np.ndarray]]

_EPS = float(np.finfo(np.float64).eps)
#: A step of Newton's must lower the loss by this part of what the slope promises (Armijo's condition), or is halved.
_SUFFICIENT = 1e-4
#: L-BFGS is at the minimum where its own, rough Hessian promises the loss to fall by no more than this part; of losses
#: below 1 by no more than this, since that is how SciPy decides when to stop.
_NEGLIGIBLE = 1e-12
#: Losses that end so much above the first one did not merely fluctuate.
_RISEN = 1.5


class Step(NamedTuple):
    """An update: the parameters after it, and the loss and the gradient it was made of, which are those before it."""

    parameters: np.ndarray
    loss: float
    gradient: np.ndarray


class Solution(NamedTuple):
    """Where a solver ended, after how many updates, and the loss before each of them where it was noted."""

    parameters: np.ndarray
    n_iter: int
    loss_curve: list[float]


def gradient_descent(loss_gradient: LossGradient, start: np.ndarray, learning_rate: float) -> Iterator[Step]:
    """``parameters - learning_rate * gradient``, again and again; nothing stops it, not even an overflow.

    Examples
    --------
    >>> steps = gradient_descent(lambda x: (x @ x / 2, x), np.array([8.0]), 0.5)
    >>> [step.parameters.item() for step in itertools.islice(steps, 3)]
    [4.0, 2.0, 1.0]
    """
    parameters = start
    while True:
        with np.errstate(over="ignore", invalid="ignore"):
            loss, gradient = loss_gradient(parameters)
            parameters = parameters - learning_rate * gradient
        yield Step(parameters, loss, gradient)


def stochastic_gradient_descent(
    loss_gradient: BatchLossGradient,
    start: np.ndarray,
    learning_rate: float,
    n_samples: int,
    batch_size: int,
    rng: np.random.RandomState,
) -> Iterator[Step]:
    """``parameters - learning_rate * gradient`` of one minibatch after the other.

    Each epoch shuffles the rows by a permutation and cuts them into batches of `batch_size`; a last one that is shorter
    is skipped. Where there are fewer rows than that, all of them are the batch.

    Examples
    --------
    >>> steps = stochastic_gradient_descent(
    ...     lambda x, rows: (0.0, np.float64(rows)), np.zeros(2), 1.0, 5, 2, np.random.RandomState(0))
    >>> [step.gradient.astype(int).tolist() for step in itertools.islice(steps, 3)]
    [[2, 0], [1, 3], [0, 2]]
    """
    parameters = start
    for rows in minibatches(n_samples, batch_size, rng):
        with np.errstate(over="ignore", invalid="ignore"):
            loss, gradient = loss_gradient(parameters, rows)
            parameters = parameters - learning_rate * gradient
        yield Step(parameters, loss, gradient)


def minibatches(n_samples: int, batch_size: int, rng: np.random.RandomState) -> Iterator[np.ndarray]:
    """The rows of one minibatch after the other, without end, as `stochastic_gradient_descent` takes them."""
    batch_size = min(batch_size, n_samples)
    while True:
        order = rng.permutation(n_samples)
        for first in range(0, n_samples - batch_size + 1, batch_size):
            yield order[first : first + batch_size]


def descend(name: str, steps: Iterable[Step], start: np.ndarray, max_iter: int, tol: float | None = None) -> Solution:
    """At most `max_iter` updates, fewer where no element of the gradient is above `tol`.

    With ``tol=None`` the updates are as many as were asked for, which is not a failure to converge.

    Parameters
    ----------
    name : str
        Who is fitted, for the warnings.
    steps : iterable of Step
    start : array
        The parameters before the first step.
    max_iter : int
    tol : float, optional

    Warns
    -----
    ConvergenceWarning
        Where the loss or the gradient became infinite or NaN, and the answer is what the parameters were when both were
        finite; where the loss rose; and with a `tol`, where it was not reached.
    """
    parameters = before = start
    curve: list[float] = []
    # One step more than there are updates: it judges what the last update led to.
    for step in itertools.islice(steps, max_iter + 1):
        if not (np.isfinite(step.loss) and np.isfinite(step.gradient).all()):
            warn(
                f"{name}: the loss became {step.loss} after {len(curve)} updates, and the parameters are the last "
                "finite ones; lower learning_rate, or standardise X"
            )
            return Solution(before, len(curve), curve)
        if tol is not None and largest(step.gradient) <= tol:
            return Solution(parameters, len(curve), curve)
        if len(curve) == max_iter:
            break
        curve.append(float(step.loss))
        before, parameters = parameters, step.parameters
    last = float(np.mean(curve[-max(1, max_iter // 10) :]))
    if last > _RISEN * curve[0]:
        warn(
            f"{name}: the loss rose from {curve[0]:.4g} to {last:.4g} in {max_iter} updates; lower learning_rate, or "
            "standardise X"
        )
    elif tol is not None:
        warn(
            f"{name}: the gradient's largest element is {largest(step.gradient):.2g} after max_iter={max_iter} "
            f"updates, above tol={tol:.2g}; raise max_iter or learning_rate, or standardise X"
        )
    return Solution(parameters, len(curve), curve)


def lbfgs(name: str, loss_gradient: LossGradient, start: np.ndarray, max_iter: int, tol: float) -> Solution:
    """Limited-memory BFGS, SciPy's, until no element of the gradient is above `tol` or rounding decides.

    Parameters
    ----------
    name : str
        Who is fitted, for the warnings.
    loss_gradient : callable
    start : array of shape (n_parameters,)
    max_iter : int
    tol : float

    Warns
    -----
    ConvergenceWarning
        Where `max_iter` did not suffice, no lower loss was found, or there is no finite loss to begin with.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        result = scipy.optimize.minimize(
            loss_gradient,
            start,
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": max_iter, "maxfun": 100 * max_iter, "gtol": tol, "ftol": _EPS, "maxls": 50},
        )
    return judged(name, result, start, max_iter, tol)


def judged(name: str, result: scipy.optimize.OptimizeResult, start: np.ndarray, max_iter: int, tol: float) -> Solution:
    """What SciPy's L-BFGS-B found, with a warning as of `lbfgs` where it is not the minimum."""
    if not (np.isfinite(result.fun) and np.isfinite(result.x).all()):
        warn(f"{name}: the loss became {result.fun}, and the parameters are those of the start; standardise X")
        return Solution(start, 0, [])
    # SciPy calls it a success, too, where a line search crept to a halt on the way down.
    promised = float(result.jac @ result.hess_inv.dot(result.jac))
    if largest(result.jac) > tol and promised > _NEGLIGIBLE * max(1.0, abs(result.fun)):
        reason = "stopped after" if result.status == 1 else "found no lower loss after"
        _warn_of_the_end(name, "lbfgs", reason, result.nit, max_iter, largest(result.jac), tol)
    return Solution(result.x, int(result.nit), [])


def newton(
    name: str,
    loss_gradient: LossGradient,
    hessian: Callable[[np.ndarray], np.ndarray],
    start: np.ndarray,
    max_iter: int,
    tol: float,
) -> Solution:
    """Newton's method for a convex loss, until no element of the gradient is above `tol` or rounding decides.

    A step ``-H^-1 g`` is halved until it lowers the loss enough. H is scaled to a diagonal of ones and a little is
    added there, more where it is not positive definite even so: columns that are constant, repeated or zero do no harm.

    Parameters
    ----------
    name : str
        Who is fitted, for the warnings.
    loss_gradient, hessian : callable
        The Hessian's shape is (n_parameters, n_parameters).
    start : array of shape (n_parameters,)
    max_iter : int
    tol : float

    Warns
    -----
    ConvergenceWarning
        Where `max_iter` did not suffice, no lower loss was found, or there is no finite loss to begin with.

    Examples
    --------
    >>> H = np.array([[2.0, 1.0], [1.0, 2.0]])
    >>> newton("quadratic", lambda x: (x @ H @ x / 2 - x[0], H @ x - [1, 0]), lambda x: H, np.zeros(2), 10, 1e-8).n_iter
    1
    """
    parameters = start
    with np.errstate(over="ignore", invalid="ignore"):
        loss, gradient = loss_gradient(parameters)
        if not (np.isfinite(loss) and np.isfinite(gradient).all()):
            warn(f"{name}: the loss became {loss}, and the parameters are those of the start; standardise X")
            return Solution(start, 0, [])
        for n_iter in range(max_iter):
            if largest(gradient) <= tol:
                return Solution(parameters, n_iter, [])
            direction = _newton_direction(hessian(parameters), gradient)
            promised = -float(gradient @ direction)
            if _tells(promised, loss):
                found = _line_search(loss_gradient, parameters, loss, direction, promised)
            else:
                found = _last_step(loss_gradient, parameters, gradient, direction)
            if found is None:
                if _tells(promised, loss):
                    _warn_of_the_end(
                        name, "newton", "found no lower loss after", n_iter, max_iter, largest(gradient), tol
                    )
                return Solution(parameters, n_iter, [])
            parameters, loss, gradient = found
    if largest(gradient) > tol:
        _warn_of_the_end(name, "newton", "stopped after", max_iter, max_iter, largest(gradient), tol)
    return Solution(parameters, max_iter, [])


def _newton_direction(hessian: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """``-H^-1 g``, a direction in which the loss falls also where H is singular."""
    diagonal = hessian.diagonal()
    scale = np.where(diagonal > 0, diagonal, 1.0) ** -0.5
    scaled = hessian * scale[:, None] * scale
    damping = 16 * _EPS * len(gradient)
    while True:
        np.fill_diagonal(scaled, 1 + damping)
        try:
            factor = scipy.linalg.cho_factor(scaled, lower=True, check_finite=False)
        except scipy.linalg.LinAlgError:
            damping *= 100
            continue
        return -scale * scipy.linalg.cho_solve(factor, scale * gradient, check_finite=False)


def _line_search(
    loss_gradient: LossGradient, parameters: np.ndarray, loss: float, direction: np.ndarray, promised: float
) -> tuple[np.ndarray, float, np.ndarray] | None:
    """The parameters, the loss and the gradient after the longest step of 1, 1/2, 1/4, ... that lowers the loss enough.

    None where none does.
    """
    length = 1.0
    while length > _EPS and _tells(length * promised, loss):
        there = parameters + length * direction
        new_loss, gradient = loss_gradient(there)
        if new_loss <= loss - _SUFFICIENT * length * promised and np.isfinite(gradient).all():
            return there, new_loss, gradient
        length /= 2
    return None


def _last_step(
    loss_gradient: LossGradient, parameters: np.ndarray, gradient: np.ndarray, direction: np.ndarray
) -> tuple[np.ndarray, float, np.ndarray] | None:
    """The whole step where the loss no longer tells, but the gradient still does; None where it does not either."""
    there = parameters + direction
    loss, new_gradient = loss_gradient(there)
    return (there, loss, new_gradient) if largest(new_gradient) < largest(gradient) / 2 else None


def _tells(promised: float, loss: float) -> bool:
    """Whether a fall of the loss by so much is not lost in its rounding errors."""
    return promised > 4 * _EPS * abs(loss)


def largest(gradient: np.ndarray) -> float:
    """The size of the largest element."""
    return float(np.max(np.abs(gradient), initial=0.0))


def _warn_of_the_end(name: str, solver: str, reason: str, n_iter: int, max_iter: int, size: float, tol: float) -> None:
    warn(
        f'{name}: solver="{solver}" {reason} {n_iter} iterations (max_iter={max_iter}) where the gradient\'s largest '
        f"element is {size:.2g}, above tol={tol:.2g}; standardise X, raise max_iter or penalise more"
    )


def warn(message: str) -> None:
    """Warn that a fit is not the minimum; the message says what to do."""
    warnings.warn(message, ConvergenceWarning, stacklevel=2)
