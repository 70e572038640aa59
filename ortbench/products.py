"""What is made of results for people: the gallery and the report, and where they go."""

from __future__ import annotations

from pathlib import Path

import ortbench
from ortbench.export.cache import cache_root
from ortbench.results.folder import CHARTS_FOLDER, REPORT_FILE, write_atomically, writing_to
from ortbench.results.study import Results


def draw_charts(results: Results, folder: Path) -> list[Path]:
    """Draw the gallery into `folder` and return its files.

    Raises:
        ResultsError: there is nothing to draw.
        RecordError: the folder cannot be written.
    """
    from ortbench.charts.decisions import Record
    from ortbench.charts.gallery import draw_gallery

    record = Record(results.run.cells, results.rounds) if results.run else None
    with writing_to(folder):
        return draw_gallery(results.summary, folder, record, cache_root())


def write_report(results: Results, file: Path) -> Path:
    """Write the report, one page that needs nothing else, and return its file.

    Raises:
        ResultsError: there is nothing to report.
        RecordError: the file cannot be written.
    """
    from ortbench.charts.report import build_report

    page = build_report(results, ortbench.__version__, cache_root())
    with writing_to(file.parent):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, page.encode())
    return file


def report_file(results: Path) -> Path:
    """Return where the report of a results folder or CSV goes unless told otherwise."""
    return results / REPORT_FILE if results.is_dir() else Path(f"{results.stem}-{REPORT_FILE}")


def charts_folder(results: Path) -> Path:
    """Return where the charts of a results folder or CSV go unless told otherwise."""
    return results / CHARTS_FOLDER if results.is_dir() else Path(f"{results.stem}-{CHARTS_FOLDER}")
