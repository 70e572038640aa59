"""The summary as a table for a terminal or a pipe."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ortbench.results.summary import ArmSummary, CellSummary, Summary
from ortbench.units import format_significant

# A pipe has no width; wide enough that no row of a usual study is folded.
_PIPE_WIDTH = 180
_STYLES = {"faster": "green", "slower": "red"}
_OPTIONAL = {"precision": "fp32", "instances": 1, "mode": "single", "allocator": "default"}


def print_summary(summary: Summary, console: Console) -> None:
    """Print the table, then what is wrong, then the notes."""
    console.print(build_table(summary))
    for line in footer(summary):
        console.print(Text(line), soft_wrap=True)


def answer_console(*, stderr: bool = False) -> Console:
    """Return a console that never folds a table because its output goes into a file."""
    console = Console(stderr=stderr, highlight=False)
    return console if console.is_terminal else Console(stderr=stderr, highlight=False, width=_PIPE_WIDTH)


def build_table(summary: Summary) -> Table:
    """Return the table: one row per cell and arm, a line between cells."""
    extras = [name for name, plain in _OPTIONAL.items() if any(getattr(cell, name) != plain for cell in summary.cells)]
    models = {cell.model for cell in summary.cells}
    table = Table(box=SIMPLE_HEAD, title=f"{summary.model}, baseline {summary.baseline}", title_justify="left")
    for heading in (["model"] if len(models) > 1 else []) + ["engine"]:
        table.add_column(heading)
    for heading in ["batch size", "threads", *extras, "latency ms [95 %]", "inferences/s", "speedup [95 %]"]:
        table.add_column(heading, justify="right")
    for heading in ("verdict", "parity"):
        table.add_column(heading)
    for cell in summary.cells:
        for arm in cell.arms:
            words = [cell.model] if len(models) > 1 else []
            words += [arm.engine + (" (twin)" if arm.twin else ""), str(cell.batch_size), str(cell.threads)]
            words += [str(getattr(cell, name)) for name in extras]
            table.add_row(*map(escape, words), *_figures(summary, arm))
        table.add_section()
    return table


def footer(summary: Summary) -> list[str]:
    """Return the lines below the table: what each bad arm suffered, and the notes."""
    lines = []
    for cell in summary.cells:
        lines += [f"{arm.engine} {arm.status} at {_place(cell)}: {arm.reason}" for arm in cell.arms if arm.reason]
    return list(dict.fromkeys(lines)) + [f"note: {note}" for note in summary.notes]


def _place(cell: CellSummary) -> str:
    return f"batch size {cell.batch_size}, threads {cell.threads}"


def _figures(summary: Summary, arm: ArmSummary) -> list[str | Text]:
    latency, speedup = arm.latency_ms, arm.speedup
    verdict: str = arm.status if arm.status != "ok" else speedup.verdict if speedup else ""
    if arm.status == "ok" and arm.engine == summary.baseline and not arm.twin:
        verdict = "baseline"
    bounded = _with_interval(speedup.ratio, speedup.ci95, suffix="x") if speedup else ""
    return [
        _with_interval(latency.median, latency.ci95) if latency else "",
        format_significant(arm.throughput_per_s) if arm.throughput_per_s else "",
        bounded,
        Text(verdict, style=_STYLES.get(verdict, "yellow" if arm.status != "ok" else "")),
        _parity(arm),
    ]


def _with_interval(value: float, bounds: tuple[float, float] | None, suffix: str = "") -> str:
    text = format_significant(value) + suffix
    if bounds is None:
        return text
    decimals = len(format_significant(value).partition(".")[2])
    # The brackets must not be read as markup.
    return escape(f"{text} [{bounds[0]:.{decimals}f}, {bounds[1]:.{decimals}f}]")


def _parity(arm: ArmSummary) -> str:
    parity = arm.parity or {}
    if parity.get("ok") is None:
        return ""
    error = parity.get("max_abs_error")
    how_far = "" if error is None else f" {error:.0e}" if error else " exact"
    return ("ok" if parity["ok"] else "FAILED") + how_far
