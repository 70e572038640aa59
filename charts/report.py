"""The report: one HTML file with the answer in words, how far to trust it, charts, tables and the machine."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
from markupsafe import Markup

from ortbench.charts.best_chart import best_pictures
from ortbench.charts.best_table import best_tables
from ortbench.charts.decisions import Picture, Record, decision_pictures
from ortbench.charts.frames import Frame, chart_frames
from ortbench.charts.gallery import gallery_pictures
from ortbench.charts.pages import render, template_text
from ortbench.charts.report_explain import explanation_tables
from ortbench.charts.report_tables import ReportTable, report_tables
from ortbench.charts.vega import vega_script
from ortbench.charts.words import answer_sentences, cell_sentences, trust_sentences
from ortbench.errors import DrawingError, ResultsError
from ortbench.printable import printable_strings
from ortbench.results.best_rows import told_factors
from ortbench.results.explanation import read_explanation
from ortbench.results.schema import Run
from ortbench.results.study import Results
from ortbench.results.summary import Summary
from ortbench.results.tidy import tidy_rows, to_csv
from ortbench.streams import say

_BRACKETS = {
    True: "In brackets: the interval that holds the true ratio in 95 of 100 such studies.",
    False: "In brackets: the widest ratio that the two latency intervals allow.",
}
# The headings of the page, and the kinds of picture that stand below each; what is not named is of the gallery.
_DECIDING = ("whose-advantage", "load", "speedup", "fastest-engine", "latency-vs-throughput", "scaling")
_RECORD = ("samples", "rounds", "first-use", "memory", "roofline")
# What can be chosen on the page: field of a cell -> label. The last only where there is a choice.
_CHOICES = {
    "batch_size": "Batch size",
    "threads": "Threads",
    "precision": "Precision",
    "allocator": "Allocator",
    "shared_among": "Instances",
}
_CHOICE_NAMES = {"shared_among": "instances"}
_USUAL = {"precision": "fp32", "allocator": "default", "shared_among": "1"}
_GROUPS = ("What to choose", "Threads and batch sizes", "Behind the figures")


def build_report(results: Results, version: str, cache: Path | None = None) -> str:
    """Return the page, which needs nothing else and no network.

    Args:
        results: a study with its record, or a CSV.
        version: of ortbench, for the foot of the page.
        cache: a folder that keeps what is the same for every report.

    Raises:
        ResultsError: there is nothing to show: no arm has a latency.
    """
    summary = results.summary
    charts = list(_charts(results))
    if not charts:
        raise ResultsError("There is nothing to report: no arm has a latency.")
    try:
        script = vega_script(cache)
    except DrawingError as error:
        say(str(error))
        script, charts, lost = "", [], [f"The charts are left out. {error}"]
    else:
        lost = []
    grouped = [(group, [chart for chart in charts if chart["group"] == group]) for group in _GROUPS]
    return render(
        "report.html.j2",
        title=f"{summary.model}: {' vs '.join(summary.engines)}",
        about=_about(results),
        answer=[*answer_sentences(summary), *_advantages(summary)],
        brackets=_BRACKETS[summary.paired],
        trust=[*trust_sentences(summary), *lost],
        cells=cell_sentences(summary),
        choices=_choices(summary),
        groups=[(group, members) for group, members in grouped if members],
        tables=[*best_tables(summary), *report_tables(summary), *_explained(results)],
        command=shlex.join(results.run.command) if results.run else None,
        downloads=list(_downloads(results)),
        facts=_facts(results.run) if results.run else [],
        version=version,
        data={"charts": {chart["id"]: chart["specification"] for chart in charts}, "downloads": _downloads(results)},
        # Our own files go in as they are; everything else is escaped.
        styles=Markup(template_text("report.css")),  # noqa: S704
        script=Markup(template_text("report.js")),  # noqa: S704
        vega=Markup(script),  # noqa: S704
    )


def _charts(results: Results) -> Iterator[dict[str, Any]]:
    """Yield every chart with what the page's choices are about."""
    numbers = count(1)
    for picture, frame in _pictures(results):
        title = picture.chart["title"]
        yield {
            "id": f"chart-{next(numbers)}",
            "group": _group(picture),
            "title": title["text"],
            "subtitle": " · ".join(title["subtitle"]),
            "alt": picture.chart["description"],
            "batch_size": picture.batch_size or "",
            "threads": picture.threads or "",
            "precision": frame.precision if frame else "",
            "allocator": frame.allocator if frame else "",
            "instances": frame.instances if frame else "",
            "specification": printable_strings(picture.chart),
        }


