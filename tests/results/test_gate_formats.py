from __future__ import annotations

import json
import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ortbench.results.gate import Answer, GateReport, Outcome
from ortbench.results.gate_formats import (
    FORMATS,
    cell_label,
    figure_text,
    to_document,
    to_github,
    to_json,
    to_junit,
    to_markdown,
    to_text,
)
from ortbench.results.requirements import Requirement, parse_requirement
from ortbench.results.schema import CellKey
from ortbench.results.summary import Bounds

CELL = CellKey(model="resnet50", batch_size=1, threads=2)
HOSTILE = "a|b`<script>%0A*\n::error::x\r,:\x1b[31m\x00\ufffe##[error]\u00e9\u2028"


def an_answer(
    text: str = "ort/torch >= 1.2",
    outcome: Outcome = "pass",
    value: float | None = 1.84,
    interval: Bounds | None = (1.81, 1.87),
    note: str | None = None,
    name: str | None = None,
) -> Answer:
    requirement = parse_requirement(text, name)
    return Answer(requirement=requirement, cell=CELL, outcome=outcome, value=value, interval=interval, note=note)


def a_report(*answers: Answer, notes: tuple[str, ...] = ()) -> GateReport:
    return GateReport(model="resnet50", baseline="torch", paired=True, answers=answers, notes=notes)


MIXED = a_report(
    an_answer(),
    an_answer("latency(ort) <= 50ms", "fail", 61.25, (60.0, 62.5), name="fast enough"),
    an_answer("p99(ort) <= 80ms", "inconclusive", None, None, "p99 takes 1000 samples, and there are 312"),
    notes=("this study is interrupted: figures are of what was measured so far",),
)
NOTE = "note: this study is interrupted: figures are of what was measured so far"
PLACE = "resnet50, batch size 1, threads 2"


def of_hostile_names(outcome: Outcome = "fail") -> GateReport:
    requirement = Requirement(quantity="latency", engine=HOSTILE, operator="<=", limit=5.0, name=HOSTILE)
    cell = CellKey(model=HOSTILE, batch_size=1, threads=1)
    answer = Answer(requirement=requirement, cell=cell, outcome=outcome, note=HOSTILE)
    return a_report(answer, notes=(HOSTILE,))


def test_the_text_has_a_line_for_each_answer_the_notes_and_the_sum() -> None:
    assert to_text(MIXED).splitlines() == [
        f"PASS          ort/torch >= 1.2; {PLACE}: 1.84 [1.81, 1.87]",
        f"FAIL          fast enough: latency(ort) <= 50ms; {PLACE}: 61.2 ms [60.0, 62.5]",
        f"INCONCLUSIVE  p99(ort) <= 80ms; {PLACE}: none (p99 takes 1000 samples, and there are 312)",
        NOTE,
        "1 passed, 1 failed, 1 inconclusive: fail",
    ]


def test_the_text_is_plain_ascii_whatever_the_names() -> None:
    text = to_text(of_hostile_names())
    assert len(text.splitlines()) == 3
    assert re.fullmatch(r"[\n -~]+", text)


def test_the_json_document_has_every_answer_in_the_units_of_its_limit() -> None:
    document = json.loads(to_json(MIXED))
    assert document == json.loads(json.dumps(to_document(MIXED)))
    assert {key: value for key, value in document.items() if key != "answers"} == {
        "schema_version": 1,
        "outcome": "fail",
        "exit_status": 1,
        "model": "resnet50",
        "baseline": "torch",
        "paired": True,
        "notes": ["this study is interrupted: figures are of what was measured so far"],
    }
    assert document["answers"][1] == {
        "requirement": "latency(ort) <= 50ms",
        "name": "fast enough",
        "cell": {
            "model": "resnet50",
            "precision": "fp32",
            "batch_size": 1,
            "threads": 2,
            "instances": 1,
            "mode": "single",
            "allocator": "default",
            "load": "",
        },
        "outcome": "fail",
        "value": 61.25,
        "interval": [60.0, 62.5],
        "operator": "<=",
        "limit": 50.0,
        "unit": "ms",
        "note": None,
    }


def test_junit_has_a_case_for_each_answer() -> None:
    suite = ET.fromstring(to_junit(MIXED))
    assert suite.tag == "testsuite"
    assert suite.attrib == {"name": "ortbench check", "tests": "3", "failures": "1", "errors": "0", "skipped": "1"}
    passed, failed, skipped = suite
    assert passed.attrib == {"classname": PLACE, "name": "ort/torch >= 1.2"}
    assert [len(case) for case in suite] == [0, 1, 1]
    assert failed.get("name") == "fast enough: latency(ort) <= 50ms"
    assert failed[0].tag == "failure"
    assert failed[0].get("message") == f"fast enough: latency(ort) <= 50ms; {PLACE}: 61.2 ms [60.0, 62.5]"
    assert skipped[0].tag == "skipped"
    assert str(skipped[0].get("message")).endswith("none (p99 takes 1000 samples, and there are 312)")


