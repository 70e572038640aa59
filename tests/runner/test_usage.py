from __future__ import annotations

import mmap
import time

from ortbench.engines.null import NullEngine
from ortbench.runner import protocol
from ortbench.runner.usage import peak_memory_mib, timed_slice, usage


class Busy(NullEngine):
    """Computes for a while and touches fresh memory."""

    def run(self) -> None:
        """Fill 8 MiB that no earlier call has touched: fresh from the system, not from the allocator."""
        with mmap.mmap(-1, 8 << 20) as block:
            block.write(b"x" * (8 << 20))


def test_a_slice_tells_its_samples_and_what_the_process_used() -> None:
    slice_ = timed_slice(Busy(), protocol.Slice(calls=5))
    assert len(slice_.samples_ns) == 5
    assert slice_.wall_ns >= sum(slice_.samples_ns)
    assert slice_.cpu_ns > 0
    assert slice_.minor_faults > 0
    assert slice_.major_faults >= 0
    assert slice_.involuntary_switches >= 0


def test_counters_only_grow() -> None:
    before = usage()
    sum(range(1_000_00))
    after = usage()
    assert after.cpu_ns >= before.cpu_ns
    assert after.minor_faults >= before.minor_faults


def test_the_peak_is_at_least_what_was_once_held() -> None:
    block = bytearray(b"x" * (64 << 20))
    assert (peak_memory_mib() or 0) > 64
    del block


class Slowing(NullEngine):
    """Counts its calls, and waits in the first two."""

    calls = 0

    def run(self) -> None:
        """Take 20 ms twice, then nothing."""
        self.calls += 1
        if self.calls <= 2:
            time.sleep(0.02)


def test_the_lead_in_is_recorded_apart_and_takes_no_part_in_what_the_slice_took() -> None:
    engine = Slowing()
    slice_ = timed_slice(engine, protocol.Slice(calls=3, lead_in=2))
    assert engine.calls == 5
    assert (len(slice_.lead_in_ns), len(slice_.samples_ns)) == (2, 3)
    assert min(slice_.lead_in_ns) >= 20_000_000
    assert sum(slice_.samples_ns) <= slice_.wall_ns < sum(slice_.lead_in_ns)
