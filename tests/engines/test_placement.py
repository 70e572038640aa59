from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ortbench.engines.base import Evidence, Placement
from ortbench.engines.evidence import LEAST_REQUESTED_SHARE, fallback_reason
from ortbench.engines.ort_placement import (
    AssignedNode,
    GraphFacts,
    assigned_flops,
    assigned_nodes,
    fusions,
    operator_name,
    read_placement_log,
    running_operators,
    summarize_placement,
    unknown_dimension,
)

DATA = Path(__file__).parent / "data"
CPU, CUDA, OPENVINO = "CPUExecutionProvider", "CUDAExecutionProvider", "OpenVINOExecutionProvider"
# onnxruntime-openvino 1.24.1 on two products with an optional value between them, which OpenVINO does not take.
MIXED = assigned_nodes(
    [
        (OPENVINO, [("MatMul", "first"), ("Relu", "relu")]),
        (OPENVINO, [("MatMul", "second")]),
        (CPU, [("Optional", "optional")]),
        (CPU, [("OptionalGetElement", "get")]),
    ]
)


def test_the_log_of_a_shared_graph_lists_its_nodes() -> None:
    log = (DATA / "openvino-placement.log").read_text(encoding="utf-8")
    assert read_placement_log(log) == {
        OPENVINO: {"OpenVINO-EP-subgraph": 2},
        CPU: {"Optional": 1, "OptionalGetElement": 1},
    }


def test_the_log_of_one_providers_graph_lists_none() -> None:
    assert read_placement_log((DATA / "cpu-placement.log").read_text(encoding="utf-8")) is None
    assert read_placement_log("") is None


def test_operations_and_operators_are_told_apart_by_node() -> None:
    facts = GraphFacts(flops={"first": 300, "second": 100}, total_flops=400)
    placement = summarize_placement(OPENVINO, MIXED, facts)
    assert placement.assigned == {OPENVINO: 3, CPU: 2}
    assert placement.flops == {OPENVINO: 400, CPU: 0}
    assert placement.requested_share == 1
    assert placement.operators == {
        OPENVINO: {"MatMul": 2, "Relu": 1},
        CPU: {"Optional": 1, "OptionalGetElement": 1},
    }
    assert placement.fusions is None


def test_nothing_is_claimed_of_a_graph_that_cannot_be_read() -> None:
    placement = summarize_placement(OPENVINO, MIXED, None)
    assert (placement.flops, placement.fusions) == (None, None)
    assert placement.requested_share == 0.6


def test_a_single_provider_has_all_operations_even_of_nameless_nodes() -> None:
    nodes = (AssignedNode(CPU, "MatMul", ""), AssignedNode(CPU, "MatMul", ""))
    assert assigned_flops(nodes, GraphFacts(flops={}, total_flops=10)) == {CPU: 10}


@pytest.mark.parametrize(
    "facts",
    [
        GraphFacts(),
        GraphFacts(flops={"first": 1}, total_flops=2),
        GraphFacts(flops={"first": 1, "gone": 1}, total_flops=2),
    ],
)
def test_operations_that_cannot_be_assigned_are_unknown(facts: GraphFacts) -> None:
    assert assigned_flops(MIXED, facts) is None


def test_the_graph_that_runs_goes_before_the_assignment() -> None:
    nodes = (AssignedNode(CPU, "Conv", "c"), AssignedNode(CPU, "Relu", "r"))
    assert running_operators(nodes, GraphFacts(optimised={"FusedConv+Relu": 1})) == {CPU: {"FusedConv+Relu": 1}}
    shared = {OPENVINO: {"OpenVINO-EP-subgraph": 2}, CPU: {"Optional": 2}}
    assert running_operators(MIXED, GraphFacts(placed=shared)) == shared


def test_fusions_are_what_did_not_stand_in_the_model() -> None:
    # ResNet50 on the CPU provider of 1.32.0.
    original = {"Conv": 53, "Relu": 49, "Add": 16, "MaxPool": 1, "ReduceMean": 1, "Reshape": 1, "Gemm": 1}
    optimised = {
        "nchwc.Conv+Relu": 33,
        "nchwc.Conv+Add+Relu": 16,
        "nchwc.Conv": 4,
        "nchwc.MaxPool": 1,
        "nchwc.ReorderOutput": 1,
        "ReduceMean": 1,
        "Reshape": 1,
        "Gemm": 1,
    }
    assert fusions(original, optimised) == {"nchwc.Conv+Relu": 33, "nchwc.Conv+Add+Relu": 16}
    assert fusions(original, original) == {}
    assert fusions({"MatMul": 1, "Add": 1}, {"Gemm": 1, "Cast": 1}) == {"Gemm": 1}


@pytest.mark.parametrize(
    ("domain", "operator", "inputs", "activation", "name"),
    [
        ("", "Conv", 3, None, "Conv"),
        ("com.microsoft", "FusedConv", 3, "Relu", "FusedConv+Relu"),
        ("com.microsoft", "FusedConv", 4, "Relu", "FusedConv+Add+Relu"),
        ("com.microsoft.nchwc", "Conv", 4, "Relu", "nchwc.Conv+Add+Relu"),
        ("com.microsoft.nchwc", "MaxPool", 1, None, "nchwc.MaxPool"),
        ("com.microsoft", "Attention", 4, None, "Attention"),
    ],
)
def test_a_nodes_name_says_what_was_fused(
    domain: str, operator: str, inputs: int, activation: str | None, name: str
) -> None:
    assert operator_name(domain, operator, inputs, activation) == name


def test_a_dimension_that_the_model_lacks_is_named() -> None:
    facts = GraphFacts(dimensions=("batch", "sequence"))
    assert unknown_dimension(["batch"], facts) is None
    assert unknown_dimension(["seq"], None) is None
    assert unknown_dimension(["batch", "seq"], facts) == (
        "dim.seq: the model has no open dimension of that name; it has: batch, sequence"
    )


def evidence(flops: dict[str, int] | None, assigned: dict[str, int]) -> Evidence:
    return Evidence(versions={}, placement=Placement(requested=CUDA, assigned=assigned, flops=flops))


def test_shape_nodes_on_the_cpu_are_no_fallback() -> None:
    assert fallback_reason(evidence({CUDA: 1000, CPU: 0}, {CUDA: 5, CPU: 60})) is None


def test_most_of_the_work_elsewhere_is_a_fallback() -> None:
    shared = evidence({CUDA: 100, CPU: 900}, {CUDA: 100, CPU: 2})
    assert fallback_reason(shared) == (
        "asked for CUDAExecutionProvider, but it got 10.0% of the operations (--allow-fallback counts it all the "
        "same); the nodes ran on: CUDAExecutionProvider (100), CPUExecutionProvider (2)"
    )
    assert fallback_reason(shared, allowed=True) is None


def test_without_counted_operations_nodes_decide() -> None:
    assert fallback_reason(evidence(None, {CUDA: 6, CPU: 5})) is None
    assert fallback_reason(evidence({CPU: 0}, {CUDA: 5, CPU: 6})) is not None


@given(st.integers(0, 100), st.integers(0, 100))
def test_the_declared_share_divides_valid_from_invalid(on: int, off: int) -> None:
    seen = evidence({CUDA: on, CPU: off}, {CUDA: 1, CPU: 1})
    total = on + off
    enough = not total or on / total >= LEAST_REQUESTED_SHARE
    assert (fallback_reason(seen) is None) == enough
