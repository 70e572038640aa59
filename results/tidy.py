"""The summary as rows: results.csv and results.parquet, one row per cell and arm, twins left out."""

from __future__ import annotations

import csv
import io
import re
from typing import Any

from ortbench.printable import without_halves
from ortbench.results.summary import ArmSummary, CellSummary, Summary

# Name -> type of the values; the order of results.csv.
COLUMNS: dict[str, type] = {
    "model": str,
    "precision": str,
    "batch_size": int,
    "threads": int,
    "instances": int,
    "mode": str,
    "allocator": str,
    "engine": str,
    "status": str,
    "reason": str,
    "latency_ms": float,
    "latency_low_ms": float,
    "latency_high_ms": float,
    "latency_mean_ms": float,
    "latency_p90_ms": float,
    "latency_p95_ms": float,
    "latency_p99_ms": float,
    "throughput_per_s": float,
    "baseline": str,
    "speedup": float,
    "speedup_low": float,
    "speedup_high": float,
    "verdict": str,
    "target_met": bool,
    "parity_ok": bool,
    "parity_max_abs_error": float,
    "parity_cosine": float,
    "parity_top1_agreement": float,
    "rounds": int,
    "launches": int,
    "samples": int,
    "memory_mib": float,
    "pss_mib": float,
    "gpu_memory_mib": float,
    "joules_per_item": float,
    "minor_faults_per_call": float,
    "marks": str,
    "share_of_peak": float,
    "gflop_per_s": float,
    "attainable_gflop_per_s": float,
    "flop_per_byte": float,
    "load": str,
    "throughput_low_per_s": float,
    "throughput_high_per_s": float,
    "memory_low_mib": float,
    "memory_high_mib": float,
}

Row = dict[str, Any]
# The full-width forms of the signs are computed by spreadsheets in some languages.
_COMPUTED = re.compile("'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
# Between the marks of one arm; no mark holds it.
MARK_SEPARATOR = "; "


def tidy_rows(summary: Summary) -> list[Row]:
    """Return one row per cell and arm, every column present, None where there is no value."""
    return [_row(cell, arm) for cell in summary.cells for arm in cell.arms if not arm.twin]


def to_csv(rows: list[Row]) -> bytes:
    """Write rows as CSV; an empty cell where there is no value."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=list(COLUMNS), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(row[name]) for name in COLUMNS} for row in rows)
    return without_halves(text.getvalue()).encode()


def to_parquet(rows: list[Row]) -> bytes:
    """Write rows as Parquet, with the columns' types even where they are all empty."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
    schema = pa.schema([(name, types[kind]) for name, kind in COLUMNS.items()])
    # Parquet's strings are UTF-8.
    rows = [
        {name: without_halves(each) if isinstance(each, str) else each for name, each in row.items()} for row in rows
    ]
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), sink)
    return bytes(sink.getvalue().to_pybytes())


def as_text_cell(text: str) -> str:
    """Return what stands in a CSV for a text, so that no spreadsheet computes it; `from_text_cell` reads it back.

    Source: OWASP, "CSV Injection": an apostrophe before `=`, `+`, `-`, `@`, a tab or a carriage return.
    """
    return f"'{text}" if _COMPUTED.match(text) else text


def from_text_cell(text: str) -> str:
    """Return the text that a cell of a CSV stands for."""
    return text[1:] if text[:1] == "'" and _COMPUTED.match(text) else text


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return as_text_cell(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.9g}" if isinstance(value, float) else value


def _row(cell: CellSummary, arm: ArmSummary) -> Row:
    latency, speedup, parity, roof = arm.latency_ms, arm.speedup, arm.parity or {}, arm.roofline
    low, high = latency.ci95 if latency and latency.ci95 else (None, None)
    speedup_low, speedup_high = speedup.ci95 if speedup and speedup.ci95 else (None, None)
    return {
        "model": cell.model,
        "precision": cell.precision,
        "batch_size": cell.batch_size,
        "threads": cell.threads,
        "instances": cell.instances,
        "mode": cell.mode,
        "allocator": cell.allocator,
        "engine": arm.engine,
        "status": arm.status,
        "reason": arm.reason,
        "latency_ms": latency.median if latency else None,
        "latency_low_ms": low,
        "latency_high_ms": high,
        "latency_mean_ms": latency.mean if latency else None,
        "latency_p90_ms": latency.p90 if latency else None,
        "latency_p95_ms": latency.p95 if latency else None,
        "latency_p99_ms": latency.p99 if latency else None,
        "throughput_per_s": arm.throughput_per_s,
        "throughput_low_per_s": arm.throughput_ci95[0] if arm.throughput_ci95 else None,
        "throughput_high_per_s": arm.throughput_ci95[1] if arm.throughput_ci95 else None,
        "baseline": speedup.baseline if speedup else None,
        "speedup": speedup.ratio if speedup else None,
        "speedup_low": speedup_low,
        "speedup_high": speedup_high,
        "verdict": speedup.verdict if speedup else None,
        "target_met": arm.target_met,
        "parity_ok": parity.get("ok"),
        "parity_max_abs_error": parity.get("max_abs_error"),
        "parity_cosine": parity.get("cosine"),
        "parity_top1_agreement": parity.get("top1_agreement"),
        "rounds": arm.rounds,
        "launches": arm.launches,
        "samples": arm.samples,
        "memory_mib": arm.memory_mib,
        "memory_low_mib": arm.memory_ci95[0] if arm.memory_ci95 else None,
        "memory_high_mib": arm.memory_ci95[1] if arm.memory_ci95 else None,
        "pss_mib": arm.pss_mib,
        "gpu_memory_mib": arm.gpu_memory_mib,
        "joules_per_item": arm.joules_per_item,
        "minor_faults_per_call": arm.minor_faults_per_call,
        "marks": MARK_SEPARATOR.join(arm.marks) or None,
        "share_of_peak": roof.share if roof else None,
        "gflop_per_s": roof.achieved_gflop_per_s if roof else None,
        "attainable_gflop_per_s": roof.attainable_gflop_per_s if roof else None,
        "flop_per_byte": roof.intensity if roof else None,
        "load": cell.load or None,
    }
