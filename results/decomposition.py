"""Best against best: every engine in its best way, and how much of an advantage is whose. Pure functions.

An engine in its best way is T times better than the baseline as it comes. T is taken apart along one path: the baseline
gets the allocator of its best way, then the division of threads and work of its best way; what is left between the two
best ways is the engine's. The three factors multiply to T, but for a few percent on a noisy machine: each is a median
over rounds, and medians do not multiply exactly.

Figures are of rounds in which everything concerned ran (the finals of a study, `runner/finals.py`): paired by round
like every speedup, and of launches after those by which the best ways were chosen, so that choosing the best of several
does not flatter it. For two that never met, as in a CSV or where one failed, the ratio is of the cells' own figures,
with the widest interval that those allow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from ortbench.results.contest import slices_by_name
from ortbench.results.profiles import Objective
from ortbench.results.ratio import EXACTLY_ONE, Ratio, figure_of, paired_ratio, widest_ratio
from ortbench.results.schema import CellKey, RoundRecord
from ortbench.results.summary import ArmSummary, BestAgainstBest, BestWay, CellSummary, Way
from ortbench.results.ways import Choice, cell_of, choices, cost

_Contestant = tuple[str, Way]


def best_against_best(
    cells: Sequence[CellSummary], baseline: str, finals: Sequence[RoundRecord] = ()
) -> tuple[BestAgainstBest, ...]:
    """Return the comparison for each lane, batch size and objective that was measured in several ways.

    Args:
        cells: of a study of one model; nothing is compared where there are several.
        baseline: the engine that comes first.
        finals: rounds in which several cells' arms met.
    """
    if len({cell.model for cell in cells}) != 1:
        return ()
    found = choices(cells, baseline)
    # Looked up by its place, a cell costs the same however many there are.
    arms = _Arms(cells) if found else None
    return tuple(_compare(choice, arms, baseline, finals) for choice in found if arms)


class _Arms:
    """The arms of one model's cells, by cell and engine."""

    def __init__(self, cells: Sequence[CellSummary]) -> None:
        self.model = cells[0].model
        self._by_key = {cell.key: {arm.engine: arm for arm in cell.arms if not arm.twin} for cell in cells}

    def find(self, key: CellKey, engine: str) -> ArmSummary | None:
        return self._by_key.get(key, {}).get(engine)


class _Figures:
    """What is known of each contestant: rounds together where they met, else their cells' own figures."""

    def __init__(self, choice: Choice, arms: _Arms, baseline: str, finals: Sequence[RoundRecord]) -> None:
        self._objective: Objective = choice.objective
        self._keys = {
            one: cell_of(one[1], arms.model, choice.precision, choice.batch_size)
            for one in choice.contestants(baseline)
        }
        self._arms = {one: arms.find(self._keys[one], one[0]) for one in self._keys}
        names = {(key.id, engine): _name((engine, way)) for (engine, way), key in self._keys.items() if finals}
        lines = [
            msgspec.structs.replace(line, engine=names[line.cell, line.engine])
            for line in finals
            if (line.cell, line.engine) in names
        ]
        self._slices = slices_by_name(lines, choice.objective, dict.fromkeys(names.values(), choice.batch_size))
        ran = [one for one in self._keys if self._slices and _name(one) in self._slices]
        self.together = self.shared(*ran) if ran else set()
        self.paired = bool(self.together) and len(ran) == len(self._keys)

    def shared(self, *some: _Contestant) -> set[tuple[int, int]]:
        """Return (launch, round) in which all of some ran."""
        if not self._slices:
            return set()
        return set.intersection(*(set(self._slices.get(_name(one), {})) for one in some))

    def figure(self, one: _Contestant) -> Ratio | None:
        """Return ms a batch, or items per second."""
        if self._slices and (own := self._slices.get(_name(one))):
            return figure_of(own, self._objective)
        return self._of_its_cell(one)

    def better(self, one: _Contestant, than: _Contestant) -> Ratio | None:
        """Return how many times better one is than another."""
        if one == than:
            return EXACTLY_ONE
        if self.shared(one, than):
            return paired_ratio(self._slices[_name(than)], self._slices[_name(one)])
        own, other = self._of_its_cell(one), self._of_its_cell(than)
        if own is None or other is None:
            return None
        return widest_ratio(other, own) if self._objective == "latency" else widest_ratio(own, other)

    def _of_its_cell(self, one: _Contestant) -> Ratio | None:
        return _own_figure(self._arms[one], self._keys[one], self._objective)


def _compare(choice: Choice, arms: _Arms, baseline: str, finals: Sequence[RoundRecord]) -> BestAgainstBest:
    known = _Figures(choice, arms, baseline, finals)
    plain, halfway = (baseline, choice.plain), (baseline, choice.with_allocator)
    best = (baseline, choice.best[baseline])
    plain_cell = cell_of(choice.plain, arms.model, choice.precision, choice.batch_size)
    return BestAgainstBest(
        precision=choice.precision,
        batch_size=choice.batch_size,
        objective=choice.objective,
        paired=known.paired,
        launches=len({launch for launch, _ in known.together}),
        rounds=len(known.together),
        plain=choice.plain,
        plain_figure=known.figure(plain),
        allocator=known.better(halfway, plain),
        split=known.better(best, halfway),
        engines=tuple(
            BestWay(
                engine=engine,
                way=way,
                figure=known.figure((engine, way)),
                over_best=known.better((engine, way), best),
                over_plain=known.better((engine, way), plain),
                as_they_come=_as_they_come(arms.find(plain_cell, engine)),
                launches=len({launch for launch, _ in known.shared((engine, way), best, plain)}),
            )
            for engine, way in choice.best.items()
        ),
    )


def _name(one: _Contestant) -> str:
    return f"{one[0]}, {one[1].told}"


def _as_they_come(arm: ArmSummary | None) -> Ratio | None:
    if arm is None or arm.speedup is None or arm.status != "ok":
        return None
    return Ratio(value=arm.speedup.ratio, ci95=arm.speedup.ci95)


def _own_figure(arm: ArmSummary | None, key: CellKey, objective: Objective) -> Ratio | None:
    """Return a cell's own figure; of a throughput the interval is the latency's, seen from the other side."""
    taken = cost(arm, key, objective) if arm else None
    if arm is None or taken is None or arm.latency_ms is None:
        return None
    median, bounds = arm.latency_ms.median, arm.latency_ms.ci95
    if objective == "latency":
        return Ratio(value=median, ci95=bounds)
    rate = 1000 / taken
    return Ratio(value=rate, ci95=(rate * median / bounds[1], rate * median / bounds[0]) if bounds else None)


def contestants(cells: Sequence[CellSummary], baseline: str) -> Mapping[tuple[str, int], list[tuple[str, CellKey]]]:
    """Return who has to meet: (lane, batch size) -> every engine and cell that any objective compares there."""
    found: dict[tuple[str, int], list[tuple[str, CellKey]]] = {}
    for choice in choices(cells, baseline):
        own = found.setdefault((choice.precision, choice.batch_size), [])
        for engine, way in choice.contestants(baseline):
            one = (engine, cell_of(way, cells[0].model, choice.precision, choice.batch_size))
            if one not in own:
                own.append(one)
    return found
