"""The roofline model."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from ortbench.results.roofline import ABOVE, Peaks, Roofline, Work, share_of_peak

WORK = Work(flops_per_item=8_000_000_000, weight_bytes=100_000_000, activation_bytes_per_item=50_000_000)
PEAKS = Peaks(threads=2, gflop_per_s=200, gbyte_per_s=20)


def test_a_large_batch_reads_the_weights_less_often() -> None:
    assert math.isclose(WORK.intensity(1), 8000 / 150)
    assert WORK.intensity(1) < WORK.intensity(16) < 8000 / 50


def test_the_lower_roof_counts() -> None:
    assert PEAKS.attainable_gflop_per_s(5) == 100
    assert PEAKS.bound(5) == "memory"
    assert PEAKS.attainable_gflop_per_s(50) == 200
    assert PEAKS.bound(50) == "arithmetic"
    assert PEAKS.ridge == 10


def test_the_share_is_of_the_roof_above_the_arm() -> None:
    share = share_of_peak(WORK, PEAKS, items_per_call=1, items_per_s=12.5)
    assert math.isclose(share.achieved_gflop_per_s, 100)
    assert math.isclose(share.share, 0.5)
    assert share.explanation is None


def test_what_exceeds_its_roof_is_explained_by_that_roof() -> None:
    share = share_of_peak(WORK, PEAKS, items_per_call=1, items_per_s=50)
    assert share.share == 2
    assert share.explanation == ABOVE["arithmetic"]
    starved = Work(flops_per_item=1_000_000_000, weight_bytes=0, activation_bytes_per_item=1_000_000_000)
    share = share_of_peak(starved, PEAKS, items_per_call=1, items_per_s=40)
    assert (share.share, share.bound) == (2, "memory")
    assert share.explanation == ABOVE["memory"]


@given(st.integers(1, 1024), st.floats(0.01, 1e5), st.floats(1, 1e5), st.floats(1, 1e4))
def test_twice_the_speed_is_twice_the_share(batch_size: int, rate: float, gflops: float, gbytes: float) -> None:
    peaks = Peaks(threads=1, gflop_per_s=gflops, gbyte_per_s=gbytes)
    slow, fast = (share_of_peak(WORK, peaks, batch_size, value) for value in (rate, 2 * rate))
    assert math.isclose(fast.share, 2 * slow.share)
    assert slow.attainable_gflop_per_s <= gflops


def test_a_layout_has_roofs_of_its_own() -> None:
    several = Peaks(threads=1, instances=2, gflop_per_s=210, gbyte_per_s=21)
    known = Roofline(peaks=(PEAKS, several))
    assert known.of_layout(2, 1) == PEAKS
    assert known.of_layout(1, 2) == several
    assert known.of_layout(1, 1) is None
