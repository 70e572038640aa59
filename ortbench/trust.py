"""Whose code runs: what a file may not start or load unless the user says so. See docs/trust.md.

Every option of a study whose value can run code registers here with a function that finds such values, and every
file that sets options of a study is checked here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ortbench.engines.registry import executed_by
from ortbench.errors import UsageError

# From the text of an option to those parts of it that run code.
Finder = Callable[[str], Iterable[str]]
# `file.py:NAME` and `package.module:NAME` are imported; a .pt2 holds compiled code.
_CODE_MODEL = re.compile(r"(?P<module>.+\.py|[A-Za-z_][\w.]*):(?P<name>[A-Za-z_]\w*)|.*\.(pt2|so|py)", re.DOTALL)
# Prefixes of models that installed libraries provide by name, and suffixes that choose a part of one.
_LIBRARIES = frozenset({"torchvision", "timm", "transformers"})
_PARTS = frozenset({"prefill", "decode"})


def code_in_model(text: str) -> tuple[str, ...]:
    """Return the model itself where loading it runs code that a file names, as `file.py:NAME` does."""
    match = _CODE_MODEL.fullmatch(text)
    if match is None or match["module"] in _LIBRARIES or match["name"] in _PARTS:
        return ()
    return (text,)


_FINDERS: dict[str, Finder] = {"engines": executed_by, "baseline": executed_by, "model": code_in_model}


def register_executed(option: str, find: Finder) -> None:
    """Have the values of a further option checked.

    Args:
        option: a field of `CompareRequest`.
        find: returns the parts of the option's text that run code; empty where none does.
    """
    _FINDERS[option] = find


def executed_values(fields: Mapping[str, Any]) -> tuple[str, ...]:
    """Return everything in a study's fields that would run code, each as it would be typed.

    Raises:
        UsageError: a field cannot be read as what it is.
    """
    given = ((find, fields.get(option)) for option, find in _FINDERS.items())
    return tuple(dict.fromkeys(value for find, text in given if isinstance(text, str) and text for value in find(text)))


def check_trusted(
    fields: Mapping[str, Any], typed: Mapping[str, Any], origin: Path, trusted: Sequence[str | Path] = ()
) -> None:
    """Refuse what a file would run, unless the same is typed or the user trusts the file.

    Args:
        fields: what is to be used of the file.
        typed: what the user gave otherwise.
        origin: the file, or the results folder that it is in.
        trusted: the files and folders given with `--trust`.

    Raises:
        UsageError: it would run something; the message shows what, and how to allow it.
    """
    if any(_same(origin, Path(path)) for path in trusted):
        return
    allowed = executed_values(typed)
    refused = [value for value in executed_values(fields) if value not in allowed]
    if refused:
        raise UsageError(
            f"'{origin}' would run code of its own: {', '.join(refused)}. A file may not start a program or load a "
            f"library by itself. If you trust it, add --trust '{origin}', or type the same value yourself."
        )


def _same(origin: Path, trusted: Path) -> bool:
    """Whether a path given with --trust means this file: the file itself, or the folder whose run.json it is."""
    # Unlike Path.resolve, realpath takes a loop of links.
    place, given = Path(os.path.realpath(origin)), Path(os.path.realpath(trusted))
    return given in {place, place / "run.json"} or (origin.name == "run.json" and given == place.parent)
