"""What MLPerf LoadGen says of one run, and what several runs of an arm amount to; the formats alone."""

from __future__ import annotations

import msgspec


class LoadRun(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """LoadGen's account of one run: one slice of one arm under a load.

    Attributes:
        seeds: of the samples in memory, their order and the schedule of arrivals; the same for all arms of a round.
        queries: issued, all of them completed.
        valid: LoadGen's verdict, VALID or INVALID.
        unmet: which of its conditions were not met: `latency bound`, `duration`, `queries`, `early stopping`.
        reasons: of an INVALID run, in LoadGen's words.
        percentiles_ns: of the latencies as LoadGen reports them, by their names: 50.00, 90.00 and so on.
        scheduled_ns: from the first query's scheduled time to the last one's.
        busy_ns: how long the engine computed.
        calls: of the engine; with a batch larger than 1 several waiting queries share one.
        late: queries whose latency was over the bound.
        bound_ns: on the 99th percentile; only arrivals have one.
        delay_ns: the latest that LoadGen issued a query after its scheduled time.
    """

    seeds: tuple[int, int, int]
    queries: int
    valid: bool
    unmet: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    percentiles_ns: dict[str, int] = {}
    scheduled_ns: int
    busy_ns: int
    calls: int
    late: int = 0
    bound_ns: int | None = None
    delay_ns: int = 0


class ArmLoad(msgspec.Struct, frozen=True, kw_only=True):
    """All runs of one arm in a cell.

    Attributes:
        runs, valid_runs: how many there are, and how many LoadGen calls VALID.
        unmet: in how many runs each of LoadGen's conditions was not met.
        offered_per_s: arrivals; None where each query waits for the last.
        completed_per_s: queries finished, from the first one's arrival to the last one's end.
        busy: share of the time of arrivals that full calls for all of them would take: from 1 on it cannot keep up.
        call_ms: how long the engine computed for one call, on average, without what waited before it.
        bound_ms: on the 99th percentile, and late: the share of queries over it.
        reason: why LoadGen called a run INVALID, in its words: of the last that was not only too short for it.
    """

    runs: int
    valid_runs: int
    unmet: dict[str, int] = {}
    offered_per_s: float | None = None
    completed_per_s: float | None = None
    busy: float | None = None
    bound_ms: float | None = None
    late: float | None = None
    reason: str | None = None
    call_ms: float | None = None

    @property
    def overloaded(self) -> bool:
        """Whether more arrives than the engine can compute, so that its queue grows as long as a run lasts."""
        return self.busy is not None and self.busy >= 1
