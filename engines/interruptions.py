"""Telling an interruption by a person from one that a library raises by itself."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")


@contextlib.contextmanager
def interruptions_noted() -> Iterator[Callable[[], bool]]:
    """Yield a function that says whether a signal came within the block; signals do what they did before.

    In a thread other than the main one, where no signal arrives, it says no.
    """
    came: list[int] = []
    before = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.getsignal(number) for name in _SIGNALS if (number := getattr(signal, name, None))}
    for number, handler in before.items():
        if callable(handler):
            signal.signal(number, _noting(handler, came))
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in before.items():
            if callable(handler):
                signal.signal(number, handler)


def _noting(
    handler: Callable[[int, FrameType | None], object], came: list[int]
) -> Callable[[int, FrameType | None], object]:
    def note(number: int, frame: FrameType | None) -> object:
        came.append(number)
        return handler(number, frame)

    return note
