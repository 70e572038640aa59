"""Decides what runs next in a race: which configurations to look at, and who runs against the leader.

It knows no process and no clock but its track's, so that races over known grids can be simulated.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from ortbench.results.race import Setting
from ortbench.results.racing import Race
from ortbench.results.schema import RoundRecord
from ortbench.results.screening import families_of, next_families

# Side by side at most: what is parked still takes memory, and a round gets long.
MOST_TOGETHER = 6
# The leader and one that is compared with it.
FEWEST_TOGETHER = 2
_SCREENING_S = 2.0
_LEAST_RACING_S = 3.0
# What screening may use before those that are promising have raced.
_SCREENING_SHARE = 0.6
# Before any process was started: what one with PyTorch and its warm-up takes.
_FIRST_GUESS_S = 6.0


class Heat(Protocol):
    """One launch under way.

    Attributes:
        rounds: a line for each slice so far; `engine` is the setting's name.
        memory_mib, failures: by the setting's name.
        crowded: settings for which the others left too little memory.
        start_s: what starting the processes took.
    """

    start_s: float

    @property
    def rounds(self) -> Sequence[RoundRecord]:
        """See above."""

    @property
    def memory_mib(self) -> dict[str, float]:
        """See above."""

    @property
    def failures(self) -> dict[str, str]:
        """See above."""

    @property
    def crowded(self) -> set[str]:
        """See above."""

    def run(self, stage: Sequence[Setting], seconds: float, deadline: float) -> None:
        """Make settings ready and run rounds of them for so many seconds, until `deadline` on the track's clock."""


class Track(Protocol):
    """Where races are run."""

    def clock(self) -> float:
        """Return seconds."""

    def together(self, largest_mib: float | None) -> int:
        """Return how many groups may be in memory at once, by what the largest used so far."""

    def heat(self, groups: Sequence[Sequence[Setting]]) -> AbstractContextManager[Heat]:
        """Start processes; the settings of one group share theirs, and take turns in stages."""


@dataclass
class Tuner:
    """A race being run.

    Attributes:
        race: with all its settings.
        track: runs launches.
        max_time_s: for everything, launches included.
        say: is told what was done.
    """

    race: Race
    track: Track
    max_time_s: float
    say: Callable[[str], None]

    def __post_init__(self) -> None:
        self._began = self.track.clock()
        self._each_s = _FIRST_GUESS_S
        self._most_together = MOST_TOGETHER

    @property
    def seconds(self) -> float:
        """Used so far."""
        return self.track.clock() - self._began

    def run(self) -> None:
        """Look at what is promising, race, look at the rest; until nothing is left to be known, or the time is spent.

        What was measured is in the race also where this is interrupted.
        """
        while self._left_s() > min(self._each_s, self.max_time_s / 2):
            race = self.race
            promising = race.promising() if self.seconds < _SCREENING_SHARE * self.max_time_s else []
            if promising:
                self._screen(promising, everything=False)
            elif challengers := race.challengers():
                if not self._race(challengers):
                    return
            elif race.untried:
                self._screen(race.untried, everything=True)
            else:
                return

    def _screen(self, wanted: Sequence[Setting], *, everything: bool) -> None:
        """Look at families for a moment, one batch size after the other.

        Args:
            wanted: what is worth looking at.
            everything: look at every batch size of theirs; else only while the smaller ones leave it promising.
        """
        race = self.race
        families = families_of(race.settings)
        together = self._together()
        anchor = next((one.family for one in race.settings if one.name == race.leader), None)
        most = max(1, min(together - (anchor is not None), int(self._left_s() / self._each_s)))
        seen = [one for one in race.settings if one.name in race.slices or one.name in race.out]
        chosen = next_families(families_of(wanted), seen, race.predicted(), most)
        # The leader's family runs along, so that the others are paired with it.
        groups = [families[family] for family in dict.fromkeys([*([anchor] if anchor else []), *chosen])]
        began = self.track.clock()
        with self.track.heat(groups) as heat:
            for size in sorted({one.batch_size for one in wanted if one.family in chosen}):
                if self._left_s() <= 0:
                    break
                ready = set(race.untried if everything else race.promising())
                stage = [one for group in groups for one in group if one.batch_size == size]
                stage = [one for one in stage if one in ready or (one.family == anchor and self._able(one))]
                if any(one in ready for one in stage):
                    self._stage(heat, stage, _SCREENING_S)
        self._learn(began, len(groups), heat)
        self._tell(f"looked at {'; '.join(chosen)}")

    def _race(self, challengers: Sequence[str]) -> bool:
        """Run one launch of the leader and some others; say whether there was time for it."""
        race = self.race
        settings = {one.name: one for one in race.settings}
        most = min(self._together(), int(self._left_s() / self._each_s))
        names = [*([race.leader] if race.leader else []), *challengers][:most]
        if len(names) < (2 if race.leader else 1):
            return False
        began = self.track.clock()
        with self.track.heat([[settings[name]] for name in names]) as heat:
            # Rounds last as long as the start: of a launch's variance about half is the launch's own.
            seconds = max(_LEAST_RACING_S, min(heat.start_s, self._left_s() / 3))
            self._stage(heat, [settings[name] for name in names], seconds)
        self._learn(began, len(names), heat)
        self._tell(f"raced {'; '.join(names)}")
        return True

    def _stage(self, heat: Heat, stage: Sequence[Setting], seconds: float) -> None:
        """Run one stage, and tell the race what it gave, also where it is cut short."""
        before = len(heat.rounds)
        try:
            heat.run(stage, seconds, self._began + self.max_time_s)
        finally:
            self.race.add(heat.rounds[before:], heat.memory_mib, heat.failures)

    def _able(self, one: Setting) -> bool:
        """Say whether one may run along with others: it has not failed, and keeps the bounds as far as is known."""
        ruling = self.race.out.get(one.name)
        return ruling is None or ruling.kind == "rival"

    def _together(self) -> int:
        """Return how many groups of processes may be in memory at once."""
        return min(self._most_together, self.track.together(max(self.race.memory_mib.values(), default=None)))

    def _learn(self, began: float, groups: int, heat: Heat) -> None:
        """Expect of the next launch what this one took for each process group, and that no more groups fit than did."""
        self._each_s = (self.track.clock() - began) / groups
        if heat.crowded:
            self._most_together = max(FEWEST_TOGETHER, groups - 1)

    def _left_s(self) -> float:
        return self.max_time_s - self.seconds

    def _tell(self, what: str) -> None:
        race = self.race
        self.say(
            f"{what}: {len(race.running)} in the race, {len(race.out)} ruled out, {len(race.untried)} not tried; "
            f"leader {race.leader or 'none'}; {math.floor(max(self._left_s(), 0))} s left"
        )
