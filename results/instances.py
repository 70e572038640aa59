"""What each instance of an arm took, from the slices' samples. Pure."""

from __future__ import annotations

import itertools
import statistics
from collections import defaultdict
from collections.abc import Iterator, Sequence

from ortbench.results.schema import RoundRecord

_NS_PER_MS = 1e6


def instance_medians_ms(slices: Sequence[RoundRecord]) -> tuple[float, ...]:
    """Return the median latency of each instance; empty where samples are the arm's as a whole."""
    samples: dict[int, list[int]] = defaultdict(list)
    for line in slices:
        for instance, own in enumerate(samples_by_instance(line)):
            samples[instance].extend(own)
    return tuple(statistics.median(own) / _NS_PER_MS for _, own in sorted(samples.items()) if own)


def samples_by_instance(line: RoundRecord) -> Iterator[tuple[int, ...]]:
    """Yield each instance's samples of one slice, in ns; nothing where they are the arm's as a whole."""
    begin = 0
    for end in itertools.accumulate(line.instance_calls):
        yield line.samples_ns[begin:end]
        begin = end
