"""How many threads of this process really compute: their CPU time, as the system counts it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

_PROC = Path("/proc/self")
_NS_PER_S = 1_000_000_000
# Shorter stretches say little: the system counts a running thread's time in steps of up to 10 ms.
_LOOK_NS = 50_000_000
_MOST_LOOKS = 10
_ENOUGH_NS = 10_000_000
_BUSY_SHARE = 0.05


def parse_schedstat_ns(text: str) -> int | None:
    """Return the CPU time in ns from a task's `schedstat` (its first number); None where that counts nothing."""
    first = text.split(maxsplit=1)[:1]
    return int(first[0]) if first and first[0].isdecimal() and int(first[0]) else None


def parse_waited_ns(text: str) -> int:
    """Return how long a task was ready and had no CPU, in ns, from the second number of its `schedstat`, or 0."""
    second = text.split()[1:2]
    return int(second[0]) if second and second[0].isdecimal() else 0


def parse_stat_ns(text: str, ticks_per_s: int) -> int | None:
    """Return user and system CPU time in ns from a task's `stat`, fields 14 and 15 of proc_pid_stat(5)."""
    # The second field is the name in parentheses, which may itself hold blanks and parentheses.
    fields = text.rpartition(")")[2].split()
    if len(fields) < 13 or not (fields[11] + fields[12]).isdecimal():
        return None
    return (int(fields[11]) + int(fields[12])) * _NS_PER_S // ticks_per_s


def thread_cpu_ns(proc: Path = _PROC) -> dict[int, int]:
    """Return the CPU time so far of each thread of this process, by its id; empty where the system does not tell."""
    times = ((int(task.name), _cpu_ns(task)) for task in (proc / "task").glob("[0-9]*"))
    return {thread: cpu_ns for thread, cpu_ns in times if cpu_ns is not None}


def waited_ns(proc: Path = _PROC) -> int:
    """Return how long all threads of this process together were ready and had no CPU, so far."""
    return sum(parse_waited_ns(_text(task / "schedstat")) for task in (proc / "task").glob("[0-9]*"))


def busy_threads(before: Mapping[int, int], after: Mapping[int, int]) -> int | None:
    """Return how many threads used at least a twentieth of the CPU time of the busiest; helpers that use less do not.

    Where others need the CPUs too, all of them get less alike. Twenty threads that crowd one CPU still count.

    Args:
        before: thread -> CPU time in ns.
        after: likewise, later; a thread that is new began at 0.

    Returns:
        None where the busiest used too little to tell.
    """
    used = [cpu_ns - before.get(thread, 0) for thread, cpu_ns in after.items()]
    busiest = max(used, default=0)
    return sum(cpu_ns >= _BUSY_SHARE * busiest for cpu_ns in used) if busiest >= _ENOUGH_NS else None


class BusyThreads:
    """Watches this process's threads from its creation on."""

    def __init__(self) -> None:
        self._before = thread_cpu_ns()
        self._waited = waited_ns()
        self._until = time.perf_counter_ns() + _LOOK_NS

    def count(self, call: Callable[[], object], asked: int) -> int | None:
        """Return how many threads were busy since; runs `call` until there was time enough to tell, at most 0.5 s.

        Where more were busy than asked for it looks again: the libraries that compared the outputs, before, may have
        threads that still spin (OpenBLAS: for 2**26 cycles), and only those that stay busy are the engine's. And where
        threads waited for a CPU longer than they had one it looks longer: some may not have had their turn.
        """
        busy = None
        for _ in range(_MOST_LOOKS):
            while self._before and time.perf_counter_ns() < self._until:
                call()
            after = thread_cpu_ns()
            busy = busy_threads(self._before, after)
            if busy is not None:
                used = sum(after.values()) - sum(self._before.get(thread, 0) for thread in after)
                if busy > asked:
                    self._before, self._waited = after, waited_ns()
                elif waited_ns() - self._waited <= used:
                    break
            self._until = time.perf_counter_ns() + _LOOK_NS
        return busy


def _cpu_ns(task: Path) -> int | None:
    precise = parse_schedstat_ns(_text(task / "schedstat"))
    return parse_stat_ns(_text(task / "stat"), os.sysconf("SC_CLK_TCK")) if precise is None else precise


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:  # the thread has ended
        return ""
