"""Whether two runs may be compared or joined: what differs between them, named. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from ortbench.results.schema import CellKey, Run
from ortbench.results.summary import CellSummary, Summary

Places = Mapping[CellKey, CellSummary]
Section = Literal["settings", "files", "artifact", "versions", "machine", "environment"]

# These say how long and how well to measure and how to judge, not what to measure.
_MAY_DIFFER = {"max_time_s", "target", "margin"}
# Named by themselves: what a file holds, by the option that it was given with.
_FILES = "files_sha256"
# These say where things are kept, and change no measurement.
_HARMLESS_PREFIXES = ("ORTBENCH_", "PYTHON", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR")


def differences(before: Run, now: Run) -> list[str]:
    """Return what differs between two runs in words, `threads was [2], is [1]`; empty where they are alike.

    Compared are the settings (but for --max-time, --target and --margin), the contents of given files, the artifact,
    the versions, the machine and the environment variables that matter.
    """
    return [line for lines in differences_by_section(before, now).values() for line in lines]


def differences_by_section(before: Run, now: Run) -> dict[Section, list[str]]:
    """Return the same as `differences`, by what it is about; every section is there, empty where nothing differs."""
    sections: list[tuple[Section, str, Mapping[str, Any], Mapping[str, Any]]] = [
        ("settings", "", _without(before.settings), _without(now.settings)),
        ("files", "the file given with ", before.settings.get(_FILES, {}), now.settings.get(_FILES, {})),
        ("artifact", "the artifact's ", _artifact(before), _artifact(now)),
        ("versions", "the version of ", before.versions, now.versions),
        ("machine", "the machine's ", before.machine, now.machine),
        ("environment", "the environment's ", _mattering(before.environment), _mattering(now.environment)),
    ]
    return {name: [f"{where}{line}" for line in _differing(old, new)] for name, where, old, new in sections}


def incomparable(before: Run, now: Run) -> list[str]:
    """Return those differences with which the figures of two runs are of two different things.

    They are the machine, the model's name, and the artifact where both runs had one: without, no engine ran it.
    """
    sections = differences_by_section(before, now)
    models = [_worded("model", before.model, now.model)] if before.model != now.model else []
    return models + (sections["artifact"] if before.artifact and now.artifact else []) + sections["machine"]


def cells_by_place(old: Summary, new: Summary) -> tuple[Places, Places]:
    """Return each run's cells by what makes them the same: not the model's name where each run has a single model.

    A CSV without that column is named after its file.
    """
    single = all(len({cell.model for cell in run.cells}) == 1 for run in (old, new))
    before, after = (
        {msgspec.structs.replace(cell.key, model="" if single else cell.model): cell for cell in run.cells}
        for run in (old, new)
    )
    return before, after


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
    others = {f"sha256 in {name}": record.sha256 for name, record in run.artifacts.items() if record != run.artifact}
    return {"sha256": run.artifact.sha256 if run.artifact else None} | others


def _mattering(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if not name.startswith(_HARMLESS_PREFIXES)}


def _without(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name not in _MAY_DIFFER | {_FILES}}
