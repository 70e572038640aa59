"""What parent and worker say to each other: one JSON line each way at a time."""

from __future__ import annotations

from typing import Any

import msgspec

from ortbench.engines.base import Evidence, LoadRequest, OperatorTime
from ortbench.models.inputs import Part
from ortbench.models.parity import Parity
from ortbench.results.loadgen import LoadRun
from ortbench.runner import job_messages
from ortbench.runner.meeting import MeetingPlace
from ortbench.runner.message import Message


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


class Prepare(Message):
    """Bind a batch, run it cold, compare its outputs, warm up.

    Attributes:
        reference_path: .npz of the reference's outputs; None where nothing is compared.
        reference: the engine that made it.
        batches: likewise for several batches, the first being that one; empty for no full check.
        wanted_inputs: how many inputs the full check should have.
        limit_s: when the full check ends at the latest, but for the batch under way.
        part: the items of the batch that this instance gets; None for all.
        warm_up: how many calls warm up, as an earlier launch found; None to go on until they are steady.
    """

    batch_size: int
    reference_path: str | None
    reference: str
    batches: tuple[str, ...] = ()
    wanted_inputs: int = 0
    limit_s: float = 0.0
    part: Part | None = None
    warm_up: int | None = None


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
    tunables: dict[str, int] = msgspec.field(default_factory=dict)
    pss_mib: float | None = None
    gpu_memory_mib: float | None = None
    busy_threads: int | None = None


class Try(Message):
    """Bind a batch and time a call, to see what it takes; nothing is compared or warmed up.

    Attributes:
        again_s: where the first call takes no longer, another is timed, as a first one may compile.
        part: the items of the batch that this instance gets; None for all.
    """

    batch_size: int
    again_s: float = 0.0
    part: Part | None = None


class Tried(Message):
    """What the last call took."""

    call_ns: int


class Slice(Message):
    """Time so many calls.

    Attributes:
        calls: that count.
        lead_in: calls before them, which are timed and not counted.
        mode: `single` for calls one after the other; `split` to begin each together with the other instances; `stream`
            to begin together and go on until every instance has done so many.
    """

    calls: int
    mode: str = "single"
    lead_in: int = 0


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
        lead_in: calls of the engine before LoadGen begins.
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
    lead_in: int = 0


class Samples(Message):
    """Every call's duration in ns, in order, and what the process used meanwhile; see RoundRecord.

    Attributes:
        starts_ns: when each began, on the system's monotonic clock, those of the lead-in first; empty where there is
            one instance.
        calls, lead_in_ns: see RoundRecord.
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
    lead_in_ns: tuple[int, ...] = ()


class Sentinel(Message):
    """Time a fixed small matrix product."""


class SentinelTimed(Message):
    """Its duration."""

    duration_ns: int


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
    job_messages.Probe
    | job_messages.Export
    | job_messages.Build
    | Load
    | job_messages.MakeReference
    | Prepare
    | Try
    | job_messages.Inspect
    | job_messages.Bisect
    | job_messages.Preprocess
    | Slice
    | LoadSlice
    | Sentinel
    | job_messages.CountWork
    | job_messages.MeasurePeaks
    | Profile
)
Reply = (
    job_messages.Probed
    | job_messages.Exported
    | job_messages.Built
    | Loaded
    | job_messages.ReferenceMade
    | Prepared
    | Tried
    | job_messages.Inspected
    | job_messages.Bisected
    | job_messages.Preprocessed
    | Samples
    | SentinelTimed
    | job_messages.WorkCounted
    | job_messages.PeaksMeasured
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
