"""What the record says of outputs: which check of an arm tells the most, and what a reader should know of it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from ortbench.results.schema import ArmKey, LaunchRecord

# Shares, by their keys in a parity.
_DIFFERING_INTEGERS = {
    "ties": "all where the values that decide tie within the tolerance",
    "unseen": "few enough to be ties, which could not be seen",
}


def _counted(number: int, name: str) -> str:
    return f"{number} {name}{'s' if number != 1 and name == 'denormal' else ''}"


def fully_checked(launches: Iterable[LaunchRecord], cells: Collection[str], arm: ArmKey) -> bool:
    """Say whether an arm had its many inputs compared in one of these cells."""
    return any(
        record.cell in cells and ArmKey(record.engine, record.twin) == arm and (record.parity or {}).get("full")
        for record in launches
    )


def telling_parity(launches: Sequence[LaunchRecord]) -> dict[str, Any] | None:
    """Return the check of an arm in a cell that counts: the first that failed, else the one of the most inputs.

    Of several of as many inputs it is a full one, which looks for more, and of these the latest.
    """
    checks: list[dict[str, Any]] = [record.parity for record in launches if record.parity]
    failed = [parity for parity in checks if parity.get("ok") is False]
    if failed or not checks:
        return failed[0] if failed else None

    def worth(parity: dict[str, Any]) -> tuple[int, bool]:
        return parity.get("inputs") or 0, bool(parity.get("full"))

    best = max(map(worth, checks))
    return [parity for parity in checks if worth(parity) == best][-1]


def parity_notes(launches: Iterable[LaunchRecord]) -> list[str]:
    """Say of engines what is unusual in its outputs, and where fewer inputs were compared than was wanted."""
    labels: dict[str, dict[str, None]] = {}
    for record in launches:
        parity, label = record.parity or {}, record.engine
        # What a twin shows its engine shows too.
        if record.twin or not parity.get("full"):
            continue
        counts = (("NaN", "nan"), ("Inf", "inf"), ("denormal", "denormal"))
        found = ", ".join(_counted(parity[key], name) for name, key in counts if parity.get(key))
        if found:
            labels.setdefault(f"outputs hold {found}, for {parity.get('inputs')} inputs", {})[label] = None
        for key, why in _DIFFERING_INTEGERS.items():
            if parity.get(key):
                labels.setdefault(f"{parity[key]:.2g} of the integers differ, {why}", {})[label] = None
        if parity.get("note"):
            labels.setdefault(parity["note"], {})[label] = None
    return [f"{', '.join(engines)}: {note}" for note, engines in labels.items()]
