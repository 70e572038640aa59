"""Ctrl-C and killing, at every stage, of the real program with real workers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from ortbench.results.derive import summarize_folder
from ortbench.results.journal import read_rounds

# What a person is promised, on a machine that has nothing else to do.
SECONDS_TO_END = 2.0


def slowness() -> float:
    """Return how many times longer than it computes something takes now: other programs have the processor too."""
    began, computed = time.monotonic(), time.thread_time()
    while time.thread_time() - computed < 0.05:
        pass
    return (time.monotonic() - began) / 0.05


def end(study: subprocess.Popen[str], number: signal.Signals) -> tuple[str, str]:
    """Interrupt a study, and return what it printed; it must end within the seconds promised."""
    before = slowness()
    began = time.monotonic()
    study.send_signal(number)
    stdout, stderr = study.communicate(timeout=30)
    seconds = time.monotonic() - began
    assert seconds < SECONDS_TO_END * max(1.0, before, slowness())
    return stdout, stderr


@pytest.fixture
def study(model_file: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A study of two minutes, in a process group of its own as in a terminal."""
    engines = "ort,scripted[latency=5ms],null"
    words = ["compare", "--model", str(model_file), "--engines", engines, "--batch-sizes", "1,2"]
    words += ["--max-time", "2m", "--output", str(tmp_path / "out")]
    # What Python itself does before it reads our first line is not ours to end in order.
    program = "print('started', flush=True)\nfrom ortbench.__main__ import main\nmain()"
    command = [sys.executable, "-P", "-c", program, *words]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        yield process
        process.kill()


def wait_for_rounds(folder: Path, count: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if (folder / "rounds.jsonl").exists() and len(read_rounds(folder)) >= count:
            return
        time.sleep(0.05)
    pytest.fail("no rounds were measured within a minute")


def children(process: subprocess.Popen[str]) -> list[psutil.Process]:
    found: list[psutil.Process] = psutil.Process(process.pid).children(recursive=True)
    return found


def all_gone(processes: list[psutil.Process]) -> bool:
    _, alive = psutil.wait_procs(processes, timeout=5)
    return all(process.status() == psutil.STATUS_ZOMBIE for process in alive)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_keeps_what_was_measured(
    study: subprocess.Popen[str], tmp_path: Path, number: signal.Signals
) -> None:
    folder = tmp_path / "out"
    wait_for_rounds(folder, 12)
    workers = children(study)
    assert len(workers) >= 3
    stdout, stderr = end(study, number)
    assert study.returncode == 130
    assert all_gone(workers)
    assert "Interrupted; what was measured is kept." in stderr
    assert "Traceback" not in stderr
    assert stdout.splitlines()[-1] == str(folder)
    assert json.loads((folder / "run.json").read_text(encoding="utf-8"))["state"] == "interrupted"
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    assert summary["cells"][0]["arms"][0]["samples"] > 0
    assert len(read_rounds(folder)) >= 12


def test_two_interruptions_lose_no_more_than_one(study: subprocess.Popen[str], tmp_path: Path) -> None:
    wait_for_rounds(tmp_path / "out", 6)
    study.send_signal(signal.SIGINT)
    time.sleep(0.05)
    study.send_signal(signal.SIGINT)
    study.communicate(timeout=30)
    assert study.returncode == 130
    assert (tmp_path / "out" / "summary.json").exists()


@pytest.mark.parametrize("seconds", [0.05, 0.1, 0.2, 0.4, 0.8, 1.5])
def test_an_interruption_at_any_time_ends_in_order(study: subprocess.Popen[str], seconds: float) -> None:
    time.sleep(seconds)
    workers = children(study)
    _, stderr = end(study, signal.SIGINT)
    assert all_gone(workers)
    assert study.returncode == 130, stderr
    assert "Traceback" not in stderr


def test_a_killed_parent_takes_its_workers_with_it_and_loses_no_finished_round(
    study: subprocess.Popen[str], tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    wait_for_rounds(folder, 12)
    workers = children(study)
    assert workers
    os.kill(study.pid, signal.SIGKILL)
    study.communicate(timeout=30)
    assert all_gone(workers)
    summary = summarize_folder(folder)
    assert summary.notes[-1] == "this study is running: figures are of what was measured so far"
    assert sum(arm.samples for cell in summary.cells for arm in cell.arms) > 0
