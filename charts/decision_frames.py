"""The rows of the pictures that help to decide: pure functions of the summary."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ortbench.charts.frames import Row, combination_name
from ortbench.charts.hollow import UNDECIDED, is_solid, standing
from ortbench.results.summary import ArmSummary, CellSummary, Summary
from ortbench.units import format_significant

# What is stacked, in the order in which a first use meets it.
COLD_PARTS = ("import", "load", "first call", "until steady")


def of_combination(summary: Summary, name: str) -> list[CellSummary]:
    """Return the cells of one combination of precision, instances, mode and allocator."""
    return [cell for cell in summary.cells if combination_name(cell.key) == name]


def speedup_rows(cells: Sequence[CellSummary]) -> list[Row]:
    """Return one row per cell and compared engine: `ratio` with `_low` and `_high`, and whether it is decided."""
    return [
        {
            "engine": arm.engine,
            "batch_size": cell.batch_size,
            "threads": cell.threads,
            "ratio": arm.speedup.ratio,
            "ratio_low": (arm.speedup.ci95 or (arm.speedup.ratio,) * 2)[0],
            "ratio_high": (arm.speedup.ci95 or (arm.speedup.ratio,) * 2)[1],
            "ratio_label": f"{arm.speedup.ratio:.2f}x",
            **_standing(arm),
        }
        for cell, arm in _arms(cells)
        if arm.speedup
    ]


def pareto_rows(cells: Sequence[CellSummary]) -> list[Row]:
    """Return one row per valid arm: latency, throughput, whether no other is better in both, and what it is called.

    Arms under arrivals are left out: they get done what arrives.

    One point of the front is chosen: the one with the greatest power, throughput over latency (Kleinrock, Power and
    deterministic rules of thumb for probabilistic problems in computer communications, 1979).
    """
    rows: list[Row] = [
        {
            "engine": arm.engine,
            "latency": arm.latency_ms.median,
            "throughput": arm.throughput_per_s,
            "name": f"{arm.engine}, batch {cell.batch_size}, {_threads(cell.threads)}",
            # On two lines, as the front's first point is often at the edge of a small screen.
            "label": f"{arm.engine}\nbatch {cell.batch_size}, {_threads(cell.threads)}",
            **_standing(arm),
        }
        for cell, arm in _arms(cells)
        if arm.status == "ok" and arm.latency_ms and arm.throughput_per_s and not (arm.load and arm.load.offered_per_s)
    ]
    best = 0.0
    for row in sorted(rows, key=lambda row: (row["latency"], -row["throughput"])):
        row["front"] = row["throughput"] > best
        best = max(best, row["throughput"])
    front = [row for row in rows if row["front"]]
    chosen = max(front, key=lambda row: row["throughput"] / row["latency"], default=None)
    return [row | {"chosen": row is chosen} for row in rows]


def scaling_rows(cells: Sequence[CellSummary]) -> list[Row]:
    """Return the efficiency, latency(1) / (n * latency(n)), of every arm that was also measured with one thread."""
    single = {
        (cell.batch_size, arm.engine): arm.latency_ms.median
        for cell, arm in _arms(cells)
        if cell.threads == 1 and arm.status == "ok" and arm.latency_ms
    }
    rows: list[Row] = []
    for cell, arm in _arms(cells):
        alone = single.get((cell.batch_size, arm.engine))
        if alone and arm.latency_ms and arm.status == "ok":
            efficiency = alone / (cell.threads * arm.latency_ms.median)
            rows.append(
                {
                    "engine": arm.engine,
                    "batch_size": cell.batch_size,
                    "threads": cell.threads,
                    "efficiency": efficiency,
                    "efficiency_label": f"{efficiency:.0%}",
                    **_standing(arm),
                }
            )
    return rows if any(row["threads"] > 1 for row in rows) else []


def cold_rows(cells: Sequence[CellSummary]) -> list[Row]:
    """Return the parts of each engine's first use, in s, at the first cell that it was measured in."""
    rows: list[Row] = []
    seen: set[str] = set()
    for _, arm in _arms(cells):
        if arm.cold is None or arm.engine in seen:
            continue
        seen.add(arm.engine)
        first_call = (arm.cold.first_call_ms or 0.0) / 1e3
        after = max(0.0, (arm.cold.time_to_steady_s or first_call) - first_call)
        parts = (arm.cold.import_s or 0.0, arm.cold.load_s or 0.0, first_call, after)
        # A bar of parts cannot be hollow, so the name says it.
        name_told = arm.engine if arm.status == "ok" else f"{arm.engine} ({arm.status})"
        rows += [
            {"engine": name_told, "part": name, "place": place, "seconds": seconds}
            for place, (name, seconds) in enumerate(zip(COLD_PARTS, parts, strict=True))
        ]
    return rows


