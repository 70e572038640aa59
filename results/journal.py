"""The record itself: lines that are appended and flushed while the study runs, and read back afterwards."""

from __future__ import annotations

from collections.abc import Iterable
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import msgspec

from ortbench.errors import ResultsError
from ortbench.results.folder import FINALS_FOLDER, LAUNCHES_FILE, ROUNDS_FILE, encode_json, writing_to
from ortbench.results.plain_data import check_launch
from ortbench.results.schema import LaunchRecord, RoundRecord
from ortbench.results.windows import mark_windows
from ortbench.writing import open_to_append

_Record = TypeVar("_Record", RoundRecord, LaunchRecord)


class Journal:
    """Appends records to a results folder; what has been appended survives a kill of this process."""

    def __init__(self, folder: Path) -> None:
        """Open the files, and mend a last line that a crash left torn.

        Every method raises RecordError where the folder cannot be written.
        """
        self._folder = folder
        with writing_to(folder):
            for name in (ROUNDS_FILE, LAUNCHES_FILE):
                _mend(folder / name)
            # Unbuffered: what could not be written is not tried again when the file is closed.
            self._rounds = open_to_append(folder / ROUNDS_FILE)
            self._launches = open_to_append(folder / LAUNCHES_FILE)

    def append_round(self, records: Iterable[RoundRecord]) -> None:
        """Append one round, all its arms in one write."""
        self._write(self._rounds, b"".join(encode_json(record) + b"\n" for record in records))

    def append_launch(self, record: LaunchRecord) -> None:
        """Append how one arm was made ready, or how it ended."""
        self._write(self._launches, encode_json(record) + b"\n")

    def _write(self, file: FileIO, content: bytes) -> None:
        """Write all of it: the system may take a part, and refuse the rest at the next try."""
        with writing_to(self._folder):
            while content:
                content = content[file.write(content) :]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._rounds.close()
        self._launches.close()


def _mend(path: Path) -> None:
    """Cut off what follows the last whole line."""
    if path.exists():
        content = path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            with open_to_append(path) as file:
                file.truncate(whole)


def read_rounds(folder: Path) -> list[RoundRecord]:
    """Read rounds.jsonl, every round of a disturbed window marked; a torn last line, as a crash leaves it, is left out.

    Raises:
        ResultsError: the file is missing or another line is malformed.
    """
    return mark_windows(_read_lines(folder / ROUNDS_FILE, RoundRecord))


def read_launches(folder: Path) -> list[LaunchRecord]:
    """Read launches.jsonl; likewise."""
    return _read_lines(folder / LAUNCHES_FILE, LaunchRecord)


def read_finals(folder: Path) -> list[RoundRecord]:
    """Read finals/rounds.jsonl; nothing where a study has none.

    Raises:
        ResultsError: a line other than a torn last one is malformed.
    """
    own = folder / FINALS_FOLDER
    return read_rounds(own) if (own / ROUNDS_FILE).exists() else []


def _read_lines(path: Path, kind: type[_Record]) -> list[_Record]:
    try:
        *lines, rest = path.read_bytes().split(b"\n")
    except OSError as error:
        raise ResultsError(f"'{path}' cannot be read: {error.strerror}.") from error
    del rest  # empty after a whole last line; else the torn part of one
    decoder = msgspec.json.Decoder(kind)
    records = []
    for number, line in enumerate(lines, start=1):
        try:
            record = decoder.decode(line)
            if isinstance(record, LaunchRecord):
                check_launch(record)
            records.append(record)
        except (msgspec.MsgspecError, RecursionError, ValueError) as error:
            raise ResultsError(f"'{path}' line {number} is not what ortbench writes: {error}.") from error
    return records
