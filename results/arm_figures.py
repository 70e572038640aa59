"""The figures of one arm in one cell: latency, throughput, memory, first use. Pure functions of its lines."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ortbench.results.attempts import Attempts
from ortbench.results.energy import items_of
from ortbench.results.load import arm_load
from ortbench.results.loadgen import ArmLoad
from ortbench.results.pairing import latencies
from ortbench.results.percentiles import PooledCalls
from ortbench.results.schema import LaunchRecord, RoundRecord
from ortbench.results.statistics import LogEstimate, estimate_over_launches
from ortbench.results.summary import Bounds, Cold, Latency

_NS_PER_MS = 1e6
_NS_PER_S = 1e9


@dataclass(frozen=True)
class Measured:
    """A figure with its 95 % interval, None where there is none."""

    value: float | None = None
    ci95: Bounds | None = None


def latency(slices: Sequence[RoundRecord], attempts: Attempts, whose: str) -> Latency:
    """Return milliseconds per batch.

    The median is estimated as a speedup is: the median over a launch's slices, then Hodges-Lehmann over launches. So
    two of them divide to about their speedup, which long launches do not pull about. The rest is of all calls.

    Args:
        slices: of the arm in the cell, those that count; at least one, each with a call.
        attempts: takes what cannot be computed.
        whose: the arm in words.
    """
    by_launch: dict[int, list[float]] = defaultdict(list)
    for record in slices:
        by_launch[record.launch].extend(sample / _NS_PER_MS for sample in record.samples_ns)
    calls = PooledCalls(by_launch.values())
    estimate = typical_latency(slices)

    def tail(percent: int) -> Measured:
        return attempts.of(
            f"{whose} p{percent}", lambda: Measured(calls.percentile(percent), calls.interval(percent)), Measured()
        )

    p90, p95, p99 = tail(90), tail(95), tail(99)
    return Latency(
        median=_rounded(estimate.value),
        mean=statistics.fmean(calls.ordered),
        min=calls.ordered[0],
        max=calls.ordered[-1],
        p90=p90.value,
        p95=p95.value,
        p99=p99.value,
        ci95=_bounds(estimate),
        p90_ci95=p90.ci95,
        p95_ci95=p95.ci95,
        p99_ci95=p99.ci95,
        no_interval=estimate.no_interval,
    )


def typical_latency(slices: Sequence[RoundRecord]) -> LogEstimate:
    """Return the estimate of the median latency, whose value is in ms."""
    by_launch: dict[int, list[float]] = defaultdict(list)
    for (launch, _), took_ns in latencies(slices).items():
        by_launch[launch].append(math.log(took_ns / _NS_PER_MS))
    estimate = estimate_over_launches(list(by_launch.values()))
    assert estimate, "an arm without any slice has no latency"
    return estimate


def throughput(slices: Sequence[RoundRecord], batch_size: int, load: ArmLoad | None) -> Measured:
    """Return items per second: of each launch its items over their wall time, then Hodges-Lehmann over launches.

    Args:
        slices: of the arm in the cell, those that count.
        batch_size: what one call finishes, where the slice does not say.
        load: what the slices amount to, where LoadGen made the requests.
    """
    # None where nothing arrives by itself, and 0 where each run was of a single query, which begins the time.
    if load and load.completed_per_s:
        return _over_launches(slices, lambda own: _completed(own, batch_size), load.completed_per_s)
    return _over_launches(slices, lambda own: _finished(own, batch_size), None)


def _over_launches(
    slices: Sequence[RoundRecord], rate: Callable[[Sequence[RoundRecord]], float | None], whole: float | None
) -> Measured:
    """Estimate a rate from that of each launch; `whole` goes before the estimate, where there is one."""
    by_launch: dict[int, list[RoundRecord]] = defaultdict(list)
    for line in slices:
        by_launch[line.launch].append(line)
    rates = [found for own in by_launch.values() if (found := rate(own))]
    estimate = estimate_over_launches([[math.log(one)] for one in rates])
    if estimate is None:
        return Measured(whole)
    if whole:
        estimate = estimate.moved_to(math.log(whole))
    return Measured(_rounded(estimate.value), _bounds(estimate))


def _rounded(value: float) -> float:
    """Return a figure without what logarithm and exponential rounded off: 80, and not 79.99999999999997."""
    return float(f"{value:.12g}")


def _bounds(estimate: LogEstimate) -> Bounds | None:
    bounds = estimate.interval()
    return None if bounds is None else (_rounded(bounds[0]), _rounded(bounds[1]))


def _completed(slices: Sequence[RoundRecord], batch_size: int) -> float | None:
    load = arm_load(slices, batch_size)
    return load.completed_per_s if load else None


def _finished(slices: Sequence[RoundRecord], batch_size: int) -> float:
    return sum(items_of(line, batch_size) for line in slices) * _NS_PER_S / _wall_ns(slices)


def _wall_ns(slices: Sequence[RoundRecord]) -> int:
    """Return the wall time of an arm's slices: between its first call's beginning and its last call's end."""
    return max(sum(line.wall_ns or sum(line.samples_ns) for line in slices), 1)


def memory(launches: Sequence[LaunchRecord]) -> Measured:
    """Return the largest peak of any launch in MiB, and the interval of a launch's, widened to hold every one seen."""
    peaks = [launch.memory_mib for launch in launches if launch.memory_mib]
    if not peaks:
        return Measured()
    bounds = LogEstimate(tuple(math.log(peak) for peak in peaks)).interval()
    return Measured(max(peaks), (min(bounds[0], *peaks), max(bounds[1], *peaks)) if bounds else None)


def largest(values: Iterable[float | None]) -> float | None:
    """Return the largest of those that are known; None where none is."""
    return max((value for value in values if value is not None), default=None)


def cold(launches: Sequence[LaunchRecord]) -> Cold | None:
    """Return what a first use costs, medians over launches; None where no launch got as far as a call."""
    measured = [launch for launch in launches if launch.first_call_ns is not None]
    if not measured:
        return None
    # Who found everything compiled says nothing of a first use; where all did, the first comes nearest.
    whole = [launch for launch in measured if (launch.evidence or {}).get("compile_cache") != "served"] or measured[:1]
    to_steady = [
        (launch.import_s or 0)
        + (launch.load_s or 0)
        + ((launch.first_call_ns or 0) + sum(launch.warm_up_ns)) / _NS_PER_S
        for launch in whole
    ]
    return Cold(
        import_s=statistics.median(launch.import_s or 0 for launch in whole),
        load_s=statistics.median(launch.load_s or 0 for launch in whole),
        first_call_ms=statistics.median((launch.first_call_ns or 0) / _NS_PER_MS for launch in whole),
        time_to_steady_s=statistics.median(to_steady),
        build_s=largest(launch.build_s for launch in launches),
    )
