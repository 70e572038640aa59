"""Which interpreter an engine needs: this one, a given one, or one with certain wheels. Pure functions of its spelling.

ONNX Runtime's wheels are all the module `onnxruntime`, so one environment holds one of them, in one version.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ortbench.engines.base import OptionValue
from ortbench.engines.entry import EngineEntry
from ortbench.engines.options import Option
from ortbench.errors import EngineSpecError, expected_one_of

PYTHON = Option(
    "python", "text", default=None, help="run in this Python interpreter instead of ortbench's own", executes=True
)
VERSION = Option("version", "text", default=None, help="run this version, in an environment made for it")

# What the worker imports besides the engine's own library, as it is imported and as it is installed.
NEEDS = {
    "msgspec": "msgspec>=0.20",
    "numpy": "numpy",
    "onnx": "onnx",
    "platformdirs": "platformdirs>=4.2",
    "psutil": "psutil>=6.0",
}
_VERSION = re.compile(r"(?P<release>\d+(\.\d+)*)((a|b|rc)\d+|\.post\d+|\.dev\d+)*")
# The first release whose wheels were built for numpy 2; older ones do not say that they need an older numpy.
_BUILT_FOR_NUMPY_2 = (1, 19)


@dataclass(frozen=True)
class GivenPython:
    """An interpreter that the user named.

    Attributes:
        path: as it was typed.
    """

    path: str


@dataclass(frozen=True)
class Wheels:
    """An environment with the wheel that an engine's target needs.

    Attributes:
        distribution: the wheel's name.
        version: the one wanted; None for the newest.
        extras: of the wheel, e.g. `cuda`.
    """

    distribution: str
    version: str | None = None
    extras: tuple[str, ...] = ()

    @property
    def requirement(self) -> str:
        """The wheel, as an installer is asked for it."""
        extras = f"[{','.join(self.extras)}]" if self.extras else ""
        return self.distribution + extras + (f"=={self.version}" if self.version else "")

    @property
    def requirements(self) -> tuple[str, ...]:
        """Everything the environment holds: the wheel, and what the worker needs."""
        old = self.version is not None and _release(self.version) < _BUILT_FOR_NUMPY_2
        needs = NEEDS | ({"numpy": "numpy<2"} if old else {})
        return (self.requirement, *needs.values())


Environment = GivenPython | Wheels

_GPU = Wheels("onnxruntime-gpu", extras=("cuda", "cudnn"))
# Engine -> target -> the wheel that has it.
_WHEELS = {
    "ort": {
        "cpu": Wheels("onnxruntime"),
        "cuda": _GPU,
        "tensorrt": _GPU,
        "openvino": Wheels("onnxruntime-openvino"),
    },
}
# Targets that the wheel which ortbench itself depends on never has.
_ALWAYS_APART = {("ort", "openvino")}


def with_environment_options(entry: EngineEntry) -> EngineEntry:
    """Return the entry with the options that say where its engine runs."""
    return replace(entry, options=(*entry.options, PYTHON, *((VERSION,) if entry.name in _WHEELS else ())))


def take_environment(
    name: str, target: str, options: Mapping[str, OptionValue], engine: str
) -> tuple[Environment | None, dict[str, OptionValue]]:
    """Divide typed options into where the engine runs (None for this interpreter) and what is the engine's own.

    Args:
        name: of the engine.
        target: one of its targets.
        options: all that were given.
        engine: the whole spelling, for messages.

    Raises:
        EngineSpecError: both an interpreter and a version are asked for, or no wheel has this target, or the version
            is none.
    """
    rest = {key: value for key, value in options.items() if key not in (PYTHON.name, VERSION.name)}
    python, version = options.get(PYTHON.name), options.get(VERSION.name)
    if python is not None and version is not None:
        raise EngineSpecError(f"Expected either python or version in '{engine}': an interpreter has its own version.")
    if python is not None:
        return GivenPython(str(python)), rest
    if version is not None:
        return _wheel(name, target, str(version), engine), rest
    if (name, target) in _ALWAYS_APART:
        return _WHEELS[name][target], rest
    return None, rest


def _wheel(name: str, target: str, version: str, engine: str) -> Wheels:
    known = _WHEELS[name]
    if target not in known:
        raise EngineSpecError(expected_one_of(f"a target that has version= in '{engine}'", known, target))
    if not _VERSION.fullmatch(version):
        raise EngineSpecError(f"Expected version of '{engine}' to be one such as 1.24.4, but got '{version}'.")
    return replace(known[target], version=version)


def _release(version: str) -> tuple[int, ...]:
    match = _VERSION.fullmatch(version)
    assert match, "a version is checked when it is taken"
    return tuple(int(part) for part in match["release"].split("."))
