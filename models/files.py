"""Files and folders by their contents."""

from __future__ import annotations

import functools
import hashlib
import os
import stat
from collections.abc import Collection, Iterator
from pathlib import Path

from ortbench.writing import write_whole

_BLOCK = 1 << 20
# Of a large file in a folder only the ends are read: libraries of hundreds of megabytes are among them.
_WHOLE_BYTES = 1 << 20
_END_BYTES = 1 << 16
# Python writes into it whenever it imports, and reads nothing from it that does not fit the source.
_BYTECODE = "__pycache__"


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


@functools.cache
def remembered_sha256(path: Path) -> str:
    """Return the SHA-256 that a file had when this process first asked: for a worker, which loads a file once."""
    return file_sha256(path)


def put_verified(made: Path, file: Path) -> None:
    """Give a finished file its name, with its digest beside it.

    Raises:
        OSError: the system refuses.
    """
    write_whole(_digest_file(file), file_sha256(made).encode())
    made.replace(file)


def is_as_made(file: Path) -> bool:
    """Say whether a file is there and is what `put_verified` put there; all of it is read."""
    try:
        return file_sha256(file).encode() == _digest_file(file).read_bytes()
    except OSError:
        return False


def folder_digest(folder: Path, left_out: Collection[str] = ()) -> str:
    """Return a digest of a folder's names, links, sizes and contents.

    Files of up to 1 MiB are read whole, of larger ones the first and last 64 KiB. Bytecode is left out.

    Args:
        folder: that nobody is writing to.
        left_out: files directly in it that do not count.

    Raises:
        OSError: something in it cannot be read.
    """
    digest = hashlib.sha256()
    for path in _within(folder):
        name = path.relative_to(folder).as_posix()
        if name not in left_out:
            for part in (os.fsencode(name), *_parts(path)):
                digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()


def _digest_file(file: Path) -> Path:
    return file.with_name(f"{file.name}.sha256")


def _within(folder: Path) -> Iterator[Path]:
    """Give every file and link, in the order of the names; links to folders are not followed."""
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not path.is_symlink():
            if path.name != _BYTECODE:
                yield from _within(path)
        else:
            yield path


def _parts(path: Path) -> tuple[bytes, ...]:
    """Return what a link or file is told by."""
    if path.is_symlink():
        return b"link", os.fsencode(path.readlink())
    found = path.stat()
    kind = b"program" if found.st_mode & stat.S_IXUSR else b"file"
    if not stat.S_ISREG(found.st_mode):
        return (b"other",)
    size = str(found.st_size).encode()
    with path.open("rb") as file:
        if found.st_size <= _WHOLE_BYTES:
            return kind, size, file.read()
        first = file.read(_END_BYTES)
        file.seek(-_END_BYTES, os.SEEK_END)
        return kind, size, first, file.read()
