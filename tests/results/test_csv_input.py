from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ortbench.errors import ResultsError
from ortbench.results.csv_input import summarize_csv, summarize_csv_text
from ortbench.results.derive import summarize
from ortbench.results.tidy import COLUMNS, tidy_rows, to_csv
from tests.results.factory import make_launches, make_rounds, make_run

HEADER = "engine,batch_size,threads,latency_ms"
# A part of the Packrat project's published profiles of Inception v3 on a 16-core Xeon Gold 6142.
PACKRAT = """engine,model,batch_size,threads,latency_ms,latency_low_ms,latency_high_ms
torch,inception_v3,1,1,109.352,108.827,116.978
torch,inception_v3,1,2,68.589,68.212,78.239
torchscript,inception_v3,1,1,60.1,59.9,62.0
"""


def test_the_first_engine_is_the_baseline_and_the_last_is_under_study() -> None:
    summary = summarize_csv_text(PACKRAT, "p.csv", "p")
    assert (summary.model, summary.baseline, summary.engines) == ("inception_v3", "torch", ("torch", "torchscript"))
    assert [(cell.batch_size, cell.threads) for cell in summary.cells] == [(1, 1), (1, 2)]


def test_the_interval_of_a_ratio_is_the_widest_that_both_intervals_allow() -> None:
    summary = summarize_csv_text(PACKRAT, "p.csv", "p")
    speedup = summary.cells[0].arms[1].speedup
    assert speedup is not None
    assert speedup.ratio == pytest.approx(109.352 / 60.1)
    assert speedup.ci95 == pytest.approx((108.827 / 62.0, 116.978 / 59.9))
    assert speedup.verdict == "faster"
    assert not summary.paired
    assert summary.notes == (
        "figures from a CSV are not paired: the interval of a ratio is the widest that the two latency intervals allow",
    )


def test_without_intervals_a_ratio_stands_alone() -> None:
    summary = summarize_csv_text(f"{HEADER}\na,4,1,10\nb,4,1,5\n", "x.csv", "x")
    speedup = summary.cells[0].arms[1].speedup
    assert speedup is not None
    assert (speedup.ratio, speedup.ci95, speedup.verdict) == (2, None, "inconclusive")
    assert summary.model == "x"
    assert summary.cells[0].arms[0].throughput_per_s == pytest.approx(400)


def test_unknown_columns_are_ignored_with_a_note() -> None:
    summary = summarize_csv_text(f"{HEADER},colour\na,1,1,10,red\n", "x.csv", "x")
    assert summary.notes[1] == "columns ignored: colour"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'x.csv' lacks the columns engine, batch_size, threads, latency_ms; "
             "expected at least engine, batch_size, threads, latency_ms."),
        ("engine,batch_size,latency_ms\na,1,5\n", "'x.csv' lacks the column threads; "
         "expected at least engine, batch_size, threads, latency_ms. It has engine, batch_size, latency_ms."),
        (f"{HEADER}\n", "'x.csv' has no rows below its header."),
        (f"{HEADER}\na,1,1,5\nb,1,1,fast\n", "'x.csv' row 3: expected latency_ms to be "
         "a positive number, but got 'fast'."),
        (f"{HEADER}\na,1,1,-5\n", "'x.csv' row 2: expected latency_ms to be a positive number, but got '-5'."),
        (f"{HEADER}\na,1,1,\n", "'x.csv' row 2: expected latency_ms to be a positive number, but got ''."),
        (f"{HEADER}\na,1,1,nan\n", "'x.csv' row 2: expected latency_ms to be a positive number, but got 'nan'."),
        (f"{HEADER}\na,0,1,5\n", "'x.csv' row 2: expected batch_size to be a whole number of at least 1, but got '0'."),
        (f"{HEADER}\na,1,two,5\n", "'x.csv' row 2: expected threads to be "
         "a whole number of at least 1, but got 'two'."),
        (f"{HEADER}\n,1,1,5\n", "'x.csv' row 2: expected engine to be a name, but got ''."),
        (f"{HEADER},instances\na,1,1,5,2\n", "'x.csv' row 2: expected mode to be one of [split, stream], as there are "
         "2 instances, but got ''."),
        (f"{HEADER},instances,mode\na,1,1,5,2,single\n", "'x.csv' row 2: expected mode to be one of [split, stream], "
         "as there are 2 instances, but got 'single'."),
        (f"{HEADER},mode\na,1,1,5,parallel\n", "'x.csv' row 2: expected mode to be one of [single], as there is one "
         "instance, but got 'parallel'."),
        (f"{HEADER},threads\na,1,1,5,2\n", "'x.csv' has the column threads more than once."),
        (f"{HEADER}\n\na,1,1,5\n\nb,1,1,fast\n", "'x.csv' row 5: expected latency_ms to be "
         "a positive number, but got 'fast'."),
        (f"{HEADER}\na,1,1,5\na,1,1,6\n", "'x.csv' row 3: the column engine repeats the point of row 2 "
         "(a, batch size 1, threads 1)."),
        (f"{HEADER}\na,1,1,5,6\n", "'x.csv' row 2 has more cells than the header has columns."),
        (f"{HEADER},latency_low_ms,latency_high_ms\na,1,1,5,6,7\n", "'x.csv' row 2: expected latency_low_ms to be "
         "at most latency_ms (5), and latency_high_ms at least that, but got '6'."),
        (f"{HEADER},status\na,1,1,5,fine\n", "'x.csv' row 2: expected status to be one of "
         "[ok, failed, invalid, skipped], but got 'fine'."),
    ],
)  # fmt: skip
def test_a_malformed_csv_is_refused_with_row_and_column(text: str, message: str) -> None:
    with pytest.raises(ResultsError) as caught:
        summarize_csv_text(text, "x.csv", "x")
    assert str(caught.value) == message


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ResultsError, match="it is not UTF-16 text"):
        summarize_csv(tmp_path / "x.csv")


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused_by_name(text: str) -> None:
    with contextlib.suppress(ResultsError):
        summary = summarize_csv_text(f"{HEADER}\n{text}", "x.csv", "x")
        assert summary.cells


