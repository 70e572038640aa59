"""Kills a study at random moments and looks at what is left: `python -m tests.fuzz.kills --count 100 --folder DIR`.

Each trial starts a real study, kills one of its workers, the parent, or its whole process group, or lets the disk be
full, at a moment drawn from the seed. Then nothing that was on disk may be missing, at most the round under way may be
lost, `show` must read the record, `--resume` must finish the study, and no process may be left.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import io
import json
import multiprocessing
import os
import random
import resource
import secrets
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from ortbench.__main__ import main as main_of_ortbench
from ortbench.cli import run
from ortbench.results.folder import ROUNDS_FILE, RUN_FILE

KINDS = ("worker", "parent", "group", "disk full")
_TOKEN = "ORTBENCH_KILLS"
_GRACE_S = 10.0
_LONGEST_S = 120.0
# Half of the moments are drawn from the time after the first round, the others from the start.
_MOMENT_S, _STUDY_S = 2.0, 3.0
_SMALLEST_FILE, _LARGEST_FILE = 300, 60_000
_WORDS = ("--engines", "null,scripted[latency=1ms]", "--batch-sizes", "1", "--target", "0.01%", "--threads", "1")


@dataclass
class Trial:
    """One kill, and what was wrong afterwards.

    Attributes:
        moment_s: seconds from the first round, or from the start, to the kill.
        status: of the study that was killed.
        rounds: lines on disk just before the kill, after it, and when the study was resumed.
        faults: in words; empty where all is as it should be.
    """

    seed: int
    kind: str
    moment_s: float = 0.0
    status: int = 0
    rounds: tuple[int, int, int] = (0, 0, 0)
    faults: list[str] = field(default_factory=list)


def kill_once(seed: int, model: Path, folder: Path) -> Trial:
    """Run a study in `folder`, which must be empty, kill it as the seed says, and look at what is left."""
    drawn = random.Random(seed)
    trial = Trial(seed, KINDS[seed % len(KINDS)])
    results = folder / "out"
    words = ["compare", "--model", str(model), *_WORDS, "--max-time", f"{_STUDY_S:g}s", "--no-charts", "--quiet"]
    words += ["--output", str(results)]
    token = secrets.token_hex(8)
    largest = drawn.randrange(_SMALLEST_FILE, _LARGEST_FILE) if trial.kind == "disk full" else None
    study = Study(words, token, folder / "said", largest)
    before = b""
    if trial.kind != "disk full":
        trial.moment_s = _wait_for_moment(study, results, drawn)
        before = _kill(study, results, trial.kind, drawn)
    trial.status = _wait(study, trial)
    said = study.said()
    after = _record(results)
    _check_ending(trial, said, _left(token))
    trial.faults += _check_record(before, after)
    trial.faults += _shown(results, measured=bool(after))
    resumed = _resumed(words, results, token, trial)
    trial.rounds = (before.count(b"\n"), after.count(b"\n"), resumed.count(b"\n"))
    if not resumed.startswith(_whole(after)):
        trial.faults.append("resuming changed what was on record")
    trial.faults += _shown(results, measured=True)
    return trial


class Study:
    """A study in a process of its own: a copy of this one, which has imported everything already."""

    def __init__(self, words: Sequence[str], token: str, errors: Path, largest: int | None) -> None:
        """Start it; its processes are known by the token in their environment, and `errors` takes what it says."""
        self._errors = errors
        self._process = multiprocessing.get_context("fork").Process(
            target=_run_study, args=(words, token, errors, largest)
        )
        self._process.start()

    @property
    def pid(self) -> int:
        """The process's number, and that of its group."""
        assert self._process.pid
        return self._process.pid

    @property
    def status(self) -> int | None:
        """How it ended; None while it runs."""
        return self._process.exitcode

    def wait(self, seconds: float) -> None:
        """Wait until it ends, or so long."""
        self._process.join(seconds)

    def said(self) -> str:
        """Return what it wrote to standard error."""
        return self._errors.read_text(encoding="utf-8", errors="replace")


def _run_study(words: Sequence[str], token: str, errors: Path, largest: int | None) -> None:
    os.setsid()
    os.environ[_TOKEN] = token
    for descriptor, file in ((1, os.devnull), (2, str(errors))):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
    if largest is not None:
        # No file may grow beyond so many bytes, as on a full disk.
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
    sys.argv = ["ortbench", *words]
    main_of_ortbench()


def _wait_for_moment(study: Study, results: Path, drawn: random.Random) -> float:
    moment_s = drawn.uniform(0, _MOMENT_S)
    deadline = time.monotonic() + _LONGEST_S
    if drawn.random() < 0.5:
        while not _record(results) and study.status is None and time.monotonic() < deadline:
            time.sleep(0.02)
    study.wait(moment_s)
    return moment_s


def _kill(study: Study, results: Path, kind: str, drawn: random.Random) -> bytes:
    """Kill what is to be killed; return the record as it was just before."""
    before = _record(results)
    with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
        if kind == "worker":
            children = psutil.Process(study.pid).children(recursive=True)
            if children:
                drawn.choice(sorted(children, key=lambda child: child.pid)).kill()
        elif kind == "parent":
            os.kill(study.pid, signal.SIGKILL)
        else:
            os.killpg(study.pid, signal.SIGKILL)
    return before


