"""What `--load` means, without any process."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ortbench.errors import UsageError
from ortbench.runner import load as module
from ortbench.runner.load import Load, check_load, describe_load, parse_load, round_seeds, run_seconds

_CHOICES = "[poisson, single-stream, multi-stream, offline]"


@pytest.mark.parametrize(
    ("typed", "label", "bound_s"),
    [
        (("poisson", "20", None), "poisson@20/s", 0.1),
        (("poisson", "0.5", "15ms"), "poisson@0.5/s", 0.015),
        (("poisson", "300/s", "2s"), "poisson@300/s", 2.0),
        (("single-stream", None, None), "single-stream", 0.1),
        (("multi-stream", None, None), "multi-stream", 0.1),
        (("offline", None, None), "offline", 0.1),
    ],
)
def test_a_load_is_named_by_its_scenario_and_its_rate(
    typed: tuple[str, str | None, str | None], label: str, bound_s: float
) -> None:
    load = parse_load(*typed)
    assert load is not None
    assert (load.label, load.max_latency_s) == (label, bound_s)


def test_without_the_option_there_is_no_load() -> None:
    assert parse_load(None, None, None) is None


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (("server", None, None), f"Expected --load to be one of {_CHOICES}, but got 'server'."),
        (
            ("poisson", None, None),
            "--load poisson needs --rate, how many requests arrive a second, such as --rate 20.",
        ),
        (("poisson", "fast", None), "Expected --rate to be requests a second, such as 20 or 0.5, but got 'fast'."),
        (("poisson", "0", None), "Expected --rate to be requests a second, such as 20 or 0.5, but got '0'."),
        (
            ("poisson", "20", "soon"),
            "Expected --max-latency to be a duration such as 90s, 5m, 1h or 50ms, but got 'soon'.",
        ),
        (("offline", "20", None), "--rate belongs to --load poisson; --load offline has no arrivals."),
        (("offline", None, "1s"), "--max-latency belongs to --load poisson; --load offline has no arrivals."),
        ((None, "20", None), "--rate belongs to --load poisson; without --load nothing arrives."),
    ],
)
def test_a_wrong_option_is_told_what_would_be_right(
    typed: tuple[str | None, str | None, str | None], message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        parse_load(*typed)
    assert str(caught.value) == message


def test_several_instances_are_refused() -> None:
    with pytest.raises(UsageError) as caught:
        check_load(Load("poisson", 20), (1,), (1, 2))
    assert str(caught.value) == (
        "--load poisson runs LoadGen inside an engine's one process, so several instances cannot share its requests; "
        "leave --instances (or --scaling) out."
    )


def test_a_single_stream_has_no_batches() -> None:
    check_load(Load("single-stream"), (1,), (1,))
    with pytest.raises(UsageError) as caught:
        check_load(Load("single-stream"), (1, 4), (1,))
    assert str(caught.value) == (
        "--load single-stream asks for one sample at a time, but got --batch-sizes 1,4; leave it out, or give "
        "--load multi-stream, whose queries are of as many samples as a batch."
    )


def test_without_loadgen_the_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    with pytest.raises(UsageError) as caught:
        check_load(Load("offline"), (1,), (1,))
    assert str(caught.value) == (
        "--load offline needs MLPerf LoadGen, which is not installed here; `pip install mlcommons-loadgen` adds it."
    )


def test_the_plan_says_what_a_run_is() -> None:
    assert describe_load(Load("poisson", 20, run_s=2)) == (
        "poisson@20/s, 99th percentile bound 100 ms: MLPerf LoadGen's Server scenario, runs of 2 s, "
        "about 40 requests each"
    )
    assert describe_load(Load("offline", run_s=3.3)) == "offline: MLPerf LoadGen's Offline scenario, runs of 3.3 s"


@pytest.mark.parametrize(
    ("max_time_s", "arms", "rate", "seconds"),
    [
        (30, 3, 20, 1.0),  # the shortest of a short study
        (300, 3, 20, 3.333),
        (300, 3, 2, 10.0),  # twenty arrivals
        (300, 3, 10000, 0.5),  # as many queries as LoadGen should keep
        (3600, 3, None, 10.0),
        (300, 30, None, 2.0),
    ],
)
def test_a_run_is_as_long_as_the_study_allows(max_time_s: float, arms: int, rate: float | None, seconds: float) -> None:
    assert run_seconds(max_time_s, arms, rate) == seconds


@given(st.floats(1, 1e5), st.integers(1, 9), st.one_of(st.none(), st.floats(0.01, 1e5)))
def test_three_rounds_of_runs_fit_into_the_study(max_time_s: float, arms: int, rate: float | None) -> None:
    seconds = run_seconds(max_time_s, arms, rate)
    assert 0 < seconds <= max(10.0, 20 / (rate or 20)) + 0.001
    assert 3 * arms * (seconds - 0.001) <= max_time_s or seconds <= max_time_s / 30 + 0.001


@given(st.integers(0, 2**40), st.integers(1, 1000), st.integers(1, 1000))
def test_each_round_has_its_own_seeds_for_all_arms(seed: int, launch: int, number: int) -> None:
    seeds = round_seeds(seed, launch, number)
    assert seeds == round_seeds(seed, launch, number)
    assert all(0 <= one < 2**32 for one in seeds)
    others = [(seed, launch, number + 1), (seed, launch + 1, number), (seed + 1, launch, number)]
    assert all(round_seeds(*other) != seeds for other in others)


def test_very_short_calls_make_short_runs_where_queries_follow_each_other() -> None:
    assert Load("single-stream", run_s=10).arm_run_s(1e-5, 1) == pytest.approx(0.05)
    assert Load("offline", run_s=10).arm_run_s(1e-3, 200) == pytest.approx(0.1)
    assert Load("single-stream", run_s=10).arm_run_s(1.0, 1) == 10
    # Under arrivals every arm has the same.
    assert Load("poisson", 20, run_s=10).arm_run_s(1e-5, 1) == 10


def test_the_queue_of_an_engine_that_falls_behind_is_bounded_by_what_a_run_computes() -> None:
    load = Load("poisson", 20, run_s=10)
    assert load.most_outstanding(0.1, 1) == 100
    assert load.most_outstanding(0.1, 4) == 400
    assert load.most_outstanding(5.0, 1) == 20
