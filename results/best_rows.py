"""Best against best as rows and sentences, for every place that shows it. Pure functions of the summary."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ortbench.results.ratio import EXACTLY_ONE, Ratio
from ortbench.results.summary import BestAgainstBest, BestWay, Summary
from ortbench.units import format_significant, quantity

# What is shown, and the number that it is sorted by; None for words.
Entry = tuple[str, float | None]

UNITS = {"latency": "latency ms", "throughput": "inferences/s"}
_TITLES = {"latency": "best against best: latency of a batch", "throughput": "best against best: throughput"}


def objectives(summary: Summary) -> list[str]:
    """Return what the best ways were looked for by."""
    return list(dict.fromkeys(one.objective for one in summary.best))


def title(objective: str) -> str:
    """Return the heading of one objective's table."""
    return _TITLES[objective]


def headings(summary: Summary, objective: str) -> list[str]:
    """Return the columns of one objective's table."""
    return [
        *_place_headings(summary),
        "engine",
        "best way",
        f"{UNITS[objective]} [95 %]",
        "allocator's",
        "split's",
        "engine's",
        "together",
        "as they come",
    ]


def rows(summary: Summary, objective: str) -> Iterator[tuple[BestAgainstBest, list[Entry]]]:
    """Yield one row for each engine and batch size: its best way, and the factors of its advantage."""
    placed = len(_place_headings(summary))
    for one in summary.best:
        if one.objective == objective:
            lane, size = (one.precision, None), (str(one.batch_size), float(one.batch_size))
            place: list[Entry] = [lane, size][-placed:]
            for way in one.engines:
                yield one, [*place, *_entries(one, way, summary.baseline)]


def sentences(summary: Summary, objective: str) -> list[str]:
    """Return what a reader of the table should know."""
    own = [one for one in summary.best if one.objective == objective]
    meaning = (
        f"factors over {summary.baseline} as it comes ({_plain_ways(own)}): what its allocator, then its split, then "
        "the other engine add; together they multiply to the advantage of the best way, but for what medians leave over"
    )
    ways = [(one, way) for one in own for way in one.engines]
    apart = [f"{way.engine} at batch size {one.batch_size}" for one, way in ways if not way.launches]
    told = [meaning]
    if launches := sorted({way.launches for _, way in ways if way.launches}):
        counted = f"{launches[0]} to " * (len(launches) > 1) + quantity(launches[-1], "launch", "launches")
        told.append(f"measured in the same rounds, in {counted} after the best ways had been chosen")
    if apart:
        which = f" ({'; '.join(apart)})" if launches else ""
        told.append(
            f"not all of it was measured in the same rounds{which}: there the factors are of the cells' own figures, "
            "with the widest interval that these allow, and the best of several figures flatters itself"
        )
    return told


def told_factors(one: BestAgainstBest, way: BestWay, baseline: str) -> str:
    """Return in a sentence how much of an engine's advantage is whose."""
    best = one.engines[0].way
    parts = [f"the engine's {_times(way.over_best)}"] if way.engine != baseline else []
    if one.split != EXACTLY_ONE:
        parts.insert(0, f"the split's {_times(one.split)} ({best.layout})")
    if one.allocator != EXACTLY_ONE:
        parts.insert(0, f"the allocator's {_times(one.allocator)} ({best.allocator})")
    if way.over_plain is None or not parts:
        return ""
    what = "latency" if one.objective == "latency" else "throughput"
    joined = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
    return (
        f"By {what} at batch size {one.batch_size}, {way.engine} in its best way ({way.way.told}) is "
        f"{_times(way.over_plain)} better than {baseline} as it comes: {joined}."
    )


def _place_headings(summary: Summary) -> list[str]:
    lanes = {one.precision for one in summary.best}
    return ["precision", "batch size"] if len(lanes) > 1 else ["batch size"]


def _entries(one: BestAgainstBest, way: BestWay, baseline: str) -> list[Entry]:
    own = way.over_best if way.engine != baseline else None
    return [
        (way.engine, None),
        (way.way.told, None),
        _bounded(way.figure, ""),
        _bounded(one.allocator, "x"),
        _bounded(one.split, "x"),
        _bounded(own, "x"),
        _bounded(way.over_plain, "x"),
        _bounded(way.as_they_come, "x"),
    ]


def _bounded(ratio: Ratio | None, suffix: str) -> Entry:
    if ratio is None:
        return "", None
    if ratio == EXACTLY_ONE:
        return "1", 1.0
    text = f"{ratio.value:.2f}{suffix}" if suffix else format_significant(ratio.value)
    if ratio.ci95 is None:
        return text, ratio.value
    decimals = 2 if suffix else len(text.partition(".")[2])
    return f"{text} [{ratio.ci95[0]:.{decimals}f}, {ratio.ci95[1]:.{decimals}f}]", ratio.value


def _times(ratio: Ratio | None) -> str:
    return "an unknown factor" if ratio is None else _bounded(ratio, "x")[0]


def _plain_ways(own: Sequence[BestAgainstBest]) -> str:
    return " or ".join(dict.fromkeys(one.plain.told for one in own))
