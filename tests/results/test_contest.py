from __future__ import annotations

import msgspec
import pytest

from ortbench.results.contest import slices_by_name, together
from tests.results.factory import MS, make_rounds


def test_a_latency_is_the_typical_call_and_a_throughput_counts_items_and_the_whole_slice() -> None:
    [line] = make_rounds({"a": [[5.0]]})
    line = msgspec.structs.replace(line, samples_ns=(4 * MS, 5 * MS, 9 * MS), wall_ns=20 * MS)
    assert slices_by_name([line], "latency", {"a": 8}) == {"a": {(1, 1): 5 * MS}}
    assert slices_by_name([line], "throughput", {"a": 8}) == {"a": {(1, 1): 20 * MS / 24}}
    streamed = msgspec.structs.replace(line, items=10.0)
    assert slices_by_name([streamed], "throughput", {"a": 8}) == {"a": {(1, 1): 2 * MS}}


def test_the_slowest_instance_is_what_a_batch_waits_for() -> None:
    [line] = make_rounds({"a": [[5.0]]})
    line = msgspec.structs.replace(line, samples_ns=(2 * MS, 2 * MS, 2 * MS, 7 * MS), instance_calls=(3, 1))
    assert slices_by_name([line], "latency", {"a": 1}) == {"a": {(1, 1): 7 * MS}}


def test_an_instance_without_a_whole_call_does_not_hide_the_others() -> None:
    [line] = make_rounds({"a": [[5.0]]})
    line = msgspec.structs.replace(line, samples_ns=(2 * MS, 3 * MS), instance_calls=(0, 2))
    assert slices_by_name([line], "latency", {"a": 1}) == {"a": {(1, 1): 2.5 * MS}}


def test_spoiled_rounds_do_not_count_unless_they_are_most_of_their_launch() -> None:
    lines = make_rounds({"a": [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]})
    spoiled = {(1, 1), (2, 1), (2, 2)}
    marked = [
        msgspec.structs.replace(line, spoiled="busy" if (line.launch, line.round) in spoiled else None)
        for line in lines
    ]
    kept = slices_by_name(marked, "latency", {"a": 1})["a"]
    assert sorted(kept) == [(1, 2), (1, 3), (2, 1), (2, 2), (2, 3)]


@pytest.mark.parametrize(("comparisons", "confidence"), [(0, 0.95), (1, 0.95), (5, 0.99)])
def test_more_comparisons_need_more_confidence(comparisons: int, confidence: float) -> None:
    assert together(comparisons) == pytest.approx(confidence)
