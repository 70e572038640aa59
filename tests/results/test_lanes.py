"""What a reader is told of lanes, from made-up records."""

from __future__ import annotations

from typing import Any

import msgspec

from ortbench.charts.table import footer
from ortbench.results.derive import summarize
from ortbench.results.lanes import accuracy, arm_lane, shows_accuracy
from ortbench.results.likeness import differences
from ortbench.results.markdown import to_markdown
from ortbench.results.schema import ArtifactRecord, LaunchRecord
from ortbench.results.summary import Summary
from tests.results.factory import make_launches, make_rounds, make_run

NO_VNNI = "this processor has no VNNI and no AMX, so int8 is emulated with wider integer arithmetic"
INT8 = "ort[precision=int8]"


def summary(*, lane: str = "int8", status: str = "ok") -> Summary:
    run = make_run(("ort", INT8))
    evidence: dict[str, Any] = {"precision": {"lane": lane}, "emulated": NO_VNNI if lane == "int8" else None}
    parity = {"ok": True, "cosine": 0.99934, "top1_agreement": 0.75}
    launches: list[LaunchRecord] = make_launches(["ort"], 2, evidence={"precision": {"lane": "fp32"}}) + make_launches(
        [INT8], 2, evidence=evidence, parity=parity, status=status
    )
    return summarize(run, make_rounds({"ort": [[2, 2]] * 2, INT8: [[1, 1]] * 2}), launches)


def test_the_lane_is_the_evidences_else_the_cells() -> None:
    [cell] = summary().cells
    assert [arm_lane(cell, arm) for arm in cell.arms] == ["fp32", "int8"]
    without = msgspec.structs.replace(cell.arms[1], evidence=None)
    assert arm_lane(cell, without) == "fp32"


def test_accuracy_stands_beside_speed_where_an_arm_computes_in_less() -> None:
    found = summary()
    assert shows_accuracy(found.cells)
    assert accuracy(found.cells[0].arms[1]) == ("0.99934", "75.0%")
    assert accuracy(found.cells[0].arms[0]) == ("", "")
    assert "| cosine | top-1 |" in to_markdown(found)
    plain = summary(lane="fp32")
    assert not shows_accuracy(plain.cells)
    assert "cosine" not in to_markdown(plain)


def test_emulation_and_a_lane_of_its_own_are_told_below_the_table() -> None:
    told = [line for line in footer(summary()) if line.startswith("note: ")]
    assert told == [
        f"note: int8 ({INT8}): {NO_VNNI}",
        f"note: in int8 among arms in fp32, as was asked: {INT8}; compare the accuracy too",
    ]
    assert [line for line in footer(summary(status="invalid")) if line.startswith("note: ")] == []


def test_every_artifact_is_compared() -> None:
    first, old, new = (ArtifactRecord(path="p", sha256=digest) for digest in ("aa", "bb", "cc"))
    before = make_run(artifact=first, artifacts={"fp32": first, "int8": old})
    now = make_run(artifact=first, artifacts={"fp32": first, "int8": new})
    assert differences(before, now) == ["the artifact's sha256 in int8 was bb, is cc"]
    assert differences(before, before) == []
