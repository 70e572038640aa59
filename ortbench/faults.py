"""What is said and kept of a fault of ortbench's own."""

from __future__ import annotations

import contextlib
import datetime as dt
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

import ortbench
from ortbench.errors import OrtbenchError
from ortbench.printable import printable_lines
from ortbench.writing import open_to_append

LOG_FILE = "faults.log"
_LOGGED = "logged in "


def fault_sentences(error: BaseException) -> str:
    """Say where ortbench failed and how, where the rest is, and how to report it."""
    logged = next((note.removeprefix(_LOGGED) for note in _notes(error) if note.startswith(_LOGGED)), None)
    rest = f"The traceback is in '{logged}'" if logged else "Add --debug to the same command for the traceback"
    told = " ".join(str(error).split())
    return (
        f"ortbench itself failed in {place(error)}: {type(error).__name__}{': ' if told else ''}{told}. {rest}; "
        f"please report it with the command and the version, {ortbench.__version__}."
    )


def place(error: BaseException) -> str:
    """Return the innermost line of ortbench's own that an exception passed, e.g. `ortbench.results.derive:120`."""
    frames = ((frame.f_globals.get("__name__") or "", line) for frame, line in traceback.walk_tb(error.__traceback__))
    own = [f"{module}:{line}" for module, line in frames if module.partition(".")[0] == "ortbench"]
    return own[-1] if own else "a library"


@contextlib.contextmanager
def faults_logged_in(folder: Path) -> Iterator[None]:
    """Keep the traceback of a fault in the results folder, if there is one; the fault goes on."""
    try:
        yield
    except OrtbenchError:
        raise
    except Exception as error:
        _log(folder, error)
        raise


def _log(folder: Path, error: Exception) -> None:
    """Append a fault to the folder's log; a folder that cannot be written costs the log only."""
    if not folder.is_dir():
        return
    when = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    head = f"{when} ortbench {ortbench.__version__}, Python {sys.version.split()[0]}\n"
    text = head + "".join(traceback.format_exception(error)) + "\n"
    with contextlib.suppress(OSError):
        with open_to_append(folder / LOG_FILE) as file:
            file.write(printable_lines(text).encode())
        error.add_note(f"{_LOGGED}{folder / LOG_FILE}")


def _notes(error: BaseException) -> list[str]:
    return list(getattr(error, "__notes__", ()))
