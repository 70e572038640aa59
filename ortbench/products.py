"""What is made of results for people: the gallery and the report, and where they go."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import ortbench
from ortbench.errors import UsageError
from ortbench.export.cache import cache_root
from ortbench.results.folder import CHARTS_FOLDER, REPORT_FILE, write_atomically, writing_product
from ortbench.results.reduction import for_pictures
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
    with writing_product(folder):
        return draw_gallery(for_pictures(results.summary), folder, record, cache_root())


def write_report(results: Results, file: Path) -> Path:
    """Write the report, one page that needs nothing else, and return its file.

    Raises:
        ResultsError: there is nothing to report.
        RecordError: the file cannot be written.
    """
    from ortbench.charts.report import build_report

    page = build_report(replace(results, summary=for_pictures(results.summary)), ortbench.__version__, cache_root())
    with writing_product(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, page.encode())
    return file


def report_file(results: Path) -> Path:
    """Return where the report of a results folder or CSV goes unless told otherwise."""
    return results / REPORT_FILE if results.is_dir() else Path(f"{results.stem}-{REPORT_FILE}")


def charts_folder(results: Path) -> Path:
    """Return where the charts of a results folder or CSV go unless told otherwise.

    Raises:
        UsageError: a symbolic link is there, which may lead anywhere.
    """
    folder = results / CHARTS_FOLDER if results.is_dir() else Path(f"{results.stem}-{CHARTS_FOLDER}")
    if folder.is_symlink():
        raise UsageError(f"'{folder}' is a symbolic link, which is not followed unless --output names it.")
    return folder
