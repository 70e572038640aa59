"""What changed between two runs, cell by cell and engine by engine. Pure functions of two summaries.

Two runs are not paired, so the interval of a change is made of both runs' own: on the log scale, the difference of the
estimates with the half-widths to either side combined in quadrature (Zou and Donner, Construction of confidence limits
about effect measures: a general approach, Statistics in Medicine, 2008). That assumes independent runs. How a machine
drifts from one run to the other is in neither interval, so the change of a latency may be the machine's. The speedup
over the baseline is paired within each run, so that drift matters only as far as one engine feels it more than the
other: its change is the one to be believed, and the verdict is about it. Figures from a CSV were never paired: there an
interval is the widest that both runs' bounds allow.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import msgspec

from ortbench.errors import UsageError
from ortbench.results.known_interval import KnownInterval
from ortbench.results.likeness import Places, cells_by_place
from ortbench.results.schema import CellKey
from ortbench.results.statistics import WIDEST_INTERVAL, LogEstimate
from ortbench.results.summary import ArmSummary, Bounds, CellSummary, Summary
from ortbench.results.verdicts import Verdict, decide, decide_on_interval

# History of DIFF_VERSION: 1, the first.
DIFF_VERSION = 1


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One figure in both runs; `ratio` is new over old, with its 95 % interval where both runs have one."""

    old: float
    new: float
    ratio: float
    ci95: Bounds | None


class ArmDiff(msgspec.Struct, frozen=True, kw_only=True):
    """One engine in one cell of both runs.

    Attributes:
        latency_ms: medians per batch; with a ratio below 1 a batch takes less time now.
        speedup: over the baseline; with a ratio above 1 it is faster now. None for the baseline itself.
        verdict: on the change of the speedup, inconclusive where there is none; None for the baseline.
        launches: of the run that has fewer.
        reason: why a change or its verdict is missing, in words.
    """

    engine: str
    latency_ms: Change | None = None
    speedup: Change | None = None
    verdict: Verdict | None = None
    launches: int = 0
    reason: str | None = None


class CellDiff(msgspec.Struct, frozen=True, kw_only=True):
    """One cell of both runs, under the key that it has in the new one."""

    cell: CellKey
    arms: tuple[ArmDiff, ...]


class Unmatched(msgspec.Struct, frozen=True, kw_only=True):
    """What only one run has: an engine in a cell, or with `engine` None the whole cell."""

    cell: CellKey
    engine: str | None = None


