"""The search for a learning rate and a batch size, good and bad runs, and a long one: the sheet's 2 (g)."""

from __future__ import annotations

import itertools

import numpy as np

from ..article import Article
from ..drawing import SPLITS, panels, plain_log_ticks, styles
from ..setting import Setting
from .descent import TICKS, UPDATES, accuracy, listed, loss, run_gradient_descent, shared
from .songs import Part, Songs

GRID_RATES, GRID_BATCHES = (0.1, 0.5, 1), (64, 512, 1024)
#: What the sheet reports of its nine runs: the validation loss after 100 updates, row by row of the grid.
REPORTED = (1.372454, 0.920177, 0.753636, 0.609879, 0.599163, 0.595504, 0.686641, 0.633159, 0.619879)


def report(article: Article, setting: Setting, songs: Songs) -> dict[str, np.ndarray]:
    """Part (g) of question 2; returns the parameters found with 100 updates, and with many."""
    seed = setting.random_state("batches")
    best, theta = _grid(article, setting, songs, seed)
    _behaviours(article, songs, best, seed)
    return {"updates of the sheet": theta, "many updates": _long(article, setting, songs, best, seed)}


def _grid(article: Article, setting: Setting, songs: Songs, seed: int) -> tuple[tuple[float, int], np.ndarray]:
    """Returns the rate and the batch size chosen, and the parameters of that run."""
    article.question(
        "2 (g) Find the optimal $w$ and $b$. Explain how the learning rate and the batch size were chosen, and show "
        "good and bad behaviours."
    )
    article.text(
        f"All combinations of the rates {listed(GRID_RATES)} and the batch sizes {listed(GRID_BATCHES)} run for "
        f"{UPDATES} updates from the same random $w$ and $b$ (standard normal, as on the sheet), and the lowest "
        "validation loss is chosen. The sheet's own search does not do what it says, in two ways:"
    )
    article.text(
        "First, `run_gradient_descent(w0, b0, mu, max_iters=...)` passes no batch size, so that all nine runs have "
        "batches of 100."
    )
    article.text(
        "Second, `w = w0` makes no copy, and `w -= mu * dw` writes into `w0`: each run goes on from the weights of "
        "the run before it (only $b$ starts anew). The nine curves are one run of 900 updates in nine pieces, of which "
        "the later had more updates before them."
    )
    start = setting.rng("start").normal(size=songs.train.X.shape[1] + 1)
    cells = list(itertools.product(GRID_RATES, GRID_BATCHES))
    runs = [
        run_gradient_descent(songs.train, songs.validation, start, mu, size, seed=seed)
        for mu, size in setting.progress(cells, "grid")
    ]
    chained = shared(songs, start, [{"mu": mu} for mu, _ in cells], seed)

    figure, axes = panels(1, 3, width=3.2, sharey=True)
    for ax, mu in zip(axes, GRID_RATES, strict=True):
        for (rate, size), run in zip(cells, runs, strict=True):
            if rate == mu:
                ax.semilogy(
                    run.updates, run.loss, label=f"B = {size}", markersize=4, **styles(3)[GRID_BATCHES.index(size)]
                )
        ax.set(xlabel="update", title=f"$\\mu$ = {mu}")
    axes[0].set_ylabel("validation loss (nats)")
    axes[2].legend()
    plain_log_ticks(axes[0].yaxis, TICKS)
    article.figure(
        "grid", figure, "The nine runs, each from the same random parameters: validation loss by rate and batch size."
    )

    figure, ax = panels(width=8.4, height=3.2)
    for k, ((mu, _), run) in enumerate(zip(cells, chained, strict=True)):
        style = styles(3)[GRID_RATES.index(mu)]
        ax.semilogy(
            np.array(run.updates) + UPDATES * k, run.loss, markersize=3.5,
            label=f"$\\mu$ = {mu}" if k % len(GRID_BATCHES) == 0 else None, **style,
        )  # fmt: skip
        ax.text(UPDATES * (k + 0.5), 0.97, f"“B = {cells[k][1]}”", transform=ax.get_xaxis_transform(), ha="center",
                va="top", fontsize=8, color="0.3")  # fmt: skip
        ax.axvline(UPDATES * k, color="0.8", linewidth=0.8)
    ax.plot(UPDATES * np.arange(1, 10), REPORTED, "*", color="black", markersize=9, label="reported by the sheet",
            clip_on=False)  # fmt: skip
    ax.set(xlabel="updates since the first run began", ylabel="validation loss (nats)", xlim=(0, 9 * UPDATES))
    ax.legend(loc="upper right", bbox_to_anchor=(1, 0.9))
    plain_log_ticks(ax.yaxis, TICKS)
    article.figure(
        "grid_of_the_sheet",
        figure,
        "The sheet's search done again: what it calls nine runs, drawn one after the other as they happened, all with "
        "batches of 100. Each piece begins where the one before it ended, but for $b$. Stars: the losses printed on "
        "the sheet" + (", of the real file." if setting.data is None else "."),
    )
    article.table(
        "grid_losses",
        [
            [mu, size, run.last, accuracy(run.theta, songs.validation), size * UPDATES, of_sheet.last, reported]
            for (mu, size), run, of_sheet, reported in zip(cells, runs, chained, REPORTED, strict=True)
        ],
        ["rate", "batch", "loss", "accuracy", "songs seen", "loss, runs shared", "reported"],
        f"Validation loss and accuracy after {UPDATES} updates, each run from the same start; beside it the loss where "
        "runs share parameters and have batches of 100, and that printed on the sheet (reference, of the real file).",
        {"rate": "g"},
    )
    chosen = int(np.argmin([run.last for run in runs]))
    of_sheet = int(np.argmin([run.last for run in chained]))
    mu, size = cells[chosen]
    by_size = [np.mean([run.last for (_, s), run in zip(cells, runs, strict=True) if s == B]) for B in GRID_BATCHES]
    by_rate = [np.mean([run.last for (m, _), run in zip(cells, runs, strict=True) if m == r]) for r in GRID_RATES]
    first = [run.last for run in chained[: len(GRID_BATCHES)]]
    article.answer(
        f"Chosen: $\\mu$ = {mu} and $B$ = {size}, with a validation loss of {runs[chosen].last:.3f}. From this random "
        f"start the rate matters most: on average over the batch sizes the loss is {listed(by_rate, '.3f')} for the "
        f"rates {listed(GRID_RATES)}, over the rates {listed(by_size, '.3f')} for the batch sizes "
        f"{listed(GRID_BATCHES)}. A larger batch has a gradient with less noise, which counts the more the larger the "
        "rate, at the price of more songs an update; for the same number of songs small batches make more updates. "
        f"Where runs share parameters, the same rate of {GRID_RATES[0]} ends at {listed(first, '.3f')} under the names "
        "of the three batch sizes, only because the later pieces go on from the earlier, and the search picks $\\mu$ = "
        f"{cells[of_sheet][0]} with “$B$ = {cells[of_sheet][1]}”, which were batches of 100 after {UPDATES * of_sheet} "
        "other updates. The sheet's conclusion that the largest batch is best has no support in its runs."
    )
    article.metrics["grid"] = [
        {"rate": mu, "batch_size": size, "loss": run.loss, "loss_as_on_the_sheet": of_sheet.loss, "reported": reported}
        for (mu, size), run, of_sheet, reported in zip(cells, runs, chained, REPORTED, strict=True)
    ]
    article.metrics["chosen"] = {"rate": mu, "batch_size": size}
    return cells[chosen], runs[chosen].theta


