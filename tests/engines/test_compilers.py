"""Engines that compile: torch.compile, AOTInductor and OpenVINO, each really compiling the smallest catalog model."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import torch

from ortbench.engines.aoti import export_for_any_batch
from ortbench.engines.base import Availability, LoadRequest
from ortbench.engines.compiler import missing_compiler
from ortbench.engines.registry import resolve_engine, resolve_engines
from ortbench.engines.spec import parse_engine
from ortbench.errors import ArmError
from ortbench.export.artifact import Artifact
from ortbench.models.catalog import find_model
from ortbench.runner import protocol
from ortbench.runner.builds import Builds
from ortbench.runner.jobs import Reference
from ortbench.runner.process import Worker

SOURCE = find_model("tiny").source()
# Compiling C++ on a machine that is busy with other things.
PATIENCE_S = 280

needs_compiler = pytest.mark.skipif(
    missing_compiler(Availability()).reason is not None, reason="Inductor needs a C++ compiler on the CPU"
)


@pytest.fixture(scope="module")
def artifact(tiny_artifact: Artifact) -> Artifact:
    return tiny_artifact


@pytest.fixture(scope="module")
def reference() -> Iterator[dict[int, Path]]:
    with Reference("torch", SOURCE) as engine:
        engine.ready()
        yield {batch_size: engine.outputs(batch_size) for batch_size in (1, 2, 3)}


def _request(label: str, artifact: Artifact | None = None, cache: Path | None = None) -> LoadRequest:
    options = resolve_engine(parse_engine(label)).options
    path = str(artifact.path) if artifact else None
    return LoadRequest(
        source=SOURCE, artifact=path, target="cpu", threads=1, options=options, cache=str(cache) if cache else None
    )


def _prepared(worker: Worker, reference: dict[int, Path], batch_size: int) -> protocol.Prepared:
    request = protocol.Prepare(batch_size=batch_size, reference_path=str(reference[batch_size]), reference="torch")
    return worker.ask(request, protocol.Prepared, PATIENCE_S)


@pytest.mark.parametrize("label", ["openvino", "openvino[dynamic=true]"])
def test_openvino_agrees_at_every_batch_size_and_proves_its_precision(
    label: str, artifact: Artifact, reference: dict[int, Path]
) -> None:
    with Worker(label, [0], 1) as worker:
        worker.ask(protocol.Load(engine="openvino", request=_request(label, artifact)), protocol.Loaded, 120)
        for batch_size in (1, 3):
            prepared = _prepared(worker, reference, batch_size)
            assert prepared.parity.ok, prepared.parity.reason
        assert worker.ask(protocol.Slice(calls=3), protocol.Samples, 60).samples_ns
    evidence = prepared.evidence
    assert evidence.threads == 1
    assert evidence.precision is not None
    assert evidence.precision["hint"] == "f32"
    assert set(evidence.precision) == {"lane", "hint", "f32"}
    assert evidence.artifact_sha256 == artifact.manifest.sha256
    assert evidence.placement is not None
    assert evidence.placement.operators is not None
    assert evidence.placement.operators["CPU"]["Convolution"] == 1


def test_a_batch_is_divided_among_openvinos_streams(artifact: Artifact, reference: dict[int, Path]) -> None:
    [engine] = resolve_engines("openvino[streams=2]")
    request = LoadRequest(source=SOURCE, artifact=str(artifact.path), target="cpu", threads=2, options=engine.options)
    with Worker("openvino", [0], 2) as worker:
        worker.ask(protocol.Load(engine="openvino", request=request), protocol.Loaded, 120)
        prepared = _prepared(worker, reference, 2)
        assert prepared.parity.ok, prepared.parity.reason
        with pytest.raises(ArmError, match=r"2 streams cannot share a batch of 3 evenly"):
            _prepared(worker, reference, 3)


def test_more_streams_than_threads_are_refused(artifact: Artifact) -> None:
    request = _request("openvino[streams=2]", artifact)
    with (
        Worker("openvino", [0], 1) as worker,
        pytest.raises(ArmError, match=r"expected 1 to 1 streams, as many as threads, but got 2"),
    ):
        worker.ask(protocol.Load(engine="openvino", request=request), protocol.Loaded, 120)


@needs_compiler
def test_a_package_is_compiled_once_and_serves_every_batch_size(reference: dict[int, Path], tmp_path: Path) -> None:
    [engine] = resolve_engines("aoti")
    request, said = _request("aoti", cache=tmp_path), list[str]()
    builds, again = Builds(), Builds()
    builds.make(engine, request, said.append)
    assert builds.outcome(engine, request).failure is None
    assert (builds.outcome(engine, request).seconds or 0) > 0
    again.make(engine, request, said.append)
    assert again.outcome(engine, request).seconds is None
    assert sum("built aoti in" in line for line in said) == 1
    with Worker("aoti", [0], 1) as worker:
        worker.ask(protocol.Load(engine="aoti", request=request), protocol.Loaded, 120)
        for batch_size in (1, 3):
            prepared = _prepared(worker, reference, batch_size)
            assert prepared.parity.ok, prepared.parity.reason
    assert prepared.evidence.threads == 1
    assert prepared.evidence.gradients is False
    assert prepared.evidence.placement is not None
    assert prepared.evidence.placement.assigned["cpu"] > 0


def test_a_package_that_was_not_built_is_an_error_and_not_a_build(tmp_path: Path) -> None:
    with Worker("aoti", [0], 1) as worker, pytest.raises(ArmError, match=r"there is no compiled package at"):
        worker.ask(protocol.Load(engine="aoti", request=_request("aoti", cache=tmp_path)), protocol.Loaded, PATIENCE_S)


def test_a_build_that_fails_costs_that_engine_only(tmp_path: Path) -> None:
    [engine] = resolve_engines("aoti")
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    request, said = _request("aoti", cache=tmp_path / "file"), list[str]()
    builds = Builds()
    builds.make(engine, request, said.append)
    assert "cannot be written: File exists" in (builds.outcome(engine, request).failure or "")
    assert "aoti cannot be built" in said[-1]


@needs_compiler
def test_a_compiled_model_is_warm_before_it_is_timed_and_never_compiles_in_a_timed_call(
    reference: dict[int, Path], tmp_path: Path
) -> None:
    request = msgspec.structs.replace(_request("compile"), compiled=str(tmp_path / "compiled"))
    with Worker("compile", [0], 1) as worker:
        worker.ask(protocol.Load(engine="compile", request=request), protocol.Loaded, PATIENCE_S)
        prepared = _prepared(worker, reference, 1)
        assert prepared.parity.ok, prepared.parity.reason
        assert prepared.evidence.compile_cache == "cold"
        # The cold call compiles; however long that took, others follow before anything is timed.
        assert len(prepared.warm_up_ns) >= 2
        assert prepared.first_call_ns > 10 * prepared.warm_up_ns[-1]
    # The process of the next launch finds what this one compiled, and says so.
    with Worker("compile", [0], 1) as worker:
        worker.ask(protocol.Load(engine="compile", request=request), protocol.Loaded, PATIENCE_S)
        assert _prepared(worker, reference, 1).evidence.compile_cache == "served"


_COMPILES_AGAIN = """
import torch
from ortbench.engines.base import LoadRequest
from ortbench.engines.compiled import CompiledEngine
from ortbench.models.catalog import find_model
from ortbench.models.inputs import make_inputs
source = find_model("tiny").source()
engine = CompiledEngine()
engine.load(LoadRequest(source=source, artifact=None, target="cpu", threads=1))
engine.bind(make_inputs(source, 1))
engine.run()
engine.settle()
engine.run()
engine._inputs = tuple(torch.cat([tensor, tensor]) for tensor in engine._inputs)
try:
    engine.run()
