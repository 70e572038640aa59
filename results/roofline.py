"""How near an arm comes to what the machine allows: the roofline model. Pure functions.

Work is counted from the model (operations, and bytes that must move at least once), the roofs are measured at the same
threads and instances: a large matrix product for arithmetic, copying and adding large arrays for memory. Source:
Williams, Waterman, Patterson, "Roofline: an insightful visual performance model for multicore architectures", CACM 52
(2009).
"""

from __future__ import annotations

import msgspec

# The lane whose matrix products are measured; whoever computes in another has no roof.
MEASURED_ARITHMETIC = "fp32"

# Why the engines that only play a part have no roof: nothing that a reader must be told once more.
FAKE = "it is a fake"

# What explains an arm above its roof, by the roof: less work than was counted, or a measurement that was no peak.
ABOVE = {
    "arithmetic": "it computes with fewer operations than are counted (Winograd's or another fast convolution), or the "
    "measured matrix product did not reach the processor's own peak",
    "memory": "it moves fewer bytes through memory than are counted (tensors stay in the caches from one layer to the "
    "next, small weights from one call to the next), or the measured arrays did not reach the memory's own peak",
}


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What a model must do.

    Attributes:
        flops_per_item: floating-point operations for one item; a multiply-add counts two.
        weight_bytes: of what is the same in every call; read once a call by each instance, whatever the batch size.
        activation_bytes_per_item: that convolutions and matrix products read and write beside them, once for each
            reading and writing; what can be fused into them moves nothing.
        arithmetic: what the products are of, as a lane's name.
    """

    flops_per_item: int
    weight_bytes: int
    activation_bytes_per_item: int
    arithmetic: str = "fp32"

    def intensity(self, batch_size: float) -> float:
        """Return the operations for each byte moved, at so many items a call of each instance."""
        moved = self.weight_bytes + self.activation_bytes_per_item * batch_size
        return self.flops_per_item * batch_size / moved


class Peaks(msgspec.Struct, frozen=True, kw_only=True):
    """The roofs of one layout, as measured with so many instances of so many threads at the same time.

    Attributes:
        gflop_per_s: of a large fp32 matrix product, all instances together.
        gbyte_per_s: of large arrays, read and written bytes together, all instances together.
        product, stream: what gave the best figure, e.g. `onnxruntime, 1024 x 1024` and `copy`.
        disturbed: by what, where it was; the roofs may be too low then.
    """

    threads: int
    instances: int = 1
    gflop_per_s: float
    gbyte_per_s: float
    product: str = ""
    stream: str = ""
    disturbed: str | None = None

    @property
    def ridge(self) -> float:
        """The intensity from which on memory no longer holds back, in operations a byte."""
        return self.gflop_per_s / self.gbyte_per_s

    def attainable_gflop_per_s(self, intensity: float) -> float:
        """Return the roof above an intensity in operations a byte."""
        return min(self.gflop_per_s, intensity * self.gbyte_per_s)

    def bound(self, intensity: float) -> str:
        """Say which roof that is: `memory` or `arithmetic`."""
        return "memory" if intensity * self.gbyte_per_s < self.gflop_per_s else "arithmetic"


class Roofline(msgspec.Struct, frozen=True, kw_only=True):
    """What run.json keeps of work and roofs.

    Attributes:
        work: by lane.
        peaks: by layout.
        without_roof: engine -> why no roof is measured where it runs.
        left_out: which layouts were not measured for want of time; None where all were.
        reason: why the work cannot be counted, or what went wrong; None where nothing did.
    """

    work: dict[str, Work] = {}
    peaks: tuple[Peaks, ...] = ()
    without_roof: dict[str, str] = {}
    left_out: str | None = None
    reason: str | None = None

    def of_layout(self, threads: int, instances: int) -> Peaks | None:
        """Return the roofs of a layout, or None where they were not measured."""
        return next((each for each in self.peaks if (each.threads, each.instances) == (threads, instances)), None)


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """One arm below its roof, or above it.

    Attributes:
        intensity: operations for each byte moved.
        bound: which roof is above it, `memory` or `arithmetic`.
        share: achieved over attainable; more than 1 is above the roof.
        explanation: of a share above 1; None otherwise.
    """

    intensity: float
    achieved_gflop_per_s: float
    attainable_gflop_per_s: float
    bound: str
    share: float
    explanation: str | None = None


def share_of_peak(work: Work, peaks: Peaks, items_per_call: float, items_per_s: float) -> Share:
    """Return how much of the attainable peak an arm reaches.

    Args:
        work: of the model; it has some.
        peaks: measured with the arm's threads and instances.
        items_per_call: of each instance; an instance reads the weights for every call of its own.
        items_per_s: of all instances together.
    """
    intensity = work.intensity(items_per_call)
    achieved = work.flops_per_item * items_per_s / 1e9
    attainable = peaks.attainable_gflop_per_s(intensity)
    share, bound = achieved / attainable, peaks.bound(intensity)
    return Share(
        intensity=intensity,
        achieved_gflop_per_s=achieved,
        attainable_gflop_per_s=attainable,
        bound=bound,
        share=share,
        explanation=_explained(peaks, bound) if share > 1 else None,
    )


def _explained(peaks: Peaks, bound: str) -> str:
    disturbed = f"its roof may be too low ({peaks.disturbed} while it was measured), or " if peaks.disturbed else ""
    return disturbed + ABOVE[bound]
