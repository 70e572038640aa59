"""The figure that a requirement is decided on, with its interval, or why there is none. Pure functions of data."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from ortbench.results.known_interval import KnownInterval
from ortbench.results.pairing import cell_ratios
from ortbench.results.requirements import Requirement
from ortbench.results.schema import ArmKey, RoundRecord
from ortbench.results.statistics import LogEstimate, estimate_over_launches
from ortbench.results.summary import ArmSummary, Bounds, CellSummary, Summary

# As `percentiles.py` asks for; a test holds the two together.
SAMPLES_NEEDED = {"p90": 100, "p95": 200, "p99": 1000}
LAUNCHES_NEEDED = 5
_WITHHELD = (
    "the study's verdicts are withheld here: its baseline differs from its own twin; `ortbench doctor` looks for the "
    "reason"
)
_LONGER = "a longer --max-time makes more launches"
_IN_CSV = "a CSV gives it in the columns {low} and {high}"


class Figure(msgspec.Struct, frozen=True, gc=False):
    """What a requirement is decided on.

    Attributes:
        value: in the requirement's unit; None where there is nothing.
        interval: of 95 %; None where nothing can be decided.
        note: why a value or an interval is missing, or what else a reader should know.
        launches: how many it is of, the fewer where it is of two arms; 0 where that is not known.
        withheld: the study itself does not believe its figures here.
    """

    value: float | None = None
    interval: Bounds | None = None
    note: str | None = None
    launches: int = 0
    withheld: bool = False

    def over(self, other: Figure) -> Figure:
        """Divide; the interval is the widest that both intervals allow."""
        if self.value is None or other.value is None:
            return Figure(note=self.note or other.note)
        mine, theirs = self.interval, other.interval
        bounds = (mine[0] / theirs[1], mine[1] / theirs[0]) if mine and theirs else None
        notes = dict.fromkeys(note for note in (self.note, other.note) if note)
        return Figure(self.value / other.value, bounds, "; ".join(notes) or None)

    @property
    def estimate(self) -> KnownInterval | None:
        """The same on the log scale, for other confidences than 95 %; None without an interval."""
        if self.value is None or self.interval is None:
            return None
        center, low, high = (math.log(max(value, 1e-300)) for value in (self.value, *self.interval))
        freedom = max(1, self.launches - 1) if self.launches else math.inf
        return KnownInterval((center,), below=max(center - low, 0), above=max(high - center, 0), freedom=freedom)


def figure_of(
    requirement: Requirement, cell: CellSummary, summary: Summary, rounds: Sequence[RoundRecord] = ()
) -> Figure:
    """Return what a requirement is decided on in one cell.

    Args:
        requirement: of one engine, or of one over another.
        cell: it covers this one.
        summary: of which the cell is.
        rounds: the record that the summary is of; none for a CSV.
    """
    engines = [engine for engine in (requirement.engine, requirement.over) if engine is not None]
    arms = {engine: cell.arm(engine) for engine in engines}
    absent = [reason for engine, arm in arms.items() if (reason := _absence(engine, arm))]
    if absent:
        return Figure(note="; ".join(absent))
    first, *over = [arm for arm in arms.values() if arm]
    if over:
        found = _speedup(first, over[0], cell, summary, rounds)
    else:
        found = _own_figure(requirement.quantity, first, paired=summary.paired)
    launches = min((arm.launches for arm in (first, *over) if arm.launches), default=0)
    doubtful = requirement.quantity != "memory" and _is_doubted(cell, (first, *over))
    notes = [note for note in (found.note, _WITHHELD if doubtful else None) if note]
    return msgspec.structs.replace(found, note="; ".join(notes) or None, launches=launches, withheld=doubtful)


def paired_speedup(rounds: Sequence[RoundRecord], engine: str, over: str, cell: str) -> LogEstimate | None:
    """Estimate a speedup from the rounds of a cell that have both engines, whatever the study's baseline.

    Args:
        rounds: the record's lines, of this and other cells.
        engine: the speedup is this engine's,
        over: over this one: 2 means that `engine` is twice as fast.
        cell: the cell's id.

    Returns:
        None where no round that counts has both.
    """
    lines = [line for line in rounds if line.cell == cell]
    return estimate_over_launches(cell_ratios(lines, over).get(ArmKey(engine), ()))


def _is_doubted(cell: CellSummary, arms: Sequence[ArmSummary]) -> bool:
    return cell.doubt is not None or any(arm.speedup and arm.speedup.verdict == "withheld" for arm in arms)


def _absence(engine: str, arm: ArmSummary | None) -> str | None:
    if arm is None:
        return f"{engine} was not measured in this cell"
    if arm.status == "ok":
        return None
    return f"{engine} {arm.status}" + (f": {arm.reason}" if arm.reason else "")


def _own_figure(quantity: str, arm: ArmSummary, *, paired: bool) -> Figure:
    if quantity == "throughput":
        csv = ("throughput_low_per_s", "throughput_high_per_s")
        return _known("throughput", arm.throughput_per_s, arm.throughput_ci95, arm, paired=paired, csv=csv)
    if quantity == "memory":
        csv = ("memory_low_mib", "memory_high_mib")
        return _known("memory", arm.memory_mib, arm.memory_ci95, arm, paired=paired, csv=csv)
    if quantity in SAMPLES_NEEDED:
        return _percentile(quantity, arm)
    return _latency(arm, paired=paired)


def _known(  # noqa: PLR0913 - a figure, and each thing that says why it may have no interval
    what: str, value: float | None, interval: Bounds | None, arm: ArmSummary, *, paired: bool, csv: tuple[str, str]
) -> Figure:
    if not value:
        return Figure(note=f"no {what} is on record")
    if interval is not None:
        return Figure(value, interval)
    if not paired:
        return Figure(value, note=f"no interval: {_IN_CSV.format(low=csv[0], high=csv[1])}")
    why = "there is one launch" if arm.launches < 2 else f"its {arm.launches} launches differ too much"
    return Figure(value, note=f"no interval: {why}; {_LONGER}")


def _latency(arm: ArmSummary, *, paired: bool) -> Figure:
    latency = arm.latency_ms
    if latency is None:
        return Figure(note="no latency is on record")
    if latency.ci95 is None and latency.no_interval:
        return Figure(latency.median, note=f"no interval: {latency.no_interval}; {_LONGER}")
    csv = ("latency_low_ms", "latency_high_ms")
    return _known("latency", latency.median, latency.ci95, arm, paired=paired, csv=csv)


def _percentile(quantity: str, arm: ArmSummary) -> Figure:
    value = getattr(arm.latency_ms, quantity, None)
    if value is None:
        found = f"there are {arm.samples}" if arm.samples else "none are on record"
        return Figure(note=f"{quantity} takes {SAMPLES_NEEDED[quantity]} samples, and {found}")
    interval = getattr(arm.latency_ms, f"{quantity}_ci95")
    if interval is not None:
        return Figure(value, interval)
    found = f"there are {arm.launches}" if arm.launches else "their number is not on record"
    return Figure(
        value, note=f"no interval: that of {quantity} takes {LAUNCHES_NEEDED} launches, and {found}; {_LONGER}"
    )


def _speedup(
    arm: ArmSummary, over: ArmSummary, cell: CellSummary, summary: Summary, rounds: Sequence[RoundRecord]
) -> Figure:
    if not summary.paired:
        return _latency(over, paired=False).over(_latency(arm, paired=False))
    baseline = summary.baseline
    with_baseline = baseline in {arm.engine, over.engine}
    if with_baseline or not rounds:
        figure = _over_baseline(arm, baseline).over(_over_baseline(over, baseline))
        note = None if with_baseline else f"not paired: the widest that both speedups over {baseline} allow"
        return msgspec.structs.replace(figure, note=figure.note or note)
    estimate = paired_speedup(rounds, arm.engine, over.engine, cell.key.id)
    if estimate is None:
        return Figure(note=f"no round that counts has both {arm.engine} and {over.engine}")
    reason = estimate.no_interval
    return Figure(estimate.value, estimate.interval(), f"no interval: {reason}; {_LONGER}" if reason else None)


def _over_baseline(arm: ArmSummary, baseline: str) -> Figure:
    if arm.engine == baseline:
        return Figure(1.0, (1.0, 1.0))
    speedup = arm.speedup
    if speedup is None:
        return Figure(note=f"{arm.engine} has no speedup over {baseline} on record")
    if speedup.ci95 is not None:
        return Figure(speedup.ratio, speedup.ci95)
    return Figure(speedup.ratio, note=f"no interval: {speedup.no_interval or 'none is on record'}; {_LONGER}")
