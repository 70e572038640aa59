"""Engines of other packages: whatever is declared in the entry-point group `ortbench.engines`."""

from __future__ import annotations

import contextlib
import io
import os
import re
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint

from ortbench.engines.entry import EngineEntry
from ortbench.engines.interruptions import interruptions_noted

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
        with interruptions_noted() as interrupted, _printed() as printed:
            found = point.load()
    except BaseException as error:
        # Another package's module may raise anything when it is imported, and may end the program.
        if isinstance(error, KeyboardInterrupt) and interrupted():
            raise
        return f"{_origin(point)} cannot be imported: {type(error).__name__}: {error}"
    if printed():
        return f"{_origin(point)} prints to standard output when it is imported, where the answer stands"
    if not isinstance(found, EngineEntry):
        return f"{_origin(point)} gives a {type(found).__name__} for it, expected an ortbench.engines.entry.EngineEntry"
    if found.name != point.name or not _NAME.fullmatch(point.name):
        return f"{_origin(point)} calls the engine '{found.name}' in its entry, and '{point.name}' in its entry point"
    return found


@contextlib.contextmanager
def _printed() -> Iterator[Callable[[], bool]]:
    """Keep what is printed within the block from standard output; yield what says afterwards whether there was any."""
    text = io.StringIO()
    written: list[int] = []
    with tempfile.TemporaryFile() as file, contextlib.redirect_stdout(text):
        kept = _moved_to(1, file.fileno())
        try:
            yield lambda: bool(text.getvalue() or sum(written))
        finally:
            if kept is not None:
                os.dup2(kept, 1)
                os.close(kept)
            written.append(os.fstat(file.fileno()).st_size)


def _moved_to(descriptor: int, other: int) -> int | None:
    """Let a descriptor lead where another does; return what leads where it led, None where it was closed."""
    try:
        kept = os.dup(descriptor)
    except OSError:
        return None
    os.dup2(other, descriptor)
    return kept


def _origin(point: EntryPoint) -> str:
    package = point.dist.name if point.dist else "a package"
    return f"{package} ({point.value})"
