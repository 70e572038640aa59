"""What an installer complains of, in a sentence: pip and uv say it among warnings and lists of every version. Pure."""

from __future__ import annotations

import re

_MOST_TOLD = 600
_NEWEST = 3
_ERROR = re.compile(r"^\s*(?:error:|\u00d7)\s*", re.IGNORECASE)
# Lines that are about something else.
_ASIDE = re.compile(
    r"^\s*(?:\[notice\]|notice:|warning:|deprecation:|hint: upgrade|looking in|collecting )", re.IGNORECASE
)
# `(from versions: 1.0, 1.1, ...)` by pip: the newest stand last.
_VERSIONS = re.compile(r"\(from versions: ([^)]*)\)")


def complaint_in(output: str) -> str:
    """Return the errors in what an installer printed, or where none is marked as one, all but its warnings.

    Whole words of the beginning, where the reason stands; without the last full stop.
    """
    lines = [line for line in output.splitlines() if line.strip() and not _ASIDE.match(line)]
    first = next((place for place, line in enumerate(lines) if _ERROR.match(line)), 0)
    said = " ".join(" ".join(_ERROR.sub("", line) for line in lines[first:]).split())
    return _cut(_VERSIONS.sub(_newest, said)).rstrip(".")


def _newest(found: re.Match[str]) -> str:
    versions = [version.strip() for version in found[1].split(",")]
    if len(versions) <= _NEWEST:
        return found[0]
    return f"(there are {len(versions)}; the newest are {', '.join(versions[-_NEWEST:])})"


def _cut(text: str) -> str:
    if len(text) <= _MOST_TOLD:
        return text
    return f"{text[: _MOST_TOLD + 1].rsplit(' ', 1)[0]} …"
