"""Do the results satisfy a list of requirements? Decided on intervals, cell by cell; pure functions of data.

A gate can be wrong in two ways. It fails where any claim (a requirement in a cell) fails, and with many claims that all
hold narrowly one would fail by chance: so fails are protected by Holm's procedure over all claims of the gate. It
passes only where every claim passes, so the chance that it passes although one requirement is violated is no more than
the chance that this one passes, however many there are (an intersection-union test: Berger, Multiparameter Hypothesis
Testing and Acceptance Sampling, 1982): a pass is decided on the interval of 95 % alone. Without an interval nothing is
decided.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import msgspec

from ortbench.errors import UsageError, enumerated
from ortbench.results.gate_figures import Figure, figure_of
from ortbench.results.requirements import FIELDS, Operator, Requirement
from ortbench.results.schema import CellKey, RoundRecord
from ortbench.results.statistics import CONFIDENCE
from ortbench.results.summary import Bounds, CellSummary, Summary

Outcome = Literal["pass", "fail", "inconclusive"]

EXIT_STATUS: dict[Outcome, int] = {"pass": 0, "fail": 1, "inconclusive": 3}
_SPARED = "of so many requirements and cells one would fail by as much by chance"


class Answer(msgspec.Struct, frozen=True, kw_only=True, gc=False):
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
    claims = [
        _Claim(requirement, cell.key, figure_of(requirement, cell, summary, rounds))
        for requirement in requirements
        for cell in _covered(requirement, summary)
    ]
    upheld = _upheld(claims)
    return GateReport(
        model=summary.model,
        baseline=summary.baseline,
        paired=summary.paired,
        answers=tuple(claim.answer(upheld=index in upheld) for index, claim in enumerate(claims)),
        notes=summary.notes,
    )


def judge(operator: Operator, limit: float, low: float, high: float) -> Outcome:
    """Pass when the whole interval satisfies it, fail when none of it does, inconclusive otherwise."""
    if operator == "<=":
        low, high, limit = -high, -low, -limit
    if low >= limit:
        return "pass"
    return "fail" if high < limit else "inconclusive"


class _Claim(msgspec.Struct, frozen=True, gc=False):
    """One requirement in one cell with its figure, and what the interval of 95 % says of it."""

    requirement: Requirement
    cell: CellKey
    figure: Figure

    @property
    def decided(self) -> bool:
        """Whether there is an interval that may be believed."""
        return self.figure.interval is not None and not self.figure.withheld

    @property
    def outcome(self) -> Outcome:
        if not self.decided or self.figure.interval is None:
            return "inconclusive"
        return judge(self.requirement.operator, self.requirement.limit, *self.figure.interval)

    @property
    def level(self) -> float:
        """The smallest level at which the interval lies wholly beyond the limit."""
        estimate, limit = self.figure.estimate, math.log(self.requirement.limit)
        if estimate is None:
            return 1.0
        return estimate.level_below(limit) if self.requirement.operator == ">=" else estimate.level_above(limit)

    def answer(self, *, upheld: bool) -> Answer:
        """Return the answer; a fail that is not upheld among so many is none."""
        spared = self.outcome == "fail" and not upheld
        notes = [note for note in (self.figure.note, _SPARED if spared else None) if note]
        return Answer(
            requirement=self.requirement,
            cell=self.cell,
            outcome="inconclusive" if spared else self.outcome,
            value=self.figure.value,
            interval=self.figure.interval,
            note="; ".join(notes) or None,
        )


def _upheld(claims: Sequence[_Claim]) -> set[int]:
    """Return which of the claims fail even though they are several (Holm 1979)."""
    levels = [claim.level if claim.outcome == "fail" else 1.0 for claim in claims]
    several = sum(claim.decided for claim in claims)
    upheld: set[int] = set()
    for rank, index in enumerate(sorted(range(len(claims)), key=lambda index: levels[index])):
        # Of a single claim the interval decides alone, whatever rounding does to its level.
        if claims[index].outcome != "fail" or (several > 1 and levels[index] > (1 - CONFIDENCE) / (several - rank)):
            break
        upheld.add(index)
    return upheld


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
