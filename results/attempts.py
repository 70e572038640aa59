"""The one place where a figure may fail: it becomes a note, and the rest of the summary is shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

_Figure = TypeVar("_Figure")


class Attempts:
    """Computes figures; what cannot be computed is left out, with a note.

    A record is kept whatever it holds, and a study that was measured for an hour must not be lost to one figure of it.
    So derived figures are total: those that are known to have no value are None by their own functions, and what
    nobody thought of ends here.

    Attributes:
        notes: which figures are missing, and by what error.
    """

    def __init__(self) -> None:
        self.notes: list[str] = []

    def of(self, what: str, compute: Callable[[], _Figure], instead: _Figure) -> _Figure:
        """Return what `compute` does, or `instead` with a note where it fails.

        Args:
            what: the figure in words, with the id of its cell before it where it is of one: `b1-t2: the p99 of ort`.
            compute: a pure function.
            instead: what stands for a missing figure.
        """
        try:
            return compute()
        except Exception as error:  # noqa: BLE001 - whatever it is, the rest of the record is worth showing
            self.notes.append(f"{what} cannot be computed ({type(error).__name__}: {error}); the rest is shown")
            return instead
