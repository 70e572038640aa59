"""Whatever a command was pointed at, a results folder or a CSV, as a summary; and the derived files."""

from __future__ import annotations

from pathlib import Path

from ortbench.errors import ResultsError
from ortbench.results.csv_input import summarize_csv
from ortbench.results.derive import summarize_folder
from ortbench.results.folder import CSV_FILE, PARQUET_FILE, SUMMARY_FILE, write_atomically, write_json
from ortbench.results.summary import Summary
from ortbench.results.tidy import tidy_rows, to_csv, to_parquet


def load_summary(path: Path) -> Summary:
    """Return the summary of a results folder, rebuilt from its record, or of a CSV file.

    Raises:
        ResultsError: it is neither, or cannot be read.
    """
    if path.is_dir():
        return summarize_folder(path)
    if not path.exists():
        raise ResultsError(f"'{path}' does not exist; expected a results folder or a CSV file.")
    return summarize_csv(path)


def write_derived(folder: Path, summary: Summary) -> None:
    """Write summary.json, results.csv and results.parquet."""
    rows = tidy_rows(summary)
    write_json(folder / SUMMARY_FILE, summary)
    write_atomically(folder / CSV_FILE, to_csv(rows))
    write_atomically(folder / PARQUET_FILE, to_parquet(rows))
