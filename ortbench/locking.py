"""One writer at a time: a folder that is written to is locked, and whoever comes second is told who is there.

The lock is the system's (flock) on a file inside the folder or beside what is being made. It ends with its process,
however that ends, so that a kill leaves nothing that has to be cleared away.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ortbench.errors import UsageError

# Windows has no flock; there nothing is locked.
_CAN_LOCK = importlib.util.find_spec("fcntl") is not None
LOCK_FILE = ".ortbench-lock"
_PAUSE_S = 0.2
_LONGEST_NAME = 100
_NOT_THROUGH_LINKS = getattr(os, "O_NOFOLLOW", 0)


@contextmanager
def locked(file: Path, what: str, wait_s: float = 0.0, say: Callable[[str], None] = lambda _: None) -> Iterator[None]:
    """Hold a lock while the block runs.

    Args:
        file: that is locked; it is made, and removed in the end. Its folder must be there.
        what: it stands for, for messages, e.g. `The results folder 'out'`.
        wait_s: how long to wait for another process that holds it.
        say: is told that there is a wait.

    Raises:
        UsageError: another process holds it; the message names it.
        OSError: the file cannot be made.
    """
    descriptor = _acquire(file, what, wait_s, say)
    try:
        yield
    finally:
        if descriptor is not None:
            # Removed while it is still locked: who waits for it sees that it is gone, and begins again.
            with contextlib.suppress(OSError):
                file.unlink()
            os.close(descriptor)


@contextmanager
def claimed(folder: Path, check: Callable[[], None]) -> Iterator[None]:
    """Make a folder and hold it while the block runs; if nothing was written, it is not there afterwards either.

    Args:
        folder: to be written to by this process alone.
        check: is called once it is held, and raises where what is in it is not as expected.

    Raises:
        UsageError: another process holds it.
        OSError: it cannot be made.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with locked(folder / LOCK_FILE, f"The results folder '{folder}'"):
            check()
            yield
    finally:
        with contextlib.suppress(OSError):  # as soon as one is not empty
            for path in made:
                path.rmdir()


def holder(file: Path) -> str | None:
    """Return who holds a lock, e.g. `process 4711`; None where nobody does."""
    try:
        descriptor = os.open(file, os.O_RDWR | _NOT_THROUGH_LINKS)
    except OSError:
        return None
    try:
        return None if _try(descriptor) else _named(file)
    finally:
        os.close(descriptor)


def lock_of(path: Path) -> Path:
    """Return the file that is locked while a file or folder of the cache is made: beside it, and hidden."""
    return path.with_name(f".{path.name}.lock")


def _acquire(file: Path, what: str, wait_s: float, say: Callable[[str], None]) -> int | None:
    deadline = time.monotonic() + wait_s
    told = False
    while True:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | _NOT_THROUGH_LINKS, 0o666)
        try:
            if _try(descriptor):
                if _is(descriptor, file):
                    os.ftruncate(descriptor, 0)
                    os.pwrite(descriptor, f"process {os.getpid()}\n".encode(), 0)
                    return descriptor
                os.close(descriptor)
                continue  # it was removed by whoever held it meanwhile
        except BaseException:
            with contextlib.suppress(OSError):
                os.close(descriptor)
            raise
        os.close(descriptor)
        if time.monotonic() >= deadline:
            raise UsageError(f"{what} is in use by {_named(file)}. Wait until that has ended, or end it.")
        if not told:
            say(f"waiting for {_named(file)}, which is making the same")
            told = True
        time.sleep(_PAUSE_S)


def _try(descriptor: int) -> bool:
    """Lock a file if nobody else has; say whether it is ours. Where there is no such lock, everything is."""
    if not _CAN_LOCK:
        return True
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks, as some networks' are
        return True
    return True


def _is(descriptor: int, file: Path) -> bool:
    """Say whether the file of that name is still the one that is open."""
    try:
        return os.path.samestat(os.fstat(descriptor), file.stat(follow_symlinks=False))
    except OSError:
        return False


def _named(file: Path) -> str:
    try:
        text = file.read_bytes()[:_LONGEST_NAME].decode("ascii", errors="replace").strip()
    except OSError:
        text = ""
    return text or "another process"
