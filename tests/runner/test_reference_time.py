"""What comes before measuring keeps to --max-time, too: the reference, exports and builds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from ortbench.engines.base import LoadRequest
from ortbench.engines.registry import resolve_engines
from ortbench.errors import ExportError, ModelError
from ortbench.export.exporter import ExportRequest
from ortbench.export.onnx_file import read_signature
from ortbench.models.catalog import find_model
from ortbench.models.spec import ModelSource
from ortbench.runner import jobs
from ortbench.runner.builds import Builds
from ortbench.runner.exports import Exports
from ortbench.runner.jobs import Reference, loading_limit_s, making_limit_s, reference_limit_s
from tests.conftest import CommandLine


def endless(path: Path) -> ModelSource:
    """A model that counts to 2^62 in a loop."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["going"], ["goes_on"]), helper.make_node("Sin", ["state"], ["next"])],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("going", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("goes_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, None),
        ],
    )
    graph = helper.make_graph(
        [helper.make_node("Loop", ["most", "yes", "x"], ["y"], body=body)],
        "endless",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.array(2**62), "most"), numpy_helper.from_array(np.array([True])[0], "yes")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    inputs, outputs = read_signature(path)
    return ModelSource(name="endless", path=str(path), weights="own", inputs=inputs, outputs=outputs)


def test_a_model_that_never_ends_is_given_up(tmp_path: Path) -> None:
    with Reference("ort", endless(tmp_path / "m.onnx"), limit_s=2) as reference:
        reference.ready()
        with pytest.raises(ModelError, match=r"no answer within 2 s.* A longer --max-time gives it longer") as caught:
            reference.outputs(1)
        with pytest.raises(ModelError) as again:
            reference.outputs(2)
        assert str(again.value) == str(caught.value), "it is not tried once more"


@pytest.mark.parametrize(("max_time_s", "expected"), [(3, 30), (300, 300), (86400, 1800)])
def test_it_may_take_what_measuring_may(max_time_s: float, expected: float) -> None:
    assert reference_limit_s(max_time_s) == expected


@pytest.mark.parametrize(
    ("max_time_s", "loading", "making"),
    [(3, 120, 300), (200, 200, 300), (900, 900, 900), (86400, 1800, 1800)],
)
def test_loading_exports_and_builds_may_take_what_measuring_may(
    max_time_s: float, loading: float, making: float
) -> None:
    assert loading_limit_s(max_time_s) == loading
    assert making_limit_s(max_time_s) == making


LATE = r"no answer within .*\. A longer --max-time gives it longer\."


def test_a_reference_that_does_not_load_in_time_is_given_up(tmp_path: Path) -> None:
    with (
        Reference("ort", endless(tmp_path / "m.onnx"), loading_s=0.01) as reference,
        pytest.raises(ModelError, match=LATE),
    ):
        reference.ready()


def test_an_export_that_takes_too_long_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORTBENCH_CACHE", str(tmp_path / "cache"))
    source = find_model("tiny").source()
    with (
        Exports([ExportRequest(source=source)], lambda _: None, 0.01) as exports,
        pytest.raises(ExportError, match=r"^The export took longer than .* A longer --max-time") as caught,
    ):
        exports.results()
    assert caught.value.exit_code == 2
    assert not list((tmp_path / "cache/artifacts").glob("[!.]*"))


def test_a_build_that_takes_too_long_costs_that_engine_only(tmp_path: Path) -> None:
    [engine] = resolve_engines("aoti")
    source = find_model("tiny").source()
    request = LoadRequest(source=source, artifact=None, target="cpu", threads=1, cache=str(tmp_path))
    builds = Builds(0.01)
    builds.make(engine, request, lambda _: None)
    failure = builds.outcome(engine, request).failure or ""
    assert "no answer within" in failure
    assert failure.endswith(". A longer --max-time gives it longer.")


def test_a_study_of_a_model_that_never_ends_says_so_and_ends(
    ortbench: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless(tmp_path / "m.onnx")
    monkeypatch.setattr(jobs, "_LEAST_RUN_S", 1.0)
    words = ("--model", tmp_path / "m.onnx", "--engines", "ort", "--threads", "1", "--quiet", "--max-time", "1s")
    refused = ortbench("compare", *words, "--output", tmp_path / "out")
    assert refused.status == 2
    assert "no answer within 1" in refused.stderr
    assert "A longer --max-time gives it longer." in refused.stderr
    assert not (tmp_path / "out").exists()
