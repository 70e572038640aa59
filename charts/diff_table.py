"""What changed between runs, and runs over time, as tables for a terminal or a pipe."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ortbench.charts.console import print_line
from ortbench.results.diff import ArmDiff, CellDiff, Change, RunDiff, Unmatched
from ortbench.results.history import Figures, History, HistoryRun
from ortbench.results.schema import CellKey
from ortbench.results.summary import Bounds
from ortbench.results.verdicts import Verdict
from ortbench.units import format_significant

_STYLES = {"faster": "green", "slower": "red"}
_WORST_FIRST: tuple[Verdict, ...] = ("slower", "faster", "same", "inconclusive")
_OPTIONAL = {"precision": "fp32", "instances": 1, "mode": "single", "allocator": "default", "load": ""}


def print_diff(diff: RunDiff, console: Console) -> None:
    """Print the table, then what else differs, then all verdicts in one line."""
    console.print(build_diff_table(diff))
    for line in [*diff_lines(diff), conclusion(diff.cells)]:
        print_line(console, line)


def build_diff_table(diff: RunDiff) -> Table:
    """Return the table: one row per cell and engine, every change as new over old."""
    extras = _varying([cell.cell for cell in diff.cells])
    mark = " (not comparable, shown anyway)" if diff.passed_over else ""
    title = Text(f"{diff.old} -> {diff.new}, baseline {diff.baseline}{mark}")
    table = Table(box=SIMPLE_HEAD, title=title, title_justify="left")
    table.add_column("engine")
    for heading in ("batch size", "threads", *extras, "latency ms", "new/old [95 %]", "speedup", "new/old [95 %]"):
        table.add_column(heading, justify="right")
    table.add_column("verdict")
    for cell in diff.cells:
        for arm in cell.arms:
            table.add_row(escape(arm.engine), *_place_words(cell.cell, extras), *_change_words(arm))
        table.add_section()
    return table


def diff_lines(diff: RunDiff) -> list[str]:
    """Return the lines below the table: what is missing and why, what else differs, and the notes."""
    lines = [
        f"{arm.engine} at {_place(cell.cell)}: {arm.reason}" for cell in diff.cells for arm in cell.arms if arm.reason
    ]
    lines += _only("only in old", diff.only_in_old)
    lines += _only("only in new", diff.only_in_new)
    lines += [f"not comparable: {line}" for line in diff.passed_over]
    lines += [f"differs: {line}" for line in diff.differences]
    lines += [f"note: {note}" for note in diff.notes]
    made = "combine both runs' own" if diff.paired else "are the widest that both runs' bounds allow"
    lines.append(f"intervals {made}; verdicts are on the speedup's change, beyond {diff.band:.1%}")
    return lines


def conclusion(cells: Sequence[CellDiff]) -> str:
    """Return all verdicts in one line, such as `ort: 3 cells faster, 1 same, none slower`."""
    counts: dict[str, Counter[Verdict]] = {}
    for cell in cells:
        for arm in cell.arms:
            if arm.verdict is not None:
                counts.setdefault(arm.engine, Counter())[arm.verdict] += 1
    if not counts:
        return "Nothing to decide: only the baseline is in both runs."
    line = "; ".join(f"{engine}: {_counted(own)}" for engine, own in counts.items())
    changed = any(own["faster"] or own["slower"] for own in counts.values())
    return line if changed else f"No change shown. {line}"


def print_history(history: History, console: Console) -> None:
    """Print the table, then the notes."""
    console.print(build_history_table(history))
    if any(run.other_machine for run in history.runs):
        print_line(console, "*: on another machine than the newest run, not to be compared with it")
    for note in history.notes:
        print_line(console, f"note: {note}")


def build_history_table(history: History) -> Table:
    """Return the table: one row per run, the oldest first, two columns per engine."""
    libraries = list(dict.fromkeys(name for run in history.runs for name in run.versions))
    title = Text(f"{history.model}, {_place(history.cell)}, baseline {history.baseline}")
    table = Table(box=SIMPLE_HEAD, title=title, title_justify="left")
    for heading in ("created", "commit", *libraries):
        table.add_column(heading)
    for engine in map(escape, history.engines):
        table.add_column(f"{engine} ms [95 %]", justify="right")
        if engine != escape(history.baseline):
            table.add_column(f"{engine} speedup [95 %]", justify="right")
    for run in history.runs:
        about = [run.created + (" *" if run.other_machine else ""), run.git_commit or ""]
        about += [run.versions.get(name, "") for name in libraries]
        table.add_row(*map(escape, about), *_history_words(history, run))
    return table


def _history_words(history: History, run: HistoryRun) -> Iterator[str]:
    own = {one.engine: one for one in run.figures if one.batch_size == history.cell.batch_size}
    for engine in history.engines:
        one = own.get(engine) or Figures(engine=engine, batch_size=history.cell.batch_size, status="")
        failed = one.status if one.status != "ok" else ""
        yield failed if one.latency_ms is None else _bounded(one.latency_ms, one.latency_ci95)
        if engine != history.baseline:
            yield "" if one.speedup is None else _bounded(one.speedup, one.speedup_ci95, "x")


def _counted(verdicts: Counter[Verdict]) -> str:
    [first, *rest] = [(verdicts[verdict], verdict) for verdict in _WORST_FIRST if verdicts[verdict]]
    parts = [f"{first[0]} cell{'' if first[0] == 1 else 's'} {first[1]}"]
    parts += [f"{number} {verdict}" for number, verdict in rest]
    return ", ".join(parts + ([] if verdicts["slower"] or not verdicts["faster"] else ["none slower"]))


def _change_words(arm: ArmDiff) -> list[str | Text]:
    verdict = arm.verdict or ("baseline" if arm.reason is None else "")
    return [*_both(arm.latency_ms), *_both(arm.speedup), Text(verdict, style=_STYLES.get(verdict, ""))]


def _both(change: Change | None) -> tuple[str, str]:
    if change is None:
        return "", ""
    interval = "" if change.ci95 is None else f" [{change.ci95[0]:.3f}, {change.ci95[1]:.3f}]"
    # The brackets must not be read as markup.
    figures = f"{format_significant(change.old)} -> {format_significant(change.new)}"
    return figures, escape(f"{change.ratio:.3f}{interval}")


def _bounded(value: float, bounds: Bounds | None, suffix: str = "") -> str:
    text = format_significant(value)
    decimals = len(text.partition(".")[2])
    interval = "" if bounds is None else f" [{bounds[0]:.{decimals}f}, {bounds[1]:.{decimals}f}]"
    return escape(text + suffix + interval)


def _only(where: str, unmatched: Sequence[Unmatched]) -> list[str]:
    told = [f"{one.engine} at {_place(one.cell)}" if one.engine else _place(one.cell) for one in unmatched]
    return [f"{where}: {'; '.join(told)}"] if told else []


def _varying(cells: Sequence[CellKey]) -> list[str]:
    """Return what sets cells apart from plain ones, and so needs a column."""
    extras = [name for name, plain in _OPTIONAL.items() if any(getattr(cell, name) != plain for cell in cells)]
    return (["model"] if len({cell.model for cell in cells}) > 1 else []) + extras


def _place_words(cell: CellKey, extras: Sequence[str]) -> list[str]:
    return [str(cell.batch_size), str(cell.threads), *(escape(str(getattr(cell, name))) for name in extras)]


def _place(cell: CellKey) -> str:
    extras = "".join(f", {name} {getattr(cell, name)}" for name in _varying([cell]))
    return f"batch size {cell.batch_size}, threads {cell.threads}{extras}"
