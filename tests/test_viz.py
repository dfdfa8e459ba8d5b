"""Pictures: what is in them, where it stands, and what is refused."""

import itertools
import re
from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

import tinygrad_ml as tg
from tinygrad_ml.estimators import NeuralClassifier
from tinygrad_ml.viz import draw_graph, plot_confusion_matrix, plot_decision_boundary, plot_history, to_dot
from tinygrad_ml.viz.boxes import record
from tinygrad_ml.viz.layout import layered


@pytest.fixture(autouse=True)
def _no_screen_and_no_figures_left():
    before = matplotlib.get_backend()
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    yield
    plt.close("all")
    matplotlib.use(before)


def graph(what, *args, module=None, limit=1000):
    """The boxes as "kind: title [detail]", and the arrows as pairs of titles."""
    boxes, arrows = record(what, args, module, limit, "test")
    return [f"{b.kind}: {b.title} [{b.detail}]" for b in boxes], [
        (boxes[source].title, boxes[target].title) for source, target in arrows
    ]


# The graph


def test_the_boxes_of_a_model_with_names():
    model = tg.nn.Sequential(tg.nn.Linear(4, 3, rng=0), tg.relu, tg.nn.Linear(3, 2, rng=1))
    x, labels = np.ones((5, 4)), np.array([0, 1, 1, 0, 1])
    loss = tg.functional.cross_entropy(model(x), labels)
    boxes, arrows = graph(loss, module=model)
    assert set(boxes) == {
        "constant: array [5 × 4]",
        "tensor: 0.weight [3 × 4]",
        "tensor: 0.bias [3]",
        "operation: linear [5 × 3]",
        "operation: relu [5 × 3]",
        "tensor: 2.weight [2 × 3]",
        "tensor: 2.bias [2]",
        "operation: linear [5 × 2]",
        "constant: array [5]",
        f"result: cross_entropy [= {loss.item():.4g}]",
    }
    assert sorted(arrows) == sorted(
        [
            ("array", "linear"),
            ("0.weight", "linear"),
            ("0.bias", "linear"),
            ("linear", "relu"),
            ("relu", "linear"),
            ("2.weight", "linear"),
            ("2.bias", "linear"),
            ("linear", "cross_entropy"),
            ("array", "cross_entropy"),
        ]
    )


def test_a_function_names_its_arguments():
    def f(x, weights, *rest):
        return np.sum(x * weights["scale"] + rest[0])

    boxes, _ = graph(f, np.ones(3), {"scale": np.ones(3)}, np.ones(3))
    titles = {re.match(r"tensor: (.*) \[", box)[1] for box in boxes if box.startswith("tensor")}
    assert titles == {"x", "weights['scale']", "rest[0]"}


def test_a_function_without_a_signature_numbers_its_arguments():
    class Add:
        __signature__ = "none"

        def __call__(self, a, b):
            return np.add(a, b)

    boxes, arrows = graph(Add(), np.ones(2), np.ones(2))
    assert boxes == ["tensor: argument 0 [2]", "tensor: argument 1 [2]", "result: add [2]"]
    assert arrows == [("argument 0", "add"), ("argument 1", "add")]


def test_a_module_is_a_function_that_names_its_parameters():
    boxes, _ = graph(tg.nn.Linear(3, 2, rng=0), np.ones((4, 3)))
    assert set(boxes) == {"tensor: x [4 × 3]", "tensor: weight [2 × 3]", "tensor: bias [2]", "result: linear [4 × 2]"}


def test_tensors_without_names():
    w, p = tg.Tensor([1.0], requires_grad=True), tg.nn.Parameter([2.0, 3.0])
    boxes, _ = graph(w * p)
    assert set(boxes) == {"tensor: tensor [1]", "tensor: parameter [2]", "result: multiply [2]"}
    boxes, _ = graph(w * p, module={"slope": w})
    assert set(boxes) == {"tensor: slope [1]", "tensor: parameter [2]", "result: multiply [2]"}


SHAPES = {
    "a sum": (lambda x: np.sum(x, axis=0), ["sum(axis=0) [3]"]),
    "a number": (lambda x: np.sum(x) * 3, ["sum [number]", "multiply(·, 3) [= 45]"]),
    "broadcasting": (lambda x: np.exp(x) + np.ones((2, 1, 1)), ["exp [5 × 3]", "add [2 × 5 × 3]"]),
    "several results": (lambda x: np.exp(np.split(x, [2])[1]), ["split []", "exp [3 × 3]"]),
    "a result of several": (lambda x: np.split(x, [2])[0], ["split [2 × 3]"]),
    "several arguments": (lambda x: np.concatenate([np.exp(x), x]), ["exp [5 × 3]", "concatenate(axis=0) [10 × 3]"]),
    "a power": (lambda x: np.tanh(x**2), ["power(·, 2) [5 × 3]", "tanh [5 × 3]"]),
}


