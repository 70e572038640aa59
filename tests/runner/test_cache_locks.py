"""What goes into the cache is made by one process; who comes second waits, and uses it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import pytest

from ortbench.engines.base import LoadRequest
from ortbench.engines.registry import resolve_engines
from ortbench.errors import UsageError
from ortbench.export import exporter
from ortbench.export.artifact import Artifact
from ortbench.export.cache import artifact_folder, list_cache
from ortbench.export.exporter import ExportRequest, export_identity, export_model, who_exports
from ortbench.locking import holder, lock_of
from ortbench.models.catalog import find_model
from ortbench.runner import builds, exports, images, job_messages
from ortbench.runner.exports import Exports

pytest.importorskip("fcntl")
_HOLD = """
import sys
from pathlib import Path
from ortbench.locking import locked
with locked(Path(sys.argv[1]), "It"):
    print("held", flush=True)
    sys.stdin.read()
"""
REQUEST = ExportRequest(source=find_model("tiny").source())


@contextmanager
def held(lock: Path) -> Iterator[subprocess.Popen[str]]:
    """Let another process hold a lock until its standard input ends."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stdin
    assert process.stdout.readline() == "held\n"
    try:
        yield process
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.close()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("ORTBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.usefixtures("cache")
def test_an_export_is_locked_while_it_is_made(monkeypatch: pytest.MonkeyPatch, tiny_artifact: Artifact) -> None:
    seen: list[str | None] = []

    def make(*_: object) -> Artifact:
        seen.append(who_exports(REQUEST))
        return tiny_artifact

    monkeypatch.setattr(exporter, "_make", make)
    assert export_model(REQUEST) == tiny_artifact
    assert seen == [f"process {os.getpid()}"]
    assert who_exports(REQUEST) is None
    assert list_cache() == [], "the lock is gone"


@pytest.mark.usefixtures("cache")
def test_an_export_that_another_process_made_meanwhile_is_used(
    monkeypatch: pytest.MonkeyPatch, tiny_artifact: Artifact
) -> None:
    folder = artifact_folder(export_identity(REQUEST))
    with held(lock_of(folder)) as process:

        def pause(_: float) -> None:
            assert process.stdin
            shutil.copytree(tiny_artifact.folder, folder, dirs_exist_ok=True)
            process.stdin.close()
            process.wait()

        monkeypatch.setattr("ortbench.locking.time.sleep", pause)
        monkeypatch.setattr(exporter, "_make", lambda *_: pytest.fail("it is made again"))
        found = export_model(REQUEST)
    assert found.reused
    assert found.folder == str(folder)


@pytest.mark.usefixtures("cache")
def test_it_is_said_for_whom_an_export_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "ExportJob", lambda *_: None)
    said: list[str] = []
    with held(lock_of(artifact_folder(export_identity(REQUEST)))) as process:
        Exports([REQUEST], said.append, 60)
        assert said == [f"waiting for process {process.pid}, which is making the same"]
    Exports([REQUEST], said.append, 60)
    assert said[1:] == ["exporting tiny to ONNX"]


class _Builder:
    """Stands in for the worker that builds; notes which locks there are meanwhile."""

    locks: list[str | None]
    folder: Path

    def __init__(self, *_: object) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def ask(self, request: job_messages.Build, *_: Any) -> job_messages.Built:
        assert request.engine == "aoti"
        self.locks += [holder(path) for path in self.folder.glob(".*.lock")]
        return job_messages.Built(seconds=1.0, reused=False)


@pytest.fixture
def builder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> type[_Builder]:
    monkeypatch.setattr(_Builder, "locks", [], raising=False)
    monkeypatch.setattr(_Builder, "folder", tmp_path, raising=False)
    monkeypatch.setattr(builds, "Worker", _Builder)
    return _Builder


def request_in(folder: Path, compiled: str) -> LoadRequest:
    source = find_model("tiny").source()
    return LoadRequest(source=source, artifact=None, target="cpu", threads=1, cache=str(folder), compiled=compiled)


def test_a_build_is_locked_and_who_comes_second_waits(builder: type[_Builder], tmp_path: Path) -> None:
    [engine] = resolve_engines("aoti")
    builds.Builds().make(engine, request_in(tmp_path, "a"), lambda _: None)
    assert builder.locks == [f"process {os.getpid()}"]
    assert not list(tmp_path.glob(".*.lock"))

    # What is compiled at first calls lies elsewhere in each study; the build is the same.
    with builds._alone(engine, request_in(tmp_path, "a"), pytest.fail, 60):
        [lock] = tmp_path.glob(".*.lock")
    said: list[str] = []
    with held(lock) as process:

        def say(text: str) -> None:
            said.append(text)
            if text.startswith("waiting"):
                assert process.stdin
                assert builder.locks[1:] == [], "nothing is built while another process builds the same"
                process.stdin.close()

        builds.Builds().make(engine, request_in(tmp_path, "b"), say)
    assert f"waiting for process {process.pid}, which is making the same" in said
    assert len(builder.locks) == 2


def test_a_cache_in_which_no_lock_can_be_made_costs_that_engine_only(
    builder: type[_Builder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(builds, "locked", full)
    [engine] = resolve_engines("aoti")
    made = builds.Builds()
    made.make(engine, request_in(tmp_path, "a"), lambda _: None)
    failure = made.outcome(engine, request_in(tmp_path, "a")).failure
    assert failure == f"The cache folder '{tmp_path}' cannot be written: No space left on device."
    assert builder.locks == []


@pytest.mark.usefixtures("cache")
def test_images_that_another_process_made_ready_meanwhile_are_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cache" / "inputs" / "made.npz"
    monkeypatch.setattr(images, "Worker", lambda _: pytest.fail("they are made again"))
    with held(lock_of(path)) as process:

        def pause(_: float) -> None:
            assert process.stdin
            path.touch()
            process.stdin.close()
            process.wait()

        monkeypatch.setattr("ortbench.locking.time.sleep", pause)
        images._make("resnet18", [], path)
    monkeypatch.undo()
    monkeypatch.setattr(images, "_TIMEOUT_S", 0.0)
    with held(lock_of(path)), pytest.raises(UsageError, match="is in use by process"):
        images._make("resnet18", [], path)
