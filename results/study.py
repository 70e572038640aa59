"""Everything that a results folder or a CSV holds, in one object; what `ortbench.load` returns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ortbench.results.reading import read_record
from ortbench.results.schema import LaunchRecord, RoundRecord, Run
from ortbench.results.source import load_summary
from ortbench.results.summary import Summary
from ortbench.results.tidy import COLUMNS, tidy_rows

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, repr=False)
class Results:
    """A study's answer and its record.

    Attributes:
        path: where it was read from.
        summary: cells and arms with their statistics.
        run: what was asked, of what, on what; None for a CSV.
        rounds, launches: the record; empty for a CSV.
    """

    path: Path
    summary: Summary
    run: Run | None = None
    rounds: tuple[RoundRecord, ...] = ()
    launches: tuple[LaunchRecord, ...] = ()

    def __repr__(self) -> str:
        """Say what it is of in a line: a record has megabytes."""
        launches = {line.launch for line in self.rounds}
        return (
            f"Results(path={str(self.path)!r}, model={self.summary.model!r}, engines={list(self.summary.engines)}, "
            f"cells={len(self.summary.cells)}, launches={len(launches)}, slices={len(self.rounds)})"
        )

    def frame(self) -> pd.DataFrame:
        """Return one row per cell and arm, twins left out, with the columns of results.csv."""
        import pandas as pd

        return pd.DataFrame(tidy_rows(self.summary), columns=list(COLUMNS))

    def samples(self) -> pd.DataFrame:
        """Return one row per call: cell, launch, round, engine, twin, whether it was spoiled, latency_ms."""
        import pandas as pd

        rows = [
            (line.cell, line.launch, line.round, line.engine, line.twin, line.spoiled is not None, sample / 1e6)
            for line in self.rounds
            for sample in line.samples_ns
        ]
        columns = ["cell", "launch", "round", "engine", "twin", "spoiled", "latency_ms"]
        return pd.DataFrame(rows, columns=columns)


def load_results(path: Path, margin: float | None = None) -> Results:
    """Read a results folder with its record, or a CSV.

    Args:
        path: of the folder or the file.
        margin: judge by this one, a fraction, instead of the study's own.

    Raises:
        ResultsError: it is neither, or cannot be read.
    """
    if not path.is_dir():
        return Results(path, load_summary(path, margin))
    record = read_record(path, margin)
    return Results(path, record.summary, record.run, record.rounds, record.launches)
