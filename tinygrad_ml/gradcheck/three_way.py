"""The check of a model with a gradient derived by hand: all witnesses side by side."""

from __future__ import annotations

from typing import Any

from .check import run
from .report import Report
from .subject import from_function


def check_model(model: Any, X: Any, y: Any, parameters: Any = None, *, directions: int = 3, rng: Any = None) -> Report:
    """Check the gradient of a model: by hand | by the engine | by the complex step | by finite differences.

    Parameters
    ----------
    model : object
        With ``loss(parameters, X, y)``, a real number, and ``gradient(parameters, X, y)``, like the parameters. Where
        `loss` is plain NumPy that writes into no array, the engine and the complex step have a say.
    X, y : arrays
    parameters : array or tree, optional
        Where. By default what ``model.initial_parameters(X, y)`` answers, or the attribute or method
        ``model.parameters``.
    directions, rng
        As in `check_gradient`.

    Returns
    -------
    Report
        One row for each array of the parameters, with the digits to which each pair of witnesses agrees.

    Raises
    ------
    TypeError
        Where the model has no such methods, or no parameters can be found.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_ml.gradcheck import check_model
    >>> class LeastSquares:
    ...     def loss(self, w, X, y):
    ...         return 0.5 * np.sum((X @ w - y) ** 2)
    ...     def gradient(self, w, X, y):
    ...         return X.T @ (X @ w - y)
    >>> X = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 7.0]])
    >>> report = check_model(LeastSquares(), X, np.ones(3), parameters=np.array([0.5, -1.0]))
    >>> report.ok, list(report.rows[0].witnesses)
    (True, ['analytic', 'engine', 'complex step', 'finite differences'])
    """
    for method in ("loss", "gradient"):
        if not callable(getattr(model, method, None)):
            raise TypeError(f"check_model: {type(model).__name__} has no method {method}(parameters, X, y)")
    if parameters is None:
        parameters = _parameters_of(model, X, y)
    subject = from_function(
        "check_model", lambda p: model.loss(p, X, y), (parameters,), lambda p: model.gradient(p, X, y), ["parameters"]
    )
    subject.title = f"gradient of {type(model).__name__}"
    subject.names = [_short(name) for name in subject.names]
    return run(subject, directions, rng, every_array_alone=True)


def _parameters_of(model: Any, X: Any, y: Any) -> Any:
    if callable(getattr(model, "initial_parameters", None)):
        return model.initial_parameters(X, y)
    found = getattr(model, "parameters", None)
    if found is None:
        raise TypeError(
            f"check_model: where shall {type(model).__name__} be checked? Give parameters=, or the model a method "
            "initial_parameters(X, y) or an attribute parameters"
        )
    return found() if callable(found) else found


def _short(name: str) -> str:
    """``w`` for ``parameters['w']``."""
    key, _, rest = name.removeprefix("parameters['").partition("']")
    return key + rest if name.startswith("parameters['") else name
