"""`ortbench plan --verify` with engines that really run."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from ortbench.api import plan_comparison
from ortbench.commands.answering import CHECK_FAILED, DONE, INCOMPLETE, INTERRUPTED
from ortbench.commands.planning import exit_status
from ortbench.comparison import CompareRequest
from ortbench.results.folder import RUN_FILE, write_json
from ortbench.results.journal import Journal
from ortbench.results.schema import ArtifactRecord
from ortbench.results.standings import Figure
from ortbench.results.verification import Candidate, Outcome, Verification, Verified
from ortbench.run_record import new_run
from ortbench.runner.cpus import thread_limit
from ortbench.runner.outcome import with_artifacts
from tests.conftest import CommandLine
from tests.results.factory import make_rounds

needs_two_cpus = pytest.mark.skipif(thread_limit() < 2, reason="two instances need two CPUs")
# A call of any batch takes as long, so that in truth dividing one gains nothing.
ENGINE = "scripted[latency=10ms]"
THIN, FAT = "2 x 1 thread x batch 2", "1 x 2 threads x batch 4"
CLAIMED_MS = {"b2-t1": 10.0, "b4-t1": 30.0, "b2-t2": 10.0, "b4-t2": 15.0}


@pytest.fixture
def results(ortbench: CommandLine, model_file: Path) -> Path:
    """Results that claim something else."""
    del ortbench  # it made the folder that everything goes to
    words = CompareRequest(model=str(model_file), engines=ENGINE, batch_sizes="2,4", threads="1,2", output="out")
    run = with_artifacts(new_run(plan_comparison(words)), {"fp32": ArtifactRecord(path=str(model_file), sha256="")})
    folder = Path("out")
    folder.mkdir()
    write_json(folder / RUN_FILE, run)
    with Journal(folder) as journal:
        for cell, latency_ms in CLAIMED_MS.items():
            journal.append_round(make_rounds({ENGINE: [[latency_ms] * 3] * 2}, cell))
    return folder


@needs_two_cpus
def test_a_plan_is_measured_against_its_alternatives_in_the_same_rounds(ortbench: CommandLine, results: Path) -> None:
    words = ["--threads", "2", "--batch-size", "4"]
    outcome = ortbench("plan", results, *words, "--verify", "--max-time", "8s", "--json", "--quiet")
    assert (outcome.status, outcome.stderr) == (0, "")
    document = json.loads(outcome.stdout)
    verification = document["verification"]
    kept = json.loads((results / "verification.json").read_text(encoding="utf-8"))
    assert kept["schema_version"] == 1
    assert kept["verification"] == verification
    assert kept["plan"] == {name: value for name, value in document.items() if name != "verification"}
    thin, fat = verification["candidates"]
    assert (thin["candidate"]["name"], thin["candidate"]["recommended"]) == (THIN, True)
    assert (fat["candidate"]["name"], fat["candidate"]["single"]) == (FAT, True)
    # Every candidate ran in every round.
    places = {(line["launch"], line["round"]) for line in kept["rounds"]}
    assert len(kept["rounds"]) == 2 * len(places)
    assert verification["rounds"] == len(places)
    # What was claimed does not come true.
    assert thin["predicted_advantage"] == 1.5
    assert thin["advantage"]["value"] < 1.3
    assert thin["measured"]["value"] > 9.9
    assert thin["measured"]["ci95"][0] < thin["measured"]["value"] < thin["measured"]["ci95"][1]
    assert fat["advantage"] is None
    assert verification["notes"] == []
    assert [path.name for path in results.iterdir() if path.is_dir()] == []

    # In text the same.
    outcome = ortbench("plan", results, *words, "--verify", "--max-time", "4s")
    assert outcome.status == 0
    assert "\nmeasured in " in outcome.stdout
    assert "\ncandidate " in outcome.stdout
    assert f"\n{FAT}" in outcome.stdout
    assert "\nbest        " in outcome.stdout
    assert "launch 1: " in outcome.stderr


@pytest.mark.parametrize(
    ("state", "best", "verdicts", "planned", "expected"),
    [
        ("complete", THIN, ("best", "worse"), DONE, DONE),
        # Measured, it keeps the bound that it was predicted to miss.
        ("complete", THIN, ("best", "worse"), CHECK_FAILED, DONE),
        ("complete", THIN, ("best", "failed"), CHECK_FAILED, INCOMPLETE),
        ("complete", None, ("over the bound", "over the bound"), DONE, CHECK_FAILED),
        ("complete", None, ("failed", "failed"), DONE, INCOMPLETE),
        ("interrupted", THIN, ("best", "failed"), DONE, INTERRUPTED),
    ],
)
def test_what_was_measured_decides_on_the_exit_status(
    state: str, best: str | None, verdicts: Sequence[Outcome], planned: int, expected: int
) -> None:
    candidates = tuple(
        Verified(
            candidate=Candidate(name=name, instances=(), predicted=None),
            measured=None if verdict == "failed" else Figure(value=1.0, ci95=(0.9, 1.1)),
            verdict=verdict,
        )
        for name, verdict in zip((THIN, FAT), verdicts, strict=True)
    )
    found = Verification(
        state=state, best=best, chosen=best, confirmed=True, objective="latency", launches=1, rounds=3,
        candidates=candidates,
    )  # fmt: skip
    assert exit_status(found, planned) == expected


@needs_two_cpus
def test_candidates_that_are_too_wide_for_this_machine_are_left_out_and_named(
    ortbench: CommandLine, results: Path
) -> None:
    words = ["--threads", 2 * thread_limit() + 2, "--batch-size", "4", "--verify", "--max-time", "2s", "--json"]
    outcome = ortbench("plan", results, *words, "--quiet")
    assert outcome.status == 0, outcome.stderr
    verification = json.loads(outcome.stdout)["verification"]
    single = f"1 x {2 * thread_limit() + 2} threads x batch 4"
    first, *others = [one["candidate"]["name"] for one in verification["candidates"]]
    assert first == THIN
    assert single not in others
    [note] = [note for note in verification["notes"] if note.startswith("not measured")]
    assert note.startswith(f"not measured, as this process may use {thread_limit()} CPUs: ")
    assert single in note


@needs_two_cpus
def test_an_interruption_shows_and_keeps_what_is_known(results: Path) -> None:
    words = ["plan", str(results), "--threads", "2", "--batch-size", "4", "--verify", "--max-time", "5m"]
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "ortbench", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    ) as process:  # fmt: skip
        assert process.stderr is not None
        assert process.stderr.readline().startswith("launch 1: ")
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert stderr == ""
    assert "\nmeasured in " in stdout
    kept = json.loads((results / "verification.json").read_text(encoding="utf-8"))
    assert kept["verification"]["state"] == "interrupted"
    assert kept["rounds"]


def test_a_csv_says_no_model_to_run(ortbench: CommandLine, tmp_path: Path) -> None:
    csv = tmp_path / "profile.csv"
    csv.write_text("engine,batch_size,threads,latency_ms\na,2,1,20\n", encoding="utf-8")
    outcome = ortbench("plan", csv, "--threads", "1", "--batch-size", "2", "--verify")
    assert (outcome.status, outcome.stdout) == (2, "")
    assert outcome.stderr == (
        "Error: --verify measures anew, and so needs a results folder that says what model and weights to run, but "
        f"'{csv}' is none. Leave --verify out, or plan from a folder of `ortbench compare`.\n"
    )


def test_a_plan_for_more_cpus_than_there_are_is_refused(ortbench: CommandLine, model_file: Path) -> None:
    words = ["--model", model_file, "--engines", "null", "--threads", "1", "--batch-sizes", "1", "--max-time", "2s"]
    assert ortbench("compare", *words, "--output", "out", "--quiet").status == 0
    count = 2 * thread_limit()
    outcome = ortbench("plan", "out", "--threads", count, "--batch-size", count, "--verify", "--quiet")
    assert outcome.status == 2
    assert outcome.stderr == (
        f"Error: The plan uses {count} threads, but this process may use {thread_limit()} CPUs. Leave --verify out, or "
        f"plan with --threads {thread_limit()}.\n"
    )
    assert not Path("out/verification.json").exists()
