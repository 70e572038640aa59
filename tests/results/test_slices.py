"""Where counted calls are not like calls in a row, the arm says so."""

from __future__ import annotations

import msgspec
import pytest

from ortbench.results.derive import summarize
from ortbench.results.fairness import told_marks
from ortbench.results.schema import SlicePlan
from ortbench.results.slices import slice_marks
from tests.results.factory import make_rounds, make_run

[CELL] = make_run().cells
OFF = SlicePlan(cell="b1-t2", engine="ort", lead_in=12, calls=5, off=0.021, off_range=(0.012, 0.03))


def test_an_arm_whose_calls_never_settle_says_so_in_the_summary() -> None:
    run = make_run(slices=(OFF,))
    summary = summarize(run, make_rounds({"torch": [[80.0] * 4] * 3, "ort": [[40.0] * 4] * 3}), ())
    assert told_marks(summary) == [
        "ort: its calls take 2.1% longer than calls in a row, even after a lead-in of 12 calls"
    ]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"lead_in": 1}, "its calls take 2.1% longer than calls in a row, even after a lead-in of one call"),
        (
            {"off": -0.03, "off_range": (-0.04, -0.01)},
            "its calls take 3.0% less than calls in a row, even after a lead-in of 12 calls",
        ),
        ({"off": 0.004, "off_range": (0.001, 0.008)}, None),
        ({"off_range": (-0.001, 0.03)}, None),
        ({"off": None, "off_range": None}, None),
        ({"engine": "torch"}, None),
        ({"cell": "b4-t2"}, None),
    ],
)
def test_only_what_is_shown_is_told(changes: dict[str, object], told: str | None) -> None:
    plan = msgspec.structs.replace(OFF, **changes)
    assert slice_marks([plan], CELL.key, "ort") == ((told,) if told else ())


def test_under_a_load_calls_are_not_in_a_row_anyway() -> None:
    key = msgspec.structs.replace(CELL.key, load="poisson@20/s")
    assert slice_marks([msgspec.structs.replace(OFF, cell=key.id)], key, "ort") == ()
