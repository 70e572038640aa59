"""What to run: the best plan that a summary's latencies allow, over its engines and allocators. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec

from ortbench.errors import ResultsError, UsageError
from ortbench.results.plan import Instance, Plan, Profile, fastest_plan, plan_of
from ortbench.results.plan_throughput import widest_plan
from ortbench.results.profiles import Configuration, Measured, Objective, gather_profiles
from ortbench.results.summary import Summary
from ortbench.results.verdicts import DEFAULT_MARGIN

ISOLATED = (
    "some latencies were measured one instance at a time: instances that run together share caches and memory, and "
    "may be slower than this (--verify measures it)"
)
TOGETHER = "the latencies of several instances are of instances that were measured while others ran beside them"
INTERPOLATED = (
    "--interpolate: between two measured batch sizes of the same thread count, latency is assumed to lie on the "
    "straight line between them; nothing is assumed beyond them, nor between thread counts"
)
# More threads than any machine has, and more items than anybody puts in a batch.
MOST_THREADS, MOST_ITEMS = 4096, 1 << 16
# Threads times batch size: the search takes some tens of seconds there, for throughput its square.
LARGEST_TABLE: dict[Objective, int] = {"latency": 1 << 21, "throughput": 1 << 18}


class PlanRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be planned.

    Attributes:
        threads: at most so many, over all instances.
        batch_size: exactly so many items, over all instances.
        objective: `latency` of the slowest instance, or `throughput` of all, each running its own batches.
        max_latency_ms: of every instance.
        engine: only this one; None for the best of all.
        interpolate: fill batch sizes between measured ones.
        margin: for a verification, by how much less than the best something may do and still be the same.
    """

    threads: int
    batch_size: int
    objective: Objective = "latency"
    max_latency_ms: float = math.inf
    engine: str | None = None
    interpolate: bool = False
    margin: float = DEFAULT_MARGIN


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


def recommend(summary: Summary, request: PlanRequest) -> Recommendation:
    """Return the best plan over all engines and allocators of the summary.

    Where no plan keeps to the bound on latency, the fastest is returned with `keeps_max_latency` false.

    Raises:
        UsageError: the engine is not in the results.
        ResultsError: the results hold several models or precisions, or nothing that makes this batch.
    """
    profiles = gather_profiles(summary, request.engine)
    check_extent(request)
    filled = (
        {name: one.interpolated(request.batch_size) for name, one in profiles.items()}
        if request.interpolate
        else profiles
    )
    objective = request.objective
    found = _plans(filled, request, request.max_latency_ms)
    bounded = None if math.isinf(request.max_latency_ms) else bool(found)
    if not found:
        objective = "latency"
        found = _plans(filled, msgspec.structs.replace(request, objective=objective), math.inf)
    if not found:
        raise ResultsError(_impossible(filled, request))
    name, plan = min(found.items(), key=lambda item: _rank(item[1], objective))
    return _recommendation(name, plan, profiles[name], request, bounded=bounded)


def check_extent(request: PlanRequest) -> None:
    """Refuse what no machine has and what an exact search would take hours and all memory for.

    Raises:
        UsageError: threads or batch size are too many.
    """
    for option, wanted, most in (
        ("--threads", request.threads, MOST_THREADS),
        ("--batch-size", request.batch_size, MOST_ITEMS),
    ):
        if wanted > most:
            raise UsageError(f"Expected {option} to be at most {most}, but got {wanted}.")
    table = request.threads * request.batch_size
    most = LARGEST_TABLE[request.objective]
    if table > most:
        raise UsageError(
            f"A plan for {request.objective} looks at every number of threads with every batch size, and at most "
            f"{most} of them: {request.threads} threads with a batch size of {request.batch_size} are {table}. Plan "
            "for a part of the threads and of the batch."
        )


def _plans(
    profiles: Mapping[Configuration, Measured], request: PlanRequest, max_latency_ms: float
) -> dict[Configuration, Plan]:
    plans = {name: best_plan(measured, request, max_latency_ms) for name, measured in profiles.items()}
    return {name: plan for name, plan in plans.items() if plan}


def best_plan(measured: Measured, request: PlanRequest, max_latency_ms: float = math.inf) -> Plan | None:
    """Return the best plan of one engine with one allocator; None where there is none.

    Several instances are planned from what they take beside others, where that was measured; equal ones that were
    measured in just that number from what they took there; a single one from what it takes alone.
    """

    def within(profile: Profile) -> dict[Instance, float]:
        return {place: latency for place, latency in profile.items() if latency <= max_latency_ms}

    search = fastest_plan if request.objective == "latency" else widest_plan
    # What makes the whole batch by itself has no company.
    parts = {
        place: latency
        for place, latency in within(measured.beside_others(request.objective)).items()
        if place[1] < request.batch_size
    }
    several = search(parts, request.threads, request.batch_size)
    uniform = as_measured(measured, request)
    # Where equal instances were measured in just this number, that counts, whether it is more or less.
    known = several and len(several.instances) == 1 and several.instances.keys() <= uniform.keys()
    plans = [several] if several and not known else []
    plans += [plan_of(uniform, [place] * (request.batch_size // place[1])) for place in within(uniform)]
    whole = [place for place in within(measured.alone) if place[1] == request.batch_size]
    plans += [plan_of(measured.alone, [place]) for place in whole if place[0] <= request.threads]
    return min(plans, key=lambda plan: _rank(plan, request.objective), default=None)


def as_measured(measured: Measured, request: PlanRequest) -> dict[Instance, float]:
    """Return the places that make the batch in equal instances, and what just so many were measured to take."""
    return {
        place: latency
        for (place, count), latency in measured.together(request.objective).items()
        if place[1] * count == request.batch_size and place[0] * count <= request.threads
    }


def _rank(plan: Plan, objective: Objective) -> tuple[float, int]:
    return (plan.latency_ms if objective == "latency" else -plan.throughput_per_s), plan.count


def _recommendation(
    name: Configuration, plan: Plan, measured: Measured, request: PlanRequest, *, bounded: bool | None
) -> Recommendation:
    single = measured.alone.get((request.threads, request.batch_size))
    notes = [INTERPOLATED] if request.interpolate else []
    if plan.count > 1:
        together = plan.instances.keys() <= measured.divided.keys() | measured.streaming.keys()
        notes.append(TOGETHER if together else ISOLATED)
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


def _impossible(profiles: Mapping[Configuration, Measured], request: PlanRequest) -> str:
    places = sorted({place for measured in profiles.values() for place in measured.beside_others(request.objective)})
    if not places:
        return "There is no latency in the results to plan from."
    sizes = ", ".join(str(size) for size in sorted({size for _, size in places}))
    threads = ", ".join(str(count) for count in sorted({count for count, _ in places}))
    advice = "" if request.interpolate else " --interpolate fills batch sizes between measured ones."
    return (
        f"No instances of measured sizes make a batch of {request.batch_size} on {request.threads} threads. Measured "
        f"are batch sizes {sizes} on threads {threads}.{advice}"
    )
