"""Whether a cell fits into memory before it is begun. Pure but for `available_mib`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from ortbench.models.spec import ModelSource
from ortbench.runner.cpus import cgroup_folders

_MIB = 1024**2
# What must stay free for everything else.
_RESERVE_MIB = 256.0
# Limit, use and reclaimable cache, of cgroups 2 and 1.
_LIMITS = (
    ("memory.max", "memory.current", "inactive_file"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


@dataclass(frozen=True)
class ArmMemory:
    """What one arm's process was seen to use.

    Attributes:
        loaded_mib: peak resident set after loading, before any batch.
        peak_mib: so far.
        per_item_mib: what an item of the largest batch so far took; 0 before the first.
    """

    loaded_mib: float
    peak_mib: float
    per_item_mib: float

    def growth_mib(self, batch_size: int) -> float:
        """Return how much more it will need for a batch, in proportion to what one needed before."""
        return max(0.0, self.loaded_mib + self.per_item_mib * batch_size - self.peak_mib)


def inputs_mib(source: ModelSource, batch_size: int) -> float:
    """Return the size of one batch of inputs."""
    total = 0
    for tensor in source.inputs:
        sizes = [batch_size if size == "batch" else size for size in tensor.shape]
        total += math.prod(int(size) for size in sizes) * max(1, np.dtype(tensor.dtype).itemsize)
    return total / _MIB


def shortage(arms: Sequence[ArmMemory], batch_inputs_mib: float, batch_size: int, available: float) -> str | None:
    """Say why a cell cannot fit, with the figures; None where it can.

    Args:
        arms: that are to run it; all stay in memory at once.
        batch_inputs_mib: one batch of inputs; each arm holds at least that.
        batch_size: the cell's.
        available: MiB that can still be had.
    """
    needed = sum(max(arm.growth_mib(batch_size), batch_inputs_mib - arm.peak_mib) for arm in arms)
    needed = max(needed, batch_inputs_mib)
    if needed + _RESERVE_MIB <= available:
        return None
    return (
        f"it needs about {needed / 1024:.1f} GiB more memory for {len(arms)} arms at once, "
        f"and {available / 1024:.1f} GiB is available"
    )


def available_mib(root: Path = Path("/")) -> float:
    """Return the memory that can still be had: of the machine, or of the tightest cgroup."""
    free: list[float] = [psutil.virtual_memory().available / _MIB]
    membership = _text(root / "proc/self/cgroup")
    for folder in cgroup_folders(membership, root / "sys/fs/cgroup", "memory"):
        for limit_file, used_file, cache in _LIMITS:
            limit, used = _text(folder / limit_file).strip(), _text(folder / used_file).strip()
            if limit.isdecimal() and used.isdecimal():
                free.append((int(limit) - int(used) + _reclaimable(folder, cache)) / _MIB)
    return max(0.0, min(free))


def _reclaimable(folder: Path, name: str) -> int:
    """Return the bytes of files that the kernel gives back as soon as memory is asked for."""
    pairs = dict(line.split() for line in _text(folder / "memory.stat").splitlines() if line.count(" ") == 1)
    return int(pairs.get(name, 0))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except OSError:
        return ""