def test_our_own_csv_is_read_back() -> None:
    rounds = make_rounds({"torch": [[80, 82], [79, 80], [81, 80]], "ort": [[40, 40], [41, 40], [40, 42]]})
    launches = [*make_launches(["torch", "ort"], 3), *make_launches(["null"], 1, status="failed", reason="gone, away")]
    summary = summarize(make_run(["torch", "null", "ort"]), rounds, launches)
    again = summarize_csv_text(to_csv(tidy_rows(summary)).decode(), "results.csv", "results")
    assert again.engines == summary.engines
    for ours, read in zip(summary.cells[0].arms, again.cells[0].arms, strict=True):
        assert (read.engine, read.status, read.reason) == (ours.engine, ours.status, ours.reason)
        if ours.latency_ms and read.latency_ms:
            assert read.latency_ms.median == pytest.approx(ours.latency_ms.median)
            assert read.latency_ms.ci95 == pytest.approx(ours.latency_ms.ci95)
    assert "columns ignored" not in " ".join(again.notes)


def test_every_required_and_optional_column_of_the_format_is_known() -> None:
    optional = ["model", "precision", "instances", "mode", "allocator"]
    optional += ["latency_low_ms", "latency_high_ms", "throughput_per_s"]
    assert {*HEADER.split(","), *optional} <= set(COLUMNS)


SHARED = Path(__file__).parents[3] / "shared/data/inception-v3-16-threads.csv"


@pytest.mark.skipif(not SHARED.exists(), reason="the 16-thread study is not beside this checkout")
def test_a_real_study_of_sixteen_threads_is_read(tmp_path: Path) -> None:
    shutil.copy(SHARED, tmp_path / "study.csv")
    summary = summarize_csv(tmp_path / "study.csv")
    assert len(summary.cells) == 16 * 11
    assert {arm.engine for cell in summary.cells for arm in cell.arms} == {"torch", "torchscript"}


def test_memory_and_energy_are_read_where_they_stand_and_wrong_ones_refused() -> None:
    columns = "memory_mib,pss_mib,gpu_memory_mib,joules_per_item"
    summary = summarize_csv_text(f"{HEADER},{columns}\na,1,1,5,700.5,400,,0.25\n", "x.csv", "x")
    [arm] = summary.cells[0].arms
    assert (arm.memory_mib, arm.pss_mib, arm.gpu_memory_mib, arm.joules_per_item) == (700.5, 400, None, 0.25)
    with pytest.raises(
        ResultsError, match="'x.csv' row 2: expected memory_mib to be a positive number, but got 'much'"
    ):
        summarize_csv_text(f"{HEADER},memory_mib\na,1,1,5,much\n", "x.csv", "x")
