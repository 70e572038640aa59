"""The plan with the largest throughput, exactly. Pure functions of a table of latencies.

Every instance runs its own batches without waiting for the others, so that their throughputs add up. A plan of several
instances is two plans side by side: the best for T threads joins the best for t with the best for T - t, over all t and
all divisions of the batch, a (max, +) convolution of their rows. That is done in blocks that fit a processor's cache,
for all (T, B) at once.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ortbench.results.plan import Instance, Plan, Profile, plan_of

# Batch sizes to a block: a block of 64 by 1024 float64 is 512 KiB.
_BLOCK = 64
# What an instance too many must at least bring, over the largest throughput of one: so few instances win ties.
_TOLL = 1e-9


def widest_plan(profile: Profile, threads: int, batch_size: int, max_latency_ms: float = math.inf) -> Plan | None:
    """Return the plan with the largest throughput whose instances all keep to `max_latency_ms`; None without one.

    Of equal plans one with fewer instances is taken.
    """
    singles = _singles(profile, threads, batch_size, max_latency_ms)
    best = _best(singles)
    if np.isinf(best[threads, batch_size]):
        return None
    return plan_of(profile, _chosen(singles, best, threads, batch_size))


def _singles(profile: Profile, threads: int, batch_size: int, max_latency_ms: float) -> Any:
    """Return the throughput of one instance for every (T, B); minus infinity where none was measured or is allowed."""
    rates = {
        place: place[1] * 1000 / latency
        for place, latency in profile.items()
        if latency <= max_latency_ms and place[0] <= threads and place[1] <= batch_size
    }
    toll = _TOLL * max(rates.values(), default=0.0)
    table = np.full((threads + 1, batch_size + 1), -np.inf)
    for place, rate in rates.items():
        table[place] = rate - toll
    return table


def _best(singles: Any) -> Any:
    """Return the largest throughput of every (T, B), with the toll of each instance."""
    best = np.full_like(singles, -np.inf)
    # Without items there is nothing to do; a plan may leave threads unused.
    best[:, 0] = 0.0
    for total in range(1, len(best)):
        best[total] = np.maximum(best[total - 1], singles[total])
        for own in range(1, total // 2 + 1):
            _join(best[own], best[total - own], best[total])
    return best


def _join(one: Any, other: Any, into: Any) -> None:
    """Raise into[b] to the largest one[k] + other[b - k], k from 0 to b."""
    size = len(one)
    padded = np.concatenate([np.full(size - 1, -np.inf), other])
    # windows[b][j] is other[b - (size - 1 - j)]: row b, read from its end, counts k upwards.
    windows = np.lib.stride_tricks.sliding_window_view(padded, size)
    backwards = one[::-1]
    for start in range(0, size, _BLOCK):
        end = min(start + _BLOCK, size)
        # A larger k than b is of no use.
        sums = windows[start:end, size - end :] + backwards[size - end :]
        np.maximum(into[start:end], sums.max(axis=1), out=into[start:end])


def _chosen(singles: Any, best: Any, threads: int, batch_size: int) -> list[Instance]:
    """Return the instances of the best plan, found by asking at each place where its throughput comes from."""
    chosen: list[Instance] = []
    waiting = [(threads, batch_size)]
    while waiting:
        total, size = waiting.pop()
        while best[total - 1, size] == best[total, size] and total:
            total -= 1
        if singles[total, size] == best[total, size]:
            chosen.append((total, size))
        elif size:
            waiting += _parts(best, total, size)
    return chosen


def _parts(best: Any, total: int, size: int) -> list[Instance]:
    """Return the two smaller plans that the best one of several instances consists of."""
    for own in range(1, total // 2 + 1):
        sums = best[own, : size + 1] + best[total - own, size::-1]
        share = int(sums.argmax())
        if sums[share] == best[total, size]:
            return [(own, share), (total - own, size - share)]
    raise AssertionError("a plan of several instances consists of two smaller ones")
