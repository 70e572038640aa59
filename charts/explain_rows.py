"""An explanation as tables and sentences, for the terminal and the report alike. Pure functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ortbench.charts.report_tables import Cell
from ortbench.results.explanation import (
    OUTSIDE,
    ClassRow,
    EngineExplanation,
    Explanation,
    Profile,
    baseline_index,
    class_rows,
)
from ortbench.units import format_significant

_TOP_OPERATORS = 8
_TOP_PLACED = 6
_REASONS = 3
# A sum further than this from the call says more about the profiler than about the engine.
_TRUSTED_SHARE = (0.5, 1.5)
FUSED = "A fused operator counts in the class that does most of its work."
# Where the study's latency is further from the profile's call than by this factor, they are not of the same thing.
_SAME_CALL = 1.5
PROFILERS = "Profilers take time themselves, most where operators are short, so a sum may exceed its call."


@dataclass(frozen=True)
class Grid:
    """A table; `totals` rows stand apart below the others."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    totals: Sequence[Sequence[Cell]] = ()


def placement_grid(explanation: Explanation) -> Grid:
    """Return what ran where and how: one row per property, one column per engine; rows nobody can fill are left out."""
    columns = [_properties(engine) for engine in explanation.engines]
    rows = [[Cell(name), *(Cell(column[name]) for column in columns)] for name in columns[0]]
    headings = ["", *(engine.engine for engine in explanation.engines)]
    return Grid("what ran", headings, [row for row in rows if any(cell.text for cell in row[1:])])


def class_grid(explanation: Explanation) -> Grid:
    """Return ms per call by class, each engine with its difference to the baseline."""
    base = baseline_index(explanation)
    names = [engine.engine for engine in explanation.profiled]
    headings = ["ms of one call", *names]
    headings += [f"{name} - {names[base]}" for name in names if base is not None and name != names[base]]
    rows = class_rows(explanation)
    profiles = [engine.profile or Profile() for engine in explanation.profiled]
    totals = [
        ClassRow(kind="operators together", ms=_column([profile.operators_ms for profile in profiles])),
        *(row for row in rows if row.kind == OUTSIDE),
        ClassRow(kind="one call, not profiled", ms=_column([profile.call_ms for profile in profiles])),
        ClassRow(kind="one call, in the study", ms=_column([one.latency_ms for one in explanation.profiled])),
    ]
    return Grid(
        "where the time goes",
        headings,
        [_class_cells(row, base) for row in rows if row.kind != OUTSIDE],
        [_class_cells(row, base) for row in totals if row.ms],
    )


def operator_grid(explanation: Explanation) -> Grid:
    """Return the longest operators of each engine."""
    rows = []
    for engine in explanation.profiled:
        profile = engine.profile or Profile()
        total = profile.operators_ms or 1.0
        for operator in (profile.operators or ())[:_TOP_OPERATORS]:
            part = operator.ms / total
            rows.append(
                [
                    Cell(engine.engine),
                    Cell(operator.operator),
                    Cell(operator.kind),
                    Cell(str(operator.count), operator.count),
                    _number(operator.ms),
                    Cell(f"{part:.1%}", part),
                ]
            )
    return Grid("the longest operators", ["engine", "operator", "class", "in a call", "ms of one call", "share"], rows)


def sentences(explanation: Explanation) -> list[str]:
    """Return what the tables say, how far to trust them, and what could not be profiled."""
    lines = [*_differences(explanation), *_contradictions(explanation), *_coverage(explanation)]
    if explanation.profiled:
        lines += [f"{FUSED} {PROFILERS}"]
    for engine in explanation.engines:
        if engine.status != "ok":
            lines.append(f"{engine.engine} {engine.status}: {engine.reason}")
        elif engine.profile and engine.profile.reason:
            lines.append(f"{engine.engine} has no profile: {engine.profile.reason}")
    return lines


def _differences(explanation: Explanation) -> Iterator[str]:
    """Say what makes each engine differ from the baseline."""
    base = baseline_index(explanation)
    rows = class_rows(explanation)
    if base is None or not any(row.kind == OUTSIDE for row in rows):
        return
    names = [engine.engine for engine in explanation.profiled]
    for index, name in enumerate(names):
        parts = sorted(((row.ms[index] - row.ms[base], row.kind) for row in rows), key=lambda part: -abs(part[0]))
        total = sum(part for part, _ in parts)
        both = (explanation.profiled[index], explanation.profiled[base])
        if index != base and total and not any(map(contradiction, both)):
            listed = ", ".join(f"{kind} {_signed(part)}" for part, kind in parts[:_REASONS] if part)
            direction = "less" if total < 0 else "more"
            yield f"{name} takes {format_significant(abs(total))} ms {direction} than {names[base]} in a call: {listed}"


