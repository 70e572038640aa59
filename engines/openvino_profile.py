"""OpenVINO's profile: its performance counters, which it keeps as means over all calls of a request."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ortbench.engines.base import Arrays, LoadRequest, OperatorTime
from ortbench.engines.profiling import longest_first

if TYPE_CHECKING:
    from ortbench.engines.openvino_native import OpenVinoEngine

_WARM_UP_CALLS = 3
_US_PER_MS = 1000.0


class Counter(NamedTuple):
    """What one node's counter says: its operator, and the mean of its duration over all calls so far, in µs."""

    operator: str
    mean_us: float


Counters = Mapping[str, Counter]


def profile_calls(engine: OpenVinoEngine, request: LoadRequest, inputs: Arrays, calls: int) -> tuple[OperatorTime, ...]:
    """Load `engine`, a new one, with counters on, since they cannot be turned on later; run it and read them."""
    engine.count_performance = True
    engine.load(request)
    engine.bind(inputs)
    for _ in range(_WARM_UP_CALLS):
        engine.run()
    before = engine.counters()
    for _ in range(calls):
        engine.run()
    return read_counters(before, engine.counters(), _WARM_UP_CALLS, calls)


def read_counters(
    before: Sequence[Counters], after: Sequence[Counters], calls_before: int, calls: int
) -> tuple[OperatorTime, ...]:
    """Return what each operator takes in one call, from the means before and after `calls` calls.

    Args:
        before: one for each request; requests run at once, so that a call takes the mean of what they take.
        after: likewise, and `calls` calls later.
        calls_before: how many calls the means before are of.
        calls: how many calls lie between the two.
    """
    times: dict[str, float] = defaultdict(float)
    counts: dict[str, int] = defaultdict(int)
    for earlier, later in zip(before, after, strict=True):
        for node, counter in later.items():
            known = earlier.get(node, Counter(counter.operator, 0.0))
            spent = (calls_before + calls) * counter.mean_us - calls_before * known.mean_us
            times[counter.operator] += max(0.0, spent) / calls / len(after)
            counts[counter.operator] += 1
    return longest_first(
        OperatorTime(operator=operator, ms=time / _US_PER_MS, count=round(counts[operator] / len(after)))
        for operator, time in times.items()
    )


def executed(info: Sequence[Any]) -> Counters:
    """Return the counters of the nodes that ran, by name; `info` is a request's `profiling_info`."""
    return {
        entry.node_name: Counter(entry.node_type, entry.real_time.total_seconds() * 1e6)
        for entry in info
        if entry.status.name == "EXECUTED"
    }
