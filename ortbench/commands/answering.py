"""What the commands share: options, exit statuses, and the answer on standard output."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from ortbench.errors import RecordError, UsageError
from ortbench.streams import answer_json, answer_lines

DONE, CHECK_FAILED, WRONG_USAGE, INCOMPLETE, INTERRUPTED = 0, 1, 2, 3, 130

Json = Annotated[bool, typer.Option("--json", help="Print the answer as one JSON document.")]
Results = Annotated[str, typer.Argument(help="A results folder, or a CSV of latencies.", metavar="RESULTS")]
Margin = Annotated[
    str | None,
    typer.Option(help="Judge anew: a speedup that differs from 1 by less is called the same.", show_default=False),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress on standard error.")]


# A full disk is no mistake of whoever typed the command; these are.
_MISTAKES = (
    *(errno.EEXIST, errno.ENOENT, errno.EISDIR, errno.ENOTDIR, errno.EACCES, errno.EPERM),
    *(errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL),
)


def parse_margin(margin: str | None) -> float | None:
    """Return the fraction of a --margin, None where none was given.

    Raises:
        UsageError: it is no percentage.
    """
    from ortbench.units import parse_fraction

    return None if margin is None else parse_fraction(margin, "--margin")


def show_summary(summary: Any, *, as_json: bool) -> None:
    """Print a summary's tables, or summary.json."""
    from ortbench.charts.console import answer_console
    from ortbench.charts.table import print_summary

    if as_json:
        print_json(summary)
    else:
        print_summary(summary, answer_console())


def show_explanation(path: Path, cell: str, output: Path | None, *, as_json: bool) -> None:
    """Print where a cell's time goes, or the document.

    Raises:
        UsageError: there is no such cell, or a file was asked for too.
    """
    from ortbench.charts.console import answer_console
    from ortbench.charts.explain_table import print_explanation
    from ortbench.results.explanation import load_explanation
    from ortbench.results.study import load_results

    if output is not None:
        raise UsageError("Expected either --explain or --output, but got both; --explain --json prints the document.")
    explanation = load_explanation(load_results(path), cell)
    if as_json:
        print_json(explanation)
    else:
        print_explanation(explanation, answer_console(), path)


def answer(document: Any, readable: Any, *, as_json: bool) -> None:
    """Print a JSON document, or lines or a table for people."""
    if as_json:
        answer_json(json.dumps(document, indent=2))
    elif isinstance(readable, list):
        answer_lines(readable)
    else:
        from ortbench.charts.console import answer_console

        answer_console().print(readable)


def print_json(document: Any) -> None:
    """Print a struct or plain data as one JSON document on standard output."""
    import msgspec

    from ortbench.results.folder import encode_json

    answer_json(msgspec.json.format(encode_json(document)))


@contextmanager
def wanted(output: Path) -> Iterator[None]:
    """Refuse a place that cannot be written to."""
    try:
        yield
    except RecordError as error:
        cause = error.__cause__
        if isinstance(cause, OSError) and cause.errno in _MISTAKES:
            raise UsageError(f"The output '{output}' cannot be written: {cause.strerror}.") from error
        raise
