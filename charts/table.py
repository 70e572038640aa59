"""The summary as a table for a terminal or a pipe."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ortbench.charts.best_table import print_best
from ortbench.charts.console import print_line
from ortbench.charts.elasticity_words import elasticity_sentences
from ortbench.results.attainable import roof_lines
from ortbench.results.fairness import told_marks
from ortbench.results.lanes import accuracy, shows_accuracy
from ortbench.results.load import tail
from ortbench.results.reduction import for_tables
from ortbench.results.summary import ArmSummary, CellSummary, Summary
from ortbench.results.used import used_columns, used_figures
from ortbench.results.versions import differing_versions
from ortbench.units import format_significant, quantity

_STYLES = {"faster": "green", "slower": "red"}
_OPTIONAL = {"precision": "fp32", "instances": 1, "mode": "single", "allocator": "default", "load": ""}


def print_summary(summary: Summary, console: Console) -> None:
    """Print the table, then what is wrong, then the notes."""
    summary = for_tables(summary)
    console.print(build_table(summary))
    print_best(summary, console)
    if any(arm.cold for cell in summary.cells for arm in cell.arms):
        console.print(build_cold_table(summary))
    for line in footer(summary):
        print_line(console, line)


def build_table(summary: Summary) -> Table:
    """Return the table: one row per cell and arm, a line between cells."""
    extras = _extras(summary)
    models = {cell.model for cell in summary.cells}
    varying, constant = _places(summary)
    used = used_columns(summary)
    title = escape(", ".join([summary.model, f"baseline {summary.baseline}", *constant]))
    table = Table(box=SIMPLE_HEAD, title=title, title_justify="left", collapse_padding=True, pad_edge=False)
    for heading in (["model"] if len(models) > 1 else []) + ["engine"]:
        table.add_column(heading, overflow="fold")
    loaded = any(arm.load for cell in summary.cells for arm in cell.arms)
    tails = ["tail ms [95 %]"] if loaded else []
    for heading in [*varying, *extras, "latency ms [95 %]", *tails, "inferences/s", "speedup [95 %]"]:
        table.add_column(_folded(heading), justify="right", overflow="fold")
    for heading in ("verdict", "parity"):
        table.add_column(heading)
    accurate = shows_accuracy(summary.cells)
    for heading in ("cosine", "top-1") if accurate else ():
        table.add_column(heading, justify="right")
    for heading in used.values():
        table.add_column(_folded(heading), justify="right")
    for cell in summary.cells:
        for arm in cell.arms:
            words = [cell.model] if len(models) > 1 else []
            words += [arm.engine + (" (twin)" if arm.twin else "")]
            words += [str(getattr(cell, name)) for name in (*varying.values(), *extras)]
            figures = _figures(summary, arm)
            if loaded:
                figures.insert(1, _tail(arm))
            figures = [*figures, *(accuracy(arm) if accurate else ())]
            table.add_row(*map(escape, words), *figures, *used_figures(arm, used))
        table.add_section()
    return table


def _places(summary: Summary) -> tuple[dict[str, str], list[str]]:
    """Return heading -> field of where cells differ, and in words where they are all alike: that need no column."""
    varying, constant = {}, []
    for heading, name in (("batch size", "batch_size"), ("threads", "threads")):
        values = {getattr(cell, name) for cell in summary.cells}
        if len(values) == 1:
            constant.append(f"{heading} {values.pop()}")
        else:
            varying[heading] = name
    if load := _common_load(summary):
        constant.append(load)
    return varying, constant


def _common_load(summary: Summary) -> str:
    """Return the load that all cells are under; empty where there is none, or several."""
    loads = {cell.load for cell in summary.cells}
    return loads.pop() if len(loads) == 1 else ""


def _extras(summary: Summary) -> list[str]:
    """Return the fields in which any cell is not the plain one; a load of them all stands in the title."""
    plain = _OPTIONAL | {"load": _common_load(summary)}
    return [name for name, usual in plain.items() if any(getattr(cell, name) != usual for cell in summary.cells)]


def _folded(heading: str) -> Text:
    """Break a heading where its words do not fit beside the others: figures are narrower."""
    return Text(heading.replace(" ", "\n", 1).replace("/s", "\n/s"))


def build_cold_table(summary: Summary) -> Table:
    """Return what a first use costs, apart from everything that is compared: medians over launches.

    It hardly depends on threads and instances, so that those of one process with the most threads stand for all.
    """
    cells = _telling_first_use(summary)
    extras = [name for name in _extras(summary) if any(getattr(cell, name) != _OPTIONAL[name] for cell in cells)]
    left_out = "" if len(cells) == len(summary.cells) else "; that of the other cells is in summary.json"
    table = Table(box=SIMPLE_HEAD, title=f"first use{left_out}", title_justify="left")
    table.add_column("engine")
    built = any(arm.cold and arm.cold.build_s is not None for cell in cells for arm in cell.arms)
    place = ("batch size", "threads", *extras, *(["build s"] if built else []))
    for heading in (*place, "import s", "load s", "first call ms", "until steady s", "peak MiB"):
        table.add_column(heading, justify="right")
    for cell in cells:
        for arm in cell.arms:
            if arm.cold and not arm.twin:
                cold = arm.cold
                figures = (cold.import_s, cold.load_s, cold.first_call_ms, cold.time_to_steady_s, arm.memory_mib)
                words = [format_significant(figure) if figure is not None else "" for figure in figures]
                if arm.steady is False:
                    words[3] += " (not steady)"
                if built:
                    words.insert(0, format_significant(cold.build_s) if cold.build_s is not None else "")
                where = [str(cell.batch_size), str(cell.threads), *(str(getattr(cell, name)) for name in extras)]
                table.add_row(escape(arm.engine), *where, *words)
    return table


def _telling_first_use(summary: Summary) -> list[CellSummary]:
    """Return the cells of the fewest instances, and of these those with the most threads."""
    measured = [cell for cell in summary.cells if any(arm.cold for arm in cell.arms)]
    fewest = min(cell.instances for cell in measured)
    most = max(cell.threads for cell in measured if cell.instances == fewest)
    return [cell for cell in summary.cells if (cell.instances, cell.threads) == (fewest, most)]


def footer(summary: Summary) -> list[str]:
    """Return the lines below the table: what each bad arm suffered, what can be resolved, and the notes."""
    lines = [line for cell in summary.cells for line in _bad_arms(cell)]
    lines += [f"versions: {line}" for line in differing_versions(summary)]
    lines += [f"unequal: {sentence}" for sentence in told_marks(summary)]
    lines += _intervals(summary)
    lines += _resolution(summary)
    lines += [f"state: {sentence}" for sentence in elasticity_sentences(summary)]
    lines += roof_lines(summary)
    return list(dict.fromkeys(lines)) + [f"note: {note}" for note in summary.notes]


def _bad_arms(cell: CellSummary) -> list[str]:
    """Say what each bad arm suffered, and once what all of them suffered alike."""
    bad = [arm for arm in cell.arms if arm.reason]
    if len(bad) == len(cell.arms) > 1 and len({(arm.status, arm.reason) for arm in bad}) == 1:
        return [f"every engine {bad[0].status} at {cell.place}: {bad[0].reason}"]
    return [f"{arm.engine} {arm.status} at {cell.place}: {arm.reason}" for arm in bad]


def _intervals(summary: Summary) -> list[str]:
    """Say how intervals of few launches were made, and what would give one where one launch was all that fitted."""
    if summary.max_time_for_intervals:
        advice = f"`--max-time {summary.max_time_for_intervals}` would give one"
        return [f"interval: there is none after one launch; {advice}"]
    arms = [arm for cell in summary.cells for arm in cell.arms]
    few = [arm for arm in arms if arm.speedup and arm.speedup.ci95 and arm.speedup.method in ("t", "weighted t")]
    if not few:
        return []
    fewest, most = min(arm.launches for arm in few), max(arm.launches for arm in few)
    launches = f"{fewest} launches" if fewest == most else f"{fewest} to {most} launches"
    weighted = any(arm.speedup and arm.speedup.method == "weighted t" for arm in few)
    return [f"interval: of {launches}, by Student's t" + ("; one of few rounds weighs less" if weighted else "")]


def _resolution(summary: Summary) -> list[str]:
    """Say how the baseline fared against itself, and how quiet the machine was."""
    lines = []
    for cell in summary.cells:
        for arm in cell.arms:
            if arm.twin and arm.speedup and arm.speedup.ci95:
                low, high = arm.speedup.ci95
                lines.append(
                    f"resolution: {arm.engine} against itself at {cell.place} reads "
                    f"{arm.speedup.ratio:.4f}x [{low:.4f}, {high:.4f}]"
                )
    if summary.resolution is not None:
        lines.append(f"resolution: this run tells differences of {summary.resolution:.1%} and more")
    unmet = [arm for cell in summary.cells for arm in cell.arms if arm.target_met is False and not arm.twin]
    if unmet:
        known = quantity(len(unmet), "speedup is", "speedups are")
        lines.append(f"target: {known} known less well than was wanted; a longer --max-time would help")
    if summary.spoiled_rounds:
        lines.append(f"machine: other programs or limits spoiled {summary.spoiled_rounds:.1%} of the rounds")
    if summary.drift is not None:
        lines.append(f"machine: its own speed moved by {summary.drift:.0%} between slow and fast spells")
    return lines


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


def _tail(arm: ArmSummary) -> str:
    """Return the highest percentile that there are samples for."""
    found = tail(arm)
    return f"{found[0]} {_with_interval(*found[1:])}" if found else ""


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
