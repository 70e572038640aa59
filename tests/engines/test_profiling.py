"""Profiles: what was recorded of the model `tiny` is read, and engines are profiled for real, each in a worker."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ortbench.engines.base import LoadRequest, OperatorTime
from ortbench.engines.openvino_profile import Counter, executed, read_counters
from ortbench.engines.ort_profile import read_trace
from ortbench.engines.profiling import Span, median_call, nested
from ortbench.engines.registry import resolve_engines
from ortbench.engines.torch_profile import name_unseen, read_events
from ortbench.export.artifact import Artifact
from ortbench.models.catalog import find_model
from ortbench.runner import protocol
from ortbench.runner.process import Worker

TRACES = Path(__file__).with_name("traces")
SOURCE = find_model("tiny").source()

# Own time of a span, and the spans inside it.
TREES: st.SearchStrategy[Any] = st.recursive(
    st.tuples(st.integers(1, 50), st.just([])),
    lambda inner: st.tuples(st.integers(1, 50), st.lists(inner, max_size=4)),
    max_leaves=20,
)


def spans_of(tree: Any, start: float, name: str = "0") -> Iterator[tuple[str, float, float]]:
    """Lay a tree out in time, the inner spans first, as ONNX Runtime writes them; a span's name says where it is."""
    own, children = tree
    begin = start + own / 2
    inner = []
    for index, child in enumerate(children):
        laid = list(spans_of(child, begin, f"{name}.{index}"))
        begin += laid[-1][2]
        inner += laid
    yield from inner
    yield name, start, begin - start + own / 2


def own_times(tree: Any, name: str = "0") -> dict[str, float]:
    own, children = tree
    times = {name: float(own)}
    for index, child in enumerate(children):
        times |= own_times(child, f"{name}.{index}")
    return times


@given(TREES)
def test_no_moment_is_counted_twice(tree: Any) -> None:
    spans = list(spans_of(tree, 7.0))
    found = {span.operator: span.own_us for span in nested(spans)}
    assert found == pytest.approx(own_times(tree))
    assert sum(found.values()) == pytest.approx(spans[-1][2])


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=9))
def test_an_operators_time_is_the_median_of_the_calls(durations: list[int]) -> None:
    calls = [Span("call", 2000.0 * index, 1500.0, 0.0) for index in range(len(durations))]
    spans = [Span("Conv", 2000.0 * index + 1, float(us), float(us)) for index, us in enumerate(durations)]
    [conv] = median_call(calls, spans)
    assert conv.count == 1
    assert conv.ms == pytest.approx(statistics.median(durations) / 1e3)


def test_what_lies_outside_of_the_calls_is_left_out() -> None:
    call = Span("call", 10, 10, 0)
    spans = [Span("before", 9, 1, 1), Span("in", 10, 4, 4), Span("in", 15, 5, 5), Span("after", 20, 1, 1)]
    assert median_call([call], spans) == (OperatorTime(operator="in", ms=0.009, count=2),)
    assert median_call([], spans) == ()


def trace(name: str) -> list[dict[str, Any]]:
    content: list[dict[str, Any]] = json.loads((TRACES / f"{name}-tiny-b4.json").read_text(encoding="utf-8"))
    return content


def test_a_recorded_trace_of_onnx_runtime_is_read() -> None:
    events = trace("ort")
    found = read_trace(events, calls=3, asynchronous=False)
    assert found is not None
    assert {operator.operator: operator.count for operator in found} == dict.fromkeys(
        ("Conv", "ReorderOutput", "ReduceMean", "Reshape", "Gemm"), 1
    )
    assert found[0].operator == "Conv"
    runs = sorted(event["dur"] for event in events if event["name"] == "model_run")
    assert 0 < sum(operator.ms for operator in found) < runs[-1] / 1e3
    one = read_trace(events, calls=1, asynchronous=False) or ()
    last = [event["dur"] for event in events if event["name"].endswith("_kernel_time")][-5:]
    assert sum(operator.ms for operator in one) == pytest.approx(sum(last) / 1e3)


def test_an_operator_that_holds_others_counts_without_them() -> None:
    def event(name: str, start: int, duration: int, operator: str = "", category: str = "Node") -> dict[str, Any]:
        arguments = {"op_name": operator} if operator else {}
        return {"cat": category, "name": name, "ts": start, "dur": duration, "args": arguments}

    events = [
        event("inner_kernel_time", 110, 30, "Add"),
        event("inner_kernel_time", 145, 20, "Add"),
        event("loop_kernel_time", 100, 80, "Loop"),
        event("loop_fence_before", 99, 1, "Loop"),
        event("SequentialExecutor::Execute", 98, 90, category="Session"),
        event("model_run", 95, 100, category="Session"),
    ]
    found = read_trace(events, calls=1, asynchronous=False)
    assert found == (
        OperatorTime(operator="Add", ms=0.05, count=2),
        OperatorTime(operator="Loop", ms=0.03, count=1),
    )


