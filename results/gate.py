"""Do the results satisfy a list of requirements? Decided on intervals, cell by cell; pure functions of data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import msgspec

from ortbench.errors import UsageError, enumerated
from ortbench.results.pairing import cell_ratios
from ortbench.results.requirements import FIELDS, Operator, Requirement
from ortbench.results.schema import ArmKey, CellKey, RoundRecord
from ortbench.results.statistics import LogEstimate, estimate_over_launches
from ortbench.results.summary import ArmSummary, Bounds, CellSummary, Summary

Outcome = Literal["pass", "fail", "inconclusive"]

EXIT_STATUS: dict[Outcome, int] = {"pass": 0, "fail": 1, "inconclusive": 3}
# As `percentiles.py` asks for; a test holds the two together.
SAMPLES_NEEDED = {"p90": 100, "p95": 200, "p99": 1000}
_NO_INTERVAL = "without an interval, decided on the figure alone"
_WITHHELD = "the study's verdicts are withheld: its baseline differs from its own twin"


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Whether one cell satisfies one requirement.

    Attributes:
        value, interval: what was measured, in the unit of the requirement's limit; None where nothing was.
        note: what a reader should know of this answer, or why there is none.
    """

    requirement: Requirement
    cell: CellKey
    outcome: Outcome
    value: float | None = None
    interval: Bounds | None = None
    note: str | None = None


class GateReport(msgspec.Struct, frozen=True, kw_only=True):
    """All answers, in the order of the requirements and then of the cells.

    Attributes:
        model, baseline, paired, notes: as in the summary.
    """

    model: str
    baseline: str
    paired: bool
    answers: tuple[Answer, ...]
    notes: tuple[str, ...] = ()

    def count(self, outcome: Outcome) -> int:
        """Return how many answers have this outcome."""
        return sum(answer.outcome == outcome for answer in self.answers)

    @property
    def outcome(self) -> Outcome:
        """One fail makes the whole fail, else one inconclusive answer makes it inconclusive."""
        if self.count("fail"):
            return "fail"
        return "inconclusive" if self.count("inconclusive") else "pass"

    @property
    def exit_status(self) -> int:
        """The exit status of the gate: 0, 1 or 3."""
        return EXIT_STATUS[self.outcome]


def decide(requirements: Sequence[Requirement], summary: Summary, rounds: Sequence[RoundRecord] = ()) -> GateReport:
    """Answer every requirement in every cell that it covers.

    Args:
        requirements: in the order in which they are answered.
        summary: what was found.
        rounds: the record that the summary is of, for speedups in which the baseline has no part; none for a CSV.

    Raises:
        UsageError: a requirement covers no cell, or names an engine that no such cell has.
    """
    answers = [
        _answer(requirement, cell, summary, rounds)
        for requirement in requirements
        for cell in _covered(requirement, summary)
    ]
    return GateReport(
        model=summary.model,
        baseline=summary.baseline,
        paired=summary.paired,
        answers=tuple(answers),
        notes=summary.notes,
    )


def judge(operator: Operator, limit: float, low: float, high: float) -> Outcome:
    """Pass when the whole interval satisfies it, fail when none of it does, inconclusive otherwise."""
    if operator == "<=":
        low, high, limit = -high, -low, -limit
    if low >= limit:
        return "pass"
    return "fail" if high < limit else "inconclusive"


def paired_speedup(rounds: Sequence[RoundRecord], engine: str, over: str, cell: str) -> LogEstimate | None:
    """Estimate a speedup from the rounds of a cell that have both engines, whatever the study's baseline.

    Args:
        rounds: the record's lines, of this and other cells.
        engine: the speedup is this engine's,
        over: over this one: 2 means that `engine` is twice as fast.
        cell: the cell's id.

    Returns:
        None where no round that counts has both.
    """
    lines = [line for line in rounds if line.cell == cell]
    return estimate_over_launches(cell_ratios(lines, over).get(ArmKey(engine), ()))


@dataclass(frozen=True)
class _Figure:
    """What a requirement is decided on; without a value, the note says why there is none."""

    value: float | None = None
    interval: Bounds | None = None
    note: str | None = None

    def over(self, other: _Figure) -> _Figure:
        """Divide; the interval is the widest that both intervals allow."""
        if self.value is None or other.value is None:
            return _Figure(note=self.note or other.note)
        mine, theirs = self.interval, other.interval
        bounds = (mine[0] / theirs[1], mine[1] / theirs[0]) if mine and theirs else None
        return _Figure(self.value / other.value, bounds)


def _covered(requirement: Requirement, summary: Summary) -> list[CellSummary]:
    cells = [cell for cell in summary.cells if requirement.covers(cell.key)]
    if not cells:
        raise UsageError(f"No cell matches '{requirement}'. There is: {_fields(summary)}.")
    there = {arm.engine for cell in cells for arm in cell.arms if not arm.twin}
    engines = [engine for engine in summary.engines if engine in there]
    for engine in _engines(requirement):
        if engine not in engines:
            has = enumerated(engines)
            raise UsageError(f"No cell of '{requirement}' has the engine '{engine}'. Its cells have: {has}.")
    return cells


