"""The best way to divide threads and a batch among instances, exactly. Pure functions of a table of latencies.

An instance of t threads runs b items in a measured latency. A plan is any number of instances whose threads sum to at
most T and whose items sum to exactly B; it is as slow as its slowest instance.

The search runs through the table by rising latency and keeps, for every T, the set of B that instances no slower than
that can make, as the bits of one integer: adding an instance is a shift. The latency at which a B first appears is the
smallest possible one, so that one pass solves every (T, B).
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

# (threads, batch size) -> latency in ms of one call of one instance.
Profile = Mapping[tuple[int, int], float]
Instance = tuple[int, int]


@dataclass(frozen=True)
class Plan:
    """A division of threads and a batch.

    Attributes:
        latency_ms: of its slowest instance.
        throughput_per_s: of all instances together, each running its own batches.
        instances: (threads, batch size) -> how many of them, the largest first.
    """

    latency_ms: float
    throughput_per_s: float
    instances: dict[Instance, int]

    @property
    def count(self) -> int:
        """How many instances there are."""
        return sum(self.instances.values())

    @property
    def threads(self) -> int:
        """Threads in use."""
        return sum(threads * count for (threads, _), count in self.instances.items())


def smallest_latencies(profile: Profile, threads: int, batch_size: int) -> list[list[float]]:
    """Return the smallest latency in ms of every (T, B).

    Args:
        profile: positive latencies of single instances.
        threads: the largest T.
        batch_size: the largest B.

    Returns:
        Rows T from 0 to `threads`, columns B from 0 to `batch_size`; infinity where no plan exists.
    """
    # Without items there is nothing to do, in no time; a plan may leave threads unused.
    reached = [1] * (threads + 1)
    found = [[0.0] + [math.inf] * batch_size for _ in range(threads + 1)]
    missing = [(2 << batch_size) - 2 for _ in range(threads + 1)]
    usable = [(latency, *place) for place, latency in profile.items() if place[0] <= threads and place[1] <= batch_size]
    for latency, own_threads, items in sorted(usable):
        for total in range(own_threads, threads + 1):
            # Where everything is reached, nothing slower is of use. Rising totals allow the same instance many times.
            if not missing[total]:
                break
            new = (reached[total - own_threads] << items) & missing[total]
            if new:
                reached[total] |= new
                missing[total] ^= new
                _note(found[total], new, latency)
    return found


def fastest_plan(profile: Profile, threads: int, batch_size: int) -> Plan | None:
    """Return the plan with the smallest latency, of these one with the fewest instances; None where there is none."""
    latency = smallest_latencies(profile, threads, batch_size)[threads][batch_size]
    if math.isinf(latency):
        return None
    fast_enough = [place for place, own in profile.items() if own <= latency]
    return plan_of(profile, _fewest(fast_enough, threads, batch_size))


def uniform_plans(profile: Profile, threads: int, batch_size: int) -> list[Plan]:
    """Return every plan of equal instances that uses a measured place, the fastest first."""
    plans = [
        plan_of(profile, [place] * count)
        for place in profile
        if batch_size % place[1] == 0 and (count := batch_size // place[1]) * place[0] <= threads
    ]
    return sorted(plans, key=lambda plan: (plan.latency_ms, plan.count))


def _note(row: list[float], bits: int, latency: float) -> None:
    while bits:
        lowest = bits & -bits
        row[lowest.bit_length() - 1] = latency
        bits ^= lowest


def _fewest(places: Iterable[Instance], threads: int, batch_size: int) -> list[Instance]:
    """Return the fewest instances that make exactly this batch with at most these threads; some do."""
    by_threads: dict[int, list[int]] = {}
    for own_threads, items in places:
        if own_threads <= threads and items <= batch_size:
            by_threads.setdefault(own_threads, []).append(items)
    # layers[k][T]: the batches that k instances can make.
    everything = (2 << batch_size) - 1
    layers = [[1] * (threads + 1)]
    while not layers[-1][threads] >> batch_size & 1:
        last, layer = layers[-1], [0] * (threads + 1)
        for total, (own_threads, sizes) in itertools.product(range(threads + 1), by_threads.items()):
            if own_threads <= total:
                before, made = last[total - own_threads], 0
                for items in sizes if before else ():
                    made |= before << items
                layer[total] |= made & everything
        layers.append(layer)
    chosen: list[Instance] = []
    for layer in reversed(layers[:-1]):
        place = next(
            (own_threads, items)
            for own_threads, sizes in sorted(by_threads.items())
            if own_threads <= threads
            for items in sorted(sizes, reverse=True)
            if items <= batch_size and layer[threads - own_threads] >> (batch_size - items) & 1
        )
        chosen.append(place)
        threads, batch_size = threads - place[0], batch_size - place[1]
    return chosen


def plan_of(profile: Profile, instances: list[Instance]) -> Plan:
    """Return the plan of these instances, each at a measured place."""
    return Plan(
        latency_ms=max(profile[place] for place in instances),
        throughput_per_s=math.fsum(place[1] * 1000 / profile[place] for place in instances),
        instances=dict(sorted(Counter(instances).items(), reverse=True)),
    )
