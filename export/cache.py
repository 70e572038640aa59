"""The user's cache of exported models: where it is, what is in it, and clearing it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import msgspec
import platformdirs

from ortbench.export.artifact import ExportIdentity, Manifest, read_artifact

CACHE_VARIABLE = "ORTBENCH_CACHE"


class CacheEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One folder of the cache.

    Attributes:
        manifest: None where the artifact is damaged or half-written.
    """

    folder: str
    size_bytes: int
    manifest: Manifest | None


def cache_root() -> Path:
    """Return ortbench's cache folder: $ORTBENCH_CACHE, or the one that this system gives to users' caches."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen) if chosen else Path(platformdirs.user_cache_dir("ortbench", appauthor=False))


def artifacts_root() -> Path:
    """Return the folder of exported models."""
    return cache_root() / "artifacts"


def builds_root() -> Path:
    """Return the folder of what engines build for themselves, e.g. compiled packages."""
    return cache_root() / "builds"


def artifact_folder(identity: ExportIdentity) -> Path:
    """Return where the artifact of that identity belongs."""
    return artifacts_root() / f"{identity.model}-{identity.key()}"


def list_cache() -> list[CacheEntry]:
    """Return every folder of the cache, by name; damaged ones too."""
    root = artifacts_root()
    folders = sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
    return [_entry(folder) for folder in folders]


def clear_cache() -> list[CacheEntry]:
    """Delete every exported model and return what was deleted."""
    entries = list_cache()
    for entry in entries:
        shutil.rmtree(entry.folder)
    return entries


def _entry(folder: Path) -> CacheEntry:
    artifact = read_artifact(folder)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return CacheEntry(folder=str(folder), size_bytes=size, manifest=artifact.manifest if artifact else None)
