"""How an engine is written: `name[:target][option=value,...]`, e.g. `ort:cuda` or `torch[channels_last=true]`."""

from __future__ import annotations

import re

import msgspec

from ortbench.errors import EngineSpecError

_SHAPE = re.compile(r"(?P<name>[A-Za-z_]\w*)(?::(?P<target>[\w*.-]+))?(?:\[(?P<options>[^\[\]]*)\])?")
_OPTION = re.compile(r"\s*(?P<key>[A-Za-z_][\w.]*)\s*=\s*(?P<value>[^,\[\]]+?)\s*")


class EngineSpec(msgspec.Struct, frozen=True):
    """A spelling taken apart, not yet checked against what exists.

    Attributes:
        options: key and text of each option, in the order given.
    """

    name: str
    target: str | None = None
    options: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        target = f":{self.target}" if self.target else ""
        options = ",".join(f"{key}={value}" for key, value in self.options)
        return f"{self.name}{target}" + (f"[{options}]" if options else "")


def parse_engine(text: str) -> EngineSpec:
    """Take one engine's spelling apart.

    Raises:
        EngineSpecError: it is not of the form `name[:target][option=value,...]`.
    """
    match = _SHAPE.fullmatch(text.strip())
    if not match:
        raise EngineSpecError(
            f"Expected an engine as name[:target][option=value,...], such as ort:cuda or torch[channels_last=true], "
            f"but got '{text.strip()}'."
        )
    options = tuple(_parse_option(part, text) for part in (match["options"] or "").split(",") if part.strip())
    keys = [key for key, _ in options]
    for key in keys:
        if keys.count(key) > 1:
            raise EngineSpecError(f"Expected each option once, but '{text.strip()}' gives {key} twice.")
    return EngineSpec(match["name"], match["target"], options)


def parse_engines(text: str) -> list[EngineSpec]:
    """Take a list apart at the commas outside brackets.

    Raises:
        EngineSpecError: an entry is empty or malformed.
    """
    entries = re.split(r",(?![^\[]*\])", text)
    if any(not entry.strip() for entry in entries):
        raise EngineSpecError(
            f"Expected engines separated by commas, such as torch,ort, but '{text}' has an empty one."
        )
    return [parse_engine(entry) for entry in entries]


def _parse_option(part: str, text: str) -> tuple[str, str]:
    match = _OPTION.fullmatch(part)
    if not match:
        raise EngineSpecError(f"Expected option=value in the brackets of '{text.strip()}', but got '{part.strip()}'.")
    return match["key"], match["value"]
