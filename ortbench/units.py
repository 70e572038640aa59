"""Text with units to numbers, and numbers to text: `90s`, `5m`, `2%`, `50ms`, `1,4,16`."""

from __future__ import annotations

import math
import re

from ortbench.errors import UsageError

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)")
_MEMORY_MIB = {"MiB": 1.0, "GiB": 1024.0}
_MEMORY = re.compile(r"([0-9]+(?:\.[0-9]+)?)(MiB|GiB)")
# What is written without an exponent.
_PLAIN = (1e-15, 1e15)
_FRACTION = re.compile(r"([0-9]+(?:\.[0-9]+)?)%")


def parse_duration(text: str, option: str) -> float:
    """Return the seconds in `text`, e.g. `90s`, `5m`, `1h`, `50ms`; positive.

    Raises:
        UsageError: `text` is no duration, or zero.
    """
    match = _DURATION.fullmatch(text.strip())
    if not match or float(match[1]) == 0:
        raise UsageError(f"Expected {option} to be a duration such as 90s, 5m, 1h or 50ms, but got '{text}'.")
    return float(match[1]) * _SECONDS[match[2]]


def parse_memory(text: str, option: str) -> float:
    """Return the MiB in `text`, e.g. `512MiB`, `2GiB`; positive.

    Raises:
        UsageError: `text` is no size, or zero.
    """
    match = _MEMORY.fullmatch(text.strip())
    if not match or float(match[1]) == 0:
        raise UsageError(f"Expected {option} to be a size such as 512MiB or 2GiB, but got '{text}'.")
    return float(match[1]) * _MEMORY_MIB[match[2]]


def parse_fraction(text: str, option: str) -> float:
    """Return the fraction in a percentage: `2%` is 0.02; more than 0 %, at most 100 %.

    Raises:
        UsageError: `text` is no such percentage.
    """
    match = _FRACTION.fullmatch(text.strip())
    if not match or not 0 < float(match[1]) <= 100:
        raise UsageError(f"Expected {option} to be a percentage such as 2%, but got '{text}'.")
    return float(match[1]) / 100


def parse_counts(text: str, option: str) -> list[int]:
    """Return the positive whole numbers in a comma-separated list, ascending.

    Raises:
        UsageError: an entry is empty, no whole number, below 1, or there twice.
    """
    counts: list[int] = []
    for entry in (part.strip() for part in text.split(",")):
        if not re.fullmatch(r"[0-9]{1,9}", entry) or int(entry) < 1:
            raise UsageError(
                f"Expected {option} to be whole numbers of at least 1 separated by commas, such as 1,4,16, "
                f"but got '{entry}' in '{text}'."
            )
        if int(entry) in counts:
            raise UsageError(f"Expected each of {option} once, but got {entry} twice in '{text}'.")
        counts.append(int(entry))
    return sorted(counts)


def format_seconds(seconds: float) -> str:
    """Word a span for people: `0.4 s`, `45 s`, `5 min`, `1 h 5 min`; nothing is left of one below 0."""
    seconds = max(0.0, seconds)
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h" + (f" {minutes % 60} min" if minutes % 60 else "")


def typed_duration(seconds: float) -> str:
    """Write a span as it is typed for an option, rounded up: `40s`, `3m`, `2h`."""
    if seconds <= 110:
        return f"{max(1, math.ceil(seconds / 10)) * 10}s"
    minutes = math.ceil(seconds / 60)
    return f"{minutes}m" if minutes < 120 else f"{math.ceil(minutes / 60)}h"


def format_clock(seconds: float) -> str:
    """Write a span as a clock does: `0:07`, `12:30`, `1:02:03`; nothing is left of one below 0."""
    minutes, rest = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def format_overrun(seconds: float, limit_s: float) -> str:
    """Say by how much a time is over its limit: `11 s over --max-time (20 s)`; empty up to a second over it."""
    over_s = seconds - limit_s
    return f"{format_seconds(over_s)} over --max-time ({format_seconds(limit_s)})" if over_s > 1 else ""


def format_significant(value: float, digits: int = 3) -> str:
    """Write `value` with `digits` significant digits and no exponent: 0.0123, 1.42, 85.3, 1240.

    Nobody counts dozens of digits: beyond 15 of them, before or after the point, an exponent stands in their place.
    """
    if value == 0:
        return "0"
    if not _PLAIN[0] <= abs(value) <= _PLAIN[1]:  # what is not finite neither
        return f"{value:.{digits - 1}e}"
    decimals = digits - 1 - math.floor(math.log10(abs(value)))
    return f"{value:.{max(decimals, 0)}f}"


def percent(share: float) -> str:
    """Write a share with two significant digits, or all of a whole percentage: `56%`, `112%`, `0.40%`."""
    return f"{format_significant(100 * share, 2)}%"


def format_bytes(count: float) -> str:
    """Write a size in binary units: `97.5 MiB`."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024 or unit == "GiB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    raise AssertionError("unreachable: GiB returns")


def quantity(number: int, one: str, several: str) -> str:
    """Return a number with the noun that goes with it, e.g. `1 launch`, `2 launches`."""
    return f"{number} {one if number == 1 else several}"
