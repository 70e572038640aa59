from __future__ import annotations

import pytest

from ortbench.charts.alt import alt_text
from ortbench.charts.words import answer_sentences, trust_sentences
from ortbench.results.csv_input import summarize_csv_text
from ortbench.results.pairing import NEVER_QUIET
from ortbench.results.summary import ArmSummary, CellSummary, Latency, Speedup, Summary
from ortbench.results.verdicts import Verdict


def study(verdict: Verdict, ratio: float = 1.42, **more: object) -> Summary:
    speedup = Speedup(baseline="torch", ratio=ratio, ci95=(1.4, 1.44), verdict=verdict)
    latency = Latency(median=5.0)
    placement = {"requested": "CPUExecutionProvider", "assigned": {"CPUExecutionProvider": 7}, "unit": "nodes"}
    arms = (
        ArmSummary(engine="torch", latency_ms=latency, parity={"ok": True, "max_abs_error": 0.0}),
        ArmSummary(
            engine="ort",
            latency_ms=latency,
            speedup=speedup,
            parity={"ok": True, "max_abs_error": 6e-5},
            placement=placement,
        ),
    )
    cell = CellSummary(model="resnet50", batch_size=16, threads=2, arms=arms)
    return Summary(
        model="resnet50",
        baseline="torch",
        engines=("torch", "ort"),
        paired=True,
        machine={},
        cells=(cell,),
        **more,  # type: ignore[arg-type]  # any of its fields
    )


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        ("faster", "1.42x faster than torch at batch size 16 [1.40, 1.44]"),
        ("slower", "slower than torch, at 1.42x its speed, at batch size 16 [1.40, 1.44]"),
        ("same", "as fast as torch at batch size 16 [1.40, 1.44]"),
        ("inconclusive", "1.42x as fast as torch, which may be chance, at batch size 16 [1.40, 1.44]"),
        ("withheld", "1.42x as fast as torch, on which no verdict is given, at batch size 16 [1.40, 1.44]"),
    ],
)
def test_every_verdict_has_its_sentence(verdict: Verdict, words: str) -> None:
    assert answer_sentences(study(verdict)) == [f"On this machine ort runs resnet50, with 2 threads, {words}."]


def test_an_arm_that_failed_is_told_with_its_reason() -> None:
    text = "engine,batch_size,threads,latency_ms,status,reason\na,1,1,5,ok,\nb,1,1,,failed,it died\n"
    [sentence] = answer_sentences(summarize_csv_text(text, "x.csv", "m"))
    assert "not comparably (failed: it died)" in sentence


def test_of_many_batch_sizes_the_ends_and_the_extremes_are_told() -> None:
    ratios = {1: 1.5, 2: 3.0, 4: 1.2, 8: 1.4, 16: 1.3}
    lines = [f"a,{size},1,{10 * ratio}\nb,{size},1,10" for size, ratio in ratios.items()]
    [sentence] = answer_sentences(
        summarize_csv_text("engine,batch_size,threads,latency_ms\n" + "\n".join(lines), "x.csv", "m")
    )
    assert sentence.startswith("By the figures given b runs m, with 1 thread, ")
    assert [size for size in ratios if f"at batch size {size}" in sentence.replace("size 16", "size sixteen")] == [
        1,
        2,
        4,
    ]
    assert "at batch size 16" in sentence


def test_an_answer_without_an_interval_says_what_would_give_one() -> None:
    *_, last = answer_sentences(study("inconclusive", max_time_for_intervals="2m"))
    assert last == (
        "Nothing says how far these figures can be trusted, as the time was over after one launch: "
        "--max-time 2m would give intervals."
    )
    assert not any("--max-time" in sentence for sentence in answer_sentences(study("inconclusive")))


def test_one_engine_alone_is_no_comparison() -> None:
    summary = summarize_csv_text("engine,batch_size,threads,latency_ms\na,1,1,5\n", "x.csv", "m")
    assert answer_sentences(summary) == ["Only a was measured: there is nothing to compare it with."]


def test_trust_is_told_from_what_was_seen() -> None:
    told = " ".join(
        trust_sentences(study("faster", resolution=0.012, spoiled_rounds=0.03, drift=0.2, notes=("a note",)))
    )
    for words in (
        "1.2% and more",
        "disturbed 3.0% of the rounds",
        "moved by 20%",
        "6e-05 at worst",
        "7 on CPUExecutionProvider",
        "a note",
    ):
        assert words in told
    assert "is not known" in " ".join(trust_sentences(study("faster")))


def test_disturbed_rounds_that_count_are_not_called_left_out() -> None:
    [usual] = [one for one in trust_sentences(study("faster", spoiled_rounds=0.6)) if "disturbed" in one]
    assert usual == "Other programs or limits disturbed 60.0% of the rounds; those were left out and repeated."
    told = trust_sentences(study("faster", spoiled_rounds=0.6, notes=(f"b1-t2: {NEVER_QUIET}",)))
    assert (
        "Other programs or limits disturbed 60.0% of the rounds; those were left out and repeated, "
        "except in cells that were disturbed most of the time."
    ) in told


def test_figures_from_elsewhere_are_called_so() -> None:
    summary = summarize_csv_text("engine,batch_size,threads,latency_ms\na,1,1,5\nb,1,1,4\n", "x.csv", "m")
    told = trust_sentences(summary)
    assert told[0].startswith("These figures came from a CSV")
    assert any("not paired" in sentence for sentence in told)


def test_a_chart_is_told_with_every_figure() -> None:
    rows = [
        {"engine": "a", "threads": 1, "latency": 2.0, "latency_low": 1.9, "latency_high": 2.1},
        {"engine": "b", "threads": 1, "latency": 1.0, "latency_low": 1.0, "latency_high": 1.0},
    ]
    assert (
        alt_text("T", rows, "engine", "threads", "latency") == "T. a: threads 1 2.00 (1.90 to 2.10); b: threads 1 1.00."
    )
    assert alt_text("T", [], "engine", "threads", "latency") == "T."
    assert alt_text("T", rows * 50, "engine", "threads", "latency").endswith("; and more.")
