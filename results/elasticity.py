"""How an arm's latency follows the baseline's from round to round. Pure; docs/statistics.md says the same for readers.

The machine's state changes while a study runs, and engines need not feel it alike. The elasticity is the slope of
log(arm's latency) on log(baseline's latency) over the rounds of a launch: at 1 the speedup is the same in every state;
at 0.5 the arm slows down by half as much as the baseline, so that the speedup is larger where the machine is slow.

The estimate is Theil and Sen's: the slope at which Kendall's statistic of the residuals is zero. The interval holds the
slopes at which it is not significant. Their statistic pairs residuals with the baseline itself, whose own noise pulls
the slope to 0: on real rounds a twin reads 0.1 to 0.6 on its own baseline, where 1 is right. So residuals are paired
with the baseline's *twin* in the same rounds, a second reading of the same state whose noise is its own: an
instrumental variable. Pairs of rounds are made within launches only. Where the twin does not tell the state, the
interval has no end, and there is no elasticity.

Sources: Sen, Estimates of the Regression Coefficient Based on Kendall's Tau, 1968; Imbens and Rosenbaum, Robust,
Accurate Confidence Intervals with a Weak Instrument, 2005 (permutation inference with an instrument).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from ortbench.results.pairing import by_arm, counted, latencies
from ortbench.results.schema import ArmKey, RoundRecord

if TYPE_CHECKING:
    import numpy as np

# (launch, round) -> latency of the slice in ns.
Latencies = Mapping[tuple[int, int], float]

_Z95 = 1.959964
# Kendall's statistic is near normal from ten on; a slope of so few rounds is of no use.
_FEWEST_ROUNDS = 20
_FEWEST_IN_A_LAUNCH = 3
# A wider interval tells nothing of an elasticity, which is rarely beyond 0 and 2.
_WIDEST = 2.0
# All launches together; more rounds are thinned out, as the live table asks for this once a second.
_MOST_PAIRS = 20_000


class Elasticity(msgspec.Struct, frozen=True, kw_only=True):
    """How an arm's latency follows the baseline's.

    Attributes:
        slope: of log(arm) on log(baseline) over rounds: 1 where the speedup is the same in every state.
        ci95: its interval.
        corrected: whether the twin was there to take the baseline's own noise out; else the slope is too near 0.
        rounds: that it is of.
        baseline_spread: how far the baseline's latency moved: its 90th percentile over its 10th, less 1.
    """

    slope: float
    ci95: tuple[float, float]
    corrected: bool
    rounds: int
    baseline_spread: float

    @property
    def off_one(self) -> bool:
        """Whether it is shown that the speedup depends on the machine's state.

        Noise only pulls a slope down, so that one which is not corrected shows it from above only.
        """
        low, high = self.ci95
        return low > 1 or (self.corrected and high < 1)


def cell_elasticities(lines: Sequence[RoundRecord], baseline: str) -> dict[ArmKey, Elasticity]:
    """Return the elasticity of every arm of a cell of which it can be told; the baseline and its twin have none.

    Args:
        lines: of one cell.
        baseline: the engine that the others are compared with.
    """
    # Under a load a latency holds the time in the queue, which is no state of the machine.
    if any(line.loadgen for line in lines):
        return {}
    arms = {arm: latencies(own) for arm, own in by_arm(counted(lines)).items()}
    base, twin = (arms.get(ArmKey(baseline, twin=own)) for own in (False, True))
    if not base:
        return {}
    found = {arm: elasticity(base, own, twin) for arm, own in arms.items() if arm.engine != baseline}
    return {arm: one for arm, one in found.items() if one}


def elasticity(baseline: Latencies, arm: Latencies, twin: Latencies | None = None) -> Elasticity | None:
    """Return the elasticity of an arm; None where the rounds are too few or the state did not vary enough to tell.

    Args:
        baseline: latencies by launch and round.
        arm: likewise.
        twin: of the baseline, likewise; None where there is none, or where the arm is it.
    """
    import numpy as np

    launches = _logs([baseline, arm, twin or baseline])
    rounds = sum(len(launch) for launch in launches)
    if rounds < _FEWEST_ROUNDS:
        return None
    steps = [_differences(launch, max(_FEWEST_IN_A_LAUNCH, _kept(len(launches)))) for launch in launches]
    found = _slope(np.concatenate([step for step, _ in steps], axis=1), sum(variance for _, variance in steps))
    if found is None or found[2] - found[1] > _WIDEST:
        return None
    low, high = np.percentile(np.concatenate([launch[:, 0] for launch in launches]), [10, 90])
    return Elasticity(
        slope=found[0],
        ci95=(found[1], found[2]),
        corrected=twin is not None,
        rounds=rounds,
        baseline_spread=math.expm1(float(high - low)),
    )


def _logs(readings: Sequence[Latencies]) -> list[np.ndarray[Any, Any]]:
    """Return, for each launch with rounds enough, the logarithms: a row a round, a column a reading."""
    import numpy as np

    grouped: dict[int, list[list[float]]] = {}
    for place in sorted(set.intersection(*(set(reading) for reading in readings))):
        grouped.setdefault(place[0], []).append([math.log(max(reading[place], 1e-9)) for reading in readings])
    return [np.array(rows) for rows in grouped.values() if len(rows) >= _FEWEST_IN_A_LAUNCH]


def _kept(launches: int) -> int:
    """Return how many rounds of a launch are used at most."""
    return math.isqrt(2 * _MOST_PAIRS // launches)


def _differences(launch: np.ndarray[Any, Any], most: int) -> tuple[np.ndarray[Any, Any], float]:
    """Return the differences of all pairs of rounds, a row a reading, and the variance of Kendall's statistic."""
    import numpy as np

    every = -(-len(launch) // most)
    used = launch[::every]
    one, other = np.triu_indices(len(used), 1)
    count = len(used)
    return (used[one] - used[other]).T, count * (count - 1) * (2 * count + 5) / 18


def _slope(steps: np.ndarray[Any, Any], variance: float) -> tuple[float, float, float] | None:
    """Return the slope and its interval's ends; None where the interval has no end.

    Args:
        steps: differences between two rounds: of the baseline, of the arm, of the instrument.
        variance: of Kendall's statistic where slope and residuals are unrelated.
    """
    import numpy as np

    base, arm, instrument = steps
    moved = base != 0
    # What a pair adds to the statistic at slopes below its own; above them it is the opposite.
    below = np.sign(base[moved]) * np.sign(instrument[moved])
    always = float((np.sign(arm[~moved]) * np.sign(instrument[~moved])).sum())
    slopes = arm[moved] / base[moved]
    order = np.argsort(slopes)
    slopes = slopes[order]
    # The statistic just above each pair's slope; it falls from the first to the last, but for noise.
    statistic = always + below.sum() - 2 * np.cumsum(below[order])
    limit = _Z95 * math.sqrt(variance)
    if below.sum() - abs(always) <= limit:
        return None
    inside = np.flatnonzero(np.abs(statistic) <= limit)
    if not len(inside):
        return None
    last = min(int(inside[-1]) + 1, len(slopes) - 1)
    crossing = np.flatnonzero(statistic <= 0)[0], min(np.flatnonzero(statistic >= 0)[-1] + 1, len(slopes) - 1)
    middle = float(slopes[list(crossing)].mean())
    low, high = float(slopes[inside[0]]), float(slopes[last])
    return (middle, low, high) if all(map(math.isfinite, (middle, low, high))) else None
