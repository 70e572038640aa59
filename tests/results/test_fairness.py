from __future__ import annotations

from typing import Any

import pytest

from ortbench.charts.table import footer
from ortbench.charts.words import trust_sentences
from ortbench.results.csv_input import summarize_csv_text
from ortbench.results.derive import summarize
from ortbench.results.fairness import marks, refusal
from ortbench.results.markdown import to_markdown
from ortbench.results.schema import ArmKey, LaunchRecord
from ortbench.results.summary import Summary
from ortbench.results.tidy import MARK_SEPARATOR, tidy_rows, to_csv
from tests.results.factory import make_launches, make_rounds, make_run

OURS, OTHER = "a" * 64, "b" * 64
FAIR: dict[str, Any] = {"busy_threads": 2, "gradients": False, "artifact_sha256": OURS, "layout": "NCHW"}
COPIES = "timed with copies of inputs and outputs, while torch is timed on the device, without copies"
LAYOUT = "given its images as NHWC, while torch is given them as NCHW"


def record(engine: str = "ort", threads: int | None = 2, boundary: str = "host", **evidence: Any) -> LaunchRecord:
    return LaunchRecord(
        cell="b1-t2",
        launch=1,
        engine=engine,
        status="ok",
        threads=threads,
        boundary=boundary,
        evidence=FAIR | evidence,
    )


@pytest.mark.parametrize(
    ("unfair", "reason"),
    [
        (record(threads=4), "asked for 2 threads, but the library reports 4"),
        (record(threads=1), "asked for 2 threads, but the library reports 1"),
        (record(busy_threads=3), "asked for 2 threads, but 3 were busy, by their CPU time"),
        (record(gradients=True), "its calls record gradients"),
        (
            record(artifact_sha256=OTHER),
            "it loaded another model file (sha256 bbbbbbbbbbbb) than it was given (aaaaaaaaaaaa)",
        ),
    ],
)
def test_an_unfair_arm_is_refused_with_the_reason(unfair: LaunchRecord, reason: str) -> None:
    assert refusal(unfair, 2, OURS) == reason


@pytest.mark.parametrize(
    "fair",
    [
        record(),
        record(busy_threads=1),  # a model too small for two
        record(busy_threads=5, boundary="device"),  # what helps to wait for a GPU
        record(threads=None, busy_threads=None, gradients=None, artifact_sha256=None),
        LaunchRecord(cell="b1-t2", launch=1, engine="ort", status="ok"),
    ],
)
def test_what_is_fair_or_unknown_is_no_reason(fair: LaunchRecord) -> None:
    assert refusal(fair, 2, OURS) is None


def test_an_engine_that_was_given_no_file_cannot_have_another() -> None:
    assert refusal(record(artifact_sha256=OTHER), 2, None) is None


def differences(baseline: LaunchRecord, other: LaunchRecord) -> tuple[str, ...]:
    records = {ArmKey(each.engine): each for each in (baseline, other)}
    found = marks(records, baseline.engine)
    assert list(found) == [ArmKey(other.engine)], "nothing is said of the baseline"
    return found[ArmKey(other.engine)]


def test_copies_on_one_side_only_are_marked() -> None:
    assert differences(record("torch", boundary="device"), record(boundary="host+copies")) == (COPIES,)
    [mark] = differences(record("torch"), record(boundary="device"))
    assert mark == "timed on the device, without copies, while torch is timed from main memory to main memory"
    assert differences(record("torch", boundary="device"), record(boundary="device")) == ()


def test_convolutions_searched_on_one_side_only_are_marked() -> None:
    assert differences(record("torch:cuda", convolution_search="heuristic"), record(convolution_search="searched")) == (
        "run with the algorithm of each convolution found by timing them all, "
        "while torch:cuda is run with the algorithms of convolutions chosen by heuristics",
    )
    for mine, theirs in (("searched", "searched"), (None, "searched"), ("heuristic", None)):
        assert differences(record("torch", convolution_search=theirs), record(convolution_search=mine)) == ()


def test_another_layout_is_marked_unless_it_was_asked_for() -> None:
    assert differences(record("torch"), record(layout="NHWC")) == (LAYOUT,)
    assert differences(record("torch"), record("compile[mode=x,channels_last=true]", layout="NHWC")) == ()
    assert differences(record("torch[channels_last=true]", layout="NHWC"), record()) == ()
    assert differences(record("torch[channels_last=false]"), record(layout="NHWC")) != ()
    assert differences(record("torch"), record(layout=None)) == ()


def test_without_the_baseline_nothing_is_compared() -> None:
    assert marks({ArmKey("ort"): record(boundary="device")}, "torch") == {}


def study(batch_sizes: tuple[int, ...] = (1, 4), unequal: tuple[int, ...] = (1, 4)) -> Summary:
    rounds, launches = [], []
    for size in batch_sizes:
        cell = f"b{size}-t2"
        rounds += make_rounds({"torch": [[2.0]], "ort": [[1.0]]}, cell)
        launches += make_launches(["torch"], 1, cell, evidence=FAIR)
        launches += make_launches(
            ["ort"], 1, cell, evidence=FAIR | ({"layout": "NHWC"} if size in unequal else {}), pss_mib=100.0
        )
    return summarize(make_run(["torch", "ort"], batch_sizes), rounds, launches)


def test_a_mark_is_seen_wherever_the_result_is() -> None:
    summary = study()
    assert summary.cells[0].arms[1].marks == (LAYOUT,)
    assert summary.cells[0].arms[1].speedup is not None, "a marked arm is compared all the same"
    assert f"unequal: ort: {LAYOUT}" in footer(summary)
    assert f"The comparison is less than equal: ort: {LAYOUT}." in trust_sentences(summary)
    assert f"- unequal: ort: {LAYOUT}" in to_markdown(summary)
    read = summarize_csv_text(to_csv(tidy_rows(summary)).decode(), "results.csv", "m")
    assert read.cells[0].arms[1].marks == (LAYOUT,)
    assert f"The comparison is less than equal: ort: {LAYOUT}." in trust_sentences(read)


def test_a_mark_that_holds_in_some_cells_names_them() -> None:
    assert f"unequal: ort: {LAYOUT} (at batch size 4, threads 2)" in footer(study(unequal=(4,)))


def test_no_mark_holds_what_separates_marks() -> None:
    every = differences(record("torch", boundary="device"), record(boundary="host+copies", layout="NHWC"))
    assert len(every) == 2
    assert not any(MARK_SEPARATOR in mark for mark in every)
