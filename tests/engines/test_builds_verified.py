"""What engines built is read only where it is as it was made."""

from __future__ import annotations

from pathlib import Path

import pytest

from ortbench.engines import aoti, ort_graph, torch_int8
from ortbench.engines.base import LoadRequest
from ortbench.engines.ort_placement import GraphFacts
from ortbench.models.catalog import find_model

DAMAGE = (b"", b"package nO. 1", b"{")


def request_in(folder: Path) -> LoadRequest:
    return LoadRequest(
        source=find_model("tiny").source(),
        artifact="m.onnx",
        target="cpu",
        threads=1,
        precision="fp32",
        options={},
        cache=str(folder),
    )


def test_a_damaged_package_is_compiled_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Path] = []

    def compile_it(_: object, package: Path) -> None:
        made.append(package)
        package.write_bytes(b"package no. 1")

    monkeypatch.setattr(aoti, "_compile", compile_it)
    request = request_in(tmp_path)
    assert not aoti.AotiEngine.build(request)
    assert aoti.AotiEngine.build(request), "a whole one is used"
    [package] = tmp_path.glob("aoti-*/model.pt2")
    for content in DAMAGE:
        package.write_bytes(content)
        assert not aoti.AotiEngine.build(request)
        assert package.read_bytes() == b"package no. 1"
    assert len(made) == 1 + len(DAMAGE)


def test_damaged_ranges_are_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "torch-int8-tiny" / "ranges.pt"
    monkeypatch.setattr(torch_int8, "_ranges_file", lambda _: file)
    request = request_in(tmp_path)
    assert not torch_int8.calibrate(request)
    whole = file.read_bytes()
    assert torch_int8.calibrate(request)
    file.write_bytes(whole[:-1])
    assert not torch_int8.calibrate(request)
    assert torch_int8.calibrate(request)


def test_damaged_facts_of_a_graph_are_found_out_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts, asked = GraphFacts(), list[object]()

    def ask(request: object) -> GraphFacts:
        asked.append(request)
        return facts

    monkeypatch.setattr(ort_graph, "_ask", ask)
    request = request_in(tmp_path)
    for _ in range(2):
        assert ort_graph.graph_facts(request, "0" * 64, "1") == facts
    assert len(asked) == 1
    [kept] = tmp_path.glob("ort-graph-*.json")
    for content in (*DAMAGE, b"{}"):
        kept.write_bytes(content)
        assert ort_graph.graph_facts(request, "0" * 64, "1") == facts
    assert len(asked) == 2 + len(DAMAGE)
