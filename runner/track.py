"""The track on which a race is really run: a contest of processes, with settings for contestants."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import msgspec

from ortbench.results.race import Setting
from ortbench.results.schema import RoundRecord
from ortbench.runner.configurations import ContestantMaker
from ortbench.runner.contest import Bout, Contest, Contestant
from ortbench.runner.memory import available_mib
from ortbench.runner.tuner import FEWEST_TOGETHER, MOST_TOGETHER

# Before any was seen: what two processes with PyTorch and ResNet50 take.
_FIRST_GUESS_MIB = 2000.0
_SHARE_OF_MEMORY = 0.7

_Place = tuple[str, str]


@dataclass
class ContestHeat:
    """A bout, in terms of settings.

    Attributes:
        contestants: by the setting's name.
        names: place in the record -> the setting's name.
    """

    bout: Bout
    contestants: dict[str, Contestant]
    names: dict[_Place, str]
    start_s: float = field(init=False)

    def __post_init__(self) -> None:
        self.start_s = self.bout.start_s

    @property
    def rounds(self) -> list[RoundRecord]:
        """A line for each slice; `engine` is the setting's name."""
        return [msgspec.structs.replace(line, engine=self.names[line.engine, line.cell]) for line in self.bout.rounds]

    @property
    def memory_mib(self) -> dict[str, float]:
        """Of those that were made ready."""
        return {self.names[place]: memory for place, memory in self.bout.memory_mib.items()}

    @property
    def failures(self) -> dict[str, str]:
        """Why each that failed did."""
        failures = {self.names[place]: reason for place, reason in self.bout.failures.items()}
        return {name: reason for name, reason in failures.items() if name not in self.crowded}

    @property
    def crowded(self) -> set[str]:
        """Those that were skipped beside more than one other group: in memory there may be room beside fewer."""
        skipped = {self.names[one.engine, one.cell] for one in self.bout.records if one.status == "skipped"}
        return skipped if len({one.key for one in self.contestants.values()}) > FEWEST_TOGETHER else set()

    def run(self, stage: Sequence[Setting], seconds: float, deadline: float) -> None:
        """Make settings ready and run rounds of them."""
        # The track's clock stands still while an arm that hangs is waited for.
        self.bout.run([self.contestants[one.name] for one in stage], seconds, deadline + self.bout.contest.lost_s)


class ContestTrack:
    """Races in a contest."""

    def __init__(self, contest: Contest, maker: ContestantMaker) -> None:
        """Take what runs bouts, and what makes contestants of settings."""
        self._contest = contest
        self._maker = maker

    def clock(self) -> float:
        """Return seconds, without those in which an arm that failed was waited for."""
        return time.perf_counter() - self._contest.lost_s

    def together(self, largest_mib: float | None) -> int:
        """Return how many groups of processes fit into memory at once."""
        usable_mib = _SHARE_OF_MEMORY * available_mib()
        return max(FEWEST_TOGETHER, min(MOST_TOGETHER, int(usable_mib / max(largest_mib or _FIRST_GUESS_MIB, 1.0))))

    @contextmanager
    def heat(self, groups: Sequence[Sequence[Setting]]) -> Iterator[ContestHeat]:
        """Start processes, one group for each of `groups`."""
        contestants: dict[str, Contestant] = {}
        for settings in groups:
            # A race may have two settings of one family: each has its processes then.
            name = settings[0].family if len(settings) > 1 else settings[0].name
            made = self._maker.family(settings, name)
            contestants |= {one.name: contestant for one, contestant in zip(settings, made, strict=True)}
        names = {contestant.place: name for name, contestant in contestants.items()}
        with self._contest.bout(list(contestants.values())) as bout:
            yield ContestHeat(bout, contestants, names)
