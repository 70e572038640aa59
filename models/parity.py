"""Whether two engines computed the same: agreement of outputs with the reference. Pure functions of arrays."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from ortbench.models.precision import LANES
from ortbench.models.special_values import count_special_values, total


class Tolerance(msgspec.Struct, frozen=True, kw_only=True):
    """How far an output may be from the reference: |a - r| <= absolute + relative x max|r|.

    Attributes:
        absolute, relative: see above; the relative one is of the output's largest magnitude in the reference.
        min_cosine: the smallest cosine with the reference; None where only the differences count.
        lane: the precision that it is for.
        source: where the figures come from.
    """

    absolute: float
    relative: float
    min_cosine: float | None = None
    lane: str = "fp32"
    source: str = ""


def tolerance_for(precision: str) -> Tolerance:
    """Return how far outputs of that lane may be from the reference; see `models/precision.py`."""
    lane = LANES[precision]
    return Tolerance(
        absolute=lane.absolute_tolerance,
        relative=lane.relative_tolerance,
        min_cosine=lane.min_cosine,
        lane=lane.name,
        source=lane.source,
    )


FP32 = tolerance_for("fp32")


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


Outputs = Mapping[str, NDArray[np.generic]]


def compare_outputs(outputs: Outputs, expected: Outputs, reference: str, tolerance: Tolerance = FP32) -> Parity:
    """Compare `outputs` with the reference's, by name.

    Names, shapes and the places of NaN must be equal; every finite difference must be within the tolerance;
    integers, booleans and text must be equal.
    """
    if set(outputs) != set(expected):
        reason = f"outputs are [{', '.join(outputs)}], expected [{', '.join(expected)}]"
        return Parity(ok=False, reference=reference, reason=reason, tolerance=tolerance)
    for name, array in expected.items():
        if outputs[name].shape != array.shape:
            reason = f"output '{name}' has the shape {outputs[name].shape}, expected {array.shape}"
            return Parity(ok=False, reference=reference, reason=reason, tolerance=tolerance)
    compared = [_compare(name, outputs[name], expected[name], tolerance) for name in expected]
    agreements = [row.top1_agreement for row in compared if row.top1_agreement is not None]
    special = total(count_special_values(name, array) for name, array in outputs.items())
    return Parity(
        ok=all(row.ok for row in compared),
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
    )


def top1_classes(expected: Outputs) -> set[int]:
    """Return which entries are the largest along the last axis of the first output that has classes."""
    scores = next((array for array in expected.values() if _has_classes(array)), None)
    return set() if scores is None else set(np.unique(np.argmax(scores, axis=-1)).tolist())


def _compare(name: str, output: NDArray[np.generic], expected: NDArray[np.generic], tolerance: Tolerance) -> Parity:
    if expected.dtype.kind not in "fiubc":
        ok = np.array_equal(output, expected)
        return Parity(ok=ok, reference="", reason=None if ok else f"output '{name}' has other values")
    if expected.dtype.kind in "iub":
        return _compare_exactly(name, output, expected)
    actual, wanted = _as_reals(output), _as_reals(expected)
    if wanted.size == 0:
        return Parity(ok=True, reference="", max_abs_error=0.0, max_rel_error=0.0, cosine=1.0)
    finite = np.isfinite(wanted)
    same_specials = np.array_equal(actual[~finite], wanted[~finite], equal_nan=True)
    if not same_specials or not np.isfinite(actual[finite]).all():
        return Parity(ok=False, reference="", reason=f"output '{name}' has NaN or Inf where the reference has not")
    scale = float(np.abs(wanted[finite]).max(initial=0.0))
    error = float(np.abs(actual[finite] - wanted[finite]).max(initial=0.0))
    cosine = _cosine(actual[finite], wanted[finite])
    # Where the whole output is within the absolute tolerance of zero, its direction means nothing.
    direction = cosine if scale > tolerance.absolute else 1.0
    reason = _objection(error, tolerance.absolute + tolerance.relative * scale, direction, tolerance)
    return Parity(
        ok=reason is None,
        reference="",
        max_abs_error=error,
        max_rel_error=error / scale if scale else 0.0,
        cosine=cosine,
        top1_agreement=_top1_agreement(output, expected),
        reason=f"output '{name}' {reason}" if reason else None,
    )


def _objection(error: float, bound: float, cosine: float, tolerance: Tolerance) -> str | None:
    if error > bound:
        return f"differs by {error:.3g}, more than the {bound:.3g} that {tolerance.lane} allows"
    if tolerance.min_cosine is not None and cosine < tolerance.min_cosine:
        return f"has the cosine {cosine:.6f}, less than the {tolerance.min_cosine:g} that {tolerance.lane} asks for"
    return None


def _compare_exactly(name: str, output: NDArray[np.generic], expected: NDArray[np.generic]) -> Parity:
    """Compare integers or booleans: classes, tokens and masks are right or wrong, not nearly right."""
    wrong = int(np.count_nonzero(output != expected))
    error = float(np.abs(output.astype(np.float64) - expected.astype(np.float64)).max(initial=0.0))
    scale = float(np.abs(expected.astype(np.float64)).max(initial=0.0))
    reason = f"output '{name}' differs in {wrong} of {expected.size} values, by at most {error:g}" if wrong else None
    return Parity(
        ok=not wrong,
        reference="",
        max_abs_error=error,
        max_rel_error=error / scale if scale else 0.0,
        reason=reason,
    )


def _as_reals(array: NDArray[np.generic]) -> NDArray[np.float64]:
    """Return a flat array of float64; of complex numbers, their real and imaginary parts."""
    if array.dtype.kind == "c":
        return np.ascontiguousarray(array).astype(np.complex128).ravel().view(np.float64)
    return array.astype(np.float64).ravel()


def _cosine(actual: NDArray[np.float64], wanted: NDArray[np.float64]) -> float:
    norms = float(np.linalg.norm(actual)) * float(np.linalg.norm(wanted))
    if norms == 0:
        return 1.0 if np.array_equal(actual, wanted) else 0.0
    return float(np.dot(actual, wanted)) / norms


def _has_classes(array: NDArray[np.generic]) -> bool:
    return array.dtype.kind == "f" and array.ndim >= 2 and array.shape[-1] >= 2 and array.size > 0


def _top1_agreement(output: NDArray[np.generic], expected: NDArray[np.generic]) -> float | None:
    if not _has_classes(expected):
        return None
    return float(np.mean(np.argmax(output, axis=-1) == np.argmax(expected, axis=-1)))
