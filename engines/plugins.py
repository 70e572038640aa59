"""Engines of other packages: whatever is declared in the entry-point group `ortbench.engines`."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from importlib.metadata import EntryPoint

from ortbench.engines.entry import EngineEntry

GROUP = "ortbench.engines"
_NAME = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True)
class Plugins:
    """What the installed packages declare.

    Attributes:
        entries: the engines that can be had, by name.
        broken: the others, each with the reason.
    """

    entries: dict[str, EngineEntry]
    broken: dict[str, str]


def load_plugins(points: Iterable[EntryPoint], taken: Collection[str]) -> Plugins:
    """Load every entry point; one that cannot be used costs itself only.

    Args:
        points: each must give an `EngineEntry` of the entry point's own name.
        taken: names that an engine has already.
    """
    entries: dict[str, EngineEntry] = {}
    broken: dict[str, str] = {}
    for point in sorted(points, key=lambda point: (point.name, point.value)):
        found = _load(point)
        if isinstance(found, str):
            broken[point.name] = found
        elif point.name in taken or point.name in entries:
            broken[point.name] = f"{_origin(point)} declares an engine of this name, which there is already"
        else:
            entries[point.name] = found
    return Plugins(entries, {name: reason for name, reason in broken.items() if name not in entries})


def _load(point: EntryPoint) -> EngineEntry | str:
    """Return what the entry point gives, or why it cannot be used."""
    try:
        found = point.load()
    except Exception as error:  # noqa: BLE001 - another package's module may raise anything when it is imported
        return f"{_origin(point)} cannot be imported: {type(error).__name__}: {error}"
    if not isinstance(found, EngineEntry):
        return f"{_origin(point)} gives a {type(found).__name__} for it, expected an ortbench.engines.entry.EngineEntry"
    if found.name != point.name or not _NAME.fullmatch(point.name):
        return f"{_origin(point)} calls the engine '{found.name}' in its entry, and '{point.name}' in its entry point"
    return found


def _origin(point: EntryPoint) -> str:
    package = point.dist.name if point.dist else "a package"
    return f"{package} ({point.value})"
