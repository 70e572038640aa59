"""Whether two engines computed the same: agreement of outputs with the reference. Pure functions of arrays."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

# fp32 engines sum in different orders and fuse batch normalisation into convolutions, so outputs differ by
# some ulps per layer. ResNet50's logits of magnitude 100 were seen to differ by 8e-5; a wrong kernel, a TF32
# or a bf16 path differ by 1e-2 and more. The bound is |a - r| <= ABSOLUTE + RELATIVE * max|r|.
ABSOLUTE_TOLERANCE = 1e-4
RELATIVE_TOLERANCE = 1e-4


class Parity(msgspec.Struct, frozen=True, kw_only=True):
    """How well the outputs agree with the reference.

    Attributes:
        ok: every output agrees; None when the engine computes nothing that could be compared.
        reference: the engine that gave the reference.
        max_abs_error: the largest absolute difference over all outputs.
        max_rel_error: that difference over the reference's largest magnitude.
        cosine: of the flattened outputs, the smallest over all outputs.
        top1_agreement: share of items whose largest entry along the last axis is the same; None where no
            output has one.
        reason: what is wrong, if anything.
    """

    ok: bool | None
    reference: str
    max_abs_error: float | None = None
    max_rel_error: float | None = None
    cosine: float | None = None
    top1_agreement: float | None = None
    reason: str | None = None


def compare_outputs(
    outputs: Mapping[str, NDArray[np.generic]], expected: Mapping[str, NDArray[np.generic]], reference: str
) -> Parity:
    """Compare `outputs` with the reference's, by name.

    Names, shapes and the places of NaN must be equal; every finite difference must be within
    ABSOLUTE_TOLERANCE + RELATIVE_TOLERANCE x the largest magnitude of that output in the reference.
    """
    if set(outputs) != set(expected):
        reason = f"outputs are [{', '.join(outputs)}], expected [{', '.join(expected)}]"
        return Parity(ok=False, reference=reference, reason=reason)
    for name, array in expected.items():
        if outputs[name].shape != array.shape:
            reason = f"output '{name}' has the shape {outputs[name].shape}, expected {array.shape}"
            return Parity(ok=False, reference=reference, reason=reason)
    compared = [_compare(name, outputs[name], expected[name]) for name in expected]
    agreements = [row.top1_agreement for row in compared if row.top1_agreement is not None]
    return Parity(
        ok=all(row.ok for row in compared),
        reference=reference,
        max_abs_error=max((row.max_abs_error or 0.0 for row in compared), default=0.0),
        max_rel_error=max((row.max_rel_error or 0.0 for row in compared), default=0.0),
        cosine=min((1.0 if row.cosine is None else row.cosine for row in compared), default=1.0),
        top1_agreement=min(agreements) if agreements else None,
        reason=next((row.reason for row in compared if row.reason), None),
    )


def _compare(name: str, output: NDArray[np.generic], expected: NDArray[np.generic]) -> Parity:
    if expected.dtype.kind not in "fiubc":
        ok = np.array_equal(output, expected)
        return Parity(ok=ok, reference="", reason=None if ok else f"output '{name}' has other values")
    actual = output.astype(np.float64).ravel()
    wanted = expected.astype(np.float64).ravel()
    if wanted.size == 0:
        return Parity(ok=True, reference="", max_abs_error=0.0, max_rel_error=0.0, cosine=1.0)
    finite = np.isfinite(wanted)
    same_specials = np.array_equal(actual[~finite], wanted[~finite], equal_nan=True)
    if not same_specials or not np.isfinite(actual[finite]).all():
        return Parity(ok=False, reference="", reason=f"output '{name}' has NaN or Inf where the reference has not")
    scale = float(np.abs(wanted[finite]).max(initial=0.0))
    error = float(np.abs(actual[finite] - wanted[finite]).max(initial=0.0))
    bound = ABSOLUTE_TOLERANCE + RELATIVE_TOLERANCE * scale
    ok = error <= bound
    return Parity(
        ok=ok,
        reference="",
        max_abs_error=error,
        max_rel_error=error / scale if scale else 0.0,
        cosine=_cosine(actual[finite], wanted[finite]),
        top1_agreement=_top1_agreement(output, expected),
        reason=None if ok else f"output '{name}' differs by {error:.3g}, more than the {bound:.3g} that fp32 allows",
    )


def _cosine(actual: NDArray[np.float64], wanted: NDArray[np.float64]) -> float:
    norms = float(np.linalg.norm(actual)) * float(np.linalg.norm(wanted))
    if norms == 0:
        return 1.0 if np.array_equal(actual, wanted) else 0.0
    return float(np.dot(actual, wanted)) / norms


def _top1_agreement(output: NDArray[np.generic], expected: NDArray[np.generic]) -> float | None:
    if expected.ndim < 2 or expected.shape[-1] < 2:
        return None
    return float(np.mean(np.argmax(output, axis=-1) == np.argmax(expected, axis=-1)))
