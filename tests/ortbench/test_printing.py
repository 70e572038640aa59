"""Whatever a file holds, nothing of it does anything to the terminal, the CI system or the reader."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ortbench.printable import (
    cut,
    encodable,
    markdown_text,
    printable,
    printable_json,
    printable_strings,
    without_commands,
)
from tests.conftest import Outcome, run_in
from tests.hostile import COMMAND, HOSTILE, escapes, hostile_csv, name, write_hostile_folder


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "h.csv").write_text(hostile_csv(), encoding="utf-8", newline="")
    write_hostile_folder(folder / "one")
    write_hostile_folder(folder / "two", created="2026-02-28T12:00:00+00:00")
    (folder / "bad.toml").write_text(f"require = [{json.dumps(name('r'))}]", encoding="utf-8")
    (folder / "study.toml").write_text(f"engines = [{json.dumps(name('r'))}]", encoding="utf-8")
    (folder / "broken").mkdir()
    (folder / "broken" / "run.json").write_text(
        json.dumps({name("k"): 1, "schema_version": name("v")}), encoding="utf-8"
    )
    return folder


def test_the_hostile_text_is_one() -> None:
    assert len(escapes(name("x"))) > 10


REQUIRE = ["--require", "latency(torch) <= 5ms"]


@pytest.mark.parametrize(
    "words",
    [
        ["show", "h.csv"],
        ["show", "h.csv", "--json"],
        ["show", "one"],
        ["show", "one", "--json"],
        ["show", "one", "--explain", "b1-t2"],
        ["show", "one", "--explain", name("cell")],
        ["show", name("nowhere")],
        ["show", "broken"],
        ["show", "h.csv", "--output", f"{COMMAND}.xyz"],
        ["diff", "one", "two"],
        ["diff", "one", "two", "--json"],
        ["diff", "h.csv", "one", "--anyway"],
        ["plan", "h.csv", "--threads", "1", "--batch-size", "4"],
        ["plan", "h.csv", "--threads", "1", "--batch-size", "4", "--json"],
        ["plan", "h.csv", "--threads", "1", "--batch-size", "4", "--engine", name("engine")],
        ["check", "one", *REQUIRE],
        ["check", "one", "--requirements", "bad.toml"],
        ["check", "one", "--require", name("r")],
        ["compare", "--study", "study.toml", "--dry-run"],
        ["compare", "--engines", name("e"), "--dry-run"],
        ["compare", "--model", name("m"), "--dry-run"],
        [name("command")],
        ["show", "--nothing" + HOSTILE],
        ["tune", "--objective", name("o")],
        ["cache", name("c")],
    ],
)
def test_nothing_hostile_is_printed(place: Path, words: list[str]) -> None:
    outcome = run_in(place, *words)
    assert outcome.status in {0, 2, 3}, outcome.stderr
    assert escapes(outcome.stdout) + escapes(outcome.stderr) == []
    assert outcome.stdout + outcome.stderr


@pytest.mark.parametrize("results", ["h.csv", "one"])
@pytest.mark.parametrize("form", ["text", "json", "junit", "github", "markdown"])
def test_a_gate_prints_nothing_hostile(place: Path, results: str, form: str) -> None:
    engine = json.dumps(_first_engine(place, results))
    outcome = run_in(place, "check", results, "--require", f"latency({engine}) <= 1ms", "--format", form)
    _holds(outcome, form)


def _first_engine(place: Path, results: str) -> str:
    engines = json.loads(run_in(place, "show", results, "--json").stdout)["engines"]
    assert len(engines) >= 2
    return str(engines[0])


def _holds(outcome: Outcome, form: str) -> None:
    assert outcome.stdout + outcome.stderr
    ours = [line for line in outcome.stdout.split("\n") if line.startswith(("::error title=", "::warning title="))]
    rest = "\n".join(line for line in outcome.stdout.split("\n") if form != "github" or line not in ours)
    assert escapes(rest) + escapes(outcome.stderr) == []


def test_history_prints_nothing_hostile(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ortbench.charts.history.draw_history", lambda *_: [])
    for more in ([], ["--json"]):
        outcome = run_in(place, "history", "one", "two", *more)
        assert outcome.status == 0, outcome.stderr
        assert escapes(outcome.stdout) + escapes(outcome.stderr) == []


def test_a_document_of_a_hostile_record_is_still_the_document(place: Path) -> None:
    document = json.loads(run_in(place, "show", "one", "--json").stdout)
    assert document["model"] == name("m")
    assert document["engines"] == [name("a"), name("b")]


def test_markdown_holds_no_mention_no_link_and_no_control(place: Path) -> None:
    assert run_in(place, "show", "one", "--output", "x.md").status == 0
    text = (place / "x.md").read_text(encoding="utf-8")
    assert escapes(text) == []
    assert "@team" not in text
    assert "https://e" not in text
    assert "#1" not in text
    assert "<script>" not in text.replace("\\<", "")


def test_a_report_holds_nothing_hidden(place: Path) -> None:
    pytest.importorskip("vl_convert")
    from ortbench.charts import report
    from ortbench.results.study import load_results

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report, "vega_script", lambda _: "")
        page = report.build_report(load_results(place / "one"), "0")
    shown = page.split('<script type="application/json"')[0]
    assert [found for found in escapes(shown) if "as it is" in found] == []


def test_tables_keep_their_own_headings_of_two_lines(place: Path) -> None:
    (place / "plain.csv").write_text("engine,batch_size,threads,latency_ms\na,1,1,2\n", encoding="utf-8")
    lines = run_in(place, "show", "plain.csv").stdout.splitlines()
    assert any("latency" in line and "ms [95 %]" in below for line, below in itertools.pairwise(lines))


def test_the_error_of_a_very_long_name_can_be_read(place: Path) -> None:
    outcome = run_in(place, "compare", "--engines", "x" * 10_000_000, "--dry-run")
    assert outcome.status == 2
    assert len(outcome.stderr) < 5000
    assert outcome.stderr.endswith("See `ortbench engines`.\n")


@given(st.text())
def test_printable_text_is_one_line_of_what_can_be_seen(text: str) -> None:
    assert escapes(without_commands(printable(text))) == []
    assert "\n" not in printable(text)
    assert printable(printable(text)) == printable(text)


@given(st.text(alphabet=st.sampled_from(":# \tx[\nv")))
def test_no_text_is_a_command(text: str) -> None:
    assert escapes(without_commands(text.replace("\t", " "))) == []


def test_plain_text_of_any_language_stays_as_it_is() -> None:
    for text in ("résnet 模型 µ", "a b", "a::b", "C:\\x"):
        assert printable(text) == without_commands(printable(text)) == text


def test_a_long_text_keeps_both_ends() -> None:
    text = cut("begin" + "x" * 5000 + "end", 100)
    assert text.startswith("begin")
    assert text.endswith("end")
    assert "4908 characters" in text


@given(st.text())
@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "cp1252"])
def test_a_document_means_the_same_whatever_the_stream_can_show(encoding: str, text: str) -> None:
    for ascii_only in (True, False):
        shown = printable_json(json.dumps({text: [text]}, ensure_ascii=ascii_only, indent=1), encoding)
        assert escapes(shown) == []
        assert shown.encode(encoding)
        assert json.loads(shown) == {text: [text]}


def test_what_a_stream_lacks_is_typed_or_replaced() -> None:
    assert encodable("±2 % · 3", "ascii") == "+-2 % - 3"
    assert encodable("模型", "ascii") == "??"
    assert encodable("模型±", "utf-8") == "模型±"


@given(st.text())
def test_markdown_text_is_one_line(text: str) -> None:
    shown = markdown_text(text)
    assert "\n" not in shown
    assert escapes(shown.replace("##", "")) == []


def test_junit_of_hostile_names_is_xml(place: Path) -> None:
    engine = _first_engine(place, "h.csv")
    outcome = run_in(place, "check", "h.csv", "--require", f'latency("{engine}") <= 1ms', "--format", "junit")
    if outcome.status != 2:
        ET.fromstring(outcome.stdout)


# Where else a stream or a console may be named: the entry point, and programs that are started and read by ortbench.
_OWN_STREAMS = {
    "charts/console.py",
    "charts/vega.py",
    "engines/ort_devices.py",
    "engines/ort_graph.py",
    "ortbench/__main__.py",
    "ortbench/streams.py",
}


def test_nothing_is_printed_past_the_streams() -> None:
    root = Path(__file__).parents[2]
    rooms = ("ortbench", "charts", "results", "runner", "engines", "export", "models")
    past = {
        file.relative_to(root).as_posix()
        for room in rooms
        for file in (root / room).rglob("*.py")
        if re.search(r"\bConsole\(|\bsys\.(__)?std(out|err)|\becho\(", file.read_text(encoding="utf-8"))
    }
    assert past <= _OWN_STREAMS


def test_a_name_that_is_no_utf8_goes_through_every_file(tmp_path: Path) -> None:
    from ortbench.results.csv_input import summarize_csv_text
    from ortbench.results.source import write_derived

    text = "engine,batch_size,threads,latency_ms\na\udcff,1,1,2\n"
    write_derived(tmp_path, summarize_csv_text(text, "x.csv", "m\udcff"))
    for file in ("summary.json", "results.csv", "summary.md"):
        assert "\\udcff" in (tmp_path / file).read_text(encoding="utf-8").replace("\\\\", "\\")
    assert (tmp_path / "results.parquet").stat().st_size > 100


def test_pictures_hold_no_text_that_vega_would_unescape() -> None:
    shown = printable_strings({"a\x01": ["b\\x01", ("c\nd", 1.5, None)]})
    assert shown == {"a<U+0001>": ["b\N{SET MINUS}x01", ["c\nd", 1.5, None]]}
