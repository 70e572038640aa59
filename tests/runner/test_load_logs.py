"""LoadGen's logs, as version 6.0.17 writes them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ortbench.errors import ArmError
from ortbench.runner.load_logs import TracedSample, completion_gaps, query_latencies, read_detail, read_trace

TRACE = """{"traceEvents":[
{"name":"LogDetail","ph":"X","pid":7,"tid":9,"ts":10265.768,"dur":8.803,"args":{"key":""loadgen_version""}},
{"name":"Sample","cat":"default","ph":"b","pid":7,"id":1,"ts":12978.632,"args":\
{"sample_seq":1,"query_seq":1,"sample_idx":9,"issue_start_ns":93585,"complete_ns":10256880}},
{"name":"Sample","cat":"default","ph":"e", "pid":7,"id":1,"ts":23235.512},
{"name":"Sample","cat":"default","ph":"b","pid":7,"id":0,"ts":82.884,"args":\
{"sample_seq":0,"query_seq":0,"sample_idx":8,"issue_start_ns":200,"complete_ns":10414949}},
"""


def detail(**values: object) -> str:
    lines = [{"key": key.replace("__", "."), "value": value, "metadata": {}} for key, value in values.items()]
    return "".join(f":::MLLOG {json.dumps(line)}\n" for line in lines)


def test_a_trace_gives_each_query_with_its_schedule() -> None:
    assert read_trace(TRACE) == [
        TracedSample(0, 0, 200, 10414949),
        TracedSample(1, 12895748, 93585, 10256880),
    ]


def test_a_trace_without_samples_is_an_error() -> None:
    with pytest.raises(ArmError, match="LoadGen left no sample in its trace"):
        read_trace('{"traceEvents":[\n')


def test_a_query_of_several_samples_ends_with_its_last() -> None:
    samples = [TracedSample(0, 0, 0, 5), TracedSample(0, 0, 0, 7), TracedSample(1, 9, 0, 3)]
    assert query_latencies(samples) == (7, 3)


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=30))
def test_the_gaps_between_completions_add_up_to_the_run(latencies: list[int]) -> None:
    gaps = completion_gaps([TracedSample(0, 0, 0, latency) for latency in latencies])
    assert sum(gaps) == max(latencies)
    assert len(gaps) == len(set(latencies))
    assert min(gaps) > 0


def test_a_valid_run_has_percentiles_and_no_reasons() -> None:
    verdict = read_detail(
        detail(
            result_validity="VALID",
            result_min_duration_met=True,
            early_stopping_met=True,
            early_stopping_result=" * Run successful.",
            result_99__00_percentile_latency_ns=5,
            result_overlatency_query_count=2,
        )
    )
    assert (verdict.valid, verdict.unmet, verdict.reasons, verdict.late) == (True, (), (), 2)
    assert verdict.percentiles_ns == {"99.00": 5}


def test_an_invalid_run_says_why_in_loadgens_words_errors_first() -> None:
    text = detail(
        requested_scenario="Server",
        error_runtime="IssueQueryThread 0 Ending early: Too many outstanding queries.",
        result_validity="INVALID",
        result_perf_constraints_met=False,
        result_min_duration_met=False,
        result_min_queries_met=True,
        early_stopping_met=False,
        result_invalid_reason="Reduce target QPS to improve latency. ",
        early_stopping_result=" * Run unsuccessful.  * Processed 45 queries.",
    )
    verdict = read_detail(text + ':::MLLOG {"key": "result_scheduled_samples_per_sec", "value": -nan}\n')
    assert not verdict.valid
    assert verdict.unmet == ("latency bound", "duration", "early stopping")
    assert verdict.reasons == (
        "IssueQueryThread 0 Ending early: Too many outstanding queries.",
        "Reduce target QPS to improve latency.",
        "Run unsuccessful. Processed 45 queries.",
    )


def test_a_log_without_a_verdict_is_an_error() -> None:
    with pytest.raises(ArmError, match="LoadGen came to no verdict on its run"):
        read_detail(detail(generic_message="Starting performance mode"))
