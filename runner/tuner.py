"""Runs a race: a moment of every configuration, then the leader against those that were not ruled out."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence

import msgspec

from ortbench.results.race import Setting
from ortbench.results.schema import LaunchRecord
from ortbench.results.tuning import Race, Tuning
from ortbench.runner.configurations import Configuration, ContestantMaker
from ortbench.runner.contest import Contest, Contestant
from ortbench.runner.memory import available_mib

# A moment of each: the fewest rounds, unless they are over in less than this.
_SCREENING_S = 0.5
_LEAST_ROUNDS_S = 3.0
_MOST_TOGETHER = 6
# Before any was seen: what a process with PyTorch and ResNet50 takes, twice.
_FIRST_GUESS_MIB = 1500.0
_SHARE_OF_MEMORY = 0.7


class Tuner:
    """Decides which configurations run next, and runs them."""

    def __init__(
        self, race: Race, running: Contest, maker: ContestantMaker, max_time_s: float, say: Callable[[str], None]
    ) -> None:
        """Take the race, and what runs it.

        Args:
            race: with all its settings.
            running: runs launches.
            maker: makes contestants of settings.
            max_time_s: for everything, launches included.
            say: is told what is being done.
        """
        self._race = race
        self._running = running
        self._maker = maker
        self._max_time_s = max_time_s
        self._say = say
        self._settings = {one.name: one for one in race.settings}
        self._began = time.perf_counter()
        self._family_s = 0.0

    def run(self) -> Tuning:
        """Screen every family, then race until nothing is left to be told apart, or the time is spent."""
        families = _families(self._race.settings)
        while families and self._left_s() > self._family_s:
            self._screen([families.pop(0) for _ in range(min(self._together(), len(families)))])
        while len(challengers := self._race.challengers()) and self._left_s() > 2 * _LEAST_ROUNDS_S:
            if not self._race_against_leader(challengers):
                break
        return self._race.conclude(time.perf_counter() - self._began)

    def _screen(self, families: Sequence[Sequence[Setting]]) -> None:
        contestants = [self._maker.family(settings) for settings in families]
        by_size: dict[int, list[Contestant]] = {}
        for one in itertools.chain.from_iterable(contestants):
            by_size.setdefault(one.cell.batch_size, []).append(one)
        names = {
            (one.family, own.cell.id): one.name
            for settings, made in zip(families, contestants, strict=True)
            for one, own in zip(settings, made, strict=True)
        }
        stages = [by_size[size] for size in sorted(by_size)]
        bout = self._running.bout(*stages, seconds=_SCREENING_S)
        self._family_s = bout.seconds
        lines = [msgspec.structs.replace(line, engine=names[line.engine, line.cell]) for line in bout.rounds]
        failures = dict(pair for record in bout.records if record.status != "ok" for pair in _failures(record, names))
        memory = {
            names[record.engine, record.cell]: _memory(record) for record in bout.records if record.status == "ok"
        }
        self._race.add(lines, memory, failures)
        self._tell(f"looked at {', '.join(settings[0].family for settings in families)}")

    def _race_against_leader(self, challengers: Sequence[str]) -> bool:
        """Run one launch of the leader and some others; say whether there was time for it."""
        leader = self._race.leader
        assert leader is not None, "whoever challenges has a leader"
        names = [leader, *challengers[: self._together() - 1]]
        began = time.perf_counter()
        contestants = self._maker.make([_configuration(self._settings[name]) for name in names])
        bout = self._running.bout(contestants, seconds=self._seconds(len(names)))
        memory = {record.engine: _memory(record) for record in bout.records if record.status == "ok"}
        self._race.add(list(bout.rounds), memory, bout.failures)
        self._tell(f"raced {len(names)}: {', '.join(names)}")
        return self._left_s() > 0.7 * (time.perf_counter() - began)

    def _seconds(self, contestants: int) -> float:
        """Return how long a launch's rounds last: as long as starting it takes, within what is left."""
        return max(_LEAST_ROUNDS_S, min(contestants * _LEAST_ROUNDS_S, self._left_s() / 3))

    def _together(self) -> int:
        """Return how many configurations may be in memory at once."""
        largest = max(self._race.memory_mib.values(), default=_FIRST_GUESS_MIB)
        return max(2, min(_MOST_TOGETHER, int(_SHARE_OF_MEMORY * available_mib() / max(largest, 1.0))))

    def _left_s(self) -> float:
        return self._max_time_s - (time.perf_counter() - self._began)

    def _tell(self, what: str) -> None:
        race = self._race
        untried = len(race.settings) - len(race.out) - len(race.running)
        self._say(
            f"{what}; {len(race.running)} in the race, {len(race.out)} ruled out, {untried} not looked at, "
            f"{max(self._left_s(), 0):.0f} s left"
        )


def _families(settings: Sequence[Setting]) -> list[list[Setting]]:
    families: dict[str, list[Setting]] = {}
    for one in settings:
        families.setdefault(one.family, []).append(one)
    return list(families.values())


def _failures(record: LaunchRecord, names: dict[tuple[str, str], str]) -> list[tuple[str, str]]:
    """Return which settings a record ends: one, or its whole family where it could not even be loaded."""
    reason = record.reason or record.status
    return [
        (name, reason)
        for (family, cell), name in names.items()
        if family == record.engine and record.cell in ("", cell)
    ]


def _memory(record: LaunchRecord) -> float:
    return record.pss_mib or record.memory_mib or 0.0


def _configuration(one: Setting) -> Configuration:
    shares = [one.batch_size] * one.instances
    if one.mode == "split":
        each, rest = divmod(one.batch_size, one.instances)
        shares = [each + (index < rest) for index in range(one.instances)]
    return Configuration(
        name=one.name,
        engine=one.engine,
        allocator=one.allocator,
        instances=tuple((one.threads, items) for items in shares),
        mode=one.mode,
    )


def all_settings(
    engines: Sequence[str],
    allocators: Sequence[str],
    layouts: Sequence[tuple[int, int]],
    batch_sizes: Sequence[int],
    objective: str,
) -> list[Setting]:
    """Return every configuration: for throughput each instance has its own batch, for latency they divide one."""
    return [
        Setting(
            engine=engine,
            allocator=allocator,
            threads=threads,
            instances=instances,
            mode="single" if instances == 1 else "split" if objective == "latency" else "stream",
            batch_size=size,
        )
        for engine in engines
        for allocator in allocators
        for threads, instances in layouts
        for size in batch_sizes
        if objective != "latency" or size >= instances
    ]
