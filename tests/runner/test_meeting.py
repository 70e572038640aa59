"""Instances meet in shared memory; threads of one process stand for the processes, each with a mapping of its own."""

from __future__ import annotations

import os
import threading
import time

from ortbench.runner.meeting import Meeting, MeetingPlace, open_meeting


def test_nobody_leaves_before_all_have_arrived() -> None:
    descriptor = open_meeting(3)
    arrived: list[float] = []
    left: list[float] = []

    def instance(index: int) -> None:
        meeting = Meeting(MeetingPlace(descriptor=descriptor, index=index, instances=3))
        for turn in range(5):
            time.sleep(0.002 * ((index + turn) % 3))
            arrived.append(time.perf_counter())
            meeting.wait()
            left.append(time.perf_counter())
            meeting.wait()

    threads = [threading.Thread(target=instance, args=(index,)) for index in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    os.close(descriptor)
    assert len(left) == 15
    for turn in range(5):
        together = slice(3 * turn, 3 * turn + 3)
        assert max(arrived[together]) <= min(left[together])


def test_all_are_done_when_the_last_one_is() -> None:
    descriptor = open_meeting(2)
    one, other = (Meeting(MeetingPlace(descriptor=descriptor, index=index, instances=2)) for index in range(2))
    one.done(3)
    assert not one.all_done(1)
    other.done(2)
    assert one.all_done(2)
    assert other.all_done(2)
    assert not other.all_done(3)
    os.close(descriptor)
