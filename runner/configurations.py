"""What has to be there before configurations can run against each other: artifacts, builds, the reference."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack

import msgspec

from ortbench.results.plan import Instance
from ortbench.results.race import Setting
from ortbench.results.schema import ArmKey, ArtifactRecord, CellKey
from ortbench.runner.arm_plans import ArmPlanner
from ortbench.runner.contest import Contestant
from ortbench.runner.jobs import Reference, loading_limit_s, reference_limit_s
from ortbench.runner.planning import StudyPlan
from ortbench.runner.topology import places_for


@dataclasses.dataclass(frozen=True, kw_only=True)
class Configuration:
    """One way to run a model.

    Attributes:
        name: unique in a contest.
        engine: its spelling, one of the plan's.
        instances: (threads, items of one call) of every instance.
        mode: `single`, `split` or `stream`.
    """

    name: str
    engine: str
    allocator: str = "default"
    instances: tuple[Instance, ...]
    mode: str

    @property
    def own_batches(self) -> bool:
        """Whether each instance runs batches of one size of its own, rather than its part of a larger one."""
        return self.mode != "split" and len({items for _, items in self.instances}) == 1

    @property
    def batch_size(self) -> int:
        """Of the cell: each instance's where that is one size, else all of them together."""
        sizes = [items for _, items in self.instances]
        return sizes[0] if self.own_batches else sum(sizes)


def open_reference(stack: ExitStack, plan: StudyPlan) -> Reference | None:
    """Start what gives the expected outputs, until the stack ends; None where nothing is compared."""
    if not plan.needs_reference:
        return None
    precision = "fp64" if plan.settings.reference == "float64" else "fp32"
    limit_s, loading_s = reference_limit_s(plan.settings.max_time_s), loading_limit_s(plan.settings.max_time_s)
    return stack.enter_context(Reference(plan.reference, plan.source, precision, limit_s, loading_s))


class ContestantMaker:
    """Turns configurations into contestants; builds what an engine needs once."""

    def __init__(self, plan: StudyPlan, artifacts: dict[str, ArtifactRecord], say: Callable[[str], None]) -> None:
        """Take what the plan's engines run.

        Args:
            plan: names the model, the lane and the engines.
            artifacts: the ONNX files by precision.
            say: is told what is built.
        """
        self.artifacts = artifacts
        self._plan = plan
        self._planner = ArmPlanner(plan, artifacts)
        self._say = say

    def build(self, settings: Sequence[Setting]) -> None:
        """Build what engines need before they can be loaded."""
        for one in settings:
            cell = one.cell(self._plan.source.name, self._plan.settings.precision)
            self._planner.build(ArmKey(one.engine), cell, self._say)

    def family(self, settings: Sequence[Setting], name: str) -> list[Contestant]:
        """Return contestants that share their processes: settings that differ in the batch size only.

        Args:
            settings: at least one.
            name: of the processes, unique in a launch.
        """
        cells = [one.cell(self._plan.source.name, self._plan.settings.precision) for one in settings]
        key = ArmKey(settings[0].engine)
        self._planner.build(key, cells[0], self._say)
        planned = dataclasses.replace(self._planner.plan_arm(key, cells[0]), key=ArmKey(name))
        return [Contestant(planned, cell, key.engine) for cell in cells]

    def make(self, configurations: Sequence[Configuration]) -> list[Contestant]:
        """Return contestants in the order of the configurations."""
        return [self._make(one) for one in configurations]

    def _make(self, one: Configuration) -> Contestant:
        cell = CellKey(
            model=self._plan.source.name,
            precision=self._plan.settings.precision,
            batch_size=one.batch_size,
            threads=one.instances[0][0],
            instances=len(one.instances),
            mode=one.mode,
            allocator=one.allocator,
        )
        key = ArmKey(one.engine)
        self._planner.build(key, cell, self._say)
        planned = self._planner.plan_arm(key, msgspec.structs.replace(cell, instances=1))
        threads, items = zip(*one.instances, strict=True)
        return Contestant(
            dataclasses.replace(
                planned,
                key=ArmKey(one.name),
                load_s=math.inf,
                places=places_for(threads),
                items=() if one.own_batches else items,
            ),
            cell,
            one.name,
        )
