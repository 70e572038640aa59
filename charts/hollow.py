"""What is drawn hollow, and the captions that say why: no cell may look better known than it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from ortbench.results.summary import ArmSummary

UNDECIDED = "undecided"
_VERDICTS = ("inconclusive", "withheld")


def standing(arm: ArmSummary) -> str:
    """Return `ok`, the status of an arm whose figures must not be compared, or `undecided`.

    An arm is undecided where no difference from the baseline is shown. A figure from a CSV without bounds is `ok`:
    nothing is known of how sure it is, and a caption of its own says so where it matters.
    """
    if arm.status != "ok" or arm.speedup is None:
        return arm.status
    unknown = arm.speedup.ci95 is None and not arm.rounds
    return UNDECIDED if arm.speedup.verdict in _VERDICTS and not unknown else "ok"


def is_solid(state: str) -> bool:
    """Say whether a mark of this standing is filled."""
    return state == "ok"


def hollow_note(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return the caption of the hollow marks among these rows; empty where there are none."""
    states = {row["state"] for row in rows} - {"ok"}
    notes = ["no difference from the baseline shown"] if UNDECIDED in states else []
    notes += ["invalid or failed, not to be compared"] if states - {UNDECIDED} else []
    return f"hollow: {', or '.join(notes)}" if notes else ""


def missing_note(states: Iterable[str], drawn: int) -> str:
    """Say how many points have no figure, and why; empty where every one has.

    Args:
        states: the status of each point without a figure.
        drawn: the number of points with one.
    """
    counts = Counter(states)
    if not counts:
        return ""
    why = " and ".join(f"{count} {status}" for status, count in counts.items())
    return f"{drawn} of {drawn + counts.total()} points drawn, {why}"


def lines_of(notes: Iterable[str], width: int = 92) -> list[str]:
    """Join notes by semicolons into lines of at most so many letters, as a longer one would make a picture wider."""
    lines: list[str] = []
    for note in filter(None, notes):
        if lines and len(lines[-1]) + len(note) + 2 <= width:
            lines[-1] += f"; {note}"
        else:
            lines.append(note)
    return lines
