"""From what each instance measured to what the arm as a whole took. Pure functions of data.

All instances read the same clock (`time.perf_counter_ns` is the system's monotonic clock), so that their times compare.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import msgspec

from ortbench.runner import protocol

_Number = TypeVar("_Number", int, float)


@dataclass(frozen=True)
class InstanceCalls:
    """The calls of one instance in one slice.

    Attributes:
        starts_ns, ends_ns: of each counted call, in order, on the common clock.
        lead_in: likewise of the calls before them.
    """

    starts_ns: tuple[int, ...]
    ends_ns: tuple[int, ...]
    lead_in: InstanceCalls | None = None

    @property
    def calls(self) -> int:
        """How many there are, the lead-in included."""
        return len(self.starts_ns) + (self.lead_in.calls if self.lead_in else 0)


def calls_of(samples: protocol.Samples) -> InstanceCalls:
    """Return an instance's calls from its answer."""
    uncounted = len(samples.lead_in_ns)
    lead_in = _timed(samples.starts_ns[:uncounted], samples.lead_in_ns)
    return replace(_timed(samples.starts_ns[uncounted:], samples.samples_ns), lead_in=lead_in)


def _timed(starts_ns: Sequence[int], samples_ns: Sequence[int]) -> InstanceCalls:
    ends = (start + took for start, took in zip(starts_ns, samples_ns, strict=True))
    return InstanceCalls(tuple(starts_ns), tuple(ends))


def merge(mode: str, items: Sequence[int], answers: Sequence[protocol.Samples]) -> protocol.Samples:
    """Return one answer for all instances of an arm; that of a single one is its own.

    Args:
        mode: `single`, `split` or `stream`.
        items: of each instance's calls.
        answers: one of each instance, with the times at which calls started.
    """
    if mode == "single":
        return answers[0]
    instances = [calls_of(answer) for answer in answers]
    merged = _split(instances) if mode == "split" else _stream(instances, items)
    return msgspec.structs.replace(
        merged,
        cpu_ns=sum(answer.cpu_ns for answer in answers),
        minor_faults=sum(answer.minor_faults for answer in answers),
        major_faults=sum(answer.major_faults for answer in answers),
        involuntary_switches=sum(answer.involuntary_switches for answer in answers),
    )


def joined(answers: Sequence[protocol.Prepared]) -> protocol.Prepared:
    """Return how an arm was made ready, from how each of its instances was.

    Times are the slowest instance's, memory is all they use together, and parity is the worst.
    """
    if len(answers) == 1:
        return answers[0]
    slowest = max(answers, key=_typical_ns)
    worst = max(answers, key=lambda one: (one.parity.ok is False, one.parity.max_abs_error or 0.0))
    return msgspec.structs.replace(
        slowest,
        first_call_ns=max(one.first_call_ns for one in answers),
        steady=all(one.steady for one in answers),
        parity=msgspec.structs.replace(worst.parity, full=any(one.parity.full for one in answers)),
        affinity=tuple(sorted(cpu for one in answers for cpu in one.affinity)),
        os_threads=_total([one.os_threads for one in answers]),
        memory_mib=_total([one.memory_mib for one in answers]),
        pss_mib=_total([one.pss_mib for one in answers]),
        gpu_memory_mib=_total([one.gpu_memory_mib for one in answers]),
        busy_threads=max((one.busy_threads for one in answers if one.busy_threads is not None), default=None),
    )


def _typical_ns(prepared: protocol.Prepared) -> float:
    return statistics.median(prepared.warm_up_ns or (prepared.first_call_ns,))


def _total(values: Sequence[_Number | None]) -> _Number | None:
    """Return the sum, or None where one is unknown."""
    known = [value for value in values if value is not None]
    return sum(known[1:], known[0]) if known and len(known) == len(values) else None


def _split(instances: Sequence[InstanceCalls]) -> protocol.Samples:
    """A batch begins when the first instance begins its part and is there when the last has finished."""
    begins, ends = _joint(instances)
    merged = _samples([end - begin for begin, end in zip(begins, ends, strict=True)], ends[-1] - begins[0])
    begins, ends = _joint([one.lead_in for one in instances if one.lead_in])
    return msgspec.structs.replace(
        merged, lead_in_ns=tuple(end - begin for begin, end in zip(begins, ends, strict=True))
    )


def _joint(instances: Sequence[InstanceCalls]) -> tuple[list[int], list[int]]:
    """Return when each joint call began and ended."""
    begins = [min(starts) for starts in zip(*(one.starts_ns for one in instances), strict=True)]
    return begins, [max(ends) for ends in zip(*(one.ends_ns for one in instances), strict=True)]


def _stream(instances: Sequence[InstanceCalls], items: Sequence[int]) -> protocol.Samples:
    """What counts is the time in which all run: from the last one's first start to the first one's last end.

    A call that reaches out of it counts with its part inside among the items. Among the latencies every instance has
    as many calls as were asked for, its first, during which all others ran. What ends them is their number: choosing
    the calls that are done by some moment would lose the long ones, which are the likeliest to be under way.
    The lead-in of each lasted until all had done theirs (`timing.time_together`): none of its calls counts in either.
    """
    begin = max(one.starts_ns[0] for one in instances)
    end = min(one.ends_ns[-1] for one in instances)
    # The slowest one's last call ended the slice; the others went on until then.
    count = min(len(one.starts_ns) for one in instances)
    first = [[stop - start for start, stop in _calls(one)[:count]] for one in instances]
    finished = sum(
        own * max(0, min(stop, end) - max(start, begin)) / max(stop - start, 1)
        for own, one in zip(items, instances, strict=True)
        for start, stop in _calls(one)
    )
    merged = _samples(list(itertools.chain.from_iterable(first)), max(end - begin, 1))
    return msgspec.structs.replace(
        merged,
        items=finished,
        instance_calls=tuple(map(len, first)),
        lead_in_ns=tuple(stop - start for one in instances if one.lead_in for start, stop in _calls(one.lead_in)),
        calls=sum(one.calls for one in instances),
    )


def _calls(one: InstanceCalls) -> list[tuple[int, int]]:
    return list(zip(one.starts_ns, one.ends_ns, strict=True))


def _samples(samples: Sequence[int], wall_ns: int) -> protocol.Samples:
    return protocol.Samples(
        samples_ns=tuple(samples), wall_ns=wall_ns, cpu_ns=0, minor_faults=0, major_faults=0, involuntary_switches=0
    )
