"""Several ONNX Runtime sessions in one process: divided, pinned, really running at the same time, refused."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ortbench.engines.base import Arrays, LoadRequest, OperatorTime, OptionValue, SessionPlace
from ortbench.engines.helper_thread import HelperThread
from ortbench.engines.ort_sessions import (
    OrtSessionsEngine,
    check_undivided,
    divide_cpus,
    even_parts,
    join_outputs,
    share_batch,
)
from ortbench.engines.profiling import mean_of
from ortbench.engines.registry import resolve_engines
from ortbench.errors import ArmError, EngineSpecError
from ortbench.models.spec import ModelSource, TensorSpec
from ortbench.runner import protocol
from ortbench.runner.cpus import allowed_cpus, thread_limit
from ortbench.runner.jobs import Reference
from ortbench.runner.process import Worker

needs_two_cpus = pytest.mark.skipif(thread_limit() < 2, reason="two sessions need two CPUs")


def source_of(path: Path, *, batch: int | str = "batch") -> ModelSource:
    return ModelSource(
        name="product",
        path=str(path),
        inputs=(TensorSpec("x", (batch, 8)),),
        outputs=(TensorSpec("y", (batch, 4)),),
    )


def request_of(path: Path, sessions: int, threads: int = 2, **options: OptionValue) -> LoadRequest:
    given = {"sessions": sessions, **options}
    return LoadRequest(source=source_of(path), artifact=str(path), target="cpu", threads=threads, options=given)


@needs_two_cpus
@pytest.mark.parametrize("io_binding", [True, False])
def test_sessions_share_a_batch_on_cpus_of_their_own_and_agree_with_the_reference(
    model_file: Path, io_binding: bool
) -> None:
    request = request_of(model_file, 2, io_binding=io_binding)
    cpus = allowed_cpus()[:2]
    with (
        Reference("ort[graph_optimization_level=disable]", request.source) as reference,
        Worker("ort[sessions=2]", cpus, 2) as worker,
    ):
        reference.ready()
        worker.ask(protocol.Load(engine="ort", request=request), protocol.Loaded, 60)
        # Three items are two and one; one item leaves a session idle, which then was never bound.
        for size in (1, 3, 1):
            prepare = protocol.Prepare(batch_size=size, reference_path=str(reference.outputs(size)), reference="ort")
            prepared = worker.ask(prepare, protocol.Prepared, 60)
            assert prepared.parity.ok, prepared.parity.reason
        assert prepared.affinity == tuple(cpus)
        assert prepared.evidence.threads == 2
        assert prepared.evidence.placement is not None
        assert prepared.evidence.placement.assigned == {"CPUExecutionProvider": 1}
        assert prepared.evidence.sessions == tuple(SessionPlace(threads=1, os_threads=1, cpus=(cpu,)) for cpu in cpus)
        profiled = worker.ask(protocol.Profile(calls=3), protocol.Profiled, 60)
    assert [(one.operator, one.count) for one in profiled.operators or ()] == [("MatMul", 1)]


@needs_two_cpus
def test_sessions_really_run_at_the_same_time(tmp_path: Path) -> None:
    path = write_long_product(tmp_path)
    with Worker("ort[sessions=2]", allowed_cpus()[:2], 2) as worker:
        worker.ask(protocol.Load(engine="ort", request=request_of(path, 2)), protocol.Loaded, 60)
        prepare = protocol.Prepare(batch_size=2, reference_path=None, reference="")
        prepared = worker.ask(prepare, protocol.Prepared, 60)
    # Each has one thread, so that two of them are two sessions'.
    assert prepared.busy_threads == 2


def write_long_product(folder: Path) -> Path:
    """Write a model that multiplies each item by a matrix many times, one after the other."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    width, times = 512, 64
    inner = [helper.make_node("MatMul", [f"h{index}", "w"], [f"h{index + 1}"]) for index in range(times)]
    first = helper.make_node("MatMul", ["x", "wide"], ["h0"])
    nodes = [first, *inner, helper.make_node("MatMul", [f"h{times}", "narrow"], ["y"])]
    weights = {"wide": (8, width), "w": (width, width), "narrow": (width, 4)}
    graph = helper.make_graph(
        nodes,
        "long",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 4])],
        [numpy_helper.from_array(np.eye(*shape, dtype=np.float32), name) for name, shape in weights.items()],
    )
    path = folder / "long.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def test_more_sessions_than_threads_and_batches_that_cannot_be_divided_are_refused(model_file: Path) -> None:
    with pytest.raises(ArmError) as caught:
        OrtSessionsEngine().load(request_of(model_file, 3))
    assert str(caught.value) == "expected 1 to 2 sessions, as many as threads, but got 3"
    fixed = msgspec.structs.replace(request_of(model_file, 2), source=source_of(model_file, batch=4))
    with pytest.raises(ArmError) as caught:
        OrtSessionsEngine().load(fixed)
    assert str(caught.value) == "sessions have nothing to divide: the model has no open batch"


