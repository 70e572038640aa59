"""Fixtures for all tests: a cache of their own, small ONNX files, and the command line in this process."""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import onnx
import pytest
from hypothesis import settings
from onnx import TensorProto, helper, numpy_helper

from ortbench.cli import run
from ortbench.export.artifact import Artifact
from ortbench.export.exporter import ExportRequest
from ortbench.models.catalog import find_model
from ortbench.runner import budget
from ortbench.runner.budget import GroupState, PlannedLaunch
from ortbench.runner.jobs import run_export

# Of rounds, in a study that is cut short.
SHORT_S = 0.3
os.environ["ORTBENCH_VALIDATE_CHARTS"] = "1"
# How long an example takes says something about the machine, not about the law.
settings.register_profile("ortbench", deadline=None)
settings.load_profile("ortbench")
# A shell that starts the tests in the background has interruptions ignored, and everything they start inherits that.
signal.signal(signal.SIGINT, signal.default_int_handler)


@dataclass(frozen=True)
class Outcome:
    """What one command line did."""

    status: int
    stdout: str
    stderr: str


CommandLine = Callable[..., Outcome]


def pytest_configure(config: pytest.Config) -> None:
    """Let every process of the tests find compiled bytecode, where the installation is not to be written to.

    Without it each of some hundred processes would compile what it imports, torch in ten seconds. This runs before
    xdist starts its workers, which inherit it.
    """
    if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
        os.environ["PYTHONPYCACHEPREFIX"] = str(config.cache.mkdir("bytecode")) if config.cache else ""


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder of this session that xdist's workers have in common."""
    base = tmp_path_factory.getbasetemp()
    return base if worker_id == "master" else base.parent


@pytest.fixture(scope="session", autouse=True)
def _own_cache(shared_folder: Path) -> Iterator[None]:
    """Exports are shared by the tests of one session and never by the user's own cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ORTBENCH_CACHE", str(shared_folder / "cache"))
        yield


@pytest.fixture(scope="session")
def tiny_artifact(shared_folder: Path) -> Artifact:
    """The catalog's `tiny` as ONNX, exported once: whoever asks first makes it, and others wait meanwhile."""
    with (shared_folder / "export.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return run_export(ExportRequest(source=find_model("tiny").source()))


@pytest.fixture
def ortbench(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """Run a command line in an empty folder and return its status and what it printed.

    A comparison draws nothing unless the test asks for it with `draw=True`: drawing takes longer than a short study.
    """
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")

    def call(*words: object, draw: bool = False) -> Outcome:
        capfd.readouterr()
        typed = [str(word) for word in words]
        # Before what may follow a lone `--`, and not where a wrong command line is the point.
        status = run([*typed[:1], "--no-charts", *typed[1:]] if typed[:1] == ["compare"] and not draw else typed)
        captured = capfd.readouterr()
        return Outcome(status, captured.out, captured.err)

    return call


@pytest.fixture
def one_launch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a study in this process end after one short launch of every cell, whatever its --max-time.

    Then a long one costs nothing, and none of its cells is left out where the machine is busy.
    """
    end_after_launches(monkeypatch, 1)


def end_after_launches(patch: pytest.MonkeyPatch, launches: int) -> None:
    """Let studies in this process end after so many launches of one group and of the finals, each of few rounds."""
    more = iter(range(launches - 1))

    def next_launch(groups: Sequence[GroupState], remaining_s: float) -> PlannedLaunch | None:
        if next(more, None) is None or not (planned := budget.next_launch(groups, remaining_s)):
            return None
        return replace(planned, seconds=dict.fromkeys(planned.seconds, SHORT_S))

    final = iter(range(launches))
    patch.setattr("ortbench.runner.finals.seconds_per_stage", lambda *_: None if next(final, None) is None else SHORT_S)
    patch.setattr("ortbench.runner.study.first_launch_seconds", lambda *_: SHORT_S)
    patch.setattr("ortbench.runner.study.next_launch", next_launch)


def run_in(folder: Path, *words: object) -> Outcome:
    """Run a command line in a folder, for what several tests look at: capfd serves one test only."""
    stdout, stderr = io.StringIO(), io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
        status = run([str(word) for word in words])
    return Outcome(status, stdout.getvalue(), stderr.getvalue())


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    """A model of one matrix product, 8 numbers in and 4 out, any batch size."""
    return write_model(tmp_path / "product.onnx", ["N", 8])


def write_model(path: Path, shape: list[str | int | None], dtype: int = TensorProto.FLOAT) -> Path:
    """Write y = flatten-free product of x with fixed weights; `shape` is x's as the file declares it."""
    import numpy as np

    weights = np.linspace(-1, 1, 32, dtype=np.float32).reshape(8, 4)
    nodes = [
        helper.make_node("Cast", ["x"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["f", "w"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "product",
        [helper.make_tensor_value_info("x", dtype, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(weights, "w")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    return path
