"""What to run: the best plan that a summary's latencies allow, over its engines and allocators. Pure functions."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from ortbench.errors import ResultsError, UsageError, expected_one_of
from ortbench.results.plan import Plan, Profile, fastest_plan, widest_plan
from ortbench.results.schema import CellKey
from ortbench.results.summary import Summary

Objective = Literal["latency", "throughput"]
OBJECTIVES: tuple[Objective, ...] = ("latency", "throughput")

ISOLATED = (
    "the latencies were measured one instance at a time: instances that run together share caches and memory, and "
    "may be slower than this"
)
INTERPOLATED = (
    "--interpolate: between two measured batch sizes of the same thread count, latency is assumed to lie on the "
    "straight line between them; nothing is assumed beyond them, nor between thread counts"
)


class PlanRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be planned.

    Attributes:
        threads: at most so many, over all instances.
        batch_size: exactly so many items, over all instances.
        objective: `latency` of the slowest instance, or `throughput` of all, each running its own batches.
        max_latency_ms: of every instance.
        engine: only this one; None for the best of all.
        interpolate: fill batch sizes between measured ones.
    """

    threads: int
    batch_size: int
    objective: Objective = "latency"
    max_latency_ms: float = math.inf
    engine: str | None = None
    interpolate: bool = False


class Instances(msgspec.Struct, frozen=True, kw_only=True):
    """Equal instances of a plan; the batch size is of each."""

    threads: int
    batch_size: int
    count: int


class Recommendation(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of `ortbench plan`.

    Attributes:
        threads, batch_size: as asked.
        latency_ms: of the slowest instance; throughput_per_s: of all together.
        single_instance_latency_ms: of one instance with all threads and the whole batch; None where not measured.
        speedup: that over `latency_ms`, or for `throughput` the plan's throughput over its; None where not measured.
        keeps_max_latency: None where none was asked for; otherwise this is the fastest plan even if it does not.
        notes: what the figures assume.
    """

    engine: str
    allocator: str
    objective: Objective
    threads: int
    batch_size: int
    latency_ms: float
    throughput_per_s: float
    single_instance_latency_ms: float | None
    speedup: float | None
    instances: tuple[Instances, ...]
    keeps_max_latency: bool | None = None
    notes: tuple[str, ...] = ()


Configuration = tuple[str, str]


def recommend(summary: Summary, request: PlanRequest) -> Recommendation:
    """Return the best plan over all engines and allocators of the summary.

    Where no plan keeps to the bound on latency, the fastest is returned with `keeps_max_latency` false.

    Raises:
        UsageError: the engine is not in the results.
        ResultsError: the results hold several models or precisions, or nothing that makes this batch.
    """
    profiles = gather_profiles(summary, request.engine)
    if request.interpolate:
        profiles = {name: interpolate(profile) for name, profile in profiles.items()}
    found = _plans(profiles, request, request.max_latency_ms)
    bounded = None if math.isinf(request.max_latency_ms) else bool(found)
    if not found:
        found = _plans(profiles, msgspec.structs.replace(request, objective="latency"), math.inf)
    if not found:
        raise ResultsError(_impossible(profiles, request))
    name, plan = min(found.items(), key=lambda item: _rank(item[1], request.objective))
    return _recommendation(name, plan, profiles[name], request, bounded=bounded)


def gather_profiles(summary: Summary, engine: str | None = None) -> dict[Configuration, dict[tuple[int, int], float]]:
    """Return (engine, allocator) -> latency in ms by threads and batch size, of single instances that ran well.

    Raises:
        UsageError: `engine` is not in the summary.
        ResultsError: the summary holds several models or precisions, which are not one another's alternatives.
    """
    if engine is not None and engine not in summary.engines:
        raise UsageError(expected_one_of("--engine", summary.engines, engine))
    cells = [cell for cell in summary.cells if cell.instances == 1]
    _refuse_mixture([cell.key for cell in cells])
    profiles: dict[Configuration, dict[tuple[int, int], float]] = {}
    for cell in cells:
        for arm in cell.arms:
            wanted = not arm.twin and engine in (None, arm.engine)
            if wanted and arm.status == "ok" and arm.latency_ms is not None and arm.latency_ms.median > 0:
                profile = profiles.setdefault((arm.engine, cell.allocator), {})
                profile[cell.threads, cell.batch_size] = arm.latency_ms.median
    return profiles


def interpolate(profile: Profile) -> dict[tuple[int, int], float]:
    """Fill the batch sizes between two measured ones of the same thread count, on the straight line between them."""
    filled = dict(profile)
    for threads in {place[0] for place in profile}:
        sizes = sorted(size for own, size in profile if own == threads)
        for low, high in itertools.pairwise(sizes):
            start, end = profile[threads, low], profile[threads, high]
            for size in range(low + 1, high):
                filled[threads, size] = start + (end - start) * (size - low) / (high - low)
    return filled


def _plans(
    profiles: Mapping[Configuration, Profile], request: PlanRequest, max_latency_ms: float
) -> dict[Configuration, Plan]:
    plans: dict[Configuration, Plan] = {}
    for name, profile in profiles.items():
        usable = {place: latency for place, latency in profile.items() if latency <= max_latency_ms}
        search = fastest_plan if request.objective == "latency" else widest_plan
        if plan := search(usable, request.threads, request.batch_size):
            plans[name] = plan
    return plans


def _rank(plan: Plan, objective: Objective) -> tuple[float, int]:
    return (plan.latency_ms if objective == "latency" else -plan.throughput_per_s), plan.count


def _recommendation(
    name: Configuration, plan: Plan, profile: Profile, request: PlanRequest, *, bounded: bool | None
) -> Recommendation:
    single = profile.get((request.threads, request.batch_size))
    notes = [INTERPOLATED] if request.interpolate else []
    if plan.count > 1:
        notes.append(ISOLATED)
    return Recommendation(
        engine=name[0],
        allocator=name[1],
        objective=request.objective,
        threads=request.threads,
        batch_size=request.batch_size,
        latency_ms=plan.latency_ms,
        throughput_per_s=plan.throughput_per_s,
        single_instance_latency_ms=single,
        speedup=_speedup(plan, single, request) if single is not None else None,
        instances=tuple(
            Instances(threads=threads, batch_size=items, count=count)
            for (threads, items), count in plan.instances.items()
        ),
        keeps_max_latency=bounded,
        notes=tuple(notes),
    )


def _speedup(plan: Plan, single_ms: float, request: PlanRequest) -> float:
    if request.objective == "latency":
        return single_ms / plan.latency_ms
    return plan.throughput_per_s / (request.batch_size * 1000 / single_ms)


def _refuse_mixture(keys: Sequence[CellKey]) -> None:
    for what, values in (("models", {key.model for key in keys}), ("precisions", {key.precision for key in keys})):
        if len(values) > 1:
            raise ResultsError(
                f"The results hold several {what}: {', '.join(sorted(values))}. A plan is for one; give results of one."
            )


def _impossible(profiles: Mapping[Configuration, Profile], request: PlanRequest) -> str:
    places = sorted({place for profile in profiles.values() for place in profile})
    if not places:
        return "There is no latency of a single instance in the results to plan from."
    sizes = ", ".join(str(size) for size in sorted({size for _, size in places}))
    threads = ", ".join(str(count) for count in sorted({count for count, _ in places}))
    advice = "" if request.interpolate else " --interpolate fills batch sizes between measured ones."
    return (
        f"No instances of measured sizes make a batch of {request.batch_size} on {request.threads} threads. Measured "
        f"are batch sizes {sizes} on threads {threads}.{advice}"
    )
