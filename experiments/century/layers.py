"""What layers add: multilayer perceptrons, chosen by the validation songs only."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

import tinygrad_ml as tg

from ..article import Article
from ..drawing import SPLITS, panels
from ..setting import Setting
from .songs import Part, Songs

#: Widths of the hidden layers, and the part of their units that dropout silences. One hidden layer: with two, networks
#: learn the artists by heart, and win by that with the validation songs, which are by the same artists.
CANDIDATES = (((64,), 0.2), ((128,), 0.4), ((256,), 0.5))
LEARNING_RATE, WEIGHT_DECAY, PATIENCE = 1e-3, 0.1, 5
#: In single precision: half the memory, and about twice the speed.
DTYPE = np.float32


@dataclass(frozen=True)
class Perceptron:
    """A trained network, and how its training went."""

    module: tg.nn.Module
    history: tg.training.History

    def logits(self, X: np.ndarray) -> np.ndarray:
        """What it says of each song: above 0 for this century."""
        z = np.empty(len(X))
        with tg.no_grad():
            for rows in range(0, len(X), 4096):
                z[rows : rows + 4096] = np.asarray(self.module(X[rows : rows + 4096].astype(DTYPE)).data)[:, 0]
        return z


def perceptron(widths: tuple[int, ...], dropout: float, rng: np.random.Generator, n_features: int) -> tg.nn.Module:
    """Linear layers with relu and dropout after each but the last, which has one output, the logit."""
    layers: list[tg.nn.Module] = []
    sizes = (n_features, *widths)
    for inputs, outputs in itertools.pairwise(sizes):
        layers += [tg.nn.Linear(inputs, outputs, dtype=DTYPE, rng=rng), tg.nn.ReLU(), tg.nn.Dropout(dropout, rng=rng)]
    return tg.nn.Sequential(*layers, tg.nn.Linear(sizes[-1], 1, dtype=DTYPE, rng=rng))


def train(songs: Songs, widths: tuple[int, ...], dropout: float, epochs: int, rng: np.random.Generator) -> Perceptron:
    """By AdamW, with a rate that falls to zero as a cosine, until the validation loss falls no more."""
    module = perceptron(widths, dropout, rng, songs.train.X.shape[1])
    optimizer = tg.optim.AdamW(module.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    history = tg.training.fit(
        module,
        tg.functional.binary_cross_entropy_with_logits,
        optimizer,
        _single(songs.train),
        epochs=epochs,
        batch_size=batch_size(len(songs.train)),
        rng=rng,
        validation=_single(songs.validation),
        scheduler=tg.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs),
        early_stopping=PATIENCE,
    )
    module.eval()
    return Perceptron(module, history)


def batch_size(songs: int) -> int:
    """About 400 updates an epoch, by batches of 64 to 1024 songs."""
    return int(np.clip(songs // 400, 64, 1024))


def _single(part: Part) -> tuple[np.ndarray, np.ndarray]:
    return part.X.astype(DTYPE), part.t.astype(DTYPE)[:, None]


def report(article: Article, setting: Setting, songs: Songs) -> Perceptron:
    """Train the candidates; returns the one with the least validation loss."""
    candidates, epochs = (CANDIDATES[:1], 10) if setting.quick else (CANDIDATES, 20)
    article.question("What do layers add?")
    article.text(
        "Logistic regression is one layer: whatever it finds, its border between the centuries is a hyperplane. With "
        "hidden layers in between, borders may bend, and the engine finds the derivatives:"
    )
    article.formula(r"z = w^T h_k + b, \qquad h_i = \mathrm{relu}(W_i h_{i-1} + b_i), \qquad h_0 = x")
    article.text(
        f"They are trained by AdamW (rate {LEARNING_RATE}, falling as a cosine; weight decay {WEIGHT_DECAY}) with "
        f"dropout and batches of {batch_size(len(songs.train))}, for {epochs} epochs, fewer where the validation loss "
        f"has not fallen for {PATIENCE}. Widths and dropout are chosen by the validation loss; the test songs have no "
        "say."
    )
    found = [
        train(songs, widths, dropout, epochs, setting.rng(f"layers {k}"))
        for k, (widths, dropout) in setting.progress(enumerate(candidates), "layers", len(candidates))
    ]
    least = [min(one.history["validation_loss"]) for one in found]
    best = int(np.argmin(least))
    article.table(
        "layers",
        [
            ["-".join(map(str, widths)), dropout, len(one.history["loss"]), loss, "chosen" if k == best else ""]
            for k, ((widths, dropout), one, loss) in enumerate(zip(candidates, found, least, strict=True))
        ],
        ["hidden units", "dropout", "epochs", "validation loss", "choice"],
        "The candidates; the loss is the least of all epochs, whose parameters are kept.",
        {"dropout": "g"},
    )
    figure, axes = panels(1, len(found), width=2.9 if len(found) > 1 else 4.5, sharey=True, squeeze=False)
    for ax, (widths, dropout), one in zip(axes[0], candidates, found, strict=True):
        epoch = np.arange(1, len(one.history["loss"]) + 1)
        ax.plot(epoch, one.history["loss"], label="training, with dropout", **SPLITS["training"])
        ax.plot(epoch, one.history["validation_loss"], label="validation", **SPLITS["validation"])
        ax.set(xlabel="epoch", title=f"{'-'.join(map(str, widths))}, dropout {dropout}")
    axes[0, 0].set_ylabel("loss (nats)")
    axes[0, -1].legend()
    article.figure(
        "layers_training",
        figure,
        "Training of the candidates: loss of the batches while they are learned from, with units silenced, and of the "
        "validation songs after each epoch.",
    )
    article.metrics["layers"] = {
        "candidates": [
            {"widths": widths, "dropout": dropout, "epochs": len(one.history["loss"]), "validation_loss": loss}
            for (widths, dropout), one, loss in zip(candidates, found, least, strict=True)
        ],
        "chosen": best,
    }
    return found[best]
