from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ortbench.results.schema import Disturbance
from ortbench.runner.cpus import allowed_cpus
from ortbench.runner.disturbance import CpuTimes, Watch, parse_cpu_times, parse_throttled_s, spoiled_reason

STAT = """\
cpu  100 0 100 1000 50 0 0 30 0 0
cpu0 10 1 20 500 25 2 3 10 0 0
cpu1 90 0 80 500 25 0 0 20 0 0
cpu10 7 0 0 1 1 0 0 900 0 0
intr 12345
"""
TICK_S = 0.01
BUSY_FOR_HALF_A_SECOND = "import time\nwhile time.process_time() < 0.5: pass"


def test_only_the_cpus_in_use_are_counted() -> None:
    assert parse_cpu_times(STAT, [0], 100) == CpuTimes(busy_s=0.36, steal_s=0.1)
    assert parse_cpu_times(STAT, [0, 1], 100) == CpuTimes(busy_s=2.06, steal_s=0.3)


def test_an_old_kernel_without_a_steal_column_and_a_missing_file_read_as_quiet() -> None:
    assert parse_cpu_times("cpu0 10 0 20 500", [0], 100) == CpuTimes(busy_s=0.3, steal_s=0.0)
    assert parse_cpu_times("", [0], 100) == CpuTimes(busy_s=0.0, steal_s=0.0)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("usage_usec 5\nnr_throttled 3\nthrottled_usec 2500000\n", 2.5),
        ("nr_periods 9\nnr_throttled 3\nthrottled_time 2500000000\n", 2.5),
        ("usage_usec 5\n", 0.0),
        ("", 0.0),
    ],
)
def test_throttled_time_is_read_from_both_cgroup_versions(text: str, seconds: float) -> None:
    assert parse_throttled_s(text) == seconds


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (Disturbance(wall_s=1.0), None),
        (Disturbance(wall_s=1.0, steal_s=0.08), None),
        (Disturbance(wall_s=1.0, steal_s=0.1), "the hypervisor took 0.10 s of CPU time"),
        (Disturbance(wall_s=1.0, foreign_cpu_s=0.14), None),
        (Disturbance(wall_s=1.0, foreign_cpu_s=0.16), "other programs used 0.16 s of CPU time"),
        (Disturbance(wall_s=1.0, throttled_s=0.011), "the cgroup's quota stopped it for 0.011 s"),
        (Disturbance(wall_s=1.0, major_faults=2), "2 page faults had to read the disk"),
        (Disturbance(wall_s=1.0, clock_limits=("gpu_idle",)), None),
        (
            Disturbance(wall_s=1.0, clock_limits=("gpu_idle", "hw_thermal_slowdown")),
            "the GPU's clock was held down: hw_thermal_slowdown",
        ),
    ],
)
def test_a_round_is_spoiled_by_what_the_counters_show(seen: Disturbance, reason: str | None) -> None:
    assert spoiled_reason(seen, cpus=2, tick_s=TICK_S) == reason


@given(st.floats(0.001, 0.1), st.floats(0, 0.03), st.floats(0, 0.03))
def test_a_short_round_is_not_condemned_for_the_coarseness_of_the_counters(
    wall: float, steal: float, foreign: float
) -> None:
    assert spoiled_reason(Disturbance(wall_s=wall, steal_s=steal, foreign_cpu_s=foreign), 2, TICK_S) is None


@pytest.mark.skipif(not Path("/proc/stat").exists(), reason="the system keeps no such counters")
def test_a_busy_stretch_of_somebody_else_is_seen() -> None:
    watch = Watch(allowed_cpus())
    watch.begin()
    began = time.process_time()
    subprocess.run([sys.executable, "-c", BUSY_FOR_HALF_A_SECOND], check=True)
    own_s = time.process_time() - began
    seen = watch.end(own_cpu_s=0.0, major_faults=1)
    assert seen.foreign_cpu_s >= 0.4 - own_s
    assert seen.wall_s >= 0.4
    assert seen.major_faults == 1


def test_what_the_arms_and_this_process_computed_is_not_foreign(monkeypatch: pytest.MonkeyPatch) -> None:
    # Wall, busy, steal, throttled, this process: of the beginning and the end of each round.
    readings = iter([(10.0, 5.0, 1.0, 0.5, 2.0), (12.0, 8.0, 1.25, 0.75, 2.5)] * 2)
    monkeypatch.setattr(Watch, "_read", lambda _: next(readings))
    watch = Watch([0])
    watch.begin()
    seen = watch.end(own_cpu_s=1.5, major_faults=0)
    assert (seen.wall_s, seen.steal_s, seen.throttled_s, seen.foreign_cpu_s) == (2.0, 0.25, 0.25, 1.0)
    watch.begin()
    assert watch.end(own_cpu_s=100.0, major_faults=0).foreign_cpu_s == 0.0
