"""Softmax regression on scikit-learn's handwritten digits, trained by gradient descent through the engine.

The model is ``softmax(x @ W + b)`` over the 64 pixels of an image; the loss is the mean cross-entropy of the
training images, and each step takes all of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from tqdm import tqdm

import tinygrad_ml as tg

from .report import draw_curves, write_json

#: The curvature of the loss is at most half the largest eigenvalue of the pixels' second moments, here 5.7, which
#: allows rates up to 2 / 5.7 = 0.35 from anywhere. From zero weights it is less: 0.5 goes down at every step.
LEARNING_RATE = 0.5


def run(out: Path, seed: int = 0, steps: int = 1000) -> dict[str, Any]:
    """Train, print the test accuracy, and write ``digits.png``, ``digits.svg`` and ``metrics.json`` to `out`.

    Parameters
    ----------
    out : Path
        An existing folder.
    seed : int, default=0
        Decides which quarter of the images is held out for the test.
    steps : int, default=1000

    Returns
    -------
    dict
        What ``metrics.json`` holds.
    """
    images, digits = load_digits(return_X_y=True)
    images = images / 16  # from 0..16 to 0..1
    x, x_test, y, y_test = train_test_split(images, digits, test_size=0.25, random_state=seed, stratify=digits)

    W = tg.Tensor(np.zeros((64, 10)), requires_grad=True)
    b = tg.Tensor(np.zeros(10), requires_grad=True)
    loss: dict[str, list[float]] = {"training": [], "test": []}
    accuracy: dict[str, list[float]] = {"training": [], "test": []}

    def evaluate() -> Any:
        """Note how both splits fare, and return the loss of the training images, which come last."""
        for split, pixels, labels in (("test", x_test, y_test), ("training", x, y)):
            logits = pixels @ W + b
            objective = tg.functional.cross_entropy(logits, labels)
            loss[split].append(float(objective.data))
            accuracy[split].append(float(np.mean(np.argmax(logits, axis=1) == labels)))
        return objective

    objective = evaluate()
    for _ in tqdm(range(steps), desc="digits", unit="step", disable=None):
        objective.backward()
        for parameter in (W, b):
            parameter.data -= LEARNING_RATE * parameter.grad
            parameter.zero_grad()
        objective = evaluate()

    metrics = {
        "experiment": "digits",
        "seed": seed,
        "steps": steps,
        "learning_rate": LEARNING_RATE,
        "training_images": len(y),
        "test_images": len(y_test),
        **{f"{split}_loss": values[-1] for split, values in loss.items()},
        **{f"{split}_accuracy": values[-1] for split, values in accuracy.items()},
    }
    files = draw_curves(
        out / "digits",
        "Softmax regression on handwritten digits",
        f"{len(y)} training and {len(y_test)} test images of 8 x 8 pixels; full-batch gradient descent, "
        f"learning rate {LEARNING_RATE}, split seed {seed}",
        loss,
        accuracy,
    )
    write_json(out / "metrics.json", metrics)
    correct = round(accuracy["test"][-1] * len(y_test))
    print(f"test accuracy {accuracy['test'][-1]:.4f} ({correct} of {len(y_test)} images)")
    print("wrote", *files, out / "metrics.json")
    return metrics
