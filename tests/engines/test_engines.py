"""Every engine for real, each in a worker as in a study: torch's inference mode would outlive the test otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ortbench.engines.base import LoadRequest, OptionValue
from ortbench.engines.cuda import missing_gpu_reason
from ortbench.engines.ort import OrtEngine, complaint, one_node_model, session_options
from ortbench.engines.registry import resolve_engines
from ortbench.engines.torch_base import installed_torch_version
from ortbench.errors import ArmError, ArmInvalid, OrtbenchError
from ortbench.export.artifact import Artifact
from ortbench.models.catalog import find_model
from ortbench.models.spec import ModelSource, TensorSpec
from ortbench.runner import protocol
from ortbench.runner.jobs import Reference, probe_targets
from ortbench.runner.process import Worker

SOURCE = find_model("tiny").source()
ONE_NODE = ModelSource(name="one", inputs=(TensorSpec("x", (1,)),), outputs=(TensorSpec("y", (1,)),))
NO_GPU = missing_gpu_reason() or ""
ONLY_WITHOUT_A_GPU = pytest.mark.skipif(not NO_GPU, reason="there is a GPU here")


@pytest.fixture(scope="module")
def artifact(tiny_artifact: Artifact) -> Artifact:
    return tiny_artifact


@pytest.fixture(scope="module")
def reference() -> Iterator[Path]:
    with Reference("torch", SOURCE) as engine:
        engine.ready()
        yield engine.outputs(3)


@pytest.mark.parametrize(
    "label", ["torch", "torch[channels_last=true]", "torchscript", "torchscript[channels_last=true]", "ort", "scripted"]
)
def test_an_engine_agrees_with_the_reference_and_proves_what_it_is(
    label: str, artifact: Artifact, reference: Path
) -> None:
    [engine] = resolve_engines(label)
    path = str(artifact.path) if engine.entry.needs_artifact else None
    request = LoadRequest(source=SOURCE, artifact=path, target="cpu", threads=1, options=engine.options)
    with Worker(label, [0], 1) as worker:
        loaded = worker.ask(protocol.Load(engine=engine.entry.name, request=request), protocol.Loaded, 120)
        prepare = protocol.Prepare(batch_size=3, reference_path=str(reference), reference="torch")
        prepared = worker.ask(prepare, protocol.Prepared, 120)
        samples = worker.ask(protocol.Slice(calls=5), protocol.Samples, 60).samples_ns
    assert prepared.parity.ok, prepared.parity.reason
    assert prepared.parity.cosine == pytest.approx(1)
    assert prepared.parity.top1_agreement == 1
    assert prepared.evidence.threads == 1
    assert prepared.affinity == (0,)
    assert prepared.evidence.boundary == "host"
    assert prepared.evidence.placement is not None
    assert prepared.evidence.placement.requested_share == 1
    assert all(sample > 0 for sample in samples)
    assert loaded.load_s > 0


def test_the_null_engine_computes_nothing() -> None:
    with Worker("null") as worker:
        request = LoadRequest(source=SOURCE, artifact=None, target="cpu", threads=1)
        worker.ask(protocol.Load(engine="null", request=request), protocol.Loaded, 60)
        prepare = protocol.Prepare(batch_size=1, reference_path=None, reference="torch")
        prepared = worker.ask(prepare, protocol.Prepared, 60)
    assert prepared.parity.ok is None
    assert prepared.parity.reason == "this engine computes nothing"


def scripted(model_file: Path, **options: OptionValue) -> tuple[protocol.Load, ModelSource]:
    source = ModelSource(
        name="product",
        path=str(model_file),
        inputs=(TensorSpec("x", ("batch", 8)),),
        outputs=(TensorSpec("y", ("batch", 4)),),
    )
    request = LoadRequest(source=source, artifact=str(model_file), target="cpu", threads=1, options=options)
    return protocol.Load(engine="scripted", request=request), source


def test_a_scripted_latency_is_kept(model_file: Path) -> None:
    load, _ = scripted(model_file, latency=0.005)
    with Worker("scripted") as worker:
        worker.ask(load, protocol.Loaded, 60)
        worker.ask(protocol.Prepare(batch_size=1, reference_path=None, reference=""), protocol.Prepared, 60)
        samples = worker.ask(protocol.Slice(calls=5), protocol.Samples, 60).samples_ns
    assert min(samples) >= 5_000_000


def test_a_scripted_crash_is_a_segmentation_fault(model_file: Path) -> None:
    load, _ = scripted(model_file, crash_at=1)
    with Worker("scripted") as worker:
        worker.ask(load, protocol.Loaded, 60)
        prepare = protocol.Prepare(batch_size=1, reference_path=None, reference="")
        with pytest.raises(ArmError, match="^scripted was killed by SIGSEGV"):
            worker.ask(prepare, protocol.Prepared, 60)


def test_a_scripted_error_is_passed_on(model_file: Path) -> None:
    load, _ = scripted(model_file, raise_at=1)
    with Worker("scripted") as worker:
        worker.ask(load, protocol.Loaded, 60)
        prepare = protocol.Prepare(batch_size=1, reference_path=None, reference="")
        with pytest.raises(ArmError) as caught:
            worker.ask(prepare, protocol.Prepared, 60)
    assert str(caught.value) == "RuntimeError: scripted error"


def test_a_scripted_hang_is_noticed(model_file: Path) -> None:
    load, _ = scripted(model_file, hang_at=1)
    with Worker("scripted") as worker:
        worker.ask(load, protocol.Loaded, 60)
        prepare = protocol.Prepare(batch_size=1, reference_path=None, reference="")
        with pytest.raises(ArmError, match="^scripted hung: no answer within 1 s$"):
            worker.ask(prepare, protocol.Prepared, 1)


def test_a_scripted_wrong_output_fails_parity(model_file: Path) -> None:
    load, source = scripted(model_file, wrong_output=True)
    with Reference("ort[graph_optimization_level=disable]", source) as reference, Worker("scripted") as worker:
        reference.ready()
        worker.ask(load, protocol.Loaded, 60)
        prepare = protocol.Prepare(batch_size=2, reference_path=str(reference.outputs(2)), reference="ort")
        parity = worker.ask(prepare, protocol.Prepared, 60).parity
    assert parity.ok is False
    assert parity.max_abs_error == pytest.approx(1, abs=1e-4)


@ONLY_WITHOUT_A_GPU
def test_asking_a_cpu_build_for_cuda_is_caught_when_loading(tmp_path: Path) -> None:
    (tmp_path / "one.onnx").write_bytes(one_node_model())
    request = LoadRequest(source=ONE_NODE, artifact=str(tmp_path / "one.onnx"), target="cuda", threads=1)
    with pytest.warns(UserWarning, match="CUDAExecutionProvider"), pytest.raises(ArmInvalid) as caught:
        OrtEngine().load(request)
    assert str(caught.value) == ("asked for CUDAExecutionProvider, but ONNX Runtime fell back to CPUExecutionProvider")


@ONLY_WITHOUT_A_GPU
def test_a_build_that_lists_cuda_without_a_gpu_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    # What onnxruntime-gpu 1.31.1 was seen to list on a machine without a GPU; see docs/proof.md.
    listed = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: listed)
    without_driver = OrtEngine.probe("cuda")
    assert not without_driver.available
    assert without_driver.remedy == "a machine with an NVIDIA GPU and its driver"
    # And where a driver is there but ONNX Runtime still cannot use it: one node, with the CPU forbidden.
    monkeypatch.setattr("ortbench.engines.ort.missing_gpu_reason", lambda: None)
    with pytest.warns(UserWarning, match="CUDAExecutionProvider"):
        with_driver = OrtEngine.probe("cuda")
    assert with_driver.reason is not None
    assert with_driver.reason.startswith("ONNX Runtime lists CUDAExecutionProvider but cannot use it: ")
    assert with_driver.remedy is not None
    assert with_driver.remedy.startswith("the libraries of the CUDA version that this build is for")


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        (
            # Of onnxruntime-gpu 1.31.1 on a machine with a GPU and without TensorRT.
            "/onnxruntime_src/onnxruntime/python/onnxruntime_pybind_state.cc:729 void onnxruntime::python::Register"
            "TensorRTPluginsAsCustomOps(PySessionOptions&, const onnxruntime::ProviderOptions&) Please install "
            "TensorRT libraries as mentioned.\n",
            "Please install TensorRT libraries as mentioned",
        ),
        ("[ONNXRuntimeError] : 1 : FAIL : no such node", "[ONNXRuntimeError] : 1 : FAIL : no such node"),
    ],
)
def test_a_complaint_begins_with_what_is_wrong(message: str, shown: str) -> None:
    assert complaint(message) == shown


def test_a_session_that_placed_nothing_on_its_provider_is_a_fallback(tmp_path: Path) -> None:
    (tmp_path / "one.onnx").write_bytes(one_node_model())
    engine = OrtEngine()
    engine.load(LoadRequest(source=ONE_NODE, artifact=str(tmp_path / "one.onnx"), target="cpu", threads=1))
    engine.bind({"x": np.ones(1, np.float32)})
    engine.run()
    placement = engine.evidence().placement
    assert placement is not None
    assert placement.assigned == {"CPUExecutionProvider": 1}
    np.testing.assert_array_equal((engine.outputs() or {})["y"], [2])


def test_a_file_that_onnx_runtime_cannot_load_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"\x00")
    with pytest.raises(ArmError, match="^ONNX Runtime cannot load "):
        OrtEngine().load(LoadRequest(source=ONE_NODE, artifact=str(tmp_path / "bad.onnx"), target="cpu", threads=1))


def test_every_thread_count_is_explicit() -> None:
    options = session_options(LoadRequest(source=ONE_NODE, artifact="", target="cpu", threads=3))
    assert options.intra_op_num_threads == 3
    assert options.inter_op_num_threads == 1


def test_engines_say_what_is_here_and_what_is_missing() -> None:
    targets = [("torch", "cpu"), ("ort", "cpu"), ("null", "cpu"), ("scripted", "cpu")]
    answers = probe_targets(targets)
    assert all(answer.available for answer in answers)
    assert all(answer.version for answer in answers)


def test_torchs_version_is_read_without_importing_it() -> None:
    import torch

    assert installed_torch_version() == str(torch.__version__)


def test_torchscript_ends_with_python_3_14(monkeypatch: pytest.MonkeyPatch) -> None:
    from ortbench.engines.torchscript import TorchScriptEngine

    monkeypatch.setattr("sys.version_info", (3, 14, 0))
    answer = TorchScriptEngine.probe("cpu")
    assert answer.reason == "PyTorch does not support TorchScript from Python 3.14 on"
    assert answer.remedy == "Python 3.13 or older"


@pytest.mark.skipif(bool(NO_GPU), reason=f"needs an NVIDIA GPU: {NO_GPU}")
@pytest.mark.parametrize("label", ["torch:cuda", "torchscript:cuda", "ort:cuda"])
def test_a_gpu_engine_agrees_with_the_reference(label: str, artifact: Artifact, reference: Path) -> None:
    [engine] = resolve_engines(label)
    [answer] = probe_targets([(engine.entry.name, "cuda")])
    if not answer.available:
        pytest.skip(f"{label}: {answer.reason}")
    path = str(artifact.path) if engine.entry.needs_artifact else None
    request = LoadRequest(source=SOURCE, artifact=path, target="cuda", threads=1)
    with Worker(label) as worker:
        worker.ask(protocol.Load(engine=engine.entry.name, request=request), protocol.Loaded, 300)
        prepare = protocol.Prepare(batch_size=3, reference_path=str(reference), reference="torch")
        prepared = worker.ask(prepare, protocol.Prepared, 300)
    assert prepared.parity.ok, prepared.parity.reason
    assert prepared.evidence.boundary == "device"
    assert prepared.evidence.placement is not None
    assert prepared.evidence.placement.requested_share > 0.5


@ONLY_WITHOUT_A_GPU
@pytest.mark.parametrize("engine", ["torch", "torchscript", "ort"])
def test_without_a_gpu_every_cuda_target_is_refused_with_the_reason(engine: str) -> None:
    [answer] = probe_targets([(engine, "cuda")])
    assert not answer.available
    assert answer.reason
    assert answer.remedy


def test_an_unexpected_request_is_answered_as_an_error() -> None:
    with Worker("torch") as worker, pytest.raises(OrtbenchError, match="has no attribute 'engine'"):
        worker.ask(protocol.Slice(calls=1), protocol.Samples, 60)
