"""Agreement with the reference over many batches: one comparison after the other, added up."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ortbench.models.parity import Outputs, Parity, Tolerance, compare_outputs, top1_classes

# By top-1 agreement alone, 64 inputs without a disagreement bound its true rate below 5 % (rule of three: 3 / 64).
WANTED_INPUTS = 64


class Agreement:
    """What is known of an engine's outputs so far."""

    def __init__(self, reference: str, tolerance: Tolerance) -> None:
        """Begin with no batch.

        Args:
            reference: the engine that gave the expected outputs.
            tolerance: how far outputs may be from them.
        """
        self._reference = reference
        self._tolerance = tolerance
        self._compared: list[Parity] = []
        self._classes: set[int] = set()

    @property
    def batches(self) -> int:
        """How many were compared."""
        return len(self._compared)

    def add(self, outputs: Outputs, expected: Outputs) -> None:
        """Compare one more batch."""
        self._compared.append(compare_outputs(outputs, expected, self._reference, self._tolerance))
        self._classes |= top1_classes(expected)

    def result(self) -> Parity:
        """Return the agreement over all batches, of which there is one at least."""
        return msgspec.structs.replace(merge(self._compared), classes=len(self._classes) or None)


def merge(compared: Sequence[Parity]) -> Parity:
    """Return the worst of several comparisons: of errors the largest, of cosines the smallest.

    Top-1 agreement is their mean, as all batches are of one size; counts are added up.
    """
    failed = next((index for index, parity in enumerate(compared) if parity.ok is False), None)
    agreements = [parity.top1_agreement for parity in compared if parity.top1_agreement is not None]
    return msgspec.structs.replace(
        compared[0 if failed is None else failed],
        max_abs_error=_largest([parity.max_abs_error for parity in compared]),
        max_rel_error=_largest([parity.max_rel_error for parity in compared]),
        cosine=min((parity.cosine for parity in compared if parity.cosine is not None), default=None),
        top1_agreement=sum(agreements) / len(agreements) if agreements else None,
        failed_batch=failed,
        nan=sum(parity.nan for parity in compared),
        inf=sum(parity.inf for parity in compared),
        denormal=sum(parity.denormal for parity in compared),
    )


def _largest(values: Sequence[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)
