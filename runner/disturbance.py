"""What disturbed a round, by the system's own counters; never judged by the round's timings.

The counters see other programs, a hypervisor that takes time away, and quotas. They do not see neighbours that share
caches, memory or clock: only pairing, many launches and the sentinel do.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ortbench.results.schema import Disturbance
from ortbench.runner.cpus import cgroup_folders
from ortbench.runner.gpu import clock_limits, limiting
from ortbench.runner.sysfs import current_frequency_mhz

# Shares of the CPU time that a round could have had on its CPUs; the clock ticks of the counters are slack besides.
_STEAL_SHARE = 0.03
_THROTTLED_SHARE = 0.01
_FOREIGN_SHARE = 0.06
_TICKS_OF_SLACK = 3
# Rounds are judged together until they are as long as this: of a single one of 30 ms the slack hides everything.
_WINDOW_S = 0.5
# Reading the frequency takes the kernel a moment; it does not change within a round.
_FREQUENCY_EVERY_S = 1.0


@dataclass(frozen=True)
class CpuTimes:
    """Seconds since boot on the CPUs in use: computing for anybody, and taken away by the hypervisor."""

    busy_s: float
    steal_s: float


def parse_cpu_times(stat: str, cpus: Sequence[int], ticks_per_s: int) -> CpuTimes:
    """Read /proc/stat: columns user, nice, system, idle, iowait, irq, softirq, steal in clock ticks (proc(5))."""
    wanted = {f"cpu{cpu}" for cpu in cpus}
    busy = steal = 0
    for line in stat.splitlines():
        name, *columns = line.split()
        if name in wanted:
            user, nice, system, _, _, irq, soft_irq, stolen, *_ = [*map(int, columns), 0, 0, 0, 0, 0]
            busy += user + nice + system + irq + soft_irq
            steal += stolen
    return CpuTimes(busy / ticks_per_s, steal / ticks_per_s)


def parse_throttled_s(cpu_stat: str) -> float:
    """Read a cgroup's cpu.stat: `throttled_usec` of version 2, `throttled_time` (ns) of version 1."""
    pairs = dict(line.split(maxsplit=1) for line in cpu_stat.splitlines() if " " in line)
    if "throttled_usec" in pairs:
        return int(pairs["throttled_usec"]) / 1e6
    return int(pairs.get("throttled_time", 0)) / 1e9


def spoiled_reason(seen: Disturbance, cpus: int, tick_s: float) -> str | None:
    """Say why a round does not count; None where the counters show nothing.

    Args:
        seen: of the whole round.
        cpus: how many were in use.
        tick_s: the resolution of the counters.
    """
    possible_s = seen.wall_s * cpus
    slack_s = _TICKS_OF_SLACK * tick_s
    if seen.major_faults:
        return f"{seen.major_faults} page faults had to read the disk"
    if seen.throttled_s > _THROTTLED_SHARE * seen.wall_s:
        return f"the cgroup's quota stopped it for {seen.throttled_s:.3f} s"
    if seen.steal_s > _STEAL_SHARE * possible_s + slack_s:
        return f"the hypervisor took {seen.steal_s:.2f} s of CPU time"
    if seen.foreign_cpu_s > _FOREIGN_SHARE * possible_s + slack_s:
        return f"other programs used {seen.foreign_cpu_s:.2f} s of CPU time"
    # A power limit is how a GPU usually runs at full load; heat and hardware brakes are not.
    if held := [reason for reason in limiting(seen.clock_limits) if reason != "sw_power_cap"]:
        return f"the GPU's clock was held down: {', '.join(held)}"
    return None


@dataclass(frozen=True)
class Judgement:
    """What the counters say of a round.

    Attributes:
        reason: why it does not count; None where it does.
        since_s: when the window began in which that was found; None where the round alone shows it.
    """

    reason: str | None = None
    since_s: float | None = None


