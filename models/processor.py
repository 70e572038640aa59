"""What the processor can compute in, as Linux lists it."""

from __future__ import annotations

from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")


def parse_cpu_flags(cpuinfo: str) -> frozenset[str]:
    """Return the first processor's features in the text of /proc/cpuinfo, of x86 or of 64-bit ARM."""
    for line in cpuinfo.splitlines():
        name, _, words = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return frozenset(words.split())
    return frozenset()


def cpu_flags() -> frozenset[str]:
    """Return this processor's features; empty where the system does not list them."""
    try:
        return parse_cpu_flags(_CPUINFO.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return frozenset()
