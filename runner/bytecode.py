"""Where workers keep compiled bytecode, if the installation is not to be written to: whole files only."""

from __future__ import annotations

import contextlib
import functools
import marshal
import shutil
import sys
from pathlib import Path

from ortbench.errors import UsageError
from ortbench.export.cache import cache_root, make_cache_folder

# What importing every engine's libraries may leave. Python takes no notice when a disk is full halfway through a file.
_ROOM_BYTES = 256 << 20
# Its time is when was last looked; file systems know times to the second or two.
_STAMP = ".swept"
_ROUGH_S = 5.0
_HEADER_BYTES = 16  # magic number, flags, time and size of the source


def bytecode_folder() -> Path | None:
    """Return the folder, with no damaged file in it; None where there is no room, or none can be made."""
    try:
        folder = cache_root() / "bytecode"
        make_cache_folder(folder)
        if shutil.disk_usage(folder).free < _ROOM_BYTES:
            return None
    except (OSError, UsageError):
        return None
    sweep(folder)
    return folder


@functools.cache
def sweep(folder: Path) -> int:
    """Delete files that Python could not load, as a disk that was full leaves them; once in the life of a process.

    Returns:
        How many there were. Files of other versions of Python are left to these.
    """
    damaged = 0
    stamp = folder / _STAMP
    seen = stamp.stat().st_mtime if stamp.exists() else 0.0
    with contextlib.suppress(OSError):
        stamp.touch()
    for path in folder.rglob(f"*.{sys.implementation.cache_tag}*.pyc"):
        try:
            if path.stat().st_mtime < seen - _ROUGH_S:
                continue
            # Python itself is about to run it.
            marshal.loads(path.read_bytes()[_HEADER_BYTES:])  # noqa: S302
        except OSError:
            continue
        except (EOFError, ValueError, TypeError):
            damaged += 1
            with contextlib.suppress(OSError):
                path.unlink()
    return damaged
