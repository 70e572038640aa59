"""`compare --load` from end to end, on a small file, with LoadGen and real processes."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from ortbench.results.journal import read_rounds
from ortbench.runner import launch
from tests.conftest import CommandLine


def summary() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(Path("out/summary.json").read_text(encoding="utf-8"))
    return document


def test_engines_meet_the_same_arrivals_and_one_that_cannot_keep_up_is_told(
    ortbench: CommandLine, model_file: Path
) -> None:
    words = ["--model", model_file, "--engines", "ort,scripted[latency=30ms]", "--load", "poisson", "--rate", "50"]
    words += ["--max-latency", "40ms", "--max-time", "8s", "--output", "out"]
    outcome = ortbench("compare", *words)
    assert outcome.status == 0, outcome.stderr
    assert "poisson@50/s" in outcome.stdout
    [cell] = summary()["cells"]
    assert (cell["load"], cell["batch_size"]) == ("poisson@50/s", 1)
    ort, slow, _ = cell["arms"]
    assert slow["load"]["busy"] > 1 > ort["load"]["busy"]
    assert slow["load"]["unmet"]["latency bound"] == slow["load"]["runs"]
    assert "scripted[latency=30ms] cannot keep up: " in outcome.stdout
    assert "LoadGen calls runs of scripted[latency=30ms] INVALID (not met: latency bound in " in outcome.stdout
    rounds = read_rounds(Path("out"))
    by_round: dict[tuple[int, int], list[Any]] = {}
    for line in rounds:
        assert line.loadgen is not None
        by_round.setdefault((line.launch, line.round), []).append(line.loadgen)
    assert len({runs[0].seeds for runs in by_round.values()}) == len(by_round)
    for runs in by_round.values():
        assert len({run.seeds for run in runs}) == 1
        whole = [run for run in runs if "duration" not in run.unmet]
        assert len({run.scheduled_ns for run in whole}) == len({run.queries for run in whole}) == 1
    with Path("out/results.csv").open(encoding="utf-8", newline="") as file:
        assert {row["load"] for row in csv.DictReader(file)} == {"poisson@50/s"}
    assert ortbench("report", "out").status == 0
    assert "Latency under load" in Path("out/report.html").read_text(encoding="utf-8")
    decided = ortbench("check", "out", "--require", "latency(ort) <= 10s where load=poisson@50/s")
    assert decided.status == (3 if ort["latency_ms"]["ci95"] is None else 0), "one launch decides nothing"
    assert "where load=poisson@50/s; product, batch size 1" in decided.stdout


def test_one_that_dies_or_hangs_costs_itself_and_the_study_goes_on_with_runs_as_long_as_before(
    ortbench: CommandLine, model_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "SLICE_TIMEOUT_S", 1.0)
    # In a run of LoadGen's, not while the engine is made ready.
    faults = [f"scripted[latency=0.05ms,{fault}_at=20,when_ready=true]" for fault in ("crash", "raise", "hang")]
    words = ["--model", model_file, "--engines", ",".join(["ort", *faults]), "--load", "single-stream"]
    words += ["--output", "out"]
    assert ortbench("compare", *words, "--max-time", "5s").status == 3
    [cell] = summary()["cells"]
    assert (cell["load"], cell["batch_size"]) == ("single-stream", 1)
    ort, crashed, raised, hung, twin = cell["arms"]
    assert [ort["status"], twin["status"]] == ["ok", "ok"]
    assert "was killed by SIGSEGV" in crashed["reason"]
    assert raised["reason"] == "RuntimeError: scripted error"
    assert "hung: no answer within" in hung["reason"]
    before = json.loads(Path("out/run.json").read_text(encoding="utf-8"))["settings"]
    longer = [*words, "--max-time", "60s", "--dry-run", "--json"]
    assert json.loads(ortbench("compare", *longer, "--resume").stdout)["load_run_s"] == before["load_run_s"]
    longer[longer.index("out")] = "new"
    assert json.loads(ortbench("compare", *longer).stdout)["load_run_s"] > before["load_run_s"]
    words[words.index("single-stream")] = "offline"
    outcome = ortbench("compare", *words, "--max-time", "20s", "--resume")
    assert outcome.status == 2
    assert "load was single-stream, is offline" in outcome.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--load", "burst"], "Expected --load to be one of [poisson, single-stream, multi-stream, offline]"),
        (["--load", "poisson"], "--load poisson needs --rate"),
        (["--rate", "5"], "--rate belongs to --load poisson; without --load nothing arrives."),
        (["--load", "offline", "--instances", "1,2", "--threads", "1"], "leave --instances (or --scaling) out."),
        (["--load", "single-stream", "--batch-sizes", "4"], "give --load multi-stream"),
    ],
)
def test_what_no_scenario_knows_is_refused_before_anything_runs(
    ortbench: CommandLine, model_file: Path, words: list[str], message: str
) -> None:
    outcome = ortbench("compare", "--model", model_file, *words, "--output", "out")
    assert outcome.status == 2
    assert message in outcome.stderr
    assert not Path("out").exists()


def test_a_study_file_sets_the_load(ortbench: CommandLine, model_file: Path) -> None:
    lines = [f'model = "{model_file}"', 'engines = "ort,null"', 'load = "poisson"', "rate = 2.5", 'max-latency = "1s"']
    Path("study.toml").write_text("\n".join(lines), encoding="utf-8")
    outcome = ortbench("compare", "--study", "study.toml", "--dry-run")
    assert outcome.status == 0, outcome.stderr
    assert "load     poisson@2.5/s, 99th percentile bound 1000 ms: MLPerf LoadGen's Server scenario" in outcome.stdout
