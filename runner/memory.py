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


@dataclass(frozen=True)
class ArmMemory:
    """What one arm's process was seen to use.

    Attributes:
        loaded_mib: peak resident set after loading, before any batch.
        peak_mib: after the largest batch so far.
        batch_size: that largest batch; 0 before the first.
    """

    loaded_mib: float
    peak_mib: float
    batch_size: int

    def growth_mib(self, batch_size: int) -> float:
        """Return how much more it will need for a batch, in proportion to what one needed before."""
        if self.batch_size == 0:
            return 0.0
        per_item = max(0.0, self.peak_mib - self.loaded_mib) / self.batch_size
        return max(0.0, self.loaded_mib + per_item * batch_size - self.peak_mib)


def inputs_mib(source: ModelSource, batch_size: int) -> float:
    """Return the size of one batch of inputs."""
    total = 0
    for tensor in source.inputs:
        sizes = [batch_size if size == "batch" else size for size in tensor.shape]
        total += math.prod(int(size) for size in sizes) * np.dtype(tensor.dtype).itemsize
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
    for folder in cgroup_folders(membership, root / "sys/fs/cgroup"):
        limit, used = _text(folder / "memory.max").strip(), _text(folder / "memory.current").strip()
        if limit.isdecimal() and used.isdecimal():
            free.append((int(limit) - int(used)) / _MIB)
    return max(0.0, min(free))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except OSError:
        return ""
