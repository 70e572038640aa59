"""What a reader must know of where an arm ran, from its record. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_NOTICED = 0.005


def placement_marks(placement: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Return a mark for each thing that makes an arm less than what its name says.

    Args:
        placement: as in the record; None where the engine has no notion of it.
    """
    return tuple(
        f"{share:.0%} of the {measure} ran on {provider}" for provider, share, measure in _elsewhere(placement)
    )


def binding_marks(evidence: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Return a mark where outputs are bound anew in each call, which takes some microseconds of it.

    Args:
        evidence: as in the record.
    """
    names = (evidence or {}).get("rebound") or ()
    if not names:
        return ()
    listed, plural = ", ".join(f"'{name}'" for name in names), len(names) > 1
    what = f"outputs {listed} have" if plural else f"output {listed} has"
    return (f"{what} a shape that the file does not tell, and {'are' if plural else 'is'} bound anew in each call",)


def _elsewhere(placement: Mapping[str, Any] | None) -> list[tuple[str, float, str]]:
    if placement is None:
        return []
    flops = placement.get("flops") or {}
    # Nodes that compute no product (shapes, mostly) weigh nothing where the products are counted.
    counts, measure = (flops, "operations") if any(flops.values()) else (placement["assigned"], placement["unit"])
    total = sum(counts.values())
    shares = [(provider, count / total, measure) for provider, count in counts.items() if total]
    return [entry for entry in shares if entry[0] != placement["requested"] and entry[1] >= _NOTICED]
