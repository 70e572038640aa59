"""Vega, Vega-Lite and Vega-Embed as one script, out of vl-convert's own copy: nothing is fetched."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from ortbench.errors import DrawingError
from ortbench.verified import read_verified, write_verified

# Bytes, as the encoding of the process's own standard output may be anything.
_PROGRAM = "import sys, vl_convert; sys.stdout.buffer.write(vl_convert.javascript_bundle(sys.argv[1]).encode())"
_SNIPPET = "window.vegaEmbed = vegaEmbed;"


def vega_script(cache: Path | None = None) -> str:
    """Return the script, which defines `vegaEmbed`; a classic script, as browsers load no module from a file.

    Args:
        cache: a folder to keep it in, since putting it together takes a second or two.
    """
    kept = cache / f"vega-{version('vl-convert-python')}.js" if cache else None
    if kept and (found := read_verified(kept)) is not None:
        return found.decode()
    script = f"(() => {{{_bundle()}\n}})();\n"
    if kept:
        # Where it cannot be kept it is put together again at the next time.
        with contextlib.suppress(OSError):
            kept.parent.mkdir(parents=True, exist_ok=True)
            write_verified(kept, script.encode())
    return script


def _bundle() -> str:
    """Have the script put together in a process of its own: what does it is native code, and may end its process.

    Raises:
        DrawingError: it could not be put together.
    """
    command = [sys.executable, "-P", "-c", _PROGRAM, _SNIPPET]
    made = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if made.returncode:
        told = made.stderr.decode(errors="replace").split("\n")
        raise DrawingError(f"No charts: Vega's script could not be put together ({[*filter(None, told), ''][-1]}).")
    return made.stdout.decode()
