"""What a cell costs in a launch, and what a batch size that was never measured will cost. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

FEWEST_ROUNDS = 3
_LONG_ROUND_S = 5.0
# The cold call and the warm-up of calls that are long: two or three windows of one call each.
_CALLS_TO_PREPARE = 4
# A slice has a call that leads in and one that counts; calls as long as this need no lead-in.
_LEAST_CALLS = 2
_NO_LEAD_IN_FROM_S = 0.15
# No batch takes more than this power of its size; beyond it two sizes were measured in different spells.
_STEEPEST = 1.5


@dataclass(frozen=True)
class ArmCost:
    """One arm in a round.

    Attributes:
        call_s: its typical call.
        slice_s: all calls of its slice, those that lead in as well.
    """

    call_s: float
    slice_s: float

    def with_calls(self, scale: float, slice_s: float = 0.0) -> ArmCost:
        """Return the cost where calls take `scale` times as long and slices at least `slice_s`, or what they did."""
        call_s = self.call_s * scale
        least = call_s if call_s >= _NO_LEAD_IN_FROM_S else _LEAST_CALLS * call_s
        return ArmCost(call_s, max(slice_s or self.slice_s, least))


@dataclass(frozen=True)
class CellCost:
    """What a cell was seen to cost in its last launch.

    Attributes:
        prepare_s: making all its arms ready.
        round_s: one round of all its arms, with the time between slices.
        arms: what of it each arm takes; empty where it is not known.
        once_s: of `prepare_s`, what only the first launch takes: compiling, for which a later one finds the results.
    """

    prepare_s: float
    round_s: float
    arms: tuple[ArmCost, ...] = ()
    once_s: float = 0.0

    @property
    def least_rounds_s(self) -> float:
        """The fewest rounds."""
        return min_rounds(self.round_s) * self.round_s

    @property
    def minimum_s(self) -> float:
        """Preparing once more and the fewest rounds."""
        return self.again_s + self.least_rounds_s

    @property
    def again_s(self) -> float:
        """Preparing once more."""
        return self.prepare_s - self.once_s

    def with_calls(self, scale: float) -> CellCost:
        """Return what a cell costs whose calls take `scale` times as long.

        Slices are filled with calls, so that a round grows only where a slice of the fewest calls is longer. Making
        ready is calls, and what does not grow with them: compiling above all.
        """
        grown = sum(arm.call_s for arm in self.arms) * (scale - 1)
        prepare_s = max(self.prepare_s + _CALLS_TO_PREPARE * grown, 0.0)
        return replace(self._in_slices([arm.with_calls(scale) for arm in self.arms]), prepare_s=prepare_s)

    def with_slices(self, slice_s: float) -> CellCost:
        """Return what the cell costs with slices of this length."""
        return self._in_slices([arm.with_calls(1.0, slice_s) for arm in self.arms])

    def _in_slices(self, arms: Sequence[ArmCost]) -> CellCost:
        between_s = max(0.0, self.round_s - sum(arm.slice_s for arm in self.arms))
        round_s = between_s + sum(arm.slice_s for arm in arms) if arms else self.round_s
        return replace(self, round_s=round_s, arms=tuple(arms))


def min_rounds(round_s: float) -> int:
    """Return the fewest rounds a launch spends on a cell: three, or one where a round takes very long."""
    return FEWEST_ROUNDS if round_s <= _LONG_ROUND_S else 1


def expected_call_s(batch_size: int, calls: Mapping[int, float]) -> float:
    """Return what a call takes at a batch size: as measured, or as the two largest batch sizes measured let expect.

    They say with which power of the size calls grow; while only one is known, it is taken for the first power.

    Args:
        batch_size: the one asked about.
        calls: batch size -> seconds of a call of one arm, at least one.
    """
    if batch_size in calls:
        return calls[batch_size]
    *_, (before, shorter), (largest, longest) = [(0, 0.0), *sorted(calls.items())]
    power = 1.0
    if before and min(shorter, longest) > 0:
        power = min(max(math.log(longest / shorter) / math.log(largest / before), 0.0), _STEEPEST)
    return float(longest * (batch_size / largest) ** power)
