from __future__ import annotations

from collections.abc import Iterator

import pytest

from ortbench.engines.null import NullEngine
from ortbench.runner.timing import is_steady, time_calls, warm_up, warm_up_again


class Counting(NullEngine):
    """Counts what is called, and needs synchronizing."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def run(self) -> None:
        self.calls.append("run")

    def synchronize(self) -> None:
        self.calls.append("synchronize")


def test_every_call_is_followed_by_a_synchronization() -> None:
    engine = Counting()
    assert len(time_calls(engine, 3)) == 3
    assert engine.calls == ["run", "synchronize"] * 3


def test_samples_are_whole_nanoseconds_of_the_monotonic_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter([100, 107, 200, 230])
    monkeypatch.setattr("time.perf_counter_ns", lambda: next(ticks))
    assert time_calls(NullEngine(), 2) == [7, 30]


def calls_of(durations: list[int]) -> Iterator[int]:
    return iter(durations)


def test_warm_up_ends_when_two_windows_agree() -> None:
    durations = calls_of([600_000_000, 300_000_000, 301_000_000, 1])
    assert warm_up(900_000_000, lambda: next(durations)) == ([600_000_000, 300_000_000, 301_000_000], True)


def test_two_calls_that_agree_are_not_enough_where_four_take_no_longer_than_a_second() -> None:
    durations = calls_of([100_000_000, 100_000_000, 60_000_000, 61_000_000, 60_000_000, 61_000_000, 1])
    called, steady = warm_up(300_000_000, lambda: next(durations))
    assert (called[-1], steady) == (61_000_000, True)
    assert len(called) == 6


def test_a_later_launch_warms_up_as_often_as_the_first_and_only_goes_on_where_that_did_not_do() -> None:
    again = calls_of([50_000_000] * 4 + [1])
    assert warm_up_again(900_000_000, 4, lambda: next(again)) == ([50_000_000] * 4, True)
    worse = calls_of([90_000_000, 80_000_000, 50_000_000, 40_000_000, 40_000_000, 41_000_000, 40_000_000, 1])
    called, steady = warm_up_again(900_000_000, 4, lambda: next(worse))
    assert (len(called), steady) == (6, True)
    never = calls_of([10_000_000 * 2**place for place in range(9)])
    called, steady = warm_up_again(900_000_000, 3, lambda: next(never))
    assert (len(called), steady) == (6, False)
    assert warm_up_again(900_000_000, 0, lambda: 1) == ([], False)


def test_a_first_call_that_was_not_cold_needs_only_one_more() -> None:
    durations = calls_of([700_000_000, 1])
    assert warm_up(690_000_000, lambda: next(durations)) == ([700_000_000], True)


def test_warm_up_gives_up_after_three_seconds_and_says_so() -> None:
    durations = calls_of([1_000_000_000])
    assert warm_up(2_000_000_000, lambda: next(durations)) == ([1_000_000_000], False)


def test_a_long_call_is_repeated_once_and_a_very_long_one_not() -> None:
    durations = calls_of([4_000_000_000])
    assert warm_up(4_100_000_000, lambda: next(durations)) == ([4_000_000_000], True)
    assert warm_up(5_000_000_000, lambda: next(durations)) == ([], False)


def test_short_calls_are_judged_by_windows_of_many() -> None:
    durations = calls_of([1_000_000] * 100)
    called, steady = warm_up(50_000_000, lambda: next(durations))
    assert steady
    assert len(called) == 39


@pytest.mark.parametrize(
    ("durations", "window", "steady"),
    [([10, 10], 1, True), ([10, 12], 1, False), ([10], 1, False), ([9, 1, 9, 9], 2, False)],
)
def test_steady_means_within_ten_percent(durations: list[int], window: int, steady: bool) -> None:
    assert is_steady(durations, window) is steady


class Waiting(Counting):
    @property
    def asynchronous(self) -> bool:
        return False


def test_where_there_is_nothing_to_wait_for_nothing_but_the_call_is_timed() -> None:
    engine = Waiting()
    time_calls(engine, 3)
    assert engine.calls == ["run"] * 3
