"""The only clock. It runs in the worker, around nothing but the engine's `run` and `synchronize`."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence

from ortbench.engines.base import Engine
from ortbench.runner.meeting import Meeting

_NS_PER_S = 1_000_000_000
# A warm-up window spans this much time, or one call where a call takes longer.
_WINDOW_NS = 20_000_000
_MOST_CALLS_A_WINDOW = 50
_STEADY_WITHIN = 0.1
_WARM_UP_CAP_NS = 3 * _NS_PER_S
# A call this long is made a second time only where it counts.
_VERY_LONG_CALL_NS = 5 * _NS_PER_S


def time_calls(engine: Engine, calls: int) -> list[int]:
    """Run the bound batch `calls` times and return each call's duration in ns."""
    clock, run = time.perf_counter_ns, engine.run
    samples = [0] * calls
    if type(engine).synchronize is Engine.synchronize:
        # Nothing to wait for: an empty call would only be added to every sample.
        for index in range(calls):
            started = clock()
            run()
            samples[index] = clock() - started
        return samples
    synchronize = engine.synchronize
    for index in range(calls):
        started = clock()
        run()
        synchronize()
        samples[index] = clock() - started
    return samples


def time_together(engine: Engine, calls: int, mode: str, meeting: Meeting) -> tuple[list[int], list[int]]:
    """Run the bound batch at the same time as other instances; return when each call started and its duration, in ns.

    Args:
        engine: this instance's.
        calls: how many; in `stream` at least, since all go on until every instance has done so many.
        mode: `split`: every call begins together; `stream`: only the first does.
        meeting: where the instances meet.
    """
    clock, starts, samples = time.perf_counter_ns, list[int](), list[int]()

    def call() -> None:
        started = clock()
        engine.run()
        engine.synchronize()
        samples.append(clock() - started)
        starts.append(started)

    if mode == "split":
        for _ in range(calls):
            meeting.wait()
            call()
        return starts, samples
    meeting.begin()
    while not meeting.all_done(calls):
        call()
        meeting.done(len(samples))
    return starts, samples


def warm_up(first_call_ns: int, call: Callable[[], int]) -> tuple[list[int], bool]:
    """Call until two windows in a row agree, or for three seconds, but at least once unless a call is very long.

    Args:
        first_call_ns: the cold call's duration; a window of its own where calls are long.
        call: runs once and returns the duration in ns.

    Returns:
        Every further call's duration, and whether the last two windows' medians agreed within 10 %.
    """
    durations = [first_call_ns]
    window = 1
    while sum(durations) < _WARM_UP_CAP_NS or (len(durations) == 1 and first_call_ns < _VERY_LONG_CALL_NS):
        durations.append(call())
        # The cold call says little about how many of the others fill a window.
        window = max(1, min(_MOST_CALLS_A_WINDOW, _WINDOW_NS // max(durations[1], 1)))
        if is_steady(durations, window):
            return durations[1:], True
    return durations[1:], False


def is_steady(durations: Sequence[int], window: int) -> bool:
    """Say whether the medians of the last two windows agree."""
    if len(durations) < 2 * window:
        return False
    last = statistics.median(durations[-window:])
    before = statistics.median(durations[-2 * window : -window])
    return abs(last - before) <= _STEADY_WITHIN * before
