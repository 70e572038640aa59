"""What the parent asks of a worker beside measuring, and what it answers: jobs before, between and after launches."""

from __future__ import annotations

from ortbench.engines.base import Availability, LoadRequest
from ortbench.export.artifact import Artifact
from ortbench.export.exporter import ExportRequest
from ortbench.models.parity import Tolerance
from ortbench.models.spec import ModelSource
from ortbench.models.special_values import SpecialValues
from ortbench.results.roofline import Work
from ortbench.runner.meeting import MeetingPlace
from ortbench.runner.message import Message


class Probe(Message):
    """Which of these (engine, target) can run here?"""

    targets: tuple[tuple[str, str], ...]


class Probed(Message):
    """One answer for each target, in order."""

    availability: tuple[Availability, ...]


class Export(Message):
    """Export a catalog model, or find its export."""

    request: ExportRequest


class Exported(Message):
    """The checked artifact."""

    artifact: Artifact


class Build(Message):
    """Build what the engine needs before it can be loaded, unless it is there."""

    engine: str
    request: LoadRequest


class Built(Message):
    """How long it took, and whether it was there already."""

    seconds: float
    reused: bool


class MakeReference(Message):
    """Run batches once each and save the outputs of each to an .npz file, the first whatever it takes.

    Attributes:
        first: index of the first batch; the others follow it.
        limit_s: when to begin no other batch.
    """

    batch_size: int
    paths: tuple[str, ...]
    first: int = 0
    limit_s: float = 0.0


class ReferenceMade(Message):
    """The outputs of so many batches are there.

    Attributes:
        random: the model gave other outputs when it was run again.
    """

    count: int
    random: bool = False


class Inspect(Message):
    """Look for NaN, Inf and denormals in the weights, and in the intermediate tensors of one batch."""

    batch_size: int
    limit_s: float


class Inspected(Message):
    """What was found; None for intermediates where the engine does not show them."""

    weights: SpecialValues
    intermediates: SpecialValues | None


class Bisect(Message):
    """Find the first intermediate tensor at which an engine differs.

    Attributes:
        request: as the arm was loaded.
        index: the batch whose outputs differ.
        scratch: an existing folder for truncated models, which the caller clears.
    """

    engine: str
    request: LoadRequest
    batch_size: int
    index: int
    tolerance: Tolerance
    limit_s: float
    scratch: str


class Bisected(Message):
    """What was found, in words that continue a sentence."""

    found: str


class Preprocess(Message):
    """Put images through a catalog model's own preprocessing, into an .npz file."""

    model: str
    images: tuple[str, ...]
    path: str


class Preprocessed(Message):
    """The file is there."""


class CountWork(Message):
    """Count what the model must do for one item, in each of these lanes."""

    source: ModelSource
    lanes: tuple[str, ...]


class WorkCounted(Message):
    """The work by lane; none, and why, where it cannot be counted."""

    work: dict[str, Work]
    reason: str | None = None


class MeasurePeaks(Message):
    """Measure how fast products of matrices and moving large arrays can be, with so many threads.

    Attributes:
        array_bytes: of each of the three arrays that are moved.
        meeting: where the instances meet before each measurement; None for the only one.
    """

    threads: int
    array_bytes: int
    meeting: MeetingPlace | None = None


class PeaksMeasured(Message):
    """What each way of doing it reached in each repetition, by its name.

    Attributes:
        cpu_s: the process's CPU time meanwhile.
        major_faults: its page faults that read the disk meanwhile.
    """

    gflop_per_s: dict[str, tuple[float, ...]]
    gbyte_per_s: dict[str, tuple[float, ...]]
    cpu_s: float = 0.0
    major_faults: int = 0
