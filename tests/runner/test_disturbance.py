from __future__ import annotations

import itertools
import math
import random
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ortbench.results.schema import Disturbance
from ortbench.results.windows import mark_windows
from ortbench.runner.cpus import allowed_cpus
from ortbench.runner.disturbance import (
    CpuTimes,
    Judgement,
    Watch,
    Window,
    parse_cpu_times,
    parse_throttled_s,
    spoiled_reason,
)
from tests.results.factory import make_rounds

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
    # Below 0, where the counters' steps fell so: only sums over many rounds are told right.
    assert watch.end(own_cpu_s=100.0, major_faults=0).foreign_cpu_s == -97.5


PLACE = (1, (0, 1))


def judgements(seen: list[Disturbance]) -> list[Judgement]:
    """Judge rounds that follow on each other, as a study does."""
    window, found, now = Window(), [], 0.0
    for one in seen:
        window = window.joined_by(PLACE, now, one)
        now += one.wall_s
        found.append(window.judged(TICK_S))
        if found[-1].reason or window.full:
            window = Window()
    return found


def counted_in_ticks(wall_s: float, foreign_share: float, seconds: float, own_cpus: float = 1.5) -> list[Disturbance]:
    """Return what the counters of two CPUs say of rounds, beside a program that takes a share of one CPU.

    The arms' own CPU time is known exactly; that of everybody comes in whole ticks of 10 ms.
    """
    ends = [number * wall_s for number in range(int(seconds / wall_s) + 1)]
    busy = [math.floor((own_cpus + foreign_share) * end / TICK_S) * TICK_S for end in ends]
    return [
        Disturbance(wall_s=wall_s, foreign_cpu_s=later - earlier - own_cpus * wall_s)
        for earlier, later in itertools.pairwise(busy)
    ]


def not_counting(seen: list[Disturbance]) -> float:
    """Return the share of the rounds that are marked in the end."""
    lines = make_rounds({"ort": [[1.0] * len(seen)]})
    starts = itertools.accumulate((one.wall_s for one in seen), initial=0.0)
    return sum(
        line.spoiled is not None
        for line in mark_windows(
            msgspec.structs.replace(line, started_s=start, spoiled=one.reason, spoiled_since_s=one.since_s)
            for line, start, one in zip(lines, starts, judgements(seen), strict=False)
        )
    ) / len(seen)


@pytest.mark.parametrize("round_ms", [5, 20, 33, 79, 600])
def test_a_program_on_half_a_cpu_of_two_spoils_rounds_of_any_length(round_ms: int) -> None:
    assert not_counting(counted_in_ticks(round_ms / 1e3, 0.5, seconds=3)) >= 0.95
    assert not_counting(counted_in_ticks(round_ms / 1e3, 0.0, seconds=3)) == 0


def test_no_round_is_condemned_where_the_ticks_fall_by_chance() -> None:
    generator = random.Random(0)
    quiet = [Disturbance(wall_s=0.02, foreign_cpu_s=generator.gauss(0, 0.004)) for _ in range(3000)]
    assert not_counting(quiet) <= 0.02


def test_a_window_ends_where_its_rounds_are_long_enough_and_where_the_place_changes() -> None:
    once = Window().joined_by(PLACE, 0.0, Disturbance(wall_s=0.3))
    twice = once.joined_by(PLACE, 0.3, Disturbance(wall_s=0.3))
    assert (once.full, twice.full) == (False, True)
    assert len(once.joined_by((2, (0, 1)), 0.3, Disturbance(wall_s=0.3)).seen) == 1, "another launch"
    assert len(once.joined_by(PLACE, 5.0, Disturbance(wall_s=0.3)).seen) == 1, "something else ran in between"


def test_what_is_counted_exactly_concerns_its_own_round_only() -> None:
    seen = [Disturbance(wall_s=0.1), Disturbance(wall_s=0.1, major_faults=1), Disturbance(wall_s=0.1)]
    assert judgements(seen) == [Judgement(), Judgement("1 page faults had to read the disk"), Judgement()]


def test_marks_reach_back_to_the_windows_beginning_and_no_further() -> None:
    lines = [
        msgspec.structs.replace(line, started_s=float(line.round), launch=launch)
        for launch in (1, 2)
        for line in make_rounds({"ort": [[1.0] * 4]})
    ]
    lines[6] = msgspec.structs.replace(lines[6], spoiled="why", spoiled_since_s=1.5)
    assert [line.spoiled for line in mark_windows(lines)] == [None] * 5 + ["why", "why", None]
    # From the first of a launch it goes no further back, whatever the clocks of its parts say.
    lines[6] = msgspec.structs.replace(lines[6], spoiled_since_s=0.0)
    assert [line.spoiled for line in mark_windows(lines)] == [None] * 4 + ["why"] * 3 + [None]