def _fields(summary: Summary) -> str:
    keys = [cell.key for cell in summary.cells]
    values = {field: dict.fromkeys(str(getattr(key, field)) for key in keys) for field in FIELDS}
    # Without any load that field is empty.
    return "; ".join(f"{field} {enumerated(filter(None, found))}" for field, found in values.items() if any(found))


def _engines(requirement: Requirement) -> list[str]:
    return [engine for engine in (requirement.engine, requirement.over) if engine is not None]


def _answer(requirement: Requirement, cell: CellSummary, summary: Summary, rounds: Sequence[RoundRecord]) -> Answer:
    arms = {engine: cell.arm(engine) for engine in _engines(requirement)}
    absent = [reason for engine, arm in arms.items() if (reason := _absence(engine, arm))]
    if absent:
        return _decided(requirement, cell, _Figure(note="; ".join(absent)))
    first, *over = [arm for arm in arms.values() if arm]
    if over:
        return _decided(requirement, cell, _speedup(first, over[0], cell, summary, rounds))
    return _decided(requirement, cell, _own_figure(requirement.quantity, first))


def _absence(engine: str, arm: ArmSummary | None) -> str | None:
    if arm is None:
        return f"{engine} was not measured in this cell"
    if arm.status == "ok":
        return None
    return f"{engine} {arm.status}" + (f": {arm.reason}" if arm.reason else "")


def _decided(requirement: Requirement, cell: CellSummary, figure: _Figure) -> Answer:
    outcome: Outcome = "inconclusive"
    notes = [figure.note] if figure.note else []
    if figure.value is not None:
        outcome = judge(requirement.operator, requirement.limit, *(figure.interval or (figure.value, figure.value)))
        notes += [] if figure.interval else [_NO_INTERVAL]
    return Answer(
        requirement=requirement,
        cell=cell.key,
        outcome=outcome,
        value=figure.value,
        interval=figure.interval,
        note="; ".join(notes) or None,
    )


def _own_figure(quantity: str, arm: ArmSummary) -> _Figure:
    if quantity == "throughput":
        return _Figure(arm.throughput_per_s, note=None if arm.throughput_per_s else "no throughput is on record")
    if quantity == "memory":
        return _Figure(arm.memory_mib, note=None if arm.memory_mib else "no memory is on record")
    if quantity in SAMPLES_NEEDED:
        return _percentile(quantity, arm)
    return _latency(arm)


def _latency(arm: ArmSummary) -> _Figure:
    assert arm.latency_ms, "an arm that is ok has a latency"
    return _Figure(arm.latency_ms.median, arm.latency_ms.ci95)


def _percentile(quantity: str, arm: ArmSummary) -> _Figure:
    value = getattr(arm.latency_ms, quantity)
    if value is not None:
        return _Figure(value, getattr(arm.latency_ms, f"{quantity}_ci95"))
    found = f"there are {arm.samples}" if arm.samples else "none are on record"
    return _Figure(note=f"{quantity} takes {SAMPLES_NEEDED[quantity]} samples, and {found}")


def _speedup(
    arm: ArmSummary, over: ArmSummary, cell: CellSummary, summary: Summary, rounds: Sequence[RoundRecord]
) -> _Figure:
    if not summary.paired:
        return _latency(over).over(_latency(arm))
    figure = _paired(arm, over, cell, summary.baseline, rounds)
    withheld = any(one.speedup and one.speedup.verdict == "withheld" for one in (arm, over))
    notes = [note for note in (figure.note, _WITHHELD if withheld else None) if note]
    return replace(figure, note="; ".join(notes) or None)


def _paired(
    arm: ArmSummary, over: ArmSummary, cell: CellSummary, baseline: str, rounds: Sequence[RoundRecord]
) -> _Figure:
    with_baseline = baseline in {arm.engine, over.engine}
    if with_baseline or not rounds:
        figure = _over_baseline(arm, baseline).over(_over_baseline(over, baseline))
        note = None if with_baseline else f"not paired: the widest that both speedups over {baseline} allow"
        return replace(figure, note=figure.note or note)
    estimate = paired_speedup(rounds, arm.engine, over.engine, cell.key.id)
    if estimate is None:
        return _Figure(note=f"no round that counts has both {arm.engine} and {over.engine}")
    return _Figure(estimate.value, estimate.interval())


def _over_baseline(arm: ArmSummary, baseline: str) -> _Figure:
    if arm.engine == baseline:
        return _Figure(1.0, (1.0, 1.0))
    if arm.speedup is None:
        return _Figure(note=f"{arm.engine} has no speedup over {baseline} on record")
    return _Figure(arm.speedup.ratio, arm.speedup.ci95)
