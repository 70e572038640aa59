"""Instances meet in shared memory; threads of one process stand for the processes, each with a mapping of its own."""

from __future__ import annotations

import os
import threading
import time

from ortbench.engines.null import NullEngine
from ortbench.runner.meeting import Meeting, MeetingPlace, open_meeting
from ortbench.runner.protocol import Slice
from ortbench.runner.timing import CallsTogether, time_together


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


class Uneven(NullEngine):
    """Takes long in its first call, if it is told to."""

    def __init__(self, first_s: float) -> None:
        self.first_s = first_s

    def run(self) -> None:
        """Sleep once."""
        time.sleep(self.first_s or 0.002)
        self.first_s = 0.0


def together(mode: str, first_s: tuple[float, float]) -> list[CallsTogether]:
    """Let two instances make three calls each after a lead-in of one."""
    descriptor, found = open_meeting(2), dict[int, CallsTogether]()

    def instance(index: int) -> None:
        meeting = Meeting(MeetingPlace(descriptor=descriptor, index=index, instances=2))
        found[index] = time_together(Uneven(first_s[index]), Slice(calls=3, lead_in=1, mode=mode), meeting)

    threads = [threading.Thread(target=instance, args=(index,)) for index in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    os.close(descriptor)
    return [found[index] for index in range(2)]


def test_no_counted_call_of_a_stream_begins_before_every_lead_in_is_over() -> None:
    slow, quick = together("stream", (0.05, 0.002))
    assert slow.lead_in == 1
    assert quick.lead_in > 1
    over = max(one.starts_ns[one.lead_in - 1] for one in (slow, quick))
    assert all(one.starts_ns[one.lead_in] >= over for one in (slow, quick))
    # However long one's lead-in takes, all have the calls that were asked for.
    assert all(len(one.samples_ns) - one.lead_in >= 3 for one in (slow, quick))


def test_a_divided_batch_leads_in_with_joint_calls() -> None:
    assert [(one.lead_in, len(one.samples_ns)) for one in together("split", (0.01, 0.002))] == [(1, 4), (1, 4)]
