"""Which versions ran where engines run in several interpreters. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ortbench.results.summary import Summary

Versions = Mapping[str, str]


def name_elsewhere(library: str, engine: str) -> str:
    """Name a library's version where one engine has an interpreter of its own: `onnxruntime in ort[version=1.24.4]`."""
    return f"{library} in {engine}"


def runs_elsewhere(engine: str, versions: Versions) -> bool:
    """Say whether an engine has an interpreter of its own, by a run's versions."""
    return any(name.endswith(f" in {engine}") for name in versions)


def differing_versions(summary: Summary) -> list[str]:
    """Say which version each engine ran, in one line per kind of engine of which several ran different ones."""
    by_kind: dict[str, dict[str, Versions]] = {}
    for cell in summary.cells:
        for arm in cell.arms:
            if arm.versions:
                by_kind.setdefault(_kind(arm.engine), {})[arm.engine] = arm.versions
    return [line for engines in by_kind.values() if (line := _line(engines))]


def _line(engines: Mapping[str, Versions]) -> str:
    libraries = list(dict.fromkeys(library for versions in engines.values() for library in versions))
    differing = [library for library in libraries if len({own.get(library) for own in engines.values()}) > 1]
    told = {
        engine: [f"{library} {versions[library]}" for library in differing if library in versions]
        for engine, versions in engines.items()
    }
    return "; ".join(f"{engine} ran {', '.join(words)}" for engine, words in told.items() if words)


def _kind(engine: str) -> str:
    """Return an engine's name without target and options."""
    return re.split(r"[:\[]", engine, maxsplit=1)[0]
