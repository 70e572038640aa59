"""What each configuration took in each round, by latency or by throughput. Pure functions of the rounds."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence

from ortbench.results.energy import items_of
from ortbench.results.instances import samples_by_instance
from ortbench.results.pairing import counted
from ortbench.results.schema import RoundRecord
from ortbench.results.statistics import CONFIDENCE

# (launch, round) -> what a slice took, in ns.
SlicesOfOne = dict[tuple[int, int], float]
Slices = Mapping[str, SlicesOfOne]


def slices_by_name(rounds: Sequence[RoundRecord], objective: str, items: Mapping[str, int]) -> dict[str, SlicesOfOne]:
    """Return name -> (launch, round) -> what a slice took: ns a batch, or ns an item where throughput counts.

    Smaller is better in both, so that ratios read alike. Of rounds that the machine's counters spoiled none counts,
    unless they are most of a launch.

    Args:
        rounds: of all contestants; `engine` is the contestant's name.
        objective: `latency` or `throughput`.
        items: name -> items of one call, where the slice itself does not tell.
    """
    by_launch: dict[int, list[RoundRecord]] = defaultdict(list)
    for line in rounds:
        by_launch[line.launch].append(line)
    found: dict[str, SlicesOfOne] = defaultdict(dict)
    for lines in by_launch.values():
        for line in counted(lines):
            took = _latency_ns(line) if objective == "latency" else _ns_per_item(line, items[line.engine])
            found[line.engine][line.launch, line.round] = max(took, 1e-9)
    return dict(found)


def _latency_ns(line: RoundRecord) -> float:
    """Return the typical call's duration, of the slowest instance where each has its own."""
    own = [statistics.median(samples) for samples in samples_by_instance(line) if samples]
    return max(own, default=None) or statistics.median(line.samples_ns)


def _ns_per_item(line: RoundRecord, items: int) -> float:
    return (line.wall_ns or sum(line.samples_ns)) / max(items_of(line, items), 1e-9)


def together(comparisons: int) -> float:
    """Return the confidence of each of so many intervals that hold together in 95 % (Bonferroni).

    What holds for all of them holds for the one that is chosen by the same data, too.
    """
    return 1 - (1 - CONFIDENCE) / max(comparisons, 1)
