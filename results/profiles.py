"""What is known of each engine's instances: alone, dividing a batch, streaming. Pure functions of a summary."""

from __future__ import annotations

import itertools
from collections.abc import Container, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from ortbench.errors import ResultsError, UsageError, expected_one_of
from ortbench.results.plan import Instance, Profile
from ortbench.results.schema import CellKey
from ortbench.results.summary import ArmSummary, CellSummary, Summary

Objective = Literal["latency", "throughput"]
OBJECTIVES: tuple[Objective, ...] = ("latency", "throughput")

Configuration = tuple[str, str]


@dataclass(frozen=True)
class Measured:
    """What is known of one engine with one allocator: (threads, batch size) -> latency in ms of one instance.

    Attributes:
        alone: with no other instance beside it.
        divided: beside others that divide a batch with it; `streaming`: beside others with batches of their own.
            Of several numbers of instances the figures are those of the most, which have the most company.
        uniform: mode -> (threads, batch size), number of instances -> latency in ms, as equal instances were measured.
        unable: (threads, batch size) that was tried and gave no figure that counts; nothing is assumed there.
    """

    alone: dict[Instance, float] = field(default_factory=dict)
    divided: dict[Instance, float] = field(default_factory=dict)
    streaming: dict[Instance, float] = field(default_factory=dict)
    uniform: dict[str, dict[tuple[Instance, int], float]] = field(default_factory=dict)
    unable: frozenset[Instance] = frozenset()

    def beside_others(self, objective: Objective) -> dict[Instance, float]:
        """Return what an instance takes in company: as measured there, in the objective's mode first; else alone."""
        first, second = (self.divided, self.streaming) if objective == "latency" else (self.streaming, self.divided)
        return self.alone | second | first

    def together(self, objective: Objective) -> dict[tuple[Instance, int], float]:
        """Return what so many equal instances were measured to take, in the objective's mode first."""
        first, second = ("split", "stream") if objective == "latency" else ("stream", "split")
        return self.uniform.get(second, {}) | self.uniform.get(first, {})

    def interpolated(self, most: int) -> Measured:
        """Return the same with the batch sizes between measured ones filled, but for those that were tried in vain.

        Args:
            most: the largest batch size that is of use.
        """
        return replace(
            self,
            alone=interpolate(self.alone, most, self.unable),
            divided=interpolate(self.divided, most, self.unable),
            streaming=interpolate(self.streaming, most, self.unable),
        )


def gather_profiles(summary: Summary, engine: str | None = None) -> dict[Configuration, Measured]:
    """Return (engine, allocator) -> the latencies of instances that ran well.

    An instance of a divided batch is taken to be as slow as the slowest of them, with the largest share.

    Raises:
        UsageError: `engine` is not in the summary.
        ResultsError: the summary holds several models or precisions, which are not one another's alternatives, or
            nothing but cells under a load.
    """
    if engine is not None and engine not in summary.engines:
        raise UsageError(expected_one_of("--engine", summary.engines, engine))
    # What waits in a queue says nothing of how long an instance takes.
    cells = [cell for cell in summary.cells if not cell.load]
    if not cells and summary.cells:
        raise ResultsError(
            "All cells of the results are under a load, whose latencies hold waiting too; a plan needs results of "
            "`ortbench compare` without --load."
        )
    _refuse_mixture([cell.key for cell in cells])
    profiles: dict[Configuration, Measured] = {}
    for cell in sorted(cells, key=lambda cell: cell.instances):
        for arm in cell.arms:
            if not arm.twin and engine in (None, arm.engine):
                name = (arm.engine, cell.allocator)
                profiles[name] = _with(profiles.get(name, Measured()), cell, arm)
    return {name: measured for name, measured in profiles.items() if measured.beside_others("latency")}


def _with(measured: Measured, cell: CellSummary, arm: ArmSummary) -> Measured:
    """Return what is known with one cell more; of several numbers of instances the last counts beside others."""
    size = -(-cell.batch_size // cell.instances) if cell.mode == "split" else cell.batch_size
    place = cell.threads, size
    if arm.status != "ok" or arm.latency_ms is None or arm.latency_ms.median <= 0:
        return replace(measured, unable=measured.unable | {place})
    latency = arm.latency_ms.median
    profile = {"single": measured.alone, "split": measured.divided}.get(cell.mode, measured.streaming)
    profile[place] = latency
    if cell.mode == "stream" or (cell.mode == "split" and cell.batch_size % cell.instances == 0):
        measured.uniform.setdefault(cell.mode, {})[place, cell.instances] = latency
    return measured


def interpolate(profile: Profile, most: int, unable: Container[Instance] = ()) -> dict[Instance, float]:
    """Fill the batch sizes between two measured ones of the same thread count, on the straight line between them.

    Args:
        profile: what was measured.
        most: the largest batch size to be filled; measured ones may be of any size, and the gaps between them too.
        unable: what was tried in vain; nothing is assumed there.
    """
    filled = dict(profile)
    measured: dict[int, list[int]] = {}
    for threads, size in profile:
        measured.setdefault(threads, []).append(size)
    for threads, sizes in measured.items():
        for low, high in itertools.pairwise(sorted(sizes)):
            start, end = profile[threads, low], profile[threads, high]
            for size in range(low + 1, min(high, most + 1)):
                if (threads, size) not in unable:
                    filled[threads, size] = start + (end - start) * (size - low) / (high - low)
    return filled


def _refuse_mixture(keys: Sequence[CellKey]) -> None:
    for what, values in (("models", {key.model for key in keys}), ("precisions", {key.precision for key in keys})):
        if len(values) > 1:
            raise ResultsError(
                f"The results hold several {what}: {', '.join(sorted(values))}. A plan is for one; give results of one."
            )
