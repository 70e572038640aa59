"""explain.json: where one cell's time goes, engine by engine; and the same without a profile, from the record."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from ortbench.errors import ResultsError, UsageError
from ortbench.results.folder import EXPLAIN_FILE
from ortbench.results.operators import CLASSES, operator_class
from ortbench.results.requirements import parse_conditions
from ortbench.results.schema import SCHEMA_VERSION, CellKey, LaunchRecord
from ortbench.results.study import Results
from ortbench.results.summary import ArmSummary

# What a call takes beside its operators; below 0 where the profiler made them slower than they are.
OUTSIDE = "outside operators"


class OperatorShare(msgspec.Struct, frozen=True, kw_only=True):
    """What one kind of operator takes in one call, in ms, and how many of them a call runs.

    Attributes:
        kind: its class; see `operators.py`.
    """

    operator: str
    kind: str
    ms: float
    count: int


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """One engine under its library's profiler, in a process of its own.

    Attributes:
        call_ms: median of as many calls without the profiler, in the same process, right before and after.
        calls: how many calls were profiled.
        operators: the longest first; None where the library cannot say.
        reason: why there are none; None where there are.
    """

    call_ms: float | None = None
    calls: int = 0
    operators: tuple[OperatorShare, ...] | None = None
    reason: str | None = None

    @property
    def operators_ms(self) -> float | None:
        """All operators of one call together."""
        return None if self.operators is None else sum(operator.ms for operator in self.operators)


class EngineExplanation(msgspec.Struct, frozen=True, kw_only=True):
    """One engine in the cell.

    Attributes:
        status, reason: of its arm in the study.
        latency_ms: median, as measured in the study.
        placement, evidence, versions, threads, boundary: as in launches.jsonl.
        profile: None where none was made.
    """

    engine: str
    status: str
    reason: str | None = None
    latency_ms: float | None = None
    placement: dict[str, Any] | None = None
    evidence: dict[str, Any] | None = None
    versions: dict[str, str] = {}
    threads: int | None = None
    boundary: str | None = None
    profile: Profile | None = None


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """The document; its engines are in the study's order."""

    schema_version: int = SCHEMA_VERSION
    model: str
    baseline: str
    cell: CellKey
    engines: tuple[EngineExplanation, ...]

    @property
    def profiled(self) -> tuple[EngineExplanation, ...]:
        """The engines whose operators are known."""
        return tuple(engine for engine in self.engines if engine.profile and engine.profile.operators is not None)


class ClassRow(msgspec.Struct, frozen=True, kw_only=True):
    """What one class of operators takes in a call of each profiled engine, in ms, in their order."""

    kind: str
    ms: tuple[float, ...]


def share(operator: str, ms: float, count: int) -> OperatorShare:
    """Return an operator with its class."""
    return OperatorShare(operator=operator, kind=operator_class(operator), ms=ms, count=count)


def class_rows(explanation: Explanation) -> list[ClassRow]:
    """Return the time per class, the largest difference to the baseline (or without it, the largest time) first.

    The last row, where calls were timed without the profiler, is what operators do not explain: each engine's column
    adds up to its call.
    """
    profiles = [engine.profile for engine in explanation.profiled if engine.profile]
    sums = [dict.fromkeys(CLASSES, 0.0) for _ in profiles]
    for own, profile in zip(sums, profiles, strict=True):
        for operator in profile.operators or ():
            own[operator.kind] += operator.ms
    rows = [ClassRow(kind=kind, ms=tuple(own[kind] for own in sums)) for kind in CLASSES]
    base = baseline_index(explanation)
    rows.sort(key=lambda row: -max((abs(ms - (row.ms[base] if base is not None else 0.0)) for ms in row.ms), default=0))
    outside = [profile.call_ms - (profile.operators_ms or 0.0) for profile in profiles if profile.call_ms is not None]
    if profiles and len(outside) == len(profiles):
        rows.append(ClassRow(kind=OUTSIDE, ms=tuple(outside)))
    return [row for row in rows if any(row.ms)]


