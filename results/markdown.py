"""The summary as Markdown (summary.md), for a pull request or a wiki page."""

from __future__ import annotations

from collections.abc import Iterator

from ortbench.printable import markdown_text
from ortbench.results import best_rows
from ortbench.results.attainable import roof_lines
from ortbench.results.fairness import told_marks
from ortbench.results.lanes import accuracy, shows_accuracy
from ortbench.results.load import tail
from ortbench.results.summary import ArmSummary, Summary
from ortbench.results.used import used_columns, used_figures
from ortbench.results.versions import differing_versions
from ortbench.units import format_significant

_HEADINGS = ("engine", "batch size", "threads", "latency ms [95 %]", "inferences/s", "speedup [95 %]", "verdict")
_PLAIN = {"precision": "fp32", "instances": 1, "mode": "single", "allocator": "default", "load": ""}


def to_markdown(summary: Summary) -> str:
    """Return a table of every arm, twins left out, with what a reader should know below it."""
    extras = [name for name, plain in _PLAIN.items() if any(getattr(cell, name) != plain for cell in summary.cells)]
    accurate, used = shows_accuracy(summary.cells), used_columns(summary)
    tails = ["tail ms [95 %]"] if any(arm.load for cell in summary.cells for arm in cell.arms) else []
    headings = [
        *_HEADINGS[:3],
        *extras,
        _HEADINGS[3],
        *tails,
        *_HEADINGS[4:],
        *(("cosine", "top-1") if accurate else ()),
        *used.values(),
    ]
    lines = [f"## {markdown_text(summary.model)}, baseline {markdown_text(summary.baseline)}", "", _line(headings)]
    lines.append(_line(["---"] * len(headings)))
    for cell in summary.cells:
        for arm in cell.arms:
            if not arm.twin:
                place = [arm.engine, cell.batch_size, cell.threads, *(getattr(cell, name) for name in extras)]
                latency, *others = _figures(summary, arm)
                figures = [
                    latency,
                    *(_tail(arm) for _ in tails),
                    *others,
                    *(accuracy(arm) if accurate else ()),
                    *used_figures(arm, used),
                ]
                lines.append(_line([*map(str, place), *figures]))
    notes = list(_notes(summary))
    return "\n".join([*lines, *([""] if notes else []), *notes, *_best(summary)]) + "\n"


def _best(summary: Summary) -> Iterator[str]:
    for objective in best_rows.objectives(summary):
        headings = best_rows.headings(summary, objective)
        yield from (
            "",
            f"### {markdown_text(best_rows.title(objective))}",
            "",
            _line(headings),
            _line(["---"] * len(headings)),
        )
        for _, entries in best_rows.rows(summary, objective):
            yield _line([text for text, _ in entries])
        yield ""
        yield from (f"- {markdown_text(sentence)}" for sentence in best_rows.sentences(summary, objective))


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(text if text == "---" else markdown_text(text) for text in cells) + " |"


def _figures(summary: Summary, arm: ArmSummary) -> Iterator[str]:
    latency, speedup = arm.latency_ms, arm.speedup
    yield _bounded(format_significant(latency.median), latency.ci95) if latency else ""
    yield format_significant(arm.throughput_per_s) if arm.throughput_per_s else ""
    yield _bounded(f"{speedup.ratio:.3f}x", speedup.ci95) if speedup else ""
    plain = speedup.verdict if speedup else "baseline" if arm.engine == summary.baseline else ""
    yield plain if arm.status == "ok" else f"{arm.status}: {arm.reason or 'no reason given'}"


def _tail(arm: ArmSummary) -> str:
    found = tail(arm)
    return f"{found[0]} {_bounded(format_significant(found[1]), found[2])}" if found else ""


def _bounded(text: str, bounds: tuple[float, float] | None) -> str:
    return text if bounds is None else f"{text} [{', '.join(format_significant(bound) for bound in bounds)}]"


def _notes(summary: Summary) -> Iterator[str]:
    if summary.resolution is not None:
        yield f"- this run tells differences of {summary.resolution:.1%} and more"
    yield from (f"- {markdown_text(line)}" for line in differing_versions(summary))
    yield from (f"- unequal: {markdown_text(sentence)}" for sentence in told_marks(summary))
    yield from (f"- {markdown_text(line)}" for line in (*roof_lines(summary), *summary.notes))
