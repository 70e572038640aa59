"""A short run of the kills, and proof that the looking afterwards finds what it should."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.fuzz.kills import KINDS, Trial, _check_record, _shown, table

ROOT = Path(__file__).parents[2]


def record(*rounds: tuple[int, str]) -> bytes:
    rows = ({"cell": "b1-t1", "launch": 1, "round": number, "engine": engine} for number, engine in rounds)
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


WHOLE = record((1, "a"), (1, "b"), (2, "a"), (2, "b"))


def test_a_record_that_grew_is_as_it_should_be() -> None:
    assert _check_record(b"", b"") == []
    assert _check_record(WHOLE, WHOLE + record((3, "a")) + b'{"torn') == []


def test_what_is_missing_from_a_record_is_found() -> None:
    assert _check_record(WHOLE, WHOLE[:-20]) == ["a round that was on disk is missing"]
    gap = record((1, "a"), (1, "b"), (2, "a"), (3, "a"), (3, "b"))
    assert _check_record(b"", gap) == ["a round of b1-t1, launch 1, lacks an arm"]


def test_an_arm_that_was_killed_may_be_missing_from_there_on() -> None:
    assert _check_record(b"", WHOLE + record((3, "a"), (4, "a"))) == []


def test_a_record_that_cannot_be_shown_is_a_fault_only_where_something_was_measured(tmp_path: Path) -> None:
    assert _shown(tmp_path / "nowhere", measured=False) == []
    assert "show ends with 2" in _shown(tmp_path / "nowhere", measured=True)[0]


def test_the_table_counts_each_kind() -> None:
    trials = [Trial(number, kind, rounds=(0, 3, 6)) for number, kind in enumerate(KINDS)]
    trials[1].faults.append("a fault")
    assert table(trials).splitlines()[3] == "| parent | 1 | 1 | 3 | 1 |"


def test_studies_that_are_killed_leave_a_record_and_no_process(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.fuzz.kills", "--count", "2", "--seed", "4", "--folder", str(tmp_path / "k")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "| worker | 1 |" in done.stdout
    assert "| parent | 1 |" in done.stdout
