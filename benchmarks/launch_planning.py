"""Simulated studies: how wide intervals are, and how often they hold, with the rules for launches before and now.

    python benchmarks/launch_planning.py                # two Markdown tables, under three minutes
    python benchmarks/launch_planning.py --studies 1000 # steadier figures
    python benchmarks/launch_planning.py --factors      # the tables of runner/expectation.py

A simulated study has one comparison whose true log ratio is 0. Launches scatter by `between`, rounds in a launch by
`within`, both normal. The first launch is the pilot: its slices are long, so that its rounds are few. What a study does
next is decided by the product's own functions (`runner/budget.py`, `runner/expectation.py`, `results/statistics.py`),
or by the rules of commit 666794f, which are written down here as the baseline: launches as long as keeps a given share
of the time inside calls, ranks from six launches on, every launch alike. Nothing is measured; the seed is fixed.
"""

from __future__ import annotations

import argparse
import itertools
import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np

from ortbench.results.statistics import estimate_over_launches, signed_rank_margin
from ortbench.results.variances import MEDIAN_FACTOR, between_variance, within_variance
from ortbench.runner.budget import CellState, GroupState, first_launch_seconds, next_launch
from ortbench.runner.costs import CellCost, min_rounds
from ortbench.runner.expectation import scatter_of

SEED = 20261127
# Standard deviations of launches and of rounds, in percent.
SETTINGS = ((0.7, 2.0), (0.7, 5.0), (2.0, 5.0), (5.0, 5.0))
LENGTHS_S = (30.0, 300.0, 1200.0)
# (starting and preparing, a round of all cells), in s: three engines and three batch sizes, and a small model alone.
MACHINES = ((13.0, 2.6), (3.0, 0.3))
# A round of the pilot, with its long slices, in rounds of later launches.
PILOT_ROUND = 4.0
TARGET, NO_TARGET = 0.02, 1e-6

Launches = list[list[float]]
Bounds = tuple[float, float] | None


@dataclass(frozen=True)
class Machine:
    """The cost of a launch, and how its figures scatter; `between` and `within` are standard deviations."""

    overhead_s: float
    round_s: float
    between: float
    within: float


@dataclass(frozen=True)
class Rules:
    """How a study decides how long its next launch is, and what it makes of them in the end.

    Attributes:
        seconds: of the next launch's rounds, by the launches so far, the time left, all the time, and the target;
            None where the study ends.
        interval: of all launches, on the log scale.
    """

    seconds: Callable[[Machine, Launches, float, float, float], float | None]
    interval: Callable[[Launches], Bounds]


@dataclass(frozen=True)
class Study:
    """How one ended."""

    launches: int
    seconds: float
    bounds: Bounds

    @property
    def half_width(self) -> float | None:
        """Half of the interval's width on the log scale."""
        return None if self.bounds is None else (self.bounds[1] - self.bounds[0]) / 2

    @property
    def holds(self) -> bool:
        """Whether the interval has the truth in it."""
        return self.bounds is not None and self.bounds[0] <= 0 <= self.bounds[1]


def simulate(rules: Rules, machine: Machine, max_time_s: float, target: float, generator: np.random.Generator) -> Study:
    """Run one study until its rules end it."""
    launches: Launches = []
    spent_s, seconds = 0.0, first_launch_seconds(max_time_s, 1)
    round_s = machine.round_s * PILOT_ROUND
    while True:
        rounds = max(min_rounds(round_s), round(seconds / round_s))
        level = generator.normal(0, machine.between)
        launches.append(generator.normal(level, machine.within, rounds).tolist())
        spent_s += machine.overhead_s + rounds * round_s
        round_s = machine.round_s
        planned = rules.seconds(machine, launches, max_time_s - spent_s, max_time_s, target)
        if planned is None:
            return Study(len(launches), spent_s, rules.interval(launches))
        seconds = planned


def new_seconds(machine: Machine, launches: Launches, left_s: float, _: float, target: float) -> float | None:
    """Ask the product."""
    interval = new_interval(launches)
    cell = CellState(
        id="cell",
        cost=CellCost(0.0, machine.round_s),
        launches=len(launches),
        excess=math.inf if interval is None else (interval[1] - interval[0]) / 2 / target,
        rounds=tuple(map(len, launches)),
        scatter=scatter_of(launches),
        target=target,
    )
    planned = next_launch([GroupState(0, machine.overhead_s, (cell,))], left_s)
    return planned.seconds["cell"] if planned else None


def new_interval(launches: Launches) -> Bounds:
    """Return the product's interval."""
    estimate = estimate_over_launches(launches)
    return estimate.log_interval() if estimate else None


def old_seconds(machine: Machine, launches: Launches, left_s: float, max_time_s: float, target: float) -> float | None:
    """Decide as commit 666794f did, for a single cell."""
    interval, done = old_interval(launches), len(launches)
    least_s = min_rounds(machine.round_s) * machine.round_s
    if (interval and done >= 6 and (interval[1] - interval[0]) / 2 <= target) or left_s < machine.overhead_s + least_s:
        return None
    within = within_variance(launches)
    between = between_variance(launches, within)
    rounds = max(1, round(math.sqrt(machine.overhead_s / machine.round_s * MEDIAN_FACTOR * within / between)))
    wanted_s = max(rounds * machine.round_s, least_s)
    spread = math.sqrt(between + MEDIAN_FACTOR * within / rounds)
    medians = [statistics.median(values) for values in launches]
    hopeful = max(1.267 * spread, (max(medians) - min(medians)) / 2) <= 0.8 * target
    if done < 6 and hopeful:
        number = max(1, 6 - done)
        return max(least_s, min(wanted_s, min(left_s / number, left_s) - machine.overhead_s))
    shortest = machine.overhead_s + max(least_s, machine.overhead_s * _measured_per_overhead(max_time_s))
    ideal = max(shortest, machine.overhead_s + wanted_s)
    enough = max(3, min(12, done + int(left_s / shortest)))
    number = max(1, enough - done, int(left_s / ideal))
    return least_s + max(0.0, left_s / number - machine.overhead_s - least_s)