@pytest.mark.parametrize(
    ("spelling", "problem"),
    [
        ("ort[sessions=0]", "sessions is at least 1"),
        ("ort:cuda[sessions=2]", "sessions divide CPUs, so that they go with ort, the CPU provider"),
        (
            "ort[sessions=2,session.intra_op_thread_affinities=1]",
            "sessions keep their threads to CPUs of their own, and so does session.intra_op_thread_affinities",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(spelling: str, problem: str) -> None:
    with pytest.raises(EngineSpecError) as caught:
        resolve_engines(spelling)
    assert str(caught.value) == f"'{spelling}' cannot be: {problem}."


@given(st.integers(0, 100), st.integers(1, 20))
def test_parts_are_even_and_all_there(total: int, count: int) -> None:
    parts = even_parts(total, count)
    assert (len(parts), sum(parts)) == (count, total)
    assert max(parts) - min(parts) <= 1
    assert parts == sorted(parts, reverse=True)


def test_each_session_gets_as_many_cpus_as_threads_or_nobody_any() -> None:
    assert divide_cpus([0, 2, 4, 6, 8], [2, 1]) == [(0, 2), (4,)]
    assert divide_cpus([0, 2], [2, 1]) == [(), ()]


def test_only_what_has_a_batch_is_divided_and_joined() -> None:
    source = ModelSource(
        name="m",
        inputs=(TensorSpec("scale", (2,)), TensorSpec("x", (5, "batch"))),
        outputs=(TensorSpec("total", (2,)), TensorSpec("y", (5, "batch"))),
    )
    whole = np.arange(15, dtype=np.float32).reshape(5, 3)
    inputs = {"scale": np.ones(2, np.float32), "x": whole}
    assert share_batch(source, inputs, 2) == [2, 1]
    assert share_batch(source, inputs, 7) == [1, 1, 1]
    parts: list[Arrays] = [{"total": np.ones(2), "y": whole[:, :2]}, {"total": np.zeros(2), "y": whole[:, 2:]}]
    joined = join_outputs(source, parts, [2, 1])
    np.testing.assert_array_equal(joined["y"], whole)
    np.testing.assert_array_equal(joined["total"], np.ones(2))
    check_undivided(source, [parts[0], {"total": np.ones(2), "y": whole[:, 2:]}], [2, 1])
    with pytest.raises(ArmError) as caught:
        check_undivided(source, parts, [2, 1])
    assert str(caught.value) == "a batch cannot be divided: the output 'total' is not of the batch and depends on it"


def test_a_nameless_output_is_joined_only_where_every_part_has_its_items() -> None:
    source = ModelSource(
        name="m", inputs=(TensorSpec("x", ("batch", 3)),), outputs=(TensorSpec("dets", ("?dets_0", 3)),)
    )
    joined = join_outputs(source, [{"dets": np.zeros((2, 3))}, {"dets": np.zeros((2, 3))}], [2, 2])
    assert joined["dets"].shape == (4, 3)
    with pytest.raises(ArmError, match="the output 'dets' is not of the batch"):
        check_undivided(source, [{"dets": np.zeros((2, 3))}, {"dets": np.zeros((5, 3))}], [2, 2])


def test_two_nameless_axes_of_the_same_length_are_not_told_apart() -> None:
    state = TensorSpec("state", ("?state_0", "?state_1", 8))
    source = ModelSource(name="m", inputs=(TensorSpec("x", ("batch", 3)),), outputs=(state,))
    joined = join_outputs(source, [{"state": np.zeros((2, 3, 8))}, {"state": np.zeros((2, 3, 8))}], [3, 3])
    assert joined["state"].shape == (2, 6, 8)
    with pytest.raises(ArmError, match="which axis of the output 'state' is the batch cannot be told"):
        join_outputs(source, [{"state": np.zeros((2, 2, 8))}, {"state": np.zeros((2, 2, 8))}], [2, 2])


def test_a_helper_works_beside_its_caller_and_passes_errors_on() -> None:
    helper, begun, go_on = HelperThread(), threading.Event(), threading.Event()
    seen: list[int] = []

    def work() -> None:
        begun.set()
        assert go_on.wait(60)
        seen.append(threading.get_ident())

    helper.start(work)
    assert begun.wait(60)
    assert seen == []
    go_on.set()
    helper.wait()
    assert seen != [threading.get_ident()]

    def fail() -> None:
        raise ValueError("no")

    helper.start(fail)
    with pytest.raises(ValueError, match="^no$"):
        helper.wait()
    helper.start(lambda: time.sleep(0))
    helper.wait()


def test_a_profile_is_the_mean_of_sessions_that_run_at_once() -> None:
    def took(operator: str, ms: float) -> OperatorTime:
        return OperatorTime(operator=operator, ms=ms, count=2)

    assert mean_of([[took("Conv", 3), took("Add", 1)], [took("Conv", 5)]]) == (
        took("Conv", 4),
        OperatorTime(operator="Add", ms=0.5, count=1),
    )
