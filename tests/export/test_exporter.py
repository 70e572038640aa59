"""Exports for real, of the tiny model, through the command line and the worker behind it."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import onnx
import pytest

from ortbench.engines.graph_work import count_model
from ortbench.errors import ArmError, ExportError
from ortbench.export.artifact import Artifact, Manifest, read_artifact
from ortbench.export.cache import artifact_folder, list_cache
from ortbench.export.exporter import ExportRequest, export_identity
from ortbench.models.catalog import find_model
from ortbench.models.files import file_sha256
from ortbench.models.work import count_module
from ortbench.runner.jobs import run_export
from tests.conftest import CommandLine

SOURCE = find_model("tiny").source()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny_artifact: Artifact) -> Path:
    return Path(shutil.copytree(tiny_artifact.folder, tmp_path_factory.mktemp("exports") / "tiny"))


def manifest(folder: Path) -> Manifest:
    artifact = read_artifact(folder)
    assert artifact is not None
    return artifact.manifest


def test_an_artifact_is_a_checked_model_with_its_manifest(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == ["manifest.json", "model.onnx"]
    found = manifest(folder)
    onnx.checker.check_model(str(folder / "model.onnx"), full_check=True)
    assert found.sha256 == file_sha256(folder / "model.onnx")
    assert found.inputs == SOURCE.inputs
    assert found.outputs == SOURCE.outputs
    assert found.identity.opset == 18
    assert set(found.parity) == {"1", "3"}
    assert all(parity.ok for parity in found.parity.values())
    # 8 filters of 3x3x3 at 16x16 places and a matrix of 8x10; a multiply-add counts two.
    assert found.flops_per_item == 2 * (8 * 27 * 256 + 8 * 10)


def test_the_file_does_the_work_that_the_module_does(folder: Path) -> None:
    made = onnx.load(folder / "model.onnx")
    assert count_model(made, SOURCE) == count_module(SOURCE)
    assert count_module(SOURCE).flops_per_item == manifest(folder).flops_per_item


@pytest.mark.parametrize(("exporter", "opset"), [("dynamo", 20), ("torchscript", 17)])
def test_exporter_and_opset_can_be_chosen(tmp_path: Path, exporter: str, opset: int) -> None:
    artifact = run_export(ExportRequest(source=SOURCE, exporter=exporter, opset=opset, output=str(tmp_path / "m")))
    model = onnx.load(str(artifact.path))
    assert [entry.version for entry in model.opset_import if not entry.domain] == [opset]
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"


def test_an_export_is_reused_when_it_is_the_same(folder: Path) -> None:
    written = (folder / "model.onnx").stat().st_mtime_ns
    assert run_export(ExportRequest(source=SOURCE, output=str(folder))).reused
    assert (folder / "model.onnx").stat().st_mtime_ns == written


def damage(folder: Path, how: str) -> None:
    """Spoil an artifact as a crash, a full disk or a failing one would."""
    model, manifest_file = folder / "model.onnx", folder / "manifest.json"
    content = model.read_bytes()
    if how == "flip":
        model.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif how == "truncate":
        model.write_bytes(content[:-100])
    elif how == "no manifest":
        manifest_file.unlink()
    elif how == "half a manifest":
        manifest_file.write_bytes(manifest_file.read_bytes()[:50])
    else:
        model.unlink()


@pytest.mark.parametrize("how", ["flip", "truncate", "no manifest", "half a manifest", "no model"])
def test_a_damaged_export_is_noticed(folder: Path, tmp_path: Path, how: str) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    assert read_artifact(copy) is not None
    damage(copy, how)
    assert read_artifact(copy) is None


def test_a_damaged_export_is_made_again(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    damage(copy, "truncate")
    assert not run_export(ExportRequest(source=SOURCE, output=str(copy))).reused
    assert manifest(copy).size_bytes == manifest(folder).size_bytes


def test_another_seed_or_opset_is_another_artifact() -> None:
    keys = {
        export_identity(request).key()
        for request in (
            ExportRequest(source=SOURCE),
            ExportRequest(source=find_model("tiny").source(seed=1)),
            ExportRequest(source=SOURCE, opset=20),
            ExportRequest(source=SOURCE, exporter="torchscript"),
        )
    }
    assert len(keys) == 4


def test_a_state_dict_is_identified_by_its_content(tmp_path: Path) -> None:
    (tmp_path / "a.pt").write_bytes(b"weights")
    (tmp_path / "b.pt").write_bytes(b"weights")
    first, second = (
        export_identity(ExportRequest(source=find_model("tiny").source(weights=str(tmp_path / name))))
        for name in ("a.pt", "b.pt")
    )
    assert first == second
    assert first.weights.startswith("sha256:")


def test_a_model_that_cannot_be_exported_leaves_nothing_behind(tmp_path: Path) -> None:
    request = ExportRequest(source=SOURCE, opset=7, exporter="torchscript", output=str(tmp_path / "m"))
    with pytest.raises(ExportError) as caught:
        run_export(ExportRequest(source=SOURCE, opset=3, exporter="torchscript", output=request.output))
    assert "could not export 'tiny' with --exporter torchscript --opset 3: " in str(caught.value)
    assert caught.value.exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_an_export_whose_process_dies_is_our_own_fault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Dying:
        def __init__(self, name: str) -> None:
            pass

        def send(self, request: object) -> None:
            pass

        def receive(self, *_: object) -> None:
            raise ArmError("the export was killed by SIGSEGV")

        def kill(self) -> None:
            pass

    monkeypatch.setattr("ortbench.runner.jobs.Worker", Dying)
    with pytest.raises(ExportError, match="The export failed: the export was killed by SIGSEGV") as caught:
        run_export(ExportRequest(source=SOURCE, opset=17, output=str(tmp_path / "m")))
    assert caught.value.exit_code == 70


def test_export_prints_path_opset_size_and_parity(ortbench: CommandLine, tmp_path: Path) -> None:
    outcome = ortbench("export", "--model", "tiny", "--output", tmp_path / "out")
    assert outcome.status == 0
    lines = outcome.stdout.splitlines()
    assert lines[0] == f"path     {tmp_path / 'out' / 'model.onnx'}"
    assert lines[1] == "lane     fp32"
    assert lines[2] == "opset    18 (dynamo exporter)"
    assert lines[3].startswith("size     ")
    assert lines[4].startswith("parity   differs from PyTorch by at most ")
    assert lines[-1] == "newly exported"
    again = ortbench("export", "--model", "tiny", "--output", tmp_path / "out", "--json")
    document = json.loads(again.stdout)
    assert document["reused"] is True
    assert document["manifest"]["identity"]["model"] == "tiny"


def test_the_cache_is_listed_and_cleared(
    ortbench: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_artifact: Artifact
) -> None:
    monkeypatch.setenv("ORTBENCH_CACHE", str(tmp_path / "cache"))
    assert "0 exported models" in ortbench("cache").stdout
    shutil.copytree(tiny_artifact.folder, artifact_folder(tiny_artifact.manifest.identity))
    damaged = tmp_path / "cache" / "artifacts" / "damaged"
    damaged.mkdir()
    (damaged / "model.onnx").write_bytes(b"half")
    built = tmp_path / "cache" / "builds" / "aoti-tiny-0"
    built.mkdir(parents=True)
    (built / "model.pt2").write_bytes(b"four")
    listed = json.loads(ortbench("cache", "--json").stdout)
    assert [(entry["kind"], entry["size_bytes"]) for entry in listed["entries"]][-1] == ("build", 4)
    assert [entry["manifest"] and entry["manifest"]["identity"]["model"] for entry in listed["entries"]] == [
        None,
        "tiny",
        None,
    ]
    assert "(damaged)" in ortbench("cache").stdout
    assert "2 exported models, 1 builds of engines; " in ortbench("cache", "--clear").stdout
    assert list_cache() == []


def test_an_interrupted_export_leaves_no_process_and_no_file(tmp_path: Path) -> None:
    words = [sys.executable, "-P", "-m", "ortbench", "export", "--model", "tiny", "--output", str(tmp_path / "out")]
    with subprocess.Popen(words, stderr=subprocess.PIPE, start_new_session=True) as process:
        deadline = time.monotonic() + 60
        while not list(tmp_path.iterdir()) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 130
    assert list(tmp_path.iterdir()) == []
