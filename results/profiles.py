"""What is known of each engine's instances: alone, dividing a batch, streaming. Pure functions of a summary."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ortbench.errors import ResultsError, UsageError, expected_one_of
from ortbench.results.plan import Instance, Profile
from ortbench.results.schema import CellKey
from ortbench.results.summary import Summary

Objective = Literal["latency", "throughput"]
OBJECTIVES: tuple[Objective, ...] = ("latency", "throughput")

Configuration = tuple[str, str]


@dataclass(frozen=True)
class Measured:
    """What is known of one engine with one allocator: (threads, batch size) -> latency in ms of one instance.

    Attributes:
        alone: with no other instance beside it.
        divided: beside others that divide a batch with it; `streaming`: beside others with batches of their own.
    """

    alone: dict[Instance, float] = field(default_factory=dict)
    divided: dict[Instance, float] = field(default_factory=dict)
    streaming: dict[Instance, float] = field(default_factory=dict)

    def beside_others(self, objective: Objective) -> dict[Instance, float]:
        """Return what an instance takes in company: as measured there, in the objective's mode first; else alone."""
        first, second = (self.divided, self.streaming) if objective == "latency" else (self.streaming, self.divided)
        return self.alone | second | first

    def map(self, change: Callable[[Profile], dict[Instance, float]]) -> Measured:
        """Return all three, changed."""
        return Measured(change(self.alone), change(self.divided), change(self.streaming))


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
            wanted = not arm.twin and engine in (None, arm.engine)
            if wanted and arm.status == "ok" and arm.latency_ms is not None and arm.latency_ms.median > 0:
                measured = profiles.setdefault((arm.engine, cell.allocator), Measured())
                # Of several numbers of instances the largest counts: it has the most company.
                profile = {"single": measured.alone, "split": measured.divided}.get(cell.mode, measured.streaming)
                size = -(-cell.batch_size // cell.instances) if cell.mode == "split" else cell.batch_size
                profile[cell.threads, size] = arm.latency_ms.median
    return profiles


def interpolate(profile: Profile) -> dict[tuple[int, int], float]:
    """Fill the batch sizes between two measured ones of the same thread count, on the straight line between them."""
    filled = dict(profile)
    for threads in {place[0] for place in profile}:
        sizes = sorted(size for own, size in profile if own == threads)
        for low, high in itertools.pairwise(sizes):
            start, end = profile[threads, low], profile[threads, high]
            for size in range(low + 1, high):
                filled[threads, size] = start + (end - start) * (size - low) / (high - low)
    return filled


def _refuse_mixture(keys: Sequence[CellKey]) -> None:
    for what, values in (("models", {key.model for key in keys}), ("precisions", {key.precision for key in keys})):
        if len(values) > 1:
            raise ResultsError(
                f"The results hold several {what}: {', '.join(sorted(values))}. A plan is for one; give results of one."
            )
