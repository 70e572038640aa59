"""The roofline model, and the roofs of this machine."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from ortbench.results.roofline import ABOVE, Peaks, Work, share_of_peak
from ortbench.runner.peaks import measure_peaks

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


def test_the_share_is_of_the_roof_above_the_arm() -> None:
    share = share_of_peak(WORK, PEAKS, batch_size=1, latency_ms=80)
    assert math.isclose(share.achieved_gflop_per_s, 100)
    assert math.isclose(share.share, 0.5)
    assert share.explanation is None


def test_what_exceeds_its_roof_is_explained() -> None:
    share = share_of_peak(WORK, PEAKS, batch_size=1, latency_ms=20)
    assert share.share > 1
    assert share.explanation == ABOVE


@given(st.integers(1, 1024), st.floats(0.01, 1e5), st.floats(1, 1e5), st.floats(1, 1e4))
def test_half_the_latency_is_twice_the_share(batch_size: int, latency: float, gflops: float, gbytes: float) -> None:
    peaks = Peaks(threads=1, gflop_per_s=gflops, gbyte_per_s=gbytes)
    slow, fast = (share_of_peak(WORK, peaks, batch_size, value) for value in (latency, latency / 2))
    assert math.isclose(fast.share, 2 * slow.share)
    assert slow.attainable_gflop_per_s <= gflops


def test_this_machine_has_roofs() -> None:
    peaks = measure_peaks(1)
    assert peaks.gflop_per_s > 0
    assert peaks.gbyte_per_s > 0