class RunDiff(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that `ortbench diff` says.

    Attributes:
        old, new: the runs, as they were given.
        paired: both runs' speedups compare rounds.
        band: changes of the speedup smaller than this fraction are none.
        passed_over: differences that make the runs incomparable; compared anyway.
        differences: other differences between the runs, in words.
        notes: what a reader should know, in words.
    """

    schema_version: int = DIFF_VERSION
    old: str
    new: str
    baseline: str
    paired: bool
    band: float
    passed_over: tuple[str, ...] = ()
    differences: tuple[str, ...] = ()
    cells: tuple[CellDiff, ...]
    only_in_old: tuple[Unmatched, ...]
    only_in_new: tuple[Unmatched, ...]
    notes: tuple[str, ...]


def compare_runs(
    old: Summary, new: Summary, names: tuple[str, str] = ("OLD", "NEW"), margin: float | None = None
) -> RunDiff:
    """Return what changed from `old` to `new`.

    Args:
        old: the earlier run.
        new: the later one.
        names: what messages call them.
        margin: changes of a speedup smaller than this fraction are none; None for the wider of both runs' own.

    Raises:
        UsageError: they have no engine of a cell in common, or different baselines.
    """
    if old.baseline != new.baseline:
        raise UsageError(
            f"'{names[0]}' has speedups over {old.baseline}, '{names[1]}' over {new.baseline}: expected one baseline. "
            "Measure one of them again with the other's --baseline."
        )
    before, after = cells_by_place(old, new)
    paired, band = old.paired and new.paired, max(old.margin, new.margin) if margin is None else margin
    cells = [
        CellDiff(cell=cell.key, arms=arms)
        for place, cell in after.items()
        if place in before and (arms := _arms(before[place], cell, new.baseline, paired=paired))
    ]
    if not cells:
        raise UsageError(
            f"There is nothing to compare: {_held(names[0], old)} and {_held(names[1], new)}. "
            "Expected an engine in a cell that both have."
        )
    return RunDiff(
        old=names[0],
        new=names[1],
        baseline=new.baseline,
        paired=paired,
        band=band,
        cells=tuple(_decided(cells, band, paired=paired)),
        only_in_old=tuple(_unmatched(before, after)),
        only_in_new=tuple(_unmatched(after, before)),
        notes=tuple(_notes(old, new)),
    )


def change_of(old: tuple[float, Bounds | None], new: tuple[float, Bounds | None], *, paired: bool) -> Change:
    """Return how a positive figure changed; `old` and `new` are the figure with its 95 % bounds, if any.

    The bounds of the change combine in quadrature on the log scale, or, not `paired`, as widely as they allow.
    """
    (was, was_bounds), (now, now_bounds) = old, new
    ratio, bounds = now / was, None
    if was_bounds and now_bounds:
        bounds = (now_bounds[0] / was_bounds[1], now_bounds[1] / was_bounds[0])
        if paired:
            below = math.hypot(math.log(now / now_bounds[0]), math.log(was_bounds[1] / was))
            above = math.hypot(math.log(now_bounds[1] / now), math.log(was / was_bounds[0]))
            bounds = (ratio * math.exp(-below), ratio * math.exp(above))
    if paired and bounds and bounds[1] > bounds[0] * WIDEST_INTERVAL:
        bounds = None
    return Change(old=was, new=now, ratio=ratio, ci95=bounds)


def _arms(before: CellSummary, after: CellSummary, baseline: str, *, paired: bool) -> tuple[ArmDiff, ...]:
    pairs = [(before.arm(arm.engine), arm) for arm in after.arms if not arm.twin]
    return tuple(_arm(was, now, baseline, paired=paired) for was, now in pairs if was)


def _arm(old: ArmSummary, new: ArmSummary, baseline: str, *, paired: bool) -> ArmDiff:
    latency = speedup = None
    # What failed may have figures from before it did; they are compared with nothing.
    if (old.status, new.status) == ("ok", "ok"):
        was, now = old.latency_ms, new.latency_ms
        if was and now and was.median > 0 and now.median > 0:
            latency = change_of((was.median, was.ci95), (now.median, now.ci95), paired=paired)
        if old.speedup and new.speedup:
            one, other = old.speedup, new.speedup
            speedup = change_of((one.ratio, one.ci95), (other.ratio, other.ci95), paired=paired)
    return ArmDiff(
        engine=new.engine,
        latency_ms=latency,
        speedup=speedup,
        verdict=None if new.engine == baseline else "inconclusive",
        launches=min(old.launches, new.launches),
        reason=_reason(old, new, has_speedup=speedup is not None or new.engine == baseline),
    )


def _reason(old: ArmSummary, new: ArmSummary, *, has_speedup: bool) -> str | None:
    both = (("old", old), ("new", new))
    wrong = [
        f"{arm.status} in {which}" + (f" ({arm.reason})" if arm.reason else "")
        for which, arm in both
        if arm.status != "ok"
    ]
    speedups = [(which, arm.speedup) for which, arm in both if arm.speedup]
    withheld = [f"the verdict in {which} is withheld" for which, own in speedups if own.verdict == "withheld"]
    unknown = [
        f"its speedup in {which} has no interval" + (f" ({own.no_interval})" if own.no_interval else "")
        for which, own in speedups
        if own.ci95 is None
    ]
    found = wrong or withheld or (unknown if has_speedup else [])
    return "; ".join(found) or (None if has_speedup else "the baseline has no figure beside it")


def _decided(cells: Sequence[CellDiff], band: float, *, paired: bool) -> Iterator[CellDiff]:
    """Decide all changes together, since each is one of many comparisons."""
    judged = [arm for cell in cells for arm in cell.arms if arm.speedup and arm.reason is None]
    apart = (decide_on_interval(arm.speedup.ci95 if arm.speedup else None, band) for arm in judged)
    verdicts = iter(decide([_estimate(arm) for arm in judged], band) if paired else apart)
    for cell in cells:
        arms = (
            msgspec.structs.replace(arm, verdict=next(verdicts)) if arm.speedup and arm.reason is None else arm
            for arm in cell.arms
        )
        yield CellDiff(cell=cell.cell, arms=tuple(arms))


def _estimate(arm: ArmDiff) -> LogEstimate | None:
    if arm.speedup is None or arm.speedup.ci95 is None:
        return None
    center, low, high = (math.log(value) for value in (arm.speedup.ratio, *arm.speedup.ci95))
    return KnownInterval((center,), below=center - low, above=high - center, freedom=max(1, arm.launches - 1))


def _unmatched(here: Places, there: Places) -> Iterator[Unmatched]:
    for place, cell in here.items():
        if place not in there:
            yield Unmatched(cell=cell.key)
            continue
        own = (arm.engine for arm in cell.arms if not arm.twin and not there[place].arm(arm.engine))
        yield from (Unmatched(cell=cell.key, engine=engine) for engine in own)


def _notes(old: Summary, new: Summary) -> list[str]:
    models = [f"the model was {old.model}, is {new.model}"] if old.model != new.model else []
    return [*(f"old: {note}" for note in old.notes), *(f"new: {note}" for note in new.notes), *models]


def _held(name: str, run: Summary) -> str:
    cells = ", ".join(cell.key.id for cell in run.cells) or "none"
    return f"'{name}' has {', '.join(run.engines)} in the cells {cells}"
