"""The answer in words, and how far to trust it: sentences from the summary. No figure is computed here."""

from __future__ import annotations

from collections.abc import Iterator

from ortbench.charts.elasticity_words import elasticity_sentences
from ortbench.results.fairness import told_marks
from ortbench.results.pairing import NEVER_QUIET
from ortbench.results.schema import ArmKey
from ortbench.results.summary import ArmSummary, CellSummary, Speedup, Summary, arm_label
from ortbench.results.versions import differing_versions
from ortbench.units import quantity

# More cells than this make no sentence.
_MOST_TOLD = 4
_VERDICTS = {
    "faster": "{ratio:.2f}x faster than {baseline}",
    "slower": "slower than {baseline}, at {ratio:.2f}x its speed,",
    "same": "as fast as {baseline}",
    "withheld": "{ratio:.2f}x as fast as {baseline}, on which no verdict is given,",
    "inconclusive": "{ratio:.2f}x as fast as {baseline}, which may be chance,",
}


def answer_sentences(summary: Summary) -> list[str]:
    """Return one sentence for each engine that is compared: how it fares, at the greatest thread count."""
    most = max((cell.threads for cell in summary.cells), default=1)
    cells = [cell for cell in summary.cells if cell.threads == most]
    machine = "On this machine" if summary.paired else "By the figures given"
    threads = f"with {most} threads" if most > 1 else "with 1 thread"
    sentences = []
    for engine in summary.engines:
        measured = [cell for cell in cells if _status(cell, engine) != "skipped"]
        if engine != summary.baseline and measured:
            told = [text for cell in _worth_telling(measured, engine) for text in _told(summary, cell, engine)]
            if told:
                sentences.append(f"{machine} {engine} runs {summary.model}, {threads}, {'; '.join(told)}.")
    sentences += _skipped(cells, threads)
    if not sentences:
        engines = [engine for engine in summary.engines if any(_has_figures(cell, engine) for cell in cells)]
        sentences.append(f"Only {_joined(engines)} was measured: there is nothing to compare it with.")
    if summary.max_time_for_intervals:
        sentences.append(
            "Nothing says how far these figures can be trusted, as the time was over after one launch: "
            f"--max-time {summary.max_time_for_intervals} would give intervals."
        )
    return sentences


def _has_figures(cell: CellSummary, engine: str) -> bool:
    arm = cell.arm(engine)
    return arm is not None and arm.latency_ms is not None


def _status(cell: CellSummary, engine: str) -> str | None:
    arm = cell.arm(engine)
    return arm.status if arm else None


def _skipped(cells: list[CellSummary], threads: str) -> Iterator[str]:
    """Say which batch sizes the answer knows nothing of, as no engine was measured there."""
    sizes = [str(cell.batch_size) for cell in cells if all(arm.status == "skipped" for arm in cell.arms)]
    if sizes:
        plural = "sizes" if len(sizes) > 1 else "size"
        yield f"Batch {plural} {_joined(list(dict.fromkeys(sizes)))}, {threads}, had to be skipped."


def _worth_telling(cells: list[CellSummary], engine: str) -> list[CellSummary]:
    """Return the cells that a sentence can hold: all of a few, else the first, the best, the worst and the last."""
    ratios = [(arm.speedup.ratio if (arm := cell.arm(engine)) and arm.speedup else 1.0) for cell in cells]
    if len(cells) <= _MOST_TOLD:
        return cells
    places = {0, len(cells) - 1, ratios.index(max(ratios)), ratios.index(min(ratios))}
    return [cells[place] for place in sorted(places)]


def _told(summary: Summary, cell: CellSummary, engine: str) -> Iterator[str]:
    arm = cell.arm(engine)
    if arm is not None:
        place = f"at batch size {cell.batch_size}" + _combination(cell)
        yield f"{_compared(arm, summary.baseline)} {place}{_bounds(arm.speedup)}"


def _compared(arm: ArmSummary, baseline: str) -> str:
    if arm.status != "ok":
        return f"not comparably ({arm.status}: {arm.reason or 'no reason given'})"
    if arm.speedup is None:
        return f"without a figure of {baseline} beside it"
    return _VERDICTS[arm.speedup.verdict].format(ratio=arm.speedup.ratio, baseline=baseline)


def _bounds(speedup: Speedup | None) -> str:
    if speedup is None or speedup.ci95 is None:
        return ""
    low, high = speedup.ci95
    return f" [{low:.2f}, {high:.2f}]"


def _combination(cell: CellSummary) -> str:
    plain = {"precision": "fp32", "allocator": "default", "load": ""}
    extras = [str(getattr(cell, name)) for name, usual in plain.items() if getattr(cell, name) != usual]
    extras += [f"{cell.instances} instances, {cell.mode}"] if cell.instances > 1 else []
    return f" ({', '.join(extras)})" if extras else ""


