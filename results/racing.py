"""A race under way: every slice so far, who leads, who is out, who must still run. Pure but for its own state."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ortbench.results.contest import SlicesOfOne, slices_by_name, together
from ortbench.results.profiles import OBJECTIVES, Objective
from ortbench.results.race import Ruling, Setting, latency_ruling, memory_ruling, rival_ruling
from ortbench.results.schema import RoundRecord, RunState
from ortbench.results.screening import PROMISING, predict
from ortbench.results.standings import Standings, figure, observe
from ortbench.results.tuning import Bounds, Trial, Tuning

# Who cannot be more than this better than the leader need not run against it again.
ENOUGH = math.log(1.02)
# Who is this close to a bound on latency is not run for ever to know on which side.
_LAUNCHES_TO_KNOW = 6
_NS_PER_MS = 1e6


@dataclass
class Race:
    """What is known of every setting.

    Attributes:
        took: objective -> setting's name -> (launch, round) -> ns; smaller is better.
        standings: objective -> everybody that ran, on one scale; empty before anybody did.
        memory_mib: of those that were made ready, by name.
        out: why each that is out is out.
        leader: of those that keep the bounds, the one with the best figure, where little is known taken less well.
    """

    settings: Sequence[Setting]
    objective: Objective
    bounds: Bounds = field(default_factory=Bounds)
    took: dict[str, dict[str, SlicesOfOne]] = field(default_factory=lambda: {name: {} for name in OBJECTIVES})
    standings: dict[str, Standings] = field(default_factory=dict)
    memory_mib: dict[str, float] = field(default_factory=dict)
    out: dict[str, Ruling] = field(default_factory=dict)
    leader: str | None = None

    def add(self, rounds: Sequence[RoundRecord], memory_mib: Mapping[str, float], failures: Mapping[str, str]) -> None:
        """Take what a launch or a part of it gave, and rule out what it shows to be worse.

        Args:
            rounds: `engine` is a setting's name.
            memory_mib: by name.
            failures: name -> why it cannot run.
        """
        items = {one.name: one.items for one in self.settings}
        for objective, known in self.took.items():
            for name, slices in slices_by_name(rounds, objective, items).items():
                known.setdefault(name, {}).update(slices)
        self.standings = {objective: Standings(observe(known)) for objective, known in self.took.items() if known}
        for name, value in memory_mib.items():
            self.memory_mib[name] = max(value, self.memory_mib.get(name, 0.0))
        # Who fails stays out. All else is decided anew by all rounds so far: what ruled one out may no longer hold, or
        # whoever beat it may have failed.
        self.out = {name: ruling for name, ruling in self.out.items() if ruling.kind == "failed"}
        self.out |= {name: Ruling(kind="failed", reason=reason) for name, reason in failures.items()}
        self._rule_by_bounds()
        self._choose_leader()
        self._rule_by_leader()

    @property
    def slices(self) -> dict[str, SlicesOfOne]:
        """What the objective counts, of everybody that ran."""
        return self.took[self.objective]

    @property
    def running(self) -> list[str]:
        """Those that ran and are not out."""
        return [one.name for one in self.settings if one.name in self.slices and one.name not in self.out]

    @property
    def untried(self) -> list[Setting]:
        """Those that neither ran nor failed."""
        return [one for one in self.settings if one.name not in self.slices and one.name not in self.out]

    def predicted(self) -> dict[str, float]:
        """Return name -> the logarithm of what it takes, measured or predicted; empty before anything ran."""
        figures = {name: self._own.value(name) for name in self.slices}
        return predict(self.settings, figures) if figures else {}

    def promising(self) -> list[Setting]:
        """Return those not tried that are predicted to be not much worse than the leader; all where there is none."""
        if self.leader is None:
            return self.untried
        predicted = self.predicted()
        reach = predicted[self.leader] + PROMISING
        return [one for one in self.untried if predicted[one.name] <= reach]

    def challengers(self) -> list[str]:
        """Return who must still run against the leader: those first that could be the most better.

        Running the leader and whoever could beat it by most is LUCB: Kalyanakrishnan and others, "PAC subset selection
        in stochastic multi-armed bandits", ICML 2012.
        """
        others = [name for name in self.running if name != self.leader]
        if self.leader is None:
            # Nothing is known to keep the bound; who might is to be known better.
            return sorted((name for name in others if not self._known(name)), key=self._latency_ms)
        gains = {name: self._possible_gain(name, len(others)) for name in others}
        able = [name for name in others if self._keeps_latency(name) or not self._known(name)]
        return sorted((name for name in able if gains[name] > ENOUGH), key=lambda name: -gains[name])

    def conclude(self, model: str, seconds: float, again: Sequence[str] = (), state: RunState = "complete") -> Tuning:
        """Return the answer as things stand."""
        gains, predicted = self._gains(), self.predicted()
        return Tuning(
            state=state,
            model=model,
            objective=self.objective,
            bounds=self.bounds,
            best=self.best,
            at_most_better=max([1.0, *gains.values()]) if self.leader else None,
            seconds=round(seconds, 3),
            launches=len({launch for slices in self.slices.values() for launch, _ in slices}),
            trials=tuple(self._trial(one, gains, predicted) for one in self.settings),
            again=tuple(again),
        )

    @property
    def best(self) -> Setting | None:
        """The leader's setting."""
        return next((one for one in self.settings if one.name == self.leader), None)

    @property
    def _own(self) -> Standings:
        return self.standings[self.objective]

    def _choose_leader(self) -> None:
        able = [name for name in self.running if self._keeps_latency(name)]
        self.leader = min(able, key=lambda name: self._own.value(name) + self._own.error(name), default=None)

    def _gains(self) -> dict[str, float]:
        """Return how many times better than the leader each of the others could be, for all of them together.

        Also of those whose latency may lie on either side of a bound.
        """
        others = [name for name in self.running if name != self.leader]
        return {name: math.exp(self._possible_gain(name, len(others))) for name in others} if self.leader else {}

    def _possible_gain(self, name: str, comparisons: int) -> float:
        """Return the logarithm of how many times better than the leader one could at most be; at least 0."""
        assert self.leader is not None, "it is compared with the leader"
        return max(0.0, -self._own.difference(name, self.leader, together(comparisons))[0])

    def _known(self, name: str) -> bool:
        return len({launch for launch, _ in self.slices[name]}) >= _LAUNCHES_TO_KNOW

    def _latency_ms(self, name: str) -> float:
        return math.exp(self.standings["latency"].value(name)) / _NS_PER_MS

    def _keeps_latency(self, name: str) -> bool:
        bound = self.bounds.max_latency_ms
        return bound is None or self._latency_ms(name) <= bound

    def _rule_by_bounds(self) -> None:
        for name in self.running:
            found = None
            if self.bounds.max_latency_ms is not None:
                found = latency_ruling(self.standings["latency"], name, self.bounds.max_latency_ms)
            if found is None and self.bounds.max_memory_mib is not None and name in self.memory_mib:
                found = memory_ruling(self.memory_mib[name], self.bounds.max_memory_mib)
            if found is not None:
                self.out[name] = found

    def _rule_by_leader(self) -> None:
        leader = self.leader
        if leader is None:
            return
        for name in self.running:
            met = bool(self.slices[name].keys() & self.slices[leader].keys())
            if name != leader and (found := rival_ruling(self._own, leader, name, met=met)):
                self.out[name] = found

    def _trial(self, one: Setting, gains: Mapping[str, float], predicted: Mapping[str, float]) -> Trial:
        slices, ruling = self.slices.get(one.name, {}), self.out.get(one.name)
        untried = ruling is None and not slices
        return Trial(
            setting=one,
            state=self._state(one.name),
            throughput_per_s=figure(self.standings["throughput"], one.name, "throughput") if slices else None,
            latency_ms=figure(self.standings["latency"], one.name, "latency") if slices else None,
            memory_mib=self.memory_mib.get(one.name),
            launches=len({launch for launch, _ in slices}),
            rounds=len(slices),
            possible_gain=gains.get(one.name),
            predicted_ratio=math.exp(predicted[one.name] - predicted[self.leader]) if untried and self.leader else None,
            ruling=ruling,
        )

    def _state(self, name: str) -> str:
        if ruling := self.out.get(name):
            return "failed" if ruling.kind == "failed" else "ruled out"
        if name == self.leader:
            return "best"
        return "kept" if name in self.slices else "not tried"
