"""A study of a file that its maker quantised: taken as it is in the int8 lane, and said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import odd_models as odd
from tests.conftest import CommandLine


@pytest.mark.usefixtures("one_launch")
def test_a_quantised_file_is_taken_as_the_int8_model_that_it_is(ortbench: CommandLine, tmp_path: Path) -> None:
    path = odd.write(odd.quantised(), tmp_path / "q.onnx")
    engines = "ort[graph_optimization_level=basic],ort"
    outcome = ortbench(
        *("compare", "--model", path, "--engines", engines, "--precision", "int8", "--batch-sizes", 1),
        *("--threads", 1, "--max-time", "3s", "--output", "out"),
    )
    assert outcome.status in (0, 3), outcome.stderr
    assert f"({path}, int8 as made, int8, seed 0)" in outcome.stderr
    summary = json.loads(Path("out/summary.json").read_text(encoding="utf-8"))
    [cell] = summary["cells"]
    assert cell["precision"] == "int8"
    assert all(arm["parity"]["ok"] for arm in cell["arms"])
    assert cell["arms"][0]["parity"]["tolerance"]["lane"] == "int8, as made"
    assert any(note.startswith("the model is int8, as its maker quantised it") for note in summary["notes"])
    # Nothing was quantised a second time.
    run = json.loads(Path("out/run.json").read_text(encoding="utf-8"))
    assert run["artifacts"]["int8"]["path"] == str(path)
