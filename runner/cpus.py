"""The CPUs this process may use: affinity mask, cgroup quota, physical cores before their siblings."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from pathlib import Path

_CGROUP_ROOT = Path("/sys/fs/cgroup")
_CPU_ROOT = Path("/sys/devices/system/cpu")


def allowed_cpus() -> list[int]:
    """Return the CPUs of this process's affinity mask; on systems without one, all CPUs."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def cpu_quota() -> float | None:
    """Return the cgroup's CPU quota in CPUs, the tightest of all levels, or None where there is none."""
    try:
        membership = Path("/proc/self/cgroup").read_text(encoding="ascii")
    except OSError:
        return None
    quotas = [quota for folder in cgroup_folders(membership, _CGROUP_ROOT) if (quota := _folder_quota(folder))]
    return min(quotas, default=None)


def thread_limit() -> int:
    """Return how many threads a study may use: the allowed CPUs, cut by the quota rounded up."""
    count = len(allowed_cpus())
    quota = cpu_quota()
    return count if quota is None else max(1, min(count, math.ceil(quota)))


def cgroup_folders(membership: str, root: Path, controller: str = "cpu") -> list[Path]:
    """Return the folders, from the process's own cgroup up to the root, whose limits apply to it.

    Args:
        membership: the text of /proc/self/cgroup; version 2 has one line `0::/path`, version 1 one a controller.
        root: where cgroups are mounted.
        controller: whose limits, in version 1.
    """
    folders: list[Path] = []
    for line in membership.splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and controller not in controllers.split(","):
            continue
        top = root / controllers if controllers else root
        own = top / path.lstrip("/")
        while True:
            folders.append(own)
            if own == top:
                break
            own = own.parent
    return folders


def parse_cpu_max(text: str) -> float | None:
    """Return the quota in CPUs of a cgroup 2 `cpu.max`: `200000 100000` is 2.0, `max 100000` is none."""
    quota, period = text.split()
    return None if quota == "max" else int(quota) / int(period)


def choose_cpus(count: int, allowed: Iterable[int] | None = None) -> list[int]:
    """Return `count` of the allowed CPUs, one of each physical core before any core's second sibling."""
    cpus = allowed_cpus() if allowed is None else list(allowed)
    return spread_over_cores({cpu: _siblings(cpu) for cpu in cpus})[:count]


def spread_over_cores(siblings: dict[int, tuple[int, ...]]) -> list[int]:
    """Order CPUs so that no core is used twice before every core is used once.

    Args:
        siblings: CPU -> the CPUs that share its core, itself included.
    """
    rank = {cpu: sum(other < cpu for other in group if other in siblings) for cpu, group in siblings.items()}
    return sorted(siblings, key=lambda cpu: (rank[cpu], cpu))


def parse_cpu_list(text: str) -> tuple[int, ...]:
    """Return the numbers in the kernel's list format: `0-2,8` is 0, 1, 2, 8."""
    numbers: list[int] = []
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        numbers.extend(range(int(first), int(last or first) + 1))
    return tuple(numbers)


def _siblings(cpu: int) -> tuple[int, ...]:
    try:
        return parse_cpu_list((_CPU_ROOT / f"cpu{cpu}/topology/thread_siblings_list").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return (cpu,)


def _folder_quota(folder: Path) -> float | None:
    try:
        return parse_cpu_max((folder / "cpu.max").read_text(encoding="ascii"))
    except (OSError, ValueError):
        pass
    try:  # cgroup 1
        quota = int((folder / "cpu.cfs_quota_us").read_text(encoding="ascii"))
        period = int((folder / "cpu.cfs_period_us").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return quota / period if quota > 0 else None
