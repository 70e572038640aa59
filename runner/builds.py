"""What some engines build before they can be loaded, e.g. a compiled package: once, kept, not on the study's clock."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from ortbench.engines.base import LoadRequest
from ortbench.engines.registry import ResolvedEngine
from ortbench.errors import OrtbenchError, UsageError
from ortbench.export.cache import make_cache_folder
from ortbench.locking import lock_of, locked
from ortbench.runner import job_messages
from ortbench.runner.cpus import choose_cpus
from ortbench.runner.environments import interpreter_for
from ortbench.runner.jobs import longer_hint
from ortbench.runner.process import Worker
from ortbench.units import format_seconds

_BUILD_TIMEOUT_S = 1800.0


@dataclass(frozen=True)
class Build:
    """How a build ended.

    Attributes:
        seconds: it took; None where it was there already.
        failure: why there is none; None where there is.
    """

    seconds: float | None = None
    failure: str | None = None


@dataclass
class Builds:
    """Every build of a study, by engine and thread count and precision.

    Attributes:
        limit_s: how long each may take.
    """

    limit_s: float = _BUILD_TIMEOUT_S
    _made: dict[tuple[str, int, str], Build] = field(default_factory=dict)

    def make(self, engine: ResolvedEngine, request: LoadRequest, say: Callable[[str], None]) -> None:
        """Build what `request` needs, unless the engine builds nothing or it was built in this study."""
        key = _key(engine, request)
        if engine.entry.examines and key not in self._made:
            _run(engine, request, say, self.limit_s)
            self._made[key] = Build()
        if not engine.entry.builds_for(request.precision) or key in self._made:
            return
        say(f"building {engine.label} for {request.threads} threads, unless it was built before")
        build = _run(engine, request, say, self.limit_s)
        self._made[key] = build
        if build.failure:
            say(f"{engine.label} cannot be built: {build.failure}")
        elif build.seconds is not None:
            say(f"built {engine.label} in {format_seconds(build.seconds)}")

    def outcome(self, engine: ResolvedEngine, request: LoadRequest) -> Build:
        """Return how the build ended; an empty answer where nothing was built."""
        return self._made.get(_key(engine, request), Build())


def _run(engine: ResolvedEngine, request: LoadRequest, say: Callable[[str], None], limit_s: float) -> Build:
    try:
        cpus, interpreter = choose_cpus(request.threads), interpreter_for(engine)
        with (
            _alone(engine, request, say, limit_s),
            Worker(f"the build of {engine.label}", cpus, request.threads, interpreter) as worker,
        ):
            question = job_messages.Build(engine=engine.entry.name, request=request)
            built = worker.ask(question, job_messages.Built, limit_s)
    except OrtbenchError as error:
        hint = longer_hint(error, limit_s)
        return Build(failure=f"{str(error).rstrip(' .')}.{hint}" if hint else str(error))
    return Build(seconds=None if built.reused else built.seconds)


@contextmanager
def _alone(engine: ResolvedEngine, request: LoadRequest, say: Callable[[str], None], limit_s: float) -> Iterator[None]:
    """Build while no other process builds the same: whoever comes second finds what the first kept."""
    if not request.cache or not engine.entry.builds_for(request.precision):
        yield
        return
    folder = Path(request.cache)
    make_cache_folder(folder)
    # In which folder a study keeps what it compiles makes no other build.
    asked = (engine.label, msgspec.structs.replace(request, compiled=None))
    name = hashlib.sha256(msgspec.json.encode(asked, order="sorted")).hexdigest()[:16]
    with ExitStack() as held:
        try:
            held.enter_context(locked(lock_of(folder / name), f"The build of {engine.label}", limit_s, say))
        except OSError as error:
            raise UsageError(f"The cache folder '{folder}' cannot be written: {error.strerror}.") from error
        yield


def _key(engine: ResolvedEngine, request: LoadRequest) -> tuple[str, int, str]:
    return engine.label, request.threads, request.precision
