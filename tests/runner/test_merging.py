from __future__ import annotations

import itertools
import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ortbench.engines.base import Evidence
from ortbench.models.parity import Parity
from ortbench.runner import protocol
from ortbench.runner.merging import joined, merge


def answer(starts: list[int], samples: list[int], lead_in: int = 0) -> protocol.Samples:
    return protocol.Samples(
        samples_ns=tuple(samples[lead_in:]),
        lead_in_ns=tuple(samples[:lead_in]),
        wall_ns=sum(samples),
        cpu_ns=5,
        minor_faults=1,
        major_faults=2,
        involuntary_switches=3,
        starts_ns=tuple(starts),
    )


def prepared(call_ns: int, *, ok: bool = True, error: float = 0.0, memory: float | None = 10.0) -> protocol.Prepared:
    return protocol.Prepared(
        first_call_ns=2 * call_ns,
        warm_up_ns=(call_ns,),
        steady=ok,
        parity=Parity(ok=ok, reference="torch", max_abs_error=error),
        evidence=Evidence(versions={}, threads=1),
        affinity=(call_ns,),
        os_threads=3,
        allocator="glibc",
        memory_mib=memory,
    )


def test_a_batch_that_is_divided_takes_until_the_slowest_instance_is_done() -> None:
    merged = merge("split", [2, 2], [answer([100, 300], [50, 60]), answer([101, 302], [80, 40])])
    assert merged.samples_ns == (81, 60)
    assert merged.wall_ns == 360 - 100
    assert merged.items is None
    assert (merged.cpu_ns, merged.minor_faults, merged.major_faults, merged.involuntary_switches) == (10, 2, 4, 6)


def test_streams_count_while_all_of_them_run() -> None:
    # The second is done at 300, in the middle of the first's last call.
    merged = merge("stream", [4, 4], [answer([0, 50, 100, 250], [50, 50, 150, 100]), answer([0, 100], [100, 200])])
    assert merged.wall_ns == 300
    assert merged.samples_ns == (50, 50, 100, 200)
    assert merged.instance_calls == (2, 2)
    assert merged.items == 4 * (3 + 0.5 + 2)
    assert merged.calls == 6


def test_streams_of_unlike_batches_count_each_with_its_own() -> None:
    assert merge("stream", [4, 1], [answer([0], [100]), answer([0, 50], [50, 50])]).items == 4 + 1 + 1


def test_a_single_instance_answers_for_itself() -> None:
    one = answer([], [5, 6])
    assert merge("single", [4], [one]) is one


def streams(durations: list[list[int]], calls: int) -> list[protocol.Samples]:
    """Let instances run calls of these durations, over and over, until each has made so many."""
    done = max(sum(itertools.islice(itertools.cycle(own), calls)) for own in durations)
    answers = []
    for own in durations:
        starts, samples, now = list[int](), list[int](), 0
        for took in itertools.cycle(own):
            starts.append(now)
            samples.append(took)
            now += took
            if now >= done:
                break
        answers.append(answer(starts, samples))
    return answers


@given(st.lists(st.lists(st.integers(1, 1000), min_size=1, max_size=20), min_size=2, max_size=8), st.integers(1, 20))
def test_streams_never_claim_more_than_their_instances_did(durations: list[list[int]], calls: int) -> None:
    answers = streams(durations, calls)
    merged = merge("stream", [1] * len(answers), answers)
    assert merged.wall_ns == max(sum(one.samples_ns[:calls]) for one in answers)
    assert merged.instance_calls == (calls,) * len(answers)
    assert merged.items is not None
    assert len(merged.samples_ns) <= merged.items + 1e-9 <= sum(len(one.samples_ns) for one in answers) + 2e-9


def test_long_calls_are_as_many_among_the_latencies_of_streams_as_they_are() -> None:
    chance, slow, count = random.Random(1), 0, 0
    for _ in range(4000):
        durations = [[10_000 if chance.random() < 0.05 else 1000 for _ in range(40)] for _ in range(4)]
        merged = merge("stream", [1] * 4, streams(durations, 1))
        slow += sum(took == 10_000 for took in merged.samples_ns)
        count += len(merged.samples_ns)
    assert slow / count == pytest.approx(0.05, abs=0.006)


@given(st.lists(st.lists(st.integers(1, 10**9), min_size=3, max_size=3), min_size=2, max_size=8))
def test_a_divided_batch_is_never_faster_than_any_of_its_parts(durations: list[list[int]]) -> None:
    merged = merge("split", [1] * len(durations), [answer([0, 10**10, 2 * 10**10], own) for own in durations])
    assert merged.samples_ns == tuple(map(max, zip(*durations, strict=True)))


def test_an_arm_is_as_ready_as_its_worst_instance() -> None:
    both = joined([prepared(10, error=1e-6), prepared(20, ok=False, error=1.0)])
    assert (both.first_call_ns, both.warm_up_ns, both.steady, both.parity.ok) == (40, (20,), False, False)
    assert (both.affinity, both.os_threads, both.memory_mib) == ((10, 20), 6, 20.0)
    assert joined([prepared(10), prepared(20, memory=None)]).memory_mib is None


def test_one_instance_is_the_arm() -> None:
    one = prepared(10)
    assert joined([one]) is one
    assert msgspec.json.encode(one)


def test_the_lead_in_of_a_divided_batch_is_joint_calls_that_do_not_count() -> None:
    merged = merge("split", [2, 2], [answer([0, 100, 300], [90, 50, 60], 1), answer([1, 101, 302], [40, 80, 40], 1)])
    assert merged.lead_in_ns == (90,)
    assert (merged.samples_ns, merged.wall_ns) == ((81, 60), 360 - 100)


def test_the_lead_in_of_streams_is_in_no_figure_but_the_counters() -> None:
    answers = [answer([0, 50, 100, 150], [50, 50, 50, 50], 2), answer([0, 110], [110, 90], 1)]
    merged = merge("stream", [4, 4], answers)
    assert merged.lead_in_ns == (50, 50, 110)
    assert (merged.samples_ns, merged.instance_calls) == ((50, 90), (1, 1))
    assert merged.wall_ns == 200 - 110
    assert merged.items == 4 * (40 / 50 + 1 + 1)
    assert merged.calls == 6
