"""Memory, energy and fairness through the command line, with engines that are really unfair."""

from __future__ import annotations

import csv
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ortbench.results.journal import read_launches, read_rounds
from ortbench.runner import sysfs
from ortbench.runner.fitness import assess
from ortbench.runner.reading import read_machine
from tests.conftest import CommandLine, Outcome, end_after_launches, run_in, write_model
from tests.ortbench.test_faults import arms_of
from tests.runner.test_energy import zone

UNFAIR = {
    "scripted[ignore_threads=true]": "asked for 1 thread, but 3 were busy, by their CPU time",
    "scripted[report_threads=7]": "asked for 1 thread, but the library reports 7",
    "scripted[gradients=true]": "its calls record gradients",
    "scripted[other_artifact=true]": "it loaded another model file (sha256 ",
}


@pytest.fixture(scope="module")
def unfair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    """The results of a study with every unfair arm, and what it printed."""
    folder = tmp_path_factory.mktemp("unfair")
    words = ["--model", write_model(folder / "product.onnx", ["N", 8]), "--engines", ",".join(["ort", *UNFAIR])]
    words += ["--batch-sizes", "1", "--threads", "1", "--max-time", "4s", "--output", "out"]
    return folder / "out", run_in(folder, "compare", "--no-charts", *words)


@pytest.mark.parametrize(("engine", "reason"), UNFAIR.items())
def test_an_unfair_arm_is_invalid_and_has_no_speedup(unfair: tuple[Path, Outcome], engine: str, reason: str) -> None:
    folder, outcome = unfair
    assert outcome.status == 3
    baseline, *others, twin = arms_of(folder)
    assert (baseline["engine"], baseline["status"], twin["status"]) == ("ort", "ok", "ok")
    [arm] = [arm for arm in others if arm["engine"] == engine]
    assert (arm["status"], arm["speedup"]) == ("invalid", None)
    assert arm["reason"].startswith(reason)
    assert f"{engine} invalid at batch size 1, threads 1: {reason}" in outcome.stdout


def test_memory_and_busy_threads_of_every_arm_are_on_record(
    ortbench: CommandLine, model_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A gate decides on an interval, which takes two launches.
    end_after_launches(monkeypatch, 2)
    words = ["--model", model_file, "--engines", "ort,scripted", "--batch-sizes", "1", "--threads", "1"]
    outcome = ortbench("compare", *words, "--max-time", "60s", "--output", "out")
    assert outcome.status == 0
    for record in read_launches(Path("out")):
        assert record.evidence is not None
        assert record.evidence["busy_threads"] == 1
        assert record.pss_mib is not None
        assert record.memory_mib is not None
        assert 0 < record.pss_mib <= record.memory_mib
        assert record.gpu_memory_mib is None, "these engines compute on the processor"
    assert "PSS" in outcome.stdout
    # A gate on memory works on the CSV too.
    for results in (Path("out"), Path("out/results.csv")):
        assert ortbench("check", results, "--require", "memory(ort) <= 100GiB").status == 0
        assert ortbench("check", results, "--require", "memory(ort) <= 1MiB").status == 1


@contextmanager
def rising(counter: Path) -> Iterator[None]:
    """Let a made counter rise by itself, as a processor's does, over its end at 10 J again and again."""
    stop, began = threading.Event(), time.monotonic()

    def rise() -> None:
        while not stop.wait(0.001):
            new = counter.with_suffix(".new")
            new.write_text(f"{round((time.monotonic() - began) * 50e6) % 10_000_000}\n")
            new.replace(counter)  # a reader never finds it empty

    thread = threading.Thread(target=rise)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_energy_is_shown_beside_speed_where_it_can_be_read(
    ortbench: CommandLine, model_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A fake of the kernel's files, in which every arm uses 50 W: what takes longer takes more energy.
    counter = zone(tmp_path / "root", "intel-rapl:0", "package-0", "0", limit="10000000")
    monkeypatch.setattr(sysfs, "ROOT", tmp_path / "root")
    words = ["--model", model_file, "--engines", "scripted[latency=64ms],scripted[latency=1ms]"]
    with rising(counter):
        # Far apart, for a wait for the processor counts too; and one batch holds all inputs that are compared.
        words += ["--batch-sizes", "64", "--threads", "1", "--max-time", "4s", "--output", "out"]
        outcome = ortbench("compare", *words)
    assert outcome.status == 0
    assert all(line.energy_uj is not None and line.energy_uj >= 0 for line in read_rounds(Path("out")))
    slow, fast, _ = arms_of(Path("out"))
    assert slow["joules_per_item"] > fast["joules_per_item"] > 0
    assert "J/item" in outcome.stdout
    with Path("out/results.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["joules_per_item"]) for row in rows] == pytest.approx(
        [slow["joules_per_item"], fast["joules_per_item"]]
    )


def test_doctor_says_whether_energy_can_be_read_here() -> None:
    [energy] = [finding for finding in assess(read_machine(), {}) if finding.name == "energy"]
    assert energy.state in ("good", "unknown")
    assert (energy.state == "good") == (energy.advice is None)
