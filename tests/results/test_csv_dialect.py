"""Spreadsheets' ways of writing a CSV: every file below holds the same figures."""

from __future__ import annotations

from pathlib import Path

import pytest

from ortbench.errors import ResultsError
from ortbench.results.csv_dialect import decimal_mark, plain_number
from ortbench.results.csv_input import summarize_csv, summarize_csv_text

PLAIN = "engine,batch_size,threads,latency_ms\ntorch,16,2,1249\nort,16,2,615.4\n"
SEMICOLONS = "engine;batch_size;threads;latency_ms\r\ntorch;16;2;1.249,0\r\nort;16;2;615,4\r\n"
WRITTEN = {
    "plain": PLAIN.encode(),
    "byte order mark": b"\xef\xbb\xbf" + PLAIN.encode(),
    "UTF-16": PLAIN.encode("utf-16"),
    "UTF-16, big-endian": b"\xfe\xff" + PLAIN.encode("utf-16-be"),
    "decimal comma": b"\xef\xbb\xbf" + SEMICOLONS.encode(),
    "decimal comma, no thousands": SEMICOLONS.replace("1.249,0", "1249,00").encode(),
    "spaces for thousands": SEMICOLONS.replace("1.249,0", "1\u00a0249,0").encode(),
    "narrow spaces": SEMICOLONS.replace("1.249,0", "1\u202f249").encode(),
    "Excel's first line": b"sep=,\r\n" + PLAIN.replace("\n", "\r\n").encode(),
    "Excel's first line, another separator": b"sep=;\r\n" + SEMICOLONS.encode(),
    "tabs": PLAIN.replace(",", "\t").encode(),
    "quoted decimal commas": PLAIN.replace("1249", '"1249,0"').replace("615.4", '"615,4"').encode(),
    "quoted thousands": PLAIN.replace("1249", '"1,249.0"').encode(),
    "apostrophes": PLAIN.replace("1249", "1'249").encode(),
    "seconds": b"Engine,Batch Size,Threads,Latency (s)\ntorch,16,2,1.249\nort,16,2,0.6154\n",
    "capitals within words": b"Engine,BatchSize,Threads,LatencyMs\ntorch,16,2,1249\nort,16,2,615.4\n",
    "microseconds": "engine,batch-size,threads,latency [µs]\ntorch,16,2,1249000\nort,16,2,615400\n".encode(),
    "Windows' Western text": b"engine,batch_size,threads,latency_ms,gr\xf6\xdfe\ntorch,16,2,1249,1\nort,16,2,615.4,2\n",
}


@pytest.mark.parametrize("content", WRITTEN.values(), ids=WRITTEN.keys())
def test_the_same_figures_are_read_however_a_spreadsheet_wrote_them(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(content)
    [cell] = summarize_csv(tmp_path / "x.csv").cells
    assert (cell.batch_size, cell.threads) == (16, 2)
    assert [arm.engine for arm in cell.arms] == ["torch", "ort"]
    assert [arm.latency_ms.median for arm in cell.arms if arm.latency_ms] == [pytest.approx(1249), pytest.approx(615.4)]


@pytest.mark.parametrize(
    ("cells", "separator", "mark"),
    [
        (["60.2", "40"], ",", "."),
        (["60,2", "1.249,0"], ";", ","),
        (["1,249", "615.4"], ",", "."),
        (["1.249", "615,4"], ";", ","),
        # Only where a comma does not separate cells is one alone known to be of a fraction.
        (["1,249", "2"], ";", ","),
        (["0,249"], ",", ","),
        (["1,249,000"], ",", "."),
        (["1.249.000"], ";", ","),
        (["1.5e3", "2e-3"], ",", "."),
        (["1.249"], ";", "."),
        (["1", "", "fast"], ",", "."),
    ],
)
def test_all_numbers_together_tell_the_decimal_mark(cells: list[str], separator: str, mark: str) -> None:
    assert decimal_mark(cells, separator, "x.csv") == mark


def test_a_number_with_two_readings_is_refused() -> None:
    with pytest.raises(ResultsError) as raised:
        summarize_csv_text(PLAIN.replace("1249", '"1,249"').replace("615.4", "615"), "x.csv", "x")
    assert str(raised.value) == (
        "'x.csv' has the number '1,249', which may be 1249 or 1.249. "
        "Write numbers with a decimal point and without marks for thousands."
    )


def test_contradicting_numbers_are_refused() -> None:
    with pytest.raises(ResultsError) as raised:
        summarize_csv_text("engine;batch_size;threads;latency_ms\na;1;1;60,25\nb;1;1;60.25\n", "x.csv", "x")
    assert str(raised.value) == "'x.csv' has numbers with a decimal comma, '60,25', and with a decimal point, '60.25'."


@pytest.mark.parametrize(
    ("text", "decimal", "plain"),
    [
        ("1.249,0", ",", "1249.0"),
        ("1,249.0", ".", "1249.0"),
        ("12,49.0", ".", "12,49.0"),
        ("60.2", ",", "60.2"),
        ("-1,5", ",", "-1.5"),
        ("1e-3", ".", "1e-3"),
        ("fast", ".", "fast"),
        ("", ",", ""),
    ],
)
def test_a_number_is_made_plain_or_left_as_it_is(text: str, decimal: str, plain: str) -> None:
    assert plain_number(text, decimal) == plain


def test_a_column_of_ours_is_not_replaced_by_another_of_its_kind() -> None:
    text = "engine,batch_size,threads,Latency (s),latency_ms\na,1,1,7,5\n"
    summary = summarize_csv_text(text, "x.csv", "x")
    latency = summary.cells[0].arms[0].latency_ms
    assert latency is not None
    assert latency.median == 5
    assert summary.notes[1:] == ("columns ignored: Latency (s)",)


def test_a_unit_that_was_converted_is_told() -> None:
    notes = summarize_csv_text("Engine,Batch Size,Threads,Latency (s)\na,1,1,0.5\n", "x.csv", "x").notes
    assert notes[1:] == ("'Latency (s)' is read as latency_ms",)
