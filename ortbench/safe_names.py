"""File names made of names that come from data: an engine, a model, a combination of them. Pure functions."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Collection, Iterable

# File systems allow 255 bytes; the rest is for what is put around a name.
LONGEST = 120
_DIGITS = 8
# Windows' devices, with any ending.
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)


def safe_name(text: str, longest: int = LONGEST) -> str:
    """Return `text` as the name of one file in a folder: no separator, not hidden, not reserved, not over-long.

    Every run of characters other than letters, digits, `.` and `_` becomes one `-`. A name that would be reserved,
    hidden, empty, or too long ends with a digest of the text, so that it stays distinct.
    """
    plain = re.sub(r"[^A-Za-z0-9._]+", "-", text)
    bare = plain.lstrip(".").rstrip(".")
    if plain == bare and plain.strip("-") and len(plain) <= longest and not _RESERVED.fullmatch(plain):
        return plain
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
    return f"_{bare[: longest - _DIGITS - 2]}-{digest}"


def safe_names(texts: Iterable[str], taken: Collection[str] = (), longest: int = LONGEST) -> dict[str, str]:
    """Return each text's file name; texts that differ only in odd characters or in case are numbered apart.

    Args:
        texts: distinct.
        taken: names that are something else's.
        longest: in characters.
    """
    names: dict[str, str] = {}
    used = {name.casefold() for name in taken}
    for text in texts:
        name = safe_name(text, longest).strip("-")
        numbered = (f"{name}-{number}" for number in itertools.count(2))
        names[text] = next(each for each in itertools.chain([name], numbered) if each.casefold() not in used)
        used.add(names[text].casefold())
    return names
