"""Entry point: starts the command line so that an interruption at any moment ends in order."""

from __future__ import annotations

import contextlib
import signal
import sys
from types import FrameType

INTERRUPTED = 130


def main() -> None:
    """Run the command line and exit with its status."""
    try:
        _take_signals()
        from ortbench.streams import open_missing_streams

        open_missing_streams()
        from ortbench.cli import run

        status = run(sys.argv[1:])
    except KeyboardInterrupt:
        status = INTERRUPTED
        # Whatever was interrupted, the streams may be anything.
        with contextlib.suppress(AttributeError, OSError, ValueError):
            print("Interrupted.", file=sys.stderr, flush=True)  # noqa: T201 - before the streams were guarded, or after
    sys.exit(status)


def _take_signals() -> None:
    """Let the signals that end a program do so in order, as Ctrl-C does.

    One that is ignored stays so: `nohup` and a shell's background jobs ask for it.
    """
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of a handler
    """End in order, as for Ctrl-C."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
