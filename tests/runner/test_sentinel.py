from __future__ import annotations

import time

import psutil
import pytest

from ortbench.runner import sentinel
from ortbench.runner.cpus import allowed_cpus


def test_the_sentinels_work_takes_time() -> None:
    assert sentinel.time_sentinel() > 1000


def test_it_is_timed_again_only_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    with sentinel.Sentinel(allowed_cpus()) as watcher:
        monkeypatch.setattr(sentinel, "_EVERY_S", 3600.0)
        first = watcher.latest_ns()
        assert first is not None
        assert [watcher.latest_ns() for _ in range(3)] == [first] * 3


def test_it_is_parked_between_times() -> None:
    with sentinel.Sentinel(allowed_cpus()) as watcher:
        watcher.latest_ns()
        assert watcher._worker is not None
        process = psutil.Process(watcher._worker.pid)
        time.sleep(0.05)
        assert process.status() == psutil.STATUS_STOPPED


def test_its_death_ends_no_study_and_another_takes_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sentinel, "_EVERY_S", 0.0)
    monkeypatch.setattr(sentinel, "_MOST_STARTS", 2)
    with sentinel.Sentinel(allowed_cpus()) as watcher:
        for _ in range(2):
            assert watcher.latest_ns() is not None
            assert watcher._worker is not None
            psutil.Process(watcher._worker.pid).kill()
            assert watcher.latest_ns() is None
        # But not for ever.
        assert watcher.latest_ns() is None
        assert watcher._worker is None