def _pictures(results: Results) -> Iterator[tuple[Picture, Frame | None]]:
    """Yield every picture with the frame that it is of; the best of all frames belongs to no single one."""
    record = Record(results.run.cells, results.rounds) if results.run else None
    for picture in best_pictures(results.summary):
        yield picture, None
    for frame in chart_frames(results.summary):
        pictures = list(decision_pictures(results.summary, frame.name, record, every=True))
        for picture in [*pictures, *gallery_pictures(results.summary, frame)]:
            yield picture, frame


def _advantages(summary: Summary) -> list[str]:
    """Say of the engine under study, in its best way, how much of its advantage is whose."""
    told = [
        told_factors(one, way, summary.baseline)
        for one in summary.best
        for way in one.engines
        if way.engine == summary.engines[-1] != summary.baseline
    ]
    return [sentence for sentence in told if sentence]


def _explained(results: Results) -> list[ReportTable]:
    """Return where the time of one cell goes, if that was profiled."""
    explanation = read_explanation(results.path) if results.path.is_dir() else None
    return explanation_tables(explanation) if explanation else []


def _group(picture: Picture) -> str:
    if picture.kind.startswith(_DECIDING):
        return _GROUPS[0]
    return _GROUPS[2] if picture.kind in _RECORD else _GROUPS[1]


def _choices(summary: Summary) -> list[dict[str, Any]]:
    """Return what can be chosen; the page begins with the smallest batch and the most threads."""
    choices = []
    for name, label in _CHOICES.items():
        options = sorted({getattr(cell, name) for cell in summary.cells})
        if name == "shared_among" and len(options) == 1:
            continue
        usual = _USUAL.get(name, options[-1 if name == "threads" else 0])
        first = usual if usual in options else options[0]
        choices.append(
            {
                "name": _CHOICE_NAMES.get(name, name),
                "label": label,
                "options": options,
                "selected": first,
                "all": len(options) > 1,
            }
        )
    return choices


def _about(results: Results) -> str:
    if results.run is None:
        return f"from {results.path.name}"
    machine = results.run.machine
    words = [results.run.created[:16].replace("T", " "), str(machine.get("cpu", "")), str(machine.get("system", ""))]
    return " · ".join(word for word in words if word)


def _downloads(results: Results) -> dict[str, str]:
    files = {
        "results.csv": to_csv(tidy_rows(results.summary)).decode(),
        "summary.json": msgspec.json.format(msgspec.json.encode(results.summary), indent=1).decode(),
    }
    if results.run:
        files["run.json"] = msgspec.json.format(msgspec.json.encode(results.run)).decode()
    return files


def _facts(run: Run) -> list[tuple[str, list[tuple[str, str]]]]:
    sections = (
        ("Machine", run.machine),
        ("Versions", run.versions),
        ("Settings", run.settings),
        ("Environment", run.environment),
    )
    facts = [
        (heading, [(_words(name), _value(value)) for name, value in content.items()]) for heading, content in sections
    ]
    if run.artifact:
        facts.append(
            (
                "Exported model",
                [(_words(name), _value(value)) for name, value in msgspec.to_builtins(run.artifact).items()],
            )
        )
    return [(heading, pairs) for heading, pairs in facts if pairs]


def _words(name: str) -> str:
    return name.replace("_", " ")


def _value(value: Any) -> str:
    if value is None or value in ([], (), {}):
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_value(each)}" for name, each in value.items())
    if isinstance(value, Iterable) and not isinstance(value, str):
        return ", ".join(_value(each) for each in value)
    return str(value)