@dataclass(frozen=True)
class Window:
    """Rounds in a row, of the same processes on the same CPUs, and what the counters say of all of them together.

    Attributes:
        place: of whom; only rounds of the same place are judged together.
        began_s, ended_s: on the study's clock.
        seen: of every round.
    """

    place: tuple[int, tuple[int, ...]] = (0, ())
    began_s: float = 0.0
    ended_s: float = 0.0
    seen: tuple[Disturbance, ...] = ()

    def joined_by(self, place: tuple[int, tuple[int, ...]], began_s: float, seen: Disturbance) -> Window:
        """Return the window with one more round; a new one where that does not follow on the last.

        Args:
            place: the launch's number and its CPUs.
            began_s: when the round began.
            seen: of the round; `foreign_cpu_s` may be below 0, as the counters move in steps.
        """
        ended_s = began_s + seen.wall_s
        if place != self.place or began_s - self.ended_s > _WINDOW_S:
            return Window(place, began_s, ended_s, (seen,))
        return Window(place, self.began_s, ended_s, (*self.seen, seen))

    @property
    def full(self) -> bool:
        """Whether its rounds are long enough, together, to show what matters."""
        return sum(each.wall_s for each in self.seen) >= _WINDOW_S

    def judged(self, tick_s: float) -> Judgement:
        """Judge the latest round: by itself, and by the window that it ends."""
        cpus = len(self.place[1])
        alone = spoiled_reason(self.seen[-1], cpus, tick_s)
        if len(self.seen) == 1:
            return Judgement(alone)
        # Disk reads, quotas and clocks are counted exactly, and concern their own round.
        together = Disturbance(
            wall_s=sum(each.wall_s for each in self.seen),
            steal_s=sum(each.steal_s for each in self.seen),
            foreign_cpu_s=sum(each.foreign_cpu_s for each in self.seen),
        )
        if reason := spoiled_reason(together, cpus, tick_s):
            return Judgement(reason, self.began_s)
        return Judgement(alone)


class Watch:
    """Reads the machine's counters at the beginning and end of each round; missing ones count as quiet."""

    def __init__(self, cpus: Sequence[int], *, gpu: bool = False) -> None:
        """Open what is read.

        Args:
            cpus: the CPUs that the arms use.
            gpu: whether any arm uses one.
        """
        self.cpus = tuple(cpus)
        self._gpu = gpu
        self._ticks = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
        self._quota_files = _throttle_files()
        self._frequency: float | None = None
        self._frequency_at = 0.0

    @property
    def tick_s(self) -> float:
        """The resolution of the counters."""
        return 1 / self._ticks

    def begin(self) -> None:
        """Remember the counters."""
        self._began = self._read()

    def end(self, own_cpu_s: float, major_faults: int) -> Disturbance:
        """Return what happened since `begin`; `foreign_cpu_s` may be below 0, as the counters move in steps.

        Args:
            own_cpu_s: CPU time that the arms used meanwhile.
            major_faults: of the arms meanwhile.
        """
        wall, busy, steal, throttled, parent = (now - then for now, then in zip(self._read(), self._began, strict=True))
        return Disturbance(
            wall_s=round(wall, 6),
            steal_s=round(steal, 6),
            throttled_s=round(throttled, 6),
            foreign_cpu_s=round(busy - own_cpu_s - parent, 6),
            major_faults=major_faults,
            frequency_mhz=self._frequency_mhz(),
            clock_limits=clock_limits() if self._gpu else (),
        )

    def _frequency_mhz(self) -> float | None:
        now = time.perf_counter()
        if now - self._frequency_at > _FREQUENCY_EVERY_S:
            self._frequency_at, self._frequency = now, current_frequency_mhz()
        return self._frequency

    def _read(self) -> tuple[float, ...]:
        """Return wall time, busy and stolen CPU time, throttled time and this process's CPU time, in s."""
        times = parse_cpu_times(_text(Path("/proc/stat")), self.cpus, self._ticks)
        throttled = sum(parse_throttled_s(_text(path)) for path in self._quota_files)
        return time.perf_counter(), times.busy_s, times.steal_s, throttled, time.process_time()


def _throttle_files() -> list[Path]:
    """Return the cpu.stat files of every cgroup whose quota could stop this process."""
    folders = cgroup_folders(_text(Path("/proc/self/cgroup")), Path("/sys/fs/cgroup"))
    return [path for folder in folders if "throttled" in _text(path := folder / "cpu.stat")]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
