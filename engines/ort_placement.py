"""What ONNX Runtime's own records say of where a model runs. Pure functions of plain data.

There are two records. The **assignment** is written when the graph is divided among the providers, after the basic
rewrites and before the fusions. The **optimised graph** is what is left after them, read by `ort_graph` in a process of
its own.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from ortbench.engines.base import Placement

# What optimisation adds without joining anything: conversions of layout, type and place.
_CONVERSIONS = frozenset(
    {"ReorderInput", "ReorderOutput", "MemcpyToHost", "MemcpyFromHost", "Transpose", "Cast", "Reshape", "Squeeze"}
    | {"Unsqueeze", "Identity", "Constant"}
)
_PLACED = re.compile(r"(?:All nodes|Node\(s\)) placed on \[(?P<provider>\w+)\]\. Number of nodes: (?P<count>\d+)")
_NODE = re.compile(r"VerifyEachNodeIsAssignedToAnEp\]\s{3}(?P<operator>\S+) \(.*\)\s*$")


class AssignedNode(msgspec.Struct, frozen=True):
    """One node of the assignment.

    Attributes:
        provider: that took it.
        operator: as in the graph after the basic rewrites, e.g. `Conv`.
        name: as in the model; empty where the model names none.
    """

    provider: str
    operator: str
    name: str


class GraphFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What was read of a model's graph; None where it cannot be.

    Attributes:
        original: operator -> number of nodes in the file.
        dimensions: the names of its open dimensions.
        optimised: operator -> number of nodes in the graph that runs; fused activations and sums are part of the
            name, e.g. `Conv+Add+Relu`.
        weights: element type -> number of constants in the graph that runs, of floating point or 8 bits.
        placed: provider -> operator -> number of nodes of the graph that runs, by ONNX Runtime's log.
        flops: node name -> operations for one item; nodes without any are left out.
        total_flops: of one item, also where nodes have no names to tell them by.
    """

    original: dict[str, int] = {}
    dimensions: tuple[str, ...] = ()
    optimised: dict[str, int] | None = None
    weights: dict[str, int] | None = None
    placed: dict[str, dict[str, int]] | None = None
    flops: dict[str, int] | None = None
    total_flops: int | None = None


def summarize_placement(requested: str, nodes: Sequence[AssignedNode], facts: GraphFacts | None) -> Placement:
    """Put both records together."""
    facts = facts or GraphFacts()
    return Placement(
        requested=requested,
        assigned=dict(Counter(node.provider for node in nodes)),
        flops=assigned_flops(nodes, facts),
        operators=running_operators(nodes, facts),
        fusions=None if facts.optimised is None else fusions(facts.original, facts.optimised),
    )


def unknown_dimension(fixed: Iterable[str], facts: GraphFacts | None) -> str | None:
    """Say which of the dimensions that options fix the model does not have; None where it has all, or none is known."""
    if facts is None:
        return None
    listed = ", ".join(facts.dimensions) or "none"
    missing = [name for name in fixed if name not in facts.dimensions]
    return f"dim.{missing[0]}: the model has no open dimension of that name; it has: {listed}" if missing else None


def assigned_flops(nodes: Sequence[AssignedNode], facts: GraphFacts) -> dict[str, int] | None:
    """Return provider -> operations for one item; None where they cannot be told apart."""
    providers = dict.fromkeys(node.provider for node in nodes)
    if len(providers) == 1 and facts.total_flops is not None:
        return dict.fromkeys(providers, facts.total_flops)
    by_name = {node.name: node.provider for node in nodes if node.name}
    if facts.flops is None or sum(facts.flops.values()) != facts.total_flops or facts.flops.keys() - by_name.keys():
        return None
    return {
        provider: sum(count for name, count in facts.flops.items() if by_name[name] == provider)
        for provider in providers
    }


def running_operators(nodes: Sequence[AssignedNode], facts: GraphFacts) -> dict[str, dict[str, int]]:
    """Return provider -> operator -> number: of the graph that runs, or as assigned where that cannot be read."""
    providers = {node.provider for node in nodes}
    if len(providers) == 1 and facts.optimised is not None:
        return dict.fromkeys(providers, facts.optimised)
    if facts.placed and providers <= facts.placed.keys():
        return facts.placed
    assigned: dict[str, Counter[str]] = {}
    for node in nodes:
        assigned.setdefault(node.provider, Counter())[node.operator] += 1
    return {provider: dict(operators) for provider, operators in assigned.items()}


def fusions(original: Mapping[str, int], optimised: Mapping[str, int]) -> dict[str, int]:
    """Return the operators of the optimised graph that do what several of the original's did, with their number."""
    known = {_bare(operator) for operator in original} | _CONVERSIONS
    return {operator: count for operator, count in optimised.items() if "+" in operator or _bare(operator) not in known}


def operator_name(domain: str, operator: str, inputs: int, activation: str | None) -> str:
    """Name a node by what it does: its operator, a sum that was fused into it, and its activation.

    Args:
        domain: of the operator; ONNX's own is empty. Blocked layouts are named, as `nchwc.Conv`.
        operator: its type.
        inputs: how many it has; a fused convolution's fourth is added to its result.
        activation: that was fused into it.
    """
    prefix = "nchwc." if domain.endswith("nchwc") else ""
    added = ["Add"] if inputs == 4 and (prefix or operator.startswith("Fused")) and operator.endswith("Conv") else []
    return "+".join([prefix + operator, *added, *([activation] if activation else [])])


def read_placement_log(text: str) -> dict[str, dict[str, int]] | None:
    """Read provider -> operator -> number from ONNX Runtime's verbose log.

    It lists nodes only where several providers share the graph; names of compiled subgraphs lose their number.

    Returns:
        None where there is no such record in it, or not as many nodes as it says.
    """
    found: dict[str, Counter[str]] = {}
    expected: dict[str, int] = {}
    provider = ""
    for line in text.splitlines():
        if match := _PLACED.search(line):
            provider = match["provider"]
            found.setdefault(provider, Counter())
            expected[provider] = expected.get(provider, 0) + int(match["count"])
        elif provider and (match := _NODE.search(line)):
            found[provider][re.sub(r"_\d+$", "", match["operator"])] += 1
    complete = bool(found) and all(sum(found[name].values()) == count for name, count in expected.items())
    return {name: dict(operators) for name, operators in found.items()} if complete else None


def assigned_nodes(subgraphs: Iterable[tuple[str, Iterable[tuple[str, str]]]]) -> tuple[AssignedNode, ...]:
    """Flatten subgraphs of (provider, nodes of (operator, name))."""
    return tuple(AssignedNode(provider, *node) for provider, nodes in subgraphs for node in nodes)


def _bare(operator: str) -> str:
    return operator.partition("+")[0].removeprefix("nchwc.")
