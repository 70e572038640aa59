"""What runs under a load amount to: rates, LoadGen's verdicts, and what a reader should know of them. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from ortbench.results.loadgen import ArmLoad, LoadRun
from ortbench.results.schema import ArmKey, CellKey, RoundRecord
from ortbench.results.summary import ArmSummary, CellSummary, arm_label

_NS_PER_S = 1e9
_NS_PER_MS = 1e6
# It asks for far more queries in one run than a study has in all.
EARLY_STOPPING = "early stopping"


def arm_load(slices: Sequence[RoundRecord], batch_size: int = 1) -> ArmLoad | None:
    """Return what the runs of an arm in a cell amount to; None where LoadGen made no requests.

    Rates are LoadGen's: of n queries the first begins the time, so that n - 1 fall into it.

    Args:
        slices: of the arm in the cell, those that count.
        batch_size: how many queries a call can take.
    """
    runs = [(line, line.loadgen) for line in slices if line.loadgen]
    if not runs:
        return None
    own = [run for _, run in runs]
    arrivals = own[0].bound_ns is not None
    gaps = sum(run.queries - 1 for run in own)
    offered_ns = sum(run.scheduled_ns for run in own)
    invalid = [run for run in own if not run.valid]
    telling = [run for run in invalid if set(run.unmet) != {EARLY_STOPPING}] or invalid
    return ArmLoad(
        runs=len(own),
        valid_runs=len(own) - len(invalid),
        unmet=dict(Counter(word for run in own for word in run.unmet)),
        offered_per_s=_rate(gaps, offered_ns) if arrivals else None,
        completed_per_s=_rate(gaps, sum(line.wall_ns or 0 for line, _ in runs)) if arrivals else None,
        busy=_busy(own, offered_ns, batch_size) if arrivals else None,
        bound_ms=(own[0].bound_ns or 0) / _NS_PER_MS if arrivals else None,
        late=sum(run.late for run in own) / sum(run.queries for run in own) if arrivals else None,
        reason=next(iter(telling[-1].reasons), None) if telling else None,
        call_ms=sum(run.busy_ns for run in own) / max(sum(run.calls for run in own), 1) / _NS_PER_MS,
    )


def _rate(count: int, span_ns: int) -> float | None:
    return count * _NS_PER_S / span_ns if span_ns else None


def _busy(runs: Sequence[LoadRun], offered_ns: int, batch_size: int) -> float | None:
    """Return the time that full calls for what arrived would take, over the time of arrivals.

    Calls that are not full, as they are while the engine keeps up, take as long as full ones: they fill the time and
    say nothing of what it could keep up with. The first query of a run is beyond the n - 1 gaps.
    """
    needed_ns = sum(run.busy_ns / max(run.calls, 1) * (run.queries - 1) / batch_size for run in runs)
    return needed_ns / offered_ns if offered_ns else None


def comparable(baseline: Sequence[RoundRecord], arm: Sequence[RoundRecord], batch_size: int) -> bool:
    """Say whether the latencies of two arms under a load may be compared: a growing queue's say how long a run was."""
    loads = (arm_load(slices, batch_size) for slices in (baseline, arm))
    return not any(load and load.overloaded for load in loads)


def load_marks(load: ArmLoad | None, cell: CellKey) -> tuple[str, ...]:
    """Return what makes a latency under a load less than a property of the engine."""
    if load is None or not load.overloaded:
        return ()
    return (
        f"it cannot keep up with {cell.load}, so that its queue grows as long as a run lasts, and its latencies too",
    )


def load_notes(cells: Sequence[CellSummary]) -> list[str]:
    """Return what a reader should know of the cells under a load: who cannot keep up, and what LoadGen objects to."""
    return [note for cell in cells if cell.load for note in _cell_notes(cell)]


def _cell_notes(cell: CellSummary) -> Iterator[str]:
    where = cell.key.id
    loads = [(arm_label(ArmKey(arm.engine, arm.twin)), arm.load) for arm in cell.arms if arm.load]
    for engine, load in loads:
        if load.overloaded:
            yield (
                f"{where}: {engine} cannot keep up: {_told(load.offered_per_s)} requests/s arrive and it completes "
                f"{_told(load.completed_per_s)}; its queue grows as long as a run lasts, so no speedup is given"
            )
    yield from _contradictions(cell)
    for objection, engines in _objections(loads).items():
        yield f"{where}: LoadGen calls runs of {', '.join(engines)} INVALID {objection}"
    short = [engine for engine, load in loads if set(load.unmet) == {EARLY_STOPPING}]
    if short:
        yield (
            f"{where}: LoadGen calls runs of {', '.join(short)} INVALID only for having too few queries for its early "
            "stopping; by LoadGen's rules, but no submission"
        )


def _told(rate: float | None) -> str:
    """Return a rate in words; runs of a single query have none."""
    return "an unknown number of" if rate is None else f"{rate:.3g}"


def _contradictions(cell: CellSummary) -> Iterator[str]:
    """Yield where an arm's median is told apart from the baseline's one way, and its tail the other way."""
    compared = [arm for arm in cell.arms if arm.speedup and not arm.twin]
    for arm in compared:
        assert arm.speedup is not None
        base = next(one for one in cell.arms if one.engine == arm.speedup.baseline and not one.twin)
        own, other = tail(arm), tail(base)
        if own is None or other is None or own[0] != other[0] or own[2] is None or other[2] is None:
            continue
        longer, shorter = own[2][0] > other[2][1], own[2][1] < other[2][0]
        if (arm.speedup.verdict == "faster" and longer) or (arm.speedup.verdict == "slower" and shorter):
            yield (
                f"{cell.key.id}: {arm.engine} is {arm.speedup.verdict} than {base.engine} by the median, but its "
                f"{own[0]} is {'longer' if longer else 'shorter'}: {own[1]:.3g} against {other[1]:.3g} ms"
            )


def _objections(loads: Sequence[tuple[str, ArmLoad]]) -> dict[str, list[str]]:
    """Return what LoadGen objects to beside runs too short for its early stopping, and in whose runs it does."""
    found: dict[str, list[str]] = {}
    for engine, load in loads:
        unmet = {word: count for word, count in load.unmet.items() if word != EARLY_STOPPING}
        if unmet:
            words = ", ".join(f"{word} in {count} of {load.runs}" for word, count in unmet.items())
            found.setdefault(f'(not met: {words}): "{load.reason}"', []).append(engine)
    return found


def tail(arm: ArmSummary) -> tuple[str, float, tuple[float, float] | None] | None:
    """Return the highest percentile that the samples are enough for: its name, ms and interval; None for none."""
    latency = arm.latency_ms
    for name in ("p99", "p95", "p90") if latency else ():
        value = getattr(latency, name)
        if value is not None:
            return name, value, getattr(latency, f"{name}_ci95")
    return None
