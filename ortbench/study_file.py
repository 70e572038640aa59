"""A study as a file: TOML with the options of `ortbench compare`, or the run.json of any run."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from ortbench.errors import UsageError
from ortbench.results.verdicts import DEFAULT_MARGIN
from ortbench.trust import check_trusted

_Fields = dict[str, Any]
# A study of every option is some kilobytes, and a run.json of thousands of cells a few MiB.
_LONGEST = 64 << 20
_LARGEST = 10**15


def read_study(path: Path, typed: Mapping[str, Any] | None = None, trusted: Sequence[str | Path] = ()) -> _Fields:
    """Return the fields of a `CompareRequest` that a file sets and that are not typed.

    Args:
        path: a .toml file, a run.json, or the results folder that holds one.
        typed: what the user gave otherwise; it goes before the file.
        trusted: files given with `--trust`, which may name programs and libraries; see `ortbench/trust.py`.

    Raises:
        UsageError: it cannot be read, a key or value is not what `ortbench compare` takes, or it would run code
            and is not trusted.
    """
    path = path / "run.json" if path.is_dir() else path
    fields = _read(path)
    used = {name: value for name, value in fields.items() if name not in (typed or {})}
    check_trusted(used, typed or {}, path, trusted)
    return used


def _read(path: Path) -> _Fields:
    try:
        with path.open("rb") as file:
            content = file.read(_LONGEST + 1)
        text = content.decode("utf-8-sig")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise UsageError(f"--study '{path}' cannot be read: {reason}.") from error
    if len(content) > _LONGEST:
        raise UsageError(f"--study '{path}' is longer than {_LONGEST >> 20} MiB, which no study is.")
    kind = path.suffix.removeprefix(".").upper()
    try:
        if path.suffix == ".json":
            return _of_run(msgspec.json.decode(text, type=_Run))
        return _of_table(tomllib.loads(text), path)
    except msgspec.ValidationError as error:
        raise UsageError(f"--study '{path}' is no run.json of ortbench: {error}.") from error
    except RecursionError as error:
        raise UsageError(f"--study '{path}' is not {kind}: it is nested too deep.") from error
    except ValueError as error:  # of the decoders, and of numbers with more digits than Python reads
        raise UsageError(f"--study '{path}' is not {kind}: {error}.") from error


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
            raise UsageError(f"--study '{path}': {key} = {_shown(value)} is not {error}.") from error
    return fields


def _shown(value: Any) -> str:
    """Show a value in a message; Python itself refuses to write numbers of thousands of digits."""
    try:
        return repr(value)
    except (ValueError, RecursionError):
        return "what stands there"


class _Settings(msgspec.Struct, kw_only=True):
    """What a study needs of the settings in a run.json; those with defaults are younger than the first release."""

    engines: list[str]
    baseline: str
    model: str
    weights: str
    batch_sizes: list[int]
    threads: list[int]
    target: float
    margin: float = DEFAULT_MARGIN
    max_time_s: float
    seed: int
    twins: str
    input_shapes: dict[str, list[int]]
    inputs: str | None
    images: str | None = None
    values: dict[str, str] | None = None
    batch_axis: str | None = None
    precision: str = "fp32"
    instances: tuple[int, ...] = (1,)
    reference: str = "fp32"
    allocators: tuple[str, ...] = ("default",)
    allow_fallback: bool = False
    load: str | None = None
    rate: float | None = None
    max_latency_s: float | None = None


class _Artifact(msgspec.Struct):
    path: str


class _Run(msgspec.Struct, kw_only=True):
    settings: _Settings
    artifact: _Artifact | None = None

    def __post_init__(self) -> None:
        if self.settings.weights == "own" and self.artifact is None:
            raise ValueError("it does not say which model file was run")


def _of_run(run: _Run) -> _Fields:
    settings = run.settings
    own_file = run.artifact.path if run.artifact and settings.weights == "own" else None
    rate, bound_s = settings.rate, settings.max_latency_s
    return {
        "engines": ",".join(settings.engines),
        "baseline": settings.baseline,
        "model": own_file or settings.model,
        "weights": None if own_file else settings.weights,
        "precision": settings.precision,
        "batch_sizes": _listed(settings.batch_sizes),
        "threads": _listed(settings.threads),
        "instances": _listed([*settings.instances]),
        "target": f"{settings.target * 100:g}%",
        "margin": f"{settings.margin * 100:g}%",
        "max_time": f"{settings.max_time_s:g}s",
        "input_shape": tuple(f"{name}={_sizes(shape)}" for name, shape in settings.input_shapes.items()),
        "inputs": settings.images or settings.inputs,
        "values": tuple(f"{name}={value}" for name, value in (settings.values or {}).items()),
        "batch_axis": settings.batch_axis,
        "reference": settings.reference,
        "seed": settings.seed,
        "twins": settings.twins,
        "allocators": _listed([*settings.allocators]),
        "allow_fallback": settings.allow_fallback,
        "load": settings.load,
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
    if any(isinstance(each, int) and abs(each) >= _LARGEST for each in values):
        raise ValueError("a number that anything could be counted with")
    return ",".join(map(str, values))


def _figure(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError("a number")  # noqa: TRY004 - likewise
    if isinstance(value, int) and abs(value) >= _LARGEST:
        raise ValueError("a number that anything could be counted with")
    return str(value)


def _switch(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")  # noqa: TRY004 - likewise
    return value


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _LARGEST:
        raise ValueError("a whole number from 0 on")
    return value


def _shapes(value: Any) -> tuple[str, ...]:
    """Accept `{input = [1, 3, 224, 224]}`, and what the command line takes."""
    if isinstance(value, dict) and all(isinstance(shape, list) for shape in value.values()):
        return tuple(f"{name}={_sizes(shape)}" for name, shape in value.items())
    return tuple(map(_text, value if isinstance(value, list) else [value]))


def _sizes(shape: list[int]) -> str:
    return _listed(shape).replace(",", "x") if shape else "scalar"


def _values(value: Any) -> tuple[str, ...]:
    """Accept `{sr = 16000, ids = "0..30521", flag = true}`, and what the command line takes."""
    if isinstance(value, dict):
        if not all(isinstance(each, (str, int, float)) for each in value.values()):
            raise ValueError("a table of inputs, each with a number, true, false or a string")
        written = {name: each if isinstance(each, (str, bool)) else _figure(each) for name, each in value.items()}
        return tuple(f"{name}={each}" for name, each in written.items())
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
    "margin": _text,
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
