"""The results folder: names of its files, and writing them so that a reader never sees half of one."""

from __future__ import annotations

import errno
import os
import shlex
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from ortbench.errors import RecordError, ResultsError, UsageError
from ortbench.locking import LOCK_FILE, claimed, holder
from ortbench.printable import without_halves
from ortbench.results.plain_data import check_run
from ortbench.results.schema import SCHEMA_VERSION, Run
from ortbench.writing import write_whole

RUN_FILE = "run.json"
ROUNDS_FILE = "rounds.jsonl"
LAUNCHES_FILE = "launches.jsonl"
SUMMARY_FILE = "summary.json"
CSV_FILE = "results.csv"
PARQUET_FILE = "results.parquet"
MARKDOWN_FILE = "summary.md"
REPORT_FILE = "report.html"
EXPLAIN_FILE = "explain.json"
TUNING_FILE = "tuning.json"
VERIFICATION_FILE = "verification.json"
CHARTS_FOLDER = "charts"
# Rounds in which arms of several cells met: files of the same names and formats as the study's own.
FINALS_FOLDER = "finals"


def check_new_folder(folder: Path) -> None:
    """Refuse a folder in which something is already, before anything is measured.

    Raises:
        UsageError: it holds files, is a file itself, or cannot be written.
    """
    if folder.is_dir():
        check_not_in_use(folder)
        _refuse_content(folder)
    elif folder.exists():
        raise UsageError(f"The output '{folder}' is a file; expected a folder that is new or empty.")
    parent = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise UsageError(f"The output folder '{folder}' cannot be made: '{parent}' cannot be written.")


def check_not_in_use(folder: Path) -> None:
    """Refuse a folder that another process is writing to.

    Raises:
        UsageError: it is; the message names the process.
    """
    if user := holder(folder / LOCK_FILE):
        raise UsageError(
            f"The results folder '{folder}' is in use by {user}. Wait until that has ended, or give another --output."
        )


def _refuse_content(folder: Path) -> None:
    if any(path.name != LOCK_FILE for path in folder.iterdir()):
        what = "other results" if (folder / RUN_FILE).exists() else "files"
        raise UsageError(
            f"The output folder '{folder}' already holds {what}. Give an --output folder that is new or empty"
            + (", or --resume to go on with the study in it." if (folder / RUN_FILE).exists() else ".")
        )


@contextmanager
def holding(folder: Path, check: Callable[[], None] | None = None) -> Iterator[None]:
    """Keep a results folder to this process while the block runs; it is made, and is gone again if nothing is written.

    Args:
        folder: to be written to.
        check: raises where what is in it is not what was expected; without one it must be empty.

    Raises:
        UsageError: another process has it, or something is in it meanwhile.
        RecordError: it cannot be made.
    """
    with ExitStack() as stack:
        with writing_to(folder):
            stack.enter_context(claimed(folder, check or (lambda: _refuse_content(folder))))
        yield


_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def writing_to(folder: Path) -> Iterator[None]:
    """Report what the system refuses to write into a results folder while a study runs, as on a full disk.

    Raises:
        RecordError: the block could not write; what was written before is kept.
    """
    try:
        yield
    except OSError as error:
        remedy = "make room, then go on" if error.errno in _NO_ROOM else "mend that, then go on"
        raise RecordError(
            f"The results folder '{folder}' cannot be written: {error.strerror}. What was measured before is "
            f"kept; {remedy} with the same command and --output {shlex.quote(str(folder))} --resume."
        ) from error


@contextmanager
def writing_product(place: Path) -> Iterator[None]:
    """Report what the system refuses to write of what can be made again from results: charts, a report, a table.

    Raises:
        RecordError: the block could not write.
    """
    try:
        yield
    except OSError as error:
        remedy = " Make room, then run the command again." if error.errno in _NO_ROOM else ""
        raise RecordError(f"'{place}' cannot be written: {error.strerror}.{remedy}") from error


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or as it was before; see `writing.write_whole`."""
    write_whole(path, content)


def write_json(path: Path, document: msgspec.Struct) -> None:
    """Write a struct as indented JSON."""
    write_atomically(path, msgspec.json.format(encode_json(document), indent=2) + b"\n")


def encode_json(document: Any) -> bytes:
    """Return a struct or plain data as JSON; what is no UTF-8, as a file's name may be, is spelled out."""
    try:
        return msgspec.json.encode(document)
    except UnicodeEncodeError:
        return msgspec.json.encode(_without_halves(msgspec.to_builtins(document)))


def _without_halves(value: Any) -> Any:
    if isinstance(value, str):
        return without_halves(value)
    if isinstance(value, dict):
        return {_without_halves(key): _without_halves(each) for key, each in value.items()}
    return [_without_halves(each) for each in value] if isinstance(value, list | tuple) else value


def read_run(folder: Path) -> Run:
    """Read run.json.

    Raises:
        ResultsError: it is missing, malformed or of another schema version.
    """
    path = folder / RUN_FILE
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise ResultsError(f"'{folder}' is no results folder: it has no {RUN_FILE}.") from error
    except OSError as error:
        raise ResultsError(f"'{path}' cannot be read: {error.strerror}.") from error
    try:
        version = msgspec.json.decode(content, type=_Versioned).schema_version
        if version == SCHEMA_VERSION:
            run = msgspec.json.decode(content, type=Run)
            check_run(run)
            return run
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise ResultsError(f"'{path}' is not what ortbench writes: {error}.") from error
    raise ResultsError(
        f"'{path}' has schema version {version}; this ortbench reads version {SCHEMA_VERSION}. "
        "Use the version of ortbench that wrote it."
    )


class _Versioned(msgspec.Struct):
    schema_version: int
