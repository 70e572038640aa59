"""The main job as a person sees it: the plan, the progress, the answer, and where everything lies."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import msgspec

from ortbench import api, products
from ortbench.charts.console import answer_console
from ortbench.charts.diff_table import print_diff
from ortbench.charts.explain_table import print_explanation
from ortbench.charts.table import print_summary
from ortbench.comparison import CompareRequest, Comparison
from ortbench.errors import DrawingError, OrtbenchError, UsageError
from ortbench.faults import fault_sentences, faults_logged_in
from ortbench.progress import Progress
from ortbench.results.change import change_between
from ortbench.results.diff import RunDiff
from ortbench.results.folder import encode_json
from ortbench.results.schema import Run
from ortbench.results.study import Results, load_results
from ortbench.runner.planning import Settings
from ortbench.streams import answer_folder, answer_json, answer_lines, say
from ortbench.units import format_overrun, format_seconds

DONE, INCOMPLETE, INTERRUPTED = 0, 3, 130


def compare_and_show(  # noqa: PLR0913 - a switch each, given by name
    request: CompareRequest, *, against: str | None, dry_run: bool, charts: bool, quiet: bool, as_json: bool
) -> int:
    """Plan, measure, draw and print; return the exit status.

    Args:
        request: the options as they were typed.
        against: earlier results, with which these are compared in the end.
        dry_run: stop after the plan.
        charts: draw charts and write the report in the end.
        quiet: no progress.
        as_json: one JSON document on standard output.
    """
    # What is no result is refused before anything is measured.
    old = load_results(Path(against)) if against else None
    planned = api.plan_comparison(request, _ignore if quiet else say, make_environments=not dry_run)
    lines = [*api.plan_lines(planned.plan), *planned.available.to_make]
    lines.append(f"results  {planned.folder}")
    if dry_run:
        _answer_plan(planned.plan.settings, lines, as_json=as_json)
        return DONE
    with Progress(planned.plan.settings.max_time_s, quiet=quiet) as progress:
        for line in lines:
            progress.say(line)
        with faults_logged_in(planned.folder):
            comparison = api.compare(planned, progress)
    change = _change(old, comparison.results) if old else None
    if as_json:
        document = msgspec.to_builtins(comparison.summary) | ({"change": msgspec.to_builtins(change)} if change else {})
        if comparison.explanation:
            document["explanation"] = msgspec.to_builtins(comparison.explanation)
        answer_json(msgspec.json.format(encode_json(document)))
    else:
        print_summary(comparison.summary, answer_console())
        if change:
            print_diff(change, answer_console())
        if comparison.explanation:
            print_explanation(comparison.explanation, answer_console(), comparison.folder)
        answer_lines([time_line(comparison.run)])
    if comparison.interrupted:
        say(f"Interrupted; what was measured is kept. `ortbench charts {comparison.folder}` draws it.")
    elif charts:
        _draw(comparison)
    # The path comes last, where a person and a script both find it.
    answer_folder(comparison.folder, as_json=as_json)
    if comparison.interrupted:
        return INTERRUPTED
    return DONE if comparison.complete else INCOMPLETE


def _answer_plan(settings: Settings, lines: list[str], *, as_json: bool) -> None:
    if as_json:
        answer_json(json.dumps(msgspec.to_builtins(settings), indent=2))
    else:
        answer_lines(lines)


def _change(old: Results, new: Results) -> RunDiff | None:
    """Return what changed; say why where the two are not to be compared, as what was just measured is worth showing."""
    try:
        return change_between(old, new)
    except UsageError as error:
        say(f"No change is shown: {error}")
        return None


def time_line(run: Run) -> str:
    """Say what the study's time went into."""
    total, inside, rounds, starting, preparing, parity, cpu, waiting, lead_in = (
        run.time_s.get(name, 0.0) for name in _TIMES
    )
    finals, finals_inside = (run.time_s.get(name, 0.0) for name in ("finals", "finals_inside"))
    parts = {
        "starting engines": starting,
        "checking outputs": parity,
        "warming up": preparing,
        **({"waiting for requests": waiting} if waiting else {}),
        "lead-ins": lead_in,
        "between calls": max(0.0, rounds - inside + finals_inside - waiting - lead_in),
        "idle": max(0.0, total - starting - preparing - parity - rounds - finals),
    }
    if finals:
        parts["the finals' own starting and warming up"] = max(0.0, finals - finals_inside)
    worded = ", ".join(f"{name} {format_seconds(seconds)}" for name, seconds in parts.items())
    # The parent's time is of the cells' launches.
    running = inside - finals_inside + waiting + lead_in
    share, parent = (inside / total if total else 0.0), (cpu / running if running else 0.0)
    roofs = f"; the machine's roofs took {format_seconds(run.time_s['roofs'])} more" if "roofs" in run.time_s else ""
    over = format_overrun(total, run.settings.get("max_time_s") or math.inf)
    overrun = f"{over}, " if over else ""
    return (
        f"time: {format_seconds(total)}, {overrun}{share:.0%} of it inside counted calls ({worded}); "
        f"ortbench itself used {parent:.1%} of a CPU while engines ran{roofs}"
    )


_TIMES = ("total", "inside_calls", "rounds", "starting", "preparing", "parity", "parent_cpu", "waiting", "lead_in")


def _draw(comparison: Comparison) -> None:
    """Draw the charts and write the report; one that cannot be made costs itself only, never the answer."""
    folder, results = comparison.folder, comparison.results
    _try("charts", folder, lambda: products.draw_charts(results, products.charts_folder(folder)))
    _try("report", folder, lambda: products.write_report(results, products.report_file(folder)))


def _try(what: str, folder: Path, make: Callable[[], object]) -> None:
    try:
        with faults_logged_in(folder):
            make()
    except DrawingError as error:
        say(str(error))
    except OrtbenchError as error:
        say(f"No {what}: {error}")
    except Exception as error:  # noqa: BLE001 - what was measured is there, and so is the answer
        say(f"No {what}: {fault_sentences(error)}")


def _ignore(text: str) -> None:
    """Say nothing."""
