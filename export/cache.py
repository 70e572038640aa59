"""The user's cache: exported models, engines' environments, what engines built. What is in it, and clearing it."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec
import platformdirs

from ortbench.errors import UsageError
from ortbench.export.artifact import ExportIdentity, Manifest, read_artifact

CACHE_VARIABLE = "ORTBENCH_CACHE"
_TEMPORARY = "ortbench-cache-"

# Stands in an environment that is whole.
ENVIRONMENT_FILE = "environment.json"
Kind = Literal["model", "environment", "build", "package"]


class EnvironmentManifest(msgspec.Struct, frozen=True, kw_only=True):
    """What `environment.json` says of an engine's environment.

    Attributes:
        requirements: what was asked for, the engine's wheel first.
        versions: of Python and of everything installed that may take part.
    """

    requirements: tuple[str, ...]
    versions: dict[str, str]


class CacheEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One folder of the cache.

    Attributes:
        kind: an exported model, an engine's environment, what an engine built, or the copy of ortbench's own source
            that other interpreters import.
        manifest: of a model; None where the artifact is damaged or half-written.
        environment: the manifest of an environment; None where it is not whole.
    """

    kind: Kind
    folder: str
    size_bytes: int
    manifest: Manifest | None = None
    environment: EnvironmentManifest | None = None


def cache_root() -> Path:
    """Return ortbench's cache folder: $ORTBENCH_CACHE, or the one that this system gives to users' caches.

    A user without a home, or with one that cannot be written to, gets a folder that lasts as long as this process.
    """
    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen) if chosen else _users_cache() or Path(_temporary_cache())


def cache_note() -> str | None:
    """Say that nothing is kept for the next time, where that is so."""
    chosen = os.environ.get(CACHE_VARIABLE)
    if (not chosen or Path(chosen).name.startswith(_TEMPORARY)) and _users_cache() is None:
        return f"no cache is kept: there is no home folder that can be written to; {CACHE_VARIABLE}=FOLDER names one"
    return None


def make_cache_folder(folder: Path) -> None:
    """Make a folder of the cache, unless it is there.

    Raises:
        UsageError: the system does not let it be made, or nothing be written into it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        reason = None if _can_be_written(folder) else "no permission"
    except OSError as error:
        reason = error.strerror
    if reason:
        raise UsageError(
            f"The cache folder '{folder}' cannot be written: {reason}. Set {CACHE_VARIABLE} to a folder that can."
        )


def artifacts_root() -> Path:
    """Return the folder of exported models."""
    return cache_root() / "artifacts"


def builds_root() -> Path:
    """Return the folder of what engines build for themselves, e.g. compiled packages."""
    return cache_root() / "builds"


def environments_root() -> Path:
    """Return the folder of the environments that were made for engines."""
    return cache_root() / "environments"


def packages_root() -> Path:
    """Return the folder of copies of ortbench itself, which other interpreters import."""
    return cache_root() / "packages"


def artifact_folder(identity: ExportIdentity) -> Path:
    """Return where the artifact of that identity belongs."""
    return artifacts_root() / f"{identity.model}-{identity.key()}"


def list_cache() -> list[CacheEntry]:
    """Return every folder of the cache, by kind and name; damaged ones too."""
    return [entry(folder) for root, entry in _KINDS.items() for folder in _folders(cache_root() / root)]


def clear_cache() -> list[CacheEntry]:
    """Delete everything that is listed and return what was deleted."""
    entries = list_cache()
    for entry in entries:
        shutil.rmtree(entry.folder)
    return entries


def _users_cache() -> Path | None:
    """Return the system's folder for this user's caches; None where there is none that can be written to."""
    try:
        folder = Path(platformdirs.user_cache_dir("ortbench", appauthor=False))
    except RuntimeError:  # this user has no home
        return None
    # A home that is not known stays `~`, and that of a user without one is `/` in containers.
    known = folder.is_absolute() and "~" not in folder.parts
    return folder if known and _can_be_written(folder) else None


def _can_be_written(folder: Path) -> bool:
    """Say whether a folder, or the nearest one above it that is there, lets this user make files in it."""
    there = next((path for path in (folder, *folder.parents) if os.path.lexists(path)), folder)
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


@functools.cache
def _temporary_cache() -> str:
    """Make a cache for this process and those that it starts, which find it in the environment."""
    folder = tempfile.mkdtemp(prefix=_TEMPORARY)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ[CACHE_VARIABLE] = folder
    return folder


def _folders(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []


def _model(folder: Path) -> CacheEntry:
    artifact = read_artifact(folder)
    manifest = artifact.manifest if artifact else None
    return CacheEntry(kind="model", folder=str(folder), size_bytes=_size(folder), manifest=manifest)


def _environment(folder: Path) -> CacheEntry:
    try:
        manifest = msgspec.json.decode((folder / ENVIRONMENT_FILE).read_bytes(), type=EnvironmentManifest)
    except (OSError, msgspec.MsgspecError):
        manifest = None
    return CacheEntry(kind="environment", folder=str(folder), size_bytes=_size(folder), environment=manifest)


def _build(folder: Path) -> CacheEntry:
    return CacheEntry(kind="build", folder=str(folder), size_bytes=_size(folder))


def _package(folder: Path) -> CacheEntry:
    return CacheEntry(kind="package", folder=str(folder), size_bytes=_size(folder))


def _size(folder: Path) -> int:
    """Return the size of a folder's own files; a link's target is not its own."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


_KINDS: dict[str, Callable[[Path], CacheEntry]] = {
    "artifacts": _model,
    "environments": _environment,
    "builds": _build,
    "packages": _package,
}