@pytest.mark.parametrize("name", SHAPES)
def test_titles_and_shapes(name):
    f, expected = SHAPES[name]
    boxes, _ = graph(f, np.ones((5, 3)))
    assert [box.split(": ", 1)[1] for box in boxes if box.startswith(("operation", "result"))] == expected


def test_a_value_used_twice_is_one_box():
    boxes, arrows = graph(lambda x: np.exp(x) * np.exp(x) + x * x, np.ones(2))
    assert len(boxes) == 6
    assert arrows.count(("x", "multiply")) == 1


def chain(x, n):
    for _ in range(n):
        x = np.tanh(x)
    return x


@pytest.mark.parametrize(("limit", "hidden"), [(4, "6 earlier operations"), (9, "1 earlier operation"), (10, None)])
def test_beyond_the_limit_one_box_stands_for_many(limit, hidden):
    boxes, arrows = graph(lambda x: chain(x, 10), np.ones(3), limit=limit)
    if hidden is None:
        assert len(boxes) == 11
    else:
        assert boxes[0] == f"rest: {hidden} [raise limit={limit} to see them]"
        assert len(boxes) == limit + 1
    assert len(arrows) == len(boxes) - 1


def test_a_long_chain_does_not_recurse():
    boxes, _ = graph(lambda x: chain(x, 20_000), np.ones(3), limit=5)
    assert boxes[0].startswith("rest: 19,995 earlier operations")


def test_dot_escapes_names_and_tells_every_arrow():
    w = tg.Tensor([1.0], requires_grad=True)
    text = to_dot(np.exp(w), module={'a "b"\\c': w})
    assert r'n0 [label="a \"b\"\\c\n1",' in text
    assert text.count("->") == 1
    assert text.startswith("digraph computation {") and text.endswith("}")


def test_the_picture_has_every_label_once_and_inside():
    model = tg.nn.Sequential(tg.nn.Linear(4, 3, rng=0), tg.relu, tg.nn.Linear(3, 2, rng=1))
    ax = draw_graph(model, np.ones((5, 4)))
    figure = ax.figure
    figure.canvas.draw()
    titles = [text.get_text() for text in ax.texts]
    for name, _ in model.named_parameters():
        assert titles.count(name) == 1
    outer = figure.bbox
    boxes = [text.get_window_extent() for text in ax.texts if text.get_text()]
    assert all(outer.x0 <= b.x0 and b.x1 <= outer.x1 and outer.y0 <= b.y0 and b.y1 <= outer.y1 for b in boxes)
    assert not any(a.overlaps(b) for a, b in itertools.combinations([b.shrunk(0.9, 0.6) for b in boxes], 2))


def test_in_given_axes_text_shrinks_with_the_boxes():
    import matplotlib.pyplot as plt

    _, ax = plt.subplots(figsize=(2, 2))
    assert draw_graph(lambda x: chain(x, 8), np.ones(3), ax=ax) is ax
    assert 0 < ax.texts[0].get_fontsize() < 4


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda f: f(tg.Tensor([1.0])), ValueError, r"nothing was recorded .* shape \(1,\): .* requires_grad=True"),
        (lambda f: f(lambda x: x.detach(), np.ones(2)), ValueError, "nothing was recorded"),
        (lambda f: f(lambda x: (x, x), np.ones(2)), TypeError, "a function that returns one; got tuple"),
        (lambda f: f(3.0), TypeError, "draws a Tensor, or a function that returns one; got float"),
        (lambda f: f(np.exp(tg.nn.Parameter([1.0])), 1.0), TypeError, "arguments are for functions, and a Tensor was"),
        (lambda f: f(np.exp, np.ones(2), limit=0), ValueError, "limit must be a whole number from 1, got 0"),
        (lambda f: f(np.exp, np.ones(2), module=[1]), TypeError, "module must be a tinygrad_ml.nn.Module .* got list"),
    ],
)
@pytest.mark.parametrize("function", [draw_graph, to_dot])
def test_what_cannot_be_drawn(function, call, error, message):
    with pytest.raises(error, match=f"{function.__name__}: .*{message}|{function.__name__}: {message}"):
        call(function)


# The layout


def random_graph(rng, n):
    arrows = [(i, j) for j in range(1, n) for i in sorted(set(rng.integers(0, j, 2).tolist()))]
    return rng.uniform(0.3, 1.5, (n, 2)), arrows


