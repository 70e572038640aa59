"""What parent and worker say to each other: one JSON line each way at a time."""

from __future__ import annotations

from typing import Any

import msgspec

from ortbench.engines.base import Availability, Evidence, LoadRequest, OperatorTime
from ortbench.export.artifact import Artifact
from ortbench.export.exporter import ExportRequest
from ortbench.models.inputs import Part
from ortbench.models.parity import Parity, Tolerance
from ortbench.models.spec import ModelSource
from ortbench.models.special_values import SpecialValues
from ortbench.results.loadgen import LoadRun
from ortbench.results.roofline import Work
from ortbench.runner.meeting import MeetingPlace


class Message(msgspec.Struct, kw_only=True, tag=True):
    """Base of every request and reply; the class's name is its tag."""


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


class Load(Message):
    """Import the engine's libraries and load the model.

    Attributes:
        meeting: where the instances of an arm meet; None for the only one.
    """

    engine: str
    request: LoadRequest
    meeting: MeetingPlace | None = None


class Loaded(Message):
    """How long each took, and the process's resident set after it."""

    import_s: float
    load_s: float
    memory_mib: float | None = None


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
    """The outputs of so many batches are there."""

    count: int


class Prepare(Message):
    """Bind a batch, run it cold, compare its outputs, warm up.

    Attributes:
        reference_path: .npz of the reference's outputs; None where nothing is compared.
        reference: the engine that made it.
        batches: likewise for several batches, the first being that one; empty for no full check.
        wanted_inputs: how many inputs the full check should have.
        limit_s: when the full check ends at the latest, but for the batch under way.
        part: the items of the batch that this instance gets; None for all.
    """

    batch_size: int
    reference_path: str | None
    reference: str
    batches: tuple[str, ...] = ()
    wanted_inputs: int = 0
    limit_s: float = 0.0
    part: Part | None = None


class Prepared(Message):
    """An arm that is ready, or was found to compute something else (parity not ok: then it is not warmed up)."""

    first_call_ns: int
    warm_up_ns: tuple[int, ...]
    steady: bool
    parity: Parity
    evidence: Evidence
    affinity: tuple[int, ...]
    os_threads: int | None
    allocator: str
    memory_mib: float | None
    tunables: dict[str, int] = {}
    pss_mib: float | None = None
    gpu_memory_mib: float | None = None
    busy_threads: int | None = None


class Slice(Message):
    """Time so many calls.

    Attributes:
        mode: `single` for calls one after the other; `split` to begin each together with the other instances; `stream`
            to begin together and go on until every instance has done so many.
    """

    calls: int
    mode: str = "single"


class LoadSlice(Message):
    """Let LoadGen make the requests of one slice; see `runner/load_run.py`.

    Attributes:
        scenario: as `runner/load.py` names it.
        run_s: how long requests are made.
        call_ns: what a call is expected to take.
        seeds: of the samples in memory, their order and the schedule.
        folder: an existing one for LoadGen's files, which the caller removes.
        rate: arrivals a second; 0 where each query waits for the last.
        max_latency_ns: the bound on the 99th percentile under arrivals.
        most_outstanding: with more queries waiting LoadGen ends the run; 0 for any number.
    """

    scenario: str
    batch_size: int
    run_s: float
    call_ns: int
    seeds: tuple[int, int, int]
    folder: str
    rate: float = 0.0
    max_latency_ns: int = 0
    most_outstanding: int = 0


class Samples(Message):
    """Every call's duration in ns, in order, and what the process used meanwhile; see RoundRecord.

    Attributes:
        starts_ns: when each began, on the system's monotonic clock; empty where there is one instance.
        calls: see RoundRecord.
    """

    samples_ns: tuple[int, ...]
    wall_ns: int
    cpu_ns: int
    minor_faults: int
    major_faults: int
    involuntary_switches: int
    starts_ns: tuple[int, ...] = ()
    items: float | None = None
    instance_calls: tuple[int, ...] = ()
    loadgen: LoadRun | None = None
    calls: int | None = None


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


class Sentinel(Message):
    """Time a fixed small matrix product."""


class SentinelTimed(Message):
    """Its duration."""

    duration_ns: int


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
    """What each way of doing it reached at best, by its name."""

    gflop_per_s: dict[str, float]
    gbyte_per_s: dict[str, float]


class Profile(Message):
    """Run so many calls of the bound batch under the library's profiler, and time as many without it."""

    calls: int


class Profiled(Message):
    """The calls' durations without the profiler, and the operators; None where the engine cannot say."""

    samples_ns: tuple[int, ...]
    operators: tuple[OperatorTime, ...] | None


class Failed(Message):
    """The request could not be carried out.

    Attributes:
        kind: name of an exception class of `errors.py`, or `Exception` for anything unforeseen.
        trace: the worker's traceback, for --debug.
    """

    kind: str
    message: str
    trace: str


Request = (
    Probe
    | Export
    | Build
    | Load
    | MakeReference
    | Prepare
    | Inspect
    | Bisect
    | Preprocess
    | Slice
    | LoadSlice
    | Sentinel
    | CountWork
    | MeasurePeaks
    | Profile
)
Reply = (
    Probed
    | Exported
    | Built
    | Loaded
    | ReferenceMade
    | Prepared
    | Inspected
    | Bisected
    | Preprocessed
    | Samples
    | SentinelTimed
    | WorkCounted
    | PeaksMeasured
    | Profiled
    | Failed
)

_encoder = msgspec.json.Encoder()
_request_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(Request)
_reply_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(Reply)


def encode(message: Message) -> bytes:
    """Return a message as one line."""
    return _encoder.encode(message) + b"\n"


def decode_request(line: bytes) -> Request:
    """Read a request; raises msgspec.MsgspecError for anything else."""
    request: Request = _request_decoder.decode(line)
    return request


def decode_reply(line: bytes) -> Reply:
    """Read a reply; raises msgspec.MsgspecError for anything else."""
    reply: Reply = _reply_decoder.decode(line)
    return reply
