"""Records made up for tests of everything that only reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from ortbench.results.derive import summarize
from ortbench.results.schema import ArmKey, CellKey, LaunchRecord, PlannedCell, RoundRecord, Run
from ortbench.results.study import Results

MS = 1_000_000


def make_run(
    engines: Sequence[str] = ("torch", "ort"),
    batch_sizes: Sequence[int] = (1,),
    threads: Sequence[int] = (2,),
    **changes: object,
) -> Run:
    """Return run.json's content for a complete study of a model `m`."""
    arms = tuple(ArmKey(engine) for engine in engines)
    cells = tuple(
        PlannedCell(key=CellKey(model="m", batch_size=size, threads=count), arms=arms, status="ok")
        for count in threads
        for size in batch_sizes
    )
    fields = {
        "state": "complete",
        "created": "2026-01-31T12:00:00+00:00",
        "command": ("ortbench", "compare"),
        "model": "m",
        "engines": tuple(engines),
        "baseline": engines[0],
        "seed": 0,
        "settings": {"target": 0.02},
        "machine": {"cpu": "test"},
        "versions": {},
        "cells": cells,
    }
    return Run(**{**fields, **changes})  # type: ignore[arg-type]  # a test names fields freely


def make_rounds(latencies_ms: Mapping[str, Sequence[Sequence[float]]], cell: str = "b1-t2") -> list[RoundRecord]:
    """Return one slice of one call per engine, launch and round.

    Args:
        latencies_ms: engine -> launches -> the latency of each round.
        cell: its id.
    """
    return [
        RoundRecord(
            cell=cell,
            launch=launch,
            round=number,
            position=0,
            engine=engine,
            started_s=0.0,
            samples_ns=(round(latency * MS),),
        )
        for engine, launches in latencies_ms.items()
        for launch, rounds in enumerate(launches, start=1)
        for number, latency in enumerate(rounds, start=1)
    ]


def make_launches(engines: Sequence[str], launches: int, cell: str = "b1-t2", **changes: object) -> list[LaunchRecord]:
    """Return a record of every engine made ready in every launch."""
    fields = {"status": "ok", "steady": True, "import_s": 1.0, "load_s": 0.5, "first_call_ns": 9 * MS}
    return [
        LaunchRecord(cell=cell, launch=launch, engine=engine, **{**fields, **changes})  # type: ignore[arg-type]
        for launch in range(1, launches + 1)
        for engine in engines
    ]


def make_results(
    keys: Sequence[CellKey], engines: Sequence[str] = ("torch", "ort"), launches: int = 3, **changes: object
) -> Results:
    """Return a study with its record: four rounds a launch of every engine and of the baseline's twin.

    The engines are the faster the later they stand in `engines`; latencies wobble by a few per cent.

    Args:
        keys: its cells.
        engines: the baseline first.
        launches: in each cell.
        changes: fields of run.json that differ from `make_run`'s.
    """
    arms = (*map(ArmKey, engines), ArmKey(engines[0], twin=True))
    cells = tuple(PlannedCell(key=key, arms=arms, status="ok") for key in keys)
    run = make_run(engines, **{"cells": cells, **changes})  # type: ignore[arg-type]  # a test names fields freely
    rounds, ready = [], []
    for cell in cells:
        for place, arm in enumerate(arms):
            middle_ms = 20 * cell.key.batch_size / cell.key.threads / (1 + engines.index(arm.engine))
            wobbling = [
                [middle_ms * (1 + (place + 2 * launch + 3 * number) % 5 / 50) for number in range(4)]
                for launch in range(launches)
            ]
            rounds += [
                msgspec.structs.replace(
                    line,
                    twin=arm.twin,
                    started_s=10.0 * line.launch + line.round,
                    sentinel_ns=MS,
                    samples_ns=line.samples_ns * 5,
                )
                for line in make_rounds({arm.engine: wobbling}, cell.key.id)
            ]
            ready += make_launches([arm.engine], launches, cell.key.id, twin=arm.twin, memory_mib=300.0, pss_mib=200.0)
    return Results(Path("results"), summarize(run, rounds, ready), run, tuple(rounds), tuple(ready))


def with_failed(results: Results, engine: str, cells: Sequence[str]) -> Results:
    """Return a study in which an engine crashed in the first launch of some cells, given by their ids."""
    assert results.run
    launches = [
        msgspec.structs.replace(record, status="failed", reason="the process died by SIGSEGV")
        if record.engine == engine and record.cell in cells and record.launch == 1
        else record
        for record in results.launches
    ]
    lost = [line for line in results.rounds if line.engine != engine or line.cell not in cells]
    return Results(results.path, summarize(results.run, lost, launches), results.run, tuple(lost), tuple(launches))
