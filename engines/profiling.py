"""What a library's profiler recorded of a few calls -> what each operator takes in one of them. Pure functions."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ortbench.engines.base import OperatorTime

_US_PER_MS = 1000.0


class Span(NamedTuple):
    """A stretch of time on one thread, in µs of the profiler's own clock.

    Attributes:
        operator: what ran; of a whole call, anything.
        own_us: of its duration, what no span inside it took.
    """

    operator: str
    start_us: float
    duration_us: float
    own_us: float

    @property
    def end_us(self) -> float:
        """When it was over."""
        return self.start_us + self.duration_us


def nested(spans: Iterable[tuple[str, float, float]]) -> list[Span]:
    """Return the spans of one thread with their own times, so that no moment is counted twice.

    Args:
        spans: operator, start and duration in µs, in any order; each lies inside or outside of any other.
    """
    # Of two that start together the longer is the outer one.
    ordered = sorted(spans, key=lambda span: (span[1], -span[2]))
    own = [duration for _, _, duration in ordered]
    open_: list[int] = []
    for index, (_, start, duration) in enumerate(ordered):
        while open_ and _end(ordered[open_[-1]]) <= start:
            open_.pop()
        if open_:
            own[open_[-1]] -= duration
        open_.append(index)
    return [Span(*span, own_us=max(0.0, time)) for span, time in zip(ordered, own, strict=True)]


def median_call(calls: Sequence[Span], operators: Iterable[Span]) -> tuple[OperatorTime, ...]:
    """Return what each operator takes in one call, the longest first.

    The time of an operator is the median over the calls: one call that something else disturbed moves nothing.

    Args:
        calls: each call as a whole, one after the other; what lies in none of them is left out.
        operators: what ran inside them.
    """
    times: dict[str, list[float]] = defaultdict(lambda: [0.0] * len(calls))
    counts: dict[str, Counter[int]] = defaultdict(Counter)
    for span in operators:
        index = next((i for i, call in enumerate(calls) if call.start_us <= span.start_us < call.end_us), None)
        if index is not None:
            times[span.operator][index] += span.own_us
            counts[span.operator][index] += 1
    found = [
        OperatorTime(
            operator=operator,
            ms=statistics.median(times[operator]) / _US_PER_MS,
            count=statistics.median_high(counts[operator][index] for index in range(len(calls))),
        )
        for operator in times
    ]
    return longest_first(operator for operator in found if operator.count)


def mean_of(sessions: Sequence[Sequence[OperatorTime]]) -> tuple[OperatorTime, ...]:
    """Return what each operator takes on average over sessions that run at once, the longest first."""
    times: dict[str, float] = defaultdict(float)
    counts: Counter[str] = Counter()
    for operators in sessions:
        for one in operators:
            times[one.operator] += one.ms / len(sessions)
            counts[one.operator] += one.count
    return longest_first(
        OperatorTime(operator=operator, ms=ms, count=round(counts[operator] / len(sessions)))
        for operator, ms in times.items()
    )


def longest_first(operators: Iterable[OperatorTime]) -> tuple[OperatorTime, ...]:
    """Return the operators in descending time."""
    return tuple(sorted(operators, key=lambda operator: (-operator.ms, operator.operator)))


def _end(span: tuple[str, float, float]) -> float:
    return span[1] + span[2]
