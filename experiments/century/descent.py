"""Minibatch gradient descent, and what its learning rate does: the sheet's 2 (e) and (f)."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from tinygrad_ml.models import LogisticRegression

from ..article import Article
from ..drawing import panels, plain_log_ticks, styles
from ..setting import Setting
from .gradient import cost, pred, source
from .songs import Part, Songs

UPDATES = 100
RATES = (0.005, 0.1, 5)
#: Where logarithmic axes of losses have ticks, in each power of ten.
TICKS = (1, 1.5, 2, 3, 5, 7)


@dataclass(frozen=True)
class Run:
    """What is seen of a run: the parameters after so many updates, and their validation loss."""

    updates: list[int]
    thetas: list[np.ndarray]
    loss: list[float]

    @property
    def theta(self) -> np.ndarray:
        return self.thetas[-1]

    @property
    def last(self) -> float:
        return self.loss[-1]


def run_gradient_descent(
    train: Part,
    validation: Part,
    theta: np.ndarray,
    mu: float = 0.1,
    batch_size: int = 100,
    max_iters: int = UPDATES,
    every: int = 10,
    seed: int = 0,
) -> Run:
    """Minibatch gradient descent from ``theta = [w, b]``, which stays as it is."""
    model = LogisticRegression(solver="sgd", learning_rate=mu, batch_size=batch_size, random_state=seed)
    updates, thetas = [0], [theta]
    steps = itertools.islice(model.steps(train.X, train.t, parameters=theta), max_iters)
    for update, theta in enumerate(steps, 1):
        if update % every == 0:
            updates.append(update)
            thetas.append(theta)
    return Run(updates, thetas, [loss(theta, validation) for theta in thetas])


def accuracy(theta: np.ndarray, part: Part) -> float:
    """The fraction of songs on whose side of 1/2 the probability is."""
    return float(np.mean((pred(theta[:-1], theta[-1], part.X) >= 0.5) == part.t))


def loss(theta: np.ndarray, part: Part) -> float:
    """The mean cross-entropy of the songs."""
    return float(cost(theta[:-1], theta[-1], part.X, part.t))


def shared(songs: Songs, start: np.ndarray, runs: list[dict[str, Any]], seed: int) -> list[Run]:
    """Runs as the sheet makes them: ``w = w0; w -= ...`` writes into w0, where the next run starts; b starts anew."""
    found: list[Run] = []
    for options in runs:
        w = found[-1].theta[:-1] if found else start[:-1]
        found.append(
            run_gradient_descent(
                songs.train, songs.validation, np.append(w, start[-1]), seed=seed + len(found), **options
            )
        )
    return found


def report(article: Article, setting: Setting, songs: Songs) -> None:
    """Parts (e) and (f) of question 2."""
    seed = setting.random_state("batches")
    article.question("2 (e) Write minibatch stochastic gradient descent.")
    article.formula(r"\theta \leftarrow \theta - \mu \frac{1}{B} \sum_{n \in \mathrm{batch}} (y_n - t_n) [x_n, 1]")
    article.text(
        "Each epoch shuffles the songs by a permutation and cuts them into batches of $B$; a last one that is shorter "
        'is skipped. That is `models.LogisticRegression(solver="sgd")`, whose `steps(X, t, parameters=...)` yields '
        "the parameters after every update, in a new array each time. Every tenth update the validation loss is "
        "measured."
    )
    article.code(source(run_gradient_descent))
    zeros = np.zeros(songs.train.X.shape[1] + 1)
    run = run_gradient_descent(songs.train, songs.validation, zeros, seed=seed)
    article.answer(
        f"From zeros, {UPDATES} updates with $\\mu$ = 0.1 and batches of 100, as the function has them by default, see "
        f"{UPDATES * 100 / len(songs.train):.2f} times the {len(songs.train):,} training songs. The validation loss "
        f"falls from {run.loss[0]:.3f} to {run.last:.3f}, and {accuracy(run.theta, songs.validation):.1%} of the "
        "validation songs are right."
    )
    _rates(article, songs, seed)


def _rates(article: Article, songs: Songs, seed: int) -> None:
    article.question(
        "2 (f) From zeros: show that convergence is slow if the learning rate $\\mu$ is too small, and that there is "
        "none if it is too large."
    )
    zeros = np.zeros(songs.train.X.shape[1] + 1)
    apart = [run_gradient_descent(songs.train, songs.validation, zeros, mu, seed=seed) for mu in RATES]
    chained = shared(songs, zeros, [{"mu": mu} for mu in RATES], seed)
    figure, axes = panels(1, 2, sharey=True)
    for ax, runs, title in zip(
        axes, (apart, chained), ("each run from zeros", "as on the sheet: one w for all"), strict=True
    ):
        for mu, run, style in zip(RATES, runs, styles(3), strict=True):
            ax.semilogy(run.updates, run.loss, label=f"$\\mu$ = {mu}", markersize=4, **style)
        ax.set(xlabel="update", title=title)
    axes[0].set_ylabel("validation loss (nats)")
    axes[0].legend()
    plain_log_ticks(axes[0].yaxis, TICKS)
    article.figure(
        "learning_rates",
        figure,
        f"Validation loss of runs of {UPDATES} updates with batches of 100. Left: every run starts from zeros. Right: "
        "as on the sheet, where each run starts with the weights that the run before it left.",
    )
    slow, good, large = apart
    curvature = float(np.linalg.eigvalsh(LogisticRegression().hessian(zeros, songs.train.X, songs.train.t))[-1])
    article.text(
        "Why there is a limit: in the direction of the largest eigenvalue $\\lambda$ of the Hessian an update "
        "multiplies the distance from the minimum by $1 - \\mu \\lambda$, and from $\\mu = 2 / \\lambda$ on that is no "
        f"contraction. At $\\theta = 0$, $\\lambda$ = {curvature:.3g} and $2 / \\lambda$ = {2 / curvature:.2g}."
    )
    article.answer(
        f"With $\\mu$ = {RATES[0]} the loss falls from {slow.loss[0]:.3f} to no less than {slow.last:.3f} in {UPDATES} "
        f"updates; with {RATES[1]} to {good.last:.3f}. With {RATES[2]}, {RATES[2] * curvature / 2:.1f} times the "
        f"limit, it is {min(large.loss[1:]):.2f} to {max(large.loss[1:]):.2f} from the tenth update on and "
        f"{large.last:.2f} in the end"
        + (", above the loss of guessing: no convergence." if large.last > large.loss[0] else ".")
        + f" On the sheet's way the run with {RATES[1]} begins at {chained[1].loss[0]:.3f} in place of "
        f"{np.log(2):.3f}, as `w -= mu * dw` writes into the `w0` that all runs are handed: it looks better than it is."
    )  # fmt: skip
    article.metrics["learning_rates"] = {
        str(mu): {"loss": run.loss, "loss_as_on_the_sheet": of_sheet.loss}
        for mu, run, of_sheet in zip(RATES, apart, chained, strict=True)
    }
    article.metrics["largest_eigenvalue_of_hessian"] = curvature


def listed(numbers: Any, form: str = "g") -> str:
    words = [format(number, form) for number in numbers]
    return f"{', '.join(words[:-1])} and {words[-1]}"
