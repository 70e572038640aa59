"""Writing files so that a reader never sees half of one, and nothing outside the folder is written to.

A symbolic link is replaced, not followed; scratch names cannot be guessed and are never reused; permissions follow the
umask. What is a device or a pipe, such as /dev/null, is written to as it is.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from io import FileIO
from pathlib import Path

_NOT_THROUGH_LINKS = getattr(os, "O_NOFOLLOW", 0)
_MODE = 0o666  # less the umask, which the system takes off


def write_whole(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Write a file so that it is there whole or as it was before.

    Args:
        path: a link of that name is replaced; a device or pipe is written to.
        content: all of it.
        durable: wait until the disk has it.

    Raises:
        OSError: the system refuses; the file is as it was.
    """
    if _is_stream(path):
        path.write_bytes(content)
        return
    scratch, descriptor = _open_scratch(path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        os.replace(scratch, path)  # noqa: PTH105 - atomic by its documentation
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise


def open_to_append(path: Path) -> FileIO:
    """Open a file of our own for appending, unbuffered; it is made where there is none.

    Raises:
        OSError: the system refuses, or the name is a symbolic link.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | _NOT_THROUGH_LINKS
    return FileIO(os.open(path, flags, _MODE), "ab")


def make_folder(path: Path) -> None:
    """Make a folder inside one of ours, unless it is there.

    Raises:
        OSError: the system refuses, or the name is a symbolic link, which may lead anywhere.
    """
    if path.is_symlink():
        raise NotADirectoryError(errno.ENOTDIR, "it is a symbolic link, which ortbench does not follow", str(path))
    path.mkdir(parents=True, exist_ok=True)


def _is_stream(path: Path) -> bool:
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _open_scratch(folder: Path) -> tuple[Path, int]:
    """Make a file that nobody else has, and open it."""
    while True:
        scratch = folder / f".ortbench-{secrets.token_hex(8)}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NOT_THROUGH_LINKS
        try:
            return scratch, os.open(scratch, flags, _MODE)
        except FileExistsError:
            continue
