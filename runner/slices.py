"""How slices are made up: how many calls lead in, and how many count. Pure functions of what a first launch measured.

A first launch begins without knowing, with long slices and generous lead-ins. What it measures settles both for every
launch that follows: drawn anew in each launch from its last warm-up calls, the number would be another program's as
much as the engine's.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ortbench.results.schema import ArmKey, LaunchRecord, RoundRecord, SlicePlan
from ortbench.runner.lead_in import (
    FEWEST_ROWS,
    Effect,
    Row,
    lead_in_calls,
    least_lead_in,
    most_lead_in,
    settled_lead_in,
)
from ortbench.runner.pilot import PILOT_SLICE_NS, PilotSlices, best_slice_ns, calls_in

# Of the calls that fill a pilot's slice.
_PILOT_SHARE = 4
# A stretch is so long at most, which is longer than any slice, and has no more calls than this.
STRETCH_NS = 250_000_000
_MOST_STRETCH_CALLS = 3000
_FEWEST_STRETCH_CALLS = 3


@dataclass(frozen=True)
class Known:
    """What a launch knows of an arm from an earlier one.

    Attributes:
        slices: how they are made up.
        warm_up: how many calls it made by itself before it was warm; None to find that out.
    """

    slices: SlicePlan | None = None
    warm_up: int | None = None


def pilot_slices(call_ns: float) -> SlicePlan:
    """Return how slices are made up before anything was measured of an arm but its warm-up."""
    calls = calls_in(PILOT_SLICE_NS, call_ns)
    most = most_lead_in(call_ns)
    lead_in = min(most, max(least_lead_in(call_ns), 1, calls // _PILOT_SHARE))
    return SlicePlan(lead_in=lead_in, calls=calls, call_ns=round(call_ns))


def stretch_calls(stretch_ns: float, call_ns: float) -> int:
    """Return how many calls a stretch has; none where so few fit that it would say nothing, or one takes too long."""
    if most_lead_in(call_ns) == 0 or stretch_ns < (_FEWEST_STRETCH_CALLS - 1) * call_ns:
        return 0
    return max(_FEWEST_STRETCH_CALLS, min(_MOST_STRETCH_CALLS, round(stretch_ns / max(call_ns, 1))))


@dataclass(frozen=True)
class PilotArm:
    """What a first launch measured of one arm.

    Attributes:
        slices: its rounds' slices.
        rows: calls one after the other, each row begun after a pause: those of its stretches, and of its slices where
            these are not of several streams at once.
    """

    slices: PilotSlices
    rows: tuple[Row, ...]

    @property
    def call_ns(self) -> float:
        """The typical call; by its stretches where there are no slices."""
        if self.slices.samples_ns:
            return self.slices.call_ns
        return statistics.median(statistics.median(row) for row in self.rows)


def pilot_arm(lines: Sequence[RoundRecord], stretches: Sequence[Row]) -> PilotArm:
    """Return what there is of one arm.

    Args:
        lines: of its slices, in the order of the rounds; those under a load tell nothing of calls in a row.
        stretches: see `LaunchRecord.stretches_ns`.
    """
    own = [line for line in lines if line.samples_ns and not line.loadgen]
    if any(line.instance_calls for line in own):
        return PilotArm(PilotSlices(tuple(line.samples_ns for line in own)), tuple(map(tuple, stretches)))
    rows = tuple((*line.lead_in_ns, *line.samples_ns) for line in own)
    return PilotArm(PilotSlices(rows, len(own[0].lead_in_ns) if own else 0), (*map(tuple, stretches), *rows))


def settled_slices(
    cell: str, arms: Mapping[ArmKey, PilotArm], baseline: str, overhead_ns: float
) -> tuple[SlicePlan, ...]:
    """Return how the slices of each engine are made up from here on.

    An engine and its twin are one thing measured twice, and what is known of both decides.

    Args:
        cell: its id.
        arms: of a first launch; without any that was not measured.
        baseline: what the others are compared with.
        overhead_ns: waking, asking and parking one arm.
    """
    measured = {key: arm for key, arm in arms.items() if arm.rows or arm.slices.samples_ns}
    engines: dict[str, list[PilotArm]] = defaultdict(list)
    for key, arm in measured.items():
        engines[key.engine].append(arm)
    calls_ns = {name: statistics.median(arm.call_ns for arm in own) for name, own in engines.items()}
    rows = {name: [row for arm in own for row in arm.rows] for name, own in engines.items()}
    lead_ins = {name: lead_in_calls(rows[name], calls_ns[name]) for name in engines}
    slice_ns = _slice_ns(measured, lead_ins, baseline, overhead_ns)
    return tuple(_settled(cell, name, rows[name], calls_ns[name], slice_ns) for name in engines)


def slices_alone(cell: str, engine: str, rows: Sequence[Row], call_ns: float, slice_ns: int) -> SlicePlan:
    """Return how the slices of an engine are made up of which there are stretches only, or not even those.

    Args:
        cell: its id.
        engine: whose they are.
        rows: calls of each stretch.
        call_ns: of a call, where there is no stretch.
        slice_ns: for how long calls are counted.
    """
    typical = statistics.median(statistics.median(row) for row in rows) if rows else call_ns
    return _settled(cell, engine, rows, typical, slice_ns)


def _slice_ns(arms: Mapping[ArmKey, PilotArm], lead_ins: Mapping[str, int], baseline: str, overhead_ns: float) -> int:
    """Return for how long calls are counted in a slice."""
    slices = {
        key: PilotSlices(arm.slices.samples_ns, lead_ins[key.engine] if arm.slices.lead_in else 0)
        for key, arm in arms.items()
        if arm.slices.samples_ns
    }
    base = slices.pop(ArmKey(baseline), PilotSlices(()))
    whole = [own for own in slices.values() if len(own.samples_ns) == len(base.samples_ns)]
    return best_slice_ns(base, whole, overhead_ns)


def _settled(cell: str, engine: str, rows: Sequence[Row], call_ns: float, slice_ns: int) -> SlicePlan:
    calls = calls_in(slice_ns, call_ns)
    lead_in, left = settled_lead_in(rows, call_ns, calls)
    plan = SlicePlan(cell=cell, engine=engine, lead_in=lead_in, calls=calls, call_ns=round(call_ns))
    # Of fewer rows nothing can be said.
    return plan if left is None or left.rows < FEWEST_ROWS else _with_effect(plan, left)


def _with_effect(plan: SlicePlan, left: Effect) -> SlicePlan:
    return SlicePlan(
        cell=plan.cell,
        engine=plan.engine,
        lead_in=plan.lead_in,
        calls=plan.calls,
        call_ns=plan.call_ns,
        off=round(math.expm1(left.value), 6),
        off_range=(round(math.expm1(left.low), 6), round(math.expm1(left.high), 6)),
    )


def overhead_between_ns(lines: Sequence[RoundRecord]) -> float:
    """Return what one slice costs beyond its calls: waking, asking and parking its arm.

    Args:
        lines: of rounds, in the order in which they ran.
    """
    gaps = [
        (after.started_s - before.started_s) * 1e9 - (before.wall_ns or 0) - sum(before.lead_in_ns)
        for before, after in itertools.pairwise(lines)
        if (before.launch, before.round) == (after.launch, after.round)
    ]
    return max(0.0, statistics.median(gaps)) if gaps else 0.0


def warm_up_calls(launches: Sequence[LaunchRecord], cell: str, key: ArmKey) -> int | None:
    """Return how many calls an arm took to warm up in its first launch; None before it."""
    return next(
        (
            len(record.warm_up_ns)
            for record in launches
            if (record.cell, record.engine, record.twin) == (cell, key.engine, key.twin) and record.status == "ok"
        ),
        None,
    )