def memory_rows(cells: Sequence[CellSummary]) -> list[Row]:
    """Return each arm's peak resident memory and its proportional set size, in MiB, at the greatest thread count."""
    most = max((cell.threads for cell in cells), default=0)
    return [
        {
            "engine": arm.engine,
            "batch_size": cell.batch_size,
            "memory": arm.memory_mib,
            "pss": arm.pss_mib,
            "memory_label": format_significant(arm.memory_mib),
            "pss_label": "" if arm.pss_mib is None else format_significant(arm.pss_mib),
            # Memory is not compared with the baseline's, so nothing about it is undecided.
            "valid": arm.status == "ok",
            "state": arm.status,
        }
        for cell, arm in _arms(cells)
        if arm.memory_mib is not None and cell.threads == most
    ]


def winner_rows(cells: Sequence[CellSummary], baseline: str) -> list[Row]:
    """Return the fastest engine of each cell, by how much it leads the next, and whether that lead is shown."""
    return [row for cell in cells if (row := _winner(cell, baseline))]


def _winner(cell: CellSummary, baseline: str) -> Row | None:
    ranked = sorted(_relative(cell, baseline), key=lambda pair: pair[1])
    if len(ranked) < 2:
        return None
    (first, fast), (second, slow) = ranked[:2]
    shown = _is_shown(first, second, baseline)
    return {
        "engine": first.engine,
        "batch_size": cell.batch_size,
        "threads": cell.threads,
        "lead": slow / fast,
        "lead_label": f"{slow / fast:.2f}x" + ("" if shown else " ?"),
        "valid": shown,
        "state": "ok" if shown else UNDECIDED,
    }


def unwon_rows(cells: Sequence[CellSummary], baseline: str) -> list[Row]:
    """Return the cells in which fewer than two engines have a figure that counts, and what became of the others."""
    return [
        {"batch_size": cell.batch_size, "threads": cell.threads, "why": ", ".join(states) or "one engine"}
        for cell in cells
        if _winner(cell, baseline) is None
        for states in [list(dict.fromkeys(arm.status for arm in cell.arms if arm.status != "ok" and not arm.twin))]
    ]


def _relative(cell: CellSummary, baseline: str) -> list[tuple[ArmSummary, float]]:
    """Return each usable arm's latency: over the baseline's, paired by round, where all have that; else in ms."""
    arms = [arm for arm in cell.arms if arm.status == "ok" and arm.latency_ms and not arm.twin]
    paired = [(arm, 1 / arm.speedup.ratio if arm.speedup else 1.0) for arm in arms]
    if all(arm.speedup or arm.engine == baseline for arm in arms):
        return paired
    return [(arm, arm.latency_ms.median) for arm in arms if arm.latency_ms]


def _is_shown(first: ArmSummary, second: ArmSummary, baseline: str) -> bool:
    """Say whether the lead is more than chance: by the paired verdict where there is one, else by apart intervals."""
    if second.engine == baseline and first.speedup:
        return first.speedup.verdict == "faster"
    if first.engine == baseline and second.speedup:
        return second.speedup.verdict == "slower"
    one, other = (arm.speedup.ci95 if arm.speedup else None for arm in (first, second))
    return bool(one and other and one[0] > other[1])


def _standing(arm: ArmSummary) -> Row:
    state = standing(arm)
    return {"valid": is_solid(state), "state": state}


def _arms(cells: Sequence[CellSummary]) -> Iterator[tuple[CellSummary, ArmSummary]]:
    return ((cell, arm) for cell in cells for arm in cell.arms if not arm.twin)


def _threads(count: int) -> str:
    return f"{count} thread" + ("s" if count > 1 else "")


def alternatives(rows: Sequence[Row], column: str) -> list[Any]:
    """Return the values of a column that occur, ascending."""
    return sorted({row[column] for row in rows})
