"""The parts of a record that are plain data, checked where they are read: what derives figures from them trusts them.

Keys that are not named here are kept as they are; nothing computes with them.
"""

from __future__ import annotations

import msgspec

from ortbench.results.schema import LaunchRecord, Run


class _Parity(msgspec.Struct, kw_only=True):
    ok: bool | None = None
    reference: str = ""
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
    seconds: float | None = None
    note: str | None = None


class _Placement(msgspec.Struct, kw_only=True):
    requested: str
    assigned: dict[str, int]
    unit: str
    flops: dict[str, int] | None = None
    operators: dict[str, dict[str, int]] | None = None
    fusions: dict[str, int] | None = None


class _Evidence(msgspec.Struct, kw_only=True):
    precision: dict[str, str] | None = None
    emulated: str | None = None
    gradients: bool | None = None
    convolution_search: str | None = None
    layout: str | None = None
    artifact_sha256: str | None = None
    busy_threads: float | None = None
    rebound: tuple[str, ...] | None = None


class _Settings(msgspec.Struct, kw_only=True):
    target: float | None = None
    max_time_s: float | None = None
    files_sha256: dict[str, str] = {}
    engines: tuple[str, ...] = ()


def check_launch(record: LaunchRecord) -> None:
    """Check what a launch's record holds as plain data.

    Raises:
        msgspec.ValidationError: a value is of another type.
    """
    for name, kind in (("parity", _Parity), ("placement", _Placement), ("evidence", _Evidence)):
        found = getattr(record, name)
        if found is not None:
            try:
                msgspec.convert(found, kind)
            except msgspec.ValidationError as error:
                raise msgspec.ValidationError(f"{error} - in `{name}`") from error


def check_run(run: Run) -> None:
    """Check what run.json holds as plain data.

    Raises:
        msgspec.ValidationError: a value is of another type.
    """
    msgspec.convert(run.settings, _Settings)
