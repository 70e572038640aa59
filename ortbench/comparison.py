"""A comparison as it is asked for, as it was found possible, and as it ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ortbench.models.catalog import DEFAULT_MODEL
from ortbench.results.explanation import Explanation
from ortbench.results.schema import CellKey, Run
from ortbench.results.study import Results
from ortbench.results.summary import Summary
from ortbench.runner.available import Available
from ortbench.runner.planning import StudyPlan
from ortbench.runner.resume import EarlierPart


@dataclass(frozen=True, kw_only=True)
class CompareRequest:
    """The options of `ortbench compare` as they are typed; None where one was not given."""

    engines: str | None = None
    model: str = DEFAULT_MODEL
    weights: str | None = None
    precision: str = "fp32"
    batch_sizes: str | None = None
    threads: str | None = None
    instances: str | None = None
    scaling: bool = False
    baseline: str | None = None
    target: str = "2%"
    margin: str = "1%"
    max_time: str = "5m"
    full: bool = False
    input_shape: Sequence[str] = ()
    inputs: str | None = None
    values: Sequence[str] | Mapping[str, object] = ()
    batch_axis: str | None = None
    reference: str = "fp32"
    seed: int = 0
    twins: str = "smallest"
    allocators: str = "default"
    allow_fallback: bool = False
    load: str | None = None
    rate: str | None = None
    max_latency: str | None = None
    output: str | None = None
    resume: bool = False
    explain: str | None = None
    command: Sequence[str] = ()


@dataclass(frozen=True)
class PlannedComparison:
    """A comparison that was found possible.

    Attributes:
        folder: where its results will go; not there yet.
        command: the words that asked for it.
        available: the engines, with the versions of those that run in other interpreters.
        before: what an earlier part of this study left in the folder; None for a new one.
        explain: the cell to be profiled in the end; None for none.
    """

    plan: StudyPlan
    folder: Path
    command: tuple[str, ...]
    available: Available
    before: EarlierPart | None = None
    explain: CellKey | None = None

    @property
    def spent(self) -> EarlierPart | None:
        """The earlier part, where it used all the time for measuring, so that only a profile is left to be made."""
        return self.before if self.before and self.before.used_s >= self.plan.settings.max_time_s else None


@dataclass(frozen=True)
class Comparison:
    """A finished or interrupted study.

    Attributes:
        folder: the results folder; it holds everything measured, however the study ended.
        explanation: of the cell that was to be profiled; None where none was.
        cut_short: the profiling or the roofs were interrupted, after the study.
    """

    folder: Path
    run: Run
    results: Results
    explanation: Explanation | None = None
    cut_short: bool = False

    @property
    def summary(self) -> Summary:
        """Cells and arms with their statistics."""
        return self.results.summary

    @property
    def interrupted(self) -> bool:
        """Whether it was ended early."""
        return self.run.state == "interrupted" or self.cut_short

    @property
    def complete(self) -> bool:
        """Whether every arm of every cell could be measured."""
        return all(arm.status == "ok" for cell in self.summary.cells for arm in cell.arms)
