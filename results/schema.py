"""The record's format: what stands in run.json, rounds.jsonl and launches.jsonl.

History of SCHEMA_VERSION:
1  the first.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

SCHEMA_VERSION = 1

Status = Literal["ok", "failed", "invalid", "skipped"]
RunState = Literal["running", "complete", "interrupted"]


class CellKey(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """One point of the study."""

    model: str
    precision: str = "fp32"
    batch_size: int
    threads: int
    instances: int = 1
    mode: str = "single"
    allocator: str = "default"

    @property
    def id(self) -> str:
        """A short name, unique within a study, e.g. `b16-t2`."""
        extras = "" if self.instances == 1 else f"-i{self.instances}-{self.mode}"
        extras += "" if self.precision == "fp32" else f"-{self.precision}"
        extras += "" if self.allocator == "default" else f"-{self.allocator}"
        return f"b{self.batch_size}-t{self.threads}{extras}"


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


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """run.json: what was asked, of what, on what.

    Attributes:
        command: the words of the command line that started it.
        engines: their shortest spellings, the order of `--engines`.
        settings: every setting, resolved.
        machine, versions, environment: see `runner/machine.py`.
        time_s: wall seconds by what they were spent on.
        notes: what a reader should know, in words.
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
    artifact: ArtifactRecord | None = None
    cells: tuple[PlannedCell, ...]
    time_s: dict[str, float] = {}
    notes: tuple[str, ...] = ()


class RoundRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One line of rounds.jsonl: one slice of one arm.

    Attributes:
        cell: the cell's id.
        launch, round: from 1.
        position: place in the round's order, from 0.
        started_s: seconds since the study began.
        samples_ns: every call's duration, in order.
    """

    cell: str
    launch: int
    round: int
    position: int
    engine: str
    twin: bool = False
    started_s: float
    samples_ns: tuple[int, ...]


class LaunchRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One line of launches.jsonl: one arm made ready for one cell in one launch, or how it ended.

    Attributes:
        stderr: the end of what a process that died wrote to standard error.
        import_s, load_s: of the launch's process; the same in every cell that it serves.
        first_call_ns: the cold call of this cell.
        warm_up_ns: the calls between the cold one and the first sample.
        steady: the last two windows of the warm-up agreed.
        threads: as the engine's library reports them.
        affinity: the CPUs the process may use, as seen from inside.
        memory_mib: peak resident set of the process so far.
        parity, placement: plain data; see `models/parity.py` and `engines/base.py`.
    """

    cell: str
    launch: int
    engine: str
    twin: bool = False
    status: Status
    reason: str | None = None
    stderr: str = ""
    import_s: float | None = None
    load_s: float | None = None
    first_call_ns: int | None = None
    warm_up_ns: tuple[int, ...] = ()
    steady: bool | None = None
    threads: int | None = None
    affinity: tuple[int, ...] = ()
    memory_mib: float | None = None
    versions: dict[str, str] = {}
    boundary: str | None = None
    parity: dict[str, Any] | None = None
    placement: dict[str, Any] | None = None
