"""HTML pages from templates, everything in them escaped."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from ortbench.printable import printable_lines

TEMPLATES = Path(__file__).parent / "templates"


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        # Text marked as safe is our own, or was escaped as JSON.
        finalize=lambda value: printable_lines(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(template: str, **content: Any) -> str:
    """Return a page; raises jinja2.UndefinedError where the template wants something that is not given."""
    return _environment().get_template(template).render(**content)


def template_text(name: str) -> str:
    """Return a file that goes into a page as it is: our own styles and scripts."""
    return (TEMPLATES / name).read_text(encoding="utf-8")
