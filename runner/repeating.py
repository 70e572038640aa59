"""Contestants against each other for a given time, in as many launches as that allows."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ortbench.results.schema import RoundRecord
from ortbench.runner.budget import best_length_s
from ortbench.runner.contest import Contest, Contestant

_LEAST_ROUNDS_S = 3.0


@dataclass
class Repeated:
    """What the launches gave.

    Attributes:
        rounds: a line for each slice; `engine` is the contestant's name.
        failures: name -> why it took no further part.
        launches: that were begun.
    """

    rounds: list[RoundRecord] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    launches: int = 0
    interrupted: bool = False


def repeat(
    contest: Contest,
    contestants: Sequence[Contestant],
    max_time_s: float,
    say: Callable[[str], None],
    keep: Callable[[Repeated], object],
) -> Repeated:
    """Run launches of all contestants for so many seconds, at least one; an interruption ends it early.

    Who fails takes no part in the launches that follow.

    Args:
        contest: runs launches.
        contestants: all of them side by side.
        max_time_s: launches included, without the time for which one that hung was waited for.
        say: is told how far it is.
        keep: is given what there is after each launch.
    """
    began, found, seconds = time.perf_counter(), Repeated(), _LEAST_ROUNDS_S
    try:
        while running := [one for one in contestants if one.engine not in found.failures]:
            launched, lost_s = time.perf_counter(), contest.lost_s
            _launch(contest, running, seconds, found)
            keep(found)
            left_s = max_time_s + contest.lost_s - (time.perf_counter() - began)
            say(f"launch {found.launches}: {len(found.rounds)} slices so far, {max(left_s, 0):.0f} s left")
            # Who hung takes no further part, and will not be waited for again.
            took_s = time.perf_counter() - launched - (contest.lost_s - lost_s)
            overhead_s = max(took_s - seconds, 0.0)
            if left_s < overhead_s + _LEAST_ROUNDS_S:
                break
            round_s = seconds / max(len({line.round for line in found.rounds}) / found.launches, 1)
            length_s = best_length_s(left_s, overhead_s, [(_LEAST_ROUNDS_S, round_s)], found.launches)
            seconds = min(max(_LEAST_ROUNDS_S, length_s - overhead_s), left_s - overhead_s)
    except KeyboardInterrupt:
        found.interrupted = True
    return found


def _launch(contest: Contest, running: Sequence[Contestant], seconds: float, found: Repeated) -> None:
    """Run one launch; what it measured counts also where it is cut short."""
    found.launches += 1
    with contest.bout(running) as bout:
        try:
            # Without a deadline: a launch is planned to fit, and everybody is in it, or nobody is compared.
            bout.run(running, seconds)
        finally:
            found.rounds += bout.rounds
            found.failures |= {name: reason for (name, _), reason in bout.failures.items()}
