"""Whether two runs may be compared or joined: what differs between them, named. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ortbench.results.schema import Run

# These say how long and how well to measure, not what.
_MAY_DIFFER = {"max_time_s", "target"}
# Named by themselves: what a file holds, by the option that it was given with.
_FILES = "files_sha256"
# These say where things are kept, and change no measurement.
_HARMLESS_PREFIXES = ("ORTBENCH_", "PYTHON")


def differences(before: Run, now: Run) -> list[str]:
    """Return what differs between two runs in words, `threads was [2], is [1]`; empty where they are alike.

    Compared are the settings (but for --max-time and --target), the contents of given files, the artifact, the
    versions, the machine and the environment variables that matter.
    """
    sections: list[tuple[str, Mapping[str, Any], Mapping[str, Any]]] = [
        ("", _without(before.settings), _without(now.settings)),
        ("the file given with ", before.settings.get(_FILES, {}), now.settings.get(_FILES, {})),
        ("the artifact's ", _artifact(before), _artifact(now)),
        ("the version of ", before.versions, now.versions),
        ("the machine's ", before.machine, now.machine),
        ("the environment's ", _mattering(before.environment), _mattering(now.environment)),
    ]
    return [f"{where}{line}" for where, old, new in sections for line in _differing(old, new)]


def _differing(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    names = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    return [_worded(name, old.get(name), new.get(name)) for name in names]


def _worded(name: str, old: Any, new: Any) -> str:
    if isinstance(old, list) and isinstance(new, list) and len(old) + len(new) > 20:
        gone, come = [word for word in old if word not in new], [word for word in new if word not in old]
        return f"{name} lost {gone} and gained {come}"
    return f"{name} was {_value(old)}, is {_value(new)}"


def _value(value: Any) -> str:
    return "unset" if value is None else str(value)


def _artifact(run: Run) -> dict[str, Any]:
    return {"sha256": run.artifact.sha256 if run.artifact else None}


def _mattering(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if not name.startswith(_HARMLESS_PREFIXES)}


def _without(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name not in _MAY_DIFFER | {_FILES}}
