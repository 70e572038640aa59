"""Rounds that were found to be disturbed only later: the counters are too coarse for a short round by itself. Pure.

A disturbed round names the beginning of the window in which it was found (`RoundRecord.spoiled_since_s`), and the
rounds of that window don't count either. The record is appended to and never rewritten, so readers mark them.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from ortbench.results.schema import RoundRecord


def mark_windows(lines: Iterable[RoundRecord]) -> list[RoundRecord]:
    """Return the lines of a record, in its order, with every round of a disturbed window marked."""
    marked: list[RoundRecord] = []
    for line in lines:
        marked.append(line)
        mark_back(marked, line)
    return marked


def mark_back(lines: list[RoundRecord], judged: RoundRecord) -> None:
    """Mark, in place, the latest lines that lie in the window in which a round was found to be disturbed.

    Args:
        lines: in their order; the last ones are of the same launch.
        judged: the round; nothing happens where it names no window.
    """
    if judged.spoiled_since_s is None:
        return
    for place in reversed(range(len(lines))):
        line = lines[place]
        if line.launch != judged.launch or line.started_s < judged.spoiled_since_s:
            return
        if line.spoiled is None:
            lines[place] = msgspec.structs.replace(line, spoiled=judged.spoiled)
