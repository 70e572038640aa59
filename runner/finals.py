"""The finals of a study: the best ways of its engines in the same rounds.

Cells that differ in allocator or instances are measured in launches of their own, so that nothing pairs them. Once all
are measured, what `results/ways.py` chooses of them meets here: one process (or team) for each engine and way, which
serves every batch size, all parked but one. The rounds go into a folder of their own, in the study's format.
"""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ortbench.results.decomposition import contestants
from ortbench.results.folder import FINALS_FOLDER, writing_to
from ortbench.results.journal import Journal, read_finals
from ortbench.results.schema import ArmKey, CellKey, LaunchRecord, RoundRecord
from ortbench.results.summary import BestAgainstBest, Way
from ortbench.results.ways import varies, way_of
from ortbench.results.windows import mark_back
from ortbench.runner.budget import LAUNCHES_BEFORE_STOPPING, best_length_s
from ortbench.runner.contest import Contest, Contestant
from ortbench.runner.costs import FEWEST_ROUNDS, min_rounds
from ortbench.runner.memory import available_mib
from ortbench.runner.record import inside_calls_ns
from ortbench.units import format_seconds, quantity

if TYPE_CHECKING:
    from ortbench.runner.planning import StudyPlan
    from ortbench.runner.study import Study

# Of --max-time, in a study that has any.
_SHARE = 0.35
_LEAST_OVERHEAD_S = 1.0
_SHARE_OF_MEMORY = 0.8
# Being killed once, for whatever is no fault of its own, shall not leave an engine's best way without an interval.
_CHANCES = 2


def finals_share(plan: StudyPlan) -> float:
    """Return the share of a study's time that its finals get; 0 where there is nothing to choose from."""
    return _SHARE if varies(way_of(cell.key) for cell in plan.cells if not cell.key.load) else 0.0


@dataclass(frozen=True)
class Stage:
    """One lane's batch size: who meets there, and what a round of all of them takes by what their cells took."""

    cells: tuple[tuple[str, CellKey], ...]
    round_s: float

    @property
    def least_s(self) -> float:
        """Its fewest rounds."""
        return min_rounds(self.round_s) * self.round_s


def seconds_per_stage(left_s: float, overhead_s: float, least_s: Sequence[float], done: int) -> float | None:
    """Return how long each stage's rounds last in the next launch, those excepted whose fewest rounds take longer.

    Args:
        left_s: of the finals' time.
        overhead_s: of a launch, before and between rounds.
        least_s: the fewest rounds of each stage.
        done: launches so far.

    Returns:
        None where not even the fewest rounds fit.
    """
    # A study that is continued does not know what its cells took.
    overhead_s = max(overhead_s, _LEAST_OVERHEAD_S)
    shortest = overhead_s + sum(least_s)
    if left_s < shortest:
        return None
    length_s = best_length_s(left_s, overhead_s, [(one, one / FEWEST_ROUNDS) for one in least_s], done)
    return _level(length_s - overhead_s, least_s)


def _level(total_s: float, least_s: Sequence[float]) -> float:
    """Return the level up to which so much fills the stages; those that begin above it stay as they are."""
    ordered = sorted(least_s)
    for filled in range(len(ordered), 0, -1):
        level = (total_s - sum(ordered[filled:])) / filled
        if level >= ordered[filled - 1]:
            return level
    return 0.0


def known_well(best: Sequence[BestAgainstBest], target: float) -> bool:
    """Say whether every factor is known within the target, after enough launches to believe it.

    Who never met the others, because it fails, is not waited for.
    """
    met = [(one, [way for way in one.engines if way.launches]) for one in best]
    ratios = [
        ratio
        for one, ways in met
        for ratio in (one.allocator, one.split, *(way.over_best for way in ways))
        if ratio is not None
    ]
    fewest = min((way.launches for _, ways in met for way in ways), default=0)
    enough = fewest >= LAUNCHES_BEFORE_STOPPING and all(ways for _, ways in met)
    return enough and all(
        ratio.ci95 is not None and (ratio.ci95[1] - ratio.ci95[0]) / 2 / ratio.value <= target for ratio in ratios
    )


