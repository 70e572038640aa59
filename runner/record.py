"""Everything measured so far, in memory and on disk, and what of it the planning needs."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from ortbench.results.journal import Journal
from ortbench.results.pairing import cell_ratios, counted
from ortbench.results.percentiles import PERCENTILE_MINIMUM
from ortbench.results.schema import ArmKey, LaunchRecord, PlannedCell, RoundRecord
from ortbench.results.statistics import estimate_over_launches
from ortbench.results.windows import mark_back
from ortbench.runner.load import OFFLINE


def inside_calls_ns(line: RoundRecord) -> int:
    """Return how long an arm computed in the counted part of a slice: its lead-in is apart, in `lead_in_ns`.

    Latencies are not added up where they overlap: under arrivals, and of instances that run their own batches.
    """
    if line.loadgen:
        return line.loadgen.busy_ns
    return line.wall_ns if line.instance_calls and line.wall_ns else sum(line.samples_ns)


def lead_in_s(line: RoundRecord) -> float:
    """Return how long the lead-in of a slice took; of several streams, which run beside each other, about."""
    return sum(line.lead_in_ns) / max(len(line.instance_calls), 1) / 1e9


@dataclass
class StudyRecord:
    """The lines of a study, and the seconds by what they were spent on.

    Attributes:
        baseline: what speedups are over.
        skipped: cell id -> why it was not begun.
        out: (cell id, arm) that failed or was invalid, and takes no further part there.
    """

    baseline: str
    rounds: list[RoundRecord] = field(default_factory=list)
    launches: list[LaunchRecord] = field(default_factory=list)
    time_s: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    skipped: dict[str, str] = field(default_factory=dict)
    out: set[tuple[str, ArmKey]] = field(default_factory=set)
    _by_cell: dict[str, list[RoundRecord]] = field(default_factory=lambda: defaultdict(list))
    # Asked for before every round, so kept at hand.
    _rounds_of: dict[str, set[tuple[int, int]]] = field(default_factory=lambda: defaultdict(set))
    _journal: Journal | None = None

    def continue_from(self, rounds: Sequence[RoundRecord], launches: Sequence[LaunchRecord]) -> None:
        """Take over what an earlier part of the study measured."""
        for line in rounds:
            self._remember(line)
        for launch in launches:
            self._note(launch)

    @contextmanager
    def writing(self, folder: Path) -> Iterator[None]:
        """Append to the journal of a folder from here on."""
        with Journal(folder) as journal:
            self._journal = journal
            yield

    def keep_rounds(self, lines: Sequence[RoundRecord]) -> None:
        """Put one round on record."""
        assert self._journal, "nothing is measured without a journal"
        self._journal.append_round(lines)
        for line in lines:
            self._remember(line)
            for kept in (self.rounds, *self._by_cell.values()):
                mark_back(kept, line)
            inside_ns = inside_calls_ns(line)
            self.time_s["inside_calls"] += inside_ns / 1e9
            self.time_s["lead_in"] += lead_in_s(line)
            if line.loadgen:
                self.time_s["waiting"] += max(0, (line.wall_ns or 0) - inside_ns) / 1e9

    def keep_launches(self, records: Sequence[LaunchRecord]) -> list[LaunchRecord]:
        """Put arms made ready, or ended, on record; return those that take no further part."""
        assert self._journal, "nothing is measured without a journal"
        for record in records:
            self._journal.append_launch(record)
            self._note(record)
        return [record for record in records if record.status != "ok"]

    def arms_in(self, cell: PlannedCell) -> list[ArmKey]:
        """Return the cell's arms that have not failed in it."""
        return [key for key in cell.arms if (cell.key.id, key) not in self.out]

    def cell_rounds(self, cell_id: str) -> list[RoundRecord]:
        """Return the lines of one cell."""
        return self._by_cell[cell_id]

    def rounds_done(self, cell_id: str) -> int:
        """Return how many rounds of a cell there are, over all launches."""
        return len(self._rounds_of[cell_id])

    def launches_of(self, cell_id: str) -> int:
        """Return how many launches have rounds of a cell that count."""
        return len({line.launch for line in counted(self._by_cell[cell_id])})

    def last_launch(self) -> int:
        """Return the number of the latest launch; 0 before the first."""
        numbers = [record.launch for record in self.launches] + [line.launch for line in self.rounds[-1:]]
        return max(numbers, default=0)

    def ratios(self, cell: PlannedCell) -> dict[ArmKey, list[list[float]]]:
        """Return the paired log ratios of the cell's arms that are still in the running, by launch."""
        running = self.arms_in(cell)
        ratios = cell_ratios(self._by_cell[cell.key.id], self.baseline)
        return {arm: launches for arm, launches in ratios.items() if arm in running}

    def excess(self, cell: PlannedCell, target: float) -> float:
        """Return the widest interval's half-width over the target, or how far the tail is from known, if that is more.

        See `budget.CellState`.
        """
        tail = self._missing_tail(cell) if cell.key.load not in ("", OFFLINE) else 0.0
        compared = [arm for arm in self.arms_in(cell) if arm != ArmKey(self.baseline)]
        if not compared or ArmKey(self.baseline) not in self.arms_in(cell):
            return tail
        ratios = self.ratios(cell)
        estimates = [estimate_over_launches(ratios.get(arm, [])) for arm in compared]
        widths = [estimate.relative_half_width() if estimate else None for estimate in estimates]
        return max(tail, *(float("inf") if width is None else width / target for width in widths))

    def _missing_tail(self, cell: PlannedCell) -> float:
        """Return how many times the queries so far a 99th percentile takes, for the arm with the fewest."""
        queries: dict[ArmKey, int] = defaultdict(int)
        for line in counted(self._by_cell[cell.key.id]):
            queries[ArmKey(line.engine, line.twin)] += len(line.samples_ns)
        fewest = min((queries[arm] for arm in self.arms_in(cell)), default=0)
        return PERCENTILE_MINIMUM[99] / fewest if fewest else float("inf")

    @contextmanager
    def spending(self, what: str) -> Iterator[None]:
        """Count the time of a block as spent on `what`."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.time_s[what] += time.perf_counter() - began

    def in_every_cell(self, failures: Sequence[LaunchRecord], cells: Sequence[PlannedCell]) -> list[LaunchRecord]:
        """Return a failure to load once for every cell that the arm was to run in."""
        return [
            msgspec.structs.replace(failure, cell=cell.key.id)
            for cell in cells
            for failure in failures
            if ArmKey(failure.engine, failure.twin) in cell.arms
        ]

    def _remember(self, line: RoundRecord) -> None:
        self.rounds.append(line)
        self._by_cell[line.cell].append(line)
        self._rounds_of[line.cell].add((line.launch, line.round))

    def _note(self, record: LaunchRecord) -> None:
        self.launches.append(record)
        if record.status != "ok":
            self.out.add((record.cell, ArmKey(record.engine, record.twin)))
