"""The energy of processor or GPU, from counters that only grow: RAPL below a root, NVML. Never raises."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ortbench.runner import gpu, sysfs

_ZONES = "sys/class/powercap"
# Zones named `psys` or `core` hold what a package's zone holds, or more than the processor.
_PACKAGE = "package"
NOT_READABLE = "the processor's counters are readable by root only"
READABLE_COMMAND = "sudo chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj"
# What moves between two readings was used since the counter moved before them: at most a twentieth is another arm's.
_FEWEST_PERIODS = 20
_MISSING = "the system shows no energy counter of the processor (RAPL)"


@dataclass(frozen=True)
class Package:
    """One processor package's counter (kernel.org, power/powercap/powercap).

    Attributes:
        counter: the file with uJ.
        range_uj: where it begins again at 0.
    """

    counter: Path
    range_uj: int


def packages(root: Path = sysfs.ROOT) -> list[Package]:
    """Return the packages whose counters this process can read, on Intel and AMD alike."""
    return [
        Package(zone / "energy_uj", int(limit))
        for zone in _package_zones(root)
        if _number(zone / "energy_uj") is not None
        and (limit := sysfs.read_text(zone / "max_energy_range_uj")).isdecimal()
    ]


def obstacle(root: Path = sysfs.ROOT) -> str | None:
    """Say why the processor's energy cannot be read; None where it can."""
    if packages(root):
        return None
    return NOT_READABLE if _package_zones(root) else _MISSING


def used_uj(before: int, after: int, range_uj: int) -> int:
    """Return what a counter counted between two readings, of which the second may lie beyond its end."""
    return after - before if after >= before else after - before + range_uj


class EnergyMeter:
    """Says what was used since it was last set to zero."""

    def __init__(self, root: Path | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        """Look for counters.

        Args:
            root: the file system's; None for the real one.
            clock: tells seconds.
        """
        self._packages = packages(root or sysfs.ROOT)
        self._clock = clock
        self._gpu: Callable[[], int | None] | None = None
        self._shortest_s: float | None = None
        self._before: list[int | None] = []

    def begin(self, *, on_gpu: bool) -> None:
        """Set it to zero.

        Args:
            on_gpu: count the GPU's energy, not the processor's.
        """
        if on_gpu and self._shortest_s is None:
            # NVML's counter moves about ten times a second (H100); RAPL's a thousand times, which no slice notices.
            self._shortest_s = _FEWEST_PERIODS * (gpu.energy_period_s() or math.inf)
        self._gpu = gpu.energy_uj if on_gpu else None
        self._before, self._began = self._readings(), self._clock()

    def end(self) -> int | None:
        """Return the energy since `begin` in uJ, all packages together.

        Returns:
            None where it cannot be read, or the time was too short for a counter that moves as rarely as the GPU's.
        """
        if self._gpu and self._clock() - self._began < (self._shortest_s or 0):
            return None
        pairs = list(zip(self._before, self._readings(), strict=True))
        ranges = [0] if self._gpu else [package.range_uj for package in self._packages]
        if not pairs or any(reading is None for pair in pairs for reading in pair):
            return None
        return sum(used_uj(before or 0, after or 0, each) for (before, after), each in zip(pairs, ranges, strict=True))

    def _readings(self) -> list[int | None]:
        return [self._gpu()] if self._gpu else [_number(package.counter) for package in self._packages]


def _package_zones(root: Path) -> list[Path]:
    """Return the zones of whole packages; the same through another interface (`intel-rapl-mmio`) is left out."""
    zones = sorted((root / _ZONES).glob("intel-rapl:[0-9]*"))
    return [zone for zone in zones if sysfs.read_text(zone / "name").startswith(_PACKAGE)]


def _number(path: Path) -> int | None:
    text = sysfs.read_text(path)
    return int(text) if text.isdecimal() else None