@pytest.mark.parametrize("n", [1, 2, 10, 40])
def test_boxes_do_not_overlap_and_arrows_go_down(n, rng):
    sizes, arrows = random_graph(rng, n)
    layout = layered(sizes, arrows)
    low, high = layout.centres - sizes / 2, layout.centres + sizes / 2
    for a, b in itertools.combinations(range(n), 2):
        assert np.any(low[a] > high[b] - 1e-9) or np.any(low[b] > high[a] - 1e-9)
    assert low.min() > -1e-9
    assert np.all(high <= np.add([layout.width, layout.height], 1e-9))
    for (source, target), path in zip(arrows, layout.paths, strict=True):
        assert np.all(np.diff(path[:, 1]) <= 1e-9)
        assert path[0] == pytest.approx([layout.centres[source, 0], low[source, 1]])
        assert path[-1, 1] == pytest.approx(high[target, 1])
        assert low[target, 0] < path[-1, 0] < high[target, 0]


def test_arrows_pass_beside_boxes(rng):
    sizes, arrows = random_graph(rng, 30)
    layout = layered(sizes, arrows)
    for (source, target), path in zip(arrows, layout.paths, strict=True):
        for v in set(range(30)) - {source, target}:
            gap = np.abs(path[1:-1] - layout.centres[v]) - sizes[v] / 2
            assert not np.any(np.all(gap < -1e-9, axis=1))


def test_layers_are_longest_paths_to_the_end():
    # 0 -> 1 -> 2 -> 4, with 3 and 0 also straight into 4
    layout = layered([(1, 1)] * 5, [(0, 1), (1, 2), (2, 4), (3, 4), (0, 4)])
    heights = layout.centres[:, 1]
    assert heights[0] > heights[1] > heights[2] == heights[3] > heights[4]


def test_crossings_that_can_be_avoided_are():
    # Two ladders whose numbers alternate: every order but one side by side crosses.
    arrows = [(i, i + 4) for i in range(8)] + [(8, 12), (10, 12), (9, 13), (11, 13)]
    layout = layered([(1, 1)] * 14, arrows)
    for (a, p), (b, q) in itertools.combinations(zip(arrows, layout.paths, strict=True), 2):
        if layout.centres[a[0], 1] == layout.centres[b[0], 1] and a[1] != b[1]:
            assert (p[0, 0] - q[0, 0]) * (p[-1, 0] - q[-1, 0]) > 0


def crossings(arrows, places):
    return sum(
        (places[a] - places[b]) * (places[p] - places[q]) < 0 for (a, p), (b, q) in itertools.combinations(arrows, 2)
    )


def test_crossings_are_near_the_fewest_of_all_orders(rng):
    found = fewest = 0
    for _ in range(20):
        arrows = [(i, 4 + j) for i in range(4) for j in rng.choice(4, 2, replace=False)]
        x = layered([(1, 1)] * 8, arrows).centres[:, 0]
        found += crossings(arrows, x)
        orders = list(itertools.permutations(range(4)))
        fewest += min(crossings(arrows, (*upper, *lower)) for upper in orders for lower in orders)
    assert fewest <= found <= 1.05 * fewest


def test_a_chain_is_a_straight_line():
    layout = layered([(1, 0.5), (3, 0.5), (0.2, 0.5), (2, 0.5)], [(0, 1), (1, 2), (2, 3)])
    assert np.ptp(layout.centres[:, 0]) < 1e-9


# Curves


def test_curves_of_a_dict():
    history = {"loss": [4.0, 2.0, 3.0], "validation_loss": [5.0, 4.0, 4.5], "val_accuracy": [0.1, 0.4, 0.3]}
    loss, accuracy = plot_history(history)
    assert [line.get_ydata().tolist() for line in loss.lines] == [history["loss"], history["validation_loss"]]
    assert [text.get_text() for text in loss.get_legend().get_texts()] == [
        "training (best 2 at epoch 2)",
        "validation (best 4 at epoch 2)",
    ]
    assert accuracy.get_legend().get_texts()[0].get_text() == "validation (best 0.4 at epoch 2)"
    assert (loss.get_ylabel(), accuracy.get_ylabel(), loss.get_xlabel()) == ("loss", "accuracy", "epoch")
    assert loss.get_yscale() == "linear"


def test_a_loss_over_decades_has_a_logarithmic_axis():
    assert plot_history({"loss": [1.0, 0.1, 0.01]})[0].get_yscale() == "log"
    assert plot_history({"loss": [1.0, 0.1, -0.01]})[0].get_yscale() == "linear"


