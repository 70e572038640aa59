"""Vega, Vega-Lite and Vega-Embed as one script, out of vl-convert's own copy: nothing is fetched."""

from __future__ import annotations

import contextlib
from importlib.metadata import version
from pathlib import Path

_SNIPPET = "window.vegaEmbed = vegaEmbed;"


def vega_script(cache: Path | None = None) -> str:
    """Return the script, which defines `vegaEmbed`; a classic script, as browsers load no module from a file.

    Args:
        cache: a folder to keep it in, since putting it together takes a second or two.
    """
    import vl_convert

    kept = cache / f"vega-{version('vl-convert-python')}.js" if cache else None
    if kept and kept.is_file():
        return kept.read_text(encoding="utf-8")
    script = f"(() => {{{vl_convert.javascript_bundle(_SNIPPET)}\n}})();\n"
    if kept:
        # Where it cannot be kept it is put together again at the next time.
        with contextlib.suppress(OSError):
            kept.parent.mkdir(parents=True, exist_ok=True)
            half_made = kept.with_suffix(".part")
            half_made.write_text(script, encoding="utf-8")
            half_made.replace(kept)
    return script
