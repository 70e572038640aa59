"""A thread that lasts and does one thing at a time, started and waited for with little delay."""

from __future__ import annotations

import threading
from collections.abc import Callable


class HelperThread:
    """Ends with the process.

    Two locks hand the work over and back: a queue or a pool takes several times as long as they do.
    """

    def __init__(self) -> None:
        self._handed_over, self._handed_back = threading.Lock(), threading.Lock()
        self._handed_over.acquire()
        self._handed_back.acquire()
        self._work: Callable[[], None] | None = None
        self._error: BaseException | None = None
        threading.Thread(target=self._serve, daemon=True).start()

    def start(self, work: Callable[[], None]) -> None:
        """Begin `work`, and return at once; `wait` must come before the next."""
        self._work = work
        self._handed_over.release()

    def wait(self) -> None:
        """Return when the work is done; raise what it raised."""
        self._handed_back.acquire()
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def _serve(self) -> None:
        while True:
            self._handed_over.acquire()
            assert self._work is not None, "there is work before it is handed over"
            try:
                self._work()
            except BaseException as error:  # noqa: BLE001 - whatever it is, whoever waits is told
                self._error = error
            self._handed_back.release()
