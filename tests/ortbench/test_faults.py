"""Arms that crash, hang, write rubbish or are killed, disks that are full, parents that die: all of it really done."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from ortbench.results.journal import read_launches, read_rounds
from ortbench.runner import launch
from tests.conftest import CommandLine, Outcome, run_in, write_model


def arms_of(folder: Path, cell: int = 0) -> list[dict[str, Any]]:
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    arms: list[dict[str, Any]] = summary["cells"][cell]["arms"]
    return arms


FAULTS = {
    "crash_at=1": "was killed by SIGSEGV",
    "crash_at=70": "was killed by SIGSEGV",
    "abort_at=2": "was killed by SIGABRT",
    "exhaust_at=2": "MemoryError: ",
    "kill_at=2": "was killed by SIGKILL (perhaps out of memory)",
    "raise_at=2": "RuntimeError: scripted error",
    "rubbish_at=2": "wrote something that is no reply: b'this is no reply'",
}


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    """The results of a study in which every fault happens, and what it printed."""
    folder = tmp_path_factory.mktemp("faulty")
    engines = ",".join(["ort", *(f"scripted[{fault}]" for fault in FAULTS), "null"])
    words = ["--model", write_model(folder / "product.onnx", ["N", 8]), "--engines", engines, "--batch-sizes", "1"]
    return folder / "out", run_in(folder, "compare", "--no-charts", *words, "--max-time", "8s", "--output", "out")


@pytest.mark.parametrize(("fault", "reason"), FAULTS.items())
def test_a_faulty_arm_costs_itself_only(faulty: tuple[Path, Outcome], fault: str, reason: str) -> None:
    folder, outcome = faulty
    assert outcome.status == 3
    baseline, *failed, other, twin = arms_of(folder)
    assert [(arm["engine"], arm["status"]) for arm in (baseline, other, twin)] == [
        ("ort", "ok"),
        ("null", "ok"),
        ("ort", "ok"),
    ]
    engine = f"scripted[{fault}]"
    [arm] = [arm for arm in failed if arm["engine"] == engine]
    assert arm["status"] == "failed"
    assert reason in arm["reason"]
    assert arm["speedup"] is None
    assert other["speedup"] is not None
    assert f"{engine} failed at batch size 1, threads" in outcome.stdout


def test_what_a_dying_worker_said_is_on_record(faulty: tuple[Path, Outcome]) -> None:
    folder, _ = faulty
    [failed] = [line for line in read_launches(folder) if line.engine == "scripted[abort_at=2]"]
    assert failed.status == "failed"
    assert failed.stderr == "scripted abort"
    assert failed.reason == "scripted[abort_at=2] was killed by SIGABRT: scripted abort"


def test_an_arm_that_hangs_is_ended_and_costs_itself_only(
    ortbench: CommandLine, model_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "SLICE_TIMEOUT_S", 4.0)
    monkeypatch.setattr(launch, "PREPARE_TIMEOUT_S", 4.0)
    words = ["--model", model_file, "--engines", "ort,scripted[hang_at=100]", "--batch-sizes", "1,2"]
    outcome = ortbench("compare", *words, "--max-time", "8s", "--output", "out")
    assert outcome.status == 3
    for cell in (0, 1):
        baseline, hung, *_ = arms_of(Path("out"), cell)
        # The time spent waiting is not taken from the others: they have their launches.
        assert (baseline["status"], baseline["launches"] >= 2) == ("ok", True)
        assert (hung["status"], "hung: no answer within" in hung["reason"]) == ("failed", True)


def test_a_cell_that_cannot_fit_into_memory_is_skipped_with_the_figure(ortbench: CommandLine, model_file: Path) -> None:
    # A batch of 10^9 rows of 8 floats is 30 GiB.
    words = ["--model", model_file, "--engines", "ort,null", "--batch-sizes", "1,999999999", "--max-time", "4s"]
    outcome = ortbench("compare", *words, "--output", "out")
    total_gib = psutil.virtual_memory().total / 2**30
    if total_gib > 29:
        pytest.skip("this machine has memory for 30 GiB of inputs")
    assert outcome.status == 3
    assert [arm["status"] for arm in arms_of(Path("out"))] == ["ok", "ok", "ok"]
    skipped = arms_of(Path("out"), cell=1)[0]
    assert skipped["status"] == "skipped"
    assert skipped["reason"].startswith("it needs about ")
    assert "GiB more memory for 2 arms at once" in skipped["reason"]


def command(*words: str) -> list[str]:
    return [sys.executable, "-P", "-m", "ortbench", "compare", "--no-charts", *words]


def test_a_full_disk_loses_at_most_the_round_in_flight(model_file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    words = ["--model", str(model_file), "--engines", "ort,null", "--batch-sizes", "1", "--output", str(folder)]
    # The first launch's stretches of calls stand in launches.jsonl before any round is on disk.
    limit = 400_000

    def forbid_larger_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    ended = subprocess.run(
        command(*words, "--max-time", "20s", "--target", "0.01%"),
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=forbid_larger_files,
        timeout=120,
    )
    assert ended.returncode == 3
    assert ended.stderr.rstrip().endswith(
        f"Error: The results folder '{folder}' cannot be written: File too large. What was measured before is kept; "
        f"make room, then go on with the same command and --output {folder} --resume."
    )
    rounds = read_rounds(folder)
    assert (folder / "rounds.jsonl").stat().st_size <= limit
    assert sum(len(line.samples_ns) for line in rounds) > 0

    spent = max(line.started_s for line in rounds)
    again = subprocess.run(
        command(*words, "--max-time", f"{spent + 4:.0f}s", "--target", "0.01%", "--resume"),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert again.returncode == 0, again.stderr
    kept = read_rounds(folder)
    assert kept[: len(rounds)] == rounds
    assert len(kept) > len(rounds)


def test_a_killed_study_goes_on_where_it_was(model_file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    words = ["--model", str(model_file), "--engines", "ort,scripted[latency=3ms]", "--output", str(folder)]
    words += ["--batch-sizes", "1", "--target", "0.01%"]
    with subprocess.Popen(command(*words, "--max-time", "20s"), stdout=subprocess.DEVNULL) as study:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if (folder / "rounds.jsonl").exists() and max((r.launch for r in read_rounds(folder)), default=0) >= 2:
                break
            time.sleep(0.05)
        workers = psutil.Process(study.pid).children(recursive=True)
        study.kill()
    # Most of them were parked: stopped processes must die too.
    _, alive = psutil.wait_procs(workers, timeout=5)
    assert [process for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []

    before = read_rounds(folder)
    with (folder / "rounds.jsonl").open("ab") as file:
        file.write(b'{"cell":"b1-t')
    spent = max(line.started_s for line in before)
    again = subprocess.run(
        command(*words, "--max-time", f"{spent + 4:.0f}s", "--resume"), capture_output=True, text=True, check=False
    )
    assert again.returncode == 0, again.stderr
    after = read_rounds(folder)
    assert after[: len(before)] == before
    assert min(line.launch for line in after[len(before) :]) > max(line.launch for line in before)
    assert min(line.started_s for line in after[len(before) :]) >= spent
    run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    assert run["state"] == "complete"
    assert run["time_s"]["total"] >= spent


def test_parked_arms_use_no_cpu(model_file: Path, tmp_path: Path) -> None:
    """While the slow arm runs, the others are stopped: their CPU time stands still."""
    folder = tmp_path / "out"
    words = ["--model", str(model_file), "--engines", "ort,scripted[latency=2s]", "--output", str(folder)]
    with subprocess.Popen(
        # One batch holds all inputs that are compared before the first round.
        command(*words, "--batch-sizes", "64", "--max-time", "60s"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as study:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not (
            (folder / "rounds.jsonl").exists() and len(read_rounds(folder)) >= 3
        ):
            time.sleep(0.05)
        workers = psutil.Process(study.pid).children()
        states, before = [], [worker.cpu_times() for worker in workers]
        for _ in range(20):
            states.append(sum(worker.status() == psutil.STATUS_STOPPED for worker in workers))
            time.sleep(0.1)
        used = [
            sum(now[:2]) - sum(then[:2]) for now, then in zip([w.cpu_times() for w in workers], before, strict=True)
        ]
        os.kill(study.pid, signal.SIGINT)
        study.wait(timeout=30)
    # Of three arms, the reference and the sentinel one runs at a time: the slow one, for nearly all of two seconds.
    assert sorted(used)[-2] < 0.5
    assert max(states) >= len(workers) - 1
    assert sorted(states)[len(states) // 2] >= len(workers) - 1
