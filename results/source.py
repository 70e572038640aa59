"""Whatever a command was pointed at, a results folder or a CSV, as a summary; and the derived files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from ortbench.errors import ResultsError, UsageError, expected_one_of
from ortbench.results.csv_input import summarize_csv
from ortbench.results.folder import (
    CSV_FILE,
    MARKDOWN_FILE,
    PARQUET_FILE,
    SUMMARY_FILE,
    write_atomically,
    write_json,
    writing_product,
)
from ortbench.results.markdown import to_markdown
from ortbench.results.reading import read_record
from ortbench.results.summary import ArmSummary, Summary
from ortbench.results.tidy import tidy_rows, to_csv, to_parquet
from ortbench.results.verdicts import decide_on_interval


def load_summary(path: Path, margin: float | None = None) -> Summary:
    """Return the summary of a results folder, rebuilt from its record, or of a CSV file.

    Args:
        path: of the folder or the file.
        margin: judge by this one, a fraction, instead of the study's own.

    Raises:
        ResultsError: it is neither, or cannot be read.
    """
    if path.is_dir():
        return read_record(path, margin).summary
    if not path.exists():
        raise ResultsError(f"'{path}' does not exist; expected a results folder or a CSV file.")
    summary = summarize_csv(path)
    return summary if margin is None else _judged(summary, margin)


def _judged(summary: Summary, margin: float) -> Summary:
    """Return the summary of a CSV with the verdicts of another margin; of its ratios only the intervals are known."""
    cells = [
        msgspec.structs.replace(cell, arms=tuple(_arm_judged(arm, margin) for arm in cell.arms))
        for cell in summary.cells
    ]
    return msgspec.structs.replace(summary, cells=tuple(cells), margin=margin)


def _arm_judged(arm: ArmSummary, margin: float) -> ArmSummary:
    if arm.speedup is None:
        return arm
    verdict = decide_on_interval(arm.speedup.ci95, margin)
    return msgspec.structs.replace(arm, speedup=msgspec.structs.replace(arm.speedup, verdict=verdict))


def write_derived(folder: Path, summary: Summary) -> None:
    """Write summary.json, results.csv, results.parquet and summary.md."""
    rows = tidy_rows(summary)
    write_json(folder / SUMMARY_FILE, summary)
    write_atomically(folder / CSV_FILE, to_csv(rows))
    write_atomically(folder / PARQUET_FILE, to_parquet(rows))
    write_atomically(folder / MARKDOWN_FILE, to_markdown(summary).encode())


def write_as(summary: Summary, file: Path) -> None:
    """Write a summary as what the file's ending says: .csv, .parquet, .md or .json.

    Raises:
        UsageError: it is none of these.
        RecordError: the file cannot be written.
    """
    formats: dict[str, Callable[[], bytes]] = {
        ".csv": lambda: to_csv(tidy_rows(summary)),
        ".parquet": lambda: to_parquet(tidy_rows(summary)),
        ".md": lambda: to_markdown(summary).encode(),
        ".json": lambda: msgspec.json.format(msgspec.json.encode(summary)),
    }
    if file.suffix not in formats:
        raise UsageError(expected_one_of("--output's ending", tuple(formats), file.suffix or file.name))
    with writing_product(file):
        write_atomically(file, formats[file.suffix]())
