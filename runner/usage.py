"""What a process has used so far, seen from inside it."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

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
    before = usage()
    if meeting is None or request.mode == "single":
        samples = _alone(engine, request)
    else:
        samples = _together(engine, request, meeting)
    after = usage()
    return msgspec.structs.replace(
        samples,
        cpu_ns=after.cpu_ns - before.cpu_ns,
        minor_faults=after.minor_faults - before.minor_faults,
        major_faults=after.major_faults - before.major_faults,
        involuntary_switches=after.involuntary_switches - before.involuntary_switches,
    )


def _alone(engine: Engine, request: protocol.Slice) -> protocol.Samples:
    """Time the calls of the only instance; between the lead-in and the others lies a microsecond."""
    lead_in = time_calls(engine, request.lead_in)
    started = time.perf_counter_ns()
    samples = time_calls(engine, request.calls)
    return _samples(lead_in, samples, time.perf_counter_ns() - started)


def _together(engine: Engine, request: protocol.Slice, meeting: Meeting) -> protocol.Samples:
    """Time the calls of one instance of several; what its slice took is known when all have answered."""
    found = time_together(engine, request, meeting)
    samples = _samples(found.samples_ns[: found.lead_in], found.samples_ns[found.lead_in :], sum(found.samples_ns))
    return msgspec.structs.replace(samples, starts_ns=found.starts_ns)


def _samples(lead_in_ns: Sequence[int], samples_ns: Sequence[int], wall_ns: int) -> protocol.Samples:
    return protocol.Samples(
        samples_ns=tuple(samples_ns),
        lead_in_ns=tuple(lead_in_ns),
        wall_ns=wall_ns,
        cpu_ns=0,
        minor_faults=0,
        major_faults=0,
        involuntary_switches=0,
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
