"""What a race came to: the best configuration, what was ruled out and by what, and how sure that is. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from ortbench.results.contest import absolute, slices_by_name
from ortbench.results.profiles import Objective
from ortbench.results.race import (
    Ruling,
    Setting,
    Slices,
    latency_ruling,
    leader_of,
    memory_ruling,
    most_to_gain,
    paired_ruling,
    told_apart,
    unpaired_ruling,
)
from ortbench.results.ratio import Ratio
from ortbench.results.schema import RoundRecord
from ortbench.results.verification import figure

# Closer than this two configurations are as good as each other, and the time is better spent.
ENOUGH = 0.01


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """What a configuration must keep to."""

    max_latency_ms: float | None = None
    max_memory_mib: float | None = None


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """One configuration of the race.

    Attributes:
        state: `best`, `kept` (never ruled out), `ruled out`, or `not tried`.
        memory_mib: the largest that its processes used together.
    """

    setting: Setting
    state: str
    throughput_per_s: Ratio | None = None
    latency_ms: Ratio | None = None
    memory_mib: float | None = None
    launches: int = 0
    rounds: int = 0
    ruling: Ruling | None = None


class Tuning(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of `ortbench tune`.

    Attributes:
        best: None where nothing keeps to the bounds.
        at_most_better: by what factor any configuration that was not ruled out could still be better than the best, by
            the paired 95 % intervals; infinite (null in JSON) where one never ran in the same rounds.
        seconds: used, launches included.
    """

    objective: Objective
    bounds: Bounds
    best: Setting | None
    at_most_better: float | None
    seconds: float
    launches: int
    trials: tuple[Trial, ...]

    def trial(self, setting: Setting) -> Trial:
        """Return what became of one configuration."""
        return next(trial for trial in self.trials if trial.setting == setting)


@dataclass
class Race:
    """A race under way: every slice so far, and who is out.

    Attributes:
        rounds: `engine` is a setting's name.
        memory_mib: of those that were made ready, by name.
    """

    settings: Sequence[Setting]
    objective: Objective
    bounds: Bounds
    rounds: list[RoundRecord] = field(default_factory=list)
    memory_mib: dict[str, float] = field(default_factory=dict)
    out: dict[str, Ruling] = field(default_factory=dict)

    def add(self, rounds: Sequence[RoundRecord], memory_mib: Mapping[str, float], failures: Mapping[str, str]) -> None:
        """Take what a launch gave, and rule out what it shows to be worse."""
        self.rounds += rounds
        for name, value in memory_mib.items():
            self.memory_mib[name] = max(value, self.memory_mib.get(name, 0.0))
        for name, reason in failures.items():
            self.out.setdefault(name, Ruling(kind="failed", reason=reason))
        self._rule_by_bounds()
        self._rule_by_leader()

    @property
    def slices(self) -> Slices:
        """By the objective: ns a batch or ns an item; see `results/contest.py`."""
        return self._slices(self.objective)

    @property
    def running(self) -> list[str]:
        """Those that ran and are not ruled out."""
        ran = self.slices
        return [one.name for one in self.settings if one.name in ran and one.name not in self.out]

    @property
    def leader(self) -> str | None:
        """The best of these so far."""
        return leader_of(self.slices, self.running)

    def challengers(self) -> list[str]:
        """Return who must still run against the leader: not yet told apart well enough; fewest launches first."""
        slices, leader = self.slices, self.leader
        if leader is None:
            return []
        figures = {name: estimate.center for name in self.running if (estimate := absolute(slices[name]))}
        open_ones = [name for name in self.running if name != leader and not told_apart(slices, leader, name, ENOUGH)]
        launches = {name: len({launch for launch, _ in slices[name]}) for name in open_ones}
        return sorted(open_ones, key=lambda name: (launches[name], figures[name]))

    def conclude(self, seconds: float) -> Tuning:
        """Return the answer as things stand."""
        slices, leader = self.slices, self.leader
        latencies = self._slices("latency")
        best = next((one for one in self.settings if one.name == leader), None)
        others = [name for name in self.running if name != leader]
        gain = most_to_gain(slices, leader, others) if leader else None
        return Tuning(
            objective=self.objective,
            bounds=self.bounds,
            best=best,
            at_most_better=None if gain is None or math.isinf(gain) else gain,
            seconds=seconds,
            launches=len({line.launch for line in self.rounds}),
            trials=tuple(self._trial(one, best, latencies) for one in self.settings),
        )

    def _slices(self, objective: str) -> Slices:
        return slices_by_name(self.rounds, objective, {one.name: one.items for one in self.settings})

    def _rule_by_bounds(self) -> None:
        latencies = self._slices("latency")
        for name in self.running:
            found = None
            if self.bounds.max_latency_ms is not None:
                found = latency_ruling(absolute(latencies.get(name, {})), self.bounds.max_latency_ms)
            if found is None and self.bounds.max_memory_mib is not None:
                found = memory_ruling(self.memory_mib.get(name), self.bounds.max_memory_mib)
            if found is not None:
                self.out[name] = found

    def _rule_by_leader(self) -> None:
        slices, leader = self.slices, self.leader
        for name in self.running if leader else ():
            if name == leader or leader is None:
                continue
            together = slices[name].keys() & slices[leader].keys()
            rule = paired_ruling if together else unpaired_ruling
            if found := rule(slices, leader, name):
                self.out[name] = found

    def _trial(self, one: Setting, best: Setting | None, latencies: Slices) -> Trial:
        own = [line for line in self.rounds if line.engine == one.name]
        throughputs = self._slices("throughput").get(one.name, {})
        ruling = self.out.get(one.name)
        return Trial(
            setting=one,
            state="best" if one == best else "ruled out" if ruling else "kept" if own else "not tried",
            throughput_per_s=figure(absolute(throughputs), "throughput"),
            latency_ms=figure(absolute(latencies.get(one.name, {})), "latency"),
            memory_mib=self.memory_mib.get(one.name),
            launches=len({line.launch for line in own}),
            rounds=len(own),
            ruling=ruling,
        )
