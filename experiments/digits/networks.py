"""Networks composed of layers on the split of `digits`, of which this is the last part."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import binomtest

import tinygrad_ml as tg

from .. import Article, Setting, drawing


def add_layers(
    article: Article, setting: Setting, X: np.ndarray, X_test: np.ndarray, y: np.ndarray, y_test: np.ndarray
) -> None:
    article.section("What layers add")
    article.question(
        "What do a multilayer perceptron and a convolutional network, composed of layers, reach on the same split?"
    )
    epochs = 3 if setting.quick else 60
    nn, rng = tg.nn, setting.rng("layers")
    models = {
        "perceptron": nn.Sequential(nn.Linear(64, 128, rng=rng), nn.ReLU(), nn.Linear(128, 10, rng=rng)),
        "convolutional": nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1, rng=rng),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1, rng=rng),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Dropout(0.25, rng=rng),
            nn.Linear(128, 10, rng=rng),
        ),
    }
    article.text(
        f"Both are trained for {epochs} epochs by Adam with minibatches of 64 images, pixels scaled to 0 to 1. Their "
        "sizes and rates were set beforehand: the test images are looked at, epoch by epoch, for the curves only, "
        "and choose nothing."
    )
    article.code("\n\n".join(f"{name}: {model}" for name, model in models.items()))
    histories: dict[str, dict[str, list[float]]] = {}
    rows: list[list[Any]] = []
    for name, model in models.items():
        shape = (-1, 1, 8, 8) if name == "convolutional" else (-1, 64)
        images, test_images = (pixels.reshape(shape) / 16 for pixels in (X, X_test))
        histories[name] = fit(model, (images, y), (test_images, y_test), epochs, setting, name)
        right = int(np.sum(predict(model, test_images) == y_test))
        size = sum(parameter.size for parameter in model.parameters())
        rows.append([name, size, histories[name]["test"][-1], right / len(y_test), right, interval(right, len(y_test))])
    linear = article.metrics["mean"]
    right = round(linear["test_accuracy"] * len(y_test))
    first = [
        "softmax regression",
        650,
        linear["test_loss"],
        linear["test_accuracy"],
        right,
        interval(right, len(y_test)),
    ]
    article.table(
        "layers",
        [first, *rows],
        [
            "model",
            "parameters",
            "cross-entropy (test)",
            "accuracy (test)",
            "images right",
            "95% interval of the accuracy",
        ],
        "The linear model after its steps with the mean loss, and what layers add; intervals by Clopper and Pearson.",
        formats={"accuracy (test)": ".2%"},
    )
    figure, axes = drawing.panels(1, 2, width=4.4, height=3.1, sharey=True)
    for panel, (name, history) in zip(axes, histories.items(), strict=True):
        for split, values in history.items():
            panel.plot(range(1, epochs + 1), values, label=split, **drawing.SPLITS[split])
        panel.set(yscale="log", xlabel="epoch", title=f"{name} network")
        panel.legend()
    axes[0].set(ylabel="cross-entropy (nats per image)")
    article.figure("layers", figure, "Cross-entropy of both networks on both splits after every epoch (logarithmic).")
    best = max(rows, key=lambda row: row[3])
    article.answer(
        f"The {rows[0][0]} gets {rows[0][3]:.2%} of the test images right, the {rows[1][0]} network "
        f"{rows[1][3]:.2%}, where the linear model gets {first[3]:.2%}. The {best[0]} network makes "
        f"{len(y_test) - best[4]} errors in place of {len(y_test) - right}."
    )
    article.metrics["layers"] = {
        row[0]: {"parameters": row[1], "test_loss": row[2], "test_accuracy": row[3]} for row in rows
    }


def fit(model: Any, data: Any, test: Any, epochs: int, setting: Setting, name: str) -> dict[str, list[float]]:
    """Train, and measure the cross-entropy of both splits after every epoch."""
    losses: dict[str, list[float]] = {"training": [], "test": []}
    bar = setting.progress(desc=name, total=epochs)

    def measure(_: Any) -> None:
        for split, (images, labels) in (("training", data), ("test", test)):
            with tg.no_grad():
                losses[split].append(float(tg.functional.cross_entropy(outputs(model, images), labels).item()))
        bar.update()

    optimizer = tg.optim.Adam(model.parameters(), lr=3e-3)
    loss = tg.nn.CrossEntropyLoss()
    tg.training.fit(
        model,
        loss,
        optimizer,
        data,
        epochs=epochs,
        batch_size=64,
        callbacks=measure,
        rng=setting.rng(name),
        progress=False,
    )
    bar.close()
    return losses


def outputs(model: Any, images: np.ndarray) -> Any:
    model.eval()
    with tg.no_grad():
        scores = model(images)
    model.train()
    return scores


def predict(model: Any, images: np.ndarray) -> np.ndarray:
    return np.argmax(outputs(model, images), axis=1)


def interval(right: int, total: int) -> str:
    """The 95% confidence interval of an accuracy."""
    low, high = binomtest(right, total).proportion_ci()
    return f"{low:.1%} to {high:.1%}"
