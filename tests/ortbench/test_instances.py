"""Several processes of one arm: really started, pinned, divided among, killed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ortbench.results.journal import read_launches, read_rounds
from ortbench.runner.cpus import thread_limit
from tests.conftest import CommandLine, end_after_launches

needs_two_cpus = pytest.mark.skipif(thread_limit() < 2, reason="two instances need two CPUs")
STUDY = ("--threads", "1", "--instances", "1,2", "--batch-sizes", "3", "--max-time", "25s")


def cells() -> dict[str, dict[str, Any]]:
    summary = json.loads(Path("out/summary.json").read_text(encoding="utf-8"))
    return {cell["mode"]: cell for cell in summary["cells"]}


@needs_two_cpus
def test_a_batch_is_divided_streams_run_side_by_side_and_one_that_dies_costs_itself(
    ortbench: CommandLine, model_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whoever dies in one cell of a launch takes no part in its next, so another launch is needed.
    end_after_launches(monkeypatch, 4)
    words = ["--model", model_file, "--engines", "ort,scripted[latency=4ms],scripted[crash_at=9]", *STUDY]
    outcome = ortbench("compare", *words, "--output", "out")
    assert outcome.status == 3
    assert "2 instances (stream)" in outcome.stdout
    assert cells().keys() == {"single", "split", "stream"}
    for mode, cell in cells().items():
        ort, waiting, dead, *_ = cell["arms"]
        assert [(arm["status"], arm["parity"]["ok"]) for arm in (ort, waiting)] == [("ok", True)] * 2
        # It died in the launch's first cell; in the other one it is tried again if there is time for another launch.
        assert dead["status"] == "failed" or (mode, dead["status"]) == ("stream", "skipped")
        assert dead["status"] == "skipped" or "was killed by SIGSEGV" in dead["reason"]
    single, split, stream = (cells()[mode]["arms"][1] for mode in ("single", "split", "stream"))
    # Every instance waits 4 ms for whatever it is given, so that a divided batch is no faster.
    assert split["latency_ms"]["median"] >= 4
    assert len(stream["instance_latency_ms"]) == 2
    assert min(stream["instance_latency_ms"]) >= 4
    assert single["instance_latency_ms"] == split["instance_latency_ms"] == []
    prepared = [one for one in read_launches(Path("out")) if "-i2-" in one.cell and one.status == "ok"]
    assert prepared
    assert all(len(set(one.affinity)) == 2 and one.threads == 1 for one in prepared)
    for line in read_rounds(Path("out")):
        streamed = line.cell.endswith("stream")
        assert (line.items is not None) == streamed
        assert sum(line.instance_calls) == (len(line.samples_ns) if streamed else 0)


def test_more_instances_than_cpus_are_refused(ortbench: CommandLine, model_file: Path) -> None:
    outcome = ortbench("compare", "--model", model_file, "--instances", "100000")
    assert outcome.status == 2
    assert "Expected --instances of at most" in outcome.stderr


@needs_two_cpus
def test_the_plan_names_the_modes(ortbench: CommandLine, model_file: Path) -> None:
    outcome = ortbench("compare", "--model", model_file, "--scaling", "--batch-sizes", "1,4", "--dry-run")
    assert outcome.status == 0
    assert "split (instances divide a batch) and stream (each runs its own)" in outcome.stdout
