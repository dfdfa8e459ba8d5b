"""Where the boxes of a graph go: in layers, with few crossings and short arrows.

After K. Sugiyama, S. Tagawa and M. Toda, "Methods for visual understanding of hierarchical system structures" (1981):
layers by longest paths, arrows that pass a layer take a place in it, crossings are reduced by barycentres, and by
swaps after E. Gansner et al., "A technique for drawing directed graphs" (1993). Within a layer the places are the least
squares of the arrows' sideways lengths under the given order (isotonic regression).
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

_SWEEPS = 24
_STARTS, _SWEEPS_FROM_A_START = 8, 6
#: How much arrows want to be straight: between stopovers most, from a box that nothing leads to least.
_WEIGHT_OF_STOPS, _WEIGHT, _WEIGHT_OF_SOURCES, _WEIGHT_OF_FREE = 8.0, 2.0, 0.25, 0.01


class Layout(NamedTuple):
    """Attributes: centres of shape (n, 2); for each arrow the points it passes; the size of the whole.

    The origin is the lower left corner, and arrows go downwards.
    """

    centres: np.ndarray
    paths: list[np.ndarray]
    width: float
    height: float


def layered(
    sizes: Sequence[tuple[float, float]],
    arrows: Sequence[tuple[int, int]],
    gap: tuple[float, float] = (0.25, 0.45),
) -> Layout:
    """Place boxes.

    Parameters
    ----------
    sizes : sequence of (width, height)
    arrows : sequence of (source, target)
        Without a cycle.
    gap : (float, float)
        The least distance between boxes beside each other and above each other.
    """
    layers_of = _layers(len(sizes), arrows)
    graph = _Proper(sizes, arrows, layers_of)
    layers = _with_few_crossings(graph)
    x = _columns(graph, layers, gap[0])
    heights = [max(graph.heights[v] for v in layer) for layer in layers]
    tops = np.concatenate([[0.0], np.cumsum(np.add(heights, gap[1]))])
    height = float(tops[-1] - gap[1])
    middles = height - tops[:-1] - np.divide(heights, 2)
    half = np.divide([width for width, _ in sizes], 2)
    left = float(np.min(x[: len(sizes)] - half))
    left = min(left, float(np.min(x)))
    x = x - left
    width = max(float(np.max(x[: len(sizes)] + half)), float(np.max(x)))
    centres = np.column_stack([x[: len(sizes)], middles[layers_of]])
    ends = _ends(arrows, x, sizes)
    paths = []
    for number, (source, target) in enumerate(arrows):
        points = [(x[source], centres[source, 1] - sizes[source][1] / 2)]
        for v in graph.chain(source, layers_of[target]):
            middle, reach = middles[graph.layer[v]], heights[graph.layer[v]] / 2
            points += [(x[v], middle + reach), (x[v], middle - reach)]
        points.append((ends[number], centres[target, 1] + sizes[target][1] / 2))
        paths.append(np.array(points))
    return Layout(centres, paths, width, height)


def _layers(n: int, arrows: Sequence[tuple[int, int]]) -> np.ndarray:
    """The layer of each box: as near to its first target as it can be."""
    targets: list[list[int]] = [[] for _ in range(n)]
    waiting = [0] * n
    sources: list[list[int]] = [[] for _ in range(n)]
    for source, target in arrows:
        targets[source].append(target)
        sources[target].append(source)
        waiting[source] += 1
    above = np.zeros(n, int)  # the longest path to an end
    ready = [v for v in range(n) if not waiting[v]]
    while ready:
        v = ready.pop()
        for source in sources[v]:
            above[source] = max(above[source], above[v] + 1)
            waiting[source] -= 1
            if not waiting[source]:
                ready.append(source)
    return above.max(initial=0) - above


class _Proper:
    """The graph with a stopover in every layer that an arrow passes; arrows from one box share them."""

    def __init__(
        self, sizes: Sequence[tuple[float, float]], arrows: Sequence[tuple[int, int]], layers_of: np.ndarray
    ) -> None:
        self.widths = [width for width, _ in sizes]
        self.heights = [height for _, height in sizes]
        self.layer = [int(layer) for layer in layers_of]
        self.boxes = len(sizes)
        self._stops: dict[tuple[int, int], int] = {}
        links: dict[tuple[int, int], None] = {}
        for source, target in arrows:
            before = source
            for layer in range(self.layer[source] + 1, self.layer[target]):
                stop = self._stop(source, layer)
                links[before, stop] = None
                before = stop
            links[before, target] = None
        self.links = list(links)
        self.above: list[list[int]] = [[] for _ in self.layer]
        self.below: list[list[int]] = [[] for _ in self.layer]
        for upper, lower in self.links:
            self.above[lower].append(upper)
            self.below[upper].append(lower)

    def _stop(self, source: int, layer: int) -> int:
        if (source, layer) not in self._stops:
            self._stops[source, layer] = len(self.layer)
            self.layer.append(layer)
            self.widths.append(0.0)
            self.heights.append(0.0)
        return self._stops[source, layer]

    def weighted(self, neighbours: list[list[int]]) -> list[tuple[list[int], list[float]]]:
        """For each the neighbours with the weights of the links to them."""
        return [(around, [self._weight(v, u) for u in around]) for v, around in enumerate(neighbours)]

    def _weight(self, v: int, u: int) -> float:
        if v >= self.boxes and u >= self.boxes:
            return _WEIGHT_OF_STOPS
        upper = v if self.layer[v] < self.layer[u] else u
        return _WEIGHT_OF_SOURCES if upper < self.boxes and not self.above[upper] else _WEIGHT

    def chain(self, source: int, layer: int) -> list[int]:
        """The stopovers from `source` down to above `layer`."""
        return [self._stops[source, between] for between in range(self.layer[source] + 1, int(layer))]


def _with_few_crossings(graph: _Proper) -> list[list[int]]:
    """The order within each layer: the best that was found from several starts."""
    layers: list[list[int]] = [[] for _ in range(max(graph.layer) + 1)]
    for v in _depth_first(graph):
        layers[graph.layer[v]].append(v)
    best, fewest = [list(layer) for layer in layers], _crossings(graph, layers)
    rng = np.random.default_rng(0)
    for _ in range(_STARTS):
        for sweep in range(_SWEEPS_FROM_A_START):
            if not fewest:
                return best
            downwards = sweep % 2 == 0
            neighbours = graph.above if downwards else graph.below
            for layer in layers if downwards else reversed(layers):
                _sort_by_barycentre(layer, neighbours, _places(layers))
            _swap_beside(graph, layers)
            crossings = _crossings(graph, layers)
            if crossings < fewest:
                best, fewest = [list(layer) for layer in layers], crossings
        for layer in layers:
            rng.shuffle(layer)
    return best


def _depth_first(graph: _Proper) -> list[int]:
    """From the ends upwards, so that what belongs together starts together."""
    order: list[int] = []
    seen = [False] * len(graph.layer)
    stack = [v for v in range(len(graph.layer)) if not graph.below[v]][::-1]
    while stack:
        v = stack.pop()
        if not seen[v]:
            seen[v] = True
            order.append(v)
            stack.extend(reversed(graph.above[v]))
    return order


def _places(layers: list[list[int]]) -> dict[int, int]:
    return {v: place for layer in layers for place, v in enumerate(layer)}


def _sort_by_barycentre(layer: list[int], neighbours: list[list[int]], places: dict[int, int]) -> None:
    def barycentre(v: int) -> float:
        around = neighbours[v]
        return sum(places[u] for u in around) / len(around) if around else places[v]

    layer.sort(key=barycentre)


def _swap_beside(graph: _Proper, layers: list[list[int]]) -> None:
    """Swap what stands side by side while that saves crossings."""
    places = _places(layers)

    def crossings(left: int, right: int) -> int:
        return sum(
            places[a] > places[b] for links in (graph.above, graph.below) for a in links[left] for b in links[right]
        )

    is_better = True
    while is_better:
        is_better = False
        for layer in layers:
            for i in range(len(layer) - 1):
                left, right = layer[i], layer[i + 1]
                if crossings(left, right) > crossings(right, left):
                    layer[i], layer[i + 1] = right, left
                    places[left], places[right] = i + 1, i
                    is_better = True


def _crossings(graph: _Proper, layers: list[list[int]]) -> int:
    places = _places(layers)
    total = 0
    for layer in layers:
        reached: list[int] = []
        for v in layer:
            ends = sorted(places[u] for u in graph.below[v])
            total += sum(len(reached) - bisect.bisect_right(reached, end) for end in ends)
            for end in ends:
                bisect.insort(reached, end)
    return total


def _columns(graph: _Proper, layers: list[list[int]], gap: float) -> np.ndarray:
    """The horizontal places: each layer in turn as near to its neighbours as its order allows."""
    from scipy.optimize import isotonic_regression

    widths = np.array(graph.widths)
    x = np.zeros(len(widths))
    offsets = []
    for layer in layers:
        w = widths[layer]
        offsets.append(np.concatenate([[0.0], np.cumsum((w[1:] + w[:-1]) / 2 + gap)]))
        x[layer] = offsets[-1] - offsets[-1][-1] / 2
    above, below = graph.weighted(graph.above), graph.weighted(graph.below)
    both = [(u + v, a + b) for (u, a), (v, b) in zip(above, below, strict=True)]
    for sweep in range(_SWEEPS):
        downwards = sweep % 2 == 0
        # Looking one way only carries a shift through all layers at once; looking both ways settles what is left.
        neighbours = both if sweep >= _SWEEPS // 2 else above if downwards else below
        for index in range(len(layers)) if downwards else reversed(range(len(layers))):
            layer, offset = layers[index], offsets[index]
            wanted = np.array([np.average(x[u], weights=w) if u else x[v] for v in layer for u, w in [neighbours[v]]])
            weights = np.array([sum(neighbours[v][1]) or _WEIGHT_OF_FREE for v in layer])
            x[layer] = isotonic_regression(wanted - offset, weights=weights).x + offset
    return x


def _ends(arrows: Sequence[tuple[int, int]], x: np.ndarray, sizes: Sequence[tuple[float, float]]) -> dict[int, float]:
    """Where each arrow reaches its target: side by side, in the order in which they come."""
    ends: dict[int, float] = {}
    coming: dict[int, list[int]] = {}
    for number, (_, target) in enumerate(arrows):
        coming.setdefault(target, []).append(number)
    for target, numbers in coming.items():
        numbers.sort(key=lambda number: x[arrows[number][0]])
        step = min(0.2, 0.7 * sizes[target][0] / len(numbers))
        for place, number in enumerate(numbers):
            ends[number] = float(x[target] + (place - (len(numbers) - 1) / 2) * step)
    return ends
