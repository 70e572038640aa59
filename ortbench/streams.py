"""Standard output and standard error: every character that ortbench prints passes here.

Both streams are replaced while the command line runs. Control characters are spelled out, what the encoding lacks is
replaced, and nothing at the beginning of a line reads as a command to a CI system. A stream that is closed, broken or
full swallows what it gets: measuring goes on, and `undelivered` says in the end what was lost.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

from ortbench.printable import encodable, printable, printable_json, printable_lines, without_commands


class GuardedStream(io.TextIOBase):
    """A stream that prints what can be seen, and never raises.

    Attributes:
        failure: why nothing can be written any more; None while all is well.
    """

    def __init__(self, stream: TextIO | None) -> None:
        """Guard `stream`; None stands for one that was closed before the program started."""
        self._stream = stream
        self._column = ""  # the line so far, as long as it is blank or a colon
        self.failure: Exception | None = None

    def write(self, text: str) -> int:
        """Print text, controls other than line ends spelled out."""
        self.write_styled(printable_lines(text))
        return len(text)

    def write_styled(self, text: str) -> None:
        """Print text that may hold a terminal's own sequences, put there by us."""
        pending = self._column
        whole = without_commands(pending + text)
        # What was printed already cannot be spelled otherwise; the second colon can.
        shown = whole[len(pending) :] if whole.startswith(pending) else "\\x3a" + text[1:]
        line = (pending + text).rpartition("\n")[2]
        self._column = line if line.strip() in ("", ":") else "x"
        self.write_raw(shown)

    def write_raw(self, text: str) -> None:
        """Print text as it is, a CI system's commands included."""
        if self._stream is None or self.failure is not None:
            return
        try:
            self._stream.write(encodable(text, self._stream.encoding))
            self._stream.flush()
        except (OSError, ValueError) as error:  # ValueError: it was closed meanwhile
            self.failure = error

    def flush(self) -> None:
        """Do nothing: all that was written is out."""

    def writable(self) -> bool:
        """Say that it can be written to."""
        return True

    def isatty(self) -> bool:
        """Say whether a person watches."""
        try:
            return self._stream is not None and self._stream.isatty()
        except ValueError:
            return False

    def fileno(self) -> int:
        """Return the descriptor below."""
        if self._stream is None:
            raise io.UnsupportedOperation("fileno")
        return self._stream.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]  # a property here, an attribute there
        """The encoding below."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    def let_go(self) -> None:
        """Let Python end in order: it would try once more to write what could not be written."""
        if self.failure is not None and self._stream in (sys.__stdout__, sys.__stderr__):
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())


class StyledStream(io.TextIOBase):
    """The same stream for a console, which has spelled out all that is not its own."""

    def __init__(self, guarded: GuardedStream) -> None:
        """Print through `guarded`."""
        self._guarded = guarded

    def write(self, text: str) -> int:
        """Print text with its styles."""
        self._guarded.write_styled(text)
        return len(text)

    def flush(self) -> None:
        """Do nothing: all that was written is out."""

    def isatty(self) -> bool:
        """Say whether a person watches."""
        return self._guarded.isatty()

    def fileno(self) -> int:
        """Return the descriptor below."""
        return self._guarded.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]  # a property here, an attribute there
        """The encoding below."""
        return self._guarded.encoding


def guarded(*, stderr: bool = False) -> GuardedStream:
    """Return the standard stream of now, guarded."""
    stream: Any = sys.stderr if stderr else sys.stdout
    return stream if isinstance(stream, GuardedStream) else GuardedStream(stream)


@contextlib.contextmanager
def guarded_streams() -> Iterator[tuple[GuardedStream, GuardedStream]]:
    """Guard standard output and standard error within the block."""
    before = sys.stdout, sys.stderr
    output, errors = guarded(), guarded(stderr=True)
    sys.stdout, sys.stderr = output, errors
    try:
        yield output, errors
    finally:
        sys.stdout, sys.stderr = before
        for stream in (output, errors):
            stream.let_go()


def undelivered(stream: GuardedStream) -> str | None:
    """Say why an answer did not arrive; None where it did, or where its reader stopped reading, as `| head` does."""
    if stream.failure is None or isinstance(stream.failure, BrokenPipeError):
        return None
    return getattr(stream.failure, "strerror", None) or str(stream.failure)


def say(line: str) -> None:
    """Print one line to standard error."""
    guarded(stderr=True).write(printable(line) + "\n")


def answer_lines(lines: Iterable[str]) -> None:
    """Print lines to standard output; a line end within one is spelled out."""
    guarded().write("".join(f"{printable(line)}\n" for line in lines))


def answer_text(text: str) -> None:
    """Print a text of several lines to standard output, each of which was made printable where it was put together."""
    guarded().write(text + "\n")


def answer_json(document: bytes | str) -> None:
    """Print a JSON document to standard output; it stays the same document."""
    text = document.decode() if isinstance(document, bytes) else document
    stream = guarded()
    stream.write_raw(printable_json(text, stream.encoding) + "\n")


def answer_annotations(text: str) -> None:
    """Print commands to a CI system, whose data was escaped where they were put together."""
    guarded().write_raw(printable_lines(text) + "\n")


def answer_folder(folder: Path, *, as_json: bool) -> None:
    """Print where everything lies: in the answer, or beside a document that has standard output for itself."""
    if as_json:
        say(str(folder))
    else:
        answer_lines([str(folder)])


def open_missing_streams() -> None:
    """Put something in the place of descriptors that were closed: the next file would become standard output."""
    with contextlib.suppress(OSError):
        while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
            pass
        os.close(descriptor)