except RuntimeError as error:
    print("refused:", str(error).splitlines()[0])
engine.bind(make_inputs(source, 2))
engine.run()
print("compiled for the next batch size")
"""


@needs_compiler
def test_compiling_again_after_the_warm_up_is_an_error() -> None:
    finished = subprocess.run(
        [sys.executable, "-P", "-W", "ignore", "-c", _COMPILES_AGAIN], capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    refused, compiled = finished.stdout.splitlines()[-2:]
    assert refused.startswith("refused:")
    assert "recompile" in refused
    assert compiled == "compiled for the next batch size"


def test_a_kernels_own_bound_on_the_batch_is_no_reason_to_refuse_a_model() -> None:
    # As PyTorch's CUDA kernels have it: at most 65535 images, seen with adaptive average pooling.
    class Bounded(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            torch._check(images.shape[0] <= 65535)
            return images * 2

    exported = export_for_any_batch(Bounded(), (torch.ones(2, 3),)).module()
    for batch in (1, 2, 5):
        assert exported(torch.ones(batch, 3)).shape == (batch, 3)


def test_without_a_compiler_the_reason_and_the_remedy_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    missing = missing_compiler(Availability(version="2", device="CPU"))
    assert missing.reason == "torch's Inductor writes C++, and no C++ compiler is here"
    assert "apt-get install g++" in (missing.remedy or "")
