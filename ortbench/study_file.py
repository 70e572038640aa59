"""A study as a file: TOML with the options of `ortbench compare`, or the run.json of any run."""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ortbench.errors import UsageError

_Fields = dict[str, Any]


def read_study(path: Path) -> _Fields:
    """Return the fields of a `CompareRequest` that a file sets.

    Args:
        path: a .toml file, a run.json, or the results folder that holds one.

    Raises:
        UsageError: it cannot be read, or a key or value is not what `ortbench compare` takes.
    """
    path = path / "run.json" if path.is_dir() else path
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise UsageError(f"--study '{path}' cannot be read: {reason}.") from error
    try:
        return _of_run(json.loads(text)) if path.suffix == ".json" else _of_table(tomllib.loads(text), path)
    except (json.JSONDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"--study '{path}' is not {path.suffix.removeprefix('.').upper()}: {error}.") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"--study '{path}' is no run.json of ortbench: it lacks {error}.") from error


def _of_table(table: Mapping[str, Any], path: Path) -> _Fields:
    fields: _Fields = {}
    for key, value in table.items():
        name = key.replace("-", "_")
        if name not in _KINDS:
            close = difflib.get_close_matches(name, _KINDS, n=1)
            meant = f" Did you mean '{close[0]}'?" if close else f" Expected one of [{', '.join(_KINDS)}]."
            raise UsageError(f"--study '{path}': there is no option '{key}'.{meant}")
        try:
            fields[name] = _KINDS[name](value)
        except ValueError as error:
            raise UsageError(f"--study '{path}': {key} = {value!r} is not {error}.") from error
    return fields


def _of_run(run: Mapping[str, Any]) -> _Fields:
    settings = run["settings"]
    own_file = settings["weights"] == "own"
    return {
        "engines": ",".join(settings["engines"]),
        "baseline": settings["baseline"],
        "model": run["artifact"]["path"] if own_file else settings["model"],
        "weights": None if own_file else settings["weights"],
        "precision": settings.get("precision", "fp32"),
        "batch_sizes": _listed(settings["batch_sizes"]),
        "threads": _listed(settings["threads"]),
        "instances": _listed(settings.get("instances", [1])),
        "target": f"{settings['target'] * 100:g}%",
        "max_time": f"{settings['max_time_s']:g}s",
        "input_shape": tuple(f"{name}={_sizes(shape)}" for name, shape in settings["input_shapes"].items()),
        "inputs": settings.get("images") or settings["inputs"],
        "values": tuple(f"{name}={value}" for name, value in (settings.get("values") or {}).items()),
        "batch_axis": settings.get("batch_axis"),
        "reference": settings.get("reference", "fp32"),
        "seed": settings["seed"],
        "twins": settings["twins"],
        "allocators": _listed(settings.get("allocators", ["default"])),
        "allow_fallback": settings.get("allow_fallback", False),
        **_load_of(settings),
    }


def _load_of(settings: Mapping[str, Any]) -> _Fields:
    rate, bound_s = settings.get("rate"), settings.get("max_latency_s")
    return {
        "load": settings.get("load"),
        "rate": None if rate is None else f"{rate:g}",
        "max_latency": None if bound_s is None else f"{bound_s * 1e3:g}ms",
    }


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("a string")  # noqa: TRY004 - told with the file and the key, as every other bad value
    return value


def _listed(value: Any) -> str:
    """Accept `[1, 4]`, `1` and `"1,4"`."""
    values = value if isinstance(value, list) else [value]
    if not values or not all(isinstance(each, (int, str)) and not isinstance(each, bool) for each in values):
        raise ValueError("a number, a string or a list of them")
    return ",".join(map(str, values))


def _figure(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError("a number")  # noqa: TRY004 - likewise
    return str(value)


def _switch(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")  # noqa: TRY004 - likewise
    return value


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("a whole number from 0 on")
    return value


def _shapes(value: Any) -> tuple[str, ...]:
    """Accept `{input = [1, 3, 224, 224]}`, and what the command line takes."""
    if isinstance(value, dict) and all(isinstance(shape, list) for shape in value.values()):
        return tuple(f"{name}={_sizes(shape)}" for name, shape in value.items())
    return tuple(map(_text, value if isinstance(value, list) else [value]))


def _sizes(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape)) if shape else "scalar"


def _values(value: Any) -> tuple[str, ...]:
    """Accept `{sr = 16000, ids = "0..30521", flag = true}`, and what the command line takes."""
    if isinstance(value, dict):
        if not all(isinstance(each, (str, int, float)) for each in value.values()):
            raise ValueError("a table of inputs, each with a number, true, false or a string")
        return tuple(f"{name}={each}" for name, each in value.items())
    return tuple(map(_text, value if isinstance(value, list) else [value]))


_KINDS: dict[str, Callable[[Any], Any]] = {
    "engines": _listed,
    "model": _text,
    "weights": _text,
    "precision": _listed,
    "batch_sizes": _listed,
    "threads": _listed,
    "instances": _listed,
    "scaling": _switch,
    "baseline": _text,
    "target": _text,
    "max_time": _text,
    "full": _switch,
    "input_shape": _shapes,
    "inputs": _text,
    "values": _values,
    "batch_axis": _text,
    "reference": _text,
    "seed": _count,
    "twins": _text,
    "allocators": _listed,
    "allow_fallback": _switch,
    "load": _text,
    "rate": _figure,
    "max_latency": _text,
    "output": _text,
    "explain": _text,
}
