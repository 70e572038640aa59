"""A machine on which every configuration's true time is known: processes differ, spells and bursts come and go."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from ortbench.results.race import Setting
from ortbench.results.schema import RoundRecord
from ortbench.runner.costs import min_rounds

# As measured on a shared machine of two CPUs (docs/statistics.md).
LAUNCH_SPREAD = 0.007
PAIR_SPREAD = 0.02
SPELL_SPREAD = 0.06
BURSTS = 0.05
BUSY_EVERY_S, BUSY_S = 200.0, 15.0


@dataclass
class SimulatedHeat:
    """One launch."""

    track: SimulatedTrack
    number: int
    bias: dict[str, float]
    start_s: float
    rounds: list[RoundRecord] = field(default_factory=list)
    memory_mib: dict[str, float] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    crowded: set[str] = field(default_factory=set)

    def run(self, stage: Sequence[Setting], seconds: float, deadline: float) -> None:
        track = self.track
        able: list[Setting] = []
        self.failures |= {one.name: track.failing[one.name] for one in stage if one.name in track.failing}
        for one in stage:
            if one.name in track.failing or track.now >= deadline:
                continue
            if len(self.bias) > max(2, track.fitting) <= len(able):
                self.crowded.add(one.name)
                continue
            able.append(one)
            self.memory_mib[one.name] = track.memory_mib.get(one.name, 100.0)
            # The cold call, two to warm up, one for the busy threads.
            track.now += 4 * track.call_s(one)
        began, count = track.now, 0
        # As a bout's rounds are: past the deadline none begins but the first.
        while able:
            spent = track.now - began
            typical = spent / count if count else 0.0
            enough = count >= max(2, min_rounds(typical)) and spent + typical / 2 > seconds
            if enough or (count and track.now + typical > deadline):
                return
            track.round += 1
            count += 1
            self.rounds += [self._slice(one) for one in able]

    def _slice(self, one: Setting) -> RoundRecord:
        track, chance = self.track, self.track.chance
        noise = self.bias[one.family] + chance.gauss(0, PAIR_SPREAD / math.sqrt(2)) + track.spell()
        if chance.random() < BURSTS:
            noise += math.log(chance.uniform(1.2, 3))
        calls = max(1, round(0.02 / track.call_s(one)))
        took_ns = round(track.call_s(one) * math.exp(noise) * 1e9)
        track.now += calls * took_ns / 1e9 + 0.002
        return RoundRecord(
            cell="", launch=self.number, round=track.round, position=0, engine=one.name, started_s=track.now,
            samples_ns=(took_ns,) * calls, wall_ns=took_ns * calls, items=float(one.items * calls),
        )  # fmt: skip


class SimulatedTrack:
    """Runs heats in no time."""

    def __init__(
        self,
        item_ms: Mapping[str, float],
        seed: int,
        *,
        failing: Mapping[str, str] | None = None,
        memory_mib: Mapping[str, float] | None = None,
        start_s: Mapping[str, float] | None = None,
        fitting: int = 6,
    ) -> None:
        """Take what is true.

        Args:
            item_ms: setting's name -> ms that an item takes, all instances together.
            seed: of all chance.
            failing: setting's name -> why it fails.
            memory_mib: by the setting's name.
            start_s: engine -> what a process takes to start.
            fitting: how many settings have room beside each other, which nobody knows beforehand.
        """
        self.item_ms = item_ms
        self.failing = failing or {}
        self.memory_mib = memory_mib or {}
        self.start_s = start_s or {}
        self.fitting = fitting
        self.chance = random.Random(seed)
        self.now = 0.0
        self.round = 0
        self.heats = 0
        self._spell, self._spell_at = self.chance.gauss(0, SPELL_SPREAD), 0.0
        # Another program's quarter of a minute, now and then.
        self._busy_until, self._busy = 0.0, 0.0

    def clock(self) -> float:
        return self.now

    def together(self, largest_mib: float | None) -> int:
        del largest_mib
        return 6

    @contextmanager
    def heat(self, groups: Sequence[Sequence[Setting]]) -> Iterator[SimulatedHeat]:
        self.heats += 1
        began = self.now
        # Two processes load at a time.
        self.now += sum(self.start_s.get(own[0].engine, 0.5) * own[0].instances for own in groups) / 2
        bias = {own[0].family: self.chance.gauss(0, LAUNCH_SPREAD) for own in groups}
        yield SimulatedHeat(self, self.heats, bias, self.now - began)

    def call_s(self, one: Setting) -> float:
        return self.item_ms[one.name] * one.items / 1000

    def spell(self) -> float:
        """Return how slow the machine is: correlated over three seconds, with a spread of 6 %, at times more."""
        passed = self.now - self._spell_at
        if self.chance.random() < 1 - math.exp(-passed / BUSY_EVERY_S):
            self._busy_until, self._busy = self.now + BUSY_S, math.log(self.chance.uniform(1.3, 2.5))
        kept = math.exp(-passed / 3)
        self._spell = kept * self._spell + math.sqrt(1 - kept**2) * self.chance.gauss(0, SPELL_SPREAD)
        self._spell_at = self.now
        return self._spell + (self._busy if self.now < self._busy_until else 0.0)
