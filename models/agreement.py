"""Agreement with the reference over many batches: one comparison after the other, added up."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from ortbench.models.file_facts import FileFacts
from ortbench.models.output_parity import is_stepped
from ortbench.models.parity import Outputs, Parity, Tolerance, compare_outputs, top1_classes
from ortbench.models.reference_file import Expected, taken_apart
from ortbench.models.steps import Sums

# By top-1 agreement alone, 64 inputs without a disagreement bound its true rate below 5 % (rule of three: 3 / 64).
WANTED_INPUTS = 64
_NO_FACTS = FileFacts()


class Agreement:
    """What is known of an engine's outputs so far."""

    def __init__(
        self,
        reference: str,
        tolerance: Tolerance,
        facts: FileFacts = _NO_FACTS,
    ) -> None:
        """Begin with no batch.

        Args:
            reference: the engine that gave the expected outputs.
            tolerance: how far outputs may be from them.
            facts: of the model's file.
        """
        self._reference = reference
        self._tolerance = tolerance
        self._facts = facts
        self._sums: dict[str, Sums] = {}
        self._spreads: dict[str, float] = {}
        self._compared: list[Parity] = []
        self._classes: set[int] = set()

    @property
    def batches(self) -> int:
        """How many were compared."""
        return len(self._compared)

    def add(self, outputs: Outputs, expected: Outputs) -> None:
        """Compare one more batch."""
        self._compared.append(compare_outputs(outputs, expected, self._reference, self._tolerance, self._facts))
        self._classes |= top1_classes(expected)
        if self._tolerance.steps is not None:
            self._add_up(outputs, taken_apart(expected))

    def result(self) -> Parity:
        """Return the agreement over all batches, of which there is one at least."""
        result = msgspec.structs.replace(merge(self._compared), classes=len(self._classes) or None)
        reason = None if result.ok is False else self._objection_of_many()
        if reason is None:
            return result
        return msgspec.structs.replace(result, ok=False, reason=reason, failed_batch=0)

    def _objection_of_many(self) -> str | None:
        limits = self._tolerance.steps
        for name, sums in self._sums.items():
            spread = max(self._spreads.get(name, 0.0), sums.spread())
            if limits is not None and (reason := sums.objection(limits, spread, self._tolerance.absolute)):
                return f"output '{name}' {reason}"
        return None

    def _add_up(self, outputs: Outputs, expected: Expected) -> None:
        """Add one batch to the sums of every output of numbers; one with NaN or Inf, or another shape, is left out."""
        self._spreads |= expected.spreads
        for name, wanted in expected.outputs.items():
            actual = outputs.get(name)
            if actual is None or actual.shape != wanted.shape or not (wanted.dtype.kind == "f" or is_stepped(wanted)):
                continue
            own, theirs = actual.astype(np.float64), wanted.astype(np.float64)
            if np.isfinite(own).all() and np.isfinite(theirs).all():
                sums = self._sums.setdefault(name, Sums())
                sums.add(own, theirs, self._spreads.get(name) or float(theirs.std()))


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
        ties=_mean_of_shares([parity.ties for parity in compared]),
        unseen=_mean_of_shares([parity.unseen for parity in compared]),
    )


def _mean_of_shares(shares: Sequence[float | None]) -> float | None:
    """Return the mean over all batches, of which those without any have 0; None where none has."""
    return sum(share or 0.0 for share in shares) / len(shares) if any(shares) else None


def _largest(values: Sequence[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)
