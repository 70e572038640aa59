"""What each arm of a study is given to run: engine, lane, file, threads, and how its build ended."""

from __future__ import annotations

import hashlib
import math
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ortbench.engines.base import LoadRequest
from ortbench.export.cache import builds_root
from ortbench.models.files import file_sha256
from ortbench.results.schema import ArmKey, ArtifactRecord, CellKey
from ortbench.runner.allocators import Allocator, parse_allocators
from ortbench.runner.arm import ArmPlan
from ortbench.runner.builds import Builds
from ortbench.runner.jobs import making_limit_s
from ortbench.runner.planning import StudyPlan
from ortbench.runner.topology import places_for


@dataclass
class ArmPlanner:
    """Plans arms, and remembers what is known of each from one launch to the next.

    Attributes:
        plan: the study's.
        artifacts: the ONNX files by precision; empty before they are exported.
        load_s: how long each arm took to import and load when it last did.
        compiled: a folder for what engines compile in this study, made by whoever compiles; None for where their
            libraries keep it.
    """

    plan: StudyPlan
    artifacts: Mapping[str, ArtifactRecord] = field(default_factory=dict)
    load_s: dict[ArmKey, float] = field(default_factory=dict)
    compiled: Path | None = None
    _builds: Builds = field(init=False)
    _sha256s: dict[str, str] = field(default_factory=dict)
    _allocators: dict[str, Allocator] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._builds = Builds(making_limit_s(self.plan.settings.max_time_s))

    def plan_arm(self, key: ArmKey, cell: CellKey) -> ArmPlan:
        """Return what one arm runs in the launch of a cell's group."""
        engine = self.plan.engine(key.engine)
        lane = engine.lane(cell.precision)
        artifact = self.artifacts.get(engine.entry.artifact_precision(lane) or "")
        request = LoadRequest(
            source=self.plan.source,
            artifact=artifact.path if artifact else None,
            target=engine.target,
            threads=cell.threads,
            precision=lane,
            options={name: value for name, value in engine.options.items() if name != "precision"},
            cache=str(builds_root()),
            compiled=self._compiled_by(key, cell),
        )
        build = self._builds.outcome(engine, request)
        return ArmPlan(
            key,
            engine,
            request,
            self.load_s.get(key, math.inf),
            build.seconds,
            build.failure,
            self.plan.settings.allow_fallback,
            self._sha256_of(request.artifact) if request.artifact else None,
            self._allocator(cell.allocator),
            places_for([cell.threads] * cell.instances),
        )

    def forget_compiled(self) -> None:
        """Remove what engines compiled."""
        if self.compiled is not None:
            shutil.rmtree(self.compiled, ignore_errors=True)
        self.compiled = None

    def _compiled_by(self, key: ArmKey, cell: CellKey) -> str | None:
        """Return the folder of one arm: of its twin's the first launch would find everything compiled."""
        name = hashlib.sha256(f"{key}/{cell.launch}".encode()).hexdigest()[:16]
        return str(self.compiled / name) if self.compiled else None

    def build(self, key: ArmKey, cell: CellKey, say: Callable[[str], None]) -> None:
        """Build what an arm needs before it can be loaded, unless this study did so before."""
        planned = self.plan_arm(key, cell)
        self._builds.make(planned.engine, planned.request, say)

    def _allocator(self, label: str) -> Allocator:
        if label not in self._allocators:
            [self._allocators[label]] = parse_allocators(label)
        return self._allocators[label]

    def _sha256_of(self, artifact: str) -> str:
        """Return a file's SHA-256 as it was when this study first asked: engines must load that very file."""
        if artifact not in self._sha256s:
            self._sha256s[artifact] = file_sha256(Path(artifact))
        return self._sha256s[artifact]


def waits_for_export_or_build(planned: ArmPlan) -> bool:
    """Say whether an arm cannot be loaded before something else is there."""
    entry = planned.engine.entry
    return entry.builds_for(planned.request.precision) or (entry.needs_artifact and planned.request.artifact is None)
