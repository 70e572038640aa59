"""The ways in which a study ran its engines, and the best of them for each. Pure functions of cells.

A way is everything of a cell but model, lane and batch size: threads, instances, mode, allocator. What a study that
varies these compares in the end is each engine's best way with each other's, since nobody who may choose the engine is
bound to run it in a poor way.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from ortbench.results.profiles import OBJECTIVES, Objective
from ortbench.results.schema import CellKey
from ortbench.results.summary import ArmSummary, CellSummary, Way

# A way that is better by less than this is not worth another allocator or more processes.
_WORTH_A_CHANGE = 0.01
_MODES: dict[Objective, tuple[str, ...]] = {
    "latency": ("single", "split"),
    "throughput": ("single", "split", "stream"),
}


@dataclass(frozen=True)
class Choice:
    """What is to be compared for one lane, batch size and objective.

    Attributes:
        plain: the baseline as it comes: the first allocator, one instance, all threads.
        with_allocator: the same with the allocator of the baseline's best way.
        best: engine -> its best way; the baseline's is there, others' where they have a figure.
    """

    precision: str
    batch_size: int
    objective: Objective
    plain: Way
    with_allocator: Way
    best: dict[str, Way]

    def contestants(self, baseline: str) -> list[tuple[str, Way]]:
        """Return every engine and way that takes part, the baseline's first, none twice."""
        path = [(baseline, way) for way in (self.plain, self.with_allocator)]
        return list(dict.fromkeys([*path, *self.best.items()]))


def choices(cells: Sequence[CellSummary], baseline: str) -> list[Choice]:
    """Return what is to be compared; nothing for a batch size that was measured in only one way, threads aside.

    Args:
        cells: of one model; those under a load, where latency is a matter of the arrivals, too, are passed over.
        baseline: the engine that comes first.
    """
    found = []
    alike: dict[tuple[str, int], list[CellSummary]] = {}
    for cell in cells:
        if not cell.load:
            alike.setdefault((cell.precision, cell.batch_size), []).append(cell)
    for own in alike.values():
        if varies({way_of(cell.key) for cell in own}):
            found += [choice for objective in OBJECTIVES if (choice := _choice(own, baseline, objective))]
    return found


def varies(ways: Iterable[Way]) -> bool:
    """Say whether there is more to choose between than thread counts."""
    return len({(way.instances, way.mode, way.allocator) for way in ways}) > 1


def way_of(key: CellKey) -> Way:
    """Return how a cell runs its engines."""
    return Way(threads=key.threads, instances=key.instances, mode=key.mode, allocator=key.allocator)


def cell_of(way: Way, model: str, precision: str, batch_size: int) -> CellKey:
    """Return the cell of a way."""
    return CellKey(model=model, precision=precision, batch_size=batch_size, **msgspec.structs.asdict(way))


def cost(arm: ArmSummary, cell: CellKey, objective: Objective) -> float | None:
    """Return what an arm takes, smaller is better: ms a batch, or ms an item of all its instances."""
    if arm.status != "ok" or arm.latency_ms is None or cell.mode not in _MODES[objective]:
        return None
    if objective == "latency":
        return arm.latency_ms.median
    return 1000 / arm.throughput_per_s if arm.throughput_per_s else None


def _choice(cells: Sequence[CellSummary], baseline: str, objective: Objective) -> Choice | None:
    costs: dict[str, dict[Way, float]] = {}
    for cell in cells:
        key = cell.key
        way = way_of(key)
        for arm in cell.arms:
            taken = None if arm.twin else cost(arm, key, objective)
            if taken is not None:
                costs.setdefault(arm.engine, {})[way] = taken
    own = costs.get(baseline, {})
    plain = _plain(own, cells)
    if plain is None:
        return None
    best = {engine: _best(ways) for engine, ways in costs.items()}
    with_allocator = msgspec.structs.replace(plain, allocator=best[baseline].allocator)
    if with_allocator not in own:
        return None
    # The baseline comes first, whatever the order in which cells name their arms.
    ordered = {baseline: best.pop(baseline), **best}
    return Choice(cells[0].precision, cells[0].batch_size, objective, plain, with_allocator, ordered)


def _plain(own: Iterable[Way], cells: Sequence[CellSummary]) -> Way | None:
    """Return the way of whoever changes nothing: one instance with all the threads; None where it was not measured."""
    usual = next((cell.allocator for cell in cells if cell.allocator == "default"), cells[0].allocator)
    single = [way for way in own if way.instances == 1 and way.allocator == usual]
    return max(single, key=lambda way: way.threads, default=None)


def _best(ways: dict[Way, float]) -> Way:
    """Return the plainest of the ways that are as good as the best."""
    bound = min(ways.values()) * (1 + _WORTH_A_CHANGE)
    good = [way for way, taken in ways.items() if taken <= bound]
    return min(good, key=lambda way: (way.instances, way.allocator != "default", ways[way]))
