"""ONNX Runtime for real, with the options that can be seen to have had an effect."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from ortbench.engines.base import Evidence, LoadRequest, OptionValue
from ortbench.engines.ort import OrtEngine
from ortbench.engines.ort_providers import PROVIDERS
from ortbench.errors import ArmError, ArmInvalid
from ortbench.models.spec import ModelSource, TensorSpec
from ortbench.runner.jobs import probe_targets

CPU = "CPUExecutionProvider"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A convolution with its activation, on N images of 8x8."""
    weights = np.linspace(-1, 1, 4 * 3 * 3 * 3, dtype=np.float32).reshape(4, 3, 3, 3)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], name="conv", kernel_shape=[3, 3]),
        helper.make_node("Relu", ["c"], ["y"], name="relu"),
    ]
    graph = helper.make_graph(
        nodes,
        "conv",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 4, 6, 6])],
        [numpy_helper.from_array(weights, "w")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "m.onnx")
    return tmp_path / "m.onnx"


def loaded(model: Path, target: str = "cpu", cache: Path | None = None, **options: OptionValue) -> OrtEngine:
    request = LoadRequest(
        source=ModelSource(
            name="m",
            path=str(model),
            inputs=(TensorSpec("x", ("batch", 3, 8, 8)),),
            outputs=(TensorSpec("y", ("batch", 4, 6, 6)),),
        ),
        artifact=str(model),
        target=target,
        threads=2,
        options={name.replace("__", "."): value for name, value in options.items()},
        cache=str(cache) if cache else None,
    )
    engine = OrtEngine()
    engine.load(request)
    return engine


def ran(engine: OrtEngine, batch_size: int = 2) -> tuple[Any, Evidence]:
    images = np.linspace(-1, 1, batch_size * 3 * 8 * 8, dtype=np.float32).reshape(batch_size, 3, 8, 8)
    engine.bind({"x": images})
    engine.run()
    engine.synchronize()
    return (engine.outputs() or {})["y"], engine.evidence()


def test_placement_counts_operations_and_fusions_of_what_runs(model: Path) -> None:
    _, evidence = ran(loaded(model, graph_optimization_level="extended"))
    assert evidence.placement is not None
    assert evidence.placement.assigned == {CPU: 2}
    assert evidence.placement.flops == {CPU: 2 * 4 * 6 * 6 * 3 * 9}
    assert evidence.placement.operators == {CPU: {"FusedConv+Relu": 1}}
    assert evidence.placement.fusions == {"FusedConv+Relu": 1}


def test_without_optimisation_nothing_is_fused(model: Path) -> None:
    _, evidence = ran(loaded(model, graph_optimization_level="disable"))
    assert evidence.placement is not None
    assert evidence.placement.operators == {CPU: {"Conv": 1, "Relu": 1}}
    assert evidence.placement.fusions == {}


def test_the_graph_is_read_once_and_kept(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "cache"
    _, first = ran(loaded(model, cache=cache))
    assert len(list(cache.glob("ort-graph-*.json"))) == 1
    monkeypatch.setattr("ortbench.engines.ort_graph._ask", lambda _: pytest.fail("it was read again"))
    _, second = ran(loaded(model, cache=cache))
    assert second.placement == first.placement


def test_without_io_binding_the_copies_are_timed_and_said_to_be(model: Path) -> None:
    bound, evidence = ran(loaded(model))
    copied, other = ran(loaded(model, io_binding=False))
    np.testing.assert_array_equal(bound, copied)
    assert (evidence.boundary, other.boundary) == ("host", "host+copies")


def test_options_reach_the_session(model: Path) -> None:
    engine = loaded(model, execution_mode="parallel", inter_threads=2, arena=False, session__dynamic_block_base="4")
    seen = engine._session.get_session_options()
    assert (seen.intra_op_num_threads, seen.inter_op_num_threads) == (2, 2)
    assert seen.execution_mode.name == "ORT_PARALLEL"
    assert not seen.enable_cpu_mem_arena
    assert seen.get_session_config_entry("session.dynamic_block_base") == "4"


def test_a_fixed_dimension_is_fixed(model: Path) -> None:
    assert loaded(model, dim__N=2)._session.get_inputs()[0].shape == [2, 3, 8, 8]


def test_a_dimension_that_the_model_lacks_is_an_error(model: Path) -> None:
    with pytest.raises(ArmError) as caught:
        ran(loaded(model, dim__batch=2))
    assert str(caught.value) == "dim.batch: the model has no open dimension of that name; it has: N"


@pytest.mark.parametrize("target", ["openvino", "tensorrt", "dnnl", "xnnpack", "vitisai"])
def test_a_provider_that_this_build_lacks_is_refused_twice(target: str, model: Path) -> None:
    import onnxruntime

    name = PROVIDERS[target].name
    if name in onnxruntime.get_available_providers():
        pytest.skip(f"this build has {name}")
    [answer] = probe_targets([("ort", target)])
    assert answer.reason == f"this build of ONNX Runtime has no {name}"
    assert answer.remedy
    with pytest.warns(UserWarning, match=name), pytest.raises(ArmInvalid, match=f"^asked for {name}, but ONNX Runtime"):
        loaded(model, target)


@pytest.mark.parametrize("target", [target for target in PROVIDERS if target != "cpu"])
def test_a_provider_of_this_machine_runs_the_model(target: str, model: Path) -> None:
    [answer] = probe_targets([("ort", target)])
    if not answer.available:
        pytest.skip(f"ort:{target}: {answer.reason}")
    output, evidence = ran(loaded(model, target))
    expected, _ = ran(loaded(model, graph_optimization_level="disable"))
    np.testing.assert_allclose(output, expected, rtol=1e-3, atol=1e-4)
    assert evidence.placement is not None
    assert evidence.placement.requested_share >= 0.5


def test_the_graph_is_read_before_the_study(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "cache"
    request = loaded(model, cache=cache)._request
    assert OrtEngine.build(request)
    monkeypatch.setattr("ortbench.engines.ort_graph._ask", lambda _: pytest.fail("it was read again"))
    _, evidence = ran(loaded(model, cache=cache))
    assert evidence.placement is not None
    assert evidence.placement.fusions