@dataclass
class Finals:
    """The finals of one study.

    Attributes:
        study: its cells are measured.
        rounds: every slice so far, those of an earlier part too.
    """

    study: Study
    rounds: list[RoundRecord] = field(default_factory=list)
    _failures: Counter[tuple[str, str]] = field(default_factory=Counter)
    _overhead_s: dict[str, float] = field(default_factory=dict)
    _journal: Journal = field(init=False)

    def run(self, left_s: float) -> bool:
        """Run launches for so many seconds, until every factor is known; none where not even one would fit.

        Returns:
            Whether anybody has to meet.
        """
        study = self.study
        self.rounds = read_finals(study.folder)
        lanes = self._lanes()
        if not lanes:
            return False
        end_s = study.elapsed_s() + left_s
        folder = study.folder / FINALS_FOLDER
        with writing_to(folder):
            folder.mkdir(exist_ok=True)
        with Journal(folder) as self._journal, self._contest() as contest:
            contest.keeper = self
            # As in their cells, where all of them were measured.
            contest.slices = {(plan.engine, plan.cell): plan for plan in study.run.slices}
            while lanes:
                lanes = [lane for lane in lanes if self._launch(contest, lane, end_s - study.elapsed_s())]
        return True

    def _contest(self) -> Contest:
        plan = self.study.plan
        return Contest(
            plan.source,
            self.study.reference,
            plan.settings.seed,
            gpu=any(engine.target != "cpu" for engine in plan.engines),
            launches=max((line.launch for line in self.rounds), default=0),
        )

    def append_round(self, records: Sequence[RoundRecord]) -> None:
        """Put a round on record."""
        self._journal.append_round(records)
        self.rounds += records
        for record in records:
            mark_back(self.rounds, record)
        inside_s = sum(map(inside_calls_ns, records)) / 1e9
        for part in ("inside_calls", "finals_inside"):
            self.study.record.time_s[part] += inside_s

    def append_launch(self, record: LaunchRecord) -> None:
        """Put on record how one was made ready; who fails once more takes no further part."""
        self._journal.append_launch(record)
        if record.status != "ok":
            self._failures[record.engine, record.cell] += 1
            self.study.observer.say(f"finals: {record.engine} {record.status} in {record.cell}: {record.reason}")

    def _lanes(self) -> list[list[Stage]]:
        """Return the stages of each lane, by ascending batch size."""
        cells = self.study.summary().cells
        lanes: dict[str, list[Stage]] = {}
        for (precision, _), own in sorted(contestants(cells, self.study.plan.settings.baseline).items()):
            lanes.setdefault(precision, []).append(Stage(tuple(own), sum(map(self._turn_s, own))))
        return list(lanes.values())

    def _launch(self, contest: Contest, lane: list[Stage], left_s: float) -> bool:
        """Run one launch of a lane; say whether it wants another."""
        precision = lane[0].cells[0][1].precision
        best = [one for one in self.study.summary().best if one.precision == precision]
        done = min((one.launches for one in best), default=0)
        overhead_s = self._overhead_s.get(precision, self._expected_overhead_s(lane))
        seconds = seconds_per_stage(left_s, overhead_s, [stage.least_s for stage in lane], done)
        if seconds is None and not self.rounds:
            self.study.observer.say(
                f"no finals: starting the best ways would take about {format_seconds(overhead_s)}, and "
                f"{format_seconds(max(left_s, 0.0))} of --max-time is left for it; they are compared unpaired"
            )
        if seconds is None or known_well(best, self.study.plan.settings.target) or not self._fits(lane):
            return False
        stages = self._stages(lane)
        everybody = [one for stage in stages for one in stage]
        ways = quantity(len({one.key for one in everybody}), "way", "ways")
        # What progress shows are the cells' figures, which do not move any more.
        left = format_seconds(left_s)
        self.study.observer.say(f"finals: launch {contest.launches + 1}, {ways} turn by turn, {left} left")
        began = time.perf_counter()
        with self.study.record.spending("finals"), contest.bout(everybody) as bout:
            for stage in stages:
                bout.run(stage, seconds)
        inside_s = sum(line.wall_ns or 0 for line in bout.rounds) / 1e9
        self._overhead_s[precision] = time.perf_counter() - began - inside_s
        self.study.keep_state()
        return bool(bout.rounds)

    def _stages(self, lane: Sequence[Stage]) -> list[list[Contestant]]:
        """Return who runs in each stage; what shares its processes has the same key."""
        return [
            [self._contestant(*one) for one in stage.cells if self._failures[one[0], one[1].id] < _CHANCES]
            for stage in lane
        ]

    def _contestant(self, engine: str, cell: CellKey) -> Contestant:
        [planned] = self.study.plans_for([ArmKey(engine)], cell)
        # A process is made ready for one batch at a time, and both modes of a layout may meet in one round.
        processes = ArmKey(f"{engine}, {way_of(cell).told}")
        return Contestant(dataclasses.replace(planned, key=processes), cell, engine)

    def _turn_s(self, one: tuple[str, CellKey]) -> float:
        """Return what a slice of one engine took in its cell, its share of the time between slices included."""
        cell = next(cell for cell in self.study.plan.cells if cell.key == one[1])
        return self.study.cost(cell).round_s / len(cell.arms)

    def _expected_overhead_s(self, lane: Sequence[Stage]) -> float:
        """Return what a launch takes before and between rounds, by what its processes took in their cells."""
        cells = {cell.key: cell for cell in self.study.plan.cells}
        everybody = [(engine, cells[key]) for stage in lane for engine, key in stage.cells]
        families = {(engine, way_of(cell.key)): cell for engine, cell in everybody}
        preparing = sum(self.study.cost(cell).prepare_s / len(cell.arms) for _, cell in everybody)
        return preparing + sum(self.study.start_s(cell) / len(cell.arms) for cell in families.values())

    def _fits(self, lane: Sequence[Stage]) -> bool:
        """Say whether all processes fit into memory together."""
        largest: dict[tuple[str, Way], float] = {}
        for stage in lane:
            for engine, key in stage.cells:
                used = [
                    record.pss_mib or record.memory_mib or 0.0
                    for record in self.study.record.launches
                    if (record.engine, record.cell) == (engine, key.id)
                ]
                place = (engine, way_of(key))
                largest[place] = max(largest.get(place, 0.0), *used, 0.0)
        needed, available = sum(largest.values()), available_mib() * _SHARE_OF_MEMORY
        if needed > available:
            self.study.observer.say(
                f"no finals: {len(largest)} processes would need {needed:.0f} MiB, and {available:.0f} MiB may be used"
            )
        return needed <= available
