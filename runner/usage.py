"""What a process has used so far, seen from inside it."""

from __future__ import annotations

import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from ortbench.engines.base import Engine
from ortbench.runner import protocol
from ortbench.runner.meeting import Meeting
from ortbench.runner.sysfs import read_text
from ortbench.runner.timing import time_calls, time_together


@dataclass(frozen=True)
class Usage:
    """Counters since the process began, all threads together; zeros where the system keeps none."""

    cpu_ns: int = 0
    minor_faults: int = 0
    major_faults: int = 0
    involuntary_switches: int = 0


def usage() -> Usage:
    """Return this process's counters (getrusage(2))."""
    if sys.platform == "win32":
        return Usage(cpu_ns=time.process_time_ns())
    import resource

    own = resource.getrusage(resource.RUSAGE_SELF)
    return Usage(round((own.ru_utime + own.ru_stime) * 1e9), own.ru_minflt, own.ru_majflt, own.ru_nivcsw)


def timed_slice(engine: Engine, request: protocol.Slice, meeting: Meeting | None = None) -> protocol.Samples:
    """Time a slice and say what the process used meanwhile; `meeting` is where the instances meet, if there are any."""
    starts: list[int] = []
    before = usage()
    started = time.perf_counter_ns()
    if meeting is None or request.mode == "single":
        samples = time_calls(engine, request.calls)
    else:
        starts, samples = time_together(engine, request.calls, request.mode, meeting)
    wall = time.perf_counter_ns() - started
    after = usage()
    return protocol.Samples(
        samples_ns=tuple(samples),
        wall_ns=wall,
        cpu_ns=after.cpu_ns - before.cpu_ns,
        minor_faults=after.minor_faults - before.minor_faults,
        major_faults=after.major_faults - before.major_faults,
        involuntary_switches=after.involuntary_switches - before.involuntary_switches,
        starts_ns=tuple(starts),
    )


def peak_memory_mib() -> float | None:
    """Return this process's peak resident set, since its program began."""
    if sys.platform == "win32":
        return None
    # getrusage's figure is kept when a program takes a process over, and so never below that of whoever started it.
    status = read_text(Path("/proc/self/status"))
    if highest := re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE):
        return int(highest[1]) / 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1024 if sys.platform == "linux" else peak / 1024**2
