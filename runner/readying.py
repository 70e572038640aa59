"""What happens between an arm's being made ready and its first round that counts.

In a cell's first launch: stretches of calls without a pause, by which the lead-in of its slices is chosen. In every
later one, where calls are long: a round that is recorded with the warm-up and not counted, so that arms warm up in
turns, as they will be measured, and none rests for all the others' warming up.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from ortbench.results.schema import ArmKey, CellKey, LaunchRecord
from ortbench.runner import protocol
from ortbench.runner.launch import Launch
from ortbench.runner.lead_in import FEWEST_ROWS, Row
from ortbench.runner.order import round_order
from ortbench.runner.slices import STRETCH_NS, Known
from ortbench.runner.timing import seems_steady

# Of the time that a cell's first rounds have, all stretches of all arms together.
_STRETCH_SHARE = 0.3
# Calls as long as a window of the warm-up, and longer.
LONG_CALL_NS = 20_000_000


@dataclass
class Readied:
    """What was measured of arms before their first round.

    Attributes:
        stretches: rows of calls.
        warm_ups: calls that warmed up.
        failures: a record for each arm that failed meanwhile.
    """

    stretches: dict[ArmKey, list[Row]] = field(default_factory=lambda: defaultdict(list))
    warm_ups: dict[ArmKey, tuple[int, ...]] = field(default_factory=dict)
    failures: list[LaunchRecord] = field(default_factory=list)

    def completed(self, records: Sequence[LaunchRecord]) -> list[LaunchRecord]:
        """Return the records of arms made ready with what belongs to them, and those of arms that failed since."""
        return [self._completed(record) for record in records] + self.failures

    def _completed(self, record: LaunchRecord) -> LaunchRecord:
        key = ArmKey(record.engine, record.twin)
        if stretches := self.stretches.get(key):
            record = msgspec.structs.replace(record, stretches_ns=tuple(map(tuple, stretches)))
        if calls := self.warm_ups.get(key):
            warm_up_ns = (*record.warm_up_ns, *calls)
            steady = seems_steady((record.first_call_ns or 0, *warm_up_ns))
            record = msgspec.structs.replace(record, warm_up_ns=warm_up_ns, steady=steady)
        return record


def stretch_ns(seconds: float, arms: int) -> float:
    """Return how long each stretch is, by what the cell's first rounds have."""
    return min(STRETCH_NS, _STRETCH_SHARE * seconds * 1e9 / (FEWEST_ROWS * max(arms, 1)))


def run_stretches(
    launch: Launch, turns: Sequence[tuple[ArmKey, CellKey]], each_ns: float, seed: int, readied: Readied
) -> None:
    """Run stretches of arms in turn, in a balanced order.

    Args:
        launch: whose arms run.
        turns: arms that were made ready, each with the cell that it was made ready for.
        each_ns: about how long each stretch is.
        seed: of the order.
        readied: is given what they took.
    """
    for number in range(FEWEST_ROWS):
        for place in round_order(len(turns), number, seed) if turns else ():
            key, cell = turns[place]
            if not launch.running([key]):
                continue
            outcome = launch.run_stretch(cell, key, each_ns)
            if isinstance(outcome, LaunchRecord):
                readied.failures.append(outcome)
            else:
                readied.stretches[key] += outcome


def long_calls(known: Mapping[ArmKey, Known]) -> list[ArmKey]:
    """Return the arms whose calls are so long that a round warms them up."""
    return [key for key, one in known.items() if one.slices and one.slices.call_ns >= LONG_CALL_NS]


def warms_up_in_a_round(known: Known) -> Known:
    """Return what an arm is told whose warm-up is a round: only what a slice does not do, it does by itself."""
    if known.slices is None or known.warm_up is None:
        return known
    return Known(known.slices, max(0, known.warm_up - known.slices.lead_in - known.slices.calls))


def run_first_round(launch: Launch, cell: CellKey, keys: Sequence[ArmKey], readied: Readied) -> None:
    """Run a slice of each arm that is no round.

    Args:
        launch: whose arms run.
        cell: for which they were made ready.
        keys: in their order.
        readied: is given what the calls took.
    """
    for key in launch.running(keys):
        outcome = launch.run_slice(cell, key, 0)
        if isinstance(outcome, protocol.Samples):
            readied.warm_ups[key] = (*outcome.lead_in_ns, *outcome.samples_ns)
        else:
            readied.failures.append(outcome)
