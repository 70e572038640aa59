from __future__ import annotations

from typing import Any

from ortbench.results.agreement import fully_checked, parity_notes, telling_parity
from ortbench.results.schema import ArmKey, LaunchRecord


def record(engine: str = "ort", cell: str = "b1-t2", *, twin: bool = False, **parity: Any) -> LaunchRecord:
    return LaunchRecord(cell=cell, launch=1, engine=engine, twin=twin, status="ok", parity=parity or None)


FULL: dict[str, Any] = {"ok": True, "full": True, "inputs": 64}
QUICK: dict[str, Any] = {"ok": True, "inputs": 1}


def test_an_arm_is_checked_in_its_group_and_for_itself_only() -> None:
    launches = [record(**FULL), record("torch", **QUICK)]
    assert fully_checked(launches, {"b1-t2", "b4-t2"}, ArmKey("ort"))
    assert not fully_checked(launches, {"b1-t1"}, ArmKey("ort"))
    assert not fully_checked(launches, {"b1-t2"}, ArmKey("ort", twin=True))
    assert not fully_checked(launches, {"b1-t2"}, ArmKey("torch"))
    assert not fully_checked([record()], {"b1-t2"}, ArmKey("ort"))


def test_the_check_of_the_most_inputs_tells_the_most() -> None:
    assert telling_parity([record(), record(**FULL), record(**QUICK)]) == FULL
    assert telling_parity([record()]) is None
    assert telling_parity([]) is None


def test_of_equal_checks_the_latest_is_shown() -> None:
    later: dict[str, Any] = QUICK | {"max_abs_error": 2.0}
    assert telling_parity([record(**QUICK), record(**later)]) == later


def test_one_failure_outweighs_every_success() -> None:
    failed: dict[str, Any] = {"ok": False, "inputs": 1}
    assert telling_parity([record(**FULL), record(**failed)]) == failed


def test_notes_name_the_engines_that_they_are_about() -> None:
    short = FULL | {"note": "only 3 inputs were compared: --inputs holds no more"}
    launches = [
        record("torch", **short),
        record("ort", **short | {"nan": 2, "denormal": 1}),
        record("torch", twin=True, **short),
        record("torch", cell="b4-t2", nan=9, **QUICK),
    ]
    assert parity_notes(launches) == [
        "torch, ort: only 3 inputs were compared: --inputs holds no more",
        "ort: outputs hold 2 NaN, 1 denormal, for 64 inputs",
    ]
    assert parity_notes([record(**FULL)]) == []
