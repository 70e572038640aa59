"""A fixed piece of work, timed now and then between rounds: where its time moves, the machine's speed moved."""

from __future__ import annotations

import functools
import statistics
import time
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ortbench.errors import ArmError
from ortbench.runner import protocol
from ortbench.runner.process import Worker

_SIZE = 320
_REPEATS = 3
_EVERY_S = 1.0
_TIMEOUT_S = 60.0
# Who dies that often is killed by something that will not stop.
_MOST_STARTS = 3


def time_sentinel() -> int:
    """Return the duration in ns of a single-precision matrix product of 320 x 320, the median of three calls."""
    left, right, product = _matrices()
    durations = []
    for _ in range(_REPEATS):
        started = time.perf_counter_ns()
        np.matmul(left, right, out=product)
        durations.append(time.perf_counter_ns() - started)
    return round(statistics.median(durations))


@functools.cache
def _matrices() -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    generator = np.random.default_rng(0)
    left, right = generator.standard_normal((2, _SIZE, _SIZE), dtype=np.float32)
    product = np.empty_like(left)
    np.matmul(left, right, out=product)  # the first product starts the library up
    return left, right, product


class Sentinel:
    """The worker that times it, parked between times. Its death ends no study: another takes its place."""

    def __init__(self, cpus: list[int]) -> None:
        """Take the CPUs that the arms use; one thread runs on the first. The process starts when it is first asked."""
        self._cpus = cpus[:1]
        self._worker: Worker | None = None
        self._starts = 0
        self._last = float("-inf")
        self._duration_ns: int | None = None

    def latest_ns(self) -> int | None:
        """Return its duration, measured anew if the last time was a second ago."""
        if time.perf_counter() - self._last >= _EVERY_S:
            self._ask()
        return self._duration_ns

    def _ask(self) -> None:
        if self._worker is None and self._starts == _MOST_STARTS:
            return
        try:
            if self._worker is None:
                self._starts += 1
                self._worker = Worker("the sentinel", self._cpus, 1)
            self._worker.wake()
            answer = self._worker.ask(protocol.Sentinel(), protocol.SentinelTimed, _TIMEOUT_S)
            self._worker.park()
            self._duration_ns = answer.duration_ns
        except ArmError:
            if self._worker is not None:
                self._worker.kill()
            self._worker, self._duration_ns = None, None
        self._last = time.perf_counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._worker is not None:
            self._worker.kill()
