"""Files that are verified where they are read: their first line is the digest of the rest.

That finds what a full disk, a kill or a careless hand left; against somebody who means it only the rights of the
folder help, see `export/cache.py`.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from ortbench.writing import write_whole

_HEAD = b"sha256 "


def write_verified(path: Path, content: bytes) -> None:
    """Write a file that `read_verified` reads, whole or not at all.

    Raises:
        OSError: the system refuses.
    """
    write_whole(path, _HEAD + hashlib.sha256(content).hexdigest().encode() + b"\n" + content)


def read_verified(path: Path) -> bytes | None:
    """Return what was written; None where there is no such file, or it is not as it was written."""
    try:
        head, _, content = path.read_bytes().partition(b"\n")
    except OSError:
        return None
    return content if head == _HEAD + hashlib.sha256(content).hexdigest().encode() else None
