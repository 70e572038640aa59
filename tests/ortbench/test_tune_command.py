"""`ortbench tune` as it is typed, with engines that really run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ortbench.results.journal import read_launches, read_rounds
from ortbench.runner.cpus import thread_limit
from tests.conftest import CommandLine

needs_two_cpus = pytest.mark.skipif(thread_limit() < 2, reason="two instances need two CPUs")
# Four times as fast as the other: nothing that other programs do hides that.
FAST, SLOW, DEAD = "scripted[latency=20ms]", "scripted[latency=80ms]", "scripted[crash_at=1]"


def states(document: dict[str, Any]) -> dict[tuple[str, int, int], str]:
    return {
        (trial["setting"]["engine"], trial["setting"]["instances"], trial["setting"]["batch_size"]): trial["state"]
        for trial in document["trials"]
    }


@needs_two_cpus
def test_the_best_of_a_known_grid_is_found_and_everything_is_on_record(ortbench: CommandLine, model_file: Path) -> None:
    words = ["--model", model_file, "--engines", f"{SLOW},{FAST},{DEAD}", "--threads", "1", "--instances", "1,2"]
    outcome = ortbench("tune", *words, "--batch-sizes", "1,4", "--max-time", "20s", "--output", "out", "--json")
    assert outcome.status == 3
    assert outcome.stderr.splitlines()[-1] == "out"
    document = json.loads(outcome.stdout)
    assert document == json.loads(Path("out/tuning.json").read_text(encoding="utf-8"))
    # Whatever it is given takes it 20 ms, so that the largest batches in the most instances win.
    assert document["state"] == "complete"
    assert (document["best"]["engine"], document["best"]["instances"], document["best"]["batch_size"]) == (FAST, 2, 4)
    assert document["best"]["mode"] == "stream"
    dead = {state for (engine, _, _), state in states(document).items() if engine == DEAD}
    # On a busy machine its other batch sizes may never have their turn.
    assert "failed" in dead
    assert dead <= {"failed", "not tried"}
    for trial in document["trials"]:
        ruling = trial["ruling"]
        if trial["state"] == "ruled out":
            assert ruling["interval"][0] > 1
            assert ruling["by"]
        if trial["state"] == "failed":
            assert "was killed by SIGSEGV" in ruling["reason"]
    assert " ".join(document["again"]) == (
        f"ortbench compare --model {model_file} --engines {SLOW},{FAST} --allocators default --threads 1 "
        "--instances 2 --batch-sizes 4"
    )
    run = json.loads(Path("out/run.json").read_text(encoding="utf-8"))
    assert run["state"] == "complete"
    assert {cell["key"]["mode"] for cell in run["cells"]} == {"single", "stream"}
    assert {line.engine for line in read_rounds(Path("out"))} == {FAST, SLOW}
    assert {line.status for line in read_launches(Path("out"))} == {"ok", "failed"}
    # The record is that of a study, so that everything that reads one reads it.
    shown = ortbench("show", "out", "--json")
    assert {cell["mode"] for cell in json.loads(shown.stdout)["cells"]} == {"single", "stream"}


@needs_two_cpus
def test_for_latency_a_batch_is_divided_and_one_size_is_tuned(ortbench: CommandLine, model_file: Path) -> None:
    words = ["--model", model_file, "--engines", f"ort,{SLOW}", "--objective", "latency", "--batch-sizes", "4"]
    outcome = ortbench("tune", *words, "--max-time", "15s", "--output", "out", "--max-memory", "64GiB")
    assert outcome.status == 0
    lines = outcome.stdout.splitlines()
    assert lines[0].rstrip() == "product, tuned for latency"
    assert any(line.startswith("best   ort, ") and " tried in " in line for line in lines)
    assert lines[-2].startswith(
        f"run    ortbench compare --model {model_file} --engines ort --allocators default --threads "
    )
    assert lines[-1] == "out"
    document = json.loads(Path("out/tuning.json").read_text(encoding="utf-8"))
    assert {trial["setting"]["mode"] for trial in document["trials"]} == {"single", "split"}
    assert document["bounds"] == {"max_latency_ms": None, "max_memory_mib": 65536.0}
    assert "looked at ort, " in outcome.stderr


def test_a_bound_that_nobody_keeps_is_exit_status_1(ortbench: CommandLine, model_file: Path) -> None:
    words = ["--model", model_file, "--engines", FAST, "--threads", "1", "--batch-sizes", "1", "--quiet"]
    outcome = ortbench("tune", *words, "--max-memory", "1MiB", "--max-time", "8s", "--output", "out")
    assert outcome.status == 1
    assert "best   none: nothing that was tried keeps to the bounds; 1 of 1 tried in " in outcome.stdout
    assert " MiB, over 1 MiB" in outcome.stdout
    assert outcome.stderr == ""


def test_a_dry_run_says_what_would_be_raced_and_writes_nothing(ortbench: CommandLine, model_file: Path) -> None:
    words = ["--model", model_file, "--engines", "ort,null", "--threads", "1", "--max-latency", "50ms"]
    outcome = ortbench("tune", *words, "--output", "out", "--dry-run")
    assert (outcome.status, outcome.stderr) == (0, "")
    assert outcome.stdout.splitlines()[1:] == [
        "engines  ort, null; allocators default",
        "layouts  1 x 1 thread; batch size 1, 4, 16",
        "race     6 configurations in 2 families of processes, for throughput, latency at most 50 ms",
        "results  out",
    ]
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--engines", "tensorflow"], "Expected an engine to be one of ["),
        (["--objective", "speed"], "Expected --objective to be one of [latency, throughput], but got 'speed'."),
        (["--max-latency", "50"], "Expected --max-latency to be a duration such as 90s, 5m, 1h or 50ms, but got '50'."),
        (["--max-memory", "2G"], "Expected --max-memory to be a size such as 512MiB or 2GiB, but got '2G'."),
        (["--max-time", "soon"], "Expected --max-time to be a duration such as 90s, 5m, 1h or 50ms, but got 'soon'."),
        (
            ["--precision", "fp32,int8"],
            "Expected one --precision, but got fp32, int8: the fastest lane is not the same model. Tune each.",
        ),
        (
            ["--objective", "latency", "--batch-sizes", "1,4"],
            "Expected one --batch-sizes with --objective latency, but got 1,4: the smallest batch is always the "
            "fastest. Give the one that is needed, or leave the option out for the smallest.",
        ),
        (["--allocators", "malloc"], "Expected an allocator of --allocators to be one of ["),
    ],
)
def test_wrong_input_is_one_message_and_nothing_written(ortbench: CommandLine, words: list[str], message: str) -> None:
    outcome = ortbench("tune", *words)
    assert (outcome.status, outcome.stdout) == (2, "")
    assert outcome.stderr.startswith(f"Error: {message}")
    assert list(Path.cwd().iterdir()) == []


def test_an_interruption_shows_and_keeps_what_is_known(model_file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    words = ["tune", "--model", str(model_file), "--engines", f"{FAST},null", "--threads", "1"]
    command = [sys.executable, "-P", "-m", "ortbench", *words, "--max-time", "5m", "--output", str(folder)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not ((folder / "rounds.jsonl").exists() and read_rounds(folder)):
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGINT)
        stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert stderr.splitlines()[-1] == "Interrupted; what was measured is kept."
    assert "Traceback" not in stderr
    assert "tuned for throughput" in stdout
    assert json.loads((folder / "tuning.json").read_text(encoding="utf-8"))["state"] == "interrupted"
    assert json.loads((folder / "run.json").read_text(encoding="utf-8"))["state"] == "interrupted"
    assert read_rounds(folder)


def test_from_python_the_answer_is_an_object(model_file: Path, tmp_path: Path) -> None:
    import ortbench as package

    said: list[str] = []
    words = {"model": str(model_file), "engines": "ort", "threads": "1", "batch_sizes": "1", "max_time": "5s"}
    found = package.tune(say=said.append, output=str(tmp_path / "out"), max_latency="10s", **words)
    assert found.best is not None
    assert found.best.name == "ort, 1 x 1 thread, batch 1"
    assert found.bounds.max_latency_ms == 10_000
    assert any(line.startswith("looked at ort, ") for line in said)
