"""Colours and markers: Okabe and Ito's, which are apart for every kind of colour vision."""

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#666666")

#: Beside the colours, so that classes are apart in grey as well.
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")

#: The kinds of boxes of a graph: paper-light fills and the full colour around them.
FILLS = {
    "tensor": "#D9EAF6",
    "constant": "#FFFFFF",
    "operation": "#F5F5F5",
    "result": "#FCEFD2",
    "rest": "#E4E4E4",
}
EDGES = {
    "tensor": "#0072B2",
    "constant": "#8A8A8A",
    "operation": "#8A8A8A",
    "result": "#E69F00",
    "rest": "#8A8A8A",
}