def _behaviours(article: Article, songs: Songs, best: tuple[float, int], seed: int) -> None:
    zeros = np.zeros(songs.train.X.shape[1] + 1)
    noisy = "small batches"
    cases = {
        "too small": (0.005, 100),
        "good": best,
        noisy: (1, 8),
        "too large": (5, 100),
    }
    few = {name: Part(part.X[:5000], part.t[:5000]) for name, part in songs.parts.items() if name != "test"}
    runs = {}
    figure, axes = panels(1, 4, width=2.4, height=2.9, sharey=True)
    for ax, (name, (mu, size)) in zip(axes, cases.items(), strict=True):
        run = runs[name] = run_gradient_descent(songs.train, few["validation"], zeros, mu, size, every=2, seed=seed)
        ax.semilogy(run.updates, [loss(theta, few["training"]) for theta in run.thetas], label="training",
                    **{**SPLITS["training"], "linewidth": 1.5})  # fmt: skip
        ax.semilogy(run.updates, run.loss, label="validation", **{**SPLITS["validation"], "linewidth": 1.5})
        ax.axhline(np.log(2), color="0.45", linewidth=1, linestyle=(0, (6, 3)), label="guessing")
        ax.set(xlabel="update", title=f"{name}\n$\\mu$ = {mu}, B = {size}")
    axes[0].set_ylabel("loss (nats)")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    plain_log_ticks(axes[0].yaxis, TICKS)
    article.figure(
        "behaviours",
        figure,
        f"Good and bad: loss of up to 5,000 training and validation songs over {UPDATES} updates from zeros. Dashed: "
        "the loss of guessing, log 2.",
    )
    later = {name: run.loss[len(run.loss) // 2 :] for name, run in runs.items()}
    article.answer(
        "In the second half of the updates the validation loss is "
        + ", ".join(f"{min(losses):.3f} to {max(losses):.3f} ({name})" for name, losses in later.items())
        + f"; guessing has {np.log(2):.3f}. Too small a rate has not arrived after {UPDATES} updates. With batches of "
        f"{cases[noisy][1]} the gradient of a batch is mostly noise, which a rate of {cases[noisy][0]:g} lets into the "
        "parameters; with too large a rate they are thrown across the minimum even by a good gradient. Training and "
        "validation loss go together: in so few updates nothing is learned by heart."
    )
    article.metrics["behaviours"] = {name: run.loss for name, run in runs.items()}


def _long(article: Article, setting: Setting, songs: Songs, best: tuple[float, int], seed: int) -> np.ndarray:
    """From zeros with smaller and smaller rates: what minibatches come to in the end."""
    updates = 300 if setting.quick else 1500
    theta, runs = np.zeros(songs.train.X.shape[1] + 1), []
    for k, mu in enumerate((best[0], best[0] / 4, best[0] / 16)):
        runs.append(
            run_gradient_descent(
                songs.train,
                songs.validation,
                theta,
                mu,
                best[1],
                max_iters=updates // 3,
                every=updates // 3,
                seed=seed + k,
            )
        )
        theta = runs[-1].theta
    article.text(
        f"A hundred updates are few. From zeros, with the batches chosen and with rates of {best[0]:g}, "
        f"{best[0] / 4:g} and {best[0] / 16:g} for {updates // 3} updates each, the validation loss comes to "
        f"{listed([run.last for run in runs], '.4f')} at the ends of these three; that is compared below too."
    )
    article.metrics["long_run"] = {"updates": updates, "validation_loss": runs[-1].last}
    return theta
