"""Which lane an arm computed in, by its evidence, and how accurate that was. Pure functions of the summary's parts."""

from __future__ import annotations

from collections.abc import Iterable

from ortbench.results.summary import ArmSummary, CellSummary

_PLAIN = "fp32"


def arm_lane(cell: CellSummary, arm: ArmSummary) -> str:
    """Return the lane that an arm computed in: its evidence's, else the cell's."""
    said = (arm.evidence or {}).get("precision") or {}
    return str(said.get("lane", cell.precision))


def shows_accuracy(cells: Iterable[CellSummary]) -> bool:
    """Say whether any arm computed in fewer bits than fp32, so that its accuracy belongs beside its speed."""
    return any(arm_lane(cell, arm) != _PLAIN for cell in cells for arm in cell.arms)


def accuracy(arm: ArmSummary) -> tuple[str, str]:
    """Return the cosine with the reference and the top-1 agreement in words, empty where not known."""
    parity = arm.parity or {}
    cosine, top1 = parity.get("cosine"), parity.get("top1_agreement")
    return "" if cosine is None else f"{cosine:.5f}", "" if top1 is None else f"{top1:.1%}"


def lane_notes(cells: Iterable[CellSummary]) -> list[str]:
    """Return what a reader should know of the lanes: emulated ones, and arms of another lane than their cell's."""
    emulated: dict[tuple[str, str], list[str]] = {}
    crossing: dict[tuple[str, str], list[str]] = {}
    for cell in cells:
        for arm in (arm for arm in cell.arms if arm.status == "ok"):
            lane, reason = arm_lane(cell, arm), (arm.evidence or {}).get("emulated")
            if reason:
                emulated.setdefault((lane, str(reason)), []).append(arm.engine)
            if lane != cell.precision:
                crossing.setdefault((lane, cell.precision), []).append(arm.engine)
    notes = [f"{lane} ({_listed(engines)}): {reason}" for (lane, reason), engines in emulated.items()]
    return notes + [
        f"in {lane} among arms in {usual}, as was asked: {_listed(engines)}; compare the accuracy too"
        for (lane, usual), engines in crossing.items()
    ]


def _listed(engines: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(engines))
