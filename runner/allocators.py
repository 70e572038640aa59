"""The allocators that an arm can run with: found, preloaded by the parent, verified inside the worker."""

from __future__ import annotations

import ctypes.util
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ortbench.errors import UsageError, expected_one_of

DEFAULT = "default"
# Name -> the libraries that are it, the preferred one first, and Debian's package of the first.
_LIBRARIES = {
    "tcmalloc": (("tcmalloc_minimal", "tcmalloc"), "libtcmalloc-minimal4"),
    "jemalloc": (("jemalloc",), "libjemalloc2"),
    "mimalloc": (("mimalloc",), "libmimalloc2.0"),
}
# glibc's tunables for malloc (info libc, "Memory Allocation Tunables"), all of them numbers.
TUNABLES = (
    *("arena_max", "arena_test", "hugetlb", "mmap_max", "mmap_threshold", "mxfast"),
    *("perturb", "tcache_count", "tcache_max", "tcache_unsorted_limit", "top_pad", "trim_threshold"),
)
_SHAPE = re.compile(r"(?P<name>[a-z]+)(?:\[(?P<tunables>[^\[\]]*)\])?")


@dataclass(frozen=True)
class Allocator:
    """One value of `--allocators`.

    Attributes:
        label: as it is typed and shown, e.g. `tcmalloc` or `default[trim_threshold=1073741824]`.
        name: what must be seen inside the worker: `tcmalloc`, `jemalloc`, `mimalloc`, or `default` for whatever the
            system has.
        environment: what the parent sets before the worker starts.
    """

    label: str
    name: str
    environment: dict[str, str]


# Whatever the system has, as it is.
SYSTEM = Allocator(DEFAULT, DEFAULT, {})


def parse_allocators(text: str, find: Callable[[str], str | None] | None = None) -> list[Allocator]:
    """Return the allocators of a list such as `default,tcmalloc,default[trim_threshold=1073741824]`.

    Args:
        text: names separated by commas outside brackets.
        find: gives the file name of a library, or None where it is not installed; the system's own by default.

    Raises:
        UsageError: a name or a tunable is unknown, an allocator is not installed, or one is there twice.
    """
    find = find or ctypes.util.find_library
    allocators = [_parse(entry.strip(), find) for entry in re.split(r",(?![^\[]*\])", text)]
    labels = [allocator.label for allocator in allocators]
    for label in labels:
        if labels.count(label) > 1:
            raise UsageError(f"Expected each allocator once, but --allocators '{text}' names {label} twice.")
    return allocators


def preloaded(environment: Mapping[str, str], allocator: Allocator) -> dict[str, str]:
    """Return an environment with the allocator in it; a library that is preloaded already stays, after it."""
    changed = dict(environment) | allocator.environment
    before = environment.get("LD_PRELOAD", "")
    if "LD_PRELOAD" in allocator.environment and before:
        changed["LD_PRELOAD"] = f"{allocator.environment['LD_PRELOAD']}:{before}"
    return changed


def wrong_allocator(asked: str, seen: str, tunables: Mapping[str, int] | None = None) -> str | None:
    """Say why the allocator seen inside a worker is not the one asked for; None where it is, or none was asked for.

    Args:
        asked: its label.
        seen: what is loaded, or `unknown`.
        tunables: glibc's, as they really are; nothing is said of those that are not known.
    """
    name, _, settings = asked.partition("[")
    for key, value in (word.split("=") for word in settings.removesuffix("]").split(",") if word):
        if tunables and tunables.get(key) != int(value):
            got = f"it is {tunables[key]}" if key in tunables else "this glibc has no such tunable"
            return f"asked for glibc's {key}={value}, but {got}"
    if seen in (name, "unknown") or (name == DEFAULT and "[" not in asked):
        return None
    if name == DEFAULT and seen == "glibc":
        return None
    wanted = "glibc, whose tunables were given" if name == DEFAULT else name
    return f"asked for the allocator {wanted}, but the process runs with {seen}"


def _parse(entry: str, find: Callable[[str], str | None]) -> Allocator:
    choices = (DEFAULT, *_LIBRARIES)
    match = _SHAPE.fullmatch(entry)
    if not match or match["name"] not in choices:
        raise UsageError(expected_one_of("an allocator of --allocators", choices, entry))
    name, tunables = match["name"], match["tunables"]
    if tunables is not None:
        return _with_tunables(entry, name, tunables)
    if name == DEFAULT:
        return Allocator(entry, name, {})
    libraries, package = _LIBRARIES[name]
    found = next((path for library in libraries if (path := find(library))), None)
    if found is None:
        raise UsageError(
            f"The allocator {name} is not installed here. To add it: apt-get install {package} (Debian, Ubuntu), or "
            f"leave it out of --allocators."
        )
    return Allocator(entry, name, {"LD_PRELOAD": found})


def _with_tunables(entry: str, name: str, tunables: str) -> Allocator:
    if name != DEFAULT:
        raise UsageError(f"Tunables are glibc's, so that they belong to 'default[...]', but got '{entry}'.")
    settings: dict[str, str] = {}
    for part in tunables.split(","):
        key, _, value = (word.strip() for word in part.partition("="))
        if key not in TUNABLES:
            raise UsageError(expected_one_of(f"a tunable of '{entry}'", TUNABLES, key))
        if not value.isdecimal():
            raise UsageError(f"Expected {key} of '{entry}' to be a whole number, but got '{value}'.")
        settings[key] = value
    words = [f"glibc.malloc.{key}={value}" for key, value in settings.items()]
    label = f"{name}[{','.join(f'{key}={value}' for key, value in settings.items())}]"
    return Allocator(label, name, {"GLIBC_TUNABLES": ":".join(words)})