@pytest.mark.parametrize(
    ("name", "best"), [("perplexity", "1 at epoch 2"), ("f1", "3 at epoch 1"), ("norm_of_weights", None)]
)
def test_the_best_is_told_where_it_is_known_what_is_better(name, best):
    # Of what had no familiar name the largest was called best.
    legend = plot_history({f"validation_{name}": [3.0, 1.0]})[0].get_legend()
    assert legend.get_texts()[0].get_text() == ("validation" if best is None else f"validation (best {best})")


@pytest.mark.parametrize("attribute", ["history_", "epochs"])
def test_curves_of_an_estimator_or_a_run(attribute):
    columns = {"epoch": [3, 4], "step": [30, 40], "lr": [0.1, 0.1], "seconds": [1, 2], "loss": [2.0, np.inf]}
    (panel,) = plot_history(SimpleNamespace(**{attribute: columns}))
    assert panel.lines[0].get_xdata().tolist() == [3, 4]
    assert panel.get_legend().get_texts()[0].get_text() == "training (best 2 at epoch 3)"


@pytest.mark.parametrize(
    ("history", "error", "message"),
    [
        ({}, ValueError, "the history is empty; train for an epoch"),
        ([1.0], TypeError, "history must be a dict of names and lists of numbers, got list"),
        ({"loss": [[1.0]]}, ValueError, r"'loss' must be a list of numbers, one an epoch, got shape \(1, 1\)"),
    ],
)
def test_histories_that_are_none(history, error, message):
    with pytest.raises(error, match=message):
        plot_history(history)


def test_axes_for_curves():
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2)
    assert plot_history({"loss": [1.0], "accuracy": [1.0]}, ax=axes) == list(axes)
    with pytest.raises(ValueError, match="the history has 1 quantities, and ax has 2 Axes"):
        plot_history({"loss": [1.0]}, ax=axes)


# Decision boundaries

SQUARE = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])


def steep_line():
    line = tg.nn.Linear(2, 1)
    line.weight.data[...], line.bias.data[...] = [[2.0, 0.0]], -0.5
    return line


CLASSIFIERS = {
    "probabilities of the second class": lambda x: tg.sigmoid(2 * x[:, 0] - 0.5),
    "probabilities": lambda x: tg.softmax(np.stack([0 * x[:, 0], 2 * x[:, 0] - 0.5], axis=1)),
    "one logit": steep_line(),
    "two logits": tg.nn.Sequential(steep_line(), lambda z: np.concatenate([0 * z, z], axis=1)),
    "an estimator": SimpleNamespace(
        classes_=np.array([0, 1]),
        predict_proba=lambda x: np.stack([1.25 - x[:, 0], x[:, 0] - 0.25], axis=1) / 1.0 * 0.5 + 0.25,
    ),
}


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_the_boundary_is_where_the_probabilities_are_equal(name):
    where = 0.75 if name == "an estimator" else 0.25
    ax = plot_decision_boundary(CLASSIFIERS[name], SQUARE, [0, 1, 0, 1], resolution=60)
    lines = np.concatenate([p.vertices for c in ax.collections for p in c.get_paths() if len(p.vertices) == 60])
    np.testing.assert_allclose(lines[:, 0], where, atol=1e-3)
    left, right = np.asarray(ax.images[0].get_array())[0, [0, -1]]
    assert left[2] > left[0] and right[0] > right[2]  # blue is the first class, orange the second


def test_labels_alone_and_three_classes():
    y = np.array(["a", "b", "c", "c"])
    ax = plot_decision_boundary(DecisionTreeClassifier(random_state=0).fit(SQUARE, y), SQUARE, y, resolution=20)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a", "b", "c"]
    image = ax.images[0].get_array()
    assert image.shape == (20, 20, 3)
    assert len(np.unique(image.reshape(-1, 3).round(9), axis=0)) == 3


def test_a_data_frame_names_the_axes_and_the_estimators_columns():
    # The grid had no names, of which scikit-learn warns, and with which columns are chosen.
    pandas = pytest.importorskip("pandas")
    frame, y = pandas.DataFrame(SQUARE, columns=["width", "height"]), pandas.Series([0, 1, 0, 1])
    choice = make_column_transformer(("passthrough", ["width"]))
    classifiers = [
        NeuralClassifier(max_epochs=1).fit(frame, y),
        make_pipeline(choice, DecisionTreeClassifier()).fit(frame, y),
        steep_line(),
    ]
    for classifier in classifiers:
        ax = plot_decision_boundary(classifier, frame, y, resolution=5)
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("width", "height")
    assert plot_decision_boundary(steep_line(), SQUARE, y, resolution=5).get_xlabel() == "feature 0"


