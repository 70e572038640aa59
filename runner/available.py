"""Which engines can run here, each asked in the interpreter that it would run in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from ortbench.engines.base import Availability
from ortbench.engines.environment import GivenPython, Wheels
from ortbench.engines.registry import ResolvedEngine
from ortbench.errors import ArmError, EngineUnavailable
from ortbench.results.versions import name_elsewhere
from ortbench.runner.environments import interpreter_for, make_environment, unmade
from ortbench.runner.interpreter import THIS, Interpreter, inspect
from ortbench.runner.jobs import probe_targets


@dataclass(frozen=True)
class Available:
    """The engines that can run here.

    Attributes:
        engines: those that can; of an environment that is not made yet it is supposed.
        versions: of what runs in other interpreters; see `results/versions.py`.
        to_make: a line for each environment that is not there yet, or was not asked.
    """

    engines: tuple[ResolvedEngine, ...]
    versions: dict[str, str]
    to_make: tuple[str, ...] = ()


def find_available(
    engines: Sequence[ResolvedEngine], optional: set[str], say: Callable[[str], None], *, make: bool
) -> Available:
    """Return the engines that can run here, and what of them runs in other interpreters.

    Args:
        engines: everything asked for.
        optional: names written with `:*`, whose targets may be missing; no environment is made for these.
        say: is told of each environment that is made.
        make: make environments that are missing, and ask interpreters that were given. Otherwise, in a dry run, no
            program that was given is started.

    Raises:
        EngineUnavailable: one that was asked for by name cannot run; the message says what is there and what
            would add it.
    """
    wanted = [engine for engine in engines if engine.entry.name not in optional or not _newest(engine)]
    if make:
        for engine in wanted:
            make_environment(engine, say)
    given = [] if make else [engine for engine in wanted if isinstance(engine.environment, GivenPython)]
    for engine in given:
        interpreter_for(engine)
    later = [engine for engine in wanted if engine in given or unmade(engine)]
    asked = [engine for engine in engines if engine not in later]
    answers = dict(zip([engine.label for engine in asked], probe_engines(asked), strict=True))
    kept = [engine for engine in engines if engine in later or answers[engine.label].available]
    for engine in asked:
        if not answers[engine.label].available and engine.entry.name not in optional:
            raise _unavailable(engine, answers[engine.label], [other.label for other in kept])
    versions: dict[str, str] = {}
    for engine in kept:
        if engine not in later:
            versions |= _versions_elsewhere(engine, answers[engine.label])
    return Available(tuple(kept), versions, tuple(_to_come(engine) for engine in later))


def probe_engines(engines: Sequence[ResolvedEngine]) -> list[Availability]:
    """Ask whether each engine can run here, in one worker for each interpreter; no environment is made for it.

    Raises:
        EngineUnavailable: an interpreter that was given is none that a worker can run in.
    """
    answers = {engine.label: _not_made(engine) for engine in engines if unmade(engine)}
    by_interpreter: dict[Interpreter, list[ResolvedEngine]] = {}
    for engine in engines:
        if engine.label not in answers:
            by_interpreter.setdefault(interpreter_for(engine), []).append(engine)
    for interpreter, group in by_interpreter.items():
        answers |= zip([engine.label for engine in group], _probe(interpreter, group), strict=True)
    return [answers[engine.label] for engine in engines]


def _probe(interpreter: Interpreter, group: Sequence[ResolvedEngine]) -> list[Availability]:
    targets = [(engine.entry.name, engine.target) for engine in group]
    if interpreter == THIS:
        return probe_targets(targets)
    inspect(interpreter, group[0].label)
    try:
        found = probe_targets(targets, interpreter)
    except ArmError as error:
        raise EngineUnavailable(
            f"The engine '{group[0].label}' cannot be asked in '{interpreter.executable}': {error}"
        ) from error
    # What would add it here says nothing about there.
    remedy = f"install it into the environment of '{interpreter.executable}'"
    return [answer if answer.available else msgspec.structs.replace(answer, remedy=remedy) for answer in found]


def _not_made(engine: ResolvedEngine) -> Availability:
    return Availability(
        reason=f"it runs in an environment of its own, with {_requirement(engine)}, which is not made yet",
        remedy=f"ortbench compare --engines '{engine.label}', which makes it",
    )


def _unavailable(engine: ResolvedEngine, answer: Availability, others: Sequence[str]) -> EngineUnavailable:
    return EngineUnavailable(
        f"The engine '{engine.label}' cannot run here: {answer.reason}. To add it: {answer.remedy}. "
        + (f"Of those asked for, [{', '.join(others)}] can run. " if others else "")
        + "`ortbench engines` lists all."
    )


def _versions_elsewhere(engine: ResolvedEngine, answer: Availability) -> dict[str, str]:
    """Return the versions of an engine that runs in another interpreter, by names that tell so; none otherwise."""
    interpreter = interpreter_for(engine)
    if interpreter == THIS:
        return {}
    versions = inspect(interpreter, engine.label).versions()
    if answer.version and engine.entry.libraries:
        # What the module itself says: it may have been built from source, and be no distribution.
        versions[engine.entry.libraries[0]] = answer.version
    return {name_elsewhere(name, engine.label): version for name, version in versions.items()}


def _to_come(engine: ResolvedEngine) -> str:
    if isinstance(engine.environment, GivenPython):
        return f"asking   nothing of {engine.label} before the study, as a dry run starts no interpreter that was given"
    return f"making   {engine.label} runs in an environment with {_requirement(engine)}, to be made first"


def _newest(engine: ResolvedEngine) -> bool:
    return isinstance(engine.environment, Wheels) and engine.environment.version is None


def _requirement(engine: ResolvedEngine) -> str:
    return engine.environment.requirement if isinstance(engine.environment, Wheels) else ""
