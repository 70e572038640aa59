"""How near an arm comes to what the machine allows: the roofline model. Pure functions.

Work is counted from the model (operations, and bytes that must move at least once), the roofs are measured at the same
threads: a large matrix product for arithmetic, a sum of two large arrays for memory. Source: Williams, Waterman,
Patterson, "Roofline: an insightful visual performance model for multicore architectures", CACM 52 (2009).
"""

from __future__ import annotations

import msgspec

# What explains an arm above its roof: fewer operations than were counted, or a matrix product that was not the peak.
ABOVE = (
    "it computes with fewer operations than are counted (Winograd's or another fast convolution), or the measured "
    "matrix product did not reach the processor's own peak"
)


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What a model must do.

    Attributes:
        flops_per_item: floating-point operations for one item; a multiply-add counts two.
        weight_bytes: read once a call, whatever the batch size.
        activation_bytes_per_item: of the inputs and outputs of convolutions and matrix products, each counted once;
            what can be fused into them moves nothing.
    """

    flops_per_item: int
    weight_bytes: int
    activation_bytes_per_item: int

    def intensity(self, batch_size: int) -> float:
        """Return the operations for each byte moved."""
        moved = self.weight_bytes + self.activation_bytes_per_item * batch_size
        return self.flops_per_item * batch_size / moved


class Peaks(msgspec.Struct, frozen=True, kw_only=True):
    """The roofs, as measured with so many threads.

    Attributes:
        gflop_per_s: of a large fp32 matrix product.
        gbyte_per_s: of a sum of two large arrays into a third, read and written bytes together.
    """

    threads: int
    gflop_per_s: float
    gbyte_per_s: float

    def attainable_gflop_per_s(self, intensity: float) -> float:
        """Return the roof above an intensity in operations a byte."""
        return min(self.gflop_per_s, intensity * self.gbyte_per_s)

    def bound(self, intensity: float) -> str:
        """Say which roof that is: `memory` or `arithmetic`."""
        return "memory" if intensity * self.gbyte_per_s < self.gflop_per_s else "arithmetic"


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """One arm below its roof, or above it.

    Attributes:
        share: achieved over attainable; more than 1 is above the roof.
        explanation: of a share above 1; None otherwise.
    """

    intensity: float
    achieved_gflop_per_s: float
    attainable_gflop_per_s: float
    bound: str
    share: float
    explanation: str | None = None


def share_of_peak(work: Work, peaks: Peaks, batch_size: int, latency_ms: float) -> Share:
    """Return how much of the attainable peak an arm reaches.

    Args:
        work: of the model.
        peaks: measured with the arm's threads.
        batch_size: items of one call.
        latency_ms: of one call.
    """
    intensity = work.intensity(batch_size)
    achieved = work.flops_per_item * batch_size / (latency_ms * 1e6)
    attainable = peaks.attainable_gflop_per_s(intensity)
    share = achieved / attainable
    return Share(
        intensity=intensity,
        achieved_gflop_per_s=achieved,
        attainable_gflop_per_s=attainable,
        bound=peaks.bound(intensity),
        share=share,
        explanation=ABOVE if share > 1 else None,
    )
