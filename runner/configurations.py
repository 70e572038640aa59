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
from ortbench.runner.arm import ArmPlan
from ortbench.runner.arm_plans import ArmPlanner
from ortbench.runner.contest import Contestant
from ortbench.runner.jobs import Reference
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
    def batch_size(self) -> int:
        """Items of all instances together in one call of each; what is one batch where it is divided."""
        return sum(items for _, items in self.instances)


def open_reference(stack: ExitStack, plan: StudyPlan) -> Reference | None:
    """Start what gives the expected outputs, until the stack ends; None where nothing is compared."""
    if not plan.needs_reference:
        return None
    precision = "fp64" if plan.settings.reference == "float64" else "fp32"
    return stack.enter_context(Reference(plan.reference, plan.source, precision))


class ContestantMaker:
    """Turns configurations into contestants; builds what an engine needs once."""

    def __init__(self, plan: StudyPlan, artifacts: dict[str, ArtifactRecord], say: Callable[[str], None]) -> None:
        """Take what the plan's engines run.

        Args:
            plan: names the model, the lane and the engines.
            artifacts: the ONNX files by precision.
            say: is told what is built.
        """
        self._plan = plan
        self._planner = ArmPlanner(plan, artifacts)
        self._say = say

    def family(self, settings: Sequence[Setting]) -> list[Contestant]:
        """Return contestants that share their processes: settings of one family, each with its batch size."""
        planned: ArmPlan | None = None
        contestants = []
        for one in settings:
            cell = CellKey(
                model=self._plan.source.name,
                precision=self._plan.settings.precision,
                batch_size=one.batch_size,
                threads=one.threads,
                instances=one.instances,
                mode=one.mode,
                allocator=one.allocator,
            )
            if planned is None:
                self._planner.build(ArmKey(one.engine), cell, self._say)
                planned = self._planner.plan_arm(ArmKey(one.engine), cell)
                planned = dataclasses.replace(planned, key=ArmKey(one.family))
            contestants.append(Contestant(planned, cell))
        return contestants

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
                items=items if len(items) > 1 else (),
            ),
            cell,
        )