@given(st.text(min_size=1))
def test_junit_is_well_formed_whatever_the_names(name: str) -> None:
    requirement = Requirement(quantity="latency", engine=name, operator="<=", limit=5.0, name=name)
    cell = CellKey(model=name, batch_size=1, threads=1)
    text = to_junit(a_report(Answer(requirement=requirement, cell=cell, outcome="fail", note=name)))
    [case] = ET.fromstring(text)
    assert text.isascii()
    if name.isprintable():
        assert case.get("classname") == f"{name}, batch size 1, threads 1"


def test_github_gets_an_error_a_warning_and_plain_lines() -> None:
    assert to_github(MIXED).splitlines() == [
        f"PASS  ort/torch >= 1.2; {PLACE}: 1.84 [1.81, 1.87]",
        f"::error title=ortbench check%3A fail::fast enough: latency(ort) <= 50ms; {PLACE}: 61.2 ms [60.0, 62.5]",
        f"::warning title=ortbench check%3A inconclusive::p99(ort) <= 80ms; {PLACE}: none "
        "(p99 takes 1000 samples, and there are 312)",
        NOTE,
        "1 passed, 1 failed, 1 inconclusive: fail",
    ]


@pytest.mark.parametrize("outcome", ["pass", "fail", "inconclusive"])
def test_no_name_can_start_a_github_command(outcome: Outcome) -> None:
    lines = to_github(of_hostile_names(outcome)).splitlines()
    assert len(lines) == 3
    commands = [line for line in lines if line.startswith("::") or ("##[" in line and not line.startswith("::"))]
    assert len(commands) == (outcome != "pass")


def test_a_github_message_unescapes_to_what_was_meant() -> None:
    requirement = Requirement(quantity="latency", engine="50%\n%0A", operator="<=", limit=5.0)
    answer = Answer(requirement=requirement, cell=CELL, outcome="fail")
    message = to_github(a_report(answer)).splitlines()[0].split("::", 2)[2]
    assert message.startswith('latency("50%25%0A%250A") <= 5ms; ')


def test_markdown_is_a_heading_the_sum_a_table_and_the_notes() -> None:
    assert to_markdown(MIXED) == (
        "### ortbench check: fail\n\n"
        "1 passed, 1 failed, 1 inconclusive: fail\n\n"
        "| outcome | requirement | cell | figure | note |\n"
        "| --- | --- | --- | --- | --- |\n"
        f"| pass | ort/torch \\>= 1.2 | {PLACE} | 1.84 \\[1.81, 1.87\\] |  |\n"
        f"| fail | fast enough: latency(ort) \\<= 50ms | {PLACE} | 61.2 ms \\[60.0, 62.5\\] |  |\n"
        f"| inconclusive | p99(ort) \\<= 80ms | {PLACE} | none | p99 takes 1000 samples, and there are 312 |\n\n"
        "- this study is interrupted: figures are of what was measured so far"
    )


def test_no_name_can_break_a_markdown_table() -> None:
    text = to_markdown(of_hostile_names())
    row = next(line for line in text.splitlines() if line.startswith("| fail"))
    assert len(re.findall(r"(?<!\\)\|", row)) == 6
    assert not re.search(r"(?<!\\)[`<*]", row)
    assert len(text.splitlines()) == 9


@pytest.mark.parametrize("name", FORMATS)
def test_a_report_in_which_all_pass_says_so_in_every_format(name: str) -> None:
    assert "pass" in FORMATS[name](a_report(an_answer())).lower() or name == "junit"


def test_a_cell_is_named_by_what_is_not_as_usual() -> None:
    assert cell_label(CELL) == PLACE
    cell = CellKey(
        model="m", precision="fp16", batch_size=8, threads=1, instances=2, mode="split", allocator="jemalloc"
    )
    assert cell_label(cell) == "m, batch size 8, threads 1, 2 instances (split), fp16, jemalloc"


@pytest.mark.parametrize(
    ("text", "value", "shown"),
    [
        ("a/b >= 1.2", 1.84, "1.84"),
        ("a/b >= 1.2", 1.2, "1.20"),
        ("a/b >= 1.2", 1.1996, "1.1996"),
        ("a/b >= 1.2", 1.20004, "1.20004"),
        ("latency(a) <= 50ms", 49.999, "49.999 ms"),
        ("throughput(a) >= 10", 1240.4, "1240/s"),
        ("memory(a) <= 512MiB", 97.52, "97.5 MiB"),
    ],
)
def test_a_figure_is_rounded_but_never_across_the_limit(text: str, value: float, shown: str) -> None:
    assert figure_text(an_answer(text, value=value, interval=None)) == shown


@given(st.floats(0.001, 1e6), st.floats(0.001, 1e6))
def test_what_is_printed_lies_on_the_same_side_of_the_limit(value: float, limit: float) -> None:
    requirement = Requirement(quantity="speedup", engine="a", over="b", operator=">=", limit=limit)
    shown = float(figure_text(Answer(requirement=requirement, cell=CELL, outcome="pass", value=value)))
    assert (shown > limit, shown < limit) == (value > limit, value < limit)
