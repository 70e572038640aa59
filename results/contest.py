"""Who won: configurations that ran in the same rounds, by latency or by throughput. Pure functions of the rounds."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence

from ortbench.results.energy import items_of
from ortbench.results.pairing import counted
from ortbench.results.schema import RoundRecord
from ortbench.results.statistics import LogEstimate, estimate_over_launches, paired_log_ratios

_Slices = dict[tuple[int, int], float]


def slices_by_name(rounds: Sequence[RoundRecord], objective: str, items: Mapping[str, int]) -> dict[str, _Slices]:
    """Return name -> (launch, round) -> what a slice took: ns a batch, or ns an item where throughput counts.

    Smaller is better in both, so that ratios read alike.

    Args:
        rounds: of all contestants.
        objective: `latency` or `throughput`.
        items: name -> items of one call, where the slice itself does not tell.
    """
    found: dict[str, _Slices] = defaultdict(dict)
    for line in counted(rounds):
        if objective == "latency":
            value = statistics.median(line.samples_ns)
        else:
            value = (line.wall_ns or sum(line.samples_ns)) / max(items_of(line, items[line.engine]), 1e-9)
        found[line.engine][line.launch, line.round] = max(value, 1e-9)
    return dict(found)


def absolute(slices: _Slices) -> LogEstimate | None:
    """Return the estimate of what a slice takes, over launches."""
    by_launch: dict[int, list[float]] = defaultdict(list)
    for (launch, _), value in slices.items():
        by_launch[launch].append(math.log(value))
    return estimate_over_launches(list(by_launch.values()))


def advantage(slices: Mapping[str, _Slices], name: str, over: str) -> LogEstimate | None:
    """Return how many times better `name` is than `over`, paired by round; None where they never met."""
    return estimate_over_launches(paired_log_ratios(slices.get(over, {}), slices.get(name, {})))


def best(slices: Mapping[str, _Slices]) -> str | None:
    """Return the name of the one that does best against the others, pair by pair; None where nothing was measured."""
    figures = {name: estimate.center for name, own in slices.items() if (estimate := absolute(own))}
    ranked = sorted(figures, key=figures.__getitem__)
    if not ranked:
        return None
    leader = ranked[0]
    for name in ranked[1:]:
        # Paired ratios cancel spells that absolute figures do not.
        estimate = advantage(slices, name, leader)
        if estimate is not None and estimate.center > 0:
            leader = name
    return leader


def beaten(estimate: LogEstimate | None, by: float = 1.0) -> bool:
    """Say whether an advantage of somebody over a rival is sure: its whole interval lies above `by`."""
    interval = estimate.interval() if estimate else None
    return interval is not None and interval[0] > by
