"""Entry point: starts the command line so that an interruption at any moment ends in order."""

from __future__ import annotations

import io
import os
import signal
import sys
from types import FrameType

INTERRUPTED = 130


def main() -> None:
    """Run the command line and exit with its status."""
    try:
        for name in ("SIGTERM", "SIGHUP"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), _interrupt)
        write_anything()
        from ortbench.cli import run

        status = run(sys.argv[1:])
        sys.stdout.flush()
    except KeyboardInterrupt:
        status = INTERRUPTED
        print("Interrupted.", file=sys.stderr)  # noqa: T201 - rich may not be imported yet
    except BrokenPipeError:
        # Whoever read the answer stopped reading, as `| head` does; nothing more can be said there.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        status = 0
    sys.exit(status)


def write_anything() -> None:
    """Let what a console's encoding lacks be replaced there: a name must not end a study that was measured."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of a handler
    """End in order, as for Ctrl-C."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
