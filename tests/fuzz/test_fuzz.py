"""The short run: some hundred cases of each kind, always the same ones."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from ortbench.errors import UsageError
from tests.fuzz.__main__ import table
from tests.fuzz.cases import CASES
from tests.fuzz.harness import SECRET, Case, Outcome, run_cases

# Not `weights`, which takes as long as importing torch does.
COUNTS = {"models": 300, "tables": 60, "folders": 60, "studies": 200, "arrays": 100}


@pytest.mark.parametrize("kind", COUNTS)
def test_hostile_damaged_and_odd_input_ends_in_an_answer_or_one_message(kind: str) -> None:
    outcome = run_cases(kind, CASES[kind], range(COUNTS[kind]), seed=0)
    assert outcome.faults == {}
    assert outcome.cases == COUNTS[kind]
    assert outcome.answers["refused"] < COUNTS[kind], "some cases are harmless, and get further"
    assert outcome.answers["refused"] > 0


def of(case: Case) -> Outcome:
    return run_cases("test", case, range(2), seed=1)


def test_the_harness_sees_what_it_is_there_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def fault(rng: random.Random, folder: Path) -> str:  # noqa: ARG001 - a case's signature
        raise KeyError(rng.random())

    def outside(rng: random.Random, folder: Path) -> str:  # noqa: ARG001 - a case's signature
        (folder.parent / "more").touch()
        return "done"

    def changed(rng: random.Random, folder: Path) -> str:  # noqa: ARG001 - a case's signature
        (folder.parent / SECRET).write_text("x", encoding="utf-8")
        return "done"

    def hang(rng: random.Random, folder: Path) -> str:  # noqa: ARG001 - a case's signature
        while True:
            pass

    def refuse(rng: random.Random, folder: Path) -> str:  # noqa: ARG001 - a case's signature
        raise UsageError("no")

    monkeypatch.setattr("tests.fuzz.harness.LIMIT_S", 1)
    assert of(fault).counts == {"KeyError at test_fuzz.py:fault": 2}
    assert of(outside).counts == {"wrote outside": 2}
    assert of(changed).counts == {"changed what is outside": 2}
    assert run_cases("test", hang, range(1), 0).counts == {"Hang at test_fuzz.py:hang": 1}
    assert of(refuse).answers == {"refused": 2}


def test_the_table_names_what_failed() -> None:
    found = {
        "cases": 3,
        "answers": {"read": 1, "refused": 1},
        "counts": {"KeyError": 1},
        "faults": {"KeyError": [2, "trace"]},
    }
    assert table({"models-7": found}).splitlines()[2:] == [
        "| models | 7 | 3 | 1 | 1 | KeyError: 1 |",
        "",
        "models, case 2: KeyError",
        "trace",
    ]
