"""`compare --allow-fallback`, and two arms of one engine side by side, from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import CommandLine

FALLBACK = ("--engines", "ort,scripted[fallback=true]", "--batch-sizes", "1", "--threads", "1", "--max-time", "2s")


def test_a_fallback_that_is_allowed_is_marked(ortbench: CommandLine, model_file: Path) -> None:
    # That it is invalid otherwise is among the bad arms of test_compare.py.
    allowed = ortbench("compare", "--model", model_file, *FALLBACK, "--allow-fallback", "--output", "allowed", "--json")
    assert allowed.status == 0, allowed.stderr
    [_, arm, _] = json.loads(allowed.stdout)["cells"][0]["arms"]
    assert arm["status"] == "ok"
    assert arm["marks"] == ["100% of the nodes ran on CPUExecutionProvider"]
    settings = json.loads(Path("allowed/run.json").read_text(encoding="utf-8"))["settings"]
    assert settings["allow_fallback"] is True


@pytest.mark.usefixtures("one_launch")
def test_one_engine_with_several_options_is_told_apart(ortbench: CommandLine, model_file: Path) -> None:
    engines = "ort,ort[session.dynamic_block_base=4],ort[graph_optimization_level=disable]"
    words = ("--engines", engines, "--batch-sizes", "1", "--threads", "1", "--max-time", "3s", "--output", "out")
    outcome = ortbench("compare", "--model", model_file, *words, draw=True)
    assert outcome.status == 0, outcome.stderr
    summary = json.loads(Path("out/summary.json").read_text(encoding="utf-8"))
    labels = ["ort", "ort[session.dynamic_block_base=4]", "ort[graph_optimization_level=disable]"]
    assert summary["engines"] == labels
    assert all(label in outcome.stdout for label in labels)
    files = {file.stem for file in Path("out/charts").glob("*-perBS.png")}
    assert files == {
        "product-throughput-ort-perBS",
        "product-throughput-ort-session.dynamic_block_base-4-perBS",
        "product-throughput-ort-graph_optimization_level-disable-perBS",
    }


def test_one_engine_is_shown_with_its_options(ortbench: CommandLine) -> None:
    document = json.loads(ortbench("engines", "ort", "--json").stdout)
    assert [row["engine"] for row in document["engines"]][:4] == ["ort", "ort:cuda", "ort:tensorrt", "ort:openvino"]
    options = {option["name"]: option for option in document["engines"][0]["options"]}
    assert options["execution_mode"]["choices"] == ["sequential", "parallel"]
    assert "session.set_denormal_as_zero" in options["config.*"]["known"]
    shown = ortbench("engines", "ort").stdout
    assert "graph_optimization_level" in shown
    assert "ort:vitisai" in shown
    assert ortbench("engines", "nothing").status == 2


def test_a_librarys_devices_are_listed_or_refused(ortbench: CommandLine) -> None:
    outcome = ortbench("engines", "--library", "/nowhere.so")
    assert outcome.status == 2
    assert outcome.stderr == (
        "Error: The library cannot be used: there is no execution provider library at '/nowhere.so'.\n"
    )
