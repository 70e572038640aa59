"""One arm of a launch: its process, what it was seen to take, and the line that it leaves in the record."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from ortbench.engines.base import LoadRequest
from ortbench.engines.registry import ResolvedEngine
from ortbench.results.schema import ArmKey, LaunchRecord, SlicePlan, Status
from ortbench.runner import protocol
from ortbench.runner.allocators import SYSTEM, Allocator
from ortbench.runner.memory import ArmMemory
from ortbench.runner.slices import pilot_slices
from ortbench.runner.team import Team
from ortbench.runner.topology import Place, places_for

# What has no column of its own in the record.
_OTHER_EVIDENCE = (
    *("precision", "emulated", "gradients", "convolution_search", "layout", "artifact_sha256", "sessions", "rebound"),
    "compile_cache",
)


@dataclass(frozen=True)
class ArmPlan:
    """What one arm of a group runs.

    Attributes:
        load_s: how long it took to load before; infinite at the first time.
        build_s: what building it took in this study; None where nothing had to be built.
        obstacle: why it cannot be started, if anything.
        allocator: is preloaded into its process.
        allow_fallback: the arm counts, whatever share of its model runs on another provider.
        artifact_sha256: of the ONNX file that it is given, as this process read it; None where it is given none.
        places: where each of its instances runs; one for the threads asked for by default.
        items: how a batch is divided among them; empty for as evenly as can be.
    """

    key: ArmKey
    engine: ResolvedEngine
    request: LoadRequest
    load_s: float = math.inf
    build_s: float | None = None
    obstacle: str | None = None
    allow_fallback: bool = False
    artifact_sha256: str | None = None
    allocator: Allocator = SYSTEM
    places: tuple[Place, ...] = ()
    items: tuple[int, ...] = ()

    @property
    def instances(self) -> tuple[Place, ...]:
        """Where each instance runs."""
        return self.places or places_for([self.request.threads])

    @property
    def cpus(self) -> tuple[int, ...]:
        """Every CPU that it uses."""
        return tuple(sorted(cpu for place in self.instances for cpu in place.cpus))


@dataclass(frozen=True)
class ReferenceOutputs:
    """What an arm's outputs must agree with.

    Attributes:
        engine: that gave them.
        path: their .npz file; None where nothing is compared.
        batches: of the full check before the first timing, batch 0 first; empty for none.
        wanted_inputs: how many inputs it should have.
        limit_s: how long it may take.
    """

    engine: str
    path: Path | None
    batches: tuple[Path, ...] = ()
    wanted_inputs: int = 0
    limit_s: float = 0.0


@dataclass
class Arm:
    """A running arm; its team is None once it has failed."""

    plan: ArmPlan
    team: Team | None
    loaded: protocol.Loaded | None = None
    slices: SlicePlan = field(default_factory=lambda: SlicePlan(lead_in=0, calls=1))
    call_s_per_item: float = 0.0
    peak_mib: float = 0.0
    per_item_mib: float = 0.0

    @property
    def memory(self) -> ArmMemory:
        """What the process was seen to use."""
        loaded = (self.loaded.memory_mib if self.loaded else None) or 0.0
        return ArmMemory(loaded, max(self.peak_mib, loaded), self.per_item_mib)

    @property
    def running_team(self) -> Team:
        """The processes of an arm that has not failed."""
        assert self.team is not None, "a failed arm takes no further part"
        return self.team

    def has_loaded(self, answers: Sequence[protocol.Loaded]) -> None:
        """Take what its instances say of their loading: the longest times, and all their memory."""
        memory = [answer.memory_mib for answer in answers if answer.memory_mib is not None]
        self.loaded = protocol.Loaded(
            import_s=max(answer.import_s for answer in answers),
            load_s=max(answer.load_s for answer in answers),
            memory_mib=sum(memory) if memory else None,
        )

    def expect(self, prepared: protocol.Prepared, batch_size: int, slices: SlicePlan | None) -> None:
        """Take from the warm-up how long a call is; without a plan, that is all there is to make slices up by."""
        call_ns = statistics.median(prepared.warm_up_ns[-3:] or (prepared.first_call_ns,))
        self.slices = slices or pilot_slices(call_ns)
        self.call_s_per_item = call_ns / 1e9 / batch_size
        self.peak_mib = prepared.memory_mib or 0.0
        self.per_item_mib = max(0.0, self.peak_mib - self.memory.loaded_mib) / batch_size

    def fail(self) -> None:
        """End its processes; the arm takes no further part in this launch."""
        if self.team is not None:
            self.team.kill()
            self.team = None

    def record(
        self, launch: int, cell_id: str, status: Status, reason: str | None, prepared: protocol.Prepared | None
    ) -> LaunchRecord:
        """Return the line of one launch's record; without `prepared`, of an arm that did not get so far."""
        record = LaunchRecord(
            cell=cell_id,
            launch=launch,
            engine=self.plan.key.engine,
            twin=self.plan.key.twin,
            status=status,
            reason=reason,
            import_s=self.loaded.import_s if self.loaded else None,
            load_s=self.loaded.load_s if self.loaded else None,
            build_s=self.plan.build_s,
        )
        if prepared is None:
            return record
        evidence = prepared.evidence
        return msgspec.structs.replace(
            record,
            first_call_ns=prepared.first_call_ns,
            warm_up_ns=prepared.warm_up_ns,
            steady=prepared.steady,
            threads=evidence.threads,
            affinity=prepared.affinity,
            os_threads=prepared.os_threads,
            allocator=prepared.allocator,
            memory_mib=prepared.memory_mib,
            versions=evidence.versions,
            boundary=evidence.boundary,
            parity=msgspec.to_builtins(prepared.parity),
            placement=msgspec.to_builtins(evidence.placement),
            pss_mib=prepared.pss_mib,
            gpu_memory_mib=prepared.gpu_memory_mib,
            evidence={name: msgspec.to_builtins(getattr(evidence, name)) for name in _OTHER_EVIDENCE}
            | {"busy_threads": prepared.busy_threads}
            | self._tunables(prepared),
        )

    def _tunables(self, prepared: protocol.Prepared) -> dict[str, dict[str, int]]:
        """Return glibc's settings that the allocator was to have, as they really are; nothing where there are none."""
        asked = self.plan.allocator.environment.get("GLIBC_TUNABLES", "")
        kept = {name: value for name, value in prepared.tunables.items() if f".{name}=" in asked}
        return {"tunables": kept} if kept else {}
