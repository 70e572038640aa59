"""A Python interpreter that runs workers, and what is found out about one by asking it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from ortbench.engines.environment import NEEDS
from ortbench.errors import EngineUnavailable
from ortbench.runner.machine import DISTRIBUTIONS

OLDEST_PYTHON = (3, 11)
_TIMEOUT_S = 60.0
_MARK = "ortbench-interpreter:"
# Python 2 must be able to read it too. The folder it runs in must not hide any module.
_QUESTION = """
import sys
sys.path[:] = [entry for entry in sys.path if entry]
import json
version, missing, distributions = list(sys.version_info[:3]), [], {}
if version >= [3, 11]:
    import importlib.metadata
    import importlib.util
    modules, names = json.loads(sys.argv[1])
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    for name in names:
        try:
            distributions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            pass
print("\\n" + sys.argv[2] + json.dumps({"version": version, "missing": missing, "distributions": distributions}))
"""


@dataclass(frozen=True)
class Interpreter:
    """What a worker is started with.

    Attributes:
        executable: absolute; a symbolic link is kept, since it is what makes an environment one.
        packages: the folder with this very ortbench for an interpreter that has none, or another one; None for this
            interpreter.
        apart: the user's PYTHONPATH is left out, since it could hide the wheels that the environment was made for.
    """

    executable: str = sys.executable
    packages: str | None = None
    apart: bool = False

    def environment(self, base: Mapping[str, str]) -> dict[str, str]:
        """Return a worker's environment variables: ortbench first on the path, and no other Python's home."""
        if self.packages is None:
            return dict(base)
        kept = {name: value for name, value in base.items() if name not in ("PYTHONHOME", "PYTHONPATH")}
        given = "" if self.apart else base.get("PYTHONPATH", "")
        return kept | {"PYTHONPATH": os.pathsep.join(filter(None, (self.packages, given)))}


THIS = Interpreter()


class Inspection(msgspec.Struct, frozen=True):
    """What an interpreter says of itself.

    Attributes:
        version: three numbers.
        missing: modules that a worker needs and it lacks.
        distributions: installed ones that may take part, with their versions.
    """

    version: tuple[int, int, int]
    missing: tuple[str, ...]
    distributions: dict[str, str]

    def versions(self) -> dict[str, str]:
        """Return the version of the interpreter and of everything in it that may take part."""
        return {"python": _dotted(self.version), **self.distributions}


def inspect(interpreter: Interpreter, engine: str) -> Inspection:
    """Ask an interpreter what it is, and make sure that a worker can run in it.

    Args:
        interpreter: to be asked.
        engine: whose it is, for messages.

    Raises:
        EngineUnavailable: it is no Python, too old, or lacks modules; the message says what to do.
    """
    found = _ask(interpreter, engine)
    if found.version < OLDEST_PYTHON:
        raise EngineUnavailable(
            f"The engine '{engine}' asks for '{interpreter.executable}', which is Python {_dotted(found.version)}; "
            f"ortbench needs {_dotted(OLDEST_PYTHON)} or later there too."
        )
    if found.missing:
        wanted = " ".join(f"'{NEEDS[name]}'" if ">" in NEEDS[name] else NEEDS[name] for name in found.missing)
        raise EngineUnavailable(
            f"The engine '{engine}' asks for '{interpreter.executable}', which lacks [{', '.join(found.missing)}]; "
            f"ortbench needs them there. To add them: {interpreter.executable} -m pip install {wanted}."
        )
    return found


def _ask(interpreter: Interpreter, engine: str) -> Inspection:
    arguments = [msgspec.json.encode([list(NEEDS), list(DISTRIBUTIONS)]).decode(), _MARK]
    try:
        answer = subprocess.run(
            [interpreter.executable, "-c", _QUESTION, *arguments],
            env=interpreter.environment(os.environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
        # Whatever a start-up file of that environment prints stands before it.
        line = next(line for line in reversed(answer.stdout.splitlines()) if line.startswith(_MARK.encode()))
        return msgspec.json.decode(line.removeprefix(_MARK.encode()), type=Inspection)
    except (OSError, subprocess.TimeoutExpired, StopIteration, msgspec.MsgspecError) as error:
        raise EngineUnavailable(
            f"The engine '{engine}' asks for '{interpreter.executable}', which does not answer as a Python interpreter."
        ) from error


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