def _joined(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def trust_sentences(summary: Summary) -> list[str]:
    """Return what a reader should know before believing the answer: resolution, disturbance, parity, placement.

    What is of a single cell is in `cell_sentences`.
    """
    if not summary.paired:
        return [
            "These figures came from a CSV: how they were measured is not known here.",
            *(f"The comparison is less than equal: {sentence}." for sentence in told_marks(summary)),
            *_counted(summary),
            *summary.notes,
        ]
    ours = _cell_notes(summary)
    general = [note for note in summary.notes if note not in ours]
    versions = [f"Not the same versions: {line}." for line in differing_versions(summary)]
    unequal = [f"The comparison is less than equal: {sentence}." for sentence in told_marks(summary)]
    return [*_quiet(summary), *versions, *_checked(summary), *unequal, *_counted(summary), *general]


def cell_sentences(summary: Summary) -> list[str]:
    """Return what happened to single engines in single cells, with the reasons."""
    return [*_arms_told(summary), *(_cell_notes(summary) if summary.paired else [])]


def _cell_notes(summary: Summary) -> list[str]:
    ids = {cell.key.id for cell in summary.cells}
    return [note for note in summary.notes if note.partition(":")[0] in ids]


def _counted(summary: Summary) -> Iterator[str]:
    """Count what did not go as planned."""
    arms = [arm for cell in summary.cells for arm in cell.arms if not arm.twin]
    for status in ("failed", "invalid", "skipped"):
        count = sum(arm.status == status for arm in arms)
        if count:
            yield f"Of {len(arms)} measurements planned (an engine in a cell) {count} {_was(count)} {status}."
    unsteady = sum(arm.status == "ok" and arm.steady is False for arm in arms)
    if unsteady:
        yield f"In {unsteady} of {len(arms)} the warm-up ended before calls were steady."
    loud = len(_cell_notes(summary))
    if loud:
        yield f"{loud} of {len(summary.cells)} cells carry a note of their own, below."


def _was(count: int) -> str:
    return "were" if count > 1 else "was"


def _quiet(summary: Summary) -> Iterator[str]:
    twins = [arm for cell in summary.cells for arm in cell.arms if arm.twin and arm.samples]
    if summary.resolution is None and twins:
        yield (
            "The baseline also ran against itself, but its launches are too few or too far apart: how fine a "
            "difference this run can tell is not known."
        )
    elif summary.resolution is None:
        yield "The baseline was not measured against itself: how fine a difference this run can tell is not known."
    else:
        yield (
            f"The baseline also ran against itself: this run tells differences of {summary.resolution:.1%} and more."
        )
    if summary.spoiled_rounds:
        kept = any(note.endswith(NEVER_QUIET) for note in summary.notes)
        yield (
            f"Other programs or limits disturbed {summary.spoiled_rounds:.1%} of the rounds; those were left out "
            f"and repeated{', except in cells that were disturbed most of the time' if kept else ''}."
        )
    elif summary.spoiled_rounds is not None:
        yield "The system's counters show no round that anything else disturbed."
    if summary.drift is not None:
        yield (
            f"The machine's own speed moved by {summary.drift:.0%} between slow and fast spells. The engines took "
            "turns, so they met the same spells; a speedup is over the states that the machine was in."
        )
    for sentence in elasticity_sentences(summary):
        yield f"{sentence[0].upper()}{sentence[1:]}."


def _checked(summary: Summary) -> Iterator[str]:
    arms = [arm for cell in summary.cells for arm in cell.arms if not arm.twin and arm.latency_ms]
    errors = [arm.parity["max_abs_error"] for arm in arms if arm.parity and arm.parity.get("max_abs_error") is not None]
    if errors and all(arm.parity and arm.parity.get("ok") for arm in arms):
        yield f"Every engine's outputs agree with the reference's, to {max(errors):.0e} at worst."
    yield from dict.fromkeys(filter(None, (_placed(arm) for arm in arms)))
    unmet = sum(arm.target_met is False for arm in arms)
    if unmet:
        known = quantity(unmet, "speedup is", "speedups are")
        yield f"{known} known less well than was wanted; a longer --max-time would help."


def _placed(arm: ArmSummary) -> str | None:
    placement = arm.placement or {}
    assigned = placement.get("assigned") or {}
    if placement.get("unit") != "nodes" or not assigned:
        return None
    where = ", ".join(f"{count} on {provider}" for provider, count in assigned.items())
    return f"Of {arm.engine}'s graph nodes {where} ran, by ONNX Runtime's own record."


def _arms_told(summary: Summary) -> Iterator[str]:
    for cell in summary.cells:
        where = f"at batch size {cell.batch_size}, threads {cell.threads}{_combination(cell)}"
        told: dict[str, list[str]] = {}
        for arm in cell.arms:
            if arm.status != "ok":
                text = f"{arm.status} {where}: {arm.reason or 'no reason given'}"
            elif arm.steady is False:
                text = f"not steady {where}."
            else:
                continue
            told.setdefault(text, []).append(arm_label(ArmKey(arm.engine, twin=arm.twin)))
        yield from (f"{_joined(engines)}: {text}" for text, engines in told.items())
