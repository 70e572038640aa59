from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ortbench.engines.onnx_graph import GraphNode
from ortbench.runner.bisection import first_difference, worded


@dataclass(frozen=True)
class Faulty:
    """A graph in which one node computes something else."""

    nodes: tuple[GraphNode, ...]
    at: int

    def reached(self) -> list[str]:
        """Tensors that depend on the faulty node, its own first."""
        found = [f"t{self.at}"]
        for node in self.nodes[self.at + 1 :]:
            if set(node.inputs) & set(found):
                found.extend(node.outputs)
        return found


@st.composite
def faulty_graphs(draw: st.DrawFn) -> Faulty:
    count = draw(st.integers(1, 25))
    nodes = []
    for index in range(count):
        before = [f"t{earlier}" for earlier in range(index)]
        inputs = draw(st.lists(st.sampled_from(before), max_size=3, unique=True)) if before else []
        nodes.append(GraphNode(f"n{index}", "Op", ("x", "w", *inputs), (f"t{index}",)))
    return Faulty(tuple(nodes), draw(st.integers(0, count - 1)))


@given(faulty_graphs(), st.data())
def test_where_differences_persist_the_faulty_node_is_found(graph: Faulty, data: st.DataObject) -> None:
    reached = graph.reached()
    last = data.draw(st.sampled_from(reached))
    found, node = first_difference(graph.nodes, last, set(reached).__contains__)
    assert (found, node) == (f"t{graph.at}", graph.nodes[graph.at])


@given(faulty_graphs(), st.data())
def test_where_some_vanish_the_node_found_still_differs_on_inputs_that_agree(
    graph: Faulty, data: st.DataObject
) -> None:
    reached = graph.reached()
    hidden = data.draw(st.sets(st.sampled_from(reached)))
    last = data.draw(st.sampled_from(reached))
    differing = set(reached) - hidden | {last}
    found, node = first_difference(graph.nodes, last, differing.__contains__)
    assert found in differing
    assert not differing & set(node.inputs)


@pytest.mark.parametrize("at", range(0, 1000, 111))
def test_a_long_chain_takes_few_questions(at: int) -> None:
    nodes = [GraphNode("", "Op", (f"t{index - 1}",), (f"t{index}",)) for index in range(1000)]
    asked: list[str] = []

    def differs(tensor: str) -> bool:
        asked.append(tensor)
        return int(tensor[1:]) >= at

    assert first_difference(nodes, "t999", differs)[0] == f"t{at}"
    assert len(asked) <= 12
    assert len(set(asked)) == len(asked)


def test_the_place_is_worded_with_its_node() -> None:
    assert worded("y", GraphNode("n1", "Conv", (), ("y",))) == "the first tensor that differs is 'y' (node Conv 'n1')"
    assert worded("y", GraphNode("", "Add", (), ("y",))) == "the first tensor that differs is 'y' (node Add)"
