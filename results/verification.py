"""A recommended plan against its alternatives, as they were measured in the same rounds. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from ortbench.results.contest import slices_by_name, together
from ortbench.results.plan import Instance, Plan, uniform_plans
from ortbench.results.profiles import Measured
from ortbench.results.recommendation import Instances, PlanRequest, Recommendation, as_measured
from ortbench.results.schema import RoundRecord
from ortbench.results.standings import Figure, Standings, figure, observe, ratio

Outcome = Literal["best", "same", "inconclusive", "worse", "over the bound", "failed"]

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
    def threads(self) -> int:
        """Of all instances together."""
        return sum(group.threads * group.count for group in self.instances)

    @property
    def places(self) -> list[Instance]:
        """(threads, items) of every instance."""
        return [(group.threads, group.batch_size) for group in self.instances for _ in range(group.count)]


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """What a candidate did.

    Attributes:
        measured: latency in ms of the slowest instance, or items per second of all.
        latency_ms: of the slowest instance, whatever was the objective.
        over_predicted: measured over predicted; more than 1 is slower (or more throughput) than was predicted.
        advantage: of it over the single instance, paired by round; None for that one and where it did not run.
        predicted_advantage: as it was predicted. The machine's speed on the day is in neither, as it is in `measured`.
        verdict: against the best: `same` where it is surely worse by less than the margin, `worse` where it surely is
            worse, `inconclusive` otherwise; `over the bound` where its latency is longer than was allowed.
    """

    candidate: Candidate
    measured: Figure | None = None
    latency_ms: Figure | None = None
    over_predicted: Figure | None = None
    advantage: Figure | None = None
    predicted_advantage: float | None = None
    verdict: Outcome = "failed"
    reason: str | None = None


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of `ortbench plan --verify`.

    Attributes:
        state: `complete` or `interrupted`.
        best: the name of the candidate that won in measurement; None where none ran, or none kept the bound.
        chosen: what to run: of the best and those that are the same, the one with the fewest instances.
        confirmed: the recommended plan is the best, or not shown to be worse.
        notes: what else is to be known.
    """

    state: str = "complete"
    best: str | None
    chosen: str | None
    confirmed: bool
    objective: str
    launches: int
    rounds: int
    candidates: tuple[Verified, ...]
    notes: tuple[str, ...] = ()


def candidates(found: Recommendation, measured: Measured, request: PlanRequest) -> list[Candidate]:
    """Return the recommended plan, the best uniform alternatives, and the single instance."""
    recommended = Candidate(
        name=_name(found.instances),
        instances=found.instances,
        predicted=found.latency_ms if found.objective == "latency" else found.throughput_per_s,
        recommended=True,
        single=_is_single(found.instances, request),
    )
    filled = measured.interpolated(request.batch_size) if request.interpolate else measured
    profile = filled.beside_others(request.objective) | as_measured(filled, request)
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


def verify(  # noqa: PLR0913 - what was seen, of what was asked, and how it ended
    tried: Sequence[Candidate],
    rounds: Sequence[RoundRecord],
    failures: Mapping[str, str],
    request: PlanRequest,
    notes: Sequence[str] = (),
    *,
    interrupted: bool = False,
) -> Verification:
    """Return who won.

    Figures hold for all candidates together in 95 %, and so do the differences of all pairs of them, and with these
    those from the one that is chosen by the same rounds.

    Args:
        tried: the candidates.
        rounds: of all of them; `engine` is the candidate's name.
        failures: name -> why it could not take part.
        request: what was planned.
        notes: what else is to be known.
        interrupted: it ended early.
    """
    tally = _Tally(tried, [line for line in rounds if line.engine not in failures], request)
    winner = tally.winner()
    verified = tuple(
        tally.verified(one, winner)
        if one.name in tally.ran
        else Verified(candidate=one, reason=failures.get(one.name, "it was never its turn"))
        for one in tried
    )
    equal = [one for one in verified if one.verdict in ("best", "same")]
    fewest = min(equal, key=lambda one: (one.candidate.count, one.verdict != "best"), default=None)
    recommended = next(one for one in verified if one.candidate.recommended)
    return Verification(
        state="interrupted" if interrupted else "complete",
        best=winner,
        chosen=fewest.candidate.name if fewest else None,
        confirmed=recommended.verdict in ("best", "same", "inconclusive"),
        objective=request.objective,
        launches=len({line.launch for line in rounds}),
        rounds=len({(line.launch, line.round) for line in rounds}),
        candidates=verified,
        notes=(*notes, *tally.notes(winner)),
    )


class _Tally:
    """The candidates that ran, on one scale for the objective and one for latency."""

    def __init__(self, tried: Sequence[Candidate], rounds: Sequence[RoundRecord], request: PlanRequest) -> None:
        items = {one.name: sum(size for _, size in one.places) for one in tried}
        slices = slices_by_name(rounds, request.objective, items)
        self._request = request
        self.ran = [one.name for one in tried if one.name in slices]
        self._confidence = together(len(self.ran))
        # Who wins is not known beforehand: the differences of all pairs hold together, and so those from the winner.
        self._of_pairs = together(math.comb(len(self.ran), 2))
        self._standings = Standings(observe(slices))
        self._latencies = Standings(observe(slices_by_name(rounds, "latency", items)))
        self._single = next((one for one in tried if one.single and one.name in slices), None)

    def winner(self) -> str | None:
        """Return the best of those that keep the bound on latency."""
        able = [name for name in self.ran if self._keeps(name)]
        return min(able, key=self._standings.value, default=None)

    def notes(self, winner: str | None) -> list[str]:
        """Say where the bound on latency is kept by the figure, but not by its interval."""
        bound = math.log(self._request.max_latency_ms * 1e6)
        if winner is None or self._latencies.usual.interval(winner, self._confidence)[1] <= bound:
            return []
        return [f"the interval of the latency of {winner} reaches beyond --max-latency"]

    def verified(self, one: Candidate, winner: str | None) -> Verified:
        """Return what one that ran did."""
        own = figure(self._standings, one.name, self._request.objective, self._confidence)
        single = self._single if self._single and self._single.name != one.name else None
        return Verified(
            candidate=one,
            measured=own,
            latency_ms=figure(self._latencies, one.name, "latency", self._confidence),
            over_predicted=_over(own, one.predicted),
            advantage=ratio(self._standings, one.name, single.name, self._of_pairs) if single else None,
            predicted_advantage=_predicted_advantage(one, single, self._request.objective) if single else None,
            verdict=self._verdict(one.name, winner),
        )

    def _keeps(self, name: str) -> bool:
        return self._latencies.value(name) <= math.log(self._request.max_latency_ms * 1e6)

    def _verdict(self, name: str, winner: str | None) -> Outcome:
        if winner is None or not self._keeps(name):
            return "over the bound"
        if name == winner:
            return "best"
        low, high = self._standings.difference(name, winner, self._of_pairs)
        if high <= math.log1p(self._request.margin):
            return "same"
        return "worse" if low > 0 else "inconclusive"


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


def _predicted_advantage(one: Candidate, single: Candidate, objective: str) -> float | None:
    if not one.predicted or not single.predicted:
        return None
    return single.predicted / one.predicted if objective == "latency" else one.predicted / single.predicted


def _over(measured: Figure, predicted: float | None) -> Figure | None:
    if not predicted or math.isinf(predicted):
        return None
    low, high = measured.ci95
    return Figure(value=measured.value / predicted, ci95=(low / predicted, high / predicted))
