"""Settings that race against each other, and what rules one out. Pure functions.

First every configuration is looked at for a moment (screening), a few of them side by side; then those that were not
ruled out run against the leader in the same rounds, until those that are left cannot be more than a little better, or
the time is spent. A configuration is ruled out only by an interval:

- by the leader: where the whole interval of their ratio lies above 1. It comes from all rounds together
  (`standings.py`), and is narrow where both ran in the same ones;
- by a bound: where the whole interval of its latency lies above it, or its memory does.

Everybody is looked at again after every launch. So each ruling has 99.5 % confidence: the best one would have to be
tested about twenty times, independently, before the chance that it was ruled out is 5 %.

Racing with paired tests is Birattari and others, "A racing algorithm for configuring metaheuristics", GECCO 2002; that
the time goes to fewer and fewer candidates is successive halving, Jamieson and Talwalkar, AISTATS 2016.
"""

from __future__ import annotations

import math

import msgspec

from ortbench.results.schema import CellKey
from ortbench.results.standings import Interval, Standings
from ortbench.units import format_significant

RULING_CONFIDENCE = 0.995
_NS_PER_MS = 1e6


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
    def layout(self) -> str:
        """How threads are shared, e.g. `2 x 1 thread`."""
        return f"{self.instances} x {self.threads} thread{'s' if self.threads > 1 else ''}"

    @property
    def family(self) -> str:
        """What it shares its processes with: everything but the batch size."""
        allocator = "" if self.allocator == "default" else f", {self.allocator}"
        return f"{self.engine}{allocator}, {self.layout}"

    @property
    def name(self) -> str:
        """Unique in a race, e.g. `ort, tcmalloc, 2 x 1 thread, batch 16 each`."""
        return f"{self.family}, batch {self.batch_size}{' each' if self.mode == 'stream' else ''}"

    @property
    def items(self) -> int:
        """Of one call of all its instances."""
        return self.batch_size * (self.instances if self.mode == "stream" else 1)

    def cell(self, model: str, precision: str) -> CellKey:
        """Return the cell of a study that it is an arm of."""
        return CellKey(
            model=model,
            precision=precision,
            batch_size=self.batch_size,
            threads=self.threads,
            instances=self.instances,
            mode=self.mode,
            allocator=self.allocator,
        )


class Ruling(msgspec.Struct, frozen=True, kw_only=True):
    """Why a configuration takes no further part.

    Attributes:
        kind: `rival`, `latency`, `memory` or `failed`.
        by: the configuration that beat it; None for a bound or a failure.
        ratio, interval: how many times better that one is, with the interval that decides.
    """

    kind: str
    reason: str
    by: str | None = None
    ratio: float | None = None
    interval: Interval | None = None


def rival_ruling(standings: Standings, leader: str, name: str, *, met: bool) -> Ruling | None:
    """Rule a configuration out that is surely worse than the leader; None where that is not sure.

    Args:
        standings: of all that ran.
        leader: whom it is compared with.
        name: who may be ruled out.
        met: both ran in the same rounds.
    """
    bounds = standings.difference(name, leader, RULING_CONFIDENCE)
    if bounds[0] <= 0:
        return None
    ratio, low, high = (math.exp(value) for value in (sum(bounds) / 2, *bounds))
    how = "in the same rounds" if met else "by rounds with others"
    return Ruling(
        kind="rival",
        reason=f"{leader} is {ratio:.2f}x [{low:.2f}, {high:.2f}] better, {how}",
        by=leader,
        ratio=ratio,
        interval=(low, high),
    )


def latency_ruling(latencies: Standings, name: str, bound_ms: float) -> Ruling | None:
    """Rule out what surely takes longer than the bound, by the latencies of all that ran, in ns."""
    low_ms, high_ms = (math.exp(value) / _NS_PER_MS for value in latencies.interval(name, RULING_CONFIDENCE))
    if low_ms <= bound_ms:
        return None
    figures = " to ".join(map(format_significant, (low_ms, high_ms)))
    reason = f"its latency is {figures} ms, over {format_significant(bound_ms)} ms"
    return Ruling(kind="latency", reason=reason, interval=(low_ms, high_ms))


def memory_ruling(memory_mib: float, bound_mib: float) -> Ruling | None:
    """Rule out what used more memory than the bound."""
    if memory_mib <= bound_mib:
        return None
    return Ruling(kind="memory", reason=f"it used {memory_mib:.0f} MiB, over {bound_mib:.0f} MiB")