def _wait(study: Study, trial: Trial) -> int:
    study.wait(_LONGEST_S)
    if study.status is None:
        trial.faults.append(f"it still ran {_LONGEST_S:.0f} s later")
        os.kill(study.pid, signal.SIGKILL)
        study.wait(_GRACE_S)
    return study.status or 0


def _check_ending(trial: Trial, said: str, left: list[int]) -> None:
    orderly = {"worker": (0, 2, 3), "disk full": (0, 2, 3)}.get(trial.kind, (0, 3, -signal.SIGKILL))
    if trial.status not in orderly:
        trial.faults.append(f"exit status {trial.status}: {said[-200:]}")
    if "Traceback" in said or "itself failed" in said:
        trial.faults.append(f"an internal fault: {said[-200:]}")
    if left:
        trial.faults.append(f"{len(left)} processes were left")


def _left(token: str) -> list[int]:
    """Return the processes of a study that are still there after a grace period, and end them."""
    deadline = time.monotonic() + _GRACE_S
    while (found := _with_token(token)) and time.monotonic() < deadline:
        time.sleep(0.1)
    for pid in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return found


def _with_token(token: str) -> list[int]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get(_TOKEN) == token:
                found.append(process.pid)
    return found


def _record(results: Path) -> bytes:
    try:
        return (results / ROUNDS_FILE).read_bytes()
    except OSError:
        return b""


def _whole(record: bytes) -> bytes:
    """Return the record up to its last whole line."""
    return record[: record.rfind(b"\n") + 1]


def _check_record(before: bytes, after: bytes) -> list[str]:
    """Say what is wrong with the record: it only grows, and one round may be unfinished, the last."""
    faults = [] if after.startswith(_whole(before)) else ["a round that was on disk is missing"]
    arms: dict[tuple[str, int], dict[int, int]] = collections.defaultdict(collections.Counter)
    order: list[tuple[str, int, int]] = []
    for line in _whole(after).splitlines():
        row = json.loads(line)
        arms[row["cell"], row["launch"]][row["round"]] += 1
        order.append((row["cell"], row["launch"], row["round"]))
    for (cell, launch), rounds in arms.items():
        most = max(rounds.values())
        short = [number for number, count in rounds.items() if count < most and (cell, launch, number) != order[-1]]
        # An arm that was killed takes no further part: rounds grow shorter and stay so.
        if any(rounds[number] < most <= rounds[number + 1] for number in short if number + 1 in rounds):
            faults.append(f"a round of {cell}, launch {launch}, lacks an arm")
    return faults


def _shown(results: Path, *, measured: bool) -> list[str]:
    """Say what `show` makes of a record that it should read, or refuse in a sentence where nothing was measured."""
    output, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        status = run(["show", str(results)])
    if status == 0 or (status == 2 and not measured and errors.getvalue().startswith("Error: ")):
        return []
    return [f"show ends with {status}: {errors.getvalue()[-200:]}"]


def _resumed(words: list[str], results: Path, token: str, trial: Trial) -> bytes:
    """Go on with the study, or begin it anew where nothing is there yet; return the record."""
    more = []
    if (results / RUN_FILE).exists():
        more = ["--resume", "--max-time", f"{max(_STUDY_S, _spent_s(results)) + 3:.1f}s"]
    study = Study([*words, *more], token, results.parent / "said-later", None)
    status, said = _wait(study, trial), study.said()
    # An arm whose worker was killed stays failed, and says so by status 3.
    if status not in (0, 3):
        trial.faults.append(f"resuming ends with {status}: {said[-300:]}")
    if left := _left(token):
        trial.faults.append(f"{len(left)} processes were left by the study that was resumed")
    return _record(results)


def _import_everything() -> None:
    """Import what a study imports, so that its copies of this process need not."""
    import ortbench.running
    import ortbench.tuning

    assert ortbench.running
    import pyarrow.parquet

    assert pyarrow.parquet


def _spent_s(results: Path) -> float:
    """Return the seconds of --max-time that a study has used."""
    return float(json.loads((results / RUN_FILE).read_bytes()).get("time_s", {}).get("total", 0.0))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run trials and print a table of them; the exit status is 1 where any found a fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0, help="of the first trial; the others follow")
    parser.add_argument("--folder", type=Path, required=True, help="for the studies; must not exist")
    asked = parser.parse_args(arguments)
    asked.folder.mkdir(parents=True)
    from tests.conftest import write_model

    _import_everything()
    model = write_model(asked.folder / "product.onnx", ["N", 8])
    trials = []
    for seed in range(asked.seed, asked.seed + asked.count):
        (asked.folder / str(seed)).mkdir()
        trials.append(kill_once(seed, model, asked.folder / str(seed)))
        sys.stdout.write(f"{json.dumps(trials[-1].__dict__)}\n")
        sys.stdout.flush()
    sys.stdout.write(table(trials))
    return int(any(trial.faults for trial in trials))


def table(trials: Sequence[Trial]) -> str:
    """Return a Markdown table: for each kind the kills, those in which rounds had been measured, and the faults."""
    lines = ["| killed | times | after rounds were measured | rounds kept | faults |", "|---|---|---|---|---|"]
    for kind in KINDS:
        own = [trial for trial in trials if trial.kind == kind]
        measured = [trial for trial in own if trial.rounds[1]]
        kept = sum(trial.rounds[1] for trial in own)
        lines.append(f"| {kind} | {len(own)} | {len(measured)} | {kept} | {sum(bool(trial.faults) for trial in own)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
