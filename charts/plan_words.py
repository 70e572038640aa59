"""A recommended plan in words. Pure functions."""

from __future__ import annotations

from ortbench.results.recommendation import Instances, Recommendation
from ortbench.results.standings import Figure
from ortbench.results.verification import Verification, Verified
from ortbench.units import format_significant

# With fewer a study has no interval that relies on nothing else.
_USUAL_LAUNCHES = 6
_WHY = {
    "worse": "beside others it loses to the best",
    "over the bound": "beside others it does not keep to --max-latency",
    "failed": "it could not be run",
}


def plan_lines(found: Recommendation, max_latency_ms: float) -> list[str]:
    """Return the plan, what it gives, and what it assumes, a line each."""
    lines = []
    if found.keeps_max_latency is False:
        bound = format_significant(max_latency_ms)
        lines.append(f"no plan keeps to {bound} ms; the fastest there is:")
    allocator = "" if found.allocator == "default" else f" with {found.allocator}"
    lines.append(f"engine      {found.engine}{allocator}")
    lines.append(f"instances   {', '.join(map(_instances, found.instances))}")
    lines.append(f"latency     {format_significant(found.latency_ms)} ms, of the slowest instance")
    lines.append(f"throughput  {format_significant(found.throughput_per_s)} inferences/s, of all together")
    lines.append(f"compared    {_compared(found)}")
    return lines + [f"note        {note}" for note in found.notes]


def verification_lines(found: Verification) -> list[str]:
    """Return what was measured of each candidate, and what follows, as lines of one table."""
    latency = found.objective == "latency"
    unit = "ms" if latency else "inferences/s"
    rows = [("candidate", f"predicted {unit}", f"measured {unit}", "over single, predicted", "measured", "")]
    rows += [_verified(one) for one in found.candidates]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    launches = f"{found.launches} launch{'' if found.launches == 1 else 'es'}"
    lines = [f"measured in {launches}, {found.rounds} rounds, every candidate in each round [95 % for all together]:"]
    lines += ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return [*lines, *_conclusion(found)]


def _verified(one: Verified) -> tuple[str, str, str, str, str, str]:
    predicted = format_significant(one.candidate.predicted) if one.candidate.predicted else "not measured"
    name = one.candidate.name + (" (recommended)" if one.candidate.recommended else "")
    name += " (single)" if one.candidate.single and not one.candidate.recommended else ""
    told = one.verdict if one.reason is None else f"{one.verdict}: {one.reason}"
    advantage = f"{format_significant(one.predicted_advantage)}x" if one.predicted_advantage else ""
    return name, predicted, _ratio(one.measured), advantage, _ratio(one.advantage, "x"), told


def _ratio(ratio: Figure | None, unit: str = "") -> str:
    if ratio is None:
        return ""
    return f"{format_significant(ratio.value)}{unit} [{', '.join(map(format_significant, ratio.ci95))}]"


def _conclusion(found: Verification) -> list[str]:
    ran = [one for one in found.candidates if one.measured]
    if not ran:
        return ["nothing could be measured"]
    if found.best is None:
        return ["best        none: in measurement nothing keeps to --max-latency"]
    lines = [f"best        {found.best}"]
    if found.chosen != found.best:
        lines.append(f"run         {found.chosen}: fewer instances, and less than 1 % worse")
    recommended = next(one for one in found.candidates if one.candidate.recommended)
    if not found.confirmed:
        lines.append(f"note        the plan, {recommended.candidate.name}, does not hold: {_WHY[recommended.verdict]}")
    if open_ones := [one.candidate.name for one in ran if one.verdict == "inconclusive"]:
        lines.append(f"note        not told apart from the best: {'; '.join(open_ones)}. A longer --max-time may")
    if found.launches < _USUAL_LAUNCHES:
        lines.append(
            f"note        {found.launches} of the {_USUAL_LAUNCHES} launches that are usual: the intervals rest on "
            "what launches differ by elsewhere"
        )
    if found.state == "interrupted":
        lines.append("note        it was interrupted: these are the rounds until then")
    return lines + [f"note        {note}" for note in found.notes]


def _instances(group: Instances) -> str:
    threads = "1 thread" if group.threads == 1 else f"{group.threads} threads"
    each = " each" if group.count > 1 else ""
    return f"{group.count} x {threads} with batch size {group.batch_size}{each}"


def _compared(found: Recommendation) -> str:
    single = f"one instance of {found.threads} threads with batch size {found.batch_size}"
    if found.single_instance_latency_ms is None or found.speedup is None:
        return f"{single} was not measured"
    if len(found.instances) == 1 and found.instances[0].count == 1 and found.speedup == 1:
        return "this is the single instance: no split is faster"
    return f"{single} takes {format_significant(found.single_instance_latency_ms)} ms: {found.speedup:.2f}x"
