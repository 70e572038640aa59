"""A race among configurations: who is ruled out, by what, and how sure the winner is. Pure functions of slices.

First every configuration is looked at for a moment (screening), a few of them side by side; then those that were not
ruled out run against the leader in the same rounds, until one is left, or those that are left cannot be told apart, or
the time is spent. A configuration is ruled out only by an interval:

- in the same rounds as the leader: by its paired ratio. Over several launches that is the study's own interval; within
  one it is Student's t over rounds, widened by what two launches of the same engine differ by for life;
- not in the same rounds: only where it is worse by more than what measurements one after the other were seen to be
  off by, 16 %, on both sides;
- by a bound: where the whole interval of its latency lies above it, or its memory does.

Racing with paired tests is Birattari and others, "A racing algorithm for configuring metaheuristics", GECCO 2002; that
the time goes to fewer and fewer candidates is successive halving, Jamieson and Talwalkar, AISTATS 2016.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping

import msgspec

from ortbench.results.contest import absolute, advantage
from ortbench.results.statistics import LogEstimate, paired_log_ratios

Slices = Mapping[str, dict[tuple[int, int], float]]

# Measured between two identical engines, one after the other (docs/intervals.md).
UNPAIRED = math.log(1.16)
# Two launches of one engine differ by 0.7 %, their ratio by so much more; 1.96 of it are 95 %.
_LAUNCH_SPREAD = 0.007 * math.sqrt(2)
_Z = 1.96


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """One configuration.

    Attributes:
        mode: `single`, `split` (latency counts) or `stream` (throughput counts).
        batch_size: the whole batch in `split`, each instance's in `stream`.
    """

    engine: str
    allocator: str
    threads: int
    instances: int
    mode: str
    batch_size: int

    @property
    def family(self) -> str:
        """What it shares its processes with: everything but the batch size."""
        allocator = "" if self.allocator == "default" else f", {self.allocator}"
        threads = f"{self.threads} thread{'s' if self.threads > 1 else ''}"
        return f"{self.engine}{allocator}, {self.instances} x {threads}"

    @property
    def name(self) -> str:
        """Unique in a race, e.g. `ort, tcmalloc, 2 x 1 thread, batch 16`."""
        return f"{self.family}, batch {self.batch_size}{' each' if self.mode == 'stream' else ''}"

    @property
    def items(self) -> int:
        """Of one call of all its instances."""
        return self.batch_size * (self.instances if self.mode == "stream" else 1)


class Ruling(msgspec.Struct, frozen=True, kw_only=True):
    """Why a configuration takes no further part.

    Attributes:
        by: the configuration that beat it; None for a bound or a failure.
        ratio, ci95: how many times better that one is, with the interval that decides.
        kind: `paired`, `unpaired`, `latency`, `memory` or `failed`.
    """

    kind: str
    reason: str
    by: str | None = None
    ratio: float | None = None
    ci95: tuple[float, float] | None = None


def paired_ruling(slices: Slices, leader: str, name: str) -> Ruling | None:
    """Rule a configuration out by the rounds that it had together with the leader; None where that is not sure."""
    grouped = paired_log_ratios(slices.get(name, {}), slices.get(leader, {}))
    if not grouped:
        return None
    bounds = _interval(grouped)
    center = statistics.median(statistics.median(ratios) for ratios in grouped)
    if bounds is None or bounds[0] <= 0:
        return None
    return _beaten("paired", leader, center, bounds)


def unpaired_ruling(slices: Slices, leader: str, name: str) -> Ruling | None:
    """Rule out what never met the leader, where even measuring one after the other cannot explain the distance."""
    own, others = absolute(slices.get(name, {})), absolute(slices.get(leader, {}))
    if own is None or others is None:
        return None
    distance = own.center - others.center
    half = 2 * UNPAIRED
    return _beaten("unpaired", leader, distance, (distance - half, distance + half)) if distance > half else None


def latency_ruling(estimate: LogEstimate | None, bound_ms: float) -> Ruling | None:
    """Rule out what takes longer than the bound, by its latencies in ns; with one launch, with the usual spread."""
    if estimate is None or math.isinf(bound_ms):
        return None
    interval = estimate.log_interval() or (estimate.center - UNPAIRED, estimate.center + UNPAIRED)
    low_ms, high_ms = (math.exp(value) / 1e6 for value in interval)
    if low_ms <= bound_ms:
        return None
    return Ruling(kind="latency", reason=f"its latency is {low_ms:.3g} to {high_ms:.3g} ms, above {bound_ms:.3g} ms")


def memory_ruling(memory_mib: float | None, bound_mib: float) -> Ruling | None:
    """Rule out what used more memory than the bound."""
    if memory_mib is None or memory_mib <= bound_mib:
        return None
    return Ruling(kind="memory", reason=f"it used {memory_mib:.0f} MiB, above {bound_mib:.0f} MiB")


def leader_of(slices: Slices, names: list[str]) -> str | None:
    """Return the one with the best figure; where two met in the same rounds, those decide."""
    figures = {name: estimate.center for name in names if (estimate := absolute(slices.get(name, {})))}
    if not figures:
        return None
    leader, *rest = sorted(figures, key=figures.__getitem__)
    for name in rest:
        ratio = advantage(slices, name, leader)
        if ratio is not None and ratio.center > 0:
            leader = name
    return leader


def most_to_gain(slices: Slices, winner: str, others: list[str]) -> float:
    """Return by what factor any of the others could at most be better than the winner, by the paired intervals."""
    bounds = []
    for name in others:
        interval = _interval(paired_log_ratios(slices.get(name, {}), slices.get(winner, {})))
        bounds.append(math.inf if interval is None else -interval[0])
    return math.exp(max([0.0, *bounds]))


def told_apart(slices: Slices, leader: str, name: str, within: float) -> bool:
    """Say whether the ratio of two that met is known within so much, so that more rounds would change nothing."""
    interval = _interval(paired_log_ratios(slices.get(name, {}), slices.get(leader, {})))
    return interval is not None and (interval[1] - interval[0]) / 2 <= within


def _interval(grouped: list[list[float]]) -> tuple[float, float] | None:
    """Return the interval of a log ratio from rounds grouped by launch; None where there is too little."""
    if len(grouped) > 1:
        estimate = LogEstimate(tuple(statistics.median(ratios) for ratios in grouped))
        return estimate.log_interval()
    if not grouped or len(grouped[0]) < 2:
        return None
    from scipy.special import stdtrit

    [ratios] = grouped
    error = statistics.stdev(ratios) / math.sqrt(len(ratios))
    half = math.hypot(float(stdtrit(len(ratios) - 1, 0.975)) * error, _Z * _LAUNCH_SPREAD)
    center = statistics.fmean(ratios)
    return center - half, center + half


def _beaten(kind: str, leader: str, center: float, bounds: tuple[float, float]) -> Ruling:
    ratio, low, high = (math.exp(value) for value in (center, *bounds))
    how = "in the same rounds" if kind == "paired" else "not in the same rounds"
    return Ruling(
        kind=kind,
        reason=f"{leader} is {ratio:.2f}x [{low:.2f}, {high:.2f}] better, {how}",
        by=leader,
        ratio=ratio,
        ci95=(low, high),
    )
