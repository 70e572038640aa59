"""What the commands share: options, exit statuses, and the answer on standard output."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

DONE, CHECK_FAILED, WRONG_USAGE, INCOMPLETE, INTERRUPTED = 0, 1, 2, 3, 130

Json = Annotated[bool, typer.Option("--json", help="Print the answer as one JSON document.")]
Results = Annotated[str, typer.Argument(help="A results folder, or a CSV of latencies.", metavar="RESULTS")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress on standard error.")]


def show_summary(summary: Any, *, as_json: bool) -> None:
    """Print a summary's tables, or summary.json."""
    import msgspec

    from ortbench.charts.table import answer_console, print_summary

    if as_json:
        print_answer(msgspec.json.format(msgspec.json.encode(summary)).decode())
    else:
        print_summary(summary, answer_console())


def answer(document: Any, readable: Any, *, as_json: bool) -> None:
    """Print a JSON document, or lines or a table for people."""
    if as_json:
        print_answer(json.dumps(document, indent=2))
    elif isinstance(readable, list):
        print_answer("\n".join(readable))
    else:
        from ortbench.charts.table import answer_console

        answer_console().print(readable)


def print_answer(text: str) -> None:
    """Print to standard output."""
    print(text)  # noqa: T201 - standard output carries the answer