def test_a_device_whose_kernels_are_not_timed_has_no_profile() -> None:
    assert read_trace(trace("ort"), calls=3, asynchronous=True) is None


def torch_events(name: str) -> list[Any]:
    return [
        SimpleNamespace(
            name=event["name"],
            thread=event["thread"],
            time_range=SimpleNamespace(start=event["start"], end=event["end"]),
            self_cpu_time_total=event["self_cpu"],
            self_device_time_total=0.0,
        )
        for event in trace(name)
    ]


def test_recorded_events_of_the_torch_profiler_are_read() -> None:
    events = torch_events("torch")
    found = {operator.operator: operator for operator in read_events(events, calls=3, cuda=False)}
    assert found["aten::mkldnn_convolution"].count == 1
    assert found["aten::empty"].count > 1
    assert "ortbench call" not in found
    [*_, last] = [event for event in events if event.name == "ortbench call"]
    one = read_events(events, calls=1, cuda=False)
    whole = (last.time_range.end - last.time_range.start - last.self_cpu_time_total) / 1e3
    assert sum(operator.ms for operator in one) == pytest.approx(whole, rel=1e-3)


def test_operators_that_start_nothing_on_the_device_are_left_out() -> None:
    events = torch_events("torch")
    for event in events:
        event.self_device_time_total = 5.0 if event.name == "aten::addmm" else 0.0
    assert read_events(events, calls=3, cuda=True) == (OperatorTime(operator="aten::addmm", ms=0.005, count=1),)


def test_what_torchscript_hides_is_named_after_its_graph() -> None:
    found = read_events(torch_events("torchscript"), calls=3, cuda=False)
    kinds = ["prim::Constant", "aten::to_mkldnn", "prim::mkldnn_convolution", "aten::relu_"]
    named = {operator.operator: operator.count for operator in name_unseen(found, kinds)}
    assert named["forward (prim::mkldnn_convolution)"] == 1
    assert "forward" not in named
    assert name_unseen(found, ["aten::conv2d"]) == found


def test_openvinos_means_become_the_time_of_the_later_calls() -> None:
    # Three calls of 50 us on average, the first of them cold, then ten calls of 20 us.
    before = [{"conv": Counter("Convolution", 50.0), "first": Counter("Convolution", 4.0)}]
    after = [{"conv": Counter("Convolution", (3 * 50 + 10 * 20) / 13), "first": Counter("Convolution", 4.0)}]
    [found] = read_counters(before, after, calls_before=3, calls=10)
    assert (found.operator, found.count) == ("Convolution", 2)
    assert found.ms == pytest.approx(0.024)
    # Two requests at once: a call takes what one of them takes.
    [both] = read_counters(before * 2, after * 2, calls_before=3, calls=10)
    assert both == found


def test_nodes_that_did_not_run_are_left_out() -> None:
    def node(name: str, status: str) -> Any:
        time = SimpleNamespace(total_seconds=lambda: 2e-6)
        return SimpleNamespace(node_name=name, node_type="Relu", status=SimpleNamespace(name=status), real_time=time)

    assert executed([node("a", "EXECUTED"), node("b", "NOT_RUN")]) == {"a": Counter("Relu", 2.0)}


@pytest.fixture(scope="module")
def artifact(tiny_artifact: Artifact) -> Artifact:
    return tiny_artifact


@pytest.mark.parametrize(
    ("label", "convolution"),
    [
        ("torch", "aten::mkldnn_convolution"),
        ("torchscript", "forward (prim::mkldnn_convolution)"),
        ("ort", "Conv"),
        ("openvino", "Convolution"),
    ],
)
def test_an_engine_says_what_its_operators_take(label: str, convolution: str, artifact: Artifact) -> None:
    profiled = ask_for_profile(label, artifact)
    assert profiled.operators is not None
    assert {operator.operator: operator.count for operator in profiled.operators}[convolution] == 1
    assert [operator.ms for operator in profiled.operators] == sorted(
        (operator.ms for operator in profiled.operators), reverse=True
    )
    assert len(profiled.samples_ns) == 10


def test_an_engine_without_operators_says_so(artifact: Artifact) -> None:
    assert ask_for_profile("null", artifact).operators is None


def ask_for_profile(label: str, artifact: Artifact) -> protocol.Profiled:
    [engine] = resolve_engines(label)
    path = str(artifact.path) if engine.entry.needs_artifact else None
    request = LoadRequest(source=SOURCE, artifact=path, target="cpu", threads=1, options=engine.options)
    with Worker(label, [0], 1) as worker:
        worker.ask(protocol.Load(engine=engine.entry.name, request=request), protocol.Loaded, 120)
        prepare = protocol.Prepare(batch_size=4, reference_path=None, reference="torch")
        worker.ask(prepare, protocol.Prepared, 120)
        profiled = worker.ask(protocol.Profile(calls=10), protocol.Profiled, 120)
        # The engine goes on as before.
        assert worker.ask(protocol.Slice(calls=2), protocol.Samples, 60).samples_ns
    return profiled
