"""Lanes as engines have them: what is refused, what is proven, and what contradicts itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from ortbench.engines.base import Evidence, LoadRequest
from ortbench.engines.evidence import lane_contradiction
from ortbench.engines.lanes import keep_in_lanes
from ortbench.engines.ort_placement import GraphFacts
from ortbench.engines.ort_precision import described_precision, library_emulation
from ortbench.engines.registry import resolve_engines
from ortbench.errors import ArmError, EngineUnavailable
from ortbench.export.artifact import Artifact
from ortbench.export.exporter import ExportRequest
from ortbench.models.catalog import find_model
from ortbench.runner import job_messages, protocol
from ortbench.runner.jobs import Reference, run_export
from ortbench.runner.process import Worker

SOURCE = find_model("tiny").source()
PINNED = {"tf32": "off", "matmul": "highest", "onednn": "ieee", "onednn_environment": "strict"}


@pytest.fixture(scope="module")
def artifacts(tiny_artifact: Artifact) -> dict[str, Artifact]:
    others = {name: run_export(ExportRequest(source=SOURCE, precision=name)) for name in ("fp16", "int8")}
    return {"fp32": tiny_artifact, **others}


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("reference") / "outputs.npz"
    with Reference("torch", SOURCE) as engine:
        engine.ready()
        path.write_bytes(engine.outputs(3).read_bytes())
    return path


@pytest.mark.parametrize(
    ("label", "lane", "proof"),
    [
        ("torch", "fp32", {"parameters": "float32", "output": "float32", **PINNED}),
        ("torch", "bf16", {"parameters": "bfloat16", "output": "bfloat16"}),
        ("torch", "fp16", {"parameters": "float16", "output": "float16"}),
        ("torch", "int8", {"parameters": "qint8", "output": "float32"}),
        ("torchscript", "int8", {"parameters": "qint8"}),
        ("torchscript", "bf16", {"parameters": "bfloat16", "output": "bfloat16"}),
        ("ort", "int8", {"integer_operators": "1 QGemm, 1 QLinearConv"}),
        ("ort", "fp16", {}),
        ("openvino", "int8", {"hint": "f32"}),
    ],
)
def test_an_engine_proves_the_lane_that_it_computed_in(
    label: str, lane: str, proof: dict[str, str], artifacts: dict[str, Artifact], reference: Path, tmp_path: Path
) -> None:
    [engine] = resolve_engines(label)
    wanted = engine.entry.artifact_precision(lane)
    request = LoadRequest(
        source=SOURCE,
        artifact=str(artifacts[wanted].path) if wanted else None,
        target="cpu",
        threads=1,
        precision=lane,
        cache=str(tmp_path),
    )
    with Worker(label, [0], 1) as worker:
        if engine.entry.builds_for(lane):
            build = job_messages.Build(engine=engine.entry.name, request=request)
            assert not worker.ask(build, job_messages.Built, 200).reused
            assert worker.ask(build, job_messages.Built, 200).reused
        worker.ask(protocol.Load(engine=engine.entry.name, request=request), protocol.Loaded, 200)
        prepare = protocol.Prepare(batch_size=3, reference_path=str(reference), reference="torch")
        prepared = worker.ask(prepare, protocol.Prepared, 200)
        again = worker.ask(prepare, protocol.Prepared, 200)
    said = prepared.evidence.precision or {}
    assert {"lane": lane, **proof}.items() <= said.items()
    assert again.evidence == prepared.evidence
    assert prepared.parity.ok, prepared.parity.reason
    assert lane_contradiction(lane, prepared.evidence) is None
    error = prepared.parity.max_rel_error or 0.0
    assert (error > 1e-6) == (lane != "fp32")


def test_an_int8_engine_without_calibration_says_what_is_missing(tmp_path: Path) -> None:
    request = LoadRequest(source=SOURCE, artifact=None, target="cpu", threads=1, precision="int8", cache=str(tmp_path))
    with Worker("torch") as worker, pytest.raises(ArmError, match="^there are no calibrated ranges at "):
        worker.ask(protocol.Load(engine="torch", request=request), protocol.Loaded, 200)


@pytest.mark.parametrize(
    ("engines", "lanes", "message"),
    [
        (
            "torch,ort",
            ["fp32", "bf16"],
            "The engine 'ort' cannot compute in bf16: ONNX Runtime's CPU provider has no bf16 kernels, so no bf16 "
            "export could be checked. What would: one of its lanes, [fp32, tf32, fp16, int8], or another engine.",
        ),
        (
            "torch",
            ["tf32"],
            "The engine 'torch' cannot compute in tf32: TF32 is a mode of NVIDIA's tensor cores, and there are none on "
            "the target cpu. What would: torch:cuda, on an NVIDIA GPU of compute capability 8.0 or later.",
        ),
        (
            "torch[precision=tf32]",
            ["fp32"],
            "The engine 'torch[precision=tf32]' cannot compute in tf32: TF32 is a mode of NVIDIA's tensor cores, and "
            "there are none on the target cpu. What would: torch:cuda, on an NVIDIA GPU of compute capability 8.0 or "
            "later.",
        ),
        (
            "torch:cuda",
            ["int8"],
            "The engine 'torch:cuda' cannot compute in int8: PyTorch's own quantised kernels are for the CPU. "
            "What would: torch.",
        ),
        (
            "scripted",
            ["int8"],
            "The engine 'scripted' cannot compute in int8: it has no int8 lane. What would: one of its lanes, [fp32], "
            "or another engine.",
        ),
    ],
)
def test_an_engine_that_has_not_the_lane_is_refused(engines: str, lanes: list[str], message: str) -> None:
    with pytest.raises(EngineUnavailable) as caught:
        keep_in_lanes(resolve_engines(engines), lanes, set())
    assert str(caught.value) == message


def test_targets_of_a_wildcard_that_have_not_the_lane_are_left_out() -> None:
    kept = keep_in_lanes(resolve_engines("torch,ort:cpu,ort:cuda,null"), ["int8"], {"torch"})
    assert [engine.label for engine in kept] == ["torch", "ort", "ort:cuda", "null"]
    kept = keep_in_lanes(resolve_engines("torch:*"), ["tf32"], {"torch"})
    assert [engine.label for engine in kept] == ["torch:cuda"]


@pytest.mark.parametrize(
    ("lane", "said", "finding"),
    [
        ("fp32", {"parameters": "float32", **PINNED}, None),
        ("fp32", {}, None),
        ("fp32", {"tf32": "on"}, "its setting 'tf32' is 'on', not 'off'"),
        ("fp32", {"matmul": "medium"}, "its setting 'matmul' is 'medium', not 'highest'"),
        ("fp32", {"onednn": "bf16, ieee"}, "its setting 'onednn' is 'bf16, ieee', not 'ieee'"),
        ("fp32", {"onednn_environment": "bf16"}, "its setting 'onednn_environment' is 'bf16', not 'strict'"),
        ("fp32", {"parameters": "bfloat16, float32"}, "its weights are bfloat16, float32"),
        ("fp32", {"parameters": "float32, int64"}, None),
        ("fp32", {"parameters": "qint8"}, "its weights are qint8"),
        ("fp32", {"output": "bfloat16"}, "its output is bfloat16"),
        ("fp32", {"hint": "bf16", "bf16": "57 nodes"}, "some compute in less (bf16: 57 nodes)"),
        ("fp32", {"hint": "f32", "f32": "57 nodes"}, None),
        ("tf32", {"tf32": "on", "matmul": "high", "parameters": "float32"}, None),
        ("tf32", {"tf32": "partly on"}, "TF32 is partly on"),
        ("bf16", {"parameters": "bfloat16", "tf32": "off"}, None),
        ("bf16", {"parameters": "float32"}, "its weights are float32"),
        ("bf16", {"output": "float32"}, "its output is float32"),
        ("bf16", {"hint": "bf16", "f32": "57 nodes"}, "none of its nodes does (f32: 57 nodes)"),
        ("fp16", {"parameters": "float16"}, None),
        ("fp16", {"parameters": "bfloat16"}, "its weights are bfloat16"),
        ("int8", {"parameters": "qint8"}, None),
        ("int8", {"parameters": "float32"}, "its weights are float32"),
        ("int8", {"integer_operators": "none"}, "no operator of the optimised graph computes in integers"),
        ("int8", {"integer_operators": "53 QLinearConv"}, None),
        ("int8", {"hint": "f32", "u8": "5 nodes", "f32": "5 nodes"}, None),
        ("int8", {"hint": "f32", "f32": "5 nodes"}, "none of its nodes does (f32: 5 nodes)"),
    ],
)
def test_evidence_of_another_lane_is_a_contradiction(lane: str, said: dict[str, str], finding: str | None) -> None:
    found = lane_contradiction(lane, Evidence(versions={}, precision={"lane": lane, **said}))
    assert found == (f"it was to compute in {lane}, but {finding}" if finding else None)


def test_an_engine_that_says_nothing_contradicts_nothing() -> None:
    assert lane_contradiction("int8", Evidence(versions={})) is None


def test_the_graph_that_runs_tells_what_computes_in_integers() -> None:
    operators = {"QLinearConv": 53, "QGemm": 1, "MatMulIntegerToFloat": 2, "QuantizeLinear": 2, "Conv": 1}
    facts = GraphFacts(optimised=operators, weights={"int8": 54, "float32": 3})
    assert described_precision("int8", {}, facts) == {
        "weights": "3 float32, 54 int8",
        "integer_operators": "2 MatMulIntegerToFloat, 1 QGemm, 53 QLinearConv",
    }
    assert described_precision("fp32", {"use_tf32": "0"}, facts) == {"use_tf32": "0", "tf32": "off"}
    assert described_precision("int8", {}, GraphFacts()) == {}
    assert described_precision("int8", {}, None) == {}


def test_a_provider_that_widened_the_weights_emulates_fp16() -> None:
    widened = GraphFacts(optimised={"Conv": 1}, weights={"float32": 2})
    kept = GraphFacts(optimised={"Conv": 1}, weights={"float16": 2})
    assert library_emulation("fp16", "CPUExecutionProvider", widened) == (
        "ONNX Runtime's CPUExecutionProvider has no fp16 kernels for this model: it computes in float32, "
        "on rounded weights"
    )
    assert library_emulation("fp16", "CUDAExecutionProvider", kept) is None
    assert library_emulation("fp16", "CPUExecutionProvider", None) is None
    assert library_emulation("int8", "CPUExecutionProvider", widened) is None
