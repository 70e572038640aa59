"""A study with allocators and instances, really run: the best ways meet in the same rounds."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from ortbench.results.journal import read_finals, read_launches
from ortbench.results.study import load_results
from ortbench.runner.cpus import thread_limit
from tests.conftest import CommandLine, end_after_launches

pytestmark = pytest.mark.skipif(thread_limit() < 2, reason="two instances need two CPUs")
# Every instance waits as long as a single one does, so that two do twice as much.
STUDY = ("--threads", "1", "--instances", "1,2", "--batch-sizes", "1")
ENGINES = "scripted[latency=24ms],scripted[latency=3ms]"


def test_the_best_ways_meet_in_the_finals_and_go_on_after_an_interruption(
    ortbench: CommandLine, model_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    end_after_launches(monkeypatch, 1)
    words = ["compare", "--model", model_file, "--engines", ENGINES, *STUDY, "--output", "out"]
    outcome = ortbench(*words, "--max-time", "16s", draw=True)
    assert outcome.status == 0, outcome.stderr
    assert "best against best: throughput" in outcome.stdout
    assert "note: measured in the same rounds" in outcome.stdout
    assert "the finals' own starting and warming up" in outcome.stdout
    summary = json.loads(Path("out/summary.json").read_text(encoding="utf-8"))
    throughput = next(one for one in summary["best"] if one["objective"] == "throughput")
    assert throughput["paired"]
    slow, fast = throughput["engines"]
    assert slow["way"] == {"threads": 1, "instances": 2, "mode": "stream", "allocator": "default"}
    # Twice as much and eight times as fast, had nobody else anything to do on this machine.
    assert 1.2 < throughput["split"]["value"] < 3
    assert fast["over_best"]["value"] > 2
    before = read_finals(Path("out"))
    # Cells of several layouts ran in one round.
    first = [line for line in before if (line.launch, line.round) == (before[0].launch, before[0].round)]
    assert len({line.cell for line in first}) > 1
    assert {record.status for record in read_launches(Path("out/finals"))} == {"ok"}
    pictures = {path.name for path in Path("out/charts/decisions").glob("product-whose-advantage-*.png")}
    assert pictures == {"product-whose-advantage-latency-1.png", "product-whose-advantage-throughput-1.png"}
    assert "Best against best: throughput" in Path("out/report.html").read_text(encoding="utf-8")
    # The record alone tells the same.
    shutil.rmtree("out/charts")
    assert load_results(Path("out")).summary.best[1].launches == throughput["launches"]
    assert "best against best" in ortbench("show", "out").stdout

    end_after_launches(monkeypatch, 1)
    again = ortbench(*words, "--max-time", "90s", "--resume")
    assert again.status == 0, again.stderr
    after = read_finals(Path("out"))
    assert after[: len(before)] == before
    assert len({line.launch for line in after}) > len({line.launch for line in before})


def test_a_study_without_a_choice_has_no_finals(ortbench: CommandLine, model_file: Path) -> None:
    outcome = ortbench(
        "compare", "--model", model_file, "--engines", "null", "--batch-sizes", "1", "--max-time", "2s", "--output", "o"
    )
    assert outcome.status == 0
    assert not Path("o/finals").exists()
    assert "best against best" not in outcome.stdout
