"""The processes that draw. Many charts are shared among them, as drawing one takes a fifth of a second.

They are started as `python -m ortbench.charts.drawing` and read what to draw from standard input: unlike a process pool
this asks nothing of the script that calls it. One that dies costs the picture that it was at; another goes on.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import IO, Any, Self

from ortbench.charts.drawing import DRAWN, READY, Drawing, files_of
from ortbench.errors import DrawingError
from ortbench.printable import printable, printable_strings
from ortbench.streams import say
from ortbench.units import quantity

# Fewer charts than this are drawn before another process has started.
_WORTH_A_PROCESS = 8
_MOST_PROCESSES = 4
_COMMAND = (sys.executable, "-P", "-m", "ortbench.charts.drawing")
# Without a picture the process is taken to hang; on a machine that is busy one takes a few seconds.
_PATIENCE_S = 120.0
# After this many failures in a row the fault is not the picture's.
_MOST_DEATHS = 3
_LONGEST_REASON = 300
_MOST_BYTES = 100_000
_DYING_S = 10.0


def draw_all(drawings: Iterable[Drawing], expected: int, tell: Callable[[str], None] = say) -> list[Path]:
    """Draw each as PNG and SVG, and as HTML where there is a script; return the files in order.

    Args:
        drawings: made one after the other, while the processes start.
        expected: about how many there are, by which the number of processes goes.
        tell: is told of pictures that could not be drawn, where others could.

    Raises:
        OSError: a file cannot be written.
        DrawingError: none of the pictures could be drawn.
    """
    count = max(1, min(_MOST_PROCESSES, _cpus(), expected // _WORTH_A_PROCESS))
    with contextlib.ExitStack() as stack:
        painters = [stack.enter_context(Painter()) for _ in range(count)]
        made = [drawing._replace(chart=printable_strings(drawing.chart)) for drawing in drawings]
        shares = [made[place::count] for place in range(count)]
        for painter, share in zip(painters, shares, strict=True):
            painter.begin(share)
        reasons = [painter.finish(share) for painter, share in zip(painters, shares, strict=True)]
    lost = {
        drawing.path: reason
        for share, told in zip(shares, reasons, strict=True)
        for drawing, reason in zip(share, told, strict=True)
        if reason
    }
    if lost:
        _tell_lost(lost, len(made), tell)
    return [file for drawing in made if drawing.path not in lost for file in files_of(drawing)]


def _tell_lost(lost: dict[str, str], total: int, tell: Callable[[str], None]) -> None:
    """Say which pictures are missing, and why."""
    path, reason = next(iter(lost.items()))
    if len(lost) == total:
        raise DrawingError(f"No charts: {reason}.")
    others = f"; and {quantity(len(lost) - 1, 'other', 'others')}" if len(lost) > 1 else ""
    missing = quantity(len(lost), "chart", "charts")
    tell(f"{missing} of {total} could not be drawn: {Path(path).name}: {reason}{others}.")


class Painter:
    """One process at a time that draws a share. As a context manager it is ended on the way out."""

    def __init__(self) -> None:
        """Start the process: it gets ready while its share is put together."""
        self._start()

    def _start(self) -> None:
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed in _stop
        self._process = subprocess.Popen(
            _COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            bufsize=0,
        )
        self._ready, self._hung, self._buffer = False, False, b""

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    def begin(self, drawings: Sequence[Drawing]) -> None:
        """Hand over what is to be drawn."""
        assert self._process.stdin
        # A process that has died is noticed in `finish`.
        with contextlib.suppress(BrokenPipeError), self._process.stdin as pipe:
            rest = memoryview(json.dumps(drawings).encode())
            while rest:
                rest = rest[pipe.write(rest) :]

    def finish(self, drawings: Sequence[Drawing]) -> list[str]:
        """Wait for all of them; return for each why it could not be drawn, empty where it was.

        Raises:
            OSError: a file cannot be written.
        """
        reasons: list[str] = []
        deaths = 0
        while len(reasons) < len(drawings):
            answer = self._next_answer()
            if answer is not None:
                deaths = 0
                reasons.append(_reason(answer))
                continue
            how, deaths = self._stop(), deaths + 1
            if not self._ready or deaths == _MOST_DEATHS:
                return [*reasons, *[how] * (len(drawings) - len(reasons))]
            reasons.append(how)
            self._start()
            self.begin(drawings[len(reasons) :])
        return reasons

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def _next_answer(self) -> dict[str, Any] | None:
        """Return the answer to the next drawing; None where the process died or hangs."""
        answer = self._read()
        if answer and READY in answer:
            self._ready = True
            answer = self._read()
        return answer

    def _read(self) -> dict[str, Any] | None:
        """Return the next line; None where there is none, or none in time."""
        assert self._process.stdout
        pipe = self._process.stdout.fileno()
        while b"\n" not in self._buffer:
            if not _has_bytes(pipe):
                self._hung = True
                return None
            if not (chunk := os.read(pipe, 1 << 16)):
                return None
            self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _stop(self) -> str:
        """End the process and say how it ended; again and again it does nothing."""
        if not self._hung and self._process.stdin and self._process.stdin.closed:
            # One that is just dying shall say how.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_DYING_S)
        self._process.kill()
        code = self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream and not stream.closed:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
        how = f"the process that draws {_ending(code) if not self._hung else f'gave no picture for {_PATIENCE_S:g} s'}"
        told = [] if self._hung or self._errors.closed else _told(self._errors)
        self._errors.close()
        # Python's own message stands last; where native code ends the process, its stack does.
        line = (told[-1] if code >= 0 else told[0]) if told else ""
        return how + (f" ({printable(line, _LONGEST_REASON)})" if line else "")


def _has_bytes(pipe: int) -> bool:
    """Wait until there is something to read, and say whether there is."""
    if not hasattr(select, "poll"):
        return True  # Windows: the read itself blocks
    poller = select.poll()
    poller.register(pipe, select.POLLIN)
    return bool(poller.poll(_PATIENCE_S * 1000))


def _ending(code: int) -> str:
    if code >= 0:
        return f"ended with status {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:  # a real-time signal has no name
        return f"was ended by signal {-code}"


def _told(errors: IO[bytes]) -> list[str]:
    """Return the lines that a process wrote to standard error, those left out that say nothing."""
    errors.seek(0)
    lines = errors.read(_MOST_BYTES).decode(errors="replace").splitlines()
    return [line.strip(" #") for line in lines if line.strip(" #")]


def _reason(answer: dict[str, Any]) -> str:
    if DRAWN in answer:
        return ""
    if "errno" in answer:
        raise OSError(answer["errno"], answer["strerror"], answer["filename"])
    return printable(str(answer["failed"]), _LONGEST_REASON)


def _cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
