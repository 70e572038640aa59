"""Whatever is in a results folder, reading it ends with figures or with one sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ortbench.errors import ResultsError
from ortbench.results import reading
from ortbench.results.study import load_results
from tests.results.factory import make_launches, make_rounds, make_run

PARITY: dict[str, Any] = {"ok": True, "reference": "torch", "max_abs_error": 1e-7, "inputs": 64, "full": True}
PLACEMENT: dict[str, Any] = {"requested": "CPU", "assigned": {"CPU": 3}, "unit": "nodes", "flops": {"CPU": 3}}
EVIDENCE: dict[str, Any] = {"precision": {"parameters": "float32"}, "busy_threads": 2, "layout": "NCHW"}


def write(folder: Path, **changes: dict[str, Any]) -> Path:
    """Write a results folder; `changes` are of a launch's, a round's or the run's fields."""
    launch = {"parity": PARITY, "placement": PLACEMENT, "evidence": EVIDENCE} | changes.get("launch", {})
    launches = [msgspec.to_builtins(line) | launch for line in make_launches(["torch", "ort"], 2)]
    rounds = make_rounds({"torch": [[5.0, 5.1], [5.0, 5.2]], "ort": [[4.0, 4.1], [4.0, 4.2]]})
    lines = [msgspec.to_builtins(line) | changes.get("round", {}) for line in rounds]
    run = msgspec.to_builtins(make_run(["torch", "ort"])) | changes.get("run", {})
    (folder / "run.json").write_text(json.dumps(run), encoding="utf-8")
    (folder / "rounds.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    (folder / "launches.jsonl").write_text("".join(json.dumps(line) + "\n" for line in launches), encoding="utf-8")
    return folder


def test_as_it_is_written_it_is_read(tmp_path: Path) -> None:
    assert [arm.status for arm in load_results(write(tmp_path)).summary.cells[0].arms] == ["ok", "ok"]


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"launch": {"parity": {"ok": "yes"}}}, "launches.jsonl' line 1"),
        ({"launch": {"parity": PARITY | {"max_abs_error": "small"}}}, "launches.jsonl' line 1"),
        ({"launch": {"parity": PARITY | {"inputs": [64]}}}, "launches.jsonl' line 1"),
        ({"launch": {"parity": [1]}}, "launches.jsonl' line 1"),
        ({"launch": {"placement": {}}}, "launches.jsonl' line 1"),
        ({"launch": {"placement": PLACEMENT | {"assigned": {"CPU": "all"}}}}, "launches.jsonl' line 1"),
        ({"launch": {"placement": PLACEMENT | {"flops": 5}}}, "launches.jsonl' line 1"),
        ({"launch": {"evidence": {"precision": "float32"}}}, "launches.jsonl' line 1"),
        ({"launch": {"evidence": {"busy_threads": "two"}}}, "launches.jsonl' line 1"),
        ({"launch": {"evidence": {"rebound": 5}}}, "launches.jsonl' line 1"),
        ({"launch": {"first_call_ns": -1}}, "launches.jsonl' line 1"),
        ({"round": {"samples_ns": [-1]}}, "rounds.jsonl' line 1"),
        ({"round": {"samples_ns": [10**30]}}, "rounds.jsonl' line 1"),
        ({"round": {"launch": -1}}, "rounds.jsonl' line 1"),
        ({"run": {"settings": {"target": "x"}}}, "run.json'"),
        ({"run": {"settings": {"files_sha256": [1]}}}, "run.json'"),
        ({"run": {"cells": [{"key": {"model": "m", "batch_size": 0, "threads": 1}, "arms": []}]}}, "run.json'"),
        ({"run": {"cells": [{"key": {"model": "m", "batch_size": 10**400, "threads": 1}, "arms": []}]}}, "run.json'"),
    ],
)
def test_a_value_of_another_kind_is_named_where_it_is_read(
    tmp_path: Path, changes: dict[str, dict[str, Any]], where: str
) -> None:
    with pytest.raises(ResultsError, match="is not what ortbench writes: ") as caught:
        load_results(write(tmp_path, **changes))
    assert where in str(caught.value)


def test_a_slice_without_calls_is_no_fault(tmp_path: Path) -> None:
    summary = load_results(write(tmp_path, round={"samples_ns": []})).summary
    assert [arm.latency_ms for arm in summary.cells[0].arms] == [None, None]


@pytest.mark.parametrize("content", [b"\xff\xfe", b"[" * 100_000, b"{}", b"[]", b"nul", b""])
@pytest.mark.parametrize("name", ["run.json", "rounds.jsonl", "launches.jsonl"])
def test_what_is_no_record_at_all_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    (write(tmp_path) / name).write_bytes(content + b"\n")
    with pytest.raises(ResultsError, match=f"{name}'.* is not what ortbench writes: "):
        load_results(tmp_path)


def test_rounds_of_another_study_are_not_left_out_in_silence(tmp_path: Path) -> None:
    summary = load_results(write(tmp_path, round={"cell": "b3-t1"})).summary
    assert "rounds of cells that run.json does not name are left out: b3-t1" in summary.notes


def test_what_contradicts_itself_ends_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def contradiction(*_: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(reading, "summarize", contradiction)
    with pytest.raises(ResultsError) as caught:
        load_results(write(tmp_path))
    assert str(caught.value) == (
        f"The record in '{tmp_path}' contradicts itself, and no figures follow from it "
        "(ZeroDivisionError: division by zero)."
    )
