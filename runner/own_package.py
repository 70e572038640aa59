"""This ortbench, whole in one folder, for interpreters that have none or another one."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import shutil
import tempfile
from pathlib import Path

from ortbench.export.cache import make_cache_folder, packages_root

# A worker draws no chart. In the source tree these lie beside the package, in an installation below it.
_ROOMS = ("engines", "export", "models", "results", "runner")


def own_package() -> Path:
    """Return the folder that PYTHONPATH must name for another interpreter to import this ortbench; made once."""
    folder = packages_root() / _digest()
    if not _is_whole(folder):
        # Aside first: a worker may be reading it.
        if folder.is_dir():
            folder.rename(Path(tempfile.mkdtemp(prefix=".damaged-", dir=folder.parent)) / "package")
        _copy(_files(), folder)
        _is_whole.cache_clear()
    return folder


@functools.cache
def _is_whole(folder: Path) -> bool:
    """Whether a copy has every file as it is here, and no other; asked once in the life of a process."""
    files = _files()
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if not _is_passed_over(path)}
    try:
        return found.keys() == files.keys() and all(
            not found[name].is_symlink() and found[name].read_bytes() == path.read_bytes()
            for name, path in files.items()
        )
    except OSError:
        return False


def _is_passed_over(path: Path) -> bool:
    return "__pycache__" in path.parts or (path.is_dir() and not path.is_symlink())


@functools.cache
def _digest() -> str:
    """Return what tells this ortbench from one with any other content."""
    digest = hashlib.sha256()
    for name, path in sorted(_files().items()):
        content = path.read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]


def _files() -> dict[str, Path]:
    """Return every source file by its place below the folder: `ortbench/runner/serve.py`."""
    files = _below("ortbench", "ortbench")
    for room in _ROOMS:
        files |= _below(f"ortbench.{room}", f"ortbench/{room}")
    return files


def _below(package: str, place: str) -> dict[str, Path]:
    spec = importlib.util.find_spec(package)
    assert spec is not None, "it is being run"
    return {
        f"{place}/{path.relative_to(root).as_posix()}": path
        for root in map(Path, spec.submodule_search_locations or ())
        for path in root.rglob("*.py")
    }


def _copy(files: dict[str, Path], folder: Path) -> None:
    """Copy the files in place at once: another process may be doing the same."""
    make_cache_folder(folder.parent)
    with tempfile.TemporaryDirectory(prefix=".copying-", dir=folder.parent) as scratch:
        whole = Path(scratch) / "whole"
        for name, path in files.items():
            (whole / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, whole / name)
        put_in_place(whole, folder)


def put_in_place(made: Path, folder: Path) -> None:
    """Give a whole folder its name; where another process was first, its folder stands."""
    try:
        made.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
