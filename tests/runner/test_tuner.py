"""Races over known grids on a simulated machine: noise, spells, bursts, processes that differ for life."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

import pytest
from scipy.stats import binom

from ortbench.results.race import Setting
from ortbench.results.racing import Race
from ortbench.results.tuning import Bounds, Tuning
from ortbench.runner.tuner import Tuner
from tests.runner.simulated_track import SimulatedTrack

# ms an item at batch size 1, and at 16 with the system's allocator and with tcmalloc; seconds to start a process.
ENGINES = {"torch": (77, 88, 56, 4.5), "torchscript": (53, 44, 40, 5.0), "ort": (39, 39.3, 38.6, 1.0)}
LAYOUTS = {(1, 1): 1.85, (2, 1): 1.0, (1, 2): 0.97}


def grid(seed: int) -> dict[Setting, float]:
    """Return ResNet50's 54 configurations as they are on two CPUs, each with what it takes for an item in ms."""
    chance, found = random.Random(seed), {}
    for engine, allocator, (threads, instances), size in product(ENGINES, ("default", "tcmalloc"), LAYOUTS, (1, 4, 16)):
        one, default, tcmalloc, _ = ENGINES[engine]
        many = default if allocator == "default" else tcmalloc
        share = {1: 0.0, 4: 0.5, 16: 1.0}[size]
        item_ms = ((1 - share) * one + share * many) * LAYOUTS[threads, instances] * math.exp(chance.gauss(0, 0.04))
        mode = "single" if instances == 1 else "stream"
        setting = Setting(
            engine=engine, allocator=allocator, threads=threads, instances=instances, mode=mode, batch_size=size
        )
        found[setting] = item_ms
    return found


@dataclass
class Outcome:
    """A simulated race."""

    race: Race
    tuning: Tuning
    said: list[str]
    truth: dict[str, float]

    @property
    def loss(self) -> float:
        """How many times slower the winner is than the best."""
        assert self.tuning.best is not None
        return self.truth[self.tuning.best.name] / min(self.truth.values())

    @property
    def gain(self) -> float:
        """How many times better than the winner the best of those that were kept really is."""
        assert self.tuning.best is not None
        kept = [self.truth[trial.setting.name] for trial in self.tuning.of_state("best", "kept")]
        return self.truth[self.tuning.best.name] / min(kept)


def run(
    seed: int,
    max_time_s: float = 400,
    bounds: Bounds | None = None,
    failing: Mapping[str, str] | None = None,
    fitting: int = 6,
) -> Outcome:
    truth = {one.name: item_ms for one, item_ms in grid(seed).items()}
    start_s = {engine: figures[3] for engine, figures in ENGINES.items()}
    simulated = SimulatedTrack(truth, seed, start_s=start_s, failing=failing, fitting=fitting)
    race, said = Race(list(grid(seed)), "throughput", bounds or Bounds()), list[str]()
    tuner = Tuner(race, simulated, max_time_s, said.append)
    tuner.run()
    return Outcome(race, race.conclude("m", tuner.seconds), said, truth)


def test_the_best_is_hardly_ever_ruled_out_and_the_winner_is_nearly_always_as_good() -> None:
    """400 s are a third of what measuring the whole grid takes.

    Of 600 races 3.5 % ruled the best out, 96 % had a winner within 2 % of it, and the confidence held in 98 %. Which of
    them do depends on the last digit of a logarithm, and so on the processor: hence what 5 % may come to in 100.
    """
    outcomes = [run(seed) for seed in range(100)]
    most = int(binom.ppf(0.999, len(outcomes), 0.05))
    ruled_out = sum(min(one.truth, key=one.truth.__getitem__) in one.race.out for one in outcomes)
    assert ruled_out <= most
    assert sum(one.loss > 1.02 for one in outcomes) <= most
    # What it says of its own confidence holds, too.
    assert sum(one.gain > (one.tuning.at_most_better or 0) for one in outcomes) <= most
    # Most of the grid is ruled out by intervals, and the time is kept to but for the configuration under way.
    assert statistics.fmean(len(one.tuning.of_state("ruled out")) for one in outcomes) > 35
    assert max(one.tuning.seconds for one in outcomes) < 430


def test_a_short_time_still_gives_an_answer_and_says_how_little_is_known() -> None:
    outcome = run(1, max_time_s=20)
    assert outcome.tuning.best is not None
    assert outcome.tuning.seconds < 45
    assert len(outcome.tuning.of_state("not tried")) > 40
    assert all(trial.predicted_ratio is not None for trial in outcome.tuning.of_state("not tried"))


def test_much_time_is_not_used_up_once_everything_is_known() -> None:
    outcome = run(2, max_time_s=3600)
    assert outcome.tuning.of_state("not tried") == []
    assert outcome.tuning.at_most_better is not None
    assert outcome.tuning.at_most_better < 1.025
    assert outcome.tuning.seconds < 3000
    assert outcome.loss < 1.02


def test_who_fails_leaves_the_rest_and_is_tried_once() -> None:
    failing = {one.name: "it was killed" for one in grid(3) if one.engine == "ort" and one.batch_size > 1}
    outcome = run(3, failing=failing)
    failed = outcome.tuning.of_state("failed")
    assert {trial.setting.name for trial in failed} == failing.keys()
    assert outcome.tuning.best is not None
    able = {name: took for name, took in outcome.truth.items() if name not in failing}
    assert outcome.truth[outcome.tuning.best.name] < 1.02 * min(able.values())


def test_where_everything_fails_the_race_ends() -> None:
    outcome = run(4, failing={one.name: "no" for one in grid(4)})
    assert outcome.tuning.best is None
    assert len(outcome.tuning.of_state("failed")) == 54


@pytest.mark.parametrize("fitting", [2, 3])
def test_who_had_no_room_beside_others_gets_another_turn_beside_fewer(fitting: int) -> None:
    outcome = run(6, max_time_s=1200, fitting=fitting)
    assert outcome.tuning.of_state("failed", "not tried") == []
    assert outcome.loss < 1.02


def test_who_broke_a_bound_does_not_run_along_as_a_member_of_the_leaders_family() -> None:
    outcome = run(7, bounds=Bounds(max_latency_ms=60))
    slow = [one for one in outcome.tuning.of_state("ruled out") if one.setting.batch_size == 16]
    assert {(one.launches, one.ruling and one.ruling.kind) for one in slow} == {(1, "latency")}


@pytest.mark.parametrize("seed", range(3))
def test_a_bound_on_latency_is_kept(seed: int) -> None:
    outcome = run(seed, bounds=Bounds(max_latency_ms=60))
    best = outcome.tuning.best
    assert best is not None
    assert outcome.truth[best.name] * best.items <= 66
    keeping = [outcome.truth[one.name] for one in grid(seed) if outcome.truth[one.name] * one.items <= 60]
    assert outcome.truth[best.name] <= 1.02 * min(keeping)
    assert {trial.ruling.kind for trial in outcome.tuning.of_state("ruled out") if trial.ruling} >= {"latency", "rival"}


def test_a_bound_that_nobody_keeps_ends_without_a_winner() -> None:
    outcome = run(5, bounds=Bounds(max_latency_ms=1))
    assert outcome.tuning.best is None
    assert len(outcome.tuning.of_state("ruled out")) == 54
    assert outcome.tuning.seconds < 430


def test_each_step_is_told() -> None:
    said = run(0, max_time_s=120).said
    assert said[0].startswith("looked at torch, 1 x 1 thread; ")
    assert all(" in the race, " in line and " s left" in line for line in said)
