"""Files by their contents."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

_BLOCK = 1 << 20


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
