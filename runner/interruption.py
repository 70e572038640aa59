"""What happens to a second Ctrl-C."""

from __future__ import annotations

import signal
import threading


def ignore_interruptions() -> None:
    """Let nothing interrupt what is left to be written after an interruption: it is short."""
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), signal.SIG_IGN)
