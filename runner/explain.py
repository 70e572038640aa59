"""Profile the arms of one cell, each in a process of its own, one after the other, when nothing is timed any more."""

from __future__ import annotations

import statistics
from collections.abc import Callable

from ortbench.engines.base import OperatorTime
from ortbench.errors import OrtbenchError
from ortbench.results.explanation import (
    Explanation,
    OperatorShare,
    Profile,
    recorded_explanation,
    share,
    with_profiles,
)
from ortbench.results.schema import CellKey
from ortbench.results.study import Results
from ortbench.runner import protocol
from ortbench.runner.arm import ArmPlan, ReferenceOutputs
from ortbench.runner.launch import Launch
from ortbench.runner.study import Study

# So many calls fill a second, within bounds: their median shall not be one disturbed call's.
_PROFILE_S = 1.0
_FEWEST_CALLS = 5
_MOST_CALLS = 100


def explain_study(study: Study, results: Results, cell: CellKey) -> Explanation:
    """Profile every arm of a cell that was measured without a fault, and return that beside what the record says.

    Args:
        study: measured to its end.
        results: what it measured.
        cell: one of its cells.
    """
    recorded = recorded_explanation(results, cell)
    [planned] = [one for one in study.plan.cells if one.key == cell]
    good = {engine.engine for engine in recorded.engines if engine.status == "ok"}
    plans = [plan for plan in study.arm_plans(planned) if plan.key.engine in good]
    profiles = profile_arms(cell, plans, study.observer.say)
    return with_profiles(recorded, profiles)


def profile_arms(cell: CellKey, plans: list[ArmPlan], say: Callable[[str], None]) -> dict[str, Profile]:
    """Return every engine's profile; of one that fails, the reason.

    Args:
        cell: the cell whose batch is run.
        plans: its arms.
        say: is told which engine is being profiled.
    """
    profiles = {}
    for plan in plans:
        say(f"profiling {plan.key.engine} in {cell.id}, outside of everything timed")
        profiles[plan.key.engine] = _profile(cell, plan)
    return profiles


def calls_for(call_s: float) -> int:
    """Return how many calls to profile where one takes `call_s`."""
    return max(_FEWEST_CALLS, min(_MOST_CALLS, round(_PROFILE_S / max(call_s, 1e-9))))


def _profile(cell: CellKey, plan: ArmPlan) -> Profile:
    with Launch(0) as launch:
        records = launch.start([plan]) or launch.prepare(
            cell, [plan.key], ReferenceOutputs(plan.engine.label, None), {}
        )
        [record] = records
        if record.status != "ok":
            return Profile(reason=record.reason)
        # The shortest, since a disturbed one would leave too few.
        calls = calls_for(min(record.warm_up_ns or (record.first_call_ns or 0,)) / 1e9)
        try:
            return as_profile(launch.profile(plan.key, calls))
        except OrtbenchError as error:
            return Profile(reason=str(error))


def as_profile(profiled: protocol.Profiled) -> Profile:
    """Return a worker's answer as it stands in explain.json."""
    return Profile(
        call_ms=statistics.median(profiled.samples_ns) / 1e6,
        calls=len(profiled.samples_ns),
        operators=None if profiled.operators is None else tuple(map(_share, profiled.operators)),
        reason="this engine's library does not say what its operators take" if profiled.operators is None else None,
    )


def _share(operator: OperatorTime) -> OperatorShare:
    return share(operator.operator, operator.ms, operator.count)
