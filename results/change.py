"""What changed between two results, and whether they may be compared at all."""

from __future__ import annotations

import msgspec

from ortbench.errors import UsageError
from ortbench.results.diff import RunDiff, compare_runs
from ortbench.results.likeness import differences, incomparable
from ortbench.results.study import Results


def change_between(old: Results, new: Results, *, anyway: bool = False, margin: float | None = None) -> RunDiff:
    """Return the change of every latency and speedup, with intervals and verdicts.

    Args:
        old: the earlier results.
        new: the later ones.
        margin: a change by less is called the same; None for the wider of both runs'.
        anyway: compare, marked as such, what was measured on another machine or of another model file.

    Raises:
        UsageError: machine or model file differ, or there is no cell in both.
    """
    passed_over = incomparable(old.run, new.run) if old.run and new.run else []
    if passed_over and not anyway:
        raise UsageError(
            f"'{old.path}' and '{new.path}' are not comparable: {'; '.join(passed_over)}. "
            "Measure both alike, or see them marked by `ortbench diff --anyway`."
        )
    others = (
        differences(old.run, new.run) if old.run and new.run else ["a CSV does not say what was measured, and on what"]
    )
    found = compare_runs(old.summary, new.summary, (str(old.path), str(new.path)), margin)
    noted = tuple(line for line in others if line not in passed_over)
    return msgspec.structs.replace(found, passed_over=tuple(passed_over), differences=noted)
