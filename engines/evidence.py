"""Whether an engine ran what it claimed. A pure function of its evidence."""

from __future__ import annotations

from ortbench.engines.base import Evidence, Placement

# Half the work: below it, most of what a figure measures is another provider's. Above it the share is a mark.
LEAST_REQUESTED_SHARE = 0.5


def fallback_reason(evidence: Evidence, *, allowed: bool = False) -> str | None:
    """Say why this evidence shows a fallback, or None where it does not.

    Running part of the graph elsewhere is none: ONNX Runtime itself keeps shape computations on the CPU. It is one when
    the provider asked for runs less than `LEAST_REQUESTED_SHARE` of the floating-point operations; where those are not
    counted, of the units.

    Args:
        evidence: the engine's.
        allowed: whether the user allows any share.
    """
    placement = evidence.placement
    if placement is None or allowed or placement.requested_share >= LEAST_REQUESTED_SHARE:
        return None
    ran = ", ".join(f"{provider} ({count})" for provider, count in placement.assigned.items()) or "nothing"
    return f"asked for {placement.requested}, but {_little(placement)}the {placement.unit} ran on: {ran}"


def _little(placement: Placement) -> str:
    share = placement.requested_share
    measure = "operations" if placement.flops and any(placement.flops.values()) else placement.unit
    return f"it got {share:.1%} of the {measure} (--allow-fallback counts it all the same); " if share else ""
