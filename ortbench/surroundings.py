"""What the system refuses, in words: a path, the current folder, the disk. None of these is a fault of ortbench."""

from __future__ import annotations

import errno
from pathlib import Path

from ortbench.errors import OrtbenchError, RecordError, UsageError

_NO_SUCH_PATH = (errno.ENAMETOOLONG, errno.ELOOP, errno.EACCES, errno.EPERM)
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
_PROC = Path("/proc")


def surroundings_error(error: OSError) -> OrtbenchError | None:
    """Return what is to be said where the machine or what was typed is to blame; None where it may be ortbench."""
    path = str(error.filename or "")
    if not _has_current_folder():
        return UsageError("The current folder no longer exists. Change to one that does, and run the command again.")
    if path.startswith(f"{_PROC}/") and not (_PROC / "self").exists():
        return UsageError("/proc is not mounted here, and ortbench reads from it what the machine is and does.")
    if error.errno in _NO_SUCH_PATH and path:
        return UsageError(f"'{path}' cannot be used: {error.strerror}.")
    if error.errno in _NO_ROOM:
        return RecordError(f"{_named(path)} cannot be written: {error.strerror}.")
    return None


def _has_current_folder() -> bool:
    try:
        Path.cwd()
    except OSError:
        return False
    return True


def _named(path: str) -> str:
    return f"'{path}'" if path else "A file"
