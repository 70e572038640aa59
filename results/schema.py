"""The record's format: what stands in run.json, rounds.jsonl and launches.jsonl.

History of SCHEMA_VERSION:
1  the first.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from ortbench.results.loadgen import LoadRun
from ortbench.results.roofline import Roofline

SCHEMA_VERSION = 1

Status = Literal["ok", "failed", "invalid", "skipped"]
RunState = Literal["running", "complete", "interrupted"]


# What can be counted or timed at all; checked where a record is read.
Count = Annotated[int, Meta(ge=1, le=10**15)]
Number = Annotated[int, Meta(ge=0, le=10**15)]
Nanoseconds = Annotated[int, Meta(ge=0, le=10**18)]
Seconds = Annotated[float, Meta(ge=0, le=1e9)]


class CellKey(msgspec.Struct, frozen=True, kw_only=True, order=True, gc=False):
    """One point of the study.

    Attributes:
        load: by what LoadGen makes requests arrive, e.g. `poisson@20/s`; empty where calls follow each other.
    """

    model: str
    precision: str = "fp32"
    batch_size: Count
    threads: Count
    instances: Count = 1
    mode: str = "single"
    allocator: str = "default"
    load: str = ""

    @property
    def id(self) -> str:
        """A short name, unique within a study, e.g. `b16-t2`."""
        extras = "" if self.instances == 1 else f"-i{self.instances}-{self.mode}"
        extras += "" if self.precision == "fp32" else f"-{self.precision}"
        extras += "" if self.allocator == "default" else f"-{self.allocator}"
        extras += f"-{self.load}" if self.load else ""
        return f"b{self.batch_size}-t{self.threads}{extras}"

    @property
    def layout(self) -> tuple[int, int]:
        """Threads and instances."""
        return self.threads, self.instances

    @property
    def launch(self) -> tuple[str, int, int, str]:
        """What cells that share a launch have in common: everything but model, batch size and mode."""
        return self.precision, self.threads, self.instances, self.allocator


class ArmKey(msgspec.Struct, frozen=True, order=True):
    """One engine inside a cell; the baseline's twin is an arm of its own."""

    engine: str
    twin: bool = False


class PlannedCell(msgspec.Struct, frozen=True, kw_only=True):
    """A cell with the arms that are to be compared in it, and how it ended."""

    key: CellKey
    arms: tuple[ArmKey, ...]
    status: Status | Literal["planned"] = "planned"
    reason: str | None = None


class ArtifactRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The ONNX file that the study ran."""

    path: str
    sha256: str
    opset: int | None = None
    flops_per_item: int | None = None


class SlicePlan(msgspec.Struct, frozen=True, kw_only=True):
    """How an engine's slices are made up in a cell, as its first launch showed; the same in all launches after it.

    Attributes:
        cell: the cell's id.
        engine: its twin's slices are made up alike.
        lead_in: calls at the beginning of a slice that are not counted.
        calls: that are counted; an odd number.
        call_ns: the typical call.
        off: what the counted calls take more than calls in a row, 0.01 for 1 %; None where it could not be told.
        off_range: an interval for it.
    """

    cell: str = ""
    engine: str = ""
    lead_in: int
    calls: int
    call_ns: int = 0
    off: float | None = None
    off_range: tuple[float, float] | None = None


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """run.json: what was asked, of what, on what.

    Attributes:
        command: the words of the command line that started it.
        engines: their shortest spellings, the order of `--engines`.
        settings: every setting, resolved.
        machine, versions, environment: see `runner/machine.py`.
        artifact: the ONNX file, the first lane's where there are several; artifacts: each by its precision.
        git_commit: of the repository in whose folder the command ran, if any.
        time_s: wall seconds by what they were spent on; `roofs` are not part of `total`.
        inputs: the shape of each input as it ran, `batch` standing for the batch size of the cell.
        outputs: likewise, as far as it is known before a call; other names are not known.
        batch_axis: the model's own name of the batch, `INPUT:AXIS` where it has none, or `none`.
        roofline: the model's work and the machine's roofs; None where nothing was measured that has any.
        notes: what a reader should know, in words.
        slices: how slices are made up, one for each engine and cell that was measured.
        time_for_intervals_s: the --max-time that would give intervals, by what launches cost; None where there are.
    """

    schema_version: int = SCHEMA_VERSION
    state: RunState = "running"
    created: str
    command: tuple[str, ...]
    model: str
    engines: tuple[str, ...]
    baseline: str
    seed: int
    settings: dict[str, Any]
    machine: dict[str, Any]
    versions: dict[str, str]
    environment: dict[str, str] = {}
    git_commit: str | None = None
    artifact: ArtifactRecord | None = None
    artifacts: dict[str, ArtifactRecord] = {}
    cells: tuple[PlannedCell, ...]
    time_s: dict[str, float] = {}
    notes: tuple[str, ...] = ()
    roofline: Roofline | None = None
    inputs: dict[str, tuple[int | str, ...]] = {}
    outputs: dict[str, tuple[int | str, ...]] = {}
    batch_axis: str | None = None
    slices: tuple[SlicePlan, ...] = ()
    time_for_intervals_s: float | None = None


class Disturbance(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the system's counters say of one round, on the CPUs in use.

    Attributes:
        wall_s: the round's length.
        steal_s: CPU time that the hypervisor gave to others.
        throttled_s: how long the cgroup's quota stopped everything.
        foreign_cpu_s: CPU time of other programs.
        major_faults: page faults of the arms that had to read the disk.
        frequency_mhz: of the CPU, where the system shows it.
        clock_limits: why the GPU's clock was not at its highest, in NVML's words.
    """

    wall_s: Seconds
    steal_s: float = 0.0
    throttled_s: float = 0.0
    foreign_cpu_s: float = 0.0
    major_faults: int = 0
    frequency_mhz: float | None = None
    clock_limits: tuple[str, ...] = ()


class RoundRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One line of rounds.jsonl: one slice of one arm.

    Attributes:
        cell: the cell's id.
        launch, round: from 1.
        position: place in the round's order, from 0.
        started_s: seconds since the study began.
        samples_ns: every counted call's duration, in order; under a load the latencies by LoadGen's clock
            (docs/load.md).
        lead_in_ns: the durations of the calls before them, which are never counted: the first calls after a pause take
            longer than calls in a row. In `stream` those of one instance after the other.
        wall_ns: of the counted calls, from before the first to after the last.
        cpu_ns: CPU time of the arm's process in this slice, all its threads together, the lead-in included; so are the
            faults and the energy.
        minor_faults, major_faults: its page faults.
        involuntary_switches: how often something else took its CPU.
        disturbance: of the whole round, the same on each of its lines.
        spoiled: why the round does not count, by the counters alone; None for a quiet one.
        spoiled_since_s: where that was found in a window of several short rounds: when the window began, in seconds
            since the study began. The rounds since then don't count either; see `windows.py`.
        sentinel_ns: the latest duration of a fixed small matrix product, which tracks the machine's speed.
        items: how many were finished in `wall_ns`, where it is not the batch size for every sample.
        instance_calls: of how many samples each instance's are, one after the other; empty where samples are the arm's.
        calls: how many the process's counters are of, where it is not that of the lead-in and the samples.
        energy_uj: of the processor, or of the GPU where the arm runs there, while the slice ran; None where unreadable.
        loadgen: LoadGen's own account of the slice, where it made the requests.
    """

    cell: str
    launch: Number
    round: Number
    position: Number
    engine: str
    twin: bool = False
    started_s: float
    samples_ns: tuple[Nanoseconds, ...]
    lead_in_ns: tuple[Nanoseconds, ...] = ()
    wall_ns: Nanoseconds | None = None
    cpu_ns: Nanoseconds | None = None
    minor_faults: int = 0
    major_faults: int = 0
    involuntary_switches: int = 0
    disturbance: Disturbance | None = None
    spoiled: str | None = None
    spoiled_since_s: float | None = None
    sentinel_ns: Nanoseconds | None = None
    items: float | None = None
    instance_calls: tuple[Number, ...] = ()
    energy_uj: Number | None = None
    loadgen: LoadRun | None = None
    calls: int | None = None


class LaunchRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One line of launches.jsonl: one arm made ready for one cell in one launch, or how it ended.

    Attributes:
        stderr: the end of what a process that died wrote to standard error.
        import_s, load_s: of the launch's process; the same in every cell that it serves.
        first_call_ns: the cold call of this cell.
        warm_up_ns: the calls between the cold one and the first sample, those of a round that does not count included.
        stretches_ns: rows of calls without a pause, each after one, by which the lead-in is chosen; in a first launch.
        steady: the last two windows of the warm-up agreed.
        threads: as the engine's library reports them.
        affinity: the CPUs the process may use, as seen from inside.
        os_threads: threads of the process, as the system counts them.
        allocator: the malloc that is really loaded.
        memory_mib: peak resident set of the process so far.
        pss_mib: the largest proportional set size seen, shared pages divided among those who share them.
        gpu_memory_mib: of the process, by NVML.
        build_s: what it took to build what is loaded, where that was built for this study.
        parity, placement: plain data; see `models/parity.py` and `engines/base.py`.
        evidence: the rest of what the engine proved, plain data; see `engines/base.py`.
    """

    cell: str
    launch: Number
    engine: str
    twin: bool = False
    status: Status
    reason: str | None = None
    stderr: str = ""
    import_s: float | None = None
    load_s: float | None = None
    first_call_ns: Nanoseconds | None = None
    warm_up_ns: tuple[Nanoseconds, ...] = ()
    stretches_ns: tuple[tuple[int, ...], ...] = ()
    steady: bool | None = None
    threads: int | None = None
    affinity: tuple[int, ...] = ()
    os_threads: int | None = None
    allocator: str | None = None
    memory_mib: float | None = None
    versions: dict[str, str] = {}
    boundary: str | None = None
    parity: dict[str, Any] | None = None
    placement: dict[str, Any] | None = None
    pss_mib: float | None = None
    gpu_memory_mib: float | None = None
    build_s: float | None = None
    evidence: dict[str, Any] | None = None
