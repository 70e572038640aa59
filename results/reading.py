"""A results folder, read as a whole: whatever is in it, this ends with figures or with one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from ortbench.errors import ResultsError
from ortbench.results.derive import judged_by, summarize
from ortbench.results.folder import read_run
from ortbench.results.journal import read_finals, read_launches, read_rounds
from ortbench.results.schema import LaunchRecord, RoundRecord, Run
from ortbench.results.summary import Summary

_NAMED, _SHOWN = 3, 200
_CONTRADICTIONS = (
    *(ArithmeticError, AssertionError, AttributeError, LookupError),
    *(RecursionError, TypeError, ValueError, MemoryError),
)


class Record(msgspec.Struct, frozen=True):
    """What a results folder holds, and the summary of it."""

    run: Run
    rounds: tuple[RoundRecord, ...]
    launches: tuple[LaunchRecord, ...]
    summary: Summary


def read_record(folder: Path, margin: float | None = None) -> Record:
    """Read a results folder and derive its summary.

    Args:
        folder: of the results.
        margin: judge by this one, a fraction, instead of the study's own.

    Raises:
        ResultsError: the folder or its record cannot be read, or the record contradicts itself.
    """
    run, rounds, launches = judged_by(read_run(folder), margin), read_rounds(folder), read_launches(folder)
    try:
        summary = summarize(run, rounds, launches, read_finals(folder))
    except _CONTRADICTIONS as error:
        # Each value is what it should be, but not all of them together can be.
        told = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise ResultsError(
            f"The record in '{folder}' contradicts itself, and no figures follow from it ({told[:_SHOWN]})."
        ) from error
    notes = _strangers(run, rounds)
    return Record(run, tuple(rounds), tuple(launches), msgspec.structs.replace(summary, notes=(*summary.notes, *notes)))


def _strangers(run: Run, rounds: Sequence[RoundRecord]) -> list[str]:
    """Say which rounds have no place in the study."""
    known = {cell.key.id for cell in run.cells}
    strange = list(dict.fromkeys(line.cell for line in rounds if line.cell not in known))
    if not strange:
        return []
    named = ", ".join(strange[:_NAMED]) + (" …" if len(strange) > _NAMED else "")
    return [f"rounds of cells that run.json does not name are left out: {named}"]