def contradiction(engine: EngineExplanation) -> float | None:
    """Return how many times longer a call took beside the profile than in the study; below 1 it was shorter.

    None where they agree, or one of them is missing.
    """
    call_ms = engine.profile.call_ms if engine.profile else None
    if not call_ms or not engine.latency_ms:
        return None
    factor = call_ms / engine.latency_ms
    return None if 1 / _SAME_CALL <= factor <= _SAME_CALL else factor


def _contradictions(explanation: Explanation) -> Iterator[str]:
    """Say where a profile is of other calls than the study's, so that its times say nothing of the study's."""
    for engine in explanation.profiled:
        factor = contradiction(engine)
        if factor is None or engine.profile is None:
            continue
        times, how = (factor, "longer") if factor > 1 else (1 / factor, "shorter")
        profiled, studied = (format_significant(ms or 0.0) for ms in (engine.profile.call_ms, engine.latency_ms))
        apart = f"{format_significant(times, 2)} times {how}"
        yield (
            f"{engine.engine}: this profile contradicts the study: beside it a call took {profiled} ms, and {studied} "
            f"ms in the study, so {apart}. The shares of operators may hold; the times do not, and no difference is "
            "told. Profile the cell again when the machine is quieter"
        )


def _coverage(explanation: Explanation) -> Iterator[str]:
    for engine in explanation.profiled:
        profile = engine.profile or Profile()
        if profile.call_ms:
            together, call, calls = profile.operators_ms or 0.0, profile.call_ms, profile.calls
            part = together / call
            doubt = "" if _TRUSTED_SHARE[0] <= part <= _TRUSTED_SHARE[1] else "; this profile explains little"
            study = f", {format_significant(engine.latency_ms)} ms in the study" if engine.latency_ms else ""
            yield (
                f"{engine.engine}: the operators add up to {format_significant(together)} ms, {part:.0%} of a call, "
                f"which took {format_significant(call)} ms without the profiler (median of {calls}){study}{doubt}"
            )


def _properties(engine: EngineExplanation) -> dict[str, str]:
    placement, evidence = engine.placement or {}, engine.evidence or {}
    precision = dict(evidence.get("precision") or {})
    return {
        "versions": _pairs(engine.versions),
        "asked for": str(placement.get("requested") or ""),
        "ran on": _assigned(placement.get("assigned") or {}, str(placement.get("unit") or "nodes")),
        "FLOPs": _shares(placement.get("flops") or {}),
        "operators": _counted(_merged(placement.get("operators") or {})),
        "fused": _counted(placement.get("fusions") or {}),
        "threads": "" if engine.threads is None else str(engine.threads),
        "precision": _pairs(precision),
        "emulated": str(evidence.get("emulated") or ""),
        "layout": str(evidence.get("layout") or ""),
        "inputs in": {"host": "main memory", "device": "the device's memory"}.get(engine.boundary or "", ""),
    }


def _assigned(assigned: Mapping[str, int], unit: str) -> str:
    total = sum(assigned.values())
    return ", ".join(
        f"{provider}: {count} of {total} {unit}, {count / total:.0%}"
        for provider, count in _descending(assigned)
        if total
    )


def _shares(flops: Mapping[str, int]) -> str:
    total = sum(flops.values())
    return ", ".join(f"{provider}: {count / total:.1%}" for provider, count in _descending(flops)) if total else ""


def _counted(counts: Mapping[str, int]) -> str:
    listed = [f"{count} {name}" for name, count in _descending(counts)]
    rest = len(listed) - _TOP_PLACED
    return ", ".join(listed[:_TOP_PLACED] + ([f"{rest} kinds more"] if rest > 0 else []))


def _merged(operators: Mapping[str, Mapping[str, int]]) -> Mapping[str, int]:
    return sum((Counter(own) for own in operators.values()), Counter[str]())


def _descending(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _column(values: Sequence[float | None]) -> tuple[float, ...]:
    """Return a row's figures; none where one is missing."""
    known = tuple(value for value in values if value is not None)
    return known if len(known) == len(values) else ()


def _class_cells(row: ClassRow, base: int | None) -> list[Cell]:
    others = [] if base is None else [ms - row.ms[base] for index, ms in enumerate(row.ms) if index != base]
    return [Cell(row.kind), *map(_number, row.ms), *(Cell(_signed(value), value) for value in others)]


def _number(value: float) -> Cell:
    return Cell(format_significant(value), value)


def _signed(value: float) -> str:
    return f"{'-' if value < 0 else '+'}{format_significant(abs(value))}" if value else "0"
