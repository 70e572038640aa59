"""The only clock. It runs in the worker, around nothing but the engine's `run` and `synchronize`."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence

from ortbench.engines.base import Engine

_NS_PER_S = 1_000_000_000
# A warm-up window spans this much time, or one call where a call takes longer.
_WINDOW_NS = 20_000_000
_MOST_CALLS_A_WINDOW = 50
_STEADY_WITHIN = 0.1
_WARM_UP_CAP_NS = 3 * _NS_PER_S


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


def warm_up(call: Callable[[], int]) -> tuple[list[int], bool]:
    """Call until two windows in a row agree, or for three seconds.

    Args:
        call: runs once and returns the duration in ns.

    Returns:
        Every call's duration, and whether the last two windows' medians agreed within 10 %.
    """
    durations = [call()]
    window = max(1, min(_MOST_CALLS_A_WINDOW, _WINDOW_NS // max(durations[0], 1)))
    while sum(durations) < _WARM_UP_CAP_NS:
        durations.append(call())
        if is_steady(durations, window):
            return durations, True
    return durations, False


def is_steady(durations: Sequence[int], window: int) -> bool:
    """Say whether the medians of the last two windows agree."""
    if len(durations) < 2 * window:
        return False
    last = statistics.median(durations[-window:])
    before = statistics.median(durations[-2 * window : -window])
    return abs(last - before) <= _STEADY_WITHIN * before
