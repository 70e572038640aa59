"""Whether an engine ran what it claimed. A pure function of its evidence."""

from __future__ import annotations

from ortbench.engines.base import Evidence


def fallback_reason(evidence: Evidence) -> str | None:
    """Say why this evidence shows a fallback, or None where it does not.

    Running nothing on the provider asked for is a fallback. Running part of the graph elsewhere is not: ONNX
    Runtime itself keeps shape computations on the CPU; the record shows the share.
    """
    placement = evidence.placement
    if placement is None or placement.assigned.get(placement.requested, 0) > 0:
        return None
    ran = ", ".join(f"{provider} ({count})" for provider, count in placement.assigned.items()) or "nothing"
    return f"asked for {placement.requested}, but the {placement.unit} ran on: {ran}"
