"""Whether two engines computed the same: agreement of outputs with the reference. Pure functions of arrays."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from ortbench.models.file_facts import FileFacts, Made, random_reason
from ortbench.models.output_parity import Judge, has_classes
from ortbench.models.precision import AS_MADE, LANES
from ortbench.models.reference_file import taken_apart
from ortbench.models.special_values import count_special_values, total
from ortbench.models.steps import Limits


class Tolerance(msgspec.Struct, frozen=True, kw_only=True):
    """How far an output may be from the reference: |a - r| <= absolute + relative x max|r|.

    Attributes:
        absolute, relative: see above; the relative one is of the output's largest magnitude in the reference.
        min_cosine: the smallest cosine with the reference; None where only the differences count.
        lane: the precision that it is for.
        source: where the figures come from.
        steps: for a model that rounds on the way, instead of all figures but `absolute`; see `models/steps.py`.
    """

    absolute: float
    relative: float
    min_cosine: float | None = None
    lane: str = "fp32"
    source: str = ""
    steps: Limits | None = None


def tolerance_for(precision: str, made: Made = "") -> Tolerance:
    """Return how far outputs may be from the reference; see `models/precision.py`.

    Args:
        precision: the lane.
        made: the numbers that an .onnx file's maker had it compute in; what is coarser counts.
    """
    if made in ("int8", "int4"):
        return Tolerance(absolute=1e-3, relative=0.0, lane=f"{made}, as made", source=AS_MADE, steps=Limits())
    if made and LANES[made].relative_tolerance > LANES[precision].relative_tolerance:
        return msgspec.structs.replace(tolerance_for(made), lane=f"{made}, as made")
    lane = LANES[precision]
    return Tolerance(
        absolute=lane.absolute_tolerance,
        relative=lane.relative_tolerance,
        min_cosine=lane.min_cosine,
        lane=lane.name,
        source=lane.source,
    )


FP32 = tolerance_for("fp32")
_NO_FACTS = FileFacts()


class Parity(msgspec.Struct, frozen=True, kw_only=True):
    """How well the outputs agree with the reference.

    Attributes:
        ok: every output agrees; None when the engine computes nothing that could be compared.
        reference: the engine that gave the reference.
        max_abs_error: the largest absolute difference over all outputs.
        max_rel_error: that difference over the reference's largest magnitude.
        cosine: of the flattened outputs, the smallest over all outputs and batches.
        top1_agreement: share of items whose largest entry along the last axis is the same; None where no
            output of floating-point numbers has one.
        classes: how many different entries were the reference's largest: agreement on one class proves little.
        inputs: how many were compared.
        full: this is the check of many inputs before the first timing, not of one batch.
        failed_batch: index of the first batch that does not agree; None where all do.
        nan, inf, denormal: how many of them the outputs hold.
        tolerance: what was allowed.
        seconds: what the full check took.
        reason: what is wrong, if anything.
        note: what a reader should know of the check itself.
        ties: share of integers that differ where the values that decide tie within the tolerance; None where none do.
        unseen: share of integers that differ and whose deciding values could not be had; None where none do.
    """

    ok: bool | None
    reference: str
    max_abs_error: float | None = None
    max_rel_error: float | None = None
    cosine: float | None = None
    top1_agreement: float | None = None
    reason: str | None = None
    classes: int | None = None
    inputs: int | None = None
    full: bool = False
    failed_batch: int | None = None
    nan: int = 0
    inf: int = 0
    denormal: int = 0
    tolerance: Tolerance | None = None
    seconds: float | None = None
    note: str | None = None
    ties: float | None = None
    unseen: float | None = None


Outputs = Mapping[str, NDArray[np.generic]]


def compare_outputs(
    outputs: Outputs,
    expected: Outputs,
    reference: str,
    tolerance: Tolerance = FP32,
    facts: FileFacts = _NO_FACTS,
) -> Parity:
    """Compare `outputs` with the reference's, by name.

    Names, shapes and the places of NaN must be equal; every finite difference must be within the tolerance;
    integers, booleans and text must be equal, but for ties. Where the model draws random numbers nothing is known.

    Args:
        outputs: of an engine.
        expected: what the reference's file holds.
        reference: the engine that gave them.
        tolerance: how far numbers may differ.
        facts: of the model's file.
    """
    held = taken_apart(expected)
    expected = held.outputs
    if held.random:
        return Parity(ok=None, reference=reference, reason=random_reason(facts.random))
    if set(outputs) != set(expected):
        reason = f"outputs are [{', '.join(outputs)}], expected [{', '.join(expected)}]"
        return Parity(ok=False, reference=reference, reason=reason, tolerance=tolerance)
    for name, array in expected.items():
        if outputs[name].shape != array.shape:
            reason = f"output '{name}' has the shape {outputs[name].shape}, expected {array.shape}"
            return Parity(ok=False, reference=reference, reason=reason, tolerance=tolerance)
    judge = Judge(tolerance, facts, held)
    compared = [judge.compare(name, outputs[name], expected[name]) for name in expected]
    agreements = [row.top1_agreement for row in compared if row.top1_agreement is not None]
    special = total(count_special_values(name, array) for name, array in outputs.items())
    return Parity(
        ok=not any(row.reason for row in compared),
        reference=reference,
        max_abs_error=max((row.max_abs_error or 0.0 for row in compared), default=0.0),
        max_rel_error=max((row.max_rel_error or 0.0 for row in compared), default=0.0),
        cosine=min((1.0 if row.cosine is None else row.cosine for row in compared), default=1.0),
        top1_agreement=min(agreements) if agreements else None,
        classes=len(top1_classes(expected)) or None,
        nan=special.nan,
        inf=special.inf,
        denormal=special.denormal,
        tolerance=tolerance,
        reason=next((row.reason for row in compared if row.reason), None),
        ties=max((row.ties for row in compared if row.ties), default=None),
        unseen=max((row.unseen for row in compared if row.unseen), default=None),
    )


def top1_classes(expected: Outputs) -> set[int]:
    """Return which entries are the largest along the last axis of the first output that has classes."""
    scores = next((array for array in taken_apart(expected).outputs.values() if has_classes(array)), None)
    return set() if scores is None else set(np.unique(np.argmax(scores, axis=-1)).tolist())
