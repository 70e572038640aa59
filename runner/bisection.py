"""Where in a graph two computations begin to differ. A pure search; the comparing itself is the caller's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

from ortbench.engines.onnx_graph import GraphNode, ancestors


def first_difference(nodes: Sequence[GraphNode], last: str, differs: Callable[[str], bool]) -> tuple[str, GraphNode]:
    """Return a tensor that differs though everything that its node computes it from agrees, and that node.

    Bisection over an order of the graph supposes that once there is a difference it persists, which on parallel
    branches it does not. So it is done again among what a found node reads, until all of that agrees. Where
    a difference vanishes on the way (a ReLU may hide it) there may be an earlier one still.

    Args:
        nodes: in topological order.
        last: a tensor that differs.
        differs: whether a tensor differs; asked about once for each, about log2 of the number of tensors.
    """
    asked = cache(differs)
    while True:
        own = ancestors(nodes, last)
        order = [name for node in own for name in node.outputs]
        order = order[: order.index(last) + 1]
        found = _bisect(order, asked)
        [node] = [node for node in own if found in node.outputs]
        computed = {name for other in own for name in other.outputs}
        blamed = next((name for name in node.inputs if name in computed and asked(name)), None)
        if blamed is None:
            return found, node
        last = blamed


def _bisect(order: Sequence[str], differs: Callable[[str], bool]) -> str:
    """Return a tensor that differs and whose predecessor in `order` does not; the last one is known to differ."""
    agreeing, differing = -1, len(order) - 1
    while differing - agreeing > 1:
        middle = (agreeing + differing) // 2
        if differs(order[middle]):
            differing = middle
        else:
            agreeing = middle
    return order[differing]


def worded(tensor: str, node: GraphNode) -> str:
    """Say what was found."""
    name = f" '{node.name}'" if node.name else ""
    return f"the first tensor that differs is '{tensor}' (node {node.operator}{name})"
