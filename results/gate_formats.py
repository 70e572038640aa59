"""A gate's answers as text, JSON, JUnit XML, GitHub annotations and Markdown. Pure functions; docs/gates.md says more.

Engines and models may be named by anyone's CSV, so every format escapes what would mean something in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any
from xml.etree import ElementTree as ET

import msgspec

from ortbench.printable import markdown_text, printable, without_commands
from ortbench.results.gate import Answer, GateReport, Outcome
from ortbench.results.requirements import Requirement
from ortbench.results.schema import CellKey
from ortbench.units import format_significant

SCHEMA_VERSION = 1

_PAST: Mapping[Outcome, str] = {"pass": "passed", "fail": "failed", "inconclusive": "inconclusive"}
_COMMANDS: Mapping[Outcome, str] = {"fail": "error", "inconclusive": "warning"}


def to_text(report: GateReport) -> str:
    """Return one line for each answer, the notes and the sum, in plain ASCII."""
    answers = [f"{answer.outcome.upper():12}  {_sentence(answer)}" for answer in report.answers]
    notes = [f"note: {note}" for note in report.notes]
    return "\n".join(_ascii(line) for line in (*answers, *notes, summary_line(report)))


def to_document(report: GateReport) -> dict[str, Any]:
    """Return what `ortbench check --json` prints, as plain data."""
    return {
        "schema_version": SCHEMA_VERSION,
        "outcome": report.outcome,
        "exit_status": report.exit_status,
        "model": report.model,
        "baseline": report.baseline,
        "paired": report.paired,
        "notes": list(report.notes),
        "answers": [_answer_document(answer) for answer in report.answers],
    }


def to_json(report: GateReport) -> str:
    """Return the same as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(to_document(report))).decode()


def to_junit(report: GateReport) -> str:
    """Return JUnit XML, a test case for each answer; an inconclusive one is skipped, with its reason."""
    suite = ET.Element(
        "testsuite",
        name="ortbench check",
        tests=str(len(report.answers)),
        failures=str(report.count("fail")),
        errors="0",
        skipped=str(report.count("inconclusive")),
    )
    for answer in report.answers:
        place, title = printable(cell_label(answer.cell)), printable(_title(answer))
        case = ET.SubElement(suite, "testcase", classname=place, name=title)
        if answer.outcome != "pass":
            kind = "failure" if answer.outcome == "fail" else "skipped"
            ET.SubElement(case, kind, message=printable(_sentence(answer)))
    ET.indent(suite)
    # Whatever the terminal's encoding is, plain ASCII with character references can be printed.
    content: bytes = ET.tostring(suite, encoding="us-ascii", xml_declaration=True)
    return content.decode("ascii")


def to_github(report: GateReport) -> str:
    """Return an annotation for each answer that does not pass, the rest as lines of the log."""
    notes = [_github_log(f"note: {note}") for note in report.notes]
    return "\n".join([*map(_github_line, report.answers), *notes, summary_line(report)])


def to_markdown(report: GateReport) -> str:
    """Return a heading, a table of the answers, and the notes."""
    rows = [
        (answer.outcome, _title(answer), cell_label(answer.cell), figure_text(answer), answer.note or "")
        for answer in report.answers
    ]
    table = ["| outcome | requirement | cell | figure | note |", "| --- | --- | --- | --- | --- |"]
    table += [f"| {' | '.join(markdown_text(cell) for cell in row)} |" for row in rows]
    notes = [f"- {markdown_text(note)}" for note in report.notes]
    heading = f"### ortbench check: {report.outcome}"
    blocks = [heading, markdown_text(summary_line(report)), "\n".join(table), "\n".join(notes)]
    return "\n\n".join(block for block in blocks if block)


FORMATS: Mapping[str, Callable[[GateReport], str]] = {
    "text": to_text,
    "json": to_json,
    "junit": to_junit,
    "github": to_github,
    "markdown": to_markdown,
}


def summary_line(report: GateReport) -> str:
    """Return how many answers have each outcome, and the outcome of the whole."""
    counts = ", ".join(f"{report.count(outcome)} {past}" for outcome, past in _PAST.items())
    return f"{counts}: {report.outcome}"


def cell_label(cell: CellKey) -> str:
    """Name a cell for people; what is as usual is left out."""
    words = [cell.model, f"batch size {cell.batch_size}", f"threads {cell.threads}"]
    words += [f"{cell.instances} instances ({cell.mode})"] if cell.instances > 1 else []
    words += [cell.precision] if cell.precision != "fp32" else []
    words += [cell.allocator] if cell.allocator != "default" else []
    words += [cell.load] if cell.load else []
    return ", ".join(words)


def figure_text(answer: Answer) -> str:
    """Return what was measured with its interval, e.g. `1.84 [1.81, 1.87]`; `none` where nothing was."""
    if answer.value is None:
        return "none"
    limit, unit = answer.requirement.limit, answer.requirement.unit
    figure = _rounded(answer.value, limit) + {"x": "", "/s": "/s"}.get(unit, f" {unit}")
    if answer.interval is None:
        return figure
    low, high = (_rounded(bound, limit) for bound in answer.interval)
    return f"{figure} [{low}, {high}]"


def _rounded(value: float, limit: float) -> str:
    """Round so that what is printed lies on the same side of the limit as the value itself."""
    texts = (format_significant(value, digits) for digits in range(3, 17))
    return next((text for text in texts if _side(float(text), limit) == _side(value, limit)), repr(value))


def _side(value: float, limit: float) -> int:
    return (value > limit) - (value < limit)


def _sentence(answer: Answer) -> str:
    note = f" ({answer.note})" if answer.note else ""
    return f"{_title(answer)}; {cell_label(answer.cell)}: {figure_text(answer)}{note}"


def _title(answer: Answer) -> str:
    return _requirement_title(answer.requirement)


# A gate answers the same few requirements in every cell.
@lru_cache
def _requirement_title(requirement: Requirement) -> str:
    return f"{requirement.name}: {requirement}" if requirement.name else str(requirement)


def _answer_document(answer: Answer) -> dict[str, Any]:
    requirement = answer.requirement
    return {
        "requirement": str(requirement),
        "name": requirement.name,
        "cell": msgspec.to_builtins(answer.cell),
        "outcome": answer.outcome,
        "value": answer.value,
        "interval": answer.interval,
        "operator": requirement.operator,
        "limit": requirement.limit,
        "unit": requirement.unit,
        "note": answer.note,
    }


def _github_line(answer: Answer) -> str:
    command = _COMMANDS.get(answer.outcome)
    if command is None:
        return _github_log(f"{answer.outcome.upper()}  {_sentence(answer)}")
    title = _github_property(f"ortbench check: {answer.outcome}")
    return f"::{command} title={title}::{_github_data(_sentence(answer))}"


def _github_log(text: str) -> str:
    return without_commands(printable(text))


def _github_data(text: str) -> str:
    """Escape as the runner unescapes, and only then what else cannot be printed."""
    return printable(text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A"))


def _github_property(text: str) -> str:
    return _github_data(text).replace(":", "%3A").replace(",", "%2C")


def _ascii(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    return "".join(one if " " <= one <= "~" else one.encode("unicode_escape").decode() for one in text)
