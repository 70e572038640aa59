"""The interpreter that each engine runs in: found where it was given, made once and kept where wheels are asked for."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec

from ortbench.engines.environment import Wheels
from ortbench.engines.registry import ResolvedEngine
from ortbench.errors import EngineUnavailable
from ortbench.export.cache import ENVIRONMENT_FILE, EnvironmentManifest, environments_root, make_cache_folder
from ortbench.locking import lock_of, locked
from ortbench.models.files import folder_digest
from ortbench.runner.complaints import complaint_in
from ortbench.runner.interpreter import THIS, Interpreter, inspect
from ortbench.runner.own_package import own_package, put_in_place

_TIMEOUT_S = 1800.0
# Environments that this process found as they were made, with what their manifests said.
_verified: set[tuple[Path, bytes]] = set()
_BIN, _SUFFIX = ("Scripts", ".exe") if os.name == "nt" else ("bin", "")


def interpreter_for(engine: ResolvedEngine) -> Interpreter:
    """Return what an engine's workers are started with; an environment need not be there yet.

    Raises:
        EngineUnavailable: the interpreter that was given does not exist.
    """
    environment = engine.environment
    if environment is None or (isinstance(environment, Wheels) and installed_here(environment)):
        return THIS
    if isinstance(environment, Wheels):
        return Interpreter(str(_python_of(environment_folder(environment))), str(own_package()), apart=True)
    return Interpreter(_given_python(environment.path, engine.label), str(own_package()))


def unmade(engine: ResolvedEngine) -> Wheels | None:
    """Return the wheels of the environment that would have to be made for an engine, or None where none would."""
    environment = engine.environment
    if not isinstance(environment, Wheels) or installed_here(environment):
        return None
    return None if _is_whole(environment_folder(environment)) else environment


def make_environment(engine: ResolvedEngine, say: Callable[[str], None]) -> None:
    """Make the environment that an engine needs, unless there is one; whole or not at all.

    Raises:
        EngineUnavailable: it cannot be made, e.g. without network or since there is no such wheel.
    """
    wheels = unmade(engine)
    if wheels is None:
        return
    folder = environment_folder(wheels)
    make_cache_folder(folder.parent)
    with locked(lock_of(folder), f"The environment '{folder}'", _TIMEOUT_S, say):
        if not _is_whole(folder):  # another process made it meanwhile
            _make(wheels, folder, engine, say)


def _make(wheels: Wheels, folder: Path, engine: ResolvedEngine, say: Callable[[str], None]) -> None:
    if folder.is_dir():
        say(f"the environment in {folder} is not as it was made")
    say(f"making an environment with {wheels.requirement} for {engine.label}; it is kept in {folder}")
    with tempfile.TemporaryDirectory(prefix=".making-", dir=folder.parent) as scratch:
        made = Path(scratch) / "environment"
        _install(wheels, made, engine)
        found = inspect(Interpreter(str(_python_of(made)), str(own_package()), apart=True), engine.label)
        digest = folder_digest(made, (ENVIRONMENT_FILE,))
        manifest = EnvironmentManifest(requirements=wheels.requirements, versions=found.versions(), digest=digest)
        (made / ENVIRONMENT_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(manifest)))
        if folder.is_dir():  # it is not as it was made
            shutil.rmtree(folder)
        put_in_place(made, folder)


def environment_folder(wheels: Wheels) -> Path:
    """Return where the environment with these wheels, for this version of Python, belongs."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    key = hashlib.sha256(json.dumps([wheels.requirements, python]).encode()).hexdigest()[:12]
    return environments_root() / f"{wheels.distribution}-{wheels.version or 'newest'}-{key}"


def installed_here(wheels: Wheels) -> bool:
    """Say whether this interpreter has the very wheel."""
    try:
        found = importlib.metadata.version(wheels.distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return wheels.version in (None, found)


def _given_python(typed: str, engine: str) -> str:
    """Return the absolute path of an interpreter; a name without a folder is looked for among the commands too."""
    path = Path(typed).expanduser()
    if not path.exists() and path.name == typed and (found := shutil.which(typed)):
        path = Path(found)
    asked = f"The engine '{engine}' asks for the interpreter '{typed}'"
    if not path.exists():
        raise EngineUnavailable(f"{asked}, which does not exist. Give the path of a Python, such as venv/bin/python.")
    if path.is_dir():
        inside = _python_of(path)
        raise EngineUnavailable(f"{asked}, which is a folder." + (f" Did you mean '{inside}'?" * inside.exists()))
    if not os.access(path, os.X_OK):
        raise EngineUnavailable(f"{asked}, which cannot be executed.")
    return os.path.abspath(path)  # noqa: PTH100 - the link must be kept: it is what makes an environment one


def _python_of(environment: Path) -> Path:
    return environment / _BIN / f"python{_SUFFIX}"


def _is_whole(folder: Path) -> bool:
    """Whether an environment is as it was made; its contents are looked at once in the life of a process."""
    try:
        content = (folder / ENVIRONMENT_FILE).read_bytes()
        manifest = msgspec.json.decode(content, type=EnvironmentManifest)
        if (folder, content) not in _verified and folder_digest(folder, (ENVIRONMENT_FILE,)) != manifest.digest:
            return False
    except (OSError, msgspec.MsgspecError):
        return False
    _verified.add((folder, content))
    return _python_of(folder).exists()


def _install(wheels: Wheels, made: Path, engine: ResolvedEngine) -> None:
    """Make an environment and install into it, with uv where there is one and with pip otherwise."""
    python = str(_python_of(made))
    uv = _uv()
    if uv:
        create = [uv, "venv", "--quiet", "--python", sys.executable, str(made)]
        install = [uv, "pip", "install", "--quiet", "--python", python]
    else:
        create = [sys.executable, "-m", "venv", str(made)]
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for command in (create, [*install, *wheels.requirements]):
        if complaint := _complaint(command, made.parent):
            raise EngineUnavailable(
                f"The engine '{engine.label}' needs an environment with {wheels.requirement}, which cannot be made: "
                f"{complaint}. Connect to the network, choose a version that exists for Python "
                f"{platform.python_version()}, or give an interpreter that has it: "
                f"{engine.entry.name}[python=venv/bin/python]."
            )


def _uv() -> str | None:
    """Return the uv command, if it works."""
    found = shutil.which("uv")
    return found if found and _complaint([found, "--version"], Path.cwd()) is None else None


def _complaint(command: list[str], folder: Path) -> str | None:
    """Run a command in a folder, where no project's settings apply; return the end of what it says if it fails."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONHOME", "PYTHONPATH")}
    try:
        ended = subprocess.run(
            command,
            cwd=folder,
            env=kept,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if ended.returncode == 0:
        return None
    return complaint_in(ended.stdout.decode(errors="replace")) or (
        f"{Path(command[0]).name} exited with status {ended.returncode}"
    )
