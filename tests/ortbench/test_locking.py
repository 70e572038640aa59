"""A folder has one writer, and whoever comes second is told who is there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ortbench.errors import UsageError
from ortbench.locking import LOCK_FILE, claimed, holder, locked
from ortbench.results.folder import check_new_folder, holding
from tests.conftest import CommandLine

pytest.importorskip("fcntl")
_HOLD = """
import sys
from pathlib import Path
from ortbench.locking import claimed
with claimed(Path(sys.argv[1]), lambda: None):
    print("held", flush=True)
    sys.stdin.read()
"""


def hold(folder: Path) -> subprocess.Popen[str]:
    """Start a process that holds a folder until its standard input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    return process


def end(process: subprocess.Popen[str]) -> int:
    """Let a process that holds a folder end."""
    for stream in (process.stdin, process.stdout):
        if stream:
            stream.close()
    return process.wait()


@pytest.fixture
def other(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds `out`."""
    process = hold(tmp_path / "out")
    yield process
    process.kill()
    end(process)


def test_the_second_is_told_who_the_first_is(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    folder = tmp_path / "out"
    assert holder(folder / LOCK_FILE) == f"process {other.pid}"
    with pytest.raises(UsageError) as caught, claimed(folder, lambda: None):
        pass
    assert str(caught.value) == (
        f"The results folder '{folder}' is in use by process {other.pid}. Wait until that has ended, or end it."
    )
    with pytest.raises(UsageError, match=f"is in use by process {other.pid}"):
        check_new_folder(folder)
    assert holder(folder / LOCK_FILE), "asking does not take it away"


def test_a_killed_process_leaves_nothing_that_is_in_the_way(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    folder = tmp_path / "out"
    os.kill(other.pid, signal.SIGKILL)
    other.wait()
    assert (folder / LOCK_FILE).exists()
    assert holder(folder / LOCK_FILE) is None
    check_new_folder(folder)
    with holding(folder):
        assert holder(folder / LOCK_FILE) == f"process {os.getpid()}"
    assert not (folder / LOCK_FILE).exists()


def test_who_waits_gets_it_when_the_first_has_ended(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        assert other.stdin
        other.stdin.close()

    file = tmp_path / "out" / LOCK_FILE
    (tmp_path / "out" / "something").touch()  # so that the other leaves the folder
    with locked(file, "It", wait_s=60, say=say):
        assert holder(file) == f"process {os.getpid()}"
    assert said == [f"waiting for process {other.pid}, which is making the same"]


def test_a_folder_in_which_nothing_was_written_is_gone_again(tmp_path: Path) -> None:
    def failing() -> None:
        with claimed(tmp_path / "a" / "b", lambda: None):
            raise ValueError("no model")

    with pytest.raises(ValueError, match="no model"):
        failing()
    assert not (tmp_path / "a").exists()
    (tmp_path / "mine").mkdir()
    with claimed(tmp_path / "mine", lambda: None):
        pass
    assert (tmp_path / "mine").is_dir(), "it was there before"


def test_what_came_in_meanwhile_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/run.json").touch()
    with pytest.raises(UsageError, match="already holds other results"), holding(tmp_path / "out"):
        pass
    assert not (tmp_path / "out" / LOCK_FILE).exists()


def test_a_link_in_place_of_the_lock_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine", encoding="utf-8")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / LOCK_FILE).symlink_to(tmp_path / "precious")
    with pytest.raises(OSError), claimed(tmp_path / "out", lambda: None):  # noqa: PT011 - which one is the system's
        pass
    assert (tmp_path / "precious").read_text(encoding="utf-8") == "mine"


def test_two_studies_never_mix(ortbench: CommandLine, model_file: Path, tmp_path: Path) -> None:
    words = ("--model", model_file, "--engines", "null", "--batch-sizes", "1", "--threads", "1", "--quiet")
    process = hold(tmp_path / "out")
    refused = ortbench("compare", *words, "--max-time", "1s", "--output", tmp_path / "out")
    assert refused.status == 2
    assert f"is in use by process {process.pid}." in refused.stderr
    assert end(process) == 0
    assert not (tmp_path / "out").exists()
    done = ortbench("compare", *words, "--max-time", "1s", "--output", tmp_path / "out")
    assert done.status == 0, done.stderr
    before = (tmp_path / "out/rounds.jsonl").read_bytes()
    process = hold(tmp_path / "out")
    refused = ortbench("compare", *words, "--max-time", "9s", "--output", tmp_path / "out", "--resume")
    assert refused.status == 2
    assert f"is in use by process {process.pid}." in refused.stderr
    end(process)
    assert (tmp_path / "out/rounds.jsonl").read_bytes() == before
