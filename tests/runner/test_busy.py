from __future__ import annotations

import hashlib
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ortbench.runner import busy
from ortbench.runner.busy import (
    BusyThreads,
    busy_threads,
    parse_schedstat_ns,
    parse_stat_ns,
    parse_waited_ns,
    thread_cpu_ns,
)

MS = 1_000_000
STAT = "17886 (a (b) c) R 17880 17880 13245 0 -1 4194304 100 0 0 0 7 5 0 0 20 0 1 0 3553427 3133440 381"


def test_cpu_time_is_the_first_number_of_schedstat() -> None:
    assert parse_schedstat_ns("122308 281843 2\n") == 122308


@pytest.mark.parametrize("text", ["", "\n", "0 0 0\n", "no number\n"])
def test_a_schedstat_that_counts_nothing_tells_nothing(text: str) -> None:
    assert parse_schedstat_ns(text) is None


def test_a_name_with_parentheses_does_not_move_the_fields_of_stat() -> None:
    assert parse_stat_ns(STAT, 100) == 120 * MS


@pytest.mark.parametrize("text", ["", "1 (x) R 1 2", STAT.replace(" 7 5 ", " x y ")])
def test_a_stat_that_cannot_be_read_tells_nothing(text: str) -> None:
    assert parse_stat_ns(text, 100) is None


def test_threads_are_read_precisely_where_the_system_counts_so_and_in_ticks_elsewhere(tmp_path: Path) -> None:
    for thread, files in {"1": {"schedstat": "5 6 7", "stat": STAT}, "2": {"stat": STAT}, "3": {}}.items():
        folder = tmp_path / "task" / thread
        folder.mkdir(parents=True)
        for name, text in files.items():
            (folder / name).write_text(text)
    times = thread_cpu_ns(tmp_path)
    assert (times[1], 2 in times, 3 in times) == (5, True, False)
    assert thread_cpu_ns(tmp_path / "nowhere") == {}


@pytest.mark.parametrize(
    ("used_ms", "busy"),
    [
        ((100,), 1),
        ((100, 100), 2),
        ((100, 4.9), 1),  # a helper
        ((100, 5), 2),
        ((100, 33, 33, 33), 4),  # three that share one CPU
        ((100, *(6.7,) * 15), 16),  # fifteen that share one CPU
        ((9, 9, 9), None),  # too little to tell
        ((), None),
    ],
)
def test_a_thread_is_busy_from_a_twentieth_of_the_busiest_ones_time_on(
    used_ms: tuple[float, ...], busy: int | None
) -> None:
    before = dict.fromkeys(range(len(used_ms)), 7 * MS)
    after = {thread: 7 * MS + round(used * MS) for thread, used in enumerate(used_ms)}
    assert busy_threads(before, after) == busy


@pytest.mark.parametrize(("text", "waited"), [("5000 7000 3\n", 7000), ("0 0 0\n", 0), ("5000\n", 0), ("", 0)])
def test_the_second_number_is_how_long_a_thread_waited_for_a_cpu(text: str, waited: int) -> None:
    assert parse_waited_ns(text) == waited


def test_where_threads_waited_longer_than_they_ran_it_looks_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    # Only one of two threads has its turn in the first look; both waited for long.
    looks = iter([{1: 0, 2: 0}, {1: 20 * MS, 2: 0}, {1: 30 * MS, 2: 25 * MS}])
    monkeypatch.setattr(busy, "thread_cpu_ns", lambda: next(looks))
    waits = iter([0, 60 * MS, 60 * MS])
    monkeypatch.setattr(busy, "waited_ns", lambda: next(waits, 99 * MS))
    monkeypatch.setattr(busy, "_MOST_LOOKS", 2)
    assert BusyThreads().count(lambda: None, 1) == 2


def test_a_thread_that_is_new_began_at_nothing_and_one_that_ended_does_not_count() -> None:
    assert busy_threads({1: 0, 2: 90 * MS}, {1: 100 * MS, 3: 50 * MS}) == 2


@given(st.lists(st.integers(0, 200 * MS), max_size=20))
def test_the_busiest_is_always_busy_and_never_are_more_than_there_are(used: list[int]) -> None:
    busy = busy_threads({}, dict(enumerate(used)))
    assert busy is None or 1 <= busy <= len(used)


@contextmanager
def computing(count: int) -> Iterator[None]:
    """Keep so many threads computing; hashing leaves the interpreter to others."""
    stop = threading.Event()

    def compute() -> None:
        while not stop.is_set():
            hashlib.sha256(bytes(1 << 20))

    threads = [threading.Thread(target=compute) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@pytest.mark.skipif(sys.platform != "linux", reason="the files are Linux's")
def test_threads_that_really_compute_are_counted_and_sleeping_ones_are_not() -> None:
    quiet = threading.Event()
    sleeper = threading.Thread(target=quiet.wait)
    sleeper.start()
    try:
        with computing(2):
            seen = BusyThreads()
            assert seen.count(lambda: hashlib.sha256(bytes(1 << 20)), 3) == 3
    finally:
        quiet.set()
        sleeper.join()


@pytest.mark.skipif(sys.platform != "linux", reason="the files are Linux's")
def test_a_thread_that_soon_rests_is_none_of_the_engines() -> None:
    with ExitStack() as at_first:
        seen = BusyThreads()
        at_first.enter_context(computing(2))
        calls = 0

        def call() -> None:
            nonlocal calls
            calls += 1
            if calls == 5:
                at_first.close()
            hashlib.sha256(bytes(1 << 22))

        assert seen.count(call, 1) == 1
