"""A recommended plan in words. Pure functions."""

from __future__ import annotations

from ortbench.results.recommendation import Instances, Recommendation
from ortbench.units import format_significant


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
