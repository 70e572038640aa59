"""The only clock. It runs in the worker, around nothing but the engine's `run` and `synchronize`."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ortbench.engines.base import Engine
from ortbench.runner.meeting import Meeting

_NS_PER_S = 1_000_000_000
# A warm-up window spans this much time, or one call where a call takes longer.
_WINDOW_NS = 20_000_000
_MOST_CALLS_A_WINDOW = 50
_STEADY_WITHIN = 0.1
_WARM_UP_CAP_NS = 3 * _NS_PER_S
# Two calls that agree may do so by chance; two pairs hardly do, and cost little where a call is shorter than this.
_SINGLE_CALL_NS = 200_000_000
# A call this long is made a second time only where it counts.
_VERY_LONG_CALL_NS = 5 * _NS_PER_S


class Together(Protocol):
    """What several instances are asked for; see `protocol.Slice`."""

    calls: int
    mode: str
    lead_in: int


def time_calls(engine: Engine, calls: int) -> list[int]:
    """Run the bound batch `calls` times and return each call's duration in ns."""
    clock, run = time.perf_counter_ns, engine.run
    samples = [0] * calls
    if not engine.asynchronous:
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


@dataclass(frozen=True)
class CallsTogether:
    """The calls of one instance among several, on the clock that all of them read.

    Attributes:
        starts_ns, samples_ns: when each call began, and how long it took.
        lead_in: how many of them, the first, are not counted.
    """

    starts_ns: tuple[int, ...]
    samples_ns: tuple[int, ...]
    lead_in: int


def time_together(engine: Engine, request: Together, meeting: Meeting) -> CallsTogether:
    """Run the bound batch at the same time as other instances.

    In `split` every call begins together. In `stream` only the first does: each instance goes on with its lead-in until
    all have done theirs, so that no counted call has a cold neighbour, and then until all have done their calls.

    Args:
        engine: this instance's.
        request: how many calls, and how; of a stream at least so many.
        meeting: where the instances meet.
    """
    clock, starts, samples = time.perf_counter_ns, list[int](), list[int]()
    lead_in, asynchronous = request.lead_in, engine.asynchronous

    def call() -> None:
        started = clock()
        engine.run()
        if asynchronous:
            engine.synchronize()
        samples.append(clock() - started)
        starts.append(started)

    if request.mode == "split":
        for _ in range(lead_in + request.calls):
            meeting.wait()
            call()
        return CallsTogether(tuple(starts), tuple(samples), lead_in)
    meeting.begin()
    while not meeting.all_done(lead_in):
        call()
        meeting.done(min(len(samples), lead_in))
    uncounted = len(samples)
    while not meeting.all_done(lead_in + request.calls):
        call()
        meeting.done(lead_in + len(samples) - uncounted)
    return CallsTogether(tuple(starts), tuple(samples), uncounted)


def warm_up(first_call_ns: int, call: Callable[[], int]) -> tuple[list[int], bool]:
    """Call until two windows in a row agree, or for three seconds, but at least once unless a call is very long.

    Args:
        first_call_ns: the cold call's duration; a window of its own where calls are long.
        call: runs once and returns the duration in ns.

    Returns:
        Every further call's duration, and whether the last two windows' medians agreed within 10 %.
    """
    durations = [first_call_ns]
    while sum(durations) < _WARM_UP_CAP_NS or (len(durations) == 1 and first_call_ns < _VERY_LONG_CALL_NS):
        durations.append(call())
        # The cold call says little about how many of the others fill a window.
        window = _window(durations[1:])
        if is_steady(durations, window):
            return durations[1:], True
    return durations[1:], False


def warm_up_again(first_call_ns: int, calls: int, call: Callable[[], int]) -> tuple[list[int], bool]:
    """Call as often as it took to warm up before; as often again, within three seconds, where that did not do.

    Args:
        first_call_ns: the cold call's duration.
        calls: as an earlier launch found; 0 where a round that does not count warms up.
        call: runs once and returns the duration in ns.

    Returns:
        As `warm_up`.
    """
    durations = [first_call_ns, *(call() for _ in range(calls))]
    while not (steady := seems_steady(durations)) and len(durations) <= 2 * calls and sum(durations) < _WARM_UP_CAP_NS:
        durations.append(call())
    return durations[1:], steady


def seems_steady(durations: Sequence[int]) -> bool:
    """Say whether the last two windows agree, or what there is of them."""
    window = min(_window(durations[1:] or durations), max(1, len(durations) // 2))
    return is_steady(durations, window)


def _window(durations: Sequence[int]) -> int:
    """Return how many calls a window has."""
    shortest = max(min(durations), 1)
    return max(1 if shortest > _SINGLE_CALL_NS else 2, min(_MOST_CALLS_A_WINDOW, _WINDOW_NS // shortest))


def is_steady(durations: Sequence[int], window: int) -> bool:
    """Say whether the medians of the last two windows agree."""
    if len(durations) < 2 * window:
        return False
    last = statistics.median(durations[-window:])
    before = statistics.median(durations[-2 * window : -window])
    return abs(last - before) <= _STEADY_WITHIN * before
