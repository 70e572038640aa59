"""The rows of the pictures of the record itself: how samples are distributed, and how the rounds went over time."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from ortbench.charts.frames import Row
from ortbench.results.pairing import by_arm, counted
from ortbench.results.schema import PlannedCell, RoundRecord

# So many points draw a curve that the eye cannot tell from all of them.
_CURVE_POINTS = 120
_MOST_ROUNDS = 300
_NS_PER_MS = 1e6


def sample_rows(cells: Sequence[PlannedCell], rounds: Sequence[RoundRecord]) -> list[Row]:
    """Return the empirical distribution of each arm's samples that count: `latency` in ms, `share` at most that."""
    rows: list[Row] = []
    for cell in cells:
        lines = counted([line for line in rounds if line.cell == cell.key.id and not line.twin])
        for arm, own in by_arm(lines).items():
            samples = sorted(sample / _NS_PER_MS for line in own for sample in line.samples_ns)
            rows += [
                {
                    "engine": arm.engine,
                    "latency": short(samples[place]),
                    "share": short((place + 1) / len(samples)),
                }
                for place in spread(len(samples), _CURVE_POINTS)
            ]
    return rows


def round_rows(cells: Sequence[PlannedCell], rounds: Sequence[RoundRecord]) -> list[Row]:
    """Return each slice's median over its arm's median of the cell, against the time it began in s.

    A slow spell of the machine shows as a bump in every arm. Of a long study every n-th round is kept, and every one
    that was disturbed.
    """
    rows: list[Row] = []
    for cell in cells:
        lines = [line for line in rounds if line.cell == cell.key.id and not line.twin]
        numbers = sorted({(line.launch, line.round) for line in lines})
        kept = {numbers[place] for place in spread(len(numbers), _MOST_ROUNDS)}
        for arm, own in by_arm(lines).items():
            middles = [statistics.median(line.samples_ns) for line in own]
            typical = statistics.median(middles) or 1
            rows += [
                {
                    "engine": arm.engine,
                    "started": short(line.started_s),
                    "relative": short(middle / typical),
                    "valid": line.spoiled is None,
                }
                for line, middle in zip(own, middles, strict=True)
                if line.spoiled or (line.launch, line.round) in kept
            ]
    return rows


def speed_rows(rounds: Sequence[RoundRecord]) -> list[Row]:
    """Return the machine's own speed over time: the sentinel's duration over its median, one row a reading."""
    readings = {line.sentinel_ns: line.started_s for line in reversed(rounds) if line.sentinel_ns}
    if not readings:
        return []
    typical = statistics.median(readings)
    ordered = sorted(readings.items(), key=lambda pair: pair[1])
    return [
        {"started": short(ordered[place][1]), "relative": short(ordered[place][0] / typical)}
        for place in spread(len(ordered), _MOST_ROUNDS)
    ]


def short(value: float) -> float:
    """Keep what a picture can show, so that a report with many rounds stays small."""
    return float(f"{value:.5g}")


def spread(count: int, most: int) -> list[int]:
    """Return at most `most` places of a list of so many, evenly spread, the first and the last among them."""
    if count <= most:
        return list(range(count))
    return sorted({round(place * (count - 1) / (most - 1)) for place in range(most)})