def old_interval(launches: Launches) -> Bounds:
    """Return the interval of commit 666794f: ranks from six launches on, else Student's t that holds every launch."""
    from scipy.special import stdtrit

    medians = [statistics.median(values) for values in launches]
    count = len(medians)
    if count < 2:
        return None
    left_out = signed_rank_margin(count, 0.05)
    if left_out is not None:
        walsh = sorted((one + other) / 2 for one, other in combinations_with_replacement(medians, 2))
        return walsh[left_out], walsh[-1 - left_out]
    half = float(stdtrit(count - 1, 0.975)) * statistics.stdev(medians) / math.sqrt(count)
    mean = statistics.fmean(medians)
    return min(mean - half, *medians), max(mean + half, *medians)


def _measured_per_overhead(max_time_s: float) -> float:
    points = ((60.0, 0.6), (300.0, 2.4), (1200.0, 6.5))
    if max_time_s <= points[0][0]:
        return points[0][1]
    for (left, low), (right, high) in itertools.pairwise(points):
        if max_time_s <= right:
            return low + (high - low) * math.log(max_time_s / left) / math.log(right / left)
    return points[-1][1]


OLD, NEW = Rules(old_seconds, old_interval), Rules(new_seconds, new_interval)


def studies(rules: Rules, machine: Machine, max_time_s: float, target: float, count: int) -> list[Study]:
    """Run so many studies, always the same ones."""
    generator = np.random.default_rng(SEED)
    return [simulate(rules, machine, max_time_s, target, generator) for _ in range(count)]


def machines() -> Iterator[Machine]:
    """Yield every machine of the tables."""
    for overhead_s, round_s in MACHINES:
        for between, within in SETTINGS:
            yield Machine(overhead_s, round_s, between / 100, within / 100)


def summary(found: Sequence[Study]) -> str:
    """Word studies: launches, half-width and the share of intervals that hold the truth."""
    widths = [study.half_width for study in found if study.half_width is not None]
    launches = statistics.median(study.launches for study in found)
    if len(widths) < len(found) / 2:
        return f"{launches:.0f} | none | "
    held = sum(study.holds for study in found) / len(widths)
    return f"{launches:.0f} | {statistics.fmean(widths):.2%} | {held:.1%}"


def print_tables(count: int) -> None:
    """Print what becomes of studies that use all of their time, and of those that stop at a target."""
    print(f"{count} studies a row, seed {SEED}. All of the time is used:\n")
    print("| time | overhead | between / within | launches | half-width | holds | launches | half-width | holds |")
    print("|---|---|---|---|---|---|---|---|---|")
    for length_s in LENGTHS_S:
        for machine in machines():
            old, new = (summary(studies(rules, machine, length_s, NO_TARGET, count)) for rules in (OLD, NEW))
            print(f"| {_place(length_s, machine)} | {old} | {new} |")
    print("\nThe target is 2 %:\n")
    print("| time | overhead | between / within | ends after | holds | ends after | holds |")
    print("|---|---|---|---|---|---|---|")
    for length_s in LENGTHS_S[1:]:
        for machine in machines():
            ended = []
            for rules in (OLD, NEW):
                found = studies(rules, machine, length_s, TARGET, count)
                held = sum(study.holds for study in found) / len(found)
                ended.append(f"{statistics.median(study.seconds for study in found):.0f} s | {held:.1%}")
            print(f"| {_place(length_s, machine)} | {' | '.join(ended)} |")


def _place(length_s: float, machine: Machine) -> str:
    time = f"{length_s:.0f} s" if length_s < 60 else f"{length_s / 60:.0f} min"
    return f"{time} | {machine.overhead_s:.0f} s | {machine.between:.1%} / {machine.within:.0%}"


def print_factors(samples: int = 200_000, most: int = 40) -> None:
    """Print the expected half-width of an interval of normal launches, in their standard deviations."""
    from scipy.special import gammaln, stdtrit

    student = [
        float(stdtrit(n - 1, 0.975) * math.sqrt(2 / (n - 1) / n) * math.exp(gammaln(n / 2) - gammaln((n - 1) / 2)))
        for n in range(2, most + 1)
    ]
    print("Student's t:", ", ".join(f"{factor:.3f}" for factor in student))
    ranks = [_rank_factor(number, samples) for number in range(7, most + 1)]
    print("ranks:", ", ".join(f"{factor:.3f}" for factor in ranks))


def _rank_factor(number: int, samples: int, chunk: int = 10_000) -> float:
    generator = np.random.default_rng(number)
    one, other = map(list, zip(*combinations_with_replacement(range(number), 2), strict=True))
    left_out = signed_rank_margin(number, 0.05) or 0
    total = 0.0
    for _ in range(samples // chunk):
        values = generator.normal(size=(chunk, number))
        walsh = np.sort((values[:, one] + values[:, other]) / 2, axis=1)
        total += float(np.sum(walsh[:, -1 - left_out] - walsh[:, left_out])) / 2
    return total / samples


def main() -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=150, help="of each row")
    parser.add_argument("--factors", action="store_true", help="the tables of runner/expectation.py instead")
    arguments = parser.parse_args()
    if arguments.factors:
        print_factors()
    else:
        print_tables(arguments.studies)


if __name__ == "__main__":
    main()
