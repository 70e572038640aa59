from __future__ import annotations

import math

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from ortbench.engines.base import Evidence
from ortbench.models.parity import Parity
from ortbench.runner import protocol
from ortbench.runner.merging import joined, merge


def answer(starts: list[int], samples: list[int]) -> protocol.Samples:
    return protocol.Samples(
        samples_ns=tuple(samples),
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
    # The first is done at 200, in the middle of the second's second call.
    merged = merge("stream", [4, 4], [answer([0, 50, 100, 150], [50, 50, 50, 50]), answer([0, 100], [100, 200])])
    assert merged.wall_ns == 200
    assert merged.samples_ns == (50, 50, 50, 50, 100)
    assert merged.instance_calls == (4, 1)
    assert merged.items == 4 * (4 + 1 + 0.5)


def test_streams_of_unlike_batches_count_each_with_its_own() -> None:
    assert merge("stream", [4, 1], [answer([0], [100]), answer([0, 50], [50, 50])]).items == 4 + 1 + 1


def test_a_single_instance_answers_for_itself() -> None:
    one = answer([], [5, 6])
    assert merge("single", [4], [one]) is one


@given(st.lists(st.lists(st.integers(1, 10**9), min_size=1, max_size=20), min_size=2, max_size=8))
def test_streams_never_claim_more_than_their_instances_did(durations: list[list[int]]) -> None:
    answers = [answer([sum(own[:index]) for index in range(len(own))], own) for own in durations]
    merged = merge("stream", [1] * len(answers), answers)
    assert merged.wall_ns == min(map(sum, durations))
    assert merged.items is not None
    assert sum(merged.instance_calls) <= merged.items + 1e-9 <= sum(map(len, durations)) + 2e-9
    assert math.isclose(sum(merged.instance_calls), len(merged.samples_ns))


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
