"""A recommended plan against its alternatives, as they were measured in the same rounds. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from ortbench.results.contest import absolute, advantage, beaten, best, slices_by_name
from ortbench.results.plan import Instance, Plan, uniform_plans
from ortbench.results.profiles import Measured
from ortbench.results.ratio import Ratio, ratio_of
from ortbench.results.recommendation import Instances, PlanRequest, Recommendation
from ortbench.results.schema import RoundRecord
from ortbench.results.statistics import LogEstimate

_NS_PER_MS = 1e6
_NS_PER_S = 1e9
# Beside the recommended plan and the single instance.
_ALTERNATIVES = 3


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """One way to divide threads and batch.

    Attributes:
        name: e.g. `2 x 1 thread x batch 8`.
        predicted: latency in ms, or items per second where throughput counts; None where nothing was measured.
        recommended: it is what the plan recommends; single: one instance with all threads and the whole batch.
    """

    name: str
    instances: tuple[Instances, ...]
    predicted: float | None
    recommended: bool = False
    single: bool = False

    @property
    def count(self) -> int:
        """How many instances."""
        return sum(group.count for group in self.instances)

    @property
    def places(self) -> list[Instance]:
        """(threads, items) of every instance."""
        return [(group.threads, group.batch_size) for group in self.instances for _ in range(group.count)]


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """What a candidate did.

    Attributes:
        measured: latency in ms of the slowest instance, or items per second of all.
        over_predicted: measured over predicted; more than 1 is slower (or more throughput) than was predicted.
        advantage: of it over the single instance, paired by round; None for that one and where it did not run.
        verdict: `best`, `as good` (not told apart from the best), `worse`, or `failed`.
    """

    candidate: Candidate
    measured: Ratio | None = None
    over_predicted: Ratio | None = None
    advantage: Ratio | None = None
    verdict: str = "failed"
    reason: str | None = None


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of `ortbench plan --verify`.

    Attributes:
        best: the name of the candidate that won in measurement; None where none ran.
        chosen: what to run: of the candidates that are not told apart from the best, the one with the fewest
            instances, and of these the best.
        confirmed: the recommended plan is the best, or not told apart from it.
    """

    best: str | None
    chosen: str | None
    confirmed: bool
    objective: str
    launches: int
    rounds: int
    candidates: tuple[Verified, ...]


def candidates(found: Recommendation, measured: Measured, request: PlanRequest) -> list[Candidate]:
    """Return the recommended plan, the best uniform alternatives, and the single instance."""
    recommended = Candidate(
        name=_name(found.instances),
        instances=found.instances,
        predicted=found.latency_ms if found.objective == "latency" else found.throughput_per_s,
        recommended=True,
        single=_is_single(found.instances, request),
    )
    profile = measured.beside_others(request.objective)
    uniform = uniform_plans(profile, request.threads, request.batch_size)
    others = [_candidate(plan, request) for plan in _ranked(uniform, request) if plan.count > 1]
    single = Candidate(
        name=_name(_single(request)),
        instances=_single(request),
        predicted=_predicted(found.single_instance_latency_ms, request),
        single=True,
    )
    unlike = [other for other in others if other.name != recommended.name][:_ALTERNATIVES]
    return [recommended, *unlike, *([] if recommended.single else [single])]


def verify(
    tried: Sequence[Candidate], rounds: Sequence[RoundRecord], failures: Mapping[str, str], objective: str
) -> Verification:
    """Return who won.

    Args:
        tried: the candidates.
        rounds: of all of them; `engine` is the candidate's name.
        failures: name -> why it could not take part.
        objective: `latency` or `throughput`.
    """
    items = {one.name: sum(size for _, size in one.places) for one in tried}
    slices = slices_by_name([line for line in rounds if line.engine not in failures], objective, items)
    winner = best(slices)
    single = next((one.name for one in tried if one.single), None)
    good = [one for one in tried if one.name in slices]
    equal = [one.name for one in good if winner and not beaten(advantage(slices, winner, one.name))]
    verified = tuple(
        Verified(
            candidate=one,
            measured=figure(absolute(slices[one.name]), objective),
            over_predicted=_over(absolute(slices[one.name]), one.predicted, objective),
            advantage=ratio_of(advantage(slices, one.name, single)) if single and single != one.name else None,
            verdict="best" if one.name == winner else "as good" if one.name in equal else "worse",
        )
        if one in good
        else Verified(candidate=one, reason=failures.get(one.name, "it was never its turn"))
        for one in tried
    )
    fewest = sorted((one for one in good if one.name in equal), key=lambda one: (one.count, one.name != winner))
    recommended = next(one.name for one in tried if one.recommended)
    return Verification(
        best=winner,
        chosen=fewest[0].name if fewest else None,
        confirmed=recommended in equal,
        objective=objective,
        launches=len({line.launch for line in rounds}),
        rounds=len({(line.launch, line.round) for line in rounds}),
        candidates=verified,
    )


def _single(request: PlanRequest) -> tuple[Instances, ...]:
    return (Instances(threads=request.threads, batch_size=request.batch_size, count=1),)


def _is_single(instances: Sequence[Instances], request: PlanRequest) -> bool:
    return tuple(instances) == _single(request)


def _candidate(plan: Plan, request: PlanRequest) -> Candidate:
    instances = tuple(
        Instances(threads=threads, batch_size=size, count=count) for (threads, size), count in plan.instances.items()
    )
    predicted = plan.latency_ms if request.objective == "latency" else plan.throughput_per_s
    return Candidate(name=_name(instances), instances=instances, predicted=predicted)


def _ranked(plans: Iterable[Plan], request: PlanRequest) -> list[Plan]:
    if request.objective == "latency":
        return sorted(plans, key=lambda plan: (plan.latency_ms, plan.count))
    return sorted(plans, key=lambda plan: (-plan.throughput_per_s, plan.count))


def _predicted(single_ms: float | None, request: PlanRequest) -> float | None:
    if single_ms is None or request.objective == "latency":
        return single_ms
    return request.batch_size * 1000 / single_ms


def _name(instances: Sequence[Instances]) -> str:
    return " + ".join(
        f"{group.count} x {group.threads} thread{'s' if group.threads > 1 else ''} x batch {group.batch_size}"
        for group in instances
    )


def figure(estimate: LogEstimate | None, objective: str) -> Ratio | None:
    """Return an estimate in ns a batch as ms, or one in ns an item as items per second."""
    if estimate is None:
        return None
    interval = estimate.interval()
    if objective == "latency":
        bounds = (interval[0] / _NS_PER_MS, interval[1] / _NS_PER_MS) if interval else None
        return Ratio(value=estimate.value / _NS_PER_MS, ci95=bounds)
    return Ratio(
        value=_NS_PER_S / estimate.value,
        ci95=(_NS_PER_S / interval[1], _NS_PER_S / interval[0]) if interval else None,
    )


def _over(estimate: LogEstimate | None, predicted: float | None, objective: str) -> Ratio | None:
    own = figure(estimate, objective)
    if own is None or not predicted or math.isinf(predicted):
        return None
    bounds = (own.ci95[0] / predicted, own.ci95[1] / predicted) if own.ci95 else None
    return Ratio(value=own.value / predicted, ci95=bounds)
