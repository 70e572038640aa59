"""Fixtures for all tests: a cache of their own, small ONNX files, and the command line in this process."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import onnx
import pytest
from hypothesis import settings
from onnx import TensorProto, helper, numpy_helper

from ortbench.cli import run

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


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Exports are shared by the tests of one session and never by the user's own cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ORTBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


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