def baseline_index(explanation: Explanation) -> int | None:
    """Return the baseline's place among the profiled engines; None where it is not there or is alone."""
    names = [engine.engine for engine in explanation.profiled]
    return names.index(explanation.baseline) if explanation.baseline in names and len(names) > 1 else None


def find_cell(text: str, cells: tuple[CellKey, ...]) -> CellKey:
    """Return the cell that `--explain` names: by its id, or by fields that only it has.

    Raises:
        UsageError: it names none, or more than one; the message lists the cells.
    """
    ids = ", ".join(cell.id for cell in cells)
    found = [cell for cell in cells if cell.id == text.strip()] or _matching(text, cells, ids)
    if len(found) == 1:
        return found[0]
    what = f"it names {len(found)}: {', '.join(cell.id for cell in found)}" if found else "there is no such cell"
    raise UsageError(f"Expected --explain to name one of the cells [{ids}], but got '{text}': {what}.")


def recorded_explanation(results: Results, cell: CellKey) -> Explanation:
    """Return what the record alone says of a cell: placement and evidence, no profile."""
    [summary] = [one for one in results.summary.cells if one.key == cell]
    arms = [arm for arm in summary.arms if not arm.twin]
    last = {record.engine: record for record in results.launches if record.cell == cell.id and not record.twin}
    return Explanation(
        model=results.summary.model,
        baseline=results.summary.baseline,
        cell=cell,
        engines=tuple(_recorded(arm, last.get(arm.engine)) for arm in arms),
    )


def with_profiles(recorded: Explanation, profiles: Mapping[str, Profile]) -> Explanation:
    """Return the explanation with each engine's profile, where one was made."""
    replace = msgspec.structs.replace
    engines = tuple(replace(engine, profile=profiles.get(engine.engine)) for engine in recorded.engines)
    return replace(recorded, engines=engines)


def load_explanation(results: Results, text: str) -> Explanation:
    """Return the explanation of the cell that `text` names: as it was profiled, else what the record says.

    Raises:
        UsageError: there is no such cell, or the results are a CSV.
    """
    if results.run is None:
        raise UsageError(
            f"'{results.path}' is a CSV and has no record that could explain a cell; give a results folder."
        )
    cell = find_cell(text, tuple(one.key for one in results.summary.cells))
    kept = read_explanation(results.path)
    return kept if kept and kept.cell == cell else recorded_explanation(results, cell)


def read_explanation(folder: Path) -> Explanation | None:
    """Return what stands in a results folder's explain.json; None where there is none.

    Raises:
        ResultsError: it is malformed or of another schema version.
    """
    path = folder / EXPLAIN_FILE
    if not path.is_file():
        return None
    try:
        version = msgspec.json.decode(path.read_bytes(), type=_Versioned).schema_version
        if version == SCHEMA_VERSION:
            return msgspec.json.decode(path.read_bytes(), type=Explanation)
    except msgspec.MsgspecError as error:
        raise ResultsError(f"'{path}' is not what ortbench writes: {error}.") from error
    raise ResultsError(f"'{path}' has schema version {version}; this ortbench reads version {SCHEMA_VERSION}.")


class _Versioned(msgspec.Struct):
    schema_version: int


def _matching(text: str, cells: tuple[CellKey, ...], ids: str) -> list[CellKey]:
    try:
        conditions = parse_conditions(text)
    except UsageError as error:
        raise UsageError(
            f"Expected --explain to be one of the cells [{ids}], or fields such as batch_size=4,threads=2, "
            f"but got '{text}'."
        ) from error
    return [cell for cell in cells if all(getattr(cell, field) == value for field, value in conditions)]


def _recorded(arm: ArmSummary, record: LaunchRecord | None) -> EngineExplanation:
    return EngineExplanation(
        engine=arm.engine,
        status=arm.status,
        reason=arm.reason,
        latency_ms=arm.latency_ms.median if arm.latency_ms else None,
        placement=arm.placement,
        evidence=arm.evidence,
        versions=arm.versions,
        threads=record.threads if record else None,
        boundary=record.boundary if record else None,
    )
