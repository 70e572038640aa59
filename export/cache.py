"""The user's cache: exported models, engines' environments, what engines built. What is in it, and clearing it."""

from __future__ import annotations

import atexit
import fnmatch
import functools
import os
import shlex
import shutil
import stat
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal

import msgspec
import platformdirs

from ortbench.errors import UsageError
from ortbench.export.artifact import ExportIdentity, Manifest, read_artifact
from ortbench.writing import write_whole

CACHE_VARIABLE = "ORTBENCH_CACHE"
_TEMPORARY = "ortbench-cache-"
# Stands in the cache's own folder, so that nobody else's is ever taken for one.
MARKER_FILE = ".ortbench-cache"
_MARK = b"Everything in this folder was made by ortbench, which can make it again.\n"
_SCRIPTS = "vega-*.js"

# Stands in an environment that is whole.
ENVIRONMENT_FILE = "environment.json"
Kind = Literal["model", "environment", "build", "package", "inputs", "bytecode", "script"]


class EnvironmentManifest(msgspec.Struct, frozen=True, kw_only=True):
    """What `environment.json` says of an engine's environment.

    Attributes:
        requirements: what was asked for, the engine's wheel first.
        versions: of Python and of everything installed that may take part.
        digest: of everything in it but this file, see `models.files.folder_digest`.
    """

    requirements: tuple[str, ...]
    versions: dict[str, str]
    digest: str = ""


class CacheEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One folder or file of the cache.

    Attributes:
        kind: an exported model, an engine's environment, what an engine built, the copy of ortbench's own source
            that other interpreters import, images made ready, compiled bytecode, or a script of the report.
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

    Raises:
        UsageError: others may write to it: what lies in it is run.
    """
    chosen = os.environ.get(CACHE_VARIABLE)
    folder = Path(chosen) if chosen else _users_cache() or Path(_temporary_cache())
    _refuse_shared(folder)
    return folder


def cache_note() -> str | None:
    """Say that nothing is kept for the next time, where that is so."""
    chosen = os.environ.get(CACHE_VARIABLE)
    if (not chosen or Path(chosen).name.startswith(_TEMPORARY)) and _users_cache() is None:
        return f"no cache is kept: there is no home folder that can be written to; {CACHE_VARIABLE}=FOLDER names one"
    return None


def make_cache_folder(folder: Path) -> None:
    """Make a folder of the cache, unless it is there.

    Raises:
        UsageError: the system does not let it be made, or nothing be written into it, or the cache's own folder holds
            what ortbench did not make.
    """
    try:
        if folder.is_relative_to(cache_root()):
            _claim(cache_root())
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
    """Return everything in the cache that ortbench made, by kind and name; damaged entries too."""
    root = cache_root()
    if not _is_ours(root):
        return []
    entries = [entry(path) for name, entry in _KINDS.items() for path in _inside(root / name)]
    return entries + [_plain("script", path) for path in sorted(root.glob(_SCRIPTS)) if not path.is_dir()]


def clear_cache() -> list[CacheEntry]:
    """Delete everything that is listed and return what was deleted; links are deleted, never what they lead to."""
    entries = list_cache()
    for entry in entries:
        path = Path(entry.folder)
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return entries


def _refuse_shared(folder: Path) -> None:
    """Refuse a cache to which others may write: workers run what lies in it."""
    if not hasattr(os, "geteuid"):
        return
    try:
        found = folder.stat()
    except OSError:
        return
    if found.st_uid != os.geteuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise UsageError(
            f"The cache folder '{folder}' can be written to by others, and what lies in a cache is run. Make it yours "
            f"alone (chmod go-w {shlex.quote(str(folder))}), or set {CACHE_VARIABLE} to a folder that is."
        )


def _claim(root: Path) -> None:
    """Make the cache's own folder and mark it, unless it is there and ours.

    Raises:
        UsageError: something else is in it.
        OSError: it cannot be made.
    """
    if not root.exists():
        root.parent.mkdir(parents=True, exist_ok=True)
        root.mkdir(mode=0o700, exist_ok=True)
    if (root / MARKER_FILE).exists():
        return
    if not _is_ours(root):
        raise UsageError(
            f"The cache folder '{root}' holds files that ortbench did not make. Set {CACHE_VARIABLE} to a folder that "
            "is new or empty."
        )
    write_whole(root / MARKER_FILE, _MARK)


def _is_ours(root: Path) -> bool:
    """Whether a folder is a cache: marked, or with nothing in it but what a cache holds, as before there were marks."""
    try:
        names = {path.name for path in root.iterdir()}
    except OSError:
        return False
    known = {*_KINDS, MARKER_FILE}
    return MARKER_FILE in names or all(name in known or fnmatch.fnmatch(name, _SCRIPTS) for name in names)


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


def _inside(root: Path) -> list[Path]:
    """Return what is in one folder of the cache; nothing of what a link leads to."""
    return sorted(root.iterdir()) if root.is_dir() and not root.is_symlink() else []


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


def _plain(kind: Kind, path: Path) -> CacheEntry:
    return CacheEntry(kind=kind, folder=str(path), size_bytes=_size(path))


def _size(path: Path) -> int:
    """Return the size of a file, or of a folder's own files; a link's target is not its own."""
    paths = path.rglob("*") if path.is_dir() and not path.is_symlink() else [path]
    return sum(each.lstat().st_size for each in paths if each.is_file() and not each.is_symlink())


_KINDS: dict[str, Callable[[Path], CacheEntry]] = {
    "artifacts": _model,
    "environments": _environment,
    "builds": partial(_plain, "build"),
    "packages": partial(_plain, "package"),
    "inputs": partial(_plain, "inputs"),
    "bytecode": partial(_plain, "bytecode"),
}