def test_no_two_of_many_classes_look_alike():
    y = np.arange(20)
    X = np.stack([y, y**2], axis=1)
    ax = plot_decision_boundary(lambda x: x[:, 0].round().clip(0, 19), X, y, resolution=5)
    points = [points for points in ax.collections if points.get_label()[0] != "_"]
    looks = {(p.get_paths()[0].vertices.tobytes(), p.get_facecolor().tobytes()) for p in points}
    assert len(looks) == 20


def test_classes_are_apart_without_colours():
    ax = plot_decision_boundary(lambda x: x[:, 0].round() + x[:, 1].round(), SQUARE, [0, 1, 1, 2], resolution=5)
    shapes = {points.get_paths()[0].vertices.tobytes() for points in ax.collections if points.get_label()[0] != "_"}
    assert len(shapes) == 3


def test_the_first_row_of_the_image_is_the_lowest():
    ax = plot_decision_boundary(lambda x: x[:, 1] > 0.5, SQUARE, SQUARE[:, 1] > 0.5, resolution=10)
    image = ax.images[0]
    assert image.origin == "lower"
    below, above = np.asarray(image.get_array())[[0, -1], 0]
    assert below[2] > below[0] and above[0] > above[2]  # blue is the first class, orange the second


def test_a_module_is_drawn_as_in_use_and_left_as_it_was():
    seen = []

    class Model(tg.nn.Module):
        def __init__(self):
            self.line = steep_line()

        def forward(self, x):
            seen.append(self.training)
            return self.line(x)

    model = Model()
    model.line.training = False
    plot_decision_boundary(model, SQUARE, [0, 1, 0, 1], resolution=5)
    assert seen == [False]
    assert (model.training, model.line.training) == (True, False)
    assert model.line.weight.grad is None


@pytest.mark.parametrize(
    ("classifier", "X", "y", "message"),
    [
        (np.sum, np.ones((4, 3)), np.ones(4), r"X must have shape \(n_samples, 2\), got \(4, 3\)"),
        (np.sum, np.ones((0, 2)), [], "X must have rows, and only finite numbers"),
        (np.sum, SQUARE * np.nan, np.ones(4), "X must have rows, and only finite numbers"),
        (np.sum, SQUARE, np.ones(3), r"y must have shape \(4,\), a label a sample, got \(3,\)"),
        (lambda x: x[:, :1] * [1, 1, 1], SQUARE, [0, 1, 0, 1], r"must answer shape \(9,\) or \(9, 2\), got \(9, 3\)"),
        (lambda x: x * 9, SQUARE, [0, 1, 0, 1], "reach from -0.72 to 9.72 and are no probabilities; apply"),
        (
            SimpleNamespace(classes_=[0, 1], predict_proba=lambda x: np.ones((9, 2)) / 2),
            SQUARE,
            [0, 1, 2, 2],
            r"y has the labels \[2\], and the classifier knows only \[0, 1\]",
        ),
    ],
)
def test_what_has_no_boundary(classifier, X, y, message):
    with pytest.raises(ValueError, match=message):
        plot_decision_boundary(classifier, X, y, resolution=3)


def test_what_is_no_classifier():
    with pytest.raises(TypeError, match="classifier must be an estimator, .* got NoneType"):
        plot_decision_boundary(None, SQUARE, [0, 1, 0, 1])


def test_too_coarse_a_grid():
    with pytest.raises(ValueError, match="resolution must be a whole number from 2, got 1"):
        plot_decision_boundary(np.sum, SQUARE, [0, 1, 0, 1], resolution=1)


# Confusion


def test_the_counts_of_a_confusion_matrix():
    ax = plot_confusion_matrix([0, 0, 0, 2, 2], [0, 0, 2, 2, 0])
    assert [text.get_text() for text in ax.texts] == ["2", "1", "1", "1"]
    assert [text.get_text() for text in ax.get_xticklabels()] == ["0", "2"]
    np.testing.assert_allclose(ax.images[0].get_array(), [[2 / 3, 1 / 3], [1 / 2, 1 / 2]])
    assert ax.get_title() == "3 of 5 right"


def test_chosen_labels_in_their_order():
    ax = plot_confusion_matrix(["x", "y", "z"], ["x", "y", "y"], labels=["z", "y", "w"])
    assert [text.get_text() for text in ax.texts] == ["0", "1", "0", "0", "1", "0", "0", "0", "0"]


def test_predictions_of_another_shape():
    with pytest.raises(ValueError, match=r"same shape \(n_samples,\), got \(2,\) and \(2, 2\); of probabilities"):
        plot_confusion_matrix([0, 1], [[0.1, 0.9], [0.2, 0.8]])
